// SPDX-License-Identifier: Apache-2.0
/*
 * The pieces of the benchmark's helper: each workload is one function that does its preparation, starts the clock,
 * works, and stops it. Shell loops would measure fork and exec.
 */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include <stddef.h>
#include <stdint.h>

/* The clock of the workload; time outside of start and stop does not count. */
void work_start(void);
void work_stop(void);

/* Prints "work: WHAT: strerror(errno)" and exits with 1. */
_Noreturn void work_die(const char *what);

/* A number from the command line: decimal, not negative; exits with 2 otherwise. */
uint64_t work_number(const char *text);

/* open(2), or death. */
int work_open(const char *path, int flags);
void work_write(int fd, const void *buf, size_t n);

/* n bytes of memory that are not all zero and not compressible at a glance, or death. */
char *work_buffer(size_t n);

/* Runs a command, argv ending with NULL, by the clock; its failure is death. */
void work_exec(int argc, char **argv);

struct work {
	const char *name, *args; /* args: what the usage text says */
	int min_args;            /* without the name */
	void (*run)(int argc, char **argv);
};

/* Workloads on names (work_names.c), on bytes (work_data.c); each table ends with a NULL name. */
extern const struct work work_names[];
extern const struct work work_data[];

#endif
