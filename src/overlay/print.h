// SPDX-License-Identifier: Apache-2.0
/* The fingerprint of one object of a host directory: what it is, and hashes of what it holds. */
#ifndef OVL_PRINT_H
#define OVL_PRINT_H

#include "lower/layer.h"
#include "overlay/overlay.h"

/* Told of bytes as they are read. NULL: nobody is. */
struct print_meter {
	void (*bytes)(void *arg, uint64_t n);
	void *arg;
};

/*
 * The fingerprint of `name` in dirfd, which `st` describes; name "" is dirfd
 * itself. contents: regular files are read to their end. What is no regular
 * file is never opened. Returns 0, or why the contents (or attributes) could not
 * be read: *out is filled then, too, with OVL_PRINT_UNREAD.
 */
int print_object(struct layer *l, int dirfd, const char *name, const struct layer_stat *st, bool contents,
		 const struct print_meter *meter, struct ovl_print *out);

/* What this process is shown of owners, and whether it sees trusted attributes: fingerprints made under another one differ there. */
uint64_t print_viewer(void);
#define PRINT_VIEWER_ROOT UINT64_C(1) /* a bit of it; the others are the user namespace */

#endif
