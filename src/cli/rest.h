// SPDX-License-Identifier: Apache-2.0
/*
 * An upper looked at without mounting it: the tree is opened read-only and its
 * verbs are called directly. A server that has the upper is asked first to write
 * all its changes to the index, so what is seen is what a user of the mount sees.
 */
#ifndef CLI_REST_H
#define CLI_REST_H

#include "base/fs.h"
#include "cli/layers.h"
#include "overlay/overlay.h"

struct rest {
	struct layers layers;
	struct ovl_tree *tree;
	struct vn_fs *fs;
	struct vn_ctx ctx; /* root's, for the verbs */
	bool served;       /* a server has the upper */
};

/*
 * Opens. lowers: where they are now, or an empty list for those recorded in the
 * upper. snapshot: NULL for the present state. On failure nothing has to be closed.
 */
int rest_open(struct rest *r, const char *upper, const struct words *lowers, const char *snapshot, struct vn_err *err);
/* The same of the present state, with the kept views of another directory (NULL: the upper's). */
int rest_open_kept(struct rest *r, const char *upper, const struct words *lowers, const char *cache, struct vn_err *err);
/* The same for the present state, whatever has become of the lowers: to find out what. */
int rest_open_changed(struct rest *r, const char *upper, const struct words *lowers, struct vn_err *err);
void rest_close(struct rest *r);

/*
 * Finds a path of the tree, which is its whole world: "..", absolute symlinks and
 * so on never lead out of it. follow: the last component too, when it is a
 * symlink. The entry's lookup lasts until rest_close().
 */
int rest_find(struct rest *r, const char *path, bool follow, struct vn_entry *out, struct vn_err *err);

/* Target of a symlink, NUL-terminated. Returns its length or -errno. */
ssize_t rest_readlink(struct rest *r, uint64_t node, char buf[VN_SYMLINK_MAX + 1]);

#endif
