// SPDX-License-Identifier: Apache-2.0
/* The parts of between.c: what one state holds, which names changed, and the list of what is told. */
#ifndef OVL_BETWEEN_H
#define OVL_BETWEEN_H

#include "overlay/tree.h"

/* A tree at one state. */
struct between_state {
	struct ovl_tree *t;
	bool bare; /* what it stands on: no row counts */
};

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
	bool fresh;        /* gained: its directory is in no place of a */
	size_t out;        /* 1 + index of its change; 0: none */
	struct between_object base; /* lost: what it was, where no row told */
};

struct between_names {
	struct between_name *v;
	size_t n, cap;
};

struct between_change {
	struct ovl_change c; /* paths owned */
	char *old_place;     /* where it was, when that is no rename; NULL: at `path` too */
	uint64_t old_size;
	bool hidden;         /* told from b to a it goes without saying */
};

struct between {
	struct between_state a, b;
	struct between_names rows, lost, gained; /* rows: by directory; the others: by object, once they are complete */
	uint64_t *inos;
	size_t ninos, ino_cap;
	uint64_t *astray; /* changed files of which the recorded name is gone */
	size_t nastray, astray_cap;
	struct between_names found; /* other names of those, by object; path: of the directory in the base */
	bool searched;
	struct between_names moved; /* old names that no row took away, of what moved out of a removed directory, by object */
	bool turn; /* it is told from b to a */
	struct between_change *out;
	size_t nout, out_cap;
};

/* ---- one state: `s` is &d->a or &d->b ---- */

/* An object by number; !o->exists: that state does not know it. o->row.origin is the caller's. */
int between_object(const struct between *d, const struct between_state *s, uint64_t ino, struct between_object *o);

/* What a name of a directory means; *ino 0: nothing. *o is filled when it is the base that has it. */
int between_name_at(const struct between *d, const struct between_state *s, uint64_t parent, const char *name, uint64_t *ino,
		    struct between_object *o);

/* The path in the base that a name stands for; *path NULL: its directory is new. malloc()ed. */
int between_below(const struct between *d, const struct between_state *s, uint64_t parent, const char *name, char **path);

/* A directory and a name that the object has. *name: malloc()ed. -ENOENT: it is in no place. */
int between_place(const struct between *d, const struct between_state *s, uint64_t ino, uint64_t *parent, char **name);

/* The path of an object, and of a name in a directory. malloc()ed. -ENOENT: it is in no place. */
int between_path(const struct between *d, const struct between_state *s, uint64_t ino, char **out);
int between_name_path(const struct between *d, const struct between_state *s, uint64_t parent, const char *name, char **out);

/* The same of what may have no row in any state. below: the path in the base of the object, and of the directory; may be NULL. */
int between_path_below(const struct between *d, const struct between_state *s, uint64_t ino, const char *below, char **out);
int between_name_path_below(const struct between *d, const struct between_state *s, uint64_t parent, const char *below,
			    const char *name, char **out);

/* What the base has at a path: its number, type and size. -ENOENT. */
int between_base(struct ovl_tree *t, const char *path, uint64_t *ino, struct between_object *o);

/* ---- names ---- */

int between_add(struct between_names *l, uint64_t parent, const char *name, uint64_t ino, const char *path);

/* Was this name of the object told as a new one? */
bool between_is_new(const struct between *d, uint64_t parent, const char *name, uint64_t ino);

/* A name that the object has in both. place->name, and path (as in d->found), are malloc()ed. -ENOENT. */
int between_standing(struct between *d, uint64_t ino, struct between_name *place);

/* Is it known where this old name of the object went? */
bool between_has_moved(const struct between *d, uint64_t parent, const char *name, uint64_t ino);

/* Tells all that was in a directory of a that b does not have, but for what moved out. */
int between_restored(struct between *d, const struct between_name *dir);

/* For qsort(). */
int between_by_object(const void *a, const void *b);

/* Fills d->found with names of what is in d->astray, where they stand. */
int between_search(struct between *d);

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
