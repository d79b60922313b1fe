// SPDX-License-Identifier: Apache-2.0
#include "fuse/courier.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <time.h>

#include "base/clock.h"
#include "fuse/device.h"
#include "fuse/protocol.h"

#define LETTERS 2      /* the client is awake before write(2) of the first has returned */
#define LATE_NS 500000 /* with nobody else on the CPU it is some us */

enum letter_state {
	LETTER_EMPTY, /* the worker's */
	LETTER_FULL,  /* whoever makes it TAKEN sends it */
	LETTER_TAKEN, /* that thread's, which makes it EMPTY */
};

struct letter {
	_Atomic int state;
	_Atomic int64_t left; /* when, ns */
	char *buffer;
	size_t len;
	struct fuse_in_header request;
};

struct vf_courier {
	struct letter letters[LETTERS];
	sem_t work;            /* one for each letter, one to end */
	_Atomic unsigned uses; /* by the worker, by the thread; whoever is last frees */
	_Atomic bool ending, late;
	int fd;
	int cpu;            /* the worker's: where the thread is pinned, -1: nowhere */
	_Atomic int lately; /* for vf_courier_cpu(): what it says next */
	struct vf_session *session;
	pthread_t thread;
};

/* ---- letters ---- */

static bool letter_change(struct letter *l, int from, int to)
{
	return atomic_compare_exchange_strong(&l->state, &from, to);
}

static void letter_send(struct vf_courier *c, struct letter *l)
{
	struct iovec in = {&l->request, sizeof(l->request)}, out = vf_buffer_out(l->buffer);

	if (vn_mono_ns() - atomic_load(&l->left) > LATE_NS)
		atomic_store(&c->late, true);
	vf_device_reply(c->fd, c->session, &in, &out, l->len);
	atomic_store(&l->state, LETTER_EMPTY);
}

/* One that has waited for `age` ns. False: there is none. */
static bool courier_send_one(struct vf_courier *c, int64_t age)
{
	for (int i = 0; i < LETTERS; i++) {
		struct letter *l = &c->letters[i];

		if (atomic_load(&l->state) == LETTER_FULL && vn_mono_ns() - atomic_load(&l->left) >= age &&
		    letter_change(l, LETTER_FULL, LETTER_TAKEN)) {
			letter_send(c, l);
			return true;
		}
	}
	return false;
}

void vf_courier_hurry(struct vf_courier *c)
{
	while (courier_send_one(c, LATE_NS))
		;
}

bool vf_courier_was_late(struct vf_courier *c)
{
	return atomic_load_explicit(&c->late, memory_order_relaxed) && atomic_exchange(&c->late, false);
}

/* ---- the worker's side ---- */

static void courier_place(struct vf_courier *c, int cpu)
{
	cpu_set_t one;

	atomic_store_explicit(&c->lately, cpu, memory_order_relaxed);
	if (cpu == c->cpu)
		return;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	pthread_setaffinity_np(c->thread, sizeof(one), &one);
	c->cpu = cpu;
}

int vf_courier_cpu(struct vf_courier *c)
{
	return atomic_exchange_explicit(&c->lately, -1, memory_order_relaxed);
}

static struct letter *courier_empty(struct vf_courier *c)
{
	for (int i = 0; i < LETTERS; i++)
		if (atomic_load(&c->letters[i].state) == LETTER_EMPTY)
			return &c->letters[i];
	return NULL;
}

bool vf_courier_take(struct vf_courier *c, int cpu, const void *in, char **out_buffer, size_t len)
{
	struct letter *l = courier_empty(c);
	char *spare;

	if (!l)
		return false;
	courier_place(c, cpu);
	spare = l->buffer;
	l->buffer = *out_buffer;
	*out_buffer = spare;
	l->len = len;
	memcpy(&l->request, in, sizeof(l->request));
	atomic_store(&l->left, vn_mono_ns());
	atomic_store(&l->state, LETTER_FULL);
	sem_post(&c->work);
	return true;
}

/* ---- life ---- */

static void courier_put(struct vf_courier *c)
{
	if (atomic_fetch_sub(&c->uses, 1) > 1)
		return;
	for (int i = 0; i < LETTERS; i++)
		vf_buffer_unmap(c->letters[i].buffer);
	sem_destroy(&c->work);
	free(c);
}

static void *courier_main(void *arg)
{
	struct vf_courier *c = arg;
	struct sched_param none = {0};

	prctl(PR_SET_NAME, "vf-courier");
	sched_setscheduler(0, SCHED_IDLE, &none); /* where it may not, it is a thread like others and does no harm */
	while (!atomic_load(&c->ending)) {
		while (sem_wait(&c->work) < 0 && errno == EINTR)
			;
		/*
		 * The worker sleeps, but while it has run more than its share it stays on the CPU's list (delayed
		 * dequeue, Linux 6.12), and the CPU is not idle. Yielding, we give up our share, and it is taken off.
		 * So for each letter anew; and since it may last where others want the CPU, before a letter is taken,
		 * which nobody else can send from then on.
		 */
		sched_yield();
		courier_send_one(c, 0);
		/*
		 * The client is awake, but may have to wait until we sleep, if it had more than its share. So we yield to it,
		 * too, and go on when it and the worker sleep: mostly with the next letter, without having slept.
		 */
		sched_yield();
	}
	courier_put(c);
	return NULL;
}

static int courier_start(struct vf_courier *c)
{
	for (int i = 0; i < LETTERS; i++) {
		c->letters[i].buffer = vf_buffer_map();
		if (!c->letters[i].buffer)
			return -ENOMEM;
	}
	return -pthread_create(&c->thread, NULL, courier_main, c);
}

int vf_courier_new(int fd, struct vf_session *session, struct vf_courier **out)
{
	struct vf_courier *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->fd = fd;
	c->cpu = -1;
	atomic_store(&c->lately, -1);
	c->session = session;
	sem_init(&c->work, 0, 0);
	atomic_store(&c->uses, 2);
	err = courier_start(c);
	if (!err) {
		*out = c;
		return 0;
	}
	atomic_store(&c->uses, 1);
	courier_put(c);
	return err;
}

/* Whether the thread is at none of them. */
static bool courier_has_none(struct vf_courier *c)
{
	for (int i = 0; i < LETTERS; i++)
		if (atomic_load(&c->letters[i].state) != LETTER_EMPTY)
			return false;
	return true;
}

/*
 * The thread may have to wait for seconds until it is its turn, so nobody waits for it: with all letters
 * sent, and no worker that leaves new ones, it uses neither descriptor nor session any more.
 */
void vf_courier_free(struct vf_courier *c)
{
	struct timespec pause = {.tv_nsec = 100000};

	if (!c)
		return;
	while (courier_send_one(c, 0))
		;
	while (!courier_has_none(c)) /* it is in write(2) */
		nanosleep(&pause, NULL);
	pthread_detach(c->thread);
	atomic_store(&c->ending, true);
	sem_post(&c->work);
	courier_put(c);
}
