// SPDX-License-Identifier: Apache-2.0
/*
 * work NAME ARG...: one workload in the current directory; prints the milliseconds it took.
 * `work` alone lists them. Exit 1 when something failed, 2 for wrong usage.
 */
#include "work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct timespec clock_started;
static double clock_ms;

void work_start(void)
{
	clock_gettime(CLOCK_MONOTONIC, &clock_started);
}

void work_stop(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	clock_ms += (double)(now.tv_sec - clock_started.tv_sec) * 1e3 +
		    (double)(now.tv_nsec - clock_started.tv_nsec) / 1e6;
}

_Noreturn void work_die(const char *what)
{
	fprintf(stderr, "work: %s: %s\n", what, strerror(errno));
	exit(1);
}

uint64_t work_number(const char *text)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);

	if (end != text && !*end)
		return n;
	fprintf(stderr, "work: '%s' is not a number\n", text);
	exit(2);
}

int work_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		work_die(path);
	return fd;
}

void work_write(int fd, const void *buf, size_t n)
{
	ssize_t done = write(fd, buf, n);

	if (done == (ssize_t)n)
		return;
	if (done >= 0)
		errno = ENOSPC;
	work_die("write");
}

/* A process does one thing with one buffer, which ends with it. */
static char *work_owned;

static void work_free(void)
{
	free(work_owned);
}

char *work_buffer(size_t n)
{
	uint64_t x = 88172645463325252ULL;
	char *buf = malloc(n + sizeof(x));

	if (!buf)
		work_die("memory");
	work_owned = buf;
	atexit(work_free);
	for (size_t i = 0; i < n; i += sizeof(x)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(buf + i, &x, sizeof(x));
	}
	return buf;
}

void work_exec(int argc, char **argv)
{
	int status;
	pid_t pid;

	(void)argc;
	fflush(stdout);
	work_start();
	pid = fork();
	if (pid < 0)
		work_die("fork");
	if (pid == 0) {
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execvp(argv[0], argv);
		work_die(argv[0]);
	}
	if (waitpid(pid, &status, 0) < 0)
		work_die("wait");
	work_stop();
	if (status == 0)
		return;
	fprintf(stderr, "work: %s ended with status %d\n", argv[0], status);
	exit(1);
}

static const struct work work_commands[] = {
	{"exec", "COMMAND [ARG...]    with what it costs to start it", 1, work_exec},
	{0},
};

static const struct work *const work_tables[] = {work_names, work_data, work_commands};
#define WORK_TABLES (sizeof(work_tables) / sizeof(work_tables[0]))

static void work_usage(void)
{
	fputs("usage: work NAME ARG...\n", stderr);
	for (size_t i = 0; i < WORK_TABLES; i++) {
		for (const struct work *w = work_tables[i]; w->name; w++)
			fprintf(stderr, "  %s %s\n", w->name, w->args);
	}
}

static const struct work *work_find(const char *name)
{
	for (size_t i = 0; i < WORK_TABLES; i++) {
		for (const struct work *w = work_tables[i]; w->name; w++) {
			if (strcmp(w->name, name) == 0)
				return w;
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const struct work *w = argc > 1 ? work_find(argv[1]) : NULL;

	if (!w || argc - 2 < w->min_args) {
		work_usage();
		return 2;
	}
	w->run(argc - 2, argv + 2);
	printf("%.3f\n", clock_ms);
	return 0;
}
