// SPDX-License-Identifier: Apache-2.0
#ifndef OVL_VERBS_H
#define OVL_VERBS_H

#include "overlay/tree.h"

extern const struct vn_fs_ops ovl_ops; /* the overlay's table */

/* session.c; see base/fs.h */
int ovl_session_new(struct vn_fs *fs, const struct vn_session_config *config, struct vn_fs_session **out);
void ovl_session_reset(struct vn_fs *fs, struct vn_fs_session *session);
void ovl_session_free(struct vn_fs *fs, struct vn_fs_session *session, bool keep);

/* Loads the target of a link of the writable layer; n is locked for writing. -EIO: its row is missing. */
int ovl_symlink_load(struct ovl_tree *t, struct ovl_node *n);
/* The target of a link of the writable layer, from memory while the index lags behind. */
ssize_t ovl_symlink_read(struct ovl_tree *t, struct ovl_node *n, char *buf, size_t size);
/* Everything written so far is durable. */
int ovl_sync(struct ovl_tree *t);

#endif
