// SPDX-License-Identifier: Apache-2.0
/*
 * The store thread.
 *
 * It takes records from the ring (the ring is its queue), folds them into a
 * batch, and writes the batch with the applied sequence and ring position in one
 * transaction: after it, replay starts behind these records. Once per commit
 * interval, or at half a ring, it flushes the index's log; only then is ring
 * space given back and are dead data files removed (J7, D3). When nothing more
 * comes it checkpoints the log and sleeps without a limit.
 *
 * It is not woken for each record. A busy server appends; the thread looks every
 * APPLIER_TICK. Waking it costs a request, so an append does so only when the
 * thread sleeps without a limit or much has piled up. While appends go on it only
 * looks, up to APPLIER_PATIENCE: they want the CPU now, and what a batch folds
 * together (create, write, chmod, utimens, rename) is written once. A drain ends
 * where the ring ended when it began, lest it follow a busy server with
 * transactions of a few records each.
 *
 * A full disk: the transaction is rolled back, the log is moved into the index so
 * that it begins anew in the space it has, and the transaction is tried again; then
 * the ballast is given up, then the data files whose removal is on its way, and those
 * that wait for a flush (room.c). When that
 * fails too the store is stuck, says so to whoever needs space, and tries again
 * every APPLIER_RETRY. Any other failure
 * turns the store read-only; acknowledged records stay in the ring for the next
 * opening.
 */
#include "store/state.h"

#include "base/clock.h"
#include "store/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define APPLIER_TICK (100 * INT64_C(1000000))  /* between looks; without a new record meanwhile they are applied */
#define APPLIER_PATIENCE VN_NS_PER_SEC         /* how long a record may wait to be seen in the index */
#define APPLIER_RETRY (200 * INT64_C(1000000)) /* between attempts on a full disk or beside a foreign writer */
#define APPLIER_LINGER (2 * VN_NS_PER_SEC)     /* of quiet before the thread sleeps without a limit */
#define APPLIER_RUN ((size_t)RECORD_MAX * 2)   /* bytes of records in one transaction, at most */
#define APPLIER_LOG_PAGES 8192                 /* a log of this many pages is checkpointed even when busy */
#define APPLIER_LOG_TIGHT 256                  /* the same while the disk is so full that there is no ballast */

/* ---- one transaction ---- */

static int applier_buffer(struct applier *a, size_t n)
{
	uint8_t *p;

	if (n <= a->cap)
		return 0;
	p = realloc(a->buf, n);
	if (!p)
		return -ENOMEM;
	a->buf = p;
	a->cap = n;
	return 0;
}

/* Where a run of records ended. */
struct applier_run {
	uint64_t seq, position;
};

/* Folds whole records of [position, head) into the batch, at most APPLIER_RUN bytes. */
static int applier_fold(struct store *s, uint64_t head, struct applier_run *end)
{
	struct applier *a = &s->applier;
	size_t n = head - end->position < APPLIER_RUN ? (size_t)(head - end->position) : APPLIER_RUN;
	size_t at = 0;
	int rc = applier_buffer(a, n);

	if (!rc)
		rc = ring_read(&s->ring, end->position, a->buf, n);
	while (!rc && at < n) {
		struct record_head h;
		size_t len = record_check(a->buf + at, n - at, s->ring.salt, end->seq + 1, &h);
		size_t padded = (len + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1);

		if (!len)
			break;
		requests_note(&s->requests, &h);
		rc = batch_add(&a->batch, a->buf + at, len);
		at += padded;
		end->seq++;
	}
	end->position += at;
	return rc ? rc : at ? 0 : -EUCLEAN;
}

static int applier_write(struct store *s, const struct applier_run *end)
{
	struct writer *w = &s->writer;
	int rc = writer_begin(w);

	if (!rc)
		rc = writer_apply(w, &s->applier.batch);
	if (!rc)
		rc = writer_meta(w, "applied", end->seq);
	if (!rc)
		rc = writer_meta(w, "ring_position", end->position);
	if (!rc)
		rc = writer_meta(w, "named_data", stock_named(s));
	if (!rc)
		rc = requests_write(&s->requests, w->db);
	if (!rc)
		rc = writer_commit(w);
	if (rc)
		writer_rollback(w);
	else
		s->requests.dirty = false;
	return rc;
}

static void applier_keep_dead(struct applier *a)
{
	const struct batch *b = &a->batch;

	if (a->ndead + b->ngone > a->cap_dead) {
		size_t cap = (a->ndead + b->ngone) * 2;
		uint64_t *p = realloc(a->dead, cap * sizeof(*p));

		if (!p)
			return; /* the next sweep finds them */
		a->dead = p;
		a->cap_dead = cap;
	}
	if (b->ngone)
		memcpy(a->dead + a->ndead, b->gone, b->ngone * sizeof(*a->dead));
	a->ndead += b->ngone;
}

static void applier_publish(struct store *s, const struct applier_run *end)
{
	struct applier *a = &s->applier;

	__atomic_store_n(&s->order[0].blank, false, __ATOMIC_RELEASE);
	reader_changed(s->order[0].reader); /* before anybody can rely on it */
	pthread_mutex_lock(&a->lock);
	__atomic_store_n(&a->position, end->position, __ATOMIC_RELEASE);
	__atomic_store_n(&a->visible, end->seq, __ATOMIC_RELEASE);
	a->checkpointed = false;
	pthread_cond_broadcast(&a->done);
	pthread_mutex_unlock(&a->lock);
}

static void applier_stuck(struct store *s, bool stuck)
{
	if (__atomic_exchange_n(&s->stuck, stuck, __ATOMIC_SEQ_CST) == stuck)
		return;
	pthread_mutex_lock(&s->applier.lock);
	pthread_cond_broadcast(&s->applier.done);
	pthread_mutex_unlock(&s->applier.lock);
	pthread_mutex_lock(&s->ring.lock);
	pthread_cond_broadcast(&s->ring.room);
	pthread_mutex_unlock(&s->ring.lock);
}

bool applier_shrink_log(struct store *s)
{
	reader_relax(s->order[0].reader);
	return !writer_checkpoint(&s->writer, false, NULL);
}

/* With ever more help when the disk is full. */
static int applier_write_with_room(struct store *s, const struct applier_run *end)
{
	int rc = applier_write(s, end);

	if (store_no_space(rc) && applier_shrink_log(s))
		rc = applier_write(s, end);
	if (store_no_space(rc) && s->ballast) {
		reserve_release(s);
		applier_shrink_log(s);
		rc = applier_write(s, end);
	}
	if (store_no_space(rc) && stock_remove_now(s))
		rc = applier_write(s, end);
	if (store_no_space(rc) && room_remove_dead(s, &s->applier.batch))
		rc = applier_write(s, end);
	return rc;
}

/* One run of records. */
static int applier_run(struct store *s, uint64_t head)
{
	struct applier *a = &s->applier;
	struct applier_run end = { a->visible, a->position };
	int rc;

	batch_reset(&a->batch);
	rc = applier_fold(s, head, &end);
	if (rc)
		return rc;
	batch_sort(&a->batch);
	rc = applier_write_with_room(s, &end);
	if (rc)
		return rc;
	applier_keep_dead(a);
	applier_publish(s, &end);
	applier_stuck(s, false);
	if (!s->ballast && s->writer.log_pages > APPLIER_LOG_TIGHT && applier_shrink_log(s))
		s->writer.log_pages = 0;
	return 0;
}

int applier_drain_locked(struct store *s)
{
	uint64_t head = ring_head(&s->ring);
	int rc = store_failed(s) ? -EROFS : 0;

	while (!rc && s->applier.position < head)
		rc = applier_run(s, head);
	if (store_no_space(rc))
		applier_stuck(s, true);
	else if (rc && rc != -EBUSY && rc != -EROFS)
		store_fail(s, rc, "writing the index");
	return rc;
}

int applier_flush_locked(struct store *s)
{
	struct applier *a = &s->applier;
	uint64_t visible = a->visible, position = a->position;
	int rc = store_failed(s) ? -EROFS : 0;

	if (rc || (a->flushed == visible && !a->ndead))
		return rc;
	rc = birth_locked(s);
	if (!rc && !s->is_volatile)
		rc = stock_flush_names(s);
	if (!rc)
		rc = writer_flush(&s->writer);
	if (rc) {
		store_fail(s, rc, "flushing the index");
		return rc;
	}
	pthread_mutex_lock(&a->lock);
	__atomic_store_n(&a->flushed, visible, __ATOMIC_RELEASE);
	a->flushes++;
	a->undurable_since = 0;
	pthread_cond_broadcast(&a->done);
	pthread_mutex_unlock(&a->lock);
	ring_reclaim(&s->ring, position);
	stock_remove(s, a->dead, a->ndead);
	a->ndead = 0;
	return 0;
}

static void applier_checkpoint_locked(struct store *s)
{
	int pages = 0, rc;

	reader_relax(s->order[0].reader);
	rc = writer_checkpoint(&s->writer, false, &pages);
	if (!rc || rc == -EBUSY) {
		s->applier.checkpointed = !pages;
		s->writer.log_pages = pages; /* what a reader holds up counts again from here */
	} else if (store_no_space(rc)) {
		reserve_release(s);
	} else {
		store_fail(s, rc, "checkpointing the index");
	}
}

/* ---- the thread ---- */

struct applier_look {
	int64_t now;
	bool pending;   /* records that are not applied */
	bool undurable; /* applied records whose commit is not flushed, or removals that wait for it */
	bool half;      /* half a ring is in use */
	bool checkpointed;
};

/* write_lock held. */
static struct applier_look applier_look_locked(struct store *s)
{
	struct applier *a = &s->applier;
	uint64_t head = ring_head(&s->ring);

	return (struct applier_look){
		.now = vn_mono_ns(),
		.pending = a->position < head,
		.undurable = a->flushed < a->visible || a->ndead,
		.checkpointed = a->checkpointed,
		.half = head - __atomic_load_n(&s->ring.tail, __ATOMIC_ACQUIRE) >= s->ring.size / 2,
	};
}

/* Half a ring is in use, or what is not durable has been so for as long as `commit=` allows. */
static bool applier_flush_due(const struct store *s, const struct applier_look *l)
{
	int64_t since = s->applier.undurable_since;

	return l->half || (since && l->now - since >= (int64_t)s->commit_s * VN_NS_PER_SEC - APPLIER_TICK);
}

/* Whether records are to be written now, or more are to be waited for. Once per look. */
static bool applier_apply_due_locked(struct store *s, const struct applier_look *l)
{
	struct applier *a = &s->applier;
	uint64_t head = ring_head(&s->ring);
	bool quiet = head == a->seen;

	a->seen = head;
	if (!l->pending && !l->undurable)
		a->undurable_since = 0;
	else if (!a->undurable_since)
		a->undurable_since = l->now;
	if (!l->pending || quiet)
		a->pending_since = 0;
	else if (!a->pending_since)
		a->pending_since = l->now;
	return a->awaited || quiet || applier_flush_due(s, l) ||
	       (a->pending_since && l->now - a->pending_since >= APPLIER_PATIENCE);
}

static bool applier_checkpoint_due(const struct store *s, const struct applier_look *l, bool quiet)
{
	if (quiet && !l->undurable && !s->applier.checkpointed)
		return true;
	return s->writer.log_pages > APPLIER_LOG_PAGES;
}

/* Sleeps until `until` (0: until kicked). applier.lock held. */
static void applier_sleep_locked(struct store *s, int64_t until)
{
	struct applier *a = &s->applier;

	if (until) {
		vn_cond_wait_until(&a->wake, &a->lock, until);
		return;
	}
	/* An append that does not see `idle` was published before the look that follows. */
	__atomic_store_n(&a->idle, true, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&a->position, __ATOMIC_SEQ_CST) >= __atomic_load_n(&s->ring.head, __ATOMIC_SEQ_CST))
		pthread_cond_wait(&a->wake, &a->lock);
	__atomic_store_n(&a->idle, false, __ATOMIC_SEQ_CST);
}

static bool applier_awaited_locked(const struct applier *a)
{
	return a->stop || a->kicked || a->settle;
}

/* Waits a tick, or for something to do. Returns false when it is time to end. */
static bool applier_wait(struct store *s, int64_t quiet_since, int rc)
{
	struct applier *a = &s->applier;
	struct applier_look l;
	int64_t until;
	bool idle, stop;

	pthread_mutex_lock(&s->write_lock);
	l = applier_look_locked(s);
	pthread_mutex_unlock(&s->write_lock);
	until = l.now + (rc ? APPLIER_RETRY : APPLIER_TICK);
	idle = !rc && !l.pending && !l.undurable && l.checkpointed && l.now - quiet_since > APPLIER_LINGER;
	pthread_mutex_lock(&a->lock);
	if (store_failed(s)) {
		while (!a->stop)
			pthread_cond_wait(&a->wake, &a->lock);
	} else if (rc ? !a->stop : !applier_awaited_locked(a)) {
		applier_sleep_locked(s, idle ? 0 : until);
	}
	a->awaited = rc || applier_awaited_locked(a);
	__atomic_store_n(&a->kicked, false, __ATOMIC_RELAXED);
	stop = a->stop;
	pthread_mutex_unlock(&a->lock);
	return !stop;
}

static int applier_reserve(struct store *s)
{
	struct applier *a = &s->applier;
	int rc = numbers_reserve_locked(s, false);

	if (store_no_space(rc) && s->ballast) {
		reserve_release(s);
		rc = numbers_reserve_locked(s, false);
	}
	if (store_no_space(rc))
		applier_stuck(s, true);
	pthread_mutex_lock(&a->lock);
	if (!rc)
		__atomic_store_n(&a->reserve, false, __ATOMIC_RELAXED);
	pthread_cond_broadcast(&a->done);
	pthread_mutex_unlock(&a->lock);
	if (!rc)
		applier_stuck(s, false);
	return rc;
}

/* Gives back the memory of a busy time. */
static void applier_relax_locked(struct store *s)
{
	batch_fini(&s->applier.batch);
	free(s->applier.buf);
	s->applier.buf = NULL;
	s->applier.cap = 0;
	sqlite3_db_release_memory(s->writer.db);
}

/* Everything that is due now. `quiet`: nothing new came for a while. */
static int applier_work(struct store *s, bool quiet)
{
	struct applier_look l;
	int rc = 0;

	pthread_mutex_lock(&s->write_lock);
	if (!store_failed(s))
		rc = birth_locked(s);
	l = applier_look_locked(s);
	if (!rc && !store_failed(s) && __atomic_load_n(&s->applier.reserve, __ATOMIC_RELAXED))
		rc = applier_reserve(s);
	if (!rc && l.half) /* what is applied already gives room soonest */
		rc = applier_flush_locked(s);
	if (!rc && applier_apply_due_locked(s, &l)) {
		rc = applier_drain_locked(s);
		s->applier.pending_since = 0;
	}
	l = applier_look_locked(s);
	if (!rc && applier_flush_due(s, &l))
		rc = applier_flush_locked(s);
	if (!rc && applier_checkpoint_due(s, &l, quiet)) {
		applier_checkpoint_locked(s);
		reserve_rebuild(s);
		if (quiet)
			applier_relax_locked(s);
	}
	pthread_mutex_unlock(&s->write_lock);
	return rc;
}

static void *applier_main(void *arg)
{
	struct store *s = arg;
	uint64_t seen = store_visible(s);
	int64_t changed = vn_mono_ns();
	int rc = 0;

	while (applier_wait(s, changed, rc)) {
		rc = applier_work(s, vn_mono_ns() - changed > APPLIER_LINGER / 2);
		if (store_visible(s) != seen) {
			seen = store_visible(s);
			changed = vn_mono_ns();
		}
	}
	return NULL;
}

void applier_kick(struct store *s)
{
	struct applier *a = &s->applier;

	pthread_mutex_lock(&a->lock);
	if (!a->kicked) {
		__atomic_store_n(&a->kicked, true, __ATOMIC_RELAXED);
		pthread_cond_signal(&a->wake);
	}
	pthread_mutex_unlock(&a->lock);
}

void applier_appended(struct store *s)
{
	struct applier *a = &s->applier;
	uint64_t head = ring_head(&s->ring);
	uint64_t behind = head - __atomic_load_n(&a->position, __ATOMIC_RELAXED);
	uint64_t used = head - __atomic_load_n(&s->ring.tail, __ATOMIC_RELAXED);
	bool much = behind >= s->ring.size / 8 * 3 || used >= s->ring.size / 2;

	if (__atomic_load_n(&a->idle, __ATOMIC_SEQ_CST) || (much && !__atomic_load_n(&a->kicked, __ATOMIC_RELAXED)))
		applier_kick(s);
}

int applier_start(struct store *s)
{
	int rc;

	rc = pthread_create(&s->applier.thread, NULL, applier_main, s);
	s->applier.started = !rc;
	return -rc;
}

int applier_stop(struct store *s)
{
	struct applier *a = &s->applier;
	int rc;

	if (a->started) {
		pthread_mutex_lock(&a->lock);
		a->stop = true;
		pthread_cond_signal(&a->wake);
		pthread_mutex_unlock(&a->lock);
		pthread_join(a->thread, NULL);
		a->started = false;
	}
	pthread_mutex_lock(&s->write_lock);
	rc = applier_drain_locked(s);
	if (!rc)
		rc = applier_flush_locked(s);
	pthread_mutex_unlock(&s->write_lock);
	return rc;
}
