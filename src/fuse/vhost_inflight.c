// SPDX-License-Identifier: Apache-2.0
#include "fuse/vhost_inflight.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/scope.h"
#include "fuse/vhost_fault.h"

#define PAGE_SIZE_OURS 4096
#define SLOTS 2
#define PAGE_MAGIC UINT64_C(0x31656761506e7656) /* "VvnPage1" */

struct page_slot {
	uint64_t magic;
	uint64_t sum; /* of what follows, with seq */
	uint64_t seq;
	uint64_t id;
	uint32_t kept;
	uint32_t state_size;
	unsigned char state[VHOST_SESSION_STATE_MAX];
};

_Static_assert(SLOTS * sizeof(struct page_slot) <= PAGE_SIZE_OURS, "the slots fit in the page");

static uint64_t regions_size(unsigned queues, unsigned queue_size)
{
	return (uint64_t)queues * virtq_inflight_size(queue_size);
}

/* Ours begins at a page border behind the regions. */
static uint64_t page_at(unsigned queues, unsigned queue_size)
{
	return (regions_size(queues, queue_size) + PAGE_SIZE_OURS - 1) & ~(uint64_t)(PAGE_SIZE_OURS - 1);
}

static bool shape_wrong(unsigned queues, unsigned queue_size)
{
	return !queues || queues > UINT16_MAX || !queue_size || queue_size > VIRTQ_SIZE_MAX;
}

static int inflight_map(struct vhost_inflight *f)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), start = f->offset & ~(page - 1);
	struct stat st;
	int err;

	if (f->size < regions_size(f->queues, f->queue_size) || f->offset + f->size < f->size)
		return -EINVAL;
	if (fstat(f->fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < 0 || f->offset + f->size > (uint64_t)st.st_size || f->offset % 8)
		return -EINVAL;
	f->map_length = f->size + (f->offset - start);
	f->map = mmap(NULL, f->map_length, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, (off_t)start);
	if (f->map == MAP_FAILED) {
		f->map = NULL;
		return -errno;
	}
	err = vhost_fault_watch(f->map, f->map_length);
	if (err)
		return err;
	f->at = (char *)f->map + (f->offset - start);
	return 0;
}

int vhost_inflight_open(int fd, uint64_t size, uint64_t offset, unsigned queues, unsigned queue_size,
			struct vhost_inflight **out)
{
	struct vhost_inflight *f = calloc(1, sizeof(*f));
	int err;

	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	*f = (struct vhost_inflight){
		.fd = fd, .offset = offset, .size = size, .queues = queues, .queue_size = queue_size};
	err = shape_wrong(queues, queue_size) ? -EINVAL : inflight_map(f);
	if (err) {
		vhost_inflight_free(f);
		return err;
	}
	*out = f;
	return 0;
}

int vhost_inflight_new(unsigned queues, unsigned queue_size, struct vhost_inflight **out)
{
	vn_autoclose int fd = -1;
	uint64_t size;

	if (shape_wrong(queues, queue_size))
		return -EINVAL;
	size = page_at(queues, queue_size) + PAGE_SIZE_OURS;
	fd = memfd_create("veneer-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, (off_t)size) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	return vhost_inflight_open(vn_steal_fd(&fd), size, 0, queues, queue_size, out);
}

void vhost_inflight_free(struct vhost_inflight *f)
{
	if (!f)
		return;
	if (f->map) {
		vhost_fault_forget(f->map);
		munmap(f->map, f->map_length);
	}
	close(f->fd);
	free(f);
}

struct virtq_inflight *vhost_inflight_queue(const struct vhost_inflight *f, unsigned queue, size_t *size)
{
	if (!f || queue >= f->queues)
		return NULL;
	*size = virtq_inflight_size(f->queue_size);
	return (struct virtq_inflight *)(f->at + queue * *size);
}

static struct page_slot *page_slots(const struct vhost_inflight *f)
{
	uint64_t at = page_at(f->queues, f->queue_size);

	return at + PAGE_SIZE_OURS <= f->size ? (struct page_slot *)(f->at + at) : NULL;
}

static uint64_t slot_sum(const struct page_slot *s)
{
	return vn_checksum(PAGE_MAGIC, &s->seq, sizeof(*s) - offsetof(struct page_slot, seq));
}

/* Copies a slot before it is checked: the other side can write there. */
static bool slot_read(const struct page_slot *at, struct page_slot *s)
{
	memcpy(s, at, sizeof(*s));
	return s->magic == PAGE_MAGIC && s->sum == slot_sum(s) && s->id && s->state_size <= VHOST_SESSION_STATE_MAX;
}

/* The newest intact slot's number, -1: none. */
static int slot_newest(const struct page_slot *slots, struct page_slot *newest)
{
	int found = -1;

	for (int i = 0; i < SLOTS; i++) {
		struct page_slot s;

		if (!slot_read(&slots[i], &s) || (found >= 0 && s.seq <= newest->seq))
			continue;
		*newest = s;
		found = i;
	}
	return found;
}

int vhost_inflight_load(const struct vhost_inflight *f, struct vhost_session_record *r)
{
	const struct page_slot *slots = page_slots(f);
	struct page_slot s;

	if (!slots || slot_newest(slots, &s) < 0)
		return -ENOENT;
	*r = (struct vhost_session_record){.id = s.id, .kept = s.kept, .state_size = s.state_size};
	memcpy(r->state, s.state, s.state_size);
	return 0;
}

int vhost_inflight_store(struct vhost_inflight *f, const struct vhost_session_record *r)
{
	struct page_slot *slots = page_slots(f);
	struct page_slot s = {0};
	int newest;

	if (!slots)
		return -ENOSPC;
	newest = slot_newest(slots, &s);
	s = (struct page_slot){.magic = PAGE_MAGIC,
			       .seq = newest < 0 ? 1 : s.seq + 1,
			       .id = r->id,
			       .kept = r->kept,
			       .state_size = r->state_size};
	memcpy(s.state, r->state, r->state_size);
	s.sum = slot_sum(&s);
	memcpy(&slots[newest < 0 ? 0 : 1 - newest], &s, sizeof(s));
	return 0;
}
