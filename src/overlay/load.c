// SPDX-License-Identifier: Apache-2.0
/*
 * From rows and base objects to nodes: load_base.c and load_row.c read them, here
 * is which of them an entry, a base directory or a number asks for.
 *
 * A node is made when a name is looked up: from its row when the name has a dentry
 * row, else from the base object's attributes.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "overlay/load.h"
#include "overlay/names.h"
#include "overlay/seen.h"
#include "overlay/tree.h"
#include "overlay/virtual.h"
#include "overlay/xattr.h"

/* ---- the root ---- */

/* The root's attributes: of its row, else of the base. */
static int load_root_row(struct ovl_tree *t, struct ovl_node *n)
{
	struct store_inode row;
	struct vn_attr attr;
	uint64_t delta;
	int r = base_dir_attr(t->base, n->odir, &attr);
	if (r)
		return r;
	ovl_load_attr(n, &attr);
	if (t->store && !(r = store_read_inode(t->store, VN_NODE_ROOT, &row, &delta))) {
		r = ovl_load_own(t, n, &row, delta);
		free((char *)row.origin);
	}
	return r == -ENOENT ? 0 : r;
}

int ovl_root_reload(struct ovl_tree *t)
{
	struct ovl_own *own = ovl_own(t->root);
	ovl_names_free(t->root->names);
	t->root->names = NULL;
	if (own) {
		atomic_store(&t->root->own, NULL);
		ovl_xattrs_free(own->xattrs);
		free(own);
	}
	return load_root_row(t, t->root);
}

int ovl_root_load(struct ovl_tree *t, struct base_dir *bd, struct ovl_node **out)
{
	struct ovl_node *n = ovl_node_new(t, VN_NODE_ROOT, true, bd, NULL, 0);
	int r;
	if (!n) {
		base_dir_put(t->base, bd);
		return -ENOMEM;
	}
	r = load_root_row(t, n);
	if (!r && ovl_node_insert(t, n) != n)
		r = -ENOMEM;
	if (r)
		ovl_node_discard(t, n);
	else
		*out = n;
	return r;
}

/* ---- all others ---- */

int ovl_child(struct ovl_tree *t, struct ovl_node *dir, struct ovl_name *e, struct ovl_node **out)
{
	uint64_t ino = e->ino;
	int r;
	if (e->kind == OVL_NAME_WHITEOUT)
		return -ENOENT;
	if (e->kind == OVL_NAME_VIRTUAL)
		return ovl_virtual_node(t, dir, e->ino, out);
	if (e->kind == OVL_NAME_BASE && e->type == DT_DIR)
		return ovl_load_child_dir(t, dir, e, out);
	if (ino && (*out = ovl_node_find(t, ino))) {
		r = 0;
	} else if (e->kind == OVL_NAME_BASE) {
		r = ovl_load_child(t, dir, e, out);
	} else {
		r = ovl_load_row(t, ino, dir, e, out);
		if (r == -ENOENT)
			r = -EIO; /* a name whose inode is gone: damage, see veneer check */
	}
	return r;
}

int ovl_child_number(struct ovl_tree *t, struct ovl_node *dir, struct ovl_name *e, uint64_t *ino, uint8_t *type)
{
	struct ovl_node *n;
	*ino = e->ino;
	*type = e->type;
	if (*ino && *type != DT_UNKNOWN)
		return 0;
	if (e->kind == OVL_NAME_BASE && e->type == DT_DIR) {
		struct base_dir *bd;
		int r = ovl_load_base_dir(t, dir, e, ino, &bd);
		if (!r)
			base_dir_put(t->base, bd);
		return r;
	}
	int r = ovl_child(t, dir, e, &n);
	if (r)
		return r;
	*ino = n->ino;
	*type = (uint8_t)IFTODT(n->mode); /* the type of an inode never changes: no lock */
	ovl_node_put(t, n);
	return 0;
}

int ovl_lookup(struct ovl_tree *t, struct ovl_node *dir, const char *name, struct ovl_node **out)
{
	int r = ovl_dir_lock_shared(t, dir);
	if (r)
		return r;
	struct ovl_name *e = ovl_names_find(dir->names, name, strlen(name));
	r = e ? ovl_child(t, dir, e, out) : -ENOENT;
	pthread_rwlock_unlock(&dir->lock);
	return r;
}

/* Where the base has it, under names that may have come to mean something else. */
static int load_base_by_name(struct ovl_tree *t, struct base_dir *d, struct ovl_node **out)
{
	struct ovl_node *parent;
	char name[VN_NAME_MAX + 1];
	size_t len;
	int r = ovl_base_node(t, base_dir_parent(d), &parent);
	if (r)
		return r;
	const char *text = base_dir_name(d, &len);
	memcpy(name, text, len);
	name[len] = '\0';
	r = ovl_lookup(t, parent, name, out);
	ovl_node_put(t, parent);
	if (!r && (!(*out)->odir || base_dir_hash((*out)->odir) != base_dir_hash(d))) {
		ovl_node_put(t, *out);
		r = -ESTALE;
	}
	return r;
}

int ovl_base_node(struct ovl_tree *t, struct base_dir *d, struct ovl_node **out)
{
	if (!base_dir_parent(d)) {
		*out = ovl_node_ref(t->root);
		return 0;
	}
	uint64_t ino = ovl_number_dir(t, d);
	*out = ovl_node_find(t, ino);
	if (*out)
		return 0;
	int r = load_base_by_name(t, d, out);
	/* one that was moved has a row, which says where it is; nobody needs to hold it while something in it is held */
	bool moved = (r == -ENOENT || r == -ENOTDIR || r == -ESTALE) && t->store;
	return moved && !ovl_load_row(t, ino, NULL, NULL, out) ? 0 : r;
}

int ovl_node_load(struct ovl_tree *t, uint64_t ino, struct ovl_node **out)
{
	if (ino <= OVL_INO_VIRTUAL_LAST)
		return ovl_virtual_node(t, NULL, ino, out);
	int r = t->store ? ovl_load_row(t, ino, NULL, NULL, out) : -ENOENT;
	if (r == -ENOENT)
		r = ovl_seen_find(t, ino, out);
	return r == -ENOENT || r == -ENOTDIR ? -ESTALE : r;
}
