// SPDX-License-Identifier: Apache-2.0
/*
 * Virtual files: content that stands above every layer. They hang on paths; as
 * no directory above one can be moved or removed (EBUSY), a directory's virtual
 * children are found once, when its node is made.
 */
#ifndef OVL_VIRTUAL_H
#define OVL_VIRTUAL_H

#include "overlay/tree.h"

/* Makes the virtual files of the configuration; the errors name the file. */
int ovl_virtual_open(struct ovl_tree *t, const struct ovl_config *config, struct vn_err *err);
void ovl_virtual_close(struct ovl_tree *t);
/* The virtual children below `name` of a directory with virtual children; NULL: none. */
struct ovl_vdir *ovl_virtual_subdir(struct ovl_vdir *dir, const char *name, size_t len);
/* Puts a directory's virtual names over what its table has. */
int ovl_virtual_names(struct ovl_tree *t, struct ovl_vdir *dir, struct ovl_names *names);
/*
 * A virtual node by number: a reference. A one-shot file that was looked up
 * before is -ENOENT; dir NULL (by nodeid, not by name) finds it all the same.
 */
int ovl_virtual_node(struct ovl_tree *t, struct ovl_node *dir, uint64_t ino, struct ovl_node **out);
ssize_t ovl_virtual_read(struct ovl_node *n, uint64_t off, const struct iovec *iov, int iovcnt);
/* A live file is looked at: its content is taken anew, *size set. Other files: nothing. */
int ovl_virtual_look(struct ovl_node *n, uint64_t *size);
/* Does its content change? */
bool ovl_virtual_is_live(const struct ovl_node *n);
/* The descriptor of its content for mapping, -ENODEV when it comes from a callback. */
int ovl_virtual_fd(struct ovl_node *n);

#endif
