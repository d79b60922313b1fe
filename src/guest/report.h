// SPDX-License-Identifier: Apache-2.0
/* How the guest's host learns what became of the command. */
#ifndef GUEST_REPORT_H
#define GUEST_REPORT_H

#include <stddef.h>

/* Statuses of our own, as a shell has them. */
#define VG_STATUS_INIT 125 /* the guest could not be set up */
#define VG_STATUS_NOT_RUNNABLE 126
#define VG_STATUS_NOT_FOUND 127

/* What waitpid gives for a plain exit with status. */
#define VG_WAIT_STATUS(status) ((status) << 8)

/* The exit status that a shell would give for what waitpid gave: 128 + N for signal N. */
int vg_report_status(int wait_status);

/* The exit status for an execve that failed with rc, -errno. */
int vg_report_exec_status(int rc);

/*
 * The line that a host waits for, without its newlines:
 *
 *	VENEER-EXIT status=N[ signal=N][ error=init|exec]
 *
 * wait_status is what waitpid gave; error is NULL, "init" or "exec". Needs 96 bytes.
 */
void vg_report_line(int wait_status, const char *error, char *out, size_t size);

/*
 * Writes that line to the console, at the start of a line, and waits until the terminal has sent
 * it; then tells the server of the root directory root_fd (-1: none) by libkrun's request. A server
 * that does not know the request refuses it; then the line is all there is.
 */
void vg_report_send(int wait_status, const char *error, int root_fd);

#endif
