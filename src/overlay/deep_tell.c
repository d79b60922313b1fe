// SPDX-License-Identifier: Apache-2.0
/* The differences that a deep verification finds, as the caller is told of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "overlay/deep.h"

/*
 * A directory that differs in its time only. It is told when it has been walked
 * and nothing in it differs, which would be why.
 */
struct deep_pending {
	struct deep_pending *next; /* the one around it */
	struct ovl_print was, now;
	char path[];
};

static int deep_say(struct deep *p, const char *path, unsigned what, const struct ovl_print *was,
		    const struct ovl_print *now, int error)
{
	struct ovl_difference diff = {.place = p->kind, .where = p->where, .path = path, .what = what, .error = error};
	vn_autofree char *file = NULL;

	if (was)
		diff.was = *was;
	if (now)
		diff.now = *now;
	if (p->kind != OVL_PLACE_LOWER)
		diff.file = file = deep_places_file(p->t, p->id, path);
	return p->d->difference(p->d->arg, &diff);
}

int deep_settle(struct deep *p, const char *path)
{
	int rc = 0;

	while (!rc && p->pending && !(path && survey_below(path, p->pending->path))) {
		struct deep_pending *d = p->pending;

		p->pending = d->next;
		rc = deep_say(p, d->path, OVL_DIFFERS_MTIME, &d->was, &d->now, 0);
		free(d);
	}
	return rc;
}

static int deep_postpone(struct deep *p, const char *path, const struct ovl_print *was, const struct ovl_print *now)
{
	struct deep_pending *d = malloc(sizeof(*d) + strlen(path) + 1);

	if (!d)
		return -ENOMEM;
	d->was = *was;
	d->now = *now;
	strcpy(d->path, path);
	d->next = p->pending;
	p->pending = d;
	return 0;
}

/* Is path a name in the directory? */
static bool deep_is_in(const char *path, const char *dir)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	return *path && strlen(dir) == n && memcmp(path, dir, n) == 0;
}

int deep_tell(struct deep *p, const char *path, unsigned what, const struct ovl_print *was,
		     const struct ovl_print *now, int error)
{
	struct deep_pending *around;
	int rc = deep_settle(p, path);

	if (rc)
		return rc;
	if (what == OVL_DIFFERS_MTIME && S_ISDIR(now->mode))
		return deep_postpone(p, path, was, now);
	around = p->pending;
	if (around && deep_is_in(path, around->path)) {
		p->pending = around->next;
		free(around);
	}
	return deep_say(p, path, what, was, now, error);
}

int deep_damaged(struct deep *p, int rc)
{
	vn_autofree char *text = NULL;
	const char *what = rc == -EUCLEAN	    ? "is damaged" :
			   rc == -EPROTONOSUPPORT ? "is of another version of veneer" :
			   rc == -ESTALE	    ? "belongs to another writable layer" :
						    "cannot be read";

	if (rc == -ENOMEM)
		return rc;
	p->d->record = OVL_RECORD_DAMAGED;
	if (asprintf(&text, "the record of the lower directories, '" PRINTS_NAME "' in the upper directory, %s: make a new one with --record",
		     what) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	p->d->problem(p->d->arg, text);
	return 0;
}

void deep_tell_fini(struct deep *p)
{
	while (p->pending) {
		struct deep_pending *d = p->pending;

		p->pending = d->next;
		free(d);
	}
}
