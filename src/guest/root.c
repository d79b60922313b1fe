// SPDX-License-Identifier: Apache-2.0
/*
 * The root cannot be pivoted (an initramfs has no parent mount), so it is moved: mount the device
 * somewhere, step into it, move it over "/", and make that the root. The somewhere is below /dev, the one
 * place that is always there and can be written.
 */
#include "guest/root.h"

#include "guest/file.h"
#include "guest/fstypes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PLACE_NAME ".veneer-root"
#define PLACE "/dev/" PLACE_NAME
#define WAIT_MS 5000
#define WAIT_STEP_MS 20

/* Drivers find their devices beside us; a name may come late. */
static int device_wait(const char *device, struct vg_why *why)
{
	const struct timespec step = {.tv_nsec = WAIT_STEP_MS * 1000000L};
	struct stat st;

	for (int waited = 0; stat(device, &st) < 0; waited += WAIT_STEP_MS) {
		if (waited >= WAIT_MS) {
			vg_why_set(why, "VENEER_BLOCK_ROOT: there is no %s; is the disk attached and its driver loaded?",
				   device);
			return -ENOENT;
		}
		nanosleep(&step, NULL);
	}
	if (S_ISBLK(st.st_mode))
		return 0;
	vg_why_set(why, "VENEER_BLOCK_ROOT: %s is not a block device", device);
	return -ENOTBLK;
}

/* A disk that cannot be written is mounted read-only. */
static int try_mount(const struct vg_block_root *root, const char *type)
{
	unsigned long flags = MS_SILENT | (root->readonly ? MS_RDONLY : 0);

	if (mount(root->device, PLACE, type, flags, NULL) == 0)
		return 0;
	if ((errno == EROFS || errno == EACCES) && mount(root->device, PLACE, type, flags | MS_RDONLY, NULL) == 0)
		return 0;
	return -errno;
}

static int mount_as(const struct vg_block_root *root, struct vg_why *why)
{
	int rc = try_mount(root, root->fstype);

	if (rc == -ENODEV)
		vg_why_set(why, "VENEER_BLOCK_ROOT: this kernel does not know the file system %s", root->fstype);
	else if (rc < 0)
		vg_why_set(why, "VENEER_BLOCK_ROOT: cannot mount %s as %s: %s", root->device, root->fstype, strerror(-rc));
	return rc;
}

static void names_join(const struct vg_fstypes *types, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < types->count && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s", i ? ", " : "", types->name[i]);
}

/* EINVAL is "not mine"; anything else is the answer of the one that knew the disk. */
static int mount_as_any(const struct vg_block_root *root, struct vg_why *why)
{
	struct vg_fstypes types;
	char text[4096], names[256];
	ssize_t len = vg_file_read("/proc/filesystems", text, sizeof(text));

	if (len < 0) {
		vg_why_set(why, "VENEER_BLOCK_ROOT: cannot read /proc/filesystems: %s; name the file system with fstype=",
			   strerror((int)-len));
		return (int)len;
	}
	vg_fstypes_parse(text, &types);
	for (size_t i = 0; i < types.count; i++) {
		int rc = try_mount(root, types.name[i]);

		if (rc == 0)
			return 0;
		if (rc != -EINVAL && rc != -ENODEV) {
			vg_why_set(why, "VENEER_BLOCK_ROOT: cannot mount %s as %s: %s", root->device, types.name[i],
				   strerror(-rc));
			return rc;
		}
	}
	names_join(&types, names, sizeof(names));
	return vg_why_set(why, "VENEER_BLOCK_ROOT: %s holds none of the file systems that this kernel knows (%s)",
			  root->device, types.count ? names : "it knows none");
}

static int become_root(struct vg_why *why)
{
	int dev = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC), rc = 0;

	if (chdir(PLACE) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0) {
		rc = -errno;
		vg_why_set(why, "VENEER_BLOCK_ROOT: cannot make the mounted disk the root: %s", strerror(-rc));
		umount2(PLACE, MNT_DETACH);
	}
	/* The new root's /dev will be the same one. */
	unlinkat(dev, PLACE_NAME, AT_REMOVEDIR);
	if (dev >= 0)
		close(dev);
	return rc;
}

int vg_root_enter(const struct vg_block_root *root, struct vg_why *why)
{
	int rc = device_wait(root->device, why);

	if (rc < 0)
		return rc;
	rc = vg_file_mkdirs(PLACE, 0700);
	if (rc < 0) {
		vg_why_set(why, "VENEER_BLOCK_ROOT: cannot make %s: %s", PLACE, strerror(-rc));
		return rc;
	}
	rc = root->fstype[0] ? mount_as(root, why) : mount_as_any(root, why);
	return rc < 0 ? rc : become_root(why);
}
