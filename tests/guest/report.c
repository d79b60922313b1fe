// SPDX-License-Identifier: Apache-2.0
#include "guest/report.h"

#include "guest/console.h"

#include <errno.h>
#include <signal.h>

#include "../check_main.h"

static void line_is(int wait_status, const char *error, const char *expected)
{
	char line[96];

	vg_report_line(wait_status, error, line, sizeof(line));
	ck_assert_str_eq(line, expected);
}

START_TEST(line_says_status_signal_and_error)
{
	line_is(VG_WAIT_STATUS(0), NULL, "VENEER-EXIT status=0");
	line_is(VG_WAIT_STATUS(255), NULL, "VENEER-EXIT status=255");
	line_is(SIGKILL, NULL, "VENEER-EXIT status=137 signal=9");
	line_is(SIGSEGV | 0x80, NULL, "VENEER-EXIT status=139 signal=11");
	line_is(VG_WAIT_STATUS(VG_STATUS_INIT), "init", "VENEER-EXIT status=125 error=init");
}
END_TEST

START_TEST(exec_errors_have_the_status_of_a_shell)
{
	ck_assert_int_eq(vg_report_exec_status(-ENOENT), 127);
	ck_assert_int_eq(vg_report_exec_status(-ENOTDIR), 127);
	ck_assert_int_eq(vg_report_exec_status(-EACCES), 126);
	ck_assert_int_eq(vg_report_exec_status(-ENOEXEC), 126);
}
END_TEST

START_TEST(the_console_is_the_last_of_the_active_ones)
{
	ck_assert(vg_text_is(vg_console_name("ttyS0\n"), "ttyS0"));
	ck_assert(vg_text_is(vg_console_name("tty0 ttyS0 hvc0\n"), "hvc0"));
	ck_assert(vg_text_is(vg_console_name("hvc0 "), "hvc0"));
	ck_assert(vg_text_is(vg_console_name("\n"), ""));
	ck_assert(vg_text_is(vg_console_name(""), ""));
}
END_TEST

VN_CHECK_MAIN("guest/report", line_says_status_signal_and_error, exec_errors_have_the_status_of_a_shell,
	      the_console_is_the_last_of_the_active_ones)
