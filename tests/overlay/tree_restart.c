// SPDX-License-Identifier: Apache-2.0
/* A client that outlives its server: L3 of doc/semantics.md, at the verbs. */
#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check_main.h"
#include "base/err.h"
#include "engine.h"
#include "store/store.h"

#define CLIENT 77

static void resume(struct engine *e)
{
	const struct vn_session_config config = { .id = CLIENT, .outlives = true };
	engine_open(e);
	e->fs->ops->session_free(e->fs, e->session, false);
	ck_assert_int_eq(e->fs->ops->session_new(e->fs, &config, &e->session), 0);
	e->ctx.session = e->session;
}

/* A server that dies without a word: `work` is done in a child that then exits at once. */
static void die_after(struct engine *e, void (*work)(struct engine *e, uint64_t *out), uint64_t *out, size_t n)
{
	int pipefd[2], status;
	ck_assert_int_eq(pipe(pipefd), 0);
	pid_t pid = fork();
	if (!pid) {
		resume(e);
		work(e, out);
		if (write(pipefd[1], out, n * sizeof(*out)) < 0)
			_exit(1);
		_exit(0);
	}
	close(pipefd[1]);
	ck_assert_int_eq(read(pipefd[0], out, n * sizeof(*out)), (ssize_t)(n * sizeof(*out)));
	close(pipefd[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

static void look_up(struct engine *e, uint64_t *out)
{
	e_node(e, "d", &out[0]);
	e_node(e, "d/sub", &out[1]);
	e_node(e, "d/sub/f", &out[2]);
	e_create(e, "n", 0644);
	e_node(e, "n", &out[3]);
	e_node(e, "d/a", &out[4]);
}

START_TEST(nodeids_stay_valid_over_a_kill)
{
	struct engine e;
	struct vn_attr attr;
	uint64_t node[5];
	char buf[8];
	struct iovec iov = { buf, sizeof(buf) };
	engine_init(&e, 2);
	lower_dir(&e, 1, "d");
	lower_dir(&e, 1, "d/sub");
	lower_file(&e, 1, "d/sub/f", "deep");
	lower_file(&e, 0, "other", "x");
	lower_file(&e, 1, "d/a", "linked");
	lower_link(&e, 1, "d/b", "d/a");
	die_after(&e, look_up, node, 5);
	resume(&e);
	ck_assert_int_eq(e.fs->ops->read(e.fs, &e.ctx, node[2], 0, &iov, 1), 4);
	ck_assert_mem_eq(buf, "deep", 4);
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(e.fs->ops->getattr(e.fs, &e.ctx, node[i], &attr), 0);
		ck_assert_uint_eq(attr.ino, node[i]);
	}
	ck_assert_int_eq(e.fs->ops->getattr(e.fs, &e.ctx, node[2] ^ 1, &attr), -ESTALE);
	ck_assert_int_eq(e.fs->ops->getattr(e.fs, &e.ctx, node[3] + 70000, &attr), -ESTALE);
	engine_close(&e);
}
END_TEST

static void make_and_remove(struct engine *e, uint64_t *out)
{
	struct vn_entry entry;
	e->ctx.unique = 1001;
	e->fs->ops->create(e->fs, &e->ctx, VN_NODE_ROOT, "made", 0644, VN_CREATE_EXCL, &entry);
	out[0] = entry.node;
	e->ctx.unique = 1002;
	e->fs->ops->unlink(e->fs, &e->ctx, VN_NODE_ROOT, "gone");
	e->ctx.unique = 1003;
	e->fs->ops->rename(e->fs, &e->ctx, VN_NODE_ROOT, "old", VN_NODE_ROOT, "new", 0);
}

START_TEST(requests_in_flight_are_answered_again_not_done_again)
{
	struct engine e;
	struct vn_entry entry;
	uint64_t node;
	engine_init(&e, 1);
	lower_file(&e, 0, "gone", "");
	lower_file(&e, 0, "old", "old");
	die_after(&e, make_and_remove, &node, 1);
	resume(&e);
	e.ctx.unique = 1001;
	ck_assert_int_eq(e.fs->ops->create(e.fs, &e.ctx, VN_NODE_ROOT, "made", 0644, VN_CREATE_EXCL, &entry), 0);
	ck_assert_uint_eq(entry.node, node);
	e.ctx.unique = 1002;
	ck_assert_int_eq(e.fs->ops->unlink(e.fs, &e.ctx, VN_NODE_ROOT, "gone"), 0);
	e.ctx.unique = 1003;
	ck_assert_int_eq(e.fs->ops->rename(e.fs, &e.ctx, VN_NODE_ROOT, "old", VN_NODE_ROOT, "new", 0), 0);
	e.ctx.unique = 2001;
	ck_assert_int_eq(e.fs->ops->unlink(e.fs, &e.ctx, VN_NODE_ROOT, "gone"), -ENOENT);
	/* a client that starts anew counts anew */
	e.fs->ops->session_reset(e.fs, e.session);
	e.ctx.unique = 1002;
	ck_assert_int_eq(e.fs->ops->unlink(e.fs, &e.ctx, VN_NODE_ROOT, "gone"), -ENOENT);
	e.ctx.unique = 0;
	e_names(&e, "", "made new");
	engine_close(&e);
}
END_TEST

static ssize_t append(struct engine *e, uint64_t unique, uint64_t node, const char *text)
{
	struct iovec iov = { (void *)text, strlen(text) };
	e->ctx.unique = unique;
	ssize_t n = e->fs->ops->write(e->fs, &e->ctx, node, 0, &iov, 1, VN_WRITE_APPEND);
	e->ctx.unique = 0;
	return n;
}

/* One in each state: new, with bytes, with bytes below, append-only. */
static void append_to_all(struct engine *e, uint64_t *out)
{
	const uint32_t append_only = 0x20;
	int result;
	e_create(e, "new", 0644);
	e_create(e, "full", 0644);
	e_write(e, "full", 0, "full ");
	e_create(e, "only", 0644);
	e_write(e, "only", 0, "only ");
	e_node(e, "new", &out[0]);
	e_node(e, "full", &out[1]);
	e_node(e, "low", &out[2]);
	e_node(e, "only", &out[3]);
	e->fs->ops->ioctl(e->fs, &e->ctx, out[3], (uint32_t)FS_IOC_SETFLAGS, &append_only, sizeof(append_only), NULL, 0, &result);
	for (unsigned i = 0; i < 4; i++)
		append(e, 1001 + i, out[i], "one ");
	append(e, 1010, out[1], "two ");
}

START_TEST(appends_in_flight_are_not_appended_twice)
{
	struct engine e;
	uint64_t node[4];
	engine_init(&e, 1);
	lower_file(&e, 0, "low", "low ");
	die_after(&e, append_to_all, node, 4);
	resume(&e);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(append(&e, 1001 + i, node[i], "one "), 4);
	e_is(&e, "new", "one ");
	e_is(&e, "full", "full one two ");
	e_is(&e, "low", "low one ");
	e_is(&e, "only", "only one ");
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(append(&e, 2001 + i, node[i], "more"), 4);
	e_is(&e, "new", "one more");
	e_is(&e, "full", "full one two more");
	e_is(&e, "low", "low one more");
	e_is(&e, "only", "only one more");
	engine_close(&e);
}
END_TEST

static int count_orphan(void *arg, uint64_t ino, uint64_t session)
{
	(void)ino;
	(void)session;
	++*(int *)arg;
	return 0;
}

static void unlink_open(struct engine *e, uint64_t *out)
{
	e_create(e, "f", 0644);
	e_write(e, "f", 0, "bytes");
	e_node(e, "f", &out[0]);
	e_unlink(e, "f");
}

START_TEST(unlinked_files_of_a_living_client_are_kept)
{
	struct engine e;
	char buf[8];
	struct iovec iov = { buf, sizeof(buf) };
	uint64_t node;
	struct vn_attr attr;
	int orphans = 0;
	engine_init(&e, 1);
	die_after(&e, unlink_open, &node, 1);
	resume(&e);
	ck_assert_int_eq(e.fs->ops->read(e.fs, &e.ctx, node, 0, &iov, 1), 5);
	ck_assert_mem_eq(buf, "bytes", 5);
	e.fs->ops->session_reset(e.fs, e.session);
	ck_assert_int_eq(e.fs->ops->getattr(e.fs, &e.ctx, node, &attr), -ESTALE);
	e_names(&e, "", "");
	ck_assert_int_eq(ovl_settle(e.tree), 0);
	ck_assert_int_eq(store_read_orphans(ovl_store(e.tree), count_orphan, &orphans), 0);
	ck_assert_int_eq(orphans, 0);
	engine_close(&e);
}
END_TEST

#define BIG (300u << 10)

static void snapshot(struct engine *e, const char *name)
{
	struct vn_err err = { 0 };
	ck_assert_msg(!ovl_snapshot(e->tree, name, &err), "%s", vn_err_text(&err));
}

/* 'a's, with what is written at 5 by a client and "half" at 100000. */
static void big_is(struct engine *e, uint64_t node, const char *at_5)
{
	static char got[BIG];
	struct iovec iov = { got, sizeof(got) };
	ck_assert_int_eq(e->fs->ops->read(e->fs, &e->ctx, node, 0, &iov, 1), BIG);
	ck_assert_mem_eq(got, "aaaaa", 5);
	ck_assert_mem_eq(got + 5, at_5, strlen(at_5));
	ck_assert_mem_eq(got + 99999, "ahalfa", 6);
	ck_assert_int_eq(got[BIG - 1], 'a');
}

static void big_write(struct engine *e, uint64_t node, const char *at_5)
{
	struct iovec iov = { (char *)at_5, strlen(at_5) };
	ck_assert_int_eq(e->fs->ops->write(e->fs, &e->ctx, node, 5, &iov, 1, 0), iov.iov_len);
}

static void big_make(struct engine *e, const char *name)
{
	static char text[BIG + 1];
	memset(text, 'a', BIG);
	ck_assert_int_eq(e_create(e, name, 0644), 0);
	ck_assert_int_eq(e_write(e, name, 0, text), 0);
}

/* One whose bytes are all in the head, one with some of them in a sealed delta, and each written between snapshots. */
static void unlink_open_and_snapshot(struct engine *e, uint64_t *out)
{
	struct vn_err err = { 0 };
	big_make(e, "below");
	snapshot(e, "0");
	big_make(e, "head");
	for (int i = 0; i < 2; i++) {
		const char *name = i ? "below" : "head";
		ck_assert_int_eq(e_write(e, name, 100000, "half"), 0);
		ck_assert_int_eq(e_node(e, name, &out[i]), 0);
		ck_assert_int_eq(e_unlink(e, name), 0);
	}
	snapshot(e, "1");
	for (int i = 0; i < 2; i++) {
		big_is(e, out[i], "aaa");
		big_write(e, out[i], "one");
	}
	snapshot(e, "2");
	for (int i = 0; i < 2; i++)
		big_is(e, out[i], "one");
	ck_assert_int_eq(ovl_snapshot_delete(e->tree, "1", &err), 0);
	ck_assert_int_eq(ovl_snapshot_delete(e->tree, "0", &err), 0);
	for (int i = 0; i < 2; i++) {
		big_is(e, out[i], "one");
		big_write(e, out[i], "two");
	}
}

START_TEST(unlinked_files_of_a_living_client_outlive_snapshots)
{
	struct engine e;
	uint64_t node[2];
	int orphans = 0;
	engine_init(&e, 1);
	die_after(&e, unlink_open_and_snapshot, node, 2);
	resume(&e);
	for (int i = 0; i < 2; i++) {
		big_is(&e, node[i], "two");
		big_write(&e, node[i], "end"); /* what lags behind holds it from now on */
	}
	e.fs->ops->session_reset(e.fs, e.session);
	ck_assert_int_eq(ovl_settle(e.tree), 0);
	ck_assert_int_eq(store_read_orphans(ovl_store(e.tree), count_orphan, &orphans), 0);
	ck_assert_int_eq(orphans, 0);
	e_names(&e, "", "");
	engine_close(&e);
}
END_TEST

/* A server that was replaced knows what its client holds: the client's last word counts. */
START_TEST(unlinked_files_are_let_go_of_after_a_restart)
{
	struct engine e;
	uint64_t node;
	int orphans = 0;
	engine_init(&e, 1);
	die_after(&e, unlink_open, &node, 1);
	resume(&e);
	ck_assert_int_eq(ovl_session_hold(e.session, node, 1, NULL, 0), 0);
	ck_assert_int_eq(store_read_orphans(ovl_store(e.tree), count_orphan, &orphans), 0);
	ck_assert_int_eq(orphans, 1);
	e.fs->ops->forget(e.fs, &e.ctx, node, 1);
	orphans = 0;
	ck_assert_int_eq(ovl_settle(e.tree), 0);
	ck_assert_int_eq(store_read_orphans(ovl_store(e.tree), count_orphan, &orphans), 0);
	ck_assert_int_eq(orphans, 0);
	engine_close(&e);
}
END_TEST

VN_CHECK_MAIN("overlay/tree_restart", nodeids_stay_valid_over_a_kill,
	      requests_in_flight_are_answered_again_not_done_again, appends_in_flight_are_not_appended_twice,
	      unlinked_files_of_a_living_client_are_kept, unlinked_files_of_a_living_client_outlive_snapshots,
	      unlinked_files_are_let_go_of_after_a_restart)
