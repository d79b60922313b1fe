// SPDX-License-Identifier: Apache-2.0
#include "fuse/vhost_record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void fd_drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* A copy of the message's descriptor takes the place of *at; without one *at is none. */
static int fd_keep(int *at, const struct vhost_msg *m, unsigned i)
{
	int copy = -1;

	if (i < m->nfds) {
		copy = fcntl(m->fds[i], F_DUPFD_CLOEXEC, 0);
		if (copy < 0)
			return -errno;
	}
	fd_drop(at);
	*at = copy;
	return 0;
}

static void queue_init(struct vhost_record_queue *q)
{
	*q = (struct vhost_record_queue){.kick = -1, .call = -1, .err = -1};
}

static void queue_clear(struct vhost_record_queue *q)
{
	fd_drop(&q->kick);
	fd_drop(&q->call);
	fd_drop(&q->err);
	queue_init(q);
}

void vhost_record_init(struct vhost_record *r)
{
	memset(r, 0, sizeof(*r));
	r->log_fd = r->inflight_fd = r->state_fd = -1;
	for (unsigned i = 0; i < VHOST_RECORD_QUEUES; i++)
		queue_init(&r->queues[i]);
}

static void regions_clear(struct vhost_record *r)
{
	for (unsigned i = 0; i < r->nregions; i++)
		fd_drop(&r->regions[i].fd);
	r->nregions = 0;
}

void vhost_record_clear(struct vhost_record *r)
{
	regions_clear(r);
	fd_drop(&r->log_fd);
	fd_drop(&r->inflight_fd);
	fd_drop(&r->state_fd);
	for (unsigned i = 0; i < VHOST_RECORD_QUEUES; i++)
		queue_clear(&r->queues[i]);
	vhost_record_init(r);
}

/* ---- noting ---- */

static int note_region(struct vhost_record *r, const struct vhost_region_wire *w, const struct vhost_msg *m, unsigned i)
{
	struct vhost_record_region *at = &r->regions[r->nregions];

	if (r->nregions == VHOST_MEMORY_SLOTS)
		return -ENOSPC;
	at->wire = *w;
	at->fd = -1;
	r->nregions++;
	return fd_keep(&at->fd, m, i);
}

static int note_table(struct vhost_record *r, const struct vhost_msg *m)
{
	int err = 0;

	regions_clear(r);
	for (uint32_t i = 0; i < m->p.table.nregions && i < m->nfds && !err; i++) {
		struct vhost_region_wire w = m->p.table.regions[i];

		err = note_region(r, &w, m, i);
	}
	return err;
}

static void note_region_gone(struct vhost_record *r, const struct vhost_msg *m)
{
	struct vhost_region_wire w = m->p.region.region;

	for (unsigned i = 0; i < r->nregions; i++) {
		struct vhost_region_wire *o = &r->regions[i].wire;

		if (o->guest != w.guest || o->user != w.user || o->size != w.size)
			continue;
		fd_drop(&r->regions[i].fd);
		r->regions[i] = r->regions[--r->nregions];
		return;
	}
}

static void note_reset(struct vhost_record *r)
{
	for (unsigned i = 0; i < VHOST_RECORD_QUEUES; i++)
		queue_clear(&r->queues[i]);
	r->features = 0;
	r->has_features = false;
}

static void note_disabled(struct vhost_record *r)
{
	for (unsigned i = 0; i < VHOST_RECORD_QUEUES; i++)
		r->queues[i].enabled = false;
}

/* The ring is stopped: its kick is gone, and where it stands is known. */
static void note_stopped(struct vhost_record_queue *q, const struct vhost_msg *answer)
{
	q->base = answer->p.state.num;
	q->has_kick = false;
	fd_drop(&q->kick);
	fd_drop(&q->call);
}

/* Messages that speak of one queue; the worker has checked its number. */
static int note_queue(struct vhost_record *r, const struct vhost_msg *m, const struct vhost_msg *answer)
{
	bool event = m->request >= VHOST_SET_VRING_KICK && m->request <= VHOST_SET_VRING_ERR;
	uint64_t index = event ? m->p.u64 & VHOST_VRING_INDEX_MASK : m->p.state.index;
	struct vhost_record_queue *q = &r->queues[index];

	if (index >= VHOST_RECORD_QUEUES)
		return 0;
	switch (m->request) {
	case VHOST_SET_VRING_NUM:
		q->size = m->p.state.num;
		return 0;
	case VHOST_SET_VRING_ADDR:
		q->addr = m->p.addr;
		q->has_addr = true;
		return 0;
	case VHOST_SET_VRING_BASE:
		q->base = m->p.state.num;
		return 0;
	case VHOST_GET_VRING_BASE:
		note_stopped(q, answer);
		return 0;
	case VHOST_SET_VRING_KICK:
		q->has_kick = true;
		return fd_keep(&q->kick, m, 0);
	case VHOST_SET_VRING_CALL:
		return fd_keep(&q->call, m, 0);
	case VHOST_SET_VRING_ERR:
		return fd_keep(&q->err, m, 0);
	default:
		q->enabled = m->p.state.num;
		return 0;
	}
}

int vhost_record_note(struct vhost_record *r, const struct vhost_msg *m, const struct vhost_msg *answer)
{
	struct vhost_region_wire region = m->p.region.region;

	switch (m->request) {
	case VHOST_SET_FEATURES:
		r->features = m->p.u64;
		r->has_features = true;
		return 0;
	case VHOST_SET_PROTOCOL_FEATURES:
		r->protocol_features = m->p.u64;
		return 0;
	case VHOST_SET_STATUS:
		if (m->p.u64 == 0)
			note_reset(r);
		r->status = m->p.u64;
		r->has_status = true;
		return 0;
	case VHOST_RESET_DEVICE:
		note_reset(r);
		return 0;
	case VHOST_RESET_OWNER:
		note_disabled(r);
		return 0;
	case VHOST_SET_MEM_TABLE:
		return note_table(r, m);
	case VHOST_ADD_MEM_REG:
		return note_region(r, &region, m, 0);
	case VHOST_REM_MEM_REG:
		note_region_gone(r, m);
		return 0;
	case VHOST_SET_LOG_BASE:
		r->log = m->p.log;
		return fd_keep(&r->log_fd, m, 0);
	case VHOST_GET_INFLIGHT_FD:
		if (!answer->nfds)
			return 0; /* refused */
		r->inflight = answer->p.inflight;
		return fd_keep(&r->inflight_fd, answer, 0);
	case VHOST_SET_INFLIGHT_FD:
		r->inflight = m->p.inflight;
		return fd_keep(&r->inflight_fd, m, 0);
	case VHOST_SET_DEVICE_STATE_FD:
		if (m->p.device_state.direction != VHOST_STATE_LOAD || answer->p.u64 & VHOST_STATE_ERROR_MASK)
			return 0;
		return fd_keep(&r->state_fd, m, 0);
	case VHOST_CHECK_DEVICE_STATE: /* read, and told by the in-flight region from now on; or refused */
		fd_drop(&r->state_fd);
		return 0;
	case VHOST_SET_VRING_NUM:
	case VHOST_SET_VRING_ADDR:
	case VHOST_SET_VRING_BASE:
	case VHOST_GET_VRING_BASE:
	case VHOST_SET_VRING_KICK:
	case VHOST_SET_VRING_CALL:
	case VHOST_SET_VRING_ERR:
	case VHOST_SET_VRING_ENABLE:
		return note_queue(r, m, answer);
	default:
		return 0; /* questions, and what leaves no trace */
	}
}

/* ---- telling again ---- */

struct replay {
	vhost_ask_fn ask;
	void *arg;
};

static int tell(const struct replay *p, uint32_t request, const void *payload, size_t size, int fd)
{
	struct vhost_msg m = {.request = request, .flags = VHOST_MSG_VERSION, .size = (uint32_t)size};

	memcpy(&m.p, payload, size);
	if (fd >= 0)
		m.fds[m.nfds++] = fd;
	return p->ask(p->arg, &m);
}

static int tell_u64(const struct replay *p, uint32_t request, uint64_t value)
{
	return tell(p, request, &value, sizeof(value), -1);
}

static int tell_state(const struct replay *p, uint32_t request, uint32_t index, uint32_t num)
{
	struct vhost_vring_state s = {index, num};

	return tell(p, request, &s, sizeof(s), -1);
}

static int tell_event(const struct replay *p, uint32_t request, uint32_t index, int fd)
{
	uint64_t payload = index | (fd < 0 ? VHOST_VRING_NO_FD : 0);

	return tell(p, request, &payload, sizeof(payload), fd);
}

static int tell_memory(const struct vhost_record *r, const struct replay *p)
{
	const struct vhost_state_wire load = {.direction = VHOST_STATE_LOAD};
	int err = 0;

	for (unsigned i = 0; i < r->nregions && !err; i++) {
		struct vhost_memory_region w = {.region = r->regions[i].wire};

		err = tell(p, VHOST_ADD_MEM_REG, &w, sizeof(w), r->regions[i].fd);
	}
	if (!err && r->log_fd >= 0)
		err = tell(p, VHOST_SET_LOG_BASE, &r->log, sizeof(r->log), r->log_fd);
	if (!err && r->inflight_fd >= 0)
		err = tell(p, VHOST_SET_INFLIGHT_FD, &r->inflight, VHOST_INFLIGHT_SIZE, r->inflight_fd);
	if (!err && r->state_fd >= 0)
		err = tell(p, VHOST_SET_DEVICE_STATE_FD, &load, sizeof(load), r->state_fd);
	return err;
}

static int tell_queue(const struct vhost_record_queue *q, uint32_t index, const struct replay *p)
{
	int err = q->size ? tell_state(p, VHOST_SET_VRING_NUM, index, q->size) : 0;

	if (!err && q->has_addr)
		err = tell(p, VHOST_SET_VRING_ADDR, &q->addr, sizeof(q->addr), -1);
	if (!err && q->base)
		err = tell_state(p, VHOST_SET_VRING_BASE, index, q->base);
	if (!err && q->call >= 0)
		err = tell_event(p, VHOST_SET_VRING_CALL, index, q->call);
	if (!err && q->err >= 0)
		err = tell_event(p, VHOST_SET_VRING_ERR, index, q->err);
	if (!err && q->has_kick)
		err = tell_event(p, VHOST_SET_VRING_KICK, index, q->kick);
	if (!err && q->enabled)
		err = tell_state(p, VHOST_SET_VRING_ENABLE, index, 1);
	return err;
}

int vhost_record_replay(const struct vhost_record *r, vhost_ask_fn ask, void *arg)
{
	struct replay p = {ask, arg};
	int err = r->has_features ? tell_u64(&p, VHOST_SET_FEATURES, r->features) : 0;

	if (!err)
		err = tell_memory(r, &p);
	for (uint32_t i = 0; i < VHOST_RECORD_QUEUES && !err; i++)
		err = tell_queue(&r->queues[i], i, &p);
	if (!err && r->has_status && r->status) /* 0 would reset what was just set */
		err = tell_u64(&p, VHOST_SET_STATUS, r->status);
	return err;
}
