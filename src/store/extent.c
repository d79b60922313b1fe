// SPDX-License-Identifier: Apache-2.0
/* The rows of `extent`: they never overlap, and neighbours of one kind are one row. */
#include "store/writer.h"

#include "store/sqlerr.h"

struct extent {
	uint64_t start, end;
	int kind;
};

/* The last row that begins at or before `at`. 1: found. */
static int writer_extent_find(struct writer *w, uint64_t ino, uint64_t at, struct extent *e)
{
	sqlite3_stmt *st = w->st[WRITER_EXTENT_FIND];
	int rc;

	writer_bind(st, 1, ino);
	writer_bind(st, 2, at);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		e->start = (uint64_t)sqlite3_column_int64(st, 0);
		e->end = e->start + (uint64_t)sqlite3_column_int64(st, 1);
		e->kind = sqlite3_column_int(st, 2);
	}
	sqlite3_reset(st);
	return rc == SQLITE_ROW ? 1 : sqlerr_errno(rc, w->db);
}

static int writer_extent_put(struct writer *w, uint64_t ino, const struct extent *e)
{
	sqlite3_stmt *st = w->st[WRITER_EXTENT];

	if (e->start >= e->end || e->kind == STORE_EXTENT_NONE)
		return 0;
	writer_bind(st, 2, e->start);
	writer_bind(st, 3, e->end - e->start);
	sqlite3_bind_int(st, 4, e->kind);
	return writer_one(w, WRITER_EXTENT, ino);
}

/* Takes one old row that meets the new range out of its way, or into it. */
static int writer_extent_merge(struct writer *w, uint64_t ino, const struct extent *old, struct extent *new)
{
	struct extent left = { old->start, new->start, old->kind };
	struct extent right = { new->end, old->end, old->kind };
	int rc = writer_two(w, WRITER_EXTENT_GONE, ino, old->start);

	if (rc)
		return rc;
	if (old->kind == new->kind) {
		if (old->start < new->start)
			new->start = old->start;
		if (old->end > new->end)
			new->end = old->end;
		return 0;
	}
	rc = writer_extent_put(w, ino, &left);
	return rc ? rc : writer_extent_put(w, ino, &right);
}

int writer_extents_end(struct writer *w, uint64_t ino, uint64_t *end)
{
	struct extent last = { .end = 0 };
	int rc = writer_extent_find(w, ino, INT64_MAX, &last);

	*end = last.end;
	return rc < 0 ? rc : 0;
}

int writer_extent(struct writer *w, uint64_t ino, uint64_t start, uint64_t length, int kind)
{
	struct extent new = { start, start + length, kind }, old;
	uint64_t at = new.end;
	int rc;

	/* From the right to the left; a row that only touches counts where it can be joined. */
	while (length && (rc = writer_extent_find(w, ino, at, &old)) != 0) {
		if (rc < 0)
			return rc;
		if (old.end < new.start || (old.end == new.start && old.kind != kind))
			break;
		if (old.start < new.end || old.kind == kind) {
			rc = writer_extent_merge(w, ino, &old, &new);
			if (rc)
				return rc;
		}
		if (!old.start)
			break;
		at = old.start - 1;
	}
	return writer_extent_put(w, ino, &new);
}

int writer_extents_gone(struct writer *w, uint64_t ino, uint64_t from)
{
	struct extent e;
	int rc = writer_two(w, WRITER_EXTENTS_GONE, ino, from);

	if (rc || !from)
		return rc;
	rc = writer_extent_find(w, ino, from - 1, &e);
	if (rc <= 0 || e.end <= from)
		return rc < 0 ? rc : 0;
	e.end = from;
	return writer_extent_put(w, ino, &e);
}

