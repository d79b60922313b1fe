// SPDX-License-Identifier: Apache-2.0
/* Reading the layers, between load.c, load_base.c and load_row.c; everybody else asks ovl_child() and its like (tree.h). */
#ifndef OVL_LOAD_H
#define OVL_LOAD_H

#include "overlay/tree.h"
#include "overlay/virtual.h"

/* A device's numbers; of other nodes the place is used for something else. */
static inline void ovl_load_device(struct ovl_node *n, uint32_t major, uint32_t minor)
{
	if (!ovl_is_device(n))
		return;
	n->rdev_major = major;
	n->rdev_minor = minor;
}

/* The virtual children of a directory in `dir`; NULL: none. Borrowed from the tree. */
static inline struct ovl_vdir *ovl_load_vdir(struct ovl_node *dir, const char *name, size_t len)
{
	return dir->vdir ? ovl_virtual_subdir(dir->vdir, name, len) : NULL;
}

/* ---- load_base.c; of a name in dir, whose lock is held ---- */

/* Fills a new node with a base object's attributes. */
void ovl_load_attr(struct ovl_node *n, const struct vn_attr *a);
/* The merged directory under a name and its number; the caller puts it. -ENOMEM. */
int ovl_load_base_dir(struct ovl_tree *t, struct ovl_node *dir, const struct ovl_name *e, uint64_t *ino,
		      struct base_dir **out);
/* The node of a directory that only the base has: a reference. */
int ovl_load_child_dir(struct ovl_tree *t, struct ovl_node *dir, struct ovl_name *e, struct ovl_node **out);
/*
 * The node of anything else that has no dentry row: a reference. One of a file with
 * several names may have a row all the same, made through another name.
 */
int ovl_load_child(struct ovl_tree *t, struct ovl_node *dir, struct ovl_name *e, struct ovl_node **out);

/* ---- load_row.c ---- */

/*
 * A node from its row: a reference. dir and e, where given, are the entry through
 * which it is looked up: a directory's parent, and a short cut to its base object.
 * -ENOENT: there is no row. -EIO: the lower lost what the row stands on.
 */
int ovl_load_row(struct ovl_tree *t, uint64_t ino, struct ovl_node *dir, struct ovl_name *e, struct ovl_node **out);
/* Gives a new node the row that was read from `delta`. -ENOMEM, -EIO: no such delta. */
int ovl_load_own(struct ovl_tree *t, struct ovl_node *n, const struct store_inode *row, uint64_t delta);

#endif
