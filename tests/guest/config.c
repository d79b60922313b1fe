// SPDX-License-Identifier: Apache-2.0
#include "guest/config.h"

#include <errno.h>
#include <string.h>

#include "../check_main.h"

#define LIST(...) ((char **)(const char *[]){__VA_ARGS__ __VA_OPT__(, ) NULL})
#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static struct vg_config config;
static struct vg_why why;

static void teardown(void)
{
	vg_config_free(&config);
}

static void parse(char *const args[], char *const env[], const char *kernel_line)
{
	vg_config_free(&config);
	ck_assert_msg(vg_config_parse(args, env, kernel_line, &config, &why) == 0, "%s", why.text);
}

static void refuse(char *const env[], const char *kernel_line, const char *sentence)
{
	ck_assert_int_eq(vg_config_parse(LIST(), env, kernel_line, &config, &why), -EINVAL);
	ck_assert_str_eq(why.text, sentence);
}

static void list_is(char *const list[], char *const expected[])
{
	size_t i;

	for (i = 0; expected[i]; i++) {
		ck_assert_ptr_nonnull(list[i]);
		ck_assert_str_eq(list[i], expected[i]);
	}
	ck_assert_ptr_null(list[i]);
}

START_TEST(nothing_given_is_a_shell)
{
	parse(LIST(), LIST(), "");
	list_is(config.command, LIST("/bin/sh"));
	list_is(config.env, LIST(DEFAULT_PATH));
	ck_assert_str_eq(config.workdir, "/");
	ck_assert_ptr_null(config.hostname);
	ck_assert_ptr_null(config.unknown);
	ck_assert(!config.has_block_root && !config.has_runtime);
	ck_assert_uint_eq(config.tmpfs.count, 0);
	ck_assert_int_eq(config.ending, VG_POWEROFF);
}
END_TEST

START_TEST(every_variable_is_taken_from_the_environment)
{
	parse(LIST(),
	      LIST("VENEER_TMPFS=/tmp", "VENEER_BLOCK_ROOT=/dev/vda", "VENEER_RUNTIME=tools", "VENEER_CMD=a 'b c'",
		   "VENEER_WORKDIR=/srv", "VENEER_HOSTNAME=box", "VENEER_END=reboot"),
	      "");
	ck_assert_str_eq(config.tmpfs.entry[0].path, "/tmp");
	ck_assert(config.has_block_root && config.has_runtime);
	ck_assert_str_eq(config.block_root.device, "/dev/vda");
	ck_assert_str_eq(config.runtime.tag, "tools");
	list_is(config.command, LIST("a", "b c"));
	ck_assert_str_eq(config.workdir, "/srv");
	ck_assert_str_eq(config.hostname, "box");
	ck_assert_int_eq(config.ending, VG_REBOOT);
}
END_TEST

START_TEST(the_kernel_line_is_read_where_the_environment_says_nothing)
{
	parse(LIST(), LIST("VENEER_HOSTNAME=env"),
	      "ro VENEER_HOSTNAME=line VENEER_CMD=\"sh -c 'x y'\" VENEER_TMPFS=/a VENEER_TMPFS=/b\n");
	ck_assert_str_eq(config.hostname, "env");
	list_is(config.command, LIST("sh", "-c", "x y"));
	ck_assert_uint_eq(config.tmpfs.count, 1);
	ck_assert_str_eq(config.tmpfs.entry[0].path, "/b");
}
END_TEST

START_TEST(words_after_the_dashes_are_no_variables)
{
	parse(LIST("VENEER_HOSTNAME=arg"), LIST(), "ro -- VENEER_HOSTNAME=arg");
	ck_assert_ptr_null(config.hostname);
	list_is(config.command, LIST("VENEER_HOSTNAME=arg"));
}
END_TEST

START_TEST(arguments_are_the_command)
{
	parse(LIST("/bin/ls", "-l"), LIST(), "");
	list_is(config.command, LIST("/bin/ls", "-l"));
}
END_TEST

START_TEST(kernel_words_that_it_did_not_know_are_no_command)
{
	parse(LIST("splash", "/bin/ls", "splash"), LIST(), "root=x splash -- /bin/ls splash");
	list_is(config.command, LIST("/bin/ls", "splash"));
	parse(LIST("splash"), LIST(), "root=x splash");
	list_is(config.command, LIST("/bin/sh"));
}
END_TEST

START_TEST(a_krun_program_takes_the_arguments)
{
	parse(LIST("-c", "true"), LIST("KRUN_INIT=/bin/bash", "KRUN_WORKDIR=/home"), "");
	list_is(config.command, LIST("/bin/bash", "-c", "true"));
	ck_assert_str_eq(config.workdir, "/home");
	parse(LIST("/x"), LIST("KRUN_INIT="), "");
	list_is(config.command, LIST("/x"));
	parse(LIST("/x"), LIST("KRUN_INIT=/k", "VENEER_CMD=/v", "KRUN_WORKDIR=/k", "VENEER_WORKDIR=/v"), "");
	list_is(config.command, LIST("/v"));
	ck_assert_str_eq(config.workdir, "/v");
}
END_TEST

START_TEST(the_command_does_not_see_our_variables)
{
	parse(LIST(), LIST("A=1", "VENEER_TMPFS=", "PATH=/p", "KRUN_INIT=/x", "VENEERED=1"), "");
	list_is(config.env, LIST("A=1", "PATH=/p", "VENEERED=1"));
}
END_TEST

START_TEST(a_misspelt_variable_is_told)
{
	parse(LIST(), LIST("VENEER_TMPSF=/tmp"), "");
	ck_assert_str_eq(config.unknown, "VENEER_TMPSF=/tmp");
	parse(LIST(), LIST(), "VENEER_HOST=a");
	ck_assert_str_eq(config.unknown, "VENEER_HOST=a");
	parse(LIST(), LIST("VENEER=/usr/bin/veneer"), "");
	ck_assert_ptr_null(config.unknown);
}
END_TEST

START_TEST(sentences_of_the_parsers_come_through)
{
	refuse(LIST("VENEER_TMPFS=tmp"), "", "VENEER_TMPFS, entry 1: the path \"tmp\" is relative; begin it with /");
	refuse(LIST("VENEER_BLOCK_ROOT="), "", "VENEER_BLOCK_ROOT: the path is empty");
	refuse(LIST("VENEER_RUNTIME="), "", "VENEER_RUNTIME: the tag is empty; give the one the host serves the share under");
	refuse(LIST("VENEER_CMD="), "", "VENEER_CMD: no command in it; name a program");
	refuse(LIST(), "VENEER_BLOCK_ROOT=/dev/vda,", "VENEER_BLOCK_ROOT: an option is empty; there is a comma too many");
}
END_TEST

START_TEST(ending_hostname_and_workdir_are_checked)
{
	char name[] = "VENEER_HOSTNAME=12345678901234567890123456789012345678901234567890123456789012345";

	refuse(LIST("VENEER_END=halt"), "", "VENEER_END: \"halt\" is neither poweroff nor reboot");
	refuse(LIST("VENEER_END="), "", "VENEER_END: \"\" is neither poweroff nor reboot");
	refuse(LIST("VENEER_HOSTNAME="), "", "VENEER_HOSTNAME: a name has 1 to 64 bytes, not 0");
	refuse(LIST(name), "", "VENEER_HOSTNAME: a name has 1 to 64 bytes, not 65");
	refuse(LIST("VENEER_WORKDIR=srv"), "", "VENEER_WORKDIR: \"srv\" is not absolute; begin it with /");
	name[sizeof(name) - 2] = '\0';
	parse(LIST(), LIST(name, "VENEER_END=poweroff"), "");
	ck_assert_uint_eq(strlen(config.hostname), 64);
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){.suite = "guest/config", .teardown = teardown}), nothing_given_is_a_shell,
		   every_variable_is_taken_from_the_environment,
		   the_kernel_line_is_read_where_the_environment_says_nothing, words_after_the_dashes_are_no_variables,
		   arguments_are_the_command, kernel_words_that_it_did_not_know_are_no_command,
		   a_krun_program_takes_the_arguments, the_command_does_not_see_our_variables, a_misspelt_variable_is_told,
		   sentences_of_the_parsers_come_through, ending_hostname_and_workdir_are_checked)
