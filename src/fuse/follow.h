// SPDX-License-Identifier: Apache-2.0
/*
 * A worker that runs where its client runs.
 *
 * A client that waits for its reply leaves its CPU idle. Answered from the same CPU a
 * round trip is two context switches, 4 us; answered by a thread that sleeps on
 * another CPU it is two wake-ups of halted CPUs, 70 us. The scheduler prefers the idle
 * CPU, so the worker pins itself: when one client sends request after request, it
 * finds out on which CPU that client waits and goes there. When requests are large, or
 * come from several clients in turn, it lets itself be placed freely.
 */
#ifndef VF_FOLLOW_H
#define VF_FOLLOW_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vf_follow {
	uint32_t pid;     /* whose requests came lately, 0: nobody's */
	unsigned same;    /* how many in a row */
	unsigned others;  /* changes of pid since the thread was pinned */
	int cpu;          /* where the thread is pinned, -1: nowhere */
	int64_t replied;  /* when the last reply went out, ns */
	int64_t looked;   /* when a client's CPU was last looked up, ns */
	int64_t patience; /* how long not to look again, ns */
	uint32_t found;   /* whose CPU that was; 0: look again */
	unsigned strikes; /* looks in a row that found no waiting client; many: the numbers mean other processes here */
	cpu_set_t allowed; /* where the thread may run at all */
};

/* By the thread that will follow. */
void vf_follow_init(struct vf_follow *f);

/*
 * A request of pid has been carried out and is about to be answered: of `bytes` bytes,
 * counting both ways. Pins or frees the calling thread.
 */
void vf_follow_client(struct vf_follow *f, uint32_t pid, size_t bytes);

/* A request has come in, which is when the pause since the last reply is known. */
void vf_follow_arrived(struct vf_follow *f);

/* The reply has been sent. */
void vf_follow_replied(struct vf_follow *f);

#endif
