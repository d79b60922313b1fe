// SPDX-License-Identifier: Apache-2.0
/* SQLite's codes become errnos here and nowhere else. */
#include "store/sqlerr.h"

#include <errno.h>

/* A failed system call of SQLite: keep the ones that a caller acts on. */
static int sqlerr_io(sqlite3 *db, int other)
{
	int e = db ? sqlite3_system_errno(db) : 0;

	if (e == ENOSPC || e == EDQUOT || e == EROFS || e == EACCES || e == EPERM || e == ENOENT || e == EMFILE)
		return -e;
	return other;
}

int sqlerr_errno(int rc, sqlite3 *db)
{
	if (rc == SQLITE_IOERR_NOMEM || rc == SQLITE_IOERR_SHMMAP)
		return rc == SQLITE_IOERR_NOMEM ? -ENOMEM : sqlerr_io(db, -ENOSPC);
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL: /* gave up after many races for the log's locks */
		return -EBUSY;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
	case SQLITE_SCHEMA:
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
		return -EUCLEAN;
	case SQLITE_TOOBIG:
		return -E2BIG;
	case SQLITE_CANTOPEN:
		return sqlerr_io(db, -EIO);
	case SQLITE_IOERR:
		return sqlerr_io(db, -EIO);
	case SQLITE_ERROR: /* a table that is not there: not an index of ours */
		return -EUCLEAN;
	default:
		return -EIO;
	}
}
