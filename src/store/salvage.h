// SPDX-License-Identifier: Apache-2.0
/* Reading what can still be read of a damaged index into a new one. */
#ifndef STORE_SALVAGE_H
#define STORE_SALVAGE_H

#include "store/state.h"

/* Does SQLite find the index of an upper whole? 1: yes, 0: no. */
int salvage_is_whole(const char *dir);
/*
 * Replaces DIR/index.db by a new one with every row that can be read; the
 * damaged one stays as index.damaged. Facts that are lost are made up such that
 * no number is used twice. The caller holds the lock. *rows: how many were kept.
 */
int salvage_index(const char *dir, int dirfd, uint64_t *rows);

#endif
