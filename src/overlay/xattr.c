// SPDX-License-Identifier: Apache-2.0
/* Extended attributes as clients read and change them. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "overlay/xattrs.h"

/* ---- reading ---- */

/* Names that no file of this tree can have; answered as disk file systems do. */
static int xattr_refuse(struct ovl_tree *t, const char *name)
{
	static const char *const namespaces[] = { "user.", "trusted.", "security." };
	if (ovl_xattr_is_acl(name))
		return t->noacl ? -EOPNOTSUPP : 0;
	for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++) {
		size_t len = strlen(namespaces[i]);
		if (!strncmp(name, namespaces[i], len))
			return name[len] ? 0 : -EINVAL;
	}
	return -EOPNOTSUPP;
}

/* "There is none" is final for security.selinux: tools stop asking. */
static int xattr_missing(const char *name)
{
	return strcmp(name, "security.selinux") ? -VN_ENOATTR : -EOPNOTSUPP;
}

static ssize_t xattr_value(const struct ovl_xattr *it, void *buf, size_t size)
{
	if (size && size < it->size)
		return -ERANGE;
	if (size && it->size)
		memcpy(buf, it->value, it->size);
	return (ssize_t)it->size;
}

/* With the set in memory or below; -EAGAIN: the rows have to be loaded first, under the lock for writing. */
static ssize_t xattr_get_locked(struct ovl_tree *t, struct ovl_node *n, const char *name, void *buf, size_t size)
{
	struct ovl_own *own = ovl_own(n);
	if (own && own->flags & STORE_XATTR_OWN) {
		if (!own->xattrs)
			return -EAGAIN;
		struct ovl_xattr *it = ovl_xattrs_find(own->xattrs, name);
		return it ? xattr_value(it, buf, size) : -VN_ENOATTR;
	}
	return ovl_xattr_none_below(t, n) ? -VN_ENOATTR : ovl_xattr_get_below(t, n, name, buf, size);
}

ssize_t ovl_xattr_get(struct ovl_tree *t, struct ovl_node *n, const char *name, void *buf, size_t size)
{
	ssize_t r = xattr_refuse(t, name);
	if (r)
		return r;
	if (atomic_load(&n->flags) & OVL_NODE_VIRTUAL)
		return xattr_missing(name);
	pthread_rwlock_rdlock(&n->lock);
	r = xattr_get_locked(t, n, name, buf, size);
	pthread_rwlock_unlock(&n->lock);
	if (r == -EAGAIN) {
		pthread_rwlock_wrlock(&n->lock);
		r = ovl_xattr_load(t, n);
		if (!r)
			r = xattr_get_locked(t, n, name, buf, size);
		pthread_rwlock_unlock(&n->lock);
	}
	return r == -VN_ENOATTR ? xattr_missing(name) : r;
}

static ssize_t xattr_names(const struct ovl_xattrs *x, bool noacl, char *buf, size_t size)
{
	size_t at = 0;
	for (size_t i = 0; i < x->n; i++) {
		size_t len = strlen(x->items[i].name) + 1;
		if (noacl && ovl_xattr_is_acl(x->items[i].name))
			continue;
		if (size && at + len > size)
			return -ERANGE;
		if (size)
			memcpy(buf + at, x->items[i].name, len);
		at += len;
	}
	return (ssize_t)at;
}

ssize_t ovl_xattr_list(struct ovl_tree *t, struct ovl_node *n, char *buf, size_t size)
{
	ssize_t r;
	if (atomic_load(&n->flags) & OVL_NODE_VIRTUAL)
		return 0;
	pthread_rwlock_wrlock(&n->lock);
	struct ovl_own *own = ovl_own(n);
	if (own && own->flags & STORE_XATTR_OWN) {
		r = ovl_xattr_load(t, n);
		if (!r)
			r = xattr_names(own->xattrs, t->noacl, buf, size);
	} else {
		r = ovl_xattr_none_below(t, n) ? 0 : ovl_xattr_list_below(t, n, buf, size);
		if (r == -EOPNOTSUPP)
			r = 0;
	}
	pthread_rwlock_unlock(&n->lock);
	return r;
}

/* ---- changing ---- */

/* An access ACL also sets the mode; one that says no more than a mode is not kept. */
static int xattr_acl(struct ovl_node *n, struct store_inode *row, const char *name, const void **value, size_t size,
		     uint32_t flags)
{
	uint32_t mode = n->mode;
	bool equiv = false;
	if (!strcmp(name, OVL_ACL_DEFAULT) && !ovl_is_dir(n))
		return -EACCES;
	int r = ovl_acl_check(*value, size, &mode, &equiv);
	if (r || strcmp(name, OVL_ACL_ACCESS))
		return r;
	row->mode = (n->mode & ~(uint32_t)0777) | (mode & 0777);
	if (flags & VN_XATTR_KILL_SGID)
		row->mode &= ~(uint32_t)S_ISGID;
	if (equiv)
		*value = NULL;
	return 0;
}

/* Sets (value) or removes (NULL) one attribute of a touched node, its lock held for writing. */
static int xattr_change_locked(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, const char *name,
			       const void *value, size_t size, uint32_t flags)
{
	struct ovl_xattr_edit edit = { 0 };
	struct store_inode row;
	struct ovl_op op;
	uint64_t seq;
	bool exists;
	if (ovl_own(n)->flags & (STORE_IMMUTABLE | STORE_APPEND))
		return -EPERM;
	int r = ovl_xattr_exists(t, n, name, &exists);
	if (!r && exists && flags & VN_XATTR_CREATE)
		r = -EEXIST;
	if (!r && !exists && (!value || flags & VN_XATTR_REPLACE))
		r = -VN_ENOATTR;
	if (r)
		return r;
	ovl_row(n, &row);
	if (value && ovl_xattr_is_acl(name) && (r = xattr_acl(n, &row, name, &value, size, flags)))
		return r;
	ovl_op_begin(&op, t, ctx);
	row.ctime = vn_now_ns();
	row.flags |= STORE_META;
	r = ovl_xattr_edit(&op, n, &row, name, value, size, &edit);
	if (r) {
		ovl_op_abandon(&op);
		return r;
	}
	ovl_op_inode(&op, n, &row);
	r = ovl_op_commit(&op, &seq);
	ovl_xattr_done(n, &edit, !r);
	if (!r)
		ovl_node_apply(t, n, &row, seq, true);
	return r;
}

static int xattr_change(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, const char *name,
			const void *value, size_t size, uint32_t flags)
{
	int r = xattr_refuse(t, name);
	if (!r)
		r = ovl_touch(t, n);
	if (r)
		return r;
	pthread_rwlock_wrlock(&n->lock);
	r = xattr_change_locked(t, ctx, n, name, value, size, flags);
	pthread_rwlock_unlock(&n->lock);
	if (!r)
		ovl_tell_inode(t, ctx, n, false);
	return r;
}

int ovl_xattr_set(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, const char *name,
		  const void *value, size_t size, uint32_t flags)
{
	if (size > VN_XATTR_SIZE_MAX)
		return -E2BIG;
	return xattr_change(t, ctx, n, name, size ? value : "", size, flags);
}

int ovl_xattr_remove(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, const char *name)
{
	int r = xattr_change(t, ctx, n, name, NULL, 0, 0);
	return r == -VN_ENOATTR && ovl_xattr_is_acl(name) ? 0 : r;
}
