// SPDX-License-Identifier: Apache-2.0
/*
 * Opening after an unclean end.
 *
 * The index names the salt, the sequence number and the ring position at which
 * replay starts. Records that follow each other there without a gap are applied
 * in one transaction that also raises the salt's epoch and starts the ring anew:
 * dying inside leaves everything as it was, dying behind it leaves a journal in
 * which nothing counts any more.
 *
 * Whether the machine lost power or only the process died is not asked, since
 * the first can look like the second (a copied image). What a record says about
 * bytes counts only where the host shows bytes (J4): extents are cut down to
 * what SEEK_DATA shows, and a file that had just turned full is partial again.
 * Sizes marked stale are taken from the data files (J5), and a file ends where the
 * host has its end, so that no zeros appear where there were bytes. Names of data files may
 * reach the disk behind the rows that speak of them: such files are empty.
 */
#include "store/state.h"

#include "store/data.h"
#include "store/fault.h"

#include "base/cfg.h"
#include "base/clock.h"
#include "base/scope.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RECOVER_UNFLUSHED (120 * INT64_C(1000000000)) /* ns in which a host has written what is dirty */

/* Folds every record that counts, from the index's position on. *seq: the last one. */
static int recover_scan(struct store *s, const uint8_t *ring, struct batch *b, uint64_t *seq)
{
	size_t at = 0;
	int rc = 0;

	while (!rc && at < s->ring.size) {
		struct record_head h;
		size_t len = record_check(ring + at, s->ring.size - at, s->ring.salt, *seq + 1, &h);

		if (!len)
			break;
		requests_note(&s->requests, &h);
		rc = batch_add(b, ring + at, len);
		at += (len + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1);
		(*seq)++;
	}
	return rc;
}

/*
 * A data file whose row came to the disk while its name did not was never flushed:
 * nothing of its data was ever confirmed, and it is empty. Without a journal of its
 * own a host loses names of flushed files, too; those of stale rows are made again.
 */
static int recover_data(struct store *s, uint64_t number, bool make)
{
	int fd = data_open(s->order[0].datafd, number, O_RDWR);

	if (fd != -ENOENT || !make)
		return fd;
	fd = data_create(s->order[0].datafd, number);
	if (fd >= 0)
		stock_made(s, number);
	return fd;
}

/*
 * A stale row's size is the file's. Any other that says more speaks of an end that
 * was not flushed, and is lost: a length that was confirmed is the host's, too.
 */
static int recover_size(sqlite3_stmt *row, sqlite3_stmt *set, int fd)
{
	int64_t size = sqlite3_column_int64(row, 2);
	bool full = sqlite3_column_int(row, 3) == STORE_FULL, stale = sqlite3_column_int(row, 4);
	struct stat st;
	int rc;

	if (fd < 0 || !full || fstat(fd, &st) < 0 || (!stale && st.st_size >= size))
		return 0; /* what is missing verification tells of */
	sqlite3_bind_int64(set, 1, sqlite3_column_int64(row, 0));
	sqlite3_bind_int64(set, 2, st.st_size);
	sqlite3_bind_int64(set, 3, stale ? vn_ns_from_ts(&vn_st_mtim(&st)) : 0);
	rc = sqlite3_step(set) == SQLITE_DONE ? 0 : -EIO;
	sqlite3_reset(set);
	return rc;
}

/*
 * Sizes and times of full files that were written since their row was, files whose
 * names were not yet flushed when their rows were written, and those that changed in
 * the last minutes: their bytes may not have been.
 */
static const char recover_sql[] =
	"SELECT ino, data, size, state, flags & 4, flags & 4 OR data >= ?1 FROM inode i WHERE data > 0 AND"
	" (state = 3 AND (flags & 4 OR data >= ?1 OR ctime >= (SELECT max(ctime) FROM inode) - ?2)"
	" OR state = 2 AND data >= ?1 AND NOT EXISTS (SELECT 1 FROM extent e WHERE e.ino = i.ino AND kind = 1))";

static int recover_files(struct store *s)
{
	sqlite3 *db = s->writer.db;
	sqlite3_stmt *find = NULL, *set = NULL;
	int rc = schema_prepare(db, recover_sql, &find);

	if (!rc)
		rc = schema_prepare(db, "UPDATE inode SET size = ?2, mtime = max(mtime, ?3), ctime = max(ctime, ?3),"
					" flags = flags & ~4 WHERE ino = ?1", &set);
	if (!rc)
		sqlite3_bind_int64(find, 1, (int64_t)s->writer.named);
	if (!rc)
		sqlite3_bind_int64(find, 2, RECOVER_UNFLUSHED);
	while (!rc && sqlite3_step(find) == SQLITE_ROW) {
		vn_autoclose int fd = recover_data(s, (uint64_t)sqlite3_column_int64(find, 1), sqlite3_column_int(find, 5));

		rc = recover_size(find, set, fd);
	}
	sqlite3_finalize(find);
	sqlite3_finalize(set);
	return rc;
}

static int recover_apply(struct store *s, struct batch *b)
{
	struct writer *w = &s->writer;
	int rc = meta_get(w->db, "named_data", &w->named);

	if (rc && rc != -ENOENT)
		return rc;
	batch_sort(b);
	rc = writer_apply(w, b);
	if (w->made_low < w->made_high) {
		stock_made(s, w->made_low);
		stock_made(s, w->made_high - 1);
	}
	if (!rc)
		rc = recover_files(s);
	if (!rc && !s->is_volatile)
		rc = stock_flush_names(s);
	return rc;
}

/* The part that every opening has: a new salt, an empty ring, numbers ahead, not clean any more. */
static int recover_begin(struct store *s, uint64_t applied)
{
	struct writer *w = &s->writer;
	int rc = writer_meta(w, "journal_epoch", s->journal_epoch + 1);

	stock_all_named(s);
	if (!rc)
		rc = writer_meta(w, "named_data", stock_named(s));
	if (!rc)
		rc = writer_meta(w, "applied", applied);
	if (!rc)
		rc = writer_meta(w, "ring_position", 0);
	if (!rc)
		rc = writer_meta(w, "clean", 0);
	if (!rc)
		rc = writer_meta(w, "volatile", s->is_volatile);
	if (!rc)
		rc = writer_meta(w, s->inos.key, s->inos.next + s->inos.block);
	if (!rc)
		rc = writer_meta(w, s->datas.key, s->datas.next + s->datas.block);
	if (!rc)
		rc = requests_write(&s->requests, w->db);
	return rc;
}

/*
 * SQLite flushes the head of a new log before the first frame, lest that be read with the head of
 * an older log. In a file that was empty there is none, and our own flush behind the transaction
 * covers head, frames and the file's name; so it may go without. True: it does.
 */
static bool recover_spare_flush(struct store *s)
{
	struct stat st;

	return s->clean_start && !s->is_volatile && !fstatat(s->dirfd, "index.db-wal", &st, AT_SYMLINK_NOFOLLOW) &&
	       !st.st_size && !schema_exec(s->writer.db, "PRAGMA synchronous = OFF");
}

static int recover_transaction_once(struct store *s, struct batch *b, uint64_t applied)
{
	int rc = writer_begin(&s->writer);

	if (!rc && b)
		rc = recover_apply(s, b);
	if (!rc)
		rc = recover_begin(s, applied);
	if (!rc)
		rc = fault_hit(FAULT_STEP);
	if (!rc)
		rc = writer_commit(&s->writer);
	if (!rc && !(s->unborn && s->clean_start))
		rc = writer_flush(&s->writer);
	if (rc)
		writer_rollback(&s->writer);
	return rc;
}

static int recover_transaction(struct store *s, struct batch *b, uint64_t applied)
{
	bool spared = recover_spare_flush(s);
	int rc = recover_transaction_once(s, b, applied);

	if (spared) {
		int rc2 = schema_exec(s->writer.db, "PRAGMA synchronous = NORMAL");

		rc = rc ? rc : rc2;
	}
	return rc;
}

/* With more tries, on the space of the ballast and on that of the files that it removes. */
static int recover_commit(struct store *s, struct batch *b, uint64_t applied)
{
	int rc = recover_transaction(s, b, applied);

	if (store_no_space(rc) && s->ballast) {
		reserve_release(s);
		rc = recover_transaction(s, b, applied);
	}
	if (store_no_space(rc) && reserve_release_last(s))
		rc = recover_transaction(s, b, applied);
	if (store_no_space(rc) && b && room_remove_replayed(s, b))
		rc = recover_transaction(s, b, applied);
	return rc;
}

static int recover_replay(struct store *s, uint64_t position, uint64_t *applied, struct vn_err *err)
{
	vn_autofree uint8_t *ring = malloc(s->ring.size);
	struct batch b;
	int rc = ring ? 0 : -ENOMEM;

	batch_init(&b);
	b.replay = true;
	if (!rc)
		rc = ring_read(&s->ring, position, ring, s->ring.size);
	if (!rc)
		rc = recover_scan(s, ring, &b, applied);
	if (rc == -EBADMSG)
		vn_err_set(err, rc = -EUCLEAN, "%s/journal holds a record that this version does not know", s->path);
	else if (rc)
		vn_err_sys(err, rc, "cannot read %s/journal", s->path);
	if (!rc) {
		rc = recover_commit(s, &b, *applied);
		if (rc)
			vn_err_sys(err, rc, "cannot replay the journal into %s/index.db", s->path);
	}
	batch_fini(&b);
	return rc;
}

int recover_head(struct store *s, struct vn_err *err)
{
	uint64_t applied = 0, position = 0;
	int rc = meta_get(s->writer.db, "applied", &applied);

	if (!rc)
		rc = meta_get(s->writer.db, "ring_position", &position);
	if (!rc)
		rc = meta_get(s->writer.db, "journal_epoch", &s->journal_epoch);
	if (!rc)
		rc = requests_read(&s->requests, s->writer.db);
	if (rc)
		return vn_err_set(err, -EUCLEAN, "%s/index.db lacks the journal's position", s->path);
	s->ring.salt = ring_salt(s->uuid, s->journal_epoch);
	if (s->unborn)
		birth_again(s);
	if (s->clean_start) {
		rc = recover_commit(s, NULL, applied);
		if (rc)
			vn_err_sys(err, rc, "cannot write %s/index.db", s->path);
	} else {
		rc = recover_replay(s, position, &applied, err);
	}
	if (rc)
		return rc;
	s->replayed = s->requests;
	s->requests.dirty = false;
	s->journal_epoch++;
	s->inos.limit = s->inos.next + s->inos.block;
	s->datas.limit = s->datas.next + s->datas.block;
	ring_begin(&s->ring, ring_salt(s->uuid, s->journal_epoch), applied);
	s->applier.visible = s->applier.flushed = applied;
	s->applier.position = 0;
	return 0;
}
