// SPDX-License-Identifier: Apache-2.0
/*
 * The one encoding of a change: what a journal record looks like.
 *
 * A record is a head of RECORD_HEAD bytes, then operations back to back. All
 * integers are little endian, nothing is aligned. An operation is one byte that
 * says what it is and then its fields; strings carry a 32-bit length. The sum is
 * XXH3-64 over everything behind it with the ring's salt as seed (rule J3).
 *
 *	head	u64 sum, u32 length of head and operations, u32 zero, u64 sequence,
 *		u64 session, u64 unique, u64 reply
 */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include "store/store.h"
#include "base/cfg.h"

#define RECORD_HEAD 48
#define RECORD_MAX (2u << 20) /* bytes of one record, and never more than a quarter of the ring */
#define RECORD_ALIGN 8 /* records begin at multiples of this in the ring */

enum record_kind {
	RECORD_INODE = 1,
	RECORD_INODE_GONE,
	RECORD_STALE,
	RECORD_DENTRY,
	RECORD_DENTRY_GONE,
	RECORD_DENTRIES_GONE,
	RECORD_XATTR,
	RECORD_XATTR_GONE,
	RECORD_SYMLINK,
	RECORD_EXTENT,
	RECORD_EXTENTS_GONE,
	RECORD_ORPHAN,
	RECORD_ORPHAN_GONE,
	RECORD_BASEINO,
	RECORD_SEEN,
	RECORD_SEEN_GONE,
	RECORD_DATA_GONE,
	RECORD_DATA_FLUSH,
};

/* One decoded operation. Pointers lead into the record. */
struct record_op {
	enum record_kind kind;
	uint64_t ino;       /* the inode; dentries: the parent; data: the number */
	uint64_t child;     /* dentries: what is named, 0 a whiteout; orphans: the session */
	uint64_t start, length;
	int extent;         /* STORE_EXTENT_* */
	const char *name;   /* dentries, xattrs; baseino, seen: the path; symlinks: the target */
	size_t name_len;
	const void *value;
	size_t value_len;
	struct store_inode row; /* origin is not NUL terminated */
};

struct record_head {
	uint64_t sum, seq, session, unique, reply;
	uint32_t len;
};

/* Fills the head of a record that was built behind RECORD_HEAD bytes of space. */
void record_seal(uint8_t *rec, size_t len, uint64_t salt, uint64_t seq, const struct store_change *c);

/*
 * Looks at the record at the start of [buf, buf+avail). Returns its length when
 * it is whole, has the sequence number `seq` and the right sum; 0 when there is
 * none. Never reads beyond avail.
 */
size_t record_check(const uint8_t *buf, size_t avail, uint64_t salt, uint64_t seq, struct record_head *head);

/* Walks the operations of a record (its bytes behind the head). */
struct record_iter {
	const uint8_t *p, *end;
};
void record_iter_init(struct record_iter *it, const uint8_t *rec, size_t len);
/* 1: *op is the next operation, 0: no more, -EBADMSG: not an encoding of anything. */
int record_next(struct record_iter *it, struct record_op *op);

#endif
