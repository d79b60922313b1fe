// SPDX-License-Identifier: Apache-2.0
/*
 * The writable layer at rest: index.db, journal, data files, sealed deltas.
 *
 * An upper directory
 *
 *	lock           flock(2)ed by the server; holds its pid as text
 *	index.db       the head's index (SQLite, WAL)
 *	journal        the ring of records that are acknowledged and perhaps not yet in the index
 *	reserve        ballast, given up when the disk is full
 *	data/NN/N      data files by number (0600 in 0700)
 *	chain          the sealed deltas below the head, newest first; replaced atomically
 *	deltas/ID/     a sealed delta: index.db (journal_mode=DELETE, immutable) and data/
 *	refs/ID        another upper (a fork) depends on the deltas of this one
 *	next/, trash/  while a snapshot or rollback is under way; removed in the background
 *
 * Life of a change. A verb describes all that it changes as rows (struct
 * store_change), store_commit() appends them as one journal record (it fails
 * before anything is changed, or the change outlives the process) and returns
 * the record's sequence number; the verb then changes memory. The store thread
 * applies records in order, in large transactions. A reader of the index sees a
 * record once store_visible() has passed its number: until then whoever holds
 * the newer state in memory must keep it (rule M2).
 *
 * Identity. Inodes are addressed by number. The rows of the newest delta that
 * has them win: head first, then sealed deltas from the newest.
 *
 * All functions may be called from any thread unless they say otherwise, and
 * return 0 (or what they say) or a negative errno.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct vn_err;
struct store; /* an opened upper with its chain of sealed deltas */

#define STORE_INO_FIRST UINT64_C(1024)       /* first number of the writable layer */
#define STORE_INO_BASE (UINT64_C(1) << 52)   /* bit of the base's numbers */

/* ---- rows ---- */

enum store_data {
	STORE_NONE = 0,    /* no bytes: holes up to size */
	STORE_BELOW = 1,   /* all bytes are read below */
	STORE_PARTIAL = 2, /* the extents listed are in the data file, the rest is read below up to `below`, then zeros */
	STORE_FULL = 3,    /* the data file holds everything; its size is the truth while STORE_STALE is set */
};

/* store_inode.flags */
#define STORE_APPEND (1u << 0)
#define STORE_IMMUTABLE (1u << 1)
#define STORE_STALE (1u << 2)      /* FULL: size and mtime of the row are behind the data file */
#define STORE_XATTR_OWN (1u << 3)  /* the inode's xattrs are the rows of this delta; else they are read below */
#define STORE_NODUMP (1u << 4)
#define STORE_NOATIME (1u << 5)
#define STORE_GROUP (1u << 6)      /* a lower file with several names: nlink was counted from the host's */
#define STORE_META (1u << 7)       /* a client changed mode, owner, flags, xattrs or times of what lies below; not set by entry changes */

struct store_inode {
	uint64_t ino;
	uint64_t size;
	int64_t atime, mtime, ctime, btime; /* ns since the epoch */
	uint32_t mode, uid, gid, nlink;
	uint32_t rdev_major, rdev_minor;
	uint32_t flags;
	enum store_data state;
	uint64_t data;    /* number of the data file in the delta that holds this row; 0: none */
	uint64_t source;  /* id of the sealed delta whose row of this ino describes what is below; 0: the base (origin) */
	uint64_t below;   /* bytes readable below; never raised */
	const char *origin; /* base path without leading '/', "" is the base's root; NULL: nothing below */
	size_t origin_len;
};

/*
 * Turning a file FULL that was PARTIAL or BELOW: the record carries the row with
 * `below` still telling what could be read below, and store_change_data_flush().
 * A power cut before that flush then costs nothing: replay makes the row PARTIAL
 * again, with the bytes that the host shows (rule J4). `below` 0 says that
 * nothing below is needed any more (new, or truncated to 0).
 */

/* Extents of a PARTIAL file; a later row wins where they overlap in a record, rows in the index never overlap. */
#define STORE_EXTENT_DATA 1
#define STORE_EXTENT_ZERO 2 /* reads as zeros, whatever is below: punched holes */
#define STORE_EXTENT_NONE 0 /* forget what is recorded for this range (it reads below again) */

/* ---- open, close ---- */

struct store_config {
	const char *upper;            /* directory; created (0700) with `create`. NULL: read-only view of `parents` */
	bool create;
	bool readonly;                /* no lock is taken for writing, no journal thread: `upper` is only read */
	bool shared;                  /* with readonly: the upper may be served by another process; sees what is visible there */
	const char *snapshot;         /* with readonly: what was sealed under this name instead of the head */
	const char *const *parents;   /* uppers used as sealed deltas, top first, or NULL */
	size_t nparents;
	unsigned commit_s;            /* seconds between durable commits; 0: the default 5 */
	bool is_volatile;             /* no flushes; an unclean end is refused at the next open */
	uint64_t journal_size;        /* bytes of a new ring; 0: default 8 MiB */
	unsigned lock_wait_ms;        /* how long to wait for a server that is finishing; 0: default 5000 */
};

/*
 * Opens (and recovers) an upper. Replays the journal before it returns. On
 * failure *err has one sentence that names the thing and what to do:
 * -EBUSY (lock, with the holder's pid), -EUCLEAN (damage), -EROFS, -ENOSPC,
 * -ENOTUNIQ (an upper that is not over these parents), ...
 */
int store_open(const struct store_config *config, struct store **out, struct vn_err *err);

/*
 * The same, for who works on the upper alone: where config gives no parents, those that the upper was
 * made over are taken from where they were last. An upper that does not tell is opened as it is given.
 */
int store_open_recorded(const struct store_config *config, struct store **out, struct vn_err *err);
/* Applies and makes durable all that was committed, marks a clean end, removes dead data files, frees. The first failure is returned. */
int store_close(struct store *s);
/*
 * What this was opened for has failed before a client changed anything: store_close()
 * takes back what this opening has made, under its lock. The directory stays. An upper
 * that was there before is closed as ever.
 */
void store_unmake(struct store *s);
bool store_readonly(const struct store *s);      /* opened so, or turned so by a failed flush (rule J8) */
const char *store_readonly_reason(struct store *s); /* NULL or a sentence */

/* Small facts kept in the meta table of the head, or of the snapshot opened. get returns a malloc()ed string or NULL. */
char *store_meta_get(struct store *s, const char *key);
/* One fact, written at once and durably. */
int store_meta_set(struct store *s, const char *key, const char *value);

struct store_fact {
	char *key, *value;
};
/* n facts, all or none of them, with one flush. They stay the caller's. */
int store_meta_set_all(struct store *s, const struct store_fact *facts, size_t n);

/* ---- numbers ---- */

uint64_t store_next_ino(struct store *s);  /* never handed out twice, not after a crash or rollback; 0 on failure (read-only, disk full) */
uint64_t store_epoch(const struct store *s); /* of nodeids: raised by a rollback */

/* ---- changes ---- */

/*
 * A change is a whole operation as rows. It is built on the stack, holds small
 * ones inline, and must be finished by store_commit() or store_change_drop().
 * Builders cannot fail: an allocation failure is remembered and -ENOMEM comes
 * from store_commit().
 */
struct store_change {
	uint8_t *buf;
	size_t len, cap;
	bool failed;
	uint32_t flags;           /* STORE_CHANGE_*: what kind of space it may use */
	uint64_t session, unique; /* who asked (J6); 0: nobody */
	uint64_t reply;           /* essentials of the reply: the nodeid of the created object, or 0 */
	uint8_t inline_buf[512];
};

#define STORE_CHANGE_FREES (1u << 0) /* unlink, rmdir, truncate: may use the last quarter of the ring (J9) */
#define STORE_CHANGE_TIMES (1u << 1) /* only times or a stale mark: does not make a later fsync flush the journal (J8) */

#define STORE_CHANGE_DATA_GONE (1u << 2) /* set by store_change_data_gone() */

void store_change_init(struct store_change *c);
void store_change_drop(struct store_change *c);
bool store_change_empty(const struct store_change *c); /* nothing was added since init */
void store_change_inode(struct store_change *c, const struct store_inode *row);
void store_change_inode_gone(struct store_change *c, uint64_t ino); /* with its xattrs, symlink, extents, orphan row */
void store_change_stale(struct store_change *c, uint64_t ino);      /* sets STORE_STALE in the row */
void store_change_dentry(struct store_change *c, uint64_t parent, const char *name, size_t len, uint64_t ino); /* ino 0: whiteout */
void store_change_dentry_gone(struct store_change *c, uint64_t parent, const char *name, size_t len);
void store_change_dentries_gone(struct store_change *c, uint64_t parent); /* all rows of a directory: the whiteouts of a removed one */
void store_change_xattr(struct store_change *c, uint64_t ino, const char *name, const void *value, size_t size);
void store_change_xattr_gone(struct store_change *c, uint64_t ino, const char *name);
void store_change_symlink(struct store_change *c, uint64_t ino, const char *target, size_t len);
void store_change_extent(struct store_change *c, uint64_t ino, uint64_t start, uint64_t length, int kind);
void store_change_extents_gone(struct store_change *c, uint64_t ino, uint64_t from); /* everything at or above `from` */
void store_change_orphan(struct store_change *c, uint64_t ino, uint64_t session); /* unlinked but referenced */
void store_change_orphan_gone(struct store_change *c, uint64_t ino);
void store_change_baseino(struct store_change *c, uint64_t ino, const char *path, size_t len); /* recorded number of a base object: collisions, touched hard-link groups */
void store_change_seen(struct store_change *c, uint64_t ino, const char *path, size_t len);
void store_change_seen_gone(struct store_change *c, uint64_t ino);
/* The data file is removed by the store thread after the durable commit of this change (D3). */
void store_change_data_gone(struct store_change *c, uint64_t number);
/* The store thread flushes this data file before the transaction that holds this change commits: a rename onto a file, a truncation to 0 followed by a write (J10). */
void store_change_data_flush(struct store_change *c, uint64_t number);

/*
 * Appends the change to the journal. On success it is acknowledged: it survives
 * the death of the process, *seq (may be NULL) is its number, and c is empty
 * again. On failure (-ENOSPC, -EROFS, -EIO, -ENOMEM) nothing has happened and
 * c is empty. May wait for room in the ring. Callers that change the same rows
 * hold a lock of theirs across commit and their change of memory, so that the
 * order of records is the order of the changes.
 */
int store_commit(struct store *s, struct store_change *c, uint64_t *seq);

uint64_t store_visible(struct store *s); /* every record up to this number can be read in the index */
uint64_t store_durable(struct store *s); /* every record up to this number survives a power cut */
/* Waits until all records committed so far are visible (and, with `durable`, durable). */
int store_settle(struct store *s, bool durable);

/*
 * fsync of one inode: flushes fd (-1: none) and, when seq (its newest record
 * other than times) is not durable, the journal, in parallel. Concurrent calls
 * share a flush of the ring. Volatile uppers flush nothing.
 */
int store_fsync(struct store *s, int fd, bool datasync, uint64_t seq);
/*
 * Makes the bytes of all data files durable; records are store_settle()'s. A failed
 * flush turns the store read-only (J8). Nothing with is_volatile.
 */
int store_flush_data(struct store *s);

/*
 * Was this request of a session that outlived a server already carried out
 * (J6)? True: *reply as it was recorded. Known for the newest 1024 requests that
 * were recorded before the store was opened.
 */
bool store_replayed(struct store *s, uint64_t session, uint64_t unique, uint64_t *reply);

/* ---- reading (merged over head and sealed deltas; sees what is visible) ---- */

/*
 * The newest row. *delta (may be NULL) is the id of the sealed delta that holds
 * it, 0 for the head. row->origin is malloc()ed and belongs to the caller.
 * -ENOENT: no row anywhere.
 */
int store_read_inode(struct store *s, uint64_t ino, struct store_inode *row, uint64_t *delta);
/* The row of one delta (0: the head) only: what a `source` names. -ENOENT. */
int store_read_inode_at(struct store *s, uint64_t delta, uint64_t ino, struct store_inode *row);
/*
 * All names recorded for a directory, each once with its newest meaning (ino 0:
 * whiteout), in no order. `sealed` is what the sealed deltas alone say of the
 * name: whoever removes it in the head needs a whiteout over a
 * STORE_SEALED_NAME, none over a STORE_SEALED_WHITEOUT, and has to ask the base
 * when no sealed delta has a row. fn returns non-zero to stop (and that is
 * returned).
 */
enum store_sealed { STORE_SEALED_NOTHING, STORE_SEALED_NAME, STORE_SEALED_WHITEOUT };
typedef int (*store_dentry_fn)(void *arg, const char *name, size_t len, uint64_t ino, enum store_sealed sealed);
int store_read_dir(struct store *s, uint64_t parent, store_dentry_fn fn, void *arg);
/* What the newest row of a name says; *ino 0: whiteout. -ENOENT: no row anywhere. */
int store_read_name(struct store *s, uint64_t parent, const char *name, size_t len, uint64_t *ino);
/* Some name of ino: its parent, for directories the only one. -ENOENT. *name is malloc()ed (may be NULL). */
int store_read_parent(struct store *s, uint64_t ino, uint64_t *parent, char **name);
/* Every name of ino that a row tells, some twice. fn returns non-zero to stop, and that is returned. */
typedef int (*store_name_fn)(void *arg, uint64_t parent, const char *name);
int store_read_names(struct store *s, uint64_t ino, store_name_fn fn, void *arg);
/* Xattrs of the newest delta whose inode row has STORE_XATTR_OWN; -ENOENT when none has (they are the base's). */
typedef int (*store_xattr_fn)(void *arg, const char *name, const void *value, size_t size);
int store_read_xattrs(struct store *s, uint64_t ino, store_xattr_fn fn, void *arg);
ssize_t store_read_symlink(struct store *s, uint64_t ino, char *buf, size_t size); /* -ENOENT: not in any delta */
typedef int (*store_extent_fn)(void *arg, uint64_t start, uint64_t length, int kind);
int store_read_extents(struct store *s, uint64_t delta, uint64_t ino, store_extent_fn fn, void *arg); /* ascending */
typedef int (*store_baseino_fn)(void *arg, uint64_t ino, const char *path, size_t len);
int store_read_baseinos(struct store *s, store_baseino_fn fn, void *arg); /* all deltas, newest meaning of each path */
int store_read_all_seen(struct store *s, store_baseino_fn fn, void *arg); /* head only */
int store_read_seen(struct store *s, uint64_t ino, char **path);         /* head only; malloc()ed */
typedef int (*store_orphan_fn)(void *arg, uint64_t ino, uint64_t session);
int store_read_orphans(struct store *s, store_orphan_fn fn, void *arg);
int store_read_orphan(struct store *s, uint64_t ino, uint64_t *session); /* who keeps this one; -ENOENT: nobody */

/*
 * Every inode row and every dentry row (ino 0: whiteout) of head and sealed
 * deltas, each key once with its newest meaning, in no order. row->origin is
 * borrowed for the call. fn returns non-zero to stop (and that is returned).
 */
typedef int (*store_inode_fn)(void *arg, const struct store_inode *row);
int store_scan_inodes(struct store *s, store_inode_fn fn, void *arg);
typedef int (*store_scan_dentry_fn)(void *arg, uint64_t parent, const char *name, size_t len, uint64_t ino);
int store_scan_dentries(struct store *s, store_scan_dentry_fn fn, void *arg);

/* The same of the deltas newer than the sealed delta `since` only. -ENOENT: no such delta. */
int store_scan_inodes_since(struct store *s, uint64_t since, store_inode_fn fn, void *arg);
int store_scan_dentries_since(struct store *s, uint64_t since, store_scan_dentry_fn fn, void *arg);

/* ---- data files ---- */

/*
 * A new empty data file of the head, from a stock made in advance. The number
 * is never used twice; until a committed row names it it is swept as a stray at
 * the next open. *fd is the caller's, opened O_RDWR.
 */
int store_data_new(struct store *s, uint64_t *number, int *fd);
/* Gives a number back that no committed change names. */
void store_data_abandon(struct store *s, uint64_t number);
/* Opens a data file; delta 0 is the head (O_RDWR unless read-only), else O_RDONLY. Returns the fd, -ENOENT: damage. */
int store_data_open(struct store *s, uint64_t delta, uint64_t number);
/*
 * Has the data files that are not needed any more removed now, for somebody who met a full disk. True: there may be
 * room where there was none. It waits for the disk; no lock of the store may be held.
 */
bool store_make_room(struct store *s);
/* Is it an error of a full disk? */
static inline bool store_no_space(ssize_t rc)
{
	return rc == -ENOSPC || rc == -EDQUOT;
}
/* Of the file system that holds the upper; for statfs. */
int store_dirfd(const struct store *s);

/* ---- the chain ---- */

struct store_delta_info {
	uint64_t id;
	char name[256];     /* snapshot's name; "" for an upper used as a layer */
	int64_t sealed_at;  /* ns */
	uint64_t inodes, whiteouts, bytes; /* rows, and bytes in data files */
};

/*
 * Seals the head under `name` and starts a new one (S1, S3). The caller has
 * stopped all verbs and settled sizes; data numbers and rows of the old head are
 * from then on those of delta *id. Orphans move to the new head. Either the
 * state before or the state after, whatever dies. -EEXIST: the name is taken;
 * -EINVAL: it is empty, too long, or has '/', '@' or control characters.
 */
int store_seal(struct store *s, const char *name, uint64_t *id, struct vn_err *err);
/*
 * The same while files without rows are in use: unlinked, with n data files of the head
 * that nobody but the caller knows of. They go along with the new head and keep their numbers.
 */
int store_seal_in_use(struct store *s, const char *name, const uint64_t *numbers, size_t n, uint64_t *id,
		      struct vn_err *err);
/*
 * Goes back to a snapshot: the head and all newer snapshots are discarded, the
 * new head is empty over it, and store_epoch() is raised. The caller has stopped
 * all verbs and afterwards forgets everything it knows of the writable layer.
 * -ENOENT: no such snapshot. As for store_seal: before or after, whatever dies.
 */
int store_rollback(struct store *s, const char *name, struct vn_err *err);
/*
 * Deletes a snapshot: what it holds is merged with the next newer one; the newest
 * loses its name only, and is merged when there is a newer one. The state of the
 * tree and of all other snapshots stays. The caller has stopped all verbs; delta
 * ids that it holds stay valid, rows of sealed deltas it has to read anew. -ENOENT,
 * -EBUSY (another upper's).
 */
int store_snapshot_delete(struct store *s, const char *name, struct vn_err *err);
/*
 * Makes a new upper over what is sealed in another one, in constant time: it
 * reads the origin's deltas where they are (`copy`: has its own). The origin may
 * be served meanwhile when a snapshot is named; without one its head is sealed
 * first, so it must be free. -EEXIST, -ENOTEMPTY: `dir` is there and not empty;
 * -EINVAL: it would lie inside an upper; -EBUSY: another process makes it.
 */
struct store_fork {
	const char *origin;   /* an upper */
	const char *snapshot; /* name, or NULL for what the origin is now */
	const char *dir;      /* of the new upper */
	bool copy;
};
int store_fork(const struct store_fork *fork, struct vn_err *err);

enum store_fork_state {
	STORE_FORK_THERE,      /* in its place, or that cannot be told */
	STORE_FORK_BEING_MADE, /* or its making was cut short */
	STORE_FORK_AWAY,       /* not in its place: removed, moved, or its disk is not mounted */
};
struct store_fork_info {
	const char *id;    /* its identity, 16 hex digits */
	const char *place; /* where it was last opened; NULL: what is recorded of it cannot be read */
	size_t deltas;     /* of this upper that it needs */
	enum store_fork_state state;
};
/* Calls fn with each fork of an upper, in no order; fn returns non-zero to stop, which is returned. */
typedef int (*store_fork_fn)(void *arg, const struct store_fork_info *info);
int store_forks(const char *upper, store_fork_fn fn, void *arg, struct vn_err *err);
/*
 * Forgets a fork that was removed: what only it needed of the upper goes, now or when the upper is next opened. dir:
 * where it was. -EBUSY: it is there; -ENOENT: not known.
 */
int store_fork_forget(const char *upper, const char *dir, struct vn_err *err);
typedef int (*store_delta_fn)(void *arg, const struct store_delta_info *info);
uint64_t store_newest(struct store *s);               /* id of the newest sealed delta; 0: there is none */
bool store_has_delta(struct store *s, uint64_t id); /* among the sealed ones */
int store_chain(struct store *s, store_delta_fn fn, void *arg); /* newest first */

/*
 * Calls fn with each directory outside `upper` that it stands on: deltas of the uppers
 * from which it was forked. Opens nothing; an upper that is none has no such places.
 * fn returns non-zero to stop, which is returned; -EUCLEAN: the chain is damaged.
 */
typedef int (*store_place_fn)(void *arg, const char *path);
int store_places(const char *upper, store_place_fn fn, void *arg);

/* Where on the host a delta lies. Borrowed for the call. */
struct store_delta_dir {
	uint64_t id;      /* the head's: what it will be called when it is sealed */
	const char *name; /* snapshot's; "" for the head and for uppers used as layers */
	const char *path; /* a directory with index.db and data/ */
	bool head;
	bool sealed;      /* nothing in `path` changes any more */
};
typedef int (*store_delta_dir_fn)(void *arg, const struct store_delta_dir *p);
int store_delta_dirs(struct store *s, store_delta_dir_fn fn, void *arg); /* the head, if there is one, then newest first */
/* The inode whose row in a delta (by its id in struct store_delta_dir) names a data file. -ENOENT: none. */
int store_data_owner(struct store *s, uint64_t delta, uint64_t number, uint64_t *ino);
int store_upper_id(struct store *s, uint8_t id[16]); /* of the directory: it never changes */

/* ---- verification ---- */

/*
 * Looks at every row and data file of an opened store (best read-only) and
 * reports each problem as one sentence. Returns the number of problems, or a
 * negative errno when it could not look. `problem` may be NULL.
 */
typedef void (*store_problem_fn)(void *arg, const char *sentence);
int store_check(struct store *s, store_problem_fn problem, void *arg);

/*
 * Repairs an upper that is not in use: keeps every consistent part, and tells
 * each thing that was changed or lost. config names the upper, and its parents where
 * they are not where they were.
 * Sealed deltas are not touched. Returns the number of repairs, or a negative
 * errno with a sentence. What lost its place is named /lost+found.NUMBER.
 */
int store_repair(const struct store_config *config, store_problem_fn told, void *arg, struct vn_err *err);

#endif
