// SPDX-License-Identifier: Apache-2.0
/* Base objects that a client holds beyond the life of a server. */
#ifndef OVL_SEEN_H
#define OVL_SEEN_H

#include "overlay/tree.h"

int ovl_seen_new(struct ovl_tree *t); /* sets t->seen */
void ovl_seen_free(struct ovl_tree *t);
/* A client that outlives the server looked n up. Files need no record; a failure only costs a search later. */
void ovl_seen_record(struct ovl_tree *t, struct ovl_node *n);
/* No such client holds n any more. */
void ovl_seen_gone(struct ovl_tree *t, struct ovl_node *n);
/* The node of a base object without a row, by its number: a reference. -ENOENT. */
int ovl_seen_find(struct ovl_tree *t, uint64_t ino, struct ovl_node **out);

#endif
