// SPDX-License-Identifier: Apache-2.0
/* `veneer serve`: a vhost-user back end for virtual machines. */
#include <fcntl.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/scope.h"
#include "cli/cmd.h"
#include "cli/serve.h"
#include "fuse/vhost_server.h"

int serve_open_source(struct serve *s, int *kind, struct vn_err *err)
{
	enum vhost_source_kind found = VHOST_LISTENING;
	int rc;

	if (s->fd < 0) {
		rc = vhost_listen(s->socket, s->group, err);
		s->made_socket = rc >= 0;
	} else {
		rc = vhost_source_probe(s->fd, &found);
		if (rc)
			return vn_err_sys(err, rc, "--fd=%d is not a stream socket", s->fd);
		fcntl(s->fd, F_SETFD, FD_CLOEXEC);
		rc = s->fd;
	}
	*kind = (int)found;
	return rc;
}

/* One line each, however many there are, and only once though two processes read them. */
static void serve_report(const struct serve *s)
{
	const struct words none = {0};

	cmd_report(&s->mount.unknown, &s->mount.ignored);
	cmd_report(&none, &s->ignored);
}

static int serve_prepare(struct serve *s, struct vn_err *err)
{
	bool readonly = s->mount.readonly;
	int rc = layers_resolve(&s->layers, &s->mount.lowers, s->mount.upper, !readonly, readonly, err);

	if (rc)
		return rc;
	if (s->layers.lowers.n || s->layers.upper_was == UPPER_USED)
		return 0;
	rc = vn_err_set(err, -EINVAL, "'%s' is no writable layer yet: say with -o lowerdir= what it stands on",
			s->layers.upper);
	layers_fini(&s->layers);
	return rc;
}

static int serve_do(struct serve *s)
{
	struct vn_err err = {0};
	int code;

	vn_log_init("veneer", s->level, s->syslog);
	if (serve_prepare(s, &err))
		return cmd_fail("%s", vn_err_text(&err));
	if (s->control < 0)
		serve_report(s);
	code = s->keeper && s->control < 0 ? serve_keeper(s) : serve_worker(s);
	layers_fini(&s->layers);
	return code;
}

static int serve_run(const struct cmd *cmd, int argc, char **argv)
{
	struct serve s;
	bool done;
	int code;

	serve_init(&s, cmd, argc, argv);
	code = serve_parse(&s, &done);
	if (code == CMD_OK && !done)
		code = serve_do(&s);
	serve_fini(&s);
	return code;
}

const struct cmd cmd_serve = {
	.name = "serve",
	.summary = "serve a tree to a virtual machine (vhost-user-fs)",
	.synopsis = "--socket=PATH [--tag=TAG] -o lowerdir=A[:B...][,upperdir=U][,OPTION...]",
	.text = "Is the back end of a virtio-fs device: QEMU, cloud-hypervisor and others connect to\n"
		"PATH, and the guest mounts the tree by its tag. Stays in the foreground. The options\n"
		"of virtiofsd are understood; those without a meaning here are named once.\n"
		"\n"
		"A small process keeps the connection while another one serves: when that dies, the\n"
		"next one goes on where it was, and the guest sees nothing but a pause. SIGUSR1\n"
		"replaces it in order, for an upgrade. SIGTERM finishes what was begun and ends.\n",
	.example = "  veneer serve --socket=/run/vm1.sock --tag=root -o lowerdir=/srv/base,upperdir=./vm1\n"
		   "  qemu-system-x86_64 ... -object memory-backend-memfd,id=m,size=1G,share=on -numa node,memdev=m \\\n"
		   "    -chardev socket,id=c,path=/run/vm1.sock -device vhost-user-fs-pci,chardev=c,tag=root,queue-size=1024\n",
	.opts = serve_opts,
	.run = serve_run,
};
