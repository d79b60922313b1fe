// SPDX-License-Identifier: Apache-2.0
/* Rows of one inode: the inode itself, its names, xattrs, target, extents. */
#include "store/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int read_inode_of(struct delta *d, uint64_t ino, struct store_inode *row)
{
	struct read r;
	int rc = read_begin(&r, d, READER_INODE, ino);

	if (rc)
		return rc;
	rc = read_step(&r);
	if (rc > 0) {
		row->ino = ino;
		rc = read_row(r.st, row);
	} else if (!rc) {
		rc = -ENOENT;
	}
	read_end(&r);
	return rc;
}

int store_read_inode(struct store *s, uint64_t ino, struct store_inode *row, uint64_t *delta)
{
	int rc = -ENOENT;

	for (size_t i = 0; rc == -ENOENT && i < s->norder; i++) {
		rc = read_inode_of(&s->order[i], ino, row);
		if (!rc && delta)
			*delta = read_is_head(s, i) ? 0 : s->order[i].id;
	}
	return rc;
}

int store_read_inode_at(struct store *s, uint64_t delta, uint64_t ino, struct store_inode *row)
{
	struct delta *d = store_delta(s, delta);

	return d ? read_inode_of(d, ino, row) : -ENOENT;
}

/* ---- parents ---- */

int read_name_between(struct store *s, size_t from, size_t upto, uint64_t parent, const char *name, size_t len)
{
	int rc = 0;

	for (size_t i = from; !rc && i < upto; i++) {
		struct read r;

		rc = read_begin(&r, &s->order[i], READER_NAME, parent);
		if (rc)
			return rc;
		rc = read_step_name(&r, name, len);
		read_end(&r);
	}
	return rc;
}

int store_read_name(struct store *s, uint64_t parent, const char *name, size_t len, uint64_t *ino)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < s->norder; i++) {
		struct read r;

		rc = read_begin(&r, &s->order[i], READER_NAME, parent);
		if (rc)
			return rc;
		rc = read_step_name(&r, name, len);
		if (rc > 0)
			*ino = (uint64_t)sqlite3_column_int64(r.st, 0);
		read_end(&r);
	}
	return rc > 0 ? 0 : rc ? rc : -ENOENT;
}

static int read_parents_of(struct delta *d, uint64_t ino, struct read_list *l)
{
	struct read r;
	int rc = read_begin(&r, d, READER_PARENT, ino);

	if (rc)
		return rc;
	while ((rc = read_step(&r)) > 0) {
		struct read_item item = { .a = (uint64_t)sqlite3_column_int64(r.st, 0) };

		rc = read_column(l, r.st, 1, &item.name, &item.name_len);
		if (!rc)
			rc = read_list_add(l, &item);
		if (rc)
			break;
	}
	read_end(&r);
	return rc;
}

int store_read_names(struct store *s, uint64_t ino, store_name_fn fn, void *arg)
{
	struct read_list l = { .n = 0 };
	int rc = 0;

	for (size_t i = 0; !rc && i < s->norder; i++) {
		l.n = l.len = 0;
		rc = read_parents_of(&s->order[i], ino, &l);
		for (size_t k = 0; !rc && k < l.n; k++) {
			const char *name = l.bytes + l.items[k].name;

			rc = read_name_between(s, 0, i, l.items[k].a, name, l.items[k].name_len);
			if (rc > 0)
				rc = 0; /* taken away or replaced since */
			else if (!rc)
				rc = fn(arg, l.items[k].a, name);
		}
	}
	read_list_fini(&l);
	return rc;
}

struct read_parent {
	uint64_t parent;
	char *name;
};

static int read_first_name(void *arg, uint64_t parent, const char *name)
{
	struct read_parent *p = arg;

	p->parent = parent;
	p->name = strdup(name);
	return p->name ? 1 : -ENOMEM;
}

int store_read_parent(struct store *s, uint64_t ino, uint64_t *parent, char **name)
{
	struct read_parent p;
	int rc = store_read_names(s, ino, read_first_name, &p);

	if (rc <= 0)
		return rc ? rc : -ENOENT;
	*parent = p.parent;
	if (name)
		*name = p.name;
	else
		free(p.name);
	return 0;
}

/* ---- xattrs, symlinks, extents ---- */

static int read_xattrs_of(struct delta *d, uint64_t ino, struct read_list *l)
{
	struct read r;
	int rc = read_begin(&r, d, READER_XATTRS, ino);

	if (rc)
		return rc;
	while ((rc = read_step(&r)) > 0) {
		struct read_item item = { .a = 0 };

		rc = read_column(l, r.st, 0, &item.name, &item.name_len);
		if (!rc)
			rc = read_column(l, r.st, 1, &item.value, &item.value_len);
		if (!rc)
			rc = read_list_add(l, &item);
		if (rc)
			break;
	}
	read_end(&r);
	return rc;
}

/* The newest delta in which the inode has xattrs of its own; -ENOENT. */
static int read_xattr_owner(struct store *s, uint64_t ino, struct delta **owner)
{
	for (size_t i = 0; i < s->norder; i++) {
		struct read r;
		int rc = read_begin(&r, &s->order[i], READER_INODE, ino);
		bool own;

		if (rc)
			return rc;
		rc = read_step(&r);
		own = rc > 0 && sqlite3_column_int64(r.st, 10) & STORE_XATTR_OWN;
		read_end(&r);
		if (rc < 0)
			return rc;
		if (own) {
			*owner = &s->order[i];
			return 0;
		}
	}
	return -ENOENT;
}

int store_read_xattrs(struct store *s, uint64_t ino, store_xattr_fn fn, void *arg)
{
	struct read_list l = { .n = 0 };
	struct delta *owner = NULL;
	int rc = read_xattr_owner(s, ino, &owner);

	if (!rc)
		rc = read_xattrs_of(owner, ino, &l);
	for (size_t i = 0; !rc && i < l.n; i++)
		rc = fn(arg, l.bytes + l.items[i].name, l.bytes + l.items[i].value, l.items[i].value_len);
	read_list_fini(&l);
	return rc;
}

static ssize_t read_symlink_of(struct delta *d, uint64_t ino, char *buf, size_t size)
{
	struct read r;
	ssize_t rc = read_begin(&r, d, READER_SYMLINK, ino);

	if (rc)
		return rc;
	rc = read_step(&r);
	if (rc > 0) {
		size_t n = (size_t)sqlite3_column_bytes(r.st, 0);

		rc = (ssize_t)(n < size ? n : size);
		if (rc)
			memcpy(buf, sqlite3_column_blob(r.st, 0), (size_t)rc);
	} else if (!rc) {
		rc = -ENOENT;
	}
	read_end(&r);
	return rc;
}

ssize_t store_read_symlink(struct store *s, uint64_t ino, char *buf, size_t size)
{
	ssize_t rc = -ENOENT;

	for (size_t i = 0; rc == -ENOENT && i < s->norder; i++)
		rc = read_symlink_of(&s->order[i], ino, buf, size);
	return rc;
}

/* Gathers three integer columns of every row. */
int read_numbers(struct delta *d, enum reader_stmt i, uint64_t key, struct read_list *l)
{
	struct read r;
	int rc = read_begin(&r, d, i, key);

	if (rc)
		return rc;
	while ((rc = read_step(&r)) > 0) {
		struct read_item item = { .a = (uint64_t)sqlite3_column_int64(r.st, 0),
					  .b = (uint64_t)sqlite3_column_int64(r.st, 1) };

		if (sqlite3_column_count(r.st) > 2)
			item.kind = sqlite3_column_int(r.st, 2);
		rc = read_list_add(l, &item);
		if (rc)
			break;
	}
	read_end(&r);
	return rc;
}

int store_read_extents(struct store *s, uint64_t delta, uint64_t ino, store_extent_fn fn, void *arg)
{
	struct delta *d = store_delta(s, delta);
	struct read_list l = { .n = 0 };
	int rc = d ? read_numbers(d, READER_EXTENTS, ino, &l) : -ENOENT;

	for (size_t i = 0; !rc && i < l.n; i++)
		rc = fn(arg, l.items[i].a, l.items[i].b, l.items[i].kind);
	read_list_fini(&l);
	return rc;
}
