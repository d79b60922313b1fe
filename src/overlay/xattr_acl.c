// SPDX-License-Identifier: Apache-2.0
/* What other verbs do to attributes: ACLs follow modes and are inherited, capabilities go with a write. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "overlay/xattrs.h"

int ovl_xattr_kill_caps(struct ovl_op *op, struct ovl_node *n)
{
	struct ovl_own *own = ovl_own(n);
	struct ovl_xattr_edit edit = { 0 };
	struct store_inode row;
	bool exists;
	if (ovl_xattr_none(op->t, n))
		return 0;
	int r = ovl_xattr_exists(op->t, n, OVL_CAPS, &exists);
	if (r || !exists)
		return r;
	ovl_row(n, &row);
	r = ovl_xattr_edit(op, n, &row, OVL_CAPS, NULL, 0, &edit);
	if (r)
		return r;
	own->flags |= STORE_XATTR_OWN; /* the caller's row carries it */
	ovl_xattr_done(n, &edit, true);
	return 1;
}

/* A copy of one attribute, malloc()ed; *value is NULL when there is none. */
static int acl_get(struct ovl_tree *t, struct ovl_node *n, const char *name, void **value, size_t *size)
{
	struct ovl_xattrs *now;
	bool fresh;
	*value = NULL;
	*size = 0;
	if (t->noacl || ovl_xattr_none(t, n))
		return 0;
	int r = ovl_xattr_now(t, n, &now, &fresh);
	if (r)
		return r;
	const struct ovl_xattr *it = ovl_xattrs_find(now, name);
	if (it && !(*value = malloc(it->size + 1)))
		r = -ENOMEM;
	else if (it)
		memcpy(*value, it->value, *size = it->size);
	if (fresh)
		ovl_xattrs_free(now);
	return r;
}

int ovl_xattr_chmod(struct ovl_op *op, struct ovl_node *n, struct store_inode *row, uint32_t mode, struct ovl_xattr_edit *edit)
{
	vn_autofree void *acl = NULL;
	size_t size;
	int r = acl_get(op->t, n, OVL_ACL_ACCESS, &acl, &size);
	if (r || !acl)
		return r;
	r = ovl_acl_chmod(acl, size, mode);
	return r ? r : ovl_xattr_edit(op, n, row, OVL_ACL_ACCESS, acl, size, edit);
}

static int acl_put(struct ovl_op *op, uint64_t ino, const char *name, const void *acl, size_t size, struct ovl_xattrs *set)
{
	store_change_xattr(&op->change, ino, name, acl, size);
	return ovl_xattrs_append(set, name, acl, size);
}

/* The ACLs of a new object in a directory with this default ACL: into op and set. */
static int acl_inherit(struct ovl_op *op, uint64_t ino, const void *acl, size_t size, uint32_t *mode, struct ovl_xattrs *set)
{
	vn_autofree void *access = malloc(size + 1);
	bool equiv;
	if (!access)
		return -ENOMEM;
	memcpy(access, acl, size);
	int r = ovl_acl_create(access, size, mode, &equiv);
	if (!r && !equiv)
		r = acl_put(op, ino, OVL_ACL_ACCESS, access, size, set);
	if (!r && S_ISDIR(*mode))
		r = acl_put(op, ino, OVL_ACL_DEFAULT, acl, size, set);
	return r;
}

int ovl_xattr_inherit(struct ovl_op *op, struct ovl_node *dir, uint64_t ino, uint32_t *mode, uint32_t umask,
		      struct ovl_xattr_edit *edit)
{
	vn_autofree void *acl = NULL;
	size_t size;
	int r = acl_get(op->t, dir, OVL_ACL_DEFAULT, &acl, &size);
	if (r)
		return r;
	if (S_ISLNK(*mode))
		return 0;
	if (!acl) {
		*mode &= ~umask;
		return 0;
	}
	struct ovl_xattrs *set = calloc(1, sizeof(*set));
	r = set ? acl_inherit(op, ino, acl, size, mode, set) : -ENOMEM;
	if (r)
		ovl_xattrs_free(set);
	else
		edit->next = set;
	return r;
}
