// SPDX-License-Identifier: Apache-2.0
/*
 * The names of a directory. They load whole: the base's names first, each layer's
 * directory read once; then the dentry rows, which replace or hide them; then the
 * virtual names, which stand above both.
 */
#include <dirent.h>
#include <errno.h>

#include "overlay/names.h"
#include "overlay/tree.h"
#include "overlay/virtual.h"

static int load_base_name(void *arg, const struct base_entry *e)
{
	struct ovl_names *names = arg;
	int r = ovl_names_reserve(names, e->name, e->len);
	if (r)
		return r;
	struct ovl_name *n = ovl_names_add(names, e->name, e->len, OVL_NAME_BASE, (uint8_t)e->type, 0);
	n->below = true;
	return e->type == DT_DIR ? ovl_names_layers(names, n, e->layers, e->nlayers) :
				   ovl_names_layers(names, n, &e->layer, 1);
}

/* A dentry row over what the base has under this name. */
static int load_row_name(void *arg, const char *name, size_t len, uint64_t ino, enum store_sealed sealed)
{
	struct ovl_names *names = arg;
	struct ovl_name *n = ovl_names_find(names, name, len);
	bool below = sealed == STORE_SEALED_NAME || (sealed == STORE_SEALED_NOTHING && n);
	enum ovl_name_kind kind = ino ? OVL_NAME_OWN : OVL_NAME_WHITEOUT;
	if (!ino && !below) {
		if (n)
			ovl_names_remove(names, n);
		return 0;
	}
	if (!n) {
		int r = ovl_names_reserve(names, name, len);
		if (r)
			return r;
		n = ovl_names_add(names, name, len, kind, DT_UNKNOWN, ino);
	} else {
		ovl_names_set(names, n, kind, DT_UNKNOWN, ino);
	}
	n->below = below;
	return 0;
}

int ovl_dir_load(struct ovl_tree *t, struct ovl_node *dir)
{
	int r = 0;
	if (dir->names) {
		ovl_names_sealed(dir->names, t->seals);
		return 0;
	}
	struct ovl_names *names = ovl_names_new();
	if (!names)
		return -ENOMEM;
	ovl_names_sealed(names, t->seals);
	if (dir->odir)
		r = base_list(t->base, dir->odir, load_base_name, names);
	if (!r && t->store && ovl_own(dir) && !ovl_own(dir)->dead)
		r = store_read_dir(t->store, dir->ino, load_row_name, names);
	if (!r && dir->vdir)
		r = ovl_virtual_names(t, dir->vdir, names);
	if (r) {
		ovl_names_free(names);
		return r;
	}
	ovl_names_fit(names);
	dir->names = names;
	return 0;
}

int ovl_dir_lock_shared(struct ovl_tree *t, struct ovl_node *dir)
{
	int r = 0;
	if (!ovl_is_dir(dir))
		return -ENOTDIR;
	for (;;) {
		pthread_rwlock_rdlock(&dir->lock);
		if (dir->names)
			return 0;
		pthread_rwlock_unlock(&dir->lock);
		pthread_rwlock_wrlock(&dir->lock);
		r = ovl_dir_load(t, dir);
		pthread_rwlock_unlock(&dir->lock);
		if (r)
			return r;
	}
}

int ovl_dir_lock(struct ovl_tree *t, struct ovl_node *dir)
{
	if (!ovl_is_dir(dir))
		return -ENOTDIR;
	if (atomic_load(&dir->flags) & OVL_NODE_VIRTUAL)
		return -EPERM;
	pthread_rwlock_wrlock(&dir->lock);
	int r = atomic_load(&dir->flags) & OVL_NODE_REMOVED ? -ENOENT : ovl_dir_load(t, dir);
	if (r)
		pthread_rwlock_unlock(&dir->lock);
	return r;
}
