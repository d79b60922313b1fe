// SPDX-License-Identifier: Apache-2.0
/*
 * Extended attributes of nodes. A node without STORE_XATTR_OWN shows those of
 * what is below; the first change copies the whole set into rows. What is in
 * memory is the truth while the node is.
 */
#ifndef OVL_XATTR_H
#define OVL_XATTR_H

#include "overlay/tree.h"

#define OVL_ACL_ACCESS "system.posix_acl_access"
#define OVL_ACL_DEFAULT "system.posix_acl_default"
#define OVL_CAPS "security.capability"

void ovl_xattrs_free(struct ovl_xattrs *x); /* NULL allowed */
/* The set of a new object: none. */
struct ovl_xattrs *ovl_xattrs_none(void);
/* A row in a sealed delta gets one in the head: its set is copied into op. */
int ovl_xattr_copy(struct ovl_op *op, struct ovl_node *n);

/* Attributes as a client sees them. node->lock is taken. Errors as getxattr(2) has them. */
ssize_t ovl_xattr_get(struct ovl_tree *t, struct ovl_node *n, const char *name, void *buf, size_t size);
ssize_t ovl_xattr_list(struct ovl_tree *t, struct ovl_node *n, char *buf, size_t size);
int ovl_xattr_set(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, const char *name,
		  const void *value, size_t size, uint32_t flags);
int ovl_xattr_remove(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, const char *name);

/*
 * Parts of other verbs; node->lock held for writing, the node touched. Each adds
 * its rows to op and keeps in mind what to change in memory: exactly one of
 * ovl_xattr_done(.., true) after the commit and ovl_xattr_done(.., false) follows.
 */
struct ovl_xattr_edit {
	struct ovl_xattrs *next; /* the set after the change; NULL: unchanged */
};
/*
 * A write or chown by anybody: security.capability goes, from memory at once. 1
 * when there was one, 0, -errno.
 */
int ovl_xattr_kill_caps(struct ovl_op *op, struct ovl_node *n);
/* chmod: the access ACL follows the mode. */
int ovl_xattr_chmod(struct ovl_op *op, struct ovl_node *n, struct store_inode *row, uint32_t mode,
		    struct ovl_xattr_edit *edit);
/*
 * A new object in `dir` (locked): rows for the ACLs it inherits. *mode comes
 * without umask applied and goes with what is right.
 */
int ovl_xattr_inherit(struct ovl_op *op, struct ovl_node *dir, uint64_t ino, uint32_t *mode, uint32_t umask,
		      struct ovl_xattr_edit *edit);
void ovl_xattr_done(struct ovl_node *n, struct ovl_xattr_edit *edit, bool committed);

#endif
