// SPDX-License-Identifier: Apache-2.0
/*
 * FUSE over io_uring.
 *
 * The kernel has a queue per possible CPU and puts a request into the queue of the CPU
 * that its client runs on; queues do not help each other. So there is a ring and a
 * thread per CPU, pinned there, which has the advantage that devfuse_classic.c has to
 * look for: client and server take turns on one CPU.
 *
 * An entry is a header buffer and a payload buffer that the kernel copies to and from.
 * REGISTER hands it over; a completion says that a request lies in it; COMMIT_AND_FETCH
 * says that the reply lies there instead, and waits for the next request: one system
 * call for both. Request and reply share the entry's memory; handlers have copied what
 * they need before they write.
 *
 * A verb that may wait for a disk would stop its queue, so such requests go to helpers
 * of the queue, threads that are made when they are needed. Only the queue's thread submits
 * (the kernel runs an entry's work in the thread that submitted it): a helper puts what
 * it has done on a list and wakes that thread through an eventfd that the ring reads.
 */
#include "fuse/devfuse_uring.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/scope.h"
#include "fuse/dispatch.h"
#include "fuse/request.h"

#define DEPTH 8
#define RING_SIZE 32 /* DEPTH entries and the eventfd, rounded up generously */
#define SQE_SIZE 128 /* IORING_SETUP_SQE128 */
#define HELPERS_MAX 8
#define LARGE 65536 /* a payload that takes long to copy or to read */
#define SEGMENTS 2

struct entry {
	STAILQ_ENTRY(entry) link;
	struct fuse_uring_req_header *header;
	struct iovec iov[SEGMENTS]; /* header, payload: what the kernel is told */
	uint64_t commit_id;
};

STAILQ_HEAD(entry_list, entry);

struct queue {
	struct vf_uring *u;
	unsigned cpu;
	struct io_uring ring;
	int wake; /* eventfd */
	uint64_t wake_value;
	struct entry entries[DEPTH];
	pthread_t thread;
	bool ready, started;
	pthread_mutex_t lock; /* protects what follows */
	pthread_cond_t work;
	struct entry_list pending, done; /* for helpers; from helpers */
	unsigned nhelpers, idle;
	bool closing;
	pthread_t helpers[HELPERS_MAX];
};

struct vf_uring {
	struct vf_uring_config config;
	_Atomic bool stopping;
	char *memory; /* of all entries */
	size_t memory_size;
	unsigned nqueues;
	struct queue queues[];
};

/* ---- is it there ---- */

static bool file_word(const char *path, char *buf, int size)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(buf, size, f);

	if (f)
		fclose(f);
	return ok;
}

bool vf_uring_is_enabled(void)
{
	char word[8];

	return file_word("/sys/module/fuse/parameters/enable_uring", word, sizeof(word)) &&
		(word[0] == 'Y' || word[0] == '1');
}

/* "0-3" or "0": the last number counts. */
static int possible_cpus(unsigned *n)
{
	char word[64];
	const char *last;

	if (!file_word("/sys/devices/system/cpu/possible", word, sizeof(word)))
		return -ENOENT;
	last = strrchr(word, '-');
	if (!last)
		last = strrchr(word, ',');
	*n = (unsigned)strtoul(last ? last + 1 : word, NULL, 10) + 1;
	return 0;
}

/* ---- submitting: the queue's thread only ---- */

/* A zeroed submission. There is always room: an entry has one at most, the eventfd one. */
static struct io_uring_sqe *queue_sqe(struct queue *q)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&q->ring);

	if (sqe)
		memset(sqe, 0, SQE_SIZE);
	return sqe;
}

static void queue_command(struct queue *q, struct entry *e, unsigned op)
{
	struct io_uring_sqe *sqe = queue_sqe(q);
	struct fuse_uring_cmd_req *req;

	if (!sqe)
		return;
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = q->u->config.fd;
	sqe->cmd_op = op;
	sqe->user_data = (uint64_t)(uintptr_t)e;
	if (op == FUSE_IO_URING_CMD_REGISTER) {
		sqe->addr = (uint64_t)(uintptr_t)e->iov;
		sqe->len = SEGMENTS;
	}
	req = (struct fuse_uring_cmd_req *)sqe->cmd;
	req->commit_id = e->commit_id;
	req->qid = (uint16_t)q->cpu;
}

static void queue_watch_wake(struct queue *q)
{
	struct io_uring_sqe *sqe = queue_sqe(q);

	if (!sqe)
		return;
	io_uring_prep_read(sqe, q->wake, &q->wake_value, sizeof(q->wake_value), 0);
	sqe->user_data = 0;
}

/* ---- one request ---- */

static int entry_request(struct entry *e, struct iovec in[3])
{
	const struct fuse_in_header *h = (const struct fuse_in_header *)e->header->in_out;
	size_t payload = e->header->ring_ent_in_out.payload_sz, args = 0;

	if (payload > e->iov[1].iov_len)
		payload = e->iov[1].iov_len;
	if (h->len > sizeof(*h) + payload)
		args = h->len - sizeof(*h) - payload;
	in[0] = (struct iovec){e->header->in_out, sizeof(*h)};
	in[1] = (struct iovec){e->header->op_in, args < FUSE_URING_OP_SIZE ? args : FUSE_URING_OP_SIZE};
	in[2] = (struct iovec){e->iov[1].iov_base, payload};
	return 3;
}

/* The answer to what got none, so that the entry goes back: it should not happen here. */
static void entry_no_reply(struct entry *e, uint64_t unique)
{
	struct fuse_out_header h = {.len = sizeof(h), .error = -EIO, .unique = unique};

	memcpy(e->header->in_out, &h, sizeof(h));
}

static void entry_serve(struct vf_session *s, struct entry *e)
{
	uint64_t unique = ((const struct fuse_in_header *)e->header->in_out)->unique;
	struct iovec in[3], out[2] = {{e->header->in_out, sizeof(struct fuse_out_header)}, e->iov[1]};
	int nin = entry_request(e, in);
	ssize_t n;

	e->commit_id = e->header->ring_ent_in_out.commit_id;
	n = vf_dispatch(s, in, nin, out, 2);
	if (!n)
		entry_no_reply(e, unique);
	e->header->ring_ent_in_out.payload_sz = n > 0 ? (uint32_t)((size_t)n - sizeof(struct fuse_out_header)) : 0;
}

static bool entry_is_slow(struct entry *e)
{
	const struct fuse_in_header *h = (const struct fuse_in_header *)e->header->in_out;
	const struct fuse_read_in *io = (const struct fuse_read_in *)e->header->op_in;
	struct iovec in[3];

	if (h->opcode == FUSE_READ || h->opcode == FUSE_WRITE)
		return io->size >= LARGE;
	return vf_may_block(in, entry_request(e, in));
}

/* ---- helpers ---- */

static struct entry *helper_take(struct queue *q)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&q->lock);
	struct entry *e;

	q->idle++;
	while (STAILQ_EMPTY(&q->pending) && !q->closing)
		pthread_cond_wait(&q->work, &q->lock);
	q->idle--;
	e = STAILQ_FIRST(&q->pending);
	if (e)
		STAILQ_REMOVE_HEAD(&q->pending, link);
	return e;
}

static void queue_wake(struct queue *q)
{
	uint64_t one = 1;

	if (write(q->wake, &one, sizeof(one)) < 0) {
		/* EAGAIN: it has been woken four billion times over already. */
	}
}

static void helper_give_back(struct queue *q, struct entry *e)
{
	pthread_mutex_lock(&q->lock);
	STAILQ_INSERT_TAIL(&q->done, e, link);
	pthread_mutex_unlock(&q->lock);
	queue_wake(q);
}

static void *helper_main(void *arg)
{
	struct queue *q = arg;
	struct entry *e;

	prctl(PR_SET_NAME, "vf-helper");
	while ((e = helper_take(q))) {
		entry_serve(q->u->config.session, e);
		helper_give_back(q, e);
	}
	return NULL;
}

/* False when there is nobody to do it, and nobody can be made. */
static bool queue_hand_over(struct queue *q, struct entry *e)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&q->lock);

	if (!q->idle && q->nhelpers < HELPERS_MAX && pthread_create(&q->helpers[q->nhelpers], NULL, helper_main, q) == 0)
		q->nhelpers++;
	if (!q->nhelpers)
		return false;
	STAILQ_INSERT_TAIL(&q->pending, e, link);
	pthread_cond_signal(&q->work);
	return true;
}

static void queue_commit_done(struct queue *q)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&q->lock);
	struct entry *e;

	while ((e = STAILQ_FIRST(&q->done))) {
		STAILQ_REMOVE_HEAD(&q->done, link);
		queue_command(q, e, FUSE_IO_URING_CMD_COMMIT_AND_FETCH);
	}
}

/* ---- the queue's thread ---- */

static void queue_request(struct queue *q, struct entry *e)
{
	if (entry_is_slow(e) && queue_hand_over(q, e))
		return;
	entry_serve(q->u->config.session, e);
	queue_command(q, e, FUSE_IO_URING_CMD_COMMIT_AND_FETCH);
}

/* An error: the entry is lost, because the connection has ended (the device says so too) or would not take it. */
static void queue_completion(struct queue *q, const struct io_uring_cqe *cqe)
{
	struct entry *e = (struct entry *)(uintptr_t)cqe->user_data;

	if (!e) {
		queue_commit_done(q);
		queue_watch_wake(q);
	} else if (cqe->res == 0) {
		queue_request(q, e);
	}
}

/* Replies go out at once when there are other requests to carry out first. */
static bool queue_round(struct queue *q)
{
	struct io_uring_cqe *cqe;
	int err = io_uring_submit_and_wait(&q->ring, 1);

	if (err < 0 && err != -EINTR && err != -EAGAIN)
		return false;
	while (io_uring_peek_cqe(&q->ring, &cqe) == 0) {
		struct io_uring_cqe copy = *cqe;

		io_uring_cqe_seen(&q->ring, cqe);
		queue_completion(q, &copy);
		if (io_uring_cq_ready(&q->ring))
			io_uring_submit(&q->ring);
	}
	return !atomic_load_explicit(&q->u->stopping, memory_order_relaxed);
}

static void queue_pin(const struct queue *q)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(q->cpu, &one);
	sched_setaffinity(0, sizeof(one), &one); /* fails for a CPU that is possible and not there: then nobody asks */
}

/* liburing 2.3 declares a function for this that it does not export. */
static int queue_enable(struct queue *q)
{
	return (int)syscall(__NR_io_uring_register, q->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

static void *queue_main(void *arg)
{
	struct queue *q = arg;

	prctl(PR_SET_NAME, "vf-uring");
	queue_pin(q);
	if (queue_enable(q) < 0) {
		vn_error("io_uring cannot be started (%s): the mount is given up", strerror(errno));
		q->u->config.failed(q->u->config.arg); /* without this queue every request would wait for ever */
		return NULL;
	}
	io_uring_register_ring_fd(&q->ring); /* a little faster where it works */
	queue_watch_wake(q);
	for (unsigned i = 0; i < DEPTH; i++)
		queue_command(q, &q->entries[i], FUSE_IO_URING_CMD_REGISTER);
	while (queue_round(q))
		;
	return NULL;
}

/* ---- life ---- */

static size_t entry_size(void)
{
	return VF_MAX_WRITE + 4096; /* the header in a page of its own */
}

static void queue_place_entries(struct queue *q, char *memory)
{
	for (unsigned i = 0; i < DEPTH; i++, memory += entry_size()) {
		struct entry *e = &q->entries[i];

		e->header = (struct fuse_uring_req_header *)memory;
		e->iov[0] = (struct iovec){e->header, sizeof(*e->header)};
		e->iov[1] = (struct iovec){memory + 4096, VF_MAX_WRITE};
	}
}

/* The cheapest way of completion that this kernel has. Disabled until the thread runs that will submit. */
static int queue_make_ring(struct queue *q)
{
	unsigned best = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
	int err = io_uring_queue_init(RING_SIZE, &q->ring, IORING_SETUP_SQE128 | IORING_SETUP_R_DISABLED | best);

	if (err == -EINVAL)
		err = io_uring_queue_init(RING_SIZE, &q->ring, IORING_SETUP_SQE128 | IORING_SETUP_R_DISABLED);
	return err;
}

static int queue_init(struct queue *q, struct vf_uring *u, unsigned cpu)
{
	int err;

	q->u = u;
	q->cpu = cpu;
	STAILQ_INIT(&q->pending);
	STAILQ_INIT(&q->done);
	queue_place_entries(q, u->memory + cpu * DEPTH * entry_size());
	q->wake = eventfd(0, EFD_CLOEXEC);
	if (q->wake < 0)
		return -errno;
	err = queue_make_ring(q);
	if (err) {
		close(q->wake);
		return err;
	}
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->work, NULL);
	q->ready = true;
	return 0;
}

static void queue_join_helpers(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->closing = true;
	pthread_cond_broadcast(&q->work);
	pthread_mutex_unlock(&q->lock);
	for (unsigned i = 0; i < q->nhelpers; i++)
		pthread_join(q->helpers[i], NULL);
}

/* Helpers first: what they have done is committed before the thread goes. */
static void queue_fini(struct queue *q)
{
	if (!q->ready)
		return;
	queue_join_helpers(q);
	atomic_store(&q->u->stopping, true);
	queue_wake(q);
	if (q->started)
		pthread_join(q->thread, NULL);
	io_uring_queue_exit(&q->ring);
	close(q->wake);
	pthread_cond_destroy(&q->work);
	pthread_mutex_destroy(&q->lock);
}

static int uring_make(struct vf_uring *u)
{
	void *p;

	u->memory_size = u->nqueues * DEPTH * entry_size();
	p = mmap(NULL, u->memory_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	u->memory = p;
	for (unsigned i = 0; i < u->nqueues; i++) {
		int err = queue_init(&u->queues[i], u, i);

		if (err)
			return err;
	}
	return 0;
}

int vf_uring_new(const struct vf_uring_config *config, struct vf_uring **out)
{
	struct vf_uring *u;
	unsigned n;
	int err = possible_cpus(&n);

	if (err)
		return err;
	u = calloc(1, sizeof(*u) + n * sizeof(u->queues[0]));
	if (!u)
		return -ENOMEM;
	u->config = *config;
	u->nqueues = n;
	err = uring_make(u);
	if (err)
		vf_uring_stop(u);
	else
		*out = u;
	return err;
}

int vf_uring_start(struct vf_uring *u)
{
	for (unsigned i = 0; i < u->nqueues; i++) {
		struct queue *q = &u->queues[i];
		int err = pthread_create(&q->thread, NULL, queue_main, q);

		if (err)
			return -err;
		q->started = true;
	}
	return 0;
}

void vf_uring_stop(struct vf_uring *u)
{
	if (!u)
		return;
	for (unsigned i = 0; i < u->nqueues; i++)
		queue_fini(&u->queues[i]);
	if (u->memory)
		munmap(u->memory, u->memory_size);
	free(u);
}
