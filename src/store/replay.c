// SPDX-License-Identifier: Apache-2.0
/* What a replay does otherwise than the first application: bytes count only where the host shows them (J4). */
#include "store/writer.h"

#include "store/data.h"
#include "store/sqlerr.h"

#include "base/scope.h"

#include <fcntl.h>
#include <sys/stat.h>

struct writer_range {
	struct writer *w;
	uint64_t ino;
};

static int writer_range_present(void *arg, uint64_t start, uint64_t length)
{
	struct writer_range *r = arg;

	return writer_extent(r->w, r->ino, start, length, STORE_EXTENT_DATA);
}

int writer_data_number(struct writer *w, const struct batch_inode *e, uint64_t *number)
{
	int rc;

	*number = e->has_row ? e->row.data : 0;
	if (e->has_row)
		return 0;
	writer_bind(w->st[WRITER_DATA], 1, e->ino);
	rc = sqlite3_step(w->st[WRITER_DATA]);
	if (rc == SQLITE_ROW)
		*number = (uint64_t)sqlite3_column_int64(w->st[WRITER_DATA], 0);
	sqlite3_reset(w->st[WRITER_DATA]);
	return sqlerr_errno(rc, w->db);
}

int writer_extent_replayed(struct writer *w, const struct batch_inode *e, uint64_t start, uint64_t length)
{
	struct writer_range range = { w, e->ino };
	vn_autoclose int fd = -1;
	uint64_t number;
	int rc = writer_data_number(w, e, &number);

	if (rc || !number)
		return rc;
	fd = data_open(w->datafd, number, O_RDONLY);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	return data_present(fd, start, length, writer_range_present, &range);
}

/* ---- where a file ends ---- */

/* What the index has of an inode; size BATCH_UNKNOWN: nothing. */
struct replay_old {
	uint64_t size, data;
	int state;
};

static int replay_old(struct writer *w, uint64_t ino, struct replay_old *old)
{
	sqlite3_stmt *st = w->st[WRITER_OLD];
	int rc;

	*old = (struct replay_old){ .size = BATCH_UNKNOWN };
	writer_bind(st, 1, ino);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		old->size = (uint64_t)sqlite3_column_int64(st, 0);
		old->state = sqlite3_column_int(st, 1);
		old->data = (uint64_t)sqlite3_column_int64(st, 2);
	}
	sqlite3_reset(st);
	return sqlerr_errno(rc, w->db);
}

/*
 * What a FULL file had before the first bytes of its data file came: zeros, or what
 * is below, may be there even if the host shows nothing. Once the index has the
 * data file, its length was flushed.
 */
static int replay_floor(struct writer *w, const struct batch_inode *e, uint64_t *floor)
{
	struct replay_old old;
	int rc = e->floor_sure ? 0 : replay_old(w, e->ino, &old);

	*floor = e->floor;
	if (!rc && !e->floor_sure && old.state == STORE_FULL && old.data == e->row.data)
		*floor = 0;
	if (e->turned_full && *floor < e->row.below)
		*floor = e->row.below;
	return rc;
}

/* A data file, made again where the host has lost its name (see recover.c). */
static int replay_open(struct writer *w, uint64_t number)
{
	int fd = data_open(w->datafd, number, O_RDWR);

	if (fd != -ENOENT || number < w->named)
		return fd;
	fd = data_create(w->datafd, number);
	if (fd < 0)
		return fd;
	if (w->made_low == w->made_high)
		w->made_low = w->made_high = number;
	if (number < w->made_low)
		w->made_low = number;
	if (number >= w->made_high)
		w->made_high = number + 1;
	return fd;
}

/*
 * A FULL file is as long as the host shows it, and no longer than its row says unless
 * that is stale: the server died between the record of a new length and the change of
 * the data file, or an end was lost that had not been flushed; zeros would be
 * bytes that never were there.
 */
static int replay_fit(struct writer *w, struct batch_inode *e)
{
	vn_autoclose int fd = -1;
	uint64_t floor, size;
	struct stat st;
	int rc = replay_floor(w, e, &floor);

	fd = rc ? rc : replay_open(w, e->row.data);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	size = (uint64_t)st.st_size > floor ? (uint64_t)st.st_size : floor;
	if (!(e->row.flags & STORE_STALE) && size > e->row.size)
		size = e->row.size;
	e->row.size = size;
	if (e->turned_full || (uint64_t)st.st_size == size)
		return 0;
	return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

/* A row that turned FULL goes back to PARTIAL with what the host shows. */
int writer_unturn(struct writer *w, struct batch_inode *e)
{
	int rc;

	if (!S_ISREG(e->row.mode) || e->row.state != STORE_FULL)
		return 0;
	rc = replay_fit(w, e);
	if (rc || !e->turned_full)
		return rc;
	e->row.flags &= ~STORE_STALE;
	e->row.state = STORE_PARTIAL;
	return e->row.size ? writer_extent_replayed(w, e, 0, e->row.size) : 0;
}

/* Where the bytes of a recorded extent end that nothing later took away; 0: none are left. */
static uint64_t replay_reach(const struct batch *b, const struct batch_sub *s)
{
	uint64_t end = s->start + s->length;

	for (uint32_t i = s->next; i; i = b->subs[i - 1].next) {
		const struct batch_sub *later = &b->subs[i - 1];
		bool over = later->kind == RECORD_EXTENT && later->extent != STORE_EXTENT_DATA &&
			    later->start + later->length >= end;

		if ((over || later->kind == RECORD_EXTENTS_GONE) && later->start < end)
			end = later->start;
	}
	return end > s->start ? end : 0;
}

/* The first of the extents that put bytes up to `size`. */
static const struct batch_sub *replay_last(const struct batch *b, const struct batch_inode *e, uint64_t size)
{
	for (uint32_t i = e->first; i; i = b->subs[i - 1].next) {
		const struct batch_sub *s = &b->subs[i - 1];

		if (s->kind == RECORD_EXTENT && s->extent == STORE_EXTENT_DATA && replay_reach(b, s) >= size)
			return s;
	}
	return NULL;
}

static int replay_before(struct writer *w, const struct batch_inode *e, const struct batch_sub *s, uint64_t *before)
{
	struct replay_old old;
	int rc;

	*before = s->before;
	if (s->before != BATCH_UNKNOWN)
		return 0;
	rc = replay_old(w, e->ino, &old);
	*before = old.size != BATCH_UNKNOWN ? old.size : e->row.below;
	return rc;
}

/*
 * Behind what is below and the last extent there are zeros, as after a truncation to
 * a larger size, unless bytes were put there that are lost: then the file
 * ends where it ended before.
 */
int writer_cut(struct writer *w, const struct batch *b, struct batch_inode *e)
{
	uint64_t end, before;
	int rc = 0;

	if (!S_ISREG(e->row.mode) || e->row.state != STORE_PARTIAL)
		return 0;
	rc = writer_extents_end(w, e->ino, &end);
	if (end < e->row.below)
		end = e->row.below;
	while (!rc && end < e->row.size) {
		const struct batch_sub *s = replay_last(b, e, e->row.size);

		rc = s ? replay_before(w, e, s, &before) : 0;
		if (!s || before >= e->row.size)
			return rc;
		e->row.size = before > end ? before : end;
	}
	return rc;
}

/* Extents that were kept when the row turned FULL go with what came later: other bytes, or a shorter file. */
int writer_unkeep(struct writer *w, const struct batch_inode *e)
{
	if (!S_ISREG(e->row.mode))
		return 0;
	return writer_extents_gone(w, e->ino, e->row.state == STORE_PARTIAL ? e->row.size : 0);
}

