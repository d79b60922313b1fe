// SPDX-License-Identifier: Apache-2.0
/* The parts of between.c: what one state holds, which names changed, and the list of what is told. */
#ifndef OVL_BETWEEN_H
#define OVL_BETWEEN_H

#include "overlay/tree.h"

/* An object in one state. */
struct between_object {
	bool exists, has_row;
	struct store_inode row; /* has_row; origin owned */
	uint64_t delta;
	uint32_t type;
	uint64_t size;
};

/* A name that means another object in b than in a. */
struct between_name {
	uint64_t parent, ino;
	char *name, *path; /* path: NULL when its directory is in no place */
	struct between_name *pair;
	size_t out;        /* 1 + index of its change; 0: none */
	struct between_object base; /* lost: what it was, where no row told */
};

struct between_names {
	struct between_name *v;
	size_t n, cap;
};

struct between_change {
	struct ovl_change c; /* paths owned */
	uint64_t old_size;
};

struct between {
	struct ovl_tree *a, *b;
	struct between_names rows, lost, gained; /* rows: by directory; the others: by object, once they are complete */
	uint64_t *inos;
	size_t ninos, ino_cap;
	struct between_change *out;
	size_t nout, out_cap;
};

/* ---- one state: `t` is d->a or d->b ---- */

/* An object by number; !o->exists: that state does not know it. o->row.origin is the caller's. */
int between_object(const struct between *d, struct ovl_tree *t, uint64_t ino, struct between_object *o);

/* What a name of a directory means; *ino 0: nothing. *o is filled when it is the base that has it. */
int between_name_at(const struct between *d, struct ovl_tree *t, uint64_t parent, const char *name, uint64_t *ino,
		    struct between_object *o);

/* A directory and a name that the object has. *name: malloc()ed. -ENOENT: it is in no place. */
int between_place(const struct between *d, struct ovl_tree *t, uint64_t ino, uint64_t *parent, char **name);

/* The path of an object, and of a name in a directory. malloc()ed. -ENOENT: it is in no place. */
int between_path(const struct between *d, struct ovl_tree *t, uint64_t ino, char **out);
int between_name_path(const struct between *d, struct ovl_tree *t, uint64_t parent, const char *name, char **out);

/* ---- names ---- */

/* A name row of b that a does not have: to be judged by between_all_names(). -ENOMEM. */
int between_add_row(struct between *d, uint64_t parent, const char *name, uint64_t ino);

/* Judges all rows: emits what was added, deleted, renamed, and new content under an old name. */
int between_all_names(struct between *d);

/* The first of an object's names in a list sorted by number, or NULL. The others follow it. */
struct between_name *between_find(const struct between_names *l, uint64_t ino);

/* Did entries of this directory change, rather than somebody setting its time? */
bool between_entries(const struct between *d, uint64_t dir);

void between_names_fini(struct between_names *l);

/* ---- what is told ---- */

/* Room for one more element of a growing array (a pointer to the pointer). -ENOMEM. */
int between_grow(void *array, size_t *cap, size_t n, size_t elem);

/* One change for the list. Takes over path and old, also when it fails. */
int between_emit(struct between *d, enum ovl_change_kind kind, char *path, char *old,
		 const struct between_object *before, const struct between_object *after);

#endif
