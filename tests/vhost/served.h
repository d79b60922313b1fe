// SPDX-License-Identifier: Apache-2.0
/* `veneer serve` as a test's server: the program itself, its keeper and its workers. */
#ifndef TESTS_VHOST_SERVED_H
#define TESTS_VHOST_SERVED_H

#include <stdbool.h>
#include <sys/types.h>

struct served {
	pid_t pid;       /* the keeper's */
	char dir[48];    /* of its own, with lower/ and upper/ */
	char path[64];   /* the socket */
};

/* Is there a program to test? Else says in TAP that all is skipped. */
bool served_can(void);

/* Makes the directories; the test may fill lower/ before it starts the server. 0 or -errno. */
int served_prepare(struct served *s);

/* Starts it with two more words (NULL: none) and returns at once: fe_connect() waits for the socket. */
void served_start(struct served *s, const char *word, const char *another);

/* The present worker, 0: none at the moment. */
pid_t served_worker(const struct served *s);

/* Waits for a worker other than `old`; 0: none comes. */
pid_t served_worker_after(const struct served *s, pid_t old);

bool served_lives(const struct served *s);

/* SIGTERM. Returns the exit status, 128 after a signal, -1 when it did not end. */
int served_end(struct served *s);

/* Removes the directories. */
void served_clean(const struct served *s);

#endif
