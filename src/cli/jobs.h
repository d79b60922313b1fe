// SPDX-License-Identifier: Apache-2.0
/*
 * The command of `veneer run` while it lives: signals are handed on, a stop from
 * the terminal stops us too, and when it ends, whatever it left running ends with
 * it, because its file system goes away.
 *
 * Signals are blocked in all threads from jobs_block() on and taken one by one in
 * jobs_wait(), so no handler runs anywhere.
 */
#ifndef CLI_JOBS_H
#define CLI_JOBS_H

#include <signal.h>
#include <sys/types.h>

/* Blocks the signals that are handed on and makes this process the parent of orphans. *before is the old mask. */
void jobs_block(sigset_t *before);

/* Waits for the command. Returns its exit code, 128+N when signal N ended it. */
int jobs_wait(pid_t command);

/* Ends all other children: SIGTERM, a second of patience, then SIGKILL; reaps them. */
void jobs_end(void);

#endif
