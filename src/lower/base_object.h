// SPDX-License-Identifier: Apache-2.0
/* One object of one layer, in hand for a few system calls. */
#ifndef LOWER_BASE_OBJECT_H
#define LOWER_BASE_OBJECT_H

#include "lower/base_parts.h"

struct base_object {
	struct base *b;
	struct base_dir *dir; /* where it lies, borrowed; NULL: it is the root */
	uint16_t layer;
	struct base_at at;          /* the directory that has it */
	char name[VN_NAME_MAX + 1]; /* in it; "": the directory itself */
};

/* Object `name` of d in a layer, or d itself (name NULL; the layer is then d's top one). Closed also after a failure. */
int base_object_open(struct base *b, struct base_dir *d, const char *name, size_t len, uint16_t layer,
		     struct base_object *o);
void base_object_close(struct base_object *o);

/*
 * May it have attributes that a client sees? 0: it has none, and is asked for
 * none with an error of its own (a file system without any, one that may not be looked at).
 */
int base_may_have_xattrs(struct base *b, struct base_dir *d, const char *name, size_t len, uint16_t layer);

#endif
