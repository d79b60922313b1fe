// SPDX-License-Identifier: Apache-2.0
#include "lower/ahead.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/scope.h"
#include "base/thread.h"
#include "lower/layer.h"

enum {
	HEAT = 256,
	SEEN = 4096,   /* a power of two */
	SEEN_FOR_S = 8,
	END_WITHIN_S = 5,
	SLOW_NS = 100000,
	NICE = 10,
};

/* A directory that was asked for, or lies in one. */
struct ahead_dir {
	size_t uses; /* parts that wait or are being read; under the lock */
	uint64_t hash;
	unsigned depth, from;
	bool data;
	size_t len;
	char path[];
};

struct ahead_part {
	struct ahead_dir *dir;
	uint16_t layer;
};

struct ahead {
	struct layer *layers;
	atomic_int heat;
	atomic_bool stopping;
	atomic_ullong names, files;
	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t work, ended;
	unsigned nthreads, nidle, nended, credit;
	uint64_t parts;
	size_t first, count; /* a ring */
	pthread_t threads[AHEAD_THREADS];
	struct ahead_part queue[AHEAD_QUEUE];
	uint64_t seen[SEEN]; /* hash, but for the low bits: seconds */
	struct vn_cpus cpus; /* for the threads: who calls for one may be bound to its client's, where it would be in the way */
};

static void *ahead_main(void *arg);

/* ---- is it cold? ---- */

long ahead_sleeps(void)
{
#ifdef RUSAGE_THREAD
	struct rusage u;

	return getrusage(RUSAGE_THREAD, &u) ? 0 : u.ru_nvcsw;
#else
	return (long)(vn_mono_ns() / SLOW_NS);
#endif
}

void ahead_felt(struct ahead *a, size_t parts, long sleeps)
{
	if (sleeps > 0 && (size_t)sleeps >= (parts + 3) / 4)
		atomic_store_explicit(&a->heat, HEAT, memory_order_relaxed);
}

bool ahead_is_useful(const struct ahead *a)
{
	return atomic_load_explicit(&a->heat, memory_order_relaxed) > 0;
}

static void ahead_cool(struct ahead *a, long sleeps)
{
	if (sleeps > 0)
		atomic_store_explicit(&a->heat, HEAT, memory_order_relaxed);
	else if (ahead_is_useful(a))
		atomic_fetch_sub_explicit(&a->heat, 1, memory_order_relaxed);
}

/* ---- the queue; all with the lock held ---- */

/* Was it asked for lately? If not, it is now. */
static bool seen_locked(struct ahead *a, uint64_t hash)
{
	uint64_t now = (uint64_t)(vn_mono_ns() / VN_NS_PER_SEC) & 0xffff;
	uint64_t *slot = &a->seen[hash >> 16 & (SEEN - 1)];
	bool seen = (*slot ^ hash) >> 16 == 0 && ((now - *slot) & 0xffff) < SEEN_FOR_S;

	if (!seen)
		*slot = (hash & ~UINT64_C(0xffff)) | now;
	return seen;
}

static uint64_t part_hash(const struct ahead_dir *d, uint16_t layer)
{
	return d->hash ^ (layer + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);
}

/* What lies in a directory comes before what lies beside it, as in the walk. */
static void part_push_locked(struct ahead *a, struct ahead_dir *d, uint16_t layer, bool front)
{
	size_t at = (a->first + a->count) % AHEAD_QUEUE;

	if (seen_locked(a, part_hash(d, layer)))
		return;
	if (front)
		at = a->first = (a->first + AHEAD_QUEUE - 1) % AHEAD_QUEUE;
	a->queue[at] = (struct ahead_part){d, layer};
	a->count++;
	d->uses++;
}

/* Somebody for what waits: whoever takes a part and leaves others calls the next. */
static void call_locked(struct ahead *a)
{
	pthread_t *t = &a->threads[a->nthreads];

	if (a->nidle)
		pthread_cond_signal(&a->work);
	else if (a->nthreads < AHEAD_THREADS && !atomic_load(&a->stopping) && pthread_create(t, NULL, ahead_main, a) == 0)
		a->nthreads++;
}

static struct ahead_part part_pop_locked(struct ahead *a)
{
	struct ahead_part p = a->queue[a->first];

	a->first = (a->first + 1) % AHEAD_QUEUE;
	a->count--;
	a->parts++;
	if (a->count)
		call_locked(a);
	return p;
}

static void dir_put_locked(struct ahead_dir *d)
{
	if (--d->uses == 0)
		free(d);
}

static struct ahead_dir *dir_new(const char *path, size_t len, const char *name, size_t name_len)
{
	struct ahead_dir *d = malloc(sizeof(*d) + len + name_len + 2);

	if (!d)
		return NULL;
	*d = (struct ahead_dir){.uses = 1, .len = len};
	memcpy(d->path, path, len);
	if (name) {
		d->path[d->len++] = '/';
		memcpy(d->path + d->len, name, name_len);
		d->len += name_len;
	}
	d->path[d->len] = '\0';
	return d;
}

/* ---- asking ---- */

static bool ask_parts_locked(struct ahead *a, struct ahead_dir *d, const struct ahead_wish *w)
{
	size_t i = 0;

	for (; i < w->nlayers && a->count < AHEAD_QUEUE; i++)
		part_push_locked(a, d, w->layers[w->soon ? w->nlayers - 1 - i : i], w->soon);
	return i == w->nlayers;
}

bool ahead_ask(struct ahead *a, const struct ahead_wish *w)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&a->lock);
	struct ahead_dir *d;
	bool room;

	(void)held;
	if (a->count == AHEAD_QUEUE)
		return false;
	if (seen_locked(a, w->hash) || !(d = dir_new(w->path, strlen(w->path), NULL, 0)))
		return true;
	d->hash = w->hash;
	d->data = w->data;
	d->from = w->from;
	if (a->credit < w->credit)
		a->credit = w->credit;
	room = ask_parts_locked(a, d, w);
	dir_put_locked(d);
	if (a->count)
		call_locked(a);
	return room;
}

/* ---- reading ---- */

struct reading {
	struct ahead *a;
	const struct ahead_part *part;
	int fd;
	unsigned names, files;
	uint64_t bytes;
};

/* A directory was met in one that is being read. */
static void reading_below(const struct reading *r, const struct layer_dent *e)
{
	const struct ahead_dir *up = r->part->dir;
	struct ahead *a = r->a;
	vn_autounlock pthread_mutex_t *held = vn_lock(&a->lock);
	struct ahead_dir *d;

	(void)held;
	if (!a->credit || a->count == AHEAD_QUEUE || !(d = dir_new(up->path, up->len, e->name, e->len)))
		return;
	a->credit--;
	d->hash = vn_hash_name(up->hash, e->name, e->len);
	d->depth = up->depth + 1;
	part_push_locked(a, d, r->part->layer, true);
	dir_put_locked(d);
}

static int reading_name(void *arg, const struct layer_dent *e)
{
	struct reading *r = arg;
	struct layer_stat st;

	if (atomic_load_explicit(&r->a->stopping, memory_order_relaxed) || ++r->names > AHEAD_NAMES)
		return 1;
	layer_stat(r->fd, e->name, &st);
	if (e->type == DT_DIR && r->part->dir->depth < AHEAD_DEPTH)
		reading_below(r, e);
	return 0;
}

/* Has the host read the beginning of a file soon; it does not wait. */
static void reading_will_need(int fd, uint64_t size)
{
#ifdef POSIX_FADV_WILLNEED
	posix_fadvise(fd, 0, (off_t)size, POSIX_FADV_WILLNEED);
#else
	(void)fd;
	(void)size;
#endif
}

static int reading_file(void *arg, const struct layer_dent *e)
{
	struct reading *r = arg;
	struct layer *l = &r->a->layers[r->part->layer];
	struct layer_stat st;
	vn_autoclose int fd = -1;

	if (atomic_load_explicit(&r->a->stopping, memory_order_relaxed) || r->bytes > AHEAD_BYTES)
		return 1;
	if (++r->names <= r->part->dir->from)
		return 0;
	if (r->names > r->part->dir->from + AHEAD_FILES)
		return 1;
	if (e->type != DT_REG || layer_stat(r->fd, e->name, &st) || !st.attr.size || st.attr.size > AHEAD_FILE_MAX)
		return 0;
	fd = layer_open_file(l, r->fd, e->name, &st);
	if (fd < 0)
		return 0;
	reading_will_need(fd, st.attr.size);
	r->bytes += st.attr.size;
	r->files++;
	return 0;
}

static void reading_part(struct ahead *a, const struct ahead_part *p)
{
	struct layer *l = &a->layers[p->layer];
	long sleeps = ahead_sleeps();
	vn_autoclose int fd = layer_open_dir(l, l->fd, p->dir->path);
	struct reading r = {.a = a, .part = p, .fd = fd};

	if (fd >= 0)
		layer_read_dir(fd, p->dir->data ? reading_file : reading_name, &r);
	atomic_fetch_add_explicit(&a->names, r.names, memory_order_relaxed);
	atomic_fetch_add_explicit(&a->files, r.files, memory_order_relaxed);
	ahead_cool(a, ahead_sleeps() - sleeps);
}

static void *ahead_main(void *arg)
{
	struct ahead *a = arg;

	vn_cpus_use(&a->cpus);
	vn_thread_nice(NICE); /* what a client waits for goes first */
	pthread_mutex_lock(&a->lock);
	while (!atomic_load(&a->stopping)) {
		struct ahead_part p;

		if (!a->count) {
			a->nidle++;
			pthread_cond_wait(&a->work, &a->lock);
			a->nidle--;
			continue;
		}
		p = part_pop_locked(a);
		if (ahead_is_useful(a)) {
			pthread_mutex_unlock(&a->lock);
			reading_part(a, &p);
			pthread_mutex_lock(&a->lock);
		}
		dir_put_locked(p.dir);
	}
	a->nended++;
	pthread_cond_signal(&a->ended);
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

/* ---- beginning and end ---- */

struct ahead *ahead_new(struct layer *layers)
{
	struct ahead *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->layers = layers;
	pthread_mutex_init(&a->lock, NULL);
	vn_cond_init(&a->work);
	vn_cond_init(&a->ended);
	vn_cpus_get(&a->cpus);
	return a;
}

/* Tells the threads, and waits for a while: true, when all have ended. */
static bool ahead_stop(struct ahead *a)
{
	int64_t until = vn_mono_ns() + END_WITHIN_S * VN_NS_PER_SEC;
	vn_autounlock pthread_mutex_t *held = vn_lock(&a->lock);

	(void)held;
	atomic_store(&a->stopping, true);
	pthread_cond_broadcast(&a->work);
	while (a->nended < a->nthreads && vn_mono_ns() < until)
		vn_cond_wait_until(&a->ended, &a->lock, until);
	return a->nended == a->nthreads;
}

bool ahead_free(struct ahead *a)
{
	if (!a)
		return true;
	if (!ahead_stop(a))
		return false;
	for (unsigned i = 0; i < a->nthreads; i++)
		pthread_join(a->threads[i], NULL);
	while (a->count) { /* only now: a thread that was reading may have added to it */
		dir_put_locked(a->queue[a->first].dir);
		a->first = (a->first + 1) % AHEAD_QUEUE;
		a->count--;
	}
	pthread_cond_destroy(&a->ended);
	pthread_cond_destroy(&a->work);
	pthread_mutex_destroy(&a->lock);
	free(a);
	return true;
}

void ahead_stats(struct ahead *a, struct ahead_stats *out)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&a->lock);

	(void)held;
	*out = (struct ahead_stats){a->parts, atomic_load(&a->names), atomic_load(&a->files), a->nthreads};
}
