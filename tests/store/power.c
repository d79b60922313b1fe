// SPDX-License-Identifier: Apache-2.0
/*
 * Power cuts. The upper lies on a file system in an image; while a process works
 * in it, that process is stopped, the image is copied as it is, and the copy is
 * mounted, opened and compared with what had been confirmed by then. A copy
 * counts when a second one is equal: nothing was written in between.
 *
 * Needs root, loop devices and mkfs. POWER_CUTS says how many cuts per run.
 */
#include "help.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK 65536
#define BLOCKS 12

/* What the process has done, in memory that both see. */
struct told {
	int created;            /* files whose creation was acknowledged */
	int confirmed;          /* of these, by fsync */
	int durable;            /* of these, what the store itself calls durable, by its commit interval or a flush */
	int quiet;              /* asked for: no fsync */
	int turns;              /* how often the partial file began anew */
	int written[BLOCKS];    /* of this turn: acknowledged */
	int flushed[BLOCKS];    /* confirmed by fsync */
	uint64_t ino;           /* of the partial file */
};

static struct told *told;

static bool run(const char *fmt, ...)
{
	char cmd[8192];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd) == 0;
}

/* An image with a file system, mounted at m, in a mount namespace of our own. */
static bool prepare(const char *mkfs)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return false;
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(told, 0, sizeof(*told));
	return run("cd '%s' && mkdir m n && truncate -s 320M image && %s image >/dev/null 2>&1 && "
		   "mount -o loop image m 2>/dev/null", vn_check_dir(), mkfs);
}

/* ---- the process that works ---- */

#define FILES 100000

static void work_durable(struct store *s, uint64_t *seqs)
{
	uint64_t durable = store_durable(s);

	while (told->durable < told->created && seqs[told->durable] <= durable)
		told->durable++;
}

/* As the tree does it: bytes, then a row with the size before them, which is stale. */
static void work_create(struct store *s, int i)
{
	static uint64_t seqs[FILES];

	struct store_inode row = help_file(store_next_ino(s));
	struct store_change c;
	char name[32], bytes[5000];
	int len = snprintf(name, sizeof(name), "f%d", i), fd;
	uint64_t seq;

	memset(bytes, 'A' + i % 26, sizeof(bytes));
	if (store_data_new(s, &row.data, &fd) || pwrite(fd, bytes, sizeof(bytes), 0) != sizeof(bytes))
		_exit(3);
	row.state = STORE_FULL;
	row.flags = STORE_STALE;
	store_change_init(&c);
	store_change_inode(&c, &row);
	store_change_dentry(&c, 1, name, (size_t)len, row.ino);
	if (store_commit(s, &c, &seq))
		_exit(4);
	seqs[i] = seq;
	told->created = i + 1;
	work_durable(s, seqs);
	if (i % 37 == 0 && !told->quiet) {
		if (store_fsync(s, fd, false, seq))
			_exit(5);
		told->confirmed = i + 1;
	}
	close(fd);
}

/* The base has 'b' everywhere; blocks are written as 'Z' and recorded without a flush. */
static int work_partial_begin(struct store *s, struct store_inode *row)
{
	struct store_change c;
	int fd;

	*row = help_file(store_next_ino(s));
	row->origin = "base";
	row->origin_len = 4;
	row->state = STORE_PARTIAL;
	row->size = row->below = BLOCKS * BLOCK;
	if (store_data_new(s, &row->data, &fd))
		_exit(6);
	store_change_init(&c);
	store_change_inode(&c, row);
	store_change_dentry(&c, 1, "partial", 7, row->ino);
	memset(told->written, 0, sizeof(told->written));
	memset(told->flushed, 0, sizeof(told->flushed));
	told->ino = row->ino;
	if (store_commit(s, &c, NULL))
		_exit(7);
	told->turns++;
	return fd;
}

static void work_block(struct store *s, struct store_inode *row, int fd, int i)
{
	static char block[BLOCK];
	struct store_change c;
	uint64_t seq;

	memset(block, 'Z', sizeof(block));
	if (pwrite(fd, block, sizeof(block), (off_t)i * BLOCK) != sizeof(block))
		_exit(8);
	store_change_init(&c);
	store_change_inode(&c, row);
	store_change_extent(&c, row->ino, (uint64_t)i * BLOCK, BLOCK, STORE_EXTENT_DATA);
	if (store_commit(s, &c, &seq))
		_exit(9);
	told->written[i] = 1;
	if (i == 4 && told->turns % 3 == 0 && !told->quiet) {
		if (store_fsync(s, fd, false, seq))
			_exit(10);
		for (int k = 0; k < BLOCKS; k++)
			told->flushed[k] = told->written[k];
	}
}

static void work_full(struct store *s, struct store_inode *row)
{
	struct store_change c;

	row->state = STORE_FULL;
	store_change_init(&c);
	store_change_inode(&c, row);
	store_change_extents_gone(&c, row->ino, 0);
	store_change_data_flush(&c, row->data);
	if (store_commit(s, &c, NULL))
		_exit(11);
}

static void work(void)
{
	struct store_config config = { .create = true, .journal_size = 1 << 20, .commit_s = 1 };
	struct store *s = help_open_config(&config, "m/u");
	struct store_inode row, root = help_dir(1, "");
	struct store_change c;
	int fd = work_partial_begin(s, &row);

	store_change_init(&c);
	store_change_inode(&c, &root);
	store_commit(s, &c, NULL);
	for (int i = 0; i < FILES; i++) {
		work_create(s, i);
		if (i % 80 == 0)
			work_block(s, &row, fd, i / 80 * 7 % BLOCKS);
		if (i % 1000 == 999) {
			work_full(s, &row);
			close(fd);
			/* The old one goes; a new one takes its name. */
			store_change_inode_gone(&c, row.ino);
			store_change_data_gone(&c, row.data);
			store_commit(s, &c, NULL);
			fd = work_partial_begin(s, &row);
		}
		usleep(2000);
	}
}

/* ---- the cut ---- */

static int copy_image(void)
{
	for (int tries = 0; tries < 50; tries++) {
		if (!run("cd '%s' && cp --sparse=always image copy && cmp -s image copy", vn_check_dir()))
			continue;
		return 0;
	}
	return -1;
}

struct seen {
	int files;
	uint64_t partial;
	struct store *s;
};

static int seen_fn(void *arg, const char *name, size_t len, uint64_t ino, enum store_sealed sealed)
{
	struct seen *seen = arg;

	(void)sealed;
	if (len == 7 && !memcmp(name, "partial", 7))
		seen->partial = ino;
	else
		seen->files++;
	return 0;
}

/* A file may be shorter than it was; every byte is what was written there. */
static void check_file(struct store *s, int i, bool confirmed)
{
	char name[32], bytes[6000];
	struct store_inode row;
	struct help_find f;
	ssize_t n;
	int fd;

	snprintf(name, sizeof(name), "f%d", i);
	f = help_find(s, 1, name);
	ck_assert_msg(f.found, "%s is missing", name);
	ck_assert_int_eq(store_read_inode(s, f.ino, &row, NULL), 0);
	fd = store_data_open(s, 0, row.data);
	ck_assert_msg(fd >= 0, "data of %s is missing", name);
	n = read(fd, bytes, sizeof(bytes));
	close(fd);
	ck_assert_int_eq((ssize_t)row.size, n);
	ck_assert_msg(!confirmed || n == 5000, "%s was confirmed and has %zd bytes", name, n);
	for (ssize_t k = 0; k < n; k++)
		ck_assert_msg(bytes[k] == 'A' + i % 26, "%s has foreign bytes at %zd", name, k);
}

static int mark_fn(void *arg, uint64_t start, uint64_t length, int kind)
{
	memset((char *)arg + start, kind, length);
	return 0;
}

/* 'Z' or 'b' everywhere: zeros would be bytes that never were in the file. */
static void check_partial(struct store *s, uint64_t ino, const struct told *t)
{
	static char kind[BLOCKS * BLOCK], bytes[BLOCKS * BLOCK];
	struct store_inode row;
	bool same = ino == t->ino;
	int fd;

	ck_assert_int_eq(store_read_inode(s, ino, &row, NULL), 0);
	free((char *)row.origin);
	ck_assert_uint_eq(row.size, BLOCKS * BLOCK);
	ck_assert_uint_eq(row.below, BLOCKS * BLOCK);
	fd = store_data_open(s, 0, row.data);
	ck_assert_int_ge(fd, 0);
	memset(bytes, 0, sizeof(bytes));
	ck_assert_int_ge(read(fd, bytes, sizeof(bytes)), 0);
	close(fd);
	memset(kind, row.state == STORE_FULL, sizeof(kind));
	if (row.state == STORE_PARTIAL)
		ck_assert_int_eq(store_read_extents(s, 0, ino, mark_fn, kind), 0);
	for (int i = 0; i < BLOCKS * BLOCK; i++) {
		ck_assert_msg(kind[i] != STORE_EXTENT_DATA || bytes[i] == 'Z', "byte %d never was there", i);
		ck_assert_msg(!same || !t->flushed[i / BLOCK] || kind[i] == STORE_EXTENT_DATA, "byte %d was confirmed", i);
	}
}

static void problem_fn(void *arg, const char *sentence)
{
	(void)arg;
	fprintf(stderr, "# %s\n", sentence);
}

static void check_copy(const struct told *t)
{
	struct store_config config = { .upper = help_path("n/u") };
	struct seen seen = { .files = 0 };
	struct vn_err err = { 0 };
	int rc;

	ck_assert(run("cd '%s' && mount -o loop,nouuid copy n 2>/dev/null || mount -o loop copy n", vn_check_dir()));
	rc = store_open(&config, &seen.s, &err);
	ck_assert_msg(rc == 0, "%s", vn_err_text(&err));
	ck_assert_int_eq(store_read_dir(seen.s, 1, seen_fn, &seen), 0);
	ck_assert_int_ge(seen.files, t->confirmed);
	ck_assert_int_ge(seen.files, t->durable);
	ck_assert_int_le(seen.files, t->created + 1);
	/* A state that existed: as many as there are, these are the first ones. */
	for (int i = 0; i < seen.files; i += i < seen.files - 40 ? 1 + seen.files / 40 : 1)
		check_file(seen.s, i, i == t->confirmed - 1);
	check_file(seen.s, t->confirmed - 1, true);
	if (seen.partial)
		check_partial(seen.s, seen.partial, t);
	ck_assert_int_eq(store_check(seen.s, problem_fn, NULL), 0);
	help_close(seen.s);
	ck_assert(run("umount '%s/n'", vn_check_dir()));
}

static void wait_for(const int *what, int more_than)
{
	for (int i = 0; i < 12000 && __atomic_load_n(what, __ATOMIC_SEQ_CST) <= more_than; i++)
		usleep(5000);
	ck_assert_int_gt(*what, more_than);
}

/* Without anybody asking, all that was created by now becomes durable. */
static void let_commit(void)
{
	told->quiet = 1;
	wait_for(&told->created, told->created + 1); /* what was asked for is over */
	wait_for(&told->durable, told->created);
}

static void cuts(const char *mkfs)
{
	const char *n = getenv("POWER_CUTS");
	pid_t pid;
	int status;

	if (!prepare(mkfs))
		vn_check_skip("needs root, loop devices and mkfs");
	pid = fork();
	if (!pid) {
		vn_check_mute();
		work();
		_exit(0);
	}
	while (!told->confirmed && waitpid(pid, NULL, WNOHANG) == 0)
		usleep(10000);
	srand(1);
	for (int i = n ? atoi(n) : 4; i > 0; i--) {
		struct told t;

		if (i % 2)
			let_commit();
		else
			told->quiet = 0;
		usleep(200000 + (useconds_t)rand() % 800000);
		kill(pid, SIGSTOP);
		/* It is told when all threads stand still, which may be in the middle of what a call of theirs does. */
		if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
			break;
		t = *told;
		ck_assert_int_eq(copy_image(), 0);
		kill(pid, SIGCONT);
		check_copy(&t);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	run("umount '%s/m'", vn_check_dir());
}

START_TEST(power_cuts_on_ext4)
{
	cuts("mkfs.ext4 -q -F");
}
END_TEST

START_TEST(power_cuts_on_xfs)
{
	cuts("mkfs.xfs -q -f");
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){ .suite = "store/power", .timeout_s = 900 }), power_cuts_on_ext4, power_cuts_on_xfs)
