// SPDX-License-Identifier: Apache-2.0
#include "overlay/virtual.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/iov.h"
#include "base/scope.h"
#include "overlay/names.h"

struct ovl_vfile {
	int fd; /* -1: from the callback */
	ssize_t (*read)(void *arg, uint64_t off, void *buf, size_t size);
	void *arg;
	bool one_shot, live;
	atomic_bool used;
	/* live: the state that was last looked at */
	pthread_mutex_t lock;
	char *text;
	size_t len, max;
};

/* One name: a file (node set, no children) or a directory on the way to one. */
struct ovl_vdir {
	char name[VN_NAME_MAX + 1];
	uint64_t ino;              /* of the virtual file, or of the directory where no layer has one */
	bool file;
	struct ovl_vdir *children, *next;
};

static struct ovl_vdir *vdir_find(struct ovl_vdir *dir, const char *name, size_t len)
{
	struct ovl_vdir *v = dir->children;
	while (v && (strlen(v->name) != len || memcmp(v->name, name, len)))
		v = v->next;
	return v;
}

struct ovl_vdir *ovl_virtual_subdir(struct ovl_vdir *dir, const char *name, size_t len)
{
	struct ovl_vdir *v = vdir_find(dir, name, len);
	return v && !v->file ? v : NULL;
}

/* Does a layer have a directory under this name? Rows do not tell their type with the name. */
static bool virtual_over_dir(struct ovl_tree *t, const struct ovl_name *e)
{
	struct store_inode row;
	if (!e || e->kind == OVL_NAME_WHITEOUT)
		return false;
	if (e->type != DT_UNKNOWN)
		return e->type == DT_DIR;
	if (store_read_inode(t->store, e->ino, &row, NULL))
		return false;
	free((char *)row.origin);
	return S_ISDIR(row.mode);
}

int ovl_virtual_names(struct ovl_tree *t, struct ovl_vdir *dir, struct ovl_names *names)
{
	for (struct ovl_vdir *v = dir->children; v; v = v->next) {
		size_t len = strlen(v->name);
		struct ovl_name *e = ovl_names_find(names, v->name, len);
		if (!v->file && virtual_over_dir(t, e)) {
			e->guard = true;
			continue;
		}
		int r = e ? 0 : ovl_names_reserve(names, v->name, len);
		if (r)
			return r;
		if (e)
			ovl_names_set(names, e, OVL_NAME_VIRTUAL, v->file ? DT_REG : DT_DIR, v->ino);
		else
			e = ovl_names_add(names, v->name, len, OVL_NAME_VIRTUAL, v->file ? DT_REG : DT_DIR, v->ino);
		e->guard = true;
	}
	return 0;
}

/* ---- making them ---- */

static int virtual_number(struct ovl_tree *t, struct ovl_node *n)
{
	if (t->nvnodes > OVL_INO_VIRTUAL_LAST - OVL_INO_VIRTUAL_FIRST)
		return -ENOSPC;
	struct ovl_node **nodes = realloc(t->vnodes, (t->nvnodes + 1) * sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	t->vnodes = nodes;
	n->ino = OVL_INO_VIRTUAL_FIRST + t->nvnodes;
	t->vnodes[t->nvnodes++] = n;
	return 0;
}

static int virtual_make(struct ovl_tree *t, bool dir, uint32_t mode, struct ovl_node **out)
{
	struct ovl_node *n = ovl_node_new(t, 0, dir, NULL, NULL, 0);
	int r = n ? virtual_number(t, n) : -ENOMEM;
	if (r) {
		if (n)
			ovl_node_discard(t, n);
		return r;
	}
	n->mode = mode;
	n->nlink = 1;
	n->atime = n->mtime = n->ctime = n->btime = vn_now_ns();
	atomic_fetch_or(&n->flags, OVL_NODE_VIRTUAL | OVL_NODE_BLOCKS);
	ovl_node_insert(t, n);
	*out = n;
	return 0;
}

static struct ovl_vdir *vdir_add(struct ovl_vdir *dir, const char *name, size_t len)
{
	struct ovl_vdir *v = calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	memcpy(v->name, name, len);
	v->next = dir->children;
	dir->children = v;
	return v;
}

/* A descriptor that holds a copy of the content and cannot be changed through a path. */
static int virtual_memory(void)
{
#ifdef __linux__
	int fd = memfd_create("veneer-virtual", MFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
#else
	char path[] = "/tmp/veneer-virtual-XXXXXX";
	int fd = mkstemp(path);
	if (fd < 0)
		return -errno;
	unlink(path);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
#endif
}

static int virtual_copy(int from, int to, uint64_t *size)
{
	char buf[65536];
	for (*size = 0;;) {
		ssize_t n = vn_pread_full(from, buf, sizeof(buf), (off_t)*size);
		if (n <= 0)
			return (int)n;
		ssize_t w = vn_pwrite_full(to, buf, (size_t)n, (off_t)*size);
		if (w < 0)
			return (int)w;
		*size += (uint64_t)n;
	}
}

static int virtual_content(const struct ovl_virtual *v, struct ovl_vfile *f, uint64_t *size, uint32_t *mode)
{
	struct stat st;
	*mode = v->mode ? v->mode & 07777 : 0444;
	*size = v->size;
	f->fd = -1;
	f->read = v->read;
	f->arg = v->arg;
	f->one_shot = v->one_shot;
	f->live = v->read && v->live;
	f->max = v->size;
	pthread_mutex_init(&f->lock, NULL);
	if (v->read)
		return 0;
	f->fd = virtual_memory();
	if (f->fd < 0)
		return f->fd;
	if (!v->host_file) {
		ssize_t n = vn_pwrite_full(f->fd, v->bytes, v->size, 0);
		return n < 0 ? (int)n : 0;
	}
	vn_autoclose int from = open(v->host_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (from < 0 || fstat(from, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -ENOTSUP;
	if (!v->mode && st.st_mode & 0111)
		*mode = 0555;
	return virtual_copy(from, f->fd, size);
}

static void virtual_file_free(struct ovl_vfile *f)
{
	if (!f)
		return;
	if (f->fd >= 0)
		close(f->fd);
	pthread_mutex_destroy(&f->lock);
	free(f->text);
	free(f);
}

static int virtual_file(struct ovl_tree *t, const struct ovl_virtual *v, struct ovl_vdir *d)
{
	struct ovl_vfile *f = calloc(1, sizeof(*f));
	struct ovl_node *n;
	uint64_t size;
	uint32_t mode;
	int r = f ? virtual_content(v, f, &size, &mode) : -ENOMEM;
	if (!r)
		r = virtual_make(t, false, S_IFREG | mode, &n);
	if (r) {
		virtual_file_free(f);
		return r;
	}
	n->vfile = f;
	n->size = size;
	d->file = true;
	d->ino = n->ino;
	return 0;
}

static int virtual_dir(struct ovl_tree *t, struct ovl_vdir *d)
{
	struct ovl_node *n;
	int r = virtual_make(t, true, S_IFDIR | 0555, &n);
	if (!r) {
		n->vdir = d;
		d->ino = n->ino;
	}
	return r;
}

static int virtual_add(struct ovl_tree *t, const struct ovl_virtual *v, struct vn_err *err)
{
	struct ovl_vdir *d = t->vroot;
	const char *at = v->path + strspn(v->path, "/");
	if (!*at)
		return vn_err_set(err, -EINVAL, "virtual file '%s': give it a name below /", v->path);
	while (*at) {
		size_t len = strcspn(at, "/");
		const char *next = at + len + strspn(at + len, "/");
		if (len > VN_NAME_MAX || (len == 1 && *at == '.') || (len == 2 && !memcmp(at, "..", 2)))
			return vn_err_set(err, -EINVAL, "virtual file '%s': a part of the path is no file name", v->path);
		struct ovl_vdir *child = vdir_find(d, at, len);
		bool fresh = !child;
		if (!fresh && (child->file || !*next))
			return vn_err_set(err, -EEXIST, "virtual file '%s': the path is in use by another virtual file", v->path);
		if (fresh && !(child = vdir_add(d, at, len)))
			return vn_err_set(err, -ENOMEM, "virtual file '%s': out of memory", v->path);
		int r = !*next ? virtual_file(t, v, child) : fresh ? virtual_dir(t, child) : 0;
		if (r == -ENOSPC)
			return vn_err_set(err, r, "virtual file '%s': at most %d virtual files and directories are possible",
					  v->path, (int)(OVL_INO_VIRTUAL_LAST - OVL_INO_VIRTUAL_FIRST + 1));
		if (r)
			return vn_err_set(err, r, "virtual file '%s': cannot take its content from '%s': %s", v->path,
					  v->host_file ? v->host_file : "memory", strerror(-r));
		d = child;
		at = next;
	}
	return 0;
}

int ovl_virtual_open(struct ovl_tree *t, const struct ovl_config *config, struct vn_err *err)
{
	if (!config->nvirtuals)
		return 0;
	t->vroot = calloc(1, sizeof(*t->vroot));
	if (!t->vroot)
		return vn_err_set(err, -ENOMEM, "virtual files: out of memory");
	for (size_t i = 0; i < config->nvirtuals; i++) {
		int r = virtual_add(t, &config->virtuals[i], err);
		if (r)
			return r;
	}
	return 0;
}

static void vdir_free(struct ovl_vdir *d)
{
	while (d) {
		struct ovl_vdir *next = d->next;
		vdir_free(d->children);
		free(d);
		d = next;
	}
}

void ovl_virtual_close(struct ovl_tree *t)
{
	for (size_t i = 0; i < t->nvnodes; i++) {
		struct ovl_node *n = t->vnodes[i];
		if (!ovl_is_dir(n)) {
			virtual_file_free(n->vfile);
			n->vfile = NULL;
		}
		ovl_node_put(t, n);
	}
	free(t->vnodes);
	t->vnodes = NULL;
	t->nvnodes = 0;
	vdir_free(t->vroot);
	t->vroot = NULL;
}

/* ---- using them ---- */

int ovl_virtual_node(struct ovl_tree *t, struct ovl_node *dir, uint64_t ino, struct ovl_node **out)
{
	if (ino < OVL_INO_VIRTUAL_FIRST || ino - OVL_INO_VIRTUAL_FIRST >= t->nvnodes)
		return -ESTALE;
	struct ovl_node *n = t->vnodes[ino - OVL_INO_VIRTUAL_FIRST];
	if (dir && !ovl_is_dir(n) && n->vfile->one_shot && atomic_exchange(&n->vfile->used, true))
		return -ENOENT;
	*out = ovl_node_ref(n);
	return 0;
}

static ssize_t virtual_call(struct ovl_vfile *f, uint64_t off, const struct iovec *iov, int iovcnt)
{
	ssize_t total = 0;
	for (int i = 0; i < iovcnt; i++) {
		ssize_t n = f->read(f->arg, off + (uint64_t)total, iov[i].iov_base, iov[i].iov_len);
		if (n < 0)
			return total ? total : n;
		if ((size_t)n > iov[i].iov_len)
			return -EIO;
		total += n;
		if ((size_t)n < iov[i].iov_len)
			break;
	}
	return total;
}

/* Takes a live file's content as it is now. */
static int virtual_refresh_locked(struct ovl_vfile *f)
{
	size_t len = 0;
	char *text = malloc(f->max + 1);
	if (!text)
		return -ENOMEM;
	while (len < f->max) {
		ssize_t n = f->read(f->arg, len, text + len, f->max - len);
		if (n < 0 || (size_t)n > f->max - len) {
			free(text);
			return n < 0 ? (int)n : -EIO;
		}
		if (!n)
			break;
		len += (size_t)n;
	}
	free(f->text);
	f->text = text;
	f->len = len;
	return 0;
}

int ovl_virtual_look(struct ovl_node *n, uint64_t *size)
{
	struct ovl_vfile *f = n->vfile;
	if (!f->live)
		return 0;
	pthread_mutex_lock(&f->lock);
	int r = virtual_refresh_locked(f);
	*size = f->len;
	pthread_mutex_unlock(&f->lock);
	return r;
}

static ssize_t virtual_read_live(struct ovl_vfile *f, uint64_t off, const struct iovec *iov, int iovcnt)
{
	pthread_mutex_lock(&f->lock);
	size_t n = off < f->len ? f->len - (size_t)off : 0;
	n = n ? vn_iov_put(iov, (size_t)iovcnt, 0, f->text + off, n) : 0;
	pthread_mutex_unlock(&f->lock);
	return (ssize_t)n;
}

ssize_t ovl_virtual_read(struct ovl_node *n, uint64_t off, const struct iovec *iov, int iovcnt)
{
	struct ovl_vfile *f = n->vfile;
	if (off > INT64_MAX)
		return -EINVAL;
	if (f->live)
		return virtual_read_live(f, off, iov, iovcnt);
	return f->read ? virtual_call(f, off, iov, iovcnt) : vn_preadv_full(f->fd, iov, (size_t)iovcnt, (off_t)off);
}

bool ovl_virtual_is_live(const struct ovl_node *n)
{
	return n->vfile->live;
}

int ovl_virtual_fd(struct ovl_node *n)
{
	return n->vfile->fd >= 0 ? n->vfile->fd : -ENODEV;
}
