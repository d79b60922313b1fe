// SPDX-License-Identifier: Apache-2.0
/*
 * The journal's file: a prewritten ring of bytes.
 *
 * `journal` begins with a page that holds only what never changes (magic, the
 * upper's uuid, the size); the ring follows. Positions count bytes since the
 * current salt came into use; a position's place is its remainder by the size.
 * Records begin at multiples of RECORD_ALIGN and may run over the end of the
 * ring into its start.
 *
 * [tail, head) is in use. The store thread reads records from the ring itself:
 * the ring is its queue. Space before tail is free: what was there is durable
 * in the index (J7). A record counts only with the salt of this opening and the
 * sequence number that is due, so nothing old comes back to life (J3).
 */
#ifndef STORE_RING_H
#define STORE_RING_H

#include "store/record.h"

#include <pthread.h>

#define RING_HEADER 4096
#define RING_MIN (UINT64_C(256) << 10)
#define RING_DEFAULT (UINT64_C(8) << 20)
#define RING_MAX (UINT64_C(1) << 30)

struct ring {
	int fd; /* -1: not open */
	uint64_t size;
	uint64_t salt;
	pthread_mutex_t lock; /* the append lock: head, tail, seq, and the order of records (J2) */
	pthread_cond_t room;  /* tail or the store's state has changed */
	uint64_t head, tail;  /* written under lock, may be read without */
	uint64_t seq;         /* of the newest record; likewise */
	pthread_mutex_t flush_lock;
	pthread_cond_t flush_done;
	bool flushing;
	int flush_error;      /* sticky: a failed flush is never retried (J8) */
	uint64_t flushed;     /* every record up to this number is on the disk; may be read without the lock */
};

void ring_init(struct ring *r);
void ring_fini(struct ring *r);
/*
 * Makes `journal` in a directory, prewritten, its bytes on their way to the disk;
 * replaces one that is there. `later`: its space is only allocated, and
 * ring_prewrite_rest() will be called.
 */
int ring_create(int dirfd, const uint8_t uuid[16], uint64_t size, bool later);
/* Prewrites what lies ahead of the head, in the first round. Takes the append lock for a little at a time. */
int ring_prewrite_rest(struct ring *r);
/* Flushes a new journal, and the directory. */
int ring_flush_new(int dirfd);
/* Opens it. -EUCLEAN: not a journal, damaged or short; -ESTALE: of another upper; -EPROTONOSUPPORT: of a newer format. */
int ring_open(struct ring *r, int dirfd, const uint8_t uuid[16]);
/* The salt of an epoch of a head. */
uint64_t ring_salt(const uint8_t uuid[16], uint64_t epoch);
/* Begins a new salt: the ring is empty and the next record gets seq + 1. */
void ring_begin(struct ring *r, uint64_t salt, uint64_t seq);

/* Is there room for a record of len bytes while `keep` bytes stay free? Lock held. */
bool ring_fits_locked(const struct ring *r, size_t len, uint64_t keep);
/* Seals and writes the record at the head. Lock held; there is room. */
int ring_append_locked(struct ring *r, uint8_t *rec, size_t len, const struct store_change *c);
/* Reads n bytes at a position. */
int ring_read(const struct ring *r, uint64_t pos, uint8_t *buf, size_t n);
/* Gives back what lies before pos. */
void ring_reclaim(struct ring *r, uint64_t pos);
/* Flushes until record seq is on the disk; concurrent callers share. */
int ring_flush(struct ring *r, uint64_t seq);

static inline uint64_t ring_seq(const struct ring *r)
{
	return __atomic_load_n(&r->seq, __ATOMIC_ACQUIRE);
}

static inline uint64_t ring_head(const struct ring *r)
{
	return __atomic_load_n(&r->head, __ATOMIC_ACQUIRE);
}

static inline uint64_t ring_flushed(const struct ring *r)
{
	return __atomic_load_n(&r->flushed, __ATOMIC_ACQUIRE);
}

#endif
