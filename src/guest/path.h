// SPDX-License-Identifier: Apache-2.0
/* Paths in a specification: absolute, plain, written in one way only. */
#ifndef GUEST_PATH_H
#define GUEST_PATH_H

#include "guest/text.h"
#include "guest/why.h"

#include <stdbool.h>

#define VG_PATH_MAX 256

/*
 * Checks that text is an absolute path without "." and ".." components and writes it
 * without doubled or trailing slashes ("/" itself stays "/"). where begins the sentence:
 * "VENEER_TMPFS, entry 2". Returns 0; -EINVAL with *why set.
 */
int vg_path_parse(struct vg_text text, const char *where, char out[VG_PATH_MAX], struct vg_why *why);

/* Whether path is above or equal to other; both as vg_path_parse writes them. */
bool vg_path_covers(const char *path, const char *other);

#endif
