// SPDX-License-Identifier: Apache-2.0
/*
 * Extended attributes of an object that must not be opened (it may be a device
 * or a pipe). Linux 6.13 has calls that take a directory and a name; before it
 * the name is reached through /proc/self/fd, where the l-calls do not follow
 * the last component.
 */
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cfg.h"
#include "base/scope.h"
#include "lower/layer.h"

#ifdef __linux__
#include <sys/syscall.h>

#ifndef SYS_getxattrat
#define SYS_getxattrat 464
#define SYS_listxattrat 465
#endif

/* The kernel's struct xattr_args. */
struct xattr_value {
	uint64_t value __attribute__((aligned(8)));
	uint32_t size;
	uint32_t flags;
};

static atomic_bool at_missing;

/* Is the call to be tried? The others are remembered after one ENOSYS. */
static bool at_usable(void)
{
	return !atomic_load_explicit(&at_missing, memory_order_relaxed);
}

static void xattr_path(char path[NAME_MAX + 64], int dirfd, const char *name)
{
	snprintf(path, NAME_MAX + 64, "/proc/self/fd/%d/%s", dirfd, name);
}

static ssize_t get_at(int dirfd, const char *name, const char *xattr, void *buf, size_t size)
{
	struct xattr_value value = {.value = (uintptr_t)buf, .size = (uint32_t)(size > UINT32_MAX ? UINT32_MAX : size)};
	char path[NAME_MAX + 64];
	ssize_t n;

	if (at_usable()) {
		n = syscall(SYS_getxattrat, dirfd, name, AT_SYMLINK_NOFOLLOW, xattr, &value, sizeof(value));
		if (n >= 0 || errno != ENOSYS)
			return n < 0 ? -errno : n;
		atomic_store_explicit(&at_missing, true, memory_order_relaxed);
	}
	xattr_path(path, dirfd, name);
	n = lgetxattr(path, xattr, buf, size);
	return n < 0 ? -errno : n;
}

static ssize_t list_at(int dirfd, const char *name, char *buf, size_t size)
{
	char path[NAME_MAX + 64];
	ssize_t n;

	if (at_usable()) {
		n = syscall(SYS_listxattrat, dirfd, name, AT_SYMLINK_NOFOLLOW, buf, size);
		if (n >= 0 || errno != ENOSYS)
			return n < 0 ? -errno : n;
		atomic_store_explicit(&at_missing, true, memory_order_relaxed);
	}
	xattr_path(path, dirfd, name);
	n = llistxattr(path, buf, size);
	return n < 0 ? -errno : n;
}

/* dirfd itself: by the descriptor, or as "." in it where that only names it. */
ssize_t layer_xattr_get(int dirfd, const char *name, const char *xattr, void *buf, size_t size)
{
	ssize_t n;

	if (*name)
		return get_at(dirfd, name, xattr, buf, size);
	n = fgetxattr(dirfd, xattr, buf, size);
	if (n >= 0)
		return n;
	return errno == EBADF ? get_at(dirfd, ".", xattr, buf, size) : -errno;
}

ssize_t layer_xattr_list(int dirfd, const char *name, char *buf, size_t size)
{
	ssize_t n;

	if (*name)
		return list_at(dirfd, name, buf, size);
	n = flistxattr(dirfd, buf, size);
	if (n >= 0)
		return n;
	return errno == EBADF ? list_at(dirfd, ".", buf, size) : -errno;
}
#else
/* Here a descriptor is needed; O_SYMLINK opens a link itself, and only regular files and directories are opened. */
static int xattr_open(int dirfd, const char *name)
{
	struct layer_stat st;
	int rc = layer_stat(dirfd, name, &st);
	int fd;

	if (rc)
		return rc;
	if (!S_ISREG(st.attr.mode) && !S_ISDIR(st.attr.mode) && !S_ISLNK(st.attr.mode))
		return -VN_ENOATTR;
	fd = openat(dirfd, *name ? name : ".", O_RDONLY | O_SYMLINK | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

ssize_t layer_xattr_get(int dirfd, const char *name, const char *xattr, void *buf, size_t size)
{
	vn_autoclose int fd = xattr_open(dirfd, name);
	ssize_t n = fd < 0 ? fd : fgetxattr(fd, xattr, buf, size, 0, 0);

	return fd >= 0 && n < 0 ? -errno : n;
}

ssize_t layer_xattr_list(int dirfd, const char *name, char *buf, size_t size)
{
	vn_autoclose int fd = xattr_open(dirfd, name);
	ssize_t n = fd < 0 ? fd : flistxattr(fd, buf, size, 0);

	return fd >= 0 && n < 0 ? -errno : n;
}
#endif

/* A list of n bytes in small to keep. */
static ssize_t names_keep(const char *small, size_t n, char **out)
{
	char *copy = malloc(n);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, small, n);
	*out = copy;
	return (ssize_t)n;
}

ssize_t layer_xattr_names(int dirfd, const char *name, char **out)
{
	char small[1024];
	size_t size = 65536; /* the system's own limit of a list */
	ssize_t n = layer_xattr_list(dirfd, name, small, sizeof(small));
	vn_autofree char *big = NULL;

	*out = NULL;
	if (n > 0)
		return names_keep(small, (size_t)n, out);
	if (n == -EOPNOTSUPP || n == -EPERM || n == -EACCES || n == -VN_ENOATTR || n == -ENOSYS)
		return 0;
	if (n != -ERANGE)
		return n;
	big = malloc(size);
	if (!big)
		return -ENOMEM;
	n = layer_xattr_list(dirfd, name, big, size);
	if (n > 0)
		*out = vn_steal_ptr(&big);
	return n;
}
