// SPDX-License-Identifier: Apache-2.0
/*
 * The one connection that writes the head's index, and how a batch becomes SQL.
 * Used by one thread at a time: whoever holds store.write_lock.
 */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include "store/batch.h"
#include "store/schema.h"

enum writer_stmt {
	WRITER_BEGIN,
	WRITER_COMMIT,
	WRITER_INODE,
	WRITER_INODE_GONE,
	WRITER_STALE,
	WRITER_DENTRY,
	WRITER_DENTRY_GONE,
	WRITER_DENTRIES_GONE,
	WRITER_XATTR,
	WRITER_XATTR_GONE,
	WRITER_XATTRS_GONE,
	WRITER_SYMLINK,
	WRITER_SYMLINK_GONE,
	WRITER_EXTENT,
	WRITER_EXTENT_FIND,
	WRITER_EXTENT_GONE,
	WRITER_EXTENTS_GONE,
	WRITER_ORPHAN,
	WRITER_ORPHAN_GONE,
	WRITER_BASEINO,
	WRITER_SEEN,
	WRITER_SEEN_GONE,
	WRITER_DATA,
	WRITER_OLD,
	WRITER_META,
	WRITER_STMTS,
};

struct writer {
	sqlite3 *db;
	sqlite3_stmt *st[WRITER_STMTS];
	int datafd;     /* the head's data directory, borrowed */
	bool no_flush;  /* volatile */
	int log_pages;  /* pages in the log since the last checkpoint */
	/* for a replay: data files from `named` on may be missing and are made again, in [made_low, made_high) */
	uint64_t named, made_low, made_high;
};

/* Prepares the statements on an opened index whose tables exist. Takes over db, also on failure. */
int writer_init(struct writer *w, sqlite3 *db, int datafd, bool no_flush);
int writer_fini(struct writer *w);

int writer_begin(struct writer *w);
int writer_commit(struct writer *w);
void writer_rollback(struct writer *w);
/* Writes a sorted batch inside a transaction. Flushes what has to be on the disk before this may commit. */
int writer_apply(struct writer *w, struct batch *b);
int writer_meta(struct writer *w, const char *key, uint64_t value);
/* The same with a text; key and value are borrowed for the call. */
int writer_meta_text(struct writer *w, const char *key, const char *value);
/* Flushes the log: every commit so far survives a power cut. */
int writer_flush(struct writer *w);
/* Moves the log into the index, as far as readers allow. `truncate`: all of it or -EBUSY. *pages (may be NULL): what is left in the log. */
int writer_checkpoint(struct writer *w, bool truncate, int *pages);

static inline void writer_bind(sqlite3_stmt *st, int i, uint64_t v)
{
	sqlite3_bind_int64(st, i, (sqlite3_int64)v);
}
/* Runs a statement whose other parameters are bound, with the first one or two. */
int writer_one(struct writer *w, enum writer_stmt i, uint64_t ino);
int writer_two(struct writer *w, enum writer_stmt i, uint64_t ino, uint64_t other);
/* The data file of an inode: what its row in the batch says, else the index. 0: none. */
int writer_data_number(struct writer *w, const struct batch_inode *e, uint64_t *number);

/* extent.c */
/* Sets what the range holds, over whatever was recorded; rows never overlap afterwards. kind STORE_EXTENT_NONE forgets. */
int writer_extent(struct writer *w, uint64_t ino, uint64_t start, uint64_t length, int kind);

/* Where the last extent ends; 0: there is none. */
int writer_extents_end(struct writer *w, uint64_t ino, uint64_t *end);
/* Forgets everything at or above `from`. */
int writer_extents_gone(struct writer *w, uint64_t ino, uint64_t from);

/* replay.c */
/* Records as DATA those parts of a range that the data file has. */
int writer_extent_replayed(struct writer *w, const struct batch_inode *e, uint64_t start, uint64_t length);
/* A row that turned FULL goes back to PARTIAL with what the host shows; other FULL ones get the length of their row. */
int writer_unturn(struct writer *w, struct batch_inode *e);
/* A PARTIAL file ends where the bytes end that were put behind it and are lost. */
int writer_cut(struct writer *w, const struct batch *b, struct batch_inode *e);
/* Extents that were kept when the row turned FULL go with what came later. */
int writer_unkeep(struct writer *w, const struct batch_inode *e);

#endif
