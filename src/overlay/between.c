// SPDX-License-Identifier: Apache-2.0
/*
 * What changed between two states of one chain, from the rows of the deltas
 * between them: `a` is the older state, `b` the newer. The base alone is a state too, older than all others.
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
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/scope.h"
#include "overlay/between.h"

int between_grow(void *array, size_t *cap, size_t n, size_t elem)
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

int between_emit(struct between *d, enum ovl_change_kind kind, char *path, char *old,
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

static int between_take_name(void *arg, uint64_t parent, const char *name, size_t len, uint64_t ino)
{
	struct between *d = arg;
	vn_autofree char *copy = strndup(name, len);
	return copy ? between_add_row(d, parent, copy, ino) : -ENOMEM;
}

static int between_take_inode(void *arg, const struct store_inode *row)
{
	struct between *d = arg;
	int r = between_grow(&d->inos, &d->ino_cap, d->ninos, sizeof(*d->inos));
	if (!r)
		d->inos[d->ninos++] = row->ino;
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
		if (delta && !d->a.bare && !store_read_inode_at(d->a.t->store, delta, row.ino, &older)) {
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
		int r = store_read_inode_at(d->b.t->store, delta, row.ino, &older);
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

static bool between_meta(const struct between *d, const struct between_object *before, const struct between_object *after)
{
	const struct store_inode *x = &before->row, *y = &after->row;
	const uint32_t own = STORE_APPEND | STORE_IMMUTABLE | STORE_NODUMP | STORE_NOATIME;
	if (!before->has_row)
		return y->flags & STORE_META;
	if (x->mode != y->mode || x->uid != y->uid || x->gid != y->gid || (x->flags ^ y->flags) & own)
		return true;
	if (between_xattrs(d->a.t, x->ino) != between_xattrs(d->b.t, y->ino))
		return true;
	return x->mtime != y->mtime && !(S_ISDIR(y->mode) && between_entries(d, y->ino));
}

/* Where it is in both, under a name that stands. */
static int between_places(struct between *d, uint64_t ino, char **was, char **now)
{
	struct between_name place;
	if (ino == VN_NODE_ROOT)
		return (*now = strdup("")) ? 0 : -ENOMEM;
	int r = between_standing(d, ino, &place);
	if (!r)
		r = between_name_path_below(d, &d->a, place.parent, place.path, place.name, was);
	if (!r)
		r = between_name_path_below(d, &d->b, place.parent, place.path, place.name, now);
	free(place.name);
	free(place.path);
	return r;
}

static int between_in_place(struct between *d, const struct between_object *before, const struct between_object *after,
			    bool modified)
{
	vn_autofree char *was = NULL;
	char *now = NULL;
	int r = between_places(d, after->row.ino, &was, &now);
	if (r == -ENOENT && after->row.flags & STORE_GROUP && !d->searched) {
		r = between_grow(&d->astray, &d->astray_cap, d->nastray, sizeof(*d->astray));
		if (!r)
			d->astray[d->nastray++] = after->row.ino;
		return r;
	}
	if (!r)
		r = between_emit(d, modified ? OVL_MODIFIED : OVL_META, now, NULL, before, after);
	if (!r)
		d->out[d->nout - 1].old_place = vn_steal_ptr(&was);
	return r == -ENOENT ? 0 : r;
}

static int between_judge(struct between *d, const struct between_object *before, const struct between_object *after)
{
	struct between_name *g = between_find(&d->gained, after->row.ino);
	bool modified;
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
	return told ? 0 : between_in_place(d, before, after, modified);
}

static int between_inode(struct between *d, uint64_t ino)
{
	struct between_object before, after;
	int r = between_object(d, &d->a, ino, &before);
	if (r)
		return r;
	r = between_object(d, &d->b, ino, &after);
	if (!r && before.exists && after.has_row)
		r = between_judge(d, &before, &after);
	free((char *)before.row.origin);
	free((char *)after.row.origin);
	return r;
}

/* ---- all of it ---- */

static void between_fini(struct between *d)
{
	between_names_fini(&d->rows);
	between_names_fini(&d->lost);
	between_names_fini(&d->gained);
	for (size_t i = 0; i < d->nout; i++) {
		free((char *)d->out[i].c.path);
		free((char *)d->out[i].c.old_path);
		free(d->out[i].old_place);
	}
	free(d->out);
	free(d->inos);
	free(d->astray);
	between_names_fini(&d->found);
	between_names_fini(&d->moved);
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
	} else if (x->old_place) {
		c->path = x->old_place;
		x->old_place = (char *)path;
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

static int between_inodes(struct between *d)
{
	int r = 0;
	for (size_t i = 0; !r && i < d->ninos; i++)
		r = between_inode(d, d->inos[i]);
	if (!r && d->nastray)
		r = between_search(d);
	d->searched = true;
	if (d->found.n)
		qsort(d->found.v, d->found.n, sizeof(*d->found.v), between_by_object);
	for (size_t i = 0; !r && i < d->nastray; i++)
		r = between_inode(d, d->astray[i]);
	return r;
}

static int between_rows(struct between *d)
{
	struct store *store = d->b.t->store;
	if (d->a.bare) {
		int r = store_scan_dentries(store, between_take_name, d);
		return r ? r : store_scan_inodes(store, between_take_inode, d);
	}
	uint64_t since = store_newest(d->a.t->store);
	int r = store_scan_dentries_since(store, since, between_take_name, d);
	return r ? r : store_scan_inodes_since(store, since, between_take_inode, d);
}

static int between_run(struct between *d, ovl_change_fn fn, void *arg)
{
	int r = between_rows(d);
	if (!r)
		r = between_all_names(d);
	if (!r)
		r = between_inodes(d);
	for (size_t i = 0; d->turn && i < d->nout; i++)
		between_turn(&d->out[i]);
	if (!r && d->nout)
		qsort(d->out, d->nout, sizeof(*d->out), by_path);
	for (size_t i = 0; !r && i < d->nout; i++)
		if (!d->turn || !d->out[i].hidden)
			r = fn(arg, &d->out[i].c);
	return r;
}

static int between_tell(struct between *d, ovl_change_fn fn, void *arg, struct vn_err *err)
{
	int r = between_run(d, fn, arg);
	between_fini(d);
	return r < 0 ? vn_err_sys(err, r, "cannot compare") : r;
}

int ovl_diff(struct ovl_tree *t, ovl_change_fn fn, void *arg, struct vn_err *err)
{
	struct between d = { .a = { t, true }, .b = { t, false } };
	return t->store ? between_tell(&d, fn, arg, err) : 0;
}

int ovl_diff_between(struct ovl_tree *from, struct ovl_tree *to, ovl_change_fn fn, void *arg, struct vn_err *err)
{
	bool turn = from->store && to->store && !store_has_delta(to->store, store_newest(from->store));
	struct between d = { .a = { turn ? to : from, false }, .b = { turn ? from : to, false },
			     .turn = turn };
	if (!from->store || !to->store || !store_has_delta(d.b.t->store, store_newest(d.a.t->store)))
		return vn_err_set(err, -EINVAL, "only states of one writable layer can be compared");
	return between_tell(&d, fn, arg, err);
}
