// SPDX-License-Identifier: Apache-2.0
/* What the verbs promise about bytes, one by one. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check_main.h"
#include "base/clock.h"
#include "engine.h"
#include "overlay/file.h"
#include "overlay/tree.h"

#define MIB (1u << 20)

static struct engine e;

static void begin(size_t lowers)
{
	engine_init(&e, lowers);
}

/* A base file of random bytes without holes. */
static void lower_big(const char *name, size_t size)
{
	char path[512], *buf = malloc(size);
	int fd;

	ck_assert_ptr_nonnull(buf);
	for (size_t i = 0; i < size; i++)
		buf[i] = (char)(1 + i * 7 / 3 % 250);
	snprintf(path, sizeof(path), "%s/%s", e.lowers[0], name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, buf, size), (ssize_t)size);
	close(fd);
	free(buf);
}

static char big_byte(size_t i)
{
	return (char)(1 + i * 7 / 3 % 250);
}

static uint64_t node_of(const char *path)
{
	uint64_t node;

	ck_assert_int_eq(e_node(&e, path, &node), 0);
	return node;
}

static ssize_t write_at(uint64_t node, uint64_t off, const void *data, size_t n, uint32_t flags)
{
	struct iovec iov = {(void *)data, n};

	return e.fs->ops->write(e.fs, &e.ctx, node, off, &iov, 1, flags);
}

static ssize_t read_at(uint64_t node, uint64_t off, void *buf, size_t n)
{
	struct iovec iov = {buf, n};

	return e.fs->ops->read(e.fs, &e.ctx, node, off, &iov, 1);
}

static void byte_is(uint64_t node, uint64_t off, char want)
{
	char c = 0;

	ck_assert_int_eq(read_at(node, off, &c, 1), 1);
	ck_assert_int_eq(c, want);
}

static int set_size(uint64_t node, uint64_t size)
{
	const struct vn_setattr set = {.valid = VN_SET_SIZE, .size = size};
	struct vn_attr attr;

	return e.fs->ops->setattr(e.fs, &e.ctx, node, &set, &attr);
}

/* What a command prints, as a number. */
__attribute__((format(printf, 1, 2))) static long long ask(const char *format, ...)
{
	char command[2048];
	long long value = -1;
	va_list ap;
	FILE *f;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	f = popen(command, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%lld", &value), 1);
	pclose(f);
	return value;
}

/* Data files that hold something; those made in advance are empty. */
static long long data_files(void)
{
	return ask("find '%s/data' -type f -size +0 | wc -l", e.upper);
}

static long long data_blocks(void)
{
	return ask("find '%s/data' -type f -printf '%%b\\n' | awk '{n += $1} END {print 512 * n}'", e.upper);
}

/* ---- how much is copied ---- */

START_TEST(appending_a_byte_to_a_large_file_moves_at_most_two_blocks)
{
	uint64_t node;

	begin(1);
	lower_big("big", 8 * MIB + 100);
	engine_open(&e);
	node = node_of("big");
	ck_assert_int_eq(write_at(node, 0, "!", 1, VN_WRITE_APPEND), 1);
	byte_is(node, 8 * MIB + 100, '!');
	byte_is(node, 8 * MIB + 99, big_byte(8 * MIB + 99));
	byte_is(node, 0, big_byte(0));
	ck_assert_int_le(data_blocks(), 2 * 65536);
	engine_reopen(&e);
	node = node_of("big");
	byte_is(node, 8 * MIB + 100, '!');
	byte_is(node, 4 * MIB, big_byte(4 * MIB));
	ck_assert_int_le(data_blocks(), 2 * 65536);
	engine_close(&e);
}
END_TEST

START_TEST(metadata_and_truncation_to_nothing_copy_no_data)
{
	begin(1);
	lower_big("a", 300000);
	lower_big("b", 300000);
	engine_open(&e);
	ck_assert_int_eq(e_chmod(&e, "a", 0600), 0);
	ck_assert_int_eq(e_chown(&e, "a", 5, 6), 0);
	ck_assert_int_eq(e_truncate(&e, "b", 0), 0);
	e_is(&e, "b", "");
	ck_assert_int_eq(data_files(), 0);
	byte_is(node_of("a"), 299999, big_byte(299999));
	ck_assert_int_eq(e_truncate(&e, "a", 100), 0);
	ck_assert_int_eq(e_truncate(&e, "a", 200), 0);
	byte_is(node_of("a"), 99, big_byte(99));
	byte_is(node_of("a"), 100, 0);
	ck_assert_int_eq(data_files(), 0);
	engine_close(&e);
}
END_TEST

START_TEST(a_write_over_everything_reads_nothing_below)
{
	struct ovl_stats stats;
	static char buf[100000];

	begin(1);
	lower_big("a", sizeof(buf));
	engine_open(&e);
	memset(buf, 'x', sizeof(buf));
	ck_assert_int_eq(write_at(node_of("a"), 0, buf, sizeof(buf), 0), sizeof(buf));
	ovl_stats(e.tree, &stats);
	ck_assert_uint_eq(stats.copied_up, 1);
	ck_assert_uint_eq(stats.copied_bytes, 0);
	ck_assert_int_eq(write_at(node_of("a"), 5, "y", 1, 0), 1);
	ovl_stats(e.tree, &stats);
	ck_assert_uint_eq(stats.copied_up, 1);
	engine_close(&e);
}
END_TEST

START_TEST(a_partial_file_becomes_full_by_itself)
{
	uint64_t node;

	begin(1);
	e.config.commit_s = 1;
	lower_big("big", 3 * 65536);
	engine_open(&e);
	node = node_of("big");
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(write_at(node, (uint64_t)i * 65536 + 5, "x", 1, 0), 1);
	for (int i = 0; i < 1000; i++) {
		struct ovl_node *n = ovl_node_find(e.tree, node & OVL_INO_MASK);
		bool full;

		pthread_rwlock_rdlock(&n->lock);
		full = ovl_own(n)->state == STORE_FULL;
		pthread_rwlock_unlock(&n->lock);
		ovl_node_put(e.tree, n);
		if (full) {
			engine_close(&e);
			return;
		}
		usleep(100000);
	}
	ck_abort_msg("still partial after a hundred commit intervals");
}
END_TEST

/* ---- attributes of a write ---- */

START_TEST(a_write_changes_mtime_and_ctime_and_reading_nothing)
{
	struct vn_attr before, after;
	char buf[16];

	begin(1);
	lower_file(&e, 0, "f", "content");
	engine_open(&e);
	e_stat(&e, "f", &before);
	ck_assert_int_eq(read_at(node_of("f"), 0, buf, sizeof(buf)), 7);
	e_stat(&e, "f", &after);
	ck_assert_mem_eq(&before, &after, sizeof(before));
	usleep(2000);
	ck_assert_int_eq(e_write(&e, "f", 3, "X"), 0);
	e_stat(&e, "f", &after);
	ck_assert_int_gt(after.mtime, before.mtime);
	ck_assert_int_eq(after.mtime, after.ctime);
	ck_assert_int_eq(after.atime, before.atime);
	e_is(&e, "f", "conXent");
	engine_reopen(&e);
	e_stat(&e, "f", &before);
	ck_assert_int_eq(before.mtime, after.mtime);
	engine_close(&e);
}
END_TEST

/* It sends them when it likes: ours would come after them, and stay. */
START_TEST(a_client_that_collects_writes_keeps_the_times)
{
	const struct vn_session_config config = {.id = 2, .writeback = true};
	const struct vn_setattr same = {.valid = VN_SET_SIZE, .size = 7}, kill = {.valid = VN_SET_KILL_SUIDGID};
	struct vn_attr before, after;
	struct vn_fs_session *session;
	struct vn_ctx ctx;
	uint64_t node, other;

	begin(1);
	lower_file(&e, 0, "f", "content");
	engine_open(&e);
	ck_assert_int_eq(e_create(&e, "g", 0644), 0);
	ck_assert_int_eq(e.fs->ops->session_new(e.fs, &config, &session), 0);
	ctx = (struct vn_ctx){.session = session};
	node = node_of("f");
	other = node_of("g");
	e_stat(&e, "f", &before);
	usleep(2000);
	ck_assert_int_eq(e.fs->ops->setattr(e.fs, &ctx, node, &same, &after), 0);
	ck_assert_int_eq(e.fs->ops->setattr(e.fs, &ctx, node, &kill, &after), 0);
	ck_assert_int_eq(e.fs->ops->write(e.fs, &ctx, node, 0, &(struct iovec){(void *)"C", 1}, 1, 0), 1);
	ck_assert_int_eq(e.fs->ops->write(e.fs, &ctx, node, 1, &(struct iovec){(void *)"O", 1}, 1, VN_WRITE_CACHE), 1);
	ck_assert_int_eq(e.fs->ops->fallocate(e.fs, &ctx, node, 0, 0, 9), 0);
	ck_assert_int_eq(e.fs->ops->copy_file_range(e.fs, &ctx, node, 0, other, 0, 4, 0), 4);
	e_stat(&e, "f", &after);
	ck_assert_int_eq(after.mtime, before.mtime);
	ck_assert_int_eq(after.ctime, before.ctime);
	ck_assert_uint_eq(after.size, 9);
	e_stat(&e, "g", &after);
	ck_assert_int_eq(after.mtime, after.btime);
	e_is(&e, "g", "COnt");
	e.fs->ops->session_free(e.fs, session, false);
	engine_close(&e);
}
END_TEST

START_TEST(a_write_takes_suid_and_capabilities_away)
{
	struct vn_attr attr;
	uint64_t node;

	begin(1);
	engine_open(&e);
	ck_assert_int_eq(e_create(&e, "f", 06755), 0);
	node = node_of("f");
	ck_assert_int_eq(write_at(node, 0, "a", 1, 0), 1);
	e_stat(&e, "f", &attr);
	ck_assert_uint_eq(attr.mode & 07777, 06755);
	ck_assert_int_eq(e_setxattr(&e, "f", "security.capability", "caps"), 0);
	ck_assert_int_eq(write_at(node, 0, "b", 1, VN_WRITE_KILL_SUIDGID), 1);
	e_stat(&e, "f", &attr);
	ck_assert_uint_eq(attr.mode & 07777, 0755);
	e_xattr_is(&e, "f", "security.capability", NULL);
	engine_reopen(&e);
	e_stat(&e, "f", &attr);
	ck_assert_uint_eq(attr.mode & 07777, 0755);
	e_xattr_is(&e, "f", "security.capability", NULL);
	engine_close(&e);
}
END_TEST

static void set_flags(uint64_t node, uint32_t flags)
{
	struct ovl_node *n = ovl_node_find(e.tree, node & OVL_INO_MASK);

	ck_assert_ptr_nonnull(n);
	pthread_rwlock_wrlock(&n->lock);
	ovl_own(n)->flags = (ovl_own(n)->flags & ~(uint32_t)(STORE_APPEND | STORE_IMMUTABLE)) | flags;
	pthread_rwlock_unlock(&n->lock);
	ovl_node_put(e.tree, n);
}

START_TEST(append_only_and_immutable_files_are_kept)
{
	uint64_t node;

	begin(1);
	engine_open(&e);
	ck_assert_int_eq(e_create(&e, "f", 0644), 0);
	node = node_of("f");
	ck_assert_int_eq(write_at(node, 0, "abc", 3, 0), 3);
	set_flags(node, STORE_APPEND);
	ck_assert_int_eq(write_at(node, 1, "X", 1, 0), -EPERM);
	ck_assert_int_eq(write_at(node, 0, "d", 1, VN_WRITE_APPEND), 1);
	ck_assert_int_eq(write_at(node, 4, "e", 1, 0), 1);
	/* a page written back late: what stands there stays */
	ck_assert_int_eq(write_at(node, 0, "XXXXXf", 6, VN_WRITE_CACHE), 6);
	e_is(&e, "f", "abcdef");
	ck_assert_int_eq(write_at(node, 0, "---", 3, VN_WRITE_CACHE), 3);
	e_is(&e, "f", "abcdef");
	ck_assert_int_eq(set_size(node, 0), -EPERM);
	ck_assert_int_eq(e.fs->ops->fallocate(e.fs, &e.ctx, node, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2),
			 -EPERM);
	set_flags(node, STORE_IMMUTABLE);
	ck_assert_int_eq(write_at(node, 6, "X", 1, VN_WRITE_APPEND), -EPERM);
	ck_assert_int_eq(e.fs->ops->fallocate(e.fs, &e.ctx, node, 0, 0, 20), -EPERM);
	e_is(&e, "f", "abcdef");
	engine_close(&e);
}
END_TEST

/* ---- limits and failures ---- */

START_TEST(sizes_that_no_file_can_have)
{
	uint64_t node;

	begin(1);
	engine_open(&e);
	ck_assert_int_eq(e_create(&e, "f", 0644), 0);
	node = node_of("f");
	ck_assert_int_eq(write_at(node, INT64_MAX, "x", 1, 0), -EFBIG);
	ck_assert_int_eq(write_at(node, UINT64_MAX, "x", 1, 0), -EFBIG);
	ck_assert_int_eq(set_size(node, UINT64_MAX), -EFBIG);
	ck_assert_int_eq(e.fs->ops->fallocate(e.fs, &e.ctx, node, 0, INT64_MAX, 10), -EFBIG);
	ck_assert_int_eq(e.fs->ops->fallocate(e.fs, &e.ctx, node, 0, 0, 0), -EINVAL);
	ck_assert_int_eq(e.fs->ops->fallocate(e.fs, &e.ctx, node, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), -EOPNOTSUPP);
	ck_assert_int_eq(e.fs->ops->fallocate(e.fs, &e.ctx, node, FALLOC_FL_PUNCH_HOLE, 0, 4096), -EOPNOTSUPP);
	ck_assert_int_eq(e.fs->ops->lseek(e.fs, &e.ctx, node, 0, SEEK_DATA), -ENXIO);
	ck_assert_int_eq(e.fs->ops->lseek(e.fs, &e.ctx, node, -1, SEEK_HOLE), -ENXIO);
	e_is(&e, "f", "");
	engine_close(&e);
}
END_TEST

START_TEST(beyond_four_gigabytes_with_holes)
{
	const uint64_t far = UINT64_C(5) << 30;
	uint64_t node;
	struct vn_attr attr;

	begin(1);
	lower_big("big", 300000);
	engine_open(&e);
	node = node_of("big");
	ck_assert_int_eq(write_at(node, far, "far", 3, 0), 3);
	byte_is(node, 299999, big_byte(299999));
	byte_is(node, far - 1, 0);
	byte_is(node, far + 2, 'r');
	ck_assert_int_eq(e.fs->ops->lseek(e.fs, &e.ctx, node, 1 << 20, SEEK_DATA) > (int64_t)far - 70000, true);
	engine_reopen(&e);
	node = node_of("big");
	byte_is(node, far, 'f');
	ck_assert_int_eq(set_size(node, far + 1), 0);
	e_stat(&e, "big", &attr);
	ck_assert_uint_eq(attr.size, far + 1);
	ck_assert_uint_lt(attr.blocks, 10000);
	engine_close(&e);
}
END_TEST

START_TEST(a_lower_file_that_shrinks_gives_eio_behind_its_end)
{
	char path[512], buf[16];
	uint64_t node;

	begin(1);
	lower_big("small", 5000);
	lower_big("big", 500000);
	engine_open(&e);
	node = node_of("small");
	byte_is(node, 4999, big_byte(4999));
	snprintf(path, sizeof(path), "%s/small", e.lowers[0]);
	ck_assert_int_eq(truncate(path, 100), 0);
	byte_is(node, 99, big_byte(99));
	ck_assert_int_eq(read_at(node, 95, buf, 16), -EIO);
	ck_assert_int_eq(write_at(node, 10, "x", 1, 0), -EIO);
	byte_is(node, 10, big_byte(10));
	node = node_of("big");
	snprintf(path, sizeof(path), "%s/big", e.lowers[0]);
	ck_assert_int_eq(truncate(path, 100), 0);
	ck_assert_int_eq(write_at(node, 300000, "x", 1, 0), -EIO);
	ck_assert_int_eq(read_at(node, 300000, buf, 16), -EIO);
	engine_close(&e);
}
END_TEST

/* A file system of a few MiB for lowers and upper, gone with this process. -1: not allowed here. */
static int small_disk(const char *type, const char *options, unsigned mib, const char *mkfs)
{
	static char mnt[256], image[256], command[2048];

	snprintf(mnt, sizeof(mnt), "%s/mnt", vn_check_dir());
	snprintf(image, sizeof(image), "%s/image", vn_check_dir());
	mkdir(mnt, 0755);
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -1;
	if (!mkfs)
		return mount("none", mnt, type, 0, options);
	snprintf(command, sizeof(command), "{ truncate -s %uM '%s' && %s '%s' && mount -t %s -o loop%s '%s' '%s'; } >/dev/null 2>&1",
		 mib, image, mkfs, image, type, options, image, mnt);
	return system(command) ? -1 : 0;
}

static void use_disk(void)
{
	char command[600];

	snprintf(command, sizeof(command), "rmdir '%s'", e.lowers[0]);
	ck_assert_int_eq(system(command), 0);
	snprintf(e.lowers[0], sizeof(e.lowers[0]), "%s/mnt/lower", vn_check_dir());
	snprintf(e.upper, sizeof(e.upper), "%s/mnt/upper", vn_check_dir());
	ck_assert_int_eq(mkdir(e.lowers[0], 0755), 0);
}

START_TEST(a_full_disk_fails_the_write_and_nothing_else)
{
	static char buf[MIB];
	uint64_t node, big;
	ssize_t n = 0;
	uint64_t size = 0;

	if (small_disk("tmpfs", "size=64M", 0, NULL))
		vn_check_skip("cannot mount a small file system here");
	begin(1);
	use_disk();
	lower_big("big", 4 * MIB);
	engine_open(&e);
	ck_assert_int_eq(e_create(&e, "f", 0644), 0);
	node = node_of("f");
	big = node_of("big");
	ck_assert_int_eq(write_at(big, 100, "copied up", 9, 0), 9);
	memset(buf, 'x', sizeof(buf));
	while (size < 100 * MIB && (n = write_at(node, size, buf, sizeof(buf), 0)) > 0)
		size += (uint64_t)n;
	ck_assert_int_eq(n, -ENOSPC);
	struct vn_attr attr;

	e_stat(&e, "f", &attr);
	ck_assert_uint_eq(attr.size, size);
	byte_is(node, size - 1, 'x');
	ck_assert_int_eq(write_at(big, 2 * MIB + 1, "y", 1, 0), -ENOSPC);
	byte_is(big, 2 * MIB + 1, big_byte(2 * MIB + 1));
	byte_is(big, 100, 'c');
	ck_assert_int_eq(set_size(node, 0), 0);
	ck_assert_int_eq(ovl_settle(e.tree), 0);
	/* the space comes back when the truncation is durable */
	for (int i = 0; i < 1000 && (n = write_at(big, 2 * MIB + 1, "y", 1, 0)) < 0; i++)
		usleep(100000);
	ck_assert_int_eq(n, 1);
	byte_is(big, 2 * MIB, big_byte(2 * MIB));
	engine_reopen(&e);
	byte_is(node_of("big"), 2 * MIB + 1, 'y');
	engine_close(&e);
}
END_TEST

START_TEST(reflink_copies_up_without_moving_bytes)
{
	struct ovl_stats stats;
	uint64_t node;
	long long before;

	if (small_disk("xfs", "", 400, "mkfs.xfs -q -m reflink=1"))
		vn_check_skip("no XFS with reflinks on a loop device here");
	begin(1);
	use_disk();
	lower_big("big", 40 * MIB);
	lower_big("small", 70000);
	engine_open(&e);
	sync();
	before = ask("df --output=used -k '%s' | tail -1", e.upper);
	node = node_of("big");
	ck_assert_int_eq(write_at(node, 20 * MIB + 1, "x", 1, 0), 1);
	ck_assert_int_eq(write_at(node_of("small"), 1, "x", 1, 0), 1);
	ovl_stats(e.tree, &stats);
	ck_assert_uint_eq(stats.copied_up, 2);
	ck_assert_uint_eq(stats.copied_bytes, 0);
	byte_is(node, 20 * MIB, big_byte(20 * MIB));
	byte_is(node, 20 * MIB + 1, 'x');
	byte_is(node, 40 * MIB - 1, big_byte(40 * MIB - 1));
	ck_assert_int_eq(ovl_settle(e.tree), 0);
	sync();
	ck_assert_int_lt(ask("df --output=used -k '%s' | tail -1", e.upper) - before, 4096);
	engine_reopen(&e);
	byte_is(node_of("big"), 0, big_byte(0));
	byte_is(node_of("big"), 20 * MIB + 1, 'x');
	byte_is(node_of("small"), 69999, big_byte(69999));
	engine_close(&e);
}
END_TEST

/* ---- descriptors ---- */

START_TEST(descriptors_stay_below_their_limit)
{
	struct ovl_stats stats;
	char name[16];

	begin(1);
	for (int i = 0; i < 900; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		lower_file(&e, 0, name, "base");
	}
	engine_open(&e);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 900; i++) {
			uint64_t node;

			snprintf(name, sizeof(name), "f%d", i);
			node = node_of(name); /* held, as a client does */
			if (i % 2)
				ck_assert_int_eq(write_at(node, 0, "B", 1, 0), 1);
			byte_is(node, 1, 'a');
		}
		ovl_stats(e.tree, &stats);
		ck_assert_uint_le(stats.open_files, 512);
		ck_assert_uint_gt(stats.open_files, 400);
	}
	ck_assert_int_lt(ask("ls /proc/%d/fd | wc -l", (int)getpid()), 1024);
	engine_close(&e);
}
END_TEST

/* ---- mappings ---- */

START_TEST(mappings_name_the_host_bytes)
{
	struct vn_range range;
	uint64_t node;
	char c;

	begin(1);
	lower_big("big", 300000);
	engine_open(&e);
	node = node_of("big");
	ck_assert_int_eq(e.fs->ops->map(e.fs, &e.ctx, node, 4096, 8192, false, &range), 0);
	ck_assert_int_eq(pread(range.fd, &c, 1, (off_t)range.offset), 1);
	ck_assert_int_eq(c, big_byte(4096));
	e.fs->ops->unmap(e.fs, &e.ctx, node, 4096, 8192);
	ck_assert_int_eq(write_at(node, 0, "x", 1, 0), 1);
	/* half copied: a reader of one block may map it, one of the whole gets a whole file */
	ck_assert_int_eq(e.fs->ops->map(e.fs, &e.ctx, node, 0, 300000, false, &range), 0);
	ck_assert_int_eq(pread(range.fd, &c, 1, 299999), 1);
	ck_assert_int_eq(c, big_byte(299999));
	ck_assert_int_eq(e.fs->ops->map(e.fs, &e.ctx, node, 0, 4096, true, &range), 0);
	ck_assert_int_eq(pwrite(range.fd, "mapped", 6, 10), 6);
	byte_is(node, 10, 'm');
	/* truncation keeps the file that is mapped */
	ck_assert_int_eq(set_size(node, 0), 0);
	ck_assert_int_eq(write_at(node, 0, "again", 5, 0), 5);
	ck_assert_int_eq(pread(range.fd, &c, 1, 1), 1);
	ck_assert_int_eq(c, 'g');
	e.fs->ops->unmap(e.fs, &e.ctx, node, 0, 4096);
	e.fs->ops->unmap(e.fs, &e.ctx, node, 0, 300000);
	engine_reopen(&e);
	e_is(&e, "big", "again");
	engine_close(&e);
}
END_TEST

START_TEST(a_tree_without_an_upper_maps_and_reads)
{
	struct vn_range range;

	begin(1);
	lower_big("big", 300000);
	e.config.upper = NULL;
	engine_open(&e);
	byte_is(node_of("big"), 299999, big_byte(299999));
	ck_assert_int_eq(write_at(node_of("big"), 0, "x", 1, 0), -EROFS);
	ck_assert_int_eq(e.fs->ops->map(e.fs, &e.ctx, node_of("big"), 0, 4096, true, &range), -EROFS);
	ck_assert_int_eq(e.fs->ops->map(e.fs, &e.ctx, node_of("big"), 0, 4096, false, &range), 0);
	e.fs->ops->unmap(e.fs, &e.ctx, node_of("big"), 0, 4096);
	engine_close(&e);
}
END_TEST

/* ---- threads ---- */

static uint64_t shared;

/* Writes its own bytes of the file again and again and reads the others' meanwhile. */
static void *scribble(void *arg)
{
	uint64_t lane = (uint64_t)(uintptr_t)arg;
	char buf[300];

	for (unsigned i = 0; i < 400; i++) {
		uint64_t off = (i * 5077 % 1000) * 1000 + lane * 100;

		memset(buf, (int)('a' + lane), 100);
		if (write_at(shared, off, buf, 100, 0) != 100)
			return (void *)"a write failed";
		if (read_at(shared, off, buf, 100) != 100 || buf[0] != (char)('a' + lane) || buf[99] != buf[0])
			return (void *)"own bytes are not there";
		if (read_at(shared, off + 100, buf, 300) < 0)
			return (void *)"a read failed";
	}
	return NULL;
}

START_TEST(threads_write_and_read_one_half_copied_file)
{
	pthread_t threads[6];
	struct ovl_stats stats;

	begin(1);
	e.config.commit_s = 1;
	lower_big("big", 1000000);
	engine_open(&e);
	shared = node_of("big");
	for (uintptr_t i = 0; i < 6; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, scribble, (void *)i), 0);
	for (int i = 0; i < 6; i++) {
		void *why;

		pthread_join(threads[i], &why);
		ck_assert_msg(!why, "%s", (char *)why);
	}
	ovl_stats(e.tree, &stats);
	ck_assert_uint_eq(stats.copied_up, 1);
	ck_assert_uint_le(stats.copied_bytes, 1000000);
	byte_is(shared, 999, big_byte(999));
	byte_is(shared, 999999, big_byte(999999));
	engine_close(&e);
}
END_TEST

static struct {
	uint64_t nodes[64];
} many;

static void *open_many(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	char c;

	for (int i = 0; i < 3000; i++) {
		uint64_t node = many.nodes[rand_r(&seed) % 64];

		if (rand_r(&seed) % 8 == 0 && write_at(node, 0, "B", 1, 0) != 1)
			return (void *)"a write failed";
		if (read_at(node, 1, &c, 1) != 1 || c != 'a')
			return (void *)"a read failed";
	}
	return NULL;
}

/* A limit that is far too small: files come and go under their users. */
START_TEST(threads_share_a_cache_that_is_too_small)
{
	struct rlimit rl;
	pthread_t threads[4];
	char name[16];

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &rl), 0);
	begin(1);
	for (int i = 0; i < 64; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		lower_file(&e, 0, name, "base");
	}
	engine_open(&e);
	e.tree->files->limit = 4;
	for (int i = 0; i < 64; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		many.nodes[i] = node_of(name);
	}
	for (uintptr_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, open_many, (void *)(i + 1)), 0);
	for (int i = 0; i < 4; i++) {
		void *why;

		pthread_join(threads[i], &why);
		ck_assert_msg(!why, "%s", (char *)why);
	}
	ck_assert_uint_le(ovl_files_open(e.tree), 8);
	engine_close(&e);
}
END_TEST

/* 0 or -errno of asking; when there is a file, it has to be this long. */
static int backing_of(const char *path, uint64_t size)
{
	uint64_t node = node_of(path);
	int fd = -1, r = e.fs->ops->backing(e.fs, &e.ctx, node, &fd);
	struct stat st;

	ck_assert_int_eq(e.fs->ops->backing(e.fs, &e.ctx, node, NULL), r);
	if (r)
		return r;
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_size, size);
	ck_assert_int_eq(close(fd), 0);
	return 0;
}

START_TEST(a_client_may_read_whole_lower_files_itself)
{
	const char *const changed[] = {"written", "cut", "grown", "emptied"};
	struct statvfs vfs;

	begin(1);
	for (size_t i = 0; i < VN_ARRAY_LEN(changed); i++)
		lower_big(changed[i], MIB);
	lower_big("big", MIB);
	lower_big("small", 4096);
	lower_dir(&e, 0, "dir");
	lower_symlink(&e, 0, "link", "big");
	engine_open(&e);
	/* Only where the lower can be had on a mount that changes nothing. */
	if (fstatvfs(base_fd(e.tree->base), &vfs) || !(vfs.f_flag & ST_NOATIME)) {
		engine_close(&e);
		return;
	}
	ck_assert_int_eq(backing_of("big", MIB), 0);
	ck_assert_int_eq(backing_of("small", 0), -ENOTSUP);
	ck_assert_int_eq(backing_of("dir", 0), -ENOTSUP);
	ck_assert_int_eq(backing_of("link", 0), -ENOTSUP);
	/* Attributes and names are no bytes. */
	ck_assert_int_eq(e_chmod(&e, "big", 0600), 0);
	ck_assert_int_eq(e_setxattr(&e, "big", "user.a", "b"), 0);
	ck_assert_int_eq(e_rename(&e, "big", "moved", 0), 0);
	ck_assert_int_eq(backing_of("moved", MIB), 0);
	ck_assert_int_eq(e_write(&e, "written", 5, "x"), 0);
	ck_assert_int_eq(e_truncate(&e, "cut", MIB - 1), 0);
	ck_assert_int_eq(e_truncate(&e, "cut", MIB), 0);
	ck_assert_int_eq(e_truncate(&e, "grown", MIB + 1), 0);
	ck_assert_int_eq(e_truncate(&e, "emptied", 0), 0);
	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < VN_ARRAY_LEN(changed); i++)
			ck_assert_int_eq(backing_of(changed[i], 0), -ENOTSUP);
		ck_assert_int_eq(backing_of("moved", MIB), 0);
		engine_reopen(&e);
	}
	engine_close(&e);
}
END_TEST

VN_CHECK_MAIN("overlay/data", a_client_may_read_whole_lower_files_itself, appending_a_byte_to_a_large_file_moves_at_most_two_blocks,
	      metadata_and_truncation_to_nothing_copy_no_data, a_write_over_everything_reads_nothing_below,
	      a_partial_file_becomes_full_by_itself, a_write_changes_mtime_and_ctime_and_reading_nothing,
	      a_client_that_collects_writes_keeps_the_times, a_write_takes_suid_and_capabilities_away, append_only_and_immutable_files_are_kept,
	      sizes_that_no_file_can_have, beyond_four_gigabytes_with_holes,
	      a_lower_file_that_shrinks_gives_eio_behind_its_end, a_full_disk_fails_the_write_and_nothing_else,
	      reflink_copies_up_without_moving_bytes, descriptors_stay_below_their_limit, mappings_name_the_host_bytes,
	      a_tree_without_an_upper_maps_and_reads, threads_write_and_read_one_half_copied_file,
	      threads_share_a_cache_that_is_too_small)
