// SPDX-License-Identifier: Apache-2.0
/* Open files and their bytes. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fuse/request.h"

/* ---- open and release ---- */

int vf_open_fill(struct vf_request *r, uint64_t nodeid, uint32_t flags, struct fuse_open_out *out)
{
	struct vn_open o = {.fh = 0};
	int err;

	if (vf_through_is_on(r))
		return vf_through_open(r, nodeid, flags, out);
	out->open_flags = FOPEN_KEEP_CACHE | FOPEN_NOFLUSH;
	if (!r->fs->ops->open)
		return 0;
	err = vf_verb(r, open, nodeid, flags, &o);
	if (!err)
		out->fh = o.fh;
	return err;
}

/* Without per-open state one ENOSYS ends all OPEN messages. */
ssize_t vf_op_open(struct vf_request *r)
{
	if (!r->fs->ops->open && !vf_through_is_on(r) && r->flags & FUSE_NO_OPEN_SUPPORT)
		return -ENOSYS;
	return vf_open_fill(r, r->h.nodeid, r->in.open.flags, &r->out.open);
}

/* Files that were made before the first ENOSYS are released too; there is nothing to do for them. */
ssize_t vf_op_release(struct vf_request *r)
{
	if (vf_through_is_on(r))
		vf_through_release(r->s, r->h.nodeid, r->in.release.fh);
	else if (r->fs->ops->open && r->fs->ops->release)
		r->fs->ops->release(r->fs, &r->ctx, r->node, r->in.release.fh);
	return 0;
}

ssize_t vf_op_opendir(struct vf_request *r)
{
	if (r->flags & FUSE_NO_OPENDIR_SUPPORT)
		return -ENOSYS;
	r->out.open.open_flags = FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR;
	return 0;
}

ssize_t vf_op_releasedir(struct vf_request *r)
{
	(void)r;
	return 0;
}

/* ---- read and write ---- */

static bool data_range_ok(uint64_t off, uint64_t len)
{
	return off <= INT64_MAX && len <= INT64_MAX - off;
}

ssize_t vf_op_read(struct vf_request *r)
{
	const struct fuse_read_in *in = &r->in.read;
	size_t room = vf_reply_room(r), size = in->size < room ? in->size : room;
	struct iovec iov[VF_IOV_MAX];
	int n;

	if (in->offset > INT64_MAX)
		return -EINVAL;
	if (!data_range_ok(in->offset, size))
		size = (size_t)(INT64_MAX - in->offset);
	n = vf_reply_iov(r, iov, size);
	if (n < 0)
		return n;
	return vf_verb(r, read, r->node, in->offset, iov, n);
}

/*
 * The end of the file is where the server has it, unless the client keeps writes
 * back: then the server's is behind, and the client, being the only one, is right.
 */
static uint32_t data_write_flags(const struct vf_request *r)
{
	const struct fuse_write_in *in = &r->in.write;
	bool ours = !(r->flags & FUSE_WRITEBACK_CACHE) && !(in->write_flags & FUSE_WRITE_CACHE);

	return (in->write_flags & FUSE_WRITE_CACHE ? VN_WRITE_CACHE : 0) |
		(in->write_flags & FUSE_WRITE_KILL_SUIDGID ? VN_WRITE_KILL_SUIDGID : 0) |
		(in->flags & FUSE_O_APPEND && ours ? VN_WRITE_APPEND : 0);
}

ssize_t vf_op_write(struct vf_request *r)
{
	const struct fuse_write_in *in = &r->in.write;
	struct iovec iov[VF_IOV_MAX];
	ssize_t done;
	int n;

	if (in->size != r->payload_len)
		return -EINVAL;
	if (!data_range_ok(in->offset, in->size))
		return -EFBIG;
	n = vf_payload_iov(r, iov, in->size);
	if (n < 0)
		return n;
	done = vf_verb(r, write, r->node, in->offset, iov, n, data_write_flags(r));
	if (done < 0)
		return done;
	r->out.write.size = (uint32_t)done;
	return 0;
}

/* ---- durability ---- */

ssize_t vf_op_fsync(struct vf_request *r)
{
	return vf_verb(r, fsync, r->node, r->in.fsync.fsync_flags & FUSE_FSYNC_FDATASYNC);
}

ssize_t vf_op_syncfs(struct vf_request *r)
{
	return r->fs->ops->syncfs ? r->fs->ops->syncfs(r->fs, &r->ctx) : -ENOSYS;
}

/* ---- space and holes ---- */

ssize_t vf_op_fallocate(struct vf_request *r)
{
	const struct fuse_fallocate_in *in = &r->in.fallocate;

	if (!in->length)
		return -EINVAL;
	if (!data_range_ok(in->offset, in->length))
		return -EFBIG;
	return vf_verb(r, fallocate, r->node, in->mode, in->offset, in->length);
}

ssize_t vf_op_lseek(struct vf_request *r)
{
	const struct fuse_lseek_in *in = &r->in.lseek;
	int64_t at;

	if (in->whence != FUSE_SEEK_DATA && in->whence != FUSE_SEEK_HOLE)
		return -EINVAL;
	if (in->offset > INT64_MAX)
		return -ENXIO;
	at = vf_verb(r, lseek, r->node, (int64_t)in->offset, in->whence == FUSE_SEEK_DATA ? SEEK_DATA : SEEK_HOLE);
	if (at < 0)
		return at;
	r->out.lseek.offset = (uint64_t)at;
	return 0;
}

/* max: the most that the reply can say. */
static ssize_t data_copy(struct vf_request *r, uint64_t max)
{
	const struct fuse_copy_file_range_in *in = &r->in.copy;
	uint64_t len = in->len < max ? in->len : max;

	if (in->flags)
		return -EINVAL;
	if (!data_range_ok(in->off_in, len) || !data_range_ok(in->off_out, len))
		return -EFBIG;
	return vf_verb(r, copy_file_range, r->node, in->off_in, vf_through_in(r->s, in->nodeid_out), in->off_out, (size_t)len, 0);
}

ssize_t vf_op_copy_file_range(struct vf_request *r)
{
	ssize_t n = data_copy(r, UINT32_MAX & ~4095u);

	if (n < 0)
		return n;
	r->out.write.size = (uint32_t)n;
	return 0;
}

ssize_t vf_op_copy_file_range_64(struct vf_request *r)
{
	ssize_t n = data_copy(r, INT64_MAX & ~UINT64_C(4095));

	if (n < 0)
		return n;
	r->out.copy.bytes_copied = (uint64_t)n;
	return 0;
}
