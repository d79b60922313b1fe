// SPDX-License-Identifier: Apache-2.0
/*
 * The first seconds of a new upper.
 *
 * Flushing a new upper takes ten times as long as making it, and a mount waits for
 * it. So it is made without a flush, marked `unborn` in `meta`, and served at once;
 * the store thread flushes it when it first looks around, and whoever asks for
 * durability before that does it. Until then nothing has been confirmed, so a power
 * cut may leave any part of it:
 *
 *	no index, or one without tables	it is made anew; whatever data files are there
 *				are swept, and numbers begin behind theirs
 *	an index that is clean	nothing counts but that
 *	an index in use		the ring is replayed as ever; one that is damaged or
 *				gone is made anew, as after a clean end
 *
 * Numbers that were given out and records that were written in the time that was lost
 * must not meet later ones: an unborn upper that is opened again skips a block of
 * numbers and takes an epoch of the journal that cannot be guessed (I2, J3).
 *
 * The ring's space is allocated when it is made; it is prewritten here (J1). An append
 * before that can meet a full disk, which fails it.
 */
#include "store/state.h"

#include "base/fd.h"
#include "base/scope.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static int birth_flush(struct store *s)
{
	int rc = index_flush(s->writer.db);

	if (!rc)
		rc = vn_fsync(s->ring.fd);
	return rc ? rc : vn_fsync(s->dirfd);
}

/* Not flushed: an upper that is taken for unborn once more loses nothing. */
static void birth_mark(struct store *s)
{
	struct writer *w = &s->writer;
	int rc = writer_begin(w);

	if (!rc)
		rc = writer_meta(w, "unborn", 0);
	if (!rc)
		rc = writer_commit(w);
	if (rc)
		writer_rollback(w);
}

int birth_locked(struct store *s)
{
	int rc;

	if (!__atomic_load_n(&s->unborn, __ATOMIC_ACQUIRE))
		return 0;
	rc = ring_prewrite_rest(&s->ring);
	if (!rc && !s->is_volatile)
		rc = birth_flush(s);
	if (rc) {
		store_fail(s, rc, "flushing a new upper");
		return rc;
	}
	birth_mark(s);
	__atomic_store_n(&s->unborn, false, __ATOMIC_RELEASE);
	return 0;
}

int birth_wait(struct store *s)
{
	vn_autounlock pthread_mutex_t *held = NULL;

	if (!__atomic_load_n(&s->unborn, __ATOMIC_ACQUIRE))
		return 0;
	held = vn_lock(&s->write_lock);
	return birth_locked(s);
}

void birth_again(struct store *s)
{
	uint32_t far = 0;

	if (getrandom(&far, sizeof(far), GRND_NONBLOCK) != sizeof(far))
		far = (uint32_t)getpid() << 12;
	s->journal_epoch += 1 + (uint64_t)far;
}
