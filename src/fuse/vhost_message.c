// SPDX-License-Identifier: Apache-2.0
#include "fuse/vhost_message.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/scope.h"

#define SILENT 0  /* acknowledged when the front end asks for that */
#define ANSWER 1  /* the handler has filled in the answer */

/*
 * One row per message: its payload's sizes in bytes, how many descriptors it may
 * bring, and its handler, which returns ANSWER, SILENT or -errno.
 */
struct message_row {
	unsigned min, max;
	unsigned fds;
	int (*handle)(struct vhost_device *d, struct vhost_msg *m);
};

static int answer_u64(struct vhost_msg *m, uint64_t value)
{
	vhost_msg_fini(m); /* what the request brought does not go back with the answer */
	m->p.u64 = value;
	m->size = sizeof(m->p.u64);
	return ANSWER;
}

/* ---- features, status, configuration ---- */

static int on_get_features(struct vhost_device *d, struct vhost_msg *m)
{
	(void)d;
	return answer_u64(m, vhost_device_features());
}

static int on_set_features(struct vhost_device *d, struct vhost_msg *m)
{
	return vhost_device_set_features(d, m->p.u64);
}

static int on_get_protocol_features(struct vhost_device *d, struct vhost_msg *m)
{
	(void)d;
	return answer_u64(m, vhost_device_protocol_features());
}

static int on_set_protocol_features(struct vhost_device *d, struct vhost_msg *m)
{
	return vhost_device_set_protocol_features(d, m->p.u64);
}

/* The owner is whoever is connected. */
static int on_set_owner(struct vhost_device *d, struct vhost_msg *m)
{
	(void)d;
	(void)m;
	return SILENT;
}

/* Deprecated; the specification recommends to disable the rings. */
static int on_reset_owner(struct vhost_device *d, struct vhost_msg *m)
{
	(void)m;
	for (unsigned i = 0; i < d->nqueues; i++) {
		vhost_queue_stop(&d->queues[i]);
		d->queues[i].enabled = false;
	}
	return SILENT;
}

static int on_reset_device(struct vhost_device *d, struct vhost_msg *m)
{
	(void)m;
	vhost_device_reset(d);
	return SILENT;
}

static int on_get_queue_num(struct vhost_device *d, struct vhost_msg *m)
{
	return answer_u64(m, d->nqueues);
}

static int on_set_status(struct vhost_device *d, struct vhost_msg *m)
{
	if (m->p.u64 > UINT8_MAX)
		return -EINVAL;
	if (m->p.u64 == 0)
		vhost_device_reset(d);
	d->status = (uint8_t)m->p.u64;
	return SILENT;
}

static int on_get_status(struct vhost_device *d, struct vhost_msg *m)
{
	return answer_u64(m, d->status);
}

/* An error is told by an answer without a payload. */
static int on_get_config(struct vhost_device *d, struct vhost_msg *m)
{
	uint32_t n = m->p.config.size;

	if (n > VHOST_CONFIG_MAX || m->size != VHOST_CONFIG_HEADER + n ||
	    vhost_device_read_config(d, m->p.config.offset, n, m->p.config.data))
		m->size = 0;
	return ANSWER;
}

/* Nothing in the configuration space of this device can be written by a guest. */
static int on_set_config(struct vhost_device *d, struct vhost_msg *m)
{
	uint32_t n = m->p.config.size;
	uint8_t mine[VHOST_CONFIG_MAX];

	if (n > VHOST_CONFIG_MAX || m->size != VHOST_CONFIG_HEADER + n)
		return -EINVAL;
	if (vhost_device_read_config(d, m->p.config.offset, n, mine))
		return -EINVAL;
	return memcmp(mine, m->p.config.data, n) ? -EPERM : SILENT;
}

/* ---- memory ---- */

static int on_set_mem_table(struct vhost_device *d, struct vhost_msg *m)
{
	struct vhost_memory *set, *next;
	uint32_t n = m->p.table.nregions;
	int err = 0;

	if (n > VHOST_TABLE_REGIONS || m->nfds != n ||
	    m->size < offsetof(struct vhost_memory_table, regions) + n * sizeof(struct vhost_region_wire))
		return -EINVAL;
	set = vhost_memory_new();
	if (!set)
		return -ENOMEM;
	for (uint32_t i = 0; i < n && !err; i++) {
		struct vhost_region_wire r = m->p.table.regions[i];

		err = vhost_memory_add(set, &r, m->fds[i], &next);
		if (err)
			break;
		vhost_memory_put(set);
		set = next;
	}
	if (err)
		vhost_memory_put(set);
	else
		vhost_device_set_memory(d, set);
	return err;
}

static int on_get_max_mem_slots(struct vhost_device *d, struct vhost_msg *m)
{
	(void)d;
	return answer_u64(m, VHOST_MEMORY_SLOTS);
}

static int on_add_mem_reg(struct vhost_device *d, struct vhost_msg *m)
{
	struct vhost_region_wire r = m->p.region.region;
	struct vhost_memory *set;
	int err;

	if (m->nfds != 1)
		return -EINVAL;
	err = vhost_memory_add(d->memory, &r, m->fds[0], &set);
	if (!err)
		vhost_device_set_memory(d, set);
	return err;
}

static int on_rem_mem_reg(struct vhost_device *d, struct vhost_msg *m)
{
	struct vhost_region_wire r = m->p.region.region;
	struct vhost_memory *set;
	int err = vhost_memory_remove(d->memory, &r, &set);

	if (!err)
		vhost_device_set_memory(d, set);
	return err;
}

static int on_set_log_base(struct vhost_device *d, struct vhost_msg *m)
{
	struct vhost_log *log;
	int err = -EINVAL;

	if (m->nfds == 1 && m->size >= sizeof(m->p.log))
		err = vhost_log_new(m->fds[0], m->p.log.size, m->p.log.offset, &log);
	if (!err)
		vhost_device_set_log(d, log);
	return answer_u64(m, (uint64_t)-err); /* although it only sets something */
}

/* Raised by devices that log rarely; ours logs all the time, so the front end looks anyway. */
static int on_set_log_fd(struct vhost_device *d, struct vhost_msg *m)
{
	(void)d;
	return m->nfds == 1 ? SILENT : -EINVAL;
}

/* ---- rings ---- */

static int on_set_vring_num(struct vhost_device *d, struct vhost_msg *m)
{
	struct vhost_queue *q = vhost_device_queue(d, m->p.state.index);
	uint32_t n = m->p.state.num;

	if (!q || !n || n > VIRTQ_SIZE_MAX || n & (n - 1))
		return -EINVAL;
	if (q->running)
		return -EBUSY;
	q->config.size = n;
	return SILENT;
}

static int on_set_vring_addr(struct vhost_device *d, struct vhost_msg *m)
{
	struct vhost_vring_addr a = m->p.addr;
	struct vhost_queue *q = vhost_device_queue(d, a.index);

	if (!q || a.flags & ~VHOST_VRING_LOG)
		return -EINVAL;
	vhost_queue_set_ring_log(q, a.flags & VHOST_VRING_LOG, a.log);
	return vhost_queue_set_addresses(q, a.desc, a.avail, a.used);
}

static int on_set_vring_base(struct vhost_device *d, struct vhost_msg *m)
{
	struct vhost_queue *q = vhost_device_queue(d, m->p.state.index);

	if (!q || m->p.state.num > UINT16_MAX)
		return -EINVAL;
	if (q->running)
		return -EBUSY;
	q->config.base = (uint16_t)m->p.state.num;
	return SILENT;
}

/* Stops the ring; the specification gives this question that meaning. */
static int on_get_vring_base(struct vhost_device *d, struct vhost_msg *m)
{
	struct vhost_queue *q = vhost_device_queue(d, m->p.state.index);

	if (!q) {
		m->p.state.num = 0;
		return ANSWER;
	}
	vhost_queue_stop(q);
	q->has_kick = false;
	vhost_queue_set_event(q, &q->kick, -1);
	vhost_queue_set_event(q, &q->call, -1);
	m->p.state.num = q->config.base;
	return ANSWER;
}

/* The queue that an event message speaks of, and its descriptor (-1: it brings none). */
static struct vhost_queue *event_queue(struct vhost_device *d, struct vhost_msg *m, int *fd)
{
	struct vhost_queue *q = vhost_device_queue(d, m->p.u64 & VHOST_VRING_INDEX_MASK);
	bool without = m->p.u64 & VHOST_VRING_NO_FD;

	if (!q || m->p.u64 & ~(VHOST_VRING_INDEX_MASK | VHOST_VRING_NO_FD) || m->nfds != !without)
		return NULL;
	*fd = vhost_msg_take_fd(m, 0);
	return q;
}

static int on_set_vring_kick(struct vhost_device *d, struct vhost_msg *m)
{
	int fd;
	struct vhost_queue *q = event_queue(d, m, &fd);

	if (!q)
		return -EINVAL;
	vhost_queue_stop(q);
	vhost_queue_set_event(q, &q->kick, fd);
	q->has_kick = true;
	return q->config.size ? vhost_device_start_queue(d, q) : SILENT;
}

static int on_set_vring_call(struct vhost_device *d, struct vhost_msg *m)
{
	int fd;
	struct vhost_queue *q = event_queue(d, m, &fd);

	if (!q)
		return -EINVAL;
	vhost_queue_set_call(q, fd);
	return SILENT;
}

static int on_set_vring_err(struct vhost_device *d, struct vhost_msg *m)
{
	int fd;
	struct vhost_queue *q = event_queue(d, m, &fd);

	if (!q)
		return -EINVAL;
	vhost_queue_set_event(q, &q->err, fd);
	return SILENT;
}

static int on_set_vring_enable(struct vhost_device *d, struct vhost_msg *m)
{
	struct vhost_queue *q = vhost_device_queue(d, m->p.state.index);

	if (!q || m->p.state.num > 1)
		return -EINVAL;
	q->enabled = m->p.state.num;
	if (q->enabled)
		return vhost_device_start_queue(d, q);
	vhost_queue_stop(q);
	return SILENT;
}

/* We never send requests of our own. */
static int on_set_backend_req_fd(struct vhost_device *d, struct vhost_msg *m)
{
	(void)d;
	return m->nfds == 1 ? SILENT : -EINVAL;
}

/* ---- in-flight region ---- */

static int on_get_inflight_fd(struct vhost_device *d, struct vhost_msg *m)
{
	struct vhost_inflight_wire want = m->p.inflight;
	struct vhost_inflight *f;
	int err = want.num_queues > d->nqueues ? -EINVAL : vhost_inflight_new(want.num_queues, want.queue_size, &f);
	int fd = -1;

	if (!err) {
		fd = dup(f->fd); /* the answer has a descriptor of its own: ours may be replaced before it is sent */
		err = fd < 0 ? -errno : 0;
		want.mmap_size = f->size;
		if (err)
			vhost_inflight_free(f);
		else
			err = vhost_device_set_inflight(d, f, true);
	}
	if (err) {
		if (fd >= 0)
			close(fd);
		want.mmap_size = 0; /* which is how this answer tells an error */
		fd = -1;
	}
	want.mmap_offset = 0;
	m->p.inflight = want;
	m->size = VHOST_INFLIGHT_SIZE;
	if (fd >= 0) {
		m->fds[0] = fd;
		m->nfds = 1;
	}
	return ANSWER;
}

static int on_set_inflight_fd(struct vhost_device *d, struct vhost_msg *m)
{
	struct vhost_inflight_wire w = m->p.inflight;
	struct vhost_inflight *f;
	int err;

	if (m->nfds != 1 || w.num_queues > d->nqueues)
		return -EINVAL;
	err = vhost_inflight_open(vhost_msg_take_fd(m, 0), w.mmap_size, w.mmap_offset, w.num_queues, w.queue_size, &f);
	return err ? err : vhost_device_set_inflight(d, f, false);
}

/* ---- migration of our own state ---- */

static int on_set_device_state_fd(struct vhost_device *d, struct vhost_msg *m)
{
	int err = -EINVAL;

	if (m->nfds == 1 && m->p.device_state.phase == 0)
		err = vhost_device_transfer(d, m->p.device_state.direction, vhost_msg_take_fd(m, 0));
	return answer_u64(m, ((uint64_t)-err & VHOST_STATE_ERROR_MASK) | VHOST_STATE_NO_FD);
}

static int on_check_device_state(struct vhost_device *d, struct vhost_msg *m)
{
	return answer_u64(m, (uint64_t)-vhost_device_check_transfer(d));
}

/* ---- the table ---- */

#define U64 sizeof(uint64_t)
#define STATE sizeof(struct vhost_vring_state)
#define ANY sizeof(((struct vhost_msg *)0)->p)

static const struct message_row rows[VHOST_REQUEST_END] = {
	[VHOST_GET_FEATURES] = {0, ANY, 0, on_get_features},
	[VHOST_SET_FEATURES] = {U64, U64, 0, on_set_features},
	[VHOST_SET_OWNER] = {0, ANY, 0, on_set_owner},
	[VHOST_RESET_OWNER] = {0, ANY, 0, on_reset_owner},
	[VHOST_SET_MEM_TABLE] = {U64, ANY, VHOST_TABLE_REGIONS, on_set_mem_table},
	[VHOST_SET_LOG_BASE] = {U64, ANY, 1, on_set_log_base},
	[VHOST_SET_LOG_FD] = {0, ANY, 1, on_set_log_fd},
	[VHOST_SET_VRING_NUM] = {STATE, STATE, 0, on_set_vring_num},
	[VHOST_SET_VRING_ADDR] = {sizeof(struct vhost_vring_addr), sizeof(struct vhost_vring_addr), 0, on_set_vring_addr},
	[VHOST_SET_VRING_BASE] = {STATE, STATE, 0, on_set_vring_base},
	[VHOST_GET_VRING_BASE] = {STATE, STATE, 0, on_get_vring_base},
	[VHOST_SET_VRING_KICK] = {U64, U64, 1, on_set_vring_kick},
	[VHOST_SET_VRING_CALL] = {U64, U64, 1, on_set_vring_call},
	[VHOST_SET_VRING_ERR] = {U64, U64, 1, on_set_vring_err},
	[VHOST_GET_PROTOCOL_FEATURES] = {0, ANY, 0, on_get_protocol_features},
	[VHOST_SET_PROTOCOL_FEATURES] = {U64, U64, 0, on_set_protocol_features},
	[VHOST_GET_QUEUE_NUM] = {0, ANY, 0, on_get_queue_num},
	[VHOST_SET_VRING_ENABLE] = {STATE, STATE, 0, on_set_vring_enable},
	[VHOST_SET_BACKEND_REQ_FD] = {0, ANY, 1, on_set_backend_req_fd},
	[VHOST_GET_CONFIG] = {VHOST_CONFIG_HEADER, ANY, 0, on_get_config},
	[VHOST_SET_CONFIG] = {VHOST_CONFIG_HEADER, ANY, 0, on_set_config},
	[VHOST_GET_INFLIGHT_FD] = {VHOST_INFLIGHT_SIZE, ANY, 0, on_get_inflight_fd},
	[VHOST_SET_INFLIGHT_FD] = {VHOST_INFLIGHT_SIZE, ANY, 1, on_set_inflight_fd},
	[VHOST_RESET_DEVICE] = {0, ANY, 0, on_reset_device},
	[VHOST_GET_MAX_MEM_SLOTS] = {0, ANY, 0, on_get_max_mem_slots},
	[VHOST_ADD_MEM_REG] = {sizeof(struct vhost_memory_region), ANY, 1, on_add_mem_reg},
	[VHOST_REM_MEM_REG] = {sizeof(struct vhost_memory_region), ANY, 1, on_rem_mem_reg},
	[VHOST_SET_STATUS] = {U64, U64, 0, on_set_status},
	[VHOST_GET_STATUS] = {0, ANY, 0, on_get_status},
	[VHOST_SET_DEVICE_STATE_FD] = {sizeof(struct vhost_state_wire), ANY, 1, on_set_device_state_fd},
	[VHOST_CHECK_DEVICE_STATE] = {0, ANY, 0, on_check_device_state},
};

static int message_run(struct vhost_device *d, struct vhost_msg *m)
{
	const struct message_row *row = m->request < VHOST_REQUEST_END ? &rows[m->request] : NULL;

	if (!row || !row->handle)
		return -EOPNOTSUPP;
	if (m->size < row->min || m->size > row->max || m->nfds > row->fds)
		return -EINVAL;
	return row->handle(d, m);
}

int vhost_message_handle(struct vhost_device *d, struct vhost_msg *m)
{
	uint32_t request = m->request;
	bool wants = m->flags & VHOST_MSG_NEED_REPLY;
	int result = message_run(d, m);

	if (result < 0)
		vn_info("vhost-user %s (%u): %s", vhost_request_name(request), request, strerror(-result));
	if (result != ANSWER && !(wants && d->protocol_features & VHOST_PROTOCOL_REPLY_ACK))
		return 0;
	if (result != ANSWER)
		answer_u64(m, (uint64_t)-result);
	m->flags = VHOST_MSG_VERSION | VHOST_MSG_REPLY;
	return 1;
}

int vhost_message_serve(struct vhost_device *d, int sock, int stop)
{
	for (;;) {
		struct vhost_msg m;
		int err = vhost_msg_receive(sock, stop, &m);

		if (err <= 0)
			return err;
		err = vhost_message_handle(d, &m) ? vhost_msg_send(sock, &m) : 0;
		vhost_msg_fini(&m);
		if (err)
			return err == -EPIPE || err == -ECONNRESET ? 0 : err;
	}
}
