// SPDX-License-Identifier: Apache-2.0
/*
 * What changed, from the rows alone: the cost is that of the changes.
 *
 * Every name that is not what it was has a dentry row. Its object's origin is
 * the path that the object had; the origin of the directory with the name behind
 * it is the path that this name stood for. Where both agree the name is where it
 * was, and the row tells whether contents or only metadata changed; where they
 * differ the object was moved, or linked when its old name still stands.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/scope.h"
#include "overlay/tree.h"

#define DIFF_HOPS_MAX 65536 /* sealed rows below one another: more is a loop in damaged rows */

struct diff_inode {
	struct store_inode row; /* origin owned */
	size_t names;           /* dentry rows that name it */
};

struct diff_name {
	uint64_t parent, ino;
	char *name;
};

struct diff {
	struct ovl_tree *t;
	struct diff_inode *inodes; /* by number */
	size_t ninodes, inode_cap;
	struct diff_inode **moved; /* the same with an origin and a name, by origin */
	size_t nmoved;
	struct diff_name *names;
	size_t nnames, name_cap;
	struct ovl_change *out;    /* paths owned */
	size_t nout, out_cap;
};

static int diff_grow(void *array, size_t *cap, size_t n, size_t elem)
{
	if (n < *cap)
		return 0;
	size_t want = *cap ? 2 * *cap : 64;
	void *p = realloc(*(void **)array, want * elem);
	if (!p)
		return -ENOMEM;
	*(void **)array = p;
	*cap = want;
	return 0;
}

/* ---- gathering ---- */

static int diff_add_inode(void *arg, const struct store_inode *row)
{
	struct diff *d = arg;
	int r = diff_grow(&d->inodes, &d->inode_cap, d->ninodes, sizeof(*d->inodes));
	if (r)
		return r;
	struct diff_inode *i = &d->inodes[d->ninodes];
	*i = (struct diff_inode){ .row = *row };
	if (row->origin && !(i->row.origin = strndup(row->origin, row->origin_len)))
		return -ENOMEM;
	d->ninodes++;
	return 0;
}

static int diff_add_name(void *arg, uint64_t parent, const char *name, size_t len, uint64_t ino)
{
	struct diff *d = arg;
	int r = diff_grow(&d->names, &d->name_cap, d->nnames, sizeof(*d->names));
	char *copy = r ? NULL : strndup(name, len);
	if (!copy)
		return -ENOMEM;
	d->names[d->nnames++] = (struct diff_name){ parent, ino, copy };
	return 0;
}

static int by_ino(const void *a, const void *b)
{
	uint64_t x = ((const struct diff_inode *)a)->row.ino, y = ((const struct diff_inode *)b)->row.ino;
	return x < y ? -1 : x > y;
}

static int by_origin(const void *a, const void *b)
{
	const struct diff_inode *const *x = a, *const *y = b;
	return strcmp((*x)->row.origin, (*y)->row.origin);
}

static struct diff_inode *diff_inode(const struct diff *d, uint64_t ino)
{
	const struct diff_inode key = { .row.ino = ino };
	return d->ninodes ? bsearch(&key, d->inodes, d->ninodes, sizeof(key), by_ino) : NULL;
}

static int diff_index(struct diff *d)
{
	if (d->ninodes)
		qsort(d->inodes, d->ninodes, sizeof(*d->inodes), by_ino);
	for (size_t i = 0; i < d->nnames; i++) {
		struct diff_inode *n = d->names[i].ino ? diff_inode(d, d->names[i].ino) : NULL;
		if (n)
			n->names++;
	}
	d->moved = malloc((d->ninodes + 1) * sizeof(*d->moved));
	if (!d->moved)
		return -ENOMEM;
	for (size_t i = 0; i < d->ninodes; i++)
		if (d->inodes[i].row.origin && d->inodes[i].names)
			d->moved[d->nmoved++] = &d->inodes[i];
	if (d->nmoved)
		qsort(d->moved, d->nmoved, sizeof(*d->moved), by_origin);
	return 0;
}

/* The object that was at this base path, if it has a name now. */
static struct diff_inode *diff_from(const struct diff *d, const char *origin)
{
	struct diff_inode key = { .row.origin = origin }, *p = &key;
	struct diff_inode **found = d->nmoved ? bsearch(&p, d->moved, d->nmoved, sizeof(p), by_origin) : NULL;
	return found ? *found : NULL;
}

/* ---- paths ---- */

/* Where a name is now. malloc()ed. */
static int diff_path(const struct diff *d, uint64_t parent, const char *name, char **out)
{
	char *path = strdup(name);
	while (path && parent != VN_NODE_ROOT) {
		vn_autofree char *up = NULL;
		vn_autofree char *tail = path;
		uint64_t ino = parent;
		path = NULL;
		int r = store_read_parent(d->t->store, ino, &parent, &up);
		if (r)
			return r;
		if (asprintf(&path, "%s/%s", up, tail) < 0)
			path = NULL;
	}
	*out = path;
	return path ? 0 : -ENOMEM;
}

/* The base path that a name stands for in its directory; NULL when the directory is new. malloc()ed. */
static int diff_below(const struct diff *d, const struct diff_name *n, char **out)
{
	const struct diff_inode *dir = diff_inode(d, n->parent);
	*out = NULL;
	if (!dir || !dir->row.origin)
		return 0;
	int len = *dir->row.origin ? asprintf(out, "%s/%s", dir->row.origin, n->name) : asprintf(out, "%s", n->name);
	if (len >= 0)
		return 0;
	*out = NULL;
	return -ENOMEM;
}

struct diff_base {
	bool found;
	uint32_t type;
};

static int diff_base_entry(void *arg, const struct base_entry *e)
{
	struct diff_base *b = arg;
	b->found = true;
	b->type = e->type;
	return 0;
}

/* What the base has at a path. */
static int diff_base(const struct diff *d, const char *path, struct diff_base *b)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	struct base_dir *bd;
	*b = (struct diff_base){ 0 };
	int r = base_resolve_dir(d->t->base, path, slash ? (size_t)(slash - path) : 0, &bd);
	if (!r) {
		r = base_lookup(d->t->base, bd, name, strlen(name), diff_base_entry, b);
		base_dir_put(d->t->base, bd);
	}
	return r == -ENOENT || r == -ENOTDIR ? 0 : r;
}

/* ---- judging ---- */

/* Takes over path and old. */
static int diff_emit(struct diff *d, enum ovl_change_kind kind, char *path, char *old, const struct store_inode *row,
		     bool modified, bool meta)
{
	int r = diff_grow(&d->out, &d->out_cap, d->nout, sizeof(*d->out));
	if (r) {
		free(path);
		free(old);
		return r;
	}
	d->out[d->nout++] = (struct ovl_change){
		.kind = kind, .path = path, .old_path = old, .also_modified = modified, .also_meta = meta,
		.type = row ? IFTODT(row->mode) : DT_UNKNOWN, .size = row ? row->size : 0,
	};
	return 0;
}

/* Other bytes than the base's? A row that has none of its own reads those of a sealed one, which can say. */
static int diff_modified(const struct diff *d, const struct store_inode *row, bool *out)
{
	struct store_inode at = *row;
	for (unsigned hops = 0; S_ISREG(at.mode) && at.state == STORE_BELOW && at.source; hops++) {
		int r = hops < DIFF_HOPS_MAX ? store_read_inode_at(d->t->store, at.source, row->ino, &at) : -EIO;
		if (r)
			return r == -ENOENT ? -EIO : r;
		free((char *)at.origin);
	}
	*out = S_ISREG(at.mode) && at.state != STORE_BELOW &&
	       !(at.state == STORE_NONE && !at.size && !at.source && !(at.flags & STORE_META) && !at.below);
	return 0;
}

/* A name whose object stands where it stood. */
static int diff_in_place(struct diff *d, const struct store_inode *row, char *path)
{
	bool modified = false;
	int r = diff_modified(d, row, &modified);
	if (!r && modified)
		return diff_emit(d, OVL_MODIFIED, path, NULL, row, true, false);
	if (!r && row->flags & STORE_META)
		return diff_emit(d, OVL_META, path, NULL, row, false, true);
	free(path);
	return r;
}

/* A name with a new object, where the base may have had another one that did not move away. */
static int diff_new(struct diff *d, const struct store_inode *row, const char *below, char *path)
{
	struct diff_base b = { 0 };
	const struct diff_inode *there = below ? diff_from(d, below) : NULL;
	int r = below && !there ? diff_base(d, below, &b) : 0;
	if (r) {
		free(path);
		return r;
	}
	if (!b.found)
		return diff_emit(d, OVL_ADDED, path, NULL, row, false, false);
	if (b.type == IFTODT(row->mode) && b.type != DT_DIR)
		return diff_emit(d, OVL_MODIFIED, path, NULL, row, true, false);
	char *gone = strdup(path);
	r = gone ? diff_emit(d, OVL_DELETED, gone, NULL, NULL, false, false) : -ENOMEM;
	if (r) {
		free(path);
		return r;
	}
	return diff_emit(d, OVL_ADDED, path, NULL, row, false, false);
}

/* Does the old name of an object of the base still name it? Then this name is a link beside it. */
static bool diff_old_name_stands(const struct diff *d, const struct store_inode *row)
{
	for (size_t i = 0; i < d->nnames; i++) {
		vn_autofree char *below = NULL;
		if (d->names[i].ino == row->ino && !diff_below(d, &d->names[i], &below) && below &&
		    !strcmp(below, row->origin))
			return true;
	}
	return false;
}

static int diff_moved(struct diff *d, const struct store_inode *row, size_t names, const char *below, char *path)
{
	struct diff_base b = { 0 };
	uint64_t group;
	/* another old name of a lower file with several */
	if (row->flags & STORE_GROUP && below && !diff_base(d, below, &b) && b.found &&
	    !base_group_ino(d->t->base, below, strlen(below), &group) &&
	    ovl_number(d->t, NULL, NULL, 0, group, true) == row->ino)
		return diff_in_place(d, row, path);
	if (names > 1 && diff_old_name_stands(d, row))
		return diff_emit(d, OVL_ADDED, path, NULL, row, false, false);
	bool modified = false;
	int r = diff_modified(d, row, &modified);
	char *old = r ? NULL : strdup(row->origin);
	if (!old) {
		free(path);
		return r ? r : -ENOMEM;
	}
	return diff_emit(d, OVL_RENAMED, path, old, row, modified, row->flags & STORE_META);
}

/* It may stand over a name that only a sealed delta had. */
static int diff_whiteout(struct diff *d, const char *below, char *path)
{
	struct diff_base b = { 0 };
	int r = below && !diff_from(d, below) ? diff_base(d, below, &b) : 0;
	if (!r && b.found)
		return diff_emit(d, OVL_DELETED, path, NULL, NULL, false, false);
	free(path);
	return r;
}

static int diff_judge(struct diff *d, const struct diff_name *n)
{
	vn_autofree char *below = NULL;
	char *path = NULL;
	const struct diff_inode *i = n->ino ? diff_inode(d, n->ino) : NULL;
	int r = diff_below(d, n, &below);
	if (!r)
		r = diff_path(d, n->parent, n->name, &path);
	if (r)
		return r == -ENOENT ? 0 : r; /* in a directory that has no name any more */
	if (!n->ino)
		return diff_whiteout(d, below, path);
	if (!i) {
		free(path);
		return 0;
	}
	if (!i->row.origin)
		return diff_new(d, &i->row, below, path);
	return below && !strcmp(below, i->row.origin) ? diff_in_place(d, &i->row, path) :
							diff_moved(d, &i->row, i->names, below, path);
}

static int by_path(const void *a, const void *b)
{
	const struct ovl_change *x = a, *y = b;
	int r = strcmp(x->path, y->path);
	return r ? r : (y->kind == OVL_DELETED) - (x->kind == OVL_DELETED);
}

static void diff_free(struct diff *d)
{
	for (size_t i = 0; i < d->ninodes; i++)
		free((char *)d->inodes[i].row.origin);
	for (size_t i = 0; i < d->nnames; i++)
		free(d->names[i].name);
	for (size_t i = 0; i < d->nout; i++) {
		free((char *)d->out[i].path);
		free((char *)d->out[i].old_path);
	}
	free(d->inodes);
	free(d->moved);
	free(d->names);
	free(d->out);
}

static int diff_run(struct diff *d, ovl_change_fn fn, void *arg)
{
	const struct diff_inode *root;
	int r = store_scan_inodes(d->t->store, diff_add_inode, d);
	if (!r)
		r = store_scan_dentries(d->t->store, diff_add_name, d);
	if (!r)
		r = diff_index(d);
	for (size_t i = 0; !r && i < d->nnames; i++)
		r = diff_judge(d, &d->names[i]);
	root = diff_inode(d, VN_NODE_ROOT);
	if (!r && root && root->row.flags & STORE_META) {
		char *path = strdup("");
		r = path ? diff_emit(d, OVL_META, path, NULL, &root->row, false, true) : -ENOMEM;
	}
	if (!r && d->nout)
		qsort(d->out, d->nout, sizeof(*d->out), by_path);
	for (size_t i = 0; !r && i < d->nout; i++)
		r = fn(arg, &d->out[i]);
	return r;
}

int ovl_diff(struct ovl_tree *t, ovl_change_fn fn, void *arg, struct vn_err *err)
{
	struct diff d = { .t = t };
	if (!t->store)
		return 0;
	int r = diff_run(&d, fn, arg);
	diff_free(&d);
	return r < 0 ? vn_err_sys(err, r, "cannot compare") : r;
}
