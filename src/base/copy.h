// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes from one file of the host to another, the way the host does it best: cloned,
 * copied by the kernel, or through memory. Holes stay holes.
 */
#ifndef VN_BASE_COPY_H
#define VN_BASE_COPY_H

#include <stdint.h>

#include "base/cfg.h"

/*
 * lseek(2) with SEEK_DATA or SEEK_HOLE from pos, at most `end`. Behind the last byte is a hole;
 * a host that cannot tell has data everywhere. Returns the offset or -errno.
 */
int64_t vn_seek_within(int fd, uint64_t pos, uint64_t end, int whence) VN_MUST_CHECK;

/*
 * The next stretch of data in from..to: *data to *hole, empty at `to` when there is none. Returns 0 or -errno.
 */
int vn_next_data(int fd, uint64_t from, uint64_t to, uint64_t *data, uint64_t *hole) VN_MUST_CHECK;

/*
 * Copies the bytes from..to to the same place in dst, which reads as zeros there before. A source
 * that ends earlier has a hole there. Returns 0 or -errno; -EIO when the source shrinks meanwhile,
 * and then, as with every error, a part may have been copied.
 */
int vn_copy_range(int src, int dst, uint64_t from, uint64_t to) VN_MUST_CHECK;

/*
 * Makes dst, an empty file, share all of src's blocks. Returns 0, -EOPNOTSUPP or -ENOTTY where the
 * host file system cannot, -EXDEV when the two are not on one, or another -errno; dst is empty then.
 */
int vn_clone_file(int src, int dst) VN_MUST_CHECK;

/*
 * Makes dst, an empty file, a copy of src: its size, its bytes and its holes; it shares src's
 * blocks where the host file system can. Returns 0 or -errno.
 */
int vn_copy_file(int src, int dst) VN_MUST_CHECK;

#endif
