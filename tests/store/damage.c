// SPDX-License-Identifier: Apache-2.0
/* Damage at rest: found, named, refused where it has to be, repaired as far as it goes. */
#include "help.h"
#include "base/hash.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

static void name(struct store_change *c, uint64_t parent, const char *n, uint64_t ino)
{
	store_change_dentry(c, parent, n, strlen(n), ino);
}

/* ---- verification ---- */

static void problem_fn(void *arg, const char *sentence)
{
	strcat(strcat(arg, sentence), "\n");
}

static int check_after(const char *sql, char *out)
{
	struct store_config config = { .readonly = true };
	char path[4200];
	struct store *s;
	sqlite3 *db;
	int n;

	snprintf(path, sizeof(path), "%s/index.db", help_path("u"));
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	s = help_open_config(&config, "u");
	*out = '\0';
	n = store_check(s, problem_fn, out);
	help_close(s);
	return n;
}

static int repair(char *out)
{
	struct store_config config = { .upper = help_path("u") };
	struct vn_err err = { 0 };
	int n;

	*out = '\0';
	n = store_repair(&config, problem_fn, out, &err);
	ck_assert_msg(n >= 0, "repair: %s", vn_err_text(&err));
	return n;
}

START_TEST(each_damage_of_rows_is_named_and_repaired)
{
	static const struct {
		const char *sql, *says;
	} damages[] = {
		{ "DELETE FROM inode WHERE ino = 1025", "leads to inode 1025" },
		{ "INSERT INTO dentry VALUES(1024, x'61', 1025)", "no directory" },
		{ "UPDATE inode SET nlink = 5 WHERE ino = 1025", "linked 5 times but has 1 names" },
		{ "DELETE FROM dentry WHERE ino = 1025", "no name" },
		{ "UPDATE inode SET data = 999, state = 3 WHERE ino = 1025", "data file 999 is missing" },
		{ "UPDATE inode SET size = 7 WHERE ino = 1024", "another size" },
		{ "UPDATE inode SET data = (SELECT data FROM inode WHERE ino = 1024), state = 3, size = 5"
		  " WHERE ino = 1025", "belongs to 2 inodes" },
		{ "INSERT INTO extent VALUES(1024, 0, 5, 1)", "not partial" },
		{ "UPDATE inode SET source = 5 WHERE ino = 1025", "not in the chain" },
		{ "UPDATE inode SET state = 9 WHERE ino = 1025", "unknown state" },
		{ "INSERT INTO xattr VALUES(77, x'61', x'62')", "xattrs" },
		{ "INSERT INTO orphan VALUES(77, 1)", "orphan 77" },
		{ "INSERT INTO dentry VALUES(1, x'612f62', 1025)", "slash" },
		{ "INSERT INTO inode(ino, mode, state, nlink, source) VALUES(50, 16877, 0, 2, 0), (51, 16877, 0, 2, 0);"
		  "INSERT INTO dentry VALUES(50, x'61', 51), (51, x'61', 50)", "cannot be reached" },
	};
	struct store_change c;
	char out[8192];

	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		struct store *s;
		struct store_inode row = help_file(0), root = help_dir(1, "");
		char cmd[4200];
		int fd;

		snprintf(cmd, sizeof(cmd), "rm -rf '%s'", help_path("u"));
		ck_assert_int_eq(system(cmd), 0);
		s = help_open("u");
		row.ino = store_next_ino(s);
		ck_assert_int_eq(store_data_new(s, &row.data, &fd), 0);
		ck_assert_int_eq(write(fd, "12345", 5), 5);
		close(fd);
		row.state = STORE_FULL;
		row.size = 5;
		store_change_init(&c);
		store_change_inode(&c, &root);
		store_change_inode(&c, &row);
		name(&c, 1, "data", row.ino);
		help_commit(s, &c);
		help_create(s, 1, "empty");
		help_settle(s);
		ck_assert_int_eq(store_check(s, NULL, NULL), 0);
		help_close(s);
		ck_assert_int_ge(check_after(damages[i].sql, out), 1);
		ck_assert_msg(strstr(out, damages[i].says) != NULL, "%s: %s", damages[i].sql, out);
		ck_assert_msg(repair(out) >= 1, "%s", damages[i].sql);
		ck_assert_msg(check_after("SELECT 1", out) == 0, "%s: %s", damages[i].sql, out);
	}
}
END_TEST

/* ---- files ---- */

#define FILES 3000

/* An upper with many rows; `killed`: with a journal that is not applied. */
static void make(bool killed)
{
	if (!fork()) {
		struct store *s = help_open("u");
		struct store_inode root = help_dir(1, "");
		struct store_change c;
		char n[32];

		store_change_init(&c);
		store_change_inode(&c, &root);
		store_commit(s, &c, NULL);
		store_settle(s, true); /* once it has been flushed, its journal is needed */
		for (int i = 0; i < FILES; i++) {
			snprintf(n, sizeof(n), "file%d", i);
			help_create(s, 1, n);
		}
		if (!killed)
			store_close(s);
		_exit(0);
	}
	wait(NULL);
}

static int opens(char *text)
{
	struct store_config config = { .upper = help_path("u"), .lock_wait_ms = 30 };
	struct vn_err err = { 0 };
	struct store *s;
	int rc = store_open(&config, &s, &err);

	strcpy(text, err.text);
	if (!rc)
		store_close(s);
	return rc;
}

static void overwrite(const char *file, long at, size_t n)
{
	char path[64], junk[65536];
	int fd;

	memset(junk, 0x5a, sizeof(junk));
	snprintf(path, sizeof(path), "u/%s", file);
	fd = open(help_path(path), O_RDWR);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, junk, n, at), (ssize_t)n);
	close(fd);
}

static size_t names(void)
{
	struct store *s = help_open("u");
	size_t n = help_find(s, 1, NULL).count;

	ck_assert_int_eq(store_check(s, NULL, NULL), 0);
	help_close(s);
	return n;
}

static char text[1 << 20];

START_TEST(index_that_is_no_index_is_refused_and_replaced)
{
	make(false);
	overwrite("index.db", 0, 4096);
	ck_assert_int_eq(opens(text), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(text, "index.db"));
	ck_assert_int_ge(repair(text), 1);
	ck_assert_ptr_nonnull(strstr(text, "index.damaged"));
	names();
}
END_TEST

START_TEST(torn_page_of_the_index_loses_no_more_than_it_holds)
{
	make(false);
	overwrite("index.db", 40 * 4096, 4096);
	ck_assert_int_ge(repair(text), 1);
	ck_assert_uint_gt(names(), FILES / 2);
}
END_TEST

START_TEST(index_that_was_cut_keeps_what_is_left)
{
	make(false);
	ck_assert_int_eq(truncate(help_path("u/index.db"), 40 * 4096), 0);
	ck_assert_int_ge(repair(text), 1);
	names();
}
END_TEST

START_TEST(index_of_a_newer_format_is_refused_and_named)
{
	sqlite3 *db;

	make(false);
	ck_assert_int_eq(sqlite3_open(help_path("u/index.db"), &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "PRAGMA user_version = 2", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	ck_assert_int_eq(opens(text), -EPROTONOSUPPORT);
	ck_assert_ptr_nonnull(strstr(text, "newer"));
}
END_TEST

START_TEST(journal_that_is_needed_and_damaged_is_refused_and_named)
{
	make(true);
	overwrite("journal", 0, 64);
	ck_assert_int_eq(opens(text), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(text, "journal"));
	ck_assert_int_ge(repair(text), 1);
	ck_assert_ptr_nonnull(strstr(text, "journal"));
	names();
}
END_TEST

START_TEST(journal_that_is_not_needed_is_made_again)
{
	make(false);
	ck_assert_int_eq(truncate(help_path("u/journal"), 10), 0);
	ck_assert_int_eq(opens(text), 0);
	ck_assert_uint_eq(names(), FILES);
	ck_assert_int_eq(unlink(help_path("u/journal")), 0);
	ck_assert_uint_eq(names(), FILES);
}
END_TEST

START_TEST(journal_that_is_needed_and_cut_is_refused_and_named)
{
	make(true);
	ck_assert_int_eq(truncate(help_path("u/journal"), 4096 + 300000), 0);
	ck_assert_int_eq(opens(text), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(text, "journal"));
	ck_assert_int_ge(repair(text), 1);
	ck_assert_ptr_nonnull(strstr(text, "what it held and the index did not is lost"));
	names();
}
END_TEST

START_TEST(journal_of_a_newer_format_is_refused_and_left_alone)
{
	int fd;

	make(false);
	fd = open(help_path("u/journal"), O_RDWR);
	ck_assert_int_eq(pwrite(fd, "VENEERJ2", 8, 0), 8);
	ck_assert_int_eq(opens(text), -EPROTONOSUPPORT);
	ck_assert_ptr_nonnull(strstr(text, "journal is of a newer format"));
	ck_assert_int_eq(pwrite(fd, "VENEERJ1", 8, 0), 8);
	close(fd);
	ck_assert_uint_eq(names(), FILES);
}
END_TEST

START_TEST(flipped_bit_in_the_journal_ends_the_replay_there)
{
	size_t n;

	make(true);
	overwrite("journal", 4096 + 300000, 1);
	n = names();
	ck_assert_uint_gt(n, 100);
	ck_assert_uint_le(n, FILES);
}
END_TEST

START_TEST(journal_of_another_upper_is_refused)
{
	char cmd[9000];

	make(true);
	help_close(help_open("v"));
	snprintf(cmd, sizeof(cmd), "cp '%s' '%s'", help_path("v/journal"), help_path("u/journal"));
	ck_assert_int_eq(system(cmd), 0);
	ck_assert_int_eq(opens(text), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(text, "another upper"));
}
END_TEST

static void command(const char *format, const char *a, const char *b)
{
	char cmd[9000];

	snprintf(cmd, sizeof(cmd), format, a, b);
	ck_assert_int_eq(system(cmd), 0);
}

static int check_at_rest(void)
{
	struct store_config config = { .readonly = true };
	struct store *s = help_open_config(&config, "u");
	int n;

	*text = '\0';
	n = store_check(s, problem_fn, text);
	help_close(s);
	return n;
}

START_TEST(index_of_another_upper_is_refused_and_named)
{
	struct store *v;

	make(false);
	v = help_open("v");
	help_create(v, 1, "file");
	ck_assert_int_eq(store_settle(v, true), 0);
	help_close(v);
	command("cp '%s' '%s'", help_path("v/index.db"), help_path("u/index.db"));
	ck_assert_int_ge(check_at_rest(), 1);
	ck_assert_ptr_nonnull(strstr(text, "another upper than index.db"));
	ck_assert_int_eq(opens(text), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(text, "another upper than index.db"));
	ck_assert_int_ge(repair(text), 1);
	ck_assert_int_eq(opens(text), 0);
}
END_TEST

/* A flip in a value cannot be seen; one in the structure is named, none does harm. */
START_TEST(flipped_bits_of_the_index_never_do_more_than_be_named)
{
	unsigned seed = 7, named = 0;
	struct stat st;

	make(false);
	command("cp '%s' '%s'", help_path("u/index.db"), help_path("whole"));
	ck_assert_int_eq(stat(help_path("whole"), &st), 0);
	for (int i = 0; i < 40; i++) {
		struct store_config config = { .upper = help_path("u"), .readonly = true, .lock_wait_ms = 30 };
		off_t at = (off_t)((uint64_t)rand_r(&seed) * 4096 % (uint64_t)st.st_size) + rand_r(&seed) % 64;
		struct vn_err err = { 0 };
		struct store *s;
		uint8_t byte;
		int fd;

		command("cp '%s' '%s'", help_path("whole"), help_path("u/index.db"));
		fd = open(help_path("u/index.db"), O_RDWR);
		ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
		byte ^= (uint8_t)(1u << rand_r(&seed) % 8);
		ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
		close(fd);
		if (store_open(&config, &s, &err)) {
			ck_assert_ptr_nonnull(strstr(vn_err_text(&err), "index.db"));
			named++;
			continue;
		}
		*text = '\0';
		if (store_check(s, problem_fn, text) > 0) {
			ck_assert_ptr_nonnull(strstr(text, "index.db"));
			named++;
		}
		store_close(s);
	}
	ck_assert_uint_gt(named, 10);
}
END_TEST

START_TEST(chain_of_a_newer_format_is_refused_and_left_alone)
{
	static const char newer[] = "veneer chain 2\nsomething new\n";
	char chain[128];
	struct vn_err err = { 0 };
	struct store *s;
	uint64_t id;
	FILE *f;

	make(false);
	s = help_open("u");
	ck_assert_int_eq(store_seal(s, "one", &id, &err), 0);
	help_close(s);
	snprintf(chain, sizeof(chain), "%ssum %016llx\n", newer,
		 (unsigned long long)vn_checksum(VN_HASH_SEED, newer, strlen(newer)));
	command("cp '%s' '%s'", help_path("u/chain"), help_path("kept"));
	f = fopen(help_path("u/chain"), "w");
	ck_assert_int_ge(fputs(chain, f), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(opens(text), -EPROTONOSUPPORT);
	ck_assert_msg(strstr(text, "chain is of a newer format") != NULL, "%s", text);
	command("cp '%s' '%s'", help_path("kept"), help_path("u/chain"));
	ck_assert_uint_eq(names(), FILES);
}
END_TEST

/* ---- data files ---- */

/* One full file of 5000 bytes and one with two extents; returns their data files' paths. */
static void make_data(char full[4200], char partial[4200])
{
	struct store *s = help_open("u");
	struct store_inode root = help_dir(1, ""), row = help_file(0);
	struct store_change c;
	char junk[5000] = "x";
	char *paths[] = { full, partial };

	store_change_init(&c);
	store_change_inode(&c, &root);
	for (int i = 0; i < 2; i++) {
		int fd;

		row.ino = store_next_ino(s);
		ck_assert_int_eq(store_data_new(s, &row.data, &fd), 0);
		ck_assert_int_eq(write(fd, junk, sizeof(junk)), sizeof(junk));
		close(fd);
		row.size = sizeof(junk);
		row.state = i ? STORE_PARTIAL : STORE_FULL;
		row.origin = i ? "below" : NULL;
		row.origin_len = i ? 5 : 0;
		row.below = i ? 5000 : 0;
		store_change_inode(&c, &row);
		if (i)
			store_change_extent(&c, row.ino, 0, 5000, STORE_EXTENT_DATA);
		name(&c, 1, i ? "partial" : "full", row.ino);
		snprintf(paths[i], 4200, "%s/data/%llu/%llu", help_path("u"), (unsigned long long)row.data / 1000,
			 (unsigned long long)row.data);
	}
	help_commit(s, &c);
	help_settle(s);
	ck_assert_int_eq(store_check(s, NULL, NULL), 0);
	help_close(s);
}

START_TEST(data_files_that_are_cut_or_missing_are_named)
{
	static const struct {
		bool partial, gone;
		const char *says;
	} damages[] = {
		{ false, false, "has another size than the row says" },
		{ true, false, "is shorter than its extents" },
		{ false, true, "is missing" },
		{ true, true, "is missing" },
	};
	char full[4200], partial[4200];

	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		const char *path;

		command("rm -rf '%s'%s", help_path("u"), "");
		make_data(full, partial);
		path = damages[i].partial ? partial : full;
		ck_assert_int_eq(damages[i].gone ? unlink(path) : truncate(path, 100), 0);
		ck_assert_int_eq(check_at_rest(), 1);
		ck_assert_msg(strstr(text, damages[i].says) != NULL, "%s", text);
		ck_assert_msg(strstr(text, "data file") != NULL, "%s", text);
		ck_assert_msg(repair(text) >= 1, "%zu", i);
		ck_assert_msg(check_at_rest() == 0, "%s", text);
	}
}
END_TEST

START_TEST(chain_that_is_damaged_is_made_again_from_its_deltas)
{
	struct vn_err err = { 0 };
	struct store *s;
	uint64_t id;

	make(false);
	s = help_open("u");
	ck_assert_int_eq(store_seal(s, "one", &id, &err), 0);
	help_create(s, 1, "later");
	ck_assert_int_eq(store_seal(s, "two", &id, &err), 0);
	help_create(s, 1, "latest");
	help_close(s);
	overwrite("chain", 5, 3);
	ck_assert_int_eq(opens(text), -EUCLEAN);
	ck_assert_int_ge(repair(text), 1);
	ck_assert_ptr_nonnull(strstr(text, "2 sealed deltas"));
	ck_assert_uint_eq(names(), FILES + 2);
}
END_TEST

START_TEST(whole_upper_needs_no_repair)
{
	make(true);
	ck_assert_int_eq(repair(text), 0);
	ck_assert_uint_eq(names(), FILES);
}
END_TEST

VN_CHECK_MAIN("store/damage", each_damage_of_rows_is_named_and_repaired,
	      index_that_is_no_index_is_refused_and_replaced, torn_page_of_the_index_loses_no_more_than_it_holds,
	      index_that_was_cut_keeps_what_is_left, index_of_a_newer_format_is_refused_and_named,
	      journal_that_is_needed_and_damaged_is_refused_and_named, journal_that_is_not_needed_is_made_again,
	      journal_that_is_needed_and_cut_is_refused_and_named, journal_of_a_newer_format_is_refused_and_left_alone,
	      index_of_another_upper_is_refused_and_named, flipped_bits_of_the_index_never_do_more_than_be_named,
	      chain_of_a_newer_format_is_refused_and_left_alone, data_files_that_are_cut_or_missing_are_named,
	      flipped_bit_in_the_journal_ends_the_replay_there, journal_of_another_upper_is_refused,
	      chain_that_is_damaged_is_made_again_from_its_deltas, whole_upper_needs_no_repair)
