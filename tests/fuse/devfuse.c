// SPDX-License-Identifier: Apache-2.0
/* A memfs mounted on this kernel: silence when warm, life and death of the mount, errors of mounting. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check_main.h"
#include "base/err.h"
#include "fuse/fuse_server.h"
#include "memfs.h"

static struct memfs *m;
static struct vf_devfuse *d;
static char mnt[4096];

static struct vf_devfuse_config config(void)
{
	struct vf_devfuse_config c = {.target = mnt, .fd = -1};

	c.session.fs = &m->fs;
	vf_policy_init(&c.session.policy);
	return c;
}

static void setup(void)
{
	m = memfs_new();
	snprintf(mnt, sizeof(mnt), "%s/mnt", vn_check_dir());
	mkdir(mnt, 0755);
}

static void teardown(void)
{
	vf_devfuse_close(d);
	memfs_free(m);
}

/* False where no mount can be made: the test then skips. */
static bool live(const struct vf_devfuse_config *c)
{
	struct vn_err err = {0};
	int code;

	if (geteuid() != 0 || vf_devfuse_check(NULL))
		return false;
	code = vf_devfuse_open(c, &d, &err);
	if (code == -EPERM)
		return false;
	ck_assert_msg(code == 0, "%s", vn_err_text(&err));
	ck_assert_msg(vf_devfuse_start(d, &err) == 0, "%s", vn_err_text(&err));
	return true;
}

#define NEED_MOUNT(c)                                                                  \
	do {                                                                           \
		if (!live(c))                                                          \
			vn_check_skip("needs root, /dev/fuse and the right to mount"); \
	} while (0)

static const char *at(const char *name)
{
	static _Thread_local char path[3][8192];
	static _Thread_local unsigned i;
	char *p = path[i++ % 3];

	snprintf(p, sizeof(path[0]), "%s/%s", mnt, name);
	return p;
}

/* All but what the kernel sends when it likes. */
static uint64_t messages(void)
{
	struct vf_stats st;
	uint64_t n;

	vf_session_stats(vf_devfuse_session(d), &st);
	n = st.messages;
	for (size_t i = 0; i < st.nops; i++)
		if (strstr(st.ops[i].name, "FORGET"))
			n -= st.ops[i].count;
	return n;
}

static uint64_t count(const char *op)
{
	struct vf_stats st;

	vf_session_stats(vf_devfuse_session(d), &st);
	for (size_t i = 0; i < st.nops; i++)
		if (strcmp(st.ops[i].name, op) == 0)
			return st.ops[i].count;
	return 0;
}

static void put(const char *name, const char *text)
{
	int fd = open(at(name), O_CREAT | O_WRONLY | O_TRUNC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(close(fd), 0);
}

static void expect(const char *name, const char *text)
{
	char buf[256];
	int fd = open(at(name), O_RDONLY);
	ssize_t n = read(fd, buf, sizeof(buf));

	ck_assert_int_eq(n, (ssize_t)strlen(text));
	ck_assert_int_eq(memcmp(buf, text, (size_t)n), 0);
	close(fd);
}

static unsigned list(const char *name)
{
	DIR *dir = opendir(at(name));
	unsigned n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* ---- silence ---- */

START_TEST(warm_operations_send_no_message)
{
	struct vf_devfuse_config c = config();
	struct stat st;
	char link[16];

	NEED_MOUNT(&c);
	ck_assert_int_eq(mkdir(at("d"), 0755), 0);
	put("d/f", "hello");
	ck_assert_int_eq(symlink("target", at("d/l")), 0);
	for (int round = 0; round < 3; round++) {
		uint64_t before = messages();

		ck_assert_int_eq(stat(at("d/f"), &st), 0);
		expect("d/f", "hello");
		ck_assert_int_eq(lstat(at("d/nothing"), &st), -1);
		ck_assert_int_eq(readlink(at("d/l"), link, sizeof(link)), 6);
		ck_assert_uint_eq(list("d"), 4);
		if (round == 2)
			ck_assert_uint_eq(messages() - before, 0);
	}
	ck_assert_uint_le(count("OPEN"), 1);
	ck_assert_uint_le(count("OPENDIR"), 1);
	ck_assert_uint_le(count("FLUSH"), 1);
}
END_TEST

/* LOOKUP, the operation, GETATTR of the parent: the kernel's own minimum. */
START_TEST(changes_send_no_more_than_the_kernel_needs)
{
	struct vf_devfuse_config c = config();
	char name[16];
	uint64_t before;

	NEED_MOUNT(&c);
	ck_assert_int_eq(mkdir(at("first"), 0755), 0);
	before = messages();
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		close(open(at(name), O_CREAT | O_WRONLY, 0644));
	}
	ck_assert_uint_le(messages() - before, 60);
	before = messages();
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		mkdir(at(name), 0755);
	}
	ck_assert_uint_le(messages() - before, 60);
	before = messages();
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		unlink(at(name));
	}
	ck_assert_uint_le(messages() - before, 40);
	ck_assert_uint_eq(count("RELEASE"), 0);
	ck_assert_uint_eq(count("OPEN"), 1);
	ck_assert_uint_eq(count("FLUSH"), 1);
}
END_TEST

START_TEST(finite_timeouts_are_asked_again)
{
	struct vf_devfuse_config c = config();
	struct stat st;
	uint64_t before;

	c.session.policy.attr_timeout = 0;
	c.session.policy.entry_timeout = 0;
	NEED_MOUNT(&c);
	put("f", "x");
	ck_assert_int_eq(stat(at("f"), &st), 0);
	before = messages();
	ck_assert_int_eq(stat(at("f"), &st), 0);
	ck_assert_uint_gt(messages(), before);
}
END_TEST

START_TEST(notices_make_the_kernel_ask_again)
{
	struct vf_devfuse_config c = config();
	struct stat st;
	uint64_t before;

	NEED_MOUNT(&c);
	put("f", "x");
	ck_assert_int_eq(stat(at("f"), &st), 0);
	before = count("LOOKUP");
	m->notify.inval_entry(m->notify.arg, 1, "f", 1);
	vf_devfuse_drain(d);
	ck_assert_int_eq(stat(at("f"), &st), 0);
	ck_assert_uint_eq(count("LOOKUP"), before + 1);
	before = count("GETATTR") + count("STATX");
	m->notify.inval_inode(m->notify.arg, st.st_ino, -1, 0);
	m->notify.inval_inode(m->notify.arg, 987654, 0, 0);
	vf_devfuse_drain(d);
	ck_assert_int_eq(stat(at("f"), &st), 0);
	ck_assert_uint_eq(count("GETATTR") + count("STATX"), before + 1);
	m->notify.inval_all(m->notify.arg);
	m->notify.delete_entry(m->notify.arg, 1, st.st_ino, "f", 1);
	vf_devfuse_drain(d);
	ck_assert_int_eq(stat(at("f"), &st), 0);
}
END_TEST

/* ---- bytes ---- */

START_TEST(large_and_small_writes_come_back)
{
	struct vf_devfuse_config c = config();
	size_t size = (8u << 20) + 4711;
	char *bytes = malloc(size), *back = malloc(size);
	int fd;

	NEED_MOUNT(&c);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)(i * 31 + (i >> 9));
	fd = open(at("big"), O_CREAT | O_RDWR, 0600);
	ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
	m->notify.inval_inode(m->notify.arg, 1024, 0, 0);
	vf_devfuse_drain(d);
	ck_assert_int_eq(pread(fd, back, size, 0), (ssize_t)size);
	ck_assert_int_eq(memcmp(bytes, back, size), 0);
	char *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	ck_assert_ptr_ne(map, MAP_FAILED);
	ck_assert_int_eq(memcmp(bytes, map, size), 0);
	munmap(map, size);
	close(fd);
	free(bytes);
	free(back);
}
END_TEST

START_TEST(truncation_on_open_and_append_arrive)
{
	struct vf_devfuse_config c = config();
	int fd;

	NEED_MOUNT(&c);
	put("f", "long content");
	put("f", "short");
	expect("f", "short");
	fd = open(at("f"), O_WRONLY | O_APPEND);
	ck_assert_int_eq(write(fd, "er", 2), 2);
	close(fd);
	expect("f", "shorter");
}
END_TEST

START_TEST(synchronous_writes_are_flushed)
{
	struct vf_devfuse_config c = config();
	int fd;

	NEED_MOUNT(&c);
	fd = open(at("f"), O_CREAT | O_WRONLY | O_DSYNC, 0600);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	close(fd);
	ck_assert_uint_eq(count("FSYNC"), 1);
}
END_TEST

/* ---- threads ---- */

static void *fsync_main(void *arg)
{
	int fd = open(at("slow"), O_RDWR);

	*(int *)arg = fsync(fd);
	close(fd);
	return NULL;
}

START_TEST(a_verb_that_waits_holds_nobody_up)
{
	struct vf_devfuse_config c = config();
	pthread_t t[4];
	int result[4] = {-1, -1, -1, -1};

	NEED_MOUNT(&c);
	put("slow", "x");
	atomic_store(&m->hold_fsync, true);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, fsync_main, &result[i]);
	while (atomic_load(&m->in_fsync) < 1)
		usleep(1000);
	for (int i = 0; i < 50; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%d", i);
		put(name, "served meanwhile");
	}
	atomic_store(&m->hold_fsync, false);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		ck_assert_int_eq(result[i], 0);
	}
}
END_TEST

static void *churn_main(void *arg)
{
	int id = *(int *)arg;

	for (int i = 0; i < 200; i++) {
		char name[32];

		snprintf(name, sizeof(name), "t%d-%d", id, i);
		put(name, name);
		expect(name, name);
		ck_assert_int_eq(unlink(at(name)), 0);
	}
	return NULL;
}

START_TEST(many_clients_at_once)
{
	struct vf_devfuse_config c = config();
	pid_t pids[4];

	NEED_MOUNT(&c);
	for (int i = 0; i < 4; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			churn_main(&i);
			_exit(0);
		}
	}
	for (int i = 0; i < 4; i++) {
		int status;

		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_uint_eq(list("."), 2);
}
END_TEST

/* ---- the second carrier ---- */

#define ENABLE_URING "/sys/module/fuse/parameters/enable_uring"

/* The switch as it was, 0 where it cannot be set. A mount keeps what it began with. */
static char uring_switch(char to)
{
	char was = 0;
	int fd = open(ENABLE_URING, O_RDWR);

	if (fd < 0 || pread(fd, &was, 1, 0) != 1 || pwrite(fd, &to, 1, 0) != 1)
		was = 0;
	if (fd >= 0)
		close(fd);
	return was;
}

static bool live_over_uring(const struct vf_devfuse_config *c)
{
	char was = uring_switch('Y');
	bool ok = was && live(c);

	if (was)
		uring_switch(was);
	return ok && strcmp(vf_devfuse_carrier(d), "io_uring") == 0;
}

START_TEST(requests_come_over_io_uring)
{
	struct vf_devfuse_config c = config();
	size_t size = 3u << 20;
	char *bytes = malloc(size), *back = malloc(size);
	pthread_t t[3];
	int result[3], fd;

	if (!live_over_uring(&c))
		vn_check_skip("this kernel or this process cannot use FUSE over io_uring");
	memset(bytes, 'b', size);
	put("slow", "x");
	expect("slow", "x");
	fd = open(at("big"), O_CREAT | O_RDWR, 0600);
	ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
	m->notify.inval_inode(m->notify.arg, 1025, 0, 0);
	vf_devfuse_drain(d);
	ck_assert_int_eq(pread(fd, back, size, 0), (ssize_t)size);
	ck_assert_int_eq(memcmp(bytes, back, size), 0);
	close(fd);
	atomic_store(&m->hold_fsync, true);
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, fsync_main, &result[i]);
	while (atomic_load(&m->in_fsync) < 1)
		usleep(1000);
	churn_main(&(int){1});
	atomic_store(&m->hold_fsync, false);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	ck_assert_uint_eq(list("."), 4);
	ck_assert_int_eq(umount2(mnt, 0), 0);
	vf_devfuse_wait(d);
	ck_assert(vf_devfuse_unmounted(d));
	free(bytes);
	free(back);
}
END_TEST

START_TEST(io_uring_ends_while_the_mount_is_busy)
{
	struct vf_devfuse_config c = config();
	int fd;

	if (!live_over_uring(&c))
		vn_check_skip("this kernel or this process cannot use FUSE over io_uring");
	put("f", "x");
	fd = open(at("f"), O_RDWR);
	vf_devfuse_close(d);
	d = NULL;
	ck_assert_int_eq(pwrite(fd, "y", 1, 0), -1);
	close(fd);
}
END_TEST

/* ---- life and death ---- */

START_TEST(unmounting_from_outside_ends_the_wait)
{
	struct vf_devfuse_config c = config();

	NEED_MOUNT(&c);
	put("f", "x");
	ck_assert_int_eq(umount2(mnt, 0), 0);
	vf_devfuse_wait(d);
	ck_assert(vf_devfuse_unmounted(d));
}
END_TEST

START_TEST(a_lazily_unmounted_tree_works_until_it_is_closed)
{
	struct vf_devfuse_config c = config();
	char byte = 0;
	int fd;

	NEED_MOUNT(&c);
	put("f", "x");
	fd = open(at("f"), O_RDWR);
	ck_assert_int_eq(umount2(mnt, MNT_DETACH), 0);
	ck_assert_int_eq(pwrite(fd, "y", 1, 0), 1);
	ck_assert_int_eq(pread(fd, &byte, 1, 0), 1);
	ck_assert_int_eq(byte, 'y');
	close(fd);
	vf_devfuse_wait(d);
	ck_assert(vf_devfuse_unmounted(d));
}
END_TEST

START_TEST(an_aborted_mount_is_taken_away)
{
	struct vf_devfuse_config c = config();
	char ctl[4096], path[4200];
	struct stat st;
	FILE *f;

	NEED_MOUNT(&c);
	snprintf(ctl, sizeof(ctl), "%s/ctl", vn_check_dir());
	if (mkdir(ctl, 0700) || mount("none", ctl, "fusectl", 0, NULL))
		vn_check_skip("needs the fusectl file system");
	ck_assert_int_eq(stat(mnt, &st), 0);
	snprintf(path, sizeof(path), "%s/%u/abort", ctl, (unsigned)minor(st.st_dev));
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs("1", f);
	fclose(f);
	umount2(ctl, MNT_DETACH);
	vf_devfuse_wait(d);
	ck_assert(!vf_devfuse_unmounted(d));
	vf_devfuse_close(d);
	d = NULL;
	ck_assert_int_eq(stat(mnt, &st), 0);
	ck_assert_int_eq(stat(at("f"), &st), -1);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(closing_takes_a_busy_mount_away)
{
	struct vf_devfuse_config c = config();
	struct stat st;
	int fd;

	NEED_MOUNT(&c);
	put("f", "x");
	fd = open(at("f"), O_RDWR);
	vf_devfuse_close(d);
	d = NULL;
	ck_assert_int_eq(m->sessions, 0);
	ck_assert_int_eq(stat(at("f"), &st), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(pwrite(fd, "y", 1, 0), -1);
	ck_assert_int_eq(errno, ENOTCONN);
	close(fd);
}
END_TEST

START_TEST(stopping_leaves_a_mount_over_it_alone)
{
	struct vf_devfuse_config c = config();
	struct stat st;

	NEED_MOUNT(&c);
	ck_assert_int_eq(mount("none", mnt, "tmpfs", 0, NULL), 0);
	ck_assert_int_eq(mkdir(at("above"), 0755), 0);
	vf_devfuse_stop(d);
	ck_assert_int_eq(stat(at("above"), &st), 0);
	ck_assert_int_eq(umount2(mnt, 0), 0);
	ck_assert_int_eq(umount2(mnt, 0), 0);
}
END_TEST

START_TEST(a_mount_made_elsewhere_is_served)
{
	struct vf_devfuse_config c = config();
	char data[128];

	if (geteuid() != 0 || vf_devfuse_check(NULL))
		vn_check_skip("needs root and /dev/fuse");
	c.target = NULL;
	c.fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(data, sizeof(data), "fd=%d,rootmode=40000,user_id=0,group_id=0,default_permissions", c.fd);
	if (mount("veneer", mnt, "fuse.veneer", 0, data) < 0)
		vn_check_skip("needs the right to mount");
	NEED_MOUNT(&c);
	put("f", "x");
	expect("f", "x");
	ck_assert_int_eq(umount2(mnt, 0), 0);
	vf_devfuse_wait(d);
}
END_TEST

START_TEST(mount_options_reach_the_kernel)
{
	struct vf_devfuse_config c = config();
	char line[8192], want[8192];
	bool found = false;

	c.mount = (struct vf_mount_options){
		.fsname = "my,tree", .readonly = true, .nosuid = true, .nodev = true, .noatime = true};
	NEED_MOUNT(&c);
	ck_assert_int_eq(open(at("f"), O_CREAT | O_WRONLY, 0600), -1);
	ck_assert_int_eq(errno, EROFS);
	snprintf(want, sizeof(want), "my,tree %s fuse.veneer ro,nosuid,nodev,noatime,", mnt);
	FILE *f = fopen("/proc/mounts", "r");

	while (fgets(line, sizeof(line), f))
		found |= strncmp(line, want, strlen(want)) == 0;
	fclose(f);
	ck_assert(found);
}
END_TEST

/* ---- errors of mounting ---- */

static void refused(const struct vf_devfuse_config *c, int code, const char *word)
{
	struct vn_err err = {0};

	ck_assert_int_eq(vf_devfuse_open(c, &d, &err), code);
	ck_assert_msg(strstr(vn_err_text(&err), word) != NULL, "'%s' does not say '%s'", vn_err_text(&err), word);
	ck_assert_uint_eq(m->sessions, 0);
}

START_TEST(targets_that_cannot_be_mounted_on_are_named)
{
	struct vf_devfuse_config c = config();

	c.target = "/nonexistent/place";
	refused(&c, -ENOENT, "/nonexistent/place does not exist");
	c.target = "/etc/passwd";
	refused(&c, -ENOTDIR, "/etc/passwd is not a directory");
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){.suite = "fuse/devfuse", .setup = setup, .teardown = teardown}),
		   warm_operations_send_no_message, changes_send_no_more_than_the_kernel_needs,
		   finite_timeouts_are_asked_again, notices_make_the_kernel_ask_again, large_and_small_writes_come_back,
		   truncation_on_open_and_append_arrive, synchronous_writes_are_flushed, a_verb_that_waits_holds_nobody_up,
		   many_clients_at_once, requests_come_over_io_uring, io_uring_ends_while_the_mount_is_busy,
		   unmounting_from_outside_ends_the_wait, a_lazily_unmounted_tree_works_until_it_is_closed,
		   an_aborted_mount_is_taken_away, closing_takes_a_busy_mount_away,
		   stopping_leaves_a_mount_over_it_alone, a_mount_made_elsewhere_is_served,
		   mount_options_reach_the_kernel, targets_that_cannot_be_mounted_on_are_named)
