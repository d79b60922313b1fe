// SPDX-License-Identifier: Apache-2.0
#include "store/head.h"

#include "store/data.h"
#include "store/fault.h"
#include "store/refs.h"
#include "store/sqlerr.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/scope.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#define HEAD_WAIT_MS 5000 /* for readers of the index to finish */

/* ---- trees ---- */

static int head_remove_dir(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	vn_autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int rc = 0;

	if (!d) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		return rc;
	}
	while (!rc && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			rc = head_remove_tree(fd, e->d_name);
	}
	if (!rc && unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
		rc = -errno;
	return rc;
}

int head_remove_tree(int dirfd, const char *name)
{
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	return head_remove_dir(dirfd, name);
}

static bool head_exists(int dirfd, const char *name)
{
	return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- rolling ---- */

/* Moves unless that has been done. */
static int head_move(int dirfd, const char *from, const char *to)
{
	int rc = fault_hit(FAULT_STEP);

	if (rc)
		return rc;
	if (!head_exists(dirfd, from) || head_exists(dirfd, to))
		return 0;
	return renameat(dirfd, from, dirfd, to) < 0 ? -errno : 0;
}

struct head_place {
	char parent[16], dir[48], index[64], data[64];
};

static void head_place(struct head_place *p, const struct chain *c)
{
	const char *parent = strcmp(c->step, HEAD_SEAL) ? "trash" : "deltas";

	snprintf(p->parent, sizeof(p->parent), "%s", parent);
	snprintf(p->dir, sizeof(p->dir), "%s/%016" PRIx64, parent, c->step_id);
	snprintf(p->index, sizeof(p->index), "%s/index.db", p->dir);
	snprintf(p->data, sizeof(p->data), "%s/data", p->dir);
}

static int head_mkdir(int dirfd, const char *name)
{
	return mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* While next/ still has its part, the old one in its place has not been moved. */
static int head_roll_moves(int dirfd, const struct head_place *p)
{
	int rc = head_mkdir(dirfd, p->parent);

	if (!rc)
		rc = head_mkdir(dirfd, p->dir);
	if (!rc && head_exists(dirfd, "next/index.db"))
		rc = head_move(dirfd, "index.db", p->index);
	if (!rc && head_exists(dirfd, "next/data"))
		rc = head_move(dirfd, "data", p->data);
	if (!rc)
		rc = head_move(dirfd, "next/data", "data");
	if (!rc)
		rc = head_move(dirfd, "next/index.db", "index.db");
	return rc;
}

/* Data files without rows that went along. */
static int head_strip_in_use(sqlite3 *db, int datafd)
{
	vn_autofree char *text = NULL;
	int rc = meta_get_text(db, HEAD_IN_USE, &text);
	char *save = NULL;

	if (rc)
		return rc == -ENOENT ? 0 : rc;
	for (char *p = strtok_r(text, " ", &save); !rc && p; p = strtok_r(NULL, " ", &save))
		rc = data_unlink(datafd, strtoull(p, NULL, 10));
	return rc;
}

/* Rows of objects that went along with the new head, and their data files, leave the sealed one. */
static int head_strip(int dirfd, const char *path, const struct head_place *p)
{
	char dir[PATH_MAX];
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	int datafd, rc;

	snprintf(dir, sizeof(dir), "%s/%s", path, p->dir);
	rc = schema_open(dir, SCHEMA_WRITE, &db);
	datafd = rc ? -1 : openat(dirfd, p->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!rc && datafd >= 0)
		rc = head_strip_in_use(db, datafd);
	if (!rc)
		rc = schema_prepare(db, "SELECT data FROM inode WHERE data > 0 AND ino IN (SELECT ino FROM orphan)", &st);
	while (!rc && sqlite3_step(st) == SQLITE_ROW && datafd >= 0)
		rc = data_unlink(datafd, (uint64_t)sqlite3_column_int64(st, 0));
	sqlite3_finalize(st);
	if (!rc)
		rc = schema_exec(db, "BEGIN;"
				     "DELETE FROM xattr WHERE ino IN (SELECT ino FROM orphan);"
				     "DELETE FROM symlink WHERE ino IN (SELECT ino FROM orphan);"
				     "DELETE FROM extent WHERE ino IN (SELECT ino FROM orphan);"
				     "DELETE FROM dentry WHERE parent IN (SELECT ino FROM orphan);"
				     "DELETE FROM inode WHERE ino IN (SELECT ino FROM orphan);"
				     "DELETE FROM orphan; DELETE FROM seen; DELETE FROM meta WHERE key = '" HEAD_IN_USE "';"
				     "REPLACE INTO meta VALUES('clean', 1), ('volatile', 0);"
				     "COMMIT");
	sqlite3_close(db);
	if (datafd >= 0)
		close(datafd);
	return rc;
}

static int head_sync_dir(int dirfd, const char *name)
{
	vn_autoclose int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return vn_fsync(fd);
}

static int head_roll(int dirfd, const char *path, struct chain *c)
{
	struct head_place p;
	int rc;

	head_place(&p, c);
	rc = head_roll_moves(dirfd, &p);
	if (!rc && !strcmp(c->step, HEAD_SEAL))
		rc = head_strip(dirfd, path, &p);
	if (!rc && unlinkat(dirfd, "next", AT_REMOVEDIR) < 0 && errno != ENOENT)
		rc = -errno;
	if (!rc)
		rc = head_sync_dir(dirfd, p.dir);
	if (!rc)
		rc = head_sync_dir(dirfd, p.parent);
	if (!rc)
		rc = head_sync_dir(dirfd, ".");
	if (!rc)
		rc = fault_hit(FAULT_STEP);
	*c->step = '\0';
	if (!rc)
		rc = chain_write(c, dirfd);
	return rc;
}

bool head_is_pending(const char *path)
{
	vn_autoclose int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct chain c;
	bool pending;

	if (dirfd < 0 || chain_read(&c, dirfd))
		return false;
	pending = *c.step;
	chain_fini(&c);
	return pending;
}

static bool head_in_chain(const struct chain *c, uint64_t id)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->entries[i].id == id && !c->entries[i].path)
			return true;
	}
	return false;
}

int head_discard(int dirfd, uint64_t id)
{
	char from[48], to[48], data[56];
	vn_autoclose int datafd = -1;

	if (refs_need(dirfd, id))
		return 0;
	snprintf(from, sizeof(from), "deltas/%016" PRIx64, id);
	snprintf(data, sizeof(data), "%s/data", from);
	datafd = openat(dirfd, data, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (datafd >= 0 && flock(datafd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return 0;
	snprintf(to, sizeof(to), "trash/%016" PRIx64, id);
	if (mkdirat(dirfd, "trash", 0700) < 0 && errno != EEXIST)
		return -errno;
	return renameat(dirfd, from, dirfd, to) < 0 && errno != ENOENT ? -errno : 0;
}

/* Deltas that no chain names: of a merge or a rollback that was cut short, or of a fork that is gone. */
static int head_sweep_deltas(int dirfd, const struct chain *c)
{
	int fd = openat(dirfd, "deltas", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	vn_autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int rc = 0;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while (!rc && (e = readdir(d))) {
		uint64_t id;
		int n = 0;

		if (sscanf(e->d_name, "%16" SCNx64 "%n", &id, &n) != 1 || n != 16 || e->d_name[n])
			continue;
		if (!head_in_chain(c, id))
			rc = head_discard(dirfd, id);
	}
	return rc;
}

int head_recover(int dirfd, const char *path, struct vn_err *err)
{
	struct chain c;
	int rc = chain_read(&c, dirfd);

	if (rc)
		return chain_error(rc, path, err);
	if (*c.step)
		rc = head_roll(dirfd, path, &c);
	if (!rc)
		rc = head_remove_tree(dirfd, "next");
	if (!rc)
		rc = head_sweep_deltas(dirfd, &c);
	chain_fini(&c);
	return rc ? vn_err_sys(err, rc, "cannot finish the snapshot or rollback that was cut short in %s", path) : 0;
}

/* ---- preparing ---- */

/* 0 also when it is there. */
static int head_link(int oldfd, int newfd, uint64_t number)
{
	int rc = data_link(oldfd, number, newfd, number);

	return rc == -EEXIST ? 0 : rc;
}

/* Links the data files of orphans into the new head's data directory. */
static int head_link_orphans(int oldfd, int newfd, sqlite3 *db)
{
	sqlite3_stmt *st = NULL;
	int rc = schema_prepare(db, "SELECT data FROM inode WHERE data > 0", &st);

	while (!rc && sqlite3_step(st) == SQLITE_ROW)
		rc = head_link(oldfd, newfd, (uint64_t)sqlite3_column_int64(st, 0));
	sqlite3_finalize(st);
	return rc;
}

static int head_copy_rows(struct store *s, sqlite3 *db, bool keep)
{
	static const char kept[] =
		"INSERT INTO inode SELECT * FROM old.inode WHERE ino IN (SELECT ino FROM old.orphan);"
		"INSERT INTO xattr SELECT * FROM old.xattr WHERE ino IN (SELECT ino FROM old.orphan);"
		"INSERT INTO symlink SELECT * FROM old.symlink WHERE ino IN (SELECT ino FROM old.orphan);"
		"INSERT INTO extent SELECT * FROM old.extent WHERE ino IN (SELECT ino FROM old.orphan);"
		"INSERT INTO orphan SELECT * FROM old.orphan; INSERT INTO seen SELECT * FROM old.seen;";
	char old[PATH_MAX + 16];
	sqlite3_stmt *st = NULL;
	int rc = schema_prepare(db, "ATTACH ?1 AS old", &st);

	snprintf(old, sizeof(old), "%s/index.db", s->path);
	if (!rc)
		sqlite3_bind_text(st, 1, old, -1, SQLITE_STATIC);
	if (!rc)
		rc = sqlerr_errno(sqlite3_step(st), db);
	sqlite3_finalize(st);
	if (!rc)
		rc = schema_exec(db, "BEGIN; INSERT INTO meta SELECT * FROM old.meta WHERE key LIKE 'tree.%' OR key = 'requests'");
	if (!rc && keep)
		rc = schema_exec(db, kept);
	if (!rc)
		rc = schema_exec(db, "COMMIT; DETACH old");
	return rc;
}

static int head_link_in_use(int oldfd, int newfd, const struct head_keep *keep)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < keep->n; i++)
		rc = head_link(oldfd, newfd, keep->numbers[i]);
	return rc;
}

static int head_prepare_index(struct store *s, const struct index_facts *facts, int nextfd, int newfd,
			      const struct head_keep *keep)
{
	char dir[PATH_MAX];
	sqlite3 *db = NULL;
	int rc = index_make_file(nextfd, "index.db");

	snprintf(dir, sizeof(dir), "%s/next", s->path);
	if (!rc)
		rc = schema_open(dir, SCHEMA_WRITE, &db);
	if (!rc)
		rc = index_create(db, facts);
	if (!rc)
		rc = head_copy_rows(s, db, keep != NULL);
	if (!rc && keep)
		rc = head_link_orphans(s->order[0].datafd, newfd, db);
	if (!rc && keep)
		rc = head_link_in_use(s->order[0].datafd, newfd, keep);
	/* At rest, so that its log does not have to be moved too. */
	if (!rc)
		rc = schema_exec(db, "PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE)");
	if (!rc)
		rc = index_flush(db);
	sqlite3_close(db);
	return rc;
}

int head_prepare(struct store *s, struct index_facts *facts, const struct head_keep *keep)
{
	vn_autoclose int nextfd = -1;
	vn_autoclose int newfd = -1;
	int rc = head_remove_tree(s->dirfd, "next");

	facts->upper = s->upper;
	facts->next_ino = s->inos.limit;
	facts->next_data = s->datas.limit;
	facts->applied = s->applier.visible;
	if (!rc)
		rc = head_mkdir(s->dirfd, "next");
	if (!rc)
		rc = head_mkdir(s->dirfd, "next/data");
	if (!rc && (nextfd = openat(s->dirfd, "next", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		rc = -errno;
	if (!rc && (newfd = openat(nextfd, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		rc = -errno;
	if (!rc)
		rc = head_prepare_index(s, facts, nextfd, newfd, keep);
	if (!rc)
		rc = vn_fsync(newfd);
	if (!rc)
		rc = vn_fsync(nextfd);
	if (!rc)
		rc = fault_hit(FAULT_STEP);
	return rc;
}

int head_commit(struct store *s, struct chain *c, const char *kind, uint64_t id)
{
	int rc = vn_fsync(s->dirfd);

	strlcpy(c->step, kind, sizeof(c->step));
	c->step_id = id;
	if (!rc)
		rc = chain_write(c, s->dirfd);
	if (rc) {
		/* A failure behind the replacement would let the next opening roll what went on here. */
		if (head_is_pending(s->path))
			store_fail_at_rest(s, rc, "replacing the chain of snapshots");
		return rc;
	}
	rc = fault_hit(FAULT_STEP);
	if (!rc)
		rc = head_roll(s->dirfd, s->path, c);
	if (rc)
		store_fail_at_rest(s, rc, "putting a new head in place");
	return rc;
}

/* ---- quiet ---- */

/* Everything applied and durable, and the append lock held with nothing behind. */
static int head_quiesce(struct store *s)
{
	for (;;) {
		int rc = birth_locked(s);

		if (!rc)
			rc = applier_drain_locked(s);
		if (!rc)
			rc = applier_flush_locked(s);
		if (rc)
			return rc;
		pthread_mutex_lock(&s->ring.lock);
		if (s->ring.head == s->applier.position)
			return 0;
		pthread_mutex_unlock(&s->ring.lock);
	}
}

/* Out of WAL: needs to be the only connection. */
static int head_rest_index(struct store *s)
{
	int64_t end = vn_mono_ns() + HEAD_WAIT_MS * INT64_C(1000000);
	int rc;

	for (;;) {
		rc = schema_exec(s->writer.db, "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE");
		if (!rc && schema_is_wal(s->writer.db))
			rc = -EBUSY;
		if (rc != -EBUSY || vn_mono_ns() > end)
			return rc;
		nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
	}
}

/* The writing connection and the readers on whatever is index.db now. */
static int head_open(struct store *s)
{
	sqlite3 *db = NULL;
	int rc = schema_open(s->path, SCHEMA_WRITE, &db);

	if (!rc)
		rc = schema_exec(db, "PRAGMA journal_mode = WAL");
	if (rc) {
		sqlite3_close(db);
		return rc;
	}
	return writer_init(&s->writer, db, s->order[0].datafd, s->is_volatile);
}

int head_begin(struct store *s, struct vn_err *err)
{
	int rc;

	stock_stop(s); /* it may wait for the store thread, which waits for the lock */
	pthread_mutex_lock(&s->write_lock);
	rc = store_failed(s) ? -EROFS : head_quiesce(s);
	if (!rc)
		stock_settle(s);
	if (rc) {
		pthread_mutex_unlock(&s->write_lock);
		stock_start(s);
		return vn_err_sys(err, rc, "cannot bring the index of %s to rest", s->path);
	}
	__atomic_store_n(&s->order[0].blank, false, __ATOMIC_RELEASE); /* the next head may begin with rows */
	reader_close(s->order[0].reader);
	rc = head_rest_index(s);
	if (rc) {
		schema_exec(s->writer.db, "PRAGMA journal_mode = WAL");
		pthread_mutex_unlock(&s->ring.lock);
		pthread_mutex_unlock(&s->write_lock);
		stock_start(s);
		if (rc == -EBUSY)
			return vn_err_set(err, rc, "somebody is reading %s/index.db; end that program and try again",
					  s->path);
		return vn_err_sys(err, rc, "cannot bring the index of %s to rest", s->path);
	}
	writer_fini(&s->writer);
	return 0;
}

int head_end(struct store *s)
{
	int rc = store_failed(s) ? -EROFS : head_open(s);

	if (!rc)
		rc = stock_start(s);
	pthread_mutex_unlock(&s->ring.lock);
	pthread_mutex_unlock(&s->write_lock);
	if (rc && !store_failed(s))
		store_fail(s, rc, "opening the index again");
	return rc;
}
