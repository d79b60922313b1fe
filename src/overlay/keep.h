// SPDX-License-Identifier: Apache-2.0
/*
 * Where the kept view of a tree's base lies, and who makes it (overlay.h says what
 * the configuration means).
 *
 * A mount uses the view that it finds when it is opened, else it reads the lowers
 * until its end, also when it makes a view meanwhile: that is for the next one.
 * The thread that makes it has the lowest priority, and goes on only while nobody
 * looks into directories.
 */
#ifndef OVL_KEEP_H
#define OVL_KEEP_H

#include "overlay/tree.h"

#define OVL_KEEP_DIR "base" /* in the upper */
#define OVL_KEEP_SUFFIX ".base"

/*
 * Before the base is used for anything: uses the view if there is one, and opens (makes)
 * the directory that is to get one. -errno only where the configuration asks for
 * what cannot be; a view that cannot be used is said in the log.
 */
int ovl_keep_open(struct ovl_tree *t, const struct ovl_config *config, struct vn_err *err);
/* Starts the thread if a view is to be made. */
int ovl_keep_start(struct ovl_tree *t);
/* Stops it and frees; the tree is closing. */
void ovl_keep_close(struct ovl_tree *t);

#endif
