// SPDX-License-Identifier: Apache-2.0
/*
 * How requests come from the device and replies go back: carriers of the /dev/fuse
 * transport. The classic one reads and writes descriptors; it always runs, since some
 * messages come no other way. A second one may take over all others (devfuse_uring.h).
 */
#ifndef VF_CARRIER_H
#define VF_CARRIER_H

#include <stdbool.h>
#include <stddef.h>

struct vf_session;
struct vf_classic;

struct vf_classic_config {
	int fd; /* the device, borrowed until vf_classic_stop() */
	struct vf_session *session;
	unsigned max_threads;
	/* Called once, from a worker, when the connection has ended: unmounted, or aborted where it stands. */
	void (*ended)(void *arg, bool unmounted);
	void *arg;
};

/* Starts threads that read, dispatch and write. 0 or -errno; *out is the caller's, to be stopped. */
int vf_classic_start(const struct vf_classic_config *config, struct vf_classic **out);

/* Lets every thread finish its request, joins them, frees. NULL is allowed. */
void vf_classic_stop(struct vf_classic *c);

/* Serves exactly one request of fd on the caller's thread, waiting for it. 0, or -errno (-ENODEV: unmounted). */
int vf_classic_serve_one(int fd, struct vf_session *session);

#endif
