// SPDX-License-Identifier: Apache-2.0
/*
 * Where front ends come from: a listening socket, one connected socket that we
 * were started with, or our keeper, which hands sockets over a control channel.
 * They are served one after another.
 */
#ifndef VF_VHOST_SERVER_H
#define VF_VHOST_SERVER_H

#include <sys/types.h>

#include "base/cfg.h"
#include "base/err.h"
#include "fuse/vhost_device.h"

enum vhost_source_kind {
	VHOST_LISTENING,
	VHOST_CONNECTED,
	VHOST_KEEPER,
};

/*
 * Makes a listening socket at path, replacing a socket that nobody listens on.
 * gid: its group, which may then connect too; -1: only the owner. Returns the
 * descriptor or -errno with a sentence; -EADDRINUSE: a server is there.
 */
int vhost_listen(const char *path, gid_t gid, struct vn_err *err) VN_MUST_CHECK;

/* What a descriptor that we were started with is; -ENOTSOCK or another error when it is no stream socket. */
int vhost_source_probe(int fd, enum vhost_source_kind *kind) VN_MUST_CHECK;

/*
 * Serves front ends until `stop` becomes readable or the source ends. What was
 * taken is finished, and the device is detached, before it returns. SIGPIPE has to be
 * ignored: a front end may close a pipe that it asked us to write to. 0 or -errno.
 */
int vhost_server_run(struct vhost_device *d, int source, enum vhost_source_kind kind, int stop) VN_MUST_CHECK;

/* ---- the control channel, a SOCK_SEQPACKET pair ---- */

/* Worker: tells the keeper that it can serve. */
int vhost_control_ready(int control) VN_MUST_CHECK;

/* Keeper: hands a front end's socket over; sock stays the caller's. */
int vhost_control_pass(int control, int sock) VN_MUST_CHECK;

/* Either side: receives a byte and perhaps a descriptor (-1: none). Returns 1, 0 at the end, -errno. */
int vhost_control_receive(int control, int *fd) VN_MUST_CHECK;

#endif
