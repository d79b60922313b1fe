// SPDX-License-Identifier: Apache-2.0
/*
 * Reading ahead in the lowers. A walk over layers that are not in the page cache
 * waits for the disk at every directory of every layer, one after another, and
 * the disk waits for the walk in between. Whoever sees a walk (overlay/walk.h)
 * says here which directories will be wanted next; a few threads then open them,
 * read them and look at what is in them, and throw the answers away: all that it
 * changes is what the host has in its caches. So there is nothing to keep right,
 * no lock that a request could wait for but for the moment of queueing, and a
 * directory that is not there, or is another one because of a redirect, is no
 * matter.
 *
 * Terms
 *
 *	part     one layer's directory, as everywhere in the base: what a thread reads
 *	         at a time
 *	cold     reading it slept, for a disk or a network
 *	heat     how many parts are worth reading ahead still: full whenever one was
 *	         cold, one less with each that was not. None is read while it is 0, so
 *	         layers in memory cost nothing
 *	credit   how many directories that nobody asked for, but that lie in those
 *	         asked for, may be read still
 *
 * Bounds: AHEAD_THREADS threads, started when they are first needed;
 * AHEAD_QUEUE parts wait, what comes then is forgotten; AHEAD_NAMES names of a
 * part are looked at, AHEAD_DEPTH levels below what was asked for. A part that
 * was asked for a few seconds ago is not read again. Bytes are read of small files
 * only, a bounded number of them for each time that somebody asks; the host does
 * that by itself, so no thread waits for it.
 *
 * A thread that hangs in a lower that has gone (a dead network file system) is
 * left behind at the end, with what it uses.
 */
#ifndef LOWER_AHEAD_H
#define LOWER_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lower/base.h"

struct layer;
struct ahead;

enum { AHEAD_THREADS = 8, AHEAD_QUEUE = 2048, AHEAD_NAMES = 16384, AHEAD_DEPTH = 2 };
/* Of files: so many names at a time, not larger than this, and so many bytes of one part. */
enum { AHEAD_FILES = BASE_AHEAD_FILES, AHEAD_FILE_MAX = 128 << 10, AHEAD_BYTES = 8 << 20 };

/* What there is to say of it: tests and measurements. */
struct ahead_stats {
	uint64_t parts; /* read, or being read */
	uint64_t names; /* looked at */
	uint64_t files; /* whose bytes were asked for */
	unsigned threads;
};

/* No thread yet. layers, by number, are borrowed until ahead_free() succeeded. NULL: no memory. */
struct ahead *ahead_new(struct layer *layers);
/*
 * Ends the threads, drops what waits and frees it. False: a thread hangs in a
 * lower; then nothing was freed, and the layers must stay. It may be tried again.
 */
bool ahead_free(struct ahead *a);

/* How often this thread has slept until now: the difference over a piece of work tells whether that was cold. */
long ahead_sleeps(void);
/* A request has read a directory of so many parts, and slept so often meanwhile. */
void ahead_felt(struct ahead *a, size_t parts, long sleeps);
/* Would reading ahead save time? One load. */
bool ahead_is_useful(const struct ahead *a);
/* A directory that will be wanted. */
struct ahead_wish {
	const char *path; /* below the layers' roots; borrowed */
	uint64_t hash;    /* its own */
	const uint16_t *layers;
	size_t nlayers;
	unsigned credit; /* what may be read in it besides */
	bool data;       /* not the names: the bytes of its small files */
	unsigned from;   /* of them those behind so many names of each part */
	bool soon;       /* before everything that waits */
};

/* Asks for a directory. False: the queue is full. Takes the queue's lock, a leaf. */
bool ahead_ask(struct ahead *a, const struct ahead_wish *w);
void ahead_stats(struct ahead *a, struct ahead_stats *out);

#endif
