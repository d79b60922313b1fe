// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes as a conversation with the vhost-user device: messages with payloads and
 * descriptors of all kinds, while rings run over whatever memory they have set up.
 * Afterwards the device is as new, and no descriptor is left.
 */
#include "driver.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../vhost/tinyfs.h"
#include "base/log.h"
#include "fuse/vhost_message.h"

#define MESSAGES 24
#define KINDS 4
#define MEMORY (1 << 20)
#define USER UINT64_C(0x100000)

static struct vhost_device *device;
static int kinds[KINDS];

static void need(bool ok)
{
	if (!ok)
		abort();
}

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	need(d != NULL);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void setup(void)
{
	static struct vf_session_config session;
	struct vhost_device_config config = {.session = &session, .tag = "fuzz", .request_queues = 2, .workers = 2};
	int p[2];

	vn_log_init("fuzz", VN_LOG_ERROR, false);
	vf_policy_init(&session.policy);
	session.fs = config.fs = tinyfs_new();
	need(vhost_device_new(&config, &device) == 0);
	kinds[0] = memfd_create("guest", MFD_CLOEXEC);
	need(kinds[0] >= 0 && ftruncate(kinds[0], MEMORY) == 0);
	kinds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	kinds[2] = open("/dev/null", O_RDWR | O_CLOEXEC);
	need(pipe2(p, O_CLOEXEC) == 0);
	close(p[1]); /* reading finds its end at once */
	kinds[3] = p[0];
}

struct input {
	const uint8_t *data;
	size_t size;
};

static uint8_t take(struct input *in)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->data++;
}

static void attach(struct vhost_msg *m, uint8_t what)
{
	m->nfds = what & 7;
	for (unsigned i = 0; i < m->nfds; i++) {
		m->fds[i] = fcntl(kinds[((what >> 3) + i) % KINDS], F_DUPFD_CLOEXEC, 0);
		need(m->fds[i] >= 0);
	}
}

/* request, size, descriptors, then the payload. */
static void message(struct input *in)
{
	struct vhost_msg m = {.request = take(in), .flags = VHOST_MSG_VERSION | VHOST_MSG_NEED_REPLY};

	m.size = take(in);
	attach(&m, take(in));
	for (uint32_t i = 0; i < m.size; i++)
		((uint8_t *)&m.p)[i] = take(in);
	vhost_message_handle(device, &m);
	need(m.size <= sizeof(m.p));
	vhost_msg_fini(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	int open_fds;

	if (!device)
		setup();
	open_fds = count_fds(); /* the fuzzer opens files between two inputs */
	for (int i = 0; i < MESSAGES && in.size; i++)
		message(&in);
	vhost_device_detach(device, false);
	need(count_fds() == open_fds);
	return 0;
}

struct output {
	uint8_t *buf;
	size_t size, cap;
};

static void say(struct output *o, uint8_t request, const void *payload, uint8_t size, uint8_t fds)
{
	if (o->size + 3 + size > o->cap)
		return;
	o->buf[o->size++] = request;
	o->buf[o->size++] = size;
	o->buf[o->size++] = fds;
	memcpy(o->buf + o->size, payload, size);
	o->size += size;
}

static void say_u64(struct output *o, uint8_t request, uint64_t value, uint8_t fds)
{
	say(o, request, &value, sizeof(value), fds);
}

static void say_state(struct output *o, uint8_t request, uint32_t index, uint32_t num)
{
	struct vhost_vring_state s = {index, num};

	say(o, request, &s, sizeof(s), 0);
}

static void say_ring(struct output *o)
{
	struct vhost_vring_addr a = {.index = 1, .desc = USER, .avail = USER + 4096, .used = USER + 8192};

	say_state(o, VHOST_SET_VRING_NUM, 1, 64);
	say(o, VHOST_SET_VRING_ADDR, &a, sizeof(a), 0);
	say_state(o, VHOST_SET_VRING_BASE, 1, 0);
	say_u64(o, VHOST_SET_VRING_KICK, 1, 1 | 1 << 3);
	say_u64(o, VHOST_SET_VRING_CALL, 1, 1 | 1 << 3);
	say_state(o, VHOST_SET_VRING_ENABLE, 1, 1);
}

/* How front ends begin, with each of the less usual messages at some place. */
size_t fuzz_seed(unsigned i, uint8_t *buf, size_t cap)
{
	struct output o = {buf, 0, cap};
	struct vhost_memory_region r = {.region = {0, MEMORY, USER, 0}};
	struct vhost_inflight_wire f = {.num_queues = 2, .queue_size = 64};
	struct vhost_log_wire log = {.size = 4096};
	struct vhost_state_wire state = {.direction = i % 2};

	if (i >= 6)
		return 0;
	say_u64(&o, VHOST_SET_PROTOCOL_FEATURES, vhost_device_protocol_features(), 0);
	say_u64(&o, VHOST_SET_FEATURES, vhost_device_features() & ~(i % 2 ? VHOST_FEATURE_LOG_ALL : 0), 0);
	say(&o, VHOST_ADD_MEM_REG, &r, sizeof(r), 1);
	if (i == 1)
		say(&o, VHOST_GET_INFLIGHT_FD, &f, VHOST_INFLIGHT_SIZE, 0);
	if (i == 2)
		say(&o, VHOST_SET_LOG_BASE, &log, sizeof(log), 1);
	if (i == 3)
		say(&o, VHOST_SET_DEVICE_STATE_FD, &state, sizeof(state), 1 | 3 << 3);
	say_ring(&o);
	if (i == 4)
		say(&o, VHOST_REM_MEM_REG, &r, sizeof(r), 0);
	say_state(&o, VHOST_GET_VRING_BASE, 1, 0);
	if (i == 5)
		say(&o, VHOST_RESET_DEVICE, &r, 0, 0);
	return o.size;
}
