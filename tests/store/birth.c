// SPDX-License-Identifier: Apache-2.0
/* A new upper is used before it is flushed, and a power cut meanwhile does no harm. */
#include "help.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "store/schema.h"

#define FILES 100

static sqlite3 *index_open(void)
{
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(help_path("u/index.db"), &db), SQLITE_OK);
	return db;
}

static void index_exec(const char *sql)
{
	sqlite3 *db = index_open();

	ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static int index_unborn(void)
{
	sqlite3 *db = index_open();
	sqlite3_stmt *st;
	int unborn;

	ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE key = 'unborn'", -1, &st, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(st), SQLITE_ROW);
	unborn = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return unborn;
}

/* A process that makes files with data in it and dies at once. */
static void make_and_die(const char *prefix)
{
	pid_t pid = fork();

	if (!pid) {
		struct store *s = help_open("u");
		struct store_inode root = help_dir(1, "");
		struct store_change c;
		uint64_t number;
		char n[32];
		int fd;

		store_change_init(&c);
		store_change_inode(&c, &root);
		help_commit(s, &c);
		for (int i = 0; i < FILES; i++) {
			snprintf(n, sizeof(n), "%s%d", prefix, i);
			help_create(s, 1, n);
			ck_assert_int_eq(store_data_new(s, &number, &fd), 0);
			close(fd);
		}
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

/* As a power cut leaves it that keeps only the first transaction. */
static void cut_to_the_first_transaction(void)
{
	index_exec("REPLACE INTO meta VALUES('unborn', 1); UPDATE meta SET value = 1 WHERE key = 'clean';"
		   "UPDATE meta SET value = 0 WHERE key IN ('journal_epoch', 'applied', 'ring_position');"
		   "UPDATE meta SET value = 1024 WHERE key = 'next_ino'; UPDATE meta SET value = 1 WHERE key = 'next_data';"
		   "DELETE FROM inode; DELETE FROM dentry");
}

static size_t names(void)
{
	struct store *s = help_open("u");
	size_t n = help_find(s, 1, NULL).count;

	ck_assert_int_eq(store_check(s, NULL, NULL), 0);
	help_close(s);
	return n;
}

static void can_be_used(void)
{
	struct store *s = help_open("u");
	uint64_t number;
	int fd;

	ck_assert_uint_gt(store_next_ino(s), 1024 + FILES);
	for (int i = 0; i < FILES; i++) {
		ck_assert_int_eq(store_data_new(s, &number, &fd), 0);
		close(fd);
		ck_assert_uint_gt(number, FILES);
	}
	help_close(s);
}

START_TEST(durability_makes_it_born)
{
	struct store *s = help_open("u");

	help_create(s, 1, "a");
	ck_assert_int_eq(store_settle(s, true), 0);
	help_close(s);
	ck_assert_int_eq(index_unborn(), 0);
}
END_TEST

START_TEST(kill_at_once_loses_nothing)
{
	make_and_die("a");
	ck_assert_uint_eq(names(), FILES);
}
END_TEST

START_TEST(kill_before_it_was_born_loses_nothing)
{
	make_and_die("a");
	index_exec("REPLACE INTO meta VALUES('unborn', 1)");
	ck_assert_uint_eq(names(), FILES);
	can_be_used();
}
END_TEST

START_TEST(lost_journal_is_made_again)
{
	make_and_die("a");
	index_exec("REPLACE INTO meta VALUES('unborn', 1)");
	ck_assert_int_eq(unlink(help_path("u/journal")), 0);
	ck_assert_uint_le(names(), FILES);
	can_be_used();
}
END_TEST

START_TEST(records_of_a_lost_time_do_not_come_back)
{
	make_and_die("a");
	cut_to_the_first_transaction();
	make_and_die("b");
	ck_assert_uint_eq(names(), FILES);
	can_be_used();
}
END_TEST

START_TEST(lost_index_is_made_again_beside_old_data)
{
	make_and_die("a");
	unlink(help_path("u/index.db-wal"));
	unlink(help_path("u/index.db-shm"));
	ck_assert_int_eq(unlink(help_path("u/index.db")), 0);
	ck_assert_uint_eq(names(), 0);
	make_and_die("b");
	ck_assert_uint_eq(names(), FILES);
	can_be_used();
}
END_TEST

START_TEST(lost_data_directory_is_made_again)
{
	char cmd[4200];

	make_and_die("a");
	cut_to_the_first_transaction();
	snprintf(cmd, sizeof(cmd), "rm -r '%s'", help_path("u/data"));
	ck_assert_int_eq(system(cmd), 0);
	ck_assert_uint_eq(names(), 0);
	can_be_used();
}
END_TEST

/* Every view as SQLite knows it, in one line each. */
static char *views_of(bool defensive)
{
	char *all = strdup("");
	sqlite3_stmt *st;
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, defensive, NULL), SQLITE_OK);
	ck_assert_int_eq(schema_create(db), 0);
	ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT name || ' ' || tbl_name || ' ' || rootpage || ' ' || sql"
						" FROM sqlite_master WHERE type = 'view' ORDER BY name", -1, &st, NULL),
			 SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW) {
		char *more;

		ck_assert_int_gt(asprintf(&more, "%s%s\n", all, (const char *)sqlite3_column_text(st, 0)), 0);
		free(all);
		all = more;
	}
	sqlite3_finalize(st);
	sqlite3_close(db);
	return all;
}

/* Written as rows of the schema, views are what CREATE VIEW makes; and that is done where rows are refused. */
START_TEST(views_are_the_same_however_they_are_made)
{
	vn_autofree char *rows = views_of(false), *ordinary = views_of(true);

	ck_assert_ptr_nonnull(strstr(rows, "changes changes 0 CREATE VIEW"));
	ck_assert_str_eq(rows, ordinary);
}
END_TEST

VN_CHECK_MAIN("store/birth", durability_makes_it_born, kill_at_once_loses_nothing, kill_before_it_was_born_loses_nothing,
	      lost_journal_is_made_again, records_of_a_lost_time_do_not_come_back,
	      lost_index_is_made_again_beside_old_data, lost_data_directory_is_made_again,
	      views_are_the_same_however_they_are_made)
