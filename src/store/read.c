// SPDX-License-Identifier: Apache-2.0
/*
 * Reading, merged over the head and the sealed deltas: the newest delta that has
 * a row wins. Rows are gathered while a connection is held; the caller's
 * functions are called after it was given back, so they may read further.
 */
#include "store/state.h"

#include "base/hash.h"
#include "base/scope.h"
#include "store/sqlerr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- one row ---- */

/* A statement of one delta with its connection held. */
struct read {
	struct delta *delta;
	struct reader_conn conn;
	sqlite3_stmt *st;
};

static int read_begin(struct read *r, struct delta *d, enum reader_stmt i, uint64_t key)
{
	int rc = reader_get(d->reader, &r->conn);

	if (rc)
		return rc;
	r->delta = d;
	rc = reader_stmt(&r->conn, i, &r->st);
	if (rc)
		reader_put(d->reader, &r->conn);
	else if (sqlite3_bind_parameter_count(r->st))
		sqlite3_bind_int64(r->st, 1, (sqlite3_int64)key);
	return rc;
}

/* 1: a row, 0: no more. */
static int read_step(struct read *r)
{
	int rc = sqlite3_step(r->st);

	return rc == SQLITE_ROW ? 1 : sqlerr_errno(rc, r->conn.db);
}

static void read_end(struct read *r)
{
	reader_put(r->delta->reader, &r->conn);
}

static char *read_copy(sqlite3_stmt *st, int column, size_t *len)
{
	const void *p = sqlite3_column_blob(st, column);
	size_t n = (size_t)sqlite3_column_bytes(st, column);
	char *copy = malloc(n + 1);

	if (!copy)
		return NULL;
	if (n)
		memcpy(copy, p, n);
	copy[n] = '\0';
	*len = n;
	return copy;
}

static int read_row(sqlite3_stmt *st, struct store_inode *row)
{
	uint64_t rdev = (uint64_t)sqlite3_column_int64(st, 3);
	int state = sqlite3_column_int(st, 11);

	if (state < STORE_NONE || state > STORE_FULL)
		return -EUCLEAN;
	row->mode = (uint32_t)sqlite3_column_int64(st, 0);
	row->uid = (uint32_t)sqlite3_column_int64(st, 1);
	row->gid = (uint32_t)sqlite3_column_int64(st, 2);
	row->rdev_major = (uint32_t)(rdev >> 32);
	row->rdev_minor = (uint32_t)rdev;
	row->nlink = (uint32_t)sqlite3_column_int64(st, 4);
	row->size = (uint64_t)sqlite3_column_int64(st, 5);
	row->atime = sqlite3_column_int64(st, 6);
	row->mtime = sqlite3_column_int64(st, 7);
	row->ctime = sqlite3_column_int64(st, 8);
	row->btime = sqlite3_column_int64(st, 9);
	row->flags = (uint32_t)sqlite3_column_int64(st, 10);
	row->state = (enum store_data)state;
	row->data = (uint64_t)sqlite3_column_int64(st, 12);
	row->source = (uint64_t)sqlite3_column_int64(st, 13);
	row->below = (uint64_t)sqlite3_column_int64(st, 14);
	row->origin = NULL;
	row->origin_len = 0;
	if (sqlite3_column_type(st, 15) == SQLITE_NULL)
		return 0;
	row->origin = read_copy(st, 15, &row->origin_len);
	return row->origin ? 0 : -ENOMEM;
}

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

static bool read_is_head(const struct store *s, size_t i)
{
	return s->has_head && !i;
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

/* ---- rows gathered in memory ---- */

struct read_item {
	size_t name, name_len;   /* offset into bytes */
	size_t value, value_len;
	uint64_t a, b;
	int kind;
	enum store_sealed sealed;
};

struct read_list {
	struct read_item *items;
	size_t n, cap;
	char *bytes;
	size_t len, size;
	uint32_t *slot; /* names already seen: index + 1; only where several deltas are merged */
	size_t nslot;
};

static void read_list_fini(struct read_list *l)
{
	free(l->items);
	free(l->bytes);
	free(l->slot);
}

static int read_list_bytes(struct read_list *l, const void *p, size_t n, size_t *at)
{
	if (l->len + n + 1 > l->size) {
		size_t size = (l->len + n + 1) * 2;
		char *bytes = realloc(l->bytes, size);

		if (!bytes)
			return -ENOMEM;
		l->bytes = bytes;
		l->size = size;
	}
	if (n)
		memcpy(l->bytes + l->len, p, n);
	l->bytes[l->len + n] = '\0';
	*at = l->len;
	l->len += n + 1;
	return 0;
}

static int read_list_add(struct read_list *l, const struct read_item *item)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 32;
		struct read_item *items = realloc(l->items, cap * sizeof(*items));

		if (!items)
			return -ENOMEM;
		l->items = items;
		l->cap = cap;
	}
	l->items[l->n++] = *item;
	return 0;
}

static int read_column(struct read_list *l, sqlite3_stmt *st, int column, size_t *at, size_t *len)
{
	const void *p = sqlite3_column_blob(st, column);

	*len = (size_t)sqlite3_column_bytes(st, column);
	return read_list_bytes(l, p, *len, at);
}

/* ---- directories ---- */

static int read_slots(struct read_list *l)
{
	size_t nslot = l->nslot ? l->nslot * 2 : 128;
	uint32_t *slot;

	if ((l->n + 1) * 2 <= l->nslot)
		return 0;
	slot = calloc(nslot, sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	for (size_t i = 0; i < l->n; i++) {
		size_t h = vn_hash_name(0, l->bytes + l->items[i].name, l->items[i].name_len) & (nslot - 1);

		while (slot[h])
			h = (h + 1) & (nslot - 1);
		slot[h] = (uint32_t)i + 1;
	}
	free(l->slot);
	l->slot = slot;
	l->nslot = nslot;
	return 0;
}

/* The item of a name, or the slot where its number goes. */
static struct read_item *read_find(struct read_list *l, const char *name, size_t len, size_t *slot)
{
	size_t h = vn_hash_name(0, name, len) & (l->nslot - 1);

	for (; l->slot[h]; h = (h + 1) & (l->nslot - 1)) {
		struct read_item *e = &l->items[l->slot[h] - 1];

		if (e->name_len == len && !memcmp(l->bytes + e->name, name, len))
			return e;
	}
	*slot = h;
	return NULL;
}

/* One row of one delta, from the newest delta down. `merge`: several deltas are looked at. */
static int read_dir_row(struct read_list *l, sqlite3_stmt *st, bool head, bool merge)
{
	const char *name = sqlite3_column_blob(st, 0);
	size_t len = (size_t)sqlite3_column_bytes(st, 0), slot = 0;
	struct read_item item = { .a = (uint64_t)sqlite3_column_int64(st, 1), .name_len = len };
	enum store_sealed sealed = item.a ? STORE_SEALED_NAME : STORE_SEALED_WHITEOUT;
	struct read_item *old;
	int rc = merge ? read_slots(l) : 0;

	if (rc)
		return rc;
	old = merge ? read_find(l, name, len, &slot) : NULL;
	if (old) {
		if (old->sealed == STORE_SEALED_NOTHING)
			old->sealed = sealed;
		return 0;
	}
	item.sealed = head ? STORE_SEALED_NOTHING : sealed;
	rc = read_list_bytes(l, name, len, &item.name);
	if (!rc)
		rc = read_list_add(l, &item);
	if (!rc && merge)
		l->slot[slot] = (uint32_t)l->n;
	return rc;
}

static int read_dir_of(struct store *s, size_t i, uint64_t parent, struct read_list *l)
{
	struct read r;
	int rc = read_begin(&r, &s->order[i], READER_DIR, parent);

	if (rc)
		return rc;
	while ((rc = read_step(&r)) > 0) {
		rc = read_dir_row(l, r.st, read_is_head(s, i), s->norder > 1);
		if (rc)
			break;
	}
	read_end(&r);
	return rc;
}

int store_read_dir(struct store *s, uint64_t parent, store_dentry_fn fn, void *arg)
{
	struct read_list l = { .n = 0 };
	int rc = 0;

	for (size_t i = 0; !rc && i < s->norder; i++)
		rc = read_dir_of(s, i, parent, &l);
	for (size_t i = 0; !rc && i < l.n; i++) {
		struct read_item *e = &l.items[i];

		rc = fn(arg, l.bytes + e->name, e->name_len, e->a, e->sealed);
	}
	read_list_fini(&l);
	return rc;
}

/* ---- parents ---- */

/* Does a delta newer than `upto` say anything of this name? */
static int read_name_newer(struct store *s, size_t upto, uint64_t parent, const char *name, size_t len)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < upto; i++) {
		struct read r;

		rc = read_begin(&r, &s->order[i], READER_NAME, parent);
		if (rc)
			return rc;
		sqlite3_bind_blob64(r.st, 2, name, len, SQLITE_STATIC);
		rc = read_step(&r);
		read_end(&r);
	}
	return rc;
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

int store_read_parent(struct store *s, uint64_t ino, uint64_t *parent, char **name)
{
	struct read_list l = { .n = 0 };
	int rc = -ENOENT;

	for (size_t i = 0; rc == -ENOENT && i < s->norder; i++) {
		l.n = l.len = 0;
		rc = read_parents_of(&s->order[i], ino, &l);
		for (size_t k = 0; !rc && k < l.n; k++) {
			rc = read_name_newer(s, i, l.items[k].a, l.bytes + l.items[k].name, l.items[k].name_len);
			if (rc > 0) {
				rc = 0; /* taken away or replaced since */
				continue;
			}
			if (!rc) {
				*parent = l.items[k].a;
				if (name)
					rc = (*name = strdup(l.bytes + l.items[k].name)) ? 0 : -ENOMEM;
				goto out;
			}
		}
		if (!rc)
			rc = -ENOENT;
	}
out:
	read_list_fini(&l);
	return rc;
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
static int read_numbers(struct delta *d, enum reader_stmt i, uint64_t key, struct read_list *l)
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

/* ---- whole tables ---- */

/* Does a delta newer than `upto` have a row of this inode? */
static int read_inode_newer(struct store *s, size_t upto, uint64_t ino)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < upto; i++) {
		struct read r;

		rc = read_begin(&r, &s->order[i], READER_INODE, ino);
		if (rc)
			return rc;
		rc = read_step(&r);
		read_end(&r);
	}
	return rc;
}

static int read_scan_inode(struct store *s, size_t i, sqlite3_stmt *st, store_inode_fn fn, void *arg)
{
	struct store_inode row = { .ino = (uint64_t)sqlite3_column_int64(st, 16) };
	int rc = read_inode_newer(s, i, row.ino);

	if (rc)
		return rc > 0 ? 0 : rc;
	rc = read_row(st, &row);
	if (!rc)
		rc = fn(arg, &row);
	free((char *)row.origin);
	return rc;
}

static int read_scan_dentry(struct store *s, size_t i, sqlite3_stmt *st, store_scan_dentry_fn fn, void *arg)
{
	uint64_t parent = (uint64_t)sqlite3_column_int64(st, 0);
	const char *name = sqlite3_column_blob(st, 1);
	size_t len = (size_t)sqlite3_column_bytes(st, 1);
	int rc = read_name_newer(s, i, parent, name, len);

	if (rc)
		return rc > 0 ? 0 : rc;
	return fn(arg, parent, name, len, (uint64_t)sqlite3_column_int64(st, 2));
}

static int read_scan_delta(struct store *s, size_t i, store_inode_fn fn, void *arg)
{
	struct read r;
	int rc = read_begin(&r, &s->order[i], READER_ALL_INODES, 0);

	if (rc)
		return rc;
	while ((rc = read_step(&r)) > 0 && !(rc = read_scan_inode(s, i, r.st, fn, arg)))
		;
	read_end(&r);
	return rc;
}

int store_scan_inodes(struct store *s, store_inode_fn fn, void *arg)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < s->norder; i++)
		rc = read_scan_delta(s, i, fn, arg);
	return rc;
}

int store_scan_dentries(struct store *s, store_scan_dentry_fn fn, void *arg)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < s->norder; i++) {
		struct read r;

		rc = read_begin(&r, &s->order[i], READER_ALL_DENTRIES, 0);
		if (rc)
			return rc;
		while ((rc = read_step(&r)) > 0 && !(rc = read_scan_dentry(s, i, r.st, fn, arg)))
			;
		read_end(&r);
	}
	return rc;
}

static int read_baseinos_of(struct delta *d, bool merge, struct read_list *l)
{
	struct read r;
	int rc = read_begin(&r, d, READER_BASEINOS, 0);

	if (rc)
		return rc;
	while ((rc = read_step(&r)) > 0) {
		struct read_item item = { .a = (uint64_t)sqlite3_column_int64(r.st, 0) };
		size_t slot = 0;

		rc = read_column(l, r.st, 1, &item.name, &item.name_len);
		if (!rc && merge)
			rc = read_slots(l);
		if (!rc && merge && read_find(l, l->bytes + item.name, item.name_len, &slot))
			continue;
		if (!rc)
			rc = read_list_add(l, &item);
		if (rc)
			break;
		if (merge)
			l->slot[slot] = (uint32_t)l->n;
	}
	read_end(&r);
	return rc;
}

int store_read_baseinos(struct store *s, store_baseino_fn fn, void *arg)
{
	struct read_list l = { .n = 0 };
	int rc = 0;

	for (size_t i = 0; !rc && i < s->norder; i++)
		rc = read_baseinos_of(&s->order[i], s->norder > 1, &l);
	for (size_t i = 0; !rc && i < l.n; i++)
		rc = fn(arg, l.items[i].a, l.bytes + l.items[i].name, l.items[i].name_len);
	read_list_fini(&l);
	return rc;
}

int store_read_seen(struct store *s, uint64_t ino, char **path)
{
	struct read r;
	size_t len;
	int rc = s->has_head ? read_begin(&r, &s->order[0], READER_SEEN, ino) : -ENOENT;

	if (rc)
		return rc;
	rc = read_step(&r);
	if (rc > 0)
		rc = (*path = read_copy(r.st, 0, &len)) ? 0 : -ENOMEM;
	else if (!rc)
		rc = -ENOENT;
	read_end(&r);
	return rc;
}

int store_read_orphans(struct store *s, store_orphan_fn fn, void *arg)
{
	struct read_list l = { .n = 0 };
	int rc = s->has_head ? read_numbers(&s->order[0], READER_ORPHANS, 0, &l) : 0;

	for (size_t i = 0; !rc && i < l.n; i++)
		rc = fn(arg, l.items[i].a, l.items[i].b);
	read_list_fini(&l);
	return rc;
}
