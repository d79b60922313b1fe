// SPDX-License-Identifier: Apache-2.0
#include "base/fd.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <signal.h>
#include <unistd.h>

#include "../check_main.h"
#include "base/scope.h"

static int dir = -1;

static void setup(void)
{
	dir = open(vn_check_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dir, 0);
}

static void teardown(void)
{
	close(dir);
}

static int make(const char *name, const char *text)
{
	int fd = vn_open_at(dir, name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(vn_pwrite_full(fd, text, strlen(text), 0), (ssize_t)strlen(text));
	return fd;
}

static int count_entries(void)
{
	vn_autoclosedir DIR *d = opendir(vn_check_dir());
	int n = 0;

	while (readdir(d))
		n++;
	return n - 2;
}

START_TEST(read_stops_at_the_end_of_the_file)
{
	vn_autoclose int fd = make("f", "hello");
	char buf[16];

	ck_assert_int_eq(vn_pread_full(fd, buf, sizeof(buf), 1), 4);
	ck_assert_mem_eq(buf, "ello", 4);
	ck_assert_int_eq(vn_pread_full(fd, buf, sizeof(buf), 5), 0);
	ck_assert_int_eq(vn_pread_full(-1, buf, 1, 0), -EBADF);
}
END_TEST

START_TEST(vectors_longer_than_a_batch_go_through)
{
	vn_autoclose int fd = make("f", "");
	static char in[1000], out[1000];
	struct iovec v[1000];

	for (int i = 0; i < 1000; i++) {
		in[i] = (char)(i % 251);
		v[i] = (struct iovec){out + i, 1};
	}
	ck_assert_int_eq(vn_pwrite_full(fd, in, sizeof(in), 7), 1000);
	ck_assert_int_eq(vn_preadv_full(fd, v, 1000, 7), 1000);
	ck_assert_mem_eq(in, out, 1000);
	ck_assert_int_eq(vn_preadv_full(fd, v, 1000, 1000), 7);
	ck_assert_int_eq(vn_preadv_full(-1, v, 1, 0), -EBADF);
}
END_TEST

/* A file size limit stops a write half-way, as a full disk does. */
START_TEST(a_write_that_is_stopped_returns_what_got_through)
{
	vn_autoclose int fd = make("f", "");
	struct rlimit limit = {.rlim_cur = 100, .rlim_max = RLIM_INFINITY};
	char buf[200] = {0};

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = 100;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(vn_pwrite_full(fd, buf, 200, 0), 100);
	ck_assert_int_eq(vn_pwrite_full(fd, buf, 200, 50), 50);
	ck_assert_int_eq(vn_pwrite_full(fd, buf, 1, 100), -EFBIG);
}
END_TEST

START_TEST(descriptors_are_close_on_exec)
{
	vn_autoclose int fd = make("f", "");

	ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	ck_assert_int_eq(vn_open_at(dir, "none", O_RDONLY, 0), -ENOENT);
}
END_TEST

START_TEST(pipes_are_read_to_the_end)
{
	int p[2];
	char buf[8];

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(vn_write_full(p[1], "abc", 3), 3);
	ck_assert_int_eq(vn_write_full(p[1], "de", 2), 2);
	close(p[1]);
	ck_assert_int_eq(vn_read_full(p[0], buf, sizeof(buf)), 5);
	ck_assert_mem_eq(buf, "abcde", 5);
	close(p[0]);
}
END_TEST

START_TEST(a_file_is_read_whole)
{
	vn_autofree char *big = malloc(100001);
	vn_autofree char *data = NULL;
	size_t len = 0;

	memset(big, 'x', 100000);
	big[100000] = '\0';
	close(make("f", big));
	ck_assert_int_eq(vn_read_file_at(dir, "f", 100000, &data, &len), 0);
	ck_assert_uint_eq(len, 100000);
	ck_assert_str_eq(data, big);
	ck_assert_int_eq(vn_read_file_at(dir, "f", 99999, &data, &len), -EFBIG);
	ck_assert_int_eq(vn_read_file_at(dir, "none", 1, &data, &len), -ENOENT);
}
END_TEST

START_TEST(an_empty_file_is_an_empty_string)
{
	vn_autofree char *data = NULL;
	size_t len = 9;

	close(make("f", ""));
	ck_assert_int_eq(vn_read_file_at(dir, "f", 0, &data, &len), 0);
	ck_assert_uint_eq(len, 0);
	ck_assert_str_eq(data, "");
}
END_TEST

START_TEST(a_file_is_replaced_and_nothing_is_left_behind)
{
	vn_autofree char *data = NULL;
	struct stat st;
	size_t len;

	close(make("f", "old and longer"));
	ck_assert_int_eq(vn_write_file_at(dir, "f", "new", 3, 0600), 0);
	ck_assert_int_eq(vn_read_file_at(dir, "f", 100, &data, &len), 0);
	ck_assert_str_eq(data, "new");
	ck_assert_int_eq(fstatat(dir, "f", &st, 0), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(count_entries(), 1);
}
END_TEST

START_TEST(a_failed_replacement_leaves_the_old_file)
{
	vn_autofree char *data = NULL;
	struct rlimit limit;
	size_t len;

	close(make("f", "old"));
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = 2;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_lt(vn_write_file_at(dir, "f", "newer", 5, 0600), 0);
	ck_assert_int_eq(vn_read_file_at(dir, "f", 100, &data, &len), 0);
	ck_assert_str_eq(data, "old");
	ck_assert_int_eq(count_entries(), 1);
}
END_TEST

START_TEST(flushes_succeed_and_say_when_they_cannot)
{
	vn_autoclose int fd = make("f", "x");

	ck_assert_int_eq(vn_fsync(fd), 0);
	ck_assert_int_eq(vn_fdatasync(fd), 0);
	ck_assert_int_eq(vn_fsync(-1), -EBADF);
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){.suite = "base/fd", .setup = setup, .teardown = teardown}),
		   read_stops_at_the_end_of_the_file, vectors_longer_than_a_batch_go_through,
		   a_write_that_is_stopped_returns_what_got_through, descriptors_are_close_on_exec, pipes_are_read_to_the_end,
		   a_file_is_read_whole, an_empty_file_is_an_empty_string, a_file_is_replaced_and_nothing_is_left_behind,
		   a_failed_replacement_leaves_the_old_file, flushes_succeed_and_say_when_they_cannot)
