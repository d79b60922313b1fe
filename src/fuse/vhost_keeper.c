// SPDX-License-Identifier: Apache-2.0
#include "fuse/vhost_keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/scope.h"
#include "fuse/vhost_record.h"

#define YOUNG_NS (2 * VN_NS_PER_SEC) /* a worker that dies before this age counts as a failed start */
#define YOUNG_DEATHS 8               /* more than a request that kills its server has lives (vhost_worker.c) */
#define ASK_TRIES 3
#define DEATH_PAUSE_MS 50            /* longer with each young death in a row */
#define SEND_LIMIT_S 10              /* a front end that reads no answers does not hold us up for ever */
#define END_WAIT_MS 60000            /* for a worker that is to end; fsync of a slow disk fits in */

struct keeper {
	const struct vhost_keeper_config *config;
	int signals;     /* signalfd */
	int source;      /* where front ends come from, -1: not yet or no more */
	enum vhost_source_kind kind;
	int front;       /* the front end's connection, -1: none */
	int back;        /* our connection to the worker for it, -1: none */
	int control;     /* control channel to the worker, -1: none */
	pid_t worker;    /* 0: none */
	int64_t started_ns;
	unsigned young_deaths;
	bool stop, replace;
	uint64_t front_protocol; /* protocol features that the front end agreed to */
	struct vhost_record record;
};

static void fd_drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- signals ---- */

static int signals_open(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* Notes what has come; SIGCHLD only wakes us up. */
static void signals_take(struct keeper *k)
{
	struct signalfd_siginfo s;

	while (read(k->signals, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		if (s.ssi_signo == SIGTERM || s.ssi_signo == SIGINT)
			k->stop = true;
		if (s.ssi_signo == SIGUSR1)
			k->replace = true;
	}
}

/* ---- the worker's life ---- */

/* Collects a worker that has ended. True: it is gone (now or before); *status as waitpid gives it. */
static bool worker_gone(struct keeper *k, int *status)
{
	*status = 0;
	if (!k->worker)
		return true;
	if (waitpid(k->worker, status, WNOHANG) != k->worker)
		return false;
	k->worker = 0;
	fd_drop(&k->control);
	fd_drop(&k->back);
	return true;
}

/* Waits for a worker that was told to end; one that does not is killed. */
static int worker_wait_end(struct keeper *k)
{
	int64_t end = vn_mono_ns() + END_WAIT_MS * INT64_C(1000000);
	int status;

	while (!worker_gone(k, &status)) {
		struct pollfd p = {.fd = k->signals, .events = POLLIN};

		if (vn_mono_ns() > end)
			kill(k->worker, SIGKILL);
		poll(&p, 1, 100);
		signals_take(k);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Ends the worker: without its connections it finishes, closes the tree and exits. */
static int worker_end(struct keeper *k)
{
	fd_drop(&k->back);
	fd_drop(&k->control);
	return k->worker ? worker_wait_end(k) : 0;
}

static int worker_spawn(struct keeper *k)
{
	int pair[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	err = k->config->spawn(k->config->arg, pair[1], &k->worker);
	close(pair[1]);
	if (err) {
		close(pair[0]);
		k->worker = 0;
		return err;
	}
	k->control = pair[0];
	k->started_ns = vn_mono_ns();
	return 0;
}

/* 1: the worker is ready; 0: we are to stop; -ECHILD: it has died. */
static int worker_wait_ready(struct keeper *k)
{
	struct pollfd p[2] = {{.fd = k->control, .events = POLLIN}, {.fd = k->signals, .events = POLLIN}};
	int none, got = 0;

	while (!p[0].revents && !k->stop) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return -errno;
		signals_take(k);
	}
	if (k->stop)
		return 0;
	got = vhost_control_receive(k->control, &none);
	return got == 1 ? 1 : -ECHILD;
}

/* A connection of our own to the worker, in the front end's place. */
static int worker_attach(struct keeper *k)
{
	int pair[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	err = vhost_control_pass(k->control, pair[1]);
	close(pair[1]);
	if (err) {
		close(pair[0]);
		return err;
	}
	k->back = pair[0];
	return 0;
}

/* ---- messages to the worker ---- */

/* Sends m and waits for what the worker says to it. -ECONNRESET: it has died. */
static int ask_once(struct keeper *k, const struct vhost_msg *m, struct vhost_msg *answer)
{
	struct vhost_msg asked = *m;
	int got;

	asked.flags = VHOST_MSG_VERSION | VHOST_MSG_NEED_REPLY;
	if (asked.request == VHOST_SET_PROTOCOL_FEATURES)
		asked.p.u64 |= VHOST_PROTOCOL_REPLY_ACK; /* between us everything is answered */
	if (k->back < 0 || vhost_msg_send(k->back, &asked))
		return -ECONNRESET;
	got = vhost_msg_receive(k->back, -1, answer);
	return got == 1 ? 0 : -ECONNRESET;
}

static int replay_ask(void *arg, struct vhost_msg *m)
{
	struct vhost_msg answer;
	uint64_t refused;
	int err = ask_once(arg, m, &answer);

	if (err)
		return err;
	refused = vhost_answer_error(m->request, answer.p.u64);
	vhost_msg_fini(&answer);
	if (refused)
		vn_warn("a new worker refuses %s: %s", vhost_request_name(m->request), strerror((int)refused));
	return 0;
}

static int worker_tell(struct keeper *k)
{
	struct vhost_msg hello = {.request = VHOST_SET_PROTOCOL_FEATURES, .size = sizeof(uint64_t)};
	int err = worker_attach(k);

	hello.p.u64 = k->record.protocol_features;
	if (!err)
		err = replay_ask(k, &hello);
	if (!err)
		err = vhost_record_replay(&k->record, replay_ask, k);
	return err;
}

/* ---- keeping one alive ---- */

static void front_leave(struct keeper *k)
{
	vn_debug("the front end has gone");
	fd_drop(&k->front);
	fd_drop(&k->back);
	vhost_record_clear(&k->record);
	k->front_protocol = 0;
	k->stop |= k->kind == VHOST_CONNECTED;
}

static void note_death(struct keeper *k, int status)
{
	bool young = vn_mono_ns() - k->started_ns < YOUNG_NS;

	/* Who is killed has done nothing wrong; only crashes and failures count. */
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		k->young_deaths = young ? k->young_deaths + 1 : 0;
	if (WIFSIGNALED(status))
		vn_warn("the worker was killed by signal %d (%s); another one takes over", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else
		vn_warn("the worker ended with status %d; another one takes over", WEXITSTATUS(status));
}

/* Collects a dead worker, waiting for it if its connection broke first. */
static void worker_bury(struct keeper *k)
{
	int status;

	if (!k->worker)
		return;
	fd_drop(&k->back);
	fd_drop(&k->control);
	if (waitpid(k->worker, &status, 0) == k->worker)
		note_death(k, status);
	k->worker = 0;
}

/* Workers that die one after another do not keep a CPU busy. */
static void keeper_pause(struct keeper *k)
{
	int64_t end = vn_mono_ns() + k->young_deaths * DEATH_PAUSE_MS * INT64_C(1000000), left;
	struct pollfd p = {.fd = k->signals, .events = POLLIN};

	while (k->young_deaths > 1 && !k->stop && (left = end - vn_mono_ns()) > 0) {
		poll(&p, 1, (int)(left / 1000000) + 1);
		signals_take(k);
	}
}

/*
 * Workers keep dying: over what this front end says, if there is one, and then it costs
 * the front end its connection. Without one there is nothing that could be left out.
 */
static int keeper_give_up_front(struct keeper *k)
{
	if (k->front < 0 || k->kind == VHOST_CONNECTED)
		return -ECHILD;
	vn_error("the worker died %u times soon after its start: the front end is given up", YOUNG_DEATHS);
	front_leave(k);
	k->young_deaths = 0;
	return 0;
}

/* Makes sure that a worker lives and knows all that the front end has said. */
static int keeper_restore(struct keeper *k)
{
	while (!k->stop) {
		int err = 0;

		worker_bury(k);
		if (k->young_deaths >= YOUNG_DEATHS)
			err = keeper_give_up_front(k);
		if (err)
			return err;
		keeper_pause(k);
		err = worker_spawn(k);
		if (err)
			return err;
		err = worker_wait_ready(k);
		if (err == 1)
			err = k->front >= 0 ? worker_tell(k) : 0;
		if (!err)
			return 0;
		if (err != -ECHILD && err != -ECONNRESET)
			return err;
	}
	return 0;
}

/* SIGUSR1: the present worker ends in order, keeping its session for the next one. */
static int keeper_replace(struct keeper *k)
{
	k->replace = false;
	vn_info("the worker is replaced");
	if (k->worker) {
		kill(k->worker, SIGUSR2);
		worker_wait_end(k);
	}
	return keeper_restore(k);
}

/* ---- the front end ---- */

static bool answer_is_due(const struct keeper *k, const struct vhost_msg *m)
{
	if (vhost_request_asks(m->request))
		return true;
	return m->flags & VHOST_MSG_NEED_REPLY && k->front_protocol & VHOST_PROTOCOL_REPLY_ACK;
}

/* The region of our own for a front end that has none, before its first ring starts or its state moves. */
static int provide_inflight(struct keeper *k)
{
	struct vhost_msg m = {.request = VHOST_SET_INFLIGHT_FD, .size = VHOST_INFLIGHT_SIZE}, answer;
	struct vhost_inflight *f;
	int err = vhost_inflight_new(k->config->queues, VIRTQ_SIZE_MAX, &f);

	if (err)
		return err;
	m.p.inflight.mmap_size = f->size;
	m.p.inflight.num_queues = (uint16_t)k->config->queues;
	m.p.inflight.queue_size = VIRTQ_SIZE_MAX;
	m.nfds = 1;
	m.fds[0] = f->fd;
	err = ask_once(k, &m, &answer);
	if (!err) {
		err = vhost_record_note(&k->record, &m, &answer);
		vhost_msg_fini(&answer);
	}
	vhost_inflight_free(f);
	return err;
}

/* Did the worker carry it out? Answers with content of their own always count; vhost_record_note looks into them. */
static bool message_succeeded(const struct vhost_msg *m, const struct vhost_msg *answer)
{
	return m->request == VHOST_CHECK_DEVICE_STATE || !vhost_answer_error(m->request, answer->p.u64);
}

/* Has the worker to remember, from this message on, what a successor needs? */
static bool message_needs_inflight(const struct keeper *k, const struct vhost_msg *m)
{
	bool state = m->request == VHOST_SET_DEVICE_STATE_FD || m->request == VHOST_CHECK_DEVICE_STATE;

	return k->record.inflight_fd < 0 && (state || m->request == VHOST_SET_VRING_KICK);
}

static int pass_on_once(struct keeper *k, const struct vhost_msg *m, struct vhost_msg *answer)
{
	int err = 0;

	if (message_needs_inflight(k, m))
		err = provide_inflight(k);
	return err ? err : ask_once(k, m, answer);
}

/* Passes m on until a worker survives it. */
static int pass_on(struct keeper *k, const struct vhost_msg *m, struct vhost_msg *answer)
{
	int err = -ECONNRESET;

	for (int i = 0; i < ASK_TRIES && err == -ECONNRESET; i++) {
		err = pass_on_once(k, m, answer);
		if (err == -ECONNRESET && keeper_restore(k))
			return -ECHILD;
		if (k->front < 0)
			return -ECONNABORTED;
	}
	return err;
}

static int front_message(struct keeper *k, struct vhost_msg *m)
{
	struct vhost_msg answer;
	int err = pass_on(k, m, &answer);

	if (err)
		return err;
	if (m->request == VHOST_SET_PROTOCOL_FEATURES && answer.p.u64 == 0)
		k->front_protocol = m->p.u64;
	if (message_succeeded(m, &answer))
		err = vhost_record_note(&k->record, m, &answer);
	if (!err && answer_is_due(k, m))
		err = vhost_msg_send(k->front, &answer);
	vhost_msg_fini(&answer);
	return err;
}

static int front_enter(struct keeper *k)
{
	struct timeval limit = {.tv_sec = SEND_LIMIT_S};

	k->front = k->kind == VHOST_CONNECTED ? dup(k->source) : accept4(k->source, NULL, NULL, SOCK_CLOEXEC);
	if (k->front < 0)
		return 0;
	setsockopt(k->front, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return worker_tell(k) ? keeper_restore(k) : 0;
}

/* A broken front end costs its connection; only a worker that cannot be kept alive ends us. */
static int front_ready(struct keeper *k)
{
	struct vhost_msg m;
	int err = vhost_msg_receive(k->front, k->signals, &m);

	if (err == 0 && !k->stop) {
		struct pollfd p = {.fd = k->signals, .events = POLLIN};

		if (poll(&p, 1, 0) == 1)
			return 0; /* a signal came first */
	}
	if (err == 1) {
		err = front_message(k, &m);
		vhost_msg_fini(&m);
		if (err == 0 || err == -ECHILD)
			return err;
		if (k->front < 0) /* given up with its workers */
			return 0;
		vn_warn("the front end's connection is given up: %s", strerror(-err));
	}
	front_leave(k);
	return 0;
}

/* ---- the loop ---- */

static int keeper_wait(struct keeper *k)
{
	struct pollfd p[3] = {{.fd = k->signals, .events = POLLIN},
			      {.fd = k->control, .events = POLLIN},
			      {.fd = k->front >= 0 ? k->front : k->source, .events = POLLIN}};

	if (poll(p, 3, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	signals_take(k);
	if (k->stop)
		return 0;
	if (p[1].revents)
		return keeper_restore(k); /* the worker never speaks after it is ready: it is gone */
	if (k->replace)
		return keeper_replace(k);
	if (!p[2].revents)
		return 0;
	return k->front >= 0 ? front_ready(k) : front_enter(k);
}

/* The first worker: one that cannot start is an error of the command line, not a crash. */
static int keeper_begin(struct keeper *k, int *status, struct vn_err *err)
{
	int rc = worker_spawn(k);

	if (rc)
		return vn_err_sys(err, rc, "the worker cannot be started");
	rc = worker_wait_ready(k);
	if (rc == -ECHILD) {
		*status = worker_end(k);
		return vn_err_set(err, rc, "the worker did not start");
	}
	if (rc != 1)
		return rc;
	k->source = k->config->open_source(k->config->arg, &k->kind, err);
	return k->source < 0 ? k->source : 0;
}

int vhost_keeper_run(const struct vhost_keeper_config *config, int *status, struct vn_err *err)
{
	static struct keeper k; /* large, and there is one per process */
	int rc;

	k = (struct keeper){.config = config, .source = -1, .front = -1, .back = -1, .control = -1};
	vhost_record_init(&k.record);
	*status = -1;
	k.signals = signals_open();
	if (k.signals < 0)
		return vn_err_sys(err, k.signals, "signalfd");
	rc = keeper_begin(&k, status, err);
	if (!rc && k.kind == VHOST_CONNECTED)
		rc = front_enter(&k);
	while (!rc && !k.stop)
		rc = keeper_wait(&k);
	if (rc == -ECHILD && !err->code)
		vn_err_set(err, rc, "the worker died %u times soon after its start; see its messages above", YOUNG_DEATHS);
	else if (rc && !err->code)
		vn_err_sys(err, rc, "the keeper cannot go on");
	fd_drop(&k.front);
	worker_end(&k);
	vhost_record_clear(&k.record);
	fd_drop(&k.source);
	fd_drop(&k.signals);
	return rc;
}
