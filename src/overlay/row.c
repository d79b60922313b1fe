// SPDX-License-Identifier: Apache-2.0
/* A node as the row that describes it, and a verb's change on its way to the journal. */
#include <errno.h>
#include <string.h>

#include "overlay/tree.h"

void ovl_op_begin(struct ovl_op *op, struct ovl_tree *t, const struct vn_ctx *ctx)
{
	op->t = t;
	op->ctx = ctx;
	op->too_long = false;
	store_change_init(&op->change);
	if (ctx && ctx->session && ctx->session->config.outlives) {
		op->change.session = ctx->session->config.id;
		op->change.unique = ctx->unique;
	}
}

bool ovl_done_before(struct ovl_tree *t, const struct vn_ctx *ctx, uint64_t *reply)
{
	return ctx->session->resumed && ctx->unique && t->store &&
	       store_replayed(t->store, ctx->session->config.id, ctx->unique, reply);
}

void ovl_row(const struct ovl_node *n, struct store_inode *row)
{
	const struct ovl_own *own = ovl_own((struct ovl_node *)n);
	*row = (struct store_inode){
		.ino = n->ino,
		.size = n->size,
		.atime = n->atime,
		.mtime = n->mtime,
		.ctime = n->ctime,
		.btime = n->btime,
		.mode = n->mode,
		.uid = n->uid,
		.gid = n->gid,
		.nlink = n->nlink,
		.rdev_major = ovl_is_device(n) ? n->rdev_major : 0,
		.rdev_minor = ovl_is_device(n) ? n->rdev_minor : 0,
		.flags = own->flags & ~STORE_STALE,
		.state = own->state,
		.data = own->data,
		.source = own->source,
		.below = own->below,
	};
}

void ovl_row_entry_changed(const struct ovl_node *dir, struct store_inode *row, int64_t now, int links)
{
	ovl_row(dir, row);
	row->mtime = row->ctime = now;
	if (!dir->odir)
		row->nlink += links;
}

void ovl_op_inode(struct ovl_op *op, struct ovl_node *n, struct store_inode *row)
{
	char path[OVL_PATH_MAX];
	if (ovl_own(n)->dead)
		return;
	if (n->odir) {
		ssize_t len = ovl_base_path(n->odir, ovl_is_dir(n) ? NULL : n->oname, n->oname_len, path);
		if (len < 0) {
			op->too_long = op->change.failed = true;
			return;
		}
		row->origin = path;
		row->origin_len = (size_t)len;
	}
	store_change_inode(&op->change, row);
	row->origin = NULL;
	row->origin_len = 0;
}

int ovl_op_commit(struct ovl_op *op, uint64_t *seq)
{
	*seq = 0;
	if (store_change_empty(&op->change) && !op->change.failed) {
		store_change_drop(&op->change);
		return 0;
	}
	if (op->too_long) {
		store_change_drop(&op->change);
		return -ENAMETOOLONG;
	}
	if (!op->t->store || op->t->readonly) {
		store_change_drop(&op->change);
		return -EROFS;
	}
	return store_commit(op->t->store, &op->change, seq);
}

void ovl_op_abandon(struct ovl_op *op)
{
	store_change_drop(&op->change);
}

void ovl_node_apply(struct ovl_tree *t, struct ovl_node *n, const struct store_inode *row, uint64_t seq, bool hard)
{
	struct ovl_own *own = ovl_own(n);
	if (row->size != n->size)
		atomic_fetch_and(&n->flags, ~OVL_NODE_BLOCKS);
	n->size = row->size;
	n->atime = row->atime;
	n->mtime = row->mtime;
	n->ctime = row->ctime;
	n->mode = row->mode;
	n->uid = row->uid;
	n->gid = row->gid;
	n->nlink = row->nlink;
	own->flags = row->flags;
	own->state = row->state;
	own->data = row->data;
	own->source = row->source;
	own->below = row->below;
	if (!seq)
		return;
	own->home = t->head;
	if (hard)
		own->hard_seq = seq;
	atomic_store(&own->seq, seq);
	ovl_pin(t, n, seq);
}
