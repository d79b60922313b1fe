// SPDX-License-Identifier: Apache-2.0
/* Operations on open files. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "world.h"

#define EACH(s) for (int s = 0; s < SIDES; s++)
#define IO_MAX (256 << 10)

static unsigned char buffer[SIDES][IO_MAX + 4096];

/* ---- opening and closing ---- */

static mode_t pick_mode(struct world *w)
{
	static const mode_t modes[] = {0644, 0600, 0755, 0777, 0666, 0400, 04755, 02755, 0000, 01777};

	return RND_PICK(&w->rnd, modes);
}

/* Both or none are open now. */
static void open_settle(struct world *w, struct slot *slot, int flags)
{
	struct outcome o[SIDES] = {{0}};
	struct stat st[SIDES] = {{0}};

	EACH(s)
	{
		outcome_set(&o[s], slot->fd[s] < 0 ? -1 : 0);
		o[s].err = slot->fd[s] < 0 ? -slot->fd[s] : 0;
		if (slot->fd[s] >= 0 && fstat(slot->fd[s], &st[s]) == 0)
			outcome_stat(&o[s], &st[s]);
	}
	world_settle(w, o);
	EACH(s)
	{
		if (slot->fd[s] < 0)
			slot->fd[s] = -1;
	}
	if (slot->fd[0] < 0 || slot->fd[1] < 0) {
		world_close(slot);
		return;
	}
	slot->flags = flags;
	slot->type = st[0].st_mode & S_IFMT;
	slot->ino = st[0].st_ino;
}

static int open_errno(int fd)
{
	return fd < 0 ? -errno : fd;
}

static int pick_flags(struct world *w)
{
	static const int access[] = {O_RDONLY, O_RDWR, O_RDWR, O_RDWR, O_WRONLY};
	int flags = RND_PICK(&w->rnd, access);

	flags |= rnd_chance(&w->rnd, 60) ? O_CREAT : 0;
	flags |= rnd_chance(&w->rnd, 10) ? O_EXCL : 0;
	flags |= rnd_chance(&w->rnd, 12) ? O_TRUNC : 0;
	flags |= rnd_chance(&w->rnd, 15) ? O_APPEND : 0;
	flags |= rnd_chance(&w->rnd, 30) ? O_NOFOLLOW : 0;
	flags |= rnd_chance(&w->rnd, 5) ? O_SYNC : 0;
	if (!(flags & O_CREAT) && rnd_chance(&w->rnd, 15))
		flags = O_RDONLY | O_DIRECTORY;
	return flags;
}

/* Devices are not opened: a mount may forbid it. A reader from before copy-up is not kept where that is known to fail. */
static bool open_wanted(struct world *w, const char *host, int *flags)
{
	struct stat st;

	if (stat(host, &st) == 0) {
		if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
			return false;
		if (w->options.kernel && S_ISREG(st.st_mode))
			*flags = (*flags & ~O_ACCMODE) | O_RDWR;
	}
	return true;
}

static void op_open(struct world *w)
{
	int flags = pick_flags(w);
	mode_t mode = pick_mode(w);
	struct slot *slot = world_free_slot(w);
	struct place p;

	if (flags & O_CREAT)
		world_pick_new(w, &p);
	else
		world_pick(w, &p);
	if (!open_wanted(w, p.host[1], &flags))
		return;
	world_op(w, "open(%s, %#x, %o) as #%u", p.rel, flags, mode, slot->number);
	EACH(s)
	slot->fd[s] = open_errno(open(p.host[s], flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, mode));
	open_settle(w, slot, flags);
}

static void op_tmpfile(struct world *w)
{
	mode_t mode = pick_mode(w);
	struct slot *slot = world_free_slot(w);
	struct place p;

	world_pick_dir(w, &p);
	world_op(w, "open(%s, O_TMPFILE, %o) as #%u", p.rel, mode, slot->number);
	EACH(s) slot->fd[s] = open_errno(open(p.host[s], O_TMPFILE | O_RDWR | O_CLOEXEC, mode));
	open_settle(w, slot, O_RDWR);
}

static void op_close(struct world *w)
{
	struct slot *slot = world_slot(w, 0);

	if (!slot)
		return;
	world_op(w, "close(#%u)", slot->number);
	world_close(slot);
}

/* ---- reading and writing ---- */

static uint64_t pick_offset(struct world *w, const struct slot *slot)
{
	static const uint64_t edges[] = {0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 131072, 262144};
	struct stat st = {0};

	fstat(slot->fd[1], &st);
	switch (rnd_below(&w->rnd, 5)) {
	case 0:
		return 0;
	case 1:
		return RND_PICK(&w->rnd, edges);
	case 2:
		return (uint64_t)st.st_size;
	case 3:
		return st.st_size ? rnd_below(&w->rnd, (size_t)st.st_size) : 7;
	default:
		return rnd_below(&w->rnd, SIZE_LIMIT - IO_MAX);
	}
}

static size_t pick_length(struct world *w)
{
	static const size_t edges[] = {0, 1, 2, 100, 4095, 4096, 4097, 8192, 65536, 65537, 131072};

	if (rnd_chance(&w->rnd, 50))
		return RND_PICK(&w->rnd, edges);
	return rnd_below(&w->rnd, rnd_chance(&w->rnd, 20) ? IO_MAX : 5000);
}

static void op_pread(struct world *w)
{
	struct slot *slot = world_slot(w, rnd_chance(&w->rnd, 95) ? S_IFREG : 0);
	struct outcome o[SIDES];
	size_t len = pick_length(w);
	uint64_t off;

	if (!slot || slot->type == S_IFIFO)
		return;
	off = pick_offset(w, slot);
	world_op(w, "pread(#%u, %zu, %llu)", slot->number, len, (unsigned long long)off);
	EACH(s)
	{
		ssize_t n = pread(slot->fd[s], buffer[s], len, (off_t)off);

		outcome_set(&o[s], n);
		if (n > 0)
			outcome_bytes(&o[s], buffer[s], (size_t)n);
	}
	world_settle(w, o);
	if (!w->failed && o[0].rc > 0 && memcmp(buffer[0], buffer[1], (size_t)o[0].rc) != 0)
		world_fail(w, "other bytes");
}

static void op_pwrite(struct world *w)
{
	struct slot *slot = world_slot(w, rnd_chance(&w->rnd, 97) ? S_IFREG : 0);
	struct outcome o[SIDES];
	size_t len = pick_length(w);
	uint64_t off;

	if (!slot || slot->type == S_IFIFO)
		return;
	off = pick_offset(w, slot);
	rnd_fill(&w->rnd, buffer[0], len);
	world_op(w, "pwrite(#%u, %zu, %llu)", slot->number, len, (unsigned long long)off);
	EACH(s) outcome_set(&o[s], pwrite(slot->fd[s], buffer[0], len, (off_t)off));
	world_settle(w, o);
}

/* At the file's own position, which both sides must agree on too. */
static void op_write(struct world *w)
{
	struct slot *slot = world_slot(w, S_IFREG);
	struct outcome o[SIDES];
	size_t len = pick_length(w) % 5000;

	if (!slot || lseek(slot->fd[1], 0, SEEK_CUR) > SIZE_LIMIT)
		return;
	rnd_fill(&w->rnd, buffer[0], len);
	world_op(w, "write(#%u, %zu)", slot->number, len);
	EACH(s)
	{
		struct iovec iov[2] = {{buffer[0], len / 3}, {buffer[0] + len / 3, len - len / 3}};

		outcome_set(&o[s], writev(slot->fd[s], iov, 2));
		o[s].data = (uint64_t)lseek(slot->fd[s], 0, SEEK_CUR);
	}
	world_settle(w, o);
}

static void op_read(struct world *w)
{
	struct slot *slot = world_slot(w, S_IFREG);
	struct outcome o[SIDES];
	size_t len = pick_length(w);

	if (!slot)
		return;
	world_op(w, "read(#%u, %zu)", slot->number, len);
	EACH(s)
	{
		ssize_t n = read(slot->fd[s], buffer[s], len);

		outcome_set(&o[s], n);
		if (n > 0)
			outcome_bytes(&o[s], buffer[s], (size_t)n);
	}
	world_settle(w, o);
}

static void op_lseek(struct world *w)
{
	static const int whences[] = {SEEK_SET, SEEK_CUR, SEEK_END};
	struct slot *slot = world_slot(w, S_IFREG);
	struct outcome o[SIDES];
	int whence = RND_PICK(&w->rnd, whences);
	off_t off;

	if (!slot)
		return;
	off = (off_t)(whence == SEEK_SET ? pick_offset(w, slot) : rnd_below(&w->rnd, 100)) - 20;
	world_op(w, "lseek(#%u, %lld, %d)", slot->number, (long long)off, whence);
	EACH(s) outcome_set(&o[s], lseek(slot->fd[s], off, whence));
	world_settle(w, o);
}

/* ---- holes ---- */

static bool is_zero(int fd, off_t from, off_t to)
{
	static unsigned char piece[65536];

	while (from < to) {
		size_t want = to - from < (off_t)sizeof(piece) ? (size_t)(to - from) : sizeof(piece);
		ssize_t n = pread(fd, piece, want, from);

		if (n <= 0)
			return false;
		for (ssize_t i = 0; i < n; i++) {
			if (piece[i])
				return false;
		}
		from += n;
	}
	return true;
}

/*
 * Two file systems may remember holes more or less finely, so each side is checked
 * against its own bytes: what SEEK_DATA skips is zero, SEEK_HOLE goes forward and
 * not beyond the end.
 */
static void op_holes(struct world *w)
{
	struct slot *slot = world_slot(w, S_IFREG);
	struct stat st;
	off_t at = 0;

	if (!slot || fstat(slot->fd[0], &st) || (slot->flags & O_ACCMODE) == O_WRONLY)
		return;
	world_op(w, "lseek(#%u, SEEK_DATA and SEEK_HOLE)", slot->number);
	if (w->options.writeback)
		fsync(slot->fd[0]);
	while (at < st.st_size) {
		off_t data = lseek(slot->fd[0], at, SEEK_DATA);
		off_t end = data < 0 && errno == ENXIO ? st.st_size : data, hole;

		if (end < at || end > st.st_size) {
			world_fail(w, "SEEK_DATA from %lld is %lld (%d) of %lld", (long long)at, (long long)data, errno,
				   (long long)st.st_size);
			return;
		}
		if (!is_zero(slot->fd[0], at, end)) {
			world_fail(w, "SEEK_DATA from %lld skips bytes before %lld", (long long)at, (long long)end);
			return;
		}
		if (end == st.st_size)
			break;
		hole = lseek(slot->fd[0], data, SEEK_HOLE);
		if (hole <= data || hole > st.st_size) {
			world_fail(w, "SEEK_HOLE from %lld is %lld of %lld", (long long)data, (long long)hole,
				   (long long)st.st_size);
			return;
		}
		at = hole;
	}
	if (lseek(slot->fd[0], st.st_size, SEEK_DATA) != -1 || errno != ENXIO)
		world_fail(w, "SEEK_DATA at the end is no ENXIO");
	lseek(slot->fd[0], 0, SEEK_SET);
	lseek(slot->fd[1], 0, SEEK_SET);
}

/* ---- size and space ---- */

static void op_ftruncate(struct world *w)
{
	struct slot *slot = world_slot(w, rnd_chance(&w->rnd, 95) ? S_IFREG : 0);
	struct outcome o[SIDES];
	uint64_t size;

	if (!slot || slot->type == S_IFIFO)
		return;
	size = pick_offset(w, slot);
	world_op(w, "ftruncate(#%u, %llu)", slot->number, (unsigned long long)size);
	EACH(s) outcome_set(&o[s], ftruncate(slot->fd[s], (off_t)size));
	world_settle(w, o);
}

static void op_fallocate(struct world *w)
{
	static const int modes[] = {
		0,
		FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_COLLAPSE_RANGE,
		FALLOC_FL_INSERT_RANGE,
		FALLOC_FL_PUNCH_HOLE,
	};
	struct slot *slot = world_slot(w, S_IFREG);
	int mode = RND_PICK(&w->rnd, modes);
	struct outcome o[SIDES];
	bool shift = mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE);
	uint64_t off;
	size_t len = pick_length(w);

	if (!slot)
		return;
	off = pick_offset(w, slot);
	if (shift && rnd_chance(&w->rnd, 90)) {
		off &= ~(uint64_t)4095;
		len = (len + 4096) & ~(size_t)4095;
	}
	world_op(w, "fallocate(#%u, %d, %llu, %zu)", slot->number, mode, (unsigned long long)off, len);
	outcome_set(&o[0], fallocate(slot->fd[0], mode, (off_t)off, (off_t)len));
	if (shift && o[0].rc < 0 && o[0].err == EOPNOTSUPP)
		return; /* may be left out; then the reference does not do it either */
	outcome_set(&o[1], fallocate(slot->fd[1], mode, (off_t)off, (off_t)len));
	world_settle(w, o);
}

static void op_fsync(struct world *w)
{
	struct slot *slot = world_slot(w, 0);
	bool data = rnd_chance(&w->rnd, 50);
	struct outcome o[SIDES];

	if (!slot || slot->type == S_IFIFO)
		return;
	world_op(w, "%s(#%u)", data ? "fdatasync" : "fsync", slot->number);
	EACH(s) outcome_set(&o[s], data ? fdatasync(slot->fd[s]) : fsync(slot->fd[s]));
	world_settle(w, o);
}

/* ---- mappings and copies ---- */

static void map_one(struct outcome *o, int fd, off_t from, size_t len, size_t at, const unsigned char *bytes, size_t n)
{
	unsigned char *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, from);

	outcome_set(o, map == MAP_FAILED ? -1 : 0);
	if (map == MAP_FAILED)
		return;
	outcome_bytes(o, map + at, n);
	memcpy(map + at, bytes, n);
	msync(map, len, MS_SYNC);
	munmap(map, len);
}

static void op_mmap(struct world *w)
{
	struct slot *slot = world_slot(w, S_IFREG);
	struct outcome o[SIDES];
	struct stat st;
	off_t from;
	size_t len, at, n;

	if (!slot || fstat(slot->fd[1], &st) || st.st_size == 0)
		return;
	from = (off_t)rnd_below(&w->rnd, (size_t)st.st_size) & ~(off_t)4095;
	len = (size_t)(st.st_size - from) < 70000 ? (size_t)(st.st_size - from) : 70000;
	at = rnd_below(&w->rnd, len);
	n = rnd_below(&w->rnd, len - at) + 1;
	rnd_fill(&w->rnd, buffer[0], n);
	world_op(w, "mmap(#%u, %lld, %zu), %zu bytes at %zu", slot->number, (long long)from, len, n, at);
	EACH(s) map_one(&o[s], slot->fd[s], from, len, at, buffer[0], n);
	world_settle(w, o);
}

/* The copy may come in parts. */
static ssize_t copy_all(int in, off_t off_in, int out, off_t off_out, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = copy_file_range(in, &off_in, out, &off_out, len - done, 0);

		if (n < 0)
			return done ? (ssize_t)done : n;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static void op_copy(struct world *w)
{
	struct slot *in = world_slot(w, S_IFREG), *out = world_slot(w, S_IFREG);
	struct outcome o[SIDES];
	uint64_t off_in, off_out;
	size_t len = pick_length(w);

	if (!in || !out)
		return;
	off_in = pick_offset(w, in);
	off_out = pick_offset(w, out);
	if (off_out > SIZE_LIMIT)
		return;
	world_op(w, "copy_file_range(#%u, %llu, #%u, %llu, %zu)", in->number, (unsigned long long)off_in, out->number,
		 (unsigned long long)off_out, len);
	EACH(s)
	outcome_set(&o[s], copy_all(in->fd[s], (off_t)off_in, out->fd[s], (off_t)off_out, len));
	world_settle(w, o);
}

/* ---- attributes ---- */

static void op_fstat(struct world *w)
{
	struct slot *slot = world_slot(w, 0);
	struct outcome o[SIDES];
	struct stat st[SIDES];

	if (!slot)
		return;
	world_op(w, "fstat(#%u)", slot->number);
	EACH(s)
	{
		outcome_set(&o[s], fstat(slot->fd[s], &st[s]));
		if (o[s].rc == 0)
			outcome_stat(&o[s], &st[s]);
	}
	world_settle(w, o);
	if (o[0].rc == 0 && st[0].st_ino != slot->ino)
		world_fail(w, "st_ino was %llu and is %llu", (unsigned long long)slot->ino, (unsigned long long)st[0].st_ino);
}

static void op_fchmod(struct world *w)
{
	struct slot *slot = world_slot(w, 0);
	mode_t mode = pick_mode(w);
	struct outcome o[SIDES];

	if (!slot)
		return;
	world_op(w, "fchmod(#%u, %o)", slot->number, mode);
	EACH(s) outcome_set(&o[s], fchmod(slot->fd[s], mode));
	world_settle(w, o);
}

static void op_fchown(struct world *w)
{
	struct slot *slot = world_slot(w, 0);
	uid_t uid = (uid_t)rnd_below(&w->rnd, 3) * 1000 - (rnd_chance(&w->rnd, 20) ? 1 : 0);
	gid_t gid = (gid_t)rnd_below(&w->rnd, 3) * 100;
	struct outcome o[SIDES];

	if (!slot)
		return;
	world_op(w, "fchown(#%u, %d, %u)", slot->number, (int)uid, gid);
	EACH(s) outcome_set(&o[s], fchown(slot->fd[s], uid, gid));
	world_settle(w, o);
}

static void op_futimens(struct world *w)
{
	struct slot *slot = world_slot(w, 0);
	struct timespec t[2] = {{(time_t)(1000000000 + rnd_below(&w->rnd, 500000000)), 1},
				{(time_t)(1000000000 + rnd_below(&w->rnd, 500000000)), 123456789}};
	struct outcome o[SIDES];

	if (!slot)
		return;
	world_op(w, "futimens(#%u)", slot->number);
	EACH(s) outcome_set(&o[s], futimens(slot->fd[s], t));
	world_settle(w, o);
}

/* Gives an open file a (further) name, whether it has one or not. */
static void op_link_fd(struct world *w)
{
	struct slot *slot = world_slot(w, 0);
	struct outcome o[SIDES];
	struct place p;

	if (!slot)
		return;
	world_pick_new(w, &p);
	world_op(w, "linkat(#%u, %s)", slot->number, p.rel);
	EACH(s)
	{
		char from[64];

		snprintf(from, sizeof(from), "/proc/self/fd/%d", slot->fd[s]);
		outcome_set(&o[s], linkat(AT_FDCWD, from, AT_FDCWD, p.host[s], AT_SYMLINK_FOLLOW));
	}
	world_settle(w, o);
}

const struct op file_ops[] = {
	{"open", 90, op_open},           {"tmpfile", 8, op_tmpfile},
	{"close", 20, op_close},         {"pread", 50, op_pread},
	{"pwrite", 50, op_pwrite},       {"read", 15, op_read},
	{"write", 25, op_write},         {"lseek", 10, op_lseek},
	{"holes", 12, op_holes},         {"ftruncate", 20, op_ftruncate},
	{"fallocate", 25, op_fallocate}, {"fsync", 4, op_fsync},
	{"mmap", 20, op_mmap},           {"copy_file_range", 20, op_copy},
	{"fstat", 25, op_fstat},         {"fchmod", 6, op_fchmod},
	{"fchown", 6, op_fchown},        {"futimens", 8, op_futimens},
	{"linkat", 8, op_link_fd},       {NULL, 0, NULL},
};
