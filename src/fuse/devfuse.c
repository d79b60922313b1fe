// SPDX-License-Identifier: Apache-2.0
#include "fuse/devfuse.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/scope.h"
#include "fuse/carrier.h"
#include "fuse/devfuse_mount.h"
#include "fuse/devfuse_uring.h"
#include "fuse/notices.h"
#include "fuse/probe.h"
#include "fuse/protocol.h"

#define MAX_THREADS_DEFAULT 16
#define INIT_TRIES 8

struct vf_devfuse {
	struct vf_session *session;
	struct vf_notices *notices;
	struct vf_classic *classic;
	struct vf_uring *uring; /* NULL: the classic carrier carries everything */
	struct vf_mount mount;
	pthread_mutex_t stop_lock; /* one thread takes the mount away */
	int fd;                    /* the device */
	int done;                  /* eventfd, written once when the mount is gone or stop is asked for */
	unsigned max_threads;
	bool no_uring, passthrough;
	_Atomic bool unmounted; /* by somebody else */
	bool stopped;           /* protected by stop_lock */
};

/* ---- files that the kernel reads itself ---- */

static int devfuse_backing_open(void *arg, int fd)
{
	const struct vf_devfuse *d = arg;
	struct fuse_backing_map map = {.fd = fd};
	int id = ioctl(d->fd, FUSE_DEV_IOC_BACKING_OPEN, &map);

	return id < 0 ? -errno : id;
}

static void devfuse_backing_close(void *arg, int id)
{
	const struct vf_devfuse *d = arg;
	uint32_t wire = (uint32_t)id;

	if (ioctl(d->fd, FUSE_DEV_IOC_BACKING_CLOSE, &wire) < 0) {
		/* ENOENT, ENODEV: the connection has ended and taken all ids with it. */
	}
}

/* Tried with a file of our own, so that the mount fails now and not each open. */
static int devfuse_check_backing(struct vf_devfuse *d, struct vn_err *err)
{
	vn_autoclose int fd = -1;
	int id;

	if (!(vf_session_flags(d->session) & FUSE_PASSTHROUGH))
		return vn_err_set(err, -EOPNOTSUPP,
				  "open=passthrough is not possible: this kernel has no FUSE passthrough (Linux 6.9 with CONFIG_FUSE_PASSTHROUGH); mount without it");
	fd = memfd_create("veneer", MFD_CLOEXEC);
	id = fd < 0 ? -errno : devfuse_backing_open(d, fd);
	if (id == -EPERM)
		return vn_err_set(err, id,
				  "open=passthrough needs root outside of user namespaces and containers (CAP_SYS_ADMIN); mount without it, or as root");
	if (id < 0)
		return vn_err_sys(err, id, "open=passthrough is not possible");
	devfuse_backing_close(d, id);
	return 0;
}

/* ---- open ---- */

static int devfuse_session(struct vf_devfuse *d, const struct vf_devfuse_config *config, struct vn_err *err)
{
	struct vf_session_config sc = config->session;
	int code = vf_notices_new(&d->notices);

	if (code)
		return vn_err_sys(err, code, "starting a session");
	sc.notify = vf_notices_table(d->notices);
	sc.backing = (struct vf_backing){.arg = d, .open = devfuse_backing_open, .close = devfuse_backing_close};
	d->passthrough = sc.policy.passthrough;
	sc.policy.idmap = true; /* default_permissions is always on */
	code = vf_session_new(&sc, &d->session);
	return code ? vn_err_sys(err, code, "starting a session") : 0;
}

static int devfuse_attach(struct vf_devfuse *d, const struct vf_devfuse_config *config, struct vn_err *err)
{
	d->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->done < 0)
		return vn_err_sys(err, -errno, "eventfd");
	if (config->target)
		return vf_mount_make(&d->mount, config->target, &config->mount, &d->fd, err);
	d->fd = config->fd;
	return 0;
}

int vf_devfuse_open(const struct vf_devfuse_config *config, struct vf_devfuse **out, struct vn_err *err)
{
	struct vf_devfuse *d = calloc(1, sizeof(*d));
	int code;

	if (!d)
		return vn_err_sys(err, -ENOMEM, "starting a session");
	d->fd = d->done = -1;
	d->mount.id = -1;
	d->max_threads = config->max_threads ? config->max_threads : MAX_THREADS_DEFAULT;
	d->no_uring = config->no_uring;
	pthread_mutex_init(&d->stop_lock, NULL);
	code = devfuse_session(d, config, err);
	if (!code)
		code = devfuse_attach(d, config, err);
	if (code) {
		vf_devfuse_close(d);
		return code;
	}
	*out = d;
	return 0;
}

/* ---- start ---- */

static void devfuse_done(struct vf_devfuse *d)
{
	uint64_t one = 1;

	if (write(d->done, &one, sizeof(one)) < 0) {
		/* EAGAIN: it has been said already, often. */
	}
}

/* An aborted connection leaves its mount standing, dead, for us to take away. */
static void devfuse_ended(void *arg, bool unmounted)
{
	struct vf_devfuse *d = arg;

	atomic_store(&d->unmounted, unmounted);
	devfuse_done(d);
}

static void devfuse_failed(void *arg)
{
	devfuse_ended(arg, false);
}

static int devfuse_init(struct vf_devfuse *d, struct vn_err *err)
{
	for (int i = 0; i < INIT_TRIES && !vf_session_is_live(d->session); i++) {
		int code = vf_classic_serve_one(d->fd, d->session);

		if (code == -ENODEV)
			return vn_err_set(err, code, "the mount was taken away before it was used");
		if (code)
			return vn_err_sys(err, code, "reading the first request from /dev/fuse");
	}
	if (!vf_session_is_live(d->session))
		return vn_err_set(err, -EPROTO, "this kernel's FUSE is too old: 7.27 (Linux 4.19) or newer is needed");
	return 0;
}

/* Rings have to stand before INIT is answered. Where they cannot, nothing is lost. */
static void devfuse_prepare_uring(struct vf_devfuse *d)
{
	struct vf_uring_config uc = {.fd = d->fd, .session = d->session, .failed = devfuse_failed, .arg = d};

	if (d->no_uring || !vf_uring_is_enabled() || vf_uring_new(&uc, &d->uring))
		return;
	vf_session_offer(d->session, FUSE_OVER_IO_URING);
}

/* The client took it, or it did not and the rings go. */
static int devfuse_start_uring(struct vf_devfuse *d)
{
	if (d->uring && vf_session_flags(d->session) & FUSE_OVER_IO_URING)
		return vf_uring_start(d->uring);
	vf_uring_stop(d->uring);
	d->uring = NULL;
	return 0;
}

static int devfuse_start_threads(struct vf_devfuse *d)
{
	struct vf_classic_config cc = {
		.fd = d->fd,
		.session = d->session,
		.max_threads = d->max_threads,
		.ended = devfuse_ended,
		.arg = d,
	};
	int code = vf_notices_start(d->notices, d->fd, d->session);

	if (!code)
		code = vf_classic_start(&cc, &d->classic);
	if (!code)
		code = devfuse_start_uring(d);
	return code;
}

int vf_devfuse_start(struct vf_devfuse *d, struct vn_err *err)
{
	int code;

	devfuse_prepare_uring(d);
	code = devfuse_init(d, err);
	if (!code && d->passthrough)
		code = devfuse_check_backing(d, err);
	if (code)
		return code;
	code = devfuse_start_threads(d);
	if (code)
		return vn_err_sys(err, code, "starting the threads that serve the mount");
	if (d->mount.target && !d->passthrough)
		vf_probe_run(d->session, d->mount.target);
	return 0;
}

/* ---- stop ---- */

void vf_devfuse_wait(struct vf_devfuse *d)
{
	struct pollfd p = {.fd = d->done, .events = POLLIN};

	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
}

int vf_devfuse_done_fd(const struct vf_devfuse *d)
{
	return d->done;
}

bool vf_devfuse_unmounted(const struct vf_devfuse *d)
{
	return atomic_load(&d->unmounted);
}

void vf_devfuse_stop(struct vf_devfuse *d)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&d->stop_lock);

	if (!d->stopped && !vf_devfuse_unmounted(d))
		vf_mount_take(&d->mount);
	d->stopped = true;
	devfuse_done(d);
}

void vf_devfuse_drain(struct vf_devfuse *d)
{
	vf_notices_drain(d->notices);
}

/*
 * Order: unmount while requests are still served (it asks for some); end the notices,
 * which may wait for a worker; end the workers; then nobody uses session or device.
 */
void vf_devfuse_close(struct vf_devfuse *d)
{
	if (!d)
		return;
	if (d->done >= 0)
		vf_devfuse_stop(d);
	if (d->notices)
		vf_notices_stop(d->notices);
	vf_uring_stop(d->uring);
	vf_classic_stop(d->classic);
	if (d->fd >= 0)
		close(d->fd);
	vf_session_free(d->session, false);
	vf_notices_free(d->notices);
	vf_mount_fini(&d->mount);
	if (d->done >= 0)
		close(d->done);
	pthread_mutex_destroy(&d->stop_lock);
	free(d);
}

struct vf_session *vf_devfuse_session(struct vf_devfuse *d)
{
	return d->session;
}

const char *vf_devfuse_carrier(const struct vf_devfuse *d)
{
	return d->uring ? "io_uring" : "read/write";
}
