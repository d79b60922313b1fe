// SPDX-License-Identifier: Apache-2.0
/*
 * A table of a damaged index is read from its first row up to where SQLite gives
 * up, and from its last row down to there; what lies between is lost. Two parts
 * are enough: most damage is one torn page or a lost end.
 */
#include "store/salvage.h"

#include "store/data.h"
#include "store/sqlerr.h"

#include "base/fd.h"
#include "base/scope.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name, *key;
	int columns;
} salvage_tables[] = {
	{ "meta", "key", 2 },         { "inode", "ino", 17 },    { "dentry", "parent, name", 3 },
	{ "xattr", "ino, name", 3 },  { "symlink", "ino", 2 },   { "extent", "ino, start", 4 },
	{ "orphan", "ino", 2 },       { "baseino", "path", 2 },  { "seen", "ino", 2 },
};

int salvage_is_whole(const char *dir)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	int format = 0;
	bool whole = false;

	if (!schema_open(dir, SCHEMA_READ, &db) && !schema_format(db, &format) && format == SCHEMA_FORMAT &&
	    sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW)
		whole = !strcmp((const char *)sqlite3_column_text(st, 0), "ok");
	sqlite3_finalize(st);
	sqlite3_close(db);
	return whole;
}

/* Copies rows in one direction until the old index gives no more. */
static uint64_t salvage_rows(sqlite3 *from, sqlite3 *to, size_t table, const char *direction)
{
	char sql[256], marks[64] = "?";
	sqlite3_stmt *read = NULL, *write = NULL;
	uint64_t n = 0;

	snprintf(sql, sizeof(sql), "SELECT * FROM %s NOT INDEXED ORDER BY %s %s", salvage_tables[table].name,
		 salvage_tables[table].key, direction);
	if (sqlite3_prepare_v2(from, sql, -1, &read, NULL) != SQLITE_OK)
		return 0;
	for (int i = 1; i < salvage_tables[table].columns; i++)
		strcat(marks, ",?");
	snprintf(sql, sizeof(sql), "INSERT OR IGNORE INTO %s VALUES(%s)", salvage_tables[table].name, marks);
	if (sqlite3_prepare_v2(to, sql, -1, &write, NULL) == SQLITE_OK) {
		while (sqlite3_step(read) == SQLITE_ROW && sqlite3_column_count(read) == salvage_tables[table].columns) {
			for (int i = 0; i < salvage_tables[table].columns; i++)
				sqlite3_bind_value(write, i + 1, sqlite3_column_value(read, i));
			if (sqlite3_step(write) == SQLITE_DONE)
				n += (uint64_t)sqlite3_changes(to);
			sqlite3_reset(write);
		}
	}
	sqlite3_finalize(read);
	sqlite3_finalize(write);
	return n;
}

/* ---- facts ---- */

static int salvage_highest(void *arg, uint64_t number)
{
	uint64_t *highest = arg;

	if (number > *highest)
		*highest = number;
	return 0;
}

static uint64_t salvage_number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = NULL;
	uint64_t n = 0;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		n = (uint64_t)sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

/* A number that must lie above everything in use. */
static int salvage_above(sqlite3 *db, const char *key, uint64_t used)
{
	uint64_t value = 0;

	if (!meta_get(db, key, &value) && value > used)
		return 0;
	return meta_set(db, key, used + 65536);
}

/* A new identity where the old one is lost: the journal then belongs to nobody. */
static int salvage_identity(sqlite3 *db, const char *key)
{
	vn_autofree char *text = NULL;
	uint8_t uuid[16];
	char new[33];
	int rc;

	if (!meta_get_text(db, key, &text) && !layout_uuid_parse(text, uuid))
		return 0;
	rc = layout_uuid_new(uuid);
	layout_uuid_format(uuid, new);
	return rc ? rc : meta_set_text(db, key, new);
}

static int salvage_facts(sqlite3 *db, int dirfd)
{
	static const char *const zero[] = { "applied", "ring_position", "journal_epoch", "epoch", "volatile", "clean" };
	vn_autoclose int datafd = openat(dirfd, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t data = salvage_number(db, "SELECT max(data) FROM inode"), value;
	int rc = datafd < 0 ? 0 : data_walk(datafd, salvage_highest, &data);

	if (!rc)
		rc = salvage_identity(db, "uuid");
	if (!rc)
		rc = salvage_identity(db, "upper");
	if (!rc)
		rc = salvage_above(db, "next_ino", salvage_number(db, "SELECT max(max(ino), 1024) FROM inode"
								      " WHERE ino < 4503599627370496"));
	if (!rc)
		rc = salvage_above(db, "next_data", data);
	for (size_t i = 0; !rc && i < sizeof(zero) / sizeof(zero[0]); i++) {
		if (meta_get(db, zero[i], &value))
			rc = meta_set(db, zero[i], 0);
	}
	return rc;
}

/* ---- the whole ---- */

static void salvage_copy(const char *dir, sqlite3 *to, uint64_t *rows)
{
	sqlite3 *from = NULL;

	*rows = 0;
	if (schema_open(dir, SCHEMA_READ, &from))
		return;
	for (size_t i = 0; i < sizeof(salvage_tables) / sizeof(salvage_tables[0]); i++) {
		*rows += salvage_rows(from, to, i, "ASC");
		*rows += salvage_rows(from, to, i, "DESC");
	}
	sqlite3_close(from);
}

static int salvage_build(const char *dir, const char *temp, int dirfd, uint64_t *rows)
{
	sqlite3 *db = NULL;
	int rc = schema_open(temp, SCHEMA_WRITE, &db);

	if (!rc)
		rc = schema_exec(db, "BEGIN");
	if (!rc)
		rc = schema_create(db);
	if (!rc)
		salvage_copy(dir, db, rows);
	if (!rc)
		rc = salvage_facts(db, dirfd);
	if (!rc)
		rc = schema_exec(db, "COMMIT");
	if (!rc)
		rc = index_flush(db);
	sqlite3_close(db);
	return rc;
}

/* The log belongs to the damaged index and goes with it. */
static int salvage_replace(int dirfd)
{
	if (renameat(dirfd, "index.db", dirfd, "index.damaged") < 0 && errno != ENOENT)
		return -errno;
	unlinkat(dirfd, "index.db-wal", 0);
	unlinkat(dirfd, "index.db-shm", 0);
	if (renameat(dirfd, "salvage/index.db", dirfd, "index.db") < 0)
		return -errno;
	unlinkat(dirfd, "salvage", AT_REMOVEDIR);
	return vn_fsync(dirfd);
}

int salvage_index(const char *dir, int dirfd, uint64_t *rows)
{
	char temp[PATH_MAX];
	int rc = 0;

	snprintf(temp, sizeof(temp), "%s/salvage", dir);
	if (mkdirat(dirfd, "salvage", 0700) < 0 && errno != EEXIST)
		rc = -errno;
	if (!rc && unlinkat(dirfd, "salvage/index.db", 0) < 0 && errno != ENOENT)
		rc = -errno;
	if (!rc)
		rc = salvage_build(dir, temp, dirfd, rows);
	return rc ? rc : salvage_replace(dirfd);
}
