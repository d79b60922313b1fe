// SPDX-License-Identifier: Apache-2.0
#include "store/batch.h"

#include "base/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BATCH_KEEP 16384 /* elements whose memory stays for the next batch */

void batch_init(struct batch *b)
{
	memset(b, 0, sizeof(*b));
}

void batch_fini(struct batch *b)
{
	free(b->inodes);
	free(b->dentries);
	free(b->subs);
	free(b->paths);
	free(b->gone);
	free(b->flush);
	free(b->by_ino.slot);
	free(b->by_name.slot);
	memset(b, 0, sizeof(*b));
}

void batch_reset(struct batch *b)
{
	bool replay = b->replay;

	if (b->cap_inodes > BATCH_KEEP || b->cap_dentries > BATCH_KEEP || b->cap_subs > BATCH_KEEP)
		batch_fini(b);
	b->ninodes = b->ndentries = b->nsubs = b->npaths = b->ngone = b->nflush = 0;
	b->order = 0;
	b->replay = replay;
	if (b->by_ino.slot)
		memset(b->by_ino.slot, 0, b->by_ino.cap * sizeof(uint32_t));
	if (b->by_name.slot)
		memset(b->by_name.slot, 0, b->by_name.cap * sizeof(uint32_t));
}

/* Makes room for one more element. */
static bool batch_room(void **array, size_t n, size_t *cap, size_t size)
{
	size_t more = *cap ? *cap * 2 : 64;
	void *p;

	if (n < *cap)
		return true;
	p = realloc(*array, more * size);
	if (!p)
		return false;
	*array = p;
	*cap = more;
	return true;
}

#define BATCH_ROOM(b, array, count, cap) batch_room((void **)&(b)->array, (b)->count, &(b)->cap, sizeof(*(b)->array))

static uint64_t batch_hash_ino(uint64_t ino)
{
	return (ino * UINT64_C(0x9E3779B97F4A7C15)) >> 20;
}

static uint64_t batch_hash_name(uint64_t parent, const char *name, size_t len)
{
	return vn_hash_name(parent, name, len);
}

static uint64_t batch_hash_of(const struct batch *b, bool names, uint32_t i)
{
	if (names)
		return batch_hash_name(b->dentries[i].parent, b->dentries[i].name, b->dentries[i].name_len);
	return batch_hash_ino(b->inodes[i].ino);
}

/* Keeps a map at most half full; `n` is the count after the insertion to come. */
static bool batch_map_room(struct batch *b, bool names, size_t n)
{
	struct batch_map *m = names ? &b->by_name : &b->by_ino;
	size_t cap = m->cap ? m->cap * 2 : 256;
	uint32_t *slot;

	if (n * 2 <= m->cap)
		return true;
	slot = calloc(cap, sizeof(*slot));
	if (!slot)
		return false;
	for (uint32_t i = 0; i + 1 < n; i++) {
		size_t h = batch_hash_of(b, names, i) & (cap - 1);

		while (slot[h])
			h = (h + 1) & (cap - 1);
		slot[h] = i + 1;
	}
	free(m->slot);
	m->slot = slot;
	m->cap = cap;
	return true;
}

static struct batch_inode *batch_inode_get(struct batch *b, uint64_t ino)
{
	struct batch_inode *e;
	size_t h;

	if (!batch_map_room(b, false, b->ninodes + 1) || !BATCH_ROOM(b, inodes, ninodes, cap_inodes))
		return NULL;
	h = batch_hash_ino(ino) & (b->by_ino.cap - 1);
	for (; b->by_ino.slot[h]; h = (h + 1) & (b->by_ino.cap - 1)) {
		e = &b->inodes[b->by_ino.slot[h] - 1];
		if (e->ino == ino)
			return e;
	}
	e = &b->inodes[b->ninodes++];
	memset(e, 0, sizeof(*e));
	e->ino = ino;
	e->before = BATCH_UNKNOWN;
	b->by_ino.slot[h] = (uint32_t)b->ninodes;
	return e;
}

static struct batch_dentry *batch_dentry_get(struct batch *b, const struct record_op *op)
{
	struct batch_dentry *e;
	size_t h;

	if (!batch_map_room(b, true, b->ndentries + 1) || !BATCH_ROOM(b, dentries, ndentries, cap_dentries))
		return NULL;
	h = batch_hash_name(op->ino, op->name, op->name_len) & (b->by_name.cap - 1);
	for (; b->by_name.slot[h]; h = (h + 1) & (b->by_name.cap - 1)) {
		e = &b->dentries[b->by_name.slot[h] - 1];
		if (e->parent == op->ino && e->name_len == op->name_len && !memcmp(e->name, op->name, op->name_len))
			return e;
	}
	e = &b->dentries[b->ndentries++];
	e->parent = op->ino;
	e->name = op->name;
	e->name_len = op->name_len;
	b->by_name.slot[h] = (uint32_t)b->ndentries;
	return e;
}

static int batch_dentry(struct batch *b, const struct record_op *op)
{
	struct batch_dentry *e = batch_dentry_get(b, op);

	if (!e)
		return -ENOMEM;
	e->gone = op->kind == RECORD_DENTRY_GONE;
	e->child = e->gone ? 0 : op->child;
	e->order = ++b->order;
	return 0;
}

static int batch_number(uint64_t **array, size_t *n, size_t *cap, uint64_t number)
{
	if (!batch_room((void **)array, *n, cap, sizeof(**array)))
		return -ENOMEM;
	(*array)[(*n)++] = number;
	return 0;
}

static int batch_path(struct batch *b, const struct record_op *op)
{
	if (!BATCH_ROOM(b, paths, npaths, cap_paths))
		return -ENOMEM;
	b->paths[b->npaths++] = (struct batch_path){ op->ino, op->name, op->name_len };
	return 0;
}

static bool batch_turned_full(const struct store_inode *row)
{
	return S_ISREG(row->mode) && row->state == STORE_FULL && row->below > 0;
}

static void batch_set_row(struct batch_inode *e, const struct record_op *op)
{
	bool known = e->has_row || e->gone;

	e->before = e->has_row ? e->row.size : known ? 0 : BATCH_UNKNOWN;
	if (op->row.state == STORE_FULL && (!e->has_row || e->row.state != STORE_FULL || e->row.data != op->row.data)) {
		e->floor = op->row.size;
		e->floor_sure = known;
	} else if (op->row.size < e->floor) {
		e->floor = op->row.size;
	}
	e->has_row = true;
	e->stale = false;
	e->row = op->row;
	e->turned_full = batch_turned_full(&op->row);
}

static void batch_set_gone(struct batch_inode *e)
{
	e->gone = true;
	e->has_row = e->stale = e->has_data = e->turned_full = false;
	e->first = e->last = 0;
}

static void batch_set_stale(struct batch_inode *e)
{
	if (e->has_row)
		e->row.flags |= STORE_STALE;
	else
		e->stale = true;
}

/* Blocks that arrive one behind the other become one row. */
static bool batch_sub_extends(struct batch *b, const struct batch_inode *e, const struct record_op *op)
{
	struct batch_sub *s = e->last ? &b->subs[e->last - 1] : NULL;

	if (!s || op->kind != RECORD_EXTENT || s->kind != RECORD_EXTENT || s->extent != op->extent ||
	    s->start + s->length != op->start)
		return false;
	s->length += op->length;
	return true;
}

static int batch_sub(struct batch *b, struct batch_inode *e, const struct record_op *op)
{
	if (op->kind == RECORD_EXTENT && op->extent == STORE_EXTENT_DATA)
		e->has_data = true;
	if (batch_sub_extends(b, e, op))
		return 0;
	if (!BATCH_ROOM(b, subs, nsubs, cap_subs))
		return -ENOMEM;
	b->subs[b->nsubs++] = (struct batch_sub){
		.kind = op->kind, .extent = op->extent, .start = op->start, .length = op->length,
		.session = op->child, .before = e->before, .name = op->name, .name_len = op->name_len, .value = op->value,
		.value_len = op->value_len,
	};
	if (e->last)
		b->subs[e->last - 1].next = (uint32_t)b->nsubs;
	else
		e->first = (uint32_t)b->nsubs;
	e->last = (uint32_t)b->nsubs;
	return 0;
}

static int batch_inode(struct batch *b, const struct record_op *op)
{
	struct batch_inode *e = batch_inode_get(b, op->ino);

	if (!e)
		return -ENOMEM;
	switch (op->kind) {
	case RECORD_INODE:
		batch_set_row(e, op);
		return 0;
	case RECORD_INODE_GONE:
		batch_set_gone(e);
		return 0;
	case RECORD_STALE:
		batch_set_stale(e);
		return 0;
	case RECORD_DENTRIES_GONE:
		e->wiped = ++b->order;
		return 0;
	default:
		return batch_sub(b, e, op);
	}
}

static int batch_op(struct batch *b, const struct record_op *op)
{
	switch (op->kind) {
	case RECORD_DENTRY:
	case RECORD_DENTRY_GONE:
		return batch_dentry(b, op);
	case RECORD_BASEINO:
		return batch_path(b, op);
	case RECORD_DATA_GONE:
		return batch_number(&b->gone, &b->ngone, &b->cap_gone, op->ino);
	case RECORD_DATA_FLUSH:
		return batch_number(&b->flush, &b->nflush, &b->cap_flush, op->ino);
	default:
		return batch_inode(b, op);
	}
}

/*
 * In a replay a row that turned FULL becomes PARTIAL again, so what its record
 * says about forgetting the extents must not happen (rule J4).
 */
static bool batch_op_void(const struct batch *b, const struct record_op *op, const uint8_t *rec, size_t len)
{
	struct record_iter it;
	struct record_op other;

	if (!b->replay || op->kind != RECORD_EXTENTS_GONE || op->start)
		return false;
	record_iter_init(&it, rec, len);
	while (record_next(&it, &other) > 0) {
		if (other.kind == RECORD_INODE && other.ino == op->ino && batch_turned_full(&other.row))
			return true;
	}
	return false;
}

int batch_add(struct batch *b, const uint8_t *rec, size_t len)
{
	struct record_iter it;
	struct record_op op = { .kind = 0 };
	int rc;

	record_iter_init(&it, rec, len);
	while ((rc = record_next(&it, &op)) > 0) {
		rc = batch_op_void(b, &op, rec, len) ? 0 : batch_op(b, &op);
		if (rc)
			return rc;
	}
	return rc;
}

static int batch_compare_inode(const void *a, const void *b)
{
	uint64_t x = ((const struct batch_inode *)a)->ino, y = ((const struct batch_inode *)b)->ino;

	return x < y ? -1 : x > y;
}

static int batch_compare_dentry(const void *a, const void *b)
{
	const struct batch_dentry *x = a, *y = b;
	size_t n = x->name_len < y->name_len ? x->name_len : y->name_len;
	int c;

	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	c = memcmp(x->name, y->name, n);
	return c ? c : (x->name_len > y->name_len) - (x->name_len < y->name_len);
}

/* Drops names that a later DENTRIES_GONE of their directory covers. Needs the map of inodes. */
static void batch_drop_wiped(struct batch *b)
{
	size_t kept = 0;

	for (size_t i = 0; i < b->ndentries; i++) {
		struct batch_dentry *d = &b->dentries[i];
		size_t h = batch_hash_ino(d->parent) & (b->by_ino.cap - 1);
		uint32_t wiped = 0;

		for (; b->by_ino.slot[h]; h = (h + 1) & (b->by_ino.cap - 1)) {
			const struct batch_inode *e = &b->inodes[b->by_ino.slot[h] - 1];

			if (e->ino == d->parent) {
				wiped = e->wiped;
				break;
			}
		}
		if (d->order > wiped)
			b->dentries[kept++] = *d;
	}
	b->ndentries = kept;
}

void batch_sort(struct batch *b)
{
	if (b->by_ino.slot)
		batch_drop_wiped(b);
	if (b->ninodes)
		qsort(b->inodes, b->ninodes, sizeof(*b->inodes), batch_compare_inode);
	if (b->ndentries)
		qsort(b->dentries, b->ndentries, sizeof(*b->dentries), batch_compare_dentry);
}

bool batch_is_gone(const struct batch *b, uint64_t number)
{
	for (size_t i = 0; i < b->ngone; i++) {
		if (b->gone[i] == number)
			return true;
	}
	return false;
}
