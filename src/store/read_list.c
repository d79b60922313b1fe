// SPDX-License-Identifier: Apache-2.0
/* Statements of one delta, and lists of rows; see read.h. */
#include "store/read.h"

#include "base/hash.h"
#include "store/sqlerr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- one row ---- */

int read_begin(struct read *r, struct delta *d, enum reader_stmt i, uint64_t key)
{
	int rc;

	r->delta = d;
	r->st = NULL;
	if (__atomic_load_n(&d->blank, __ATOMIC_ACQUIRE))
		return 0;
	rc = reader_get(d->reader, &r->conn);
	if (rc)
		return rc;
	rc = reader_stmt(&r->conn, i, &r->st);
	if (rc)
		reader_put(d->reader, &r->conn);
	else if (sqlite3_bind_parameter_count(r->st))
		sqlite3_bind_int64(r->st, 1, (sqlite3_int64)key);
	return rc;
}

/* 1: a row, 0: no more. */
int read_step(struct read *r)
{
	int rc;

	if (!r->st)
		return 0;
	rc = sqlite3_step(r->st);
	return rc == SQLITE_ROW ? 1 : sqlerr_errno(rc, r->conn.db);
}

int read_step_name(struct read *r, const char *name, size_t len)
{
	if (r->st)
		sqlite3_bind_blob64(r->st, 2, name, len, SQLITE_STATIC);
	return read_step(r);
}

void read_end(struct read *r)
{
	if (r->st)
		reader_put(r->delta->reader, &r->conn);
}

char *read_copy(sqlite3_stmt *st, int column, size_t *len)
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

int read_row(sqlite3_stmt *st, struct store_inode *row)
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

/* ---- rows gathered in memory ---- */

void read_list_fini(struct read_list *l)
{
	free(l->items);
	free(l->bytes);
	free(l->slot);
}

int read_list_bytes(struct read_list *l, const void *p, size_t n, size_t *at)
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

int read_list_add(struct read_list *l, const struct read_item *item)
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

int read_column(struct read_list *l, sqlite3_stmt *st, int column, size_t *at, size_t *len)
{
	const void *p = sqlite3_column_blob(st, column);

	*len = (size_t)sqlite3_column_bytes(st, column);
	return read_list_bytes(l, p, *len, at);
}

int read_slots(struct read_list *l)
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
struct read_item *read_find(struct read_list *l, const char *name, size_t len, size_t *slot)
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
