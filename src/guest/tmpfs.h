// SPDX-License-Identifier: Apache-2.0
/*
 * VENEER_TMPFS: which tmpfs file systems the guest gets.
 *
 *	/tmp,size=256,mode=1777,noexec;/var/tmp
 *
 * Entries are divided by ';' (one at the end is allowed), each a path and its options,
 * divided by ','. An entry is mounted nosuid and nodev whatever it says.
 */
#ifndef GUEST_TMPFS_H
#define GUEST_TMPFS_H

#include "guest/path.h"
#include "guest/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VG_TMPFS_MAX 32

struct vg_tmpfs {
	char path[VG_PATH_MAX];
	uint64_t size_mib; /* 0: the kernel's default, half of the memory */
	unsigned int mode; /* permission bits, 0 to 07777 */
	bool noexec;
};

struct vg_tmpfs_list {
	struct vg_tmpfs entry[VG_TMPFS_MAX]; /* in the order of mounting */
	size_t count;
};

/*
 * Parses spec; "" is an empty list. The mode is 01777 for /tmp and /var/tmp and 0755
 * elsewhere unless given. Returns 0; -EINVAL with *why set and *list untouched.
 */
int vg_tmpfs_parse(const char *spec, struct vg_tmpfs_list *list, struct vg_why *why);

#endif
