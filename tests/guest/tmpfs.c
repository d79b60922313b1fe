// SPDX-License-Identifier: Apache-2.0
#include "guest/tmpfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../check_main.h"

static struct vg_tmpfs_list list;
static struct vg_why why;

static void parse(const char *spec)
{
	ck_assert_msg(vg_tmpfs_parse(spec, &list, &why) == 0, "%s: %s", spec, why.text);
}

/* The specification is refused, and the sentence is exactly this one. */
static void refuse(const char *spec, const char *sentence)
{
	list.count = 99;
	ck_assert_int_eq(vg_tmpfs_parse(spec, &list, &why), -EINVAL);
	ck_assert_str_eq(why.text, sentence);
	ck_assert_uint_eq(list.count, 99);
}

START_TEST(nothing_is_an_empty_list)
{
	parse("");
	ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(all_options_are_taken)
{
	parse("/scratch,size=256,mode=0700,noexec");
	ck_assert_uint_eq(list.count, 1);
	ck_assert_str_eq(list.entry[0].path, "/scratch");
	ck_assert_uint_eq(list.entry[0].size_mib, 256);
	ck_assert_uint_eq(list.entry[0].mode, 0700);
	ck_assert(list.entry[0].noexec);
}
END_TEST

START_TEST(mode_depends_on_the_path_when_not_given)
{
	parse("/tmp;/var/tmp;/run;/tmp/x;/mnt,mode=0");
	ck_assert_uint_eq(list.count, 5);
	ck_assert_uint_eq(list.entry[0].mode, 01777);
	ck_assert_uint_eq(list.entry[1].mode, 01777);
	ck_assert_uint_eq(list.entry[2].mode, 0755);
	ck_assert_uint_eq(list.entry[3].mode, 0755);
	ck_assert_uint_eq(list.entry[4].mode, 0);
	ck_assert_uint_eq(list.entry[0].size_mib, 0);
	ck_assert(!list.entry[0].noexec);
}
END_TEST

START_TEST(slashes_are_made_plain_before_the_mode_is_chosen)
{
	parse("//var//tmp/;/tmp/");
	ck_assert_str_eq(list.entry[0].path, "/var/tmp");
	ck_assert_uint_eq(list.entry[0].mode, 01777);
	ck_assert_str_eq(list.entry[1].path, "/tmp");
	ck_assert_uint_eq(list.entry[1].mode, 01777);
}
END_TEST

START_TEST(one_trailing_semicolon_is_allowed)
{
	parse("/a;/b;");
	ck_assert_uint_eq(list.count, 2);
	refuse("/a;;", "VENEER_TMPFS, entry 2: the path is empty");
	refuse(";", "VENEER_TMPFS, entry 1: the path is empty");
	refuse(";/a", "VENEER_TMPFS, entry 1: the path is empty");
}
END_TEST

START_TEST(empty_path_is_refused)
{
	refuse("/a;,size=3", "VENEER_TMPFS, entry 2: the path is empty");
	refuse(",", "VENEER_TMPFS, entry 1: the path is empty");
}
END_TEST

START_TEST(path_must_be_absolute_and_plain)
{
	refuse("tmp", "VENEER_TMPFS, entry 1: the path \"tmp\" is relative; begin it with /");
	refuse("./tmp", "VENEER_TMPFS, entry 1: the path \"./tmp\" is relative; begin it with /");
	refuse(" /tmp", "VENEER_TMPFS, entry 1: the path \" /tmp\" is relative; begin it with /");
	refuse("/a/../b", "VENEER_TMPFS, entry 1: the path \"/a/../b\" has a \"..\" component; write it out");
	refuse("/a/.", "VENEER_TMPFS, entry 1: the path \"/a/.\" has a \".\" component; write it out");
	parse("/a/..b/...");
	ck_assert_str_eq(list.entry[0].path, "/a/..b/...");
}
END_TEST

START_TEST(root_is_refused)
{
	refuse("/", "VENEER_TMPFS, entry 1: a tmpfs on / would hide the whole root");
	refuse("///,size=1", "VENEER_TMPFS, entry 1: a tmpfs on / would hide the whole root");
}
END_TEST

START_TEST(path_length_has_a_limit)
{
	char spec[VG_PATH_MAX + 2];

	memset(spec, 'a', sizeof(spec));
	spec[0] = '/';
	spec[VG_PATH_MAX - 1] = '\0';
	parse(spec);
	ck_assert_str_eq(list.entry[0].path, spec);
	spec[VG_PATH_MAX - 1] = 'a';
	spec[VG_PATH_MAX] = '\0';
	ck_assert_int_eq(vg_tmpfs_parse(spec, &list, &why), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why.text, "is longer than 255 bytes"));
}
END_TEST

START_TEST(unknown_options_are_named)
{
	refuse("/tmp,uid=0",
	       "VENEER_TMPFS, entry 1: unknown option \"uid=0\"; "
	       "known are size=MIB, mode=OCTAL and noexec");
	refuse("/tmp,size",
	       "VENEER_TMPFS, entry 1: unknown option \"size\"; "
	       "known are size=MIB, mode=OCTAL and noexec");
	refuse("/tmp,noexec=1",
	       "VENEER_TMPFS, entry 1: unknown option \"noexec=1\"; "
	       "known are size=MIB, mode=OCTAL and noexec");
	refuse("/tmp, noexec",
	       "VENEER_TMPFS, entry 1: unknown option \" noexec\"; "
	       "known are size=MIB, mode=OCTAL and noexec");
}
END_TEST

START_TEST(empty_options_are_refused)
{
	refuse("/tmp,", "VENEER_TMPFS, entry 1: an option of /tmp is empty; there is a comma too many");
	refuse("/tmp,,noexec", "VENEER_TMPFS, entry 1: an option of /tmp is empty; there is a comma too many");
	refuse("/tmp,size=1,;/b", "VENEER_TMPFS, entry 1: an option of /tmp is empty; there is a comma too many");
}
END_TEST

START_TEST(size_must_be_a_number)
{
	refuse("/tmp,size=", "VENEER_TMPFS, entry 1: size= is not a number; give whole MiB, as in size=256");
	refuse("/tmp,size=64M", "VENEER_TMPFS, entry 1: size=64M is not a number; give whole MiB, as in size=256");
	refuse("/tmp,size=-1", "VENEER_TMPFS, entry 1: size=-1 is not a number; give whole MiB, as in size=256");
	refuse("/tmp,size=1.5", "VENEER_TMPFS, entry 1: size=1.5 is not a number; give whole MiB, as in size=256");
	refuse("/tmp,size=0", "VENEER_TMPFS, entry 1: size=0 leaves no room; leave size out for the kernel's default");
}
END_TEST

START_TEST(size_in_bytes_must_not_overflow)
{
	parse("/tmp,size=8796093022207");
	ck_assert_uint_eq(list.entry[0].size_mib << 20, 0x7ffffffffff00000);
	refuse("/tmp,size=8796093022208",
	       "VENEER_TMPFS, entry 1: size=8796093022208 is too large; the most is 8796093022207 MiB");
	refuse("/tmp,size=99999999999999999999999",
	       "VENEER_TMPFS, entry 1: size=99999999999999999999999 is too large; the most is 8796093022207 MiB");
}
END_TEST

START_TEST(mode_must_be_octal_and_in_range)
{
	refuse("/tmp,mode=", "VENEER_TMPFS, entry 1: mode= is not octal; give permission bits, as in mode=1777");
	refuse("/tmp,mode=798", "VENEER_TMPFS, entry 1: mode=798 is not octal; give permission bits, as in mode=1777");
	refuse("/tmp,mode=rwx", "VENEER_TMPFS, entry 1: mode=rwx is not octal; give permission bits, as in mode=1777");
	refuse("/tmp,mode=10000", "VENEER_TMPFS, entry 1: mode=10000 is above 7777");
	parse("/tmp,mode=7777");
	ck_assert_uint_eq(list.entry[0].mode, 07777);
}
END_TEST

START_TEST(options_are_given_once)
{
	refuse("/tmp,size=1,size=2", "VENEER_TMPFS, entry 1: size is given twice for /tmp");
	refuse("/tmp,mode=1,mode=1", "VENEER_TMPFS, entry 1: mode is given twice for /tmp");
	refuse("/tmp,noexec,noexec", "VENEER_TMPFS, entry 1: noexec is given twice for /tmp");
}
END_TEST

START_TEST(paths_are_listed_once)
{
	refuse("/tmp;/run;/tmp/", "VENEER_TMPFS, entry 3: /tmp is listed twice");
}
END_TEST

START_TEST(an_entry_must_not_hide_an_earlier_one)
{
	parse("/var;/var/tmp;/variable");
	ck_assert_uint_eq(list.count, 3);
	refuse("/var/tmp;/var", "VENEER_TMPFS, entry 2: /var would hide /var/tmp, which is listed before it; list /var first");
}
END_TEST

START_TEST(the_number_of_entries_has_a_limit)
{
	char spec[VG_TMPFS_MAX * 8];
	size_t len = 0;

	for (int i = 0; i < VG_TMPFS_MAX; i++)
		len += (size_t)snprintf(spec + len, sizeof(spec) - len, "/t%d;", i);
	parse(spec);
	ck_assert_uint_eq(list.count, VG_TMPFS_MAX);
	snprintf(spec + len, sizeof(spec) - len, "/more");
	refuse(spec, "VENEER_TMPFS, entry 33: more than 32 entries");
}
END_TEST

VN_CHECK_MAIN("guest/tmpfs", nothing_is_an_empty_list, all_options_are_taken, mode_depends_on_the_path_when_not_given,
	      slashes_are_made_plain_before_the_mode_is_chosen, one_trailing_semicolon_is_allowed,
	      empty_path_is_refused, path_must_be_absolute_and_plain, root_is_refused, path_length_has_a_limit,
	      unknown_options_are_named, empty_options_are_refused, size_must_be_a_number,
	      size_in_bytes_must_not_overflow, mode_must_be_octal_and_in_range, options_are_given_once,
	      paths_are_listed_once, an_entry_must_not_hide_an_earlier_one, the_number_of_entries_has_a_limit)
