// SPDX-License-Identifier: Apache-2.0
/* The keeper's side of `veneer serve`: how workers are started. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/scope.h"
#include "cli/serve.h"
#include "fuse/vhost_keeper.h"

#define SELF "/proc/self/exe"

struct keeper_side {
	struct serve *serve;
	char program[PATH_MAX]; /* where our program was: an upgrade puts another one there */
};

/* Our words, and the channel; malloc()ed. The words come first: what stands behind "--" is no option. */
static char **worker_words(const struct serve *s, char *control)
{
	char **words = calloc((size_t)s->argc + 3, sizeof(*words));
	int n = 0;

	if (!words)
		return NULL;
	words[n++] = (char *)"veneer";
	words[n++] = s->argv[0];
	words[n++] = control;
	for (int i = 1; i < s->argc; i++)
		words[n++] = s->argv[i];
	return words;
}

/* In the child: nothing of the keeper's goes along but the channel and stdio. */
static void worker_exec(const struct keeper_side *k, char **words, int control)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	fcntl(control, F_SETFD, 0);
	execv(k->program, words);
	execv(SELF, words); /* it was removed: the one that runs is still there */
	_exit(CMD_FAILED);
}

static int keeper_spawn(void *arg, int control, pid_t *pid)
{
	struct keeper_side *k = arg;
	char option[32];
	vn_autofree char **words = NULL;

	snprintf(option, sizeof(option), "--worker-control=%d", control);
	words = worker_words(k->serve, option);
	if (!words)
		return -ENOMEM;
	*pid = fork();
	if (*pid < 0)
		return -errno;
	if (*pid == 0)
		worker_exec(k, words, control);
	return 0;
}

static int keeper_source(void *arg, enum vhost_source_kind *kind, struct vn_err *err)
{
	struct keeper_side *k = arg;
	int of = 0, fd = serve_open_source(k->serve, &of, err);

	*kind = (enum vhost_source_kind)of;
	return fd;
}

int serve_keeper(struct serve *s)
{
	struct keeper_side k = {.serve = s};
	struct vhost_keeper_config config = {
		.spawn = keeper_spawn, .open_source = keeper_source, .arg = &k, .queues = s->queues + 1};
	struct vn_err err = {0};
	ssize_t n = readlink(SELF, k.program, sizeof(k.program) - 1);
	int status, rc;

	if (n < 0)
		return cmd_fail(SELF ": %s", strerror(errno));
	rc = vhost_keeper_run(&config, &status, &err);
	if (s->made_socket)
		unlink(s->socket);
	if (s->also_mount) /* of a worker that was killed, when its successor ended before it came to it */
		serve_mount_clear_dead(s->also_mount);
	if (rc && status > 0) {
		layers_undo(&s->layers); /* what the worker itself may not remove */
		return status;           /* it has said why */
	}
	return rc ? cmd_fail("%s", vn_err_text(&err)) : CMD_OK;
}
