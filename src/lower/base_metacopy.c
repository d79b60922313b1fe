// SPDX-License-Identifier: Apache-2.0
/*
 * Metacopies: files of an overlay's upper directory that have attributes only,
 * their data being in a layer that the overlay found by other means. Read as
 * they are they would be zeros, so they are refused.
 *
 * At mount a layer is searched only if its root shows that an overlay has
 * worked in it, only through directories that show it too (an overlay marks the
 * parent of what it copies up), and at most CHECK_MAX entries in all. What is
 * not met there is found when the file is looked at.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/scope.h"
#include "lower/base_parts.h"

#define CHECK_MAX 2000

/* A directory still to be looked into. */
struct check_dir {
	struct check_dir *next;
	char path[]; /* below the layer's root */
};

struct check {
	struct base *b;
	uint16_t layer;
	struct base_part part;
	int fd;
	const char *path; /* of the directory that is being read */
	struct check_dir *todo;
	unsigned left;
	struct vn_err *err;
};

static int check_push(struct check *c, const char *dir, const char *name)
{
	size_t size = strlen(dir) + strlen(name) + 2;
	struct check_dir *d = malloc(sizeof(*d) + size);

	if (!d)
		return -ENOMEM;
	snprintf(d->path, size, "%s%s%s", dir, *dir ? "/" : "", name);
	d->next = c->todo;
	c->todo = d;
	return 0;
}

static int check_file(struct check *c, const char *name)
{
	struct layer_stat st;
	int rc = layer_stat(c->fd, name, &st);

	if (!rc)
		rc = base_marks_metacopy(c->b, &c->part, c->fd, name, &st);
	if (rc != 1)
		return 0; /* what cannot be looked at here is not what is being looked for */
	return vn_err_set(c->err, -EOPNOTSUPP,
			  "%s/%s%s%s has its attributes only (an overlay's metacopy), which is not supported; mount the "
			  "overlay that made it and copy the file out",
			  c->b->layers[c->layer].path, c->path, *c->path ? "/" : "", name);
}

static int check_dent(void *arg, const struct layer_dent *e)
{
	struct check *c = arg;

	if (c->left == 0 || --c->left == 0)
		return 1;
	if (e->type == DT_DIR)
		return check_push(c, c->path, e->name);
	return e->type == DT_REG || e->type == DT_UNKNOWN ? check_file(c, e->name) : 0;
}

static int check_one(struct check *c, const char *path)
{
	struct layer *l = &c->b->layers[c->layer];
	vn_autoclose int fd = layer_open_dir(l, l->fd, path);
	struct base_marks marks;

	if (fd < 0 || base_marks_read(c->b, fd, "", &marks))
		return 0;
	free(marks.redirect);
	c->part.overlay = true;
	c->fd = fd;
	c->path = path;
	return marks.overlay ? layer_read_dir(fd, check_dent, c) : 0;
}

static int check_layer(struct check *c)
{
	int rc = check_push(c, "", "");

	while (c->todo) {
		struct check_dir *d = c->todo;

		c->todo = d->next;
		if (!rc && c->left)
			rc = check_one(c, d->path);
		if (rc > 0 || rc == -EACCES)
			rc = 0;
		free(d);
	}
	return rc;
}

int base_metacopy_check(struct base *b, struct vn_err *err)
{
	struct check c = {.b = b, .left = CHECK_MAX, .err = err};
	int rc = 0;

	for (size_t i = 0; i < b->nlayers && !rc; i++) {
		c.layer = c.part.layer = (uint16_t)i;
		if (!b->noxattr && b->layers[i].overlay)
			rc = check_layer(&c);
	}
	if (rc && rc != -EOPNOTSUPP)
		vn_err_sys(err, rc, "cannot look into the lower directory %s", b->layers[c.layer].path);
	return rc;
}

void base_metacopy_tell(struct base *b, const struct base_dir *d, const char *name, uint16_t layer)
{
	char path[PATH_MAX];
	ssize_t n;

	if (atomic_exchange(&b->told_metacopy, true))
		return;
	n = base_dir_path(d, path, sizeof(path));
	vn_error("%s%s%s of the lower %s has its attributes only (an overlay's metacopy), which is not supported: using it "
		 "fails; mount the overlay that made it and copy the file out",
		 n > 0 ? path : "", n > 0 ? "/" : "", name, b->layers[layer].path);
}
