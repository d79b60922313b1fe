// SPDX-License-Identifier: Apache-2.0
/* What data.c offers to space.c and copy.c: bytes with the node's lock held by the caller. */
#ifndef OVL_DATA_H
#define OVL_DATA_H

#include <stdint.h>

#include "base/fs.h"
#include "overlay/run.h"

/* Takes node->lock for reading, with the extents of a PARTIAL row in memory. On failure it is not held. */
int ovl_data_lock_shared(struct ovl_tree *t, struct ovl_node *n);

/* ovl_data_read() with the lock held that way. */
ssize_t ovl_data_read_locked(struct ovl_tree *t, struct ovl_node *n, uint64_t off, const struct ovl_io *io);

/*
 * Writes bytes of io from skip on; lock held for writing, node touched. now: the
 * new mtime and ctime; 0: they stay. Checks nothing but what the host can hold.
 */
ssize_t ovl_data_write_locked(struct ovl_tree *t, struct ovl_node *n, uint64_t off, const struct ovl_io *io,
			      size_t skip, int64_t now);

/* May a client change these bytes? -EPERM for append-only and immutable files, -EROFS when nobody touched it. Lock held. */
int ovl_data_writable(struct ovl_tree *t, struct ovl_node *n);

/*
 * The time that a change of bytes by this client gives a file. 0: none. A client that
 * collects writes keeps mtime and ctime itself and sends them when it likes, which may
 * be before the change that they are of: ours would then stay, later than what it showed.
 */
int64_t ovl_data_now(const struct vn_ctx *ctx);

/*
 * A write by somebody takes security.capability away and, with mode bits to kill, those.
 * now: the new ctime, 0: it stays. Lock held for writing.
 */
int ovl_data_strip(struct ovl_tree *t, struct ovl_node *n, uint32_t mode, int64_t now);

/* Bytes changed without a record: times, block count, and the ticker's part. Lock held for writing. */
void ovl_data_changed(struct ovl_tree *t, struct ovl_node *n, int64_t now);

/* A FULL file gets the length `size` in memory if it is more; lock held for writing. */
void ovl_data_grown(struct ovl_node *n, uint64_t size);

/* The largest length that a file may get: what the host's files can have. */
uint64_t ovl_data_max(struct ovl_tree *t);

#endif
