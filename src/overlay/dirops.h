// SPDX-License-Identifier: Apache-2.0
/* Verbs that change names: make.c, remove.c, rename.c; and listing. */
#ifndef OVL_DIROPS_H
#define OVL_DIROPS_H

#include "overlay/names.h"
#include "overlay/tree.h"

/* What a new object is. */
struct ovl_make {
	uint32_t mode; /* with type, umask not applied */
	uint32_t rdev_major, rdev_minor;
	const char *target; /* symbolic links */
};

/* All return nodes with a reference. Errors are those of the system call of the same name. */
int ovl_make(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *dir, const char *name,
	     const struct ovl_make *m, struct ovl_node **out);
int ovl_make_tmp(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *dir, uint32_t mode,
		 struct ovl_node **out);
int ovl_link(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, struct ovl_node *dir,
	     const char *name);
int ovl_remove(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *dir, const char *name, bool want_dir);
int ovl_rename(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *dir, const char *name,
	       struct ovl_node *newdir, const char *newname, uint32_t flags);
int ovl_readdir(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *dir, uint64_t cookie, bool plus,
		vn_dirent_fn fn, void *arg);

/* ---- pieces that they share ---- */

/* May the names of this (touched, locked) directory change? `removes`: an append-only one refuses that. */
int ovl_dir_may_change(const struct ovl_node *dir, bool removes);
/*
 * Rows for the end of one name of n (locked, touched if it keeps other names):
 * fewer links, or the row and its data gone. *row is the row it will have;
 * ovl_unlinked makes memory follow after the commit.
 */
void ovl_unlink_rows(struct ovl_op *op, struct ovl_node *n, int64_t now, struct store_inode *row);
void ovl_unlinked(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, const struct store_inode *row,
		  uint64_t seq);
/* Before a name of n (locked for writing) goes: `own`, and what rows say that may go with it, are in memory. */
int ovl_unlink_ready(struct ovl_tree *t, struct ovl_node *n);
/* Whatever only the rows of n say is in memory: extents, attributes, a link's target. n is locked for writing. */
int ovl_rows_remember(struct ovl_tree *t, struct ovl_node *n);
/* The row for a name that ends: a whiteout where something below would show. */
void ovl_name_gone_rows(struct ovl_op *op, struct ovl_node *dir, const struct ovl_name *e);
void ovl_name_gone(struct ovl_node *dir, struct ovl_name *e);
/* Can `n` be removed or replaced while it must not lose its rows unseen: touched when it has other names. */
int ovl_touch_for_removal(struct ovl_tree *t, struct ovl_node *n);
/* An empty directory, its lock held for writing and names loaded. */
bool ovl_dir_empty(const struct ovl_node *dir);

#endif
