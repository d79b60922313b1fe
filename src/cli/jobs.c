// SPDX-License-Identifier: Apache-2.0
#include "cli/jobs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static const int jobs_signals[] = {
	SIGCHLD, SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH, SIGTSTP, SIGCONT,
};

static void jobs_set(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < sizeof(jobs_signals) / sizeof(jobs_signals[0]); i++)
		sigaddset(set, jobs_signals[i]);
}

void jobs_block(sigset_t *before)
{
	sigset_t set;

	jobs_set(&set);
	sigprocmask(SIG_BLOCK, &set, before);
	signal(SIGCHLD, SIG_DFL); /* ignored (by whoever started us) it would lose exit codes */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* Takes news of children. True when the command has ended: *code. */
static int jobs_reap(pid_t command, int *code)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG | WUNTRACED);

		if (pid <= 0)
			return 0;
		if (pid != command)
			continue;
		if (WIFSTOPPED(status)) {
			/* So that the shell we were started from gets its terminal back; it continues us both. */
			kill(getpid(), SIGSTOP);
			kill(command, SIGCONT);
			continue;
		}
		*code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		return 1;
	}
}

int jobs_wait(pid_t command)
{
	sigset_t set;
	int code;

	jobs_set(&set);
	while (!jobs_reap(command, &code)) {
		siginfo_t info;
		int sig = sigwaitinfo(&set, &info);

		/* What the terminal sends goes to the whole group, the command included. */
		if (sig > 0 && sig != SIGCHLD && info.si_code != SI_KERNEL)
			kill(command, sig);
	}
	return code;
}

/* Sends a signal to every child; the children of those that die become ours. */
static int jobs_signal_all(int sig)
{
	char path[64];
	FILE *f;
	int pid, n = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1) {
		kill(pid, sig);
		kill(pid, SIGCONT);
		n++;
	}
	if (f)
		fclose(f);
	return n;
}

void jobs_end(void)
{
	int64_t patience = vn_mono_ns() + VN_NS_PER_SEC;
	int sig = SIGTERM;

	while (jobs_signal_all(sig) > 0) {
		pid_t pid = waitpid(-1, NULL, sig == SIGKILL ? 0 : WNOHANG);

		if (pid < 0)
			return;
		if (pid == 0)
			nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
		if (vn_mono_ns() > patience)
			sig = SIGKILL;
	}
}
