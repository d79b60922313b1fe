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

#include "overlay/attr.h"
#include "overlay/dirops.h"
#include "overlay/ioctl.h"
#include "overlay/verb.h"
#include "overlay/verbs.h"
#include "overlay/xattr.h"

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

static int verb_syncfs(struct vn_fs *fs, const struct vn_ctx *ctx)
{
	VERB v;
	int r = verb_begin(&v, fs, ctx, VN_NODE_ROOT);
	if (r || !v.t->store || v.t->readonly)
		return r;
	return ovl_sync(v.t);
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
	.backing = ovl_verb_backing,
	.read = ovl_verb_read,
	.write = ovl_verb_write,
	.fsync = ovl_verb_fsync,
	.syncfs = verb_syncfs,
	.fallocate = ovl_verb_fallocate,
	.lseek = ovl_verb_lseek,
	.copy_file_range = ovl_verb_copy,
	.readdir = verb_readdir,
	.setxattr = verb_setxattr,
	.getxattr = verb_getxattr,
	.listxattr = verb_listxattr,
	.removexattr = verb_removexattr,
	.statfs = verb_statfs,
	.ioctl = verb_ioctl,
	.map = ovl_verb_map,
	.unmap = ovl_verb_unmap,
};
