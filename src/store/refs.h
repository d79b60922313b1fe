// SPDX-License-Identifier: Apache-2.0
/*
 * refs/ID in an upper: the fork with the identity ID needs deltas of it. The
 * first line is where the fork lies, each further one names a delta. A delta that
 * is needed is not removed, even when the upper's own chain has left it.
 *
 * Who forks writes the refs and then looks whether the deltas are there; who
 * removes deltas takes them out of the chain and then looks at the refs. So one
 * of two that meet sees the other.
 *
 * A fork that is removed leaves its ref. Its place being empty does not prove that
 * it is gone: it may have been moved, or its disk is not mounted. So nothing is
 * dropped silently; store_fork_forget() is for whoever knows. A fork that was
 * moved or forgotten writes its refs anew when it is next opened for writing.
 */
#ifndef STORE_REFS_H
#define STORE_REFS_H

#include "store/chain.h"
#include "store/store.h"

struct refs_fork {
	const char *id;    /* of the fork, the first 8 bytes of its upper's uuid in hex */
	const char *place; /* absolute */
	const struct chain *chain; /* what it stands on; entries with a path lie in other uppers */
};

/* The upper in whose deltas/ a directory lies; malloc()ed, NULL: no memory. */
char *refs_owner(const char *delta);
/* Writes the ref, durably, in every upper whose deltas the fork needs. After a failure some may be there. */
int refs_write(const struct refs_fork *f);
/* Removes it in all of them, as far as it is there. */
void refs_remove(const struct refs_fork *f);
/* Does a fork of this upper need the sealed delta? What cannot be read says yes. */
bool refs_need(int dirfd, uint64_t delta);
/* For a fork that is being opened: makes sure that its origins know it, and where it is, as far as they can be written. */
void refs_renew(struct store *s);

#endif
