// SPDX-License-Identifier: Apache-2.0
/* Objects of the base: redirects, numbers, attributes, overrides, metacopies, and lowers that mean harm. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check_main.h"
#include "base/err.h"
#include "base/fs.h"
#include "base_fixture.h"
#include "store/store.h"

/* ---- redirects ---- */

START_TEST(an_absolute_redirect_leads_to_the_old_path_below)
{
	struct base *b;

	fx_file("0/new/top", "");
	fx_file("1/was/here/mid", "");
	fx_file("1/was/here/sub/m", "");
	fx_file("2/was/here/low", "L");
	fx_file("2/was/here/sub/l", "leaf");
	fx_file("2/new/not_this", "");
	if (!fx_mark("0/new", "user.overlay.redirect", "/was/here"))
		vn_check_skip("no user attributes here");
	b = fx_open(3);
	ck_assert_str_eq(fx_list(b, "new"), "low@2 mid@1 sub/1,2 top@0");
	ck_assert_str_eq(fx_list(b, "new/sub"), "l@2 m@1");
	ck_assert_str_eq(fx_read(b, "new/low"), "L");
	ck_assert_str_eq(fx_read(b, "new/sub/l"), "leaf");
	ck_assert_str_eq(fx_list(b, "was/here"), "low@2 mid@1 sub/1,2");
	base_close(b);
}
END_TEST

START_TEST(a_relative_redirect_stays_in_the_parent)
{
	struct base *b;

	fx_dir("0/p/new");
	fx_file("0/p/.wh.old", "");
	fx_file("1/p/old/mid", "");
	fx_file("2/p/old/low", "L");
	fx_file("2/p/new/not_this", "");
	if (!fx_mark("0/p/new", "user.overlay.redirect", "old"))
		vn_check_skip("no user attributes here");
	b = fx_open(3);
	ck_assert_str_eq(fx_list(b, "p"), "new/0,2");
	ck_assert_str_eq(fx_list(b, "p/new"), "low@2 mid@1");
	ck_assert_str_eq(fx_read(b, "p/new/low"), "L");
	base_close(b);
}
END_TEST

START_TEST(redirects_chain_from_layer_to_layer)
{
	struct base *b;

	fx_file("0/c/top", "");
	fx_file("1/x/b/mid", "");
	fx_file("2/x/a/low", "");
	if (!fx_mark("0/c", "user.overlay.redirect", "/x/b"))
		vn_check_skip("no user attributes here");
	fx_mark("1/x/b", "user.overlay.redirect", "a");
	fx_file("2/x/b/not_this", "");
	b = fx_open(3);
	ck_assert_str_eq(fx_list(b, "c"), "low@2 mid@1 top@0");
	base_close(b);
}
END_TEST

START_TEST(a_renamed_parent_changes_the_way_of_a_redirect)
{
	struct base *b;

	/* layer 1 renamed /old to /x; layer 0 then renamed /x/d to /c */
	fx_file("0/c/top", "");
	fx_file("1/x/keep", "");
	fx_file("2/old/d/low", "");
	fx_file("2/x/d/not_this", "");
	if (!fx_mark("0/c", "user.overlay.redirect", "/x/d"))
		vn_check_skip("no user attributes here");
	fx_mark("1/x", "user.overlay.redirect", "/old");
	fx_file("1/x/d/mid", "");
	b = fx_open(3);
	ck_assert_str_eq(fx_list(b, "c"), "low@2 mid@1 top@0");
	base_close(b);
}
END_TEST

START_TEST(markers_hold_on_the_way_of_a_redirect)
{
	struct base *b;

	fx_dir("0/one");
	fx_dir("0/two");
	fx_dir("0/three");
	fx_file("1/a/.wh.d", "");
	fx_file("2/a/d/hidden", "");
	fx_file("1/b/.wh..wh..opq", "");
	fx_file("2/b/d/hidden", "");
	fx_file("1/c", "a file");
	fx_file("2/c/d/hidden", "");
	if (!fx_mark("0/one", "user.overlay.redirect", "/a/d"))
		vn_check_skip("no user attributes here");
	fx_mark("0/two", "user.overlay.redirect", "/b/d");
	fx_mark("0/three", "user.overlay.redirect", "/c/d");
	b = fx_open(3);
	ck_assert_str_eq(fx_list(b, "one"), "");
	ck_assert_str_eq(fx_list(b, "two"), "");
	ck_assert_str_eq(fx_list(b, "three"), "");
	base_close(b);
}
END_TEST

START_TEST(a_redirect_that_means_nothing_is_an_error_of_that_directory_only)
{
	static const char *const bad[] = {"", "/", "a/b", "..", "/a/../../etc", "/a//b", "/a/", "."};
	char path[64];
	struct base *b;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(path, sizeof(path), "0/d%zu", i);
		fx_dir(path);
		if (!fx_mark(path, "user.overlay.redirect", bad[i]))
			vn_check_skip("no user attributes here");
	}
	fx_file("0/fine", "");
	b = fx_open(2 - 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(path, sizeof(path), "d%zu", i);
		ck_assert_str_eq(fx_list(b, path), "!EIO");
	}
	ck_assert_int_eq(fx_lookup(b, "fine"), 0);
	base_close(b);
}
END_TEST

/* ---- numbers ---- */

static uint64_t ino_of(struct base *b, const char *path)
{
	struct vn_attr attr;

	ck_assert_int_eq(fx_attr(b, path, &attr), 0);
	return attr.ino;
}

START_TEST(numbers_depend_on_the_path_alone)
{
	uint64_t file, dir;
	struct base *b;
	struct base_dir *d;
	struct vn_attr attr;

	fx_file("0/d/f", "");
	b = fx_open(1);
	file = ino_of(b, "d/f");
	dir = ino_of(b, "d");
	base_close(b);
	fx_file("1/d/f", "");
	unlink(fx_host("0/d/f"));
	b = fx_open(2);
	ck_assert_uint_eq(ino_of(b, "d/f"), file);
	ck_assert_uint_eq(ino_of(b, "d"), dir);
	ck_assert_uint_ne(file, dir);
	ck_assert(file & STORE_INO_BASE && file >> 53 == 0);
	ck_assert_int_eq(base_resolve_dir(b, "d", 1, &d), 0);
	ck_assert_uint_eq(base_dir_ino(d), dir);
	ck_assert_int_eq(base_dir_attr(b, d, &attr), 0);
	ck_assert_uint_eq(attr.ino, dir);
	base_dir_put(b, d);
	d = base_root(b);
	ck_assert_int_eq(base_dir_attr(b, d, &attr), 0);
	ck_assert_uint_eq(attr.ino, 1);
	base_dir_put(b, d);
	base_close(b);
}
END_TEST

START_TEST(names_of_one_file_share_its_number)
{
	struct vn_attr attr;
	uint64_t ino;
	struct base *b;

	fx_file("0/a", "");
	fx_hard("0/a", "0/d/b");
	fx_file("1/low", "");
	fx_hard("1/low", "1/low2");
	fx_file("0/single", "");
	b = fx_open(2);
	ck_assert_int_eq(fx_attr(b, "a", &attr), 0);
	ck_assert_uint_eq(attr.nlink, 2);
	ck_assert_uint_eq(attr.ino, ino_of(b, "d/b"));
	ck_assert_uint_eq(ino_of(b, "low"), ino_of(b, "low2"));
	ck_assert_uint_ne(ino_of(b, "low"), attr.ino);
	ck_assert_uint_ne(ino_of(b, "single"), attr.ino);
	ck_assert_int_eq(base_group_ino(b, "d/b", 3, &ino), 0);
	ck_assert_uint_eq(ino, attr.ino);
	ck_assert_int_eq(base_group_ino(b, "d/none", 6, &ino), -ENOENT);
	base_close(b);
}
END_TEST

START_TEST(fewer_bits_make_numbers_collide_in_tests)
{
	struct base *b;

	fx_file("0/f", "");
	base_hash_bits = 4;
	b = fx_open(1);
	ck_assert_uint_lt(ino_of(b, "f") & (STORE_INO_BASE - 1), 16);
	base_close(b);
}
END_TEST

/* ---- attributes ---- */

START_TEST(attributes_are_the_hosts)
{
	struct timespec times[2] = {{1, 2}, {4294967296 + 7, 999999999}};
	struct vn_attr attr;
	struct base *b;

	fx_file("0/f", "12345");
	chmod(fx_host("0/f"), 04751);
	utimensat(AT_FDCWD, fx_host("0/f"), times, 0);
	b = fx_open(1);
	ck_assert_int_eq(fx_attr(b, "f", &attr), 0);
	ck_assert_uint_eq(attr.mode, S_IFREG | 04751);
	ck_assert_uint_eq(attr.size, 5);
	ck_assert_uint_eq(attr.uid, geteuid());
	ck_assert_int_eq(attr.mtime, INT64_C(4294967303999999999));
	ck_assert_int_eq(attr.atime, 1000000002);
	ck_assert_uint_eq(attr.nlink, 1);
	ck_assert_uint_eq(attr.flags, 0);
	base_close(b);
}
END_TEST

START_TEST(immutable_and_append_only_show)
{
	int flags = FS_IMMUTABLE_FL, none = 0, fd;
	struct vn_attr attr;
	struct base *b;

	fx_file("0/f", "");
	fd = open(fx_host("0/f"), O_RDONLY | O_CLOEXEC);
	if (ioctl(fd, FS_IOC_SETFLAGS, &flags))
		vn_check_skip("this file system or user cannot set flags");
	b = fx_open(1);
	ck_assert_int_eq(fx_attr(b, "f", &attr), 0);
	ck_assert_uint_eq(attr.flags, FS_IMMUTABLE_FL);
	ck_assert_int_eq(ioctl(fd, FS_IOC_SETFLAGS, &none), 0);
	close(fd);
	base_close(b);
}
END_TEST

/* ---- overrides ---- */

START_TEST(overrides_give_owner_mode_and_type)
{
	struct vn_attr attr;
	struct base *b;

	fx_dir("0");
	fx_file("0/f", "content");
	fx_file("0/dev", "");
	fx_file("0/ln", "the/target");
	fx_file("0/bad", "");
	fx_file("0/plain", "");
	fx_file("0/d/x", "");
	if (!fx_mark("0", "user.containers.override_stat", "0:0:755:dir"))
		vn_check_skip("no user attributes here");
	fx_mark("0/f", "user.containers.override_stat", "1000:100:4711:file");
	fx_mark("0/dev", "user.containers.override_stat", "0:6:0660:block-8-17");
	fx_mark("0/ln", "user.containers.override_stat", "5:6:0777:symlink");
	fx_mark("0/bad", "user.containers.override_stat", "nonsense");
	fx_mark("0/d", "user.containers.override_stat", "7:8:1777");
	b = fx_open(1);
	ck_assert_str_eq(fx_list(b, ""), "bad@0 d/0 dev(b)@0 f@0 ln(l)@0 plain@0");
	ck_assert_int_eq(fx_attr(b, "f", &attr), 0);
	ck_assert_uint_eq(attr.mode, S_IFREG | 04711);
	ck_assert_uint_eq(attr.uid, 1000);
	ck_assert_uint_eq(attr.gid, 100);
	ck_assert_uint_eq(attr.size, 7);
	ck_assert_int_eq(fx_attr(b, "dev", &attr), 0);
	ck_assert_uint_eq(attr.mode, S_IFBLK | 0660);
	ck_assert_uint_eq(attr.rdev_major, 8);
	ck_assert_uint_eq(attr.rdev_minor, 17);
	ck_assert_int_eq(fx_attr(b, "ln", &attr), 0);
	ck_assert_uint_eq(attr.mode, S_IFLNK | 0777);
	ck_assert_str_eq(fx_readlink(b, "ln"), "the/target");
	ck_assert_str_eq(fx_readlink(b, "f"), "!EINVAL");
	ck_assert_int_eq(fx_attr(b, "bad", &attr), 0);
	ck_assert_uint_eq(attr.uid, geteuid());
	ck_assert_int_eq(fx_attr(b, "d", &attr), 0);
	ck_assert_uint_eq(attr.mode, S_IFDIR | 01777);
	ck_assert_uint_eq(attr.uid, 7);
	ck_assert_str_eq(fx_xattrs(b, "f"), "");
	ck_assert_str_eq(fx_xattr(b, "f", "user.containers.override_stat"), "!ENODATA");
	base_close(b);
}
END_TEST

START_TEST(overrides_of_files_count_only_where_the_root_has_one)
{
	struct vn_attr attr;
	struct base *b;

	fx_file("0/f", "");
	fx_file("0/d/x", "");
	if (!fx_mark("0/f", "user.containers.override_stat", "1000:100:644:file"))
		vn_check_skip("no user attributes here");
	fx_mark("0/d", "user.fuseoverlayfs.override_stat", "1000:100:700:dir");
	b = fx_open(1);
	ck_assert_int_eq(fx_attr(b, "f", &attr), 0);
	ck_assert_uint_eq(attr.uid, geteuid());
	ck_assert_int_eq(fx_attr(b, "d", &attr), 0);
	ck_assert_uint_eq(attr.uid, 1000);
	base_close(b);
}
END_TEST

START_TEST(an_override_can_be_a_whiteout)
{
	struct base *b;

	fx_file("0/gone", "");
	fx_file("1/gone", "");
	if (!fx_mark("0", "user.containers.override_stat", "0:0:755:dir"))
		vn_check_skip("no user attributes here");
	fx_mark("0/gone", "user.containers.override_stat", "0:0:000:char-0-0");
	b = fx_open(2);
	ck_assert_str_eq(fx_list(b, ""), "");
	ck_assert_int_eq(fx_lookup(b, "gone"), -ENOENT);
	base_close(b);
}
END_TEST

START_TEST(privileged_overrides_count)
{
	struct vn_attr attr;
	struct base *b;

	fx_file("0/f", "");
	if (!fx_mark("0", "security.fuseoverlayfs.override_stat", "0:0:755:dir"))
		vn_check_skip("security attributes need root");
	fx_mark("0/f", "security.fuseoverlayfs.override_stat", "3:4:600:file");
	b = fx_open(1);
	ck_assert_int_eq(fx_attr(b, "f", &attr), 0);
	ck_assert_uint_eq(attr.uid, 3);
	base_close(b);
}
END_TEST

/* ---- extended attributes ---- */

START_TEST(markers_are_hidden_and_escaped_ones_shown)
{
	struct base *b;

	fx_dir("0/d");
	if (!fx_mark("0/d", "user.overlay.opaque", "y"))
		vn_check_skip("no user attributes here");
	fx_mark("0/d", "user.overlay.origin", "x");
	fx_mark("0/d", "user.fuseoverlayfs.origin", "x");
	fx_mark("0/d", "user.overlay.overlay.opaque", "inner");
	fx_mark("0/d", "user.mine", "value");
	b = fx_open(1);
	ck_assert_ptr_nonnull(strstr(fx_xattrs(b, "d"), "user.mine"));
	ck_assert_ptr_nonnull(strstr(fx_xattrs(b, "d"), "user.overlay.opaque"));
	ck_assert_uint_eq(strlen(fx_xattrs(b, "d")), strlen("user.mine user.overlay.opaque"));
	ck_assert_str_eq(fx_xattr(b, "d", "user.overlay.opaque"), "inner");
	ck_assert_str_eq(fx_xattr(b, "d", "user.overlay.origin"), "!ENODATA");
	ck_assert_str_eq(fx_xattr(b, "d", "user.fuseoverlayfs.origin"), "!ENODATA");
	ck_assert_str_eq(fx_xattr(b, "d", "user.mine"), "value");
	ck_assert_str_eq(fx_xattr(b, "d", "user.none"), "!ENODATA");
	base_close(b);
}
END_TEST

START_TEST(attributes_of_what_must_not_be_opened)
{
	struct base *b;

	if (!fx_is_root())
		vn_check_skip("needs root");
	fx_node("0/pipe", S_IFIFO | 0600, 0, 0);
	fx_link("0/link", "/etc/passwd");
	fx_mark("0/pipe", "trusted.p", "P");
	fx_mark("0/link", "trusted.l", "L");
	b = fx_open(1);
	ck_assert_str_eq(fx_xattr(b, "pipe", "trusted.p"), "P");
	ck_assert_str_eq(fx_xattr(b, "link", "trusted.l"), "L");
	ck_assert_str_eq(fx_xattrs(b, "link"), "trusted.l");
	base_close(b);
}
END_TEST

/* ---- metacopies ---- */

static void make_metacopy(const char *path, size_t size)
{
	fx_file(path, "");
	ck_assert_int_eq(truncate(fx_host(path), (off_t)size), 0);
	if (!fx_mark(path, "user.overlay.metacopy", ""))
		vn_check_skip("no user attributes here");
}

START_TEST(a_metacopy_is_refused_when_it_is_looked_at)
{
	struct vn_attr attr;
	struct base *b;

	make_metacopy("0/d/meta", 100000);
	fx_file("0/d/hole", "");
	ck_assert_int_eq(truncate(fx_host("0/d/hole"), 100000), 0);
	b = fx_open(1);
	ck_assert_int_eq(fx_attr(b, "d/meta", &attr), -EIO);
	ck_assert_str_eq(fx_read(b, "d/meta"), "!EIO");
	ck_assert_int_eq(fx_attr(b, "d/hole", &attr), 0);
	base_close(b);
}
END_TEST

START_TEST(a_metacopy_near_an_overlays_marks_is_refused_at_mount)
{
	char path[PATH_MAX];
	const char *lowers[] = {path};
	struct base_config config = {.lowers = lowers, .nlowers = 1};
	struct vn_err err = {0};
	struct base *b = NULL;

	make_metacopy("0/d/meta", 100);
	fx_mark("0", "user.overlay.impure", "y");
	fx_mark("0/d", "user.overlay.impure", "y");
	snprintf(path, sizeof(path), "%s", fx_host("0"));
	ck_assert_int_eq(base_open(&config, &b, &err), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(err.text, "0/d/meta"));
	config.noxattr_markers = true;
	ck_assert_int_eq(base_open(&config, &b, &err), 0);
	base_close(b);
}
END_TEST

/* ---- lowers that mean harm ---- */

START_TEST(links_are_read_and_never_followed)
{
	struct base *b;

	fx_link("0/etc", "/etc");
	fx_link("0/up", "..");
	fx_link("0/loop", "loop");
	fx_file("1/etc/passwd", "not this");
	b = fx_open(2);
	ck_assert_str_eq(fx_list(b, ""), "etc(l)@0 loop(l)@0 up(l)@0");
	ck_assert_int_eq(fx_lookup(b, "etc/passwd"), -ENOTDIR);
	ck_assert_str_eq(fx_list(b, "up"), "!ENOTDIR");
	ck_assert_str_eq(fx_read(b, "etc"), "!ESTALE");
	ck_assert_str_eq(fx_readlink(b, "etc"), "/etc");
	base_close(b);
}
END_TEST

static void make_socket(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fx_dir("0");
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", fx_host(path));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
}

START_TEST(pipes_sockets_and_devices_are_never_opened)
{
	struct vn_attr attr;
	struct base *b;

	make_socket("0/sock");
	fx_node("0/pipe", S_IFIFO | 0600, 0, 0);
	if (fx_is_root())
		fx_node("0/zero", S_IFCHR | 0600, 1, 5);
	b = fx_open(1);
	ck_assert_str_eq(fx_read(b, "pipe"), "!ESTALE");
	ck_assert_str_eq(fx_read(b, "sock"), "!ESTALE");
	if (fx_is_root())
		ck_assert_str_eq(fx_read(b, "zero"), "!ESTALE");
	ck_assert_int_eq(fx_attr(b, "sock", &attr), 0);
	ck_assert_uint_eq(attr.mode & S_IFMT, S_IFSOCK);
	base_close(b);
}
END_TEST

START_TEST(a_lower_that_changes_is_an_errno)
{
	struct base_dir *d, *sub;
	struct vn_attr attr;
	char path[PATH_MAX];
	struct base *b;

	if (fx_kept)
		vn_check_skip("a view does not look at what changes");
	fx_file("0/d/f", "one");
	fx_file("0/d/sub/g", "");
	b = fx_open(1);
	ck_assert_int_eq(base_resolve_dir(b, "d", 1, &d), 0);
	ck_assert_int_eq(base_resolve_dir(b, "d/sub", 5, &sub), 0);
	unlink(fx_host("0/d/f"));
	ck_assert_int_eq(base_attr(b, d, "f", 1, 0, &attr), -ESTALE);
	ck_assert_int_eq(base_open_file(b, d, "f", 1, 0), -ESTALE);
	ck_assert_int_eq(mkfifo(fx_host("0/d/f"), 0600), 0);
	ck_assert_int_eq(base_open_file(b, d, "f", 1, 0), -ESTALE);
	unlink(fx_host("0/d/sub/g"));
	rmdir(fx_host("0/d/sub"));
	snprintf(path, sizeof(path), "%s", fx_host("0/d/sub"));
	ck_assert_int_eq(symlink("/etc", path), 0);
	ck_assert_int_eq(base_list(b, sub, NULL, NULL), -ESTALE);
	ck_assert_int_eq(base_open_file(b, sub, "passwd", 6, 0), -ESTALE);
	base_dir_put(b, sub);
	base_dir_put(b, d);
	base_close(b);
}
END_TEST

static void *swap_forever(void *arg)
{
	char a[PATH_MAX], c[PATH_MAX];

	snprintf(a, sizeof(a), "%s", fx_host("0/d"));
	snprintf(c, sizeof(c), "%s", fx_host("0/other"));
	while (!__atomic_load_n((bool *)arg, __ATOMIC_RELAXED)) {
		syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, c, RENAME_EXCHANGE);
		sched_yield();
	}
	return NULL;
}

START_TEST(a_directory_swapped_for_a_link_never_leads_outside)
{
	bool stop = false;
	pthread_t swapper;
	struct base *b;

	if (fx_kept)
		vn_check_skip("no view is kept of what changes all the time");
	fx_file("0/d/hostname", "inside");
	fx_link("0/other", "/etc");
	fx_host("0");
	ck_assert_int_eq(pthread_create(&swapper, NULL, swap_forever, &stop), 0);
	for (int i = 0; i < 2000; i++) {
		struct base_dir *d;

		b = fx_open(1);
		if (base_resolve_dir(b, "d", 1, &d) == 0) {
			char buf[16] = "";
			int fd = base_open_file(b, d, "hostname", 8, 0);

			if (fd >= 0) {
				ck_assert_int_eq(read(fd, buf, sizeof(buf) - 1), 6);
				ck_assert_str_eq(buf, "inside");
				close(fd);
			}
			base_dir_put(b, d);
		}
		base_close(b);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(swapper, NULL);
}
END_TEST

START_TEST(mounts_on_a_lower_are_not_crossed)
{
	struct vn_attr attr;
	struct base *b;
	char dir[PATH_MAX], file[PATH_MAX + 16];

	fx_file("0/m/below", "");
	fx_file("0/e/x", "");
	snprintf(dir, sizeof(dir), "%s", fx_host("0/m"));
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("tmpfs", dir, "tmpfs", 0, NULL))
		vn_check_skip("mounting needs root");
	snprintf(file, sizeof(file), "%s/mounted", dir);
	close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	b = fx_open(1);
	ck_assert_str_eq(fx_list(b, ""), "e/0 m/0");
	ck_assert_str_eq(fx_list(b, "m"), "below@0");
	ck_assert_int_eq(fx_attr(b, "m", &attr), 0);
	ck_assert_int_eq(fx_lookup(b, "m/mounted"), -ENOENT);
	base_close(b);
	umount2(dir, MNT_DETACH);
}
END_TEST

/* ---- many at once ---- */

struct reader {
	struct base *b;
	int failures;
};

static int count_entry(void *arg, const struct base_entry *e)
{
	*(size_t *)arg += e->len > 0;
	return 0;
}

static void *read_all(void *arg)
{
	struct reader *r = arg;
	char path[64];

	for (int i = 0; i < 400; i++) {
		struct base_dir *d;
		struct vn_attr attr;
		size_t n = 0;

		snprintf(path, sizeof(path), "d%d/sub", i % 40);
		if (base_resolve_dir(r->b, path, strlen(path), &d)) {
			r->failures++;
			continue;
		}
		r->failures += base_list(r->b, d, count_entry, &n) != 0 || n != 3;
		r->failures += base_attr(r->b, d, "f2", 2, 2, &attr) != 0;
		base_dir_put(r->b, d);
	}
	return NULL;
}

START_TEST(threads_share_a_base)
{
	struct reader r[4];
	pthread_t thread[4];
	struct base *b;
	char path[64];

	for (int i = 0; i < 120; i++) {
		snprintf(path, sizeof(path), "%d/d%d/sub/f%d", i % 3, i / 3, i % 3);
		fx_file(path, "");
	}
	b = fx_open(3);
	for (int i = 0; i < 4; i++) {
		r[i] = (struct reader){b, 0};
		ck_assert_int_eq(pthread_create(&thread[i], NULL, read_all, &r[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(thread[i], NULL);
		ck_assert_int_eq(r[i].failures, 0);
	}
	base_close(b);
}
END_TEST

static size_t open_descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

START_TEST(descriptors_stay_few)
{
	struct base_dir *kept[600];
	struct base *b;
	char path[64];

	for (int i = 0; i < 600; i++) {
		snprintf(path, sizeof(path), "%d/d%d/f", i % 100, i);
		fx_file(path, "");
	}
	b = fx_open(100);
	for (int i = 0; i < 600; i++) {
		struct vn_attr attr;

		snprintf(path, sizeof(path), "d%d", i);
		ck_assert_int_eq(base_resolve_dir(b, path, strlen(path), &kept[i]), 0);
		ck_assert_int_eq(base_attr(b, kept[i], "f", 1, (uint16_t)(i % 100), &attr), 0);
	}
	ck_assert_uint_lt(open_descriptors(), 100 + 256 + 32);
	for (int i = 0; i < 600; i++)
		base_dir_put(b, kept[i]);
	ck_assert_uint_lt(open_descriptors(), 100 + 32);
	base_close(b);
}
END_TEST

START_TEST(too_few_descriptors_is_an_error_that_says_so)
{
	struct rlimit lim = {200, 200};
	char paths[128][PATH_MAX];
	const char *lowers[128];
	struct base_config config = {.lowers = lowers, .nlowers = 128};
	struct vn_err err = {0};
	struct base *b;

	fx_dir("0");
	for (int i = 0; i < 128; i++) {
		snprintf(paths[i], PATH_MAX, "%s", fx_host("0"));
		lowers[i] = paths[i];
	}
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &lim), 0);
	ck_assert_int_eq(base_open(&config, &b, &err), -EMFILE);
	ck_assert_ptr_nonnull(strstr(err.text, "ulimit"));
}
END_TEST

VN_CHECK_MAIN("lower/base_objects", an_absolute_redirect_leads_to_the_old_path_below,
	      a_relative_redirect_stays_in_the_parent, redirects_chain_from_layer_to_layer,
	      a_renamed_parent_changes_the_way_of_a_redirect, markers_hold_on_the_way_of_a_redirect,
	      a_redirect_that_means_nothing_is_an_error_of_that_directory_only, numbers_depend_on_the_path_alone,
	      names_of_one_file_share_its_number, fewer_bits_make_numbers_collide_in_tests, attributes_are_the_hosts,
	      immutable_and_append_only_show, overrides_give_owner_mode_and_type,
	      overrides_of_files_count_only_where_the_root_has_one, an_override_can_be_a_whiteout,
	      privileged_overrides_count, markers_are_hidden_and_escaped_ones_shown,
	      attributes_of_what_must_not_be_opened, a_metacopy_is_refused_when_it_is_looked_at,
	      a_metacopy_near_an_overlays_marks_is_refused_at_mount, links_are_read_and_never_followed,
	      pipes_sockets_and_devices_are_never_opened, a_lower_that_changes_is_an_errno,
	      a_directory_swapped_for_a_link_never_leads_outside, mounts_on_a_lower_are_not_crossed,
	      threads_share_a_base, descriptors_stay_few, too_few_descriptors_is_an_error_that_says_so)
