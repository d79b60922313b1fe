// SPDX-License-Identifier: Apache-2.0
/* Changing attributes: setattr and the inode flags of chattr(1). */
#ifndef OVL_ATTR_H
#define OVL_ATTR_H

#include "overlay/tree.h"

/* setattr of base/fs.h for a node. */
int ovl_attr_set(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, const struct vn_setattr *set,
		 struct vn_attr *out);
/* FS_*_FL bits as FS_IOC_GETFLAGS shows them; node->lock held or not needed. */
uint32_t ovl_flags_wire(const struct ovl_node *n);
/* Sets them; -EOPNOTSUPP for a bit that is not kept. */
int ovl_flags_set(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, uint32_t wire);

#endif
