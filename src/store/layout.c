// SPDX-License-Identifier: Apache-2.0
/* The upper directory: finding and making it, its lock, identities. */
#include "store/state.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/scope.h"
#include "store/head.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

int layout_uuid_new(uint8_t uuid[16])
{
	return getrandom(uuid, 16, 0) == 16 ? 0 : -EIO;
}

void layout_uuid_format(const uint8_t uuid[16], char out[33])
{
	for (int i = 0; i < 16; i++)
		sprintf(out + 2 * i, "%02x", uuid[i]);
}

int layout_uuid_parse(const char *text, uint8_t uuid[16])
{
	if (strlen(text) != 32)
		return -EUCLEAN;
	for (int i = 0; i < 16; i++) {
		unsigned v;

		if (sscanf(text + 2 * i, "%2x", &v) != 1)
			return -EUCLEAN;
		uuid[i] = (uint8_t)v;
	}
	return 0;
}

uint64_t layout_delta_id(const uint8_t uuid[16])
{
	uint64_t id = 0;

	for (int i = 0; i < 8; i++)
		id = id << 8 | uuid[i];
	id &= INT64_MAX;
	return id ? id : 1;
}

/* What an upper holds, also one whose making was cut short. */
static bool layout_ours(const char *name)
{
	static const char *const ours[] = { ".", "..", "lock", "index.db", "index.db-wal", "index.db-shm",
					    "index.db-journal", "journal", "journal.new", "reserve", "data", "chain",
					    "deltas", "refs", "next", "trash", "control",
					    "salvage", "index.damaged", "lost+found", "base" };

	for (size_t i = 0; i < VN_ARRAY_LEN(ours); i++) {
		if (!strcmp(name, ours[i]))
			return true;
	}
	return false;
}

/* A directory with other things in it was not meant: a typing error must not fill it. */
static int layout_check_foreign(struct store *s, struct vn_err *err)
{
	int fd = openat(s->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vn_autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return vn_err_sys(err, -errno, "cannot read the upper directory %s", s->path);
	while ((e = readdir(d))) {
		if (!layout_ours(e->d_name))
			return vn_err_set(err, -ENOTEMPTY,
					  "the upper directory %s is not empty and no veneer upper (it holds %s); name "
					  "an empty or a new directory",
					  s->path, e->d_name);
	}
	return 0;
}

static int layout_open_dir(struct store *s, const struct store_config *config, struct vn_err *err)
{
	bool write = !config->readonly;

	if (config->create && write) {
		s->made_dir = mkdir(config->upper, 0700) == 0;
		if (!s->made_dir && errno != EEXIST)
			return vn_err_sys(err, -errno, "cannot make the upper directory %s", config->upper);
	}
	s->dirfd = open(config->upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dirfd < 0)
		return vn_err_sys(err, -errno, "cannot open the upper directory %s", config->upper);
	s->path = realpath(config->upper, NULL);
	if (!s->path)
		return vn_err_sys(err, -errno, "cannot find the path of the upper directory %s", config->upper);
	if (write && faccessat(s->dirfd, ".", W_OK | X_OK, AT_EACCESS) < 0)
		return vn_err_sys(err, -errno, "cannot write to the upper directory %s", s->path);
	return 0;
}

int layout_open(struct store *s, const struct store_config *config, struct vn_err *err)
{
	int rc = layout_open_dir(s, config, err);

	if (rc)
		return rc;
	/* The index may be on its way while a snapshot or rollback was cut short; the chain then says so. */
	if (faccessat(s->dirfd, "index.db", F_OK, 0) == 0 || faccessat(s->dirfd, "chain", F_OK, 0) == 0)
		return 0;
	if (!config->create || config->readonly)
		return vn_err_set(err, -ENOENT, "%s is no veneer upper: it has no index.db", s->path);
	rc = layout_check_foreign(s, err);
	s->making = !rc;
	return rc;
}

void layout_undo(struct store *s)
{
	static const char *const made[] = { "journal", "journal.new", "reserve", "index.db", "index.db-wal",
					    "index.db-shm", "index.db-journal", "chain", "lock" };
	static const char *const trees[] = { "data", "base", "trash" };
	/* Without the lock it is somebody else who is making this one. */
	bool ours = s->making && s->lockfd >= 0;

	for (size_t i = 0; ours && i < VN_ARRAY_LEN(trees); i++)
		head_remove_tree(s->dirfd, trees[i]);
	for (size_t i = 0; ours && i < VN_ARRAY_LEN(made); i++)
		unlinkat(s->dirfd, made[i], 0);
	if (s->made_dir && s->path)
		rmdir(s->path);
}

/* ---- the lock ---- */

static void layout_sleep_ms(unsigned ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
}

/* Tries for wait_ms; the holder may be a server that is just finishing. */
static int layout_flock(int fd, int how, unsigned wait_ms)
{
	int64_t end = vn_mono_ns() + (int64_t)wait_ms * 1000000;

	while (flock(fd, how | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (vn_mono_ns() >= end)
			return -EBUSY;
		layout_sleep_ms(5);
	}
	return 0;
}

static int layout_busy(int fd, const char *path, struct vn_err *err)
{
	char pid[32] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	if (n > 0 && atoi(pid) > 0)
		return vn_err_set(err, -EBUSY,
				  "the upper %s is in use by process %d; unmount it there, or wait for it to finish",
				  path, atoi(pid));
	return vn_err_set(err, -EBUSY, "the upper %s is in use as a layer or is being read by another process", path);
}

static void layout_write_pid(int fd)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) != n)
		(void)!ftruncate(fd, 0);
}

int layout_lock(struct store *s, const struct store_config *config, struct vn_err *err)
{
	unsigned wait_ms = config->lock_wait_ms ? config->lock_wait_ms : 5000;
	int rc;

	s->lockfd = openat(s->dirfd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->lockfd < 0)
		return vn_err_sys(err, -errno, "cannot open %s/lock", s->path);
	rc = layout_flock(s->lockfd, LOCK_EX, wait_ms);
	if (!rc)
		layout_write_pid(s->lockfd);
	else if (rc == -EBUSY)
		layout_busy(s->lockfd, s->path, err);
	else
		vn_err_sys(err, rc, "cannot lock the upper %s", s->path);
	if (rc) {
		close(s->lockfd);
		s->lockfd = -1;
	}
	return rc;
}

/* A copy may lack the file. On a read-only medium nobody writes either, so any lock will do. */
static int layout_open_lock(const char *name, const char *path)
{
	int fd = open(name, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 && (errno == EROFS || errno == EACCES))
		fd = open(name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == EROFS || errno == ENOENT))
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int layout_lock_shared(const char *path, unsigned wait_ms, struct vn_err *err)
{
	char name[PATH_MAX + 8];
	vn_autoclose int fd = -1;
	int rc;

	if (snprintf(name, sizeof(name), "%s/lock", path) >= (int)sizeof(name))
		return vn_err_set(err, -ENAMETOOLONG, "the path %s is too long", path);
	fd = layout_open_lock(name, path);
	if (fd < 0)
		return vn_err_sys(err, fd, "cannot open %s", name);
	rc = layout_flock(fd, LOCK_SH, wait_ms ? wait_ms : 5000);
	if (rc == -EBUSY)
		return layout_busy(fd, path, err);
	if (rc)
		return vn_err_sys(err, rc, "cannot lock the upper %s", path);
	return vn_steal_fd(&fd);
}

void layout_unlock(struct store *s)
{
	if (s->lockfd < 0)
		return;
	(void)!ftruncate(s->lockfd, 0);
	close(s->lockfd);
	s->lockfd = -1;
}
