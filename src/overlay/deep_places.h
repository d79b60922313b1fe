// SPDX-License-Identifier: Apache-2.0
/* The directories that a deep verification walks. */
#ifndef OVL_DEEP_PLACES_H
#define OVL_DEEP_PLACES_H

#include "overlay/prints.h"
#include "overlay/tree.h"

struct deep_places {
	struct prints_place *v; /* lowers from the top, the head, snapshots from the newest; path: what to call it */
	char **dirs;            /* of the head and snapshots: where to walk; NULL for lowers */
	size_t n;
};

/* The places of a tree as it is now. served: without the head. The caller frees with deep_places_fini(), also on failure. */
int deep_places_find(struct ovl_tree *t, bool served, struct deep_places *out);
void deep_places_fini(struct deep_places *p);
/* The place that one of a record is now: lowers by their number, deltas by their id. Returns its index, or n: there is none. */
size_t deep_places_now(const struct deep_places *now, const struct prints_head *then, size_t i);

/*
 * The path in the tree of the file that has its bytes in a data file, which lies
 * at `path` of a delta. malloc()ed; NULL: there is none, or it is not known.
 */
char *deep_places_file(struct ovl_tree *t, uint64_t delta, const char *path);

/*
 * Kept views in the upper that are older than the newest change in the lowers (ns): each
 * is told to `problem`, or with NULL removed, as what it shows may be gone.
 */
int deep_views(struct ovl_tree *t, int64_t newest, ovl_problem_fn problem, void *arg);

#endif
