// SPDX-License-Identifier: Apache-2.0
#include "store/writer.h"

#include "base/scope.h"
#include "store/data.h"
#include "store/fault.h"
#include "store/sqlerr.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static const char *const writer_sql[WRITER_STMTS] = {
	[WRITER_BEGIN] = "BEGIN IMMEDIATE",
	[WRITER_COMMIT] = "COMMIT",
	[WRITER_INODE] = "REPLACE INTO inode VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17)",
	[WRITER_INODE_GONE] = "DELETE FROM inode WHERE ino = ?1 RETURNING mode, flags, state",
	[WRITER_STALE] = "UPDATE inode SET flags = flags | ?2 WHERE ino = ?1",
	[WRITER_DENTRY] = "REPLACE INTO dentry VALUES(?1, ?2, ?3)",
	[WRITER_DENTRY_GONE] = "DELETE FROM dentry WHERE parent = ?1 AND name = ?2",
	[WRITER_DENTRIES_GONE] = "DELETE FROM dentry WHERE parent = ?1",
	[WRITER_XATTR] = "REPLACE INTO xattr VALUES(?1, ?2, ?3)",
	[WRITER_XATTR_GONE] = "DELETE FROM xattr WHERE ino = ?1 AND name = ?2",
	[WRITER_XATTRS_GONE] = "DELETE FROM xattr WHERE ino = ?1",
	[WRITER_SYMLINK] = "REPLACE INTO symlink VALUES(?1, ?2)",
	[WRITER_SYMLINK_GONE] = "DELETE FROM symlink WHERE ino = ?1",
	[WRITER_EXTENT] = "REPLACE INTO extent VALUES(?1, ?2, ?3, ?4)",
	[WRITER_EXTENT_FIND] = "SELECT start, length, kind FROM extent WHERE ino = ?1 AND start <= ?2"
			       " ORDER BY start DESC LIMIT 1",
	[WRITER_EXTENT_GONE] = "DELETE FROM extent WHERE ino = ?1 AND start = ?2",
	[WRITER_EXTENTS_GONE] = "DELETE FROM extent WHERE ino = ?1 AND start >= ?2",
	[WRITER_ORPHAN] = "REPLACE INTO orphan VALUES(?1, ?2)",
	[WRITER_ORPHAN_GONE] = "DELETE FROM orphan WHERE ino = ?1",
	[WRITER_BASEINO] = "REPLACE INTO baseino VALUES(?2, ?1)",
	[WRITER_SEEN] = "REPLACE INTO seen VALUES(?1, ?2)",
	[WRITER_SEEN_GONE] = "DELETE FROM seen WHERE ino = ?1",
	[WRITER_DATA] = "SELECT data FROM inode WHERE ino = ?1",
	[WRITER_OLD] = "SELECT size, state, data FROM inode WHERE ino = ?1",
	[WRITER_META] = "REPLACE INTO meta VALUES(?2, ?1)",
};

static int writer_logged(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct writer *w = arg;

	(void)db;
	(void)name;
	w->log_pages = pages;
	return SQLITE_OK;
}

int writer_init(struct writer *w, sqlite3 *db, int datafd, bool no_flush)
{
	int rc = 0;

	memset(w, 0, sizeof(*w));
	w->db = db;
	w->datafd = datafd;
	w->no_flush = no_flush;
	for (int i = 0; !rc && i < WRITER_STMTS; i++)
		rc = schema_prepare(db, writer_sql[i], &w->st[i]);
	if (!rc)
		rc = schema_exec(db, no_flush ? "PRAGMA synchronous = OFF" : "PRAGMA synchronous = NORMAL");
	if (!rc)
		sqlite3_wal_hook(db, writer_logged, w); /* replaces SQLite's own checkpoints */
	if (rc)
		writer_fini(w);
	return rc;
}

int writer_fini(struct writer *w)
{
	int rc;

	for (int i = 0; i < WRITER_STMTS; i++)
		sqlite3_finalize(w->st[i]);
	rc = w->db ? sqlerr_errno(sqlite3_close(w->db), NULL) : 0;
	memset(w, 0, sizeof(*w));
	return rc;
}

/* Borrowed until the statement is bound again. NULL with length 0 is an empty blob, not NULL. */
static void bind_bytes(sqlite3_stmt *st, int i, const void *p, size_t n)
{
	if (n)
		sqlite3_bind_blob64(st, i, p, n, SQLITE_STATIC);
	else
		sqlite3_bind_zeroblob(st, i, 0);
}

/* Runs a bound statement that returns no row that matters. */
static int writer_step(struct writer *w, enum writer_stmt i)
{
	int rc = fault_hit(FAULT_SQL);

	if (!rc)
		rc = sqlerr_errno(sqlite3_step(w->st[i]), w->db);
	sqlite3_reset(w->st[i]);
	return rc;
}

int writer_one(struct writer *w, enum writer_stmt i, uint64_t ino)
{
	writer_bind(w->st[i], 1, ino);
	return writer_step(w, i);
}

int writer_two(struct writer *w, enum writer_stmt i, uint64_t ino, uint64_t other)
{
	writer_bind(w->st[i], 2, other);
	return writer_one(w, i, ino);
}

static int writer_bytes(struct writer *w, enum writer_stmt i, uint64_t ino, const void *p, size_t n)
{
	bind_bytes(w->st[i], 2, p, n);
	return writer_one(w, i, ino);
}

int writer_begin(struct writer *w)
{
	return writer_step(w, WRITER_BEGIN);
}

int writer_commit(struct writer *w)
{
	int rc = fault_hit(FAULT_COMMIT);

	return rc ? rc : writer_step(w, WRITER_COMMIT);
}

void writer_rollback(struct writer *w)
{
	for (int i = 0; i < WRITER_STMTS; i++)
		sqlite3_reset(w->st[i]);
	if (!sqlite3_get_autocommit(w->db))
		sqlite3_exec(w->db, "ROLLBACK", NULL, NULL, NULL);
}

int writer_meta(struct writer *w, const char *key, uint64_t value)
{
	sqlite3_bind_text(w->st[WRITER_META], 2, key, -1, SQLITE_STATIC);
	return writer_one(w, WRITER_META, value);
}

int writer_meta_text(struct writer *w, const char *key, const char *value)
{
	sqlite3_stmt *st = w->st[WRITER_META];
	int rc;

	sqlite3_bind_text(st, 2, key, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 1, value, -1, SQLITE_STATIC);
	rc = sqlerr_errno(sqlite3_step(st), w->db);
	sqlite3_reset(st);
	return rc;
}

int writer_flush(struct writer *w)
{
	sqlite3_file *log = NULL;
	int rc = fault_hit(FAULT_WAL_FLUSH);

	if (rc || w->no_flush)
		return rc;
	/* Through SQLite's own descriptor: closing another one would drop its locks (J11). */
	rc = sqlite3_file_control(w->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
	if (rc == SQLITE_OK && log && log->pMethods)
		rc = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
	return sqlerr_errno(rc, NULL);
}

int writer_checkpoint(struct writer *w, bool truncate, int *pages)
{
	int left = 0, moved = 0; /* stay 0 when there is no log */
	int mode = truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
	int rc = fault_hit(FAULT_CHECKPOINT);

	if (!rc)
		rc = sqlerr_errno(sqlite3_wal_checkpoint_v2(w->db, "main", mode, &left, &moved), w->db);
	if (pages)
		*pages = left > moved ? left - moved : 0;
	return rc;
}

/* ---- inodes ---- */

static int writer_sub(struct writer *w, const struct batch *b, const struct batch_inode *e, const struct batch_sub *s)
{
	switch (s->kind) {
	case RECORD_XATTR:
		bind_bytes(w->st[WRITER_XATTR], 3, s->value, s->value_len);
		return writer_bytes(w, WRITER_XATTR, e->ino, s->name, s->name_len);
	case RECORD_XATTR_GONE:
		return writer_bytes(w, WRITER_XATTR_GONE, e->ino, s->name, s->name_len);
	case RECORD_SYMLINK:
		return writer_bytes(w, WRITER_SYMLINK, e->ino, s->name, s->name_len);
	case RECORD_EXTENT:
		if (b->replay && s->extent == STORE_EXTENT_DATA)
			return writer_extent_replayed(w, e, s->start, s->length);
		return writer_extent(w, e->ino, s->start, s->length, s->extent);
	case RECORD_EXTENTS_GONE:
		return writer_extents_gone(w, e->ino, s->start);
	case RECORD_ORPHAN:
		return writer_two(w, WRITER_ORPHAN, e->ino, s->session);
	case RECORD_ORPHAN_GONE:
		return writer_one(w, WRITER_ORPHAN_GONE, e->ino);
	case RECORD_SEEN:
		return writer_bytes(w, WRITER_SEEN, e->ino, s->name, s->name_len);
	case RECORD_SEEN_GONE:
		return writer_one(w, WRITER_SEEN_GONE, e->ino);
	default:
		return -EBADMSG;
	}
}

static int writer_row(struct writer *w, const struct store_inode *r)
{
	sqlite3_stmt *st = w->st[WRITER_INODE];

	writer_bind(st, 2, r->mode);
	writer_bind(st, 3, r->uid);
	writer_bind(st, 4, r->gid);
	writer_bind(st, 5, (uint64_t)r->rdev_major << 32 | r->rdev_minor);
	writer_bind(st, 6, r->nlink);
	writer_bind(st, 7, r->size);
	writer_bind(st, 8, (uint64_t)r->atime);
	writer_bind(st, 9, (uint64_t)r->mtime);
	writer_bind(st, 10, (uint64_t)r->ctime);
	writer_bind(st, 11, (uint64_t)r->btime);
	writer_bind(st, 12, r->flags);
	writer_bind(st, 13, r->state);
	writer_bind(st, 14, r->data);
	writer_bind(st, 15, r->source);
	writer_bind(st, 16, r->below);
	if (r->origin)
		bind_bytes(st, 17, r->origin, r->origin_len);
	else
		sqlite3_bind_null(st, 17);
	return writer_one(w, WRITER_INODE, r->ino);
}

/* Deletes the row and only those tables' rows that its fields say can exist. */
static int writer_gone(struct writer *w, uint64_t ino)
{
	sqlite3_stmt *st = w->st[WRITER_INODE_GONE];
	uint32_t mode = 0, flags = 0, state = 0;
	int rc, found;

	writer_bind(st, 1, ino);
	rc = sqlite3_step(st);
	found = rc == SQLITE_ROW;
	if (found) {
		mode = (uint32_t)sqlite3_column_int64(st, 0);
		flags = (uint32_t)sqlite3_column_int64(st, 1);
		state = (uint32_t)sqlite3_column_int64(st, 2);
		rc = sqlite3_step(st);
	}
	rc = sqlerr_errno(rc, w->db);
	sqlite3_reset(st);
	if (!rc && found)
		rc = writer_one(w, WRITER_ORPHAN_GONE, ino);
	if (!rc && found && S_ISLNK(mode))
		rc = writer_one(w, WRITER_SYMLINK_GONE, ino);
	if (!rc && flags & STORE_XATTR_OWN)
		rc = writer_one(w, WRITER_XATTRS_GONE, ino);
	if (!rc && state == STORE_PARTIAL)
		rc = writer_two(w, WRITER_EXTENTS_GONE, ino, 0);
	return rc;
}

static int writer_inode(struct writer *w, struct batch *b, struct batch_inode *e)
{
	int rc = 0;

	if (e->wiped)
		rc = writer_one(w, WRITER_DENTRIES_GONE, e->ino);
	if (!rc && e->gone)
		rc = writer_gone(w, e->ino);
	for (uint32_t i = e->first; !rc && i; i = b->subs[i - 1].next)
		rc = writer_sub(w, b, e, &b->subs[i - 1]);
	if (!rc && b->replay && e->has_row)
		rc = writer_unturn(w, e);
	if (!rc && b->replay && e->has_row)
		rc = writer_cut(w, b, e);
	if (!rc && b->replay && e->has_row)
		rc = writer_unkeep(w, e);
	if (!rc && e->has_row)
		rc = writer_row(w, &e->row);
	if (!rc && e->stale)
		rc = writer_two(w, WRITER_STALE, e->ino, STORE_STALE);
	return rc;
}

static int writer_dentry(struct writer *w, const struct batch_dentry *d)
{
	enum writer_stmt i = d->gone ? WRITER_DENTRY_GONE : WRITER_DENTRY;

	if (!d->gone)
		writer_bind(w->st[i], 3, d->child);
	return writer_bytes(w, i, d->parent, d->name, d->name_len);
}

/*
 * Before a commit: partial files whose extents it records (J4), and files that
 * took another one's place (J10). Write-back is started for all of them first,
 * so that the flushes share their waiting.
 */
static int writer_flush_data(struct writer *w, struct batch *b)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < b->ninodes; i++) {
		uint64_t number = 0;

		if (!b->inodes[i].has_data)
			continue;
		rc = writer_data_number(w, &b->inodes[i], &number);
		if (!rc && number)
			rc = data_flush(w->datafd, number);
	}
	for (size_t i = 0; !rc && i < b->nflush; i++) {
		vn_autoclose int fd = data_open(w->datafd, b->flush[i], O_RDONLY);

		if (fd >= 0)
			sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	}
	for (size_t i = 0; !rc && i < b->nflush; i++) {
		if (!batch_is_gone(b, b->flush[i]))
			rc = data_flush(w->datafd, b->flush[i]);
	}
	return rc;
}

int writer_apply(struct writer *w, struct batch *b)
{
	int rc = w->no_flush ? 0 : writer_flush_data(w, b);

	for (size_t i = 0; !rc && i < b->ninodes; i++)
		rc = writer_inode(w, b, &b->inodes[i]);
	for (size_t i = 0; !rc && i < b->ndentries; i++)
		rc = writer_dentry(w, &b->dentries[i]);
	for (size_t i = 0; !rc && i < b->npaths; i++)
		rc = writer_bytes(w, WRITER_BASEINO, b->paths[i].ino, b->paths[i].path, b->paths[i].len);
	return rc;
}
