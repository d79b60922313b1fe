// SPDX-License-Identifier: Apache-2.0
/*
 * The classic carrier: threads that read(2) a request, dispatch it and write(2) the reply.
 *
 * Each thread has a clone of the device, so that the kernel keeps what is being answered
 * apart; where the device cannot be cloned all read the same descriptor. A thread sleeps in
 * read(2) and runs on the CPU of the client that it answers (follow.h), and where that is not
 * enough to stay together, another one sends the reply (courier.h). Who may read, and how
 * many threads there are, is told in readers.h.
 */
#include "fuse/carrier.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "fuse/courier.h"
#include "fuse/device.h"
#include "fuse/dispatch.h"
#include "fuse/follow.h"
#include "fuse/protocol.h"
#include "fuse/readers.h"
#include "fuse/request.h"

#define STOP_SIGNAL SIGRTMAX
#define STOP_SOON_NS 30000 /* a thread that was told to stop is gone in some us */
#define STOP_LATE_NS 1000000
#define LARGE 65536 /* a payload that takes long to copy or to read */

struct worker {
	struct vf_classic *c;
	pthread_t thread;
	int fd; /* a clone of the device, or the device */
	struct vf_follow follow;
	struct vf_reader reader;
	char *in, *out;                     /* vf_buffer_map() */
	struct vf_courier *_Atomic courier; /* NULL until a client is to be kept; the readers' watch looks at it */
	_Atomic bool gone;                  /* the thread is about to return */
};

struct vf_classic {
	struct vf_classic_config config;
	struct vf_readers readers; /* its lock protects workers[] while the carrier runs */
	_Atomic bool stopping, ended;
	struct vn_cpus cpus; /* that workers may use */
	bool watch_aside;    /* the watch may not use them all */
	struct worker workers[];
};

/* ---- one request ---- */

int vf_classic_serve_one(int fd, struct vf_session *session)
{
	char *in_buffer = vf_buffer_map(), *out_buffer = vf_buffer_map();
	ssize_t n = -ENOMEM, len;

	if (in_buffer && out_buffer) {
		struct iovec in = vf_buffer_in(in_buffer), out = vf_buffer_out(out_buffer);

		do
			n = vf_device_read(fd, in_buffer);
		while (vf_device_again(n));
		in.iov_len = n > 0 ? (size_t)n : 0;
		len = n > 0 ? vf_dispatch(session, &in, 1, &out, 1) : 0;
		if (len > 0)
			vf_device_reply(fd, session, &in, &out, (size_t)len);
	}
	vf_buffer_unmap(in_buffer);
	vf_buffer_unmap(out_buffer);
	return n < 0 ? (int)n : 0;
}

/* Whether the reply goes by the courier, who is made when first wanted; without memory for one it does not. */
static bool worker_sends_courier(struct worker *w, const struct iovec *in, size_t len)
{
	struct vf_courier *courier = atomic_load_explicit(&w->courier, memory_order_relaxed);

	if (courier && vf_courier_was_late(courier))
		vf_follow_contended(&w->follow);
	if (!vf_follow_keeps(&w->follow))
		return false;
	if (!courier) {
		if (vf_courier_new(w->fd, w->c->config.session, &courier))
			return false;
		atomic_store(&w->courier, courier);
	}
	return vf_courier_take(courier, w->follow.cpu, in->iov_base, &w->out, len);
}

static void worker_answer(struct worker *w, const struct iovec *in, const struct iovec *out, size_t len)
{
	const struct fuse_in_header *h = in->iov_base;

	vf_follow_client(&w->follow, h->pid, in->iov_len + len);
	if (!worker_sends_courier(w, in, len))
		vf_device_reply(w->fd, w->c->config.session, in, out, len);
	vf_follow_replied(&w->follow);
}

static void worker_serve(struct worker *w, const struct iovec *in)
{
	struct iovec out = vf_buffer_out(w->out);
	ssize_t len;

	vf_follow_arrived(&w->follow);
	len = vf_dispatch(w->c->config.session, in, 1, &out, 1);
	if (len > 0)
		worker_answer(w, in, &out, (size_t)len);
}

/* ---- threads ---- */

/* What keeps its thread busy for so long that others should be heard meanwhile. */
static bool request_is_slow(const struct iovec *in)
{
	const struct fuse_in_header *h = in->iov_base;
	const struct fuse_read_in *io = (const struct fuse_read_in *)(h + 1); /* a WRITE's size is in the same place */

	if (in->iov_len < sizeof(*h) + sizeof(*io))
		return vf_may_block(in, 1);
	if (h->opcode == FUSE_READ || h->opcode == FUSE_WRITE)
		return io->size >= LARGE;
	return vf_may_block(in, 1);
}

static void worker_busy(struct worker *w, const struct iovec *in)
{
	const struct fuse_in_header *h = in->iov_base;

	vf_readers_busy(&w->c->readers, &w->reader, in->iov_len >= sizeof(*h) ? h->pid : 0, request_is_slow(in));
}

static void worker_end(struct vf_classic *c, int err)
{
	if (err != -ENODEV && err != -ECONNABORTED)
		vn_error("reading requests from /dev/fuse: %s; the mount is given up", strerror(-err));
	if (!atomic_exchange(&c->ended, true))
		c->config.ended(c->config.arg, err == -ENODEV);
}

/* One request, if one came. False when the thread is to end. */
static bool worker_turn(struct worker *w)
{
	ssize_t n = vf_device_read(w->fd, w->in);
	struct iovec in = vf_buffer_in(w->in);

	if (n > 0) {
		in.iov_len = (size_t)n;
		worker_busy(w, &in);
		worker_serve(w, &in);
	}
	vf_readers_done(&w->c->readers, &w->reader);
	if (n > 0 || vf_device_again(n))
		return true;
	worker_end(w->c, (int)n);
	return false;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct vf_classic *c = w->c;

	prctl(PR_SET_NAME, "vf-worker");
	vf_follow_init(&w->follow, &c->cpus);
	vf_readers_enter(&c->readers, &w->reader);
	while (!atomic_load(&c->stopping) && vf_readers_wait(&c->readers, &w->reader) && worker_turn(w))
		;
	atomic_store(&w->gone, true);
	return NULL;
}

static void worker_fini(struct worker *w)
{
	vf_courier_free(w->courier);
	if (w->fd >= 0 && w->fd != w->c->config.fd)
		close(w->fd);
	vf_buffer_unmap(w->in);
	vf_buffer_unmap(w->out);
}

static int worker_init(struct worker *w, struct vf_classic *c)
{
	*w = (struct worker){.c = c, .fd = vf_device_clone(c->config.fd)};
	if (w->fd < 0)
		w->fd = c->config.fd;
	w->in = vf_buffer_map();
	w->out = vf_buffer_map();
	return w->in && w->out ? 0 : -ENOMEM;
}

/* Called with the lock of the readers held, which counts it. */
static int worker_make(void *arg)
{
	struct vf_classic *c = arg;
	struct worker *w = &c->workers[c->readers.count];
	int err = worker_init(w, c);

	if (!err)
		err = -pthread_create(&w->thread, NULL, worker_main, w);
	if (err)
		worker_fini(w);
	return err;
}

/*
 * By the readers' watch, with their lock held. The watch wakes up where it went to sleep, and a CPU on which
 * it runs is not idle, so that a client that wakes up there meanwhile is moved: it goes elsewhere. It may come
 * back when nobody is kept any more, since others may want the CPU where it is.
 */
static void watch_couriers(void *arg)
{
	struct vf_classic *c = arg;
	struct vn_cpus elsewhere = c->cpus;
	int here = sched_getcpu();
	bool used = false, in_the_way = false;

	for (unsigned i = 0; i < c->readers.count; i++) {
		struct vf_courier *courier = atomic_load(&c->workers[i].courier);
		int cpu = courier ? vf_courier_cpu(courier) : -1;

		if (courier)
			vf_courier_hurry(courier);
		if (cpu < 0)
			continue;
		used = true;
		in_the_way |= cpu == here;
		vn_cpus_leave(&elsewhere, cpu);
	}
	if (!in_the_way && (used || !c->watch_aside))
		return;
	vn_cpus_use(&elsewhere);
	c->watch_aside = used;
}

/* ---- life ---- */

static void stop_handler(int sig)
{
	(void)sig; /* only interrupts read(2) */
}

static void stop_signal_set(void)
{
	struct sigaction sa = {.sa_handler = stop_handler};

	sigemptyset(&sa.sa_mask);
	sigaction(STOP_SIGNAL, &sa, NULL);
}

int vf_classic_start(const struct vf_classic_config *config, struct vf_classic **out)
{
	struct vf_classic *c = calloc(1, sizeof(*c) + config->max_threads * sizeof(c->workers[0]));
	int err;

	if (!c)
		return -ENOMEM;
	c->config = *config;
	vn_cpus_get(&c->cpus);
	vf_readers_init(&c->readers, config->max_threads, worker_make, watch_couriers, c);
	stop_signal_set();
	err = vf_readers_start(&c->readers);
	if (err) {
		vf_readers_end(&c->readers);
		vf_readers_fini(&c->readers);
		free(c);
		return err;
	}
	*out = c;
	return 0;
}

/* A signal that comes just before read(2) is lost, so it is repeated until the thread has gone. */
static void worker_join(struct worker *w)
{
	struct timespec pause = {.tv_nsec = STOP_SOON_NS};

	while (!atomic_load(&w->gone)) {
		pthread_kill(w->thread, STOP_SIGNAL);
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < STOP_LATE_NS)
			pause.tv_nsec *= 2;
	}
	pthread_join(w->thread, NULL);
	worker_fini(w);
}

void vf_classic_stop(struct vf_classic *c)
{
	unsigned n;

	if (!c)
		return;
	atomic_store(&c->stopping, true);
	n = vf_readers_end(&c->readers);
	for (unsigned i = 0; i < n; i++)
		worker_join(&c->workers[i]);
	vf_readers_fini(&c->readers);
	free(c);
}
