// SPDX-License-Identifier: Apache-2.0
#include "overlay/xattrs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"

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

struct ovl_xattr *ovl_xattrs_find(const struct ovl_xattrs *x, const char *name)
{
	for (size_t i = 0; i < x->n; i++)
		if (!strcmp(x->items[i].name, name))
			return &x->items[i];
	return NULL;
}

int ovl_xattrs_append(struct ovl_xattrs *x, const char *name, const void *value, size_t size)
{
	struct ovl_xattr *items = realloc(x->items, (x->n + 1) * sizeof(*items));
	if (!items)
		return -ENOMEM;
	x->items = items;
	struct ovl_xattr it = { strdup(name), malloc(size ? size : 1), size };
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

/* A copy without `name`. */
static struct ovl_xattrs *xattrs_without(const struct ovl_xattrs *x, const char *name)
{
	struct ovl_xattrs *copy = calloc(1, sizeof(*copy));
	int r = copy ? 0 : -ENOMEM;
	for (size_t i = 0; !r && i < x->n; i++)
		if (strcmp(x->items[i].name, name))
			r = ovl_xattrs_append(copy, x->items[i].name, x->items[i].value, x->items[i].size);
	if (!r)
		return copy;
	ovl_xattrs_free(copy);
	return NULL;
}

/* ---- what is below ---- */

ssize_t ovl_xattr_get_below(struct ovl_tree *t, struct ovl_node *n, const char *name, void *buf, size_t size)
{
	return ovl_is_dir(n) ? base_getxattr(t->base, n->odir, NULL, 0, 0, name, buf, size) :
			       base_getxattr(t->base, n->odir, n->oname, n->oname_len, n->layer, name, buf, size);
}

ssize_t ovl_xattr_list_below(struct ovl_tree *t, struct ovl_node *n, char *buf, size_t size)
{
	return ovl_is_dir(n) ? base_listxattr(t->base, n->odir, NULL, 0, 0, buf, size) :
			       base_listxattr(t->base, n->odir, n->oname, n->oname_len, n->layer, buf, size);
}

/* Has the base object any? The first "no" is remembered. */
bool ovl_xattr_none_below(struct ovl_tree *t, struct ovl_node *n)
{
	if (!n->odir || atomic_load(&n->flags) & OVL_NODE_NOXATTR)
		return true;
	if (ovl_xattr_list_below(t, n, NULL, 0) != 0)
		return false;
	atomic_fetch_or(&n->flags, OVL_NODE_NOXATTR);
	return true;
}

static int below_append(struct ovl_tree *t, struct ovl_node *n, struct ovl_xattrs *x, const char *name)
{
	vn_autofree void *value = malloc(VN_XATTR_SIZE_MAX);
	if (!value)
		return -ENOMEM;
	ssize_t size = ovl_xattr_get_below(t, n, name, value, VN_XATTR_SIZE_MAX);
	if (size == -VN_ENOATTR)
		return 0;
	return size < 0 ? (int)size : ovl_xattrs_append(x, name, value, (size_t)size);
}

static int below_load(struct ovl_tree *t, struct ovl_node *n, struct ovl_xattrs *x)
{
	vn_autofree char *list = malloc(VN_XATTR_SIZE_MAX);
	if (!list)
		return -ENOMEM;
	if (ovl_xattr_none_below(t, n))
		return 0;
	ssize_t len = ovl_xattr_list_below(t, n, list, VN_XATTR_SIZE_MAX);
	if (len < 0)
		return len == -EOPNOTSUPP ? 0 : (int)len;
	for (char *p = list; p < list + len; p += strlen(p) + 1) {
		int r = below_append(t, n, x, p);
		if (r)
			return r;
	}
	return 0;
}

bool ovl_xattr_none(struct ovl_tree *t, struct ovl_node *n)
{
	const struct ovl_own *own = ovl_own(n);
	return own->flags & STORE_XATTR_OWN ? own->xattrs == &xattrs_none : ovl_xattr_none_below(t, n);
}

/* ---- the node's set; node->lock held for writing ---- */

static int xattrs_append_row(void *arg, const char *name, const void *value, size_t size)
{
	return ovl_xattrs_append(arg, name, value, size);
}

int ovl_xattr_load(struct ovl_tree *t, struct ovl_node *n)
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

int ovl_xattr_now(struct ovl_tree *t, struct ovl_node *n, struct ovl_xattrs **out, bool *fresh)
{
	struct ovl_own *own = ovl_own(n);
	*fresh = false;
	if (own->flags & STORE_XATTR_OWN) {
		int r = ovl_xattr_load(t, n);
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
	int r = ovl_xattr_load(op->t, n);
	for (size_t i = 0; !r && i < own->xattrs->n; i++) {
		const struct ovl_xattr *it = &own->xattrs->items[i];
		store_change_xattr(&op->change, n->ino, it->name, it->value, it->size);
	}
	return r;
}

int ovl_xattr_edit(struct ovl_op *op, struct ovl_node *n, struct store_inode *row, const char *name, const void *value,
		   size_t size, struct ovl_xattr_edit *edit)
{
	struct ovl_xattrs *now;
	bool fresh;
	int r = ovl_xattr_now(op->t, n, &now, &fresh);
	if (r)
		return r;
	struct ovl_xattrs *next = xattrs_without(now, name);
	if (!next || (value && ovl_xattrs_append(next, name, value, size)))
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

int ovl_xattr_exists(struct ovl_tree *t, struct ovl_node *n, const char *name, bool *exists)
{
	struct ovl_xattrs *now;
	bool fresh;
	int r = ovl_xattr_now(t, n, &now, &fresh);
	if (r)
		return r;
	*exists = ovl_xattrs_find(now, name);
	if (fresh)
		ovl_xattrs_free(now);
	return 0;
}
