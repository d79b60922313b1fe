// SPDX-License-Identifier: Apache-2.0
/* The front end's half: socket, memory, rings. */
#include "frontend.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

int fe_init(struct fe *fe)
{
	memset(fe, 0, sizeof(*fe));
	fe->sock = fe->inflight_fd = -1;
	for (unsigned i = 0; i < FE_RINGS; i++)
		fe->rings[i].kick = fe->rings[i].call = -1;
	fe->memfd = memfd_create("guest", MFD_CLOEXEC);
	if (fe->memfd < 0 || ftruncate(fe->memfd, FE_MEMORY))
		return -errno;
	fe->memory = mmap(NULL, FE_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, fe->memfd, 0);
	return fe->memory == MAP_FAILED ? -errno : 0;
}

void fe_disconnect(struct fe *fe)
{
	if (fe->sock >= 0)
		close(fe->sock);
	fe->sock = -1;
	for (unsigned i = 0; i < FE_RINGS; i++) {
		if (fe->rings[i].kick >= 0)
			close(fe->rings[i].kick);
		if (fe->rings[i].call >= 0)
			close(fe->rings[i].call);
		fe->rings[i].kick = fe->rings[i].call = -1;
	}
}

void fe_fini(struct fe *fe)
{
	fe_disconnect(fe);
	if (fe->inflight_fd >= 0)
		close(fe->inflight_fd);
	munmap(fe->memory, FE_MEMORY);
	close(fe->memfd);
}

int fe_connect(struct fe *fe, const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = FE_TIMEOUT_MS / 1000};
	int64_t end = now_ms() + FE_TIMEOUT_MS;

	if (strlen(path) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	strcpy(a.sun_path, path);
	fe->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fe->sock < 0)
		return -errno;
	setsockopt(fe->sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	while (connect(fe->sock, (struct sockaddr *)&a, sizeof(a))) {
		if ((errno != ENOENT && errno != ECONNREFUSED) || now_ms() > end)
			return -errno;
		usleep(5000); /* the server is still starting */
	}
	return 0;
}

uint64_t fe_user(uint64_t guest)
{
	return guest < FE_REGION ? FE_USER0 + guest : FE_USER1 + (guest - FE_REGION);
}

/* ---- messages ---- */

int fe_message(struct fe *fe, struct vhost_msg *m, bool reply)
{
	uint32_t request = m->request;
	struct pollfd p = {.fd = fe->sock, .events = POLLIN};
	int got;

	m->flags |= VHOST_MSG_VERSION;
	got = vhost_msg_send(fe->sock, m);
	m->nfds = 0;
	if (got || !reply)
		return got;
	if (poll(&p, 1, FE_TIMEOUT_MS) != 1)
		return -ETIMEDOUT;
	got = vhost_msg_receive(fe->sock, -1, m);
	if (got != 1)
		return got ? got : -ECONNRESET;
	return m->request == request && m->flags & VHOST_MSG_REPLY ? 0 : -EPROTO;
}

int fe_ask(struct fe *fe, uint32_t request, const void *payload, size_t size, const int *fds, unsigned nfds)
{
	struct vhost_msg m = {.request = request, .flags = VHOST_MSG_NEED_REPLY, .size = (uint32_t)size, .nfds = nfds};
	int err;

	if (size)
		memcpy(&m.p, payload, size);
	for (unsigned i = 0; i < nfds; i++)
		m.fds[i] = fds[i];
	err = fe_message(fe, &m, true);
	if (err)
		return err;
	vhost_msg_fini(&m);
	return (int)m.p.u64;
}

int fe_get(struct fe *fe, uint32_t request, uint64_t *value)
{
	struct vhost_msg m = {.request = request};
	int err = fe_message(fe, &m, true);

	if (err)
		return err;
	vhost_msg_fini(&m);
	*value = m.p.u64;
	return 0;
}

static int send_u64(struct fe *fe, uint32_t request, uint64_t value)
{
	struct vhost_msg m = {.request = request, .size = sizeof(value)};

	m.p.u64 = value;
	return fe_message(fe, &m, false);
}

int fe_share_memory(struct fe *fe)
{
	struct vhost_msg m = {.request = VHOST_SET_MEM_TABLE, .nfds = 2, .fds = {fe->memfd, fe->memfd}};

	m.p.table.nregions = 2;
	m.p.table.regions[0] = (struct vhost_region_wire){0, FE_REGION, FE_USER0, 0};
	m.p.table.regions[1] = (struct vhost_region_wire){FE_REGION, FE_REGION, FE_USER1, FE_REGION};
	m.size = 8 + 2 * sizeof(struct vhost_region_wire);
	return fe_message(fe, &m, false);
}

int fe_negotiate(struct fe *fe, uint64_t without)
{
	int err = fe_get(fe, VHOST_GET_FEATURES, &fe->features);

	fe->features &= ~(without | VHOST_FEATURE_LOG_ALL);
	if (!err && fe->features & VHOST_FEATURE_PROTOCOL)
		err = fe_get(fe, VHOST_GET_PROTOCOL_FEATURES, &fe->protocol);
	if (!err && fe->features & VHOST_FEATURE_PROTOCOL)
		err = send_u64(fe, VHOST_SET_PROTOCOL_FEATURES, fe->protocol);
	if (!err)
		err = send_u64(fe, VHOST_SET_FEATURES, fe->features);
	return err ? err : fe_share_memory(fe);
}

int fe_get_inflight(struct fe *fe, unsigned queues, unsigned size)
{
	struct vhost_msg m = {.request = VHOST_GET_INFLIGHT_FD, .size = VHOST_INFLIGHT_SIZE};
	int err;

	m.p.inflight.num_queues = (uint16_t)queues;
	m.p.inflight.queue_size = (uint16_t)size;
	err = fe_message(fe, &m, true);
	if (err)
		return err;
	if (m.nfds != 1 || !m.p.inflight.mmap_size) {
		vhost_msg_fini(&m);
		return -EPROTO;
	}
	if (fe->inflight_fd >= 0)
		close(fe->inflight_fd);
	fe->inflight_fd = vhost_msg_take_fd(&m, 0);
	fe->inflight = m.p.inflight;
	return 0;
}

int fe_set_inflight(struct fe *fe)
{
	struct vhost_msg m = {.request = VHOST_SET_INFLIGHT_FD,
			      .size = VHOST_INFLIGHT_SIZE,
			      .nfds = 1,
			      .fds = {fe->inflight_fd}};

	m.p.inflight = fe->inflight;
	return fe_message(fe, &m, false);
}

static int ring_event(struct fe *fe, uint32_t request, unsigned index, int fd)
{
	struct vhost_msg m = {.request = request, .size = sizeof(uint64_t), .nfds = 1, .fds = {fd}};

	m.p.u64 = index;
	return fe_message(fe, &m, false);
}

static int ring_number(struct fe *fe, uint32_t request, unsigned index, unsigned num)
{
	struct vhost_msg m = {.request = request, .size = sizeof(struct vhost_vring_state)};

	m.p.state = (struct vhost_vring_state){index, num};
	return fe_message(fe, &m, false);
}

static void ring_lay_out(struct fe *fe, struct fe_ring *r, bool fresh)
{
	uint64_t at = r->index * FE_RING_AREA;

	r->desc = fe_at(fe, at);
	r->avail = fe_at(fe, at + FE_RING_AREA / 2);
	r->used = fe_at(fe, at + FE_RING_AREA * 3 / 4);
	if (!fresh)
		return;
	memset(fe_at(fe, at), 0, FE_RING_AREA);
	r->next_avail = r->next_used = r->kicked = r->next_desc = 0;
}

static int ring_addresses(struct fe *fe, unsigned index)
{
	struct vhost_msg m = {.request = VHOST_SET_VRING_ADDR, .size = sizeof(struct vhost_vring_addr)};
	uint64_t at = index * FE_RING_AREA;

	m.p.addr = (struct vhost_vring_addr){.index = index,
					     .desc = fe_user(at),
					     .avail = fe_user(at + FE_RING_AREA / 2),
					     .used = fe_user(at + FE_RING_AREA * 3 / 4)};
	return fe_message(fe, &m, false);
}

int fe_ring_start(struct fe *fe, unsigned index, unsigned size, bool fresh)
{
	struct fe_ring *r = &fe->rings[index];
	int err;

	r->index = index;
	r->size = size;
	r->event_idx = fe->features & (UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX);
	ring_lay_out(fe, r, fresh);
	if (r->kick < 0)
		r->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->call < 0)
		r->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = ring_number(fe, VHOST_SET_VRING_NUM, index, size);
	if (!err)
		err = ring_number(fe, VHOST_SET_VRING_BASE, index, r->next_used);
	if (!err)
		err = ring_addresses(fe, index);
	if (!err)
		err = ring_event(fe, VHOST_SET_VRING_KICK, index, r->kick);
	if (!err)
		err = ring_event(fe, VHOST_SET_VRING_CALL, index, r->call);
	if (!err && fe->features & VHOST_FEATURE_PROTOCOL)
		err = ring_number(fe, VHOST_SET_VRING_ENABLE, index, 1);
	return err;
}

int fe_ring_stop(struct fe *fe, unsigned index)
{
	struct vhost_msg m = {.request = VHOST_GET_VRING_BASE, .size = sizeof(struct vhost_vring_state)};
	int err;

	m.p.state = (struct vhost_vring_state){index, 0};
	err = fe_message(fe, &m, true);
	return err ? err : (int)m.p.state.num;
}

int fe_open(struct fe *fe, const char *path, unsigned nrings, unsigned size)
{
	int err = fe_connect(fe, path);

	if (!err)
		err = fe_negotiate(fe, 0);
	for (unsigned i = 0; i < nrings && !err; i++)
		err = fe_ring_start(fe, i, size, true);
	return err;
}

/* ---- rings ---- */

void fe_avail(struct fe_ring *r, uint16_t head)
{
	r->avail->ring[r->next_avail % r->size] = head;
	__atomic_store_n(&r->avail->idx, ++r->next_avail, __ATOMIC_SEQ_CST);
}

static void chain_write(struct vring_desc *table, unsigned size, unsigned first, const struct fe_seg *segs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct vring_desc *d = &table[(first + i) % size];

		d->addr = segs[i].guest;
		d->len = segs[i].len;
		d->flags = (uint16_t)((segs[i].writable ? VRING_DESC_F_WRITE : 0) | (i + 1 < n ? VRING_DESC_F_NEXT : 0));
		d->next = (uint16_t)((first + i + 1) % size);
	}
}

uint16_t fe_post(struct fe *fe, struct fe_ring *r, const struct fe_seg *segs, unsigned n)
{
	uint16_t head = r->next_desc;

	(void)fe;
	chain_write(r->desc, r->size, head, segs, n);
	r->next_desc = (uint16_t)((head + n) % r->size);
	fe_avail(r, head);
	return head;
}

uint16_t fe_post_indirect(struct fe *fe, struct fe_ring *r, const struct fe_seg *segs, unsigned n, uint64_t table)
{
	uint16_t head = r->next_desc;

	chain_write(fe_at(fe, table), n, 0, segs, n);
	r->desc[head] = (struct vring_desc){
		.addr = table, .len = n * (uint32_t)sizeof(struct vring_desc), .flags = VRING_DESC_F_INDIRECT};
	r->next_desc = (uint16_t)((head + 1) % r->size);
	fe_avail(r, head);
	return head;
}

void fe_kick_always(struct fe_ring *r)
{
	uint64_t one = 1;
	ssize_t done = write(r->kick, &one, sizeof(one));

	(void)done;
}

void fe_kick(struct fe_ring *r)
{
	uint16_t old = r->kicked, event;

	r->kicked = r->next_avail;
	if (!r->event_idx) {
		if (!(__atomic_load_n(&r->used->flags, __ATOMIC_SEQ_CST) & VRING_USED_F_NO_NOTIFY))
			fe_kick_always(r);
		return;
	}
	event = __atomic_load_n((uint16_t *)&r->used->ring[r->size], __ATOMIC_SEQ_CST);
	if ((uint16_t)(r->next_avail - event - 1) < (uint16_t)(r->next_avail - old))
		fe_kick_always(r);
}

static bool ring_take(struct fe_ring *r, struct vring_used_elem *e)
{
	if (__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) == r->next_used)
		return false;
	*e = r->used->ring[r->next_used % r->size];
	r->next_used++;
	return true;
}

/* Asks for a call at the next completion; true: one has come already. */
static bool ring_arm(struct fe_ring *r)
{
	if (r->event_idx)
		__atomic_store_n(&r->avail->ring[r->size], r->next_used, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&r->used->idx, __ATOMIC_SEQ_CST) != r->next_used;
}

int fe_reap(struct fe_ring *r, struct vring_used_elem *e, int timeout_ms, bool spin)
{
	int64_t end = now_ms() + timeout_ms;
	uint64_t count;

	for (;;) {
		for (int i = 0; i < (spin ? 1000 : 1); i++) {
			if (ring_take(r, e))
				return 1;
		}
		if (now_ms() >= end)
			return 0;
		if (spin || ring_arm(r))
			continue;
		struct pollfd p = {.fd = r->call, .events = POLLIN};

		if (poll(&p, 1, timeout_ms) == 0)
			return 0; /* what comes without an interrupt has not come */
		if (read(r->call, &count, sizeof(count)) < 0)
			continue;
	}
}
