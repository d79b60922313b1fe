// SPDX-License-Identifier: Apache-2.0
#include "cli/hostmounts.h"

#include "../check_main.h"

static const char table[] = "22 27 0:21 / /sys rw,nosuid - sysfs sysfs rw\n"
			    "27 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
			    "30 27 0:26 / /run rw - tmpfs tmpfs rw\n"
			    "31 30 0:27 / /run/user/1000 rw - tmpfs tmpfs rw\n"
			    "32 27 8:1 / /home rw - ext4 /dev/sda1 rw\n"
			    "33 32 8:2 / /home/a\\040b rw - ext4 /dev/sda2 rw\n"
			    "34 27 8:3 / /mnt/with\\040space rw - ext4 /dev/sda3 rw\n"
			    "35 27 8:4 / /homes rw - ext4 /dev/sda4 rw\n"
			    "36 22 0:7 / /sys/kernel/debug rw - debugfs debugfs rw\n"
			    "37 27 0:30 / /tmp rw - tmpfs tmpfs rw\n"
			    "38 27 0:31 / /srv/tree rw shared:9 master:1 - fuse.veneer veneer rw\n"
			    "39 27 0:32 / /var/lib/merged rw - overlay overlay rw\n"
			    "40 27 0:33 / /net rw - autofs systemd-1 rw\n"
			    "41 27 8:5 / /disk rw - fuseblk /dev/sda5 rw\n";

static struct hostmounts h;

static void is(size_t i, const char *path, enum hostmount_kind kind)
{
	ck_assert_uint_lt(i, h.n);
	ck_assert_str_eq(h.v[i].path, path);
	ck_assert_int_eq(h.v[i].kind, kind);
}

START_TEST(topmost_mounts_once_each_but_for_served_ones)
{
	ck_assert_int_eq(hostmounts_choose(&h, table, true), 0);
	is(0, "/proc", HOSTMOUNT_LIVE);
	is(1, "/sys", HOSTMOUNT_LIVE);
	is(2, "/dev", HOSTMOUNT_LIVE);
	is(3, "/run", HOSTMOUNT_EMPTY);
	is(4, "/home", HOSTMOUNT_LOCKED);
	is(5, "/mnt/with space", HOSTMOUNT_LOCKED);
	is(6, "/homes", HOSTMOUNT_LOCKED);
	is(7, "/tmp", HOSTMOUNT_EMPTY);
	is(8, "/disk", HOSTMOUNT_LOCKED);
	ck_assert_uint_eq(h.n, 9);
	hostmounts_fini(&h);
}
END_TEST

START_TEST(another_root_gets_the_three_only)
{
	ck_assert_int_eq(hostmounts_choose(&h, table, false), 0);
	ck_assert_uint_eq(h.n, 3);
	hostmounts_fini(&h);
}
END_TEST

START_TEST(broken_lines_are_ignored)
{
	ck_assert_int_eq(hostmounts_choose(&h, "\n1 2 3\n1 2 3 4 relative x\n1 2 3 4", true), 0);
	ck_assert_uint_eq(h.n, 3);
	hostmounts_fini(&h);
}
END_TEST

VN_CHECK_MAIN("cli/hostmounts", topmost_mounts_once_each_but_for_served_ones, another_root_gets_the_three_only,
	      broken_lines_are_ignored)
