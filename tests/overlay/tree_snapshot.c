// SPDX-License-Identifier: Apache-2.0
/* Snapshots and rollback of a tree in use, at the verbs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../check_main.h"
#include "base/err.h"
#include "engine.h"

static void snapshot(struct engine *e, const char *name)
{
	struct vn_err err = { 0 };
	int r = ovl_snapshot(e->tree, name, &err);
	ck_assert_msg(!r, "%s", vn_err_text(&err));
}

static void rollback(struct engine *e, const char *name)
{
	struct vn_err err = { 0 };
	int r = ovl_rollback(e->tree, name, &err);
	ck_assert_msg(!r, "%s", vn_err_text(&err));
}

static void told_inode(void *arg, uint64_t node, int64_t off, int64_t len)
{
	(void)node;
	(void)off;
	(void)len;
	++*(int *)arg;
}

static void told_all(void *arg)
{
	*(int *)arg += 1000;
}

static int told;

/* A session that can be told, instead of the engine's own. */
static void open_told(struct engine *e)
{
	const struct vn_session_config config = {
		.id = 2, .notify = { .arg = &told, .inval_inode = told_inode, .inval_all = told_all } };
	engine_open(e);
	e->fs->ops->session_free(e->fs, e->session, false);
	ck_assert_int_eq(e->fs->ops->session_new(e->fs, &config, &e->session), 0);
	e->ctx.session = e->session;
}

static void fill(struct engine *e)
{
	lower_dir(e, 0, "d");
	lower_file(e, 0, "d/low", "low");
	lower_file(e, 0, "f", "base");
}

START_TEST(work_goes_on_over_a_snapshot)
{
	struct engine e;
	struct vn_attr a, b;
	engine_init(&e, 1);
	fill(&e);
	engine_open(&e);
	ck_assert_int_eq(e_create(&e, "n", 0644), 0);
	ck_assert_int_eq(e_write(&e, "n", 0, "before"), 0);
	ck_assert_int_eq(e_setxattr(&e, "n", "user.x", "1"), 0);
	ck_assert_int_eq(e_symlink(&e, "target", "s"), 0);
	e_stat(&e, "n", &a);
	snapshot(&e, "one");
	e_is(&e, "n", "before");
	ck_assert_int_eq(e_write(&e, "n", 0, "AFTER!"), 0);
	e_is(&e, "n", "AFTER!");
	e_xattr_is(&e, "n", "user.x", "1");
	ck_assert_int_eq(e_setxattr(&e, "n", "user.y", "2"), 0);
	ck_assert_int_eq(e_write(&e, "f", 0, "B"), 0);
	ck_assert_int_eq(e_unlink(&e, "s"), 0);
	ck_assert_int_eq(e_rename(&e, "d", "dd", 0), 0);
	snapshot(&e, "two");
	ck_assert_int_eq(e_create(&e, "dd/new", 0644), 0);
	engine_reopen(&e);
	e_is(&e, "n", "AFTER!");
	e_xattr_is(&e, "n", "user.x", "1");
	e_xattr_is(&e, "n", "user.y", "2");
	e_is(&e, "f", "Base");
	e_is(&e, "dd/low", "low");
	e_names(&e, "dd", "low new");
	e_names(&e, "", "dd f n");
	e_stat(&e, "n", &b);
	ck_assert_uint_eq(a.ino, b.ino);
	engine_close(&e);
}
END_TEST

START_TEST(a_name_that_is_taken_is_refused)
{
	struct engine e;
	struct vn_err err = { 0 };
	engine_init(&e, 1);
	engine_open(&e);
	snapshot(&e, "one");
	ck_assert_int_eq(ovl_snapshot(e.tree, "one", &err), -EEXIST);
	ck_assert_int_eq(e_create(&e, "f", 0644), 0);
	engine_close(&e);
}
END_TEST

START_TEST(rollback_brings_the_state_back)
{
	struct engine e;
	struct vn_attr attr;
	uint64_t node;
	engine_init(&e, 1);
	fill(&e);
	open_told(&e);
	ck_assert_int_eq(e_create(&e, "n", 0644), 0);
	ck_assert_int_eq(e_write(&e, "n", 0, "before"), 0);
	ck_assert_int_eq(e_chmod(&e, "f", 0600), 0);
	snapshot(&e, "one");
	ck_assert_int_eq(e_write(&e, "n", 0, "AFTER!"), 0);
	ck_assert_int_eq(e_write(&e, "f", 0, "B"), 0);
	ck_assert_int_eq(e_unlink(&e, "d/low"), 0);
	ck_assert_int_eq(e_rmdir(&e, "d"), 0);
	ck_assert_int_eq(e_mkdir(&e, "x", 0755), 0);
	ck_assert_int_eq(e_node(&e, "n", &node), 0);
	told = 0;
	rollback(&e, "one");
	ck_assert_int_ge(told, 1001);
	ck_assert_int_eq(e.fs->ops->getattr(e.fs, &e.ctx, node, &attr), -ESTALE);
	e_is(&e, "n", "before");
	e_is(&e, "f", "base");
	e_stat(&e, "f", &attr);
	ck_assert_uint_eq(attr.mode & 07777, 0600);
	e_is(&e, "d/low", "low");
	e_names(&e, "", "d f n");
	ck_assert_int_eq(e_create(&e, "again", 0644), 0);
	engine_reopen(&e);
	e_is(&e, "n", "before");
	e_names(&e, "", "again d f n");
	engine_close(&e);
}
END_TEST

START_TEST(rollback_under_a_client_that_cannot_be_told_is_refused)
{
	struct engine e;
	struct vn_err err = { 0 };
	engine_init(&e, 1);
	engine_open(&e);
	snapshot(&e, "one");
	ck_assert_int_eq(e_create(&e, "f", 0644), 0);
	ck_assert_int_eq(ovl_rollback(e.tree, "one", &err), -EBUSY);
	e_is(&e, "f", "");
	engine_close(&e);
}
END_TEST

START_TEST(a_file_in_use_and_unlinked_lives_on_over_a_snapshot)
{
	struct engine e;
	struct iovec iov = { (char[8]){ 0 }, 8 };
	uint64_t node;
	engine_init(&e, 1);
	engine_open(&e);
	ck_assert_int_eq(e_create(&e, "f", 0644), 0);
	ck_assert_int_eq(e_write(&e, "f", 0, "bytes"), 0);
	ck_assert_int_eq(e_node(&e, "f", &node), 0);
	ck_assert_int_eq(e_unlink(&e, "f"), 0);
	snapshot(&e, "one");
	ck_assert_int_eq(e.fs->ops->write(e.fs, &e.ctx, node, 0, &(struct iovec){ (char[2]){ "BY" }, 2 }, 1, 0), 2);
	ck_assert_int_eq(e.fs->ops->read(e.fs, &e.ctx, node, 0, &iov, 1), 5);
	ck_assert_mem_eq(iov.iov_base, "BYtes", 5);
	e.fs->ops->forget(e.fs, &e.ctx, node, 1);
	engine_reopen(&e);
	e_names(&e, "", "");
	engine_close(&e);
}
END_TEST

static void snapshot_delete(struct engine *e, const char *name)
{
	struct vn_err err = { 0 };
	int r = ovl_snapshot_delete(e->tree, name, &err);
	ck_assert_msg(!r, "%s", vn_err_text(&err));
}

/* A file that two snapshots changed in different places, known to a client from before and after. */
START_TEST(files_in_use_are_read_on_when_snapshots_are_merged)
{
	static char big[512 << 10], got[512 << 10];
	struct iovec iov = { got, sizeof(got) };
	struct engine e;
	uint64_t node, dead;

	engine_init(&e, 1);
	memset(big, 'b', sizeof(big) - 1);
	lower_file(&e, 0, "big", big);
	engine_open(&e);
	ck_assert_int_eq(e_node(&e, "big", &node), 0);
	for (int i = 0; i < 4; i++) {
		char name[2] = { (char)('1' + i) };

		ck_assert_int_eq(e_write(&e, "big", (uint64_t)i * 100000, name), 0);
		big[i * 100000] = *name;
		if (i == 1) {
			ck_assert_int_eq(e_mkdir(&e, "dir", 0755), 0);
			ck_assert_int_eq(e_create(&e, "dir/file", 0644), 0);
			ck_assert_int_eq(e_create(&e, "dead", 0644), 0);
			ck_assert_int_eq(e_write(&e, "dead", 0, "bytes"), 0);
			ck_assert_int_eq(e_node(&e, "dead", &dead), 0);
			ck_assert_int_eq(e_unlink(&e, "dead"), 0);
		}
		snapshot(&e, name);
		if (i < 2)
			continue;
		snapshot_delete(&e, i == 2 ? "2" : "3");
		ck_assert_int_eq(e.fs->ops->read(e.fs, &e.ctx, node, 0, &iov, 1), sizeof(big) - 1);
		ck_assert_mem_eq(got, big, sizeof(big) - 1);
	}
	for (int i = 0; i < 16; i++) /* what is visible leaves memory with what comes */
		ck_assert_int_eq(e_mkdir(&e, (char[2]){ (char)('a' + i) }, 0755), 0);
	e_is(&e, "dir/file", "");
	ck_assert_int_eq(e.fs->ops->read(e.fs, &e.ctx, dead, 0, &iov, 1), 5);
	ck_assert_mem_eq(got, "bytes", 5);
	e.fs->ops->forget(e.fs, &e.ctx, dead, 1);
	e.fs->ops->forget(e.fs, &e.ctx, node, 1);
	engine_reopen(&e);
	ck_assert_int_eq(e_node(&e, "big", &node), 0);
	ck_assert_int_eq(e.fs->ops->read(e.fs, &e.ctx, node, 0, &iov, 1), sizeof(big) - 1);
	ck_assert_mem_eq(got, big, sizeof(big) - 1);
	e.fs->ops->forget(e.fs, &e.ctx, node, 1);
	engine_close(&e);
}
END_TEST

/* Stores through a mapping would change what is sealed, and the head would never see them. */
START_TEST(a_file_that_is_mapped_for_writing_is_not_sealed)
{
	struct engine e;
	struct vn_err err = { 0 };
	struct vn_range range;
	uint64_t node;
	engine_init(&e, 1);
	lower_file(&e, 0, "f", "bytes");
	engine_open(&e);
	ck_assert_int_eq(e_node(&e, "f", &node), 0);
	ck_assert_int_eq(e.fs->ops->map(e.fs, &e.ctx, node, 0, 5, false, &range), 0);
	snapshot(&e, "read");
	ck_assert_int_eq(e.fs->ops->map(e.fs, &e.ctx, node, 0, 5, true, &range), 0);
	ck_assert_int_eq(ovl_snapshot(e.tree, "written", &err), -EBUSY);
	e.fs->ops->unmap(e.fs, &e.ctx, node, 0, 5);
	e.fs->ops->unmap(e.fs, &e.ctx, node, 0, 5);
	snapshot(&e, "written");
	e.fs->ops->forget(e.fs, &e.ctx, node, 1);
	engine_close(&e);
}
END_TEST

#define SEALED_SIZE (300u << 10)

static void dead_write(struct engine *e, uint64_t node, uint64_t off, const char *text, char *model)
{
	struct iovec iov = { (char *)text, strlen(text) };

	ck_assert_int_eq(e->fs->ops->write(e->fs, &e->ctx, node, off, &iov, 1, 0), iov.iov_len);
	memcpy(model + off, text, iov.iov_len);
}

static void dead_is(struct engine *e, uint64_t node, const char *model)
{
	static char got[SEALED_SIZE];
	struct iovec iov = { got, sizeof(got) };

	ck_assert_int_eq(e->fs->ops->read(e->fs, &e->ctx, node, 0, &iov, 1), SEALED_SIZE);
	ck_assert_mem_eq(got, model, SEALED_SIZE);
}

/* How far a file is written in the head before its name goes. */
enum { AS_SEALED, IN_PARTS, WHOLE, PUNCHED, WAYS };

static void dead_prepare(struct engine *e, uint64_t node, int way, char *model)
{
	static char text[SEALED_SIZE + 1];

	switch (way) {
	case IN_PARTS:
		dead_write(e, node, 100000, "parts", model);
		break;
	case WHOLE:
		memset(text, 'w', SEALED_SIZE);
		dead_write(e, node, 0, text, model);
		ck_assert_int_eq(ovl_settle(e->tree), 0);
		break;
	case PUNCHED:
		ck_assert_int_eq(e->fs->ops->fallocate(e->fs, &e->ctx, node, 3, 65536, 65536), 0);
		memset(model + 65536, 0, 65536);
		break;
	default:
		break;
	}
}

struct dead {
	uint64_t node;
	char model[SEALED_SIZE + 1];
};

static void dead_make(struct engine *e, struct dead *d, int i)
{
	char name[2] = { (char)('a' + i) };

	memset(d->model, *name, SEALED_SIZE);
	ck_assert_int_eq(e_create(e, name, 0644), 0);
	ck_assert_int_eq(e_write(e, name, 0, d->model), 0);
	ck_assert_int_eq(e_node(e, name, &d->node), 0);
}

/* Their bytes lie in the deltas that are merged, and no row tells the merger that somebody reads them. */
START_TEST(unlinked_files_in_use_that_read_sealed_bytes_outlive_a_merge)
{
	static struct dead dead[2 * WAYS];
	struct engine e;

	engine_init(&e, 1);
	engine_open(&e);
	for (int i = 0; i < 2 * WAYS; i++)
		dead_make(&e, &dead[i], i);
	snapshot(&e, "1");
	for (int i = 0; i < 2 * WAYS; i++) {
		dead_prepare(&e, dead[i].node, i % WAYS, dead[i].model);
		ck_assert_int_eq(e_unlink(&e, (char[2]){ (char)('a' + i) }), 0);
	}
	snapshot(&e, "2");
	for (int i = WAYS; i < 2 * WAYS; i++) /* in the head again, the rest below */
		dead_write(&e, dead[i].node, 5, "x", dead[i].model);
	snapshot_delete(&e, "1");
	for (int i = 0; i < 2 * WAYS; i++)
		dead_is(&e, dead[i].node, dead[i].model);
	snapshot_delete(&e, "2");
	snapshot(&e, "3");
	for (int i = 0; i < 2 * WAYS; i++) {
		dead_write(&e, dead[i].node, 7, "y", dead[i].model);
		dead_is(&e, dead[i].node, dead[i].model);
		e.fs->ops->forget(e.fs, &e.ctx, dead[i].node, 1);
	}
	engine_reopen(&e);
	e_names(&e, "", "");
	engine_close(&e);
}
END_TEST

VN_CHECK_MAIN("overlay/tree_snapshot", work_goes_on_over_a_snapshot, a_name_that_is_taken_is_refused,
	      rollback_brings_the_state_back, rollback_under_a_client_that_cannot_be_told_is_refused,
	      a_file_in_use_and_unlinked_lives_on_over_a_snapshot,
	      files_in_use_are_read_on_when_snapshots_are_merged, a_file_that_is_mapped_for_writing_is_not_sealed,
	      unlinked_files_in_use_that_read_sealed_bytes_outlive_a_merge)
