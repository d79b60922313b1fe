// SPDX-License-Identifier: Apache-2.0
/* A root directory with a few files, in memory: just enough to have requests succeed. */
#ifndef TESTS_VHOST_TINYFS_H
#define TESTS_VHOST_TINYFS_H

#include "base/fs.h"

struct vn_fs *tinyfs_new(void);
void tinyfs_free(struct vn_fs *fs);

#endif
