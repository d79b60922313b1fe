// SPDX-License-Identifier: Apache-2.0
/*
 * Does what the rows stand on still exist in the base? A row with an origin
 * shows an object of the base with changes: the object must be there, be of the
 * same type, and hold the bytes that the row reads below. What is found wrong here
 * was caused by somebody who changed a lower directory.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "overlay/tree.h"

struct check {
	struct ovl_tree *t;
	ovl_problem_fn problem;
	void *arg;
	int n;
};

/* An object of the base. */
struct check_base {
	struct check *c;
	struct base_dir *dir;
	const char *name;
	size_t len;
	uint32_t type;
	uint64_t size;
	int r; /* of base_attr */
};

static void check_say(struct check *c, const char *path, const char *what)
{
	vn_autofree char *text = NULL;

	c->n++;
	if (c->problem && asprintf(&text, "'%s', which the layer changes, %s in the lower directories", path, what) >= 0)
		c->problem(c->arg, text);
	else
		text = NULL;
}

static int check_found(void *arg, const struct base_entry *e)
{
	struct check_base *b = arg;
	struct vn_attr attr;

	b->type = e->type;
	if (e->type != DT_REG)
		return 0;
	b->r = base_attr(b->c->t->base, b->dir, b->name, b->len, e->layer, &attr);
	b->size = b->r ? 0 : attr.size;
	return 0;
}

/* -ENOENT: the base has no such name. */
static int check_look(struct check_base *b, const char *path, size_t len)
{
	const char *slash = memrchr(path, '/', len);
	int r = base_resolve_dir(b->c->t->base, path, slash ? (size_t)(slash - path) : 0, &b->dir);

	if (r)
		return r == -ENOTDIR ? -ENOENT : r;
	b->name = slash ? slash + 1 : path;
	b->len = len - (size_t)(b->name - path);
	r = base_lookup(b->c->t->base, b->dir, b->name, b->len, check_found, b);
	base_dir_put(b->c->t->base, b->dir);
	return r ? r : b->r;
}

/* Bytes that the row reads in the base. */
static uint64_t check_needs(const struct store_inode *row)
{
	bool below = S_ISREG(row->mode) && !row->source && (row->state == STORE_BELOW || row->state == STORE_PARTIAL);

	return below ? row->below : 0;
}

static int check_inode(void *arg, const struct store_inode *row)
{
	struct check *c = arg;
	struct check_base b = {.c = c};
	vn_autofree char *path = NULL;
	int r;

	if (!row->origin || !row->origin_len)
		return 0;
	r = check_look(&b, row->origin, row->origin_len);
	path = strndup(row->origin, row->origin_len);
	if (!path || (r && r != -ENOENT))
		return path ? r : -ENOMEM;
	/* What is read in the data file alone does not miss the object below. */
	if (r && (S_ISDIR(row->mode) || check_needs(row)))
		check_say(c, path, "is missing now");
	else if (!r && b.type != IFTODT(row->mode) && (S_ISDIR(row->mode) || check_needs(row)))
		check_say(c, path, "is of another type now");
	else if (!r && check_needs(row) > b.size)
		check_say(c, path, "is shorter now");
	return 0;
}

int ovl_check(struct ovl_tree *t, ovl_problem_fn problem, void *arg)
{
	struct check c = {.t = t, .problem = problem, .arg = arg};
	int r = t->store ? store_scan_inodes(t->store, check_inode, &c) : 0;

	return r < 0 ? r : c.n;
}
