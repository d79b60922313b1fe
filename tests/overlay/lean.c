// SPDX-License-Identifier: Apache-2.0
#include "lean.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "../check_main.h"

static bool lean_names(sqlite3 *db, unsigned long number)
{
	sqlite3_stmt *st;
	bool found;

	ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT 1 FROM inode WHERE data = ?1", -1, &st, NULL), SQLITE_OK);
	sqlite3_bind_int64(st, 1, (sqlite3_int64)number);
	found = sqlite3_step(st) == SQLITE_ROW;
	sqlite3_finalize(st);
	return found;
}

static int lean_dir(sqlite3 *db, const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int strays = 0;

	while (d && (e = readdir(d))) {
		unsigned long number = strtoul(e->d_name, NULL, 10);

		if (*e->d_name != '.' && !lean_names(db, number)) {
			fprintf(stderr, "# stray %s/%s\n", path, e->d_name);
			strays++;
		}
	}
	if (d)
		closedir(d);
	return strays;
}

static void lean_delta(const char *dir, const uint64_t *known, size_t n)
{
	char path[1024], sub[1400];
	sqlite3_stmt *st;
	struct dirent *e;
	int bad = 0;
	sqlite3 *db;
	DIR *d;

	snprintf(path, sizeof(path), "%s/index.db", dir);
	ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	snprintf(path, sizeof(path), "%s/data", dir);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
		bad += *e->d_name != '.' ? lean_dir(db, sub) : 0;
	}
	if (d)
		closedir(d);
	ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT ino FROM inode WHERE flags & 64 = 0 AND ino <> 1", -1, &st,
					    NULL), SQLITE_OK);
	while (known && sqlite3_step(st) == SQLITE_ROW) {
		uint64_t ino = (uint64_t)sqlite3_column_int64(st, 0);
		size_t i = 0;

		while (i < n && known[i] != ino)
			i++;
		if (i == n) {
			fprintf(stderr, "# %s: a row of %lx is left\n", dir, (unsigned long)ino);
			bad++;
		}
	}
	sqlite3_finalize(st);
	sqlite3_close(db);
	ck_assert_int_eq(bad, 0);
}

void lean_upper(const char *upper, const uint64_t *known, size_t n)
{
	char path[1024], dir[1400];
	struct dirent *e;
	DIR *d;

	lean_delta(upper, known, n);
	snprintf(path, sizeof(path), "%s/deltas", upper);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		snprintf(dir, sizeof(dir), "%s/%s", path, e->d_name);
		if (*e->d_name != '.')
			lean_delta(dir, known, n);
	}
	if (d)
		closedir(d);
}
