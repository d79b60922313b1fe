// SPDX-License-Identifier: Apache-2.0
#ifndef OVL_IOCTL_H
#define OVL_IOCTL_H

#include "overlay/tree.h"

/* The ioctl verb of base/fs.h for a node: inode flags as chattr(1) and xfs_io use them; else -ENOTTY. */
ssize_t ovl_ioctl(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, uint32_t cmd, const void *in,
		  size_t insize, void *out, size_t outsize);

#endif
