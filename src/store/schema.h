// SPDX-License-Identifier: Apache-2.0
/*
 * The index: its tables, how it is opened, and the small facts in `meta`.
 * doc/format.md describes every column.
 */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cfg.h"

#define SCHEMA_FORMAT 1
#define SCHEMA_APPLICATION 0x564e4552 /* "VNER" */

enum schema_mode {
	SCHEMA_WRITE,     /* read and write, made when missing */
	SCHEMA_READ,      /* read beside a writer */
	SCHEMA_IMMUTABLE, /* nobody writes: no locks, no log */
};

/* "file:DIR/index.db?QUERY"; malloc()ed. */
char *schema_uri(const char *dir, const char *query);
/* Opens DIR/index.db. The connection belongs to one thread at a time. */
int schema_open(const char *dir, enum schema_mode mode, sqlite3 **db);
/* The number in the file: 0 for an empty one, else the format. -EUCLEAN: not an index of ours. */
int schema_format(sqlite3 *db, int *format);
/* Does the file use a log (WAL)? */
bool schema_is_wal(sqlite3 *db);
/* Makes the tables; to be called inside a transaction. */
int schema_create(sqlite3 *db);
/* Runs statements without results. */
int schema_exec(sqlite3 *db, const char *sql);
/* Prepares a statement that lives long. */
int schema_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **stmt);

/* Values of `meta`. Numbers are stored as integers; -ENOENT when there is none. */
int meta_get(sqlite3 *db, const char *key, uint64_t *value);
int meta_get_text(sqlite3 *db, const char *key, char **value); /* malloc()ed */
/* The same with a statement that selects by key, which is reset. */
int meta_read_text(sqlite3_stmt *st, const char *key, char **value);
int meta_set(sqlite3 *db, const char *key, uint64_t value);
int meta_set_text(sqlite3 *db, const char *key, const char *value); /* NULL: removes it */

#endif
