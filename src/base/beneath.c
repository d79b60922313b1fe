// SPDX-License-Identifier: Apache-2.0
/*
 * Opening names from outside. This file is the only one that does it.
 *
 * Linux has openat2(2), which resolves a whole path under the rules in one call. A
 * kernel or a seccomp filter without it (ENOSYS), and other systems, take the walk:
 * one openat per component, each with O_NOFOLLOW, so that a symlink is never
 * followed and a component renamed meanwhile can only lead to another directory
 * that was below dirfd at that moment.
 */
#include <limits.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/scope.h"

#ifdef __linux__
#include <linux/openat2.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#endif

/* The length of the component at path, which does not start with '/'. */
static size_t beneath_component(const char *path)
{
	return strcspn(path, "/");
}

/* 0, or why the path may not be opened at all. */
static int beneath_check(const char *path)
{
	if (*path == '/')
		return -EXDEV;
	while (*path) {
		size_t len = beneath_component(path);

		if (len == 2 && path[0] == '.' && path[1] == '.')
			return -EXDEV;
		path += len;
		path += strspn(path, "/");
	}
	return 0;
}

/* O_PATH without O_NOFOLLOW must not hand out a symlink as if it were the target. */
static int beneath_last(int dirfd, const char *name, int flags)
{
	vn_autoclose int fd = vn_open_at(dirfd, name, flags | O_NOFOLLOW, 0);
	struct stat st;

	if (fd < 0)
		return fd == -EMLINK ? -ELOOP : fd;
	if (flags & O_NOFOLLOW)
		return vn_steal_fd(&fd);
	if (fstat(fd, &st))
		return -errno;
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	return vn_steal_fd(&fd);
}

/* Opens the directory on the way; a symlink there is ELOOP, as openat2 says it. */
static int beneath_enter(int dirfd, const char *name)
{
	int fd = vn_open_at(dirfd, name, VN_O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	struct stat st;

	if (fd != -ENOTDIR)
		return fd;
	if (!fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISLNK(st.st_mode))
		return -ELOOP;
	return -ENOTDIR;
}

int vn_open_beneath_walk(int dirfd, const char *path, int flags)
{
	vn_autoclose int own = -1; /* the directory reached, once it is not dirfd */
	int at = dirfd;
	int err = beneath_check(path);

	if (err)
		return err;
	for (;;) {
		char name[NAME_MAX + 1];
		size_t len = beneath_component(path);
		const char *rest = path + len;
		int next;

		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, path, len);
		name[len] = '\0';
		if (!*rest)
			return beneath_last(at, *name ? name : ".", flags);
		rest += strspn(rest, "/");
		if (!*rest)
			return beneath_last(at, name, flags | O_DIRECTORY);
		next = beneath_enter(at, name);
		if (next < 0)
			return next;
		vn_scope_close(&own);
		own = at = next;
		path = rest;
	}
}

#ifdef __linux__
static int beneath_openat2(int dirfd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	for (;;) {
		long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno != EINTR && errno != EAGAIN) /* EAGAIN: a rename raced with the resolution */
			return -errno;
	}
}

int vn_open_beneath(int dirfd, const char *path, int flags)
{
	static atomic_bool missing;
	int fd = beneath_check(path);

	if (fd)
		return fd;
	if (!atomic_load_explicit(&missing, memory_order_relaxed)) {
		fd = beneath_openat2(dirfd, *path ? path : ".", flags);
		if (fd != -ENOSYS)
			return fd;
		atomic_store_explicit(&missing, true, memory_order_relaxed);
	}
	return vn_open_beneath_walk(dirfd, path, flags);
}
#else
int vn_open_beneath(int dirfd, const char *path, int flags)
{
	return vn_open_beneath_walk(dirfd, path, flags);
}
#endif
