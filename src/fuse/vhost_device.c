// SPDX-License-Identifier: Apache-2.0
#include "fuse/vhost_device.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_fs.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/scope.h"

#define BIT(n) (UINT64_C(1) << (n))
#define DEVICE_FEATURES                                                                            \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX) |  \
	 VHOST_FEATURE_LOG_ALL | VHOST_FEATURE_PROTOCOL)
#define PROTOCOL_FEATURES                                                                          \
	(VHOST_PROTOCOL_MQ | VHOST_PROTOCOL_LOG_SHMFD | VHOST_PROTOCOL_REPLY_ACK | VHOST_PROTOCOL_CONFIG | \
	 VHOST_PROTOCOL_INFLIGHT_SHMFD | VHOST_PROTOCOL_RESET_DEVICE | VHOST_PROTOCOL_CONFIGURE_MEM_SLOTS | \
	 VHOST_PROTOCOL_STATUS | VHOST_PROTOCOL_DEVICE_STATE)

uint64_t vhost_device_features(void)
{
	return DEVICE_FEATURES;
}

uint64_t vhost_device_protocol_features(void)
{
	return PROTOCOL_FEATURES;
}

/* ---- life ---- */

static bool config_wrong(const struct vhost_device_config *c)
{
	size_t tag = strlen(c->tag);

	return !tag || tag > VHOST_TAG_MAX || !c->request_queues || c->request_queues > VHOST_REQUEST_QUEUES_MAX ||
	       !c->workers || c->workers > VHOST_WORKERS_MAX;
}

static unsigned device_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : (unsigned)CPU_COUNT(&set);
}

static void device_served(void *arg)
{
	vhost_device_record_session(arg);
}

static void device_woken(void *arg)
{
	vhost_sentinel_wake(((struct vhost_device *)arg)->sentinel);
}

/* On one CPU a poller only keeps the guest from running. */
static int device_init_queues(struct vhost_device *d)
{
	unsigned cpus = device_cpus();

	d->queues = calloc(d->config.request_queues + 1, sizeof(*d->queues));
	if (!d->queues)
		return -ENOMEM;
	for (unsigned i = 0; i <= d->config.request_queues; i++) {
		struct vhost_queue_setup setup = {
			.index = i,
			.max_workers = i ? d->config.workers : 1,
			.cpus = cpus,
			.poll_ns = i && cpus > 1 ? d->config.poll_us * INT64_C(1000) : 0,
			.served = device_served,
			.woken = device_woken,
			.arg = d,
		};
		int err = vhost_queue_init(&d->queues[i], &setup);

		if (err)
			return err;
		d->nqueues++;
	}
	return 0;
}

int vhost_device_new(const struct vhost_device_config *config, struct vhost_device **out)
{
	struct vhost_device *d;
	int err;

	if (config_wrong(config))
		return -EINVAL;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->config = *config;
	d->state_fd = -1;
	pthread_mutex_init(&d->record_lock, NULL);
	d->memory = vhost_memory_new();
	err = d->memory ? device_init_queues(d) : -ENOMEM;
	if (!err)
		err = vhost_sentinel_new(d, &d->sentinel);
	if (err) {
		vhost_device_free(d);
		return err;
	}
	*out = d;
	return 0;
}

void vhost_device_free(struct vhost_device *d)
{
	if (!d)
		return;
	vhost_sentinel_free(d->sentinel);
	for (unsigned i = 0; i < d->nqueues; i++)
		vhost_queue_fini(&d->queues[i]);
	vhost_memory_put(d->memory);
	pthread_mutex_destroy(&d->record_lock);
	free(d->queues);
	free(d);
}

/* ---- what messages set ---- */

struct vhost_queue *vhost_device_queue(struct vhost_device *d, uint64_t index)
{
	return index < d->nqueues ? &d->queues[index] : NULL;
}

bool vhost_device_runs(const struct vhost_device *d)
{
	for (unsigned i = 0; i < d->nqueues; i++) {
		if (d->queues[i].running)
			return true;
	}
	return false;
}

/* The log counts only while LOG_ALL is agreed. */
static void device_spread_log(struct vhost_device *d)
{
	for (unsigned i = 0; i < d->nqueues; i++)
		vhost_queue_set_log(&d->queues[i], d->features & VHOST_FEATURE_LOG_ALL ? d->log : NULL);
}

int vhost_device_set_features(struct vhost_device *d, uint64_t features)
{
	if (features & ~DEVICE_FEATURES)
		return -EINVAL;
	if (vhost_device_runs(d) && (d->features ^ features) & ~VHOST_FEATURE_LOG_ALL)
		return -EBUSY;
	d->features = features;
	for (unsigned i = 0; i < d->nqueues && !vhost_device_runs(d); i++) {
		d->queues[i].config.event_idx = features & BIT(VIRTIO_RING_F_EVENT_IDX);
		d->queues[i].enabled |= !(features & VHOST_FEATURE_PROTOCOL);
	}
	device_spread_log(d);
	return 0;
}

int vhost_device_set_protocol_features(struct vhost_device *d, uint64_t features)
{
	if (features & ~PROTOCOL_FEATURES)
		return -EINVAL;
	d->protocol_features = features;
	return 0;
}

void vhost_device_set_memory(struct vhost_device *d, struct vhost_memory *m)
{
	for (unsigned i = 0; i < d->nqueues; i++)
		vhost_queue_set_memory(&d->queues[i], m);
	vhost_memory_put(d->memory);
	d->memory = m;
}

void vhost_device_set_log(struct vhost_device *d, struct vhost_log *log)
{
	vhost_log_put(d->log);
	d->log = log;
	device_spread_log(d);
}

int vhost_device_read_config(const struct vhost_device *d, uint32_t offset, uint32_t n, uint8_t *out)
{
	struct virtio_fs_config space = {.num_request_queues = htole32(d->config.request_queues)};

	if (offset > sizeof(space) || n > sizeof(space) - offset)
		return -EINVAL;
	memcpy(space.tag, d->config.tag, strlen(d->config.tag));
	memcpy(out, (const uint8_t *)&space + offset, n);
	return 0;
}

void vhost_device_reset(struct vhost_device *d)
{
	for (unsigned i = 0; i < d->nqueues; i++) {
		struct vhost_queue *q = &d->queues[i];

		vhost_queue_stop(q);
		q->enabled = q->has_kick = false;
		q->config = (struct virtq_config){0};
		vhost_queue_set_event(q, &q->kick, -1);
		vhost_queue_set_event(q, &q->call, -1);
		vhost_queue_set_event(q, &q->err, -1);
	}
	d->status = 0;
	d->features = 0;
}
