// SPDX-License-Identifier: Apache-2.0
#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../check_main.h"
#include "base/err.h"

void engine_init(struct engine *e, size_t nlowers)
{
	*e = (struct engine){ .nlowers = nlowers };
	for (size_t i = 0; i < nlowers; i++) {
		snprintf(e->lowers[i], sizeof(e->lowers[i]), "%s/lower%zu", vn_check_dir(), i);
		ck_assert_int_eq(mkdir(e->lowers[i], 0755), 0);
	}
	snprintf(e->upper, sizeof(e->upper), "%s/upper", vn_check_dir());
	e->config.upper = e->upper;
	e->config.create_upper = true;
	e->config.squash_uid = e->config.squash_gid = -1;
}

#ifdef ENGINE_KEPT
/* The tests' expectations hold over a kept view of the lowers, too. */
static void engine_keep(struct engine *e)
{
	static char cache[256];
	const struct ovl_config config = { .lowers = e->config.lowers, .nlowers = e->nlowers, .base_cache = cache,
					   .squash_uid = -1, .squash_gid = -1 };
	struct ovl_tree *t;
	struct ovl_kept kept;
	struct vn_err err = { 0 };
	snprintf(cache, sizeof(cache), "%s/cache", vn_check_dir());
	ck_assert_int_eq(ovl_open(&config, &t, &err), 0);
	int r = ovl_keep(t, cache, &kept, &err);
	ck_assert_msg(!r || r == -EALREADY, "ovl_keep: %s", vn_err_text(&err));
	ovl_close(t);
	e->config.base_cache = cache;
}

static void engine_check_kept(struct engine *e)
{
	struct ovl_stats stats;
	ovl_stats(e->tree, &stats);
	ck_assert(stats.kept_view);
}
#else
static void engine_keep(struct engine *e)
{
	(void)e;
}

static void engine_check_kept(struct engine *e)
{
	(void)e;
}
#endif

void engine_open(struct engine *e)
{
	const struct vn_session_config session = { .id = 1 };
	const char *lowers[ENGINE_LOWERS];
	struct vn_err err = { 0 };
	for (size_t i = 0; i < e->nlowers; i++)
		lowers[i] = e->lowers[i];
	e->config.lowers = lowers;
	e->config.nlowers = e->nlowers;
	engine_keep(e);
	int r = ovl_open(&e->config, &e->tree, &err);
	ck_assert_msg(!r, "ovl_open: %s", r ? vn_err_text(&err) : "");
	engine_check_kept(e);
	e->fs = ovl_fs(e->tree);
	ck_assert_int_eq(e->fs->ops->session_new(e->fs, &session, &e->session), 0);
	e->ctx = (struct vn_ctx){ .session = e->session, .umask = 0 };
}

void engine_close(struct engine *e)
{
	e->fs->ops->session_free(e->fs, e->session, false);
	ck_assert_int_eq(ovl_close(e->tree), 0);
}

void engine_reopen(struct engine *e)
{
	engine_close(e);
	engine_open(e);
}

/* ---- lowers ---- */

static const char *lower_path(struct engine *e, size_t lower, const char *path)
{
	static char full[1024];
	snprintf(full, sizeof(full), "%s/%s", e->lowers[lower], path);
	return full;
}

void lower_dir(struct engine *e, size_t lower, const char *path)
{
	ck_assert_int_eq(mkdir(lower_path(e, lower, path), 0755), 0);
}

void lower_file(struct engine *e, size_t lower, const char *path, const char *content)
{
	int fd = open(lower_path(e, lower, path), O_WRONLY | O_CREAT | O_EXCL, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	close(fd);
}

void lower_link(struct engine *e, size_t lower, const char *path, const char *target_path)
{
	char from[1024];
	snprintf(from, sizeof(from), "%s/%s", e->lowers[lower], target_path);
	ck_assert_int_eq(link(from, lower_path(e, lower, path)), 0);
}

void lower_symlink(struct engine *e, size_t lower, const char *path, const char *target)
{
	ck_assert_int_eq(symlink(target, lower_path(e, lower, path)), 0);
}

void lower_whiteout(struct engine *e, size_t lower, const char *path)
{
	char marker[1024];
	const char *slash = strrchr(path, '/');
	int dir = slash ? (int)(slash - path) + 1 : 0;
	snprintf(marker, sizeof(marker), "%.*s.wh.%s", dir, path, path + dir);
	lower_file(e, lower, marker, "");
}

void lower_opaque(struct engine *e, size_t lower, const char *path)
{
	char marker[1024];
	snprintf(marker, sizeof(marker), "%s/.wh..wh..opq", path);
	lower_file(e, lower, marker, "");
}

/* ---- verbs by path ---- */

static void forget(struct engine *e, uint64_t node)
{
	if (node != VN_NODE_ROOT)
		e->fs->ops->forget(e->fs, &e->ctx, node, 1);
}

int e_lookup(struct engine *e, const char *path, struct vn_entry *out)
{
	uint64_t node = VN_NODE_ROOT;
	int r = e->fs->ops->getattr(e->fs, &e->ctx, node, &out->attr);
	out->node = node;
	while (!r && *path) {
		char name[300];
		size_t len = strcspn(path, "/");
		ck_assert_uint_lt(len, sizeof(name));
		memcpy(name, path, len);
		name[len] = '\0';
		r = e->fs->ops->lookup(e->fs, &e->ctx, node, name, out);
		forget(e, node);
		node = r ? VN_NODE_ROOT : out->node;
		path += len + (path[len] == '/');
	}
	forget(e, node);
	return r;
}

int e_node(struct engine *e, const char *path, uint64_t *node)
{
	struct vn_entry up, entry;
	const char *slash = strrchr(path, '/');
	char parent[1024] = "";
	if (!*path) {
		*node = VN_NODE_ROOT;
		return 0;
	}
	if (slash)
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
	/* the parent is looked up again while nothing else runs: its node is still there or is made anew */
	uint64_t dir;
	int r = e_node(e, parent, &dir);
	if (r)
		return r;
	r = e->fs->ops->lookup(e->fs, &e->ctx, dir, slash ? slash + 1 : path, &entry);
	forget(e, dir);
	(void)up;
	if (!r)
		*node = entry.node;
	return r;
}

/* The parent's node, with a lookup, and the last name. */
static int split(struct engine *e, const char *path, uint64_t *dir, const char **name)
{
	const char *slash = strrchr(path, '/');
	char parent[1024] = "";
	if (slash)
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
	*name = slash ? slash + 1 : path;
	return e_node(e, parent, dir);
}

#define MAKE(call)                                \
	struct vn_entry entry;                    \
	const char *name;                         \
	uint64_t dir;                             \
	int r = split(e, path, &dir, &name);      \
	if (r)                                    \
		return r;                         \
	r = call;                                 \
	forget(e, dir);                           \
	if (!r)                                   \
		forget(e, entry.node);            \
	return r

int e_create(struct engine *e, const char *path, uint32_t mode)
{
	MAKE(e->fs->ops->create(e->fs, &e->ctx, dir, name, mode, VN_CREATE_EXCL, &entry));
}

int e_mkdir(struct engine *e, const char *path, uint32_t mode)
{
	MAKE(e->fs->ops->mkdir(e->fs, &e->ctx, dir, name, mode, &entry));
}

int e_mknod(struct engine *e, const char *path, uint32_t mode, uint32_t major, uint32_t minor)
{
	MAKE(e->fs->ops->mknod(e->fs, &e->ctx, dir, name, mode, major, minor, &entry));
}

int e_symlink(struct engine *e, const char *target, const char *path)
{
	MAKE(e->fs->ops->symlink(e->fs, &e->ctx, dir, name, target, &entry));
}

int e_link(struct engine *e, const char *from, const char *path)
{
	uint64_t node;
	int found = e_node(e, from, &node);
	if (found)
		return found;
	struct vn_entry entry;
	const char *name;
	uint64_t dir;
	int r = split(e, path, &dir, &name);
	if (!r) {
		r = e->fs->ops->link(e->fs, &e->ctx, node, dir, name, &entry);
		forget(e, dir);
		if (!r)
			forget(e, entry.node);
	}
	forget(e, node);
	return r;
}

static int e_remove(struct engine *e, const char *path, bool is_dir)
{
	const char *name;
	uint64_t dir;
	int r = split(e, path, &dir, &name);
	if (r)
		return r;
	r = is_dir ? e->fs->ops->rmdir(e->fs, &e->ctx, dir, name) : e->fs->ops->unlink(e->fs, &e->ctx, dir, name);
	forget(e, dir);
	return r;
}

int e_unlink(struct engine *e, const char *path)
{
	return e_remove(e, path, false);
}

int e_rmdir(struct engine *e, const char *path)
{
	return e_remove(e, path, true);
}

int e_rename(struct engine *e, const char *from, const char *to, uint32_t flags)
{
	const char *name, *newname;
	uint64_t dir, newdir;
	int r = split(e, from, &dir, &name);
	if (r)
		return r;
	r = split(e, to, &newdir, &newname);
	if (!r) {
		r = e->fs->ops->rename(e->fs, &e->ctx, dir, name, newdir, newname, flags);
		forget(e, newdir);
	}
	forget(e, dir);
	return r;
}

static int e_setattr(struct engine *e, const char *path, const struct vn_setattr *set)
{
	struct vn_attr attr;
	uint64_t node;
	int r = e_node(e, path, &node);
	if (r)
		return r;
	r = e->fs->ops->setattr(e->fs, &e->ctx, node, set, &attr);
	forget(e, node);
	return r;
}

int e_chmod(struct engine *e, const char *path, uint32_t mode)
{
	return e_setattr(e, path, &(struct vn_setattr){ .valid = VN_SET_MODE, .mode = mode });
}

int e_chown(struct engine *e, const char *path, uint32_t uid, uint32_t gid)
{
	return e_setattr(e, path, &(struct vn_setattr){ .valid = VN_SET_UID | VN_SET_GID, .uid = uid, .gid = gid });
}

int e_truncate(struct engine *e, const char *path, uint64_t size)
{
	return e_setattr(e, path, &(struct vn_setattr){ .valid = VN_SET_SIZE, .size = size });
}

int e_write(struct engine *e, const char *path, uint64_t off, const char *text)
{
	struct iovec iov = { (void *)text, strlen(text) };
	uint64_t node;
	int r = e_node(e, path, &node);
	if (r)
		return r;
	ssize_t n = e->fs->ops->write(e->fs, &e->ctx, node, off, &iov, 1, 0);
	forget(e, node);
	return n < 0 ? (int)n : n == (ssize_t)iov.iov_len ? 0 : -EIO;
}

int e_setxattr(struct engine *e, const char *path, const char *name, const char *value)
{
	uint64_t node;
	int r = e_node(e, path, &node);
	if (r)
		return r;
	r = e->fs->ops->setxattr(e->fs, &e->ctx, node, name, value, strlen(value), 0);
	forget(e, node);
	return r;
}

/* ---- checks ---- */

void e_is(struct engine *e, const char *path, const char *content)
{
	char buf[65536];
	struct iovec iov = { buf, sizeof(buf) - 1 };
	uint64_t node;
	int r = e_node(e, path, &node);
	ck_assert_msg(!r, "%s: %s", path, strerror(-r));
	ssize_t n = e->fs->ops->read(e->fs, &e->ctx, node, 0, &iov, 1);
	forget(e, node);
	ck_assert_msg(n >= 0, "%s: read: %s", path, strerror((int)-n));
	buf[n] = '\0';
	ck_assert_msg(!strcmp(buf, content), "%s: '%s' instead of '%s'", path, buf, content);
}

void e_missing(struct engine *e, const char *path)
{
	struct vn_entry entry;
	int r = e_lookup(e, path, &entry);
	ck_assert_msg(r == -ENOENT, "%s: %s instead of ENOENT", path, r ? strerror(-r) : "found");
}

struct names {
	char *list[4096];
	size_t n;
	uint64_t cookie;
	int room; /* entries that the reply still holds */
	struct engine *e;
};

static int names_add(void *arg, const struct vn_dirent *d)
{
	struct names *n = arg;
	if (!n->room--)
		return 1;
	n->cookie = d->cookie;
	if (d->namelen <= 2 && !memcmp(d->name, "..", d->namelen))
		return 0;
	ck_assert_uint_lt(n->n, sizeof(n->list) / sizeof(n->list[0]));
	n->list[n->n++] = strndup(d->name, d->namelen);
	if (d->entry) {
		ck_assert_uint_eq(d->entry->attr.ino, d->ino);
		n->e->fs->ops->forget(n->e->fs, &n->e->ctx, d->entry->node, 1);
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Listed in replies of three entries each, as a client with a small buffer would. */
static void names_check(struct engine *e, const char *dir, uint64_t node, bool plus, const char *sorted)
{
	struct names n = { .e = e };
	char all[16384] = "";
	uint64_t before;
	do {
		before = n.cookie;
		n.room = 3;
		int r = e->fs->ops->readdir(e->fs, &e->ctx, node, n.cookie, plus, names_add, &n);
		ck_assert_msg(!r, "%s: readdir: %s", dir, strerror(-r));
	} while (n.cookie != before);
	qsort(n.list, n.n, sizeof(n.list[0]), by_name);
	for (size_t i = 0; i < n.n; i++) {
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i ? " " : "", n.list[i]);
		free(n.list[i]);
	}
	ck_assert_msg(!strcmp(all, sorted), "%s (%s): '%s' instead of '%s'", dir, plus ? "plus" : "plain", all, sorted);
}

void e_names(struct engine *e, const char *dir, const char *sorted)
{
	uint64_t node;
	int r = e_node(e, dir, &node);
	ck_assert_msg(!r, "%s: %s", dir, strerror(-r));
	names_check(e, dir, node, false, sorted);
	names_check(e, dir, node, true, sorted);
	forget(e, node);
}

void e_stat(struct engine *e, const char *path, struct vn_attr *out)
{
	struct vn_entry entry;
	int r = e_lookup(e, path, &entry);
	ck_assert_msg(!r, "%s: %s", path, strerror(-r));
	*out = entry.attr;
}

void e_xattr_is(struct engine *e, const char *path, const char *name, const char *value)
{
	char buf[4096];
	uint64_t node;
	int r = e_node(e, path, &node);
	ck_assert_msg(!r, "%s: %s", path, strerror(-r));
	ssize_t n = e->fs->ops->getxattr(e->fs, &e->ctx, node, name, buf, sizeof(buf) - 1);
	forget(e, node);
	if (!value) {
		ck_assert_msg(n == -ENODATA, "%s: %s is there (%zd)", path, name, n);
		return;
	}
	ck_assert_msg(n >= 0, "%s: %s: %s", path, name, strerror((int)-n));
	buf[n] = '\0';
	ck_assert_str_eq(buf, value);
}
