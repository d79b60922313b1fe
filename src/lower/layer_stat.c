// SPDX-License-Identifier: Apache-2.0
/* Attributes of one object of a layer, without opening it. */
#include <string.h>
#include <unistd.h>

#include "base/cfg.h"
#include "base/clock.h"
#include "lower/layer.h"

#ifdef __linux__
#include <linux/fs.h>
#include <sys/sysmacros.h>

static int64_t stat_time(const struct statx_timestamp *t)
{
	return vn_ns_make(t->tv_sec, t->tv_nsec);
}

static uint32_t stat_flags(uint64_t attributes)
{
	return (attributes & STATX_ATTR_APPEND ? FS_APPEND_FL : 0) |
		(attributes & STATX_ATTR_IMMUTABLE ? FS_IMMUTABLE_FL : 0);
}

int layer_stat(int dirfd, const char *name, struct layer_stat *out)
{
	struct statx s;

	if (statx(dirfd, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_BTIME, &s))
		return -errno;
	*out = (struct layer_stat){
		.dev = makedev(s.stx_dev_major, s.stx_dev_minor),
		.ino = s.stx_ino,
		.attr =
			{
				.size = s.stx_size,
				.blocks = s.stx_blocks,
				.atime = stat_time(&s.stx_atime),
				.mtime = stat_time(&s.stx_mtime),
				.ctime = stat_time(&s.stx_ctime),
				.btime = s.stx_mask & STATX_BTIME ? stat_time(&s.stx_btime) : 0,
				.mode = s.stx_mode,
				.nlink = s.stx_nlink,
				.uid = s.stx_uid,
				.gid = s.stx_gid,
				.rdev_major = s.stx_rdev_major,
				.rdev_minor = s.stx_rdev_minor,
				.blksize = s.stx_blksize,
				.flags = stat_flags(s.stx_attributes),
			},
	};
	return 0;
}
#else
int layer_stat(int dirfd, const char *name, struct layer_stat *out)
{
	struct stat s;
	int rc = *name ? fstatat(dirfd, name, &s, AT_SYMLINK_NOFOLLOW) : fstat(dirfd, &s);

	if (rc)
		return -errno;
	*out = (struct layer_stat){
		.dev = (uint64_t)s.st_dev,
		.ino = (uint64_t)s.st_ino,
		.attr =
			{
				.size = (uint64_t)s.st_size,
				.blocks = (uint64_t)s.st_blocks,
				.atime = vn_ns_from_ts(&vn_st_atim(&s)),
				.mtime = vn_ns_from_ts(&vn_st_mtim(&s)),
				.ctime = vn_ns_from_ts(&vn_st_ctim(&s)),
				.mode = s.st_mode,
				.nlink = (uint32_t)s.st_nlink,
				.uid = s.st_uid,
				.gid = s.st_gid,
				.rdev_major = (uint32_t)major(s.st_rdev),
				.rdev_minor = (uint32_t)minor(s.st_rdev),
				.blksize = (uint32_t)s.st_blksize,
			},
	};
	return 0;
}
#endif
