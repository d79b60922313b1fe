// SPDX-License-Identifier: Apache-2.0
/* A block device becomes the root. */
#ifndef GUEST_ROOT_H
#define GUEST_ROOT_H

#include "guest/device.h"
#include "guest/why.h"

/*
 * Waits for the device, mounts it and makes it the root and the working directory. The old root stays
 * mounted below it, reachable only by descriptors that are open. Needs /dev and /proc; what was
 * mounted in the old root has to be mounted again. Returns 0; -errno with *why set, and the
 * old root is still the root then.
 */
int vg_root_enter(const struct vg_block_root *root, struct vg_why *why);

#endif
