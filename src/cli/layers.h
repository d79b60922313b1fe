// SPDX-License-Identifier: Apache-2.0
/*
 * The directories of a command line, checked and made absolute before anything
 * is opened, and what has to be taken back when the command fails later: on
 * failure an upper that did not exist is gone again, one that was empty is empty.
 */
#ifndef CLI_LAYERS_H
#define CLI_LAYERS_H

#include <stdbool.h>

#include "cli/mount_options.h"

struct vn_err;

enum upper_was {
	UPPER_NONE,    /* no upper */
	UPPER_MISSING, /* did not exist; its parent does */
	UPPER_EMPTY,   /* an empty directory */
	UPPER_USED,    /* holds a writable layer */
};

struct layers {
	struct words lowers; /* absolute paths without symlinks */
	char *upper;         /* the same, or NULL */
	enum upper_was upper_was;
};

/*
 * Resolves both; upper may be NULL. A missing upper is an error unless `create`;
 * `readonly`: it is not going to be written. On failure *l needs no layers_fini().
 */
int layers_resolve(struct layers *l, const struct words *lowers, const char *upper, bool create, bool readonly,
		   struct vn_err *err);
void layers_fini(struct layers *l);

/*
 * After a failure: the directory of an upper that was missing goes again, if it is
 * empty. Its contents are the store's to take back (ovl_unmake()): nothing here may
 * remove what it has not made, and somebody else may have used the name meanwhile.
 */
void layers_undo(const struct layers *l);

/* Absolute path, without symlinks, of a directory that exists; *out is malloc()ed. `what` names it in the sentence. */
int layers_directory(const char *what, const char *path, char **out, struct vn_err *err);

/* Is path equal to dir or below it? Both absolute, without symlinks. */
bool layers_inside(const char *path, const char *dir);

/*
 * Removes a directory that this process has made for itself alone, and everything in it;
 * no mount points are crossed. 0 or the first -errno; -EINVAL for the root.
 */
int layers_remove(const char *path);

#endif
