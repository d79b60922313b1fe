// SPDX-License-Identifier: Apache-2.0
/* Two neighbouring sealed deltas on their way to become one; see merge.c. */
#ifndef STORE_MERGE_H
#define STORE_MERGE_H

#include "store/state.h"

#include <limits.h>

struct merge {
	struct store *s;
	struct delta *old, *new;
	uint8_t uuid[16];
	uint64_t id;
	char path[PATH_MAX];
	int fd, datafd;
	bool chained; /* the chain names `out`, though replacing it failed */
	struct writer w; /* on the index of `out`, `old` attached */
};

/*
 * With the names of both in `out`: drops those in directories that are gone, and makes
 * the temporary table `dead` of the inodes whose rows nobody needs.
 */
int merge_find_dead(struct merge *m);
/*
 * Links a data file of `from` into `out`. A copied fork has deltas of several uppers,
 * which may have used the same number: then *number is another one there.
 */
int merge_take(struct merge *m, const struct delta *from, uint64_t *number);
/*
 * Folds the row and extents of `old` into those of `new`, in the index and the
 * data directory of `out`. row is changed to what was written.
 */
int merge_fold(struct merge *m, struct store_inode *row, const struct store_inode *old);

#endif
