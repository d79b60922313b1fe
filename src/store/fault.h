// SPDX-License-Identifier: Apache-2.0
/*
 * Fault points: places where a test makes the n-th passage fail or end the
 * process. They are always compiled in and cost one load and a branch.
 *
 * Armed by a call in a test, or through the environment variable VENEER_FAULT,
 * read when a store is opened: NAME:N:ACTION, several separated by commas. NAME
 * is a point, N counts passages from 1, ACTION is an errno's number or `kill`.
 */
#ifndef STORE_FAULT_H
#define STORE_FAULT_H

#include <stdbool.h>

enum fault_point {
	FAULT_APPEND,     /* writing a record to the ring */
	FAULT_RING_FLUSH, /* flushing the ring */
	FAULT_SQL,        /* one step of the store thread's SQL */
	FAULT_COMMIT,     /* SQL commit */
	FAULT_WAL_FLUSH,  /* flush of the index's log */
	FAULT_CHECKPOINT, /* before a checkpoint */
	FAULT_DATA_NEW,   /* creating a data file */
	FAULT_DATA_FLUSH, /* flushing a data file */
	FAULT_UNLINK,     /* removing a data file */
	FAULT_STEP,       /* between two steps of open, close, seal, rollback, fork, merge */
	FAULT_POINTS,
};

#define FAULT_KILL 100000 /* as an error: _exit() at once, as by SIGKILL */

extern bool fault_armed_any;

/* The n-th passage from now (1: the next) fails with -error; later ones pass unless `sticky`. n 0 disarms. */
void fault_arm(enum fault_point point, unsigned n, int error, bool sticky);
void fault_disarm_all(void);
/* Reads VENEER_FAULT. A text that cannot be understood is ignored. */
void fault_from_environment(void);
int fault_hit_slow(enum fault_point point);

/* 0, or the negative errno that this passage fails with. */
static inline int fault_hit(enum fault_point point)
{
	return __builtin_expect(__atomic_load_n(&fault_armed_any, __ATOMIC_RELAXED), 0) ? fault_hit_slow(point) : 0;
}

#endif
