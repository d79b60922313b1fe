// SPDX-License-Identifier: Apache-2.0
/*
 * Who reads the device.
 *
 * The kernel wakes the thread that has waited longest in read(2). Several waiting
 * threads therefore take turns even when one client sends one request after the
 * other, and each round trip pays a third context switch and a cold cache: with both
 * sides on one CPU a create took 20 % longer. So as few threads as possible wait in
 * read(2), mostly one; the others are parked here. One of them is let in
 *
 *	when the reader has got a request that may take long (a disk, much to copy),
 *	when the reader has been busy with one request for WATCH_NS, whatever it is,
 *	and for as long as several clients, or large requests, come in turn.
 *
 * A reader that was replaced looks for a place again when it is done, and is parked
 * when there is none.
 */
#ifndef VF_READERS_H
#define VF_READERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define VF_READERS_MAX 64

/* One thread. Zeroed at first; lives until vf_readers_fini(). */
struct vf_reader {
	_Atomic bool placed;    /* counts as one of those that read; changed with the lock held */
	_Atomic uint32_t turns; /* odd: busy with a request */
	uint32_t watched;       /* the watch's: turns at its last look */
	uint32_t pid;           /* the thread's, like the rest: whose request was the last */
	unsigned requests, changes;
};

struct vf_readers {
	pthread_mutex_t lock; /* protects what is not atomic */
	pthread_cond_t place; /* somebody may read, or it is time to end */
	pthread_cond_t watch; /* to the watch; monotonic clock */
	pthread_t watcher;
	bool watching; /* the watch has been started */
	bool ending;
	unsigned count, max;       /* threads there are and may be */
	unsigned parked;           /* among them: without a place and not busy, or just made */
	_Atomic unsigned readers;  /* that have a place */
	_Atomic unsigned wanted;   /* how many should */
	_Atomic unsigned waiting;  /* that are in read(2) */
	_Atomic bool awake;        /* the watch looks around */
	unsigned most;             /* limit of wanted */
	struct vf_reader *all[VF_READERS_MAX];
	/* Makes a thread that calls vf_readers_enter(). Lock held. 0 or -errno. */
	int (*make)(void *arg);
	/* Called by the watch at each look, some ms apart while there are requests. Lock held. */
	void (*look)(void *arg);
	void *arg;
};

/* For up to `max` threads (at most VF_READERS_MAX), made by `make` when they are needed. */
void vf_readers_init(struct vf_readers *r, unsigned max, int (*make)(void *arg), void (*look)(void *arg), void *arg);

/* Makes the first thread and the watch. 0 or -errno. */
int vf_readers_start(struct vf_readers *r);

/* Parked threads are let go and none is made any more. Returns how many there are, for the caller to join. */
unsigned vf_readers_end(struct vf_readers *r);

/* After all threads have been joined. */
void vf_readers_fini(struct vf_readers *r);

/* By a new thread, once. */
void vf_readers_enter(struct vf_readers *r, struct vf_reader *me);

/* Before read(2): waits for a place. False: it is time to end. */
bool vf_readers_wait(struct vf_readers *r, struct vf_reader *me);

/* After read(2). `slow`: the request of pid may take long, so somebody else is to read meanwhile. */
void vf_readers_busy(struct vf_readers *r, struct vf_reader *me, uint32_t pid, bool slow);

/* After read(2) that brought no request, and after a request was answered. */
void vf_readers_done(struct vf_readers *r, struct vf_reader *me);

#endif
