// SPDX-License-Identifier: Apache-2.0
/*
 * Redirects. A directory that was renamed in an overlay carries the path that
 * it has in the layers below: absolute from the overlay's root, or one name in
 * the same parent.
 *
 * An absolute path is looked for in every layer below from that layer's root,
 * a relative one in the layers of the parent only (or, in a directory that was
 * found by an absolute path, as an absolute one beside it). On the way down a layer the
 * usual rules hold: a whiteout or a file hides what the layers below have
 * there, an opaque directory too, and a directory on the way that was itself
 * redirected changes the path for the layers below it.
 */
#include "lower/base_redirect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/scope.h"
#include "lower/marker.h"

/* What one layer says of a path. */
struct probe {
	bool found;  /* the layer has it as a directory */
	bool hidden; /* the layers below have it no more */
};

/* A search from layer to layer. */
struct search {
	struct base *b;
	struct base_parts **parts;
	size_t cap;
	bool far;
	char path[PATH_MAX]; /* below the layers' roots; redirects on the way change it */
};

/* Appends a part; the vector grows by doubling. */
static int search_add(struct search *s, uint16_t layer, const char *path)
{
	struct base_parts *parts = *s->parts;
	char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	if (parts->n == s->cap) {
		size_t cap = s->cap * 2;

		parts = realloc(parts, sizeof(*parts) + cap * sizeof(parts->part[0]));
		if (!parts) {
			free(copy);
			return -ENOMEM;
		}
		*s->parts = parts;
		s->cap = cap;
	}
	parts->part[parts->n++] = (struct base_part){.layer = layer, .far = s->far, .path = copy};
	return 0;
}

/*
 * Steps from dirfd into name. Returns a descriptor; -ENOENT when the layer has no
 * such directory (out says whether it hides those below).
 */
static int probe_step(struct search *s, uint16_t layer, int dirfd, const char *name, struct probe *out)
{
	struct base_part here = {.layer = layer};
	struct base_marks marks;
	struct layer_stat st;
	int fd, rc = layer_stat(dirfd, name, &st);

	if (rc == -ENOENT && base_marks_whiteout_file(dirfd, name, strlen(name)))
		out->hidden = true;
	if (rc)
		return rc;
	rc = base_marks_read(s->b, dirfd, ".", &marks);
	if (rc)
		return rc;
	free(marks.redirect);
	here.xwhite = marks.xwhite;
	rc = base_marks_whiteout(s->b, &here, dirfd, name, &st);
	if (rc < 0)
		return rc;
	if (rc || !S_ISDIR(st.attr.mode)) {
		out->hidden = true;
		return -ENOENT;
	}
	if (base_marks_whiteout_file(dirfd, name, strlen(name)))
		out->hidden = true;
	if (base_is_excluded(s->b, &st))
		return -ENOENT;
	fd = layer_open_dir(&s->b->layers[layer], dirfd, name);
	return fd == -EXDEV ? -ENOENT : fd;
}

/*
 * A directory on the way was renamed too: the layers below know it, and with
 * it the rest of the path, elsewhere. at: where in the path the component
 * begins, end: behind it.
 */
static int probe_renamed(struct search *s, size_t at, size_t end, const char *redirect)
{
	char path[PATH_MAX];
	int n;

	if (*redirect == '/')
		n = snprintf(path, sizeof(path), "%s%s", redirect + 1, s->path + end);
	else
		n = snprintf(path, sizeof(path), "%.*s%s%s", (int)at, s->path, redirect, s->path + end);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(s->path, path, (size_t)n + 1);
	return 0;
}

/* A directory on the way (not the last one): does it hide or rename what the layers below have? */
static int probe_between(struct search *s, int fd, size_t at, size_t end, struct probe *out)
{
	struct base_marks marks;
	int rc = base_marks_read(s->b, fd, "", &marks);

	if (rc)
		return rc;
	if (marks.opaque || base_marks_opaque_file(fd))
		out->hidden = true;
	else if (marks.redirect)
		rc = probe_renamed(s, at, end, marks.redirect);
	free(marks.redirect);
	return rc;
}

/* Looks for s->path in a layer. s->path may be another one afterwards: that of the layers below. */
static int probe_layer(struct search *s, uint16_t layer, struct probe *out)
{
	vn_autoclose int own = -1;
	int dirfd = s->b->layers[layer].fd;
	char path[PATH_MAX];
	size_t at = 0;

	*out = (struct probe){0};
	strlcpy(path, s->path, sizeof(path));
	for (;;) {
		size_t len = strcspn(path + at, "/");
		bool last = path[at + len] == '\0';
		int next, rc;

		path[at + len] = '\0';
		next = probe_step(s, layer, dirfd, path + at, out);
		if (next < 0)
			return next == -ENOENT ? 0 : next;
		vn_scope_close(&own);
		own = dirfd = next;
		if (last)
			break;
		path[at + len] = '/';
		rc = probe_between(s, dirfd, at, at + len, out);
		if (rc)
			return rc;
		at += len + 1;
	}
	out->found = true;
	return 0;
}

static int follow_absolute(struct search *s, uint16_t below)
{
	for (size_t layer = below; layer < s->b->nlayers; layer++) {
		char here[PATH_MAX];
		struct probe found;
		int rc;

		strlcpy(here, s->path, sizeof(here));
		rc = probe_layer(s, (uint16_t)layer, &found);
		if (!rc && found.found)
			rc = search_add(s, (uint16_t)layer, here);
		if (rc || found.hidden)
			return rc;
	}
	return 0;
}

int base_part_path(struct base *b, struct base_dir *d, uint16_t layer, char *buf, size_t size)
{
	const struct base_part *p;
	char rest[PATH_MAX] = "";
	int n, rc;

	for (; d->parent; d = d->parent) {
		char longer[PATH_MAX];

		rc = base_part_find(b, d, layer, &p);
		if (rc)
			return rc;
		n = snprintf(longer, sizeof(longer), "%s%s%s", p->path ? p->path : d->name, *rest ? "/" : "", rest);
		if (n < 0 || (size_t)n >= sizeof(longer))
			return -ENAMETOOLONG;
		memcpy(rest, longer, (size_t)n + 1);
		if (p->path)
			break;
	}
	return strlcpy(buf, rest, size) >= size ? -ENAMETOOLONG : 0;
}

/* One layer of the parent: has it the name? */
static int follow_relative_in(struct search *s, struct base_dir *parent, uint16_t layer, const char *name, struct probe *out)
{
	struct base_at at;
	int fd, rc = base_at_dir(s->b, parent, layer, &at);

	*out = (struct probe){0};
	if (rc)
		return rc == -EXDEV ? 0 : rc;
	fd = probe_step(s, layer, at.fd, name, out);
	base_at_put(s->b, &at);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	close(fd);
	out->found = true;
	return 0;
}

static int follow_relative(struct search *s, struct base_dir *parent, uint16_t below, const char *name)
{
	const struct base_parts *up;
	int rc = base_parts_get(s->b, parent, &up);

	for (size_t i = 0; !rc && i < up->n; i++) {
		uint16_t layer = up->part[i].layer;
		struct probe found;
		size_t len;

		if (layer < below)
			continue;
		rc = follow_relative_in(s, parent, layer, name, &found);
		if (!rc && found.found) {
			rc = base_part_path(s->b, parent, layer, s->path, sizeof(s->path));
			len = rc ? 0 : strlen(s->path);
			if (!rc &&
			    (size_t)snprintf(s->path + len, sizeof(s->path) - len, "%s%s", len ? "/" : "", name) >=
				    sizeof(s->path) - len)
				rc = -ENAMETOOLONG;
			if (!rc)
				rc = search_add(s, layer, s->path);
		}
		if (rc || found.hidden)
			return rc;
	}
	return rc;
}

/* Puts the path, absolute in the layers below, into the search. */
static int follow_path(struct search *s, const struct base_part *from, const char *redirect)
{
	const char *slash = *redirect == '/' ? NULL : strrchr(from->path, '/');
	int dir = slash ? (int)(slash + 1 - from->path) : 0;
	int n = snprintf(s->path, sizeof(s->path), "%.*s%s", dir, slash ? from->path : "", redirect + (*redirect == '/'));

	return n < 0 || (size_t)n >= sizeof(s->path) ? -ENAMETOOLONG : 0;
}

int base_redirect_follow(struct base *b, struct base_dir *d, struct base_parts **parts, size_t i, const char *redirect)
{
	struct search s = {.b = b, .parts = parts, .cap = d->nlayers};
	const struct base_part *from = &(*parts)->part[i];
	uint16_t below = (uint16_t)(from->layer + 1);
	int rc;

	if (s.cap < (*parts)->n)
		s.cap = (*parts)->n; /* it grew when an earlier part was followed */
	base_parts_cut(*parts, i + 1);
	s.far = *redirect == '/' || from->far;
	if (!s.far)
		return follow_relative(&s, d->parent, below, redirect);
	rc = follow_path(&s, from, redirect);
	return rc ? rc : follow_absolute(&s, below);
}
