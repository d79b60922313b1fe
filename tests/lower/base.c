// SPDX-License-Identifier: Apache-2.0
/* Merging lower directories: what is seen, from which layer, and what is not. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../check_main.h"
#include "base/err.h"
#include "base/fs.h"
#include "base_fixture.h"
#include "store/store.h"

START_TEST(one_layer_shows_as_it_is)
{
	struct base *b;

	fx_file("0/a", "A");
	fx_dir("0/d");
	fx_link("0/l", "nowhere");
	b = fx_open(1);
	ck_assert_str_eq(fx_list(b, ""), "a@0 d/0 l(l)@0");
	ck_assert_str_eq(fx_read(b, "a"), "A");
	ck_assert_str_eq(fx_readlink(b, "l"), "nowhere");
	ck_assert_int_eq(fx_lookup(b, "none"), -ENOENT);
	base_close(b);
}
END_TEST

START_TEST(upper_names_win_and_directories_merge)
{
	struct base *b;

	fx_file("0/d/a", "top");
	fx_file("1/d/a", "mid");
	fx_file("1/d/b", "mid");
	fx_file("2/d/b", "low");
	fx_file("2/d/c", "low");
	b = fx_open(3);
	ck_assert_str_eq(fx_list(b, ""), "d/0,1,2");
	ck_assert_str_eq(fx_list(b, "d"), "a@0 b@1 c@2");
	ck_assert_str_eq(fx_read(b, "d/a"), "top");
	ck_assert_str_eq(fx_read(b, "d/b"), "mid");
	ck_assert_str_eq(fx_read(b, "d/c"), "low");
	base_close(b);
}
END_TEST

START_TEST(types_are_never_merged)
{
	struct base *b;

	fx_file("0/x", "file over directory");
	fx_file("1/x/in", "");
	fx_file("0/y/top", "");
	fx_file("1/y", "file between directories");
	fx_file("2/y/low", "");
	fx_link("0/z", "target");
	fx_dir("1/z");
	b = fx_open(3);
	ck_assert_str_eq(fx_list(b, ""), "x@0 y/0 z(l)@0");
	ck_assert_str_eq(fx_list(b, "y"), "top@0");
	ck_assert_str_eq(fx_list(b, "x"), "!ENOTDIR");
	base_close(b);
}
END_TEST

START_TEST(device_whiteouts_hide_names_below_and_never_show)
{
	struct base *b;

	if (!fx_is_root())
		vn_check_skip("making devices needs root");
	fx_node("0/gone", S_IFCHR, 0, 0);
	fx_file("1/gone", "");
	fx_node("0/nothing_below", S_IFCHR, 0, 0);
	fx_node("0/null", S_IFCHR | 0666, 1, 3);
	fx_node("1/dir", S_IFCHR, 0, 0);
	fx_file("0/dir/top", "");
	fx_file("2/dir/low", "");
	fx_node("2/last", S_IFCHR, 0, 0);
	b = fx_open(3);
	ck_assert_str_eq(fx_list(b, ""), "dir/0 null(c)@0");
	ck_assert_str_eq(fx_list(b, "dir"), "top@0");
	ck_assert_int_eq(fx_lookup(b, "gone"), -ENOENT);
	ck_assert_int_eq(fx_lookup(b, "nothing_below"), -ENOENT);
	ck_assert_int_eq(fx_lookup(b, "last"), -ENOENT);
	base_close(b);
}
END_TEST

START_TEST(named_whiteouts_hide_names_below_and_never_show)
{
	struct base *b;

	fx_file("0/.wh.gone", "");
	fx_file("1/gone", "");
	fx_file("1/.wh.dir", "");
	fx_file("0/dir/top", "");
	fx_file("1/dir2/.wh.x", "");
	fx_file("2/dir2/x", "");
	fx_file("2/dir2/y", "");
	fx_file("2/dir/low", "");
	fx_file("2/.wh.last", "");
	b = fx_open(3);
	ck_assert_str_eq(fx_list(b, ""), "dir/0 dir2/1,2");
	ck_assert_str_eq(fx_list(b, "dir"), "top@0");
	ck_assert_str_eq(fx_list(b, "dir2"), "y@2");
	ck_assert_int_eq(fx_lookup(b, "gone"), -ENOENT);
	ck_assert_int_eq(fx_lookup(b, ".wh.gone"), -ENOENT);
	ck_assert_int_eq(fx_lookup(b, ".wh.last"), -ENOENT);
	base_close(b);
}
END_TEST

START_TEST(a_marker_hides_layers_below_but_no_sibling)
{
	struct base *b;

	fx_file("0/a", "here");
	fx_file("0/.wh.a", "");
	fx_file("1/a", "below");
	fx_file("0/d/top", "");
	fx_file("0/.wh.d", "");
	fx_file("1/d/low", "");
	/* the other order of names in the directory */
	fx_file("0/.wh.0", "");
	fx_file("0/0", "here");
	fx_file("0/zz/f", "");
	fx_dir("1/zz");
	b = fx_open(2);
	ck_assert_str_eq(fx_list(b, ""), "0@0 a@0 d/0 zz/0,1");
	ck_assert_str_eq(fx_read(b, "a"), "here");
	ck_assert_str_eq(fx_list(b, "d"), "top@0");
	base_close(b);
}
END_TEST

START_TEST(a_whiteout_above_hides_what_lies_between)
{
	struct base *b;

	fx_file("0/.wh.d", "");
	fx_file("1/d/x", "");
	fx_file("2/d/y", "");
	fx_file("0/.wh.f", "");
	fx_file("2/f", "");
	b = fx_open(3);
	ck_assert_str_eq(fx_list(b, ""), "");
	base_close(b);
}
END_TEST

START_TEST(whiteout_files_count_only_where_the_directory_says_so)
{
	struct base *b;

	fx_file("0/d/gone", "");
	fx_file("0/d/full", "not empty");
	fx_file("0/e/kept", "");
	fx_file("1/d/gone", "");
	fx_file("1/d/full", "");
	fx_file("1/e/kept", "");
	if (!fx_mark("0/d/gone", "user.overlay.whiteout", "y"))
		vn_check_skip("no user attributes here");
	fx_mark("0/d/full", "user.overlay.whiteout", "y");
	fx_mark("0/e/kept", "user.overlay.whiteout", "y");
	fx_mark("0/d", "user.overlay.opaque", "x");
	b = fx_open(2);
	ck_assert_str_eq(fx_list(b, "d"), "full@0");
	ck_assert_str_eq(fx_list(b, "e"), "kept@0");
	ck_assert_int_eq(fx_lookup(b, "d/gone"), -ENOENT);
	base_close(b);
}
END_TEST

START_TEST(whiteout_files_of_the_last_layer_are_hidden_too)
{
	struct base *b;

	fx_file("0/d/gone", "");
	fx_file("0/d/a", "");
	if (!fx_mark("0/d/gone", "user.overlay.whiteout", "") || !fx_mark("0/d", "user.overlay.opaque", "x"))
		vn_check_skip("no user attributes here");
	b = fx_open(1);
	ck_assert_str_eq(fx_list(b, "d"), "a@0");
	base_close(b);
}
END_TEST

START_TEST(trusted_markers_count_for_the_privileged)
{
	struct base *b;

	fx_file("0/d/gone", "");
	fx_file("1/d/gone", "");
	fx_file("0/o/top", "");
	fx_file("1/o/low", "");
	if (!fx_mark("0/d/gone", "trusted.overlay.whiteout", "y"))
		vn_check_skip("trusted attributes need root");
	fx_mark("0/d", "trusted.overlay.opaque", "x");
	fx_mark("0/o", "trusted.overlay.opaque", "y");
	b = fx_open(2);
	ck_assert_str_eq(fx_list(b, "d"), "");
	ck_assert_str_eq(fx_list(b, "o"), "top@0");
	base_close(b);
}
END_TEST

static void opaque_by(const char *xattr)
{
	struct base *b;

	fx_file("0/d/top", "");
	fx_file("1/d/mid", "");
	fx_file("2/d/low", "");
	if (!fx_mark("1/d", xattr, "y"))
		vn_check_skip("this attribute cannot be set here");
	b = fx_open(3);
	ck_assert_str_eq(fx_list(b, ""), "d/0,1,2");
	ck_assert_str_eq(fx_list(b, "d"), "mid@1 top@0");
	ck_assert_int_eq(fx_lookup(b, "d/low"), -ENOENT);
	base_close(b);
}

START_TEST(user_opaque_hides_everything_below)
{
	opaque_by("user.overlay.opaque");
}
END_TEST

START_TEST(fuse_overlayfs_opaque_hides_everything_below)
{
	opaque_by("user.fuseoverlayfs.opaque");
}
END_TEST

START_TEST(trusted_opaque_hides_everything_below)
{
	opaque_by("trusted.overlay.opaque");
}
END_TEST

START_TEST(an_opaque_file_hides_everything_below)
{
	struct base *b;

	fx_file("0/d/top", "");
	fx_file("1/d/mid", "");
	fx_file("1/d/.wh..wh..opq", "");
	fx_file("2/d/low", "");
	b = fx_open(3);
	ck_assert_int_eq(fx_lookup(b, "d/low"), -ENOENT); /* before it is listed */
	ck_assert_int_eq(fx_lookup(b, "d/mid"), 0);
	ck_assert_str_eq(fx_list(b, "d"), "mid@1 top@0");
	base_close(b);
}
END_TEST

START_TEST(an_opaque_directory_hides_the_tree_below_it)
{
	struct base *b;

	fx_file("0/d/e/top", "");
	fx_file("0/d/.wh..wh..opq", "");
	fx_file("1/d/e/low", "");
	b = fx_open(2);
	ck_assert_str_eq(fx_list(b, "d"), "e/0");
	ck_assert_str_eq(fx_list(b, "d/e"), "top@0");
	base_close(b);
}
END_TEST

START_TEST(an_opaque_root_hides_the_layers_below)
{
	struct base *b;

	fx_file("0/a", "");
	fx_file("1/b", "");
	fx_file("1/.wh..wh..opq", "");
	fx_file("2/c", "");
	b = fx_open(3);
	ck_assert_str_eq(fx_list(b, ""), "a@0 b@1");
	base_close(b);
}
END_TEST

START_TEST(bookkeeping_names_are_hidden_and_mean_nothing)
{
	struct base *b;

	fx_dir("0/.wh..wh.plnk");
	fx_file("0/.wh..wh.aufs", "");
	fx_file("0/.wh.", "");
	fx_file("0/.whole", "");
	fx_file("1/.wh.aufs", "");
	fx_file("1/plnk", "");
	b = fx_open(2);
	ck_assert_str_eq(fx_list(b, ""), ".whole@0 plnk@1");
	base_close(b);
}
END_TEST

START_TEST(attributes_are_not_trusted_when_told_so)
{
	struct base *b;

	fx_file("0/d/top", "");
	fx_file("1/d/low", "");
	if (!fx_mark("0/d", "user.overlay.opaque", "y"))
		vn_check_skip("no user attributes here");
	b = fx_open_with(2, NULL, true);
	ck_assert_str_eq(fx_list(b, "d"), "low@1 top@0");
	ck_assert_str_eq(fx_xattrs(b, "d"), "");
	base_close(b);
}
END_TEST

START_TEST(five_hundred_layers_merge)
{
	char path[64];
	struct base *b;

	for (int i = 0; i < 500; i++) {
		snprintf(path, sizeof(path), "%d/d/only%03d", i, i);
		fx_file(path, "");
		snprintf(path, sizeof(path), "%d/d/all", i);
		fx_file(path, i == 0 ? "top" : "below");
	}
	fx_file("499/d/sub/deep/leaf", "leaf");
	b = fx_open(500);
	ck_assert_ptr_nonnull(strstr(fx_list(b, "d"), "only000@0 only001@1 "));
	ck_assert_ptr_nonnull(strstr(fx_list(b, "d"), "only499@499"));
	ck_assert_str_eq(fx_read(b, "d/all"), "top");
	ck_assert_str_eq(fx_read(b, "d/sub/deep/leaf"), "leaf");
	base_close(b);
}
END_TEST

START_TEST(names_of_any_bytes)
{
	char name[300], path[400];
	struct base *b;

	fx_file("0/new\nline", "n");
	fx_file("0/\xff\xfe", "raw");
	fx_file("0/ \t*", "blank");
	memset(name, 'n', 255);
	name[255] = '\0';
	snprintf(path, sizeof(path), "1/%s", name);
	fx_file(path, "long");
	b = fx_open(2);
	ck_assert_str_eq(fx_read(b, "new\nline"), "n");
	ck_assert_str_eq(fx_read(b, "\xff\xfe"), "raw");
	ck_assert_str_eq(fx_read(b, name), "long");
	ck_assert_ptr_nonnull(strstr(fx_list(b, ""), name));
	memset(name, 'n', 256);
	name[256] = '\0';
	ck_assert_int_eq(fx_lookup(b, name), -ENAMETOOLONG);
	base_close(b);
}
END_TEST

START_TEST(a_path_longer_than_the_system_takes)
{
	char path[8192] = "", host[PATH_MAX];
	struct base_dir *d = NULL, *again;
	char buf[8192];
	struct base *b;
	int fd, next;
	ssize_t len;

	snprintf(host, sizeof(host), "%s", fx_host("0"));
	mkdir(host, 0755);
	fd = open(host, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < 30; i++) {
		char name[260];

		memset(name, 'a' + i % 26, 250);
		name[250] = '\0';
		ck_assert_int_eq(mkdirat(fd, name, 0755), 0);
		next = openat(fd, name, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
		close(fd);
		fd = next;
		strcat(path, i ? "/" : "");
		strcat(path, name);
	}
	close(openat(fd, "leaf", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	close(fd);
	b = fx_open(1);
	ck_assert_str_eq(fx_list(b, path), "leaf@0");
	ck_assert_int_eq(base_resolve_dir(b, path, strlen(path), &d), 0);
	len = base_dir_path(d, buf, sizeof(buf));
	ck_assert_int_eq(len, (ssize_t)strlen(path));
	ck_assert_str_eq(buf, path);
	ck_assert_int_eq(base_dir_path(d, buf, (size_t)len), -ENAMETOOLONG);
	ck_assert_int_eq(base_resolve_dir(b, path, strlen(path), &again), 0);
	ck_assert_uint_eq(base_dir_hash(d), base_dir_hash(again));
	base_dir_put(b, d);
	base_dir_put(b, again);
	base_close(b);
}
END_TEST

START_TEST(unreadable_directories_answer_with_their_errno)
{
	struct base *b;

	if (fx_is_root())
		vn_check_skip("root reads everything");
	fx_file("0/d/f", "");
	chmod(fx_host("0/d"), 0100);
	b = fx_open(1);
	ck_assert_str_eq(fx_list(b, "d"), "!EACCES");
	ck_assert_int_eq(fx_lookup(b, "d/f"), 0);
	base_close(b);
}
END_TEST

START_TEST(the_upper_inside_a_lower_does_not_show)
{
	char upper[PATH_MAX];
	struct base *b;

	fx_file("0/home/upper/data", "");
	fx_file("0/home/me", "");
	fx_file("0/other/upper/x", "");
	fx_file("1/home/upper/low", "");
	snprintf(upper, sizeof(upper), "%s", fx_host("0/home/upper"));
	b = fx_open_with(1, upper, false);
	ck_assert_str_eq(fx_list(b, "home"), "me@0");
	ck_assert_str_eq(fx_list(b, "other"), "upper/0");
	ck_assert_int_eq(fx_lookup(b, "home/upper"), -ENOENT);
	base_close(b);
}
END_TEST

static int open_fails(const char *lower, const char *exclude, struct vn_err *err)
{
	char l[PATH_MAX], x[PATH_MAX];
	const char *lowers[] = {l};
	struct base_config config = {.lowers = lowers, .nlowers = 1, .exclude = exclude ? x : NULL};
	struct base *b = NULL;
	int rc;

	snprintf(l, sizeof(l), "%s", fx_host(lower));
	if (exclude)
		snprintf(x, sizeof(x), "%s", fx_host(exclude));
	rc = base_open(&config, &b, err);
	ck_assert_ptr_null(b);
	ck_assert_ptr_nonnull(strstr(err->text, l));
	return rc;
}

START_TEST(errors_at_open_name_the_lower)
{
	struct vn_err err = {0};

	fx_file("file", "");
	fx_dir("0/in");
	ck_assert_int_eq(open_fails("missing", NULL, &err), -ENOENT);
	ck_assert_int_eq(open_fails("file", NULL, &err), -ENOTDIR);
	ck_assert_int_eq(open_fails("0", "0", &err), -EINVAL);
	ck_assert_int_eq(open_fails("0/in", "0", &err), -EINVAL);
	if (!fx_is_root()) {
		chmod(fx_host("0/in"), 0);
		ck_assert_int_eq(open_fails("0/in", NULL, &err), -EACCES);
	}
}
END_TEST

START_TEST(fingerprints_survive_a_move_but_not_a_change)
{
	char before[17], moved[17], changed[17];
	char from[PATH_MAX];
	struct base *b;

	fx_file("0/a", "");
	fx_dir("0/b");
	fx_dir("1");
	b = fx_open(1);
	ck_assert_int_eq(base_fingerprint(b, 0, before), 0);
	ck_assert_uint_eq(strlen(before), 16);
	base_close(b);
	snprintf(from, sizeof(from), "%s", fx_host("0"));
	ck_assert_int_eq(rename(from, fx_host("1")), 0);
	ck_assert_int_eq(symlink(fx_host("1"), from), 0);
	b = fx_open(2);
	ck_assert_int_eq(base_fingerprint(b, 1, moved), 0);
	ck_assert_str_eq(before, moved);
	fx_file("1/c", "");
	ck_assert_int_eq(base_fingerprint(b, 1, changed), 0);
	ck_assert_str_ne(before, changed);
	base_close(b);
}
END_TEST

VN_CHECK_MAIN("lower/base", one_layer_shows_as_it_is, upper_names_win_and_directories_merge, types_are_never_merged,
	      device_whiteouts_hide_names_below_and_never_show, named_whiteouts_hide_names_below_and_never_show,
	      a_marker_hides_layers_below_but_no_sibling, a_whiteout_above_hides_what_lies_between,
	      whiteout_files_count_only_where_the_directory_says_so, whiteout_files_of_the_last_layer_are_hidden_too,
	      trusted_markers_count_for_the_privileged, user_opaque_hides_everything_below,
	      fuse_overlayfs_opaque_hides_everything_below, trusted_opaque_hides_everything_below,
	      an_opaque_file_hides_everything_below, an_opaque_directory_hides_the_tree_below_it,
	      an_opaque_root_hides_the_layers_below, bookkeeping_names_are_hidden_and_mean_nothing,
	      attributes_are_not_trusted_when_told_so, five_hundred_layers_merge, names_of_any_bytes,
	      a_path_longer_than_the_system_takes, unreadable_directories_answer_with_their_errno,
	      the_upper_inside_a_lower_does_not_show, errors_at_open_name_the_lower,
	      fingerprints_survive_a_move_but_not_a_change)
