// SPDX-License-Identifier: Apache-2.0
/* Following a redirect of a lower directory into the layers below it. */
#ifndef LOWER_BASE_REDIRECT_H
#define LOWER_BASE_REDIRECT_H

#include <stddef.h>

#include "lower/base_parts.h"

/*
 * Replaces the parts after i of directory d, which is being looked into, by what
 * part i's redirect leads to. *parts may move. -ENOMEM, -ENAMETOOLONG, or the
 * host's errno.
 */
int base_redirect_follow(struct base *b, struct base_dir *d, struct base_parts **parts, size_t i, const char *redirect);

#endif
