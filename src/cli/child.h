// SPDX-License-Identifier: Apache-2.0
/* The child of `veneer run` from fork to exec, and the parent's side of that. */
#ifndef CLI_CHILD_H
#define CLI_CHILD_H

#include <signal.h>
#include <sys/types.h>

#include "cli/view.h"

struct child {
	pid_t pid;
	int sock; /* see link.h */
};

/*
 * Forks a child that waits until child_go(). argv ends with NULL. mask is the
 * signal mask that the command gets. Call it before any thread is started.
 */
int child_start(struct child *c, const struct view_config *view, char *const *argv, const sigset_t *mask, struct vn_err *err);

/*
 * The tree is open: lets the child make its namespaces and the mount. *fuse_fd is
 * then the mount's device, ours to serve and close. host_root: the tree shows the
 * host's `/` (an upper that is opened again may be the one to know). On failure the
 * child has ended.
 */
int child_go(struct child *c, const struct idmap *idmap, bool host_root, int *fuse_fd, struct vn_err *err);

/* Somebody serves the mount: lets the child become the command. On failure the child has ended. */
int child_served(struct child *c, struct vn_err *err);

/* Ends a child that has not been let go. */
void child_cancel(struct child *c);

#endif
