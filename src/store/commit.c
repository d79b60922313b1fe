// SPDX-License-Identifier: Apache-2.0
/* The request path: committing a change, and asking how far the journal has come. */
#include "store/state.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void fail_note(struct store *s, int error, const char *what)
{
	int none = 0;

	pthread_mutex_lock(&s->state_lock);
	if (__atomic_compare_exchange_n(&s->failed, &none, error ? error : -EIO, false, __ATOMIC_SEQ_CST,
					__ATOMIC_SEQ_CST))
		snprintf(s->reason, sizeof(s->reason),
			 "the upper %s is read-only since %s failed (%s); unmount, check the disk, and mount again",
			 s->path ? s->path : "", what, strerror(-error));
	pthread_mutex_unlock(&s->state_lock);
	pthread_mutex_lock(&s->applier.lock);
	pthread_cond_broadcast(&s->applier.done);
	pthread_mutex_unlock(&s->applier.lock);
}

void store_fail(struct store *s, int error, const char *what)
{
	fail_note(s, error, what);
	pthread_mutex_lock(&s->ring.lock);
	pthread_cond_broadcast(&s->ring.room);
	pthread_mutex_unlock(&s->ring.lock);
}

void store_fail_at_rest(struct store *s, int error, const char *what)
{
	fail_note(s, error, what);
	pthread_cond_broadcast(&s->ring.room);
}

bool store_readonly(const struct store *s)
{
	return s->readonly || store_failed(s);
}

const char *store_readonly_reason(struct store *s)
{
	const char *reason = NULL;

	pthread_mutex_lock(&s->state_lock);
	if (s->failed)
		reason = s->reason;
	pthread_mutex_unlock(&s->state_lock);
	return reason;
}

/* What stays free for changes that give space back (J9). */
static uint64_t commit_keep(const struct store *s, const struct store_change *c)
{
	return c->flags & STORE_CHANGE_FREES ? 0 : s->ring.size / 4;
}

/*
 * Waits for room, in the order of the append lock. While the index has no space
 * nothing will be reclaimed soon, so whoever needs space is told at once.
 */
static int commit_room_locked(struct store *s, const struct store_change *c)
{
	uint64_t keep = commit_keep(s, c);

	for (;;) {
		bool fits = ring_fits_locked(&s->ring, c->len, keep);

		if (store_failed(s))
			return -EROFS;
		if (__atomic_load_n(&s->stuck, __ATOMIC_ACQUIRE) && (!fits || keep))
			return -ENOSPC;
		if (fits)
			return 0;
		applier_kick(s);
		pthread_cond_wait(&s->ring.room, &s->ring.lock);
	}
}

static int commit_append(struct store *s, struct store_change *c, uint64_t *seq)
{
	int rc;

	pthread_mutex_lock(&s->ring.lock);
	rc = commit_room_locked(s, c);
	if (!rc)
		rc = ring_append_locked(&s->ring, c->buf, c->len, c);
	if (!rc && seq)
		*seq = s->ring.seq;
	pthread_mutex_unlock(&s->ring.lock);
	if (!rc && c->flags & STORE_CHANGE_DATA_GONE)
		__atomic_store_n(&s->freed, true, __ATOMIC_SEQ_CST);
	return rc;
}

int store_commit(struct store *s, struct store_change *c, uint64_t *seq)
{
	int rc = 0;

	if (c->failed)
		rc = -ENOMEM;
	else if (s->readonly)
		rc = -EROFS;
	else if (c->len > RECORD_MAX || c->len > s->ring.size / 4)
		rc = -E2BIG;
	if (!rc)
		rc = commit_append(s, c, seq);
	if (store_no_space(rc) && store_make_room(s))
		rc = commit_append(s, c, seq);
	if (!rc)
		applier_appended(s);
	store_change_drop(c);
	return rc;
}

uint64_t store_visible(struct store *s)
{
	return __atomic_load_n(&s->applier.visible, __ATOMIC_ACQUIRE);
}

uint64_t store_durable(struct store *s)
{
	uint64_t index = __atomic_load_n(&s->applier.flushed, __ATOMIC_ACQUIRE);
	uint64_t ring = s->readonly ? 0 : ring_flushed(&s->ring);

	return index > ring ? index : ring;
}

/* Waits for the store thread to make everything up to seq visible. */
static int settle_visible(struct store *s, uint64_t seq)
{
	struct applier *a = &s->applier;

	pthread_mutex_lock(&a->lock);
	a->settle++;
	__atomic_store_n(&a->kicked, true, __ATOMIC_RELAXED);
	pthread_cond_signal(&a->wake);
	while (store_visible(s) < seq && a->started && !store_failed(s) &&
	       !__atomic_load_n(&s->stuck, __ATOMIC_ACQUIRE))
		pthread_cond_wait(&a->done, &a->lock);
	a->settle--;
	pthread_mutex_unlock(&a->lock);
	if (store_visible(s) >= seq)
		return 0;
	return store_failed(s) ? -EROFS : -ENOSPC;
}

static int settle_durable(struct store *s, uint64_t seq)
{
	int rc;

	if (s->is_volatile || store_durable(s) >= seq)
		return 0;
	rc = birth_wait(s);
	if (!rc)
		rc = stock_flush_names(s);
	if (!rc)
		rc = ring_flush(&s->ring, seq);
	if (rc)
		store_fail(s, rc, "flushing the journal");
	return rc;
}

int store_settle(struct store *s, bool durable)
{
	uint64_t seq;
	int rc;

	if (s->readonly)
		return 0;
	seq = ring_seq(&s->ring);
	rc = settle_visible(s, seq);
	if (store_no_space(rc) && store_make_room(s))
		rc = settle_visible(s, seq);
	return rc || !durable ? rc : settle_durable(s, seq);
}

static int fsync_data(int fd, bool datasync)
{
	int rc = fd < 0 ? 0 : datasync ? vn_fdatasync(fd) : vn_fsync(fd);

	return rc;
}

int store_fsync(struct store *s, int fd, bool datasync, uint64_t seq)
{
	bool journal;
	int rc;

	if (s->is_volatile || s->readonly)
		return 0;
	if (store_failed(s))
		return store_failed(s);
	journal = seq > store_durable(s);
	/* The journal's pages are on their way while the data is waited for. */
	if (journal && fd >= 0)
		sync_file_range(s->ring.fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	rc = fsync_data(fd, datasync);
	if (rc)
		store_fail(s, rc, "flushing a data file");
	if (!rc && journal)
		rc = settle_durable(s, seq);
	return rc;
}

/* One call for the data of every file written, in whatever order. */
static int flush_files(int dirfd)
{
	return syncfs(dirfd) < 0 ? -errno : 0;
}

int store_flush_data(struct store *s)
{
	int rc;

	if (s->is_volatile || s->readonly)
		return 0;
	if (store_failed(s))
		return store_failed(s);
	rc = flush_files(s->dirfd);
	if (rc)
		store_fail(s, rc, "flushing the data files");
	return rc;
}

bool store_replayed(struct store *s, uint64_t session, uint64_t unique, uint64_t *reply)
{
	return requests_find(&s->replayed, session, unique, reply);
}

int store_dirfd(const struct store *s)
{
	return s->dirfd;
}
