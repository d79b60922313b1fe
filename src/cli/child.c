// SPDX-License-Identifier: Apache-2.0
#include "cli/child.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "cli/cmd.h"
#include "cli/link.h"

/* Exit codes of shells for a command that could not be started. */
#define CHILD_NOT_RUNNABLE 126
#define CHILD_NOT_FOUND 127

static void __attribute__((noreturn))
child_main(const struct view_config *view, int sock, char *const *argv, const sigset_t *mask)
{
	struct vn_err err = {0};
	struct link_message m;
	int code;

	if (link_receive(sock, &m) < 0 || m.kind != LINK_GO)
		_exit(CMD_FAILED);
	if (view_enter(view, m.text[0], sock, &err) < 0) {
		link_send(sock, LINK_FAILED, vn_err_text(&err), -1);
		_exit(CMD_FAILED);
	}
	/* Without its server the command could only hang or fail. Asked for last: a change of identity clears it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	code = errno;
	cmd_fail("cannot run '%s': %s", argv[0], strerror(code));
	_exit(code == ENOENT ? CHILD_NOT_FOUND : CHILD_NOT_RUNNABLE);
}

int child_start(struct child *c, const struct view_config *view, char *const *argv, const sigset_t *mask, struct vn_err *err)
{
	int fds[2];
	int ret = link_pair(fds);

	if (ret < 0)
		return vn_err_sys(err, ret, "cannot start the command");
	fflush(NULL);
	c->pid = fork();
	if (c->pid == 0) {
		close(fds[0]);
		child_main(view, fds[1], argv, mask);
	}
	ret = -errno;
	close(fds[1]);
	if (c->pid < 0) {
		close(fds[0]);
		return vn_err_sys(err, ret, "cannot start the command");
	}
	c->sock = fds[0];
	return 0;
}

void child_cancel(struct child *c)
{
	close(c->sock);
	kill(c->pid, SIGKILL);
	while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* The child's next message; FAILED and an early end become an error. */
static int child_receive(struct child *c, enum link_kind want, struct link_message *m, struct vn_err *err)
{
	int ret = link_receive(c->sock, m);

	if (ret < 0)
		return vn_err_sys(err, ret, "cannot reach the child");
	if (m->kind == LINK_FAILED)
		return vn_err_set(err, -ECHILD, "%s", m->text);
	if (m->kind != want)
		return vn_err_set(err, -ECHILD, "the child ended before the command began");
	return 0;
}

int child_go(struct child *c, const struct idmap *idmap, bool host_root, int *fuse_fd, struct vn_err *err)
{
	struct link_message m;
	int ret = link_send(c->sock, LINK_GO, host_root ? "host" : NULL, -1);

	if (ret == 0 && idmap->needed) {
		ret = child_receive(c, LINK_MAP, &m, err);
		if (ret == 0)
			ret = idmap_apply(idmap, c->pid, err);
		if (ret == 0)
			ret = link_send(c->sock, LINK_MAPPED, NULL, -1);
	}
	if (ret == 0)
		ret = child_receive(c, LINK_FUSE, &m, err);
	if (ret < 0) {
		child_cancel(c);
		return ret;
	}
	*fuse_fd = m.fd;
	return 0;
}

int child_served(struct child *c, struct vn_err *err)
{
	struct link_message m;
	int ret = link_send(c->sock, LINK_SERVED, NULL, -1);

	/* The socket closes at exec, or says what went wrong. */
	if (ret == 0)
		ret = child_receive(c, LINK_END, &m, err);
	if (ret < 0) {
		child_cancel(c);
		return ret;
	}
	close(c->sock);
	return 0;
}
