// SPDX-License-Identifier: Apache-2.0
#include "base/fd.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "base/iov.h"
#include "base/scope.h"

#define FD_IOV_BATCH 64 /* elements per system call, on the stack */

/* What a loop returns: bytes that got through hide the error that stopped it. */
static ssize_t fd_result(size_t done, int err)
{
	return done || !err ? (ssize_t)done : -err;
}

ssize_t vn_pread_full(int fd, void *buf, size_t n, off_t off)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = pread(fd, (char *)buf + done, n - done, off + (off_t)done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fd_result(done, errno);
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

ssize_t vn_pwrite_full(int fd, const void *buf, size_t n, off_t off)
{
	size_t done = 0;

	while (done < n) {
		ssize_t put = pwrite(fd, (const char *)buf + done, n - done, off + (off_t)done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return fd_result(done, errno);
		if (put == 0)
			return fd_result(done, EIO); /* a device that takes nothing would loop for ever */
		done += (size_t)put;
	}
	return (ssize_t)done;
}

ssize_t vn_preadv_full(int fd, const struct iovec *iov, size_t n, off_t off)
{
	struct iovec part[FD_IOV_BATCH];
	size_t done = 0;

	for (;;) {
		size_t used = vn_iov_slice(part, FD_IOV_BATCH, iov, n, done, SSIZE_MAX - done);
		ssize_t got;

		if (!used)
			return (ssize_t)done;
		got = preadv(fd, part, (int)used, off + (off_t)done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fd_result(done, errno);
		if (got == 0)
			return (ssize_t)done;
		done += (size_t)got;
	}
}

ssize_t vn_read_full(int fd, void *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = read(fd, (char *)buf + done, n - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fd_result(done, errno);
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

ssize_t vn_write_full(int fd, const void *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t put = write(fd, (const char *)buf + done, n - done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return fd_result(done, errno);
		if (put == 0)
			return fd_result(done, EIO);
		done += (size_t)put;
	}
	return (ssize_t)done;
}

int vn_open_at(int dirfd, const char *path, int flags, mode_t mode)
{
	for (;;) {
		int fd = openat(dirfd, path, flags | O_CLOEXEC, mode);

		if (fd >= 0)
			return fd;
		if (errno != EINTR)
			return -errno;
	}
}

int vn_read_file_at(int dirfd, const char *name, size_t max, char **data, size_t *len)
{
	vn_autofree char *buf = NULL;
	vn_autoclose int fd = vn_open_at(dirfd, name, O_RDONLY | O_NOFOLLOW, 0);
	size_t size = 0, room = 4096;

	if (fd < 0)
		return fd;
	if (room > max + 1)
		room = max + 1;
	for (;;) {
		char *bigger = realloc(buf, room + 1);
		ssize_t got;

		if (!bigger)
			return -ENOMEM;
		buf = bigger;
		got = vn_read_full(fd, buf + size, room - size);
		if (got < 0)
			return (int)got;
		size += (size_t)got;
		if (size > max)
			return -EFBIG;
		if (size < room)
			break;
		room = room > max / 2 ? max + 1 : room * 2;
	}
	buf[size] = '\0';
	*len = size;
	*data = vn_steal_ptr(&buf);
	return 0;
}

static int fd_write_durably(int fd, const void *data, size_t len)
{
	ssize_t put = vn_write_full(fd, data, len);

	if (put < 0)
		return (int)put;
	if ((size_t)put < len)
		return -ENOSPC; /* the error that stopped it is not known, and this is the usual one */
	return vn_fsync(fd);
}

int vn_write_file_at(int dirfd, const char *name, const void *data, size_t len, mode_t mode)
{
	char tmp[NAME_MAX + 1];
	vn_autoclose int fd = -1;
	int err;

	if (snprintf(tmp, sizeof(tmp), ".%s.%ld", name, (long)getpid()) >= (int)sizeof(tmp))
		return -ENAMETOOLONG;
	if (unlinkat(dirfd, tmp, 0) && errno != ENOENT) /* of an earlier life with this pid */
		return -errno;
	fd = vn_open_at(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
	if (fd < 0)
		return fd;
	err = fd_write_durably(fd, data, len);
	if (!err && renameat(dirfd, tmp, dirfd, name))
		err = -errno;
	if (err) {
		unlinkat(dirfd, tmp, 0);
		return err;
	}
	return vn_fsync(dirfd);
}

int vn_fsync(int fd)
{
#ifdef F_FULLFSYNC
	if (!fcntl(fd, F_FULLFSYNC))
		return 0; /* fsync alone stops at the drive's cache there */
#endif
	while (fsync(fd)) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

int vn_fdatasync(int fd)
{
#ifdef __linux__
	while (fdatasync(fd)) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
#else
	return vn_fsync(fd);
#endif
}
