// SPDX-License-Identifier: Apache-2.0
/*
 * Which layers take part in a merged directory, and how each one's directory is
 * reached. base_parts.h says what the words mean.
 *
 * A part's path is not stored where it is the usual one: it is put together
 * from the names of the directories up to the nearest ancestor whose descriptor
 * in this layer is cached, or up to one that was redirected, or the layer's
 * root, and opened in one call.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "lower/base_kept.h"
#include "lower/base_redirect.h"

/* ---- descriptors ---- */

/* A relative path that is filled from its end. */
struct tail {
	char buf[PATH_MAX];
	size_t at; /* where it begins */
};

static bool tail_prepend(struct tail *t, const char *name, size_t len)
{
	bool slash = t->buf[t->at] != '\0';

	if (len + 1 > t->at)
		return false;
	if (slash)
		t->buf[--t->at] = '/';
	t->at -= len;
	memcpy(t->buf + t->at, name, len);
	return true;
}

static int at_root(struct base *b, uint16_t layer, struct base_at *out)
{
	*out = (struct base_at){.fd = b->layers[layer].fd};
	return 0;
}

static bool at_cached(struct base *b, struct base_dir *d, uint16_t layer, struct base_at *out)
{
	struct base_fd *f = base_fds_get(b, d, layer);

	if (f)
		*out = (struct base_at){.fd = base_fd_number(f), .held = f};
	return f != NULL;
}

/*
 * Where to start for opening d in a layer: *out is a descriptor and *t the rest
 * of the path. `own` is d's own path if it was redirected (and is being looked
 * into just now), else NULL.
 */
static int at_start(struct base *b, struct base_dir *d, uint16_t layer, const char *own, struct tail *t, struct base_at *out)
{
	while (d->parent) {
		const struct base_part *p = NULL;
		int rc;

		if (own && tail_prepend(t, own, strlen(own)))
			return at_root(b, layer, out);
		if (own || !tail_prepend(t, d->name, d->len))
			return base_at_dir(b, d, layer, out); /* so long a path is opened in stages */
		d = d->parent;
		if (!d->parent)
			break;
		if (at_cached(b, d, layer, out))
			return 0;
		rc = base_part_find(b, d, layer, &p);
		if (rc)
			return rc;
		own = p->path;
	}
	return at_root(b, layer, out);
}

/* Opens d in a layer: a descriptor of its own. -ESTALE: it is gone; -EXDEV: a mount point. */
static int at_open(struct base *b, struct base_dir *d, uint16_t layer, const char *own)
{
	struct tail t = {.at = sizeof(t.buf) - 1};
	struct base_at start;
	int fd;

	if (!d->parent) {
		fd = layer_open_dir(&b->layers[layer], b->layers[layer].fd, "");
	} else {
		int rc = at_start(b, d, layer, own, &t, &start);

		if (rc)
			return rc;
		fd = layer_open_dir(&b->layers[layer], start.fd, t.buf + t.at);
		base_at_put(b, &start);
	}
	return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? -ESTALE : fd;
}

int base_at_dir(struct base *b, struct base_dir *d, uint16_t layer, struct base_at *out)
{
	const struct base_part *p;
	struct base_fd *f;
	int fd, rc;

	if (!d->parent)
		return at_root(b, layer, out);
	if (at_cached(b, d, layer, out))
		return 0;
	rc = base_part_find(b, d, layer, &p);
	if (rc)
		return rc;
	if (at_cached(b, d, layer, out)) /* finding the parts has opened it */
		return 0;
	fd = at_open(b, d, layer, p->path);
	if (fd < 0)
		return fd;
	f = base_fds_add(b, d, layer, fd);
	if (!f)
		return -ENOMEM;
	*out = (struct base_at){.fd = base_fd_number(f), .held = f};
	return 0;
}

void base_at_put(struct base *b, struct base_at *at)
{
	base_fds_put(b, at->held);
	*at = (struct base_at){.fd = -1};
}

/* ---- finding the parts ---- */

static struct base_parts *parts_start(const struct base_dir *d)
{
	struct base_parts *parts = calloc(1, sizeof(*parts) + d->nlayers * sizeof(struct base_part));

	if (!parts)
		return NULL;
	for (size_t i = 0; i < d->nlayers; i++)
		parts->part[i].layer = d->layers[i];
	parts->n = d->nlayers;
	return parts;
}

void base_parts_cut(struct base_parts *parts, size_t n)
{
	while (parts->n > n)
		free(parts->part[--parts->n].path);
}

static void parts_free(struct base_parts *parts)
{
	if (parts)
		base_parts_cut(parts, 0);
	free(parts);
}

/* Another was first: his are the directory's. */
static const struct base_parts *parts_publish(struct base_dir *d, struct base_parts *parts)
{
	struct base_parts *there = NULL;

	if (atomic_compare_exchange_strong(&d->parts, &there, parts))
		return parts;
	parts_free(parts);
	return there;
}

/*
 * What the directory itself says of part i: flags, and what it does to those
 * after it. Not the file that makes it opaque: who reads the directory sees that.
 */
static int parts_inspect(struct base *b, struct base_dir *d, struct base_parts **parts, size_t i, int fd)
{
	struct base_marks marks;
	int rc = base_marks_read(b, fd, "", &marks);

	if (rc)
		return rc;
	(*parts)->part[i].xwhite = marks.xwhite;
	(*parts)->part[i].overlay = marks.overlay;
	if (marks.opaque)
		base_parts_cut(*parts, i + 1);
	else if (marks.redirect && d->parent)
		rc = base_redirect_follow(b, d, parts, i, marks.redirect);
	free(marks.redirect);
	return rc;
}

/* Keeps a walk's descriptor for later, unless it is a root's, which is open anyway. */
static void walk_keep(struct base *b, struct base_dir *d, uint16_t layer, int *fd)
{
	if (*fd >= 0 && d->parent)
		base_fds_put(b, base_fds_add(b, d, layer, vn_steal_fd(fd)));
}

/* One part of a walk. `fresh`: the parts are being found out. Cuts them when the part is opaque. */
static int walk_part(struct base *b, struct base_dir *d, struct base_parts **parts, size_t i, bool fresh,
		     base_walk_fn fn, void *arg)
{
	uint16_t layer = (*parts)->part[i].layer;
	vn_autoclose int fd = at_open(b, d, layer, (*parts)->part[i].path);
	int rc = 0;

	if (fd < 0 && fd != -EXDEV)
		return fd;
	if (fresh && fd >= 0)
		rc = parts_inspect(b, d, parts, i, fd);
	if (rc)
		return rc;
	if (fn) {
		struct base_walk_part p = {fd, &(*parts)->part[i], i == 0, i + 1 == (*parts)->n};

		rc = fn(arg, &p);
	} else if (fd >= 0 && i + 1 < (*parts)->n && base_marks_opaque_file(fd)) {
		rc = BASE_WALK_OPAQUE;
	}
	walk_keep(b, d, layer, &fd);
	if (rc == BASE_WALK_OPAQUE) {
		if (fresh)
			base_parts_cut(*parts, i + 1);
		rc = 0;
	}
	return rc;
}

static int walk_fresh(struct base *b, struct base_dir *d, base_walk_fn fn, void *arg)
{
	struct base_parts *parts = parts_start(d);

	if (!parts)
		return -ENOMEM;
	for (size_t i = 0; i < parts->n; i++) {
		int rc = walk_part(b, d, &parts, i, true, fn, arg);

		if (rc) {
			parts_free(parts);
			return rc;
		}
	}
	parts_publish(d, parts);
	return 0;
}

int base_walk(struct base *b, struct base_dir *d, base_walk_fn fn, void *arg)
{
	struct base_parts *parts = atomic_load_explicit(&d->parts, memory_order_acquire);

	if (!parts)
		return walk_fresh(b, d, fn, arg);
	for (size_t i = 0; i < parts->n; i++) {
		int rc = walk_part(b, d, &parts, i, false, fn, arg);

		if (rc)
			return rc;
	}
	return 0;
}

int base_parts_get(struct base *b, struct base_dir *d, const struct base_parts **out)
{
	struct base_parts *parts = atomic_load_explicit(&d->parts, memory_order_acquire);

	if (!parts && (parts = base_kept_parts(b, d))) {
		*out = parts_publish(d, parts);
		return 0;
	}
	if (!parts) {
		int rc = walk_fresh(b, d, NULL, NULL);

		if (rc)
			return rc;
		parts = atomic_load_explicit(&d->parts, memory_order_acquire);
	}
	*out = parts;
	return 0;
}

int base_part_find(struct base *b, struct base_dir *d, uint16_t layer, const struct base_part **out)
{
	const struct base_parts *parts;
	int rc = base_parts_get(b, d, &parts);
	size_t lo = 0, hi;

	if (rc)
		return rc;
	for (hi = parts->n; lo < hi;) {
		size_t mid = (lo + hi) / 2;

		if (parts->part[mid].layer < layer)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == parts->n || parts->part[lo].layer != layer)
		return -ESTALE;
	*out = &parts->part[lo];
	return 0;
}
