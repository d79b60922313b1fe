// SPDX-License-Identifier: Apache-2.0
/*
 * Descriptors: reads and writes that go on after a signal or a short count, and
 * the ways to open a file. Every descriptor made here is close-on-exec.
 */
#ifndef VN_BASE_FD_H
#define VN_BASE_FD_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/cfg.h"

/*
 * Read n bytes at off. Returns the count, less than n only at the end of the file or
 * when an error came after some bytes; -errno when it came before the first.
 */
ssize_t vn_pread_full(int fd, void *buf, size_t n, off_t off) VN_MUST_CHECK;
ssize_t vn_preadv_full(int fd, const struct iovec *iov, size_t n, off_t off) VN_MUST_CHECK;

/*
 * Write n bytes at off. Returns the count, less than n only when an error came after
 * some bytes (as write(2) does on a full disk); -errno when it came before the first.
 */
ssize_t vn_pwrite_full(int fd, const void *buf, size_t n, off_t off) VN_MUST_CHECK;

/* The same at the descriptor's position; for pipes and sockets too. */
ssize_t vn_read_full(int fd, void *buf, size_t n) VN_MUST_CHECK;
ssize_t vn_write_full(int fd, const void *buf, size_t n) VN_MUST_CHECK;

/* openat(2), O_CLOEXEC added, repeated after a signal. Follows symlinks: for paths of the operator, never of a layer. */
int vn_open_at(int dirfd, const char *path, int flags, mode_t mode) VN_MUST_CHECK;

/*
 * Opens path below dirfd for names from outside. path is relative; "" and "." are
 * dirfd itself; flags without O_CREAT. Nothing on the way may be a symlink or lead out:
 * -ELOOP for a symlink (only the last component may be one, with O_PATH | O_NOFOLLOW),
 * -EXDEV for an absolute path or a ".." component. Mount points are crossed; who must
 * not compares st_dev.
 */
int vn_open_beneath(int dirfd, const char *path, int flags) VN_MUST_CHECK;

/* vn_open_beneath one component at a time, for systems without openat2(2); the same results. */
int vn_open_beneath_walk(int dirfd, const char *path, int flags) VN_MUST_CHECK;

/*
 * Reads the whole file into *data (malloc'ed, with a NUL after the last byte that
 * *len does not count; the caller frees). -EFBIG when it has more than max bytes.
 */
int vn_read_file_at(int dirfd, const char *name, size_t max, char **data, size_t *len) VN_MUST_CHECK;

/*
 * Replaces (or makes) dirfd/name with len bytes, atomically and durably: temporary
 * file, fsync, rename, fsync of the directory. On failure the old file is untouched and
 * nothing is left behind. name has no '/'.
 */
int vn_write_file_at(int dirfd, const char *name, const void *data, size_t len, mode_t mode) VN_MUST_CHECK;

/* Flushes to stable storage: all, or what is needed to read the data back. Return 0 or -errno. */
int vn_fsync(int fd) VN_MUST_CHECK;
int vn_fdatasync(int fd) VN_MUST_CHECK;

#endif
