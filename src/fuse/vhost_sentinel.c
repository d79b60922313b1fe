// SPDX-License-Identifier: Apache-2.0
/*
 * Looks at the queues every few milliseconds while they are at work, lets others
 * serve a queue whose thread is held up by one request, and reports what a signal
 * handler cannot. It sleeps when the queues have been idle for a second.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/scope.h"
#include "fuse/vhost_device.h"
#include "fuse/vhost_fault.h"

#define LOOK_NS (3 * VN_NS_PER_SEC / 1000)
#define IDLE_LOOKS 300

struct vhost_sentinel {
	struct vhost_device *device;
	pthread_t thread;
	pthread_mutex_t lock; /* guards stop, and going to sleep */
	pthread_cond_t wake;
	bool stop;
	atomic_bool asleep;
};

static bool device_relieve(struct vhost_device *d)
{
	bool active = false;

	for (unsigned i = 0; i < d->nqueues; i++)
		active |= vhost_queue_relieve(&d->queues[i]);
	if (vhost_fault_seen())
		vn_warn("the front end has cut its memory short under its queues: they find zeros there from now on");
	return active;
}

static void sentinel_nap_locked(struct vhost_sentinel *s)
{
	vn_cond_wait_until(&s->wake, &s->lock, vn_mono_ns() + LOOK_NS);
}

/* A thread that begins to work after the last look sees `asleep` and wakes us. */
static void sentinel_sleep_locked(struct vhost_sentinel *s)
{
	atomic_store(&s->asleep, true);
	while (atomic_load(&s->asleep) && !s->stop)
		pthread_cond_wait(&s->wake, &s->lock);
}

static void *sentinel_main(void *arg)
{
	struct vhost_sentinel *s = arg;
	vn_autounlock pthread_mutex_t *held = vn_lock(&s->lock);
	unsigned idle = 0;

	while (!s->stop) {
		if (idle < IDLE_LOOKS)
			sentinel_nap_locked(s);
		else
			sentinel_sleep_locked(s);
		pthread_mutex_unlock(&s->lock);
		idle = device_relieve(s->device) || idle >= IDLE_LOOKS ? 0 : idle + 1;
		pthread_mutex_lock(&s->lock);
	}
	return NULL;
}

int vhost_sentinel_new(struct vhost_device *d, struct vhost_sentinel **out)
{
	struct vhost_sentinel *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->device = d;
	pthread_mutex_init(&s->lock, NULL);
	vn_cond_init(&s->wake);
	err = -pthread_create(&s->thread, NULL, sentinel_main, s);
	if (err) {
		pthread_cond_destroy(&s->wake);
		pthread_mutex_destroy(&s->lock);
		free(s);
		return err;
	}
	*out = s;
	return 0;
}

void vhost_sentinel_wake(struct vhost_sentinel *s)
{
	if (!atomic_load_explicit(&s->asleep, memory_order_relaxed))
		return;
	vn_autounlock pthread_mutex_t *held = vn_lock(&s->lock);

	atomic_store(&s->asleep, false);
	pthread_cond_signal(&s->wake);
}

void vhost_sentinel_free(struct vhost_sentinel *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
