// SPDX-License-Identifier: Apache-2.0
/* Front ends whose memory, in-flight region and log are not what they say, or do not stay so. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuse/virtq.h"
#include "hostile.h"

static struct fe fe;

/* ---- regions ---- */

#define REFUSED (-1) /* with any error */
#define EITHER (-2)  /* it depends on the machine */

struct region_case {
	const char *name;
	int (*open)(void); /* the file behind it; -1 is the guest's memory */
	struct vhost_region_wire region;
	int error; /* expected; 0: it is taken; or: */
};

#define FREE_GUEST (FE_MEMORY + 4096)
#define FREE_USER UINT64_C(0x600000000000)
#define TOP UINT64_MAX

static int a_memfd(off_t size, unsigned flags)
{
	int fd = memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

	if (fd >= 0 && ftruncate(fd, size))
		abort();
	return fd;
}

static int small(void) { return a_memfd(4096, 0); }
static int empty(void) { return a_memfd(0, 0); }
static int sparse(void) { return a_memfd((off_t)1 << 46, 0); }
static int sealed(void)
{
	int fd = a_memfd(65536, 0);

	fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK);
	return fd;
}
static int read_only(void)
{
	char path[64];
	int fd = a_memfd(65536, 0), again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	close(fd);
	return again;
}
static int a_pipe(void)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC))
		abort();
	close(p[1]);
	return p[0];
}
static int an_event(void) { return eventfd(0, EFD_CLOEXEC); }
static int a_directory(void) { return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }
static int a_path(void) { return open("/tmp", O_PATH | O_CLOEXEC); }
static int dev_null(void) { return open("/dev/null", O_RDWR | O_CLOEXEC); }
static int dev_zero(void) { return open("/dev/zero", O_RDWR | O_CLOEXEC); }

static const struct region_case regions[] = {
	{"of no bytes", small, {FREE_GUEST, 0, FREE_USER, 0}, EINVAL},
	{"of one byte", small, {FREE_GUEST, 1, FREE_USER, 0}, 0},
	{"that ends at 2^64", small, {TOP - 4095, 4096, FREE_USER, 0}, EINVAL},
	{"that wraps", small, {TOP, 4096, FREE_USER, 0}, EINVAL},
	{"whose user addresses wrap", small, {FREE_GUEST, 4096, TOP - 100, 0}, EINVAL},
	{"whose offset wraps", small, {FREE_GUEST, 4096, FREE_USER, TOP - 100}, EINVAL},
	{"of 2^63 bytes", sparse, {FREE_GUEST, UINT64_C(1) << 63, FREE_USER, 0}, EINVAL},
	{"of 2^62 bytes", sparse, {FREE_GUEST, UINT64_C(1) << 62, UINT64_C(1) << 50, 0}, EINVAL},
	{"of 64 TiB", sparse, {FREE_GUEST, UINT64_C(1) << 46, UINT64_C(1) << 48, 0}, EITHER},
	{"of 1 TiB", sparse, {FREE_GUEST, UINT64_C(1) << 40, UINT64_C(1) << 48, 0}, 0},
	{"larger than its file", small, {FREE_GUEST, 4097, FREE_USER, 0}, EINVAL},
	{"of an empty file", empty, {FREE_GUEST, 4096, FREE_USER, 0}, EINVAL},
	{"at an odd offset", small, {FREE_GUEST, 4001, FREE_USER, 95}, 0},
	{"behind the end of its file", small, {FREE_GUEST, 4096, FREE_USER, 4096}, EINVAL},
	{"over guest memory that is there", small, {FE_MEMORY - 4096, 4096, FREE_USER, 0}, EEXIST},
	{"around guest memory that is there", sparse, {0, UINT64_C(1) << 40, FREE_USER, 0}, EEXIST},
	{"over user addresses that are there", small, {FREE_GUEST, 4096, FE_USER0, 0}, EEXIST},
	{"of a file that cannot be written", read_only, {FREE_GUEST, 4096, FREE_USER, 0}, EACCES},
	{"of a sealed file", sealed, {FREE_GUEST, 4096, FREE_USER, 0}, EPERM},
	{"of a pipe", a_pipe, {FREE_GUEST, 4096, FREE_USER, 0}, REFUSED},
	{"of an event", an_event, {FREE_GUEST, 4096, FREE_USER, 0}, REFUSED},
	{"of a directory", a_directory, {FREE_GUEST, 4096, FREE_USER, 0}, REFUSED},
	{"of a path", a_path, {FREE_GUEST, 4096, FREE_USER, 0}, EBADF},
	{"of /dev/null", dev_null, {FREE_GUEST, 4096, FREE_USER, 0}, REFUSED},
	{"of /dev/zero", dev_zero, {FREE_GUEST, 4096, FREE_USER, 0}, 0},
};

static const char *as_expected(int got, int expected)
{
	static char text[96];

	if (got == expected || (expected == REFUSED && got > 0) || (expected == EITHER && got >= 0))
		return NULL;
	snprintf(text, sizeof(text), "%s instead of %s", got < 0 ? "no answer" : got ? strerror(got) : "success",
		 expected < 0 ? "an error" : expected ? strerror(expected) : "success");
	return text;
}

static const char *still_serves(void)
{
	struct fuse_attr_out attr;

	return fe_getattr(&fe, &fe.rings[1], 1, &attr) ? "its own session is not served any more" : NULL;
}

static void region_cases(void)
{
	for (size_t i = 0; i < sizeof(regions) / sizeof(regions[0]); i++) {
		const struct region_case *c = &regions[i];
		struct vhost_memory_region w = {.region = c->region};
		const char *complaint;
		char name[96];
		int fd;

		hostile_open(&fe);
		fd = c->open();
		complaint = as_expected(fe_ask(&fe, VHOST_ADD_MEM_REG, &w, sizeof(w), &fd, 1), c->error);
		if (!complaint)
			complaint = still_serves();
		close(fd);
		fe_fini(&fe);
		snprintf(name, sizeof(name), "a region %s", c->name);
		hostile_case(name, complaint);
	}
}

/* A table that is wrong in its last region leaves the one that is there. */
static void table_case(void)
{
	struct vhost_memory_table t = {.nregions = 3};
	int fds[3], fd;
	const char *complaint;

	hostile_open(&fe);
	fd = small();
	for (unsigned i = 0; i < 3; i++) {
		t.regions[i] = (struct vhost_region_wire){i * 8192, i < 2 ? 4096 : 8192, (UINT64_C(5) << 40) + i * 8192, 0};
		fds[i] = fd;
	}
	complaint = as_expected(fe_ask(&fe, VHOST_SET_MEM_TABLE, &t, 8 + 3 * 32, fds, 3), EINVAL);
	if (!complaint)
		complaint = still_serves();
	close(fd);
	fe_fini(&fe);
	hostile_case("a table whose last region is wrong", complaint);
}

/* ---- in-flight regions ---- */

static const struct {
	uint16_t queues, size;
	bool good;
} asked[] = {{2, 64, true}, {3, 32768, true}, {0, 64, false}, {2, 0, false}, {2, 32769, false}, {2, 65535, false}, {4, 64, false}, {65535, 65535, false}};

static void inflight_asked_cases(void)
{
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		char name[96];
		int err = fe_init(&fe);
		bool good;

		if (!err)
			err = fe_connect(&fe, hostile_server.path);
		if (!err)
			err = fe_negotiate(&fe, 0);
		good = !err && fe_get_inflight(&fe, asked[i].queues, asked[i].size) == 0;
		fe_fini(&fe);
		snprintf(name, sizeof(name), "an in-flight region for %u queues of %u", asked[i].queues, asked[i].size);
		hostile_case(name, good == asked[i].good ? NULL : good ? "it is given" : "it is refused");
	}
}

/* Gives a region of its own; the rings start with it. */
static const char *inflight_give(int fd, uint64_t size, uint64_t offset, int expected)
{
	struct vhost_inflight_wire w = {.mmap_size = size, .mmap_offset = offset, .num_queues = 2, .queue_size = 64};

	return as_expected(fe_ask(&fe, VHOST_SET_INFLIGHT_FD, &w, VHOST_INFLIGHT_SIZE, &fd, 1), expected);
}

static const struct {
	const char *name;
	int (*open)(void);
	uint64_t size, offset;
	int error;
} given[] = {
	{"of a file that is too small", small, 8192, 0, EINVAL},
	{"that is smaller than its queues", small, 100, 0, EINVAL},
	{"at an odd offset", sparse, 65536, 3, EINVAL},
	{"whose offset wraps", sparse, 65536, UINT64_MAX - 7, EINVAL},
	{"whose size wraps", sparse, UINT64_MAX - 7, 4096, EINVAL},
	{"of 64 TiB", sparse, UINT64_C(1) << 46, 0, EITHER},
	{"of a pipe", a_pipe, 65536, 0, EINVAL},
	{"of /dev/zero", dev_zero, 65536, 0, EINVAL},
	{"of a directory", a_directory, 65536, 0, EINVAL},
	{"of a file that cannot be written", read_only, 65536, 0, EACCES},
	{"of a sealed file", sealed, 65536, 0, EPERM},
};

static void inflight_given_cases(void)
{
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		const char *complaint = "no connection";
		char name[96];
		int fd = given[i].open();

		if (fe_init(&fe) == 0 && fe_connect(&fe, hostile_server.path) == 0 && fe_negotiate(&fe, 0) == 0)
			complaint = inflight_give(fd, given[i].size, given[i].offset, given[i].error);
		close(fd);
		fe_fini(&fe);
		snprintf(name, sizeof(name), "an in-flight region %s", given[i].name);
		hostile_case(name, complaint);
	}
}

/* What a region may hold that another process has written. */
static void all_ones(struct virtq_inflight *f) { memset(f, 0xff, virtq_inflight_size(64)); }
static void version_9(struct virtq_inflight *f) { f->version = 9; }
static void all_in_flight(struct virtq_inflight *f)
{
	f->version = 1;
	f->desc_num = 64;
	for (unsigned i = 0; i < 64; i++)
		f->desc[i] = (struct virtq_inflight_desc){.inflight = 1, .next = (uint16_t)(i + 1), .counter = UINT64_MAX - i % 3};
}
static void batch_far_away(struct virtq_inflight *f)
{
	f->version = 1;
	f->desc_num = 64;
	f->last_batch_head = 65535;
	f->used_idx = 12345;
}
static void batch_that_loops(struct virtq_inflight *f)
{
	f->version = 1;
	f->desc_num = 64;
	f->last_batch_head = 7;
	f->used_idx = 100;
	f->desc[7] = (struct virtq_inflight_desc){.inflight = 1, .next = 7};
}
static void another_number(struct virtq_inflight *f)
{
	f->version = 1;
	f->desc_num = 32768;
	f->desc[63].inflight = 1;
}
static void odd_flags(struct virtq_inflight *f)
{
	f->version = 1;
	f->desc_num = 64;
	f->features = UINT64_MAX;
	for (unsigned i = 0; i < 64; i++)
		f->desc[i].inflight = (uint8_t)(i * 5);
}

static const struct {
	const char *name;
	void (*write)(struct virtq_inflight *f);
} contents[] = {
	{"full of ones", all_ones},           {"of another version", version_9},         {"that says that all is under way", all_in_flight},
	{"whose batch is far away", batch_far_away}, {"whose batch loops", batch_that_loops}, {"for another number of requests", another_number},
	{"with odd marks", odd_flags},
};

/* The ring may be refused or may serve; a session with a sound region works afterwards either way. */
static const char *inflight_start(void (*write)(struct virtq_inflight *f))
{
	int fd = a_memfd(65536, 0);
	char *map = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	const char *complaint;

	write((void *)map);
	write((void *)(map + virtq_inflight_size(64)));
	complaint = inflight_give(fd, 65536, 0, 0);
	for (unsigned i = 0; i < 2 && !complaint; i++) {
		if (fe_ring_start(&fe, i, 64, true))
			complaint = "no answer to a ring's messages";
		fe_kick_always(&fe.rings[i]);
	}
	for (unsigned i = 0; i < 2 && !complaint; i++) {
		if (fe_ring_stop(&fe, i) < 0)
			complaint = "the ring cannot be stopped";
	}
	memset(map, 0, 65536);
	for (unsigned i = 0; i < 2 && !complaint; i++) {
		if (fe_ring_start(&fe, i, 64, true))
			complaint = "no answer to a ring's messages behind it";
	}
	if (!complaint && fe_fuse_init(&fe, NULL))
		complaint = "no session behind it";
	munmap(map, 65536);
	close(fd);
	return complaint;
}

static void inflight_content_cases(void)
{
	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
		const char *complaint = "no connection";
		char name[96];

		if (fe_init(&fe) == 0 && fe_connect(&fe, hostile_server.path) == 0 && fe_negotiate(&fe, 0) == 0)
			complaint = inflight_start(contents[i].write);
		fe_fini(&fe);
		snprintf(name, sizeof(name), "an in-flight region %s", contents[i].name);
		hostile_case(name, complaint);
	}
}

/* ---- files that are cut short ---- */

static void cut_memory_case(const char *name, off_t left)
{
	struct fuse_attr_out attr;
	const char *complaint = NULL;

	hostile_open(&fe);
	if (fe_getattr(&fe, &fe.rings[1], 1, &attr))
		complaint = "no session";
	if (ftruncate(fe.memfd, left))
		complaint = "the memory cannot be cut";
	for (int i = 0; i < 10; i++) {
		fe_kick_always(&fe.rings[0]);
		fe_kick_always(&fe.rings[1]);
		usleep(1000);
	}
	/* Messages are still answered; rings can be stopped. */
	if (!complaint && (fe_ring_stop(&fe, 0) < 0 || fe_ring_stop(&fe, 1) < 0))
		complaint = "a ring in memory that is gone cannot be stopped";
	fe_fini(&fe);
	hostile_case(name, complaint);
}

/* The ring stays; what it points at is gone while the request is carried out. */
static void cut_buffer_case(void)
{
	struct fuse_in_header h = {.len = sizeof(h), .opcode = FUSE_STATFS, .nodeid = 1, .unique = 2};
	struct fe_seg segs[2] = {{FE_BUFFERS, sizeof(h), false}, {FE_MEMORY - 4096, 96, true}};
	const char *complaint = NULL;
	struct vring_used_elem e;

	hostile_open(&fe);
	memcpy(fe_at(&fe, FE_BUFFERS), &h, sizeof(h));
	if (ftruncate(fe.memfd, FE_REGION))
		complaint = "the memory cannot be cut";
	fe_post(&fe, &fe.rings[1], segs, 2);
	fe_kick_always(&fe.rings[1]);
	if (fe_reap(&fe.rings[1], &e, FE_TIMEOUT_MS, false) != 1)
		complaint = "the request does not come back";
	if (!complaint)
		complaint = still_serves();
	fe_fini(&fe);
	hostile_case("an answer into memory that is gone", complaint);
}

static void cut_inflight_case(void)
{
	const char *complaint = "no connection";
	int fd = a_memfd(65536, 0);
	struct fuse_attr_out attr;

	if (fe_init(&fe) == 0 && fe_connect(&fe, hostile_server.path) == 0 && fe_negotiate(&fe, 0) == 0)
		complaint = inflight_give(fd, 65536, 0, 0);
	for (unsigned i = 0; i < 2 && !complaint; i++) {
		if (fe_ring_start(&fe, i, 64, true))
			complaint = "no ring";
	}
	if (!complaint && (fe_fuse_init(&fe, NULL) || ftruncate(fd, 0)))
		complaint = "no session";
	if (!complaint && fe_getattr(&fe, &fe.rings[1], 1, &attr))
		complaint = "no request is carried out without the region";
	close(fd);
	fe_fini(&fe);
	hostile_case("an in-flight region that goes away", complaint);
}

static void cut_log_case(void)
{
	struct vhost_log_wire w = {.size = 65536};
	const char *complaint = NULL;
	uint64_t features;
	int fd = a_memfd(65536, 0);

	hostile_open(&fe);
	features = fe.features | VHOST_FEATURE_LOG_ALL;
	if (fe_ask(&fe, VHOST_SET_LOG_BASE, &w, sizeof(w), &fd, 1) || fe_ask(&fe, VHOST_SET_FEATURES, &features, 8, NULL, 0))
		complaint = "no log";
	if (ftruncate(fd, 0))
		complaint = "the log cannot be cut";
	if (!complaint)
		complaint = still_serves();
	close(fd);
	fe_fini(&fe);
	hostile_case("a log that goes away", complaint);
}

static void log_case(const char *name, int (*open)(void), uint64_t size, uint64_t offset, int error)
{
	struct vhost_log_wire w = {size, offset};
	const char *complaint;
	int fd;

	hostile_open(&fe);
	fd = open();
	complaint = as_expected(fe_ask(&fe, VHOST_SET_LOG_BASE, &w, sizeof(w), &fd, 1), error);
	if (!complaint)
		complaint = still_serves();
	close(fd);
	fe_fini(&fe);
	hostile_case(name, complaint);
}

/* ---- rings that lie over each other ---- */

static const struct {
	const char *name;
	uint64_t desc, avail, used; /* user addresses */
	uint32_t size;
	int error;
} layouts[] = {
	{"all at one place", FE_USER0 + 65536, FE_USER0 + 65536, FE_USER0 + 65536, 64, 0},
	{"used over available", FE_USER0 + 65536, FE_USER0 + 131072, FE_USER0 + 131072, 64, 0},
	{"used over the table", FE_USER0 + 65536, FE_USER0 + 131072, FE_USER0 + 65536, 64, 0},
	{"at odd addresses", FE_USER0 + 65537, FE_USER0 + 131073, FE_USER0 + 196609, 64, EINVAL},
	{"at the very end", FE_USER0 + FE_REGION - 1024, FE_USER0 + 131072, FE_USER0 + 196608, 64, 0},
	{"a descriptor beyond the end", FE_USER0 + FE_REGION - 1008, FE_USER0 + 131072, FE_USER0 + 196608, 64, EFAULT},
	{"used beyond the end", FE_USER0, FE_USER0 + 131072, FE_USER0 + FE_REGION - 512, 64, EFAULT},
	{"available beyond the end", FE_USER0, FE_USER0 + FE_REGION - 128, FE_USER0 + 65536, 64, EFAULT},
	{"across two regions", FE_USER0 + FE_REGION - 512, FE_USER0, FE_USER0 + 65536, 64, EFAULT},
	{"at no address", 0, 0, 0, 64, EFAULT},
	{"at the last address", UINT64_MAX - 15, UINT64_MAX - 1, UINT64_MAX - 3, 64, EFAULT},
	{"with 1 descriptor", FE_USER0 + 65536, FE_USER0 + 131072, FE_USER0 + 196608, 1, 0},
	{"with 32768 descriptors", FE_USER0 + (1 << 20), FE_USER0 + (2 << 20), FE_USER0 + (3 << 20), 32768, 0},
};

static const char *layout_complaint(size_t i)
{
	struct vhost_vring_state size = {2, layouts[i].size}, on = {2, 1}, off = {2, 0};
	struct vhost_vring_addr a = {.index = 2, .desc = layouts[i].desc, .avail = layouts[i].avail, .used = layouts[i].used};
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), err;
	uint64_t index = 2, one = 1;
	const char *complaint;

	memset(fe_at(&fe, 65536), 0xff, 65536);
	err = fe_ask(&fe, VHOST_SET_VRING_NUM, &size, sizeof(size), NULL, 0);
	if (!err)
		err = fe_ask(&fe, VHOST_SET_VRING_ADDR, &a, sizeof(a), NULL, 0);
	if (!err)
		err = fe_ask(&fe, VHOST_SET_VRING_KICK, &index, 8, &event, 1);
	if (!err)
		err = fe_ask(&fe, VHOST_SET_VRING_ENABLE, &on, sizeof(on), NULL, 0);
	complaint = as_expected(err, layouts[i].error);
	for (int k = 0; k < 5 && !err; k++) {
		if (write(event, &one, sizeof(one)) < 0)
			complaint = "no kick";
		usleep(500);
	}
	if (!complaint && fe_ask(&fe, VHOST_SET_VRING_ENABLE, &off, sizeof(off), NULL, 0))
		complaint = "the ring cannot be stopped";
	close(event);
	return complaint;
}

static void layout_cases(void)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		const char *complaint;
		char name[96];

		hostile_open(&fe);
		complaint = layout_complaint(i);
		fe_fini(&fe);
		snprintf(name, sizeof(name), "a ring %s", layouts[i].name);
		hostile_case(name, complaint);
	}
}

static void cases(void)
{
	region_cases();
	table_case();
	inflight_asked_cases();
	inflight_given_cases();
	inflight_content_cases();
	cut_memory_case("memory that goes away", 0);
	cut_memory_case("memory of which half goes away", FE_RING_AREA / 2);
	cut_buffer_case();
	cut_inflight_case();
	cut_log_case();
	log_case("a log of no bytes", small, 0, 0, EINVAL);
	log_case("a log larger than its file", small, 8192, 0, EINVAL);
	log_case("a log whose offset wraps", small, 4096, UINT64_MAX, EINVAL);
	log_case("a log of a pipe", a_pipe, 4096, 0, REFUSED);
	log_case("a log of a file that cannot be written", read_only, 4096, 0, EACCES);
	log_case("a log of one byte at an odd place", small, 1, 3, 0);
	layout_cases();
}

int main(void)
{
	return hostile_main("vhost/hostile_memory", cases);
}
