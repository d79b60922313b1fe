// SPDX-License-Identifier: Apache-2.0
/* Attributes, entries and timeouts in their wire form. */
#include <string.h>

#include "base/clock.h"
#include "fuse/request.h"

void vf_timeout_fill(int64_t timeout, uint64_t *sec, uint32_t *nsec)
{
	*nsec = 0;
	if (timeout == VF_FOREVER) {
		*sec = INT32_MAX; /* the client's clock ends there where it counts in 32 bits */
	} else {
		*sec = (uint64_t)(timeout / VN_NS_PER_SEC);
		*nsec = (uint32_t)(timeout % VN_NS_PER_SEC);
	}
}

static void attr_time(int64_t ns, uint64_t *sec, uint32_t *nsec)
{
	struct timespec ts = vn_ns_to_ts(ns);

	*sec = (uint64_t)(int64_t)ts.tv_sec;
	*nsec = (uint32_t)ts.tv_nsec;
}

/* The kernel's new encoding: 12 bits of major between the low 8 and the high 12 of minor. */
static uint32_t attr_rdev(uint32_t major, uint32_t minor)
{
	return (minor & 0xff) | (major & 0xfff) << 8 | (minor & 0xfff00) << 12;
}

void vf_attr_fill(struct fuse_attr *out, const struct vn_attr *a)
{
	*out = (struct fuse_attr){
		.ino = a->ino,
		.size = a->size,
		.blocks = a->blocks,
		.mode = a->mode,
		.nlink = a->nlink,
		.uid = a->uid,
		.gid = a->gid,
		.rdev = attr_rdev(a->rdev_major, a->rdev_minor),
		.blksize = a->blksize,
	};
	attr_time(a->atime, &out->atime, &out->atimensec);
	attr_time(a->mtime, &out->mtime, &out->mtimensec);
	attr_time(a->ctime, &out->ctime, &out->ctimensec);
}

static unsigned fleeting_bit(uint64_t node)
{
	return (unsigned)((node * UINT64_C(0x9E3779B97F4A7C15)) >> 52) % (VF_FLEETING_WORDS * 64);
}

void vf_attr_fleeting(struct vf_session *s, uint64_t node)
{
	unsigned bit = fleeting_bit(node);

	atomic_fetch_or_explicit(&s->fleeting[bit / 64], UINT64_C(1) << bit % 64, memory_order_relaxed);
}

int64_t vf_attr_timeout(const struct vf_session *s, uint64_t node)
{
	unsigned bit = fleeting_bit(node);
	uint64_t word = atomic_load_explicit(&s->fleeting[bit / 64], memory_order_relaxed);

	return word >> bit % 64 & 1 ? 0 : s->policy.attr_timeout;
}

void vf_entry_fill(struct vf_session *s, struct fuse_entry_out *out, const struct vn_entry *e)
{
	bool twin;

	if (e->volatile_attr)
		vf_attr_fleeting(s, e->node);
	out->nodeid = vf_through_out(s, e->node, &twin);
	out->generation = e->generation;
	vf_timeout_fill(s->policy.entry_timeout, &out->entry_valid, &out->entry_valid_nsec);
	vf_timeout_fill(e->volatile_attr || twin ? 0 : s->policy.attr_timeout, &out->attr_valid, &out->attr_valid_nsec);
	vf_attr_fill(&out->attr, &e->attr);
}
