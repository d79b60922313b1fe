// SPDX-License-Identifier: Apache-2.0
#include "lower/layer.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/scope.h"
#include "lower/layer_mount.h"
#include "lower/marker.h"

#ifndef O_NOATIME
#define O_NOATIME 0
#endif

/*
 * Opens without touching the access time where that is allowed. Once refused
 * (a file is somebody else's) it is not tried again: two calls for each open
 * would be dear.
 */
static int open_noatime(struct layer *l, int dirfd, const char *name, int flags, int (*open_fn)(int, const char *, int))
{
	int fd;

	if (atomic_load_explicit(&l->noatime, memory_order_relaxed)) {
		fd = open_fn(dirfd, name, flags | O_NOATIME);
		if (fd != -EPERM)
			return fd;
		atomic_store_explicit(&l->noatime, false, memory_order_relaxed);
	}
	return open_fn(dirfd, name, flags);
}

static int open_plain(int dirfd, const char *name, int flags)
{
	return vn_open_at(dirfd, name, flags, 0);
}

/* ---- the root ---- */

/* What the attributes of the root tell of the layer: its overrides, and whether an overlay was here. */
static void layer_learn(struct layer *l)
{
	vn_autofree char *names = NULL;
	ssize_t len = layer_xattr_names(l->fd, "", &names);

	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
		int kind = marker_override_kind(names + at);

		if (kind >= 0)
			l->overrides |= 1u << kind;
		l->overlay |= marker_xattr_is_overlay(names + at);
	}
}

static int layer_open_root(const char *path, struct vn_err *err)
{
	int fd = vn_open_at(AT_FDCWD, path, VN_O_PATH | O_DIRECTORY, 0);
	vn_autoclose int probe = -1;

	if (fd == -ENOENT)
		return vn_err_set(err, fd, "lower directory %s does not exist", path);
	if (fd == -ENOTDIR)
		return vn_err_set(err, fd, "lower %s is not a directory", path);
	if (fd < 0)
		return vn_err_sys(err, fd, "cannot open the lower directory %s", path);
	probe = vn_open_at(fd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (probe < 0) {
		close(fd);
		return vn_err_sys(err, probe, "cannot read the lower directory %s", path);
	}
	return fd;
}

int layer_open(struct layer *l, const char *path, bool noxattr, struct vn_err *err)
{
	vn_autoclose int fd = layer_open_root(path, err);
	vn_autofree char *copy = strdup(path);
	struct layer_stat st;
	struct layer made = {.fd = -1};
	int clone, rc;

	if (fd < 0)
		return fd;
	if (!copy)
		return vn_err_sys(err, -ENOMEM, "cannot open the lower directory %s", path);
	clone = layer_mount_clone(fd);
	if (clone >= 0) {
		made.cloned = true;
		close(fd);
		fd = clone;
	}
	rc = layer_stat(fd, "", &st);
	if (!rc && !made.cloned)
		rc = layer_mount_id(fd, &made.mount);
	if (rc)
		return vn_err_sys(err, rc, "cannot look at the lower directory %s", path);
	atomic_init(&made.noatime, !made.cloned && O_NOATIME);
	made.dev = st.dev;
	made.ino = st.ino;
	made.fd = vn_steal_fd(&fd);
	made.path = vn_steal_ptr(&copy);
	if (!noxattr)
		layer_learn(&made);
	*l = made;
	return 0;
}

void layer_close(struct layer *l)
{
	if (l->fd >= 0)
		close(l->fd);
	free(l->path);
	*l = (struct layer){.fd = -1};
}

/* ---- what lies in it ---- */

int layer_open_dir(struct layer *l, int dirfd, const char *path)
{
	vn_autoclose int fd = open_noatime(l, dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, vn_open_beneath);
	uint64_t mount;
	int rc;

	if (fd == -EACCES)
		fd = vn_open_beneath(dirfd, path, VN_O_PATH | O_DIRECTORY | O_NOFOLLOW);
	if (fd < 0 || l->cloned)
		return vn_steal_fd(&fd);
	rc = layer_mount_id(fd, &mount);
	if (rc)
		return rc;
	return mount == l->mount ? vn_steal_fd(&fd) : -EXDEV;
}

int layer_open_file(struct layer *l, int dirfd, const char *name, const struct layer_stat *seen)
{
	vn_autoclose int fd = -1;
	struct layer_stat st;
	int rc;

	if (!S_ISREG(seen->attr.mode))
		return -ESTALE;
	/* NONBLOCK: should a pipe have taken the file's place, opening it must not wait. */
	fd = open_noatime(l, dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, open_plain);
	if (fd == -ENOENT || fd == -ELOOP || fd == -ENXIO)
		return -ESTALE;
	if (fd < 0)
		return fd;
	rc = layer_stat(fd, "", &st);
	if (rc)
		return rc;
	if (!S_ISREG(st.attr.mode) || st.ino != seen->ino || st.dev != seen->dev)
		return -ESTALE;
	return vn_steal_fd(&fd);
}
