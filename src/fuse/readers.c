// SPDX-License-Identifier: Apache-2.0
#include "fuse/readers.h"

#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/clock.h"
#include "base/scope.h"

#define WATCH_NS 5000000 /* busy for longer than one to two of these: somebody else reads */
#define WATCH_LOOKS 20   /* without any request, then the watch sleeps */
#define WINDOW 64        /* requests after which a thread judges who sends them */
#define CROWD 16         /* changes of client in a window that make a second reader worth while */

/* ---- places ---- */

/* Counted as parked at once, so that one is not made twice. */
static int readers_make_locked(struct vf_readers *r)
{
	int err = r->make(r->arg);

	if (!err) {
		r->count++;
		r->parked++;
	}
	return err;
}

/* Lets threads in as far as they are wanted. Without memory for a new one, whoever is done first reads again. */
static void readers_fill_locked(struct vf_readers *r)
{
	if (r->ending || atomic_load(&r->readers) >= atomic_load(&r->wanted))
		return;
	if (r->parked)
		pthread_cond_signal(&r->place);
	else if (r->count < r->max)
		readers_make_locked(r);
}

static void readers_leave_locked(struct vf_readers *r, struct vf_reader *me)
{
	if (!atomic_exchange(&me->placed, false))
		return;
	atomic_fetch_sub(&r->readers, 1);
	readers_fill_locked(r);
}

void vf_readers_enter(struct vf_readers *r, struct vf_reader *me)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&r->lock);

	for (unsigned i = 0; i < VF_READERS_MAX; i++) {
		if (!r->all[i]) {
			r->all[i] = me;
			break;
		}
	}
	r->parked--; /* as which it was counted when it was made */
}

static bool readers_park(struct vf_readers *r, struct vf_reader *me)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&r->lock);

	while (!r->ending && atomic_load(&r->readers) >= atomic_load(&r->wanted)) {
		r->parked++;
		pthread_cond_wait(&r->place, &r->lock);
		r->parked--;
	}
	if (r->ending)
		return false;
	atomic_fetch_add(&r->readers, 1);
	atomic_store(&me->placed, true);
	readers_fill_locked(r);
	return true;
}

bool vf_readers_wait(struct vf_readers *r, struct vf_reader *me)
{
	if (atomic_load_explicit(&r->readers, memory_order_relaxed) >
	    atomic_load_explicit(&r->wanted, memory_order_relaxed)) {
		vn_autounlock pthread_mutex_t *held = vn_lock(&r->lock);

		if (atomic_load(&r->readers) > atomic_load(&r->wanted))
			readers_leave_locked(r, me);
	}
	if (!atomic_load(&me->placed) && !readers_park(r, me))
		return false;
	atomic_fetch_add(&r->waiting, 1);
	return true;
}

/* ---- requests ---- */

static void readers_want(struct vf_readers *r, bool more)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&r->lock);
	unsigned wanted = atomic_load(&r->wanted);

	if (more && wanted < r->most)
		atomic_store(&r->wanted, wanted + 1);
	if (!more && wanted > 1)
		atomic_store(&r->wanted, wanted - 1);
	readers_fill_locked(r);
}

static void readers_judge(struct vf_readers *r, struct vf_reader *me, uint32_t pid, bool slow)
{
	unsigned changes;

	/* A FORGET is nobody's. */
	me->changes += slow || (pid && pid != me->pid);
	if (pid)
		me->pid = pid;
	if (++me->requests < WINDOW)
		return;
	changes = me->changes;
	me->requests = me->changes = 0;
	if (changes >= CROWD && atomic_load(&r->wanted) < r->most)
		readers_want(r, true);
	if (changes <= 1 && atomic_load(&r->wanted) > 1)
		readers_want(r, false);
}

static void readers_wake_watch(struct vf_readers *r)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&r->lock);

	atomic_store(&r->awake, true);
	pthread_cond_signal(&r->watch);
}

void vf_readers_busy(struct vf_readers *r, struct vf_reader *me, uint32_t pid, bool slow)
{
	unsigned others = atomic_fetch_sub(&r->waiting, 1) - 1;

	atomic_fetch_add(&me->turns, 1);
	if (!atomic_load(&r->awake))
		readers_wake_watch(r);
	readers_judge(r, me, pid, slow);
	if (slow && !others) {
		vn_autounlock pthread_mutex_t *held = vn_lock(&r->lock);

		readers_leave_locked(r, me);
	}
}

void vf_readers_done(struct vf_readers *r, struct vf_reader *me)
{
	if (atomic_load_explicit(&me->turns, memory_order_relaxed) & 1)
		atomic_fetch_add(&me->turns, 1);
	else
		atomic_fetch_sub(&r->waiting, 1); /* it has read nothing */
}

/* ---- the watch ---- */

/* Replaces whoever is busy with what it was busy with at the last look. Returns whether anybody does anything. */
static bool watch_look_locked(struct vf_readers *r)
{
	bool any = false;

	for (unsigned i = 0; i < r->count; i++) {
		struct vf_reader *one = r->all[i];
		uint32_t turns = one ? atomic_load(&one->turns) : 0;

		if (!one)
			continue;
		any |= turns & 1 || turns != one->watched;
		if (turns & 1 && turns == one->watched && !atomic_load(&r->waiting))
			readers_leave_locked(r, one);
		one->watched = turns;
	}
	return any;
}

/*
 * Sleeps when nothing has happened for a while. A thread counts its turn before it
 * looks at `awake`, and `awake` is cleared before the last look, so none is missed.
 */
static void watch_rest_locked(struct vf_readers *r)
{
	atomic_store(&r->awake, false);
	if (watch_look_locked(r)) {
		atomic_store(&r->awake, true);
		return;
	}
	while (!r->ending && !atomic_load(&r->awake))
		pthread_cond_wait(&r->watch, &r->lock);
}

static void *watch_main(void *arg)
{
	struct vf_readers *r = arg;
	unsigned still = 0;

	prctl(PR_SET_NAME, "vf-watch");
	pthread_mutex_lock(&r->lock);
	while (!r->ending) {
		vn_cond_wait_until(&r->watch, &r->lock, vn_mono_ns() + WATCH_NS);
		if (r->ending)
			break;
		r->look(r->arg);
		still = watch_look_locked(r) ? 0 : still + 1;
		if (still < WATCH_LOOKS)
			continue;
		watch_rest_locked(r);
		still = 0;
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* ---- life ---- */

/* Two are of use on one CPU, too, where they wait for a disk. */
static unsigned readers_most(unsigned max)
{
	cpu_set_t cpus;
	unsigned n = sched_getaffinity(0, sizeof(cpus), &cpus) ? 2 : (unsigned)CPU_COUNT(&cpus);

	if (n < 2)
		n = 2;
	return n < max ? n : max;
}

void vf_readers_init(struct vf_readers *r, unsigned max, int (*make)(void *arg), void (*look)(void *arg), void *arg)
{
	memset(r, 0, sizeof(*r));
	r->max = max < VF_READERS_MAX ? max : VF_READERS_MAX;
	r->most = readers_most(r->max);
	r->make = make;
	r->look = look;
	r->arg = arg;
	atomic_store(&r->wanted, 1);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->place, NULL);
	vn_cond_init(&r->watch);
}

int vf_readers_start(struct vf_readers *r)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&r->lock);
	int err = -pthread_create(&r->watcher, NULL, watch_main, r);

	r->watching = !err;
	return err ? err : readers_make_locked(r);
}

unsigned vf_readers_end(struct vf_readers *r)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&r->lock);

	r->ending = true;
	pthread_cond_broadcast(&r->place);
	pthread_cond_signal(&r->watch);
	return r->count;
}

void vf_readers_fini(struct vf_readers *r)
{
	if (r->watching)
		pthread_join(r->watcher, NULL);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->place);
	pthread_cond_destroy(&r->watch);
}
