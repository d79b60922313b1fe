// SPDX-License-Identifier: Apache-2.0
/*
 * A worker that runs where its client runs.
 *
 * A client that waits for its reply leaves its CPU idle. Answered from the same CPU a
 * round trip is two context switches, 4 us; answered by a thread that sleeps on
 * another CPU it is two wake-ups of halted CPUs, 70 us. The scheduler prefers the idle
 * CPU, so the worker pins itself: when one client sends request after request, it
 * finds out on which CPU that client waits and goes there. When requests are large, or
 * come from several clients in turn, it lets itself be placed freely. A client that is
 * moved away each time that it is woken is to be kept (courier.h), while nobody else
 * wants the CPU.
 */
#ifndef VF_FOLLOW_H
#define VF_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/thread.h"

struct vf_follow {
	uint32_t pid;                   /* whose requests came lately, 0: nobody's */
	unsigned same;                  /* how many in a row */
	unsigned others;                /* changes of pid since the thread was pinned */
	int cpu;                        /* where the thread is pinned, -1: nowhere */
	int64_t replied;                /* when the last reply went out, ns */
	int64_t looked;                 /* when a client's CPU was last looked up, ns */
	int64_t patience;               /* how long not to look again, ns */
	int64_t usual;                  /* how long the client takes from a reply to its next request, smoothed, ns */
	uint32_t found;                 /* whose CPU that was; 0: look again */
	unsigned moves;                 /* looks in a row that found the client elsewhere than we were */
	bool keep;                      /* clients are moved away from us; see vf_follow_keeps() */
	int64_t keep_until, keep_time;  /* then it is tried without, ns; for how long it is kept the next time */
	int64_t keep_after, keep_pause; /* not before, ns; how long not the next time */
	unsigned strikes; /* looks in a row that found no waiting client; many: the numbers mean other processes here, */
	int64_t off_until; /* or the machine is busy: nobody is followed until then, ns */
	struct vn_cpus allowed; /* where the thread may run at all */
};

/* By the thread that will follow, on these CPUs (if they are not known it will not); whoever made it may have been pinned. */
void vf_follow_init(struct vf_follow *f, const struct vn_cpus *allowed);

/*
 * A request of pid has been carried out and is about to be answered: of `bytes` bytes,
 * counting both ways. Pins or frees the calling thread.
 */
void vf_follow_client(struct vf_follow *f, uint32_t pid, size_t bytes);

/* A request has come in, which is when the pause since the last reply is known. */
void vf_follow_arrived(struct vf_follow *f);

/* The reply has been sent. */
void vf_follow_replied(struct vf_follow *f);

/*
 * True when the client was found on another CPU time and again, although we went after
 * it: others are idle, and it should be woken in such a way that it stays (courier.h).
 */
bool vf_follow_keeps(const struct vf_follow *f);

/* Others want our CPU, so no client is moved from it because it looked busy: not to be kept for a while. */
void vf_follow_contended(struct vf_follow *f);

#endif
