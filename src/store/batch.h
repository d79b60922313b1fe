// SPDX-License-Identifier: Apache-2.0
/*
 * The net effect of a run of records: what is left to write once repeated rows
 * of the same inode and of the same name are folded together, so that ten
 * thousand creates in one directory write its row once and a file that came and
 * went inside the run costs next to nothing.
 *
 * Pointers lead into the records, which must outlive the batch.
 */
#ifndef STORE_BATCH_H
#define STORE_BATCH_H

#include "store/record.h"

#define BATCH_UNKNOWN UINT64_MAX

/* A row that hangs on an inode, in the order it came. */
struct batch_sub {
	enum record_kind kind; /* XATTR, XATTR_GONE, SYMLINK, EXTENT, EXTENTS_GONE, ORPHAN, ORPHAN_GONE, SEEN, SEEN_GONE */
	int extent;
	uint32_t next; /* index + 1 into subs, 0: last */
	uint64_t start, length, session;
	uint64_t before; /* EXTENT: size of the file before its record, BATCH_UNKNOWN: of the row in the index */
	const char *name;
	size_t name_len;
	const void *value;
	size_t value_len;
};

struct batch_inode {
	uint64_t ino;
	bool gone;         /* everything that the index has of it goes first */
	bool has_row;
	bool stale;        /* without has_row: only the mark is set */
	bool has_data;     /* a DATA extent is among the subs */
	bool turned_full;  /* the row says FULL where something could be read below */
	uint32_t wiped;    /* order of the last DENTRIES_GONE of this directory, 0: none */
	uint32_t first, last; /* subs, index + 1 */
	uint64_t before;   /* size of the file before the newest record with a row of it */
	uint64_t floor;    /* size in the first row of its data file as FULL: what a lost end leaves */
	bool floor_sure;   /* else that counts only where the index knows nothing of the data file */
	struct store_inode row;
};

struct batch_dentry {
	uint64_t parent, child;
	const char *name;
	size_t name_len;
	bool gone;
	uint32_t order;
};

struct batch_path { /* baseino */
	uint64_t ino;
	const char *path;
	size_t len;
};

struct batch_map {
	uint32_t *slot; /* index + 1 */
	size_t cap;     /* power of two */
};

struct batch {
	struct batch_inode *inodes;
	size_t ninodes, cap_inodes;
	struct batch_dentry *dentries;
	size_t ndentries, cap_dentries;
	struct batch_sub *subs;
	size_t nsubs, cap_subs;
	struct batch_path *paths;
	size_t npaths, cap_paths;
	uint64_t *gone; /* data files to remove after the durable commit */
	size_t ngone, cap_gone;
	uint64_t *flush; /* data files to flush before the commit */
	size_t nflush, cap_flush;
	struct batch_map by_ino, by_name;
	uint32_t order;
	bool replay; /* after an unclean end: see recover.h */
};

void batch_init(struct batch *b);
void batch_fini(struct batch *b);
/* Empties it and keeps its memory, within reason. */
void batch_reset(struct batch *b);
/* Folds in one record. -EBADMSG: not decodable, -ENOMEM; the batch is then useless. */
int batch_add(struct batch *b, const uint8_t *rec, size_t len);
/* Puts inodes and dentries into key order; the maps are void afterwards. */
void batch_sort(struct batch *b);
bool batch_is_gone(const struct batch *b, uint64_t number);

#endif
