// SPDX-License-Identifier: Apache-2.0
/* The store as a whole: what is committed is there, in memory's order, after any end of the process. */
#include "help.h"

#include "store/fault.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(create_is_read_back_after_settle)
{
	struct store *s = help_open("u");
	uint64_t ino = help_create(s, 1, "a");

	help_settle(s);
	ck_assert_uint_eq(help_find(s, 1, "a").ino, ino);
	ck_assert(help_has_inode(s, ino));
	ck_assert(!help_has_inode(s, ino + 1));
	help_close(s);
}
END_TEST

START_TEST(every_field_of_an_inode_survives)
{
	struct store *s = help_open("u");
	struct store_inode in = { .ino = STORE_INO_BASE | 77, .size = 1ull << 40, .atime = -5, .mtime = 1, .ctime = INT64_MAX,
				  .btime = 3, .mode = S_IFREG | 06755, .uid = 4000000000u, .gid = 5, .nlink = 9,
				  .rdev_major = 70000, .rdev_minor = 1u << 31, .flags = STORE_META | STORE_GROUP,
				  .state = STORE_PARTIAL, .data = 11, .source = INT64_MAX, .below = 12, .origin = "a\nb/c",
				  .origin_len = 5 }, out;
	struct store_change c;

	store_change_init(&c);
	store_change_inode(&c, &in);
	help_commit(s, &c);
	help_close(s);
	s = help_open("u");
	ck_assert_int_eq(store_read_inode(s, in.ino, &out, NULL), 0);
	ck_assert_mem_eq(out.origin, in.origin, 6);
	free((char *)out.origin);
	out.origin = in.origin;
	ck_assert_mem_eq(&out, &in, sizeof(in));
	help_close(s);
}
END_TEST

START_TEST(origin_of_the_root_is_empty_and_not_missing)
{
	struct store *s = help_open("u");
	struct store_inode row = help_dir(1, ""), out;
	struct store_change c;

	store_change_init(&c);
	store_change_inode(&c, &row);
	row = help_dir(1024, NULL);
	store_change_inode(&c, &row);
	help_commit(s, &c);
	help_settle(s);
	ck_assert_int_eq(store_read_inode(s, 1, &out, NULL), 0);
	ck_assert_ptr_nonnull(out.origin);
	ck_assert_uint_eq(out.origin_len, 0);
	free((char *)out.origin);
	ck_assert_int_eq(store_read_inode(s, 1024, &out, NULL), 0);
	ck_assert_ptr_null(out.origin);
	help_close(s);
}
END_TEST

/* Runs fn in a child that ends without closing its store. */
static void in_a_killed_process(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		fn();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}

#define KILLED_FILES 3000

static void create_and_die(void)
{
	struct store *s = help_open("u");
	char name[32];

	for (int i = 0; i < KILLED_FILES; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		help_create(s, 1, name);
	}
}

START_TEST(killed_process_loses_nothing_acknowledged)
{
	struct store *s;

	in_a_killed_process(create_and_die);
	s = help_open("u");
	ck_assert_uint_eq(help_find(s, 1, "f0").count, KILLED_FILES);
	ck_assert(help_find(s, 1, "f2999").found);
	help_close(s);
}
END_TEST

static void create_one_and_die(void)
{
	struct store *s = help_open("u");

	help_create(s, 1, "x");
}

START_TEST(numbers_are_never_used_twice_even_after_a_kill)
{
	struct store *s = help_open("u");
	uint64_t first = help_create(s, 1, "a"), last;

	help_close(s);
	in_a_killed_process(create_one_and_die);
	s = help_open("u");
	last = store_next_ino(s);
	ck_assert_uint_gt(last, first + 1);
	ck_assert_uint_gt(last, help_find(s, 1, "x").ino);
	help_close(s);
	s = help_open("u");
	ck_assert_uint_gt(store_next_ino(s), last);
	help_close(s);
}
END_TEST

START_TEST(numbers_run_on_past_their_block)
{
	struct store *s = help_open("u");
	uint64_t last = 0;

	for (int i = 0; i < 200000; i++) {
		uint64_t ino = store_next_ino(s);

		ck_assert_uint_gt(ino, last);
		last = ino;
	}
	help_close(s);
}
END_TEST

START_TEST(ring_wraps_around_many_times)
{
	struct store_config config = { .create = true, .journal_size = 256 << 10 };
	struct store *s = help_open_config(&config, "u");
	char name[32];

	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		help_create(s, 1, name);
	}
	help_settle(s);
	ck_assert_uint_eq(help_find(s, 1, NULL).count, 20000);
	help_close(s);
	s = help_open("u");
	ck_assert_uint_eq(help_find(s, 1, NULL).count, 20000);
	help_close(s);
}
END_TEST

START_TEST(file_that_came_and_went_leaves_nothing)
{
	struct store *s = help_open("u");
	struct store_change c;
	uint64_t ino = help_create(s, 1, "t");

	store_change_init(&c);
	store_change_xattr(&c, ino, "user.a", "v", 1);
	help_commit(s, &c);
	store_change_inode_gone(&c, ino);
	store_change_dentry_gone(&c, 1, "t", 1);
	help_commit(s, &c);
	help_settle(s);
	ck_assert(!help_has_inode(s, ino));
	ck_assert_uint_eq(help_find(s, 1, "t").count, 0);
	ck_assert_int_eq(store_read_xattrs(s, ino, NULL, NULL), -ENOENT);
	help_close(s);
}
END_TEST

START_TEST(removed_directory_takes_its_whiteouts_along)
{
	struct store *s = help_open("u");
	struct store_change c;

	store_change_init(&c);
	store_change_dentry(&c, 2000, "old", 3, 0);
	help_commit(s, &c);
	help_settle(s);
	store_change_dentry(&c, 2000, "new", 3, 0);
	store_change_dentries_gone(&c, 2000);
	store_change_dentry(&c, 2000, "later", 5, 0);
	help_commit(s, &c);
	help_settle(s);
	ck_assert(help_find(s, 2000, "later").found);
	ck_assert_uint_eq(help_find(s, 2000, "later").count, 1);
	help_close(s);
}
END_TEST

static int xattr_fn(void *arg, const char *name, const void *value, size_t size)
{
	char *p = arg;

	sprintf(p + strlen(p), "%s=%.*s;", name, (int)size, (const char *)value);
	return 0;
}

START_TEST(xattrs_symlinks_and_small_rows_are_kept)
{
	struct store *s = help_open("u");
	struct store_inode row = help_file(1024);
	struct store_change c;
	char buf[100] = "", *path;
	uint64_t parent;

	row.flags = STORE_XATTR_OWN;
	store_change_init(&c);
	store_change_inode(&c, &row);
	store_change_xattr(&c, 1024, "user.empty", "", 0);
	store_change_xattr(&c, 1024, "user.a", "1", 1);
	store_change_xattr(&c, 1024, "user.b", "2", 1);
	store_change_xattr_gone(&c, 1024, "user.a");
	store_change_symlink(&c, 1025, "to/there", 8);
	store_change_seen(&c, 1026, "usr/bin", 7);
	store_change_dentry(&c, 9, "n", 1, 1024);
	help_commit(s, &c);
	help_settle(s);
	ck_assert_int_eq(store_read_xattrs(s, 1024, xattr_fn, buf), 0);
	ck_assert_str_eq(buf, "user.b=2;user.empty=;");
	ck_assert_int_eq(store_read_symlink(s, 1025, buf, sizeof(buf)), 8);
	ck_assert_mem_eq(buf, "to/there", 8);
	ck_assert_int_eq(store_read_symlink(s, 1024, buf, sizeof(buf)), -ENOENT);
	ck_assert_int_eq(store_read_seen(s, 1026, &path), 0);
	ck_assert_str_eq(path, "usr/bin");
	free(path);
	ck_assert_int_eq(store_read_parent(s, 1024, &parent, &path), 0);
	ck_assert_uint_eq(parent, 9);
	ck_assert_str_eq(path, "n");
	free(path);
	help_close(s);
}
END_TEST

START_TEST(second_opener_is_told_the_holder)
{
	struct store *s = help_open("u"), *other = NULL;
	struct store_config config = { .upper = help_path("u"), .lock_wait_ms = 30 };
	struct vn_err err = { 0 };
	char pid[32];

	ck_assert_int_eq(store_open(&config, &other, &err), -EBUSY);
	snprintf(pid, sizeof(pid), "process %d;", (int)getpid());
	ck_assert_ptr_nonnull(strstr(err.text, pid));
	help_close(s);
	s = help_open("u");
	help_close(s);
}
END_TEST

START_TEST(foreign_directory_is_not_filled)
{
	struct store *s = NULL;
	struct store_config config = { .upper = vn_check_dir(), .create = true };
	struct vn_err err = { 0 };
	int fd = open(help_path("precious"), O_CREAT | O_RDWR, 0600);

	close(fd);
	ck_assert_int_eq(store_open(&config, &s, &err), -ENOTEMPTY);
	ck_assert_ptr_nonnull(strstr(err.text, "precious"));
	ck_assert_int_ne(access(help_path("index.db"), F_OK), 0);
	ck_assert_int_ne(access(help_path("lock"), F_OK), 0);
}
END_TEST

/* A server that could not be used leaves an empty directory; one that was there before is closed as ever. */
START_TEST(only_what_an_opening_made_is_taken_back)
{
	struct store *s = help_open("u");
	uint64_t number;
	int fd;

	ck_assert_int_eq(store_data_new(s, &number, &fd), 0);
	close(fd);
	store_unmake(s);
	help_close(s);
	ck_assert_int_eq(rmdir(help_path("u")), 0);

	s = help_open("u");
	help_create(s, 1, "a");
	help_close(s);
	s = help_open("u");
	store_unmake(s);
	help_close(s);
	s = help_open("u");
	ck_assert_uint_ne(help_find(s, 1, "a").ino, 0);
	help_close(s);
}
END_TEST

START_TEST(data_files_come_from_the_stock_and_unused_ones_go)
{
	struct store *s = help_open("u");
	uint64_t last = 0;

	for (int i = 0; i < 300; i++) {
		uint64_t number;
		int fd;
		struct stat st;

		ck_assert_int_eq(store_data_new(s, &number, &fd), 0);
		ck_assert_uint_ne(number, last);
		last = number;
		ck_assert_int_eq(fstat(fd, &st), 0);
		ck_assert_int_eq(st.st_size, 0);
		ck_assert_int_eq(st.st_mode & 07777, 0600);
		close(fd);
		store_data_abandon(s, number);
	}
	help_close(s);
	s = help_open("u");
	for (uint64_t n = 0; n < last + 100; n++)
		ck_assert_int_eq(store_data_open(s, 0, n), -ENOENT);
	help_close(s);
}
END_TEST

static void data_and_die(void)
{
	struct store *s = help_open("u");
	struct store_inode row = help_file(1024);
	struct store_change c;
	uint64_t stray;
	int fd;

	store_data_new(s, &stray, &fd);
	store_data_new(s, &row.data, &fd);
	if (pwrite(fd, "hello", 5, 0) != 5)
		_exit(1);
	row.state = STORE_FULL;
	row.size = 1;
	row.flags = STORE_STALE;
	store_change_init(&c);
	store_change_inode(&c, &row);
	help_commit(s, &c);
}

START_TEST(stale_sizes_come_from_the_data_file_and_strays_are_swept)
{
	struct store *s;
	struct store_inode row;
	int fd = -1;

	in_a_killed_process(data_and_die);
	s = help_open("u");
	ck_assert_int_eq(store_read_inode(s, 1024, &row, NULL), 0);
	ck_assert_uint_eq(row.size, 5);
	ck_assert_uint_eq(row.flags & STORE_STALE, 0);
	fd = store_data_open(s, 0, row.data);
	ck_assert_int_ge(fd, 0);
	close(fd);
	for (uint64_t n = 1; n < 100; n++) {
		for (int tries = 0; n != row.data && tries < 6000; tries++) {
			fd = store_data_open(s, 0, n);
			if (fd < 0)
				break;
			close(fd);
			usleep(10000);
		}
		ck_assert(n == row.data || fd == -ENOENT);
	}
	help_close(s);
}
END_TEST

/* A file with bytes and a row that is not stale; the number of its data file. */
static uint64_t create_with_data(struct store *s, const char *name)
{
	struct store_inode row = help_file(store_next_ino(s));
	struct store_change c;
	int fd;

	row.state = STORE_FULL;
	row.size = 5000;
	ck_assert_int_eq(store_data_new(s, &row.data, &fd), 0);
	ck_assert_int_eq(ftruncate(fd, 5000), 0);
	close(fd);
	store_change_init(&c);
	store_change_inode(&c, &row);
	store_change_dentry(&c, 1, name, strlen(name), row.ino);
	help_commit(s, &c);
	return row.data;
}

static uint64_t *told; /* memory that a killed process shares */

static void data_with_names_and_die(void)
{
	struct store *s = help_open("u");

	told[0] = create_with_data(s, "old");
	for (int i = 0; i < 2; i++) {
		create_with_data(s, i ? "y" : "x");
		ck_assert_int_eq(store_settle(s, true), 0);
	}
	for (int i = 0; i < 200; i++) { /* more than any stock had when names were flushed */
		char name[16];
		uint64_t number;

		snprintf(name, sizeof(name), "n%d", i);
		number = create_with_data(s, name);
		told[1] = number > told[1] ? number : told[1];
	}
	help_settle(s);
}

/* As a power cut would that came before the host wrote its directory. */
static void lose_data(uint64_t number)
{
	char path[64];

	snprintf(path, sizeof(path), "u/data/0/%d", (int)number);
	ck_assert_int_eq(unlink(help_path(path)), 0);
}

START_TEST(names_of_data_files_may_be_lost_until_they_are_flushed)
{
	struct stat st;
	struct store *s;
	int fd;

	told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(told, MAP_FAILED);
	in_a_killed_process(data_with_names_and_die);
	lose_data(told[0]);
	lose_data(told[1]);
	s = help_open("u");
	fd = store_data_open(s, 0, told[1]);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_size, 0);
	close(fd);
	ck_assert_int_eq(store_data_open(s, 0, told[0]), -ENOENT); /* damage, for verification to find */
	ck_assert_int_eq(store_check(s, NULL, NULL), 1);
	help_close(s);
}
END_TEST

START_TEST(dead_data_is_removed_after_the_commit)
{
	struct store_config config = { .create = true, .commit_s = 1 };
	struct store *s = help_open_config(&config, "u");
	struct store_change c;
	uint64_t number, seq;
	int fd;

	ck_assert_int_eq(store_data_new(s, &number, &fd), 0);
	close(fd);
	store_change_init(&c);
	store_change_data_gone(&c, number);
	seq = help_commit(s, &c);
	fd = store_data_open(s, 0, number);
	ck_assert(fd >= 0 || store_durable(s) >= seq); /* gone already: the commit was before us */
	if (fd >= 0)
		close(fd);
	for (int i = 0; i < 6000 && fd >= 0; i++) {
		fd = store_data_open(s, 0, number);
		if (fd >= 0)
			close(fd);
		usleep(10000);
	}
	ck_assert_int_eq(fd, -ENOENT);
	help_close(s);
}
END_TEST

START_TEST(extents_never_overlap)
{
	struct store *s = help_open("u");
	struct store_inode row = help_file(1024);
	struct store_change c;

	row.state = STORE_PARTIAL;
	store_change_init(&c);
	store_change_inode(&c, &row);
	store_change_extent(&c, 1024, 0, 100, STORE_EXTENT_DATA);
	store_change_extent(&c, 1024, 100, 100, STORE_EXTENT_DATA);
	store_change_extent(&c, 1024, 300, 100, STORE_EXTENT_DATA);
	help_commit(s, &c);
	help_settle(s);
	ck_assert_str_eq(help_extents(s, 1024), "D0+200 D300+100");
	store_change_extent(&c, 1024, 150, 200, STORE_EXTENT_ZERO);
	help_commit(s, &c);
	help_settle(s);
	ck_assert_str_eq(help_extents(s, 1024), "D0+150 Z150+200 D350+50");
	store_change_extent(&c, 1024, 200, 10, STORE_EXTENT_NONE);
	help_commit(s, &c);
	help_settle(s);
	ck_assert_str_eq(help_extents(s, 1024), "D0+150 Z150+50 Z210+140 D350+50");
	store_change_extent(&c, 1024, 0, 1000, STORE_EXTENT_DATA);
	help_commit(s, &c);
	help_settle(s);
	ck_assert_str_eq(help_extents(s, 1024), "D0+1000");
	store_change_extents_gone(&c, 1024, 300);
	help_commit(s, &c);
	help_settle(s);
	ck_assert_str_eq(help_extents(s, 1024), "D0+300");
	help_close(s);
}
END_TEST

/* An oracle of bytes against rows: random operations, compared after each batch. */
START_TEST(extents_agree_with_a_map_of_bytes)
{
	struct store *s = help_open("u");
	struct store_inode row = help_file(1024);
	unsigned char map[256] = { 0 };
	struct store_change c;

	srand(42);
	row.state = STORE_PARTIAL;
	store_change_init(&c);
	store_change_inode(&c, &row);
	help_commit(s, &c);
	for (int round = 0; round < 300; round++) {
		char want[8192] = "";

		for (int i = 0; i < 1 + rand() % 5; i++) {
			unsigned at = (unsigned)rand() % 250, n = 1 + (unsigned)rand() % (256 - at);
			int kind = rand() % 3;

			if (rand() % 10 == 0) {
				store_change_extents_gone(&c, 1024, at);
				memset(map + at, 0, 256 - at);
			} else {
				store_change_extent(&c, 1024, at, n, kind);
				memset(map + at, kind, n);
			}
		}
		help_commit(s, &c);
		help_settle(s);
		for (unsigned at = 0, end; at < 256; at = end) {
			for (end = at; end < 256 && map[end] == map[at]; end++)
				;
			if (map[at])
				help_extent_fn(want, at, end - at, map[at]);
		}
		ck_assert_str_eq(help_extents(s, 1024), want);
	}
	help_close(s);
}
END_TEST

START_TEST(visible_follows_settle)
{
	struct store *s = help_open("u");
	struct store_change c;
	uint64_t seq;

	store_change_init(&c);
	store_change_seen(&c, 5, "x", 1);
	seq = help_commit(s, &c);
	help_settle(s);
	ck_assert_uint_ge(store_visible(s), seq);
	ck_assert_int_eq(store_settle(s, true), 0);
	ck_assert_uint_ge(store_durable(s), seq);
	help_close(s);
}
END_TEST

START_TEST(record_becomes_visible_by_itself)
{
	struct store *s = help_open("u");

	help_create(s, 1, "a");
	for (int i = 0; i < 6000 && !help_find(s, 1, "a").found; i++)
		usleep(10000);
	ck_assert(help_find(s, 1, "a").found);
	help_close(s);
}
END_TEST

static bool replay_settles;

static void replay_and_die(void)
{
	struct store *s = help_open("u");
	struct store_change c;

	store_change_init(&c);
	c.session = 7;
	c.unique = 99;
	c.reply = 1234;
	store_change_seen(&c, 5, "x", 1);
	help_commit(s, &c);
	if (replay_settles)
		help_settle(s);
}

START_TEST(request_that_was_carried_out_is_known_after_a_kill)
{
	struct store *s;
	uint64_t reply = 0;

	for (int i = 0; i < 2; i++) {
		replay_settles = i;
		in_a_killed_process(replay_and_die);
		s = help_open("u");
		ck_assert(store_replayed(s, 7, 99, &reply));
		ck_assert_uint_eq(reply, 1234);
		ck_assert(!store_replayed(s, 7, 98, &reply));
		ck_assert(!store_replayed(s, 8, 99, &reply));
		help_close(s);
	}
}
END_TEST

static void ask_often_and_die(void)
{
	struct store *s = help_open("u");
	struct store_change c;

	store_change_init(&c);
	for (uint64_t i = 1; i <= 1200; i++) {
		c.session = 7;
		c.unique = c.reply = i;
		help_commit(s, &c);
		if (i == 1100)
			help_settle(s);
	}
}

START_TEST(newest_requests_are_known_after_a_kill)
{
	struct store *s;
	uint64_t reply = 0;

	in_a_killed_process(ask_often_and_die);
	s = help_open("u");
	for (uint64_t i = 1200; i > 1200 - 1024; i--) {
		ck_assert_msg(store_replayed(s, 7, i, &reply), "request %d", (int)i);
		ck_assert_uint_eq(reply, i);
	}
	help_close(s);
}
END_TEST

START_TEST(small_facts_are_kept)
{
	struct store *s = help_open("u");
	char *v;

	ck_assert_ptr_null(store_meta_get(s, "lower.0"));
	ck_assert_int_eq(store_meta_set(s, "lower.0", "abc"), 0);
	help_close(s);
	s = help_open("u");
	v = store_meta_get(s, "lower.0");
	ck_assert_str_eq(v, "abc");
	free(v);
	help_close(s);
}
END_TEST

START_TEST(volatile_upper_that_was_killed_is_refused)
{
	struct store_config config = { .create = true, .is_volatile = true };
	struct store *s = help_open_config(&config, "u");
	struct vn_err err = { 0 };
	pid_t pid;

	help_close(s);
	pid = fork();
	if (!pid) {
		help_open_config(&config, "u");
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	config.upper = help_path("u");
	ck_assert_int_eq(store_open(&config, &s, &err), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(err.text, "volatile"));
}
END_TEST

START_TEST(failed_append_changes_nothing)
{
	struct store *s = help_open("u");
	struct store_change c;

	store_change_init(&c);
	store_change_seen(&c, 5, "x", 1);
	fault_arm(FAULT_APPEND, 1, EIO, false);
	ck_assert_int_eq(store_commit(s, &c, NULL), -EIO);
	help_create(s, 1, "after");
	help_settle(s);
	ck_assert(help_find(s, 1, "after").found);
	ck_assert_int_eq(store_read_seen(s, 5, &(char *){ NULL }), -ENOENT);
	help_close(s);
}
END_TEST

START_TEST(failed_flush_turns_read_only_and_says_so)
{
	struct store *s = help_open("u");
	struct store_change c;
	uint64_t seq;
	char *path;

	store_change_init(&c);
	store_change_seen(&c, 5, "x", 1);
	seq = help_commit(s, &c);
	fault_arm(FAULT_RING_FLUSH, 1, EIO, false);
	ck_assert_int_eq(store_fsync(s, -1, false, seq), -EIO);
	ck_assert(store_readonly(s));
	ck_assert_ptr_nonnull(strstr(store_readonly_reason(s), "journal"));
	store_change_seen(&c, 6, "y", 1);
	ck_assert_int_eq(store_commit(s, &c, NULL), -EROFS);
	ck_assert_int_lt(store_close(s), 0);
	fault_disarm_all();
	s = help_open("u");
	ck_assert_int_eq(store_read_seen(s, 5, &path), 0);
	free(path);
	help_close(s);
}
END_TEST

START_TEST(full_index_refuses_growth_and_recovers)
{
	struct store *s = help_open("u");
	struct store_change c;
	int rc = 0;

	fault_arm(FAULT_SQL, 1, ENOSPC, true);
	for (int i = 0; i < 6000 && rc == 0; i++) {
		store_change_init(&c);
		store_change_seen(&c, 5, "x", 1);
		rc = store_commit(s, &c, NULL);
		usleep(10000);
	}
	ck_assert_int_eq(rc, -ENOSPC);
	store_change_seen_gone(&c, 5);
	c.flags |= STORE_CHANGE_FREES;
	ck_assert_int_eq(store_commit(s, &c, NULL), 0);
	fault_disarm_all();
	for (int i = 0; i < 6000; i++) {
		store_change_seen(&c, 6, "y", 1);
		rc = store_commit(s, &c, NULL);
		if (!rc)
			break;
		usleep(10000);
	}
	ck_assert_int_eq(rc, 0);
	help_settle(s);
	help_close(s);
}
END_TEST

VN_CHECK_MAIN("store/store", create_is_read_back_after_settle, every_field_of_an_inode_survives,
	      origin_of_the_root_is_empty_and_not_missing, killed_process_loses_nothing_acknowledged,
	      numbers_are_never_used_twice_even_after_a_kill, numbers_run_on_past_their_block,
	      ring_wraps_around_many_times, file_that_came_and_went_leaves_nothing,
	      removed_directory_takes_its_whiteouts_along, xattrs_symlinks_and_small_rows_are_kept,
	      second_opener_is_told_the_holder, foreign_directory_is_not_filled,
	      only_what_an_opening_made_is_taken_back,
	      data_files_come_from_the_stock_and_unused_ones_go,
	      stale_sizes_come_from_the_data_file_and_strays_are_swept,
	      names_of_data_files_may_be_lost_until_they_are_flushed, dead_data_is_removed_after_the_commit,
	      extents_never_overlap, extents_agree_with_a_map_of_bytes, visible_follows_settle,
	      record_becomes_visible_by_itself, request_that_was_carried_out_is_known_after_a_kill,
	      newest_requests_are_known_after_a_kill, small_facts_are_kept,
	      volatile_upper_that_was_killed_is_refused, failed_append_changes_nothing,
	      failed_flush_turns_read_only_and_says_so, full_index_refuses_growth_and_recovers)
