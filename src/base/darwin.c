// SPDX-License-Identifier: Apache-2.0
/* What is too long for darwin.h; empty elsewhere. See fcntl(2) of macOS: F_PREALLOCATE, F_PUNCHHOLE. */
#include "base/cfg.h"

#ifdef __APPLE__
#include "base/fd.h"

static int darwin_errno(int rc)
{
	if (rc >= 0)
		return 0;
	errno = -rc;
	return -1;
}

/* F_PREALLOCATE counts from the end of what the file has; the size stays. */
static int darwin_allocate(int fd, off_t size, off_t end)
{
	fstore_t want = {.fst_flags = F_ALLOCATEALL, .fst_posmode = F_PEOFPOSMODE, .fst_length = end - size};

	return end > size ? fcntl(fd, F_PREALLOCATE, &want) : 0;
}

static int darwin_zero(int fd, off_t from, off_t to)
{
	static const char zeros[4096];

	while (from < to) {
		size_t len = to - from < (off_t)sizeof(zeros) ? (size_t)(to - from) : sizeof(zeros);
		ssize_t n = vn_pwrite_full(fd, zeros, len, from);

		if (n != (ssize_t)len)
			return darwin_errno(n < 0 ? (int)n : -ENOSPC);
		from += n;
	}
	return 0;
}

/* F_PUNCHHOLE wants whole blocks: the edges are written. */
static int darwin_punch(int fd, const struct stat *st, off_t from, off_t to)
{
	off_t block = st->st_blksize > 0 ? st->st_blksize : 4096;
	off_t first, last;

	if (to > st->st_size)
		to = st->st_size;
	first = (from + block - 1) / block * block;
	last = to / block * block;
	if (from >= to)
		return 0;
	if (first >= last)
		return darwin_zero(fd, from, to);
	fpunchhole_t hole = {.fp_offset = first, .fp_length = last - first};
	if (fcntl(fd, F_PUNCHHOLE, &hole) < 0)
		return -1;
	return darwin_zero(fd, from, first) < 0 ? -1 : darwin_zero(fd, last, to);
}

int vn_darwin_fallocate(int fd, int mode, off_t off, off_t len)
{
	struct stat st;

	if (off < 0 || len <= 0) {
		errno = EINVAL;
		return -1;
	}
	if (fstat(fd, &st) < 0)
		return -1;
	switch (mode) {
	case 0:
		if (darwin_allocate(fd, st.st_size, off + len) < 0)
			return -1;
		return off + len > st.st_size ? ftruncate(fd, off + len) : 0;
	case FALLOC_FL_KEEP_SIZE:
		return darwin_allocate(fd, st.st_size, off + len);
	case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
		return darwin_punch(fd, &st, off, off + len);
	default:
		errno = EOPNOTSUPP;
		return -1;
	}
}
#endif
