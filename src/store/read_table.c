// SPDX-License-Identifier: Apache-2.0
/* Directories and whole tables, merged over all deltas. */
#include "store/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
	int rc = read_name_between(s, 0, i, parent, name, len);

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

/* How many deltas are newer than this one. */
static int read_place(struct store *s, uint64_t since, size_t *n)
{
	const struct delta *d = since ? store_delta(s, since) : NULL;

	*n = d ? (size_t)(d - s->order) : 0;
	return d ? 0 : -ENOENT;
}

static int read_scan_inodes(struct store *s, size_t n, store_inode_fn fn, void *arg)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < n; i++)
		rc = read_scan_delta(s, i, fn, arg);
	return rc;
}

int store_scan_inodes(struct store *s, store_inode_fn fn, void *arg)
{
	return read_scan_inodes(s, s->norder, fn, arg);
}

int store_scan_inodes_since(struct store *s, uint64_t since, store_inode_fn fn, void *arg)
{
	size_t n;
	int rc = read_place(s, since, &n);

	return rc ? rc : read_scan_inodes(s, n, fn, arg);
}

static int read_scan_dentries(struct store *s, size_t n, store_scan_dentry_fn fn, void *arg)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < n; i++) {
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

int store_scan_dentries(struct store *s, store_scan_dentry_fn fn, void *arg)
{
	return read_scan_dentries(s, s->norder, fn, arg);
}

int store_scan_dentries_since(struct store *s, uint64_t since, store_scan_dentry_fn fn, void *arg)
{
	size_t n;
	int rc = read_place(s, since, &n);

	return rc ? rc : read_scan_dentries(s, n, fn, arg);
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

int store_read_orphan(struct store *s, uint64_t ino, uint64_t *session)
{
	struct read r;
	int rc = s->has_head ? read_begin(&r, &s->order[0], READER_ORPHAN, ino) : -ENOENT;

	if (rc)
		return rc;
	rc = read_step(&r);
	if (rc > 0)
		*session = (uint64_t)sqlite3_column_int64(r.st, 0);
	read_end(&r);
	return rc > 0 ? 0 : rc ? rc : -ENOENT;
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
