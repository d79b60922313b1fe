// SPDX-License-Identifier: Apache-2.0
/* /proc/filesystems: which file systems of a block device the kernel can mount now. */
#ifndef GUEST_FSTYPES_H
#define GUEST_FSTYPES_H

#include "guest/device.h"

#include <stddef.h>

#define VG_FSTYPES_MAX 64

struct vg_fstypes {
	char name[VG_FSTYPES_MAX][VG_FSTYPE_MAX];
	size_t count;
};

/*
 * The disk file systems in text (the content of /proc/filesystems), in the order to try them:
 * as listed, but ext4 before ext2 and ext3, which the same driver offers with fewer
 * features. Left out: "nodev" lines, fuseblk (needs a server) and lines that are no name.
 */
void vg_fstypes_parse(const char *text, struct vg_fstypes *out);

#endif
