// SPDX-License-Identifier: Apache-2.0
/* One name of a merged directory, and paths, without reading directories. */
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "lower/base_kept.h"
#include "lower/marker.h"

#ifndef IFTODT
#define IFTODT(mode) (((mode)&S_IFMT) >> 12)
#endif

struct lookup {
	struct base *b;
	struct base_dir *d;
	const char *name;
	size_t len;
	struct base_entry e;
	uint16_t *layers; /* room for every part */
	bool done;        /* the layers below say nothing more */
};

/* The first layer that has the name decides what it is; further ones add to a directory. */
static int lookup_found(struct lookup *l, const struct base_part *p, int dirfd, struct layer_stat *st)
{
	bool dir = S_ISDIR(st->attr.mode);
	int rc = 0;

	if (l->e.nlayers && !dir) {
		l->done = true;
		return 0;
	}
	if (!dir) {
		rc = base_marks_override(l->b, p->layer, dirfd, l->name, &st->attr);
		l->done = true;
	}
	if (rc)
		return rc;
	if (!l->e.name) {
		l->e.name = l->name;
		l->e.len = l->len;
		l->e.type = IFTODT(st->attr.mode);
		l->e.layer = p->layer;
	}
	if (dir)
		l->layers[l->e.nlayers++] = p->layer;
	return 0;
}

static int lookup_in(struct lookup *l, const struct base_part *p, int dirfd, bool last)
{
	struct layer_stat st;
	int rc = layer_stat(dirfd, l->name, &st);

	if (rc == -ENAMETOOLONG)
		rc = -ENOENT;
	if (!rc)
		rc = base_marks_whiteout(l->b, p, dirfd, l->name, &st);
	if (rc == 1) {
		l->done = true;
		return 0;
	}
	if (!rc && !base_is_excluded(l->b, &st))
		rc = lookup_found(l, p, dirfd, &st);
	if (rc && rc != -ENOENT)
		return rc;
	if (!l->done && !last)
		l->done = base_marks_whiteout_file(dirfd, l->name, l->len);
	return 0;
}

static int lookup_part(struct lookup *l, const struct base_part *p, bool last)
{
	struct base_at at;
	int rc = base_at_dir(l->b, l->d, p->layer, &at);

	if (rc)
		return rc == -EXDEV ? 0 : rc; /* a mount point: empty */
	rc = lookup_in(l, p, at.fd, last);
	base_at_put(l->b, &at);
	return rc;
}

int base_lookup(struct base *b, struct base_dir *d, const char *name, size_t len, base_entry_fn fn, void *arg)
{
	char text[VN_NAME_MAX + 1];
	struct lookup l = {.b = b, .d = d, .name = text, .len = len};
	vn_autofree uint16_t *layers = NULL;
	const struct base_parts *parts;
	const char *hidden;
	size_t hidden_len;
	int rc = base_name(text, name, len);

	if (!rc && marker_name(name, len, &hidden, &hidden_len) != MARKER_NAME_PLAIN)
		rc = -ENOENT;
	if (!rc && base_kept_lookup(b, d, text, len, fn, arg, &rc))
		return rc;
	if (!rc)
		rc = base_parts_get(b, d, &parts);
	if (rc)
		return rc;
	l.layers = layers = malloc(parts->n * sizeof(*layers));
	if (!layers)
		return -ENOMEM;
	l.e.layers = layers;
	for (size_t i = 0; i < parts->n && !l.done; i++) {
		rc = lookup_part(&l, &parts->part[i], i + 1 == parts->n);
		if (rc)
			return rc;
	}
	return l.e.name ? fn(arg, &l.e) : -ENOENT;
}

/* ---- paths ---- */

struct step {
	struct base *b;
	struct base_dir *parent;
	struct base_dir *found;
};

static int step_into(void *arg, const struct base_entry *e)
{
	struct step *s = arg;

	if (!e->nlayers)
		return -ENOTDIR;
	s->found = base_dir_child(s->b, s->parent, e);
	return s->found ? 0 : -ENOMEM;
}

int base_resolve_dir(struct base *b, const char *path, size_t len, struct base_dir **out)
{
	struct base_dir *d = base_root(b);

	while (len) {
		const char *slash = memchr(path, '/', len);
		size_t part = slash ? (size_t)(slash - path) : len;
		struct step s = {b, d, NULL};
		int rc = part ? base_lookup(b, d, path, part, step_into, &s) : 0;

		if (rc) {
			base_dir_put(b, d);
			return rc;
		}
		if (part) {
			base_dir_put(b, d); /* the child holds it */
			d = s.found;
		}
		path += part + (slash ? 1 : 0);
		len -= part + (slash ? 1 : 0);
	}
	*out = d;
	return 0;
}
