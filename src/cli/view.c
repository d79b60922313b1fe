// SPDX-License-Identifier: Apache-2.0
#include "cli/view.h"

#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/scope.h"
#include "cli/hostmounts.h"
#include "cli/link.h"

#define VIEW_MOUNTINFO_MAX (16u << 20)

/* Waits for one kind of message; anything else means that the parent has given up, and has said why. */
static int view_expect(int sock, enum link_kind kind, struct vn_err *err)
{
	struct link_message m;
	int ret = link_receive(sock, &m);

	if (ret == 0 && m.kind == kind)
		return 0;
	return vn_err_set(err, -ECANCELED, "veneer ended before the command began");
}

static int view_unshare(const struct view_config *c, int sock, struct vn_err *err)
{
	int ret;

	if (unshare(CLONE_NEWNS | (c->idmap.needed ? CLONE_NEWUSER : 0)) < 0) {
		if (!c->idmap.needed)
			return vn_err_sys(err, -errno, "cannot make a mount namespace");
		return vn_err_sys(
			err, -errno,
			"you may neither mount nor make a user namespace here: run veneer as root, or allow user namespaces (sysctl user.max_user_namespaces)");
	}
	if (!c->idmap.needed)
		return 0;
	ret = link_send(sock, LINK_MAP, NULL, -1);
	return ret < 0 ? vn_err_sys(err, ret, "cannot reach veneer") : view_expect(sock, LINK_MAPPED, err);
}

/* Mounts the tree over the anchor; the parent gets the device. */
static int view_mount(const struct view_config *c, int sock, struct vn_err *err)
{
	vn_autoclose int fd = vn_open_at(AT_FDCWD, "/dev/fuse", O_RDWR, 0);
	char options[128];
	int ret;

	if (fd < 0)
		return vn_err_sys(err, fd, "cannot open /dev/fuse");
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=%u,group_id=%u,allow_other,default_permissions", fd, getuid(), getgid());
	if (mount("veneer", c->anchor, "fuse.veneer", c->flags, options) < 0)
		return vn_err_sys(err, -errno, "cannot mount the tree");
	ret = link_send(sock, LINK_FUSE, NULL, fd);
	return ret < 0 ? vn_err_sys(err, ret, "cannot reach veneer") : view_expect(sock, LINK_SERVED, err);
}

/*
 * Makes the directory we stand in the root. The old root goes under the new one
 * and is let go. An initial ramdisk cannot be a party to pivot_root: then the
 * tree is moved over it. Where neither works we are in a chroot: one more.
 */
static int view_root(struct vn_err *err)
{
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		if (umount2(".", MNT_DETACH) < 0)
			return vn_err_sys(err, -errno, "cannot leave the host's root");
	} else {
		int moved = mount(".", "/", NULL, MS_MOVE, NULL);

		if (chroot(".") < 0)
			return vn_err_sys(err, -errno, "cannot make the tree the root%s", moved < 0 ? " (nor move it)" : "");
	}
	return chdir("/") < 0 ? vn_err_sys(err, -errno, "cannot enter the tree") : 0;
}

/* The host's mounts are chosen before the tree is one of them. */
static int view_choose(bool host_root, struct hostmounts *h, struct vn_err *err)
{
	vn_autofree char *table = NULL;
	size_t len;
	int ret = vn_read_file_at(AT_FDCWD, "/proc/self/mountinfo", VIEW_MOUNTINFO_MAX, &table, &len);

	if (ret == 0)
		ret = hostmounts_choose(h, table, host_root);
	return ret < 0 ? vn_err_sys(err, ret, "cannot read /proc/self/mountinfo") : 0;
}

static int view_build(const struct view_config *c, int sock, const struct hostmounts *h, struct vn_err *err)
{
	vn_autoclose int rootfd = -1;
	int ret;

	/* What happens to the host's mounts from now on is not seen here, and the reverse. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 && errno != EINVAL)
		return vn_err_sys(err, -errno, "cannot make the mount namespace private");
	ret = view_mount(c, sock, err);
	if (ret < 0)
		return ret;
	rootfd = vn_open_at(AT_FDCWD, c->anchor, O_RDONLY | O_DIRECTORY, 0);
	if (rootfd < 0)
		return vn_err_sys(err, rootfd, "cannot enter the tree");
	ret = hostmounts_attach(h, rootfd, c->anchor, err);
	if (ret < 0)
		return ret;
	if (fchdir(rootfd) < 0)
		return vn_err_sys(err, -errno, "cannot enter the tree");
	return view_root(err);
}

int view_enter(const struct view_config *c, bool host_root, int sock, struct vn_err *err)
{
	struct hostmounts h;
	int ret = view_unshare(c, sock, err);

	if (ret == 0)
		ret = view_choose(host_root, &h, err);
	if (ret < 0)
		return ret;
	ret = view_build(c, sock, &h, err);
	hostmounts_fini(&h);
	if (ret == 0 && c->cwd && chdir(c->cwd) < 0 && chdir("/") < 0)
		return vn_err_sys(err, -errno, "cannot enter the tree");
	return ret;
}
