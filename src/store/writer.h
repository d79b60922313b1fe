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
	WRITER_META,
	WRITER_STMTS,
};

struct writer {
	sqlite3 *db;
	sqlite3_stmt *st[WRITER_STMTS];
	int datafd;     /* the head's data directory, borrowed */
	bool no_flush;  /* volatile */
	int log_pages;  /* pages in the log since the last checkpoint */
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
/* Flushes the log: every commit so far survives a power cut. */
int writer_flush(struct writer *w);
/* Moves the log into the index, as far as readers allow. `truncate`: all of it or -EBUSY. *pages (may be NULL): what is left in the log. */
int writer_checkpoint(struct writer *w, bool truncate, int *pages);

/* Sets what the range holds, over whatever was recorded; rows never overlap afterwards. kind STORE_EXTENT_NONE forgets. */
int writer_extent(struct writer *w, uint64_t ino, uint64_t start, uint64_t length, int kind);

#endif
