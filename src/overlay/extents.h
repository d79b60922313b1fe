// SPDX-License-Identifier: Apache-2.0
/*
 * Which bytes of a file lie in its data file: ranges of one kind (STORE_EXTENT_DATA
 * or STORE_EXTENT_ZERO) in ascending order that never overlap; neighbours of one
 * kind are one range. What no range covers is STORE_EXTENT_NONE. Offsets are
 * bytes; ranges are [start, end). No locks: the owner's.
 */
#ifndef OVL_EXTENTS_H
#define OVL_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cfg.h"

struct ovl_extent {
	uint64_t start, end;
	int kind;
};

struct ovl_extents {
	struct ovl_extent *list;
	size_t count, cap;
	uint64_t bytes; /* covered by ranges of either kind */
};

struct ovl_extents *ovl_extents_new(void); /* empty; NULL: no memory */
void ovl_extents_free(struct ovl_extents *e); /* NULL allowed */

/* Makes room so that the next n calls of ovl_extents_set() succeed. -ENOMEM. */
int ovl_extents_reserve(struct ovl_extents *e, size_t n);

/* Gives a range its kind, whatever was there; STORE_EXTENT_NONE forgets. An empty range changes nothing. Room was reserved. */
void ovl_extents_set(struct ovl_extents *e, uint64_t start, uint64_t end, int kind);

/* Room for one and set it, by length: what store_read_extents() calls with arg a struct ovl_extents. -ENOMEM. */
int ovl_extents_put(void *arg, uint64_t start, uint64_t length, int kind);

/* Forgets everything at or behind `from`. */
void ovl_extents_cut(struct ovl_extents *e, uint64_t from);

/* The kind at pos; *end is where that kind ends (UINT64_MAX behind the last range). */
int ovl_extents_at(const struct ovl_extents *e, uint64_t pos, uint64_t *end);

/* Is all of [from, to) of a kind other than STORE_EXTENT_NONE? An empty range is. */
bool ovl_extents_cover(const struct ovl_extents *e, uint64_t from, uint64_t to);

/* Does any range of this kind begin before `to`? */
bool ovl_extents_any(const struct ovl_extents *e, int kind, uint64_t to);

/* Bytes of [0, to) that no range covers. */
uint64_t ovl_extents_missing(const struct ovl_extents *e, uint64_t to);

#endif
