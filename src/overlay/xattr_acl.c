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

int ovl_xattr_chmod(struct ovl_op *op, struct ovl_node *n, struct store_inode *row, uint32_t mode,
		    struct ovl_xattr_edit *edit)
{
	struct ovl_xattrs *now;
	bool fresh;
	if (op->t->noacl || ovl_xattr_none(op->t, n))
		return 0;
	int r = ovl_xattr_now(op->t, n, &now, &fresh);
	if (r)
		return r;
	const struct ovl_xattr *it = ovl_xattrs_find(now, OVL_ACL_ACCESS);
	vn_autofree void *acl = it ? malloc(it->size ? it->size : 1) : NULL;
	size_t size = it ? it->size : 0;
	if (acl)
		memcpy(acl, it->value, size);
	if (fresh)
		ovl_xattrs_free(now);
	if (!it)
		return 0;
	r = acl ? ovl_acl_chmod(acl, size, mode) : -ENOMEM;
	return r ? r : ovl_xattr_edit(op, n, row, OVL_ACL_ACCESS, acl, size, edit);
}

/* The directory's default ACL: malloc()ed, NULL when there is none. */
static int xattr_default_acl(struct ovl_tree *t, struct ovl_node *dir, void **acl, size_t *size)
{
	struct ovl_xattrs *now;
	bool fresh;
	*acl = NULL;
	if (t->noacl)
		return 0;
	if (ovl_xattr_none(t, dir))
		return 0;
	int r = ovl_xattr_now(t, dir, &now, &fresh);
	if (r)
		return r;
	const struct ovl_xattr *it = ovl_xattrs_find(now, OVL_ACL_DEFAULT);
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
		r = ovl_xattrs_append(set, OVL_ACL_ACCESS, access, size);
	}
	if (!r && S_ISDIR(*mode)) {
		store_change_xattr(&op->change, ino, OVL_ACL_DEFAULT, acl, size);
		r = ovl_xattrs_append(set, OVL_ACL_DEFAULT, acl, size);
	}
	if (r) {
		ovl_xattrs_free(set);
		edit->next = NULL;
	}
	return r;
}
