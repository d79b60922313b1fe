// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes from a journal: nothing that lies in the ring may do more than be
 * refused. What can be decoded and is encoded again must be the same bytes.
 */
#include "driver.h"

#include "store/batch.h"

#include <stdlib.h>
#include <string.h>

static void encode(struct store_change *c, const struct record_op *op)
{
	char name[65536];

	switch (op->kind) {
	case RECORD_INODE:
		store_change_inode(c, &op->row);
		break;
	case RECORD_INODE_GONE:
		store_change_inode_gone(c, op->ino);
		break;
	case RECORD_STALE:
		store_change_stale(c, op->ino);
		break;
	case RECORD_DENTRY:
		store_change_dentry(c, op->ino, op->name, op->name_len, op->child);
		break;
	case RECORD_DENTRY_GONE:
		store_change_dentry_gone(c, op->ino, op->name, op->name_len);
		break;
	case RECORD_DENTRIES_GONE:
		store_change_dentries_gone(c, op->ino);
		break;
	case RECORD_XATTR:
	case RECORD_XATTR_GONE:
		if (op->name_len >= sizeof(name) || memchr(op->name, 0, op->name_len)) {
			c->failed = true; /* the builder takes a C string */
			break;
		}
		memcpy(name, op->name, op->name_len);
		name[op->name_len] = '\0';
		if (op->kind == RECORD_XATTR)
			store_change_xattr(c, op->ino, name, op->value, op->value_len);
		else
			store_change_xattr_gone(c, op->ino, name);
		break;
	case RECORD_SYMLINK:
		store_change_symlink(c, op->ino, op->name, op->name_len);
		break;
	case RECORD_EXTENT:
		store_change_extent(c, op->ino, op->start, op->length, op->extent);
		break;
	case RECORD_EXTENTS_GONE:
		store_change_extents_gone(c, op->ino, op->start);
		break;
	case RECORD_ORPHAN:
		store_change_orphan(c, op->ino, op->child);
		break;
	case RECORD_ORPHAN_GONE:
		store_change_orphan_gone(c, op->ino);
		break;
	case RECORD_BASEINO:
		store_change_baseino(c, op->ino, op->name, op->name_len);
		break;
	case RECORD_SEEN:
		store_change_seen(c, op->ino, op->name, op->name_len);
		break;
	case RECORD_SEEN_GONE:
		store_change_seen_gone(c, op->ino);
		break;
	case RECORD_DATA_GONE:
		store_change_data_gone(c, op->ino);
		break;
	case RECORD_DATA_FLUSH:
		store_change_data_flush(c, op->ino);
		break;
	}
}

/* Decodes, encodes, compares. */
static void round_trip(const uint8_t *rec, size_t len)
{
	struct record_iter it;
	struct record_op op;
	struct store_change c;
	int rc;

	store_change_init(&c);
	record_iter_init(&it, rec, len);
	while ((rc = record_next(&it, &op)) > 0)
		encode(&c, &op);
	if (!rc && !c.failed && (c.len != len || memcmp(c.buf + RECORD_HEAD, rec + RECORD_HEAD, len - RECORD_HEAD)))
		abort();
	store_change_drop(&c);
}

static void fold(const uint8_t *rec, size_t len, bool replay)
{
	struct batch b;

	batch_init(&b);
	b.replay = replay;
	if (!batch_add(&b, rec, len)) {
		/* A second time: everything is a repetition now. */
		if (batch_add(&b, rec, len))
			abort();
		batch_sort(&b);
	}
	batch_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record_head head;
	size_t len = record_check(data, size, 5, 1, &head);

	if (len > size)
		abort();
	if (size < RECORD_HEAD)
		return 0;
	round_trip(data, size);
	fold(data, size, false);
	fold(data, size, true);
	return 0;
}

static void seed_file(struct store_change *c)
{
	struct store_inode row = { .ino = 1024, .size = 5, .mode = 0100644, .nlink = 1, .state = STORE_FULL, .data = 3,
				   .below = 9, .origin = "etc/x", .origin_len = 5 };

	store_change_inode(c, &row);
	store_change_extents_gone(c, 1024, 0);
	store_change_data_flush(c, 3);
	store_change_dentry(c, 1, "name", 4, 1024);
	store_change_xattr(c, 1024, "user.a", "value", 5);
}

static void seed_gone(struct store_change *c)
{
	store_change_inode_gone(c, 1024);
	store_change_dentry_gone(c, 1, "name", 4);
	store_change_dentries_gone(c, 7);
	store_change_data_gone(c, 3);
	store_change_orphan(c, 8, 1);
	store_change_orphan_gone(c, 8);
	store_change_stale(c, 9);
}

static void seed_rest(struct store_change *c)
{
	store_change_symlink(c, 10, "a/b", 3);
	store_change_extent(c, 11, 0, 4096, STORE_EXTENT_DATA);
	store_change_extent(c, 11, 4096, 4096, STORE_EXTENT_DATA);
	store_change_extent(c, 11, 100, 5, STORE_EXTENT_ZERO);
	store_change_xattr_gone(c, 10, "user.b");
	store_change_baseino(c, 12, "p", 1);
	store_change_seen(c, 12, "", 0);
	store_change_seen_gone(c, 12);
}

size_t fuzz_seed(unsigned i, uint8_t *buf, size_t cap)
{
	void (*const seeds[])(struct store_change *) = { seed_file, seed_gone, seed_rest };
	struct store_change c;
	size_t len;

	if (i >= sizeof(seeds) / sizeof(seeds[0]))
		return 0;
	store_change_init(&c);
	seeds[i](&c);
	record_seal(c.buf, c.len, 5, 1, &c);
	len = c.len <= cap ? c.len : 0;
	memcpy(buf, c.buf, len);
	store_change_drop(&c);
	return len;
}
