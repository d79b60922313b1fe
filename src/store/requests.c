// SPDX-License-Identifier: Apache-2.0
#include "store/requests.h"

#include "store/sqlerr.h"

#include <errno.h>
#include <string.h>

void requests_note(struct requests *q, const struct record_head *head)
{
	if (!head->unique)
		return;
	q->items[q->n++ % REQUESTS_MAX] = (struct request){ head->session, head->unique, head->reply };
	q->dirty = true;
}

static size_t requests_count(const struct requests *q)
{
	return q->n < REQUESTS_MAX ? q->n : REQUESTS_MAX;
}

/* Oldest first, so that whoever reads them goes on where the oldest stands. */
static void requests_sort(struct requests *q)
{
	size_t first = q->n % REQUESTS_MAX;
	struct request newest[REQUESTS_MAX];

	if (q->n < REQUESTS_MAX || !first)
		return;
	memcpy(newest, q->items, first * sizeof(*newest));
	memmove(q->items, q->items + first, (REQUESTS_MAX - first) * sizeof(*q->items));
	memcpy(q->items + REQUESTS_MAX - first, newest, first * sizeof(*newest));
	q->n = REQUESTS_MAX;
}

int requests_write(struct requests *q, sqlite3 *db)
{
	sqlite3_stmt *st = NULL;
	int rc;

	if (!q->dirty)
		return 0;
	requests_sort(q);
	rc = sqlite3_prepare_v2(db, "REPLACE INTO meta VALUES('requests', ?)", -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_blob64(st, 1, q->items, requests_count(q) * sizeof(*q->items), SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	sqlite3_finalize(st);
	return sqlerr_errno(rc, db);
}

int requests_read(struct requests *q, sqlite3 *db)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE key = 'requests'", -1, &st, NULL);

	memset(q, 0, sizeof(*q));
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		const void *p = sqlite3_column_blob(st, 0);

		q->n = (size_t)sqlite3_column_bytes(st, 0) / sizeof(*q->items);
		if (q->n > REQUESTS_MAX)
			q->n = REQUESTS_MAX;
		if (q->n)
			memcpy(q->items, p, q->n * sizeof(*q->items));
	}
	sqlite3_finalize(st);
	return sqlerr_errno(rc, db);
}

bool requests_find(const struct requests *q, uint64_t session, uint64_t unique, uint64_t *reply)
{
	for (size_t i = requests_count(q); unique && i > 0; i--) {
		const struct request *r = &q->items[(q->n - 1 - (requests_count(q) - i)) % REQUESTS_MAX];

		if (r->session == session && r->unique == unique) {
			*reply = r->reply;
			return true;
		}
	}
	return false;
}
