// SPDX-License-Identifier: Apache-2.0
/* Identity, attributes and xattrs: I1 to I9, A1 to A3 of doc/semantics.md, at the verbs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../check_main.h"
#include "engine.h"

START_TEST(I1_the_number_survives_copy_up_rename_and_remount)
{
	struct engine e;
	struct vn_attr f, d, n, now;
	engine_init(&e, 2);
	lower_file(&e, 1, "f", "f");
	lower_dir(&e, 1, "d");
	lower_file(&e, 1, "d/in", "in");
	engine_open(&e);
	e_stat(&e, "f", &f);
	e_stat(&e, "d", &d);
	ck_assert_uint_lt(f.ino, UINT64_C(1) << 53);
	ck_assert_int_eq(e_create(&e, "n", 0644), 0);
	e_stat(&e, "n", &n);
	ck_assert_uint_ge(n.ino, 1024);
	ck_assert_int_eq(e_chmod(&e, "f", 0600), 0);
	ck_assert_int_eq(e_write(&e, "f", 0, "F"), 0);
	ck_assert_int_eq(e_rename(&e, "f", "d/f", 0), 0);
	ck_assert_int_eq(e_rename(&e, "d", "dd", 0), 0);
	e_stat(&e, "dd/f", &now);
	ck_assert_uint_eq(now.ino, f.ino);
	engine_reopen(&e);
	e_stat(&e, "dd/f", &now);
	ck_assert_uint_eq(now.ino, f.ino);
	e_stat(&e, "dd", &now);
	ck_assert_uint_eq(now.ino, d.ino);
	e_stat(&e, "n", &now);
	ck_assert_uint_eq(now.ino, n.ino);
	ck_assert_int_eq(e_unlink(&e, "n"), 0);
	engine_reopen(&e);
	ck_assert_int_eq(e_create(&e, "n", 0644), 0);
	e_stat(&e, "n", &now);
	ck_assert_uint_ne(now.ino, n.ino);
	engine_close(&e);
}
END_TEST

START_TEST(I2_link_counts)
{
	struct engine e;
	struct vn_attr attr;
	engine_init(&e, 1);
	lower_dir(&e, 0, "merged");
	engine_open(&e);
	ck_assert_int_eq(e_mkdir(&e, "own", 0755), 0);
	ck_assert_int_eq(e_mkdir(&e, "own/a", 0755), 0);
	ck_assert_int_eq(e_mkdir(&e, "own/b", 0755), 0);
	e_stat(&e, "own", &attr);
	ck_assert_uint_eq(attr.nlink, 4);
	ck_assert_int_eq(e_rmdir(&e, "own/a"), 0);
	e_stat(&e, "own", &attr);
	ck_assert_uint_eq(attr.nlink, 3);
	e_stat(&e, "merged", &attr);
	ck_assert_uint_eq(attr.nlink, 1);
	engine_reopen(&e);
	e_stat(&e, "own", &attr);
	ck_assert_uint_eq(attr.nlink, 3);
	engine_close(&e);
}
END_TEST

START_TEST(I2_an_unlinked_file_in_use_has_no_links)
{
	struct engine e;
	struct vn_attr attr;
	uint64_t node;
	char buf[8];
	struct iovec iov = { buf, sizeof(buf) };
	engine_init(&e, 1);
	lower_file(&e, 0, "f", "bytes");
	engine_open(&e);
	ck_assert_int_eq(e_node(&e, "f", &node), 0);
	ck_assert_int_eq(e_unlink(&e, "f"), 0);
	ck_assert_int_eq(e.fs->ops->getattr(e.fs, &e.ctx, node, &attr), 0);
	ck_assert_uint_eq(attr.nlink, 0);
	ck_assert_int_eq(e.fs->ops->read(e.fs, &e.ctx, node, 0, &iov, 1), 5);
	iov.iov_len = 2;
	memcpy(buf, "BY", 2);
	ck_assert_int_eq(e.fs->ops->write(e.fs, &e.ctx, node, 0, &iov, 1, 0), 2);
	iov.iov_len = sizeof(buf);
	ck_assert_int_eq(e.fs->ops->read(e.fs, &e.ctx, node, 0, &iov, 1), 5);
	ck_assert_mem_eq(buf, "BYtes", 5);
	e.fs->ops->forget(e.fs, &e.ctx, node, 1);
	engine_reopen(&e);
	e_missing(&e, "f");
	engine_close(&e);
}
END_TEST

/* A lower file, some bytes of which are copied up, with an attribute; and a link. */
static void fill_rows(struct engine *e, const char *file, const char *link, char *big, size_t size)
{
	memset(big, 'b', size - 1);
	lower_file(e, 0, file, big);
	engine_open(e);
	ck_assert_int_eq(e_write(e, file, 200000, "ours"), 0);
	memcpy(big + 200000, "ours", 4);
	ck_assert_int_eq(e_setxattr(e, file, "user.x", "value"), 0);
	ck_assert_int_eq(e_symlink(e, "target", link), 0);
	engine_reopen(e); /* nothing of the rows is in memory */
}

static void check_rows(struct engine *e, uint64_t file, uint64_t link, const char *big, size_t size)
{
	static char got[512 << 10];
	struct iovec iov = { got, sizeof(got) };
	ck_assert_int_eq(e->fs->ops->read(e->fs, &e->ctx, file, 0, &iov, 1), size - 1);
	ck_assert_mem_eq(got, big, size - 1);
	ck_assert_int_eq(e->fs->ops->getxattr(e->fs, &e->ctx, file, "user.x", got, sizeof(got)), 5);
	ck_assert_mem_eq(got, "value", 5);
	ck_assert_int_eq(e->fs->ops->readlink(e->fs, &e->ctx, link, got, sizeof(got)), 6);
	ck_assert_mem_eq(got, "target", 6);
	e->fs->ops->forget(e->fs, &e->ctx, file, 1);
	e->fs->ops->forget(e->fs, &e->ctx, link, 1);
}

START_TEST(I2_what_is_unlinked_in_use_keeps_what_only_rows_said)
{
	static char big[512 << 10];
	struct engine e;
	uint64_t file, link;
	engine_init(&e, 1);
	fill_rows(&e, "f", "l", big, sizeof(big));
	ck_assert_int_eq(e_node(&e, "f", &file), 0);
	ck_assert_int_eq(e_node(&e, "l", &link), 0);
	ck_assert_int_eq(e_unlink(&e, "f"), 0);
	ck_assert_int_eq(e_unlink(&e, "l"), 0);
	ck_assert_int_eq(ovl_settle(e.tree), 0); /* the rows are gone */
	check_rows(&e, file, link, big, sizeof(big));
	engine_close(&e);
}
END_TEST

START_TEST(I2_what_is_renamed_over_in_use_keeps_what_only_rows_said)
{
	static char big[512 << 10];
	struct engine e;
	uint64_t file, link;
	engine_init(&e, 1);
	fill_rows(&e, "f", "l", big, sizeof(big));
	ck_assert_int_eq(e_node(&e, "f", &file), 0);
	ck_assert_int_eq(e_node(&e, "l", &link), 0);
	ck_assert_int_eq(e_create(&e, "a", 0644), 0);
	ck_assert_int_eq(e_create(&e, "b", 0644), 0);
	ck_assert_int_eq(e_rename(&e, "a", "f", 0), 0);
	ck_assert_int_eq(e_rename(&e, "b", "l", 0), 0);
	ck_assert_int_eq(ovl_settle(e.tree), 0);
	check_rows(&e, file, link, big, sizeof(big));
	engine_close(&e);
}
END_TEST

START_TEST(I3_lower_hard_links_stay_one_file)
{
	struct engine e;
	struct vn_attr a, b;
	engine_init(&e, 1);
	lower_file(&e, 0, "a", "one");
	lower_link(&e, 0, "b", "a");
	lower_dir(&e, 0, "d");
	lower_link(&e, 0, "d/c", "a");
	engine_open(&e);
	e_stat(&e, "a", &a);
	e_stat(&e, "b", &b);
	ck_assert_uint_eq(a.ino, b.ino);
	ck_assert_uint_eq(a.nlink, 3);
	ck_assert_int_eq(e_write(&e, "b", 0, "ONE"), 0);
	e_is(&e, "a", "ONE");
	e_is(&e, "d/c", "ONE");
	engine_reopen(&e);
	e_is(&e, "a", "ONE");
	e_is(&e, "d/c", "ONE");
	e_stat(&e, "d/c", &b);
	ck_assert_uint_eq(a.ino, b.ino);
	ck_assert_int_eq(e_unlink(&e, "b"), 0);
	e_stat(&e, "a", &a);
	ck_assert_uint_eq(a.nlink, 2);
	engine_reopen(&e);
	e_stat(&e, "a", &a);
	ck_assert_uint_eq(a.nlink, 2);
	ck_assert_int_eq(e_unlink(&e, "a"), 0);
	ck_assert_int_eq(e_unlink(&e, "d/c"), 0);
	engine_reopen(&e);
	e_names(&e, "", "d");
	engine_close(&e);
}
END_TEST

START_TEST(I4_times_change_where_they_should_and_copy_up_changes_none)
{
	struct engine e;
	struct vn_attr before, after, dir, dir2;
	engine_init(&e, 1);
	lower_dir(&e, 0, "d");
	lower_file(&e, 0, "d/f", "f");
	engine_open(&e);
	e_stat(&e, "d/f", &before);
	e_stat(&e, "d", &dir);
	usleep(10000);
	ck_assert_int_eq(e_chmod(&e, "d/f", 0600), 0);
	e_stat(&e, "d/f", &after);
	e_stat(&e, "d", &dir2);
	ck_assert_int_eq(after.mtime, before.mtime);
	ck_assert_int_gt(after.ctime, before.ctime);
	ck_assert_int_eq(dir2.mtime, dir.mtime);
	ck_assert_int_eq(dir2.ctime, dir.ctime);
	ck_assert_int_eq(e_create(&e, "d/g", 0644), 0);
	e_stat(&e, "d", &dir2);
	ck_assert_int_gt(dir2.mtime, dir.mtime);
	ck_assert_int_eq(dir2.mtime, dir2.ctime);
	engine_reopen(&e);
	e_stat(&e, "d", &dir);
	ck_assert_int_eq(dir2.mtime, dir.mtime);
	e_stat(&e, "d/f", &before);
	ck_assert_int_eq(after.ctime, before.ctime);
	engine_close(&e);
}
END_TEST

START_TEST(I5_times_beyond_2038_to_the_nanosecond)
{
	struct engine e;
	struct vn_attr attr;
	struct vn_setattr set = { .valid = VN_SET_ATIME | VN_SET_MTIME, .atime = INT64_C(7258118400000000001),
				  .mtime = INT64_C(-1000000001) };
	uint64_t node;
	engine_init(&e, 1);
	lower_file(&e, 0, "f", "f");
	engine_open(&e);
	ck_assert_int_eq(e_node(&e, "f", &node), 0);
	ck_assert_int_eq(e.fs->ops->setattr(e.fs, &e.ctx, node, &set, &attr), 0);
	e.fs->ops->forget(e.fs, &e.ctx, node, 1);
	engine_reopen(&e);
	e_stat(&e, "f", &attr);
	ck_assert_int_eq(attr.atime, set.atime);
	ck_assert_int_eq(attr.mtime, set.mtime);
	engine_close(&e);
}
END_TEST

START_TEST(I7_immutable_and_append_only)
{
	struct engine e;
	struct vn_entry entry;
	uint32_t flags = 0x10;
	uint64_t node, out;
	int result;
	engine_init(&e, 1);
	lower_file(&e, 0, "f", "f");
	engine_open(&e);
	ck_assert_int_eq(e_node(&e, "f", &node), 0);
	ck_assert_int_ge(e.fs->ops->ioctl(e.fs, &e.ctx, node, 0x40086602u, &flags, sizeof(flags), NULL, 0, &result), 0);
	ck_assert_int_eq(e_write(&e, "f", 0, "x"), -EPERM);
	ck_assert_int_eq(e_chmod(&e, "f", 0600), -EPERM);
	ck_assert_int_eq(e_unlink(&e, "f"), -EPERM);
	ck_assert_int_eq(e_rename(&e, "f", "g", 0), -EPERM);
	ck_assert_int_eq(e_link(&e, "f", "g"), -EPERM);
	e.fs->ops->forget(e.fs, &e.ctx, node, 1);
	engine_reopen(&e);
	ck_assert_int_eq(e_node(&e, "f", &node), 0);
	ck_assert_int_eq(e.fs->ops->ioctl(e.fs, &e.ctx, node, 0x80086601u, NULL, 0, &out, sizeof(out), &result), 8);
	ck_assert_uint_eq(out, 0x10);
	flags = 0x20;
	ck_assert_int_ge(e.fs->ops->ioctl(e.fs, &e.ctx, node, 0x40086602u, &flags, sizeof(flags), NULL, 0, &result), 0);
	ck_assert_int_eq(e_write(&e, "f", 0, "x"), -EPERM);
	ck_assert_int_eq(e_write(&e, "f", 1, "more"), 0);
	ck_assert_int_eq(e_truncate(&e, "f", 0), -EPERM);
	e_is(&e, "f", "fmore");
	ck_assert_int_eq(e.fs->ops->ioctl(e.fs, &e.ctx, node, 0x1234u, NULL, 0, NULL, 0, &result), -ENOTTY);
	e.fs->ops->forget(e.fs, &e.ctx, node, 1);
	/* nor is anything made in an immutable directory, with a name or without */
	flags = 0x10;
	ck_assert_int_ge(e.fs->ops->ioctl(e.fs, &e.ctx, 1, 0x40086602u, &flags, sizeof(flags), NULL, 0, &result), 0);
	ck_assert_int_eq(e_create(&e, "g", 0644), -EPERM);
	ck_assert_int_eq(e.fs->ops->tmpfile(e.fs, &e.ctx, 1, 0644, &entry), -EPERM);
	engine_close(&e);
}
END_TEST

static int append_only_times(struct engine *e, const struct vn_ctx *ctx, uint32_t valid)
{
	const struct vn_setattr set = { .valid = valid, .atime = 1, .mtime = 2, .ctime = 3 };
	struct vn_attr attr;
	uint64_t node;
	int r;

	ck_assert_int_eq(e_node(e, "f", &node), 0);
	r = e->fs->ops->setattr(e->fs, ctx, node, &set, &attr);
	e->fs->ops->forget(e->fs, &e->ctx, node, 1);
	return r;
}

START_TEST(I7_an_append_only_file_is_touched_and_its_times_are_not_set)
{
	const uint32_t a = VN_SET_ATIME, m = VN_SET_MTIME, c = VN_SET_CTIME;
	const uint32_t an = VN_SET_ATIME_NOW, mn = VN_SET_MTIME_NOW;
	const struct vn_session_config config = { .id = 2, .writeback = true };
	struct vn_fs_session *session;
	struct vn_ctx keeps;
	struct engine e;
	uint32_t flags = 0x20;
	uint64_t node;
	int result;

	engine_init(&e, 1);
	lower_file(&e, 0, "f", "f");
	engine_open(&e);
	ck_assert_int_eq(e_node(&e, "f", &node), 0);
	ck_assert_int_ge(e.fs->ops->ioctl(e.fs, &e.ctx, node, 0x40086602u, &flags, sizeof(flags), NULL, 0, &result), 0);
	e.fs->ops->forget(e.fs, &e.ctx, node, 1);
	ck_assert_int_eq(append_only_times(&e, &e.ctx, 0), 0);
	ck_assert_int_eq(append_only_times(&e, &e.ctx, an | mn), 0);
	ck_assert_int_eq(append_only_times(&e, &e.ctx, an), -EPERM);
	ck_assert_int_eq(append_only_times(&e, &e.ctx, mn), -EPERM);
	ck_assert_int_eq(append_only_times(&e, &e.ctx, a | m), -EPERM);

	/* a client that keeps the times itself: "now" is a number, and the time of an append is handed in */
	ck_assert_int_eq(e.fs->ops->session_new(e.fs, &config, &session), 0);
	keeps = (struct vn_ctx){ .session = session };
	ck_assert_int_eq(append_only_times(&e, &keeps, an | m | c), 0);
	ck_assert_int_eq(append_only_times(&e, &keeps, m | c), 0);
	ck_assert_int_eq(append_only_times(&e, &keeps, an | c), -EPERM);
	ck_assert_int_eq(append_only_times(&e, &keeps, a | m | c), -EPERM);
	ck_assert_int_eq(append_only_times(&e, &keeps, VN_SET_MODE | m | c), -EPERM);
	e.fs->ops->session_free(e.fs, session, false);
	engine_close(&e);
}
END_TEST

START_TEST(I8_chown_takes_setuid_and_capabilities_away)
{
	struct engine e;
	struct vn_attr attr;
	engine_init(&e, 1);
	lower_file(&e, 0, "f", "f");
	engine_open(&e);
	ck_assert_int_eq(e_chmod(&e, "f", 06755), 0);
	ck_assert_int_eq(e_setxattr(&e, "f", "security.capability", "caps"), 0);
	ck_assert_int_eq(e_chown(&e, "f", 1000, 1000), 0);
	e_stat(&e, "f", &attr);
	ck_assert_uint_eq(attr.mode & 07777, 0755);
	ck_assert_uint_eq(attr.uid, 1000);
	e_xattr_is(&e, "f", "security.capability", NULL);
	engine_close(&e);
}
END_TEST

START_TEST(I8_directories_hand_down_their_group)
{
	struct engine e;
	struct vn_attr attr;
	engine_init(&e, 1);
	engine_open(&e);
	ck_assert_int_eq(e_mkdir(&e, "d", 0755), 0);
	ck_assert_int_eq(e_chown(&e, "d", 0, 77), 0);
	ck_assert_int_eq(e_chmod(&e, "d", 02775), 0);
	ck_assert_int_eq(e_mkdir(&e, "d/sub", 0755), 0);
	ck_assert_int_eq(e_create(&e, "d/f", 0644), 0);
	e_stat(&e, "d/sub", &attr);
	ck_assert_uint_eq(attr.gid, 77);
	ck_assert_uint_eq(attr.mode & 07777, 02755);
	e_stat(&e, "d/f", &attr);
	ck_assert_uint_eq(attr.gid, 77);
	ck_assert_uint_eq(attr.mode & 07777, 0644);
	engine_close(&e);
}
END_TEST

START_TEST(A1_xattrs_are_kept_exactly)
{
	struct engine e;
	char list[256];
	uint64_t node;
	engine_init(&e, 1);
	lower_file(&e, 0, "f", "f");
	engine_open(&e);
	ck_assert_int_eq(e_setxattr(&e, "f", "user.one", "1"), 0);
	ck_assert_int_eq(e_setxattr(&e, "f", "trusted.two", ""), 0);
	ck_assert_int_eq(e_node(&e, "f", &node), 0);
	ck_assert_int_eq(e.fs->ops->setxattr(e.fs, &e.ctx, node, "user.one", "x", 1, 1), -EEXIST);
	ck_assert_int_eq(e.fs->ops->setxattr(e.fs, &e.ctx, node, "user.none", "x", 1, 2), -ENODATA);
	ck_assert_int_eq(e.fs->ops->getxattr(e.fs, &e.ctx, node, "user.one", NULL, 0), 1);
	ck_assert_int_eq(e.fs->ops->listxattr(e.fs, &e.ctx, node, list, 3), -ERANGE);
	ck_assert_int_eq(e.fs->ops->listxattr(e.fs, &e.ctx, node, list, sizeof(list)), 9 + 12);
	ck_assert_int_eq(e.fs->ops->removexattr(e.fs, &e.ctx, node, "user.none"), -ENODATA);
	e.fs->ops->forget(e.fs, &e.ctx, node, 1);
	engine_reopen(&e);
	e_xattr_is(&e, "f", "user.one", "1");
	e_xattr_is(&e, "f", "trusted.two", "");
	engine_close(&e);
}
END_TEST

/* A name of the writable layer that looks like a marker is plain data. */
START_TEST(A2_markers_written_by_a_client_are_data)
{
	struct engine e;
	engine_init(&e, 1);
	lower_dir(&e, 0, "d");
	lower_file(&e, 0, "d/f", "f");
	engine_open(&e);
	ck_assert_int_eq(e_setxattr(&e, "d", "trusted.overlay.opaque", "y"), 0);
	engine_reopen(&e);
	e_names(&e, "d", "f");
	e_xattr_is(&e, "d", "trusted.overlay.opaque", "y");
	engine_close(&e);
}
END_TEST

/* Whoever held nodes of one layer must not go on with another's. */
START_TEST(two_layers_over_the_same_lowers_have_two_identities)
{
	uint64_t first, again, second;
	struct engine e;
	engine_init(&e, 1);
	lower_file(&e, 0, "f", "f");
	engine_open(&e);
	ck_assert_int_eq(ovl_identity(e.tree, &first), 0);
	engine_reopen(&e);
	ck_assert_int_eq(ovl_identity(e.tree, &again), 0);
	engine_close(&e);
	ck_assert_uint_eq(first, again);
	strcat(e.upper, "2");
	engine_open(&e);
	ck_assert_int_eq(ovl_identity(e.tree, &second), 0);
	ck_assert_uint_ne(first, second);
	engine_close(&e);
}
END_TEST

/* Who holds a file by one of its names, or by its number, does not hold the directory. */
START_TEST(file_in_a_directory_that_was_moved_can_be_written)
{
	struct iovec iov = { (char[5]){ "UPPER" }, 5 };
	struct engine e;
	uint64_t node[3];

	engine_init(&e, 1);
	lower_dir(&e, 0, "d");
	lower_dir(&e, 0, "d/sub");
	lower_file(&e, 0, "d/f", "lower");
	lower_file(&e, 0, "d/sub/f", "lower");
	lower_dir(&e, 0, "g");
	lower_file(&e, 0, "g/f", "lower");
	lower_link(&e, 0, "link", "g/f");
	engine_open(&e);
	ck_assert_int_eq(e_node(&e, "d/f", &node[0]), 0);
	ck_assert_int_eq(e_node(&e, "d/sub/f", &node[1]), 0);
	ck_assert_int_eq(e_node(&e, "g/f", &node[2]), 0);
	ck_assert_int_eq(e_mkdir(&e, "x", 0755), 0);
	ck_assert_int_eq(e_rename(&e, "d", "x/d", 0), 0);
	ck_assert_int_eq(e_rename(&e, "g", "x/g", 0), 0);
	ck_assert_int_eq(e_mkdir(&e, "g", 0755), 0);
	ck_assert_int_eq(ovl_settle(e.tree), 0); /* until then nodes with changes stay */
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(e.fs->ops->write(e.fs, &e.ctx, node[i], 0, &iov, 1, 0), 5);
	engine_reopen(&e);
	e_is(&e, "x/d/f", "UPPER");
	e_is(&e, "x/d/sub/f", "UPPER");
	e_is(&e, "x/g/f", "UPPER");
	e_is(&e, "link", "UPPER");
	e_names(&e, "", "g link x");
	engine_close(&e);
}
END_TEST

VN_CHECK_MAIN("overlay/tree_identity", I1_the_number_survives_copy_up_rename_and_remount, I2_link_counts,
	      I2_an_unlinked_file_in_use_has_no_links, I2_what_is_unlinked_in_use_keeps_what_only_rows_said,
	      I2_what_is_renamed_over_in_use_keeps_what_only_rows_said, I3_lower_hard_links_stay_one_file,
	      I4_times_change_where_they_should_and_copy_up_changes_none, I5_times_beyond_2038_to_the_nanosecond,
	      I7_immutable_and_append_only, I7_an_append_only_file_is_touched_and_its_times_are_not_set,
	      I8_chown_takes_setuid_and_capabilities_away,
	      I8_directories_hand_down_their_group, A1_xattrs_are_kept_exactly,
	      A2_markers_written_by_a_client_are_data, two_layers_over_the_same_lowers_have_two_identities,
	      file_in_a_directory_that_was_moved_can_be_written)
