// SPDX-License-Identifier: Apache-2.0
/*
 * A virtio-fs server over a small file system in memory, in a child process, so that
 * a test sees whether it lives, and what descriptors and threads it has.
 */
#ifndef TESTS_VHOST_SERVER_H
#define TESTS_VHOST_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

struct server {
	pid_t pid;
	char path[108]; /* of its socket */
	int fds;        /* descriptors it has while nobody is connected */
	int threads;
};

struct server_config {
	unsigned queues;  /* request queues; 0: 1 */
	unsigned workers; /* per queue; 0: 4 */
	unsigned poll_us;
};

/* Starts one on a socket in dir. It ends with the test program. 0 or -errno. */
int server_start(struct server *s, const char *dir, const struct server_config *config);

/* SIGTERM. Returns the exit status, or 128 + signal; -1 when it does not end. */
int server_stop(struct server *s);

bool server_lives(const struct server *s);

/* Waits until it has as few descriptors and threads as when nobody is connected. */
bool server_is_idle(const struct server *s);

int server_count(pid_t pid, const char *what); /* "fd" or "task" */

#endif
