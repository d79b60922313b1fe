// SPDX-License-Identifier: Apache-2.0
/*
 * Runs: where a stretch of a file's bytes is. Reading, seeking and copying all
 * walk a file as runs, so that only this file knows how a row's state, its
 * extents and the levels below fit together.
 */
#ifndef OVL_RUN_H
#define OVL_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct ovl_file;
struct ovl_node;
struct ovl_tree;

static inline uint64_t ovl_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

struct ovl_run {
	int fd;       /* has the bytes, at the same offset; -1: they are zeros. Borrowed from the file */
	bool base;    /* fd is the base object: it must be as long as it was. A data file may end before the run: then zeros follow */
	uint64_t end; /* where the run ends, at most node->size */
};

/*
 * The run at pos < node->size. node->lock held, extents of a PARTIAL row loaded; f
 * is the node's file with its levels (a FULL row needs none, and NONE needs no
 * file: NULL). Opens what has to be opened.
 */
int ovl_run_at(struct ovl_tree *t, struct ovl_node *n, struct ovl_file *f, uint64_t pos, struct ovl_run *out);

/* The same of what lies below the row, from pos on; ends at `to` at the latest. pos < to. */
int ovl_run_below(struct ovl_tree *t, struct ovl_node *n, struct ovl_file *f, uint64_t pos, uint64_t to,
		  struct ovl_run *out);

/* Bytes readable below: what the row says, or the base object's size. */
uint64_t ovl_run_limit(struct ovl_node *n);

/*
 * Moves `len` bytes between fd at off and the iovec's bytes from `skip` on; total is
 * the iovec's length. Reading is one system call where the host moves all at once,
 * writing one for each 64 KiB. Returns the count, short at the end of the file or
 * when an error came after some bytes.
 */
struct ovl_io {
	const struct iovec *iov;
	size_t count, total;
};
ssize_t ovl_run_read(int fd, const struct ovl_io *io, size_t skip, size_t len, uint64_t off);
ssize_t ovl_run_write(int fd, const struct ovl_io *io, size_t skip, size_t len, uint64_t off);

/*
 * Copies a run from `from` on to the same place in dst, holes left out where the
 * host shows them. dst reads as zeros there before. -EIO when the base is shorter.
 */
int ovl_run_copy(const struct ovl_run *run, int dst, uint64_t from);

/* Makes [from, to) of fd read as zeros without growing it; takes no space. */
int ovl_run_clear(int fd, uint64_t from, uint64_t to);

#endif
