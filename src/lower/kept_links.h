// SPDX-License-Identifier: Apache-2.0
/*
 * Files with several names, counted while a view is made: their records are written
 * as they are met, and get in the end the number of names that there are in the
 * merged tree.
 */
#ifndef LOWER_KEPT_LINKS_H
#define LOWER_KEPT_LINKS_H

#include <stdint.h>

#include "base/vec.h"
#include "lower/kept_write.h"

/* Zeroes: none yet. */
struct kept_links {
	struct vn_vec v;
};

/* One name of the file `ino`, its record written at `record` with nlink names. -ENOMEM. */
int kept_links_add(struct kept_links *links, uint64_t ino, uint64_t record, uint32_t nlink);
/* Fills in how many names each file has. Errors of kept_write_patch(). */
int kept_links_settle(struct kept_links *links, struct kept_write *out);
void kept_links_fini(struct kept_links *links);

#endif
