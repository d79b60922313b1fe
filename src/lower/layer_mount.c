// SPDX-License-Identifier: Apache-2.0
#include "lower/layer_mount.h"

#include <stddef.h>

#include "base/cfg.h"
#include "base/scope.h"

#ifdef __linux__
#include <linux/mount.h>
#include <sys/syscall.h>

#if defined(SYS_open_tree) && defined(SYS_mount_setattr) && defined(OPEN_TREE_CLONE) && defined(MOUNT_ATTR_RDONLY)
int layer_mount_clone(int fd)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME,
		.attr_clr = MOUNT_ATTR__ATIME,
	};
	vn_autoclose int clone = (int)syscall(SYS_open_tree, fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (clone < 0)
		return -errno;
	if (syscall(SYS_mount_setattr, clone, "", AT_EMPTY_PATH, &attr, sizeof(attr)))
		return -errno;
	return vn_steal_fd(&clone);
}
#else
int layer_mount_clone(int fd)
{
	(void)fd;
	return -ENOSYS;
}
#endif

int layer_mount_id(int fd, uint64_t *id)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_TYPE | STATX_MNT_ID, &stx))
		return -errno;
	if (stx.stx_mask & STATX_MNT_ID)
		*id = stx.stx_mnt_id;
	else
		*id = (uint64_t)stx.stx_dev_major << 32 | stx.stx_dev_minor;
	return 0;
}
#else
int layer_mount_clone(int fd)
{
	(void)fd;
	return -ENOSYS;
}

int layer_mount_id(int fd, uint64_t *id)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	*id = (uint64_t)st.st_dev;
	return 0;
}
#endif
