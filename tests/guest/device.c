// SPDX-License-Identifier: Apache-2.0
#include "guest/device.h"

#include <errno.h>
#include <string.h>

#include "../check_main.h"

static struct vg_block_root root;
static struct vg_runtime runtime;
static struct vg_why why;

static void root_parse(const char *spec)
{
	ck_assert_msg(vg_block_root_parse(spec, &root, &why) == 0, "%s: %s", spec, why.text);
}

static void root_refuse(const char *spec, const char *sentence)
{
	strcpy(root.device, "untouched");
	ck_assert_int_eq(vg_block_root_parse(spec, &root, &why), -EINVAL);
	ck_assert_str_eq(why.text, sentence);
	ck_assert_str_eq(root.device, "untouched");
}

static void runtime_parse(const char *spec)
{
	ck_assert_msg(vg_runtime_parse(spec, &runtime, &why) == 0, "%s: %s", spec, why.text);
}

static void runtime_refuse(const char *spec, const char *sentence)
{
	strcpy(runtime.tag, "untouched");
	ck_assert_int_eq(vg_runtime_parse(spec, &runtime, &why), -EINVAL);
	ck_assert_str_eq(why.text, sentence);
	ck_assert_str_eq(runtime.tag, "untouched");
}

START_TEST(block_root_alone_tries_all_and_writes)
{
	root_parse("/dev/vda");
	ck_assert_str_eq(root.device, "/dev/vda");
	ck_assert_str_eq(root.fstype, "");
	ck_assert(!root.readonly);
}
END_TEST

START_TEST(block_root_options_in_any_order)
{
	root_parse("/dev/disk/by-id/x,ro,fstype=ext4");
	ck_assert_str_eq(root.device, "/dev/disk/by-id/x");
	ck_assert_str_eq(root.fstype, "ext4");
	ck_assert(root.readonly);
}
END_TEST

START_TEST(block_root_needs_a_device)
{
	root_refuse("", "VENEER_BLOCK_ROOT: the path is empty");
	root_refuse(",fstype=ext4", "VENEER_BLOCK_ROOT: the path is empty");
	root_refuse("vda", "VENEER_BLOCK_ROOT: the path \"vda\" is relative; begin it with /");
	root_refuse("/dev/../etc", "VENEER_BLOCK_ROOT: the path \"/dev/../etc\" has a \"..\" component; write it out");
	root_refuse("/disk", "VENEER_BLOCK_ROOT: /disk is not below /dev; name a block device, as in /dev/vda");
	root_refuse("/dev", "VENEER_BLOCK_ROOT: /dev is not below /dev; name a block device, as in /dev/vda");
}
END_TEST

START_TEST(block_root_unknown_options_are_named)
{
	root_refuse("/dev/vda,rw", "VENEER_BLOCK_ROOT: unknown option \"rw\"; known are fstype=NAME and ro");
	root_refuse("/dev/vda,fstype", "VENEER_BLOCK_ROOT: unknown option \"fstype\"; known are fstype=NAME and ro");
	root_refuse("/dev/vda,ro=1", "VENEER_BLOCK_ROOT: unknown option \"ro=1\"; known are fstype=NAME and ro");
	root_refuse("/dev/vda,ext4", "VENEER_BLOCK_ROOT: unknown option \"ext4\"; known are fstype=NAME and ro");
}
END_TEST

START_TEST(block_root_empty_options_are_refused)
{
	root_refuse("/dev/vda,", "VENEER_BLOCK_ROOT: an option is empty; there is a comma too many");
	root_refuse("/dev/vda,,ro", "VENEER_BLOCK_ROOT: an option is empty; there is a comma too many");
	root_refuse("/dev/vda,ro,", "VENEER_BLOCK_ROOT: an option is empty; there is a comma too many");
}
END_TEST

START_TEST(block_root_fstype_must_be_a_name)
{
	root_refuse("/dev/vda,fstype=", "VENEER_BLOCK_ROOT: fstype= is empty; leave it out to have every file system tried");
	root_refuse("/dev/vda,fstype=ext4 ", "VENEER_BLOCK_ROOT: fstype=ext4  is not a file system's name");
	root_refuse("/dev/vda,fstype=a/b", "VENEER_BLOCK_ROOT: fstype=a/b is not a file system's name");
	root_refuse("/dev/vda,fstype=abcdefghijabcdefghijabcdefghijab",
		    "VENEER_BLOCK_ROOT: fstype=abcdefghijabcdefghijabcdefghijab is longer than 31 bytes");
	root_parse("/dev/vda,fstype=abcdefghijabcdefghijabcdefghija");
}
END_TEST

START_TEST(block_root_options_are_given_once)
{
	root_refuse("/dev/vda,ro,ro", "VENEER_BLOCK_ROOT: ro is given twice");
	root_refuse("/dev/vda,fstype=xfs,fstype=xfs", "VENEER_BLOCK_ROOT: fstype is given twice");
}
END_TEST

START_TEST(runtime_alone_has_its_usual_directory)
{
	runtime_parse("tools");
	ck_assert_str_eq(runtime.tag, "tools");
	ck_assert_str_eq(runtime.dir, "/run/veneer");
	ck_assert(!runtime.readonly);
	runtime_parse("tools,ro,dir=/opt//tools/");
	ck_assert_str_eq(runtime.dir, "/opt/tools");
	ck_assert(runtime.readonly);
}
END_TEST

START_TEST(runtime_tag_has_the_length_of_the_device)
{
	runtime_parse("123456789012345678901234567890123456");
	runtime_refuse("1234567890123456789012345678901234567",
		       "VENEER_RUNTIME: the tag \"1234567890123456789012345678901234567\" is longer than 36 bytes");
	runtime_refuse("", "VENEER_RUNTIME: the tag is empty; give the one the host serves the share under");
	runtime_refuse(",ro", "VENEER_RUNTIME: the tag is empty; give the one the host serves the share under");
}
END_TEST

START_TEST(runtime_directory_must_be_a_place)
{
	runtime_refuse("t,dir=", "VENEER_RUNTIME: the path is empty");
	runtime_refuse("t,dir=opt", "VENEER_RUNTIME: the path \"opt\" is relative; begin it with /");
	runtime_refuse("t,dir=/", "VENEER_RUNTIME: dir=/ would hide the root; name a directory below it");
	runtime_refuse("t,dir=/a,dir=/b", "VENEER_RUNTIME: dir is given twice");
}
END_TEST

START_TEST(runtime_unknown_and_empty_options_are_refused)
{
	runtime_refuse("t,dax", "VENEER_RUNTIME: unknown option \"dax\"; known are dir=PATH and ro");
	runtime_refuse("t,dir", "VENEER_RUNTIME: unknown option \"dir\"; known are dir=PATH and ro");
	runtime_refuse("t,", "VENEER_RUNTIME: an option is empty; there is a comma too many");
	runtime_refuse("t,ro,ro", "VENEER_RUNTIME: ro is given twice");
}
END_TEST

VN_CHECK_MAIN("guest/device", block_root_alone_tries_all_and_writes, block_root_options_in_any_order,
	      block_root_needs_a_device, block_root_unknown_options_are_named, block_root_empty_options_are_refused,
	      block_root_fstype_must_be_a_name, block_root_options_are_given_once,
	      runtime_alone_has_its_usual_directory, runtime_tag_has_the_length_of_the_device,
	      runtime_directory_must_be_a_place, runtime_unknown_and_empty_options_are_refused)
