// SPDX-License-Identifier: Apache-2.0
/*
 * The dirty log of a live migration: one bit per page of guest memory that the
 * device has written, in memory shared with the front end.
 */
#ifndef VF_VHOST_LOG_H
#define VF_VHOST_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/cfg.h"

#define VHOST_LOG_PAGE UINT64_C(4096)

struct vhost_log; /* refcounted: the front end may replace it while requests are under way */

/*
 * Maps size bytes at offset of fd (borrowed) as the log of guest address 0 and up.
 * The caller holds a reference. -EINVAL: an empty, wrapping or too long range; or
 * what mmap(2) says.
 */
int vhost_log_new(int fd, uint64_t size, uint64_t offset, struct vhost_log **out) VN_MUST_CHECK;

/* One more holder; returns log. NULL is allowed in both. */
struct vhost_log *vhost_log_get(struct vhost_log *log);
void vhost_log_put(struct vhost_log *log);

/* Marks the pages of guest..guest+len as written; those beyond the log's end are left out. log may be NULL. */
void vhost_log_mark(struct vhost_log *log, uint64_t guest, uint64_t len);

#endif
