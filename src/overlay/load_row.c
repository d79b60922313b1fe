// SPDX-License-Identifier: Apache-2.0
/* Nodes from their rows, with what a row's origin names below. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/scope.h"
#include "overlay/load.h"
#include "overlay/names.h"

/* What a row stands on in the base; nothing of it is set for a row without origin. */
struct load_below {
	struct ovl_tree *t;
	struct base_dir *dir; /* the directory itself, or the one that has the name; goes to the node */
	const char *name;     /* borrowed from the row or the listing; NULL for directories */
	size_t len;
	uint16_t layer;
	struct vn_attr attr;  /* of what is no directory */
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
static int load_origin(struct ovl_tree *t, const struct store_inode *row, struct load_below *b)
{
	const char *slash = memrchr(row->origin, '/', row->origin_len);
	if (S_ISDIR(row->mode))
		return base_resolve_dir(t->base, row->origin, row->origin_len, &b->dir);
	b->name = slash ? slash + 1 : row->origin;
	b->len = row->origin_len - (size_t)(b->name - row->origin);
	int r = base_resolve_dir(t->base, row->origin, slash ? (size_t)(slash - row->origin) : 0, &b->dir);
	if (r)
		return r;
	r = base_lookup(t->base, b->dir, b->name, b->len, load_below_entry, b);
	return r ? r : b->r;
}

/* Is the origin what the base has under the name that is looked up? */
static bool load_origin_is_here(const struct store_inode *row, struct ovl_node *dir, const struct ovl_name *e)
{
	char path[OVL_PATH_MAX];
	size_t nlayers = 0;
	if (!dir || !e || !dir->odir)
		return false;
	ovl_names_layers_of(dir->names, e, &nlayers);
	ssize_t len = nlayers ? ovl_base_path(dir->odir, ovl_names_text(dir->names, e), e->len, path) : -1;
	return len >= 0 && (size_t)len == row->origin_len && !memcmp(path, row->origin, row->origin_len);
}

/* Then nothing has to be resolved. */
static int load_origin_here(struct ovl_tree *t, const struct store_inode *row, struct ovl_node *dir,
			    const struct ovl_name *e, struct load_below *b)
{
	struct base_entry be = { .name = ovl_names_text(dir->names, e), .len = e->len, .type = DT_DIR };
	be.layers = ovl_names_layers_of(dir->names, e, &be.nlayers);
	b->layer = be.layer = be.layers[0];
	if (S_ISDIR(row->mode)) {
		b->dir = base_dir_child(t->base, dir->odir, &be);
		return b->dir ? 0 : -ENOMEM;
	}
	b->name = be.name;
	b->len = be.len;
	b->dir = base_dir_get(dir->odir);
	return base_attr(t->base, b->dir, be.name, be.len, be.layer, &b->attr);
}

static int load_below(struct ovl_tree *t, const struct store_inode *row, struct ovl_node *dir, const struct ovl_name *e,
		      struct load_below *b)
{
	*b = (struct load_below){ .t = t };
	if (!row->origin)
		return 0;
	int r = load_origin_is_here(row, dir, e) ? load_origin_here(t, row, dir, e, b) : load_origin(t, row, b);
	if (r)
		base_dir_put(t->base, b->dir);
	return r == -ENOENT || r == -ENOTDIR ? -EIO : r; /* what is ours cannot be shown without what the lower lost */
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
	ovl_load_device(n, row->rdev_major, row->rdev_minor);
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
	int64_t mtime = vn_ns_from_ts(&vn_st_mtim(&st));
	if (mtime > n->mtime)
		n->mtime = n->ctime = mtime;
	return 0;
}

/* A row without a name is kept for a session, which is to let go of it again. */
static int load_orphan(struct ovl_tree *t, struct ovl_node *n)
{
	int r = n->nlink ? -ENOENT : store_read_orphan(t->store, n->ino, &ovl_own(n)->orphan);
	return r == -ENOENT ? 0 : r;
}

int ovl_load_own(struct ovl_tree *t, struct ovl_node *n, const struct store_inode *row, uint64_t delta)
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
	if (!row->nlink)
		atomic_store(&t->nameless, true);
	int r = own->home ? load_orphan(t, n) : -EIO;
	return r ? r : load_stale(t, n, delta);
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
	n->vdir = ovl_load_vdir(n->parent, name, strlen(name));
	return 0;
}

/* A node with its row over what is below; it takes b->dir over in any case. */
static int load_node(struct ovl_tree *t, uint64_t ino, const struct store_inode *row, uint64_t delta,
		     const struct load_below *b, struct ovl_node **out)
{
	struct ovl_node *n = ovl_node_new(t, ino, S_ISDIR(row->mode), b->dir, b->name, b->len);
	if (!n) {
		base_dir_put(t->base, b->dir);
		return -ENOMEM;
	}
	n->layer = b->layer;
	if (!ovl_is_dir(n))
		n->base_size = b->attr.size;
	if (row->flags & STORE_GROUP)
		atomic_fetch_or(&n->flags, OVL_NODE_GROUP);
	if (S_ISREG(row->mode) && row->state == STORE_BELOW && !row->source) {
		n->blocks = b->attr.blocks;
		atomic_fetch_or(&n->flags, OVL_NODE_BLOCKS);
	}
	*out = n;
	return ovl_load_own(t, n, row, delta);
}

/* Where a directory lies: below dir, or where its row says. */
static int load_place(struct ovl_tree *t, struct ovl_node *n, struct ovl_node *dir, const struct ovl_name *e)
{
	if (!ovl_is_dir(n))
		return 0;
	if (!dir)
		return load_parent(t, n);
	n->parent = ovl_node_ref(dir);
	n->vdir = ovl_load_vdir(dir, ovl_names_text(dir->names, e), e->len);
	return 0;
}

int ovl_load_row(struct ovl_tree *t, uint64_t ino, struct ovl_node *dir, struct ovl_name *e, struct ovl_node **out)
{
	struct store_inode row;
	struct load_below b;
	struct ovl_node *n = NULL, *there = NULL;
	uint64_t delta;
	int r = store_read_inode(t->store, ino, &row, &delta);
	if (r)
		return r;
	vn_autofree char *origin = (char *)row.origin;
	r = load_below(t, &row, dir, e, &b);
	if (!r)
		r = load_node(t, ino, &row, delta, &b, &n);
	if (!r)
		r = load_place(t, n, dir, e);
	if (!r && !(there = ovl_node_insert(t, n)))
		r = -ENOMEM;
	if (!r)
		*out = there;
	if (n && there != n)
		ovl_node_discard(t, n);
	return r;
}
