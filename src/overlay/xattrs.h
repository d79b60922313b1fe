// SPDX-License-Identifier: Apache-2.0
/*
 * Sets of attributes, and the one that a node has: own->xattrs, whose rows are in
 * the index, or, without STORE_XATTR_OWN, what the base object has. Between xattr.c
 * and xattr_acl.c; everybody else needs xattr.h only.
 *
 * node->lock is held for writing where a node is given, unless said otherwise.
 */
#ifndef OVL_XATTRS_H
#define OVL_XATTRS_H

#include <string.h>

#include "overlay/xattr.h"

struct ovl_xattr {
	char *name;
	void *value;
	size_t size;
};

/* A set; replaced as a whole by a change. */
struct ovl_xattrs {
	size_t n;
	struct ovl_xattr *items;
};

struct ovl_xattr *ovl_xattrs_find(const struct ovl_xattrs *x, const char *name); /* NULL: not in it */
/* One more, which is not in it yet; name and value are copied. -ENOMEM. */
int ovl_xattrs_append(struct ovl_xattrs *x, const char *name, const void *value, size_t size);

/* What the base object has, in whatever way node->lock is held. Errors as getxattr(2) and listxattr(2) have them. */
ssize_t ovl_xattr_get_below(struct ovl_tree *t, struct ovl_node *n, const char *name, void *buf, size_t size);
ssize_t ovl_xattr_list_below(struct ovl_tree *t, struct ovl_node *n, char *buf, size_t size);
bool ovl_xattr_none_below(struct ovl_tree *t, struct ovl_node *n);
/* Has the node none at all, as far as this is known without reading rows? Its own ones count, if it has any. */
bool ovl_xattr_none(struct ovl_tree *t, struct ovl_node *n);

/* Loads own->xattrs of a node whose rows they are. */
int ovl_xattr_load(struct ovl_tree *t, struct ovl_node *n);
/* The whole set as it is now: own->xattrs, or a new set from below that the caller frees (*fresh). */
int ovl_xattr_now(struct ovl_tree *t, struct ovl_node *n, struct ovl_xattrs **out, bool *fresh);
int ovl_xattr_exists(struct ovl_tree *t, struct ovl_node *n, const char *name, bool *exists);
/*
 * The change to one attribute (value NULL: it goes): rows into op, the new set
 * into edit, the flag into row.
 */
int ovl_xattr_edit(struct ovl_op *op, struct ovl_node *n, struct store_inode *row, const char *name, const void *value,
		   size_t size, struct ovl_xattr_edit *edit);

static inline bool ovl_xattr_is_acl(const char *name)
{
	return !strcmp(name, OVL_ACL_ACCESS) || !strcmp(name, OVL_ACL_DEFAULT);
}

#endif
