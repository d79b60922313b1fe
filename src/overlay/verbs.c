// SPDX-License-Identifier: Apache-2.0
/*
 * The verb table of the overlay: nodeids become nodes, the gate is passed, and
 * the work is done elsewhere. A verb that ends with a new entry counts the
 * lookup here.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h> /* SEEK_DATA */

#include "base/iov.h"
#include "overlay/attr.h"
#include "overlay/dirops.h"
#include "overlay/ioctl.h"
#include "overlay/verbs.h"
#include "overlay/virtual.h"
#include "overlay/xattr.h"

/* A verb under way: the gate held, and its node. */
struct verb {
	struct ovl_tree *t;
	struct ovl_node *n;
};

static void verb_end(struct verb *v)
{
	if (!v->t)
		return;
	ovl_node_put(v->t, v->n);
	pthread_rwlock_unlock(&v->t->gate);
}
#define VERB __attribute__((cleanup(verb_end))) struct verb

static int verb_begin(struct verb *v, struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t nodeid)
{
	v->t = ovl_tree_of(fs);
	v->n = NULL;
	pthread_rwlock_rdlock(&v->t->gate);
	return ovl_node_get(v->t, ctx, nodeid, &v->n);
}

static bool verb_virtual(const struct verb *v)
{
	return atomic_load(&v->n->flags) & OVL_NODE_VIRTUAL;
}

/* Answered again, not done again (J6): *reply is the number of what the request made, 0 when it made nothing. */
static bool verb_done_before(const struct verb *v, const struct vn_ctx *ctx, uint64_t *reply)
{
	return ovl_done_before(v->t, ctx, reply);
}

/* The entry that a request of that kind was answered with. */
static int verb_answer_again(const struct verb *v, const struct vn_ctx *ctx, uint64_t ino, struct vn_entry *out)
{
	struct ovl_node *n;
	int r = ovl_node_get(v->t, ctx, v->t->epoch << OVL_EPOCH_SHIFT | ino, &n);
	return r ? r : ovl_entry(v->t, ctx, n, out);
}

/* The data verbs: regular files only, and, to change one, touched and not virtual. */
static int verb_file(const struct verb *v, bool change)
{
	if (ovl_is_dir(v->n))
		return -EISDIR;
	if (!S_ISREG(v->n->mode))
		return -EINVAL;
	return change ? ovl_touch(v->t, v->n) : 0;
}

/* ---- names ---- */

static int verb_lookup(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name,
		       struct vn_entry *out)
{
	VERB v;
	struct ovl_node *n;
	int r = verb_begin(&v, fs, ctx, parent);
	if (!r)
		r = ovl_lookup(v.t, v.n, name, &n);
	return r ? r : ovl_entry(v.t, ctx, n, out);
}

static void verb_forget(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t n)
{
	VERB v;
	if (!verb_begin(&v, fs, ctx, node) && v.n != v.t->root)
		ovl_session_forget(v.t, ctx->session, v.n, n);
}

static int verb_self(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, struct vn_entry *out)
{
	VERB v;
	int r = verb_begin(&v, fs, ctx, node);
	return r ? r : ovl_entry(v.t, ctx, ovl_node_ref(v.n), out);
}

static int verb_parent(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, struct vn_entry *out)
{
	VERB v;
	int r = verb_begin(&v, fs, ctx, node);
	if (r)
		return r;
	if (!ovl_is_dir(v.n))
		return -ENOTDIR;
	pthread_mutex_lock(&v.t->topology);
	struct ovl_node *up = v.n->parent ? ovl_node_ref(v.n->parent) : NULL;
	pthread_mutex_unlock(&v.t->topology);
	return up ? ovl_entry(v.t, ctx, up, out) : -ENOENT;
}

static int verb_make(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name,
		     const struct ovl_make *m, struct vn_entry *out)
{
	VERB v;
	struct ovl_node *n;
	uint64_t made;
	int r = verb_begin(&v, fs, ctx, parent);
	if (!r && verb_done_before(&v, ctx, &made))
		return verb_answer_again(&v, ctx, made, out);
	if (!r)
		r = ovl_make(v.t, ctx, v.n, name, m, &n);
	return r ? r : ovl_entry(v.t, ctx, n, out);
}

static int verb_mknod(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name, uint32_t mode,
		      uint32_t rdev_major, uint32_t rdev_minor, struct vn_entry *out)
{
	bool device = S_ISCHR(mode) || S_ISBLK(mode);
	const struct ovl_make m = { .mode = mode & S_IFMT ? mode : mode | S_IFREG,
				    .rdev_major = device ? rdev_major : 0, .rdev_minor = device ? rdev_minor : 0 };
	if (S_ISDIR(mode) || S_ISLNK(mode))
		return -EPERM;
	return verb_make(fs, ctx, parent, name, &m, out);
}

static int verb_mkdir(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name, uint32_t mode,
		      struct vn_entry *out)
{
	const struct ovl_make m = { .mode = S_IFDIR | (mode & 07777) };
	return verb_make(fs, ctx, parent, name, &m, out);
}

static int verb_symlink(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name,
			const char *target, struct vn_entry *out)
{
	const struct ovl_make m = { .mode = S_IFLNK | 0777, .target = target };
	size_t len = strlen(target);
	if (!len)
		return -ENOENT;
	return len > VN_SYMLINK_MAX ? -ENAMETOOLONG : verb_make(fs, ctx, parent, name, &m, out);
}

/* CREATE of a name that another session made meanwhile opens it. */
static int create_existing(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name,
			   uint32_t flags, struct vn_entry *out)
{
	const struct vn_setattr empty = { .valid = VN_SET_SIZE };
	int r = verb_lookup(fs, ctx, parent, name, out);
	if (r)
		return r;
	if (!S_ISREG(out->attr.mode))
		r = S_ISDIR(out->attr.mode) ? -EISDIR : -EEXIST;
	else if (flags & VN_CREATE_TRUNC)
		r = fs->ops->setattr(fs, ctx, out->node, &empty, &out->attr);
	if (r)
		fs->ops->forget(fs, ctx, out->node, 1);
	return r;
}

static int verb_create(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name, uint32_t mode,
		       uint32_t flags, struct vn_entry *out)
{
	const struct ovl_make m = { .mode = S_IFREG | (mode & 07777) };
	int r = verb_make(fs, ctx, parent, name, &m, out);
	if (r == -EEXIST && !(flags & VN_CREATE_EXCL))
		r = create_existing(fs, ctx, parent, name, flags, out);
	return r;
}

static int verb_tmpfile(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, uint32_t mode,
			struct vn_entry *out)
{
	VERB v;
	struct ovl_node *n;
	int r = verb_begin(&v, fs, ctx, parent);
	if (!r)
		r = ovl_make_tmp(v.t, ctx, v.n, S_IFREG | (mode & 07777), &n);
	return r ? r : ovl_entry(v.t, ctx, n, out);
}

static int verb_link(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t parent, const char *name,
		     struct vn_entry *out)
{
	VERB v;
	struct ovl_node *dir;
	uint64_t before;
	int r = verb_begin(&v, fs, ctx, node);
	if (!r)
		r = ovl_node_get(v.t, ctx, parent, &dir);
	if (r)
		return r;
	r = verb_done_before(&v, ctx, &before) ? 0 : ovl_link(v.t, ctx, v.n, dir, name);
	ovl_node_put(v.t, dir);
	return r ? r : ovl_entry(v.t, ctx, ovl_node_ref(v.n), out);
}

static int verb_remove(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name, bool want_dir)
{
	VERB v;
	uint64_t before;
	int r = verb_begin(&v, fs, ctx, parent);
	if (r || verb_done_before(&v, ctx, &before))
		return r;
	return ovl_remove(v.t, ctx, v.n, name, want_dir);
}

static int verb_unlink(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name)
{
	return verb_remove(fs, ctx, parent, name, false);
}

static int verb_rmdir(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name)
{
	return verb_remove(fs, ctx, parent, name, true);
}

static int verb_rename(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name,
		       uint64_t newparent, const char *newname, uint32_t flags)
{
	VERB v;
	struct ovl_node *newdir;
	uint64_t before;
	int r = verb_begin(&v, fs, ctx, parent);
	if (r || verb_done_before(&v, ctx, &before))
		return r;
	r = ovl_node_get(v.t, ctx, newparent, &newdir);
	if (r)
		return r;
	r = ovl_is_dir(v.n) && ovl_is_dir(newdir) ? ovl_rename(v.t, ctx, v.n, name, newdir, newname, flags) : -ENOTDIR;
	ovl_node_put(v.t, newdir);
	return r;
}

static int verb_readdir(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t cookie, bool plus,
			vn_dirent_fn fn, void *arg)
{
	VERB v;
	int r = verb_begin(&v, fs, ctx, node);
	return r ? r : ovl_readdir(v.t, ctx, v.n, cookie, plus, fn, arg);
}

/* ---- attributes ---- */

static int verb_getattr(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, struct vn_attr *out)
{
	VERB v;
	int r = verb_begin(&v, fs, ctx, node);
	return r ? r : ovl_node_attr(v.t, v.n, out);
}

static int verb_setattr(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, const struct vn_setattr *set,
			struct vn_attr *out)
{
	VERB v;
	int r = verb_begin(&v, fs, ctx, node);
	return r ? r : ovl_attr_set(v.t, ctx, v.n, set, out);
}

static ssize_t verb_readlink(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, char *buf, size_t size)
{
	VERB v;
	int r = verb_begin(&v, fs, ctx, node);
	if (r)
		return r;
	if (!S_ISLNK(v.n->mode))
		return -EINVAL;
	return v.n->odir ? base_readlink(v.t->base, v.n->odir, v.n->oname, v.n->oname_len, v.n->layer, buf, size) :
			   ovl_symlink_read(v.t, v.n, buf, size);
}

static int verb_setxattr(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, const char *name,
			 const void *value, size_t size, uint32_t flags)
{
	VERB v;
	uint64_t before;
	int r = verb_begin(&v, fs, ctx, node);
	if (r || verb_done_before(&v, ctx, &before))
		return r;
	return ovl_xattr_set(v.t, ctx, v.n, name, value, size, flags);
}

static ssize_t verb_getxattr(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, const char *name, void *buf,
			     size_t size)
{
	VERB v;
	int r = verb_begin(&v, fs, ctx, node);
	return r ? r : ovl_xattr_get(v.t, v.n, name, buf, size);
}

static ssize_t verb_listxattr(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, char *buf, size_t size)
{
	VERB v;
	int r = verb_begin(&v, fs, ctx, node);
	return r ? r : ovl_xattr_list(v.t, v.n, buf, size);
}

static int verb_removexattr(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, const char *name)
{
	VERB v;
	uint64_t before;
	int r = verb_begin(&v, fs, ctx, node);
	if (r || verb_done_before(&v, ctx, &before))
		return r;
	return ovl_xattr_remove(v.t, ctx, v.n, name);
}

static ssize_t verb_ioctl(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint32_t cmd, const void *in,
			  size_t insize, void *out, size_t outsize, int *result)
{
	VERB v;
	int r = verb_begin(&v, fs, ctx, node);
	if (r)
		return r;
	ssize_t n = ovl_ioctl(v.t, ctx, v.n, cmd, in, insize, out, outsize);
	if (n >= 0)
		*result = 0;
	return n;
}

static int verb_statfs(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, struct vn_statfs *out)
{
	VERB v;
	struct statvfs st;
	int r = verb_begin(&v, fs, ctx, node);
	if (r)
		return r;
	if (fstatvfs(v.t->store ? store_dirfd(v.t->store) : base_fd(v.t->base), &st))
		return -errno;
	*out = (struct vn_statfs){
		.blocks = st.f_blocks, .bfree = st.f_bfree, .bavail = st.f_bavail, .files = st.f_files,
		.ffree = st.f_ffree, .bsize = (uint32_t)st.f_bsize, .frsize = (uint32_t)st.f_frsize,
		.namelen = VN_NAME_MAX,
	};
	return 0;
}

/* ---- data ---- */

/* What a client has read or written it may have mapped: asked for before a snapshot. */
static void verb_cached(const struct verb *v)
{
	if (!(atomic_load_explicit(&v->n->flags, memory_order_relaxed) & OVL_NODE_CACHED) &&
	    !(atomic_fetch_or(&v->n->flags, OVL_NODE_CACHED) & OVL_NODE_CACHED))
		ovl_cached_add(v->t, v->n);
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

static ssize_t verb_read(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off,
			 const struct iovec *iov, int iovcnt)
{
	VERB v;
	int r = verb_begin(&v, fs, ctx, node);
	if (!r)
		r = verb_file(&v, false);
	if (r)
		return r;
	if (verb_virtual(&v))
		return verb_read_virtual(&v, ctx, off, iov, iovcnt);
	verb_cached(&v);
	return ovl_data_read(v.t, v.n, off, iov, iovcnt);
}

static ssize_t verb_write(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off,
			  const struct iovec *iov, int iovcnt, uint32_t flags)
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

static int verb_fsync(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, bool datasync)
{
	VERB v;
	int r = verb_begin(&v, fs, ctx, node);
	if (r || !v.t->store || v.t->readonly || verb_virtual(&v) || !ovl_own(v.n))
		return r;
	return ovl_data_fsync(v.t, v.n, datasync);
}

static int verb_syncfs(struct vn_fs *fs, const struct vn_ctx *ctx)
{
	VERB v;
	int r = verb_begin(&v, fs, ctx, VN_NODE_ROOT);
	if (r || !v.t->store || v.t->readonly)
		return r;
	return ovl_sync(v.t);
}

static int verb_fallocate(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint32_t mode, uint64_t off,
			  uint64_t len)
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

static int64_t verb_lseek(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, int64_t off, int whence)
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

static ssize_t verb_copy(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node_in, uint64_t off_in,
			 uint64_t node_out, uint64_t off_out, size_t len, uint32_t flags)
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

static int verb_map(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off, uint64_t len,
		    bool writable, struct vn_range *out)
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

static void verb_unmap(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off, uint64_t len)
{
	VERB v;
	if (!verb_begin(&v, fs, ctx, node) && S_ISREG(v.n->mode) && !verb_virtual(&v))
		ovl_data_unmap(v.t, v.n, off, len);
}

const struct vn_fs_ops ovl_ops = {
	.session_new = ovl_session_new,
	.session_reset = ovl_session_reset,
	.session_free = ovl_session_free,
	.lookup = verb_lookup,
	.forget = verb_forget,
	.parent = verb_parent,
	.self = verb_self,
	.getattr = verb_getattr,
	.setattr = verb_setattr,
	.readlink = verb_readlink,
	.mknod = verb_mknod,
	.mkdir = verb_mkdir,
	.create = verb_create,
	.tmpfile = verb_tmpfile,
	.symlink = verb_symlink,
	.link = verb_link,
	.unlink = verb_unlink,
	.rmdir = verb_rmdir,
	.rename = verb_rename,
	.read = verb_read,
	.write = verb_write,
	.fsync = verb_fsync,
	.syncfs = verb_syncfs,
	.fallocate = verb_fallocate,
	.lseek = verb_lseek,
	.copy_file_range = verb_copy,
	.readdir = verb_readdir,
	.setxattr = verb_setxattr,
	.getxattr = verb_getxattr,
	.listxattr = verb_listxattr,
	.removexattr = verb_removexattr,
	.statfs = verb_statfs,
	.ioctl = verb_ioctl,
	.map = verb_map,
	.unmap = verb_unmap,
};
