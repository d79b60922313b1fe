// SPDX-License-Identifier: Apache-2.0
/*
 * The keeper: a small process that owns the socket, the front end's connection, and
 * copies of its memory and event descriptors, while a worker process serves. A
 * guest then outlives the death, or the replacement, of the server, whatever its
 * VMM can do.
 *
 * Theory of operation. To the front end the keeper is the device; to the worker it
 * is a front end that reconnects. Each message is passed on, with its descriptors,
 * and noted once the worker has carried it out (vhost_record.h). The in-flight
 * region is the front end's, or one that the keeper makes. When the worker is gone
 * a new one is started and told everything again; from the in-flight region it
 * learns which requests to repeat and which FUSE session to go on with. The data
 * path does not pass through the keeper: kicks and calls are between the guest and
 * the worker.
 *
 * A message during which the worker died is passed on once more, to the next one.
 * Workers that crash soon after their start, several times in a row, cost the front
 * end its connection, and are started with longer and longer pauses; when there is no
 * front end, or no other can come, the keeper ends with an error. Being killed does not count.
 *
 * The keeper never reads guest memory, so a hostile guest does not reach it.
 */
#ifndef VF_VHOST_KEEPER_H
#define VF_VHOST_KEEPER_H

#include <sys/types.h>

#include "base/cfg.h"
#include "base/err.h"
#include "fuse/vhost_server.h"

struct vhost_keeper_config {
	/* Starts a worker that serves the control channel; 0 or -errno, the process in *pid. control stays the caller's. */
	int (*spawn)(void *arg, int control, pid_t *pid);
	/* Called once, when the first worker is ready: makes the source (or returns the one that is there). */
	int (*open_source)(void *arg, enum vhost_source_kind *kind, struct vn_err *err);
	void *arg;
	unsigned queues; /* in all, hiprio included */
};

/*
 * Runs until SIGTERM or SIGINT (the worker finishes what it took first), until a
 * connected socket's front end is gone, or until workers die without a front end.
 * SIGUSR1 replaces the worker, which is told by SIGUSR2. Blocks these signals and SIGCHLD for its process.
 * Returns 0, or -errno with a sentence; *status is the exit status of a worker that
 * did not get ready (-1: none).
 */
int vhost_keeper_run(const struct vhost_keeper_config *config, int *status, struct vn_err *err) VN_MUST_CHECK;

#endif
