// SPDX-License-Identifier: Apache-2.0
#include "base/copy.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/fs.h>
#endif

#include "base/fd.h"
#include "base/scope.h"

#define COPY_BUFFER (UINT64_C(128) << 10)

static uint64_t copy_piece(uint64_t from, uint64_t to)
{
	return to - from < COPY_BUFFER ? to - from : COPY_BUFFER;
}

int64_t vn_seek_within(int fd, uint64_t pos, uint64_t end, int whence)
{
	off_t at = lseek(fd, (off_t)pos, whence);

	if (at >= 0)
		return (int64_t)((uint64_t)at < end ? (uint64_t)at : end);
	if (errno == ENXIO) /* behind the last byte */
		return (int64_t)(whence == SEEK_DATA ? end : pos);
	if (errno == EINVAL || errno == EOPNOTSUPP)
		return (int64_t)(whence == SEEK_DATA ? pos : end);
	return -errno;
}

/* Through memory, where the host has no better way. */
static int copy_buffered(int src, int dst, uint64_t from, uint64_t to)
{
	vn_autofree char *buf = malloc(copy_piece(from, to));

	if (!buf)
		return -ENOMEM;
	while (from < to) {
		size_t want = copy_piece(from, to);
		ssize_t got = vn_pread_full(src, buf, want, (off_t)from);
		ssize_t put;

		if (got != (ssize_t)want)
			return got < 0 ? (int)got : -EIO;
		put = vn_pwrite_full(dst, buf, want, (off_t)from);
		if (put < 0)
			return (int)put;
		if ((size_t)put < want)
			return -ENOSPC;
		from += want;
	}
	return 0;
}

/* In the host, as far as it gets. Returns how far. */
static uint64_t copy_host(int src, int dst, uint64_t from, uint64_t to)
{
#ifdef __linux__
	off_t in = (off_t)from, out = (off_t)from;

	while ((uint64_t)in < to) {
		ssize_t n = copy_file_range(src, &in, dst, &out, to - (uint64_t)in, 0);

		if (n <= 0 && !(n < 0 && errno == EINTR))
			break;
	}
	return (uint64_t)in;
#else
	(void)src, (void)dst, (void)to;
	return from;
#endif
}

/* One stretch without a hole. For little the buffer costs less than the host's bookkeeping. */
static int copy_data(int src, int dst, uint64_t from, uint64_t to)
{
	if (to - from > COPY_BUFFER / 2)
		from = copy_host(src, dst, from, to);
	return from < to ? copy_buffered(src, dst, from, to) : 0;
}

int vn_next_data(int fd, uint64_t from, uint64_t to, uint64_t *data, uint64_t *hole)
{
	int64_t at = vn_seek_within(fd, from, to, SEEK_DATA), end;

	if (at < 0)
		return (int)at;
	end = (uint64_t)at < to ? vn_seek_within(fd, (uint64_t)at, to, SEEK_HOLE) : at;
	if (end < 0)
		return (int)end;
	*data = (uint64_t)at;
	*hole = (uint64_t)end;
	return 0;
}

int vn_copy_range(int src, int dst, uint64_t from, uint64_t to)
{
	uint64_t data = 0;
	int rc = 0;

	while (!rc && from < to) {
		rc = vn_next_data(src, from, to, &data, &from);
		if (!rc && data < from)
			rc = copy_data(src, dst, data, from);
	}
	return rc;
}

int vn_clone_file(int src, int dst)
{
#ifdef FICLONE
	return ioctl(dst, FICLONE, src) ? -errno : 0;
#else
	(void)src, (void)dst;
	return -EOPNOTSUPP; /* macOS clones to a new name only, and a data file has its name already */
#endif
}

int vn_copy_file(int src, int dst)
{
	struct stat st;

	if (vn_clone_file(src, dst) == 0)
		return 0;
	if (fstat(src, &st) < 0 || ftruncate(dst, st.st_size) < 0)
		return -errno;
	return vn_copy_range(src, dst, 0, (uint64_t)st.st_size);
}
