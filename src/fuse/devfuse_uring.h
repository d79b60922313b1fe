// SPDX-License-Identifier: Apache-2.0
/*
 * The second carrier: FUSE over io_uring (Linux 6.14, and switched on in the fuse
 * module). It carries all requests but FORGET and INTERRUPT, which stay on the device,
 * as notices do.
 */
#ifndef VF_DEVFUSE_URING_H
#define VF_DEVFUSE_URING_H

#include <stdbool.h>

struct vf_session;
struct vf_uring;

struct vf_uring_config {
	int fd; /* the device, borrowed until vf_uring_stop() */
	struct vf_session *session;
	void (*failed)(void *arg); /* the mount cannot be served any more; from any thread */
	void *arg;
};

/* Has the administrator switched it on? */
bool vf_uring_is_enabled(void);

/*
 * Makes rings and buffers for every possible CPU: before INIT is answered, since afterwards
 * every request waits for them. 0, or -errno: then it cannot be used here.
 */
int vf_uring_new(const struct vf_uring_config *config, struct vf_uring **out);

/* INIT has agreed on it: registers the buffers and serves. 0 or -errno: then the device carries everything. */
int vf_uring_start(struct vf_uring *u);

/* Lets requests at work finish, ends the threads, frees. NULL is allowed. */
void vf_uring_stop(struct vf_uring *u);

#endif
