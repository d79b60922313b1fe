// SPDX-License-Identifier: Apache-2.0
/*
 * Copy-up of data: bytes that were read below come to lie in a data file of the
 * head. All functions: the node is touched, node->lock is held for writing.
 */
#ifndef OVL_COPYUP_H
#define OVL_COPYUP_H

#include <stdbool.h>
#include <stdint.h>

#include "overlay/run.h"

struct ovl_extents;
struct ovl_file;
struct ovl_node;
struct ovl_tree;
struct store_inode;

/*
 * One copy-up on its way. Begin; put bytes into fd and say so with add, or let
 * fill do both; end records what was added. Nothing is visible before that.
 */
struct ovl_copyup {
	struct ovl_tree *t;
	struct ovl_node *n;
	struct ovl_file *file;
	int fd;                  /* the data file, borrowed */
	uint64_t number;
	bool fresh;              /* fd and number are new: given back when it fails */
	struct ovl_extents *add; /* in place, not yet recorded */
	uint64_t copied;         /* bytes moved */
};

/* The node is BELOW or PARTIAL. Makes a data file when there is none. On failure nothing is left to end. */
int ovl_copyup_begin(struct ovl_copyup *c, struct ovl_tree *t, struct ovl_node *n);
/* Copies what is still read below in [from, to). */
int ovl_copyup_fill(struct ovl_copyup *c, uint64_t from, uint64_t to);
/* Clones all that is below into a fresh data file, if it lies in one file and the host can. False: nothing was done. */
bool ovl_copyup_clone(struct ovl_copyup *c);
/*
 * r 0: commits *row (from ovl_row, with size and times changed) as PARTIAL with all
 * that was added. r < 0, or when the commit fails: takes everything back, as far as
 * the host can. Returns r or the commit's failure.
 */
int ovl_copyup_end(struct ovl_copyup *c, struct store_inode *row, int r);

/*
 * Writes len bytes of io from `skip` on into a BELOW or PARTIAL file at off, copying
 * up what has to be. now: the new mtime and ctime; 0: they stay. Returns the count.
 */
ssize_t ovl_copyup_write(struct ovl_tree *t, struct ovl_node *n, const struct ovl_io *io, size_t skip, size_t len,
			 uint64_t off, int64_t now);

/* Commits *row as PARTIAL with more extents (consumed when it succeeds: *add is then NULL). */
int ovl_copyup_record(struct ovl_tree *t, struct ovl_node *n, struct store_inode *row, struct ovl_extents **add);

/* The extents of a PARTIAL row, if they are not in memory. */
int ovl_copyup_load(struct ovl_tree *t, struct ovl_node *n);

/* Does a PARTIAL file (extents loaded) read nothing below any more? */
bool ovl_copyup_complete(struct ovl_node *n);

/*
 * A complete PARTIAL file becomes FULL (or NONE, when all of it is zeros). flush:
 * at once and for good (nothing is remembered of what was below); else its data is
 * flushed by the store before the record reaches the index.
 */
int ovl_copyup_turn(struct ovl_tree *t, struct ovl_node *n, bool flush);

/*
 * Makes the file FULL whatever it was, with its data flushed where something could
 * be read below: for mappings, and for punching holes that nothing may shine through.
 */
int ovl_copyup_whole(struct ovl_tree *t, struct ovl_node *n);

/*
 * The first data file of a file that reads nothing below, committed as FULL with
 * *row (times, STORE_STALE). fd has `size` bytes; a stale row says less, namely what
 * a power cut that takes the new bytes has to leave. Takes over fd when it
 * succeeds; else fd and number stay the caller's.
 */
int ovl_copyup_first(struct ovl_tree *t, struct ovl_node *n, struct store_inode *row, uint64_t number, int fd,
		     uint64_t size);

#endif
