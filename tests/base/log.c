// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <unistd.h>

#include "../check_main.h"

static int out[2];

/* Standard error becomes a pipe. */
static void setup(void)
{
	ck_assert_int_eq(pipe2(out, O_NONBLOCK), 0);
	ck_assert_int_eq(dup2(out[1], STDERR_FILENO), STDERR_FILENO);
}

static void expect(const char *text)
{
	char buf[4096];
	ssize_t n = read(out[0], buf, sizeof(buf) - 1);

	buf[n < 0 ? 0 : n] = '\0';
	ck_assert_str_eq(buf, text);
}

START_TEST(lines_carry_name_and_level)
{
	vn_warn("lower %d", 3);
	expect("veneer: warning: lower 3\n");
	vn_error("gone");
	expect("veneer: gone\n");
}
END_TEST

START_TEST(less_urgent_lines_are_not_written)
{
	vn_info("hidden");
	vn_debug("hidden");
	expect("");
	vn_log_init("vn", VN_LOG_DEBUG, false);
	vn_debug("shown");
	expect("vn: debug: shown\n");
	ck_assert(vn_log_wants(VN_LOG_DEBUG));
}
END_TEST

START_TEST(errno_stays)
{
	errno = EXDEV;
	vn_error("x");
	ck_assert_int_eq(errno, EXDEV);
}
END_TEST

START_TEST(a_long_line_is_cut_and_ends_in_a_newline)
{
	char buf[4096];
	ssize_t n;

	vn_error("%3000s", "x");
	n = read(out[0], buf, sizeof(buf));
	ck_assert_int_gt(n, 1000);
	ck_assert_int_eq(buf[n - 1], '\n');
}
END_TEST

START_TEST(level_names_are_parsed)
{
	enum vn_log_level level = VN_LOG_ERROR;

	ck_assert_int_eq(vn_log_parse_level("warn", &level), 0);
	ck_assert_int_eq(level, VN_LOG_WARN);
	ck_assert_int_eq(vn_log_parse_level("debug", &level), 0);
	ck_assert_int_eq(level, VN_LOG_DEBUG);
	ck_assert_int_eq(vn_log_parse_level("loud", &level), -EINVAL);
	ck_assert_int_eq(level, VN_LOG_DEBUG);
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){.suite = "base/log", .setup = setup}), lines_carry_name_and_level,
		   less_urgent_lines_are_not_written, errno_stays, a_long_line_is_cut_and_ends_in_a_newline,
		   level_names_are_parsed)
