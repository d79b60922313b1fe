// SPDX-License-Identifier: Apache-2.0
/*
 * Putting a new head in the place of the old one: what a seal and a rollback
 * have in common.
 *
 *	prepare   next/ gets a new index.db and data/, durably
 *	commit    `chain` is replaced; it says `step KIND ID`: from here on it has happened
 *	roll      the old index.db and data/ move to deltas/ID (seal) or trash/ID
 *	          (rollback), those of next/ take their place, next/ goes
 *	settle    `chain` is replaced by itself without the step; trash/ is emptied
 *	          by the stock thread, now or after the next opening
 *
 * Dying before the commit leaves next/, which the following opening removes;
 * dying behind it leaves a step, which the following opening rolls to its end.
 * Each move is done only when it has not been done: what is to move is there and
 * its place is free.
 */
#ifndef STORE_HEAD_H
#define STORE_HEAD_H

#include "store/chain.h"
#include "store/state.h"

#define HEAD_SEAL "seal"
#define HEAD_ROLLBACK "rollback"

/*
 * Begins: no record is pending, appends wait, the old index is closed and at
 * rest (journal_mode=DELETE). write_lock and ring.lock are held from here until
 * head_end. On failure nothing is held and the old head goes on.
 * -EBUSY: somebody is reading the index.
 */
int head_begin(struct store *s, struct vn_err *err);
/* Ends: opens what is now the head and lets appends go on. The store turns read-only when that fails. */
int head_end(struct store *s);

/* Data files without rows that are in use; the head's meta names them from before head_begin on (HEAD_IN_USE). */
struct head_keep {
	const uint64_t *numbers;
	size_t n;
};
#define HEAD_IN_USE "in_use" /* numbers in decimal, each with a blank behind it */

/*
 * Makes next/. facts->next_* are filled here. `keep`: they go along, and orphans with their data, and seen objects.
 * NULL: nothing does.
 */
int head_prepare(struct store *s, struct index_facts *facts, const struct head_keep *keep);
/* Writes the chain with its step, rolls, settles. -errno after the commit leaves the rest to the next opening. */
int head_commit(struct store *s, struct chain *c, const char *kind, uint64_t id);
/* At opening: rolls a pending step to its end, or removes what was only prepared. */
int head_recover(int dirfd, const char *path, struct vn_err *err);
/* Is there something that head_recover would do? */
bool head_is_pending(const char *path);
/* Moves a sealed delta that the chain does not name to trash/, unless a fork needs it or somebody reads it: then a later opening does. */
int head_discard(int dirfd, uint64_t id);
/* Removes a directory and all that is in it. */
int head_remove_tree(int dirfd, const char *name);

#endif
