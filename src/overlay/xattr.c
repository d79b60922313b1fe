// SPDX-License-Identifier: Apache-2.0
#include "overlay/xattr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/clock.h"
#include "base/scope.h"

#ifndef ENOATTR
#define ENOATTR ENODATA
#endif

struct xattr_item {
	char *name;
	void *value;
	size_t size;
};

/* A set; replaced as a whole by a change. */
struct ovl_xattrs {
	size_t n;
	struct xattr_item *items;
};

static struct ovl_xattrs xattrs_none;

struct ovl_xattrs *ovl_xattrs_none(void)
{
	return &xattrs_none;
}

void ovl_xattrs_free(struct ovl_xattrs *x)
{
	if (!x || x == &xattrs_none)
		return;
	for (size_t i = 0; i < x->n; i++) {
		free(x->items[i].name);
		free(x->items[i].value);
	}
	free(x->items);
	free(x);
}

static struct xattr_item *xattrs_find(const struct ovl_xattrs *x, const char *name)
{
	for (size_t i = 0; i < x->n; i++)
		if (!strcmp(x->items[i].name, name))
			return &x->items[i];
	return NULL;
}

static int xattrs_append(struct ovl_xattrs *x, const char *name, const void *value, size_t size)
{
	struct xattr_item *items = realloc(x->items, (x->n + 1) * sizeof(*items));
	if (!items)
		return -ENOMEM;
	x->items = items;
	struct xattr_item it = { strdup(name), malloc(size ? size : 1), size };
	if (!it.name || !it.value) {
		free(it.name);
		free(it.value);
		return -ENOMEM;
	}
	if (size)
		memcpy(it.value, value, size);
	items[x->n++] = it;
	return 0;
}

static int xattrs_append_row(void *arg, const char *name, const void *value, size_t size)
{
	return xattrs_append(arg, name, value, size);
}

/* A copy without `name`. */
static struct ovl_xattrs *xattrs_without(const struct ovl_xattrs *x, const char *name)
{
	struct ovl_xattrs *copy = calloc(1, sizeof(*copy));
	int r = copy ? 0 : -ENOMEM;
	for (size_t i = 0; !r && i < x->n; i++)
		if (strcmp(x->items[i].name, name))
			r = xattrs_append(copy, x->items[i].name, x->items[i].value, x->items[i].size);
	if (!r)
		return copy;
	ovl_xattrs_free(copy);
	return NULL;
}

/* ---- what is below ---- */

static ssize_t below_get(struct ovl_tree *t, struct ovl_node *n, const char *name, void *buf, size_t size)
{
	return ovl_is_dir(n) ? base_getxattr(t->base, n->odir, NULL, 0, 0, name, buf, size) :
			       base_getxattr(t->base, n->odir, n->oname, n->oname_len, n->layer, name, buf, size);
}

static ssize_t below_list(struct ovl_tree *t, struct ovl_node *n, char *buf, size_t size)
{
	return ovl_is_dir(n) ? base_listxattr(t->base, n->odir, NULL, 0, 0, buf, size) :
			       base_listxattr(t->base, n->odir, n->oname, n->oname_len, n->layer, buf, size);
}

/* Has the base object any? The first "no" is remembered. */
static bool below_none(struct ovl_tree *t, struct ovl_node *n)
{
	if (!n->odir || atomic_load(&n->flags) & OVL_NODE_NOXATTR)
		return true;
	if (below_list(t, n, NULL, 0) != 0)
		return false;
	atomic_fetch_or(&n->flags, OVL_NODE_NOXATTR);
	return true;
}

static int below_append(struct ovl_tree *t, struct ovl_node *n, struct ovl_xattrs *x, const char *name)
{
	vn_autofree void *value = malloc(VN_XATTR_SIZE_MAX);
	if (!value)
		return -ENOMEM;
	ssize_t size = below_get(t, n, name, value, VN_XATTR_SIZE_MAX);
	if (size == -ENODATA)
		return 0;
	return size < 0 ? (int)size : xattrs_append(x, name, value, (size_t)size);
}

static int below_load(struct ovl_tree *t, struct ovl_node *n, struct ovl_xattrs *x)
{
	vn_autofree char *list = malloc(VN_XATTR_SIZE_MAX);
	if (!list)
		return -ENOMEM;
	if (below_none(t, n))
		return 0;
	ssize_t len = below_list(t, n, list, VN_XATTR_SIZE_MAX);
	if (len < 0)
		return len == -EOPNOTSUPP ? 0 : (int)len;
	for (char *p = list; p < list + len; p += strlen(p) + 1) {
		int r = below_append(t, n, x, p);
		if (r)
			return r;
	}
	return 0;
}

/* ---- the node's set; node->lock held for writing ---- */

/* Loads own->xattrs of a node whose rows they are. */
static int xattr_load(struct ovl_tree *t, struct ovl_node *n)
{
	struct ovl_own *own = ovl_own(n);
	if (own->xattrs)
		return 0;
	struct ovl_xattrs *x = calloc(1, sizeof(*x));
	if (!x)
		return -ENOMEM;
	int r = store_read_xattrs(t->store, n->ino, xattrs_append_row, x);
	if (r && r != -ENOENT) {
		ovl_xattrs_free(x);
		return r;
	}
	own->xattrs = x;
	return 0;
}

/* The whole set as it is now: own->xattrs, or a new set from below that the caller frees (*fresh). */
static int xattr_set_now(struct ovl_tree *t, struct ovl_node *n, struct ovl_xattrs **out, bool *fresh)
{
	struct ovl_own *own = ovl_own(n);
	*fresh = false;
	if (own->flags & STORE_XATTR_OWN) {
		int r = xattr_load(t, n);
		*out = own->xattrs;
		return r;
	}
	struct ovl_xattrs *x = calloc(1, sizeof(*x));
	int r = x ? below_load(t, n, x) : -ENOMEM;
	if (r) {
		ovl_xattrs_free(x);
		return r;
	}
	*fresh = true;
	*out = x;
	return 0;
}

int ovl_xattr_copy(struct ovl_op *op, struct ovl_node *n)
{
	struct ovl_own *own = ovl_own(n);
	if (!(own->flags & STORE_XATTR_OWN))
		return 0;
	int r = xattr_load(op->t, n);
	for (size_t i = 0; !r && i < own->xattrs->n; i++) {
		const struct xattr_item *it = &own->xattrs->items[i];
		store_change_xattr(&op->change, n->ino, it->name, it->value, it->size);
	}
	return r;
}

/*
 * The change to one attribute (value NULL: it goes): rows into op, the new set
 * into edit, the flag into row.
 */
static int xattr_edit(struct ovl_op *op, struct ovl_node *n, struct store_inode *row, const char *name,
		      const void *value, size_t size, struct ovl_xattr_edit *edit)
{
	struct ovl_xattrs *now;
	bool fresh;
	int r = xattr_set_now(op->t, n, &now, &fresh);
	if (r)
		return r;
	struct ovl_xattrs *next = xattrs_without(now, name);
	if (!next || (value && xattrs_append(next, name, value, size)))
		r = -ENOMEM;
	if (fresh)
		ovl_xattrs_free(now);
	if (r) {
		ovl_xattrs_free(next);
		return r;
	}
	if (ovl_own(n)->dead)
		;
	else if (fresh)
		for (size_t i = 0; i < next->n; i++)
			store_change_xattr(&op->change, n->ino, next->items[i].name, next->items[i].value,
					   next->items[i].size);
	else if (value)
		store_change_xattr(&op->change, n->ino, name, value, size);
	else
		store_change_xattr_gone(&op->change, n->ino, name);
	row->flags |= STORE_XATTR_OWN;
	ovl_xattrs_free(edit->next);
	edit->next = next;
	return 0;
}

void ovl_xattr_done(struct ovl_node *n, struct ovl_xattr_edit *edit, bool committed)
{
	if (!edit->next)
		return;
	if (committed) {
		struct ovl_own *own = ovl_own(n);
		ovl_xattrs_free(own->xattrs);
		own->xattrs = edit->next;
	} else {
		ovl_xattrs_free(edit->next);
	}
	edit->next = NULL;
}

/* ---- reading ---- */

static bool xattr_is_acl(const char *name)
{
	return !strcmp(name, OVL_ACL_ACCESS) || !strcmp(name, OVL_ACL_DEFAULT);
}

/* Names that no file of this tree can have; answered as disk file systems do. */
static int xattr_refuse(struct ovl_tree *t, const char *name)
{
	static const char *const namespaces[] = { "user.", "trusted.", "security." };
	if (xattr_is_acl(name))
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
	return strcmp(name, "security.selinux") ? -ENODATA : -EOPNOTSUPP;
}

static ssize_t xattr_value(const struct xattr_item *it, void *buf, size_t size)
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
		struct xattr_item *it = xattrs_find(own->xattrs, name);
		return it ? xattr_value(it, buf, size) : -ENODATA;
	}
	return below_none(t, n) ? -ENODATA : below_get(t, n, name, buf, size);
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
		r = xattr_load(t, n);
		if (!r)
			r = xattr_get_locked(t, n, name, buf, size);
		pthread_rwlock_unlock(&n->lock);
	}
	return r == -ENODATA ? xattr_missing(name) : r;
}

static ssize_t xattr_names(const struct ovl_xattrs *x, bool noacl, char *buf, size_t size)
{
	size_t at = 0;
	for (size_t i = 0; i < x->n; i++) {
		size_t len = strlen(x->items[i].name) + 1;
		if (noacl && xattr_is_acl(x->items[i].name))
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
		r = xattr_load(t, n);
		if (!r)
			r = xattr_names(own->xattrs, t->noacl, buf, size);
	} else {
		r = below_none(t, n) ? 0 : below_list(t, n, buf, size);
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

static int xattr_exists(struct ovl_tree *t, struct ovl_node *n, const char *name, bool *exists)
{
	struct ovl_xattrs *now;
	bool fresh;
	int r = xattr_set_now(t, n, &now, &fresh);
	if (r)
		return r;
	*exists = xattrs_find(now, name);
	if (fresh)
		ovl_xattrs_free(now);
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
	int r = xattr_exists(t, n, name, &exists);
	if (!r && exists && flags & XATTR_CREATE)
		r = -EEXIST;
	if (!r && !exists && (!value || flags & XATTR_REPLACE))
		r = -ENODATA;
	if (r)
		return r;
	ovl_row(n, &row);
	if (value && xattr_is_acl(name) && (r = xattr_acl(n, &row, name, &value, size, flags)))
		return r;
	ovl_op_begin(&op, t, ctx);
	row.ctime = vn_now_ns();
	row.flags |= STORE_META;
	r = xattr_edit(&op, n, &row, name, value, size, &edit);
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
	return r == -ENODATA && xattr_is_acl(name) ? 0 : r;
}

/* ---- parts of other verbs ---- */

int ovl_xattr_kill_caps(struct ovl_op *op, struct ovl_node *n)
{
	struct ovl_own *own = ovl_own(n);
	struct ovl_xattr_edit edit = { 0 };
	struct store_inode row;
	bool exists;
	if (own->flags & STORE_XATTR_OWN ? own->xattrs == &xattrs_none : below_none(op->t, n))
		return 0;
	int r = xattr_exists(op->t, n, OVL_CAPS, &exists);
	if (r || !exists)
		return r;
	ovl_row(n, &row);
	r = xattr_edit(op, n, &row, OVL_CAPS, NULL, 0, &edit);
	if (r)
		return r;
	own->flags |= STORE_XATTR_OWN; /* the caller's row carries it */
	ovl_xattr_done(n, &edit, true);
	return 1;
}

int ovl_xattr_chmod(struct ovl_op *op, struct ovl_node *n, struct store_inode *row, uint32_t mode,
		    struct ovl_xattr_edit *edit)
{
	struct ovl_own *own = ovl_own(n);
	struct ovl_xattrs *now;
	bool fresh;
	if (op->t->noacl || (own->flags & STORE_XATTR_OWN ? own->xattrs == &xattrs_none : below_none(op->t, n)))
		return 0;
	int r = xattr_set_now(op->t, n, &now, &fresh);
	if (r)
		return r;
	const struct xattr_item *it = xattrs_find(now, OVL_ACL_ACCESS);
	vn_autofree void *acl = it ? malloc(it->size ? it->size : 1) : NULL;
	size_t size = it ? it->size : 0;
	if (acl)
		memcpy(acl, it->value, size);
	if (fresh)
		ovl_xattrs_free(now);
	if (!it)
		return 0;
	r = acl ? ovl_acl_chmod(acl, size, mode) : -ENOMEM;
	return r ? r : xattr_edit(op, n, row, OVL_ACL_ACCESS, acl, size, edit);
}

/* The directory's default ACL: malloc()ed, NULL when there is none. */
static int xattr_default_acl(struct ovl_tree *t, struct ovl_node *dir, void **acl, size_t *size)
{
	struct ovl_xattrs *now;
	bool fresh;
	*acl = NULL;
	if (t->noacl)
		return 0;
	if (ovl_own(dir)->flags & STORE_XATTR_OWN ? ovl_own(dir)->xattrs == &xattrs_none : below_none(t, dir))
		return 0;
	int r = xattr_set_now(t, dir, &now, &fresh);
	if (r)
		return r;
	const struct xattr_item *it = xattrs_find(now, OVL_ACL_DEFAULT);
	if (it) {
		*size = it->size;
		*acl = malloc(it->size + 1);
		if (*acl)
			memcpy(*acl, it->value, it->size);
		else
			r = -ENOMEM;
	}
	if (fresh)
		ovl_xattrs_free(now);
	return r;
}

int ovl_xattr_inherit(struct ovl_op *op, struct ovl_node *dir, uint64_t ino, uint32_t *mode, uint32_t umask,
		      struct ovl_xattr_edit *edit)
{
	vn_autofree void *acl = NULL;
	vn_autofree void *access = NULL;
	size_t size = 0;
	bool equiv;
	int r = xattr_default_acl(op->t, dir, &acl, &size);
	if (r || !acl) {
		if (!S_ISLNK(*mode))
			*mode &= ~umask;
		return r;
	}
	if (S_ISLNK(*mode))
		return 0;
	access = malloc(size + 1);
	struct ovl_xattrs *set = calloc(1, sizeof(*set));
	if (!access || !set) {
		free(set);
		return -ENOMEM;
	}
	edit->next = set;
	memcpy(access, acl, size);
	r = ovl_acl_create(access, size, mode, &equiv);
	if (!r && !equiv) {
		store_change_xattr(&op->change, ino, OVL_ACL_ACCESS, access, size);
		r = xattrs_append(set, OVL_ACL_ACCESS, access, size);
	}
	if (!r && S_ISDIR(*mode)) {
		store_change_xattr(&op->change, ino, OVL_ACL_DEFAULT, acl, size);
		r = xattrs_append(set, OVL_ACL_DEFAULT, acl, size);
	}
	if (r) {
		ovl_xattrs_free(set);
		edit->next = NULL;
	}
	return r;
}
