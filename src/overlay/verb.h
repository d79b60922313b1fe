// SPDX-License-Identifier: Apache-2.0
/* A verb under way, and those of the table that are in verbs_data.c; for verbs.c and verbs_data.c. */
#ifndef OVL_VERB_H
#define OVL_VERB_H

#include "overlay/tree.h"

/* The gate is held, and the node, until the scope ends. */
struct verb {
	struct ovl_tree *t;
	struct ovl_node *n;
};

static inline void verb_end(struct verb *v)
{
	if (!v->t)
		return;
	ovl_node_put(v->t, v->n);
	pthread_rwlock_unlock(&v->t->gate);
}
#define VERB __attribute__((cleanup(verb_end))) struct verb

static inline int verb_begin(struct verb *v, struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t nodeid)
{
	v->t = ovl_tree_of(fs);
	v->n = NULL;
	pthread_rwlock_rdlock(&v->t->gate);
	return ovl_node_get(v->t, ctx, nodeid, &v->n);
}

static inline bool verb_virtual(const struct verb *v)
{
	return atomic_load(&v->n->flags) & OVL_NODE_VIRTUAL;
}

/* ---- verbs_data.c; see base/fs.h ---- */

int ovl_verb_backing(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, int *fd);
ssize_t ovl_verb_read(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off, const struct iovec *iov,
		      int iovcnt);
ssize_t ovl_verb_write(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off, const struct iovec *iov,
		       int iovcnt, uint32_t flags);
int ovl_verb_fsync(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, bool datasync);
int ovl_verb_fallocate(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint32_t mode, uint64_t off, uint64_t len);
int64_t ovl_verb_lseek(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, int64_t off, int whence);
ssize_t ovl_verb_copy(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node_in, uint64_t off_in, uint64_t node_out,
		      uint64_t off_out, size_t len, uint32_t flags);
int ovl_verb_map(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off, uint64_t len, bool writable,
		 struct vn_range *out);
void ovl_verb_unmap(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off, uint64_t len);

#endif
