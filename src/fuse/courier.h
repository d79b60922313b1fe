// SPDX-License-Identifier: Apache-2.0
/*
 * A thread of idle priority that sends replies, so that the client wakes up where it is.
 *
 * A worker runs on the CPU on which its client waits (follow.h). But whoever wakes a
 * process is running, and so the scheduler sees that CPU as busy: it puts the client on
 * another one that is idle, if there is one beside the same cache. That one is halted
 * and takes 50 us to wake, and the worker comes after. A CPU that runs nothing but
 * SCHED_IDLE threads counts as idle. So the worker leaves its reply here and goes to
 * sleep in read(2); the courier, of that policy and pinned to the same CPU, sends it, and
 * the client goes on right there: three context switches, 5 us, instead of two wake-ups
 * of halted CPUs, 100 us.
 *
 * The price: where other processes want the CPU, a thread of idle priority waits for
 * long. So a courier is used only where clients are seen to be moved, which is where
 * CPUs are idle; it reports when it came late (and is then left alone for a while); and
 * a reply that has waited for long is sent by the readers' watch.
 *
 * There is no lock: a courier that was stopped while it held one would stop the others.
 */
#ifndef VF_COURIER_H
#define VF_COURIER_H

#include <stdbool.h>
#include <stddef.h>

struct iovec;
struct vf_courier;
struct vf_session;

/* Replies of one worker to the descriptor fd; both borrowed until vf_courier_free(). 0 or -errno; *out is the caller's. */
int vf_courier_new(int fd, struct vf_session *session, struct vf_courier **out);

/* Sends what is left; the thread then ends by itself, whenever it is its turn. After the worker has ended. NULL is allowed. */
void vf_courier_free(struct vf_courier *c);

/*
 * By the worker: leaves the reply of `len` bytes that lies in *out_buffer (vf_buffer_out()) to the
 * request that begins at `in`, to be sent from `cpu`, and exchanges the buffer for another one.
 * False, and nothing has happened: two are on their way.
 */
bool vf_courier_take(struct vf_courier *c, int cpu, const void *in, char **out_buffer, size_t len);

/* By the worker: whether since the last call a reply waited for so long that others must want the CPU. */
bool vf_courier_was_late(struct vf_courier *c);

/* By any one thread: the CPU from which the last reply was to be sent, -1: none was left here since the last call. */
int vf_courier_cpu(struct vf_courier *c);

/* By any one thread: sends replies that have waited for too long. */
void vf_courier_hurry(struct vf_courier *c);

#endif
