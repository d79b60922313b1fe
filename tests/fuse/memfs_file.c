// SPDX-License-Identifier: Apache-2.0
/* Attributes, bytes and extended attributes of one node. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cfg.h"
#include "base/clock.h"
#include "base/iov.h"
#include "base/scope.h"
#include "memfs.h"

static struct memfs *memfs_of(struct vn_fs *fs)
{
	return (struct memfs *)fs;
}

/* ---- attributes ---- */

int memfs_getattr(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, struct vn_attr *out)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *n = memfs_find_locked(m, node);

	(void)ctx;
	if (!n)
		return -ESTALE;
	*out = n->attr;
	return 0;
}

static int file_resize(struct memfs_node *n, uint64_t size)
{
	char *p;

	if (size > MEMFS_FILE_MAX)
		return -EFBIG;
	p = realloc(n->data, size + 1);
	if (!p)
		return -ENOSPC;
	if (size > n->attr.size)
		memset(p + n->attr.size, 0, size - n->attr.size);
	n->data = p;
	n->attr.size = size;
	n->attr.blocks = (size + 511) / 512;
	n->attr.mtime = n->attr.ctime = vn_now_ns();
	return 0;
}

static void kill_suidgid(struct vn_attr *a)
{
	a->mode &= ~(uint32_t)S_ISUID;
	if (a->mode & S_IXGRP)
		a->mode &= ~(uint32_t)S_ISGID;
}

static void set_times(struct vn_attr *a, const struct vn_setattr *set)
{
	int64_t now = vn_now_ns();

	if (set->valid & VN_SET_ATIME)
		a->atime = set->atime;
	if (set->valid & VN_SET_MTIME)
		a->mtime = set->mtime;
	if (set->valid & VN_SET_ATIME_NOW)
		a->atime = now;
	if (set->valid & VN_SET_MTIME_NOW)
		a->mtime = now;
	a->ctime = set->valid & VN_SET_CTIME ? set->ctime : now;
}

int memfs_setattr(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, const struct vn_setattr *set, struct vn_attr *out)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *n = memfs_find_locked(m, node);
	int err = n ? 0 : -ESTALE;

	(void)ctx;
	if (!err && set->valid & VN_SET_SIZE)
		err = file_resize(n, set->size);
	if (err)
		return err;
	if (set->valid & VN_SET_MODE)
		n->attr.mode = (n->attr.mode & S_IFMT) | set->mode;
	if (set->valid & VN_SET_UID)
		n->attr.uid = set->uid;
	if (set->valid & VN_SET_GID)
		n->attr.gid = set->gid;
	if (set->valid & VN_SET_KILL_SUIDGID)
		kill_suidgid(&n->attr);
	if (set->valid)
		set_times(&n->attr, set);
	*out = n->attr;
	return 0;
}

ssize_t memfs_readlink(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, char *buf, size_t size)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *n = memfs_find_locked(m, node);
	size_t len;

	(void)ctx;
	if (!n || !S_ISLNK(n->attr.mode))
		return n ? -EINVAL : -ESTALE;
	len = n->attr.size < size ? n->attr.size : size;
	memcpy(buf, n->data, len);
	return (ssize_t)len;
}

int memfs_statfs(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, struct vn_statfs *out)
{
	(void)fs;
	(void)ctx;
	(void)node;
	*out = (struct vn_statfs){
		.blocks = 1000, .bfree = 600, .bavail = 500, .files = 100, .ffree = 50, .bsize = 4096, .frsize = 4096, .namelen = 255};
	return 0;
}

/* GETFLAGS is a long on the wire and an int in truth; everything else is unknown. */
ssize_t memfs_ioctl(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint32_t cmd, const void *in,
		    size_t insize, void *out, size_t outsize, int *result)
{
	uint32_t flags = 0x20;

	(void)fs;
	(void)ctx;
	(void)node;
	(void)in;
	(void)insize;
	if (cmd != 0x80086601u || outsize < sizeof(flags))
		return -ENOTTY;
	memcpy(out, &flags, sizeof(flags));
	*result = 0;
	return sizeof(flags);
}

int memfs_map(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off, uint64_t len, bool writable,
	      struct vn_range *out)
{
	(void)fs;
	(void)ctx;
	(void)node;
	(void)writable;
	*out = (struct vn_range){.fd = -1, .offset = off, .length = len};
	return 0;
}

/* ---- bytes ---- */

static int file_find(struct memfs *m, uint64_t node, struct memfs_node **out)
{
	*out = memfs_find_locked(m, node);
	if (!*out)
		return -ESTALE;
	if (S_ISDIR((*out)->attr.mode))
		return -EISDIR;
	return S_ISREG((*out)->attr.mode) ? 0 : -EINVAL;
}

ssize_t memfs_read(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off, const struct iovec *iov, int n)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *f;
	int err = file_find(m, node, &f);

	(void)ctx;
	if (err || off >= f->attr.size)
		return err;
	return (ssize_t)vn_iov_put(iov, (size_t)n, 0, f->data + off, f->attr.size - off);
}

ssize_t memfs_write(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off, const struct iovec *iov,
		    int n, uint32_t flags)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	size_t len = vn_iov_total(iov, (size_t)n);
	struct memfs_node *f;
	int err = file_find(m, node, &f);

	(void)ctx;
	m->last_flags = flags;
	if (!err && off + len > f->attr.size)
		err = file_resize(f, off + len);
	if (err)
		return err;
	if (flags & VN_WRITE_KILL_SUIDGID)
		kill_suidgid(&f->attr);
	if (len)
		vn_iov_get(iov, (size_t)n, 0, f->data + off, len);
	f->attr.mtime = f->attr.ctime = vn_now_ns();
	return (ssize_t)len;
}

int memfs_fsync(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, bool datasync)
{
	struct memfs *m = memfs_of(fs);
	struct timespec pause = {.tv_nsec = 1000000};
	struct vn_attr a;

	(void)datasync;
	atomic_fetch_add(&m->in_fsync, 1);
	while (atomic_load(&m->hold_fsync))
		nanosleep(&pause, NULL);
	atomic_fetch_sub(&m->in_fsync, 1);
	return memfs_getattr(fs, ctx, node, &a);
}

int memfs_syncfs(struct vn_fs *fs, const struct vn_ctx *ctx)
{
	(void)fs;
	(void)ctx;
	return 0;
}

int memfs_fallocate(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint32_t mode, uint64_t off, uint64_t len)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *f;
	int err = file_find(m, node, &f);

	(void)ctx;
	if (err || mode)
		return err ? err : -EOPNOTSUPP;
	return off + len > f->attr.size ? file_resize(f, off + len) : 0;
}

/* A file without holes. */
int64_t memfs_lseek(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, int64_t off, int whence)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *f;
	int err = file_find(m, node, &f);

	(void)ctx;
	if (err || (uint64_t)off >= f->attr.size)
		return err ? err : -ENXIO;
	return whence == SEEK_DATA ? off : (int64_t)f->attr.size;
}

ssize_t memfs_copy(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t in, uint64_t off_in, uint64_t out,
		   uint64_t off_out, size_t len, uint32_t flags)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *from, *to;
	int err = file_find(m, in, &from);

	(void)ctx;
	(void)flags;
	if (!err)
		err = file_find(m, out, &to);
	if (err || off_in >= from->attr.size)
		return err;
	len = len < from->attr.size - off_in ? len : from->attr.size - off_in;
	if (off_out + len > to->attr.size)
		err = file_resize(to, off_out + len);
	if (!err)
		memmove(to->data + off_out, from->data + off_in, len);
	return err ? err : (ssize_t)len;
}

/* ---- extended attributes ---- */

static struct memfs_xattr *xattr_find(const struct memfs_node *n, const char *name)
{
	struct memfs_xattr *x;

	LIST_FOREACH(x, &n->xattrs, link)
	if (strcmp(x->name, name) == 0)
		return x;
	return NULL;
}

static int xattr_put(struct memfs_node *n, const char *name, const void *value, size_t size)
{
	struct memfs_xattr *old = xattr_find(n, name), *x = calloc(1, sizeof(*x) + size + 1);

	if (!x)
		return -ENOSPC;
	strlcpy(x->name, name, sizeof(x->name));
	memcpy(x->value, value, size);
	x->size = size;
	if (old) {
		LIST_REMOVE(old, link);
		free(old);
	}
	LIST_INSERT_HEAD(&n->xattrs, x, link);
	return 0;
}

int memfs_setxattr(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, const char *name, const void *value,
		   size_t size, uint32_t flags)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *n = memfs_find_locked(m, node);

	(void)ctx;
	m->last_flags = flags;
	if (!n)
		return -ESTALE;
	if (flags & 1 && xattr_find(n, name))
		return -EEXIST;
	if (flags & 2 && !xattr_find(n, name))
		return -ENODATA;
	return xattr_put(n, name, value, size);
}

ssize_t memfs_getxattr(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, const char *name, void *buf, size_t size)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *n = memfs_find_locked(m, node);
	struct memfs_xattr *x = n ? xattr_find(n, name) : NULL;

	(void)ctx;
	if (!x)
		return n ? -ENODATA : -ESTALE;
	if (size && size < x->size)
		return -ERANGE;
	if (size)
		memcpy(buf, x->value, x->size);
	return (ssize_t)x->size;
}

ssize_t memfs_listxattr(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, char *buf, size_t size)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *n = memfs_find_locked(m, node);
	struct memfs_xattr *x;
	size_t total = 0;

	(void)ctx;
	if (!n)
		return -ESTALE;
	LIST_FOREACH(x, &n->xattrs, link)
	{
		size_t len = strlen(x->name) + 1;

		if (size && total + len > size)
			return -ERANGE;
		if (size)
			memcpy(buf + total, x->name, len);
		total += len;
	}
	return (ssize_t)total;
}

int memfs_removexattr(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, const char *name)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *n = memfs_find_locked(m, node);
	struct memfs_xattr *x = n ? xattr_find(n, name) : NULL;

	(void)ctx;
	if (!x)
		return n ? -ENODATA : -ESTALE;
	LIST_REMOVE(x, link);
	free(x);
	return 0;
}
