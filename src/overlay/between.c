// SPDX-License-Identifier: Apache-2.0
/*
 * What changed between two states of one chain, from the rows of the deltas
 * between them. Two trees are open: `a` at the older state, `b` at the newer.
 *
 * Objects are told by number, so a moved one is known wherever it went. A name
 * row between the two says what its name means in b; what it meant in a is asked
 * there: a row, or what the base has under the origin of its directory. A name
 * that lost its object and one that gained it are a rename. An object whose row
 * lies between changed its content when its bytes lie there too. A path is built
 * upwards, in either state: from the dentry row of each object, else from its
 * origin, unless that name has another row; an object that leads nowhere is in
 * no place of that state.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/scope.h"
#include "overlay/tree.h"

/* An object in one state. */
struct between_object {
	bool exists, has_row;
	struct store_inode row; /* has_row; origin owned */
	uint64_t delta;
	uint32_t type;
	uint64_t size;
};

/* A name that means another object in b than in a. */
struct between_name {
	uint64_t parent, ino;
	char *name, *path; /* path: NULL when its directory is in no place */
	struct between_name *pair;
	size_t out;        /* 1 + index of its change; 0: none */
	struct between_object base; /* lost: what it was, where no row told */
};

struct between_names {
	struct between_name *v;
	size_t n, cap;
};

struct between_change {
	struct ovl_change c; /* paths owned */
	uint64_t old_size;
};

struct between {
	struct ovl_tree *a, *b;
	struct between_names rows, lost, gained;
	uint64_t *inos;
	size_t ninos, ino_cap;
	struct between_change *out;
	size_t nout, out_cap;
};

static int between_grow(void *array, size_t *cap, size_t n, size_t elem)
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

static int between_add(struct between_names *l, uint64_t parent, const char *name, uint64_t ino, const char *path)
{
	int r = between_grow(&l->v, &l->cap, l->n, sizeof(*l->v));
	if (r)
		return r;
	struct between_name *n = &l->v[l->n];
	*n = (struct between_name){ .parent = parent, .ino = ino, .name = strdup(name), .path = path ? strdup(path) : NULL };
	l->n++;
	return n->name && (n->path || !path) ? 0 : -ENOMEM;
}

static int between_take_name(void *arg, uint64_t parent, const char *name, size_t len, uint64_t ino)
{
	struct between *d = arg;
	vn_autofree char *copy = strndup(name, len);
	return copy ? between_add(&d->rows, parent, copy, ino, NULL) : -ENOMEM;
}

static int between_take_inode(void *arg, const struct store_inode *row)
{
	struct between *d = arg;
	int r = between_grow(&d->inos, &d->ino_cap, d->ninos, sizeof(*d->inos));
	if (!r)
		d->inos[d->ninos++] = row->ino;
	return r;
}

/* ---- one state ---- */

struct between_found {
	uint16_t layer;
	uint32_t type;
};

static int between_entry(void *arg, const struct base_entry *e)
{
	struct between_found *f = arg;
	*f = (struct between_found){ e->layer, e->type };
	return 0;
}

/* What the base has at a path: its number, type and size. -ENOENT. */
static int between_base(struct ovl_tree *t, const char *path, uint64_t *ino, struct between_object *o)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t len = strlen(name);
	struct between_found f;
	struct base_dir *bd;
	struct vn_attr attr;
	*ino = VN_NODE_ROOT;
	if (!*path) {
		o->type = DT_DIR;
		return 0;
	}
	int r = base_resolve_dir(t->base, path, slash ? (size_t)(slash - path) : 0, &bd);
	if (r)
		return r == -ENOTDIR ? -ENOENT : r;
	r = base_lookup(t->base, bd, name, len, between_entry, &f);
	if (!r)
		r = base_attr(t->base, bd, name, len, f.layer, &attr);
	if (!r) {
		*ino = ovl_number(t, bd, name, len, attr.ino, f.type != DT_DIR && attr.nlink > 1);
		o->type = f.type;
		o->size = attr.size;
	}
	base_dir_put(t->base, bd);
	return r;
}

/* The origin of an object as any state knows it: it never changes. NULL: it has none. malloc()ed. */
static int between_origin(const struct between *d, struct ovl_tree *t, uint64_t ino, char **origin)
{
	struct store_inode row = { 0 };
	int r = store_read_inode(t->store, ino, &row, NULL);
	if (r == -ENOENT)
		r = store_read_inode(d->b->store, ino, &row, NULL);
	*origin = r ? NULL : (char *)row.origin;
	if (r == -ENOENT && ino == VN_NODE_ROOT)
		return (*origin = strdup("")) ? 0 : -ENOMEM;
	return r == -ENOENT ? 0 : r;
}

static int between_object(const struct between *d, struct ovl_tree *t, uint64_t ino, struct between_object *o)
{
	vn_autofree char *origin = NULL;
	uint64_t number;
	*o = (struct between_object){ 0 };
	int r = store_read_inode(t->store, ino, &o->row, &o->delta);
	if (!r) {
		o->exists = o->has_row = true;
		o->type = IFTODT(o->row.mode);
		o->size = o->row.size;
	}
	if (r != -ENOENT)
		return r;
	r = between_origin(d, t, ino, &origin);
	if (!r && origin)
		r = between_base(t, origin, &number, o);
	o->exists = !r && origin;
	return r == -ENOENT ? 0 : r;
}

/* What a name of a directory means in a state; 0: nothing. *o is filled when the base has it. */
static int between_name_at(const struct between *d, struct ovl_tree *t, uint64_t parent, const char *name, uint64_t *ino,
			   struct between_object *o)
{
	vn_autofree char *origin = NULL;
	vn_autofree char *path = NULL;
	*o = (struct between_object){ 0 };
	int r = store_read_name(t->store, parent, name, strlen(name), ino);
	if (r != -ENOENT)
		return r;
	*ino = 0;
	r = between_origin(d, t, parent, &origin);
	if (r || !origin)
		return r;
	if (asprintf(&path, "%s%s%s", origin, *origin ? "/" : "", name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = between_base(t, path, ino, o);
	o->exists = !r;
	if (r == -ENOENT)
		*ino = 0;
	return r == -ENOENT ? 0 : r;
}

/* The place of an object of the base that has no dentry row; *origin becomes its directory's. -ENOENT: it is not there any more. */
static int between_base_place(struct ovl_tree *t, uint64_t ino, char **origin, uint64_t *parent, char **name)
{
	char *slash = strrchr(*origin, '/');
	struct between_object o;
	uint64_t now;
	*name = strdup(slash ? slash + 1 : *origin);
	if (!*name)
		return -ENOMEM;
	*(slash ? slash : *origin) = '\0';
	int r = between_base(t, *origin, parent, &o);
	if (!r && !store_read_name(t->store, *parent, *name, strlen(*name), &now) && now != ino)
		r = -ENOENT;
	return r;
}

/* The path of an object in a state. malloc()ed. -ENOENT: it is in no place. */
static int between_path(const struct between *d, struct ovl_tree *t, uint64_t ino, char **out)
{
	vn_autofree char *origin = NULL;
	vn_autofree char *path = strdup("");
	int r = path ? 0 : -ENOMEM;
	while (!r && ino != VN_NODE_ROOT) {
		vn_autofree char *name = NULL;
		uint64_t parent;
		char *longer;
		r = store_read_parent(t->store, ino, &parent, &name);
		if (!r) {
			free(vn_steal_ptr(&origin));
		} else if (r == -ENOENT) {
			r = origin ? 0 : between_origin(d, t, ino, &origin);
			if (!r)
				r = origin && *origin ? between_base_place(t, ino, &origin, &parent, &name) : -ENOENT;
		}
		if (r)
			break;
		if (asprintf(&longer, "%s%s%s", name, *path ? "/" : "", path) < 0)
			return -ENOMEM;
		free(path);
		path = longer;
		ino = parent;
	}
	if (!r)
		*out = vn_steal_ptr(&path);
	return r;
}

static int between_name_path(const struct between *d, struct ovl_tree *t, uint64_t parent, const char *name, char **out)
{
	vn_autofree char *dir = NULL;
	int r = between_path(d, t, parent, &dir);
	if (r)
		return r;
	return asprintf(out, "%s%s%s", dir, *dir ? "/" : "", name) < 0 ? (*out = NULL, -ENOMEM) : 0;
}

/* ---- names ---- */

/* One row: which object has lost this name, which one gained it. */
static int between_sort_out(struct between *d, const struct between_name *row)
{
	vn_autofree char *pa = NULL;
	vn_autofree char *pb = NULL;
	struct between_object base = { 0 };
	uint64_t was = 0;
	int ra = between_name_path(d, d->a, row->parent, row->name, &pa);
	int rb = between_name_path(d, d->b, row->parent, row->name, &pb);
	int r = ra && ra != -ENOENT ? ra : rb && rb != -ENOENT ? rb : 0;
	if (!r && pa)
		r = between_name_at(d, d->a, row->parent, row->name, &was, &base);
	if (r || (was == row->ino && pa && pb))
		return r;
	if (was) /* what went with its directory is told by that */
		r = between_add(&d->lost, row->parent, row->name, was, pb ? pa : NULL);
	if (was && !r)
		d->lost.v[d->lost.n - 1].base = base;
	if (!r && row->ino && pb)
		r = between_add(&d->gained, row->parent, row->name, row->ino, pb);
	return r;
}

static int by_number(const void *a, const void *b)
{
	const struct between_name *x = a, *y = b;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* The first of an object's names in a sorted list, or NULL. */
static struct between_name *between_find(const struct between_names *l, uint64_t ino)
{
	size_t low = 0, high = l->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (l->v[mid].ino < ino)
			low = mid + 1;
		else
			high = mid;
	}
	return low < l->n && l->v[low].ino == ino ? &l->v[low] : NULL;
}

/* Takes over path and old. */
static int between_emit(struct between *d, enum ovl_change_kind kind, char *path, char *old,
			const struct between_object *before, const struct between_object *after)
{
	int r = path && (old || kind != OVL_RENAMED) ? between_grow(&d->out, &d->out_cap, d->nout, sizeof(*d->out)) : -ENOMEM;
	if (r) {
		free(path);
		free(old);
		return r;
	}
	d->out[d->nout++] = (struct between_change){
		.c = { .kind = kind, .path = path, .old_path = old, .also_modified = kind == OVL_MODIFIED,
		       .also_meta = kind == OVL_META, .type = after ? after->type : before ? before->type : DT_UNKNOWN,
		       .size = after ? after->size : 0 },
		.old_size = before ? before->size : 0,
	};
	return 0;
}

/* The name that an object had in a and does not have in b. NULL: it is new, or linked. malloc()ed. */
static int between_came_from(struct between *d, struct between_name *g, const struct between_object *before, char **old)
{
	struct between_object o;
	uint64_t parent = 0, now;
	vn_autofree char *name = NULL;
	vn_autofree char *where = NULL;
	vn_autofree char *origin = NULL;
	struct between_name *l = between_find(&d->lost, g->ino);
	for (; l && l < d->lost.v + d->lost.n && l->ino == g->ino; l++) {
		if (l->pair)
			continue;
		l->pair = g;
		return between_name_path(d, d->a, l->parent, l->name, old);
	}
	if (!before->exists || between_path(d, d->a, g->ino, old))
		return 0;
	/* It had a name that no row took away: does that stand, or was it removed with its directory? */
	int r = store_read_parent(d->a->store, g->ino, &parent, &name);
	if (r == -ENOENT)
		r = between_origin(d, d->a, g->ino, &origin);
	if (!r && !name)
		r = origin ? between_base_place(d->a, g->ino, &origin, &parent, &name) : -ESTALE;
	if (!r && !between_name_path(d, d->b, parent, name, &where) && !between_name_at(d, d->b, parent, name, &now, &o) &&
	    now == g->ino)
		free(vn_steal_ptr(old));
	if (r)
		free(vn_steal_ptr(old));
	return r;
}

static int between_gained(struct between *d, struct between_name *g)
{
	struct between_object before, after;
	char *old = NULL;
	int r = between_object(d, d->a, g->ino, &before);
	if (r)
		return r;
	r = between_object(d, d->b, g->ino, &after);
	if (!r)
		r = between_came_from(d, g, &before, &old);
	if (!r)
		r = between_emit(d, old ? OVL_RENAMED : OVL_ADDED, strdup(g->path), old, old ? &before : NULL, &after);
	if (!r)
		g->out = d->nout;
	free((char *)before.row.origin);
	free((char *)after.row.origin);
	return r;
}

static int by_place(const void *a, const void *b)
{
	const struct between_name *const *x = a, *const *y = b;
	int r = strcmp((*x)->name, (*y)->name);
	return r ? r : (*x)->parent < (*y)->parent ? -1 : (*x)->parent > (*y)->parent;
}

/* A name whose object is gone; where a new one of its type has it, that is a change of content. */
static int between_lost(struct between *d, const struct between_name *l, struct between_name **places)
{
	struct between_object before;
	struct between_name **at = d->gained.n ? bsearch(&l, places, d->gained.n, sizeof(l), by_place) : NULL;
	struct between_change *taken = at && (*at)->out ? &d->out[(*at)->out - 1] : NULL;
	if (l->pair || !l->path || (taken && taken->c.kind == OVL_RENAMED))
		return 0;
	int r = between_object(d, d->a, l->ino, &before);
	if (!r && !before.exists)
		before = l->base;
	if (!r && taken && taken->c.type == before.type && before.type != DT_DIR) {
		taken->c.kind = OVL_MODIFIED;
		taken->c.also_modified = true;
		taken->old_size = before.size;
	} else if (!r) {
		r = between_emit(d, OVL_DELETED, strdup(l->path), NULL, &before, NULL);
	}
	free((char *)before.row.origin);
	return r;
}

static int between_all_names(struct between *d)
{
	int r = 0;
	for (size_t i = 0; !r && i < d->rows.n; i++)
		r = between_sort_out(d, &d->rows.v[i]);
	if (d->lost.n)
		qsort(d->lost.v, d->lost.n, sizeof(*d->lost.v), by_number);
	if (d->gained.n)
		qsort(d->gained.v, d->gained.n, sizeof(*d->gained.v), by_number);
	for (size_t i = 0; !r && i < d->gained.n; i++)
		r = between_gained(d, &d->gained.v[i]);
	vn_autofree struct between_name **places = malloc((d->gained.n + 1) * sizeof(*places));
	if (!places)
		return -ENOMEM;
	for (size_t i = 0; i < d->gained.n; i++)
		places[i] = &d->gained.v[i];
	if (d->gained.n)
		qsort(places, d->gained.n, sizeof(*places), by_place);
	for (size_t i = 0; !r && i < d->lost.n; i++)
		r = between_lost(d, &d->lost.v[i], places);
	return r;
}

/* ---- content and metadata ---- */

/* Are there bytes of this file that were written between the states, or cut off? */
static int between_modified(const struct between *d, const struct between_object *before,
			    const struct between_object *after, bool *modified)
{
	struct store_inode row = after->row, older;
	uint64_t delta = after->delta;
	*modified = S_ISREG(after->row.mode) && before->size != after->size;
	row.origin = NULL;
	while (S_ISREG(row.mode) && !*modified) {
		if (delta && !store_read_inode_at(d->a->store, delta, row.ino, &older)) {
			free((char *)older.origin);
			return 0; /* the same bytes */
		}
		if (row.state == STORE_NONE)
			*modified = after->size;
		else
			*modified = row.state != STORE_BELOW || row.below < row.size;
		if (row.state == STORE_NONE || *modified || !row.source)
			return 0;
		delta = row.source;
		int r = store_read_inode_at(d->b->store, delta, row.ino, &older);
		if (r)
			return r;
		row = older;
		free((char *)row.origin);
		row.origin = NULL;
	}
	return 0;
}

/* A sum, as the rows come in no order. */
static int between_xattr(void *arg, const char *name, const void *value, size_t size)
{
	uint64_t h = vn_hash_name(VN_HASH_SEED, name, strlen(name));
	*(uint64_t *)arg += size ? vn_hash_name(h, value, size) : h;
	return 0;
}

static uint64_t between_xattrs(struct ovl_tree *t, uint64_t ino)
{
	uint64_t sum = 1;
	return store_read_xattrs(t->store, ino, between_xattr, &sum) ? 0 : sum;
}

/* Entries of a directory that changed, rather than somebody setting its time. */
static bool between_entries(const struct between *d, uint64_t dir)
{
	for (size_t i = 0; i < d->rows.n; i++)
		if (d->rows.v[i].parent == dir)
			return true;
	return false;
}

static bool between_meta(const struct between *d, const struct between_object *before, const struct between_object *after)
{
	const struct store_inode *x = &before->row, *y = &after->row;
	const uint32_t own = STORE_APPEND | STORE_IMMUTABLE | STORE_NODUMP | STORE_NOATIME;
	if (!before->has_row)
		return y->flags & STORE_META;
	if (x->mode != y->mode || x->uid != y->uid || x->gid != y->gid || (x->flags ^ y->flags) & own)
		return true;
	if (between_xattrs(d->a, x->ino) != between_xattrs(d->b, y->ino))
		return true;
	return x->mtime != y->mtime && !(S_ISDIR(y->mode) && between_entries(d, y->ino));
}

static int between_judge(struct between *d, const struct between_object *before, const struct between_object *after)
{
	struct between_name *g = between_find(&d->gained, after->row.ino);
	bool modified;
	char *path;
	int r = between_modified(d, before, after, &modified);
	bool meta = !r && !modified && between_meta(d, before, after);
	if (r || (!modified && !meta))
		return r;
	bool told = false;
	for (; g && g < d->gained.v + d->gained.n && g->ino == after->row.ino; g++) {
		struct ovl_change *c = &d->out[g->out - 1].c;
		if (c->kind != OVL_RENAMED)
			continue;
		c->also_modified = modified;
		c->also_meta = meta;
		told = true;
	}
	r = told ? -ENOENT : between_path(d, d->b, after->row.ino, &path);
	if (r)
		return r == -ENOENT ? 0 : r;
	return between_emit(d, modified ? OVL_MODIFIED : OVL_META, path, NULL, before, after);
}

static int between_inode(struct between *d, uint64_t ino)
{
	struct between_object before, after;
	int r = between_object(d, d->a, ino, &before);
	if (r)
		return r;
	r = between_object(d, d->b, ino, &after);
	if (!r && before.exists && after.has_row)
		r = between_judge(d, &before, &after);
	free((char *)before.row.origin);
	free((char *)after.row.origin);
	return r;
}

/* ---- all of it ---- */

static void between_names_fini(struct between_names *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].name);
		free(l->v[i].path);
	}
	free(l->v);
}

static void between_fini(struct between *d)
{
	between_names_fini(&d->rows);
	between_names_fini(&d->lost);
	between_names_fini(&d->gained);
	for (size_t i = 0; i < d->nout; i++) {
		free((char *)d->out[i].c.path);
		free((char *)d->out[i].c.old_path);
	}
	free(d->out);
	free(d->inos);
}

/* The same seen from the newer state. */
static void between_turn(struct between_change *x)
{
	struct ovl_change *c = &x->c;
	const char *path = c->path;
	uint64_t size = c->size;
	if (c->kind == OVL_ADDED || c->kind == OVL_DELETED)
		c->kind = c->kind == OVL_ADDED ? OVL_DELETED : OVL_ADDED;
	if (c->kind == OVL_RENAMED) {
		c->path = c->old_path;
		c->old_path = path;
	}
	c->size = x->old_size;
	x->old_size = size;
}

static int by_path(const void *a, const void *b)
{
	const struct ovl_change *x = a, *y = b; /* the first member */
	int r = strcmp(x->path, y->path);
	return r ? r : (y->kind == OVL_DELETED) - (x->kind == OVL_DELETED);
}

static int between_run(struct between *d, bool turn, ovl_change_fn fn, void *arg)
{
	uint64_t since = store_newest(d->a->store);
	int r = store_scan_dentries_since(d->b->store, since, between_take_name, d);
	if (!r)
		r = store_scan_inodes_since(d->b->store, since, between_take_inode, d);
	if (!r)
		r = between_all_names(d);
	for (size_t i = 0; !r && i < d->ninos; i++)
		r = between_inode(d, d->inos[i]);
	for (size_t i = 0; turn && i < d->nout; i++)
		between_turn(&d->out[i]);
	if (!r && d->nout)
		qsort(d->out, d->nout, sizeof(*d->out), by_path);
	for (size_t i = 0; !r && i < d->nout; i++)
		r = fn(arg, &d->out[i].c);
	return r;
}

int ovl_diff_between(struct ovl_tree *from, struct ovl_tree *to, ovl_change_fn fn, void *arg, struct vn_err *err)
{
	struct between d = { .a = from, .b = to };
	bool turn = false;
	if (!from->store || !to->store)
		return vn_err_set(err, -EINVAL, "only states of one writable layer can be compared");
	if (!store_has_delta(to->store, store_newest(from->store))) {
		turn = true;
		d.a = to;
		d.b = from;
	}
	if (!store_has_delta(d.b->store, store_newest(d.a->store)))
		return vn_err_set(err, -EINVAL, "only states of one writable layer can be compared");
	int r = between_run(&d, turn, fn, arg);
	between_fini(&d);
	return r < 0 ? vn_err_sys(err, r, "cannot compare") : r;
}
