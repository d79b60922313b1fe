// SPDX-License-Identifier: Apache-2.0
/*
 * The command's process, seen from process 1: started, waited for together with every orphan, given the
 * signals that process 1 gets, and ended with everything else.
 */
#ifndef GUEST_CHILD_H
#define GUEST_CHILD_H

#include "guest/why.h"

#include <sys/types.h>

/*
 * Holds back every signal, so that one that comes between start and wait is not lost. Before
 * vg_child_start.
 */
void vg_child_hold_signals(void);

/*
 * Starts command (found through env's PATH when it has no slash) with env in workdir, in a
 * session of its own on the console, with all signals as at boot. Returns its process id;
 * -errno with *why set when it could not be run.
 */
pid_t vg_child_start(char *const command[], char *const env[], const char *workdir, struct vg_why *why);

/*
 * Waits for pid; reaps whatever else ends, and hands on each signal that process 1 gets. Returns
 * what waitpid gave for pid.
 */
int vg_child_wait(pid_t pid);

/*
 * Ends every other process: SIGTERM, grace_ms for them to finish, SIGKILL. Only for process 1; its
 * signals stay held.
 */
void vg_child_end_all(int grace_ms);

#endif
