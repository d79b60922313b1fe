// SPDX-License-Identifier: Apache-2.0
/*
 * A tree, the session that serves it to one mount, and the control socket: what
 * `veneer mount` and `veneer run` have in common.
 *
 * Order: server_open, then server_mount or server_attach, then (mount)
 * server_wait, then server_close. Threads are started by server_open already: fork
 * before it.
 */
#ifndef CLI_SERVER_H
#define CLI_SERVER_H

#include <sys/types.h>

#include "cli/layers.h"
#include "cli/mount_options.h"

struct vn_err;
struct server;

/*
 * Opens the tree. Both arguments are borrowed until server_close(). On failure
 * the upper's directory may have to be taken back with layers_undo().
 */
int server_open(const struct layers *layers, const struct mount_options *options, struct server **out, struct vn_err *err);

/* Mounts on target and serves; when it returns 0 the mount answers. */
int server_mount(struct server *s, const char *target, struct vn_err *err);

/* Serves a mount that exists already, of which fuse_fd is the device (taken over, also on failure). */
int server_attach(struct server *s, int fuse_fd, struct vn_err *err);

/*
 * Waits until somebody unmounts, or unmounts on SIGTERM, SIGINT, SIGHUP or the
 * control socket's "stop". These signals must be blocked (server_block_signals()).
 */
void server_wait(struct server *s);

/* Blocks the signals that server_wait() takes, in this thread and those it starts. */
void server_block_signals(void);

/* The directories the tree stands on, top first; recorded ones where none were given. */
size_t server_lowers(const struct server *s);
const char *server_lower(const struct server *s, size_t i);

/* How many changes stand in the upper; 0 when it cannot be told. */
size_t server_changes(struct server *s);

/* Ends the session, makes everything durable, frees. 0 or the first failure, with its sentence. */
int server_close(struct server *s, struct vn_err *err);

/* The same for a server that nobody could use yet: an upper that it made is empty again. */
void server_discard(struct server *s);

#endif
