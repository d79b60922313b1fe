// SPDX-License-Identifier: Apache-2.0
#include "guest/report.h"

#include "guest/file.h"

#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* The request by which a libkrun guest tells its host the exit status, as the argument itself. */
#define EXIT_STATUS_IOCTL 0x7602

int vg_report_status(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

int vg_report_exec_status(int rc)
{
	return rc == -ENOENT || rc == -ENOTDIR ? VG_STATUS_NOT_FOUND : VG_STATUS_NOT_RUNNABLE;
}

void vg_report_line(int wait_status, const char *error, char *out, size_t size)
{
	size_t len = (size_t)snprintf(out, size, "VENEER-EXIT status=%d", vg_report_status(wait_status));

	if (WIFSIGNALED(wait_status) && len < size)
		len += (size_t)snprintf(out + len, size - len, " signal=%d", WTERMSIG(wait_status));
	if (error && len < size)
		snprintf(out + len, size - len, " error=%s", error);
}

void vg_report_send(int wait_status, const char *error, int root_fd)
{
	char line[96], text[sizeof(line) + 3];
	int len;

	vg_report_line(wait_status, error, line, sizeof(line));
	len = snprintf(text, sizeof(text), "\n%s\n", line);
	/* One write: the kernel's own messages come before or after it. */
	vg_file_write(STDERR_FILENO, text, (size_t)len);
	tcdrain(STDERR_FILENO);
	if (root_fd >= 0)
		ioctl(root_fd, EXIT_STATUS_IOCTL, vg_report_status(wait_status));
}
