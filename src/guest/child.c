// SPDX-License-Identifier: Apache-2.0
#include "guest/child.h"

#include "guest/console.h"
#include "guest/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void vg_child_hold_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
}

/* Which step failed, and how; goes through a pipe that a successful execve closes. */
struct failure {
	int error;
	bool in_workdir;
};

static void child_fail(int fd, bool in_workdir)
{
	struct failure failure = {errno, in_workdir};

	vg_file_write(fd, &failure, sizeof(failure));
	_exit(126);
}

static void child_run(int fd, char *const command[], char *const env[], const char *workdir)
{
	sigset_t none;

	vg_console_take();
	if (chdir(workdir) < 0)
		child_fail(fd, true);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* execvp looks into environ for its PATH. */
	environ = (char **)env;
	execvp(command[0], command);
	child_fail(fd, false);
}

/* 0 when the command runs; else -errno with *why set. */
static int start_result(int fd, char *const command[], const char *workdir, struct vg_why *why)
{
	struct failure failure;
	ssize_t n;

	do
		n = read(fd, &failure, sizeof(failure));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(failure))
		return 0;
	if (failure.in_workdir)
		vg_why_set(why, "cannot enter the working directory %s: %s", workdir, strerror(failure.error));
	else
		vg_why_set(why, "cannot run %s: %s", command[0], strerror(failure.error));
	return -failure.error;
}

pid_t vg_child_start(char *const command[], char *const env[], const char *workdir, struct vg_why *why)
{
	int fds[2], rc;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		goto failed;
	pid = fork();
	if (pid == 0)
		child_run(fds[1], command, env, workdir);
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		goto failed;
	}
	rc = start_result(fds[0], command, workdir, why);
	close(fds[0]);
	if (rc == 0)
		return pid;
	waitpid(pid, NULL, 0);
	return rc;
failed:
	rc = -errno;
	vg_why_set(why, "cannot start a process: %s", strerror(-rc));
	return rc;
}

/* Reaps all that have ended. Returns true, and *status, when pid was among them. */
static bool reap(pid_t pid, int *status)
{
	bool seen = false;
	pid_t ended;
	int one;

	while ((ended = waitpid(-1, &one, WNOHANG)) > 0) {
		if (ended != pid)
			continue;
		*status = one;
		seen = true;
	}
	return seen;
}

int vg_child_wait(pid_t pid)
{
	sigset_t all;
	int status = 0;

	sigfillset(&all);
	/* Asked before waiting: the SIGCHLD may have been merged with an earlier one. */
	while (!reap(pid, &status)) {
		int sig = sigwaitinfo(&all, NULL);

		if (sig > 0 && sig != SIGCHLD)
			kill(pid, sig);
	}
	return status;
}

static long left_ms(const struct timespec *end)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (end->tv_sec - now.tv_sec) * 1000 + (end->tv_nsec - now.tv_nsec) / 1000000;
}

/* Reaps until nobody is left or the time is over. Returns whether nobody is left. */
static bool reap_for(int ms)
{
	struct timespec end;
	sigset_t child;
	pid_t ended;
	long left;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += ms / 1000;
	end.tv_nsec += ms % 1000 * 1000000L;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	for (;;) {
		while ((ended = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (ended < 0 && errno == ECHILD)
			return true;
		left = left_ms(&end);
		if (left <= 0)
			return false;
		sigtimedwait(&child, NULL, &(struct timespec){left / 1000, left % 1000 * 1000000L});
	}
}

void vg_child_end_all(int grace_ms)
{
	if (reap_for(0))
		return;
	kill(-1, SIGTERM);
	/* A stopped process would not see it. */
	kill(-1, SIGCONT);
	if (reap_for(grace_ms))
		return;
	kill(-1, SIGKILL);
	reap_for(grace_ms);
}
