// SPDX-License-Identifier: Apache-2.0
#include "store/schema.h"

#include "store/sqlerr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char schema_tables[] =
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"CREATE TABLE inode(ino INTEGER PRIMARY KEY, mode INTEGER, uid INTEGER, gid INTEGER, rdev INTEGER,"
	" nlink INTEGER, size INTEGER, atime INTEGER, mtime INTEGER, ctime INTEGER, btime INTEGER, flags INTEGER,"
	" state INTEGER, data INTEGER, source INTEGER, below INTEGER, origin BLOB);"
	"CREATE TABLE dentry(parent INTEGER, name BLOB, ino INTEGER, PRIMARY KEY(parent, name)) WITHOUT ROWID;"
	"CREATE INDEX dentry_ino ON dentry(ino) WHERE ino > 0;"
	"CREATE TABLE xattr(ino INTEGER, name BLOB, value BLOB, PRIMARY KEY(ino, name)) WITHOUT ROWID;"
	"CREATE TABLE symlink(ino INTEGER PRIMARY KEY, target BLOB);"
	"CREATE TABLE extent(ino INTEGER, start INTEGER, length INTEGER, kind INTEGER, PRIMARY KEY(ino, start))"
	" WITHOUT ROWID;"
	"CREATE TABLE orphan(ino INTEGER PRIMARY KEY, session INTEGER);"
	"CREATE TABLE baseino(path BLOB PRIMARY KEY, ino INTEGER) WITHOUT ROWID;"
	"CREATE TABLE seen(ino INTEGER PRIMARY KEY, path BLOB);";

/* ino -> full path. A directory of the base that has no recorded name is where it was. */
static const char schema_path_view[] =
	"CREATE VIEW path(ino, path) AS WITH RECURSIVE"
	" top(ino, path) AS (SELECT 1, '' UNION ALL"
	"  SELECT ino, '/' || CAST(origin AS TEXT) FROM inode WHERE origin IS NOT NULL AND ino <> 1"
	"  AND mode & 61440 = 16384 AND ino NOT IN (SELECT ino FROM dentry WHERE ino > 0)"
	"  AND ino NOT IN (SELECT ino FROM orphan)),"
	" walk(ino, path) AS (SELECT ino, path FROM top UNION ALL"
	"  SELECT d.ino, walk.path || '/' || CAST(d.name AS TEXT)"
	"  FROM walk JOIN dentry d ON d.parent = walk.ino WHERE d.ino > 0)"
	" SELECT ino, CASE path WHEN '' THEN '/' ELSE path END FROM walk;";

/*
 * entry: every row of dentry with its path, and the base path that this name has
 * in its directory (`below`). An object whose origin is not that path was moved.
 */
static const char schema_entry_view[] =
	"CREATE VIEW entry(ino, path, below) AS SELECT d.ino,"
	" CASE p.path WHEN '/' THEN '' ELSE p.path END || '/' || CAST(d.name AS TEXT),"
	" CASE WHEN d.parent = 1 OR i.origin = x'' THEN CAST(d.name AS TEXT)"
	"  ELSE CAST(i.origin AS TEXT) || '/' || CAST(d.name AS TEXT) END"
	" FROM dentry d JOIN path p ON p.ino = d.parent LEFT JOIN inode i ON i.ino = d.parent;";

/* A added, R renamed (old: where from), M contents, m metadata only, D deleted. */
static const char schema_changes_view[] =
	"CREATE VIEW changes(kind, path, old, ino) AS"
	" SELECT kind, path, old, ino FROM ("
	"  SELECT CASE WHEN i.origin IS NULL AND i.source = 0 THEN 'A'"
	"   WHEN i.origin IS NOT NULL AND i.flags & 64 = 0 AND e.below IS NOT CAST(i.origin AS TEXT) THEN 'R' END AS kind,"
	"   e.path AS path,"
	"   CASE WHEN i.origin IS NOT NULL AND i.flags & 64 = 0 AND e.below IS NOT CAST(i.origin AS TEXT)"
	"    THEN '/' || CAST(i.origin AS TEXT) END AS old, e.ino AS ino"
	"  FROM entry e JOIN inode i ON i.ino = e.ino"
	"  UNION ALL"
	"  SELECT CASE WHEN i.origin IS NULL AND i.source = 0 THEN NULL"
	"   WHEN i.mode & 61440 = 32768 AND i.state <> 1 THEN 'M'"
	"   WHEN i.flags & 128 THEN 'm' END, p.path, NULL, i.ino"
	"  FROM path p JOIN inode i ON i.ino = p.ino"
	"  UNION ALL"
	"  SELECT 'D', e.path, NULL, 0 FROM entry e WHERE e.ino = 0 AND (e.below IS NULL OR e.below NOT IN"
	"   (SELECT CAST(origin AS TEXT) FROM inode WHERE origin IS NOT NULL AND flags & 64 = 0"
	"    AND ino IN (SELECT ino FROM dentry WHERE ino > 0))))"
	" WHERE kind IS NOT NULL;";

/* The characters that mean something in a URI are escaped. */
char *schema_uri(const char *dir, const char *query)
{
	size_t cap = strlen(dir) * 3 + strlen(query) + 32;
	char *uri = malloc(cap), *p = uri;

	if (!uri)
		return NULL;
	p += sprintf(p, "file:");
	for (const char *d = dir; *d; d++) {
		if (strchr("%?#", *d))
			p += sprintf(p, "%%%02X", (unsigned char)*d);
		else
			*p++ = *d;
	}
	sprintf(p, "/index.db%s", query);
	return uri;
}

static int schema_pragmas(sqlite3 *db, enum schema_mode mode)
{
	int rc = schema_exec(db, mode == SCHEMA_WRITE ? "PRAGMA cache_size = -4096" : "PRAGMA cache_size = -1024");

	sqlite3_busy_timeout(db, mode == SCHEMA_WRITE ? 100 : 2000);
	if (!rc)
		rc = schema_exec(db, "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF");
	return rc;
}

int schema_open(const char *dir, enum schema_mode mode, sqlite3 **db)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_URI | SQLITE_OPEN_EXRESCODE;
	char *uri = schema_uri(dir, mode == SCHEMA_IMMUTABLE ? "?immutable=1" : "");
	int rc;

	if (!uri)
		return -ENOMEM;
	flags |= mode == SCHEMA_WRITE ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
	*db = NULL;
	rc = sqlerr_errno(sqlite3_open_v2(uri, db, flags, NULL), *db);
	free(uri);
	if (!rc)
		rc = schema_pragmas(*db, mode);
	if (rc) {
		sqlite3_close(*db);
		*db = NULL;
	}
	return rc;
}

int schema_exec(sqlite3 *db, const char *sql)
{
	return sqlerr_errno(sqlite3_exec(db, sql, NULL, NULL, NULL), db);
}

int schema_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **stmt)
{
	return sqlerr_errno(sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL), db);
}

static int schema_pragma_int(sqlite3 *db, const char *sql, int *value)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*value = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return sqlerr_errno(rc, db);
}

int schema_format(sqlite3 *db, int *format)
{
	int application = 0;
	int rc = schema_pragma_int(db, "PRAGMA application_id", &application);

	if (!rc)
		rc = schema_pragma_int(db, "PRAGMA user_version", format);
	if (!rc && application != SCHEMA_APPLICATION && (application || *format))
		rc = -EUCLEAN;
	return rc;
}

bool schema_is_wal(sqlite3 *db)
{
	sqlite3_stmt *st = NULL;
	bool wal = false;

	if (sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		wal = !strcmp((const char *)sqlite3_column_text(st, 0), "wal");
	sqlite3_finalize(st);
	return wal;
}

static int schema_put_view(sqlite3_stmt *st, const char *name, const char *sql)
{
	int rc;

	sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, sql, (int)strlen(sql) - 1, SQLITE_STATIC); /* without its semicolon */
	rc = sqlite3_step(st);
	sqlite3_reset(st);
	return sqlerr_errno(rc, sqlite3_db_handle(st));
}

/*
 * As rows of the schema, which this connection then does not know: the server never asks a view, and
 * parsing them takes longer than making all tables. Where a build of SQLite keeps its schema to
 * itself they are made the ordinary way.
 */
static int schema_create_views(sqlite3 *db)
{
	static const struct {
		const char *name, *sql;
	} views[] = {
		{ "path", schema_path_view }, { "entry", schema_entry_view }, { "changes", schema_changes_view },
	};
	sqlite3_stmt *st = NULL;
	int rc = schema_exec(db, "PRAGMA writable_schema = ON");
	bool rows = !rc && sqlite3_prepare_v2(db, "INSERT INTO sqlite_master(type, name, tbl_name, rootpage, sql)"
					      " VALUES('view', ?1, ?1, 0, ?2)", -1, &st, NULL) == SQLITE_OK;

	for (size_t i = 0; !rc && i < sizeof(views) / sizeof(views[0]); i++)
		rc = rows ? schema_put_view(st, views[i].name, views[i].sql) : schema_exec(db, views[i].sql);
	sqlite3_finalize(st);
	return rc ? rc : schema_exec(db, "PRAGMA writable_schema = OFF");
}

int schema_create(sqlite3 *db)
{
	char sql[96];
	int rc = schema_exec(db, schema_tables);

	if (!rc)
		rc = schema_create_views(db);
	if (rc)
		return rc;
	snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %d", SCHEMA_APPLICATION,
		 SCHEMA_FORMAT);
	return schema_exec(db, sql);
}

static int meta_find(sqlite3_stmt *st, const char *key)
{
	int rc = sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	return rc == SQLITE_DONE ? -ENOENT : sqlerr_errno(rc, sqlite3_db_handle(st));
}

static int meta_query(sqlite3 *db, const char *key, sqlite3_stmt **st)
{
	int rc = sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE key = ?", -1, st, NULL);

	return rc == SQLITE_OK ? meta_find(*st, key) : sqlerr_errno(rc, db);
}

static int meta_text(sqlite3_stmt *st, char **value)
{
	const char *text = (const char *)sqlite3_column_text(st, 0);

	*value = strdup(text ? text : "");
	return *value ? 0 : -ENOMEM;
}

int meta_read_text(sqlite3_stmt *st, const char *key, char **value)
{
	int rc = meta_find(st, key);

	if (!rc)
		rc = meta_text(st, value);
	sqlite3_reset(st);
	return rc;
}

int meta_get(sqlite3 *db, const char *key, uint64_t *value)
{
	sqlite3_stmt *st = NULL;
	int rc = meta_query(db, key, &st);

	if (!rc)
		*value = (uint64_t)sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc;
}

int meta_get_text(sqlite3 *db, const char *key, char **value)
{
	sqlite3_stmt *st = NULL;
	int rc = meta_query(db, key, &st);

	if (!rc)
		rc = meta_text(st, value);
	sqlite3_finalize(st);
	return rc;
}

static int meta_write(sqlite3 *db, const char *sql, const char *key, const char *text, uint64_t number)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK && sqlite3_bind_parameter_count(st) > 1)
		rc = text ? sqlite3_bind_text(st, 2, text, -1, SQLITE_STATIC) :
			    sqlite3_bind_int64(st, 2, (sqlite3_int64)number);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	sqlite3_finalize(st);
	return sqlerr_errno(rc, db);
}

int meta_set(sqlite3 *db, const char *key, uint64_t value)
{
	return meta_write(db, "REPLACE INTO meta VALUES(?, ?)", key, NULL, value);
}

int meta_set_text(sqlite3 *db, const char *key, const char *value)
{
	if (!value)
		return meta_write(db, "DELETE FROM meta WHERE key = ?", key, NULL, 0);
	return meta_write(db, "REPLACE INTO meta VALUES(?, ?)", key, value, 0);
}
