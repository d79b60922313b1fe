// SPDX-License-Identifier: Apache-2.0
#include "fuse/devfuse_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/scope.h"

#define DATA_MAX 512

/* A descriptor or -errno with the sentence. */
static int mount_device(struct vn_err *err)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	int code = -errno;

	if (fd >= 0)
		return fd;
	if (code == -ENOENT || code == -ENODEV || code == -ENXIO)
		return vn_err_set(err, code,
				  "/dev/fuse is not there: load the module (modprobe fuse), or in a container pass the "
				  "device in (--device /dev/fuse)");
	if (code == -EACCES || code == -EPERM)
		return vn_err_set(err, code,
				  "/dev/fuse may not be opened by this user: run as root, or open it for users (chmod 666 "
				  "/dev/fuse)");
	return vn_err_sys(err, code, "/dev/fuse cannot be opened");
}

int vf_devfuse_check(struct vn_err *err)
{
	int fd = mount_device(err);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* ---- the target ---- */

static int target_stat_error(const char *target, int code, struct vn_err *err)
{
	if (code == -ENOTCONN)
		return vn_err_set(err, code, "%s is the mount of a server that has gone: take it away first (umount -l %s)",
				  target, target);
	if (code == -ENOENT)
		return vn_err_set(err, code, "%s does not exist: make the directory to mount on first (mkdir %s)",
				  target, target);
	return vn_err_sys(err, code, "%s cannot be looked at", target);
}

static int target_check(const char *target, struct stat *st, struct vn_err *err)
{
	if (stat(target, st) < 0)
		return target_stat_error(target, -errno, err);
	if (!S_ISDIR(st->st_mode))
		return vn_err_set(err, -ENOTDIR, "%s is not a directory: a tree is mounted on a directory", target);
	return 0;
}

/* ---- mount(2) ---- */

static unsigned long mount_flags(const struct vf_mount_options *o)
{
	return (o->readonly ? MS_RDONLY : 0) | (o->nosuid ? MS_NOSUID : 0) | (o->nodev ? MS_NODEV : 0) |
		(o->noexec ? MS_NOEXEC : 0) | (o->noatime ? MS_NOATIME : 0) | (o->nodiratime ? MS_NODIRATIME : 0) |
		(o->relatime ? MS_RELATIME : 0) | (o->strictatime ? MS_STRICTATIME : 0) |
		(o->sync ? MS_SYNCHRONOUS : 0) | (o->dirsync ? MS_DIRSYNC : 0);
}

/* The client checks permissions, always: only it knows who has which. */
static void mount_data(char *data, int fd, const struct stat *st, const struct vf_mount_options *o)
{
	int n = snprintf(data, DATA_MAX, "fd=%d,rootmode=%o,user_id=%u,group_id=%u,default_permissions%s", fd,
			 st->st_mode & S_IFMT, geteuid(), getegid(), o->allow_other ? ",allow_other" : "");

	if (o->max_read)
		snprintf(data + n, DATA_MAX - (size_t)n, ",max_read=%u", o->max_read);
}

static int mount_error(const char *target, int code, struct vn_err *err)
{
	if (code == -EBUSY)
		return vn_err_set(err, code, "%s is busy: something is mounted there or being mounted", target);
	if (code == -ENODEV)
		return vn_err_set(err, code, "this kernel has no FUSE: load the module (modprobe fuse)");
	if (code == -ENOSPC)
		return vn_err_set(err, code, "no more mounts are allowed here (sysctl fs.mount-max)");
	return vn_err_sys(err, code, "mounting on %s", target);
}

static int mount_direct(const char *target, const struct stat *st, const struct vf_mount_options *o, int *fd,
			struct vn_err *err)
{
	vn_autoclose int device = mount_device(err);
	char data[DATA_MAX];
	int code;

	if (device < 0)
		return device;
	mount_data(data, device, st, o);
	if (mount(o->fsname ? o->fsname : "veneer", target, "fuse.veneer", mount_flags(o), data) < 0) {
		code = -errno;
		return mount_error(target, code, err);
	}
	*fd = vn_steal_fd(&device);
	return 0;
}

/* Root of a namespace that may not mount gets EPERM and tries the helper like everybody. */
static int mount_any(struct vf_mount *m, const struct stat *st, const struct vf_mount_options *o, int *fd, struct vn_err *err)
{
	int code = -EPERM;

	if (geteuid() == 0)
		code = mount_direct(m->target, st, o, fd, err);
	if (code != -EPERM)
		return code;
	m->by_helper = true;
	return vf_helper_mount(m->target, o, fd, err);
}

/* ---- which mount is ours ---- */

static bool mount_line_is(const char *line, const char *target, int *id)
{
	vn_autofree char *point = malloc(strlen(line) + 1);
	vn_autofree char *plain = malloc(strlen(target) * 4 + 1);
	char *to = plain;

	if (!point || !plain || sscanf(line, "%d %*d %*s %*s %s", id, point) != 2)
		return false;
	for (const char *c = target; *c; c++)
		to += *c == ' ' || *c == '\t' || *c == '\n' || *c == '\\' ? sprintf(to, "\\%03o", (unsigned char)*c)
									  : sprintf(to, "%c", *c);
	return strcmp(point, plain) == 0;
}

/* The uppermost mount on target: the last such line. -1: none, or it cannot be told. */
static int mount_id(const char *target)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t cap = 0;
	int id = -1, found;

	while (f && getline(&line, &cap, f) > 0)
		if (mount_line_is(line, target, &found))
			id = found;
	free(line);
	if (f)
		fclose(f);
	return id;
}

/* ---- the two calls ---- */

int vf_mount_make(struct vf_mount *m, const char *target, const struct vf_mount_options *o, int *fd, struct vn_err *err)
{
	struct stat st;
	int code = target_check(target, &st, err);

	*m = (struct vf_mount){.id = -1};
	if (code)
		return code;
	m->target = realpath(target, NULL);
	if (!m->target)
		return vn_err_sys(err, -errno, "%s", target);
	code = mount_any(m, &st, o, fd, err);
	if (code) {
		vf_mount_fini(m);
		return code;
	}
	m->id = mount_id(m->target);
	return 0;
}

void vf_mount_take(struct vf_mount *m)
{
	if (!m->target || (m->id >= 0 && mount_id(m->target) != m->id))
		return;
	if (m->by_helper)
		vf_helper_unmount(m->target);
	else if (umount2(m->target, UMOUNT_NOFOLLOW) < 0 && errno == EBUSY)
		umount2(m->target, UMOUNT_NOFOLLOW | MNT_DETACH);
}

void vf_mount_fini(struct vf_mount *m)
{
	free(m->target);
	*m = (struct vf_mount){.id = -1};
}
