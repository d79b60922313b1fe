// SPDX-License-Identifier: Apache-2.0
/*
 * The builder of changes: rows are encoded at once into what will be the journal
 * record, behind space for its head, so that committing is one write.
 */
#include "store/record.h"

#include <stdlib.h>
#include <string.h>

void store_change_init(struct store_change *c)
{
	c->buf = c->inline_buf;
	c->len = RECORD_HEAD;
	c->cap = sizeof(c->inline_buf);
	c->failed = false;
	c->flags = 0;
	c->session = c->unique = c->reply = 0;
}

void store_change_drop(struct store_change *c)
{
	if (c->buf != c->inline_buf)
		free(c->buf);
	store_change_init(c);
}

bool store_change_empty(const struct store_change *c)
{
	return c->len == RECORD_HEAD;
}

static bool change_grow(struct store_change *c, size_t need)
{
	size_t cap = c->cap * 2;
	uint8_t *buf;

	while (cap < need)
		cap *= 2;
	buf = malloc(cap);
	if (!buf) {
		c->failed = true;
		return false;
	}
	memcpy(buf, c->buf, c->len);
	if (c->buf != c->inline_buf)
		free(c->buf);
	c->buf = buf;
	c->cap = cap;
	return true;
}

/* Makes room for n bytes and returns where they go, or NULL. */
static uint8_t *change_take(struct store_change *c, size_t n)
{
	uint8_t *p;

	if (c->failed || (c->len + n > c->cap && !change_grow(c, c->len + n)))
		return NULL;
	p = c->buf + c->len;
	c->len += n;
	return p;
}

static uint8_t *put8(uint8_t *p, uint8_t v)
{
	*p = v;
	return p + 1;
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, 4);
	return p + 4;
}

static uint8_t *put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, 8);
	return p + 8;
}

static uint8_t *put_bytes(uint8_t *p, const void *b, size_t len)
{
	p = put32(p, (uint32_t)len);
	if (len)
		memcpy(p, b, len);
	return p + len;
}

/* Begins an operation with `extra` bytes of fields; returns where they go. */
static uint8_t *change_op(struct store_change *c, enum record_kind kind, uint64_t ino, size_t extra)
{
	uint8_t *p = change_take(c, 9 + extra);

	if (!p)
		return NULL;
	return put64(put8(p, (uint8_t)kind), ino);
}

static void change_op_name(struct store_change *c, enum record_kind kind, uint64_t ino, const char *name, size_t len)
{
	uint8_t *p = change_op(c, kind, ino, 4 + len);

	if (p)
		put_bytes(p, name, len);
}

static uint8_t *put_row(uint8_t *p, const struct store_inode *row)
{
	p = put64(p, row->size);
	p = put64(p, (uint64_t)row->atime);
	p = put64(p, (uint64_t)row->mtime);
	p = put64(p, (uint64_t)row->ctime);
	p = put64(p, (uint64_t)row->btime);
	p = put32(p, row->mode);
	p = put32(p, row->uid);
	p = put32(p, row->gid);
	p = put32(p, row->nlink);
	p = put32(p, row->rdev_major);
	p = put32(p, row->rdev_minor);
	p = put32(p, row->flags);
	p = put8(p, (uint8_t)row->state);
	p = put64(p, row->data);
	p = put64(p, row->source);
	return put64(p, row->below);
}

#define ROW_BYTES (5 * 8 + 7 * 4 + 1 + 3 * 8)

void store_change_inode(struct store_change *c, const struct store_inode *row)
{
	size_t origin = row->origin ? 4 + row->origin_len : 0;
	uint8_t *p = change_op(c, RECORD_INODE, row->ino, ROW_BYTES + 1 + origin);

	if (!p)
		return;
	p = put8(put_row(p, row), row->origin != NULL);
	if (row->origin)
		put_bytes(p, row->origin, row->origin_len);
}

void store_change_inode_gone(struct store_change *c, uint64_t ino)
{
	change_op(c, RECORD_INODE_GONE, ino, 0);
}

void store_change_stale(struct store_change *c, uint64_t ino)
{
	change_op(c, RECORD_STALE, ino, 0);
}

void store_change_dentry(struct store_change *c, uint64_t parent, const char *name, size_t len, uint64_t ino)
{
	uint8_t *p = change_op(c, RECORD_DENTRY, parent, 8 + 4 + len);

	if (p)
		put_bytes(put64(p, ino), name, len);
}

void store_change_dentry_gone(struct store_change *c, uint64_t parent, const char *name, size_t len)
{
	change_op_name(c, RECORD_DENTRY_GONE, parent, name, len);
}

void store_change_dentries_gone(struct store_change *c, uint64_t parent)
{
	change_op(c, RECORD_DENTRIES_GONE, parent, 0);
}

void store_change_xattr(struct store_change *c, uint64_t ino, const char *name, const void *value, size_t size)
{
	size_t len = strlen(name);
	uint8_t *p = change_op(c, RECORD_XATTR, ino, 4 + len + 4 + size);

	if (p)
		put_bytes(put_bytes(p, name, len), value, size);
}

void store_change_xattr_gone(struct store_change *c, uint64_t ino, const char *name)
{
	change_op_name(c, RECORD_XATTR_GONE, ino, name, strlen(name));
}

void store_change_symlink(struct store_change *c, uint64_t ino, const char *target, size_t len)
{
	change_op_name(c, RECORD_SYMLINK, ino, target, len);
}

void store_change_extent(struct store_change *c, uint64_t ino, uint64_t start, uint64_t length, int kind)
{
	uint8_t *p = change_op(c, RECORD_EXTENT, ino, 8 + 8 + 1);

	if (p)
		put8(put64(put64(p, start), length), (uint8_t)kind);
}

void store_change_extents_gone(struct store_change *c, uint64_t ino, uint64_t from)
{
	uint8_t *p = change_op(c, RECORD_EXTENTS_GONE, ino, 8);

	if (p)
		put64(p, from);
}

void store_change_orphan(struct store_change *c, uint64_t ino, uint64_t session)
{
	uint8_t *p = change_op(c, RECORD_ORPHAN, ino, 8);

	if (p)
		put64(p, session);
}

void store_change_orphan_gone(struct store_change *c, uint64_t ino)
{
	change_op(c, RECORD_ORPHAN_GONE, ino, 0);
}

void store_change_baseino(struct store_change *c, uint64_t ino, const char *path, size_t len)
{
	change_op_name(c, RECORD_BASEINO, ino, path, len);
}

void store_change_seen(struct store_change *c, uint64_t ino, const char *path, size_t len)
{
	change_op_name(c, RECORD_SEEN, ino, path, len);
}

void store_change_seen_gone(struct store_change *c, uint64_t ino)
{
	change_op(c, RECORD_SEEN_GONE, ino, 0);
}

void store_change_data_gone(struct store_change *c, uint64_t number)
{
	change_op(c, RECORD_DATA_GONE, number, 0);
	c->flags |= STORE_CHANGE_DATA_GONE;
}

void store_change_data_flush(struct store_change *c, uint64_t number)
{
	change_op(c, RECORD_DATA_FLUSH, number, 0);
}
