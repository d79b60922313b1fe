// SPDX-License-Identifier: Apache-2.0
/*
 * The two specifications that name a thing to mount:
 *
 *	VENEER_BLOCK_ROOT=/dev/vda[,fstype=ext4][,ro]
 *	VENEER_RUNTIME=TAG[,dir=/run/veneer][,ro]
 */
#ifndef GUEST_DEVICE_H
#define GUEST_DEVICE_H

#include "guest/path.h"
#include "guest/why.h"

#include <stdbool.h>

#define VG_FSTYPE_MAX 32
#define VG_TAG_MAX 37 /* virtio-fs: at most 36 bytes */
#define VG_RUNTIME_DIR "/run/veneer"

struct vg_block_root {
	char device[VG_PATH_MAX];
	char fstype[VG_FSTYPE_MAX]; /* "": try every disk file system the kernel knows */
	bool readonly;
};

struct vg_runtime {
	char tag[VG_TAG_MAX];
	char dir[VG_PATH_MAX];
	bool readonly;
};

/* Parses VENEER_BLOCK_ROOT's value. Returns 0; -EINVAL with *why set and *root untouched. */
int vg_block_root_parse(const char *spec, struct vg_block_root *root, struct vg_why *why);

/* Parses VENEER_RUNTIME's value. Returns 0; -EINVAL with *why set and *runtime untouched. */
int vg_runtime_parse(const char *spec, struct vg_runtime *runtime, struct vg_why *why);

#endif
