// SPDX-License-Identifier: Apache-2.0
/* What is mounted into the root of the moment. */
#ifndef GUEST_MOUNTS_H
#define GUEST_MOUNTS_H

#include "guest/device.h"
#include "guest/tmpfs.h"
#include "guest/why.h"

/*
 * /dev, /proc, /sys, cgroup2 on /sys/fs/cgroup, /dev/pts, /dev/shm, the links /dev/fd, stdin,
 * stdout and stderr, and the directory /run. What is mounted already stays. Without one of the first three no
 * program works: returns -errno with *why set. For the others a line on the console says what is missing.
 */
int vg_mounts_base(struct vg_why *why);

/* The list's tmpfs, their directories made where missing. Returns 0; -errno with *why set. */
int vg_mounts_tmpfs(const struct vg_tmpfs_list *list, struct vg_why *why);

/*
 * The runtime share by its tag. Something that is mounted on its directory is it already and
 * stays. Returns 0; -errno with *why set.
 */
int vg_mounts_runtime(const struct vg_runtime *runtime, struct vg_why *why);

/*
 * A descriptor that holds what is mounted on dir across a move of the root. The caller closes it. Returns
 * -ENOENT when dir is not a mount point; -errno.
 */
int vg_mounts_hold(const char *dir);

/* Mounts what fd holds on dir, made where missing. fd stays open. Returns 0; -errno with *why set. */
int vg_mounts_put(int fd, const char *dir, struct vg_why *why);

#endif
