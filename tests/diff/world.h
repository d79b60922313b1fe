// SPDX-License-Identifier: Apache-2.0
/*
 * Two trees that must behave alike, one process's view of them, and what an
 * operation may use: names, paths, open files. Side 0 is the tree under test,
 * side 1 the reference; choices look at the reference only.
 */
#ifndef TESTS_DIFF_WORLD_H
#define TESTS_DIFF_WORLD_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "rand.h"

#define SIDES 2
#define SLOTS 12
#define SIZE_LIMIT (1 << 20) /* no file is made larger */

/* What one side said. */
struct outcome {
	long rc; /* 0, or a count; -1: err */
	int err;
	uint64_t data;  /* hash of bytes, names or attributes that came back */
	char note[256]; /* the same for a person */
};

/* An open file, on both sides. */
struct slot {
	int fd[SIDES]; /* -1: free */
	int flags;     /* O_* */
	mode_t type;   /* S_IF* */
	uint64_t ino;  /* of side 0, when it was opened */
	unsigned number;
};

struct world_options {
	bool kernel; /* side 0 is kernel overlayfs: leave out what it documents as non-standard */
	bool users;  /* some operations as another user */
	bool acls;
	bool writeback; /* the kernel keeps writes back, and asks for holes without writing them first */
	bool verbose;
	bool check; /* look at everything after every operation: slower, finds the operation that did it */
};

struct world {
	struct rnd rnd;
	struct world_options options;
	uint64_t seed;
	unsigned process;
	bool shared;                /* in the part of the tree that all processes use, under the lock */
	const char *root[SIDES];    /* of the trees */
	char area[SIDES][PATH_MAX]; /* the part in use now */
	int area_fd[SIDES];
	struct slot slots[SLOTS];
	unsigned opened;
	char op[1024]; /* the operation under way, for a person */
	char *log[64]; /* the last ones */
	size_t count;  /* of operations */
	bool failed;
};

/* A path below the area; both sides' host paths. */
struct place {
	char rel[PATH_MAX];
	char host[SIDES][PATH_MAX * 2 + 2];
};

void world_init(struct world *w, const char *const roots[SIDES], uint64_t seed, unsigned process,
		const struct world_options *options);
void world_fini(struct world *w);
/* Goes to work in a directory below the roots, made if it is not there. 0 or -errno. */
int world_enter(struct world *w, const char *area);

/* A path that exists (mostly), or may be made; never the area itself. */
void world_pick(struct world *w, struct place *p);
/* A path of which at least the parent exists (mostly). */
void world_pick_new(struct world *w, struct place *p);
/* A directory (mostly); may be the area. */
void world_pick_dir(struct world *w, struct place *p);
/* A name: of the pool, or one of the directory's. */
void world_pick_name(struct world *w, const char *host_dir, char name[NAME_MAX + 8]);

/* An open slot whose file is of a type (0: any), or NULL; a free one, by closing the oldest. */
struct slot *world_slot(struct world *w, mode_t type);
struct slot *world_free_slot(struct world *w);
void world_close(struct slot *s);

/* Begins an operation: what it is, for the log. */
void world_op(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Ends it: both sides must have said the same. */
void world_settle(struct world *w, const struct outcome o[SIDES]);
void world_fail(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* All open files, and all objects of the area, have the same attributes on both sides. */
void world_check(struct world *w);

/* ---- outcomes ---- */

/* From a system call's result; errno is read now. */
void outcome_set(struct outcome *o, long rc);
void outcome_bytes(struct outcome *o, const void *bytes, size_t n);
void outcome_stat(struct outcome *o, const struct stat *st);
void outcome_note(struct outcome *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- operations ---- */

struct op {
	const char *name;
	unsigned weight;
	void (*run)(struct world *w);
};
extern const struct op file_ops[], path_ops[], dir_ops[], xattr_ops[]; /* each ends with an empty one */

#endif
