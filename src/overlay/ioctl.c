// SPDX-License-Identifier: Apache-2.0
/*
 * Inode flags by ioctl: FS_IOC_GETFLAGS and SETFLAGS (ext2 flags in a long or an
 * int) and FS_IOC_FSGETXATTR and FSSETXATTR (struct fsxattr). The numbers are
 * those of <linux/fs.h>; the layout of struct fsxattr is 28 bytes, flags first.
 */
#include "overlay/ioctl.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "overlay/attr.h"

#define GETFLAGS 0x80086601u
#define SETFLAGS 0x40086602u
#define GETFLAGS_32 0x80046601u
#define SETFLAGS_32 0x40046602u
#define FSGETXATTR 0x801c581fu
#define FSSETXATTR 0x401c5820u
#define FSXATTR_SIZE 28u

static const struct {
	uint32_t x, fl;
} ioctl_xflags[] = {
	{ 0x08, 0x10 }, /* immutable */
	{ 0x10, 0x20 }, /* append */
	{ 0x40, 0x80 }, /* noatime */
	{ 0x80, 0x40 }, /* nodump */
};
#define NXFLAGS (sizeof(ioctl_xflags) / sizeof(ioctl_xflags[0]))

static ssize_t ioctl_put(void *out, size_t outsize, const void *value, size_t size)
{
	if (outsize < size)
		return -EINVAL;
	memcpy(out, value, size);
	return (ssize_t)size;
}

static ssize_t ioctl_fsgetxattr(struct ovl_node *n, void *out, size_t outsize)
{
	uint32_t wire = ovl_flags_wire(n), x[FSXATTR_SIZE / 4] = { 0 };
	for (size_t i = 0; i < NXFLAGS; i++)
		if (wire & ioctl_xflags[i].fl)
			x[0] |= ioctl_xflags[i].x;
	return ioctl_put(out, outsize, x, sizeof(x));
}

/* Extent sizes, projects and flags that are not kept are refused, as SETFLAGS does. */
static int ioctl_fssetxattr(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, const void *in,
			    size_t insize)
{
	uint32_t x[FSXATTR_SIZE / 4], wire = 0;
	if (insize < sizeof(x))
		return -EINVAL;
	memcpy(x, in, sizeof(x));
	for (size_t i = 0; i < NXFLAGS; i++) {
		if (x[0] & ioctl_xflags[i].x)
			wire |= ioctl_xflags[i].fl;
		x[0] &= ~ioctl_xflags[i].x;
	}
	if (x[0] || x[1] || x[3])
		return -EOPNOTSUPP;
	return ovl_flags_set(t, ctx, n, wire);
}

static int ioctl_setflags(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, const void *in,
			  size_t insize)
{
	uint32_t wire;
	if (insize < sizeof(wire))
		return -EINVAL;
	memcpy(&wire, in, sizeof(wire));
	return ovl_flags_set(t, ctx, n, wire);
}

ssize_t ovl_ioctl(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, uint32_t cmd, const void *in,
		  size_t insize, void *out, size_t outsize)
{
	uint64_t wide = ovl_flags_wire(n);
	uint32_t narrow = (uint32_t)wide;
	if (!S_ISREG(n->mode) && !ovl_is_dir(n))
		return -ENOTTY;
	switch (cmd) {
	case GETFLAGS: /* the kernel moves a long or an int under this number, as the caller's word size has it */
		return outsize >= sizeof(wide) ? ioctl_put(out, outsize, &wide, sizeof(wide)) :
						 ioctl_put(out, outsize, &narrow, sizeof(narrow));
	case GETFLAGS_32:
		return ioctl_put(out, outsize, &narrow, sizeof(narrow));
	case SETFLAGS:
	case SETFLAGS_32:
		return ioctl_setflags(t, ctx, n, in, insize);
	case FSGETXATTR:
		return ioctl_fsgetxattr(n, out, outsize);
	case FSSETXATTR:
		return ioctl_fssetxattr(t, ctx, n, in, insize);
	default:
		return -ENOTTY;
	}
}
