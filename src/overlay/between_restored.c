// SPDX-License-Identifier: Apache-2.0
/* A directory that was removed, seen from where it is not: all that is in it is new. What is told is as much as is walked. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "overlay/between.h"

struct restored {
	struct between *d;
	uint64_t dir;
	const char *below; /* its path in the base; NULL: it has nothing below */
	struct between_names names; /* path: in the base, where no row told */
};

static int restored_row(void *arg, const char *name, size_t len, uint64_t ino, enum store_sealed sealed)
{
	struct restored *s = arg;
	vn_autofree char *copy = ino ? strndup(name, len) : NULL;
	(void)sealed;
	return !ino ? 0 : copy ? between_add(&s->names, s->dir, copy, ino, NULL) : -ENOMEM;
}

static int restored_base(void *arg, const struct base_entry *e)
{
	struct restored *s = arg;
	vn_autofree char *name = strndup(e->name, e->len);
	vn_autofree char *path = NULL;
	if (!name || asprintf(&path, "%s%s%s", s->below, *s->below ? "/" : "", name) < 0)
		return -ENOMEM;
	return between_add(&s->names, s->dir, name, 0, path);
}

static int restored_list_base(struct restored *s)
{
	struct base *base = s->d->a.t->base;
	struct base_dir *bd;
	int r = s->below ? base_resolve_dir(base, s->below, strlen(s->below), &bd) : -ENOENT;
	if (r)
		return r == -ENOENT || r == -ENOTDIR ? 0 : r;
	r = base_list(base, bd, restored_base, s);
	base_dir_put(base, bd);
	return r;
}

static int restored_dir(struct between *d, uint64_t dir, const char *below, const char *path);

static int restored_name(struct between *d, struct between_name *n, const char *path)
{
	vn_autofree char *at = NULL;
	struct between_object base = { 0 }, o;
	uint64_t ino;
	int r = 0;
	if (n->path) {
		r = store_read_name(d->a.t->store, n->parent, n->name, strlen(n->name), &ino);
		if (r != -ENOENT)
			return r; /* a row has told, or taken it away */
		r = between_base(d->a.t, n->path, &n->ino, &base);
	}
	if (r || between_has_moved(d, n->parent, n->name, n->ino))
		return r;
	r = between_object(d, &d->a, n->ino, &o);
	if (r || asprintf(&at, "%s/%s", path, n->name) < 0)
		return r ? r : -ENOMEM;
	const struct between_object *is = o.exists ? &o : &base;
	r = between_emit(d, OVL_DELETED, strdup(at), NULL, is, NULL);
	if (!r && is->type == DT_DIR)
		r = restored_dir(d, n->ino, n->path, at);
	free((char *)o.row.origin);
	return r;
}

/* below: where a directory without a row is in the base. */
static int restored_dir(struct between *d, uint64_t dir, const char *below, const char *path)
{
	struct store_inode row = { 0 };
	struct restored s = { .d = d, .dir = dir };
	int r = store_read_inode(d->a.t->store, dir, &row, NULL);
	s.below = r ? below : row.origin;
	r = r == -ENOENT ? 0 : r;
	if (!r)
		r = store_read_dir(d->a.t->store, dir, restored_row, &s);
	if (!r)
		r = restored_list_base(&s);
	for (size_t i = 0; !r && i < s.names.n; i++)
		r = restored_name(d, &s.names.v[i], path);
	between_names_fini(&s.names);
	free((char *)row.origin);
	return r;
}

int between_restored(struct between *d, const struct between_name *dir)
{
	vn_autofree char *below = NULL;
	int r = between_below(d, &d->a, dir->parent, dir->name, &below);
	return r ? r : restored_dir(d, dir->ino, below, dir->path);
}
