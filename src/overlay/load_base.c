// SPDX-License-Identifier: Apache-2.0
/* Nodes of base objects without rows of their own. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "overlay/load.h"
#include "overlay/names.h"

void ovl_load_attr(struct ovl_node *n, const struct vn_attr *a)
{
	n->size = a->size;
	n->atime = a->atime;
	n->mtime = a->mtime;
	n->ctime = a->ctime;
	n->btime = a->btime;
	n->mode = a->mode;
	n->uid = a->uid;
	n->gid = a->gid;
	n->nlink = S_ISDIR(a->mode) ? 1 : a->nlink;
	if (!S_ISDIR(a->mode))
		n->base_size = a->size;
	if (S_ISREG(a->mode))
		n->blocks = a->blocks;
	ovl_load_device(n, a->rdev_major, a->rdev_minor);
	atomic_fetch_or(&n->flags, OVL_NODE_BLOCKS);
}

/* Do two nodes stand for the same base object? */
static bool load_same_object(const struct ovl_node *a, const struct ovl_node *b)
{
	unsigned fa = atomic_load(&a->flags), fb = atomic_load(&b->flags);
	if (!a->odir || !b->odir || (fa & OVL_NODE_DIR) != (fb & OVL_NODE_DIR))
		return false;
	if ((fa & OVL_NODE_GROUP) && (fb & OVL_NODE_GROUP))
		return true;
	return base_dir_hash(a->odir) == base_dir_hash(b->odir) && a->oname_len == b->oname_len &&
	       !memcmp(a->oname, b->oname, a->oname_len);
}

/*
 * Puts a new node of a base object into the table. Another object with its
 * number makes it take the next free one.
 */
static int load_insert(struct ovl_tree *t, struct ovl_node *n, struct ovl_node **out)
{
	for (;;) {
		struct ovl_node *there = ovl_node_insert(t, n);
		if (!there) {
			ovl_node_discard(t, n);
			return -ENOMEM;
		}
		if (there == n || load_same_object(there, n)) {
			if (there != n)
				ovl_node_discard(t, n);
			*out = there;
			return 0;
		}
		ovl_node_put(t, there);
		int r = ovl_number_collide(t, n->odir, ovl_is_dir(n) ? NULL : n->oname, n->oname_len, n->ino, &n->ino);
		if (r) {
			ovl_node_discard(t, n);
			return r;
		}
	}
}

int ovl_load_base_dir(struct ovl_tree *t, struct ovl_node *dir, const struct ovl_name *e, uint64_t *ino, struct base_dir **out)
{
	struct base_entry be = { .name = ovl_names_text(dir->names, e), .len = e->len, .type = e->type };
	be.layers = ovl_names_layers_of(dir->names, e, &be.nlayers);
	be.layer = be.layers[0];
	*out = base_dir_child(t->base, dir->odir, &be);
	if (!*out)
		return -ENOMEM;
	*ino = ovl_number_dir(t, *out);
	return 0;
}

int ovl_load_child_dir(struct ovl_tree *t, struct ovl_node *dir, struct ovl_name *e, struct ovl_node **out)
{
	struct base_dir *bd;
	struct vn_attr attr;
	uint64_t ino;
	int r = ovl_load_base_dir(t, dir, e, &ino, &bd);
	if (r)
		return r;
	struct ovl_node *there = ovl_node_find(t, ino);
	if (there && there->odir && base_dir_hash(there->odir) == base_dir_hash(bd)) {
		base_dir_put(t->base, bd);
		*out = there;
		return 0;
	}
	ovl_node_put(t, there);
	r = base_dir_attr(t->base, bd, &attr);
	struct ovl_node *n = r ? NULL : ovl_node_new(t, ino, true, bd, NULL, 0);
	if (!n) {
		base_dir_put(t->base, bd);
		return r ? r : -ENOMEM;
	}
	ovl_load_attr(n, &attr);
	n->parent = ovl_node_ref(dir);
	n->vdir = ovl_load_vdir(dir, ovl_names_text(dir->names, e), e->len);
	return load_insert(t, n, out);
}

int ovl_load_child(struct ovl_tree *t, struct ovl_node *dir, struct ovl_name *e, struct ovl_node **out)
{
	const char *name = ovl_names_text(dir->names, e);
	size_t nlayers;
	uint16_t layer = ovl_names_layers_of(dir->names, e, &nlayers)[0];
	struct vn_attr attr;
	int r = base_attr(t->base, dir->odir, name, e->len, layer, &attr);
	if (r)
		return r;
	bool group = base_is_group(dir->odir, name, e->len, &attr);
	uint64_t ino = ovl_number(t, dir->odir, name, e->len, attr.ino, group);
	if (group) { /* it may have been touched through another name */
		*out = ovl_node_find(t, ino);
		if (*out || (t->store && !ovl_load_row(t, ino, dir, e, out)))
			return 0;
	}
	struct ovl_node *n = ovl_node_new(t, ino, false, base_dir_get(dir->odir), name, e->len);
	if (!n) {
		base_dir_put(t->base, dir->odir);
		return -ENOMEM;
	}
	n->layer = layer;
	ovl_load_attr(n, &attr);
	if (group)
		atomic_fetch_or(&n->flags, OVL_NODE_GROUP);
	r = load_insert(t, n, out);
	if (!r)
		e->ino = (*out)->ino;
	return r;
}
