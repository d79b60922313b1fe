// SPDX-License-Identifier: Apache-2.0
/* A full disk: growth is refused before it happens, giving back works, space brings everything back. Needs mount(2). */
#include "help.h"

#include "store/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

static char disk[4096];

/* A small tmpfs in a mount namespace of this process. False: not permitted here. */
static bool small_disk(const char *size)
{
	char options[64];

	snprintf(disk, sizeof(disk), "%s", vn_check_dir());
	snprintf(options, sizeof(options), "size=%s", size);
	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("tmpfs", disk, "tmpfs", 0, options) == 0;
}

/* Takes everything that is left. */
static void fill(void)
{
	int fd = open(help_path("filler"), O_CREAT | O_WRONLY | O_APPEND, 0600);
	static char block[65536];
	size_t n = sizeof(block);

	ck_assert_int_ge(fd, 0);
	while (n) {
		ssize_t w = write(fd, block, n);

		if (w < (ssize_t)n)
			n /= 2;
	}
	close(fd);
}

static int create(struct store *s, const char *name)
{
	struct store_inode row = help_file(store_next_ino(s));
	struct store_change c;

	if (!row.ino)
		return -ENOSPC;
	store_change_init(&c);
	store_change_inode(&c, &row);
	store_change_dentry(&c, 1, name, strlen(name), row.ino);
	return store_commit(s, &c, NULL);
}

static int create_many(struct store *s, int from, int n, int *made)
{
	char name[300];
	int rc = 0;

	for (int i = 0; i < n && !rc; i++) {
		snprintf(name, sizeof(name), "%0200d", from + i);
		rc = create(s, name);
		*made += !rc;
		if (i % 64 == 63)
			usleep(1000);
	}
	return rc;
}

START_TEST(full_disk_refuses_growth_keeps_what_was_and_recovers)
{
	struct store_config config = { .create = true, .journal_size = 512 << 10, .commit_s = 1 };
	struct store *s;
	struct store_change c;
	int made = 0, rc;

	if (!small_disk("16m"))
		vn_check_skip("cannot mount a tmpfs here");
	s = help_open_config(&config, "u");
	ck_assert_int_eq(create_many(s, 0, 100, &made), 0);
	help_settle(s);
	fill();
	rc = create_many(s, 1000, 100000, &made);
	ck_assert_int_eq(rc, -ENOSPC);
	ck_assert(!store_readonly(s));
	/* Giving back still works, and is acknowledged. */
	for (int i = 0; i < 50; i++) {
		char name[300];

		snprintf(name, sizeof(name), "%0200d", i);
		store_change_init(&c);
		store_change_dentry_gone(&c, 1, name, strlen(name));
		c.flags = STORE_CHANGE_FREES;
		ck_assert_int_eq(store_commit(s, &c, NULL), 0);
		made--;
	}
	unlink(help_path("filler"));
	for (int i = 0; i < 6000 && (rc = create(s, "again")); i++)
		usleep(10000);
	ck_assert_int_eq(rc, 0);
	help_settle(s);
	ck_assert_uint_eq(help_find(s, 1, NULL).count, made + 1);
	help_close(s);
	s = help_open_config(&config, "u");
	ck_assert_uint_eq(help_find(s, 1, NULL).count, made + 1);
	help_close(s);
	umount(disk);
}
END_TEST

START_TEST(upper_that_was_killed_on_a_full_disk_opens_again)
{
	struct store_config config = { .create = true, .journal_size = 512 << 10 };
	int made = 0, counted[2];
	struct store *s;

	if (!small_disk("16m"))
		vn_check_skip("cannot mount a tmpfs here");
	ck_assert_int_eq(pipe(counted), 0);
	if (!fork()) {
		s = help_open_config(&config, "u");
		fill();
		create_many(s, 0, 100000, &made);
		if (write(counted[1], &made, sizeof(made)) != sizeof(made))
			_exit(1);
		_exit(0);
	}
	ck_assert_int_eq(read(counted[0], &made, sizeof(made)), sizeof(made));
	unlink(help_path("filler"));
	s = help_open_config(&config, "u");
	ck_assert_uint_eq(help_find(s, 1, NULL).count, made);
	help_close(s);
	umount(disk);
}
END_TEST

START_TEST(new_upper_on_a_full_disk_is_refused_with_a_sentence)
{
	struct store_config config = { .create = true };
	struct vn_err err = { 0 };
	struct store *s;

	if (!small_disk("4m"))
		vn_check_skip("cannot mount a tmpfs here");
	config.upper = help_path("u");
	ck_assert_int_eq(store_open(&config, &s, &err), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(err.text, config.upper));
	ck_assert_int_ne(access(config.upper, F_OK), 0);
	umount(disk);
}
END_TEST

/* A file with data that fills what is left of the disk; returns its data file's number. */
static uint64_t create_big(struct store *s, const char *name, uint64_t *ino)
{
	struct store_inode row = help_file(store_next_ino(s));
	struct store_change c;
	static char block[65536];
	size_t n = sizeof(block);
	int fd;

	ck_assert_int_eq(store_data_new(s, &row.data, &fd), 0);
	row.state = STORE_FULL;
	row.flags = STORE_STALE;
	store_change_init(&c);
	store_change_inode(&c, &row);
	store_change_dentry(&c, 1, name, strlen(name), row.ino);
	ck_assert_int_eq(store_commit(s, &c, NULL), 0);
	help_settle(s);
	while (n) {
		ssize_t w = write(fd, block, n);

		if (w < (ssize_t)n)
			n /= 2;
	}
	close(fd);
	*ino = row.ino;
	return row.data;
}

static void remove_big(struct store *s, const char *name, uint64_t ino, uint64_t number)
{
	struct store_change c;

	store_change_init(&c);
	store_change_dentry_gone(&c, 1, name, strlen(name));
	store_change_inode_gone(&c, ino);
	store_change_data_gone(&c, number);
	c.flags |= STORE_CHANGE_FREES;
	ck_assert_int_eq(store_commit(s, &c, NULL), 0);
}

/* Until nothing can be made: the ballast is used up. */
static void use_up(struct store *s)
{
	int made = 0;

	ck_assert_int_eq(create_many(s, 0, 1000000, &made), -ENOSPC);
	fill();
}

START_TEST(removal_helps_when_the_ballast_is_used_up)
{
	struct store_config config = { .create = true, .journal_size = 512 << 10, .commit_s = 3600 };
	uint64_t number, ino;
	struct store *s;

	if (!small_disk("16m"))
		vn_check_skip("cannot mount a tmpfs here");
	s = help_open_config(&config, "u");
	number = create_big(s, "big", &ino);
	use_up(s);
	remove_big(s, "big", ino, number);
	ck_assert_int_eq(create(s, "again"), 0);
	help_settle(s);
	ck_assert(help_find(s, 1, "again").found);
	ck_assert(!help_find(s, 1, "big").found);
	help_close(s);
	umount(disk);
}
END_TEST

START_TEST(killed_after_a_removal_with_the_ballast_used_up)
{
	struct store_config config = { .create = true, .journal_size = 512 << 10, .commit_s = 3600 };
	uint64_t number, ino;
	struct store *s;
	int status;
	pid_t child;

	if (!small_disk("16m"))
		vn_check_skip("cannot mount a tmpfs here");
	child = fork();
	if (!child) {
		s = help_open_config(&config, "u");
		number = create_big(s, "big", &ino);
		use_up(s);
		remove_big(s, "big", ino, number);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	s = help_open_config(&config, "u");
	ck_assert_int_eq(create(s, "again"), 0);
	ck_assert(!help_find(s, 1, "big").found);
	help_close(s);
	umount(disk);
}
END_TEST

enum full_close { CLOSE_AT_ONCE, CLOSE_APPLIED, CLOSE_FLUSHED };

/* Nothing but the file that is removed gives room for the end. */
static void close_on_full_disk(enum full_close how)
{
	struct store_config config = { .create = true, .journal_size = 512 << 10, .commit_s = 3600 };
	uint64_t number, ino;
	struct store *s;

	s = help_open_config(&config, "u");
	number = create_big(s, "big", &ino);
	use_up(s);
	remove_big(s, "big", ino, number);
	if (how != CLOSE_AT_ONCE)
		help_settle(s);
	if (how == CLOSE_FLUSHED)
		ck_assert_int_eq(store_settle(s, true), 0);
	help_close(s);
	s = help_open_config(&config, "u");
	ck_assert(!help_find(s, 1, "big").found);
	help_close(s);
}

START_TEST(closing_on_a_full_disk_has_the_room_of_what_was_removed)
{
	static const enum full_close ways[] = { CLOSE_AT_ONCE, CLOSE_APPLIED, CLOSE_FLUSHED };

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		if (!small_disk("16m"))
			vn_check_skip("cannot mount a tmpfs here");
		close_on_full_disk(ways[i]);
		umount(disk);
	}
}
END_TEST

/* The value of a fact as the index on the disk has it, whoever may be using it. */
static int fact(const char *key)
{
	sqlite3 *db;
	sqlite3_stmt *st;
	int value = -1;

	ck_assert_int_eq(sqlite3_open_v2(help_path("u/index.db"), &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE key = ?1", -1, &st, NULL), SQLITE_OK);
	sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	if (sqlite3_step(st) == SQLITE_ROW)
		value = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return value;
}

START_TEST(closing_tries_again_with_the_room_of_the_ballast)
{
	struct store *s = help_open("u");
	struct stat st;

	help_create(s, 1, "a");
	help_settle(s);
	fault_arm(FAULT_COMMIT, 1, ENOSPC, false);
	help_close(s);
	ck_assert_int_eq(fact("clean"), 1);
	ck_assert_int_eq(stat(help_path("u/reserve"), &st), 0);
	ck_assert_int_eq(st.st_size, 0);
}
END_TEST

START_TEST(layer_on_a_disk_that_is_full_to_the_last_byte_comes_to_rest_and_opens)
{
	struct store_config config = { .create = true, .journal_size = 512 << 10, .commit_s = 3600 };
	struct store *s;

	if (!small_disk("16m"))
		vn_check_skip("cannot mount a tmpfs here");
	s = help_open_config(&config, "u");
	fill();
	ck_assert_int_eq(create(s, "a"), 0);
	help_settle(s);
	fill();
	help_close(s);
	fill();
	s = help_open_config(&config, "u");
	help_close(s);
	umount(disk);
}
END_TEST

START_TEST(ballast_that_was_given_up_is_made_again_after_an_opening)
{
	struct stat st = { .st_size = 0 };
	struct store *s;

	help_close(help_open("u"));
	ck_assert_int_eq(truncate(help_path("u/reserve"), 0), 0);
	s = help_open("u");
	help_create(s, 1, "a");
	for (int i = 0; i < 6000 && st.st_size == 0; i++) {
		usleep(10000);
		ck_assert_int_eq(stat(help_path("u/reserve"), &st), 0);
	}
	ck_assert_int_gt(st.st_size, 0);
	help_close(s);
}
END_TEST

START_TEST(index_that_finds_no_room_at_the_end_stays_in_its_log)
{
	struct store *s = help_open("u");

	help_create(s, 1, "a");
	fault_arm(FAULT_CHECKPOINT, 1, ENOSPC, true);
	help_close(s);
	fault_disarm_all();
	ck_assert_int_eq(fact("clean"), 1);
	s = help_open("u");
	ck_assert(help_find(s, 1, "a").found);
	help_close(s);
}
END_TEST

VN_CHECK_MAIN("store/space", closing_on_a_full_disk_has_the_room_of_what_was_removed,
	      layer_on_a_disk_that_is_full_to_the_last_byte_comes_to_rest_and_opens,
	      closing_tries_again_with_the_room_of_the_ballast, index_that_finds_no_room_at_the_end_stays_in_its_log,
	      ballast_that_was_given_up_is_made_again_after_an_opening, full_disk_refuses_growth_keeps_what_was_and_recovers,
	      removal_helps_when_the_ballast_is_used_up, killed_after_a_removal_with_the_ballast_used_up,
	      upper_that_was_killed_on_a_full_disk_opens_again,
	      new_upper_on_a_full_disk_is_refused_with_a_sentence)
