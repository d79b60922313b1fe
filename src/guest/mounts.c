// SPDX-License-Identifier: Apache-2.0
#include "guest/mounts.h"

#include "guest/console.h"
#include "guest/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PLAIN (MS_NOSUID | MS_NODEV | MS_NOEXEC)

struct row {
	const char *dir, *type, *options;
	unsigned long flags;
	long magic; /* what statfs says of this type */
	bool required;
};

static const struct row base[] = {
	{"/dev", "devtmpfs", "mode=0755", MS_NOSUID, TMPFS_MAGIC, true},
	{"/proc", "proc", NULL, PLAIN, PROC_SUPER_MAGIC, true},
	{"/sys", "sysfs", NULL, PLAIN, SYSFS_MAGIC, true},
	{"/sys/fs/cgroup", "cgroup2", NULL, PLAIN, CGROUP2_SUPER_MAGIC, false},
	{"/dev/pts", "devpts", "gid=5,mode=620,ptmxmode=666", MS_NOSUID | MS_NOEXEC, DEVPTS_SUPER_MAGIC, false},
	{"/dev/shm", "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV, TMPFS_MAGIC, false},
};

static bool is_mount_point(const char *dir)
{
	struct stat here, above;
	char parent[VG_PATH_MAX + 4];

	snprintf(parent, sizeof(parent), "%s/..", dir);
	return stat(dir, &here) == 0 && stat(parent, &above) == 0 && here.st_dev != above.st_dev;
}

/*
 * Whether an initramfs has mounted it before us. The type counts too: a share may show a
 * mount point of the host's as a file system of its own.
 */
static bool row_is_mounted(const struct row *row)
{
	struct statfs fs;

	return is_mount_point(row->dir) && statfs(row->dir, &fs) == 0 && fs.f_type == row->magic;
}

static int row_mount(const struct row *row, struct vg_why *why)
{
	int rc;

	if (row_is_mounted(row))
		return 0;
	rc = vg_file_mkdirs(row->dir, 0755);
	if (rc < 0) {
		vg_why_set(why, "cannot make the directory %s: %s; have it in the guest's root", row->dir, strerror(-rc));
		return rc;
	}
	if (mount(row->type, row->dir, row->type, row->flags, row->options) == 0 || errno == EBUSY)
		return 0;
	rc = -errno;
	vg_why_set(why, "cannot mount %s on %s: %s", row->type, row->dir, strerror(-rc));
	return rc;
}

static void link_descriptors(void)
{
	static const char *const links[][2] = {{"/proc/self/fd", "/dev/fd"},
					       {"/proc/self/fd/0", "/dev/stdin"},
					       {"/proc/self/fd/1", "/dev/stdout"},
					       {"/proc/self/fd/2", "/dev/stderr"}};

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlink(links[i][0], links[i][1]) < 0 && errno != EEXIST)
			vg_console_say("cannot make the link %s: %s", links[i][1], strerror(errno));
}

static void make_run(void)
{
	int rc = vg_file_mkdirs("/run", 0755);

	if (rc < 0)
		vg_console_say("cannot make the directory /run: %s", strerror(-rc));
}

int vg_mounts_base(struct vg_why *why)
{
	for (size_t i = 0; i < sizeof(base) / sizeof(base[0]); i++) {
		int rc = row_mount(&base[i], why);

		if (rc < 0 && base[i].required)
			return rc;
		if (rc < 0)
			vg_console_say("%s", why->text);
	}
	link_descriptors();
	make_run();
	return 0;
}

static int tmpfs_mount(const struct vg_tmpfs *t, struct vg_why *why)
{
	unsigned long flags = MS_NOSUID | MS_NODEV | (t->noexec ? MS_NOEXEC : 0);
	char options[64];
	int len = snprintf(options, sizeof(options), "mode=%o", t->mode);
	int rc = vg_file_mkdirs(t->path, 0755);

	if (rc < 0) {
		vg_why_set(why, "VENEER_TMPFS: cannot make the directory %s: %s", t->path, strerror(-rc));
		return rc;
	}
	if (t->size_mib)
		snprintf(options + len, sizeof(options) - (size_t)len, ",size=%llum", (unsigned long long)t->size_mib);
	if (mount("tmpfs", t->path, "tmpfs", flags, options) == 0)
		return 0;
	rc = -errno;
	vg_why_set(why, "VENEER_TMPFS: cannot mount a tmpfs on %s (%s): %s", t->path, options, strerror(-rc));
	return rc;
}

int vg_mounts_tmpfs(const struct vg_tmpfs_list *list, struct vg_why *why)
{
	int rc = 0;

	for (size_t i = 0; i < list->count && rc == 0; i++)
		rc = tmpfs_mount(&list->entry[i], why);
	return rc;
}

static int runtime_mkdirs(const char *dir, struct vg_why *why)
{
	int rc = vg_file_mkdirs(dir, 0755);

	if (rc < 0)
		vg_why_set(why, "the runtime share: cannot make its directory %s: %s; name another one with dir=", dir,
			   strerror(-rc));
	return rc;
}

int vg_mounts_runtime(const struct vg_runtime *r, struct vg_why *why)
{
	int rc;

	if (is_mount_point(r->dir))
		return 0;
	rc = runtime_mkdirs(r->dir, why);
	if (rc < 0)
		return rc;
	if (mount(r->tag, r->dir, "virtiofs", MS_NOSUID | MS_NODEV | (r->readonly ? MS_RDONLY : 0), NULL) == 0)
		return 0;
	rc = -errno;
	if (rc == -ENODEV)
		vg_why_set(why, "VENEER_RUNTIME: this kernel has no virtiofs (CONFIG_VIRTIO_FS, or its module)");
	else
		vg_why_set(why, "VENEER_RUNTIME: cannot mount the share with the tag \"%s\" on %s: %s%s", r->tag,
			   r->dir, strerror(-rc), rc == -EINVAL ? "; is there a device with this tag?" : "");
	return rc;
}

int vg_mounts_hold(const char *dir)
{
	int fd;

	if (!is_mount_point(dir))
		return -ENOENT;
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int vg_mounts_put(int fd, const char *dir, struct vg_why *why)
{
	int rc = runtime_mkdirs(dir, why);

	if (rc < 0)
		return rc;
	if (move_mount(fd, "", AT_FDCWD, dir, MOVE_MOUNT_F_EMPTY_PATH) == 0)
		return 0;
	rc = -errno;
	vg_why_set(why, "cannot move the runtime share to %s below the new root: %s", dir, strerror(-rc));
	return rc;
}
