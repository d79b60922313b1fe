// SPDX-License-Identifier: Apache-2.0
#include "cli/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "cli/cmd.h"

/* The parent's part: one byte means live, the end of the pipe means that the child is ending. */
static void __attribute__((noreturn)) daemon_wait(int fd, pid_t child)
{
	char byte;
	int status;

	if (vn_read_full(fd, &byte, 1) == 1)
		_exit(CMD_OK);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status) == 0 ? CMD_FAILED : WEXITSTATUS(status));
	_exit(cmd_fail("the server was killed by signal %d before the mount was live", WTERMSIG(status)));
}

int daemon_begin(struct daemon *d, bool foreground, struct vn_err *err)
{
	int fds[2];
	pid_t child;

	*d = (struct daemon){.ready_fd = -1};
	if (foreground)
		return 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return vn_err_sys(err, -errno, "cannot start the server");
	child = fork();
	if (child < 0) {
		int code = -errno;

		close(fds[0]);
		close(fds[1]);
		return vn_err_sys(err, code, "cannot start the server");
	}
	if (child > 0) {
		close(fds[1]);
		daemon_wait(fds[0], child);
	}
	close(fds[0]);
	setsid();
	d->ready_fd = fds[1];
	return 0;
}

void daemon_ready(struct daemon *d)
{
	int null;

	d->live = true;
	if (d->ready_fd < 0)
		return;
	/* A server must not keep a directory busy that somebody wants to unmount. */
	if (chdir("/") < 0)
		cmd_note("cannot change to /");
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		for (int fd = 0; fd <= 2; fd++)
			dup2(null, fd);
		if (null > 2)
			close(null);
	}
	while (write(d->ready_fd, "", 1) < 0 && errno == EINTR)
		;
	close(d->ready_fd);
	d->ready_fd = -1;
}
