// SPDX-License-Identifier: Apache-2.0
/*
 * Rename, in three phases: plan (find and touch what takes part, lock, check),
 * apply (one record), settle (memory). What is below travels with each inode:
 * a directory of the base keeps its origin in its row, so moving it is a row.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h> /* RENAME_* */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "overlay/dirops.h"
#include "overlay/xattr.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1 << 0)
#define RENAME_EXCHANGE (1 << 1)
#endif
#ifndef RENAME_WHITEOUT
#define RENAME_WHITEOUT (1 << 2)
#endif

struct rename_side {
	struct ovl_node *dir;
	const char *name;
	size_t len;
	struct ovl_node *n;   /* what the name means; NULL: nothing */
	struct ovl_name *e;   /* while the directory is locked */
	struct store_inode row, dir_row;
};

struct rename {
	struct ovl_tree *t;
	const struct vn_ctx *ctx;
	struct rename_side from, to;
	uint32_t flags;
	struct ovl_node *whiteout; /* RENAME_WHITEOUT: the device that stays */
};

/* ---- plan ---- */

static bool rename_is(const struct rename *rn, uint32_t flag)
{
	return rn->flags & flag;
}

static int rename_find(struct rename *rn, struct rename_side *s, bool must)
{
	int r = ovl_lookup(rn->t, s->dir, s->name, &s->n);
	if (r == -ENOENT && !must) {
		s->n = NULL;
		return 0;
	}
	return r;
}

static int rename_touch(struct rename *rn)
{
	struct ovl_node *from = rn->from.n, *to = rn->to.n;
	if (atomic_load(&from->flags) & OVL_NODE_VIRTUAL || (to && atomic_load(&to->flags) & OVL_NODE_VIRTUAL))
		return -EPERM;
	int r = ovl_touch(rn->t, rn->from.dir);
	if (!r)
		r = ovl_touch(rn->t, rn->to.dir);
	if (!r)
		r = ovl_touch(rn->t, from);
	if (!r && to)
		r = rename_is(rn, RENAME_EXCHANGE) ? ovl_touch(rn->t, to) : ovl_touch_for_removal(rn->t, to);
	return r;
}

/* Is a the same as, or above, d? Under topology. */
static bool rename_above(const struct ovl_node *a, const struct ovl_node *d)
{
	while (d && d != a)
		d = d->parent;
	return d;
}

/* Both directories, an ancestor first, unrelated ones by number. */
static int rename_lock(struct rename *rn)
{
	struct ovl_node *a = rn->from.dir, *b = rn->to.dir;
	if (a == b)
		return ovl_dir_lock(rn->t, a);
	if (rename_above(b, a) || (!rename_above(a, b) && b->ino < a->ino)) {
		a = rn->to.dir;
		b = rn->from.dir;
	}
	int r = ovl_dir_lock(rn->t, a);
	if (r)
		return r;
	r = ovl_dir_lock(rn->t, b);
	if (r)
		pthread_rwlock_unlock(&a->lock);
	return r;
}

static void rename_unlock(struct rename *rn)
{
	pthread_rwlock_unlock(&rn->from.dir->lock);
	if (rn->to.dir != rn->from.dir)
		pthread_rwlock_unlock(&rn->to.dir->lock);
}

/* Does the name still mean what was found without the lock? */
static int rename_again(struct rename *rn, struct rename_side *s)
{
	struct ovl_node *now = NULL;
	s->e = ovl_names_find(s->dir->names, s->name, s->len);
	int r = s->e ? ovl_child(rn->t, s->dir, s->e, &now) : -ENOENT;
	if (r && r != -ENOENT)
		return r;
	bool same = now == s->n;
	ovl_node_put(rn->t, now);
	return same ? 0 : -EAGAIN;
}

static int rename_check_types(const struct rename *rn)
{
	const struct ovl_node *from = rn->from.n, *to = rn->to.n;
	bool exchange = rename_is(rn, RENAME_EXCHANGE);
	bool across = rn->from.dir != rn->to.dir; /* else no cycle is possible, and topology is not held */
	if (across && ovl_is_dir(from) && rename_above(from, rn->to.dir))
		return -EINVAL;
	if (across && to && ovl_is_dir(to) && rename_above(to, rn->from.dir))
		return exchange ? -EINVAL : -ENOTEMPTY;
	if (!to || exchange)
		return 0;
	if (ovl_is_dir(from) && !ovl_is_dir(to))
		return -ENOTDIR;
	return !ovl_is_dir(from) && ovl_is_dir(to) ? -EISDIR : 0;
}

static int rename_check_flags(const struct rename *rn)
{
	const uint32_t fixed = STORE_IMMUTABLE | STORE_APPEND;
	const struct ovl_own *to = rn->to.n ? ovl_own(rn->to.n) : NULL;
	if (rn->from.e->guard || (rn->to.e && rn->to.e->guard))
		return -EBUSY;
	if (ovl_own(rn->from.n)->flags & fixed || (to && to->flags & fixed))
		return -EPERM;
	int r = ovl_dir_may_change(rn->from.dir, true);
	return r ? r : ovl_dir_may_change(rn->to.dir, rn->to.n);
}

static int rename_check(struct rename *rn)
{
	if (rename_is(rn, RENAME_NOREPLACE) && rn->to.n)
		return -EEXIST;
	if (rename_is(rn, RENAME_EXCHANGE) && !rn->to.n)
		return -ENOENT;
	int r = rename_check_types(rn);
	return r ? r : rename_check_flags(rn);
}

/* ---- apply ---- */

static void rename_dir_rows(struct rename *rn, struct ovl_op *op, int64_t now)
{
	bool exchange = rename_is(rn, RENAME_EXCHANGE);
	int from = ovl_is_dir(rn->from.n), to = rn->to.n && ovl_is_dir(rn->to.n);
	int lost = from - (exchange ? to : 0);       /* subdirectories that the old parent loses */
	int won = from - to;                         /* that the new one wins */
	if (rn->from.dir == rn->to.dir) {
		ovl_row_entry_changed(rn->from.dir, &rn->from.dir_row, now, won - lost);
	} else {
		ovl_row_entry_changed(rn->from.dir, &rn->from.dir_row, now, -lost);
		ovl_row_entry_changed(rn->to.dir, &rn->to.dir_row, now, won);
		ovl_op_inode(op, rn->to.dir, &rn->to.dir_row);
	}
	ovl_op_inode(op, rn->from.dir, &rn->from.dir_row);
}

static void rename_name_rows(struct rename *rn, struct ovl_op *op)
{
	if (rename_is(rn, RENAME_EXCHANGE))
		store_change_dentry(&op->change, rn->from.dir->ino, rn->from.name, rn->from.len, rn->to.n->ino);
	else if (rn->whiteout)
		store_change_dentry(&op->change, rn->from.dir->ino, rn->from.name, rn->from.len, rn->whiteout->ino);
	else
		ovl_name_gone_rows(op, rn->from.dir, rn->from.e);
	store_change_dentry(&op->change, rn->to.dir->ino, rn->to.name, rn->to.len, rn->from.n->ino);
}

static void rename_inode_rows(struct rename *rn, struct ovl_op *op, int64_t now)
{
	struct store_inode row;
	struct ovl_own *own = ovl_own(rn->from.n);
	ovl_row(rn->from.n, &rn->from.row);
	rn->from.row.ctime = now;
	/* its data file may be ahead of the row, and goes on being so */
	rn->from.row.flags |= own->flags & STORE_STALE;
	ovl_op_inode(op, rn->from.n, &rn->from.row);
	if (rn->whiteout) {
		ovl_row(rn->whiteout, &row);
		ovl_op_inode(op, rn->whiteout, &row);
	}
	if (!rn->to.n)
		return;
	if (!rename_is(rn, RENAME_EXCHANGE)) {
		ovl_unlink_rows(op, rn->to.n, now, &rn->to.row);
		if (own->data && own->home == rn->t->head && !own->dead)
			store_change_data_flush(&op->change, own->data); /* rule J10 */
		return;
	}
	ovl_row(rn->to.n, &rn->to.row);
	rn->to.row.ctime = now;
	rn->to.row.flags |= ovl_own(rn->to.n)->flags & STORE_STALE;
	ovl_op_inode(op, rn->to.n, &rn->to.row);
}

/* ---- settle ---- */

static void rename_move_parent(struct rename *rn, struct ovl_node *n, struct ovl_node *dir)
{
	if (!n || !ovl_is_dir(n) || n->parent == dir)
		return;
	struct ovl_node *old = n->parent;
	n->parent = ovl_node_ref(dir);
	ovl_node_put(rn->t, old);
}

static void rename_settle_names(struct rename *rn)
{
	uint8_t type = (uint8_t)IFTODT(rn->from.n->mode);
	if (rename_is(rn, RENAME_EXCHANGE))
		ovl_names_set(rn->from.dir->names, rn->from.e, OVL_NAME_OWN, (uint8_t)IFTODT(rn->to.n->mode),
			      rn->to.n->ino);
	else if (rn->whiteout)
		ovl_names_set(rn->from.dir->names, rn->from.e, OVL_NAME_OWN, DT_CHR, rn->whiteout->ino);
	else
		ovl_name_gone(rn->from.dir, rn->from.e);
	/* the entry again: removing the old name or adding one moves entries */
	struct ovl_name *e = ovl_names_find(rn->to.dir->names, rn->to.name, rn->to.len);
	if (e)
		ovl_names_set(rn->to.dir->names, e, OVL_NAME_OWN, type, rn->from.n->ino);
	else
		ovl_names_add(rn->to.dir->names, rn->to.name, rn->to.len, OVL_NAME_OWN, type, rn->from.n->ino);
}

static void rename_settle(struct rename *rn, uint64_t seq)
{
	bool exchange = rename_is(rn, RENAME_EXCHANGE);
	rename_settle_names(rn);
	ovl_node_apply(rn->t, rn->from.dir, &rn->from.dir_row, seq, true);
	if (rn->to.dir != rn->from.dir)
		ovl_node_apply(rn->t, rn->to.dir, &rn->to.dir_row, seq, true);
	ovl_node_apply(rn->t, rn->from.n, &rn->from.row, seq, true);
	rename_move_parent(rn, rn->from.n, rn->to.dir);
	if (rn->whiteout) {
		struct store_inode row;
		ovl_row(rn->whiteout, &row);
		ovl_node_apply(rn->t, rn->whiteout, &row, seq, true);
	}
	if (!rn->to.n)
		return;
	if (exchange) {
		ovl_node_apply(rn->t, rn->to.n, &rn->to.row, seq, true);
		rename_move_parent(rn, rn->to.n, rn->from.dir);
		return;
	}
	ovl_unlinked(rn->t, rn->ctx, rn->to.n, &rn->to.row, seq);
	if (ovl_is_dir(rn->to.n))
		atomic_fetch_or(&rn->to.n->flags, OVL_NODE_REMOVED);
}

static int rename_commit(struct rename *rn)
{
	struct ovl_op op;
	uint64_t seq;
	int64_t now = vn_now_ns();
	int r = 0;
	if (!rn->to.n)
		r = ovl_names_reserve(rn->to.dir->names, rn->to.name, rn->to.len);
	else if (!rename_is(rn, RENAME_EXCHANGE))
		r = ovl_unlink_ready(rn->t, rn->to.n);
	if (r)
		return r;
	/* reserving may have moved the entries */
	rn->from.e = ovl_names_find(rn->from.dir->names, rn->from.name, rn->from.len);
	if (rn->whiteout)
		ovl_own(rn->whiteout)->dead = false;
	ovl_op_begin(&op, rn->t, rn->ctx);
	rename_name_rows(rn, &op);
	rename_inode_rows(rn, &op, now);
	rename_dir_rows(rn, &op, now);
	r = ovl_op_commit(&op, &seq);
	if (!r)
		rename_settle(rn, seq);
	else if (rn->whiteout)
		ovl_own(rn->whiteout)->dead = true;
	return r;
}

/* A directory before anything else, then by number: others hold a directory while they lock what is in it. */
static bool rename_before(const struct ovl_node *a, const struct ovl_node *b)
{
	return ovl_is_dir(a) != ovl_is_dir(b) ? ovl_is_dir(a) : a->ino < b->ino;
}

/* Locks the two inodes around the commit. */
static int rename_inodes(struct rename *rn)
{
	struct ovl_node *a = rn->from.n, *b = rn->to.n;
	if (b && rename_before(b, a)) {
		a = b;
		b = rn->from.n;
	}
	pthread_rwlock_wrlock(&a->lock);
	if (b)
		pthread_rwlock_wrlock(&b->lock);
	int r = 0;
	if (rn->to.n && ovl_is_dir(rn->to.n) && !rename_is(rn, RENAME_EXCHANGE)) {
		r = ovl_dir_load(rn->t, rn->to.n);
		if (!r && !ovl_dir_empty(rn->to.n))
			r = -ENOTEMPTY;
	}
	if (!r)
		r = rename_commit(rn);
	pthread_rwlock_unlock(&a->lock);
	if (b)
		pthread_rwlock_unlock(&b->lock);
	return r;
}

static int rename_locked(struct rename *rn)
{
	int r = rename_again(rn, &rn->from);
	if (!r)
		r = rename_again(rn, &rn->to);
	if (!r)
		r = rename_check(rn);
	if (r || rn->from.n == rn->to.n)
		return r;
	return rename_inodes(rn);
}

/* The 0:0 device that a client's own overlay wants in the old place. */
static int rename_make_whiteout(struct rename *rn)
{
	uint64_t ino = store_next_ino(rn->t->store);
	struct ovl_node *n = ino ? ovl_node_new(rn->t, ino, false, NULL, NULL, 0) : NULL;
	struct ovl_own *own = n ? calloc(1, sizeof(*own)) : NULL;
	if (!own || (atomic_store(&n->own, own), ovl_node_insert(rn->t, n) != n)) {
		if (n)
			ovl_node_discard(rn->t, n);
		return -ENOSPC;
	}
	own->home = rn->t->head;
	own->dead = true; /* until it is committed */
	own->flags = STORE_XATTR_OWN;
	own->xattrs = ovl_xattrs_none();
	n->mode = S_IFCHR;
	n->uid = rn->ctx->uid;
	n->gid = rn->ctx->gid;
	n->nlink = 1;
	n->atime = n->mtime = n->ctime = n->btime = vn_now_ns();
	atomic_fetch_or(&n->flags, OVL_NODE_BLOCKS);
	rn->whiteout = n;
	return 0;
}

static int rename_once(struct rename *rn)
{
	rn->from.n = rn->to.n = NULL;
	int r = rename_find(rn, &rn->from, true);
	if (!r)
		r = rename_find(rn, &rn->to, false);
	if (!r)
		r = rename_touch(rn);
	if (!r) {
		/* Always when two directories take part: their order must hold still while they are locked. */
		bool topology = rn->from.dir != rn->to.dir;
		if (topology)
			pthread_mutex_lock(&rn->t->topology);
		r = rename_lock(rn);
		if (!r) {
			r = rename_locked(rn);
			rename_unlock(rn);
		}
		if (topology)
			pthread_mutex_unlock(&rn->t->topology);
	}
	ovl_node_put(rn->t, rn->from.n);
	ovl_node_put(rn->t, rn->to.n);
	return r;
}

int ovl_rename(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *dir, const char *name,
	       struct ovl_node *newdir, const char *newname, uint32_t flags)
{
	struct rename rn = {
		.t = t, .ctx = ctx, .flags = flags,
		.from = { .dir = dir, .name = name, .len = strlen(name) },
		.to = { .dir = newdir, .name = newname, .len = strlen(newname) },
	};
	int r = 0;
	if (flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	if (flags & RENAME_EXCHANGE && flags & (RENAME_NOREPLACE | RENAME_WHITEOUT))
		return -EINVAL;
	if (!t->store || t->readonly)
		return -EROFS;
	if (flags & RENAME_WHITEOUT)
		r = rename_make_whiteout(&rn);
	if (!r)
		do
			r = rename_once(&rn);
		while (r == -EAGAIN);
	ovl_node_put(t, rn.whiteout);
	if (!r) {
		ovl_tell_entry(t, ctx, dir, name);
		ovl_tell_entry(t, ctx, newdir, newname);
	}
	return r;
}
