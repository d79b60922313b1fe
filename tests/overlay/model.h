// SPDX-License-Identifier: Apache-2.0
/*
 * Random operations on the bytes of a few files of a tree, each compared with what
 * a plain array of bytes says. The model lies in memory that child processes
 * share, so that a server that dies without a word can be compared with it.
 */
#ifndef TESTS_OVERLAY_MODEL_H
#define TESTS_OVERLAY_MODEL_H

#include <stdint.h>

#include "engine.h"

#define MODEL_MAX (900u << 10) /* bytes of a file */
#define MODEL_FILES 4

struct model_file {
	char name[16];
	uint64_t node; /* of the present opening; holds a lookup */
	uint64_t size;
	uint8_t bytes[MODEL_MAX];
};

/* What a file may be after a power cut: all that it was since it was last flushed. */
struct model_past {
	uint64_t least, most;      /* sizes */
	bool changed;              /* since it was flushed */
	bool stretched;            /* made longer than what was written, since then: the host may keep the length and lose the bytes */
	uint8_t below[MODEL_MAX];  /* what it was when all began: may come back where it was changed (rule J10) */
	uint32_t seen[MODEL_MAX];  /* by byte: a bit for each value, modulo 32 */
};

struct model {
	uint64_t random; /* state of the generator */
	unsigned done;   /* operations that were acknowledged */
	bool strict;     /* the host keeps no length whose bytes it lost, if they were put one behind the other */
	bool faults;     /* records and new data files fail now and then: see model.c */
	int changing;    /* the file that an operation changes just now, else -1 */
	struct model_file next; /* what it is to be */
	struct model_file files[MODEL_FILES];
	struct model_past *past; /* MODEL_FILES of them, shared memory; NULL: not wanted */
};

/* Shared memory, zeroed; seeded from SEED in the environment or by `seed`, which is printed. */
struct model *model_new(uint64_t seed);
uint64_t model_random(struct model *m, uint64_t below); /* 0..below-1 */

/* A base file of this size in lower 0: random bytes with holes; before engine_open. */
void model_lower(struct model *m, struct engine *e, unsigned file, uint64_t size);

void model_find(struct model *m, struct engine *e);   /* after each opening: looks all files up */
void model_step(struct model *m, struct engine *e);   /* one random operation, checked around where it worked */
void model_check(struct model *m, struct engine *e);  /* every byte, size and hole of every file */

/*
 * The server died, perhaps within an operation, and the tree was opened again: what
 * was to be changed may be old or new at each byte, all else is as it was. The
 * model is then what was found.
 */
void model_accept(struct model *m, struct engine *e);

/* Keeps the past from now on. */
void model_remember(struct model *m);
/*
 * The power was cut, and the tree was opened again from what the disk had: a file
 * that was flushed and not changed since is what it was; any other has at each byte
 * a value that it had there since, or what is below; or zero, on a host that is not
 * strict and in files that were stretched.
 */
void model_accept_cut(struct model *m, struct engine *e);

#endif
