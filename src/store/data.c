// SPDX-License-Identifier: Apache-2.0
#include "store/data.h"

#include "base/fd.h"
#include "base/scope.h"
#include "store/fault.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DATA_PATH 48

static void data_path(char buf[DATA_PATH], uint64_t number)
{
	snprintf(buf, DATA_PATH, "%" PRIu64 "/%" PRIu64, number / DATA_PER_DIR, number);
}

static int data_mkdir(int datafd, uint64_t number)
{
	char dir[DATA_PATH];

	snprintf(dir, sizeof(dir), "%" PRIu64, number / DATA_PER_DIR);
	if (mkdirat(datafd, dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

int data_create(int datafd, uint64_t number)
{
	char path[DATA_PATH];
	int rc = fault_hit(FAULT_DATA_NEW);

	if (rc)
		return rc;
	data_path(path, number);
	for (int tries = 0;; tries++) {
		int fd = openat(datafd, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd >= 0)
			return fd;
		if (errno != ENOENT || tries)
			return -errno;
		rc = data_mkdir(datafd, number);
		if (rc)
			return rc;
	}
}

int data_open(int datafd, uint64_t number, int flags)
{
	char path[DATA_PATH];
	int fd;

	data_path(path, number);
	do
		fd = openat(datafd, path, flags | O_NOFOLLOW | O_CLOEXEC);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

int data_link(int fromfd, uint64_t number, int tofd, uint64_t as)
{
	char path[DATA_PATH], to[DATA_PATH];
	int rc = data_mkdir(tofd, as);

	data_path(path, number);
	data_path(to, as);
	if (!rc && linkat(fromfd, path, tofd, to, 0) < 0)
		rc = -errno;
	return rc;
}

bool data_exists(int datafd, uint64_t number)
{
	char path[DATA_PATH];

	data_path(path, number);
	return faccessat(datafd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int data_unlink(int datafd, uint64_t number)
{
	char path[DATA_PATH];
	int rc = fault_hit(FAULT_UNLINK);

	if (rc)
		return rc;
	data_path(path, number);
	if (unlinkat(datafd, path, 0) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

int data_flush(int datafd, uint64_t number)
{
	int rc = fault_hit(FAULT_DATA_FLUSH);
	vn_autoclose int fd = -1;

	if (rc)
		return rc;
	fd = data_open(datafd, number, O_RDONLY);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	return vn_fdatasync(fd);
}

int data_flush_dir(int datafd, uint64_t dir)
{
	char path[DATA_PATH];
	vn_autoclose int fd = -1;
	int rc;

	snprintf(path, sizeof(path), "%" PRIu64, dir);
	fd = openat(datafd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	rc = vn_fsync(fd);
	return rc ? rc : vn_fsync(datafd);
}

static bool data_parse(const char *name, uint64_t *number)
{
	char again[DATA_PATH];
	int n = 0;

	if (sscanf(name, "%" SCNu64 "%n", number, &n) != 1 || name[n])
		return false;
	snprintf(again, sizeof(again), "%" PRIu64, *number);
	return !strcmp(again, name);
}

static int data_walk_dir(int datafd, const char *name, uint64_t dir, data_fn fn, void *arg)
{
	int fd = openat(datafd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	vn_autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	uint64_t number;
	int rc = 0;

	if (!d) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		return rc;
	}
	while (!rc && (errno = 0, e = readdir(d))) {
		if (data_parse(e->d_name, &number) && number / DATA_PER_DIR == dir)
			rc = fn(arg, number);
	}
	return rc ? rc : -errno;
}

int data_walk(int datafd, data_fn fn, void *arg)
{
	int fd = openat(datafd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vn_autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	uint64_t dir;
	int rc = 0;

	if (!d) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		return rc;
	}
	while (!rc && (errno = 0, e = readdir(d))) {
		if (data_parse(e->d_name, &dir))
			rc = data_walk_dir(datafd, e->d_name, dir, fn, arg);
	}
	return rc ? rc : -errno;
}

static int data_present_whole(int fd, uint64_t start, uint64_t end, data_range_fn fn, void *arg)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size < end)
		end = (uint64_t)st.st_size;
	return start < end ? fn(arg, start, end - start) : 0;
}

int data_present(int fd, uint64_t start, uint64_t length, data_range_fn fn, void *arg)
{
	uint64_t end = start + length;
	int rc = 0;

	while (!rc && start < end) {
		off_t data = lseek(fd, (off_t)start, SEEK_DATA);
		off_t hole;

		if (data < 0 && errno == ENXIO)
			return 0;
		if (data < 0)
			return errno == EINVAL ? data_present_whole(fd, start, end, fn, arg) : -errno;
		if ((uint64_t)data >= end)
			return 0;
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		start = (uint64_t)hole < end ? (uint64_t)hole : end;
		rc = fn(arg, (uint64_t)data, start - (uint64_t)data);
	}
	return rc;
}
