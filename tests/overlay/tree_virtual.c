// SPDX-License-Identifier: Apache-2.0
/* Virtual files: V1 to V4 of doc/semantics.md, at the verbs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../check_main.h"
#include "engine.h"

static ssize_t counter(void *arg, uint64_t off, void *buf, size_t size)
{
	int *calls = arg;
	if (off || size < 8)
		return 0;
	return snprintf(buf, size, "call %d", ++*calls);
}

static int calls;

static const struct ovl_virtual virtuals[] = {
	{ .path = "/init.krun", .bytes = "#!init", .size = 6, .mode = 0755 },
	{ .path = "/a/b/deep", .bytes = "deep", .size = 4 },
	{ .path = "/once", .bytes = "secret", .size = 6, .one_shot = true },
	{ .path = "/live", .read = counter, .arg = &calls, .size = 16, .live = true },
};

static void open_virtual(struct engine *e)
{
	e->config.virtuals = virtuals;
	e->config.nvirtuals = sizeof(virtuals) / sizeof(virtuals[0]);
	engine_open(e);
}

START_TEST(V1_a_virtual_name_stands_above_every_layer)
{
	struct engine e;
	struct vn_attr attr;
	engine_init(&e, 2);
	lower_file(&e, 1, "init.krun", "the layer's");
	lower_whiteout(&e, 0, "init.krun");
	lower_dir(&e, 1, "a");
	lower_file(&e, 1, "a/real", "real");
	open_virtual(&e);
	e_is(&e, "init.krun", "#!init");
	e_stat(&e, "init.krun", &attr);
	ck_assert_uint_eq(attr.mode, S_IFREG | 0755);
	ck_assert_uint_eq(attr.ino, 2);
	e_is(&e, "a/b/deep", "deep");
	e_names(&e, "a", "b real");
	e_names(&e, "a/b", "deep");
	engine_close(&e);
}
END_TEST

START_TEST(V2_nothing_touches_a_virtual_file)
{
	struct engine e;
	engine_init(&e, 1);
	lower_dir(&e, 0, "a");
	lower_file(&e, 0, "f", "f");
	open_virtual(&e);
	ck_assert_int_eq(e_create(&e, "init.krun", 0644), -EPERM);
	ck_assert_int_eq(e_mkdir(&e, "init.krun", 0755), -EPERM);
	ck_assert_int_eq(e_symlink(&e, "x", "init.krun"), -EPERM);
	ck_assert_int_eq(e_link(&e, "f", "init.krun"), -EPERM);
	ck_assert_int_eq(e_link(&e, "init.krun", "g"), -EPERM);
	ck_assert_int_eq(e_unlink(&e, "init.krun"), -EPERM);
	ck_assert_int_eq(e_rename(&e, "init.krun", "g", 0), -EPERM);
	ck_assert_int_eq(e_rename(&e, "f", "init.krun", 0), -EPERM);
	ck_assert_int_eq(e_rename(&e, "f", "init.krun", 2), -EPERM);
	ck_assert_int_eq(e_chmod(&e, "init.krun", 0600), -EPERM);
	ck_assert_int_eq(e_truncate(&e, "init.krun", 0), -EPERM);
	ck_assert_int_eq(e_write(&e, "init.krun", 0, "x"), -EPERM);
	ck_assert_int_eq(e_setxattr(&e, "init.krun", "user.x", "x"), -EPERM);
	ck_assert_int_eq(e_rename(&e, "a", "c", 0), -EBUSY);
	ck_assert_int_eq(e_rmdir(&e, "a"), -EBUSY);
	ck_assert_int_eq(e_create(&e, "a/b/x", 0644), -EPERM);
	e_is(&e, "init.krun", "#!init");
	engine_close(&e);
}
END_TEST

START_TEST(V3_what_a_layer_has_under_the_name_is_kept)
{
	struct engine e;
	engine_init(&e, 1);
	engine_open(&e);
	ck_assert_int_eq(e_create(&e, "init.krun", 0644), 0);
	ck_assert_int_eq(e_write(&e, "init.krun", 0, "mine"), 0);
	engine_close(&e);
	open_virtual(&e);
	e_is(&e, "init.krun", "#!init");
	engine_close(&e);
	e.config.nvirtuals = 0;
	engine_open(&e);
	e_is(&e, "init.krun", "mine");
	engine_close(&e);
}
END_TEST

START_TEST(V4_reads_end_and_one_shot_files_go)
{
	struct engine e;
	char buf[16];
	struct iovec iov = { buf, sizeof(buf) };
	uint64_t node;
	engine_init(&e, 1);
	open_virtual(&e);
	ck_assert_int_eq(e_node(&e, "init.krun", &node), 0);
	ck_assert_int_eq(e.fs->ops->read(e.fs, &e.ctx, node, 6, &iov, 1), 0);
	ck_assert_int_eq(e.fs->ops->read(e.fs, &e.ctx, node, 1000, &iov, 1), 0);
	e.fs->ops->forget(e.fs, &e.ctx, node, 1);
	ck_assert_int_eq(e_node(&e, "once", &node), 0);
	ck_assert_int_eq(e.fs->ops->read(e.fs, &e.ctx, node, 0, &iov, 1), 6);
	e_missing(&e, "once");
	e.fs->ops->forget(e.fs, &e.ctx, node, 1);
	e_missing(&e, "once");
	e_is(&e, "live", "call 1");
	e_is(&e, "live", "call 2");
	engine_close(&e);
}
END_TEST

VN_CHECK_MAIN("overlay/tree_virtual", V1_a_virtual_name_stands_above_every_layer, V2_nothing_touches_a_virtual_file,
	      V3_what_a_layer_has_under_the_name_is_kept, V4_reads_end_and_one_shot_files_go)
