// SPDX-License-Identifier: Apache-2.0
/*
 * Telling a walk from other requests, and reading ahead for it (lower/base.h).
 *
 * A client walks when it lists a directory and then one that it found there. What
 * it will list next are the directories in the one just listed, then those that
 * follow it in its parent's listing; so many of them as the walk has shown itself
 * to be long are read ahead. A lookup, or a single listing, reads nothing ahead.
 */
#ifndef OVL_WALK_H
#define OVL_WALK_H

#include "overlay/tree.h"

/* One listing that is part of a walk; all 0: it is none. */
struct ovl_walk {
	struct ovl_node *parent; /* a reference */
	unsigned window;         /* how many directories to read ahead */
	bool asked;              /* for those beside it */
};

/* A client begins to list dir; no lock held. Then, in any case, ovl_walk_end(). */
void ovl_walk_begin(struct ovl_tree *t, struct ovl_node *dir, struct ovl_walk *w);
/* dir has been read; its lock is held. */
void ovl_walk_go_on(struct ovl_tree *t, struct ovl_node *dir, struct ovl_walk *w);
void ovl_walk_end(struct ovl_tree *t, struct ovl_walk *w);

/*
 * Reading many small files of a directory for the first time, one after another, is
 * a walk, too: where that waits, the directory's other small files are read ahead.
 * Call it after the first read of a file without rows; sleeps: base_ahead_sleeps() of that read.
 */
void ovl_walk_read(struct ovl_tree *t, const struct ovl_node *n, long sleeps);

#endif
