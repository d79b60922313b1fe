// SPDX-License-Identifier: Apache-2.0
/* A small tree in memory: what tree_model.c says a tree holds. Objects are numbers, 0 is the root; names are numbers, too. */
#ifndef TESTS_OVERLAY_TREE_STATE_H
#define TESTS_OVERLAY_TREE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#define NAMES 5
#define OBJECTS 64
#define BLOCKS 12

enum kind { NOTHING, FILE_, DIR_, LINK_ };

struct object {
	uint8_t kind, nlink, blocks, block[BLOCKS], xattr, target;
	bool lower; /* a file with more names than show may count them all */
	int parent, child[NAMES]; /* 0: none; 0 is the root */
};

struct state {
	struct object o[OBJECTS];
};

/* The path of a name in a directory; static, one of four. */
char *state_path(const struct state *s, int dir, int name);
/* 0: there is no room for one more. */
int state_new(struct state *s, enum kind kind);
void state_put(struct state *s, int dir, int name, int o);
/* An object without a name is gone. */
void state_drop(struct state *s, int dir, int name);
bool state_empty(const struct object *o);
/* Is `a` the directory `d`, or above it? */
bool state_above(const struct state *s, int a, int d);

#endif
