// SPDX-License-Identifier: Apache-2.0
/*
 * Reading one delta: a small pool of read connections, opened when needed. A
 * caller takes one, runs its statements, and gives it back before it calls
 * anything of its own caller's.
 *
 * Beginning and ending a read costs more than a row, so connections of the head
 * stay inside a transaction until something was committed; the store thread ends
 * idle ones before it checkpoints the log, which they would hold up.
 */
#ifndef STORE_READER_H
#define STORE_READER_H

#include "store/schema.h"

#include <pthread.h>

#define READER_POOL 4

enum reader_stmt {
	READER_INODE,
	READER_DIR,
	READER_NAME,
	READER_PARENT,
	READER_XATTRS,
	READER_SYMLINK,
	READER_EXTENTS,
	READER_BASEINOS,
	READER_SEEN,
	READER_ORPHAN,
	READER_ORPHANS,
	READER_ALL_INODES,
	READER_ALL_DENTRIES,
	READER_META,
	READER_STMTS,
};

struct reader_conn {
	sqlite3 *db;
	uint64_t seen; /* the reader's generation when its transaction began; 0: in none */
	sqlite3_stmt *st[READER_STMTS];
};

struct reader {
	const char *dir; /* borrowed from the delta */
	enum schema_mode mode;
	pthread_mutex_t lock;
	pthread_cond_t freed;
	struct reader_conn free_conns[READER_POOL];
	unsigned nfree, nopen;
	uint64_t generation; /* atomic; 0: transactions are not kept */
};

/* dir is borrowed. NULL: no memory. */
struct reader *reader_new(const char *dir, enum schema_mode mode);
/* Closes all connections; none is in use. The reader can be used again. */
void reader_close(struct reader *r);
void reader_free(struct reader *r); /* NULL is fine */
int reader_get(struct reader *r, struct reader_conn *c);
void reader_put(struct reader *r, struct reader_conn *c);
/* Keeps transactions open from now on; every change has to be told. */
void reader_keep(struct reader *r);
/* Something was committed: what is read from now on has to see it. */
void reader_changed(struct reader *r);
/* Ends the transactions of connections that are not in use. */
void reader_relax(struct reader *r);
/* The statement, prepared at first use; reset by reader_put. */
int reader_stmt(struct reader_conn *c, enum reader_stmt i, sqlite3_stmt **st);

#endif
