// SPDX-License-Identifier: Apache-2.0
/* Decoding and checking of journal records; see record.h. change.c is the other half. */
#include "store/record.h"

#include "base/hash.h"

#include <errno.h>
#include <string.h>


static void record_put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static void record_put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

static uint32_t record_get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static uint64_t record_get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

void record_seal(uint8_t *rec, size_t len, uint64_t salt, uint64_t seq, const struct store_change *c)
{
	record_put32(rec + 8, (uint32_t)len);
	record_put32(rec + 12, 0);
	record_put64(rec + 16, seq);
	record_put64(rec + 24, c->session);
	record_put64(rec + 32, c->unique);
	record_put64(rec + 40, c->reply);
	record_put64(rec, vn_checksum(salt, rec + 8, len - 8));
}

size_t record_check(const uint8_t *buf, size_t avail, uint64_t salt, uint64_t seq, struct record_head *head)
{
	if (avail < RECORD_HEAD)
		return 0;
	head->sum = record_get64(buf);
	head->len = record_get32(buf + 8);
	head->seq = record_get64(buf + 16);
	head->session = record_get64(buf + 24);
	head->unique = record_get64(buf + 32);
	head->reply = record_get64(buf + 40);
	if (head->len < RECORD_HEAD || head->len > avail || head->seq != seq)
		return 0;
	if (vn_checksum(salt, buf + 8, head->len - 8) != head->sum)
		return 0;
	return head->len;
}

void record_iter_init(struct record_iter *it, const uint8_t *rec, size_t len)
{
	it->p = rec + RECORD_HEAD;
	it->end = rec + len;
}

/* The bounded reader: each take fails once the bytes run out, and then for good. */

static bool take8(struct record_iter *it, uint8_t *v)
{
	if (it->end - it->p < 1)
		return false;
	*v = *it->p++;
	return true;
}

static bool take32(struct record_iter *it, uint32_t *v)
{
	if (it->end - it->p < 4)
		return false;
	*v = record_get32(it->p);
	it->p += 4;
	return true;
}

static bool take64(struct record_iter *it, uint64_t *v)
{
	if (it->end - it->p < 8)
		return false;
	*v = record_get64(it->p);
	it->p += 8;
	return true;
}

static bool take_time(struct record_iter *it, int64_t *v)
{
	uint64_t u;

	if (!take64(it, &u))
		return false;
	*v = (int64_t)u;
	return true;
}

static bool take_bytes(struct record_iter *it, const void **p, size_t *len)
{
	uint32_t n;

	if (!take32(it, &n) || n > (size_t)(it->end - it->p))
		return false;
	*p = it->p;
	*len = n;
	it->p += n;
	return true;
}

static bool take_name(struct record_iter *it, struct record_op *op)
{
	const void *p;

	if (!take_bytes(it, &p, &op->name_len))
		return false;
	op->name = p;
	return true;
}

static bool take_origin(struct record_iter *it, struct store_inode *row)
{
	uint8_t has;
	const void *p;

	row->origin = NULL;
	row->origin_len = 0;
	if (!take8(it, &has) || has > 1)
		return false;
	if (!has)
		return true;
	if (!take_bytes(it, &p, &row->origin_len))
		return false;
	row->origin = p;
	return true;
}

static bool take_row(struct record_iter *it, struct store_inode *row)
{
	uint8_t state;

	if (!take64(it, &row->size) || !take_time(it, &row->atime) || !take_time(it, &row->mtime) ||
	    !take_time(it, &row->ctime) || !take_time(it, &row->btime))
		return false;
	if (!take32(it, &row->mode) || !take32(it, &row->uid) || !take32(it, &row->gid) ||
	    !take32(it, &row->nlink) || !take32(it, &row->rdev_major) || !take32(it, &row->rdev_minor) ||
	    !take32(it, &row->flags) || !take8(it, &state) || state > STORE_FULL)
		return false;
	row->state = (enum store_data)state;
	return take64(it, &row->data) && take64(it, &row->source) && take64(it, &row->below) &&
	       take_origin(it, row);
}

static bool take_extent(struct record_iter *it, struct record_op *op)
{
	uint8_t kind;

	if (!take64(it, &op->start) || !take64(it, &op->length) || !take8(it, &kind))
		return false;
	op->extent = kind;
	return kind <= STORE_EXTENT_ZERO && op->start <= INT64_MAX && op->length <= INT64_MAX - op->start;
}

static bool take_fields(struct record_iter *it, struct record_op *op)
{
	switch (op->kind) {
	case RECORD_INODE:
		op->row.ino = op->ino;
		return take_row(it, &op->row);
	case RECORD_DENTRY:
		return take64(it, &op->child) && take_name(it, op);
	case RECORD_DENTRY_GONE:
	case RECORD_XATTR_GONE:
	case RECORD_SYMLINK:
	case RECORD_BASEINO:
	case RECORD_SEEN:
		return take_name(it, op);
	case RECORD_XATTR:
		return take_name(it, op) && take_bytes(it, &op->value, &op->value_len);
	case RECORD_EXTENT:
		return take_extent(it, op);
	case RECORD_EXTENTS_GONE:
		return take64(it, &op->start) && op->start <= INT64_MAX;
	case RECORD_ORPHAN:
		return take64(it, &op->child);
	case RECORD_INODE_GONE:
	case RECORD_STALE:
	case RECORD_DENTRIES_GONE:
	case RECORD_ORPHAN_GONE:
	case RECORD_SEEN_GONE:
	case RECORD_DATA_GONE:
	case RECORD_DATA_FLUSH:
		return true;
	}
	return false;
}

int record_next(struct record_iter *it, struct record_op *op)
{
	uint8_t kind;

	if (it->p == it->end)
		return 0;
	if (!take8(it, &kind) || !take64(it, &op->ino))
		return -EBADMSG;
	op->kind = (enum record_kind)kind;
	return take_fields(it, op) ? 1 : -EBADMSG;
}
