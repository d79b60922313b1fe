// SPDX-License-Identifier: Apache-2.0
/*
 * Repair of an upper at rest: the chain, the index, the journal, then rows that
 * contradict each other. What is consistent stays as it is; each thing that is
 * changed or lost is told in one sentence. Sealed deltas are never touched.
 */
#include "store/head.h"
#include "store/salvage.h"
#include "store/sqlerr.h"

#include "base/fd.h"
#include "base/scope.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct repair {
	store_problem_fn told;
	void *arg;
	int count;
	const char *upper;
};

static void VN_PRINTF(2, 3) repair_tell(struct repair *r, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->count++;
	if (r->told)
		r->told(r->arg, text);
}

/* ---- the chain ---- */

struct repair_delta {
	uint64_t id, applied;
};

static int repair_compare_delta(const void *a, const void *b)
{
	uint64_t x = ((const struct repair_delta *)a)->applied, y = ((const struct repair_delta *)b)->applied;

	return x > y ? -1 : x < y; /* newest first */
}

/* What lies in deltas/, by its own index. */
static int repair_find_deltas(const char *upper, int dirfd, struct repair_delta **list, size_t *n)
{
	int fd = openat(dirfd, "deltas", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	vn_autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	*list = NULL;
	*n = 0;
	while (d && (e = readdir(d))) {
		char path[PATH_MAX];
		struct repair_delta *p, found;
		sqlite3 *db = NULL;

		if (sscanf(e->d_name, "%16" SCNx64, &found.id) != 1 || strlen(e->d_name) != 16)
			continue;
		snprintf(path, sizeof(path), "%s/deltas/%s", upper, e->d_name);
		if (!schema_open(path, SCHEMA_IMMUTABLE, &db) && !meta_get(db, "applied", &found.applied) &&
		    (p = realloc(*list, (*n + 1) * sizeof(*p)))) {
			*list = p;
			p[(*n)++] = found;
		}
		sqlite3_close(db);
	}
	if (*n)
		qsort(*list, *n, sizeof(**list), repair_compare_delta);
	return 0;
}

/* Names and times are lost with the chain; order and contents are in the deltas. */
static int repair_chain(struct repair *r, int dirfd)
{
	vn_autofree struct repair_delta *list = NULL;
	struct chain c;
	size_t n;
	int rc = chain_read(&c, dirfd);

	if (rc != -EUCLEAN) {
		chain_fini(&c);
		return rc;
	}
	chain_init(&c);
	rc = repair_find_deltas(r->upper, dirfd, &list, &n);
	for (size_t i = 0; !rc && i < n; i++) {
		char name[32];

		snprintf(name, sizeof(name), "recovered-%zu", n - i);
		rc = chain_insert(&c, c.n, list[i].id, 0, name, NULL);
	}
	if (!rc)
		rc = chain_write(&c, dirfd);
	if (!rc)
		repair_tell(r, "%s/chain was damaged: made again from %zu sealed deltas, whose names are lost", r->upper, n);
	chain_fini(&c);
	return rc;
}

/* ---- index and journal ---- */

static int repair_index(struct repair *r, int dirfd)
{
	uint64_t rows = 0;
	int rc;

	if (salvage_is_whole(r->upper))
		return 0;
	rc = salvage_index(r->upper, dirfd, &rows);
	if (!rc)
		repair_tell(r, "%s/index.db was damaged: %" PRIu64 " rows were kept; the old file is index.damaged", r->upper,
			    rows);
	return rc;
}

static int repair_journal(struct repair *r, int dirfd)
{
	struct ring ring;
	uint8_t upper[16];
	sqlite3 *db = NULL;
	int rc = schema_open(r->upper, SCHEMA_WRITE, &db);

	ring_init(&ring);
	if (!rc)
		rc = index_uuid(db, "upper", upper);
	if (!rc && ring_open(&ring, dirfd, upper)) {
		rc = ring_create(dirfd, upper, RING_DEFAULT, false);
		if (!rc)
			rc = ring_flush_new(dirfd);
		if (!rc)
			rc = meta_set(db, "ring_position", 0);
		if (!rc)
			repair_tell(r, "%s/journal was damaged: made again; what it held and the index did not is lost",
				    r->upper);
	}
	/* An end without flushes is what repair is asked to accept. */
	if (!rc)
		rc = meta_set(db, "volatile", 0);
	ring_fini(&ring);
	sqlite3_close(db);
	return rc;
}

/* ---- rows ---- */

/* In this order: each leaves what the later ones need. Column 0 of `find` is the sentence. */
static const struct {
	const char *find, *fix;
} repair_rows[] = {
	{ "SELECT printf('removed a name that cannot be: %s', quote(name)) FROM dentry WHERE length(name) NOT BETWEEN 1"
	  " AND 255 OR instr(name, x'2f') OR instr(name, x'00') OR name IN (x'2e', x'2e2e')",
	  "DELETE FROM dentry WHERE length(name) NOT BETWEEN 1 AND 255 OR instr(name, x'2f') OR instr(name, x'00')"
	  " OR name IN (x'2e', x'2e2e')" },
	{ "SELECT printf('inode %d had an unknown state', ino) FROM inode WHERE state NOT BETWEEN 0 AND 3",
	  "UPDATE inode SET state = CASE WHEN data > 0 THEN 3 ELSE 0 END, flags = flags | 4 WHERE state NOT BETWEEN 0 AND 3" },
	{ "SELECT printf('the name %s was removed: its inode %d is lost', CAST(name AS TEXT), ino) FROM dentry"
	  " WHERE ino > 0 AND ino NOT IN (SELECT ino FROM known)",
	  "DELETE FROM dentry WHERE ino > 0 AND ino NOT IN (SELECT ino FROM known)" },
	{ "SELECT printf('directory %d was lost: its names are in /lost+found.%d', parent, parent) FROM dentry"
	  " WHERE parent <> 1 AND parent NOT IN (SELECT ino FROM known) GROUP BY parent",
	  "INSERT INTO inode(ino, mode, uid, gid, rdev, nlink, size, atime, mtime, ctime, btime, flags, state, data, source,"
	  " below) SELECT DISTINCT parent, 16832, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM dentry WHERE parent <> 1"
	  " AND parent NOT IN (SELECT ino FROM known)" },
	{ "SELECT printf('inode %d, which is no directory, had names below it', ino) FROM inode WHERE"
	  " mode & 61440 <> 16384 AND ino IN (SELECT parent FROM dentry)",
	  "DELETE FROM dentry WHERE parent IN (SELECT ino FROM inode WHERE mode & 61440 <> 16384)" },
	{ "SELECT printf('directory %d had %d names and keeps one', d.ino, count(*)) FROM dentry d JOIN inode i ON"
	  " i.ino = d.ino WHERE d.ino > 0 AND i.mode & 61440 = 16384 GROUP BY d.ino HAVING count(*) > 1",
	  "DELETE FROM dentry WHERE ino IN (SELECT ino FROM inode WHERE mode & 61440 = 16384) AND EXISTS (SELECT 1 FROM"
	  " dentry o WHERE o.ino = dentry.ino AND (o.parent, o.name) < (dentry.parent, dentry.name))" },
	{ "SELECT printf('directory %d could not be reached: its name is now /lost+found.%d', ino, ino) FROM stranded",
	  "DELETE FROM dentry WHERE ino IN (SELECT ino FROM stranded)" },
	{ "SELECT printf('orphan %d has no row', ino) FROM orphan WHERE ino NOT IN (SELECT ino FROM inode)",
	  "DELETE FROM orphan WHERE ino NOT IN (SELECT ino FROM inode)" },
	{ "SELECT printf('inode %d had no name: it is now /lost+found.%d', ino, ino) FROM nameless",
	  "INSERT OR IGNORE INTO dentry SELECT 1, CAST('lost+found.' || ino AS BLOB), ino FROM nameless" },
	{ "SELECT printf('inode %d had %d links and has %d', ino, nlink, n) FROM links WHERE nlink <> n",
	  "UPDATE inode SET nlink = (SELECT n FROM links l WHERE l.ino = inode.ino) WHERE ino IN (SELECT ino FROM links"
	  " WHERE nlink <> n)" },
	{ "SELECT printf('inode %d read below where nothing is: it is empty', ino) FROM inode WHERE state = 1 AND"
	  " mode & 61440 = 32768 AND origin IS NULL AND source = 0 AND size > 0",
	  "UPDATE inode SET state = 0 WHERE state = 1 AND mode & 61440 = 32768 AND origin IS NULL AND source = 0"
	  " AND size > 0" },
	{ "SELECT printf('inode %d read from delta %016x, which is lost: zeros there now', ino, source) FROM inode WHERE"
	  " source <> 0 AND source NOT IN (SELECT id FROM deltas)",
	  "UPDATE inode SET state = CASE state WHEN 1 THEN 0 ELSE state END, source = 0, below = 0 WHERE source <> 0 AND"
	  " source NOT IN (SELECT id FROM deltas)" },
	{ "SELECT printf('symlink %d lost its target: it was removed', ino) FROM targetless",
	  "DELETE FROM dentry WHERE ino IN (SELECT ino FROM targetless);"
	  "DELETE FROM inode WHERE ino IN (SELECT ino FROM targetless)" },
	{ "SELECT printf('extents of inode %d, which is not partial', ino) FROM extent WHERE ino NOT IN"
	  " (SELECT ino FROM inode WHERE state = 2) GROUP BY ino",
	  "DELETE FROM extent WHERE ino NOT IN (SELECT ino FROM inode WHERE state = 2)" },
	{ "SELECT printf('an extent of inode %d that cannot be', ino) FROM extent WHERE length <= 0 OR start < 0"
	  " OR kind NOT IN (1, 2)", "DELETE FROM extent WHERE length <= 0 OR start < 0 OR kind NOT IN (1, 2)" },
	{ "SELECT printf('extents of inode %d overlapped at %d', a.ino, b.start) FROM extent a JOIN extent b ON"
	  " b.ino = a.ino AND b.start > a.start AND b.start < a.start + a.length",
	  "UPDATE extent SET length = (SELECT min(b.start) FROM extent b WHERE b.ino = extent.ino AND b.start > extent.start)"
	  " - start WHERE EXISTS (SELECT 1 FROM extent b WHERE b.ino = extent.ino AND b.start > extent.start AND"
	  " b.start < extent.start + extent.length)" },
	{ "SELECT printf('xattrs of inode %d, which has no row', ino) FROM xattr WHERE ino NOT IN (SELECT ino FROM inode)"
	  " GROUP BY ino", "DELETE FROM xattr WHERE ino NOT IN (SELECT ino FROM inode)" },
	{ "SELECT printf('data file %d was shared: only inode %d keeps it', data, min(ino)) FROM inode WHERE data > 0"
	  " GROUP BY data HAVING count(*) > 1",
	  "UPDATE inode SET data = 0, state = 0, size = 0 WHERE data > 0 AND EXISTS (SELECT 1 FROM inode o WHERE"
	  " o.data = inode.data AND o.ino < inode.ino)" },
};

/* What the statements above ask for; `known` also has the inodes of sealed deltas. */
static const char repair_views[] =
	"CREATE TEMP VIEW known AS SELECT ino FROM inode UNION SELECT ino FROM below;"
	"CREATE TEMP VIEW own AS SELECT * FROM inode WHERE origin IS NULL AND source = 0 AND ino <> 1 AND"
	" ino NOT IN (SELECT ino FROM below);"
	"CREATE TEMP VIEW reach AS WITH RECURSIVE r(ino) AS (SELECT 1 UNION SELECT ino FROM inode WHERE"
	" mode & 61440 = 16384 AND ino NOT IN (SELECT ino FROM dentry WHERE ino > 0) UNION SELECT ino FROM below UNION"
	" SELECT d.ino FROM r JOIN dentry d ON d.parent = r.ino WHERE d.ino > 0) SELECT ino FROM r;"
	"CREATE TEMP VIEW stranded AS SELECT ino FROM inode WHERE mode & 61440 = 16384 AND ino NOT IN (SELECT ino FROM reach);"
	"CREATE TEMP VIEW nameless AS SELECT ino FROM own WHERE ino NOT IN (SELECT ino FROM dentry WHERE ino > 0)"
	" AND ino NOT IN (SELECT ino FROM orphan);"
	"CREATE TEMP VIEW links AS SELECT ino, nlink, (SELECT count(*) FROM dentry d WHERE d.ino = own.ino AND d.ino > 0)"
	" AS n FROM own WHERE mode & 61440 <> 16384;"
	"CREATE TEMP VIEW targetless AS SELECT ino FROM own WHERE mode & 61440 = 40960 AND ino NOT IN"
	" (SELECT ino FROM symlink WHERE length(target) > 0);";

static int repair_below_one(struct delta *d, sqlite3_stmt *note)
{
	struct reader_conn conn;
	sqlite3_stmt *st = NULL;
	int rc = reader_get(d->reader, &conn);

	if (rc)
		return rc;
	rc = schema_prepare(conn.db, "SELECT ino FROM inode", &st);
	while (!rc && sqlite3_step(st) == SQLITE_ROW) {
		sqlite3_bind_int64(note, 1, sqlite3_column_int64(st, 0));
		if (sqlite3_step(note) != SQLITE_DONE)
			rc = -EIO;
		sqlite3_reset(note);
	}
	sqlite3_finalize(st);
	reader_put(d->reader, &conn);
	return rc;
}

static int repair_note_delta(sqlite3_stmt *note, uint64_t id)
{
	int rc;

	sqlite3_bind_int64(note, 1, (sqlite3_int64)id);
	rc = sqlite3_step(note);
	sqlite3_reset(note);
	return rc == SQLITE_DONE ? 0 : -EIO;
}

/* A temporary table with the ids that `source` may name. */
static int repair_deltas(struct store *s, sqlite3 *db)
{
	sqlite3_stmt *note = NULL;
	int rc = schema_exec(db, "CREATE TEMP TABLE deltas(id INTEGER PRIMARY KEY)");

	if (!rc)
		rc = schema_prepare(db, "INSERT OR IGNORE INTO deltas VALUES(?1)", &note);
	for (size_t i = 1; !rc && i < s->norder; i++)
		rc = repair_note_delta(note, s->order[i].id);
	for (size_t i = 0; !rc && i < s->naliases; i++)
		rc = repair_note_delta(note, s->aliases[i].from);
	sqlite3_finalize(note);
	return rc;
}

/* A temporary table with the inodes of all sealed deltas. */
static int repair_below(struct store *s, sqlite3 *db)
{
	sqlite3_stmt *note = NULL;
	int rc = schema_exec(db, "CREATE TEMP TABLE below(ino INTEGER PRIMARY KEY)");

	if (!rc)
		rc = schema_prepare(db, "INSERT OR IGNORE INTO below VALUES(?1)", &note);
	for (size_t i = 1; !rc && i < s->norder; i++)
		rc = repair_below_one(&s->order[i], note);
	sqlite3_finalize(note);
	return rc;
}

static int repair_one(struct repair *r, sqlite3 *db, size_t i)
{
	sqlite3_stmt *st = NULL;
	int rc = schema_prepare(db, repair_rows[i].find, &st);
	bool found = false;

	while (!rc && sqlite3_step(st) == SQLITE_ROW) {
		repair_tell(r, "%s", (const char *)sqlite3_column_text(st, 0));
		found = true;
	}
	sqlite3_finalize(st);
	return rc || !found ? rc : schema_exec(db, repair_rows[i].fix);
}

/* ---- data files ---- */

static int repair_reach(sqlite3 *db, uint64_t ino, uint64_t *reach)
{
	sqlite3_stmt *st = NULL;
	int rc = schema_prepare(db, "SELECT max(start + length) FROM extent WHERE ino = ?1 AND kind = 1", &st);

	if (rc)
		return rc;
	sqlite3_bind_int64(st, 1, (sqlite3_int64)ino);
	rc = sqlite3_step(st) == SQLITE_ROW ? 0 : -EIO;
	*reach = rc ? 0 : (uint64_t)sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc;
}

/* A partial file whose data file ends before its extents do: they end there, too. */
static int repair_extents(struct repair *r, sqlite3 *db, uint64_t ino, uint64_t number, uint64_t end, uint64_t size)
{
	char sql[320];
	uint64_t reach;
	int rc = repair_reach(db, ino, &reach);

	if (rc || end >= reach || end >= size)
		return rc;
	repair_tell(r, "the bytes of inode %" PRIu64 " from %" PRIu64 " to %" PRIu64 " are lost (data file %" PRIu64
		    " is shorter than its extents): what is below is read there now", ino, end, reach, number);
	snprintf(sql, sizeof(sql),
		 "DELETE FROM extent WHERE ino = %" PRIu64 " AND kind = 1 AND start >= %" PRIu64 "; UPDATE extent SET length ="
		 " %" PRIu64 " - start WHERE ino = %" PRIu64 " AND kind = 1 AND start + length > %" PRIu64,
		 ino, end, end, ino, end);
	return schema_exec(db, sql);
}

static int repair_data_row(struct repair *r, struct store *s, sqlite3_stmt *row, sqlite3_stmt *fix)
{
	uint64_t ino = (uint64_t)sqlite3_column_int64(row, 0), number = (uint64_t)sqlite3_column_int64(row, 1);
	uint64_t size = (uint64_t)sqlite3_column_int64(row, 2);
	int state = sqlite3_column_int(row, 3), flags = sqlite3_column_int(row, 4), rc;
	vn_autoclose int fd = store_data_open(s, 0, number);
	struct stat st = { .st_size = 0 };

	if (fd >= 0 && fstat(fd, &st) < 0)
		return -errno;
	if (fd >= 0 && state == STORE_PARTIAL)
		return repair_extents(r, s->writer.db, ino, number, (uint64_t)st.st_size, size);
	if (fd >= 0 && (state != STORE_FULL || flags & STORE_STALE || (uint64_t)st.st_size == size))
		return 0;
	sqlite3_bind_int64(fix, 1, (sqlite3_int64)ino);
	sqlite3_bind_int64(fix, 2, fd < 0 ? 0 : state);
	sqlite3_bind_int64(fix, 3, fd < 0 ? 0 : (sqlite3_int64)number);
	sqlite3_bind_int64(fix, 4, fd < 0 ? 0 : st.st_size);
	rc = sqlite3_step(fix);
	sqlite3_reset(fix);
	if (fd < 0)
		repair_tell(r, "the contents of inode %" PRIu64 " are lost (data file %" PRIu64 "): it is empty now", ino, number);
	else
		repair_tell(r, "inode %" PRIu64 " has as many bytes as its data file now: %" PRIu64, ino, (uint64_t)st.st_size);
	return rc == SQLITE_DONE ? 0 : -EIO;
}

static int repair_data(struct repair *r, struct store *s, sqlite3 *db)
{
	sqlite3_stmt *row = NULL, *fix = NULL;
	int rc = schema_prepare(db, "SELECT ino, data, size, state, flags FROM inode WHERE data > 0", &row);

	if (!rc)
		rc = schema_prepare(db, "UPDATE inode SET state = ?2, data = ?3, size = ?4, below = 0 WHERE ino = ?1", &fix);
	while (!rc && sqlite3_step(row) == SQLITE_ROW)
		rc = repair_data_row(r, s, row, fix);
	sqlite3_finalize(row);
	sqlite3_finalize(fix);
	return rc;
}

/* ---- the whole ---- */

static int repair_contents(struct repair *r, struct store *s)
{
	sqlite3 *db = s->writer.db;
	vn_autounlock pthread_mutex_t *held = vn_lock(&s->write_lock);
	int rc = repair_below(s, db);

	if (!rc)
		rc = repair_deltas(s, db);
	if (!rc)
		rc = schema_exec(db, repair_views);
	if (!rc)
		rc = writer_begin(&s->writer);
	if (!rc)
		rc = repair_data(r, s, db);
	for (size_t i = 0; !rc && i < VN_ARRAY_LEN(repair_rows); i++)
		rc = repair_one(r, db, i);
	if (!rc)
		rc = writer_commit(&s->writer);
	if (rc)
		writer_rollback(&s->writer);
	else
		reader_changed(s->order[0].reader);
	return rc;
}

/* Files that opening needs whole, under the lock of a bare directory. */
static int repair_files(struct repair *r, const struct store_config *config, struct vn_err *err)
{
	struct store files = { .lockfd = -1 };
	int rc;

	files.dirfd = open(r->upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (files.dirfd < 0)
		return vn_err_sys(err, -errno, "cannot open the upper directory %s", r->upper);
	files.path = (char *)r->upper;
	rc = layout_lock(&files, config, err);
	if (!rc) {
		rc = repair_chain(r, files.dirfd);
		if (!rc && (rc = head_recover(files.dirfd, r->upper, err)) < 0)
			goto out;
		if (!rc)
			rc = repair_index(r, files.dirfd);
		if (!rc)
			rc = repair_journal(r, files.dirfd);
		if (rc)
			vn_err_sys(err, rc, "cannot repair the upper %s", r->upper);
	}
out:
	layout_unlock(&files);
	close(files.dirfd);
	return rc;
}

int store_repair(const struct store_config *config, store_problem_fn told, void *arg, struct vn_err *err)
{
	vn_autofree char *path = realpath(config->upper, NULL);
	struct repair r = { .told = told, .arg = arg, .upper = path };
	struct store *s = NULL;
	int rc, rc2;

	if (!path)
		return vn_err_sys(err, -errno, "cannot find the upper %s", config->upper);
	rc = repair_files(&r, config, err);
	if (!rc)
		rc = store_open_recorded(config, &s, err);
	if (rc)
		return rc;
	rc = repair_contents(&r, s);
	if (rc)
		vn_err_sys(err, rc, "cannot repair the index of %s", path);
	rc2 = store_close(s);
	if (!rc && rc2)
		rc = vn_err_sys(err, rc2, "cannot close the upper %s", path);
	return rc ? rc : r.count;
}
