// SPDX-License-Identifier: Apache-2.0
#include "tinyfs.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cfg.h"
#include "base/iov.h"
#include "base/scope.h"

#define FILES 64
#define SIZE_MAX_FILE (1 << 20)
#define FIRST 1024

struct file {
	char name[VN_NAME_MAX + 1]; /* "": free */
	uint32_t mode;
	size_t size;
	char *data;
};

struct tinyfs {
	struct vn_fs fs;
	pthread_mutex_t lock;
	struct file files[FILES];
};

static struct tinyfs *of(struct vn_fs *fs)
{
	return (struct tinyfs *)fs;
}

static int session_new(struct vn_fs *fs, const struct vn_session_config *config, struct vn_fs_session **out)
{
	(void)config;
	*out = (struct vn_fs_session *)fs; /* there is nothing to keep for one */
	return 0;
}

static void session_reset(struct vn_fs *fs, struct vn_fs_session *s)
{
	(void)fs;
	(void)s;
}

static void session_free(struct vn_fs *fs, struct vn_fs_session *s, bool keep)
{
	(void)fs;
	(void)s;
	(void)keep;
}

/* NULL: no such file. The lock is held. */
static struct file *by_node(struct tinyfs *t, uint64_t node)
{
	if (node < FIRST || node >= FIRST + FILES || !t->files[node - FIRST].name[0])
		return NULL;
	return &t->files[node - FIRST];
}

static struct file *by_name(struct tinyfs *t, const char *name)
{
	for (size_t i = 0; i < FILES; i++) {
		if (strcmp(t->files[i].name, name) == 0)
			return &t->files[i];
	}
	return NULL;
}

static void fill(struct tinyfs *t, const struct file *f, struct vn_attr *out)
{
	*out = (struct vn_attr){.ino = f ? FIRST + (uint64_t)(f - t->files) : 1,
				.mode = f ? f->mode : S_IFDIR | 0755,
				.nlink = 1,
				.blksize = 4096,
				.size = f ? f->size : 0};
}

static void entry(struct tinyfs *t, const struct file *f, struct vn_entry *out)
{
	*out = (struct vn_entry){.node = FIRST + (uint64_t)(f - t->files)};
	fill(t, f, &out->attr);
}

static int lookup(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name, struct vn_entry *out)
{
	struct tinyfs *t = of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&t->lock);
	struct file *f = by_name(t, name);

	(void)ctx;
	if (parent != VN_NODE_ROOT)
		return by_node(t, parent) ? -ENOTDIR : -ESTALE;
	if (!f)
		return -ENOENT;
	entry(t, f, out);
	return 0;
}

static void forget(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t n)
{
	(void)fs;
	(void)ctx;
	(void)node;
	(void)n;
}

static int getattr(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, struct vn_attr *out)
{
	struct tinyfs *t = of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&t->lock);
	struct file *f = by_node(t, node);

	(void)ctx;
	if (!f && node != VN_NODE_ROOT)
		return -ESTALE;
	fill(t, f, out);
	return 0;
}

static int tiny_mknod(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name, uint32_t mode,
		      uint32_t major, uint32_t minor, struct vn_entry *out)
{
	struct tinyfs *t = of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&t->lock);
	struct file *f = by_name(t, "");

	(void)ctx;
	(void)major;
	(void)minor;
	if (parent != VN_NODE_ROOT)
		return -ESTALE;
	if (by_name(t, name))
		return -EEXIST;
	if (!f)
		return -ENOSPC;
	strlcpy(f->name, name, sizeof(f->name));
	f->mode = mode;
	entry(t, f, out);
	return 0;
}

static int tiny_unlink(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name)
{
	struct tinyfs *t = of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&t->lock);
	struct file *f = by_name(t, name);

	(void)ctx;
	if (parent != VN_NODE_ROOT || !f)
		return -ENOENT;
	free(f->data);
	*f = (struct file){0};
	return 0;
}

static ssize_t tiny_read(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off,
			 const struct iovec *iov, int n)
{
	struct tinyfs *t = of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&t->lock);
	struct file *f = by_node(t, node);

	(void)ctx;
	if (!f)
		return -ESTALE;
	return off >= f->size ? 0 : (ssize_t)vn_iov_put(iov, (size_t)n, 0, f->data + off, f->size - off);
}

static ssize_t tiny_write(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off,
			  const struct iovec *iov, int n, uint32_t flags)
{
	struct tinyfs *t = of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&t->lock);
	struct file *f = by_node(t, node);
	size_t len = vn_iov_total(iov, (size_t)n);

	(void)ctx;
	(void)flags;
	if (!f)
		return -ESTALE;
	if (off > SIZE_MAX_FILE || len > SIZE_MAX_FILE - off)
		return -EFBIG;
	if (!f->data)
		f->data = calloc(1, SIZE_MAX_FILE);
	if (!f->data)
		return -ENOMEM;
	vn_iov_get(iov, (size_t)n, 0, f->data + off, len);
	if (off + len > f->size)
		f->size = off + len;
	return (ssize_t)len;
}

/* As slow as a disk. */
static int tiny_fsync(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, bool datasync)
{
	(void)fs;
	(void)ctx;
	(void)node;
	(void)datasync;
	usleep(100);
	return 0;
}

static int tiny_statfs(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, struct vn_statfs *out)
{
	(void)fs;
	(void)ctx;
	(void)node;
	*out = (struct vn_statfs){.blocks = FILES, .bsize = 4096, .frsize = 4096, .namelen = VN_NAME_MAX};
	return 0;
}

static int tiny_readdir(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t cookie, bool plus,
			vn_dirent_fn fn, void *arg)
{
	struct tinyfs *t = of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&t->lock);

	(void)ctx;
	if (node != VN_NODE_ROOT)
		return by_node(t, node) ? -ENOTDIR : -ESTALE;
	for (size_t i = cookie; i < FILES; i++) {
		struct vn_entry e;
		struct vn_dirent d = {.name = t->files[i].name, .namelen = strlen(t->files[i].name), .type = DT_REG, .cookie = i + 1};

		if (!d.namelen)
			continue;
		entry(t, &t->files[i], &e);
		d.ino = e.attr.ino;
		d.entry = plus ? &e : NULL;
		if (fn(arg, &d))
			break;
	}
	return 0;
}

static const struct vn_fs_ops ops = {
	.session_new = session_new,
	.session_reset = session_reset,
	.session_free = session_free,
	.lookup = lookup,
	.forget = forget,
	.getattr = getattr,
	.mknod = tiny_mknod,
	.unlink = tiny_unlink,
	.read = tiny_read,
	.write = tiny_write,
	.fsync = tiny_fsync,
	.statfs = tiny_statfs,
	.readdir = tiny_readdir,
};

struct vn_fs *tinyfs_new(void)
{
	struct tinyfs *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	t->fs.ops = &ops;
	pthread_mutex_init(&t->lock, NULL);
	return &t->fs;
}

void tinyfs_free(struct vn_fs *fs)
{
	struct tinyfs *t = of(fs);

	for (size_t i = 0; i < FILES; i++)
		free(t->files[i].data);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
