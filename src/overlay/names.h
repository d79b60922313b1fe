// SPDX-License-Identifier: Apache-2.0
/*
 * The names of one loaded directory: 32 bytes an entry and the name, found by
 * hash, listed in the order of their cookies.
 *
 * A cookie is 55 bits of the name's hash and 8 bits that tell apart names with
 * the same 55; it does not depend on what else is in the directory, so a listing
 * can go on behind it whatever was added or removed, also after a restart. The
 * buckets are ordered by the cookie's top bits and each chain by the whole, so
 * one structure serves lookup and listing.
 *
 * The owner's lock (the directory's node->lock) protects a table.
 */
#ifndef OVL_NAMES_H
#define OVL_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ovl_name_kind {
	OVL_NAME_BASE = 1, /* an untouched object of the base; its number may not be known yet */
	OVL_NAME_OWN,      /* a dentry row: number known */
	OVL_NAME_VIRTUAL,  /* a virtual file or directory */
	OVL_NAME_WHITEOUT, /* hidden: something below has the name */
};

struct ovl_name {
	uint64_t cookie;
	_Atomic uint64_t ino;  /* 0: not known yet (BASE) */
	uint32_t text;         /* offset of the name in the arena */
	uint32_t next;         /* in its chain, or of the free list */
	uint32_t layers;       /* BASE: offset of its layer list: count, then layers from the top */
	uint8_t len;
	uint8_t type;          /* DT_* */
	uint8_t kind;          /* enum ovl_name_kind; 0: a free slot */
	bool below : 1;        /* something below has this name: removing it takes a whiteout */
	bool guard : 1;        /* an ancestor of a virtual file: may not be moved or removed */
};

struct ovl_names;

struct ovl_names *ovl_names_new(void); /* NULL: no memory */
void ovl_names_free(struct ovl_names *t);
size_t ovl_names_bytes(const struct ovl_names *t);
size_t ovl_names_count(const struct ovl_names *t);   /* entries, whiteouts included */
size_t ovl_names_visible(const struct ovl_names *t); /* entries that a listing shows */

/* Gives back room that a table which was filled once will not need. */
void ovl_names_fit(struct ovl_names *t);
/*
 * Says that the head was sealed for the `seals`-th time: unless the table knows,
 * every name of the writable layer now has something below, and a whiteout of
 * the sealed delta needs none above it.
 */
void ovl_names_sealed(struct ovl_names *t, unsigned seals);

/* NULL: no such entry. A pointer is valid until the table next changes. */
struct ovl_name *ovl_names_find(const struct ovl_names *t, const char *name, size_t len);
/*
 * Makes room so that the next ovl_names_add() cannot fail: called before a
 * commit. -ENOMEM, -ENOSPC (256 names with one hash).
 */
int ovl_names_reserve(struct ovl_names *t, const char *name, size_t len);
/* Adds a name that is not there. NULL only without a successful reserve. */
struct ovl_name *ovl_names_add(struct ovl_names *t, const char *name, size_t len, enum ovl_name_kind kind,
			       uint8_t type, uint64_t ino);
void ovl_names_remove(struct ovl_names *t, struct ovl_name *e);
/* Changes what a name is; keeps the count of visible entries right. */
void ovl_names_set(struct ovl_names *t, struct ovl_name *e, enum ovl_name_kind kind, uint8_t type, uint64_t ino);
/* Keeps the layers of a BASE directory. */
int ovl_names_layers(struct ovl_names *t, struct ovl_name *e, const uint16_t *layers, size_t n);
const uint16_t *ovl_names_layers_of(const struct ovl_names *t, const struct ovl_name *e, size_t *n);
const char *ovl_names_text(const struct ovl_names *t, const struct ovl_name *e); /* not NUL terminated */
/* The first entry whose cookie is above `cookie`, whiteouts included; NULL at the end. */
struct ovl_name *ovl_names_after(const struct ovl_names *t, uint64_t cookie);

#endif
