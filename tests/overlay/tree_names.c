// SPDX-License-Identifier: Apache-2.0
/* Names N1 to N12 of doc/semantics.md, at the verbs, before and after a remount. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../check_main.h"
#include "engine.h"

#define NOREPLACE 1u
#define EXCHANGE 2u
#define WHITEOUT 4u

START_TEST(N1_a_lookup_shows_the_top_layer)
{
	struct engine e;
	engine_init(&e, 3);
	lower_file(&e, 0, "a", "top");
	lower_file(&e, 2, "a", "bottom");
	lower_file(&e, 2, "b", "bottom");
	lower_whiteout(&e, 1, "b");
	lower_file(&e, 1, "c", "middle");
	engine_open(&e);
	e_is(&e, "a", "top");
	e_missing(&e, "b");
	e_is(&e, "c", "middle");
	e_names(&e, "", "a c");
	engine_close(&e);
}
END_TEST

START_TEST(N3_creating_over_a_whiteout_is_fresh_and_opaque)
{
	struct engine e;
	engine_init(&e, 1);
	lower_dir(&e, 0, "d");
	lower_file(&e, 0, "d/old", "old");
	lower_file(&e, 0, "f", "old");
	engine_open(&e);
	ck_assert_int_eq(e_unlink(&e, "f"), 0);
	ck_assert_int_eq(e_create(&e, "f", 0600), 0);
	e_is(&e, "f", "");
	ck_assert_int_eq(e_unlink(&e, "d/old"), 0);
	ck_assert_int_eq(e_rmdir(&e, "d"), 0);
	e_missing(&e, "d");
	ck_assert_int_eq(e_mkdir(&e, "d", 0755), 0);
	e_names(&e, "d", "");
	engine_reopen(&e);
	e_names(&e, "d", "");
	e_is(&e, "f", "");
	e_names(&e, "", "d f");
	ck_assert_int_eq(e_unlink(&e, "f"), 0);
	e_missing(&e, "f");
	engine_reopen(&e);
	e_missing(&e, "f");
	engine_close(&e);
}
END_TEST

START_TEST(N4_removed_lower_names_stay_away)
{
	struct engine e;
	engine_init(&e, 2);
	lower_dir(&e, 0, "d");
	lower_dir(&e, 1, "d");
	lower_file(&e, 0, "d/a", "0");
	lower_file(&e, 1, "d/a", "1");
	lower_file(&e, 1, "d/b", "1");
	engine_open(&e);
	ck_assert_int_eq(e_unlink(&e, "d/a"), 0);
	e_missing(&e, "d/a");
	ck_assert_int_eq(e_rename(&e, "d/b", "c", 0), 0);
	e_missing(&e, "d/b");
	e_is(&e, "c", "1");
	engine_reopen(&e);
	e_missing(&e, "d/a");
	e_missing(&e, "d/b");
	e_is(&e, "c", "1");
	e_names(&e, "d", "");
	engine_close(&e);
}
END_TEST

START_TEST(N5_rmdir_counts_lower_names_and_not_whiteouts)
{
	struct engine e;
	engine_init(&e, 2);
	lower_dir(&e, 0, "d");
	lower_dir(&e, 1, "d");
	lower_file(&e, 1, "d/x", "");
	engine_open(&e);
	ck_assert_int_eq(e_rmdir(&e, "d"), -ENOTEMPTY);
	ck_assert_int_eq(e_unlink(&e, "d/x"), 0);
	ck_assert_int_eq(e_create(&e, "d/y", 0644), 0);
	ck_assert_int_eq(e_rmdir(&e, "d"), -ENOTEMPTY);
	ck_assert_int_eq(e_unlink(&e, "d/y"), 0);
	ck_assert_int_eq(e_rmdir(&e, "d"), 0);
	e_missing(&e, "d");
	engine_reopen(&e);
	e_missing(&e, "d");
	engine_close(&e);
}
END_TEST

START_TEST(N6_rename_of_directories_follows_the_rules)
{
	struct engine e;
	engine_init(&e, 1);
	lower_dir(&e, 0, "empty");
	lower_dir(&e, 0, "full");
	lower_file(&e, 0, "full/f", "f");
	lower_dir(&e, 0, "src");
	lower_file(&e, 0, "src/s", "s");
	lower_file(&e, 0, "file", "file");
	engine_open(&e);
	ck_assert_int_eq(e_rename(&e, "src", "full", 0), -ENOTEMPTY);
	ck_assert_int_eq(e_rename(&e, "src", "file", 0), -ENOTDIR);
	ck_assert_int_eq(e_rename(&e, "file", "src", 0), -EISDIR);
	ck_assert_int_eq(e_mkdir(&e, "src/sub", 0755), 0);
	ck_assert_int_eq(e_rename(&e, "src", "src/sub/x", 0), -EINVAL);
	ck_assert_int_eq(e_rename(&e, "src", "src/sub", 0), -EINVAL);
	ck_assert_int_eq(e_rename(&e, "src/sub", "src", 0), -ENOTEMPTY);
	ck_assert_int_eq(e_rename(&e, "file", "file", 0), 0);
	ck_assert_int_eq(e_rename(&e, "src", "empty", 0), 0);
	e_is(&e, "empty/s", "s");
	e_missing(&e, "src");
	engine_reopen(&e);
	e_is(&e, "empty/s", "s");
	e_names(&e, "empty", "s sub");
	e_names(&e, "", "empty file full");
	engine_close(&e);
}
END_TEST

START_TEST(N7_rename_flags)
{
	struct engine e;
	struct vn_attr attr;
	engine_init(&e, 1);
	lower_file(&e, 0, "a", "a");
	lower_file(&e, 0, "gone", "gone");
	lower_dir(&e, 0, "d");
	lower_file(&e, 0, "d/in", "in");
	engine_open(&e);
	ck_assert_int_eq(e_rename(&e, "a", "d", NOREPLACE), -EEXIST);
	ck_assert_int_eq(e_unlink(&e, "gone"), 0);
	ck_assert_int_eq(e_rename(&e, "a", "gone", NOREPLACE), 0);
	e_is(&e, "gone", "a");
	e_missing(&e, "a");
	ck_assert_int_eq(e_rename(&e, "gone", "nothing", EXCHANGE), -ENOENT);
	ck_assert_int_eq(e_rename(&e, "gone", "d", EXCHANGE), 0);
	e_is(&e, "d", "a");
	e_is(&e, "gone/in", "in");
	ck_assert_int_eq(e_rename(&e, "d", "moved", WHITEOUT), 0);
	e_stat(&e, "d", &attr);
	ck_assert(S_ISCHR(attr.mode));
	ck_assert_uint_eq(attr.rdev_major + attr.rdev_minor, 0);
	e_is(&e, "moved", "a");
	ck_assert_int_eq(e_rename(&e, "moved", "x", EXCHANGE | NOREPLACE), -EINVAL);
	ck_assert_int_eq(e_rename(&e, "moved", "x", 64), -EINVAL);
	engine_reopen(&e);
	e_stat(&e, "d", &attr);
	ck_assert(S_ISCHR(attr.mode));
	e_is(&e, "gone/in", "in");
	e_names(&e, "", "d gone moved");
	engine_close(&e);
}
END_TEST

START_TEST(N8_a_renamed_lower_directory_keeps_its_children)
{
	struct engine e;
	engine_init(&e, 2);
	lower_dir(&e, 0, "p");
	lower_dir(&e, 1, "p");
	lower_dir(&e, 1, "p/d");
	lower_dir(&e, 0, "p/d");
	lower_file(&e, 1, "p/d/low", "low");
	lower_file(&e, 0, "p/d/top", "top");
	lower_dir(&e, 1, "p/d/sub");
	lower_file(&e, 1, "p/d/sub/deep", "deep");
	engine_open(&e);
	ck_assert_int_eq(e_rename(&e, "p/d", "q", 0), 0);
	e_names(&e, "q", "low sub top");
	e_is(&e, "q/sub/deep", "deep");
	ck_assert_int_eq(e_mkdir(&e, "p/d", 0755), 0);
	e_names(&e, "p/d", "");
	engine_reopen(&e);
	e_names(&e, "p/d", "");
	e_is(&e, "q/sub/deep", "deep");
	/* twice, its parent, and back */
	ck_assert_int_eq(e_rename(&e, "q", "r", 0), 0);
	ck_assert_int_eq(e_rename(&e, "p", "pp", 0), 0);
	ck_assert_int_eq(e_rename(&e, "r", "pp/d/inner", 0), 0);
	e_is(&e, "pp/d/inner/sub/deep", "deep");
	ck_assert_int_eq(e_write(&e, "pp/d/inner/low", 0, "LOW"), 0);
	engine_reopen(&e);
	e_is(&e, "pp/d/inner/sub/deep", "deep");
	e_is(&e, "pp/d/inner/low", "LOW");
	ck_assert_int_eq(e_rename(&e, "pp/d/inner", "back", 0), 0);
	ck_assert_int_eq(e_rmdir(&e, "pp/d"), 0);
	ck_assert_int_eq(e_rename(&e, "pp", "p", 0), 0);
	ck_assert_int_eq(e_rename(&e, "back", "p/d", 0), 0);
	engine_reopen(&e);
	e_names(&e, "p", "d");
	e_names(&e, "p/d", "low sub top");
	e_is(&e, "p/d/low", "LOW");
	e_is(&e, "p/d/sub/deep", "deep");
	engine_close(&e);
}
END_TEST

START_TEST(N9_any_bytes_make_a_name_and_markers_are_plain_in_the_upper)
{
	struct engine e;
	char longest[256];
	engine_init(&e, 1);
	lower_file(&e, 0, "foo", "foo");
	engine_open(&e);
	memset(longest, 'x', 255);
	longest[255] = '\0';
	ck_assert_int_eq(e_create(&e, longest, 0644), 0);
	ck_assert_int_eq(e_create(&e, "\xff\xfe\n\t\"", 0644), 0);
	ck_assert_int_eq(e_create(&e, ".wh.foo", 0644), 0);
	ck_assert_int_eq(e_create(&e, ".wh..wh..opq", 0644), 0);
	e_is(&e, "foo", "foo");
	engine_reopen(&e);
	e_is(&e, longest, "");
	e_is(&e, "\xff\xfe\n\t\"", "");
	e_is(&e, ".wh.foo", "");
	e_is(&e, "foo", "foo");
	engine_close(&e);
}
END_TEST

#define DEEP 34 /* directories with names of 250 bytes: more than a row can say of its origin */

static void deep_name(char name[251])
{
	memset(name, 'd', 250);
	name[250] = '\0';
}

static void lower_deep(struct engine *e)
{
	int fd = open(e->lowers[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[251];
	deep_name(name);
	for (int i = 0; i < DEEP; i++) {
		ck_assert_int_eq(mkdirat(fd, name, 0755), 0);
		int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = next;
	}
	ck_assert_int_ge(fd, 0);
	close(fd);
}

START_TEST(N9_what_lies_too_deep_to_be_recorded_is_not_changed)
{
	const struct vn_setattr chmod = { .valid = VN_SET_MODE, .mode = 0700 };
	struct engine e;
	struct vn_entry at[DEEP] = { 0 };
	struct vn_attr attr;
	char name[251], command[512];
	engine_init(&e, 1);
	lower_deep(&e);
	engine_open(&e);
	deep_name(name);
	int found = 0;
	while (found < DEEP && !e.fs->ops->lookup(e.fs, &e.ctx, found ? at[found - 1].node : 1, name, &at[found]))
		found++;
	int deep = e.fs->ops->setattr(e.fs, &e.ctx, at[DEEP - 1].node, &chmod, &attr);
	int middle = e.fs->ops->setattr(e.fs, &e.ctx, at[DEEP / 2].node, &chmod, &attr);
	for (int i = 0; i < found; i++)
		e.fs->ops->forget(e.fs, &e.ctx, at[i].node, 1);
	engine_close(&e);
	/* too deep for the cleaner as well */
	snprintf(command, sizeof(command), "rm -rf '%s'", e.lowers[0]);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(found, DEEP);
	ck_assert_int_eq(middle, 0);
	ck_assert_int_eq(deep, -ENAMETOOLONG);
}
END_TEST

START_TEST(N10_moving_a_directory_changes_both_parents_links)
{
	struct engine e;
	struct vn_attr a, b;
	engine_init(&e, 1);
	engine_open(&e);
	ck_assert_int_eq(e_mkdir(&e, "a", 0755), 0);
	ck_assert_int_eq(e_mkdir(&e, "b", 0755), 0);
	ck_assert_int_eq(e_mkdir(&e, "a/d", 0755), 0);
	e_stat(&e, "a", &a);
	e_stat(&e, "b", &b);
	ck_assert_uint_eq(a.nlink, 3);
	ck_assert_uint_eq(b.nlink, 2);
	ck_assert_int_eq(e_rename(&e, "a/d", "b/d", 0), 0);
	e_stat(&e, "a", &a);
	e_stat(&e, "b", &b);
	ck_assert_uint_eq(a.nlink, 2);
	ck_assert_uint_eq(b.nlink, 3);
	ck_assert_int_eq(e_mkdir(&e, "a/e", 0755), 0);
	ck_assert_int_eq(e_rename(&e, "b/d", "a/e", 0), 0); /* over an empty one */
	ck_assert_int_eq(e_create(&e, "b/f", 0644), 0);
	ck_assert_int_eq(e_rename(&e, "b/f", "a/e", EXCHANGE), 0);
	engine_reopen(&e);
	e_stat(&e, "a", &a);
	e_stat(&e, "b", &b);
	ck_assert_uint_eq(a.nlink, 2);
	ck_assert_uint_eq(b.nlink, 3);
	engine_close(&e);
}
END_TEST

START_TEST(N11_hard_links)
{
	struct engine e;
	struct vn_attr a, b;
	engine_init(&e, 1);
	lower_file(&e, 0, "f", "content");
	lower_dir(&e, 0, "d");
	lower_symlink(&e, 0, "s", "target");
	engine_open(&e);
	ck_assert_int_eq(e_link(&e, "f", "g"), 0);
	ck_assert_int_eq(e_link(&e, "s", "t"), 0);
	ck_assert_int_eq(e_link(&e, "d", "dd"), -EPERM);
	ck_assert_int_eq(e_link(&e, "f", "g"), -EEXIST);
	ck_assert_int_eq(e_write(&e, "g", 0, "C"), 0);
	e_is(&e, "f", "Content");
	engine_reopen(&e);
	e_stat(&e, "f", &a);
	e_stat(&e, "g", &b);
	ck_assert_uint_eq(a.ino, b.ino);
	ck_assert_uint_eq(a.nlink, 2);
	e_is(&e, "f", "Content");
	ck_assert_int_eq(e_unlink(&e, "f"), 0);
	e_stat(&e, "g", &b);
	ck_assert_uint_eq(b.nlink, 1);
	engine_reopen(&e);
	e_is(&e, "g", "Content");
	e_missing(&e, "f");
	engine_close(&e);
}
END_TEST

START_TEST(N12_a_file_hides_a_directory_and_the_reverse)
{
	struct engine e;
	engine_init(&e, 3);
	lower_file(&e, 0, "x", "file");
	lower_dir(&e, 1, "x");
	lower_file(&e, 1, "x/in", "");
	lower_dir(&e, 0, "y");
	lower_file(&e, 1, "y", "file");
	lower_dir(&e, 2, "y");
	lower_file(&e, 2, "y/hidden", "");
	engine_open(&e);
	e_is(&e, "x", "file");
	e_names(&e, "y", "");
	ck_assert_int_eq(e_rmdir(&e, "y"), 0);
	e_missing(&e, "y");
	engine_reopen(&e);
	e_missing(&e, "y");
	ck_assert_int_eq(e_unlink(&e, "x"), 0);
	e_missing(&e, "x");
	e_names(&e, "", "");
	engine_close(&e);
}
END_TEST

START_TEST(unlinked_names_of_every_type_that_a_client_still_holds_are_forgotten)
{
	static const char *const names[] = { "file", "link", "pipe", "device" };
	uint64_t held[4];
	struct engine e;

	engine_init(&e, 1);
	engine_open(&e);
	ck_assert_int_eq(e_create(&e, "file", 0644), 0);
	ck_assert_int_eq(e_write(&e, "file", 0, "text"), 0);
	ck_assert_int_eq(e_symlink(&e, "target", "link"), 0);
	ck_assert_int_eq(e_mknod(&e, "pipe", S_IFIFO | 0644, 0, 0), 0);
	ck_assert_int_eq(e_mknod(&e, "device", S_IFCHR | 0644, 1, 3), 0);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(e_node(&e, names[i], &held[i]), 0);
		ck_assert_int_eq(e_unlink(&e, names[i]), 0);
		e.fs->ops->forget(e.fs, &e.ctx, held[i], 1);
	}
	e_names(&e, "", "");
	engine_close(&e);
}
END_TEST

VN_CHECK_MAIN("overlay/tree_names", N1_a_lookup_shows_the_top_layer, N3_creating_over_a_whiteout_is_fresh_and_opaque,
	      N4_removed_lower_names_stay_away, N5_rmdir_counts_lower_names_and_not_whiteouts,
	      N6_rename_of_directories_follows_the_rules, N7_rename_flags,
	      N8_a_renamed_lower_directory_keeps_its_children,
	      N9_any_bytes_make_a_name_and_markers_are_plain_in_the_upper,
	      N9_what_lies_too_deep_to_be_recorded_is_not_changed,
	      N10_moving_a_directory_changes_both_parents_links, N11_hard_links,
	      N12_a_file_hides_a_directory_and_the_reverse,
	      unlinked_names_of_every_type_that_a_client_still_holds_are_forgotten)
