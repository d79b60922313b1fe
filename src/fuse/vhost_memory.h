// SPDX-License-Identifier: Apache-2.0
/*
 * Guest memory as a vhost-user front end shares it: regions with a guest
 * address (what descriptors hold), a user address (what ring addresses are) and
 * a mapping of ours.
 *
 * A set of regions never changes: adding or removing one makes a new set. A
 * request holds a reference to the set that it was translated with, so a region
 * that the front end takes away stays mapped until the last request that uses it
 * has been answered.
 *
 * Every address comes from outside. Translation answers NULL or -EFAULT for what
 * is not wholly inside the regions; it never reads the memory.
 */
#ifndef VF_VHOST_MEMORY_H
#define VF_VHOST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/cfg.h"

#define VHOST_MEMORY_SLOTS 509 /* what GET_MAX_MEM_SLOTS answers; as many as KVM gives on x86 */

/* A region as it is on the wire; all in bytes. */
struct vhost_region_wire {
	uint64_t guest;  /* guest physical address */
	uint64_t size;
	uint64_t user;   /* address in the front end */
	uint64_t offset; /* of the region in the descriptor's file */
};

struct vhost_memory;

/* An empty set, to start from. NULL: no memory. The caller holds a reference. */
struct vhost_memory *vhost_memory_new(void);

/* One more holder; returns m. NULL is allowed in both. */
struct vhost_memory *vhost_memory_get(struct vhost_memory *m);
void vhost_memory_put(struct vhost_memory *m);

/*
 * A new set with everything of m and one more region, which is mapped from fd
 * (borrowed: it can be closed afterwards). -EINVAL: a size of 0, a range that
 * wraps or is longer than its file; -EEXIST: guest or user addresses that overlap
 * those of another region; -ENOSPC: no slot left; or what mmap(2) says.
 */
int vhost_memory_add(const struct vhost_memory *m, const struct vhost_region_wire *r, int fd,
		     struct vhost_memory **out) VN_MUST_CHECK;

/* A new set without the region that has this guest address, user address and size. -ENOENT: there is none. */
int vhost_memory_remove(const struct vhost_memory *m, const struct vhost_region_wire *r,
			struct vhost_memory **out) VN_MUST_CHECK;

size_t vhost_memory_count(const struct vhost_memory *m);

/* Where len bytes at a guest or user address are mapped; NULL unless they lie in one region. */
void *vhost_memory_guest(const struct vhost_memory *m, uint64_t guest, uint64_t len);
void *vhost_memory_user(const struct vhost_memory *m, uint64_t user, uint64_t len);

/*
 * Describes len bytes at a guest address in iov, which has room for max elements;
 * they may go on in a region that follows without a gap. Returns the number of
 * elements; -EFAULT: not all of it is guest memory; -E2BIG: no room.
 */
int vhost_memory_gather(const struct vhost_memory *m, uint64_t guest, uint64_t len, struct iovec *iov,
			int max) VN_MUST_CHECK;

/* One past the highest guest address, 0 for an empty set. */
uint64_t vhost_memory_end(const struct vhost_memory *m);

#endif
