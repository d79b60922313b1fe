// SPDX-License-Identifier: Apache-2.0
#include "guest/fstypes.h"

#include <stdio.h>

#include "../check_main.h"

static struct vg_fstypes types;

START_TEST(only_disk_file_systems_are_taken)
{
	vg_fstypes_parse("nodev\tsysfs\nnodev\ttmpfs\n\txfs\nnodev\tvirtiofs\n\tvfat\n\tfuseblk\nnodev\tfuse\n", &types);
	ck_assert_uint_eq(types.count, 2);
	ck_assert_str_eq(types.name[0], "xfs");
	ck_assert_str_eq(types.name[1], "vfat");
}
END_TEST

START_TEST(ext4_comes_before_what_it_replaces)
{
	vg_fstypes_parse("\text3\n\text2\n\text4\n\tbtrfs\n", &types);
	ck_assert_uint_eq(types.count, 4);
	ck_assert_str_eq(types.name[0], "ext4");
	ck_assert_str_eq(types.name[1], "ext3");
	ck_assert_str_eq(types.name[2], "ext2");
	ck_assert_str_eq(types.name[3], "btrfs");
}
END_TEST

START_TEST(lines_that_are_no_name_are_passed_over)
{
	vg_fstypes_parse("", &types);
	ck_assert_uint_eq(types.count, 0);
	vg_fstypes_parse("\n\n\t\nnodev\nxfs\n\tabcdefghijabcdefghijabcdefghijabcdefghij\n\tsquashfs", &types);
	ck_assert_uint_eq(types.count, 1);
	ck_assert_str_eq(types.name[0], "squashfs");
}
END_TEST

START_TEST(more_than_there_is_room_for_are_left_out)
{
	char text[VG_FSTYPES_MAX * 10];
	size_t len = 0;

	for (int i = 0; i < VG_FSTYPES_MAX + 8; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "\tf%d\n", i);
	vg_fstypes_parse(text, &types);
	ck_assert_uint_eq(types.count, VG_FSTYPES_MAX);
	ck_assert_str_eq(types.name[VG_FSTYPES_MAX - 1], "f63");
}
END_TEST

VN_CHECK_MAIN("guest/fstypes", only_disk_file_systems_are_taken, ext4_comes_before_what_it_replaces,
	      lines_that_are_no_name_are_passed_over, more_than_there_is_room_for_are_left_out)
