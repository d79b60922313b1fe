// SPDX-License-Identifier: Apache-2.0
/* Nodes, names, listings and sessions. */
#include "memfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cfg.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/scope.h"

static struct memfs *memfs_of(struct vn_fs *fs)
{
	return (struct memfs *)fs;
}

/* ---- nodes ---- */

static struct memfs_node *node_new(struct memfs *m, uint32_t mode)
{
	struct memfs_node *n = calloc(1, sizeof(*n));
	int64_t now = vn_now_ns();

	if (!n)
		return NULL;
	n->id = m->next_id++;
	n->attr = (struct vn_attr){.ino = n->id, .mode = mode, .nlink = 1, .blksize = 4096};
	n->attr.atime = n->attr.mtime = n->attr.ctime = n->attr.btime = now;
	TAILQ_INIT(&n->entries);
	LIST_INIT(&n->xattrs);
	LIST_INSERT_HEAD(&m->nodes, n, link);
	return n;
}

static void node_free(struct memfs_node *n)
{
	struct memfs_xattr *x;

	while ((x = LIST_FIRST(&n->xattrs))) {
		LIST_REMOVE(x, link);
		free(x);
	}
	LIST_REMOVE(n, link);
	free(n->data);
	free(n);
}

static void node_maybe_free(struct memfs_node *n)
{
	if (!n->attr.nlink && !n->lookups && n->id != VN_NODE_ROOT)
		node_free(n);
}

/* Recently used nodes move to the front: tests are small, benchmarks ask for the same few. */
struct memfs_node *memfs_find_locked(struct memfs *m, uint64_t id)
{
	struct memfs_node *n;

	LIST_FOREACH(n, &m->nodes, link)
	if (n->id == id)
		break;
	if (n && n != LIST_FIRST(&m->nodes)) {
		LIST_REMOVE(n, link);
		LIST_INSERT_HEAD(&m->nodes, n, link);
	}
	return n;
}

static int node_dir(struct memfs *m, uint64_t id, struct memfs_node **out)
{
	*out = memfs_find_locked(m, id);
	if (!*out)
		return -ESTALE;
	return S_ISDIR((*out)->attr.mode) ? 0 : -ENOTDIR;
}

bool memfs_has_children_locked(const struct memfs_node *n)
{
	return !TAILQ_EMPTY(&n->entries);
}

/* ---- entries ---- */

static struct memfs_entry *entry_find(const struct memfs_node *dir, const char *name)
{
	struct memfs_entry *e;

	TAILQ_FOREACH(e, &dir->entries, link)
	if (strcmp(e->name, name) == 0)
		return e;
	return NULL;
}

static void dir_touch(struct memfs_node *dir)
{
	dir->attr.mtime = dir->attr.ctime = vn_now_ns();
}

static int entry_add(struct memfs *m, struct memfs_node *dir, const char *name, struct memfs_node *n)
{
	struct memfs_entry *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	strlcpy(e->name, name, sizeof(e->name));
	e->node = n;
	e->cookie = m->next_cookie++;
	TAILQ_INSERT_TAIL(&dir->entries, e, link);
	dir_touch(dir);
	return 0;
}

static void entry_remove(struct memfs_node *dir, struct memfs_entry *e)
{
	TAILQ_REMOVE(&dir->entries, e, link);
	free(e);
	dir_touch(dir);
}

static void entry_give(struct memfs_node *n, struct vn_entry *out)
{
	n->lookups++;
	*out = (struct vn_entry){.node = n->id, .attr = n->attr};
}

static void remember(struct memfs *m, const struct vn_ctx *ctx, uint32_t flags)
{
	m->last = *ctx;
	m->last_group = ctx->ngroups ? ctx->groups[0] : 0;
	m->last_flags = flags;
}

/* ---- sessions ---- */

static int memfs_session_new(struct vn_fs *fs, const struct vn_session_config *config, struct vn_fs_session **out)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);

	m->sessions++;
	m->config = *config;
	m->notify = config->notify;
	*out = (struct vn_fs_session *)m;
	return 0;
}

static void drop_all_locked(struct memfs *m)
{
	struct memfs_node *n, *next;

	for (n = LIST_FIRST(&m->nodes); n; n = next) {
		next = LIST_NEXT(n, link);
		n->lookups = 0;
		node_maybe_free(n);
	}
}

static void memfs_session_reset(struct vn_fs *fs, struct vn_fs_session *session)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);

	(void)session;
	m->resets++;
	drop_all_locked(m);
}

static void memfs_session_free(struct vn_fs *fs, struct vn_fs_session *session, bool keep)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);

	(void)session;
	m->sessions--;
	if (!keep)
		drop_all_locked(m);
}

/* ---- finding ---- */

static int memfs_lookup(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name, struct vn_entry *out)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *dir;
	struct memfs_entry *e;
	int err = node_dir(m, parent, &dir);

	(void)ctx;
	atomic_fetch_add(&m->calls, 1);
	if (err)
		return err;
	e = entry_find(dir, name);
	if (!e)
		return -ENOENT;
	entry_give(e->node, out);
	out->volatile_attr = m->fleeting;
	return 0;
}

static int memfs_self(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, struct vn_entry *out)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *n = memfs_find_locked(m, node);

	(void)ctx;
	if (!n)
		return -ESTALE;
	entry_give(n, out);
	return 0;
}

static int memfs_parent(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, struct vn_entry *out)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *n;
	int err = node_dir(m, node, &n);

	(void)ctx;
	if (err)
		return err;
	if (!n->parent)
		return -ENOENT;
	entry_give(n->parent, out);
	return 0;
}

static void memfs_forget(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t n)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *found = memfs_find_locked(m, node);

	(void)ctx;
	if (!found)
		return;
	found->lookups -= n < found->lookups ? n : found->lookups;
	node_maybe_free(found);
}

static int list_one(struct memfs_entry *e, bool plus, vn_dirent_fn fn, void *arg)
{
	struct vn_entry entry = {.node = e->node->id, .attr = e->node->attr};
	struct vn_dirent d = {
		.name = e->name,
		.namelen = strlen(e->name),
		.ino = e->node->attr.ino,
		.type = (e->node->attr.mode & S_IFMT) >> 12,
		.cookie = e->cookie,
		.entry = plus ? &entry : NULL,
	};

	if (fn(arg, &d))
		return 1;
	if (plus)
		e->node->lookups++;
	return 0;
}

static int list_dots(const struct memfs_node *dir, uint64_t cookie, vn_dirent_fn fn, void *arg)
{
	struct vn_dirent d = {.name = "..", .namelen = 1, .ino = dir->id, .type = 4, .cookie = 1};

	if (cookie < 1 && fn(arg, &d))
		return 1;
	d.namelen = 2;
	d.cookie = 2;
	d.ino = dir->parent ? dir->parent->id : dir->id;
	return cookie < 2 ? fn(arg, &d) : 0;
}

static int memfs_readdir(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t cookie, bool plus,
			 vn_dirent_fn fn, void *arg)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *dir;
	struct memfs_entry *e;
	int err = node_dir(m, node, &dir);

	(void)ctx;
	if (err)
		return err;
	if (list_dots(dir, cookie, fn, arg))
		return 0;
	TAILQ_FOREACH(e, &dir->entries, link)
	if (e->cookie > cookie && list_one(e, plus, fn, arg))
		break;
	return 0;
}

/* ---- making ---- */

static int make_locked(struct memfs *m, const struct vn_ctx *ctx, uint64_t parent, const char *name, uint32_t mode,
		       struct memfs_node **out)
{
	struct memfs_node *dir, *n;
	int err = node_dir(m, parent, &dir);

	atomic_fetch_add(&m->calls, 1);
	if (err)
		return err;
	if (name && entry_find(dir, name))
		return -EEXIST;
	n = node_new(m, mode & ~ctx->umask);
	if (!n)
		return -ENOMEM;
	n->attr.uid = ctx->uid;
	n->attr.gid = ctx->gid;
	n->parent = S_ISDIR(mode) ? dir : NULL;
	err = name ? entry_add(m, dir, name, n) : 0;
	if (err)
		node_free(n);
	else
		*out = n;
	return err;
}

static int make(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name, uint32_t mode,
		struct vn_entry *out)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *n;
	int err = make_locked(m, ctx, parent, name, mode, &n);

	if (err)
		return err;
	remember(m, ctx, 0);
	if (!name)
		n->attr.nlink = 0;
	entry_give(n, out);
	return 0;
}

static int memfs_mknod(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name, uint32_t mode,
		       uint32_t rdev_major, uint32_t rdev_minor, struct vn_entry *out)
{
	struct memfs *m = memfs_of(fs);
	int err = make(fs, ctx, parent, name, mode, out);

	if (err)
		return err;
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *n = memfs_find_locked(m, out->node);

	n->attr.rdev_major = out->attr.rdev_major = rdev_major;
	n->attr.rdev_minor = out->attr.rdev_minor = rdev_minor;
	return 0;
}

static int memfs_mkdir(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name, uint32_t mode,
		       struct vn_entry *out)
{
	return make(fs, ctx, parent, name, mode, out);
}

static int memfs_create(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name, uint32_t mode,
			uint32_t flags, struct vn_entry *out)
{
	int err = make(fs, ctx, parent, name, mode, out);

	vn_lock(&memfs_of(fs)->lock);
	memfs_of(fs)->last_flags = flags;
	pthread_mutex_unlock(&memfs_of(fs)->lock);
	if (err != -EEXIST || flags & VN_CREATE_EXCL)
		return err;
	return memfs_lookup(fs, ctx, parent, name, out);
}

static int memfs_tmpfile(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, uint32_t mode, struct vn_entry *out)
{
	return make(fs, ctx, parent, NULL, mode, out);
}

static int memfs_symlink(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name,
			 const char *target, struct vn_entry *out)
{
	struct memfs *m = memfs_of(fs);
	int err = make(fs, ctx, parent, name, S_IFLNK | 0777, out);

	if (err)
		return err;
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *n = memfs_find_locked(m, out->node);

	n->data = strdup(target);
	n->attr.size = out->attr.size = strlen(target);
	n->attr.mode = out->attr.mode = S_IFLNK | 0777;
	return 0;
}

static int memfs_link(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t parent, const char *name,
		      struct vn_entry *out)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *n = memfs_find_locked(m, node), *dir;
	int err = node_dir(m, parent, &dir);

	(void)ctx;
	if (!n || err)
		return n ? err : -ESTALE;
	if (S_ISDIR(n->attr.mode))
		return -EPERM;
	if (entry_find(dir, name))
		return -EEXIST;
	err = entry_add(m, dir, name, n);
	if (err)
		return err;
	n->attr.nlink++;
	entry_give(n, out);
	return 0;
}

/* ---- taking away and moving ---- */

static int take_away(struct vn_fs *fs, uint64_t parent, const char *name, bool dirs)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *dir, *n;
	struct memfs_entry *e;
	int err = node_dir(m, parent, &dir);

	if (err)
		return err;
	e = entry_find(dir, name);
	if (!e)
		return -ENOENT;
	n = e->node;
	if (S_ISDIR(n->attr.mode) != dirs)
		return dirs ? -ENOTDIR : -EISDIR;
	if (memfs_has_children_locked(n))
		return -ENOTEMPTY;
	entry_remove(dir, e);
	n->attr.nlink--;
	n->attr.ctime = vn_now_ns();
	node_maybe_free(n);
	return 0;
}

static int memfs_unlink(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name)
{
	(void)ctx;
	return take_away(fs, parent, name, false);
}

static int memfs_rmdir(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name)
{
	(void)ctx;
	return take_away(fs, parent, name, true);
}

static int rename_locked(struct memfs *m, struct memfs_node *from, struct memfs_entry *e, struct memfs_node *to,
			 const char *newname)
{
	struct memfs_entry *old = entry_find(to, newname);
	struct memfs_node *gone = old ? old->node : NULL;
	int err;

	if (old == e)
		return 0;
	if (gone && memfs_has_children_locked(gone))
		return -ENOTEMPTY;
	err = entry_add(m, to, newname, e->node);
	if (err)
		return err;
	if (S_ISDIR(e->node->attr.mode))
		e->node->parent = to;
	entry_remove(from, e);
	if (gone) {
		entry_remove(to, old);
		gone->attr.nlink--;
		node_maybe_free(gone);
	}
	return 0;
}

static int memfs_rename(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name,
			uint64_t newparent, const char *newname, uint32_t flags)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *from, *to;
	struct memfs_entry *e;
	int err = node_dir(m, parent, &from);

	if (!err)
		err = node_dir(m, newparent, &to);
	if (err)
		return err;
	e = entry_find(from, name);
	remember(m, ctx, flags);
	if (!e)
		return -ENOENT;
	if (flags & 1 && entry_find(to, newname))
		return -EEXIST;
	return flags & ~1u ? -EINVAL : rename_locked(m, from, e, to, newname);
}

/* ---- open ---- */

static int memfs_open(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint32_t flags, struct vn_open *out)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);

	(void)ctx;
	(void)flags;
	if (!memfs_find_locked(m, node))
		return -ESTALE;
	out->fh = ++m->opened;
	return 0;
}

static void memfs_release(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t fh)
{
	struct memfs *m = memfs_of(fs);
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);

	(void)ctx;
	(void)node;
	(void)fh;
	m->opened--;
}

/* ---- life ---- */

#define MEMFS_OPS                                                                                                     \
	.session_new = memfs_session_new, .session_reset = memfs_session_reset, .session_free = memfs_session_free,   \
	.lookup = memfs_lookup, .self = memfs_self, .forget = memfs_forget, .parent = memfs_parent,                   \
	.getattr = memfs_getattr, .setattr = memfs_setattr, .readlink = memfs_readlink, .mknod = memfs_mknod,         \
	.mkdir = memfs_mkdir, .create = memfs_create, .tmpfile = memfs_tmpfile, .symlink = memfs_symlink,             \
	.link = memfs_link, .unlink = memfs_unlink, .rmdir = memfs_rmdir, .rename = memfs_rename, .read = memfs_read, \
	.write = memfs_write, .fsync = memfs_fsync, .syncfs = memfs_syncfs, .fallocate = memfs_fallocate,             \
	.lseek = memfs_lseek, .copy_file_range = memfs_copy, .readdir = memfs_readdir, .setxattr = memfs_setxattr,    \
	.getxattr = memfs_getxattr, .listxattr = memfs_listxattr, .removexattr = memfs_removexattr,                   \
	.statfs = memfs_statfs, .ioctl = memfs_ioctl, .map = memfs_map

static const struct vn_fs_ops memfs_ops = {MEMFS_OPS};
const struct vn_fs_ops memfs_ops_open = {MEMFS_OPS, .open = memfs_open, .release = memfs_release};

struct memfs *memfs_new(void)
{
	struct memfs *m = calloc(1, sizeof(*m));
	struct memfs_node *root;

	if (!m)
		return NULL;
	m->fs.ops = &memfs_ops;
	pthread_mutex_init(&m->lock, NULL);
	m->next_id = VN_NODE_ROOT;
	m->next_cookie = 3;
	root = node_new(m, S_IFDIR | 0755);
	if (!root) {
		free(m);
		return NULL;
	}
	m->next_id = 1024;
	return m;
}

void memfs_free(struct memfs *m)
{
	struct memfs_node *n;
	struct memfs_entry *e;

	if (!m)
		return;
	while ((n = LIST_FIRST(&m->nodes))) {
		while ((e = TAILQ_FIRST(&n->entries)))
			entry_remove(n, e);
		node_free(n);
	}
	pthread_mutex_destroy(&m->lock);
	free(m);
}

uint64_t memfs_lookups(struct memfs *m)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *n;
	uint64_t sum = 0;

	LIST_FOREACH(n, &m->nodes, link)
	sum += n->lookups;
	return sum;
}

static uint64_t node_digest(const struct memfs_node *n)
{
	uint64_t h = vn_checksum(n->id, &n->attr, sizeof(n->attr));
	struct memfs_entry *e;
	struct memfs_xattr *x;

	h = vn_checksum(h, &n->lookups, sizeof(n->lookups));
	if (n->data)
		h = vn_checksum(h, n->data, n->attr.size);
	TAILQ_FOREACH(e, &n->entries, link)
	h = vn_hash_name(h ^ e->node->id, e->name, strlen(e->name));
	LIST_FOREACH(x, &n->xattrs, link)
	h = vn_checksum(vn_hash_name(h, x->name, strlen(x->name)), x->value, x->size);
	return h;
}

uint64_t memfs_digest(struct memfs *m)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&m->lock);
	struct memfs_node *n;
	uint64_t sum = 0;

	LIST_FOREACH(n, &m->nodes, link)
	sum += node_digest(n);
	return sum;
}
