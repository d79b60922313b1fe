// SPDX-License-Identifier: Apache-2.0
/* Attributes, symlink targets, file system figures, ioctl. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/scope.h"
#include "fuse/request.h"

#define IOCTL_MAX 65536
#define EXIT_STATUS_IOCTL 0x7602

static ssize_t attr_reply(struct vf_request *r, int err, const struct vn_attr *a)
{
	struct fuse_attr_out *out = &r->out.attr;

	if (err)
		return err;
	vf_timeout_fill(vf_attr_timeout(r->s, r->node), &out->attr_valid, &out->attr_valid_nsec);
	vf_attr_fill(&out->attr, a);
	return 0;
}

ssize_t vf_op_getattr(struct vf_request *r)
{
	struct vn_attr a;

	return attr_reply(r, vf_verb(r, getattr, r->node, &a), &a);
}

/* ---- setattr ---- */

static const struct {
	uint32_t wire, ours;
} attr_bits[] = {
	{FATTR_MODE, VN_SET_MODE},   {FATTR_UID, VN_SET_UID},
	{FATTR_GID, VN_SET_GID},     {FATTR_SIZE, VN_SET_SIZE},
	{FATTR_ATIME, VN_SET_ATIME}, {FATTR_MTIME, VN_SET_MTIME},
	{FATTR_CTIME, VN_SET_CTIME}, {FATTR_KILL_SUIDGID, VN_SET_KILL_SUIDGID},
};

static uint32_t attr_valid(uint32_t wire)
{
	uint32_t ours = 0;

	for (size_t i = 0; i < sizeof(attr_bits) / sizeof(attr_bits[0]); i++)
		if (wire & attr_bits[i].wire)
			ours |= attr_bits[i].ours;
	if (wire & FATTR_ATIME_NOW)
		ours = (ours & ~VN_SET_ATIME) | VN_SET_ATIME_NOW;
	if (wire & FATTR_MTIME_NOW)
		ours = (ours & ~VN_SET_MTIME) | VN_SET_MTIME_NOW;
	return ours;
}

static bool attr_times_ok(const struct fuse_setattr_in *in)
{
	return in->atimensec < VN_NS_PER_SEC && in->mtimensec < VN_NS_PER_SEC && in->ctimensec < VN_NS_PER_SEC;
}

ssize_t vf_op_setattr(struct vf_request *r)
{
	const struct fuse_setattr_in *in = &r->in.setattr;
	struct vn_setattr set = {
		.valid = attr_valid(in->valid),
		.mode = in->mode & 07777,
		.uid = in->uid,
		.gid = in->gid,
		.size = in->size,
		.atime = vn_ns_make((int64_t)in->atime, in->atimensec),
		.mtime = vn_ns_make((int64_t)in->mtime, in->mtimensec),
		.ctime = vn_ns_make((int64_t)in->ctime, in->ctimensec),
	};
	struct vn_attr a;
	int err;

	if (!attr_times_ok(in))
		return -EINVAL;
	if (set.valid & VN_SET_SIZE && set.size > INT64_MAX)
		return -EFBIG;
	err = vf_verb(r, setattr, r->node, &set, &a);
	if (!err && set.valid & VN_SET_SIZE)
		vf_through_resized(r);
	return attr_reply(r, err, &a);
}

/* ---- statx ---- */

#define SX_BASIC 0x7ffu
#define SX_BTIME 0x800u
#define SX_ATTR_IMMUTABLE 0x10u
#define SX_ATTR_APPEND 0x20u
#define FLAG_IMMUTABLE 0x10u /* FS_IMMUTABLE_FL */
#define FLAG_APPEND 0x20u    /* FS_APPEND_FL */

static struct fuse_sx_time attr_sx_time(int64_t ns)
{
	struct timespec ts = vn_ns_to_ts(ns);

	return (struct fuse_sx_time){.tv_sec = ts.tv_sec, .tv_nsec = (uint32_t)ts.tv_nsec};
}

static void attr_statx_fill(struct fuse_statx *out, const struct vn_attr *a)
{
	*out = (struct fuse_statx){
		.mask = SX_BASIC | SX_BTIME,
		.blksize = a->blksize,
		.attributes = (a->flags & FLAG_IMMUTABLE ? SX_ATTR_IMMUTABLE : 0) |
			(a->flags & FLAG_APPEND ? SX_ATTR_APPEND : 0),
		.attributes_mask = SX_ATTR_IMMUTABLE | SX_ATTR_APPEND,
		.nlink = a->nlink,
		.uid = a->uid,
		.gid = a->gid,
		.mode = (uint16_t)a->mode,
		.ino = a->ino,
		.size = a->size,
		.blocks = a->blocks,
		.atime = attr_sx_time(a->atime),
		.btime = attr_sx_time(a->btime),
		.ctime = attr_sx_time(a->ctime),
		.mtime = attr_sx_time(a->mtime),
		.rdev_major = a->rdev_major,
		.rdev_minor = a->rdev_minor,
	};
}

ssize_t vf_op_statx(struct vf_request *r)
{
	struct fuse_statx_out *out = &r->out.statx;
	struct vn_attr a;
	int err = vf_verb(r, getattr, r->node, &a);

	if (err)
		return err;
	vf_timeout_fill(vf_attr_timeout(r->s, r->node), &out->attr_valid, &out->attr_valid_nsec);
	attr_statx_fill(&out->stat, &a);
	return 0;
}

/* ---- the rest ---- */

ssize_t vf_op_readlink(struct vf_request *r)
{
	char target[VN_SYMLINK_MAX + 1];
	size_t room = vf_reply_room(r);
	ssize_t n = vf_verb(r, readlink, r->node, target, VN_SYMLINK_MAX);

	if (n < 0)
		return n;
	if ((size_t)n > room)
		return -EINVAL;
	vf_reply_put(r, 0, target, (size_t)n);
	return n;
}

ssize_t vf_op_statfs(struct vf_request *r)
{
	struct fuse_statfs_out *out = &r->out.statfs;
	struct vn_statfs st;
	int err = vf_verb(r, statfs, r->node, &st);

	if (err)
		return err;
	out->blocks = st.blocks;
	out->bfree = st.bfree;
	out->bavail = st.bavail;
	out->files = st.files;
	out->ffree = st.ffree;
	out->bsize = st.bsize;
	out->frsize = st.frsize;
	out->namelen = st.namelen;
	return 0;
}

static ssize_t ioctl_call(struct vf_request *r, void *in, void *out)
{
	const struct fuse_ioctl_in *q = &r->in.ioctl;
	int result = 0;
	ssize_t n;

	vf_payload_get(r, 0, in, q->in_size);
	n = vf_verb(r, ioctl, r->node, q->cmd, in, q->in_size, out, q->out_size, &result);
	if (n == -ENOSYS)
		return -ENOTTY; /* ENOSYS would turn all ioctls off */
	if (n < 0)
		return n;
	r->out.ioctl.result = result;
	vf_reply_put(r, 0, out, (size_t)n);
	return n;
}

/* The request is the guest's first process's, but everybody in the guest can make it, as in libkrun's world. */
static bool ioctl_is_exit_status(const struct vf_request *r)
{
	return r->in.ioctl.cmd == EXIT_STATUS_IOCTL && r->node == FUSE_ROOT_ID && r->s->exit_status;
}

ssize_t vf_op_ioctl(struct vf_request *r)
{
	const struct fuse_ioctl_in *q = &r->in.ioctl;
	vn_autofree void *mem = NULL;

	if (q->in_size != r->payload_len || q->out_size > vf_reply_room(r))
		return -EINVAL;
	if (q->in_size > IOCTL_MAX || q->out_size > IOCTL_MAX)
		return -E2BIG;
	if (q->flags & FUSE_IOCTL_UNRESTRICTED)
		return -EINVAL;
	if (ioctl_is_exit_status(r)) {
		r->s->exit_status(r->s->exit_arg, (int)q->arg);
		return 0;
	}
	mem = calloc(1, (size_t)q->in_size + q->out_size + 1);
	if (!mem)
		return -ENOMEM;
	return ioctl_call(r, mem, (char *)mem + q->in_size);
}
