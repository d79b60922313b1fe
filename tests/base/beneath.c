// SPDX-License-Identifier: Apache-2.0
/* Both ways to open a name from outside answer alike. */
#include <unistd.h>

#include "../check_main.h"
#include "base/fd.h"
#include "base/scope.h"

static int dir = -1;

static void setup(void)
{
	dir = open(vn_check_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dir, 0);
	ck_assert_int_eq(mkdirat(dir, "d", 0700), 0);
	ck_assert_int_eq(mkdirat(dir, "d/e", 0700), 0);
	close(openat(dir, "d/e/f", O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(symlinkat("/etc/passwd", dir, "out"), 0);
	ck_assert_int_eq(symlinkat("d", dir, "in"), 0);
}

static void teardown(void)
{
	close(dir);
}

/* Opens by both ways; want is 0 for success or the errno expected. */
static void expect(const char *path, int flags, int want)
{
	vn_autoclose int a = vn_open_beneath(dir, path, flags);
	vn_autoclose int b = vn_open_beneath_walk(dir, path, flags);

	ck_assert_msg((a < 0 ? a : 0) == want, "openat2 %s: %d, not %d", path, a, want);
	ck_assert_msg((b < 0 ? b : 0) == want, "walk %s: %d, not %d", path, b, want);
}

START_TEST(plain_paths_open)
{
	expect("d/e/f", O_RDONLY, 0);
	expect("d//e/./f", O_RDONLY, 0);
	expect("d/e/", O_RDONLY, 0);
	expect("", O_RDONLY | O_DIRECTORY, 0);
	expect(".", O_RDONLY | O_DIRECTORY, 0);
}
END_TEST

START_TEST(both_ways_reach_the_same_file)
{
	vn_autoclose int a = vn_open_beneath(dir, "d/e/f", O_RDONLY);
	vn_autoclose int b = vn_open_beneath_walk(dir, "d/e/f", O_RDONLY);
	struct stat sa, sb;

	ck_assert_int_eq(fstat(a, &sa), 0);
	ck_assert_int_eq(fstat(b, &sb), 0);
	ck_assert_uint_eq(sa.st_ino, sb.st_ino);
	ck_assert_int_eq(fcntl(a, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	ck_assert_int_eq(fcntl(b, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}
END_TEST

START_TEST(missing_names_and_wrong_types_have_their_errno)
{
	expect("none", O_RDONLY, -ENOENT);
	expect("d/none/f", O_RDONLY, -ENOENT);
	expect("d/e/f/g", O_RDONLY, -ENOTDIR);
	expect("d/e/f/", O_RDONLY, -ENOTDIR);
}
END_TEST

START_TEST(nothing_leads_outside)
{
	expect("/etc/passwd", O_RDONLY, -EXDEV);
	expect("..", O_RDONLY, -EXDEV);
	expect("d/../../x", O_RDONLY, -EXDEV);
	expect("d/..", O_RDONLY, -EXDEV);
	expect("d/..x", O_RDONLY, -ENOENT);
}
END_TEST

START_TEST(symlinks_are_never_followed)
{
	expect("out", O_RDONLY, -ELOOP);
	expect("in", O_RDONLY, -ELOOP);
	expect("in/e/f", O_RDONLY, -ELOOP);
	expect("in", VN_O_PATH, -ELOOP);
}
END_TEST

START_TEST(a_symlink_itself_opens_with_o_path)
{
	vn_autoclose int fd = vn_open_beneath(dir, "out", VN_O_PATH | O_NOFOLLOW);
	struct stat st;

	expect("out", VN_O_PATH | O_NOFOLLOW, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
}
END_TEST

START_TEST(a_component_that_is_too_long_is_an_errno)
{
	char name[400];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	expect(name, O_RDONLY, -ENAMETOOLONG);
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){.suite = "base/beneath", .setup = setup, .teardown = teardown}), plain_paths_open,
		   both_ways_reach_the_same_file, missing_names_and_wrong_types_have_their_errno, nothing_leads_outside,
		   symlinks_are_never_followed, a_symlink_itself_opens_with_o_path, a_component_that_is_too_long_is_an_errno)
