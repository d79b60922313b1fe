// SPDX-License-Identifier: Apache-2.0
#include "fuse/vhost_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/scope.h"

static void event_raise(int fd)
{
	uint64_t one = 1;
	ssize_t done = fd < 0 ? 0 : write(fd, &one, sizeof(one));

	(void)done; /* a full counter has been raised already */
}

static void fd_replace(int *at, int fd)
{
	if (*at >= 0)
		close(*at);
	*at = fd;
}

int vhost_queue_init(struct vhost_queue *q, const struct vhost_queue_setup *setup)
{
	*q = (struct vhost_queue){.setup = *setup, .kick = -1, .call = -1, .err = -1, .epoll = -1, .nudge = -1, .halt = -1};
	return -pthread_mutex_init(&q->lock, NULL);
}

void vhost_queue_fini(struct vhost_queue *q)
{
	vhost_queue_reset(q);
	pthread_mutex_destroy(&q->lock);
}

void vhost_queue_reset(struct vhost_queue *q)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&q->lock);

	fd_replace(&q->kick, -1);
	fd_replace(&q->call, -1);
	fd_replace(&q->err, -1);
	vhost_memory_put(q->memory);
	q->memory = NULL;
	vhost_memory_put(q->ring_memory);
	q->ring_memory = NULL;
	vhost_log_put(q->log);
	q->log = NULL;
	q->has_kick = q->enabled = q->log_used = q->left = false;
	q->log_addr = 0;
	q->config = (struct virtq_config){0};
	q->inflight = NULL;
}

/* ---- start and stop ---- */

static int queue_watch(struct vhost_queue *q, int fd, uint32_t events)
{
	struct epoll_event e = {.events = events};

	return epoll_ctl(q->epoll, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

static void queue_close_events(struct vhost_queue *q)
{
	fd_replace(&q->epoll, -1);
	fd_replace(&q->nudge, -1);
	fd_replace(&q->halt, -1);
}

/*
 * Kicks and nudges are edge-triggered, so that each wakes one thread and none has
 * to be read; halt is level-triggered and wakes all.
 */
static int queue_open_events(struct vhost_queue *q)
{
	int err = 0;

	q->epoll = epoll_create1(EPOLL_CLOEXEC);
	q->nudge = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->halt = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->epoll < 0 || q->nudge < 0 || q->halt < 0)
		err = -errno;
	if (!err)
		err = queue_watch(q, q->nudge, EPOLLIN | EPOLLET);
	if (!err)
		err = queue_watch(q, q->halt, EPOLLIN);
	if (!err && q->kick >= 0)
		err = queue_watch(q, q->kick, EPOLLIN | EPOLLET);
	if (err)
		queue_close_events(q);
	return err;
}

int vhost_queue_add_worker_locked(struct vhost_queue *q)
{
	struct vhost_worker *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->q = q;
	err = -pthread_create(&w->thread, NULL, vhost_worker_main, w);
	if (err) {
		free(w);
		return err;
	}
	q->workers[q->nworkers++] = w;
	return 0;
}

static int queue_launch_locked(struct vhost_queue *q)
{
	int err = queue_open_events(q);

	if (err)
		return err;
	q->stopping = q->reported = q->polling = false;
	q->scanning = q->sleeping = q->busy = q->unsignalled = 0;
	q->emptied_ns = q->gap_ns = q->poll_resume_ns = q->poll_pause_ns = 0;
	err = vhost_queue_add_worker_locked(q);
	if (err)
		queue_close_events(q);
	return err;
}

static void ring_memory_set(struct vhost_queue *q)
{
	vhost_memory_put(q->ring_memory);
	q->ring_memory = vhost_memory_get(q->memory);
}

int vhost_queue_start(struct vhost_queue *q)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&q->lock);
	int err;

	if (q->running || !q->has_kick || !q->enabled)
		return 0;
	if (!q->memory || !q->session)
		return -EINVAL;
	err = virtq_start(&q->vq, &q->config, q->memory, q->inflight, q->inflight_size);
	if (err)
		return err;
	err = queue_launch_locked(q);
	if (err) {
		virtq_fini(&q->vq);
		return err;
	}
	q->running = true;
	ring_memory_set(q);
	return 0;
}

static bool queue_halt(struct vhost_queue *q)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&q->lock);

	if (!q->running)
		return false;
	__atomic_store_n(&q->stopping, true, __ATOMIC_RELAXED); /* a poller looks at it without the lock */
	event_raise(q->halt);
	return true;
}

void vhost_queue_stop(struct vhost_queue *q)
{
	if (!queue_halt(q))
		return;
	/* No thread is added once stopping is set. */
	for (unsigned i = 0; i < q->nworkers; i++)
		pthread_join(q->workers[i]->thread, NULL);
	vn_autounlock pthread_mutex_t *held = vn_lock(&q->lock);

	while (q->nworkers) /* under the lock: the sentinel looks at them */
		free(q->workers[--q->nworkers]);
	q->config.base = q->vq.next_avail;
	q->running = false;
	vhost_queue_signal_locked(q);
	if (q->left)
		virtq_leave(&q->vq);
	else
		virtq_fini(&q->vq);
	queue_close_events(q);
}

/* ---- changes while it runs ---- */

void vhost_queue_set_memory(struct vhost_queue *q, struct vhost_memory *m)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&q->lock);
	struct vhost_memory *old = q->memory;

	q->memory = vhost_memory_get(m);
	vhost_memory_put(old);
	if (q->running && virtq_remap(&q->vq, m) == 0)
		ring_memory_set(q);
}

void vhost_queue_set_log(struct vhost_queue *q, struct vhost_log *log)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&q->lock);

	vhost_log_put(q->log);
	q->log = vhost_log_get(log);
}

int vhost_queue_set_addresses(struct vhost_queue *q, uint64_t desc, uint64_t avail, uint64_t used)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&q->lock);
	struct virtq_config old = q->vq.config;
	int err;

	q->config.desc = desc;
	q->config.avail = avail;
	q->config.used = used;
	if (!q->running)
		return 0;
	q->vq.config.desc = desc;
	q->vq.config.avail = avail;
	q->vq.config.used = used;
	err = virtq_remap(&q->vq, q->memory);
	if (err)
		q->vq.config = old;
	else
		ring_memory_set(q);
	return err;
}

void vhost_queue_set_ring_log(struct vhost_queue *q, bool on, uint64_t guest)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&q->lock);

	q->log_used = on;
	q->log_addr = guest;
}

void vhost_queue_set_event(struct vhost_queue *q, int *which, int fd)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&q->lock);

	fd_replace(which, fd);
}

void vhost_queue_set_call(struct vhost_queue *q, int fd)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&q->lock);

	fd_replace(&q->call, fd);
	if (q->running)
		event_raise(q->call);
}

/* ---- what threads and the sentinel share ---- */

void vhost_queue_signal_locked(struct vhost_queue *q)
{
	if (!q->unsignalled)
		return;
	q->unsignalled = 0;
	if (virtq_should_signal(&q->vq))
		event_raise(q->call);
}

/* Somebody must look at the ring: a sleeping thread, or a new one while there may be more. */
static void queue_call_help_locked(struct vhost_queue *q)
{
	if (q->stopping)
		return;
	if (!q->sleeping && q->nworkers < q->setup.max_workers && vhost_queue_add_worker_locked(q) == 0)
		return;
	event_raise(q->nudge); /* not lost: a busy thread finds it when it goes to sleep */
}

/*
 * With no thread asleep a kick would wake nobody, so help is called as soon as the
 * last scanner leaves, not when the next kick comes.
 */
void vhost_queue_leave_scan_locked(struct vhost_queue *q, struct vhost_worker *w)
{
	bool more;

	if (!w->scanning)
		return;
	w->scanning = false;
	if (--q->scanning)
		return;
	more = virtq_kicks_on(&q->vq);
	if (more || (!q->sleeping && q->nworkers < q->setup.max_workers))
		queue_call_help_locked(q);
}

bool vhost_queue_relieve(struct vhost_queue *q)
{
	vn_autounlock pthread_mutex_t *held = NULL;
	bool active = false;

	if (pthread_mutex_trylock(&q->lock))
		return true;
	held = &q->lock;
	for (unsigned i = 0; q->running && i < q->nworkers; i++) {
		struct vhost_worker *w = q->workers[i];
		bool stuck = w->in_request && w->requests == w->seen;

		active |= w->in_request || w->requests != w->seen;
		w->seen = w->requests;
		if (!stuck)
			continue;
		vhost_queue_signal_locked(q);
		vhost_queue_leave_scan_locked(q, w);
	}
	return active;
}
