// SPDX-License-Identifier: Apache-2.0
/*
 * Room on a full disk.
 *
 * A data file that is not needed any more goes after the commit that says so has
 * been flushed (D3). That commit needs space itself: first that of the ballast,
 * and when that is used up, of the very files that wait for it. They may go
 * before it when the journal is on the disk: whatever dies then, replay finds
 * the records, and no row that names such a file outlives it. What took the
 * place of such a file is flushed first (J10).
 *
 * Whoever needs space and finds none while files wait to be removed does not
 * fail, but has it done at once: else a write behind an unlink would depend on
 * when the store thread comes.
 */
#include "store/state.h"

#include "store/data.h"

#include "base/fd.h"

static bool room_flush(struct store *s, const struct batch *b)
{
	if (s->is_volatile)
		return true;
	for (size_t i = 0; i < b->nflush; i++) {
		if (!batch_is_gone(b, b->flush[i]) && data_flush(s->order[0].datafd, b->flush[i]))
			return false;
	}
	return true;
}

static bool room_unlink(struct store *s, const uint64_t *numbers, size_t n)
{
	bool some = false;

	for (size_t i = 0; i < n; i++)
		some |= !data_unlink(s->order[0].datafd, numbers[i]);
	return some;
}

bool room_remove_dead(struct store *s, const struct batch *b)
{
	const struct applier *a = &s->applier;
	bool some;

	if (!b->ngone && !a->ndead)
		return false;
	if (!room_flush(s, b) || (!s->is_volatile && ring_flush(&s->ring, ring_seq(&s->ring))))
		return false;
	some = room_unlink(s, a->dead, a->ndead);
	return room_unlink(s, b->gone, b->ngone) || some;
}

bool room_remove_replayed(struct store *s, const struct batch *b)
{
	if (!b->ngone || !room_flush(s, b) || (!s->is_volatile && vn_fdatasync(s->ring.fd)))
		return false;
	return room_unlink(s, b->gone, b->ngone);
}

bool store_make_room(struct store *s)
{
	bool waited = pthread_mutex_trylock(&s->write_lock) != 0; /* for somebody who did it, perhaps */
	bool some;
	int rc = 0;

	if (waited)
		pthread_mutex_lock(&s->write_lock);
	some = __atomic_exchange_n(&s->freed, false, __ATOMIC_SEQ_CST);
	if (some)
		rc = applier_drain_locked(s);
	if (some && !rc)
		rc = applier_flush_locked(s);
	pthread_mutex_unlock(&s->write_lock);
	if (some || waited)
		stock_remove_now(s);
	return (some && !rc) || (waited && !store_failed(s));
}
