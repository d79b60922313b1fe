// SPDX-License-Identifier: Apache-2.0
/*
 * The classic carrier: threads that read(2) a request, dispatch it and write(2) the reply.
 *
 * Each thread has a clone of the device, so that the kernel keeps what is being answered
 * apart; where the device cannot be cloned all read the same descriptor. A thread sleeps in
 * read(2) and runs on the CPU of the client that it answers (follow.h). Who may read, and
 * how many threads there are, is told in readers.h.
 */
#include "fuse/carrier.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/scope.h"
#include "fuse/dispatch.h"
#include "fuse/follow.h"
#include "fuse/protocol.h"
#include "fuse/readers.h"
#include "fuse/request.h"

#define PAGE 4096
#define BUFFER_SIZE ((size_t)VF_MAX_WRITE + 2 * PAGE)
#define STOP_SIGNAL SIGRTMAX
#define STOP_REPEAT_NS 1000000
#define LARGE 65536 /* a payload that takes long to copy or to read */

struct worker {
	struct vf_classic *c;
	pthread_t thread;
	int fd; /* a clone of the device, or the device */
	struct vf_follow follow;
	struct vf_reader reader;
	char *in, *out;    /* mapped; sized for the largest message */
	_Atomic bool gone; /* the thread is about to return */
};

struct vf_classic {
	struct vf_classic_config config;
	struct vf_readers readers; /* its lock protects workers[] while the carrier runs */
	_Atomic bool stopping, ended;
	struct worker workers[];
};

/* ---- buffers ---- */

static char *buffer_map(void)
{
	void *p = mmap(NULL, BUFFER_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void buffer_unmap(char *p)
{
	if (p)
		munmap(p, BUFFER_SIZE);
}

/* A WRITE's and a READ's bytes start on a page. */
static struct iovec buffer_in(char *p)
{
	size_t head = sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in);

	return (struct iovec){p + PAGE - head, BUFFER_SIZE - PAGE + head};
}

static struct iovec buffer_out(char *p)
{
	size_t head = sizeof(struct fuse_out_header);

	return (struct iovec){p + PAGE - head, BUFFER_SIZE - PAGE + head};
}

/* ---- one request ---- */

static ssize_t device_read(int fd, char *buffer)
{
	struct iovec in = buffer_in(buffer);
	ssize_t n = read(fd, in.iov_base, in.iov_len);

	return n < 0 ? -errno : n;
}

/* ENOENT: the request was abandoned meanwhile; what the reply handed out goes back. */
static void device_reply(int fd, struct vf_session *s, const struct iovec *in, const struct iovec *out, size_t len)
{
	ssize_t n;

	do
		n = write(fd, out->iov_base, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		vf_reply_lost(s, in, 1, out, 1);
}

/* follow may be NULL. */
static void device_serve(int fd, struct vf_session *s, char *in_buffer, size_t n, char *out_buffer, struct vf_follow *follow)
{
	struct iovec in = buffer_in(in_buffer), out = buffer_out(out_buffer);
	const struct fuse_in_header *h = in.iov_base;
	ssize_t len;

	in.iov_len = n;
	if (follow)
		vf_follow_arrived(follow);
	len = vf_dispatch(s, &in, 1, &out, 1);
	if (len <= 0)
		return;
	if (follow)
		vf_follow_client(follow, h->pid, n + (size_t)len);
	device_reply(fd, s, &in, &out, (size_t)len);
	if (follow)
		vf_follow_replied(follow);
}

/* Errors of read(2) that only say "look again": a signal, a request that was taken back. */
static bool device_again(ssize_t n)
{
	return n == -EINTR || n == -EAGAIN || n == -ENOENT;
}

int vf_classic_serve_one(int fd, struct vf_session *session)
{
	char *in = buffer_map(), *out = buffer_map();
	ssize_t n = -ENOMEM;

	if (in && out) {
		do
			n = device_read(fd, in);
		while (device_again(n));
		if (n > 0)
			device_serve(fd, session, in, (size_t)n, out, NULL);
	}
	buffer_unmap(in);
	buffer_unmap(out);
	return n < 0 ? (int)n : 0;
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

static void worker_busy(struct worker *w, size_t n)
{
	struct iovec in = buffer_in(w->in);
	const struct fuse_in_header *h = in.iov_base;

	in.iov_len = n;
	vf_readers_busy(&w->c->readers, &w->reader, n >= sizeof(*h) ? h->pid : 0, request_is_slow(&in));
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
	ssize_t n = device_read(w->fd, w->in);

	if (n > 0) {
		worker_busy(w, (size_t)n);
		device_serve(w->fd, w->c->config.session, w->in, (size_t)n, w->out, &w->follow);
	}
	vf_readers_done(&w->c->readers, &w->reader);
	if (n > 0 || device_again(n))
		return true;
	worker_end(w->c, (int)n);
	return false;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct vf_classic *c = w->c;

	prctl(PR_SET_NAME, "vf-worker");
	vf_follow_init(&w->follow);
	vf_readers_enter(&c->readers, &w->reader);
	while (!atomic_load(&c->stopping) && vf_readers_wait(&c->readers, &w->reader) && worker_turn(w))
		;
	atomic_store(&w->gone, true);
	return NULL;
}

static int worker_clone(int fd)
{
	uint32_t source = (uint32_t)fd;
	vn_autoclose int clone = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (clone < 0 || ioctl(clone, FUSE_DEV_IOC_CLONE, &source) < 0)
		return -errno;
	return vn_steal_fd(&clone);
}

static void worker_fini(struct worker *w)
{
	if (w->fd >= 0 && w->fd != w->c->config.fd)
		close(w->fd);
	buffer_unmap(w->in);
	buffer_unmap(w->out);
}

static int worker_init(struct worker *w, struct vf_classic *c)
{
	*w = (struct worker){.c = c, .fd = worker_clone(c->config.fd)};
	if (w->fd < 0)
		w->fd = c->config.fd;
	w->in = buffer_map();
	w->out = buffer_map();
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
	vf_readers_init(&c->readers, config->max_threads, worker_make, c);
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
	struct timespec pause = {.tv_nsec = STOP_REPEAT_NS};

	while (!atomic_load(&w->gone)) {
		pthread_kill(w->thread, STOP_SIGNAL);
		nanosleep(&pause, NULL);
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
