// SPDX-License-Identifier: Apache-2.0
#include "served.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S 60

bool served_can(void)
{
	const char *veneer = getenv("VENEER");

	if (veneer && access(veneer, X_OK) == 0)
		return true;
	puts("1..0 # SKIP needs VENEER, the program to test");
	return false;
}

int served_prepare(struct served *s)
{
	char sub[80];

	*s = (struct served){.dir = "/tmp/veneer-served.XXXXXX"};
	if (!mkdtemp(s->dir))
		return -errno;
	snprintf(s->path, sizeof(s->path), "%s/sock", s->dir);
	snprintf(sub, sizeof(sub), "%s/lower", s->dir);
	return mkdir(sub, 0755) ? -errno : 0;
}

/* What it tells of deaths is not TAP. */
void served_start(struct served *s, const char *word, const char *another)
{
	char socket[80], layers[160];
	const char *veneer = getenv("VENEER");
	int null;

	snprintf(socket, sizeof(socket), "--socket=%s", s->path);
	snprintf(layers, sizeof(layers), "lowerdir=%s/lower,upperdir=%s/upper", s->dir, s->dir);
	fflush(NULL);
	s->pid = fork();
	if (s->pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(null, 0);
	if (!getenv("VENEER_TEST_VERBOSE"))
		dup2(null, 2);
	execl(veneer, "veneer", "serve", socket, "-o", layers, word, another, NULL);
	_exit(127);
}

pid_t served_worker(const struct served *s)
{
	char file[64], text[64];
	ssize_t n;
	int fd;

	snprintf(file, sizeof(file), "/proc/%d/task/%d/children", (int)s->pid, (int)s->pid);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return (pid_t)atoi(text);
}

pid_t served_worker_after(const struct served *s, pid_t old)
{
	time_t end = time(NULL) + PATIENCE_S;
	pid_t now;

	while ((now = served_worker(s)) == 0 || now == old) {
		if (time(NULL) > end || kill(s->pid, 0))
			return 0;
		usleep(2000);
	}
	return now;
}

bool served_lives(const struct served *s)
{
	return waitpid(s->pid, NULL, WNOHANG) == 0;
}

int served_end(struct served *s)
{
	int status;

	kill(s->pid, SIGTERM);
	for (int i = 0; i < PATIENCE_S * 100; i++) {
		if (waitpid(s->pid, &status, WNOHANG) == s->pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
		usleep(10000);
	}
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	return -1;
}

void served_clean(const struct served *s)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf --one-file-system %s", s->dir);
	if (system(command))
		printf("# %s stays\n", s->dir);
}
