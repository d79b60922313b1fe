// SPDX-License-Identifier: Apache-2.0
/* Putting a FUSE mount into the tree of files, and taking it out again. */
#ifndef VF_DEVFUSE_MOUNT_H
#define VF_DEVFUSE_MOUNT_H

#include <stdbool.h>

#include "fuse/devfuse.h"

struct vf_mount {
	char *target;   /* absolute; owned; NULL: made by somebody else */
	bool by_helper; /* fusermount3 made it and has to take it away */
	int id;         /* of the mount, from /proc/self/mountinfo; -1: not known */
};

/*
 * Mounts on target. *fd is the device, the caller's to close. On failure nothing is
 * mounted and *err has the sentence. mount(2) where this process may, else fusermount3.
 */
int vf_mount_make(struct vf_mount *m, const char *target, const struct vf_mount_options *o, int *fd, struct vn_err *err);

/* Takes it away if it is still there; lazily when it is in use. Never waits for the server. */
void vf_mount_take(struct vf_mount *m);

void vf_mount_fini(struct vf_mount *m);

/* devfuse_helper.c: mounts and unmounts by way of fusermount3. */
int vf_helper_mount(const char *target, const struct vf_mount_options *o, int *fd, struct vn_err *err);
int vf_helper_unmount(const char *target);

#endif
