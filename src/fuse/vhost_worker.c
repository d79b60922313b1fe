// SPDX-License-Identifier: Apache-2.0
/* A thread that serves a queue; the theory is in vhost_queue.h. */
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/iov.h"
#include "base/log.h"
#include "base/scope.h"
#include "fuse/dispatch.h"
#include "fuse/protocol.h"
#include "fuse/vhost_queue.h"

#define LIVES_MAX 4            /* servers that may die over one request */
#define SIGNAL_BATCH 4         /* completions that may wait for one interrupt */
#define LARGE_BYTES (512 << 10) /* filling so much takes longer than waking a thread */
#define PROBE_EVERY 32         /* empty rings between two tries at polling that has not paid */
#define SPINS_PER_LOOK 16
#define LOST_CPU_NS 100000     /* between two looks at the clock: somebody else was running */
#define PAUSE_MIN_NS (20 * VN_NS_PER_SEC / 1000)
#define PAUSE_MAX_NS VN_NS_PER_SEC

static void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#else
	atomic_signal_fence(memory_order_seq_cst);
#endif
}

/* ---- polling ---- */

static bool poll_pays(struct vhost_queue *q, int64_t now)
{
	if (q->polling || q->stopping || q->vq.broken || now < q->poll_resume_ns)
		return false;
	return q->gap_ns < q->setup.poll_ns || q->dry % PROBE_EVERY == 0;
}

/* A moving average over eight requests; long gaps count as twice the limit, so that a busy time is noticed soon. */
static void gap_note(struct vhost_queue *q, int64_t gap)
{
	int64_t most = 2 * q->setup.poll_ns;

	q->gap_ns += ((gap > most ? most : gap) - q->gap_ns) / 8;
}

/*
 * A poller that was off its CPU competes with somebody, perhaps with the guest that
 * it waits for; whoever sleeps instead is woken with precedence. So polling is given
 * up for a while, longer each time.
 */
static void poll_note_lost_cpu(struct vhost_queue *q, int64_t now)
{
	q->poll_pause_ns = q->poll_pause_ns ? 2 * q->poll_pause_ns : PAUSE_MIN_NS;
	if (q->poll_pause_ns > PAUSE_MAX_NS)
		q->poll_pause_ns = PAUSE_MAX_NS;
	q->poll_resume_ns = now + q->poll_pause_ns;
}

struct poll {
	struct virtq_watch watch;
	int64_t start, now;
	bool fired, lost_cpu;
};

static void poll_spin(const struct vhost_queue *q, struct poll *p)
{
	for (;;) {
		int64_t before = p->now;

		for (int i = 0; i < SPINS_PER_LOOK && !p->fired; i++) {
			p->fired = virtq_watch_fired(&p->watch);
			cpu_relax();
		}
		p->now = vn_mono_ns();
		p->lost_cpu |= p->now - before > LOST_CPU_NS;
		if (p->fired || p->lost_cpu || p->now - p->start >= q->setup.poll_ns ||
		    __atomic_load_n(&q->stopping, __ATOMIC_RELAXED))
			return;
	}
}

/* Waits for the guest's next request without the lock. True: it has come. */
static bool queue_poll_locked(struct vhost_queue *q)
{
	struct poll p = {.watch = virtq_watch(&q->vq)};
	struct vhost_memory *m;

	q->dry++;
	if (!q->setup.poll_ns)
		return false;
	p.start = p.now = vn_mono_ns();
	if (!poll_pays(q, p.now))
		return false;
	m = vhost_memory_get(q->ring_memory);
	q->polling = true;
	pthread_mutex_unlock(&q->lock);
	poll_spin(q, &p);
	pthread_mutex_lock(&q->lock);
	q->polling = false;
	gap_note(q, p.fired ? p.now - p.start : 2 * q->setup.poll_ns);
	if (p.lost_cpu)
		poll_note_lost_cpu(q, p.now);
	else if (p.fired)
		q->poll_pause_ns -= q->poll_pause_ns / 64; /* forgotten slowly */
	vhost_memory_put(m);
	return p.fired;
}

/* ---- one request ---- */

static void log_written(struct vhost_worker *w, uint32_t len)
{
	const struct virtq_chain *c = &w->chain;

	for (int i = c->nin; w->log && len && i < c->nin + c->nout; i++) {
		uint32_t part = c->iov[i].iov_len < len ? (uint32_t)c->iov[i].iov_len : len;

		vhost_log_mark(w->log, c->guest[i], part);
		len -= part;
	}
}

/* Where the used ring is logged: its whole header and the one element. */
static void log_used_locked(struct vhost_queue *q, uint16_t slot)
{
	if (!q->log || !q->log_used)
		return;
	vhost_log_mark(q->log, q->log_addr, virtq_used_size(0));
	vhost_log_mark(q->log, q->log_addr + virtq_used_size(slot), virtq_used_size(1) - virtq_used_size(0));
}

static void give_back_locked(struct vhost_worker *w, uint32_t len)
{
	struct vhost_queue *q = w->q;
	uint16_t slot = (uint16_t)(q->vq.next_used & (q->vq.config.size - 1));

	log_written(w, len);
	virtq_push(&q->vq, w->chain.head, len);
	log_used_locked(q, slot);
	if (++q->unsignalled >= SIGNAL_BATCH || !w->scanning)
		vhost_queue_signal_locked(q);
}

/*
 * Should another thread look at the ring meanwhile? Large writes do not count: they
 * usually go to one file, where they would wait for each other.
 */
static bool request_is_slow_locked(const struct vhost_queue *q, const struct virtq_chain *c)
{
	if (c->out_len >= LARGE_BYTES && q->busy + 1 < q->setup.cpus)
		return true;
	return vf_may_block(c->iov, c->nin);
}

static void worker_hold(struct vhost_worker *w)
{
	w->memory = vhost_memory_get(w->q->memory);
	w->log = vhost_log_get(w->q->log);
}

static void worker_release(struct vhost_worker *w)
{
	vhost_memory_put(w->memory);
	vhost_log_put(w->log);
	w->memory = NULL;
	w->log = NULL;
}

/* A request that was under way when several servers died is likely to be the reason: it fails, and the guest lives on. */
static ssize_t refuse(const struct virtq_chain *c)
{
	struct fuse_in_header in;
	struct fuse_out_header out = {.len = sizeof(out), .error = -EIO};

	if (vn_iov_get(c->iov, (size_t)c->nin, 0, &in, sizeof(in)) < sizeof(in) || c->out_len < sizeof(out))
		return 0;
	vn_warn("a request (opcode %u) was under way when %u servers died; it is answered with an error", in.opcode, c->lives);
	out.unique = in.unique;
	return (ssize_t)vn_iov_put(c->iov + c->nin, (size_t)c->nout, 0, &out, sizeof(out));
}

static ssize_t carry_out(const struct vhost_queue *q, const struct virtq_chain *c)
{
	if (c->lives >= LIVES_MAX)
		return refuse(c);
	return vf_dispatch(q->session, c->iov, c->nin, c->iov + c->nin, c->nout);
}

/* Carries the chain out. The lock is given up meanwhile; memory and log are held. */
static void worker_run_locked(struct vhost_worker *w)
{
	struct vhost_queue *q = w->q;
	struct virtq_chain *c = &w->chain;
	ssize_t len;

	worker_hold(w);
	if (request_is_slow_locked(q, c)) {
		vhost_queue_signal_locked(q);
		vhost_queue_leave_scan_locked(q, w);
	}
	w->in_request = true;
	q->busy++;
	pthread_mutex_unlock(&q->lock);
	len = carry_out(q, c);
	if (q->setup.served)
		q->setup.served(q->setup.arg);
	pthread_mutex_lock(&q->lock);
	w->in_request = false;
	q->busy--;
	w->requests++;
	give_back_locked(w, len > 0 ? (uint32_t)len : 0);
	worker_release(w);
}

/* ---- the ring ---- */

static void enter_scan_locked(struct vhost_worker *w)
{
	if (w->scanning)
		return;
	w->scanning = true;
	w->q->scanning++;
	virtq_kicks_off(&w->q->vq);
}

static void report_broken_locked(struct vhost_queue *q)
{
	uint64_t one = 1;

	if (q->reported)
		return;
	q->reported = true;
	vn_warn("queue %u: the guest's ring is not valid; the queue stays still until it is set up anew", q->setup.index);
	if (q->err >= 0 && write(q->err, &one, sizeof(one)) < 0)
		vn_debug("queue %u: the error event cannot be raised", q->setup.index);
}

/* True: there is a chain, which has been carried out or turned away. */
static bool scan_one_locked(struct vhost_worker *w)
{
	struct vhost_queue *q = w->q;
	int got = virtq_pop(&q->vq, q->memory, q->stopping, &w->chain);

	if (got == 0)
		return false;
	if (got == -EPROTO) {
		report_broken_locked(q);
		return false;
	}
	if (q->emptied_ns) {
		gap_note(q, vn_mono_ns() - q->emptied_ns);
		q->emptied_ns = 0;
	}
	if (got == -EBADMSG)
		give_back_locked(w, 0);
	else
		worker_run_locked(w);
	return true;
}

/* Serves until the ring is empty, polling has been in vain, and kicks are asked for. */
static void scan_locked(struct vhost_worker *w)
{
	struct vhost_queue *q = w->q;

	if (q->setup.woken)
		q->setup.woken(q->setup.arg);
	for (;;) {
		enter_scan_locked(w);
		while (scan_one_locked(w))
			enter_scan_locked(w);
		vhost_queue_signal_locked(q);
		if (queue_poll_locked(q))
			continue;
		w->scanning = false;
		if (--q->scanning || !virtq_kicks_on(&q->vq) || q->stopping)
			break;
	}
	q->emptied_ns = q->setup.poll_ns ? vn_mono_ns() : 0;
}

/* A queue without a kick descriptor is looked at every millisecond. */
static void worker_sleep(struct vhost_queue *q, int timeout_ms)
{
	struct epoll_event e;

	while (epoll_wait(q->epoll, &e, 1, timeout_ms) < 0 && errno == EINTR)
		;
}

void *vhost_worker_main(void *worker)
{
	struct vhost_worker *w = worker;
	struct vhost_queue *q = w->q;
	vn_autounlock pthread_mutex_t *held = vn_lock(&q->lock);

	while (scan_locked(w), !q->stopping) {
		int timeout = q->kick < 0 ? 1 : -1;

		q->sleeping++;
		pthread_mutex_unlock(&q->lock);
		worker_sleep(q, timeout);
		pthread_mutex_lock(&q->lock);
		q->sleeping--;
	}
	return NULL;
}
