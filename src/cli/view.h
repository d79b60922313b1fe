// SPDX-License-Identifier: Apache-2.0
/*
 * The world that `veneer run` gives a command: a mount namespace whose root is
 * the tree. Nothing of it can be seen from outside, and it ends with the last
 * process in it, so nothing stays mounted however the command dies.
 *
 * On the tree stand
 *	/proc /sys /dev		the host's own, as they are
 * and, when the tree shows the host's `/`, where a lower is not read below mount
 * points, the host's other mounts: read-only, except that /tmp, /var/tmp and
 * /run, where they are mounts of their own, become empty temporary file systems
 * (a live /run would hand out the host's services; the directory that
 * /etc/resolv.conf leads into is shown in it, read-only). FUSE, overlay and
 * automatic mounts are left out: see hostmounts.c.
 */
#ifndef CLI_VIEW_H
#define CLI_VIEW_H

#include <stdbool.h>

#include "cli/idmap.h"

struct vn_err;

struct view_config {
	struct idmap idmap;
	const char *anchor;  /* a host directory that the tree is mounted over, unseen by anybody: the upper */
	const char *cwd;     /* to go to in the tree, else its root */
	unsigned long flags; /* MS_* */
};

/*
 * In the child: makes the namespaces, mounts the tree and makes it the root of
 * the process, talking to the parent over `sock` (see link.h). host_root: the tree shows the
 * host's `/`.
 */
int view_enter(const struct view_config *c, bool host_root, int sock, struct vn_err *err);

#endif
