// SPDX-License-Identifier: Apache-2.0
/*
 * The table of names of one listing: from the top layer down, what a name is
 * and, for directories, which layers have it. A name is
 *
 *	open    a directory; a lower one of the same name joins it
 *	closed  visible and final
 *	hidden  a whiteout was met first
 */
#ifndef LOWER_BASE_NAMES_H
#define LOWER_BASE_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "lower/base.h"

struct base_name_hidden;
struct base_name_row;
struct base_name_layer;

struct base_names {
	uint64_t seed;
	struct base_name_row *rows;
	size_t nrows, rows_cap;
	uint32_t *slots; /* row number + 1; open addressing */
	size_t nslots;
	char *text; /* the names' bytes */
	size_t ntext, text_cap;
	struct base_name_layer *layers; /* chains of directories' layers */
	size_t nlayers, layers_cap;
	struct base_name_hidden *pending; /* by whiteouts of the layer that is being read */
	size_t npending, pending_cap;
};

void base_names_init(struct base_names *t, uint64_t seed);
void base_names_fini(struct base_names *t);

/* An entry of a layer; layers come from the top. -ENOMEM. */
int base_names_add(struct base_names *t, const char *name, size_t len, uint32_t type, uint16_t layer);
/* A whiteout of the layer that is being read: hides the name in those that follow base_names_settle. -ENOMEM. */
int base_names_hide(struct base_names *t, const char *name, size_t len);
/* The layer has been read. */
int base_names_settle(struct base_names *t);
/* Every visible name. fn returns non-zero to stop, which is returned. -ENOMEM. */
int base_names_each(const struct base_names *t, base_entry_fn fn, void *arg);

#endif
