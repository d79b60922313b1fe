// SPDX-License-Identifier: Apache-2.0
/*
 * Touch: the copy-up of metadata. A base object gets an inode row and a dentry
 * row in the head; one whose row lies in a sealed delta gets an inode row. No
 * data is copied and nothing that one can see changes, so the record stands on
 * its own and a verb that fails afterwards leaves no trace that matters.
 *
 * The dentry row is what makes a touched object findable: the parent's table
 * then names it by number, and whoever loads the directory later meets its row.
 * Parents are touched first, up to the root, so that each directory with a
 * dentry row has an inode row.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "overlay/copyup.h"
#include "overlay/extents.h"
#include "overlay/file.h"
#include "overlay/names.h"
#include "overlay/tree.h"
#include "overlay/xattr.h"

static struct ovl_own *touch_own_new(struct ovl_tree *t, const struct ovl_node *n)
{
	struct ovl_own *own = calloc(1, sizeof(*own));
	if (!own)
		return NULL;
	own->home = t->head;
	if (S_ISREG(n->mode) && n->size) {
		own->state = STORE_BELOW;
		own->below = n->size;
	}
	if (atomic_load(&n->flags) & OVL_NODE_GROUP)
		own->flags |= STORE_GROUP;
	return own;
}

/* Is the number free in the index? Another object's row under it would be overwritten. */
static int touch_number_free(struct ovl_tree *t, struct ovl_node *n, const char *name, size_t len)
{
	struct store_inode row;
	uint64_t other;
	if (n->ino == VN_NODE_ROOT || store_read_inode(t->store, n->ino, &row, NULL))
		return 0;
	free((char *)row.origin);
	/* The client looks the name up again and finds it under its new number. */
	int r = ovl_number_collide(t, n->odir, ovl_is_dir(n) ? NULL : name, len, n->ino, &other);
	return r ? r : -ESTALE;
}

/* Commits the rows of an untouched base object, its own lock and its parent's held. */
static int touch_commit(struct ovl_tree *t, struct ovl_node *n, struct ovl_node *parent, const char *name, size_t len)
{
	char path[OVL_PATH_MAX];
	struct store_inode row;
	struct ovl_op op;
	uint64_t seq;
	int r = touch_number_free(t, n, name, len);
	if (r)
		return r;
	struct ovl_own *own = touch_own_new(t, n);
	if (!own)
		return -ENOMEM;
	atomic_store_explicit(&n->own, own, memory_order_release);
	ovl_op_begin(&op, t, NULL);
	ovl_row(n, &row);
	ovl_op_inode(&op, n, &row);
	if (parent)
		store_change_dentry(&op.change, parent->ino, name, len, n->ino);
	if (own->flags & STORE_GROUP) {
		ssize_t plen = ovl_base_path(n->odir, n->oname, n->oname_len, path);
		if (plen >= 0)
			store_change_baseino(&op.change, n->ino, path, (size_t)plen);
	}
	r = ovl_op_commit(&op, &seq);
	if (r) {
		atomic_store_explicit(&n->own, NULL, memory_order_release);
		free(own);
		return r;
	}
	ovl_node_apply(t, n, &row, seq, true);
	if (parent)
		ovl_pin(t, parent, seq); /* its table is ahead of the index now */
	return 0;
}

/* The entry of an untouched object: still a base name, with this object behind it. */
static struct ovl_name *touch_entry(struct ovl_node *parent, const char *name, size_t len)
{
	struct ovl_name *e = ovl_names_find(parent->names, name, len);
	return e && e->kind == OVL_NAME_BASE ? e : NULL;
}

static int touch_under(struct ovl_tree *t, struct ovl_node *n, struct ovl_node *parent)
{
	size_t len = n->oname_len;
	const char *name = ovl_is_dir(n) ? base_dir_name(n->odir, &len) : n->oname;
	int r = ovl_touch(t, parent);
	if (!r)
		r = ovl_dir_lock(t, parent);
	if (r)
		return r;
	pthread_rwlock_wrlock(&n->lock);
	struct ovl_name *e = touch_entry(parent, name, len);
	if (!ovl_own(n)) {
		r = e ? touch_commit(t, n, parent, name, len) : -ESTALE;
		if (!r)
			ovl_names_set(parent->names, e, OVL_NAME_OWN, e->type, n->ino);
	}
	pthread_rwlock_unlock(&n->lock);
	pthread_rwlock_unlock(&parent->lock);
	return r;
}

static int touch_base(struct ovl_tree *t, struct ovl_node *n)
{
	struct base_dir *up = ovl_is_dir(n) ? base_dir_parent(n->odir) : n->odir;
	struct ovl_node *parent;
	int r;
	if (n == t->root) {
		pthread_rwlock_wrlock(&n->lock);
		r = ovl_own(n) ? 0 : touch_commit(t, n, NULL, "", 0);
		pthread_rwlock_unlock(&n->lock);
		return r;
	}
	if ((r = ovl_base_node(t, up, &parent)))
		return r;
	r = touch_under(t, n, parent);
	ovl_node_put(t, parent);
	return r;
}

/* A row in a sealed delta: the head gets one that reads everything there. */
static int touch_sealed(struct ovl_tree *t, struct ovl_node *n)
{
	struct store_inode row;
	struct ovl_op op;
	uint64_t seq;
	int r = 0;
	pthread_rwlock_wrlock(&n->lock);
	struct ovl_own *own = ovl_own(n);
	if (own->home != t->head) {
		ovl_row(n, &row);
		if (S_ISREG(n->mode) && own->state != STORE_NONE) {
			row.state = STORE_BELOW;
			row.source = own->home->id;
			row.below = n->size;
			row.data = 0;
		}
		ovl_op_begin(&op, t, NULL);
		ovl_op_inode(&op, n, &row);
		r = ovl_xattr_copy(&op, n);
		if (r)
			ovl_op_abandon(&op);
		else
			r = ovl_op_commit(&op, &seq);
		if (!r) {
			if (ovl_has_bytes(n))
				ovl_data_drop(t, n); /* descriptors and extents belong to the sealed row */
			ovl_node_apply(t, n, &row, seq, true);
		}
	}
	pthread_rwlock_unlock(&n->lock);
	return r;
}

int ovl_touch(struct ovl_tree *t, struct ovl_node *n)
{
	struct ovl_own *own = ovl_own(n);
	if (atomic_load(&n->flags) & OVL_NODE_VIRTUAL)
		return -EPERM;
	if (!t->store || t->readonly)
		return -EROFS;
	if (own && own->home == t->head)
		return 0;
	if (own)
		return touch_sealed(t, n);
	return touch_base(t, n);
}
