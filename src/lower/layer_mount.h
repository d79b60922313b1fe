// SPDX-License-Identifier: Apache-2.0
/* Mounts, as far as a layer has to know of them. */
#ifndef LOWER_LAYER_MOUNT_H
#define LOWER_LAYER_MOUNT_H

#include <stdint.h>

/*
 * A private clone of the mount below fd, rooted at fd, without the mounts that
 * lie on it; read-only and without access times. Returns a descriptor that
 * only names its root; negative where the system does not allow it.
 */
int layer_mount_clone(int fd);

/* Something that differs between the mounts of the host: a mount's id where the system tells, else the device. */
int layer_mount_id(int fd, uint64_t *id);

#endif
