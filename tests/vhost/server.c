// SPDX-License-Identifier: Apache-2.0
#include "server.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "frontend.h"
#include "fuse/vhost_server.h"
#include "tinyfs.h"

#define WAIT_STEPS 12000
#define STEP_US 5000

int server_count(pid_t pid, const char *what)
{
	char path[64];
	struct dirent *e;
	int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	d = opendir(path);
	if (!d)
		return -1;
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static int stop_signal(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int serve(const struct server *s, const struct server_config *c)
{
	struct vf_session_config session = {0};
	struct vhost_device_config config = {.session = &session, .tag = "test"};
	struct vhost_device *d;
	struct vn_err err = {0};
	int stop = stop_signal(), sock = vhost_listen(s->path, (gid_t)-1, &err), rc;

	if (stop < 0 || sock < 0) {
		fprintf(stderr, "# %s\n", vn_err_text(&err));
		return 3;
	}
	session.fs = config.fs = tinyfs_new();
	vf_policy_init(&session.policy);
	config.request_queues = c->queues ? c->queues : 1;
	config.workers = c->workers ? c->workers : 4;
	config.poll_us = c->poll_us;
	rc = vhost_device_new(&config, &d);
	if (rc)
		return 4;
	rc = vhost_server_run(d, sock, VHOST_LISTENING, stop);
	vhost_device_free(d);
	tinyfs_free(session.fs);
	close(sock);
	close(stop);
	unlink(s->path);
	return rc ? 5 : 0;
}

/* Once it has answered somebody everything is there that it keeps: the device, its threads, the sentinel. */
static int server_measure(struct server *s)
{
	struct fe fe;
	int err = fe_init(&fe);

	if (err)
		return err;
	err = fe_connect(&fe, s->path);
	if (!err)
		err = fe_get(&fe, VHOST_GET_FEATURES, &fe.features);
	s->fds = server_count(s->pid, "fd") - 1; /* this connection's */
	s->threads = server_count(s->pid, "task");
	fe_fini(&fe);
	return err;
}

int server_start(struct server *s, const char *dir, const struct server_config *config)
{
	int err;

	*s = (struct server){0};
	snprintf(s->path, sizeof(s->path), "%s/vhost.sock", dir);
	fflush(NULL);
	s->pid = fork();
	if (s->pid < 0)
		return -errno;
	if (s->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		vn_log_init("server", VN_LOG_ERROR, false);
		exit(serve(s, config));
	}
	for (int i = 0; i < WAIT_STEPS && access(s->path, F_OK); i++)
		usleep(STEP_US);
	err = server_lives(s) ? server_measure(s) : -ECHILD;
	return err || server_is_idle(s) ? err : -ETIMEDOUT;
}

bool server_lives(const struct server *s)
{
	return waitpid(s->pid, NULL, WNOHANG) == 0;
}

bool server_is_idle(const struct server *s)
{
	for (int i = 0; i < WAIT_STEPS; i++) {
		if (server_count(s->pid, "fd") == s->fds && server_count(s->pid, "task") == s->threads)
			return true;
		usleep(i < 100 ? 200 : STEP_US);
	}
	fprintf(stderr, "# descriptors %d instead of %d, threads %d instead of %d\n", server_count(s->pid, "fd"), s->fds,
		server_count(s->pid, "task"), s->threads);
	return false;
}

int server_stop(struct server *s)
{
	int status;

	kill(s->pid, SIGTERM);
	for (int i = 0; i < WAIT_STEPS; i++) {
		if (waitpid(s->pid, &status, WNOHANG) == s->pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		usleep(STEP_US);
	}
	kill(s->pid, SIGKILL);
	waitpid(s->pid, &status, 0);
	return -1;
}
