// SPDX-License-Identifier: Apache-2.0
/*
 * Hostile guests and front ends, one program per layer that is attacked. A case is
 * a line of TAP; behind each the same server must be alive, have no descriptor or
 * thread more than before, and serve a well-behaved session. With HOSTILE_SERVED in the
 * environment the server is `veneer serve`, and it is its keeper that keeps nothing.
 */
#ifndef TESTS_VHOST_HOSTILE_H
#define TESTS_VHOST_HOSTILE_H

#include "frontend.h"
#include "server.h"

extern struct server hostile_server;

/* Runs the cases against a server of its own; the exit status of main. */
int hostile_main(const char *suite, void (*cases)(void));

/*
 * Prints the case's line: `complaint` NULL means that it went as it should. Then
 * checks the server, which is another reason to fail.
 */
void hostile_case(const char *name, const char *complaint);

/* A session that is ready for mischief: rings 0 and 1 of 256, INIT done. Ends the program when it cannot be had. */
void hostile_open(struct fe *fe);

#endif
