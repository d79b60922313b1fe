// SPDX-License-Identifier: Apache-2.0
/*
 * The bytes of a file that has a row in both deltas and is read through the
 * newer one: what `old` has shows where `new` has nothing of its own, up to
 * where `new` still reads below.
 */
#include "store/merge.h"

#include "store/data.h"
#include "store/sqlerr.h"

#include "base/copy.h"
#include "base/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct merge_extent {
	uint64_t start, end;
	int kind;
};

struct merge_extents {
	struct merge_extent *items;
	size_t n;
	bool data;
};

static int merge_extents_add(struct merge_extents *l, uint64_t start, uint64_t end, int kind)
{
	struct merge_extent *p;

	if (start >= end)
		return 0;
	p = realloc(l->items, (l->n + 1) * sizeof(*p));
	if (!p)
		return -ENOMEM;
	l->items = p;
	p[l->n++] = (struct merge_extent){ start, end, kind };
	l->data |= kind == STORE_EXTENT_DATA;
	return 0;
}

static int merge_extents_fn(void *arg, uint64_t start, uint64_t length, int kind)
{
	return merge_extents_add(arg, start, start + length, kind);
}

/* What `old` has of its own, as extents: all of a full file, the rows of a partial one. */
static int merge_extents_of(struct merge *m, const struct store_inode *row, struct merge_extents *l)
{
	vn_autoclose int fd = -1;
	struct stat st;

	if (row->state == STORE_PARTIAL)
		return store_read_extents(m->s, m->old->id, row->ino, merge_extents_fn, l);
	if (row->state != STORE_FULL || !row->data)
		return 0;
	fd = data_open(m->old->datafd, row->data, O_RDONLY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fd < 0 ? fd : -errno;
	return merge_extents_add(l, 0, (uint64_t)st.st_size, STORE_EXTENT_DATA);
}

/* The parts of `under` below `limit` that no part of `over` covers. Both ascend. */
static int merge_extents_gaps(const struct merge_extents *over, const struct merge_extents *under, uint64_t limit,
			      struct merge_extents *gaps)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < under->n; i++) {
		uint64_t at = under->items[i].start;
		uint64_t end = under->items[i].end < limit ? under->items[i].end : limit;

		for (size_t k = 0; !rc && k < over->n && at < end; k++) {
			const struct merge_extent *o = &over->items[k];

			if (o->end <= at || o->start >= end)
				continue;
			rc = merge_extents_add(gaps, at, o->start, under->items[i].kind);
			at = o->end;
		}
		if (!rc)
			rc = merge_extents_add(gaps, at, end, under->items[i].kind);
	}
	return rc;
}

static int merge_copy_extents(int fromfd, uint64_t number, const struct merge_extents *l, int to)
{
	vn_autoclose int from = data_open(fromfd, number, O_RDONLY);
	int rc = from < 0 ? from : 0;

	for (size_t i = 0; !rc && i < l->n; i++) {
		if (l->items[i].kind == STORE_EXTENT_DATA)
			rc = vn_copy_range(from, to, l->items[i].start, l->items[i].end);
	}
	return rc;
}

static uint64_t merge_extents_reach(const struct merge_extents *l)
{
	uint64_t end = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (l->items[i].kind == STORE_EXTENT_DATA)
			end = l->items[i].end;
	}
	return end;
}

/* A hole at the end of an extent is not copied: the data file reaches over all of them all the same. */
static int merge_reach(int to, const struct merge_extents *over, const struct merge_extents *gaps)
{
	uint64_t a = merge_extents_reach(over), b = merge_extents_reach(gaps), end = a > b ? a : b;
	struct stat st;

	if (fstat(to, &st) < 0)
		return -errno;
	return (uint64_t)st.st_size < end && ftruncate(to, (off_t)end) < 0 ? -errno : 0;
}

/* ---- data files ---- */

/* A number that no file of either has: those of an upper that was copied may be ahead of ours. */
static int merge_number(struct merge *m, uint64_t *number)
{
	do {
		*number = numbers_next(m->s, &m->s->datas);
		if (!*number)
			return -ENOSPC;
	} while (data_exists(m->old->datafd, *number) || data_exists(m->new->datafd, *number));
	return 0;
}

int merge_take(struct merge *m, const struct delta *from, uint64_t *number)
{
	uint64_t as = *number;
	int rc = data_link(from->datafd, *number, m->datafd, as);

	if (rc == -EEXIST) {
		rc = merge_number(m, &as);
		if (!rc)
			rc = data_link(from->datafd, *number, m->datafd, as);
	}
	if (!rc)
		*number = as;
	return rc;
}

/* A data file with the bytes of both; linked where only one of them has any. */
static int merge_data(struct merge *m, struct store_inode *row, const struct store_inode *old,
		      const struct merge_extents *over, const struct merge_extents *gaps)
{
	vn_autoclose int to = -1;
	uint64_t number;
	int rc;

	if (!gaps->data || !over->data) {
		if (gaps->data)
			row->data = old->data;
		if (!gaps->data && !over->data) {
			row->data = 0;
			return 0;
		}
		return merge_take(m, gaps->data ? m->old : m->new, &row->data);
	}
	rc = merge_number(m, &number);
	to = rc ? rc : data_create(m->datafd, number);
	if (to < 0)
		return to;
	rc = merge_copy_extents(m->new->datafd, row->data, over, to);
	if (!rc)
		rc = merge_copy_extents(m->old->datafd, old->data, gaps, to);
	if (!rc)
		rc = merge_reach(to, over, gaps);
	row->data = number;
	return rc;
}

static int merge_set_row(struct merge *m, const struct store_inode *row)
{
	sqlite3_stmt *st = NULL;
	int rc = schema_prepare(m->w.db, "UPDATE main.inode SET state = ?2, data = ?3, source = ?4, below = ?5"
					 " WHERE ino = ?1", &st);

	if (!rc) {
		sqlite3_bind_int64(st, 1, (sqlite3_int64)row->ino);
		sqlite3_bind_int64(st, 2, row->state);
		sqlite3_bind_int64(st, 3, (sqlite3_int64)row->data);
		sqlite3_bind_int64(st, 4, (sqlite3_int64)row->source);
		sqlite3_bind_int64(st, 5, (sqlite3_int64)row->below);
		rc = sqlerr_errno(sqlite3_step(st), m->w.db);
	}
	sqlite3_finalize(st);
	return rc;
}

int merge_fold(struct merge *m, struct store_inode *row, const struct store_inode *old)
{
	struct merge_extents over = { .n = 0 }, under = { .n = 0 }, gaps = { .n = 0 };
	bool reads_on = old->state == STORE_PARTIAL || old->state == STORE_BELOW;
	int rc = 0;

	if (row->state == STORE_PARTIAL)
		rc = store_read_extents(m->s, m->new->id, row->ino, merge_extents_fn, &over);
	if (!rc)
		rc = merge_extents_of(m, old, &under);
	if (!rc)
		rc = merge_extents_gaps(&over, &under, row->below, &gaps);
	if (!rc)
		rc = merge_data(m, row, old, &over, &gaps);
	for (size_t i = 0; !rc && i < gaps.n; i++)
		rc = writer_extent(&m->w, row->ino, gaps.items[i].start, gaps.items[i].end - gaps.items[i].start,
				   gaps.items[i].kind);
	row->source = reads_on ? old->source : 0;
	if (!reads_on)
		row->below = 0;
	else if (old->below < row->below)
		row->below = old->below;
	if (over.n || gaps.n)
		row->state = STORE_PARTIAL;
	else
		row->state = row->below ? STORE_BELOW : STORE_NONE;
	if (!rc)
		rc = merge_set_row(m, row);
	free(over.items);
	free(under.items);
	free(gaps.items);
	return rc;
}

