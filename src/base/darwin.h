// SPDX-License-Identifier: Apache-2.0
/*
 * Names of Linux that macOS has not, with Linux' meaning, so that the code has one text.
 * Included by cfg.h and by nobody else.
 */
#ifndef VN_BASE_DARWIN_H
#define VN_BASE_DARWIN_H

#ifdef __APPLE__

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* ---- errors: the nearest that macOS has; src/fuse/errno.c gives clients Linux' numbers ---- */
#define EUCLEAN EFTYPE     /* "structure needs cleaning" */
#define ENOTUNIQ EMULTIHOP /* used by nobody there */

/* ---- bytes: every Mac is little-endian ---- */
#define htole16(x) ((uint16_t)(x))
#define htole32(x) ((uint32_t)(x))
#define htole64(x) ((uint64_t)(x))
#define le16toh(x) ((uint16_t)(x))
#define le32toh(x) ((uint32_t)(x))
#define le64toh(x) ((uint64_t)(x))

/* ---- memory ---- */
static inline void *reallocarray(void *old, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(old, bytes);
}

static inline void *memrchr(const void *s, int c, size_t n)
{
	const unsigned char *p = s;

	while (n--) {
		if (p[n] == (unsigned char)c)
			return (void *)(uintptr_t)(p + n);
	}
	return NULL;
}

/* ---- files ---- */
#define FALLOC_FL_KEEP_SIZE 0x01
#define FALLOC_FL_PUNCH_HOLE 0x02
#define FALLOC_FL_ZERO_RANGE 0x10 /* always EOPNOTSUPP: punch and allocate instead */

/* fallocate(2) for the modes 0, KEEP_SIZE and PUNCH_HOLE | KEEP_SIZE. 0, or -1 and errno. */
int vn_darwin_fallocate(int fd, int mode, off_t off, off_t len);
#define fallocate vn_darwin_fallocate

/* Flushes the whole file system that fd is on, drive cache included. 0, or -1 and errno. */
static inline int syncfs(int fd)
{
	return fsync_volume_np(fd, SYNC_VOLUME_FULLSYNC | SYNC_VOLUME_WAIT);
}

/* A hint on Linux. */
#define SYNC_FILE_RANGE_WRITE 2
static inline int sync_file_range(int fd, off_t off, off_t len, unsigned flags)
{
	(void)fd, (void)off, (void)len, (void)flags;
	return 0;
}

/* ---- chance ---- */
#define GRND_NONBLOCK 1
static inline ssize_t getrandom(void *buf, size_t n, unsigned flags)
{
	(void)flags;
	arc4random_buf(buf, n);
	return (ssize_t)n;
}

#endif
#endif
