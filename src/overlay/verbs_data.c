// SPDX-License-Identifier: Apache-2.0
/* The verbs of files' bytes. */
#include <errno.h>
#include <unistd.h> /* SEEK_DATA */

#include "base/iov.h"
#include "overlay/verb.h"
#include "overlay/virtual.h"
#include "overlay/walk.h"

/* The data verbs: regular files only, and, to change one, touched and not virtual. */
static int verb_file(const struct verb *v, bool change)
{
	if (ovl_is_dir(v->n))
		return -EISDIR;
	if (!S_ISREG(v->n->mode))
		return -EINVAL;
	return change ? ovl_touch(v->t, v->n) : 0;
}

/* What a client has read or written it may have mapped: asked for before a snapshot. True: for the first time. */
static bool verb_cached(const struct verb *v)
{
	if (atomic_load_explicit(&v->n->flags, memory_order_relaxed) & OVL_NODE_CACHED ||
	    atomic_fetch_or(&v->n->flags, OVL_NODE_CACHED) & OVL_NODE_CACHED)
		return false;
	ovl_cached_add(v->t, v->n);
	return true;
}

int ovl_verb_backing(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, int *fd)
{
	VERB v;
	int r = verb_begin(&v, fs, ctx, node);
	if (r)
		return r;
	return ovl_has_bytes(v.n) ? ovl_data_backing(v.t, v.n, fd) : -ENOTSUP;
}

/* Content that changes must not stay in the client's cache. */
static ssize_t verb_read_virtual(const struct verb *v, const struct vn_ctx *ctx, uint64_t off, const struct iovec *iov,
				 int iovcnt)
{
	const struct vn_notify *notify = &ctx->session->config.notify;
	ssize_t n = ovl_virtual_read(v->n, off, iov, iovcnt);
	if (n >= 0 && ovl_virtual_is_live(v->n) && notify->inval_inode)
		notify->inval_inode(notify->arg, ovl_nodeid(v->t, v->n), 0, 0);
	return n;
}

/* Of a lower file: who reads many of them waits less when it is known. */
static ssize_t verb_read_first(const struct verb *v, uint64_t off, const struct iovec *iov, int iovcnt)
{
	long sleeps = base_ahead_sleeps();
	ssize_t n = ovl_data_read(v->t, v->n, off, iov, iovcnt);
	ovl_walk_read(v->t, v->n, base_ahead_sleeps() - sleeps);
	return n;
}

ssize_t ovl_verb_read(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off, const struct iovec *iov,
		      int iovcnt)
{
	VERB v;
	int r = verb_begin(&v, fs, ctx, node);
	if (!r)
		r = verb_file(&v, false);
	if (r)
		return r;
	if (verb_virtual(&v))
		return verb_read_virtual(&v, ctx, off, iov, iovcnt);
	if (verb_cached(&v) && v.n->odir && !ovl_own(v.n))
		return verb_read_first(&v, off, iov, iovcnt);
	return ovl_data_read(v.t, v.n, off, iov, iovcnt);
}

ssize_t ovl_verb_write(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off, const struct iovec *iov,
		       int iovcnt, uint32_t flags)
{
	VERB v;
	int r = verb_begin(&v, fs, ctx, node);
	if (!r)
		r = verb_file(&v, true);
	if (r)
		return r;
	verb_cached(&v);
	ssize_t n = ovl_data_write(v.t, ctx, v.n, off, iov, iovcnt, flags);
	if (n > 0)
		ovl_tell_inode(v.t, ctx, v.n, true);
	return n;
}

int ovl_verb_fsync(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, bool datasync)
{
	VERB v;
	int r = verb_begin(&v, fs, ctx, node);
	if (r || !v.t->store || v.t->readonly || verb_virtual(&v) || !ovl_own(v.n))
		return r;
	return ovl_data_fsync(v.t, v.n, datasync);
}

int ovl_verb_fallocate(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint32_t mode, uint64_t off, uint64_t len)
{
	VERB v;
	int r = verb_begin(&v, fs, ctx, node);
	if (!r)
		r = verb_file(&v, true);
	if (!r)
		r = ovl_data_fallocate(v.t, ctx, v.n, mode, off, len);
	if (!r)
		ovl_tell_inode(v.t, ctx, v.n, true);
	return r;
}

/* The content of a virtual file has no holes. */
static int64_t virtual_seek(const struct ovl_node *n, int64_t off, int whence)
{
	if (off < 0 || (uint64_t)off >= n->size)
		return -ENXIO;
	return whence == SEEK_DATA ? off : (int64_t)n->size;
}

int64_t ovl_verb_lseek(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, int64_t off, int whence)
{
	VERB v;
	int r = verb_begin(&v, fs, ctx, node);
	if (!r)
		r = verb_file(&v, false);
	if (r)
		return r;
	return verb_virtual(&v) ? virtual_seek(v.n, off, whence) : ovl_data_seek(v.t, v.n, off, whence);
}

/* From a virtual file: through a buffer. */
static ssize_t copy_virtual(const struct verb *v, const struct vn_ctx *ctx, uint64_t off_in, struct ovl_node *out,
			    uint64_t off_out, size_t len)
{
	char buf[16384];
	struct iovec iov = { buf, len < sizeof(buf) ? len : sizeof(buf) };
	ssize_t n = ovl_virtual_read(v->n, off_in, &iov, 1);
	if (n <= 0)
		return n;
	iov.iov_len = (size_t)n;
	return ovl_data_write(v->t, ctx, out, off_out, &iov, 1, VN_WRITE_KILL_SUIDGID);
}

ssize_t ovl_verb_copy(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node_in, uint64_t off_in, uint64_t node_out,
		      uint64_t off_out, size_t len, uint32_t flags)
{
	VERB v;
	struct ovl_node *out;
	ssize_t n = flags ? -EINVAL : 0;
	int r = verb_begin(&v, fs, ctx, node_in);
	if (!r && !n)
		r = verb_file(&v, false);
	if (r || n)
		return r ? r : n;
	if ((r = ovl_node_get(v.t, ctx, node_out, &out)))
		return r;
	if (!S_ISREG(out->mode))
		n = ovl_is_dir(out) ? -EISDIR : -EINVAL;
	else if (!(n = ovl_touch(v.t, out)))
		n = verb_virtual(&v) ? copy_virtual(&v, ctx, off_in, out, off_out, len) :
				       ovl_data_copy(v.t, ctx, v.n, off_in, out, off_out, len);
	if (n > 0)
		ovl_tell_inode(v.t, ctx, out, true);
	ovl_node_put(v.t, out);
	return n;
}

int ovl_verb_map(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off, uint64_t len, bool writable,
		 struct vn_range *out)
{
	VERB v;
	int r = verb_begin(&v, fs, ctx, node);
	if (!r)
		r = verb_file(&v, writable);
	if (r || !verb_virtual(&v))
		return r ? r : ovl_data_map(v.t, ctx, v.n, off, len, writable, out);
	int fd = ovl_virtual_fd(v.n);
	if (fd >= 0)
		*out = (struct vn_range){ fd, off, len };
	return fd < 0 ? fd : 0;
}

void ovl_verb_unmap(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off, uint64_t len)
{
	VERB v;
	if (!verb_begin(&v, fs, ctx, node) && S_ISREG(v.n->mode) && !verb_virtual(&v))
		ovl_data_unmap(v.t, v.n, off, len);
}
