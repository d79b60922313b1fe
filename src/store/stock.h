// SPDX-License-Identifier: Apache-2.0
/*
 * Data files made in advance and dead ones removed, both by a thread of their
 * own, so that neither a create nor an unlink pays for the host's directories.
 * Making one costs more than everything else in a create together.
 */
#ifndef STORE_STOCK_H
#define STORE_STOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STOCK_MAX 64

struct store;

struct stock_file {
	uint64_t number;
	int fd;
};

struct stock {
	pthread_t thread;
	bool started;
	pthread_mutex_t names; /* held while directories are flushed: who comes second waits for the first */
	pthread_mutex_t lock;
	pthread_cond_t wake, idle;
	bool stop, busy;
	bool removing; /* the thread unlinks what it took from `dead` */
	struct stock_file files[STOCK_MAX];
	size_t nfiles;
	size_t want;      /* how many to keep; grows as they are used up */
	uint64_t *dead;   /* data files to remove; no committed row names them */
	size_t ndead, cap_dead;
	uint64_t made_low, made_high; /* data files made since their directories were flushed: [low, high) */
	uint64_t named[2];   /* no name of a file below [0] is lost in a power cut; the next flush makes [1] of it */
	bool trash;          /* trash/ is to be removed */
	uint64_t sweep_below; /* stray files below this number are looked for; 0: done */
	uint64_t *rows;      /* until then: the data files that rows named at opening */
	size_t nrows, cap_rows;
};

void stock_init(struct stock *k);
int stock_start(struct store *s);
/*
 * Waits for pending removals, removes the unused files, stops the thread. May be called again, for removals that were
 * handed over since.
 */
void stock_stop(struct store *s);
void stock_fini(struct stock *k);
/* Hands numbers over for removal. Forgets them when there is no memory: the next sweep finds them. */
void stock_remove(struct store *s, const uint64_t *numbers, size_t n);
/*
 * Removes here and now what was handed over and has not been. True: there was something. Waits for the disk and for
 * nobody who waits for a lock, so write_lock may be held.
 */
bool stock_remove_now(struct store *s);
/*
 * With the thread stopped and every record applied: no data file is left in the head that no row names, but for those
 * in use. What could not be removed stays.
 */
void stock_settle(struct store *s);
/* Waits until all removals handed over are done. */
void stock_drain(struct store *s);
/* Remembers that the directory of a new data file is to be flushed. */
void stock_made(struct store *s, uint64_t number);
/* Flushes the directories of data files made since the last time: no durable row may outlive its file's name. */
int stock_flush_names(struct store *s);
/* Data files with numbers below this one have names that survive a power cut. */
uint64_t stock_named(struct store *s);
/* All data files that there are by now have such names: after a recovery. */
void stock_all_named(struct store *s);
/* Starts the removal of trash/. */
void stock_empty_trash(struct store *s);
/* Starts a search for data files with numbers below `below` that no row names. Called at opening, before any change. */
void stock_sweep(struct store *s, uint64_t below);

#endif
