// SPDX-License-Identifier: Apache-2.0
/*
 * Power cuts under the data model. The upper lies on a file system in an image; the
 * image lies on an XFS, where a clone takes what it holds at one moment. The
 * server is stopped, the image cloned, the server killed; then the clone is mounted
 * and what it shows is compared with what had been flushed.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check_main.h"
#include "base/err.h"
#include "model.h"
#include "store/store.h"

static char dir[200];

__attribute__((format(printf, 1, 2))) static int run(const char *format, ...)
{
	char command[4096];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	return system(command);
}

/* All mounts are this process's own and go with it. */
static bool disks(const char *mkfs)
{
	snprintf(dir, sizeof(dir), "%s", vn_check_dir());
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return false;
	return !run("cd '%s' && { mkdir outer inner && truncate -s 2G outer.img && mkfs.xfs -q -m reflink=1 outer.img && "
		    "mount -o loop outer.img outer && truncate -s 400M outer/inner.img && %s outer/inner.img && "
		    "mount -o loop outer/inner.img inner; } >/dev/null 2>&1", dir, mkfs);
}

/* Everything that this image holds now, and what is written to it from now on is lost. */
static void cut(pid_t server)
{
	int status;

	kill(server, SIGSTOP);
	waitpid(server, &status, WUNTRACED);
	ck_assert_msg(WIFSTOPPED(status), "the server ended with %x", (unsigned)status);
	ck_assert_int_eq(run("cd '%s' && cp --reflink=always outer/inner.img outer/cut.img", dir), 0);
	kill(server, SIGKILL);
	waitpid(server, &status, 0);
	ck_assert_int_eq(run("cd '%s' && umount inner && mv outer/cut.img outer/inner.img && mount -o loop outer/inner.img inner",
			     dir), 0);
}

/*
 * The journal and the index's log reach the disk as early as they can, ahead of what
 * they speak of: any page may, at any time (rule J4). A process of its own, since
 * closing a file of the index would drop SQLite's locks.
 */
static pid_t push(struct engine *e)
{
	const char *const names[] = {"journal", "index.db-wal"};
	char path[600];
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	while (!pid) {
		for (unsigned i = 0; i < 2; i++) {
			int fd;

			snprintf(path, sizeof(path), "%s/%s", e->upper, names[i]);
			fd = open(path, O_RDONLY | O_CLOEXEC);
			if (fd < 0)
				continue;
			sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
			close(fd);
		}
		usleep(1000);
	}
	return pid;
}

static void live(struct model *m, struct engine *e)
{
	unsigned done = m->done;
	pid_t pid, pusher;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		vn_check_mute();
		engine_open(e);
		model_find(m, e);
		for (;;)
			model_step(m, e);
	}
	ck_assert_int_gt(pid, 0);
	pusher = push(e);
	for (int i = 0; i < 20000 && __atomic_load_n(&m->done, __ATOMIC_SEQ_CST) == done; i++)
		usleep(1000);
	/* also soon, while hardly anything is durable by the way */
	usleep((useconds_t)(rand() % (rand() % 2 ? 2000000 : 60000)));
	kill(pusher, SIGKILL);
	waitpid(pusher, NULL, 0);
	cut(pid);
}

static void problem(void *arg, const char *sentence)
{
	(void)arg;
	fprintf(stderr, "# %s\n", sentence);
}

static void finish(struct engine *e)
{
	const struct store_config config = {.upper = e->upper, .readonly = true};
	struct vn_err err = {0};
	struct store *s;
	int r;

	engine_close(e);
	r = store_open(&config, &s, &err);
	ck_assert_msg(!r, "%s", vn_err_text(&err));
	ck_assert_int_eq(store_check(s, problem, NULL), 0);
	ck_assert_int_eq(store_close(s), 0);
}

static void cuts(uint64_t seed, bool strict)
{
	unsigned rounds = getenv("STEPS") ? (unsigned)atoi(getenv("STEPS")) : 6;
	struct model *m = model_new(seed);
	struct engine e;

	m->strict = strict;
	engine_init(&e, 1);
	snprintf(e.upper, sizeof(e.upper), "%s/inner/upper", dir);
	e.config.commit_s = 1;
	model_lower(m, &e, 0, 5000);
	model_lower(m, &e, 1, 131072);
	model_lower(m, &e, 2, 700001);
	engine_open(&e);
	model_find(m, &e);
	finish(&e);
	ck_assert_int_eq(run("sync -f '%s/inner'", dir), 0);
	model_remember(m);
	for (unsigned i = 0; i < rounds; i++) {
		live(m, &e);
		engine_open(&e);
		model_find(m, &e);
		model_accept_cut(m, &e);
		finish(&e);
		ck_assert_int_eq(run("sync -f '%s/inner'", dir), 0);
	}
	run("cd '%s' && umount inner; umount outer", dir);
}

START_TEST(what_was_flushed_survives_power_cuts_on_ext4)
{
	if (!disks("mkfs.ext4 -q"))
		vn_check_skip("no loop devices, or no XFS with reflinks, here");
	cuts(1, false); /* ext4 keeps lengths ahead of bytes inside of blocks that it has */
}
END_TEST

START_TEST(what_was_flushed_survives_power_cuts_on_xfs)
{
	if (!disks("mkfs.xfs -q"))
		vn_check_skip("no loop devices, or no XFS with reflinks, here");
	cuts(2, true);
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){.suite = "overlay/data_power", .timeout_s = 1500}),
		   what_was_flushed_survives_power_cuts_on_ext4, what_was_flushed_survives_power_cuts_on_xfs)
