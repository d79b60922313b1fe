// SPDX-License-Identifier: Apache-2.0
/*
 * The end of names: unlink and rmdir.
 *
 * A base object that loses its only name needs no row, only a whiteout. An
 * inode without names whose client may live longer than this server keeps its
 * row, marked as an orphan; else the row goes at once and what is still open
 * lives in memory, and its data file until the last reference is dropped. What
 * only the rows say is therefore read before they go.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "overlay/copyup.h"
#include "overlay/dirops.h"
#include "overlay/verbs.h"
#include "overlay/xattrs.h"

/* Gives a node that never had a row an `own` without one. */
static int unlink_own(struct ovl_tree *t, struct ovl_node *n)
{
	struct ovl_own *own = calloc(1, sizeof(*own));
	if (!own)
		return -ENOMEM;
	own->home = t->head;
	own->dead = true;
	atomic_store(&t->nameless, true);
	if (S_ISREG(n->mode) && n->size) {
		own->state = STORE_BELOW;
		own->below = n->size;
	}
	atomic_store_explicit(&n->own, own, memory_order_release);
	return 0;
}

int ovl_rows_remember(struct ovl_tree *t, struct ovl_node *n)
{
	int r = ovl_copyup_load(t, n);
	if (!r && ovl_own(n)->flags & STORE_XATTR_OWN)
		r = ovl_xattr_load(t, n);
	if (r || !S_ISLNK(n->mode))
		return r;
	r = ovl_symlink_load(t, n);
	return r == -EIO ? 0 : r; /* a damaged link can be removed */
}

int ovl_unlink_ready(struct ovl_tree *t, struct ovl_node *n)
{
	struct ovl_own *own = ovl_own(n);
	if (!own)
		return unlink_own(t, n);
	return own->dead || (!ovl_is_dir(n) && n->nlink > 1) ? 0 : ovl_rows_remember(t, n);
}

int ovl_touch_for_removal(struct ovl_tree *t, struct ovl_node *n)
{
	bool keeps = ovl_own(n) || atomic_load(&n->flags) & OVL_NODE_GROUP;
	return keeps || t->outliving ? ovl_touch(t, n) : 0;
}

bool ovl_dir_empty(const struct ovl_node *dir)
{
	return !ovl_names_visible(dir->names);
}

void ovl_name_gone_rows(struct ovl_op *op, struct ovl_node *dir, const struct ovl_name *e)
{
	const char *name = ovl_names_text(dir->names, e);
	if (e->below)
		store_change_dentry(&op->change, dir->ino, name, e->len, 0);
	else
		store_change_dentry_gone(&op->change, dir->ino, name, e->len);
}

void ovl_name_gone(struct ovl_node *dir, struct ovl_name *e)
{
	if (e->below)
		ovl_names_set(dir->names, e, OVL_NAME_WHITEOUT, e->type, 0);
	else
		ovl_names_remove(dir->names, e);
}

/* Rows of an inode that has no name left. */
static void unlink_last_rows(struct ovl_op *op, struct ovl_node *n, struct store_inode *row)
{
	uint64_t holder = ovl_session_outliving(op->t, n);
	if (ovl_is_dir(n))
		store_change_dentries_gone(&op->change, n->ino);
	if (holder) {
		ovl_op_inode(op, n, row);
		store_change_orphan(&op->change, n->ino, holder);
		return;
	}
	/* the data file goes with the last reference: ovl_data_drop */
	store_change_inode_gone(&op->change, n->ino);
}

void ovl_unlink_rows(struct ovl_op *op, struct ovl_node *n, int64_t now, struct store_inode *row)
{
	ovl_row(n, row);
	row->ctime = now;
	row->nlink = ovl_is_dir(n) || !row->nlink ? 0 : row->nlink - 1;
	if (ovl_own(n)->dead)
		return;
	if (row->nlink)
		ovl_op_inode(op, n, row);
	else
		unlink_last_rows(op, n, row);
}

void ovl_unlinked(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, const struct store_inode *row,
		  uint64_t seq)
{
	struct ovl_own *own = ovl_own(n);
	bool last = !row->nlink && !own->dead;
	uint64_t holder = last ? ovl_session_outliving(t, n) : 0;
	ovl_node_apply(t, n, row, last && !holder ? 0 : own->dead ? 0 : seq, true);
	if (last)
		atomic_store(&t->nameless, true);
	if (last && holder)
		own->orphan = holder;
	else if (last)
		own->dead = true;
	ovl_tell_inode(t, ctx, n, false);
}

/* ---- unlink and rmdir ---- */

struct removal {
	struct ovl_tree *t;
	const struct vn_ctx *ctx;
	struct ovl_node *dir, *n;
	const char *name;
	bool want_dir;
};

static int remove_check(const struct removal *rm, const struct ovl_name *e)
{
	struct ovl_own *own = ovl_own(rm->n);
	bool is_dir = ovl_is_dir(rm->n);
	if (e->kind == OVL_NAME_VIRTUAL)
		return -EPERM;
	if (is_dir != rm->want_dir)
		return is_dir ? -EISDIR : -ENOTDIR;
	if (e->guard)
		return -EBUSY;
	if (own && own->flags & (STORE_IMMUTABLE | STORE_APPEND))
		return -EPERM;
	return ovl_dir_may_change(rm->dir, true);
}

/* Directory and object locked. */
static int remove_commit(const struct removal *rm, struct ovl_name *e)
{
	struct store_inode row, dir_row;
	struct ovl_op op;
	uint64_t seq;
	int64_t now = vn_now_ns();
	int r = ovl_unlink_ready(rm->t, rm->n);
	if (r)
		return r;
	ovl_op_begin(&op, rm->t, rm->ctx);
	op.change.flags |= STORE_CHANGE_FREES;
	ovl_name_gone_rows(&op, rm->dir, e);
	ovl_unlink_rows(&op, rm->n, now, &row);
	ovl_row_entry_changed(rm->dir, &dir_row, now, -(int)rm->want_dir);
	ovl_op_inode(&op, rm->dir, &dir_row);
	r = ovl_op_commit(&op, &seq);
	if (r)
		return r;
	ovl_name_gone(rm->dir, e);
	ovl_node_apply(rm->t, rm->dir, &dir_row, seq, true);
	ovl_unlinked(rm->t, rm->ctx, rm->n, &row, seq);
	if (rm->want_dir)
		atomic_fetch_or(&rm->n->flags, OVL_NODE_REMOVED);
	return 0;
}

/* -EAGAIN: the name has come to mean something else since it was looked up. */
static int remove_locked(const struct removal *rm)
{
	struct ovl_name *e = ovl_names_find(rm->dir->names, rm->name, strlen(rm->name));
	struct ovl_node *now;
	int r = e ? ovl_child(rm->t, rm->dir, e, &now) : -ENOENT;
	if (r)
		return r;
	bool same = now == rm->n;
	ovl_node_put(rm->t, now);
	if (!same)
		return -EAGAIN;
	r = remove_check(rm, e);
	if (r)
		return r;
	pthread_rwlock_wrlock(&rm->n->lock);
	if (rm->want_dir)
		r = ovl_dir_load(rm->t, rm->n);
	if (!r && rm->want_dir && !ovl_dir_empty(rm->n))
		r = -ENOTEMPTY;
	if (!r)
		r = remove_commit(rm, e);
	pthread_rwlock_unlock(&rm->n->lock);
	return r;
}

static int remove_once(struct removal *rm)
{
	int r = ovl_lookup(rm->t, rm->dir, rm->name, &rm->n);
	if (r)
		return r;
	if (!(atomic_load(&rm->n->flags) & OVL_NODE_VIRTUAL))
		r = ovl_touch_for_removal(rm->t, rm->n);
	if (!r)
		r = ovl_touch(rm->t, rm->dir);
	if (!r)
		r = ovl_dir_lock(rm->t, rm->dir);
	if (!r) {
		r = remove_locked(rm);
		pthread_rwlock_unlock(&rm->dir->lock);
	}
	ovl_node_put(rm->t, rm->n);
	return r;
}

int ovl_remove(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *dir, const char *name, bool want_dir)
{
	struct removal rm = { .t = t, .ctx = ctx, .dir = dir, .name = name, .want_dir = want_dir };
	int r;
	do
		r = remove_once(&rm);
	while (r == -EAGAIN);
	if (!r)
		ovl_tell_entry(t, ctx, dir, name);
	return r;
}
