// SPDX-License-Identifier: Apache-2.0
/*
 * What an opened store is made of. Private to src/store.
 *
 * Threads: callers of store.h; the store thread (applier.c), which alone writes
 * the index; the stock thread (stock.c), which makes data files in advance and
 * removes dead ones.
 *
 * Locks, in the order in which they may be taken:
 *	write_lock       the writing connection, the applied position, the chain
 *	ring.lock        appending
 *	applier.lock     requests to the store thread and their completion
 *	stock.names      flushing of new names
 *	stock.lock       stock and removals
 *	reader.lock      one delta's pool of connections
 *	state_lock       the read-only reason
 */
#ifndef STORE_STATE_H
#define STORE_STATE_H

#include "store/chain.h"
#include "store/reader.h"
#include "store/requests.h"
#include "store/ring.h"
#include "store/stock.h"
#include "store/writer.h"

#include "base/err.h"

#include <pthread.h>

/* One index with its data files: the head, a sealed delta, or another upper used as one. */
struct delta {
	uint64_t id;       /* of the sealed delta; what `source` names. The head's: what it will be called */
	char name[256];    /* snapshot's name; "" for the head and for uppers used as layers */
	int64_t sealed_at;
	char *path;        /* of the directory with index.db and data/ */
	int datafd;
	int lockfd;        /* shared lock of an upper used as a layer; -1 */
	uint64_t applied, next_ino; /* as its meta says */
	struct reader *reader;
	/*
	 * Atomic. A head that was made at this opening and has not had a batch yet holds no
	 * rows: nothing is read from it, so a mount that changes nothing never opens a
	 * second connection.
	 */
	bool blank;
};

struct numbers {
	uint64_t next;  /* atomic */
	uint64_t limit; /* atomic: reserved durably below this */
	uint64_t block;
	const char *key; /* in meta */
};

struct applier {
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t wake; /* to the thread; monotonic clock */
	pthread_cond_t done; /* from the thread: something became visible, durable or reserved */
	bool stop;
	bool kicked;  /* atomic */
	unsigned settle;  /* callers that wait for records to become visible */
	bool reserve;     /* atomic: numbers are running out */
	bool idle;        /* atomic: asleep without a limit, an append has to kick */
	uint64_t visible; /* atomic: sequence applied and committed */
	uint64_t position; /* atomic: ring position behind it */
	uint64_t flushed; /* atomic: sequence whose commit was flushed */
	uint64_t flushes; /* counts flushes of the log */
	uint64_t *dead;   /* data files whose removal awaits the next flush */
	size_t ndead, cap_dead;
	/* What follows belongs to write_lock, `awaited` to the thread. */
	bool awaited;            /* somebody wants records to be applied now */
	uint64_t seen;           /* the ring's head at the last look */
	int64_t pending_since;   /* since when records have been left to gather, 0: none */
	int64_t undurable_since; /* since when something has not been flushed, 0: all is */
	bool checkpointed; /* nothing was written since the last checkpoint */
	struct batch batch;
	uint8_t *buf;
	size_t cap;
};

struct store {
	char *path;
	int dirfd, lockfd;
	bool made_dir, making; /* while a new upper is being made: the directory, or its contents, are ours to undo */
	bool made;             /* its contents were made by this opening */
	bool has_head, readonly, is_volatile, clean_start, shared;
	bool unborn; /* atomic: what was made at opening has not been flushed (birth.c) */
	bool reborn; /* it was found so: data files of a lost time may be there */
	bool at_snapshot; /* order[0] is the snapshot that was asked for */
	uint8_t uuid[16];  /* of the head's index */
	uint8_t upper[16]; /* of the directory: the ring's identity */
	uint64_t epoch, journal_epoch;
	unsigned commit_s;
	struct delta *order; /* head first where there is one, then sealed deltas from the newest */
	size_t norder;
	struct chain_alias *aliases; /* of deltas that were merged into others */
	size_t naliases;
	size_t *parents; /* places in the order of config.parents; while opening */
	pthread_mutex_t write_lock;
	struct writer writer;
	struct ring ring;
	struct applier applier;
	struct stock stock;
	struct numbers inos, datas;
	bool stuck;  /* atomic: the index has no space (J9) */
	bool freed;  /* atomic: data files were given up since room was last made */
	int failed;  /* atomic: negative errno once the store turned read-only */
	pthread_mutex_t state_lock;
	char reason[512];
	bool ballast; /* `reserve` is there */
	struct requests requests; /* under write_lock */
	struct requests replayed; /* as they were at opening; never changes */
};

/* Turns the store read-only for good; the first reason stays. Wakes everybody who waits. */
void store_fail(struct store *s, int error, const char *what);
/* The same between head_begin and head_end, with ring.lock held. */
void store_fail_at_rest(struct store *s, int error, const char *what);
static inline int store_failed(const struct store *s)
{
	return __atomic_load_n(&s->failed, __ATOMIC_ACQUIRE);
}

/* applier.c */
int applier_start(struct store *s);
/* Applies what there is, flushes, stops the thread. */
int applier_stop(struct store *s);
void applier_kick(struct store *s);
/* Called after an append; wakes the thread only when there is reason to. */
void applier_appended(struct store *s);
/* Applies all records that are in the ring. write_lock held. */
int applier_drain_locked(struct store *s);
/* Moves the log into the index, for the room it takes. False: not all of it. write_lock held, no transaction. */
bool applier_shrink_log(struct store *s);
/* Flushes the index's log and reclaims ring space. write_lock held. */
int applier_flush_locked(struct store *s);

/* birth.c */
/* Prewrites and flushes a new upper that has not been. A failure turns the store read-only. write_lock held. */
int birth_locked(struct store *s);
/* The same for whoever needs durability; takes write_lock if there is anything to do. */
int birth_wait(struct store *s);
/* Before a new salt is begun over an upper that was left unborn. Nobody else is there yet. */
void birth_again(struct store *s);

/* numbers.c */
/* Reserves further blocks where needed; durable on return. write_lock held. */
int numbers_reserve_locked(struct store *s, bool force);
/* A number, or 0 when none can be had. Takes no lock unless a reservation has to be waited for. */
uint64_t numbers_next(struct store *s, struct numbers *n);

/* reserve.c */
int reserve_make(struct store *s);
/* False also for what is left of one that was given up. */
bool reserve_is_there(const struct store *s);
/* Gives it up but for its last part. */
void reserve_release(struct store *s);
/* That too: for coming to rest, and for opening again. False: there was nothing. */
bool reserve_release_last(struct store *s);
/* Makes it again where it was given up and there is plenty of space. */
void reserve_rebuild(struct store *s);

/* room.c */
/*
 * On a full disk: removes the data files that applied and waiting commits, and the batch, do without, after the
 * journal that says so is flushed. False: there is nothing more to try with. write_lock held.
 */
bool room_remove_dead(struct store *s, const struct batch *b);
/* The same while opening, for what the journal's records do without. */
bool room_remove_replayed(struct store *s, const struct batch *b);

/* recover.c */
/* Replays the journal after an unclean end and begins a new salt, durably. Nobody else is there yet. */
int recover_head(struct store *s, struct vn_err *err);

/* open.c */
/* Adds a delta behind the others; takes over path and lockfd also on failure. */
int store_add_delta(struct store *s, char *path, enum schema_mode mode, int lockfd, struct vn_err *err);
/* Is this an index of ours, of a format that is known? path is the directory, for the sentence. */
int index_check_format(sqlite3 *db, const char *path, struct vn_err *err);
/* The sentence for an index that cannot be used. Returns rc. */
int index_error(int rc, const char *path, struct vn_err *err);
int index_uuid(sqlite3 *db, const char *key, uint8_t uuid[16]);

/* upper.c */
struct index_facts {
	const uint8_t *uuid, *upper;
	const char *parents; /* NULL: none */
	uint64_t next_ino, next_data, applied, epoch, journal_epoch;
	bool clean, unborn;
};
/* Makes an empty index.db with the right mode; leaves one that is there. */
int index_make_file(int dirfd, const char *name);
/* Makes the tables and facts of a new head, unflushed. */
int index_create(sqlite3 *db, const struct index_facts *f);
/* Flushes an index and its log. */
int index_flush(sqlite3 *db);
/* Opens the head's index for writing, its ring and its data; makes them for a new upper. The head is order[0]. */
int upper_open_head(struct store *s, const struct store_config *config, const size_t *at, struct vn_err *err);

/* parents.c */
/*
 * Makes sure that another upper is at rest with nothing in its journal, and
 * takes a shared lock of it. Returns the lock's fd.
 */
int upper_rest(const char *path, unsigned wait_ms, struct vn_err *err);
/* Opens config's parents and their chains behind what is there; at[i]: the place of parent i in the order. */
int parents_open(struct store *s, const struct store_config *config, size_t *at, struct vn_err *err);
/* What is recorded of n parents; malloc()ed. */
int parents_text(struct store *s, const size_t *at, size_t n, char **text);
/* The paths in what is recorded, which is cut up for it. Returns how many. */
int parents_paths(char *recorded, const char **paths, size_t max);
/* Compares what the upper `who` was made over with the parents that are given. -ENOTUNIQ, -ESTALE. */
int parents_match(struct store *s, const char *who, const char *recorded, const size_t *at, size_t n,
		  struct vn_err *err);
int delta_meta_text(struct delta *d, const char *key, char **text);

/* The delta of an id, also of one that was merged; 0 is the head. NULL: not of this chain. */
struct delta *store_delta(struct store *s, uint64_t id);
int store_add_alias(struct store *s, uint64_t from, uint64_t to);
void delta_fini(struct delta *d);

/* fork_place.c */
/* The path of a directory that need not exist, from the root; malloc()ed, NULL: no memory. */
char *fork_absolute(const char *dir);
/* The same without symlinks in it; what it lies in has to exist. malloc()ed, NULL with a sentence. */
char *fork_real(const char *dir, struct vn_err *err);
/* Where the fork for an absolute place is built; malloc()ed, NULL: no memory. */
char *fork_building(const char *place);
/*
 * Can a fork be put there? *place: its path, as fork_real(). -EEXIST: something is there; -EINVAL: it would lie in an
 * upper, or has no name.
 */
int fork_check_place(const char *dir, char **place, struct vn_err *err);
/* Makes the directory to build in, and empties and locks it. Returns a descriptor that holds the lock. -EBUSY: another builds. */
int fork_begin_building(const char *path);

/* chain.c */
/* Opens the sealed deltas of an upper behind what is there. */
int chain_load(struct store *s, const char *upper, struct vn_err *err);

/* layout.c */
/* Finds the directory, or makes it. -ENOTEMPTY: something else is in it. */
int layout_open(struct store *s, const struct store_config *config, struct vn_err *err);
/* Removes what the making of a new upper that failed has left. */
void layout_undo(struct store *s);
/* Takes the upper for writing. */
int layout_lock(struct store *s, const struct store_config *config, struct vn_err *err);
/* Takes a shared lock of another upper. -EBUSY: it is being served. Returns the fd. */
int layout_lock_shared(const char *path, unsigned wait_ms, struct vn_err *err);
void layout_unlock(struct store *s);
int layout_uuid_new(uint8_t uuid[16]);
void layout_uuid_format(const uint8_t uuid[16], char out[33]);
int layout_uuid_parse(const char *text, uint8_t uuid[16]);
/* The id of the delta whose index has this uuid: never 0, fits a signed 64-bit integer. */
uint64_t layout_delta_id(const uint8_t uuid[16]);

#endif
