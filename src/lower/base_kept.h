// SPDX-License-Identifier: Apache-2.0
/*
 * The base's side of the kept view (kept.h): what base_*.c ask before they ask
 * the layers. A base_dir that is in the view has its record (base_dir.kept);
 * where that is 0, or the view was abandoned, the layers are asked.
 *
 * All of these return false when the view does not tell; outputs are then as
 * they were. No lock, no system call.
 */
#ifndef LOWER_BASE_KEPT_H
#define LOWER_BASE_KEPT_H

#include "lower/base_parts.h"

/* As base_list(); *rc is what that returns. Nothing has been given to fn when it returns false. */
bool base_kept_list(struct base *b, struct base_dir *d, base_entry_fn fn, void *arg, int *rc);
/* As base_lookup(). */
bool base_kept_lookup(struct base *b, struct base_dir *d, const char *name, size_t len, base_entry_fn fn, void *arg,
		      int *rc);
/* The record of a child whose hash is known; 0: none. */
uint64_t base_kept_child(struct base *b, const struct base_dir *parent, uint64_t hash, const char *name, size_t len);
/* As base_attr() and base_dir_attr(), numbers included; name NULL: d itself. */
bool base_kept_attr(struct base *b, const struct base_dir *d, const char *name, size_t len, uint16_t layer,
		    struct vn_attr *attr);
/* As base_readlink(). */
bool base_kept_readlink(struct base *b, const struct base_dir *d, const char *name, size_t len, uint16_t layer,
			char *buf, size_t size, ssize_t *n);
/* Is it known to have no attribute that a client could see? */
bool base_kept_bare(struct base *b, const struct base_dir *d, const char *name, size_t len, uint16_t layer);
/* The parts of d, malloc'ed; NULL: not told, or no memory. */
struct base_parts *base_kept_parts(struct base *b, const struct base_dir *d);
/*
 * A file of a layer is being opened, and looks like this. False: the view
 * tells otherwise (and has been abandoned), so the layer was changed.
 */
bool base_kept_agrees(struct base *b, const struct base_dir *d, const char *name, size_t len, uint16_t layer,
		      const struct layer_stat *st);
/* There is no such regular file in its layer (any more): if the view tells of one, it is given up, with a word in the log. */
void base_kept_missing(struct base *b, const struct base_dir *d, const char *name, size_t len, uint16_t layer);
/* Which stack this is, and its view's file name. -errno: a layer cannot be looked at. */
struct kept_id;
int base_kept_id(struct base *b, struct kept_id *out);
void base_kept_name(const struct kept_id *id, char out[KEPT_NAME_SIZE]);
/* Closes the view, if there is one. */
void base_kept_close(struct base *b);

#endif
