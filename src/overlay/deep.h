// SPDX-License-Identifier: Apache-2.0
/* A deep verification under way; for deep.c and deep_tell.c. */
#ifndef OVL_DEEP_H
#define OVL_DEEP_H

#include "overlay/deep_places.h"
#include "overlay/prints.h"
#include "overlay/survey.h"
#include "overlay/tree.h"

struct deep_pending; /* deep_tell.c: directories of which it is not told yet */

struct deep {
	struct ovl_tree *t;
	struct ovl_deep *d;
	struct deep_places places;
	struct print_meter meter;
	uint64_t viewer;
	/* the place that is being walked */
	enum ovl_place kind;
	uint64_t id;
	const char *where;
	const struct layer *layer;
	struct prints_writer *w; /* ovl_record() */
	struct prints *then;     /* ovl_deep() with a record, and its next object */
	struct prints_object next;
	bool have;
	char *passed;            /* a directory of the record whose contents are no news */
	struct deep_pending *pending;
	int64_t newest;          /* when something in a lower was changed last, ns */
};

/*
 * Tells of a difference: `what` is of OVL_DIFFERS_*, was and now may be NULL, error is
 * a negative errno with OVL_DIFFERS_UNREAD. Paths come in the order of the walk. A
 * directory that differs in its time only waits until it is known whether something
 * in it does. Returns what the caller's function returned; -ENOMEM.
 */
int deep_tell(struct deep *p, const char *path, unsigned what, const struct ovl_print *was, const struct ovl_print *now,
	      int error);
/* Tells of the pending directories that path is not in; NULL: of all. */
int deep_settle(struct deep *p, const char *path);
/* The record cannot be used (rc says why). That is a problem, and no reason not to look at all else. -ENOMEM. */
int deep_damaged(struct deep *p, int rc);
/* Forgets the pending ones, after a failure. */
void deep_tell_fini(struct deep *p);

#endif
