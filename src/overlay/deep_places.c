// SPDX-License-Identifier: Apache-2.0
#include "overlay/deep_places.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"

/* Takes over both texts. */
static int places_push(struct deep_places *p, enum ovl_place kind, uint64_t id, char *path, char *dir)
{
	struct prints_place *v = path ? reallocarray(p->v, p->n + 1, sizeof(*v)) : NULL;
	char **dirs = v ? reallocarray(p->dirs, p->n + 1, sizeof(*dirs)) : NULL;

	if (v)
		p->v = v;
	if (!dirs) {
		free(path);
		free(dir);
		return -ENOMEM;
	}
	p->dirs = dirs;
	p->v[p->n] = (struct prints_place){.kind = kind, .id = id, .path = path};
	p->dirs[p->n++] = dir;
	return 0;
}

static int places_lower(struct ovl_tree *t, size_t i, struct deep_places *p)
{
	struct prints_place *made;
	char print[17];
	int rc = base_fingerprint(t->base, i, print);

	if (!rc)
		rc = places_push(p, OVL_PLACE_LOWER, strtoull(print, NULL, 16), strdup(base_layer_path(t->base, i)), NULL);
	if (rc)
		return rc;
	made = &p->v[p->n - 1];
	return base_place(t->base, i, &made->ino, &made->btime);
}

struct places_find {
	struct deep_places *p;
	bool served;
};

/* An upper that is used as a layer has its index open to its own server; its data files do not change. */
static int places_delta(void *arg, const struct store_delta_dir *d)
{
	struct places_find *f = arg;
	char *dir = NULL;

	if (d->head && f->served)
		return 0;
	if (asprintf(&dir, d->sealed ? "%s" : "%s/data", d->path) < 0)
		return -ENOMEM;
	return places_push(f->p, d->head ? OVL_PLACE_HEAD : OVL_PLACE_SNAPSHOT, d->id,
			   strdup(*d->name ? d->name : d->path), dir);
}

int deep_places_find(struct ovl_tree *t, bool served, struct deep_places *out)
{
	struct places_find find = {out, served};
	int rc = 0;

	*out = (struct deep_places){0};
	for (size_t i = 0; !rc && i < base_layers(t->base); i++)
		rc = places_lower(t, i, out);
	return rc ? rc : store_delta_dirs(t->store, places_delta, &find);
}

void deep_places_fini(struct deep_places *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].path);
		free(p->dirs[i]);
	}
	free(p->v);
	free(p->dirs);
}

size_t deep_places_now(const struct deep_places *now, const struct prints_head *then, size_t i)
{
	const struct prints_place *p = &then->places[i];
	size_t at = 0;

	if (p->kind == OVL_PLACE_LOWER)
		return i < now->n && now->v[i].kind == OVL_PLACE_LOWER ? i : now->n;
	while (at < now->n && (now->v[at].kind == OVL_PLACE_LOWER || now->v[at].id != p->id))
		at++;
	return at;
}

/* Puts NAME/ in front of a path; takes over neither. */
static int file_prepend(char **path, const char *name)
{
	char *longer = NULL;

	if (asprintf(&longer, "%s%s%s", name, *path ? "/" : "", *path ? *path : "") < 0)
		return -ENOMEM;
	free(*path);
	*path = longer;
	return 0;
}

/* A name of an inode from its rows; where it has none, it is still at its place in the base. */
static int file_up(struct ovl_tree *t, uint64_t *ino, char **path)
{
	vn_autofree char *name = NULL, *origin = NULL;
	struct store_inode row;
	uint64_t parent;
	int rc = store_read_parent(t->store, *ino, &parent, &name);

	if (!rc) {
		*ino = parent;
		return file_prepend(path, name);
	}
	if (rc == -ENOENT)
		rc = store_read_inode(t->store, *ino, &row, NULL);
	if (rc)
		return rc;
	if (!row.origin)
		return -ENOENT;
	free(name);
	name = strndup(row.origin, row.origin_len);
	origin = (char *)row.origin;
	*ino = VN_NODE_ROOT;
	return name ? file_prepend(path, name) : -ENOMEM;
}

char *deep_places_file(struct ovl_tree *t, uint64_t delta, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *end, *found = NULL;
	uint64_t number = slash ? strtoull(slash + 1, &end, 10) : 0, ino;
	int rc = slash && number && !*end ? store_data_owner(t->store, delta, number, &ino) : -ENOENT;

	for (int depth = 0; !rc && ino != VN_NODE_ROOT; depth++)
		rc = depth < 4096 ? file_up(t, &ino, &found) : -ELOOP;
	if (!rc)
		return found;
	free(found);
	return NULL;
}
