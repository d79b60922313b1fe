// SPDX-License-Identifier: Apache-2.0
/*
 * The names that mean another object in the newer state: each row between the two
 * says what was gained, the older state what was lost; one object in both lists moved.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "overlay/between.h"

int between_add(struct between_names *l, uint64_t parent, const char *name, uint64_t ino, const char *path)
{
	int r = between_grow(&l->v, &l->cap, l->n, sizeof(*l->v));
	if (r)
		return r;
	struct between_name *n = &l->v[l->n];
	*n = (struct between_name){ .parent = parent, .ino = ino, .name = strdup(name), .path = path ? strdup(path) : NULL };
	l->n++;
	return n->name && (n->path || !path) ? 0 : -ENOMEM;
}

int between_add_row(struct between *d, uint64_t parent, const char *name, uint64_t ino)
{
	return between_add(&d->rows, parent, name, ino, NULL);
}

void between_names_fini(struct between_names *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].name);
		free(l->v[i].path);
	}
	free(l->v);
}

static int by_parent(const void *a, const void *b)
{
	const struct between_name *x = a, *y = b;
	return x->parent < y->parent ? -1 : x->parent > y->parent;
}

bool between_entries(const struct between *d, uint64_t dir)
{
	const struct between_name key = { .parent = dir };
	return d->rows.n && bsearch(&key, d->rows.v, d->rows.n, sizeof(key), by_parent);
}

/* One row: which object has lost this name, which one gained it. */
static int between_sort_out(struct between *d, const struct between_name *row)
{
	vn_autofree char *pa = NULL;
	vn_autofree char *pb = NULL;
	struct between_object base = { 0 };
	uint64_t was = 0;
	int ra = between_name_path(d, &d->a, row->parent, row->name, &pa);
	int rb = between_name_path(d, &d->b, row->parent, row->name, &pb);
	int r = ra && ra != -ENOENT ? ra : rb && rb != -ENOENT ? rb : 0;
	if (!r && pa)
		r = between_name_at(d, &d->a, row->parent, row->name, &was, &base);
	if (r || (was == row->ino && pa && pb))
		return r;
	if (was) /* what went with its directory is told by that */
		r = between_add(&d->lost, row->parent, row->name, was, pb ? pa : NULL);
	if (was && !r)
		d->lost.v[d->lost.n - 1].base = base;
	if (!r && row->ino && pb)
		r = between_add(&d->gained, row->parent, row->name, row->ino, pb);
	if (!r && row->ino && pb)
		d->gained.v[d->gained.n - 1].fresh = !pa;
	return r;
}

int between_by_object(const void *a, const void *b)
{
	const struct between_name *x = a, *y = b;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

struct between_name *between_find(const struct between_names *l, uint64_t ino)
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

static bool between_listed(const struct between_names *l, uint64_t parent, const char *name, uint64_t ino)
{
	struct between_name *n = between_find(l, ino);
	for (; n && n < l->v + l->n && n->ino == ino; n++)
		if (n->parent == parent && !strcmp(n->name, name))
			return true;
	return false;
}

bool between_is_new(const struct between *d, uint64_t parent, const char *name, uint64_t ino)
{
	return between_listed(&d->gained, parent, name, ino);
}

/* Does this name mean the object in b, and did it in a as well? 1, 0. */
static int between_stands(struct between *d, uint64_t parent, const char *name, uint64_t ino)
{
	vn_autofree char *path = NULL;
	struct between_object o;
	uint64_t now;
	if (between_is_new(d, parent, name, ino))
		return 0;
	int r = between_name_path(d, &d->b, parent, name, &path);
	if (!r)
		r = between_name_at(d, &d->b, parent, name, &now, &o);
	return r ? (r == -ENOENT ? 0 : r) : now == ino;
}

struct between_names_of {
	struct between *d;
	struct between_name *place;
};

static int between_try_name(void *arg, uint64_t parent, const char *name)
{
	struct between_names_of *o = arg;
	int r = between_stands(o->d, parent, name, o->place->ino);
	if (r <= 0)
		return r;
	o->place->parent = parent;
	o->place->name = strdup(name);
	return o->place->name ? 1 : -ENOMEM;
}

int between_standing(struct between *d, uint64_t ino, struct between_name *place)
{
	struct between_names_of o = { d, place };
	const struct between_name *found = between_find(&d->found, ino);
	vn_autofree char *old = NULL;
	uint64_t parent;
	*place = (struct between_name){ .ino = ino };
	if (found) {
		place->parent = found->parent;
		place->name = strdup(found->name);
		place->path = strdup(found->path);
		return place->name && place->path ? 0 : -ENOMEM;
	}
	int r = between_place(d, &d->a, ino, &parent, &old);
	if (!r)
		r = between_try_name(&o, parent, old);
	if (!r || r == -ENOENT)
		r = store_read_names(d->b.t->store, ino, between_try_name, &o);
	return r > 0 ? 0 : r ? r : -ENOENT;
}

/* The unpaired name that an object has lost; one that did not go with its directory if there is one. */
static struct between_name *between_unpaired(const struct between *d, uint64_t ino)
{
	struct between_name *l = between_find(&d->lost, ino), *with_dir = NULL;
	for (; l && l < d->lost.v + d->lost.n && l->ino == ino; l++) {
		if (!l->pair && l->path)
			return l;
		if (!l->pair)
			with_dir = l;
	}
	return with_dir;
}

/* The name that an object had in a and does not have in b. NULL: it is new, or linked. malloc()ed. */
static int between_came_from(struct between *d, struct between_name *g, const struct between_object *before, char **old)
{
	uint64_t parent = 0;
	vn_autofree char *name = NULL;
	struct between_name *l = between_unpaired(d, g->ino);
	if (l) {
		l->pair = g;
		return between_name_path(d, &d->a, l->parent, l->name, old);
	}
	if (!before->exists || between_find(&d->moved, g->ino))
		return 0;
	/* It had a name that no row took away: does that stand, or was it removed with its directory? */
	int r = between_place(d, &d->a, g->ino, &parent, &name);
	if (!r && between_listed(&d->lost, parent, name, g->ino))
		return 0;
	if (!r)
		r = between_stands(d, parent, name, g->ino);
	if (!r)
		r = between_path(d, &d->a, g->ino, old);
	if (!r && *old)
		r = between_add(&d->moved, parent, name, g->ino, NULL); /* they come by number */
	return r > 0 || r == -ENOENT ? 0 : r;
}

static int between_gained(struct between *d, struct between_name *g)
{
	struct between_object before, after;
	char *old = NULL;
	int r = between_object(d, &d->a, g->ino, &before);
	if (r)
		return r;
	r = between_object(d, &d->b, g->ino, &after);
	if (!r)
		r = between_came_from(d, g, &before, &old);
	if (!r)
		r = between_emit(d, old ? OVL_RENAMED : OVL_ADDED, strdup(g->path), old, old ? &before : NULL, &after);
	if (!r) {
		g->out = d->nout;
		d->out[d->nout - 1].hidden = g->fresh && !old;
	}
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

bool between_has_moved(const struct between *d, uint64_t parent, const char *name, uint64_t ino)
{
	const struct between_name *l = between_find(&d->lost, ino);
	for (; l && l < d->lost.v + d->lost.n && l->ino == ino; l++)
		if (l->pair && l->parent == parent && !strcmp(l->name, name))
			return true;
	return between_listed(&d->moved, parent, name, ino);
}

/* A name whose object is gone: by its directory, by itself, or under a new one of its type, a change of content. */
static int between_gone(struct between *d, const struct between_name *l, struct between_change *taken)
{
	struct between_object before;
	int r = between_object(d, &d->a, l->ino, &before);
	if (!r && !before.exists)
		before = l->base;
	if (!r && taken && taken->c.kind == OVL_ADDED && taken->c.type == before.type && before.type != DT_DIR) {
		taken->c.kind = OVL_MODIFIED;
		taken->c.also_modified = true;
		taken->old_size = before.size;
		taken->old_place = strdup(l->path);
		r = taken->old_place ? 0 : -ENOMEM;
	} else if (!r) {
		r = between_emit(d, OVL_DELETED, strdup(l->path), NULL, &before, NULL);
		if (!r && d->turn && before.type == DT_DIR)
			r = between_restored(d, l);
	}
	free((char *)before.row.origin);
	return r;
}

static int between_lost(struct between *d, const struct between_name *l, struct between_name **places)
{
	struct between_name **at = d->gained.n ? bsearch(&l, places, d->gained.n, sizeof(l), by_place) : NULL;
	struct between_change *taken = at && (*at)->out ? &d->out[(*at)->out - 1] : NULL;
	if (l->pair && taken && taken->c.kind == OVL_ADDED)
		taken->hidden = true;
	if (l->pair || !l->path || (taken && taken->c.kind == OVL_RENAMED && !d->turn))
		return 0; /* a renamed one that takes a name says enough, seen from where it is the new one */
	return between_gone(d, l, taken);
}

int between_all_names(struct between *d)
{
	int r = 0;
	if (d->rows.n)
		qsort(d->rows.v, d->rows.n, sizeof(*d->rows.v), by_parent);
	for (size_t i = 0; !r && i < d->rows.n; i++)
		r = between_sort_out(d, &d->rows.v[i]);
	if (d->lost.n)
		qsort(d->lost.v, d->lost.n, sizeof(*d->lost.v), between_by_object);
	if (d->gained.n)
		qsort(d->gained.v, d->gained.n, sizeof(*d->gained.v), between_by_object);
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
