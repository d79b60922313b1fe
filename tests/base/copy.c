// SPDX-License-Identifier: Apache-2.0
#include "base/copy.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../check_main.h"
#include "base/fd.h"
#include "base/scope.h"

#define MIB (UINT64_C(1) << 20)

/* A file without a name, in dir. */
static int file_in(const char *dir)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/veneer-copy.XXXXXX", dir);
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	unlink(path);
	return fd;
}

/* Ten MiB: 200,000 bytes at one MiB, one byte at eight MiB and a half, holes around them. */
static int sparse_in(const char *dir)
{
	int fd = file_in(dir);

	for (uint64_t at = MIB; at < MIB + 200000; at += 8)
		ck_assert_int_eq(vn_pwrite_full(fd, &at, sizeof(at), (off_t)at), sizeof(at));
	ck_assert_int_eq(vn_pwrite_full(fd, "x", 1, (off_t)(8 * MIB + MIB / 2)), 1);
	ck_assert_int_eq(ftruncate(fd, (off_t)(10 * MIB)), 0);
	return fd;
}

static void same(int a, int b)
{
	vn_autofree char *left = malloc(10 * MIB);
	vn_autofree char *right = malloc(10 * MIB);
	struct stat st;

	ck_assert_int_eq(fstat(b, &st), 0);
	ck_assert_int_eq(st.st_size, 10 * MIB);
	ck_assert_int_lt(st.st_blocks, 2 * MIB / 512);
	ck_assert_int_eq(vn_pread_full(a, left, 10 * MIB, 0), 10 * MIB);
	ck_assert_int_eq(vn_pread_full(b, right, 10 * MIB, 0), 10 * MIB);
	ck_assert_mem_eq(left, right, 10 * MIB);
}

START_TEST(a_copy_has_the_bytes_and_the_holes)
{
	vn_autoclose int from = sparse_in(vn_check_dir());
	vn_autoclose int to = file_in(vn_check_dir());

	ck_assert_int_eq(vn_copy_file(from, to), 0);
	same(from, to);
}
END_TEST

/* The kernel's copy refuses two file systems of different kinds. */
START_TEST(a_copy_leaves_the_file_system)
{
	vn_autoclose int from = -1;
	vn_autoclose int to = -1;

	if (access("/dev/shm", W_OK) < 0)
		vn_check_skip("no /dev/shm to copy to");
	from = sparse_in(vn_check_dir());
	to = file_in("/dev/shm");
	ck_assert_int_eq(vn_copy_file(from, to), 0);
	same(from, to);
}
END_TEST

START_TEST(a_range_is_no_more_than_asked_for)
{
	vn_autoclose int from = sparse_in(vn_check_dir());
	vn_autoclose int to = file_in(vn_check_dir());
	char got[24], want[8];

	ck_assert_int_eq(vn_copy_range(from, to, MIB + 8, MIB + 16), 0);
	ck_assert_int_eq(vn_pread_full(to, got, sizeof(got), (off_t)MIB), 16);
	ck_assert_int_eq(vn_pread_full(from, want, sizeof(want), (off_t)(MIB + 8)), 8);
	ck_assert_mem_eq(got, "\0\0\0\0\0\0\0\0", 8);
	ck_assert_mem_eq(got + 8, want, 8);
}
END_TEST

START_TEST(a_source_that_ends_earlier_has_a_hole_there)
{
	vn_autoclose int from = file_in(vn_check_dir());
	vn_autoclose int to = file_in(vn_check_dir());

	ck_assert_int_eq(vn_pwrite_full(from, "end", 3, 0), 3);
	ck_assert_int_eq(vn_copy_range(from, to, 0, MIB), 0);
	ck_assert_int_le(lseek(to, 0, SEEK_END), (off_t)MIB);
	ck_assert_int_eq(vn_seek_within(from, 3, 100, SEEK_DATA), 100);
	ck_assert_int_eq(vn_seek_within(from, 3, 100, SEEK_HOLE), 3);
}
END_TEST

VN_CHECK_MAIN("base/copy", a_copy_has_the_bytes_and_the_holes, a_copy_leaves_the_file_system,
	      a_range_is_no_more_than_asked_for, a_source_that_ends_earlier_has_a_hole_there)
