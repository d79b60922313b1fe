// SPDX-License-Identifier: Apache-2.0
/*
 * The FUSE session behind a vhost-user device: when it begins, what of it is
 * written into the in-flight region, and whether it is kept at its end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/log.h"
#include "base/scope.h"
#include "fuse/vhost_device.h"

static int session_open(struct vhost_device *d, uint64_t id, struct vf_session **out)
{
	struct vf_session_config config = *d->config.session;

	config.id = id;
	config.outlives = true;
	return vf_session_new(&config, out);
}

/* A session that its front end left and did not take up: what it held is given back. */
static void session_abandon(struct vhost_device *d, uint64_t id)
{
	struct vf_session *s;
	int err;

	if (!id)
		return;
	err = session_open(d, id, &s);
	if (err)
		vn_warn("the session of an earlier front end cannot be ended: %s", strerror(-err));
	else
		vf_session_free(s, false);
}

static uint64_t session_random_id(void)
{
	uint64_t id = 0;

	while (!id && getrandom(&id, sizeof(id), 0) < 0)
		;
	return id ? id : 1;
}

/* Who we are: what the region says, or somebody new. */
static void session_identify(struct vhost_device *d)
{
	struct vhost_session_record found;
	bool kept = d->record.kept;

	if (d->record.id) /* a loaded device state has said it */
		return;
	if (d->inflight && vhost_inflight_load(d->inflight, &found) == 0)
		d->record = found;
	else
		d->record = (struct vhost_session_record){.id = session_random_id()};
	d->record.kept |= kept;
}

void vhost_device_write_record(struct vhost_device *d)
{
	int err = d->inflight ? vhost_inflight_store(d->inflight, &d->record) : 0;

	if (err)
		vn_info("the in-flight region has no room for our session: a restart will need a new INIT");
}

static int session_restore(struct vhost_device *d, struct vf_session *s)
{
	return d->record.state_size ? vf_session_restore(s, d->record.state, d->record.state_size) : 0;
}

static void session_show(struct vhost_device *d, struct vf_session *s)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&d->record_lock);

	d->session = s;
}

int vhost_device_begin_session(struct vhost_device *d)
{
	struct vf_session *s;
	int err;

	if (d->session)
		return 0;
	session_identify(d);
	if (d->kept_id != d->record.id)
		session_abandon(d, d->kept_id);
	d->kept_id = 0;
	err = session_open(d, d->record.id, &s);
	if (err)
		return err;
	err = session_restore(d, s);
	if (err) {
		vf_session_free(s, true);
		return err;
	}
	session_show(d, s);
	d->recorded = vf_session_changes(s);
	vhost_device_write_record(d);
	for (unsigned i = 0; i < d->nqueues; i++)
		d->queues[i].session = s;
	return 0;
}

void vhost_device_with_session(struct vhost_device *d, void (*fn)(void *arg, const struct vf_session *s), void *arg)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&d->record_lock);

	fn(arg, d->session);
}

void vhost_device_record_session(struct vhost_device *d)
{
	unsigned now = vf_session_changes(d->session);
	ssize_t size;

	if (now == __atomic_load_n(&d->recorded, __ATOMIC_RELAXED))
		return;
	vn_autounlock pthread_mutex_t *held = vn_lock(&d->record_lock);

	size = vf_session_save(d->session, d->record.state, sizeof(d->record.state));
	if (size < 0) {
		vn_warn("the session's state cannot be saved: %s", strerror((int)-size));
		size = 0;
	}
	d->record.state_size = (uint32_t)size;
	vhost_device_write_record(d);
	__atomic_store_n(&d->recorded, now, __ATOMIC_RELAXED);
}

int vhost_device_start_queue(struct vhost_device *d, struct vhost_queue *q)
{
	int err;

	if (q->running || !q->has_kick || !q->enabled)
		return 0;
	err = vhost_device_begin_session(d);
	return err ? err : vhost_queue_start(q);
}

int vhost_device_set_inflight(struct vhost_device *d, struct vhost_inflight *f, bool asked)
{
	if (vhost_device_runs(d)) {
		vhost_inflight_free(f);
		return -EBUSY;
	}
	vhost_inflight_free(d->inflight);
	d->inflight = f;
	for (unsigned i = 0; i < d->nqueues; i++)
		d->queues[i].inflight = vhost_inflight_queue(f, i, &d->queues[i].inflight_size);
	d->record.kept |= asked;
	if (d->record.id)
		vhost_device_write_record(d);
	return 0;
}

/* The front end is to find nothing of the old one's. */
static void device_forget(struct vhost_device *d)
{
	vhost_log_put(d->log);
	d->log = NULL;
	vhost_inflight_free(d->inflight);
	d->inflight = NULL;
	vhost_memory_put(d->memory);
	d->memory = vhost_memory_new();
	d->protocol_features = 0;
	d->record = (struct vhost_session_record){0};
	d->state_error = 0;
	d->state_moved = false;
	if (d->state_fd >= 0)
		close(d->state_fd);
	d->state_fd = -1;
}

void vhost_device_detach(struct vhost_device *d, bool replaced)
{
	bool keep = d->record.kept || (replaced && d->inflight);
	struct vf_session *s = d->session;

	for (unsigned i = 0; i < d->nqueues; i++)
		d->queues[i].left = replaced;
	vhost_device_reset(d);
	for (unsigned i = 0; i < d->nqueues; i++) {
		vhost_queue_reset(&d->queues[i]);
		d->queues[i].session = NULL;
	}
	session_show(d, NULL);
	if (s) {
		if (keep && !replaced)
			d->kept_id = d->record.id;
		vf_session_free(s, keep);
	}
	device_forget(d);
}
