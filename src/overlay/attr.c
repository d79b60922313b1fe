// SPDX-License-Identifier: Apache-2.0
/* Attributes: what stat shows, and setattr. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "overlay/attr.h"
#include "overlay/data.h"
#include "overlay/tree.h"
#include "overlay/virtual.h"
#include "overlay/xattr.h"

/* FS_*_FL of FS_IOC_GETFLAGS */
#define FL_IMMUTABLE 0x10u
#define FL_APPEND 0x20u
#define FL_NODUMP 0x40u
#define FL_NOATIME 0x80u

static const struct {
	uint32_t row, wire;
} attr_flags[] = {
	{ STORE_IMMUTABLE, FL_IMMUTABLE },
	{ STORE_APPEND, FL_APPEND },
	{ STORE_NODUMP, FL_NODUMP },
	{ STORE_NOATIME, FL_NOATIME },
};
#define NFLAGS (sizeof(attr_flags) / sizeof(attr_flags[0]))

uint32_t ovl_flags_wire(const struct ovl_node *n)
{
	const struct ovl_own *own = ovl_own((struct ovl_node *)n);
	uint32_t wire = 0;
	for (size_t i = 0; own && i < NFLAGS; i++)
		if (own->flags & attr_flags[i].row)
			wire |= attr_flags[i].wire;
	return wire;
}

uint32_t ovl_mode_killed(uint32_t mode)
{
	mode &= ~(uint32_t)S_ISUID;
	return mode & S_IXGRP ? mode & ~(uint32_t)S_ISGID : mode;
}

/* Of what has no data file: a directory's names and a virtual file's bytes take some, the others none. */
static uint64_t attr_blocks(const struct ovl_node *n)
{
	return ovl_is_dir(n) || S_ISREG(n->mode) ? (n->size + 511) / 512 : 0;
}

/* node->lock held. */
static int attr_get_locked(struct ovl_tree *t, struct ovl_node *n, struct vn_attr *out)
{
	*out = (struct vn_attr){
		.ino = n->ino,
		.size = n->size,
		.blocks = ovl_has_bytes(n) ? ovl_data_blocks(t, n) : attr_blocks(n),
		.atime = n->atime,
		.mtime = n->mtime,
		.ctime = n->ctime,
		.btime = n->btime,
		.mode = n->mode,
		.nlink = ovl_is_dir(n) && t->static_nlink ? 1 : n->nlink,
		.uid = t->squash_uid >= 0 ? (uint32_t)t->squash_uid : n->uid,
		.gid = t->squash_gid >= 0 ? (uint32_t)t->squash_gid : n->gid,
		.rdev_major = ovl_is_device(n) ? n->rdev_major : 0,
		.rdev_minor = ovl_is_device(n) ? n->rdev_minor : 0,
		.blksize = 4096,
		.flags = ovl_flags_wire(n),
	};
	if (atomic_load(&n->flags) & OVL_NODE_VIRTUAL && !ovl_is_dir(n))
		return ovl_virtual_look(n, &out->size);
	return 0;
}

int ovl_node_attr(struct ovl_tree *t, struct ovl_node *n, struct vn_attr *out)
{
	pthread_rwlock_rdlock(&n->lock);
	int r = attr_get_locked(t, n, out);
	pthread_rwlock_unlock(&n->lock);
	return r;
}

/* ---- setattr ---- */

/* One setattr on its way: what was asked, and the row that will be. */
struct attr_set {
	struct ovl_op op;
	struct ovl_node *n;
	const struct vn_setattr *set;
	struct store_inode row;
	struct ovl_xattr_edit acl;
	bool resized, hard;
};

/*
 * Whether an append-only file may get these times: the present ones, and both of them.
 * A client that keeps the times itself sends "now" for its modification time as a
 * number, and that is also how it hands in the time of what was appended.
 */
static bool attr_times_append(const struct vn_ctx *ctx, const struct vn_setattr *set)
{
	bool theirs = !ovl_data_now(ctx);
	uint32_t mtimes = VN_SET_MTIME_NOW | (theirs ? VN_SET_MTIME : 0);
	bool atime = set->valid & VN_SET_ATIME_NOW, mtime = set->valid & mtimes;
	if (set->valid & ~(VN_SET_ATIME_NOW | VN_SET_CTIME | mtimes))
		return false;
	return theirs ? mtime || !atime : mtime == atime;
}

static int attr_check(const struct vn_ctx *ctx, const struct ovl_node *n, const struct vn_setattr *set)
{
	const struct ovl_own *own = ovl_own((struct ovl_node *)n);
	if (own->flags & STORE_IMMUTABLE)
		return -EPERM;
	if (own->flags & STORE_APPEND && !attr_times_append(ctx, set))
		return -EPERM;
	if (!(set->valid & VN_SET_SIZE))
		return 0;
	if (ovl_is_dir(n))
		return -EISDIR;
	return S_ISREG(n->mode) ? 0 : -EINVAL;
}

static int attr_plan_mode(struct attr_set *s)
{
	const struct vn_setattr *set = s->set;
	bool owner = set->valid & (VN_SET_UID | VN_SET_GID);
	int r = 0;
	if (set->valid & VN_SET_MODE) {
		s->row.mode = (s->n->mode & S_IFMT) | (set->mode & 07777);
		r = ovl_xattr_chmod(&s->op, s->n, &s->row, s->row.mode, &s->acl);
	} else if (set->valid & VN_SET_KILL_SUIDGID || (owner && !ovl_is_dir(s->n))) {
		s->row.mode = ovl_mode_killed(s->row.mode);
	}
	if (!r && owner && S_ISREG(s->n->mode)) {
		r = ovl_xattr_kill_caps(&s->op, s->n);
		s->row.flags |= ovl_own(s->n)->flags & STORE_XATTR_OWN;
	}
	if (set->valid & VN_SET_UID)
		s->row.uid = set->uid;
	if (set->valid & VN_SET_GID)
		s->row.gid = set->gid;
	return r < 0 ? r : 0;
}

static void attr_plan_times(struct attr_set *s)
{
	const struct vn_setattr *set = s->set;
	int64_t now = vn_now_ns();
	/* a client that keeps the times sends those that it changes */
	bool theirs = !ovl_data_now(s->op.ctx);
	if (set->valid & VN_SET_ATIME_NOW)
		s->row.atime = now;
	else if (set->valid & VN_SET_ATIME)
		s->row.atime = set->atime;
	if (set->valid & VN_SET_MTIME_NOW)
		s->row.mtime = now;
	else if (set->valid & VN_SET_MTIME)
		s->row.mtime = set->mtime;
	else if (s->resized && !theirs)
		s->row.mtime = now;
	if (set->valid & VN_SET_CTIME)
		s->row.ctime = set->ctime;
	else if (!theirs)
		s->row.ctime = now;
}

static int attr_plan(struct attr_set *s)
{
	const uint32_t hard = VN_SET_MODE | VN_SET_UID | VN_SET_GID | VN_SET_SIZE | VN_SET_KILL_SUIDGID;
	int r = attr_plan_mode(s);
	if (!r && s->set->valid & VN_SET_SIZE) {
		s->resized = true;
		r = ovl_data_resize(&s->op, s->n, &s->row, s->set->size);
	}
	attr_plan_times(s);
	s->hard = s->set->valid & hard;
	if (s->set->valid & ~(uint32_t)(VN_SET_SIZE | VN_SET_CTIME))
		s->row.flags |= STORE_META;
	if (!s->hard)
		s->op.change.flags |= STORE_CHANGE_TIMES;
	if (s->resized && s->row.size <= s->n->size)
		s->op.change.flags |= STORE_CHANGE_FREES;
	return r;
}

static int attr_set_locked(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n,
			   const struct vn_setattr *set)
{
	struct attr_set s = { .n = n, .set = set };
	uint64_t seq;
	int r = attr_check(ctx, n, set);
	if (r)
		return r;
	ovl_op_begin(&s.op, t, ctx);
	ovl_row(n, &s.row);
	r = attr_plan(&s);
	if (r) {
		ovl_op_abandon(&s.op);
	} else {
		ovl_op_inode(&s.op, n, &s.row);
		r = ovl_op_commit(&s.op, &seq);
	}
	ovl_xattr_done(n, &s.acl, !r);
	if (!r)
		ovl_node_apply(t, n, &s.row, seq, s.hard);
	if (s.resized)
		ovl_data_resized(t, n, &s.row, !r);
	return r;
}

/*
 * A request that sets nothing (or, from a client that keeps the times, no more than
 * ctime): Linux says so that a write, fallocate or copy by somebody without
 * privilege, or a chown to nobody else, takes S_ISUID and S_ISGID away.
 */
static bool attr_says_kill(struct ovl_node *n, const struct vn_setattr *set)
{
	if (set->valid & ~VN_SET_CTIME || atomic_load(&n->flags) & (OVL_NODE_VIRTUAL | OVL_NODE_DIR))
		return false;
	pthread_rwlock_rdlock(&n->lock);
	bool has = ovl_mode_killed(n->mode) != n->mode;
	pthread_rwlock_unlock(&n->lock);
	return has;
}

int ovl_attr_set(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, const struct vn_setattr *set,
		 struct vn_attr *out)
{
	struct vn_setattr kill = *set;
	if (attr_says_kill(n, set)) {
		kill.valid |= VN_SET_KILL_SUIDGID;
		set = &kill;
	}
	if (!set->valid)
		return ovl_node_attr(t, n, out);
	int r = ovl_touch(t, n);
	if (r)
		return r;
	pthread_rwlock_wrlock(&n->lock);
	r = attr_set_locked(t, ctx, n, set);
	if (!r)
		r = attr_get_locked(t, n, out);
	pthread_rwlock_unlock(&n->lock);
	if (!r)
		ovl_tell_inode(t, ctx, n, set->valid & VN_SET_SIZE);
	return r;
}

int ovl_flags_set(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, uint32_t wire)
{
	struct store_inode row;
	struct ovl_op op;
	uint64_t seq;
	uint32_t known = 0;
	int r = ovl_touch(t, n);
	if (r)
		return r;
	pthread_rwlock_wrlock(&n->lock);
	ovl_row(n, &row);
	for (size_t i = 0; i < NFLAGS; i++) {
		known |= attr_flags[i].wire;
		row.flags &= ~attr_flags[i].row;
		if (wire & attr_flags[i].wire)
			row.flags |= attr_flags[i].row;
	}
	r = wire & ~known ? -EOPNOTSUPP : 0;
	if (!r) {
		row.flags |= STORE_META;
		row.ctime = vn_now_ns();
		ovl_op_begin(&op, t, ctx);
		ovl_op_inode(&op, n, &row);
		r = ovl_op_commit(&op, &seq);
	}
	if (!r)
		ovl_node_apply(t, n, &row, seq, true);
	pthread_rwlock_unlock(&n->lock);
	if (!r) /* who asked, too: Linux' client keeps the ctime that it knew over its ioctl */
		ovl_tell_inode(t, NULL, n, false);
	return r;
}
