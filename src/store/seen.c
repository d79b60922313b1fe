// SPDX-License-Identifier: Apache-2.0
/* The base objects that clients of an earlier server held. */
#include "store/state.h"

#include "store/sqlerr.h"

#include <errno.h>

int store_read_all_seen(struct store *s, store_baseino_fn fn, void *arg)
{
	struct reader_conn c;
	sqlite3_stmt *st = NULL;
	int rc, step = SQLITE_DONE;

	if (!s->has_head)
		return 0;
	rc = reader_get(s->order[0].reader, &c);
	if (rc)
		return rc;
	rc = schema_prepare(c.db, "SELECT ino, path FROM seen", &st);
	while (!rc && (step = sqlite3_step(st)) == SQLITE_ROW) {
		const char *path = sqlite3_column_blob(st, 1);

		rc = fn(arg, (uint64_t)sqlite3_column_int64(st, 0), path ? path : "",
			(size_t)sqlite3_column_bytes(st, 1));
	}
	if (!rc)
		rc = sqlerr_errno(step, c.db);
	sqlite3_finalize(st);
	reader_put(s->order[0].reader, &c);
	return rc;
}
