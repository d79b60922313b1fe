// SPDX-License-Identifier: Apache-2.0
/*
 * From rows and base objects to names and nodes: the only place that reads the
 * layers.
 *
 * A directory loads whole: the base's names first, each layer's directory read
 * once; then the dentry rows, which replace or hide them; then the virtual
 * names, which stand above both. A node is made when a name is looked up: from
 * its row when the name has a dentry row, else from the base object's
 * attributes.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/scope.h"
#include "overlay/names.h"
#include "overlay/seen.h"
#include "overlay/tree.h"
#include "overlay/virtual.h"
#include "overlay/xattr.h"

/* ---- names ---- */

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

/* ---- nodes from the base ---- */

static void load_device(struct ovl_node *n, uint32_t major, uint32_t minor)
{
	if (!ovl_is_device(n))
		return;
	n->rdev_major = major;
	n->rdev_minor = minor;
}

static void load_attr(struct ovl_node *n, const struct vn_attr *a)
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
	load_device(n, a->rdev_major, a->rdev_minor);
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

static struct ovl_vdir *load_vdir(struct ovl_node *dir, const char *name, size_t len)
{
	return dir->vdir ? ovl_virtual_subdir(dir->vdir, name, len) : NULL;
}

static int load_base_dir(struct ovl_tree *t, struct ovl_node *dir, const struct ovl_name *e, uint64_t *ino,
			 struct base_dir **out)
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

static int child_base_dir(struct ovl_tree *t, struct ovl_node *dir, struct ovl_name *e, struct ovl_node **out)
{
	struct base_dir *bd;
	struct vn_attr attr;
	uint64_t ino;
	int r = load_base_dir(t, dir, e, &ino, &bd);
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
	load_attr(n, &attr);
	n->parent = ovl_node_ref(dir);
	n->vdir = load_vdir(dir, ovl_names_text(dir->names, e), e->len);
	return load_insert(t, n, out);
}

static int load_row(struct ovl_tree *t, uint64_t ino, struct ovl_node *dir, struct ovl_name *e,
		    struct ovl_node **out);

static int child_base(struct ovl_tree *t, struct ovl_node *dir, struct ovl_name *e, struct ovl_node **out)
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
		if (*out || (t->store && !load_row(t, ino, dir, e, out)))
			return 0;
	}
	struct ovl_node *n = ovl_node_new(t, ino, false, base_dir_get(dir->odir), name, e->len);
	if (!n) {
		base_dir_put(t->base, dir->odir);
		return -ENOMEM;
	}
	n->layer = layer;
	load_attr(n, &attr);
	if (group)
		atomic_fetch_or(&n->flags, OVL_NODE_GROUP);
	r = load_insert(t, n, out);
	if (!r)
		e->ino = (*out)->ino;
	return r;
}

/* ---- nodes from rows ---- */

struct load_below {
	struct ovl_tree *t;
	uint16_t layer;
	struct vn_attr attr;
	struct base_dir *dir;
	int r;
};

static int load_below_entry(void *arg, const struct base_entry *e)
{
	struct load_below *b = arg;
	b->layer = e->layer;
	b->r = base_attr(b->t->base, b->dir, e->name, e->len, e->layer, &b->attr);
	return 0;
}

/*
 * What a row's origin names: the merged directory itself for a directory, else
 * the one that has it, with the name behind the last slash.
 */
static int load_origin(struct ovl_tree *t, const struct store_inode *row, struct load_below *b, const char **name,
		       size_t *len)
{
	const char *slash = memrchr(row->origin, '/', row->origin_len);
	b->t = t;
	if (S_ISDIR(row->mode)) {
		*name = NULL;
		*len = 0;
		return base_resolve_dir(t->base, row->origin, row->origin_len, &b->dir);
	}
	*name = slash ? slash + 1 : row->origin;
	*len = row->origin_len - (size_t)(*name - row->origin);
	int r = base_resolve_dir(t->base, row->origin, slash ? (size_t)(slash - row->origin) : 0, &b->dir);
	if (r)
		return r;
	r = base_lookup(t->base, b->dir, *name, *len, load_below_entry, b);
	return r ? r : b->r;
}

/* The same without resolving, when the name that is looked up still names its own base object. */
static bool load_origin_here(struct ovl_tree *t, const struct store_inode *row, struct ovl_node *dir,
			     struct ovl_name *e, struct load_below *b, int *r)
{
	char path[OVL_PATH_MAX];
	size_t nlayers = 0;
	if (!dir || !e || !dir->odir)
		return false;
	const char *name = ovl_names_text(dir->names, e);
	const uint16_t *layers = ovl_names_layers_of(dir->names, e, &nlayers);
	ssize_t len = nlayers ? ovl_base_path(dir->odir, name, e->len, path) : -1;
	if (len < 0 || (size_t)len != row->origin_len || memcmp(path, row->origin, row->origin_len))
		return false;
	b->t = t;
	b->layer = layers[0];
	if (S_ISDIR(row->mode)) {
		struct base_entry be = { .name = name, .len = e->len, .type = DT_DIR, .layer = layers[0],
					 .layers = layers, .nlayers = nlayers };
		b->dir = base_dir_child(t->base, dir->odir, &be);
		*r = b->dir ? 0 : -ENOMEM;
		return true;
	}
	b->dir = base_dir_get(dir->odir);
	*r = base_attr(t->base, b->dir, name, e->len, b->layer, &b->attr);
	return true;
}

static void load_row_attr(struct ovl_node *n, const struct store_inode *row)
{
	n->size = row->size;
	n->atime = row->atime;
	n->mtime = row->mtime;
	n->ctime = row->ctime;
	n->btime = row->btime;
	n->mode = row->mode;
	n->uid = row->uid;
	n->gid = row->gid;
	n->nlink = row->nlink;
	load_device(n, row->rdev_major, row->rdev_minor);
}

/* Behind a stale row a file has grown: its size and times are those of the data file, if that is longer. */
static int load_stale(struct ovl_tree *t, struct ovl_node *n, uint64_t home)
{
	struct ovl_own *own = ovl_own(n);
	struct stat st;
	if (own->state != STORE_FULL || !(own->flags & STORE_STALE))
		return 0;
	vn_autoclose int fd = store_data_open(t->store, home, own->data);
	if (fd < 0 || fstat(fd, &st))
		return fd < 0 ? fd : -errno;
	if ((uint64_t)st.st_size > n->size)
		n->size = (uint64_t)st.st_size;
	int64_t mtime = vn_ns_from_ts(&st.st_mtim);
	if (mtime > n->mtime)
		n->mtime = n->ctime = mtime;
	return 0;
}

static int load_own(struct ovl_tree *t, struct ovl_node *n, const struct store_inode *row, uint64_t delta)
{
	struct ovl_own *own = calloc(1, sizeof(*own));
	if (!own)
		return -ENOMEM;
	own->home = ovl_home_find(t, delta);
	own->state = row->state;
	own->flags = row->flags;
	own->data = row->data;
	own->source = row->source;
	own->below = row->below;
	atomic_store_explicit(&n->own, own, memory_order_release);
	load_row_attr(n, row);
	return own->home ? load_stale(t, n, delta) : -EIO;
}

/* The parent of a directory that is loaded by number only. */
static int load_parent(struct ovl_tree *t, struct ovl_node *n)
{
	uint64_t parent;
	vn_autofree char *name = NULL;
	int r = store_read_parent(t->store, n->ino, &parent, &name);
	if (r)
		return r;
	if (parent == VN_NODE_ROOT)
		n->parent = ovl_node_ref(t->root);
	else if (!(n->parent = ovl_node_find(t, parent)) && (r = ovl_node_load(t, parent, &n->parent)))
		return r;
	n->vdir = load_vdir(n->parent, name, strlen(name));
	return 0;
}

/*
 * A node from its row. dir and e, where given, are the entry through which it is
 * looked up: a directory's parent, and a short cut to its base object.
 */
static int load_row(struct ovl_tree *t, uint64_t ino, struct ovl_node *dir, struct ovl_name *e,
		    struct ovl_node **out)
{
	struct store_inode row;
	struct load_below b = { 0 };
	const char *name = NULL;
	size_t len = 0;
	uint64_t delta;
	int r = store_read_inode(t->store, ino, &row, &delta);
	if (r)
		return r;
	vn_autofree char *origin = (char *)row.origin;
	if (origin && load_origin_here(t, &row, dir, e, &b, &r)) {
		if (!S_ISDIR(row.mode)) {
			name = ovl_names_text(dir->names, e);
			len = e->len;
		}
	} else if (origin) {
		r = load_origin(t, &row, &b, &name, &len);
	}
	if (r == -ENOENT || r == -ENOTDIR)
		r = -EIO; /* the lower lost it: what is ours cannot be shown without */
	struct ovl_node *n = r ? NULL : ovl_node_new(t, ino, S_ISDIR(row.mode), b.dir, name, len);
	if (!n) {
		base_dir_put(t->base, b.dir);
		return r ? r : -ENOMEM;
	}
	n->layer = b.layer;
	if (!ovl_is_dir(n))
		n->base_size = b.attr.size;
	if (row.flags & STORE_GROUP)
		atomic_fetch_or(&n->flags, OVL_NODE_GROUP);
	if (S_ISREG(row.mode) && row.state == STORE_BELOW && !row.source) {
		n->blocks = b.attr.blocks;
		atomic_fetch_or(&n->flags, OVL_NODE_BLOCKS);
	}
	r = load_own(t, n, &row, delta);
	if (!r && ovl_is_dir(n)) {
		if (dir) {
			n->parent = ovl_node_ref(dir);
			n->vdir = load_vdir(dir, ovl_names_text(dir->names, e), e->len);
		} else {
			r = load_parent(t, n);
		}
	}
	if (!r) {
		struct ovl_node *there = ovl_node_insert(t, n);
		if (there == n) {
			*out = n;
			return 0;
		}
		*out = there;
		r = there ? 0 : -ENOMEM;
	}
	ovl_node_discard(t, n);
	return r;
}

/* The root's attributes: of its row, else of the base. */
static int load_root_row(struct ovl_tree *t, struct ovl_node *n)
{
	struct store_inode row;
	struct vn_attr attr;
	uint64_t delta;
	int r = base_dir_attr(t->base, n->odir, &attr);
	if (r)
		return r;
	load_attr(n, &attr);
	if (t->store && !(r = store_read_inode(t->store, VN_NODE_ROOT, &row, &delta))) {
		r = load_own(t, n, &row, delta);
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

/* ---- the face ---- */

int ovl_child(struct ovl_tree *t, struct ovl_node *dir, struct ovl_name *e, struct ovl_node **out)
{
	uint64_t ino = e->ino;
	int r;
	if (e->kind == OVL_NAME_WHITEOUT)
		return -ENOENT;
	if (e->kind == OVL_NAME_VIRTUAL)
		return ovl_virtual_node(t, dir, e->ino, out);
	if (e->kind == OVL_NAME_BASE && e->type == DT_DIR)
		return child_base_dir(t, dir, e, out);
	if (ino && (*out = ovl_node_find(t, ino))) {
		r = 0;
	} else if (e->kind == OVL_NAME_BASE) {
		r = child_base(t, dir, e, out);
	} else {
		r = load_row(t, ino, dir, e, out);
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
		int r = load_base_dir(t, dir, e, ino, &bd);
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

int ovl_base_node(struct ovl_tree *t, struct base_dir *d, struct ovl_node **out)
{
	struct base_dir *up = base_dir_parent(d);
	struct ovl_node *parent;
	char name[VN_NAME_MAX + 1];
	size_t len;
	if (!up) {
		*out = ovl_node_ref(t->root);
		return 0;
	}
	*out = ovl_node_find(t, ovl_number_dir(t, d));
	if (*out)
		return 0;
	int r = ovl_base_node(t, up, &parent);
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

int ovl_node_load(struct ovl_tree *t, uint64_t ino, struct ovl_node **out)
{
	if (ino <= OVL_INO_VIRTUAL_LAST)
		return ovl_virtual_node(t, NULL, ino, out);
	int r = t->store ? load_row(t, ino, NULL, NULL, out) : -ENOENT;
	if (r == -ENOENT)
		r = ovl_seen_find(t, ino, out);
	return r == -ENOENT || r == -ENOTDIR ? -ESTALE : r;
}
