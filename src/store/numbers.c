// SPDX-License-Identifier: Apache-2.0
/*
 * Inode numbers and data file numbers: counters of the upper that never go back
 * (rule I2). Blocks are reserved durably ahead of use, by the store thread while
 * there is plenty left, so a number costs one addition.
 */
#include "store/state.h"

#include <errno.h>

static uint64_t numbers_left(const struct numbers *n)
{
	uint64_t next = __atomic_load_n(&n->next, __ATOMIC_RELAXED);
	uint64_t limit = __atomic_load_n(&n->limit, __ATOMIC_ACQUIRE);

	return next < limit ? limit - next : 0;
}

/* Writes the end of the block that comes next to *limit and to meta. */
static int numbers_block(struct store *s, struct numbers *n, uint64_t *limit)
{
	uint64_t next = __atomic_load_n(&n->next, __ATOMIC_RELAXED);

	*limit = (n->limit > next ? n->limit : next) + n->block;
	return writer_meta(&s->writer, n->key, *limit);
}

static void numbers_grant(struct numbers *n, uint64_t limit)
{
	__atomic_store_n(&n->limit, limit, __ATOMIC_RELEASE);
}

int numbers_reserve_locked(struct store *s, bool force)
{
	bool ino = force || numbers_left(&s->inos) < s->inos.block / 2;
	bool data = force || numbers_left(&s->datas) < s->datas.block / 2;
	uint64_t ino_limit = 0, data_limit = 0;
	int rc;

	if (!ino && !data)
		return 0;
	rc = writer_begin(&s->writer);
	if (!rc && ino)
		rc = numbers_block(s, &s->inos, &ino_limit);
	if (!rc && data)
		rc = numbers_block(s, &s->datas, &data_limit);
	if (!rc)
		rc = writer_commit(&s->writer);
	if (!rc)
		rc = writer_flush(&s->writer);
	if (rc) {
		writer_rollback(&s->writer);
		return rc;
	}
	if (ino)
		numbers_grant(&s->inos, ino_limit);
	if (data)
		numbers_grant(&s->datas, data_limit);
	return 0;
}

/* Waits until `number` is covered by a reservation. */
static bool numbers_wait(struct store *s, struct numbers *n, uint64_t number)
{
	struct applier *a = &s->applier;
	bool covered;

	pthread_mutex_lock(&a->lock);
	while (number >= __atomic_load_n(&n->limit, __ATOMIC_ACQUIRE) && a->started && !a->stop && !store_failed(s) &&
	       !__atomic_load_n(&s->stuck, __ATOMIC_ACQUIRE)) {
		__atomic_store_n(&a->reserve, true, __ATOMIC_RELAXED);
		__atomic_store_n(&a->kicked, true, __ATOMIC_RELAXED);
		pthread_cond_signal(&a->wake);
		pthread_cond_wait(&a->done, &a->lock);
	}
	covered = number < __atomic_load_n(&n->limit, __ATOMIC_ACQUIRE);
	pthread_mutex_unlock(&a->lock);
	return covered;
}

uint64_t numbers_next(struct store *s, struct numbers *n)
{
	uint64_t number = __atomic_fetch_add(&n->next, 1, __ATOMIC_RELAXED);
	uint64_t limit = __atomic_load_n(&n->limit, __ATOMIC_ACQUIRE);

	if (__builtin_expect(number + n->block / 2 < limit, 1))
		return number;
	if (number >= limit)
		return numbers_wait(s, n, number) ? number : 0;
	if (number == limit - n->block / 2) {
		__atomic_store_n(&s->applier.reserve, true, __ATOMIC_RELAXED);
		applier_kick(s);
	}
	return number;
}

uint64_t store_next_ino(struct store *s)
{
	if (s->readonly || store_failed(s))
		return 0;
	return numbers_next(s, &s->inos);
}

uint64_t store_epoch(const struct store *s)
{
	return s->epoch;
}
