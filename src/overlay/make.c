// SPDX-License-Identifier: Apache-2.0
/* New names: create, mkdir, mknod, symlink, O_TMPFILE and link. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "overlay/dirops.h"
#include "overlay/xattr.h"

int ovl_dir_may_change(const struct ovl_node *dir, bool removes)
{
	uint32_t flags = ovl_own((struct ovl_node *)dir)->flags;
	return flags & STORE_IMMUTABLE || (removes && flags & STORE_APPEND) ? -EPERM : 0;
}

/* Locks a directory in which `name` is to appear: -EEXIST where it is there, -EPERM where it is virtual. */
static int make_lock(struct ovl_tree *t, struct ovl_node *dir, const char *name, struct ovl_name **e)
{
	size_t len = strlen(name);
	if (!ovl_is_dir(dir))
		return -ENOTDIR;
	int r = ovl_touch(t, dir);
	if (!r)
		r = ovl_dir_lock(t, dir);
	if (r)
		return r;
	*e = ovl_names_find(dir->names, name, len);
	if (*e && (*e)->kind == OVL_NAME_VIRTUAL)
		r = -EPERM;
	else if (*e && (*e)->kind != OVL_NAME_WHITEOUT)
		r = -EEXIST;
	if (!r)
		r = ovl_dir_may_change(dir, false);
	if (!r && !*e)
		r = ovl_names_reserve(dir->names, name, len);
	if (r)
		pthread_rwlock_unlock(&dir->lock);
	return r;
}

/* The entry of a name that make_lock() found free. */
static void make_entry(struct ovl_node *dir, struct ovl_name *e, const char *name, const struct ovl_node *n)
{
	uint8_t type = (uint8_t)IFTODT(n->mode);
	if (e)
		ovl_names_set(dir->names, e, OVL_NAME_OWN, type, n->ino);
	else
		ovl_names_add(dir->names, name, strlen(name), OVL_NAME_OWN, type, n->ino);
}

/* A node that is nowhere yet, with owner and group as a new object in dir has them. */
static struct ovl_node *make_node(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *dir,
				  const struct ovl_make *m)
{
	bool is_dir = S_ISDIR(m->mode);
	uint64_t ino = store_next_ino(t->store);
	struct ovl_node *n = ino ? ovl_node_new(t, ino, is_dir, NULL, NULL, 0) : NULL;
	struct ovl_own *own = n ? calloc(1, sizeof(*own)) : NULL;
	if (!own) {
		if (n)
			ovl_node_discard(t, n);
		return NULL;
	}
	own->home = t->head;
	own->flags = STORE_XATTR_OWN;
	own->xattrs = ovl_xattrs_none();
	atomic_store_explicit(&n->own, own, memory_order_release);
	if (m->target && !(n->target = strdup(m->target))) {
		ovl_node_discard(t, n);
		return NULL;
	}
	n->mode = m->mode;
	n->uid = ctx->uid;
	n->gid = ctx->gid;
	if (dir->mode & S_ISGID) {
		n->gid = dir->gid;
		if (is_dir)
			n->mode |= S_ISGID;
	}
	n->nlink = is_dir ? 2 : 1;
	if (ovl_is_device(n)) {
		n->rdev_major = m->rdev_major;
		n->rdev_minor = m->rdev_minor;
	}
	n->size = m->target ? strlen(m->target) : 0;
	n->atime = n->mtime = n->ctime = n->btime = vn_now_ns();
	atomic_fetch_or(&n->flags, OVL_NODE_BLOCKS);
	return n;
}

/* The rows of a new object under a name, and their commit. */
static int make_commit(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *dir, const char *name,
		       const struct ovl_make *m, struct ovl_node *n)
{
	struct ovl_xattr_edit acl = { 0 };
	struct store_inode row, dir_row;
	struct ovl_op op;
	uint64_t seq;
	uint32_t mode = n->mode;
	ovl_op_begin(&op, t, ctx);
	int r = ovl_xattr_inherit(&op, dir, n->ino, &mode, ctx->umask, &acl);
	n->mode = mode;
	if (r) {
		ovl_op_abandon(&op);
		return r;
	}
	ovl_row(n, &row);
	ovl_op_inode(&op, n, &row);
	if (m->target)
		store_change_symlink(&op.change, n->ino, m->target, strlen(m->target));
	store_change_dentry(&op.change, dir->ino, name, strlen(name), n->ino);
	ovl_row_entry_changed(dir, &dir_row, n->ctime, S_ISDIR(n->mode));
	ovl_op_inode(&op, dir, &dir_row);
	op.change.reply = n->ino;
	r = ovl_op_commit(&op, &seq);
	ovl_xattr_done(n, &acl, !r);
	if (r)
		return r;
	ovl_node_apply(t, dir, &dir_row, seq, true);
	ovl_node_apply(t, n, &row, seq, true);
	return 0;
}

int ovl_make(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *dir, const char *name,
	     const struct ovl_make *m, struct ovl_node **out)
{
	struct ovl_name *e;
	int r = make_lock(t, dir, name, &e);
	if (r)
		return r;
	struct ovl_node *n = make_node(t, ctx, dir, m);
	/* in the table first: nobody can ask for the number before the name is there */
	if (!n || ovl_node_insert(t, n) != n) {
		pthread_rwlock_unlock(&dir->lock);
		if (n)
			ovl_node_discard(t, n);
		return store_readonly(t->store) ? -EROFS : -ENOSPC;
	}
	r = make_commit(t, ctx, dir, name, m, n);
	if (!r) {
		make_entry(dir, e, name, n);
		if (ovl_is_dir(n))
			n->parent = ovl_node_ref(dir);
	} else {
		ovl_own(n)->dead = true;
	}
	pthread_rwlock_unlock(&dir->lock);
	if (r) {
		ovl_node_put(t, n);
		return r;
	}
	ovl_tell_entry(t, ctx, dir, name);
	*out = n;
	return 0;
}

int ovl_make_tmp(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *dir, uint32_t mode,
		 struct ovl_node **out)
{
	const struct ovl_make m = { .mode = mode };
	struct ovl_xattr_edit acl = { 0 };
	struct ovl_op op;
	int r = ovl_touch(t, dir);
	if (!r)
		r = ovl_dir_lock(t, dir);
	if (r)
		return r;
	if ((r = ovl_dir_may_change(dir, false))) {
		pthread_rwlock_unlock(&dir->lock);
		return r;
	}
	struct ovl_node *n = make_node(t, ctx, dir, &m);
	if (!n || ovl_node_insert(t, n) != n) {
		pthread_rwlock_unlock(&dir->lock);
		if (n)
			ovl_node_discard(t, n);
		return store_readonly(t->store) ? -EROFS : -ENOSPC;
	}
	/* No row until it gets a name: after a crash nobody could reach it. */
	ovl_own(n)->dead = true;
	atomic_store(&t->nameless, true);
	n->nlink = 0;
	atomic_fetch_or(&n->flags, OVL_NODE_TMP);
	ovl_op_begin(&op, t, ctx);
	uint32_t kept = n->mode;
	r = ovl_xattr_inherit(&op, dir, n->ino, &kept, ctx->umask, &acl);
	n->mode = kept;
	ovl_op_abandon(&op);
	ovl_xattr_done(n, &acl, !r);
	pthread_rwlock_unlock(&dir->lock);
	if (r) {
		ovl_node_put(t, n);
		return r;
	}
	*out = n;
	return 0;
}

/* The rows of one more name for n; both locked. */
static int link_commit(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, struct ovl_node *dir,
		       const char *name)
{
	struct ovl_own *own = ovl_own(n);
	bool tmp = atomic_load(&n->flags) & OVL_NODE_TMP;
	struct store_inode row, dir_row;
	struct ovl_op op;
	uint64_t seq;
	int64_t now = vn_now_ns();
	ovl_op_begin(&op, t, ctx);
	own->dead = own->dead && !tmp;
	ovl_row(n, &row);
	row.nlink++;
	row.ctime = now;
	if (tmp && own->state == STORE_FULL)
		row.flags |= STORE_STALE;
	ovl_op_inode(&op, n, &row);
	int r = tmp ? ovl_xattr_copy(&op, n) : 0;
	store_change_dentry(&op.change, dir->ino, name, strlen(name), n->ino);
	ovl_row_entry_changed(dir, &dir_row, now, 0);
	ovl_op_inode(&op, dir, &dir_row);
	if (r)
		ovl_op_abandon(&op);
	else
		r = ovl_op_commit(&op, &seq);
	if (r) {
		own->dead = tmp;
		return r;
	}
	atomic_fetch_and(&n->flags, ~OVL_NODE_TMP);
	ovl_node_apply(t, dir, &dir_row, seq, true);
	ovl_node_apply(t, n, &row, seq, true);
	return 0;
}

static int link_check(struct ovl_node *n)
{
	if (ovl_own(n)->flags & (STORE_IMMUTABLE | STORE_APPEND))
		return -EPERM;
	if (!n->nlink && !(atomic_load(&n->flags) & OVL_NODE_TMP))
		return -ENOENT;
	return n->nlink == UINT32_MAX ? -EMLINK : 0;
}

int ovl_link(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, struct ovl_node *dir,
	     const char *name)
{
	struct ovl_name *e;
	if (ovl_is_dir(n))
		return -EPERM;
	int r = ovl_touch(t, n);
	if (!r)
		r = make_lock(t, dir, name, &e);
	if (r)
		return r;
	pthread_rwlock_wrlock(&n->lock);
	r = link_check(n);
	if (!r)
		r = link_commit(t, ctx, n, dir, name);
	pthread_rwlock_unlock(&n->lock);
	if (!r)
		make_entry(dir, e, name, n);
	pthread_rwlock_unlock(&dir->lock);
	if (!r) {
		ovl_tell_entry(t, ctx, dir, name);
		ovl_tell_inode(t, ctx, n, false);
	}
	return r;
}
