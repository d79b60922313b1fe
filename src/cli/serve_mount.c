// SPDX-License-Identifier: Apache-2.0
/*
 * `--also-mount`: the tree that a guest sees, as a mount of the host. What the guest
 * changes is told to the host's kernel at once; what the mount changes the guest finds
 * when its attributes and names expire.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/statfs.h>

#include "base/err.h"
#include "cli/serve.h"
#include "fuse/fuse_server.h"
#include "overlay/overlay.h"

struct serve_mount {
	struct vf_devfuse *fuse;
};

/*
 * A killed worker leaves a mount that answers ENOTCONN to everything that the kernel
 * has to ask for. Attributes it may remember; statfs() is always asked. A question
 * that came before the kernel had noticed the death ends with ECONNABORTED.
 */
static bool mount_is_dead(const char *target)
{
	struct statfs st;

	return statfs(target, &st) && (errno == ENOTCONN || errno == ECONNABORTED);
}

void serve_mount_clear_dead(const char *target)
{
	while (mount_is_dead(target)) {
		if (umount2(target, MNT_DETACH))
			return;
	}
}

int serve_mount_start(struct serve *s, struct ovl_tree *t, struct serve_mount **out, struct vn_err *err)
{
	struct vf_devfuse_config config = {
		.session.fs = ovl_fs(t),
		.target = s->also_mount,
		.fd = -1,
		.mount = {.fsname = s->mount.source, .readonly = s->mount.readonly, .allow_other = true},
	};
	struct serve_mount *m;
	int rc;

	*out = NULL;
	if (!s->also_mount)
		return 0;
	m = calloc(1, sizeof(*m));
	if (!m)
		return vn_err_sys(err, -ENOMEM, "the tree cannot be mounted too");
	vf_policy_init(&config.session.policy);
	config.session.policy.noacl = s->mount.noacl;
	serve_mount_clear_dead(s->also_mount);
	rc = vf_devfuse_open(&config, &m->fuse, err);
	if (!rc)
		rc = vf_devfuse_start(m->fuse, err);
	if (rc) {
		vf_devfuse_close(m->fuse);
		free(m);
		return rc;
	}
	*out = m;
	return 0;
}

void serve_mount_drain(struct serve_mount *m)
{
	if (m)
		vf_devfuse_drain(m->fuse);
}

void serve_mount_stop(struct serve_mount *m)
{
	if (!m)
		return;
	vf_devfuse_stop(m->fuse);
	vf_devfuse_close(m->fuse);
	free(m);
}
