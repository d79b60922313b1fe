// SPDX-License-Identifier: Apache-2.0
#include "guest/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../check_main.h"

static char path[512];

static const char *at(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", vn_check_dir(), name);
	return path;
}

START_TEST(read_gives_a_string_and_cuts_it)
{
	char out[8] = "before";
	int fd = open(at("f"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	ck_assert_int_eq(vg_file_write(fd, "0123456789", 10), 0);
	close(fd);
	ck_assert_int_eq(vg_file_read(at("f"), out, sizeof(out)), 7);
	ck_assert_str_eq(out, "0123456");
	ck_assert_int_eq(vg_file_read(at("none"), out, sizeof(out)), -ENOENT);
	ck_assert_str_eq(out, "");
	ck_assert_int_eq(vg_file_read(vn_check_dir(), out, sizeof(out)), -EISDIR);
	ck_assert_int_eq(vg_file_write(-1, "x", 1), -EBADF);
}
END_TEST

START_TEST(mkdirs_makes_parents_plain_and_the_last_with_its_mode)
{
	struct stat st;

	umask(0);
	ck_assert_int_eq(vg_file_mkdirs(at("a/b/c"), 01777), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 01777);
	ck_assert_int_eq(stat(at("a/b"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0755);
	ck_assert_int_eq(vg_file_mkdirs(at("a/b/c"), 0700), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 01777);
}
END_TEST

START_TEST(mkdirs_follows_links_and_refuses_files)
{
	ck_assert_int_eq(vg_file_mkdirs(at("real"), 0755), 0);
	ck_assert_int_eq(symlink("real", at("link")), 0);
	ck_assert_int_eq(vg_file_mkdirs(at("link/sub"), 0755), 0);
	ck_assert_int_eq(access(at("real/sub"), F_OK), 0);
	close(open(at("file"), O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(vg_file_mkdirs(at("file"), 0755), -ENOTDIR);
	ck_assert_int_eq(vg_file_mkdirs(at("file/sub"), 0755), -ENOTDIR);
}
END_TEST

VN_CHECK_MAIN("guest/file", read_gives_a_string_and_cuts_it, mkdirs_makes_parents_plain_and_the_last_with_its_mode,
	      mkdirs_follows_links_and_refuses_files)
