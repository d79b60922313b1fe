// SPDX-License-Identifier: Apache-2.0
/* What a deleted snapshot leaves: every other state, and nothing that no state needs. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check_main.h"
#include "base/err.h"
#include "engine.h"
#include "store/store.h"

static void snapshot(struct engine *e, const char *name)
{
	struct vn_err err = { 0 };
	int r = ovl_snapshot(e->tree, name, &err);
	ck_assert_msg(!r, "%s", vn_err_text(&err));
}

static void snapshot_delete(struct engine *e, const char *name)
{
	struct vn_err err = { 0 };
	int r = ovl_snapshot_delete(e->tree, name, &err);
	ck_assert_msg(!r, "%s", vn_err_text(&err));
}

static int files;

static int count_fn(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)at;
	files += type == FTW_F && st->st_size && strstr(path, "/data/") && !strstr(path, "/trash/");
	return 0;
}

/* Data files with bytes, of the head and of all snapshots. */
static int data_files(const struct engine *e)
{
	files = 0;
	ck_assert_int_eq(nftw(e->upper, count_fn, 16, FTW_PHYS), 0);
	return files;
}

struct rows {
	uint64_t ino;
	int inodes;
};

static int rows_fn(void *arg, const struct store_inode *row)
{
	struct rows *r = arg;

	r->inodes += row->ino != 1;
	return 0;
}

static void problem(void *arg, const char *sentence)
{
	(void)arg;
	fprintf(stderr, "# %s\n", sentence);
}

/* Closes the tree; no problems, and so many inode rows but the root's. */
static void rows_are(struct engine *e, int inodes)
{
	struct store_config config = { .upper = e->upper, .readonly = true };
	struct rows r = { .inodes = 0 };
	struct vn_err err = { 0 };
	struct store *s;

	engine_close(e);
	ck_assert_msg(!store_open(&config, &s, &err), "%s", vn_err_text(&err));
	ck_assert_int_eq(store_check(s, problem, NULL), 0);
	ck_assert_int_eq(store_scan_inodes(s, rows_fn, &r), 0);
	ck_assert_int_eq(r.inodes, inodes);
	store_close(s);
}

START_TEST(other_name_of_a_lower_file_keeps_what_was_written)
{
	struct engine e;

	engine_init(&e, 1);
	lower_file(&e, 0, "a", "lower");
	lower_link(&e, 0, "b", "a");
	engine_open(&e);
	ck_assert_int_eq(e_write(&e, "a", 0, "UPPER"), 0);
	snapshot(&e, "1");
	ck_assert_int_eq(e_unlink(&e, "a"), 0);
	snapshot(&e, "2");
	e_is(&e, "b", "UPPER");
	snapshot_delete(&e, "1");
	engine_reopen(&e);
	e_is(&e, "b", "UPPER");
	engine_close(&e);
}
END_TEST

START_TEST(file_in_use_that_was_unlinked_between_is_read_on)
{
	struct iovec iov = { (char[8]){ 0 }, 8 };
	struct engine e;
	uint64_t node;

	engine_init(&e, 1);
	engine_open(&e);
	ck_assert_int_eq(e_create(&e, "f", 0644), 0);
	ck_assert_int_eq(e_write(&e, "f", 0, "bytes"), 0);
	snapshot(&e, "1");
	ck_assert_int_eq(e_node(&e, "f", &node), 0);
	ck_assert_int_eq(e_unlink(&e, "f"), 0);
	snapshot(&e, "2");
	snapshot_delete(&e, "1");
	ck_assert_int_eq(e.fs->ops->read(e.fs, &e.ctx, node, 0, &iov, 1), 5);
	ck_assert_mem_eq(iov.iov_base, "bytes", 5);
	e.fs->ops->forget(e.fs, &e.ctx, node, 1);
	engine_close(&e);
}
END_TEST

START_TEST(what_lay_in_a_removed_directory_goes)
{
	struct engine e;

	engine_init(&e, 1);
	lower_dir(&e, 0, "low");
	engine_open(&e);
	ck_assert_int_eq(e_mkdir(&e, "dir", 0755), 0);
	ck_assert_int_eq(e_mkdir(&e, "dir/sub", 0755), 0);
	ck_assert_int_eq(e_create(&e, "dir/sub/f", 0644), 0);
	ck_assert_int_eq(e_write(&e, "dir/sub/f", 0, "bytes"), 0);
	ck_assert_int_eq(e_create(&e, "low/f", 0644), 0);
	ck_assert_int_eq(e_write(&e, "low/f", 0, "bytes"), 0);
	snapshot(&e, "1");
	ck_assert_int_eq(e_unlink(&e, "dir/sub/f"), 0);
	ck_assert_int_eq(e_rmdir(&e, "dir/sub"), 0);
	ck_assert_int_eq(e_rmdir(&e, "dir"), 0);
	ck_assert_int_eq(e_unlink(&e, "low/f"), 0);
	ck_assert_int_eq(e_rmdir(&e, "low"), 0);
	snapshot(&e, "2");
	snapshot_delete(&e, "1");
	engine_reopen(&e);
	e_names(&e, "", "");
	ck_assert_int_eq(data_files(&e), 0);
	rows_are(&e, 0);
}
END_TEST

START_TEST(directory_moved_out_of_one_that_was_removed_has_one_name)
{
	struct engine e;

	engine_init(&e, 1);
	engine_open(&e);
	ck_assert_int_eq(e_mkdir(&e, "old", 0755), 0);
	snapshot(&e, "0");
	ck_assert_int_eq(e_mkdir(&e, "old/dir", 0755), 0);
	ck_assert_int_eq(e_create(&e, "old/f", 0644), 0);
	ck_assert_int_eq(e_write(&e, "old/f", 0, "bytes"), 0);
	snapshot(&e, "1");
	ck_assert_int_eq(e_rename(&e, "old/dir", "dir", 0), 0);
	ck_assert_int_eq(e_unlink(&e, "old/f"), 0);
	ck_assert_int_eq(e_rmdir(&e, "old"), 0);
	snapshot(&e, "2");
	snapshot_delete(&e, "1");
	engine_reopen(&e);
	e_names(&e, "", "dir");
	ck_assert_int_eq(data_files(&e), 0);
	snapshot_delete(&e, "0");
	e_names(&e, "", "dir");
	rows_are(&e, 1);
}
END_TEST

START_TEST(what_was_written_and_removed_above_a_snapshot_that_stays_goes)
{
	struct engine e;

	engine_init(&e, 1);
	engine_open(&e);
	ck_assert_int_eq(e_create(&e, "f", 0644), 0);
	ck_assert_int_eq(e_write(&e, "f", 0, "kept"), 0);
	snapshot(&e, "0");
	ck_assert_int_eq(e_truncate(&e, "f", 0), 0);
	ck_assert_int_eq(e_write(&e, "f", 0, "bytes"), 0);
	snapshot(&e, "1");
	ck_assert_int_eq(e_unlink(&e, "f"), 0);
	snapshot(&e, "2");
	snapshot_delete(&e, "1");
	engine_reopen(&e);
	e_names(&e, "", "");
	ck_assert_int_eq(data_files(&e), 1);
	engine_close(&e);
}
END_TEST

START_TEST(removed_at_once_before_a_snapshot_is_not_in_it)
{
	struct engine e;

	engine_init(&e, 1);
	engine_open(&e);
	ck_assert_int_eq(e_create(&e, "f", 0644), 0);
	ck_assert_int_eq(e_write(&e, "f", 0, "bytes"), 0);
	ck_assert_int_eq(e_unlink(&e, "f"), 0);
	snapshot(&e, "1");
	engine_reopen(&e);
	ck_assert_int_eq(data_files(&e), 0);
	engine_close(&e);
}
END_TEST

START_TEST(in_use_and_unlinked_leaves_nothing_in_a_snapshot)
{
	struct engine e;
	uint64_t node;

	engine_init(&e, 1);
	engine_open(&e);
	ck_assert_int_eq(e_create(&e, "f", 0644), 0);
	ck_assert_int_eq(e_write(&e, "f", 0, "bytes"), 0);
	ck_assert_int_eq(e_node(&e, "f", &node), 0);
	ck_assert_int_eq(e_unlink(&e, "f"), 0);
	snapshot(&e, "1");
	e.fs->ops->forget(e.fs, &e.ctx, node, 1);
	engine_reopen(&e);
	ck_assert_int_eq(data_files(&e), 0);
	engine_close(&e);
}
END_TEST

/* A client that outlives the server holds it: its row goes on in the head. */
START_TEST(orphan_is_read_and_given_up_after_a_snapshot)
{
	const struct vn_session_config config = { .id = 7, .outlives = true };
	struct iovec iov = { (char[8]){ 0 }, 8 };
	struct engine e;
	uint64_t node;

	engine_init(&e, 1);
	engine_open(&e);
	e.fs->ops->session_free(e.fs, e.session, false);
	ck_assert_int_eq(e.fs->ops->session_new(e.fs, &config, &e.session), 0);
	e.ctx.session = e.session;
	ck_assert_int_eq(e_create(&e, "f", 0644), 0);
	ck_assert_int_eq(e_write(&e, "f", 0, "bytes"), 0);
	ck_assert_int_eq(e_node(&e, "f", &node), 0);
	ck_assert_int_eq(e_unlink(&e, "f"), 0);
	snapshot(&e, "1");
	ck_assert_int_eq(e.fs->ops->read(e.fs, &e.ctx, node, 0, &iov, 1), 5);
	ck_assert_mem_eq(iov.iov_base, "bytes", 5);
	ck_assert_int_eq(e.fs->ops->write(e.fs, &e.ctx, node, 0, &(struct iovec){ (char[2]){ "BY" }, 2 }, 1, 0), 2);
	ck_assert_int_eq(e.fs->ops->read(e.fs, &e.ctx, node, 0, &iov, 1), 5);
	ck_assert_mem_eq(iov.iov_base, "BYtes", 5);
	e.fs->ops->forget(e.fs, &e.ctx, node, 1);
	rows_are(&e, 0);
	ck_assert_int_eq(data_files(&e), 0);
}
END_TEST

/* What is written where is known of it only until its row has gone. */
START_TEST(unlinked_in_use_keeps_what_was_written_into_it)
{
	static char big[512 << 10], got[512 << 10];
	struct iovec iov = { got, sizeof(got) };
	struct engine e;
	uint64_t node;

	engine_init(&e, 1);
	memset(big, 'b', sizeof(big) - 1);
	lower_file(&e, 0, "big", big);
	engine_open(&e);
	ck_assert_int_eq(e_write(&e, "big", 100000, "written"), 0);
	memcpy(big + 100000, "written", 7);
	engine_reopen(&e);
	ck_assert_int_eq(e_node(&e, "big", &node), 0);
	ck_assert_int_eq(e_unlink(&e, "big"), 0);
	snapshot(&e, "1");
	ck_assert_int_eq(e.fs->ops->read(e.fs, &e.ctx, node, 0, &iov, 1), sizeof(big) - 1);
	ck_assert_mem_eq(got, big, sizeof(big) - 1);
	e.fs->ops->forget(e.fs, &e.ctx, node, 1);
	engine_reopen(&e);
	ck_assert_int_eq(data_files(&e), 0);
	engine_close(&e);
}
END_TEST

static void die_with_a_file(struct engine *e)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		vn_check_mute();
		engine_open(e);
		_exit(e_create(e, "f", 0644) || e_write(e, "f", 0, "bytes") || ovl_settle(e->tree));
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

/* What is removed first when the upper is opened, and takes its time. */
static void much_trash(const struct engine *e)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/trash", e->upper);
	ck_assert(!mkdir(path, 0700) || errno == EEXIST);
	for (int i = 0; i < 10000; i++) {
		snprintf(path, sizeof(path), "%s/trash/%d", e->upper, i);
		fd = open(path, O_WRONLY | O_CREAT, 0600);
		if (fd < 0)
			ck_abort_msg("%s", path);
		close(fd);
	}
}

/* What is unlinked in use before the search for strays came to it is none, though no row names it. */
START_TEST(unlinked_in_use_outlives_the_search_for_strays)
{
	struct iovec iov = { (char[8]){ 0 }, 8 };
	struct engine e;
	uint64_t node;

	engine_init(&e, 1);
	die_with_a_file(&e);
	much_trash(&e);
	engine_open(&e);
	ck_assert_int_eq(e_node(&e, "f", &node), 0);
	ck_assert_int_eq(e_unlink(&e, "f"), 0);
	snapshot(&e, "1");
	ck_assert_int_eq(e.fs->ops->read(e.fs, &e.ctx, node, 0, &iov, 1), 5);
	ck_assert_mem_eq(iov.iov_base, "bytes", 5);
	e.fs->ops->forget(e.fs, &e.ctx, node, 1);
	engine_close(&e);
	ck_assert_int_eq(data_files(&e), 0);
}
END_TEST

VN_CHECK_MAIN("overlay/tree_merge", other_name_of_a_lower_file_keeps_what_was_written,
	      file_in_use_that_was_unlinked_between_is_read_on, what_lay_in_a_removed_directory_goes,
	      directory_moved_out_of_one_that_was_removed_has_one_name,
	      what_was_written_and_removed_above_a_snapshot_that_stays_goes,
	      removed_at_once_before_a_snapshot_is_not_in_it, in_use_and_unlinked_leaves_nothing_in_a_snapshot,
	      orphan_is_read_and_given_up_after_a_snapshot, unlinked_in_use_keeps_what_was_written_into_it,
	      unlinked_in_use_outlives_the_search_for_strays)
