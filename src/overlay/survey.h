// SPDX-License-Identifier: Apache-2.0
/*
 * A walk over everything that lies in a host directory, markers and what they
 * hide included. By the rules of the base: nothing is followed, devices and
 * pipes are not opened, mounts are not entered, the upper is left out.
 *
 * The order is that of sorted names, a directory before what is in it, so that two
 * walks over the same tree go side by side.
 */
#ifndef OVL_SURVEY_H
#define OVL_SURVEY_H

#include "lower/base.h"
#include "lower/layer.h"
#include "overlay/print.h"

struct survey_object {
	const char *path; /* below the root, which is ""; borrowed, as name */
	const char *name;
	size_t len;
	unsigned depth;   /* of the root: 0 */
	const struct layer_stat *st;
	struct ovl_print print;
	int error;        /* why it could not be read (OVL_PRINT_UNREAD); 0 */
};

/* Returns 0 to go on, SURVEY_SKIP not to enter this directory, or what ends the walk and is returned. */
#define SURVEY_SKIP 1
typedef int (*survey_fn)(void *arg, const struct survey_object *o);

struct survey_config {
	struct layer *layer;
	struct base *base;       /* knows what to leave out; NULL: nothing */
	bool contents;           /* read regular files */
	const struct print_meter *meter;
	survey_fn fn;
	void *arg;
};

/* -errno when the root cannot be read or memory is short; what lies deeper is told by fn. */
int survey_walk(const struct survey_config *config);

/* The order of the walk, for paths. */
int survey_compare(const char *a, const char *b);
/* Does a path lie below a directory (or is it the directory)? "" has everything below it. */
bool survey_below(const char *path, const char *dir);

#endif
