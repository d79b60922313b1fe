// SPDX-License-Identifier: Apache-2.0
#include "cli/mount_options.h"

#include <string.h>
#include <unistd.h>
#include <sys/mount.h>

#include "../check_main.h"
#include "base/err.h"

static struct mount_options o;
static struct vn_err err;

static void setup(void)
{
	mount_options_init(&o);
	err = (struct vn_err){0};
}

static void teardown(void)
{
	mount_options_fini(&o);
}

static void parse(const char *text)
{
	ck_assert_msg(mount_options_parse(&o, text, &err) == 0, "%s: %s", text, err.text);
}

static void refuse(const char *text, const char *names)
{
	ck_assert_int_eq(mount_options_parse(&o, text, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, names));
}

START_TEST(layers_are_split_at_colons)
{
	parse("lowerdir=/a:b/c:/d,upperdir=/u,workdir=/w");
	ck_assert_uint_eq(o.lowers.n, 3);
	ck_assert_str_eq(o.lowers.v[0], "/a");
	ck_assert_str_eq(o.lowers.v[1], "b/c");
	ck_assert_str_eq(o.lowers.v[2], "/d");
	ck_assert_str_eq(o.upper, "/u");
}
END_TEST

START_TEST(escapes_keep_colons_commas_and_backslashes)
{
	parse("lowerdir=/a\\:b:/c\\,d:/e\\\\,upperdir=/u\\,v\\:w");
	ck_assert_uint_eq(o.lowers.n, 3);
	ck_assert_str_eq(o.lowers.v[0], "/a:b");
	ck_assert_str_eq(o.lowers.v[1], "/c,d");
	ck_assert_str_eq(o.lowers.v[2], "/e\\");
	ck_assert_str_eq(o.upper, "/u,v:w");
}
END_TEST

START_TEST(a_backslash_before_another_letter_stays)
{
	parse("upperdir=/a\\b");
	ck_assert_str_eq(o.upper, "/a\\b");
}
END_TEST

START_TEST(an_empty_layer_is_refused)
{
	refuse("lowerdir=/a::/b", "lowerdir");
	refuse("lowerdir=", "lowerdir");
	refuse("lowerdir", "lowerdir");
	refuse("lowerdir=/a:", "lowerdir");
	refuse("upperdir=", "upperdir");
}
END_TEST

START_TEST(a_later_option_wins)
{
	parse("lowerdir=/a:/b,upperdir=/u");
	parse("lowerdir=/c,upperdir=/v,ro,rw");
	ck_assert_uint_eq(o.lowers.n, 1);
	ck_assert_str_eq(o.lowers.v[0], "/c");
	ck_assert_str_eq(o.upper, "/v");
	ck_assert(!o.readonly);
}
END_TEST

START_TEST(flags_reach_mount)
{
	parse("ro,nosuid,nodev,noexec,noatime,suid");
	ck_assert_uint_eq(o.flags, MS_RDONLY | MS_NODEV | MS_NOEXEC | MS_NOATIME);
	ck_assert(o.readonly);
	ck_assert_uint_eq(o.unknown.n + o.ignored.n, 0);
}
END_TEST

START_TEST(our_own_options_are_set)
{
	parse("writeback,volatile,noacl,static_nlink,commit=30,allow_other,debug,fsname=x");
	ck_assert(o.writeback && o.is_volatile && o.noacl && o.static_nlink && o.allow_other && o.debug);
	ck_assert_uint_eq(o.commit_s, 30);
	ck_assert_str_eq(o.source, "x");
	ck_assert(!o.passthrough);
	parse("open=passthrough");
	ck_assert(o.passthrough);
	parse("open=cached");
	ck_assert(!o.passthrough);
	parse("writeback=0,acl");
	ck_assert(!o.writeback && !o.noacl);
}
END_TEST

START_TEST(a_base_cache_has_an_absolute_path_or_none)
{
	char cwd[4096];

	parse("ro");
	ck_assert(!o.make_base_cache && !o.base_cache && !o.nobasecache);
	parse("basecache");
	ck_assert(o.make_base_cache && !o.base_cache);
	parse("basecache=/var/a\\,b");
	ck_assert(o.make_base_cache);
	ck_assert_str_eq(o.base_cache, "/var/a,b");
	ck_assert_ptr_nonnull(getcwd(cwd, sizeof(cwd)));
	parse("basecache=here");
	ck_assert(strncmp(o.base_cache, cwd, strlen(cwd)) == 0);
	ck_assert_str_eq(o.base_cache + strlen(cwd), "/here");
	parse("nobasecache");
	ck_assert(o.nobasecache);
	refuse("basecache=", "basecache");
}
END_TEST

START_TEST(squashing)
{
	ck_assert_int_eq(o.squash_uid, -1);
	parse("squash_to_root");
	ck_assert_int_eq(o.squash_uid, 0);
	ck_assert_int_eq(o.squash_gid, 0);
	parse("squash_to_uid=1000,squash_to_gid=2000");
	ck_assert_int_eq(o.squash_uid, 1000);
	ck_assert_int_eq(o.squash_gid, 2000);
}
END_TEST

START_TEST(numbers_are_checked)
{
	refuse("commit=soon", "commit=soon");
	refuse("commit=", "commit");
	refuse("commit", "commit");
	refuse("commit=-1", "commit=-1");
	refuse("commit=99999999999999999999", "commit");
	refuse("squash_to_uid=4294967295", "squash_to_uid");
	refuse("squash_to_uid=root", "squash_to_uid=root");
	refuse("writeback=maybe", "writeback=maybe");
	refuse("open", "passthrough or cached");
	refuse("open=direct", "open=direct");
}
END_TEST

START_TEST(options_without_a_meaning_are_collected)
{
	char *text;

	parse("redirect_dir=on,context=\"system_u:object_r:x,y\",timeout=1.5,threaded=1,xino=off,fast_ino,rw");
	text = words_join(&o.ignored);
	ck_assert_str_eq(text, "redirect_dir, context, timeout, threaded, xino, fast_ino");
	free(text);
	ck_assert_uint_eq(o.unknown.n, 0);
}
END_TEST

START_TEST(every_option_of_fuse_overlayfs_is_known)
{
	parse("lowerdir=a,upperdir=b,workdir=c,redirect_dir=off,context=x,uidmapping=0:1:2,gidmapping=0:1:2,timeout=1,"
	      "threaded=0,fsync=0,sync,fast_ino=1,writeback=1,noxattrs=1,xattr_permissions=2,squash_to_root,"
	      "squash_to_uid=1,squash_to_gid=1,ino32_t,static_nlink,volatile,noacl,xino=on,debug,ro,rw,suid,nosuid,dev,"
	      "nodev,exec,noexec,atime,noatime,allow_other,allow_root,default_permissions,max_write=65536,kernel_cache");
	ck_assert_uint_eq(o.unknown.n, 0);
}
END_TEST

START_TEST(unknown_options_are_collected_and_no_error)
{
	parse("frobnicate,rw,answer=42");
	ck_assert_uint_eq(o.unknown.n, 2);
	ck_assert_str_eq(o.unknown.v[0], "frobnicate");
	ck_assert_str_eq(o.unknown.v[1], "answer");
}
END_TEST

START_TEST(words_of_fstab_are_taken_silently)
{
	parse("defaults,noauto,nofail,_netdev,x-systemd.automount,user,comment=hello,,");
	ck_assert_uint_eq(o.unknown.n + o.ignored.n, 0);
}
END_TEST

START_TEST(virtual_files)
{
	parse("virtual=/init=/host/init\\:x:755,virtual=/etc/a\\,b=c:d");
	ck_assert_int_eq(mount_options_virtual(&o, "/x/y=/z:0644", &err), 0);
	ck_assert_uint_eq(o.nvirtuals, 3);
	ck_assert_str_eq(o.virtuals[0].path, "/init");
	ck_assert_str_eq(o.virtuals[0].host_file, "/host/init:x");
	ck_assert_uint_eq(o.virtuals[0].mode, 0755);
	ck_assert_str_eq(o.virtuals[1].path, "/etc/a,b");
	ck_assert_str_eq(o.virtuals[1].host_file, "c:d");
	ck_assert_uint_eq(o.virtuals[1].mode, 0);
	ck_assert_uint_eq(o.virtuals[2].mode, 0644);
}
END_TEST

START_TEST(virtual_files_with_impossible_paths_are_refused)
{
	static const char *const bad[] = {"x", "=f", "x=f", "/=f", "/a/../b=f", "/./b=f", "/a=", "/a/..=f", NULL};

	for (int i = 0; bad[i]; i++)
		ck_assert_msg(mount_options_virtual(&o, bad[i], &err) == -EINVAL, "%s", bad[i]);
	ck_assert_uint_eq(o.nvirtuals, 0);
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){.suite = "cli/mount_options", .setup = setup, .teardown = teardown}),
		   layers_are_split_at_colons, escapes_keep_colons_commas_and_backslashes,
		   a_backslash_before_another_letter_stays, an_empty_layer_is_refused, a_later_option_wins, flags_reach_mount,
		   our_own_options_are_set, a_base_cache_has_an_absolute_path_or_none, squashing, numbers_are_checked, options_without_a_meaning_are_collected,
		   every_option_of_fuse_overlayfs_is_known, unknown_options_are_collected_and_no_error,
		   words_of_fstab_are_taken_silently, virtual_files, virtual_files_with_impossible_paths_are_refused)
