// SPDX-License-Identifier: Apache-2.0
/* What of the host's mounts is shown in the view of `veneer run`, and how. */
#ifndef CLI_HOSTMOUNTS_H
#define CLI_HOSTMOUNTS_H

#include <stdbool.h>
#include <stddef.h>

struct vn_err;

enum hostmount_kind {
	HOSTMOUNT_LIVE,   /* the host's, as it is */
	HOSTMOUNT_LOCKED, /* the host's, read-only */
	HOSTMOUNT_EMPTY,  /* an empty temporary file system */
};

struct hostmount {
	char *path; /* absolute; owned */
	enum hostmount_kind kind;
};

struct hostmounts {
	struct hostmount *v;
	size_t n;
};

/*
 * Chooses from the text of a mountinfo table (proc_pid_mountinfo(5)): the
 * topmost mounts below `/`, in the order of the table, each path once. With
 * `all` false only /proc, /sys and /dev. 0 or -ENOMEM.
 */
int hostmounts_choose(struct hostmounts *h, const char *mountinfo, bool all);
void hostmounts_fini(struct hostmounts *h);

/*
 * Attaches them to the tree whose root is open as rootfd; a place that the tree
 * does not have is left out. `hide` (NULL: none) is a host directory that must not
 * be seen through any of them.
 */
int hostmounts_attach(const struct hostmounts *h, int rootfd, const char *hide, struct vn_err *err);

#endif
