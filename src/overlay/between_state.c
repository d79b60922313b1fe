// SPDX-License-Identifier: Apache-2.0
/*
 * One state of a chain, as between.c asks for it: what a number and a name mean
 * there, and where an object is. Rows come first; behind them the base speaks, under
 * the path that a row names as its origin.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/scope.h"
#include "overlay/between.h"

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

static int state_inode(const struct between_state *s, uint64_t ino, struct store_inode *row, uint64_t *delta)
{
	return s->bare ? -ENOENT : store_read_inode(s->t->store, ino, row, delta);
}

static int state_name(const struct between_state *s, uint64_t parent, const char *name, uint64_t *ino)
{
	return s->bare ? -ENOENT : store_read_name(s->t->store, parent, name, strlen(name), ino);
}

static int state_parent(const struct between_state *s, uint64_t ino, uint64_t *parent, char **name)
{
	return s->bare ? -ENOENT : store_read_parent(s->t->store, ino, parent, name);
}

int between_base(struct ovl_tree *t, const char *path, uint64_t *ino, struct between_object *o)
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
		*ino = ovl_number(t, bd, name, len, attr.ino, f.type != DT_DIR && base_is_group(bd, name, len, &attr));
		o->type = f.type;
		o->size = attr.size;
	}
	base_dir_put(t->base, bd);
	return r;
}

/* The origin of an object as any state knows it: it never changes. NULL: it has none. malloc()ed. */
static int between_origin(const struct between *d, const struct between_state *s, uint64_t ino, char **origin)
{
	struct store_inode row = { 0 };
	int r = state_inode(s, ino, &row, NULL);
	if (r == -ENOENT)
		r = state_inode(&d->b, ino, &row, NULL);
	*origin = r ? NULL : (char *)row.origin;
	if (r == -ENOENT && ino == VN_NODE_ROOT)
		return (*origin = strdup("")) ? 0 : -ENOMEM;
	return r == -ENOENT ? 0 : r;
}

int between_object(const struct between *d, const struct between_state *s, uint64_t ino, struct between_object *o)
{
	vn_autofree char *origin = NULL;
	uint64_t number;
	*o = (struct between_object){ 0 };
	int r = state_inode(s, ino, &o->row, &o->delta);
	if (!r) {
		o->exists = o->has_row = true;
		o->type = IFTODT(o->row.mode);
		o->size = o->row.size;
	}
	if (r != -ENOENT)
		return r;
	r = between_origin(d, s, ino, &origin);
	if (!r && origin)
		r = between_base(s->t, origin, &number, o);
	o->exists = !r && origin;
	return r == -ENOENT ? 0 : r;
}

int between_below(const struct between *d, const struct between_state *s, uint64_t parent, const char *name, char **path)
{
	vn_autofree char *origin = NULL;
	int r = between_origin(d, s, parent, &origin);
	*path = NULL;
	if (r || !origin || asprintf(path, "%s%s%s", origin, *origin ? "/" : "", name) >= 0)
		return r;
	*path = NULL;
	return -ENOMEM;
}

int between_name_at(const struct between *d, const struct between_state *s, uint64_t parent, const char *name,
		    uint64_t *ino, struct between_object *o)
{
	vn_autofree char *path = NULL;
	*o = (struct between_object){ 0 };
	int r = state_name(s, parent, name, ino);
	if (r != -ENOENT)
		return r;
	*ino = 0;
	r = between_below(d, s, parent, name, &path);
	if (r || !path)
		return r;
	r = between_base(s->t, path, ino, o);
	o->exists = !r;
	if (r == -ENOENT)
		*ino = 0;
	return r == -ENOENT ? 0 : r;
}

/* The place of an object of the base that has no dentry row; *origin becomes its directory's. -ENOENT: it is not there any more. */
static int between_base_place(const struct between_state *s, uint64_t ino, char **origin, uint64_t *parent, char **name)
{
	char *slash = strrchr(*origin, '/');
	struct between_object o;
	uint64_t now;
	*name = strdup(slash ? slash + 1 : *origin);
	if (!*name)
		return -ENOMEM;
	*(slash ? slash : *origin) = '\0';
	int r = between_base(s->t, *origin, parent, &o);
	if (!r && !state_name(s, *parent, *name, &now) && now != ino)
		r = -ENOENT;
	return r;
}

/*
 * One step up. *origin: what is left of the origin of an object further down (malloc()ed), or NULL;
 * it becomes that of the directory when no row told its place.
 */
static int between_step(const struct between *d, const struct between_state *s, uint64_t ino, char **origin, uint64_t *parent,
			char **name)
{
	int r = state_parent(s, ino, parent, name);
	if (!r)
		free(vn_steal_ptr(origin));
	if (r != -ENOENT)
		return r;
	r = *origin ? 0 : between_origin(d, s, ino, origin);
	if (r)
		return r;
	return *origin && **origin ? between_base_place(s, ino, origin, parent, name) : -ENOENT;
}

int between_place(const struct between *d, const struct between_state *s, uint64_t ino, uint64_t *parent, char **name)
{
	vn_autofree char *origin = NULL;
	return between_step(d, s, ino, &origin, parent, name);
}

int between_path(const struct between *d, const struct between_state *s, uint64_t ino, char **out)
{
	return between_path_below(d, s, ino, NULL, out);
}

int between_path_below(const struct between *d, const struct between_state *s, uint64_t ino, const char *below, char **out)
{
	vn_autofree char *origin = below ? strdup(below) : NULL;
	vn_autofree char *path = strdup("");
	if (!path || (below && !origin))
		return -ENOMEM;
	while (ino != VN_NODE_ROOT) {
		vn_autofree char *name = NULL;
		char *longer;
		int r = between_step(d, s, ino, &origin, &ino, &name);
		if (r)
			return r;
		if (asprintf(&longer, "%s%s%s", name, *path ? "/" : "", path) < 0)
			return -ENOMEM;
		free(path);
		path = longer;
	}
	*out = vn_steal_ptr(&path);
	return 0;
}

int between_name_path(const struct between *d, const struct between_state *s, uint64_t parent, const char *name, char **out)
{
	return between_name_path_below(d, s, parent, NULL, name, out);
}

int between_name_path_below(const struct between *d, const struct between_state *s, uint64_t parent, const char *below,
			    const char *name, char **out)
{
	vn_autofree char *dir = NULL;
	int r = between_path_below(d, s, parent, below, &dir);
	if (r)
		return r;
	return asprintf(out, "%s%s%s", dir, *dir ? "/" : "", name) < 0 ? (*out = NULL, -ENOMEM) : 0;
}
