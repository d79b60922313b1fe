// SPDX-License-Identifier: Apache-2.0
#ifndef STORE_SQLERR_H
#define STORE_SQLERR_H

#include <sqlite3.h>

#include "base/cfg.h"

/* The negative errno of an SQLite result code (0 for OK, ROW, DONE). db may be NULL; it tells the system's errno. */
int sqlerr_errno(int rc, sqlite3 *db);

#endif
