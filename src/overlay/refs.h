// SPDX-License-Identifier: Apache-2.0
/*
 * The lookups of one session, counted per node: a hash table in shards, each
 * under a lock of its own. One reference on a node stands for all lookups of
 * the session; whoever adds brings it, whoever takes the last one has it.
 *
 * The shards' locks are leaves (tree.h): what is called back under one takes no
 * other lock.
 */
#ifndef OVL_REFS_H
#define OVL_REFS_H

#include <stdbool.h>
#include <stdint.h>

struct ovl_node;
struct ovl_refs;

/* An empty table; NULL: no memory. */
struct ovl_refs *ovl_refs_new(void);
/* Frees a table that ovl_refs_take() has emptied. */
void ovl_refs_free(struct ovl_refs *refs);

/*
 * Adds `lookups` (at least 1) of n. On success *first says whether the session had
 * none: then the table has the caller's reference. -ENOMEM.
 */
int ovl_refs_add(struct ovl_refs *refs, struct ovl_node *n, uint64_t lookups, bool *first);
/* Takes back that many, or all there are. True: those were the last ones, and the reference is the caller's. */
bool ovl_refs_sub(struct ovl_refs *refs, struct ovl_node *n, uint64_t lookups);
/* Does the session hold n? */
bool ovl_refs_has(struct ovl_refs *refs, struct ovl_node *n);
/* fn of each node, under its shard's lock, until one does not return 0; that is returned. */
int ovl_refs_each(struct ovl_refs *refs, int (*fn)(void *arg, struct ovl_node *n, uint64_t lookups), void *arg);
/* Empties the table: fn, under no lock, of each node that was in it, whose reference is fn's. */
void ovl_refs_take(struct ovl_refs *refs, void (*fn)(void *arg, struct ovl_node *n), void *arg);

#endif
