// SPDX-License-Identifier: Apache-2.0
/*
 * The ballast: 8 MiB that are given up when the index finds the disk full, since
 * even deleting rows needs space (J9), and taken again when there is plenty. The
 * last MiB of it is kept for the end and for the next opening, so that an upper that
 * has used the rest up, on a disk that is full to the last byte, comes to rest.
 */
#include "store/state.h"

#include "base/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define RESERVE_BYTES ((off_t)8 << 20)
#define RESERVE_LAST ((off_t)1 << 20) /* of them, for the end */

/* For file systems that cannot allocate ahead: bytes that do not compress to nothing. */
static int reserve_write(int fd)
{
	char block[65536];
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof(block); i++) {
		x = x * 1664525 + 1013904223;
		block[i] = (char)(x >> 24);
	}
	for (off_t off = 0; off < RESERVE_BYTES; off += (off_t)sizeof(block)) {
		if (pwrite(fd, block, sizeof(block), off) != (ssize_t)sizeof(block))
			return -ENOSPC;
	}
	return 0;
}

bool reserve_is_there(const struct store *s)
{
	struct stat st;

	return fstatat(s->dirfd, "reserve", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size >= RESERVE_BYTES;
}

int reserve_make(struct store *s)
{
	vn_autoclose int fd = openat(s->dirfd, "reserve", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (fallocate(fd, 0, 0, RESERVE_BYTES) < 0)
		rc = errno == EOPNOTSUPP ? reserve_write(fd) : -errno;
	if (rc)
		unlinkat(s->dirfd, "reserve", 0);
	s->ballast = !rc;
	return rc;
}

/* True: it was longer. */
static bool reserve_cut(struct store *s, off_t size)
{
	vn_autoclose int fd = openat(s->dirfd, "reserve", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	s->ballast = false;
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= size)
		return false;
	if (ftruncate(fd, size) < 0)
		unlinkat(s->dirfd, "reserve", 0);
	return true;
}

void reserve_release(struct store *s)
{
	reserve_cut(s, RESERVE_LAST);
}

bool reserve_release_last(struct store *s)
{
	return reserve_cut(s, 0);
}

void reserve_rebuild(struct store *s)
{
	struct statvfs v;

	if (s->ballast || fstatvfs(s->dirfd, &v) < 0)
		return;
	if ((uint64_t)v.f_bavail * v.f_frsize > (uint64_t)RESERVE_BYTES * 4)
		reserve_make(s);
}
