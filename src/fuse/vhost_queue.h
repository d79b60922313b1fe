// SPDX-License-Identifier: Apache-2.0
/*
 * One virtqueue at work: its ring, its event descriptors and the threads that
 * serve it.
 *
 * Theory of operation. A thread that is woken by a kick becomes a scanner: it
 * tells the guest not to kick, takes chains one after another, carries each
 * through the dispatcher itself and gives it back. When the ring is empty it
 * polls for a while (adaptively: only while requests have been coming quickly),
 * then asks for kicks again and sleeps. So a guest at work neither kicks nor waits
 * for another thread to wake, and one thread does most of the work.
 *
 * A request that may take long must not hold up those behind it. Before one that
 * is known to be slow its thread stops being a scanner: kicks are asked for, and if
 * more is waiting another thread is woken (made, if there are fewer than the
 * limit). The same is done for a large read while there is a CPU left for it.
 * For requests that turn out to be slow the sentinel, a thread of the
 * device that looks every few milliseconds, does the same from outside. A thread
 * that comes back from such a request becomes a scanner again.
 *
 * Interrupts are sent when the ring is empty, before a slow request, and after
 * every few completions; the used ring itself is always up to date.
 *
 * Locks. `lock` guards everything but what is said to be fixed while the queue
 * runs. It is not held while a request is carried out, nor while polling. The
 * device's thread (messages) starts and stops queues; stop waits for all threads
 * of the queue, so what was taken has been given back when it returns.
 */
#ifndef VF_VHOST_QUEUE_H
#define VF_VHOST_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cfg.h"
#include "fuse/vhost_log.h"
#include "fuse/vhost_memory.h"
#include "fuse/virtq.h"

#define VHOST_WORKERS_MAX 64

struct vf_session;
struct vhost_queue;

struct vhost_worker {
	struct vhost_queue *q;
	pthread_t thread;
	bool scanning;
	bool in_request;
	uint64_t requests; /* carried out */
	uint64_t seen;     /* the sentinel's note of it */
	struct vhost_memory *memory; /* what the chain lies in */
	struct vhost_log *log;
	struct virtq_chain chain;
};

/* What the device gives a queue for all its runs. */
struct vhost_queue_setup {
	unsigned index;
	unsigned max_workers; /* 1..VHOST_WORKERS_MAX */
	unsigned cpus;        /* more threads than this do not make copying faster */
	int64_t poll_ns;      /* longest time to poll an empty ring; 0: never */
	void (*served)(void *arg); /* called after each request, without the lock; or NULL */
	void (*woken)(void *arg);  /* called when a thread begins to scan; or NULL */
	void *arg;
};

struct vhost_queue {
	struct vhost_queue_setup setup;
	struct vf_session *session; /* fixed while the queue runs */
	struct virtq_inflight *inflight; /* fixed while it runs; NULL: none */
	size_t inflight_size;

	pthread_mutex_t lock;
	struct virtq_config config; /* for the next run; base is kept up to date by stop */
	uint64_t log_addr;          /* guest address under which writes to the used ring are logged */
	bool log_used;
	bool enabled, running, stopping;
	bool left; /* its next stop is for a successor: what the in-flight region says must stay */
	bool reported;              /* that the ring is broken */
	int kick, call, err;        /* event descriptors of the front end, -1: none */
	bool has_kick;              /* SET_VRING_KICK came, perhaps without a descriptor */
	struct vhost_memory *memory;
	struct vhost_memory *ring_memory; /* what vq's rings are mapped through; the older one if the newer lacks them */
	struct vhost_log *log;

	struct virtq vq;
	int epoll, nudge, halt;     /* what threads sleep on; ours */
	struct vhost_worker *workers[VHOST_WORKERS_MAX];
	unsigned nworkers, sleeping, scanning, busy; /* busy: carrying out a request */
	unsigned unsignalled;       /* completions since the last interrupt */
	bool polling;               /* one thread polls the ring */
	unsigned dry;               /* times that the ring was found empty */
	int64_t emptied_ns;         /* when the ring was last found empty, 0: it is not */
	int64_t gap_ns;             /* how long the next request usually takes to come */
	int64_t poll_resume_ns;     /* no polling before */
	int64_t poll_pause_ns;      /* how long polling was given up the last time */
};

/* Returns 0 or -errno. */
int vhost_queue_init(struct vhost_queue *q, const struct vhost_queue_setup *setup) VN_MUST_CHECK;

/* The queue is stopped. */
void vhost_queue_fini(struct vhost_queue *q);

/*
 * Starts the queue if SET_VRING_KICK came, it is enabled and not running. -EINVAL,
 * -EFAULT, -EPERM (a kick descriptor that cannot be waited for) and others: it did
 * not start.
 */
int vhost_queue_start(struct vhost_queue *q) VN_MUST_CHECK;

/* Finishes what was taken, ends the threads and notes the base. No effect on a queue that does not run. */
void vhost_queue_stop(struct vhost_queue *q);

/* New guest memory (a reference is taken). A running queue whose rings are not in it goes on with them where they were. */
void vhost_queue_set_memory(struct vhost_queue *q, struct vhost_memory *m);

/* New dirty log, NULL: none. */
void vhost_queue_set_log(struct vhost_queue *q, struct vhost_log *log);

/* New addresses; a running queue goes on with them, or with the old ones when they are not valid: 0 or -errno. */
int vhost_queue_set_addresses(struct vhost_queue *q, uint64_t desc, uint64_t avail, uint64_t used) VN_MUST_CHECK;

/* Whether writes to the used ring are logged, and under which guest address. */
void vhost_queue_set_ring_log(struct vhost_queue *q, bool on, uint64_t guest);

/*
 * Replaces the descriptor that interrupts the guest, and raises it if the queue runs:
 * front ends send it behind the kick that starts the queue, and what was completed in
 * between interrupted nobody. fd is ours from now on; -1: none.
 */
void vhost_queue_set_call(struct vhost_queue *q, int fd);

/* Replaces another event descriptor (or q->call with none) with fd, which is ours from now on; -1: none. */
void vhost_queue_set_event(struct vhost_queue *q, int *which, int fd);

/* Back to the initial state, as for a new front end. The queue is stopped. */
void vhost_queue_reset(struct vhost_queue *q);

/* The sentinel's look at the queue. True: a request was under way or one has been carried out since the last look. */
bool vhost_queue_relieve(struct vhost_queue *q);

/* A thread's life; in vhost_worker.c. */
void *vhost_worker_main(void *worker);

/* Starts one more thread. The lock is held. */
int vhost_queue_add_worker_locked(struct vhost_queue *q) VN_MUST_CHECK;

/* Interrupts the guest if it wants that for what was given back. The lock is held. */
void vhost_queue_signal_locked(struct vhost_queue *q);

/* The thread of w is no scanner until it says so again: others may be needed. The lock is held. */
void vhost_queue_leave_scan_locked(struct vhost_queue *q, struct vhost_worker *w);

#endif
