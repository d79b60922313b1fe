// SPDX-License-Identifier: Apache-2.0
#include "fuse/vhost_memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse/vhost_fault.h"

/* One mapping, shared by all sets that have it. */
struct region {
	atomic_int refs;
	struct vhost_region_wire wire;
	char *at;          /* the region's first byte */
	void *map;         /* what mmap(2) gave, from an aligned offset */
	size_t map_length;
};

struct vhost_memory {
	atomic_int refs;
	size_t n;
	struct region *regions[]; /* by guest address */
};

static void region_put(struct region *r)
{
	if (atomic_fetch_sub(&r->refs, 1) != 1)
		return;
	vhost_fault_forget(r->map);
	munmap(r->map, r->map_length);
	free(r);
}

static struct region *region_get(struct region *r)
{
	atomic_fetch_add(&r->refs, 1);
	return r;
}

static struct vhost_memory *memory_alloc(size_t n)
{
	struct vhost_memory *m = calloc(1, sizeof(*m) + n * sizeof(m->regions[0]));

	if (m)
		atomic_init(&m->refs, 1);
	return m;
}

struct vhost_memory *vhost_memory_new(void)
{
	return memory_alloc(0);
}

struct vhost_memory *vhost_memory_get(struct vhost_memory *m)
{
	if (m)
		atomic_fetch_add(&m->refs, 1);
	return m;
}

void vhost_memory_put(struct vhost_memory *m)
{
	if (!m || atomic_fetch_sub(&m->refs, 1) != 1)
		return;
	for (size_t i = 0; i < m->n; i++)
		region_put(m->regions[i]);
	free(m);
}

size_t vhost_memory_count(const struct vhost_memory *m)
{
	return m->n;
}

static bool range_wraps(uint64_t start, uint64_t size)
{
	return start + size < start;
}

static bool ranges_meet(uint64_t a, uint64_t alen, uint64_t b, uint64_t blen)
{
	return a < b + blen && b < a + alen;
}

/* Ranges that end exactly at 2^64 are refused too: their end could not be named. */
static int region_check(const struct vhost_memory *m, const struct vhost_region_wire *w)
{
	if (!w->size || range_wraps(w->guest, w->size) || range_wraps(w->user, w->size) ||
	    range_wraps(w->offset, w->size) || w->offset + w->size > INT64_MAX)
		return -EINVAL;
	if (m->n >= VHOST_MEMORY_SLOTS)
		return -ENOSPC;
	for (size_t i = 0; i < m->n; i++) {
		const struct vhost_region_wire *o = &m->regions[i]->wire;

		if (ranges_meet(w->guest, w->size, o->guest, o->size) ||
		    ranges_meet(w->user, w->size, o->user, o->size))
			return -EEXIST;
	}
	return 0;
}

/*
 * Offsets of huge page files must be multiples of the huge page, which is what
 * st_blksize says for them. Pages beyond the end of a file would raise SIGBUS at
 * the first touch, so a region has to lie inside its file; a file that is cut short
 * later is vhost_fault.h's matter.
 */
static int region_alignment(const struct vhost_region_wire *w, int fd, uint64_t *align)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (S_ISREG(st.st_mode) && w->offset + w->size > (uint64_t)st.st_size)
		return -EINVAL;
	*align = (uint64_t)st.st_blksize;
	if (*align < page || (*align & (*align - 1)))
		*align = page;
	return 0;
}

static int region_map(const struct vhost_region_wire *w, int fd, struct region **out)
{
	uint64_t align = 0, start, length;
	struct region *r;
	int err = region_alignment(w, fd, &align);

	if (err)
		return err;
	start = w->offset & ~(align - 1);
	length = (w->offset + w->size - start + align - 1) & ~(align - 1);
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)start);
	if (r->map == MAP_FAILED) {
		err = -errno;
		free(r);
		return err;
	}
	err = vhost_fault_watch(r->map, length);
	if (err) {
		munmap(r->map, length);
		free(r);
		return err;
	}
	madvise(r->map, length, MADV_DONTDUMP); /* a guest's memory has no place in our core files */
	atomic_init(&r->refs, 1);
	r->wire = *w;
	r->map_length = length;
	r->at = (char *)r->map + (w->offset - start);
	*out = r;
	return 0;
}

int vhost_memory_add(const struct vhost_memory *m, const struct vhost_region_wire *w, int fd, struct vhost_memory **out)
{
	struct region *r = NULL;
	struct vhost_memory *grown;
	size_t at = 0;
	int err = region_check(m, w);

	if (!err)
		err = region_map(w, fd, &r);
	if (err)
		return err;
	grown = memory_alloc(m->n + 1);
	if (!grown) {
		region_put(r);
		return -ENOMEM;
	}
	while (at < m->n && m->regions[at]->wire.guest < w->guest)
		at++;
	for (size_t i = 0; i < m->n; i++)
		grown->regions[i + (i >= at)] = region_get(m->regions[i]);
	grown->regions[at] = r;
	grown->n = m->n + 1;
	*out = grown;
	return 0;
}

int vhost_memory_remove(const struct vhost_memory *m, const struct vhost_region_wire *w, struct vhost_memory **out)
{
	struct vhost_memory *rest;
	size_t at = 0;

	while (at < m->n && (m->regions[at]->wire.guest != w->guest || m->regions[at]->wire.size != w->size ||
			     m->regions[at]->wire.user != w->user))
		at++;
	if (at == m->n)
		return -ENOENT;
	rest = memory_alloc(m->n - 1);
	if (!rest)
		return -ENOMEM;
	for (size_t i = 0; i < m->n; i++) {
		if (i != at)
			rest->regions[rest->n++] = region_get(m->regions[i]);
	}
	*out = rest;
	return 0;
}

/* The region that holds the guest address, by bisection. */
static const struct region *region_find(const struct vhost_memory *m, uint64_t guest)
{
	size_t low = 0, high = m->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct vhost_region_wire *w = &m->regions[mid]->wire;

		if (guest < w->guest)
			high = mid;
		else if (guest - w->guest >= w->size)
			low = mid + 1;
		else
			return m->regions[mid];
	}
	return NULL;
}

void *vhost_memory_guest(const struct vhost_memory *m, uint64_t guest, uint64_t len)
{
	const struct region *r = region_find(m, guest);

	if (!r || len > r->wire.size - (guest - r->wire.guest))
		return NULL;
	return r->at + (guest - r->wire.guest);
}

void *vhost_memory_user(const struct vhost_memory *m, uint64_t user, uint64_t len)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct vhost_region_wire *w = &m->regions[i]->wire;

		if (user >= w->user && user - w->user < w->size && len <= w->size - (user - w->user))
			return m->regions[i]->at + (user - w->user);
	}
	return NULL;
}

int vhost_memory_gather(const struct vhost_memory *m, uint64_t guest, uint64_t len, struct iovec *iov, int max)
{
	int used = 0;

	while (len) {
		const struct region *r = region_find(m, guest);
		uint64_t skip, part;

		if (!r)
			return -EFAULT;
		if (used == max)
			return -E2BIG;
		skip = guest - r->wire.guest;
		part = r->wire.size - skip < len ? r->wire.size - skip : len;
		iov[used++] = (struct iovec){r->at + skip, part};
		guest += part;
		len -= part;
	}
	return used;
}

uint64_t vhost_memory_end(const struct vhost_memory *m)
{
	const struct vhost_region_wire *last = m->n ? &m->regions[m->n - 1]->wire : NULL;

	return last ? last->guest + last->size : 0;
}
