// SPDX-License-Identifier: Apache-2.0
/*
 * The newest requests of sessions that outlive a server, with the essentials of
 * their replies (J6). A request whose record had been applied, but whose reply
 * had not been sent when the server died, is asked again; so the last ones are
 * kept in the index, in the transaction that applies them.
 */
#ifndef STORE_REQUESTS_H
#define STORE_REQUESTS_H

#include "store/record.h"
#include "store/schema.h"

#define REQUESTS_MAX 1024 /* as many as can be in flight */

struct request {
	uint64_t session, unique, reply;
};

struct requests {
	struct request items[REQUESTS_MAX]; /* a ring */
	size_t n;      /* how many were ever noted; the newest is at (n - 1) % REQUESTS_MAX */
	bool dirty;    /* noted, not written */
};

/* Notes who asked for a record; a record that nobody asked for is passed over. */
void requests_note(struct requests *q, const struct record_head *head);
/* Writes them to `meta` when there are new ones; inside a transaction. */
int requests_write(struct requests *q, sqlite3 *db);
int requests_read(struct requests *q, sqlite3 *db);
bool requests_find(const struct requests *q, uint64_t session, uint64_t unique, uint64_t *reply);

#endif
