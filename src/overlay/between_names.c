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

/* The name that an object had in a and does not have in b. NULL: it is new, or linked. malloc()ed. */
static int between_came_from(struct between *d, struct between_name *g, const struct between_object *before, char **old)
{
	struct between_object o;
	uint64_t parent = 0, now;
	vn_autofree char *name = NULL;
	vn_autofree char *where = NULL;
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
	int r = between_place(d, d->a, g->ino, &parent, &name);
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

int between_all_names(struct between *d)
{
	int r = 0;
	if (d->rows.n)
		qsort(d->rows.v, d->rows.n, sizeof(*d->rows.v), by_parent);
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
