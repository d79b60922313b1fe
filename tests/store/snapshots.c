// SPDX-License-Identifier: Apache-2.0
/* Sealing, going back, and death at every step of both. */
#include "help.h"

#include "store/fault.h"

#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t seal(struct store *s, const char *name)
{
	struct vn_err err = { 0 };
	uint64_t id = 0;
	int rc = store_seal(s, name, &id, &err);

	ck_assert_msg(rc == 0, "seal: %d %s", rc, vn_err_text(&err));
	ck_assert_uint_ne(id, 0);
	return id;
}

static void rollback(struct store *s, const char *name)
{
	struct vn_err err = { 0 };
	int rc = store_rollback(s, name, &err);

	ck_assert_msg(rc == 0, "rollback: %d %s", rc, vn_err_text(&err));
}

static int chain_fn(void *arg, const struct store_delta_info *info)
{
	strcat(strcat(arg, info->name), " ");
	return 0;
}

static const char *chain(struct store *s)
{
	static char text[4096];

	text[0] = '\0';
	ck_assert_int_eq(store_chain(s, chain_fn, text), 0);
	return text;
}

/* A full file with bytes. */
static uint64_t file_with(struct store *s, const char *name, const char *bytes, uint64_t *number)
{
	struct store_inode row = help_file(store_next_ino(s)), root = help_dir(1, "");
	struct store_change c;
	int fd;

	ck_assert_int_eq(store_data_new(s, &row.data, &fd), 0);
	ck_assert_int_eq(write(fd, bytes, strlen(bytes)), (ssize_t)strlen(bytes));
	close(fd);
	row.state = STORE_FULL;
	row.size = strlen(bytes);
	store_change_init(&c);
	store_change_inode(&c, &row);
	store_change_inode(&c, &root);
	store_change_dentry(&c, 1, name, strlen(name), row.ino);
	help_commit(s, &c);
	*number = row.data;
	return row.ino;
}

static void data_is(struct store *s, uint64_t delta, uint64_t number, const char *bytes)
{
	char buf[100];
	int fd = store_data_open(s, delta, number);
	ssize_t n;

	ck_assert_int_ge(fd, 0);
	n = read(fd, buf, sizeof(buf));
	close(fd);
	ck_assert_int_eq(n, (ssize_t)strlen(bytes));
	ck_assert_mem_eq(buf, bytes, (size_t)n);
}

START_TEST(sealed_rows_stay_and_new_ones_go_to_the_new_head)
{
	struct store *s = help_open("u");
	struct store_inode row;
	uint64_t number, id, delta = 9, before, after;

	before = file_with(s, "before", "old bytes", &number);
	id = seal(s, "one");
	after = help_create(s, 1, "after");
	help_settle(s);
	for (int round = 0; round < 2; round++) {
		ck_assert_uint_eq(help_find(s, 1, "before").ino, before);
		ck_assert_int_eq(help_find(s, 1, "before").sealed, STORE_SEALED_NAME);
		ck_assert_uint_eq(help_find(s, 1, "after").ino, after);
		ck_assert_int_eq(store_read_inode(s, before, &row, &delta), 0);
		ck_assert_uint_eq(delta, id);
		ck_assert_uint_eq(row.data, number);
		data_is(s, id, number, "old bytes");
		ck_assert_int_eq(store_data_open(s, 0, number), -ENOENT);
		ck_assert_str_eq(chain(s), "one ");
		ck_assert_int_eq(store_check(s, NULL, NULL), 0);
		help_close(s);
		s = help_open("u");
	}
	help_close(s);
}
END_TEST

START_TEST(numbers_and_facts_go_on_over_a_seal)
{
	struct store *s = help_open("u");
	uint64_t ino = store_next_ino(s), number, last;
	char *v;
	int fd;

	ck_assert_int_eq(store_meta_set(s, "lower.0", "abc"), 0);
	ck_assert_int_eq(store_data_new(s, &last, &fd), 0);
	close(fd);
	seal(s, "one");
	ck_assert_uint_gt(store_next_ino(s), ino);
	ck_assert_int_eq(store_data_new(s, &number, &fd), 0);
	close(fd);
	ck_assert_uint_gt(number, last);
	v = store_meta_get(s, "lower.0");
	ck_assert_str_eq(v, "abc");
	free(v);
	help_close(s);
	s = help_open("u");
	v = store_meta_get(s, "lower.0");
	ck_assert_str_eq(v, "abc");
	free(v);
	help_close(s);
}
END_TEST

START_TEST(records_after_a_seal_survive_a_kill)
{
	struct store *s;
	int status;

	if (!fork()) {
		s = help_open("u");
		help_create(s, 1, "a");
		seal(s, "one");
		help_create(s, 1, "b");
		seal(s, "two");
		help_create(s, 1, "c");
		_exit(0);
	}
	wait(&status);
	ck_assert_int_eq(status, 0);
	s = help_open("u");
	ck_assert_uint_eq(help_find(s, 1, NULL).count, 3);
	ck_assert_str_eq(chain(s), "two one ");
	help_close(s);
}
END_TEST

START_TEST(orphans_move_to_the_new_head_with_their_data)
{
	struct store *s = help_open("u");
	struct store_config config = { .readonly = true, .snapshot = "one" };
	struct store_change c;
	struct store_inode row;
	uint64_t number, id, ino = file_with(s, "t", "bytes", &number);

	ck_assert_int_eq(store_seal(s, "", &id, NULL), -EINVAL);
	help_settle(s);
	ck_assert_int_eq(store_read_inode(s, ino, &row, NULL), 0);
	row.nlink = 0;
	store_change_init(&c);
	store_change_inode(&c, &row);
	store_change_dentry_gone(&c, 1, "t", 1);
	store_change_orphan(&c, ino, 5);
	help_commit(s, &c);
	id = seal(s, "one");
	ck_assert_int_eq(store_read_inode_at(s, 0, ino, &row), 0);
	ck_assert_int_eq(store_read_inode_at(s, id, ino, &row), -ENOENT);
	data_is(s, 0, number, "bytes");
	ck_assert_int_eq(store_data_open(s, id, number), -ENOENT);
	help_close(s);
	s = help_open_config(&config, "u");
	ck_assert_uint_eq(help_find(s, 1, "t").count, 0);
	help_close(s);
}
END_TEST

START_TEST(snapshot_is_read_on_its_own)
{
	struct store *s = help_open("u");
	struct store_config config = { .readonly = true };
	struct vn_err err = { 0 };

	help_create(s, 1, "a");
	seal(s, "one");
	help_create(s, 1, "b");
	seal(s, "two");
	help_create(s, 1, "c");
	help_close(s);
	config.snapshot = "one";
	s = help_open_config(&config, "u");
	ck_assert_uint_eq(help_find(s, 1, NULL).count, 1);
	help_close(s);
	config.snapshot = "two";
	s = help_open_config(&config, "u");
	ck_assert_uint_eq(help_find(s, 1, NULL).count, 2);
	help_close(s);
	config.snapshot = "three";
	config.upper = help_path("u");
	ck_assert_int_eq(store_open(&config, &s, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.text, "three"));
}
END_TEST

START_TEST(rollback_discards_what_came_later)
{
	struct store *s = help_open("u");
	uint64_t number, epoch = store_epoch(s), last;
	struct vn_err err = { 0 };

	file_with(s, "a", "first", &number);
	seal(s, "one");
	help_create(s, 1, "b");
	seal(s, "two");
	help_create(s, 1, "c");
	last = store_next_ino(s);
	ck_assert_int_eq(store_rollback(s, "none", &err), -ENOENT);
	rollback(s, "one");
	ck_assert_uint_eq(store_epoch(s), epoch + 1);
	ck_assert_uint_eq(help_find(s, 1, NULL).count, 1);
	ck_assert_str_eq(chain(s), "one ");
	ck_assert_uint_gt(help_create(s, 1, "d"), last);
	help_settle(s);
	ck_assert_uint_eq(help_find(s, 1, NULL).count, 2);
	help_close(s);
	s = help_open("u");
	ck_assert_uint_eq(store_epoch(s), epoch + 1);
	ck_assert_uint_eq(help_find(s, 1, NULL).count, 2);
	ck_assert_str_eq(chain(s), "one ");
	ck_assert_int_eq(store_check(s, NULL, NULL), 0);
	help_close(s);
}
END_TEST

START_TEST(name_of_a_snapshot_is_used_once)
{
	struct store *s = help_open("u");
	struct vn_err err = { 0 };
	uint64_t id;

	seal(s, "one");
	ck_assert_int_eq(store_seal(s, "one", &id, &err), -EEXIST);
	help_create(s, 1, "goes on");
	help_close(s);
}
END_TEST

/* Reads the index in a transaction until killed; told to begin by a byte, answers with one. */
static void read_in_a_transaction(const char *path, int begin, int ready)
{
	char byte;
	sqlite3 *db;

	if (read(begin, &byte, 1) != 1 || sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
	    sqlite3_exec(db, "BEGIN; SELECT * FROM inode", NULL, NULL, NULL) != SQLITE_OK ||
	    write(ready, &byte, 1) != 1)
		_exit(1);
	pause();
}

START_TEST(reader_with_a_transaction_makes_a_seal_fail_with_a_sentence)
{
	struct store *s;
	struct vn_err err = { 0 };
	char path[4200], byte;
	int begin[2], ready[2];
	uint64_t id;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/index.db", help_path("u"));
	ck_assert_int_eq(pipe(begin) || pipe(ready), 0);
	pid = fork(); /* before SQLite is in use here, so that the child's locks are its own */
	if (!pid)
		read_in_a_transaction(path, begin[0], ready[1]);
	s = help_open("u");
	help_create(s, 1, "a");
	help_settle(s);
	ck_assert_int_eq(write(begin[1], "x", 1), 1);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ck_assert_int_eq(store_seal(s, "one", &id, &err), -EBUSY);
	ck_assert_ptr_nonnull(strstr(err.text, "reading"));
	help_create(s, 1, "b");
	help_settle(s);
	ck_assert_uint_eq(help_find(s, 1, NULL).count, 2);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	seal(s, "one");
	help_close(s);
}
END_TEST

/* ---- data files that no row names ---- */

#define STRAYS 3000

/* Data files of the upper with bytes, wherever they lie. */
static int data_files(void)
{
	char cmd[4200], text[32] = "";
	FILE *f;

	snprintf(cmd, sizeof(cmd), "find '%s' -path '*/data/*' -type f -size +0 ! -path '*/trash/*' | wc -l", help_path("u"));
	f = popen(cmd, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
	pclose(f);
	return atoi(text);
}

static uint64_t stray(struct store *s)
{
	uint64_t number;
	int fd;

	ck_assert_int_eq(store_data_new(s, &number, &fd), 0);
	ck_assert_int_eq(write(fd, "stray", 5), 5);
	close(fd);
	return number;
}

START_TEST(strays_of_a_killed_process_do_not_stay_in_a_snapshot)
{
	struct store *s;
	int status;

	if (!fork()) {
		s = help_open("u");
		for (int i = 0; i < STRAYS; i++)
			stray(s);
		_exit(0);
	}
	wait(&status);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(data_files(), STRAYS);
	s = help_open("u");
	seal(s, "one"); /* before they can all have been swept */
	help_close(s);
	ck_assert_int_eq(data_files(), 0);
}
END_TEST

START_TEST(strays_of_a_killed_process_do_not_outlive_a_clean_end)
{
	int status;

	if (!fork()) {
		struct store *s = help_open("u");

		for (int i = 0; i < STRAYS; i++)
			stray(s);
		_exit(0);
	}
	wait(&status);
	help_close(help_open("u"));
	ck_assert_int_eq(data_files(), 0);
}
END_TEST

START_TEST(file_without_a_row_goes_along_with_the_head)
{
	struct store *s = help_open("u");
	uint64_t number, id;

	file_with(s, "a", "aaa", &number);
	number = stray(s);
	ck_assert_int_eq(store_seal_in_use(s, "one", &number, 1, &id, NULL), 0);
	data_is(s, 0, number, "stray");
	ck_assert_int_eq(store_data_open(s, id, number), -ENOENT);
	store_data_abandon(s, number);
	help_close(s);
	ck_assert_int_eq(data_files(), 1);
}
END_TEST

/* ---- death at every step ---- */

static void fresh(void)
{
	char cmd[4200];

	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", help_path("u"));
	ck_assert_int_eq(system(cmd), 0);
}

static bool die_at_step(unsigned n, void (*fn)(struct store *))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		struct store *s = help_open("u");

		fault_arm(FAULT_STEP, n, FAULT_KILL, false);
		fn(s);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	ck_assert(WIFEXITED(status));
	ck_assert(WEXITSTATUS(status) == 137 || WEXITSTATUS(status) == 0);
	return WEXITSTATUS(status) == 137;
}

static void step_seal(struct store *s)
{
	uint64_t id;

	store_seal(s, "two", &id, NULL);
}

static void step_rollback(struct store *s)
{
	store_rollback(s, "one", NULL);
}

/* An upper with snapshot "one" that has a, and a head that has b and an orphan. */
static uint64_t prepare(void)
{
	struct store *s;
	struct store_change c;
	struct store_inode row = help_file(0);
	uint64_t number;
	int fd;

	fresh();
	s = help_open("u");
	file_with(s, "a", "aaa", &number);
	seal(s, "one");
	file_with(s, "b", "bbb", &number);
	row.ino = store_next_ino(s);
	row.nlink = 0;
	ck_assert_int_eq(store_data_new(s, &row.data, &fd), 0);
	ck_assert_int_eq(write(fd, "orphan", 6), 6);
	close(fd);
	row.state = STORE_FULL;
	row.size = 6;
	store_change_init(&c);
	store_change_inode(&c, &row);
	store_change_orphan(&c, row.ino, 1);
	help_commit(s, &c);
	help_close(s);
	return row.ino;
}

START_TEST(seal_dies_at_every_step_and_is_before_or_after)
{
	unsigned n = 1;
	int before = 0, after = 0;

	for (;; n++) {
		uint64_t orphan = prepare();
		bool died = die_at_step(n, step_seal);
		struct store *s = help_open("u");
		struct store_inode row;
		const char *have = chain(s);

		ck_assert(!strcmp(have, "one ") || !strcmp(have, "two one "));
		before += !strcmp(have, "one ");
		after += strcmp(have, "one ") != 0;
		ck_assert_uint_eq(help_find(s, 1, NULL).count, 2);
		ck_assert_int_eq(store_read_inode_at(s, 0, orphan, &row), 0);
		data_is(s, 0, row.data, "orphan");
		help_create(s, 1, "c");
		help_settle(s);
		ck_assert_int_eq(store_check(s, NULL, NULL), 0);
		help_close(s);
		ck_assert_int_ne(access(help_path("u/next"), F_OK), 0);
		if (!died)
			break;
	}
	ck_assert_int_ge(before, 1);
	ck_assert_int_ge(after, 5);
}
END_TEST

static void step_seal_in_use(struct store *s)
{
	uint64_t number = stray(s), id;

	store_seal_in_use(s, "two", &number, 1, &id, NULL);
}

START_TEST(file_without_a_row_is_nowhere_once_its_user_is_dead)
{
	for (unsigned n = 1;; n++) {
		bool died;

		prepare(); /* a, b and an orphan */
		died = die_at_step(n, step_seal_in_use);
		help_close(help_open("u"));
		ck_assert_int_eq(data_files(), 3);
		if (!died)
			break;
	}
}
END_TEST

/* What is in use of a seal that failed may have got a name by the next one. */
START_TEST(file_that_got_a_row_after_a_failed_seal_is_in_the_next)
{
	struct store_inode row = help_file(0), root = help_dir(1, "");
	struct store *s = help_open("u");
	struct store_change c;
	uint64_t id;

	row.ino = store_next_ino(s);
	row.data = stray(s);
	fault_arm(FAULT_STEP, 1, ENOSPC, false);
	ck_assert_int_eq(store_seal_in_use(s, "one", &row.data, 1, &id, NULL), -ENOSPC);
	row.state = STORE_FULL;
	row.size = 5;
	store_change_init(&c);
	store_change_inode(&c, &row);
	store_change_inode(&c, &root);
	store_change_dentry(&c, 1, "f", 1, row.ino);
	help_commit(s, &c);
	id = seal(s, "one");
	data_is(s, id, row.data, "stray");
	help_close(s);
}
END_TEST

START_TEST(rollback_dies_at_every_step_and_is_before_or_after)
{
	int before = 0, after = 0;

	for (unsigned n = 1;; n++) {
		bool died;
		struct store *s;
		size_t names;

		prepare();
		died = die_at_step(n, step_rollback);
		s = help_open("u");
		names = help_find(s, 1, NULL).count;
		ck_assert(names == 1 || names == 2);
		before += names == 2;
		after += names == 1;
		ck_assert_uint_eq(store_epoch(s), names == 1);
		ck_assert_str_eq(chain(s), "one ");
		ck_assert_int_eq(store_check(s, NULL, NULL), 0);
		help_create(s, 1, "c");
		help_close(s);
		s = help_open("u"); /* what was left is removed in the background */
		for (int i = 0; i < 6000 && !access(help_path("u/trash"), F_OK); i++)
			usleep(10000);
		ck_assert_int_ne(access(help_path("u/trash"), F_OK), 0);
		help_close(s);
		if (!died)
			break;
	}
	ck_assert_int_ge(before, 1);
	ck_assert_int_ge(after, 5);
}
END_TEST

START_TEST(seal_that_fails_before_its_commit_goes_on_as_if_nothing_was)
{
	struct store *s;
	struct vn_err err = { 0 };
	uint64_t id;

	prepare();
	s = help_open("u");
	fault_arm(FAULT_STEP, 1, ENOSPC, false);
	ck_assert_int_eq(store_seal(s, "two", &id, &err), -ENOSPC);
	ck_assert(!store_readonly(s));
	help_create(s, 1, "c");
	help_settle(s);
	ck_assert_str_eq(chain(s), "one ");
	seal(s, "two");
	help_close(s);
	s = help_open("u");
	ck_assert_uint_eq(help_find(s, 1, NULL).count, 3);
	help_close(s);
}
END_TEST

static int fork_to(const char *snapshot, const char *dir, bool copy, struct vn_err *err)
{
	char origin[4096], to[4096];
	struct store_fork f = { .origin = origin, .snapshot = snapshot, .dir = to, .copy = copy };

	strcpy(origin, help_path("u"));
	strcpy(to, help_path(dir));
	return store_fork(&f, err);
}

/* Directories in which forks are built that are there now. */
static size_t hidden(void)
{
	DIR *d = opendir(vn_check_dir());
	struct dirent *e;
	size_t n = 0;

	while ((e = readdir(d)))
		n += !strncmp(e->d_name, ".veneer-fork-", 13);
	closedir(d);
	return n;
}

/* Not only dies: goes on, read-only at worst, and can be closed. */
START_TEST(seal_or_rollback_that_fails_at_any_step_comes_to_an_end)
{
	for (unsigned n = 1; n <= 20; n++) {
		struct store *s;
		int rc;

		prepare();
		s = help_open("u");
		fault_arm(FAULT_STEP, n > 10 ? n - 10 : n, EIO, false);
		rc = n > 10 ? store_rollback(s, "one", NULL) : store_seal(s, "two", &(uint64_t){ 0 }, NULL);
		ck_assert(rc == 0 || rc == -EIO || rc == -EROFS);
		fault_disarm_all();
		store_close(s);
		s = help_open("u");
		help_close(s);
		fresh();
	}
}
END_TEST

START_TEST(forks_go_their_own_ways_over_shared_deltas)
{
	struct store *s, *f;
	struct vn_err err = { 0 };
	uint64_t last;

	prepare();
	s = help_open("u");
	last = store_next_ino(s);
	ck_assert_int_eq(store_meta_set(s, "lower.0", "abc"), 0);
	seal(s, "two");
	/* The origin is served while it is forked. */
	ck_assert_int_eq(fork_to("one", "f1", false, &err), 0);
	ck_assert_int_eq(fork_to("two", "f2", false, &err), 0);
	ck_assert_int_eq(fork_to("two", "f3", true, &err), 0);
	ck_assert_int_eq(fork_to("three", "f4", false, &err), -ENOENT);
	ck_assert_int_eq(fork_to("two", "f2", false, &err), -EEXIST);
	ck_assert_ptr_nonnull(strstr(err.text, "exists"));
	ck_assert_uint_eq(hidden(), 0);
	for (int i = 1; i <= 3; i++) {
		char name[16], *v;

		sprintf(name, "f%d", i);
		f = help_open(name);
		ck_assert_uint_eq(help_find(f, 1, NULL).count, i == 1 ? 1 : 2);
		if (i > 1)
			ck_assert_uint_gt(help_create(f, 1, name), last);
		v = store_meta_get(f, "lower.0");
		ck_assert(i == 1 || !strcmp(v, "abc"));
		free(v);
		ck_assert_int_eq(store_check(f, NULL, NULL), 0);
		help_close(f);
	}
	help_settle(s);
	ck_assert_uint_eq(help_find(s, 1, NULL).count, 2);
	/* What a fork needs stays, whatever its origin does. */
	rollback(s, "one");
	help_close(s);
	f = help_open("f2");
	ck_assert_uint_eq(help_find(f, 1, NULL).count, 3);
	help_close(f);
	fresh();
	f = help_open("f3");
	ck_assert_uint_eq(help_find(f, 1, NULL).count, 3);
	ck_assert_int_eq(store_check(f, NULL, NULL), 0);
	help_close(f);
}
END_TEST

START_TEST(fork_of_the_head_seals_it_and_a_fork_is_forked)
{
	struct vn_err err = { 0 };
	struct store *f;
	char origin[4096], to[4096];
	struct store_fork of = { .origin = origin, .dir = to };

	prepare();
	ck_assert_int_eq(fork_to(NULL, "f1", false, &err), 0);
	f = help_open("f1");
	ck_assert_uint_eq(help_find(f, 1, NULL).count, 2);
	help_create(f, 1, "mine");
	help_close(f);
	strcpy(origin, help_path("f1"));
	strcpy(to, help_path("f2"));
	ck_assert_int_eq(store_fork(&of, &err), 0);
	f = help_open("f2");
	ck_assert_uint_eq(help_find(f, 1, NULL).count, 3);
	help_close(f);
}
END_TEST

START_TEST(fork_dies_at_every_step_and_is_there_or_not)
{
	for (unsigned n = 1;; n++) {
		struct vn_err err = { 0 };
		struct store *s;
		int status;
		char cmd[8400];

		prepare();
		snprintf(cmd, sizeof(cmd), "rm -rf '%s'*", help_path("f1"));
		ck_assert_int_eq(system(cmd), 0);
		if (!fork()) {
			fault_arm(FAULT_STEP, n, FAULT_KILL, false);
			fork_to("one", "f1", false, &err);
			_exit(0);
		}
		wait(&status);
		if (access(help_path("f1"), F_OK)) {
			ck_assert_int_ne(status, 0);
			ck_assert_int_eq(fork_to("one", "f1", false, &err), 0);
		}
		s = help_open("f1");
		ck_assert_uint_eq(help_find(s, 1, NULL).count, 1);
		help_close(s);
		if (!status)
			break;
	}
}
END_TEST

START_TEST(chain_file_that_is_damaged_is_refused)
{
	struct store_config config = { .upper = help_path("u") };
	struct vn_err err = { 0 };
	struct store *s;
	int fd;

	prepare();
	fd = open(help_path("u/chain"), O_RDWR);
	ck_assert_int_eq(pwrite(fd, "X", 1, 20), 1);
	close(fd);
	ck_assert_int_eq(store_open(&config, &s, &err), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(err.text, "chain"));
}
END_TEST

VN_CHECK_MAIN("store/snapshots",  sealed_rows_stay_and_new_ones_go_to_the_new_head,
	      numbers_and_facts_go_on_over_a_seal, records_after_a_seal_survive_a_kill,
	      orphans_move_to_the_new_head_with_their_data, snapshot_is_read_on_its_own,
	      rollback_discards_what_came_later, name_of_a_snapshot_is_used_once,
	      reader_with_a_transaction_makes_a_seal_fail_with_a_sentence,
	      strays_of_a_killed_process_do_not_stay_in_a_snapshot,
	      strays_of_a_killed_process_do_not_outlive_a_clean_end, file_without_a_row_goes_along_with_the_head,
	      seal_dies_at_every_step_and_is_before_or_after, file_without_a_row_is_nowhere_once_its_user_is_dead,
	      file_that_got_a_row_after_a_failed_seal_is_in_the_next,
	      rollback_dies_at_every_step_and_is_before_or_after,
	      seal_that_fails_before_its_commit_goes_on_as_if_nothing_was,
	      seal_or_rollback_that_fails_at_any_step_comes_to_an_end,
	      forks_go_their_own_ways_over_shared_deltas, fork_of_the_head_seals_it_and_a_fork_is_forked,
	      fork_dies_at_every_step_and_is_there_or_not, chain_file_that_is_damaged_is_refused)
