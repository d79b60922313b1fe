// SPDX-License-Identifier: Apache-2.0
/*
 * Reading, merged over the head and the sealed deltas: the newest delta that has
 * a row wins. Rows are gathered while a connection is held; the caller's
 * functions are called after it was given back, so they may read further.
 */
#ifndef STORE_READ_H
#define STORE_READ_H

#include "store/state.h"

/* A statement of one delta with its connection held; of a delta without rows neither is there (st is NULL). */
struct read {
	struct delta *delta;
	struct reader_conn conn;
	sqlite3_stmt *st;
};

int read_begin(struct read *r, struct delta *d, enum reader_stmt i, uint64_t key);
/* 1: a row, 0: no more. */
int read_step(struct read *r);
/* The first, of a statement whose second parameter is a name. */
int read_step_name(struct read *r, const char *name, size_t len);
void read_end(struct read *r);
/* A column as malloc()ed bytes with a NUL behind them. NULL: no memory. */
char *read_copy(sqlite3_stmt *st, int column, size_t *len);
/* The columns of an inode; row->origin is malloc()ed. */
int read_row(sqlite3_stmt *st, struct store_inode *row);
/* Does a delta at `from` or behind it in the order, and newer than the one at `upto`, say anything of this name? 1: yes. */
int read_name_between(struct store *s, size_t from, size_t upto, uint64_t parent, const char *name, size_t len);

static inline bool read_is_head(const struct store *s, size_t i)
{
	return s->has_head && !i;
}

/* Rows gathered in memory; names and values are offsets into bytes. */
struct read_item {
	size_t name, name_len;   /* offset into bytes */
	size_t value, value_len;
	uint64_t a, b;
	int kind;
	enum store_sealed sealed;
};

struct read_list {
	struct read_item *items;
	size_t n, cap;
	char *bytes;
	size_t len, size;
	uint32_t *slot; /* names already seen: index + 1; only where several deltas are merged */
	size_t nslot;
};

void read_list_fini(struct read_list *l);
int read_list_bytes(struct read_list *l, const void *p, size_t n, size_t *at);
int read_list_add(struct read_list *l, const struct read_item *item);
/* Puts a column's bytes into the list. */
int read_column(struct read_list *l, sqlite3_stmt *st, int column, size_t *at, size_t *len);
/* Gathers two or three integer columns of every row a statement gives for a key. */
int read_numbers(struct delta *d, enum reader_stmt i, uint64_t key, struct read_list *l);
/* Makes room in the table of names for one more item. */
int read_slots(struct read_list *l);
/* The item of a name, or NULL and the slot where its index goes. */
struct read_item *read_find(struct read_list *l, const char *name, size_t len, size_t *slot);

#endif
