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

/* A stale row has grown to the data file's size (J5); PARTIAL rows know theirs. */
static int writer_unstale(struct writer *w, struct batch_inode *e)
{
	vn_autoclose int fd = -1;
	struct stat st;

	if (!(e->row.flags & STORE_STALE))
		return 0;
	fd = data_open(w->datafd, e->row.data, O_RDONLY);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size > e->row.size)
		e->row.size = (uint64_t)st.st_size;
	e->row.flags &= ~STORE_STALE;
	return 0;
}

/* The server died between the record of a new length and the change of the data file, or the end of the file was lost. */
static int writer_fit(struct writer *w, const struct batch_inode *e)
{
	vn_autoclose int fd = -1;
	struct stat st;

	if (!S_ISREG(e->row.mode) || e->row.state != STORE_FULL || e->row.flags & STORE_STALE || e->stale)
		return 0;
	fd = data_open(w->datafd, e->row.data, O_RDWR);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size == e->row.size)
		return 0;
	return ftruncate(fd, (off_t)e->row.size) < 0 ? -errno : 0;
}

/* A row that turned FULL goes back to PARTIAL with what the host shows. */
int writer_unturn(struct writer *w, struct batch_inode *e)
{
	int rc;

	if (!e->turned_full)
		return writer_fit(w, e);
	rc = writer_unstale(w, e);
	e->row.state = STORE_PARTIAL;
	return rc || !e->row.size ? rc : writer_extent_replayed(w, e, 0, e->row.size);
}

/* Extents that were kept when the row turned FULL go with what came later: other bytes, or a shorter file. */
int writer_unkeep(struct writer *w, const struct batch_inode *e)
{
	if (!S_ISREG(e->row.mode))
		return 0;
	return writer_extents_gone(w, e->ino, e->row.state == STORE_PARTIAL ? e->row.size : 0);
}

