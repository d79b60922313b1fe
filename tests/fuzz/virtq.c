// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes as a guest's memory: rings, descriptors and indirect tables. Whatever they
 * are, chains describe guest memory only, and the queue neither hangs nor loses
 * count. The in-flight region is fed the same way.
 */
#include "driver.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuse/virtq.h"

#define MEMORY 16384 /* two regions of half that size, next to each other */
#define HALF (MEMORY / 2)
#define USER UINT64_C(0x10000)
#define DESC 0
#define AVAIL 1024
#define USED 2048
#define POPS 400

static char *mem;
static struct vhost_memory *set;
static struct virtq_chain chain;

static void need(bool ok)
{
	if (!ok)
		abort();
}

static struct vhost_memory *add(struct vhost_memory *m, const struct vhost_region_wire *r, int fd)
{
	struct vhost_memory *next;

	need(vhost_memory_add(m, r, fd, &next) == 0);
	vhost_memory_put(m);
	return next;
}

static void setup(void)
{
	struct vhost_region_wire low = {0, HALF, USER, 0}, high = {HALF, HALF, USER + 2 * MEMORY, HALF};
	int fd = memfd_create("guest", MFD_CLOEXEC);

	need(fd >= 0 && ftruncate(fd, MEMORY) == 0);
	mem = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	need(mem != MAP_FAILED);
	set = add(add(vhost_memory_new(), &low, fd), &high, fd);
	close(fd);
}

/* Every byte that the device would touch is one of guest memory's, and the sums are right. */
static void check_chain(void)
{
	size_t in = 0, out = 0;

	need(chain.nin >= 0 && chain.nout >= 0 && chain.nin + chain.nout <= VIRTQ_IOV_MAX);
	for (int i = 0; i < chain.nin + chain.nout; i++) {
		size_t len = chain.iov[i].iov_len;

		need(chain.guest[i] < MEMORY && len <= MEMORY - chain.guest[i]);
		need(vhost_memory_guest(set, chain.guest[i], 1) == chain.iov[i].iov_base);
		*(i < chain.nin ? &in : &out) += len;
	}
	need(in == chain.in_len && out == chain.out_len);
}

static void drain(struct virtq *q)
{
	for (int i = 0; i < POPS; i++) {
		int got = virtq_pop(q, set, i > POPS / 2, &chain);

		if (got == 0 || got == -EPROTO)
			return;
		need(got == 1 || got == -EBADMSG);
		need(chain.head < q->config.size);
		if (got == 1)
			check_chain();
		if (i % 7 != 6) /* some stay under way */
			virtq_push(q, chain.head, (uint32_t)i);
		virtq_should_signal(q);
		virtq_kicks_off(q);
		virtq_kicks_on(q);
	}
}

/* The first bytes choose the queue's form, the rest is memory. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_Alignas(8) static char region[8192];
	struct virtq_config config = {.desc = USER + DESC, .avail = USER + AVAIL, .used = USER + USED};
	struct virtq q;

	if (!mem)
		setup();
	if (size < 8)
		return 0;
	config.size = 1u << data[0] % 8;
	config.base = (uint16_t)(data[1] | data[2] << 8);
	config.event_idx = data[3] & 1;
	memset(mem, 0, MEMORY);
	memcpy(mem, data + 8, size - 8 < MEMORY ? size - 8 : MEMORY);
	if (data[3] & 2)
		memcpy(mem + AVAIL + 2, &config.base, 2); /* what else is likely to break the ring at once */
	memset(region, 0, sizeof(region));
	memcpy(region, data + size / 2, size - size / 2 < sizeof(region) ? size - size / 2 : sizeof(region));
	if (data[3] & 4)
		region[8] = data[4] & 1, region[9] = 0;
	if (virtq_start(&q, &config, set, data[3] & 8 ? (struct virtq_inflight *)region : NULL, sizeof(region)))
		return 0;
	drain(&q);
	virtq_fini(&q);
	return 0;
}

static void put(uint8_t *buf, size_t at, struct vring_desc d)
{
	memcpy(buf + 8 + at, &d, sizeof(d));
}

/* Three chains that are available: direct, indirect, across the regions. */
size_t fuzz_seed(unsigned i, uint8_t *buf, size_t cap)
{
	static const uint16_t avail[] = {0, 3, 0, 3, 4};
	size_t size = 8 + 4096;

	if (i >= 8 || cap < size)
		return 0;
	memset(buf, 0, size);
	buf[0] = 3 + i % 2;
	buf[3] = (uint8_t)(i * 2 + 1);
	put(buf, 0, (struct vring_desc){8000, 40, VRING_DESC_F_NEXT, 1});
	put(buf, 16, (struct vring_desc){9000, 16, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2});
	put(buf, 32, (struct vring_desc){10000, 4096, VRING_DESC_F_WRITE, 0});
	put(buf, 48, (struct vring_desc){3000, 32, VRING_DESC_F_INDIRECT, 0});
	put(buf, 64, (struct vring_desc){HALF - 10, 40, 0, 0});
	put(buf, 3000, (struct vring_desc){8000, 40, VRING_DESC_F_NEXT, 1});
	put(buf, 3016, (struct vring_desc){9000, 400, VRING_DESC_F_WRITE, 0});
	memcpy(buf + 8 + AVAIL, avail, sizeof(avail));
	return size;
}
