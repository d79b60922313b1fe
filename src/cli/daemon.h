// SPDX-License-Identifier: Apache-2.0
/*
 * Going to the background only when there is something to show: the process is
 * forked before it opens anything (threads do not survive a fork), the parent
 * waits, and exits with success once the child says that the mount is live, or
 * with the child's exit code when it failed before. Until then both share
 * stderr, so errors are seen where the command was typed.
 */
#ifndef CLI_DAEMON_H
#define CLI_DAEMON_H

#include <stdbool.h>

struct vn_err;

struct daemon {
	int ready_fd; /* -1: nobody waits */
	bool live;    /* daemon_ready() was called */
};

/*
 * Forks. Returns 0 in the child; the parent does not return. With `foreground`
 * nothing is forked.
 */
int daemon_begin(struct daemon *d, bool foreground, struct vn_err *err);

/* In the child: lets the parent go, gives up the terminal, stdio and the working directory. */
void daemon_ready(struct daemon *d);

#endif
