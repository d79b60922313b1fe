// SPDX-License-Identifier: Apache-2.0
#include "cli/rest.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/scope.h"
#include "cli/control.h"

#define REST_LINKS_MAX 40

/* *served: a server has the upper, and the index shows what it has done. */
static int rest_settle(const char *upper, bool *served, struct vn_err *err)
{
	struct control_address to = {.upper = upper};
	vn_autofree char *reply = NULL;
	int ret = control_call(&to, "settle", &reply, err);

	*served = ret == 0;
	return ret == -ENOENT ? 0 : ret;
}

static int rest_session(struct rest *r, struct vn_err *err)
{
	struct vn_session_config config = {.id = 1};
	int ret = r->fs->ops->session_new(r->fs, &config, &r->ctx.session);

	return ret < 0 ? vn_err_sys(err, ret, "cannot look into '%s'", r->layers.upper) : 0;
}

static int rest_open_tree(struct rest *r, const char *snapshot, const char *cache, bool changed, struct vn_err *err)
{
	int ret = rest_settle(r->layers.upper, &r->served, err);
	struct ovl_config config = {
		.lowers = (const char *const *)r->layers.lowers.v,
		.nlowers = r->layers.lowers.n,
		.upper = r->layers.upper,
		.readonly = true,
		.snapshot = snapshot,
		.shared = r->served,
		.accept_changed_lowers = changed,
		.quiet_lowers = true,
		.base_cache = cache,
		.no_base_cache = changed, /* it may not be what is there now */
		.squash_uid = -1,
		.squash_gid = -1,
	};

	if (ret == 0)
		ret = ovl_open(&config, &r->tree, err);
	if (ret < 0)
		return ret;
	r->fs = ovl_fs(r->tree);
	ret = rest_session(r, err);
	if (ret < 0)
		ovl_close(r->tree);
	return ret;
}

/* What all ways to open have in common. */
static int rest_open_at(struct rest *r, const char *upper, const struct words *lowers, const char *snapshot,
			const char *cache, bool changed, struct vn_err *err)
{
	int ret;

	*r = (struct rest){0};
	ret = layers_resolve(&r->layers, lowers, upper, false, true, err);
	if (ret < 0)
		return ret;
	if (r->layers.upper_was == UPPER_EMPTY)
		ret = vn_err_set(err, -ENODATA, "'%s' is empty: no writable layer has been made in it yet", upper);
	else
		ret = rest_open_tree(r, snapshot, cache, changed, err);
	if (ret < 0)
		layers_fini(&r->layers);
	return ret;
}

int rest_open(struct rest *r, const char *upper, const struct words *lowers, const char *snapshot, struct vn_err *err)
{
	return rest_open_at(r, upper, lowers, snapshot, NULL, false, err);
}

int rest_open_kept(struct rest *r, const char *upper, const struct words *lowers, const char *cache, struct vn_err *err)
{
	return rest_open_at(r, upper, lowers, NULL, cache, false, err);
}

int rest_open_changed(struct rest *r, const char *upper, const struct words *lowers, struct vn_err *err)
{
	return rest_open_at(r, upper, lowers, NULL, NULL, true, err);
}

void rest_close(struct rest *r)
{
	r->fs->ops->session_free(r->fs, r->ctx.session, false);
	ovl_close(r->tree);
	layers_fini(&r->layers);
}

ssize_t rest_readlink(struct rest *r, uint64_t node, char buf[VN_SYMLINK_MAX + 1])
{
	ssize_t n = r->fs->ops->readlink(r->fs, &r->ctx, node, buf, VN_SYMLINK_MAX);

	if (n >= 0)
		buf[n] = 0;
	return n;
}

/* A walk: directories from the root to where we are (for ".."), and the rest of the path. */
struct rest_walk {
	struct vn_entry at[256];
	int depth; /* at[depth] is where we are */
	char left[2 * PATH_MAX];
	int links;
	bool follow;
};

/* A symlink met on the way: its target goes in front of what is left. */
static int rest_walk_link(struct rest *r, struct rest_walk *w, uint64_t node)
{
	char target[VN_SYMLINK_MAX + 1], left[2 * PATH_MAX];
	ssize_t n = rest_readlink(r, node, target);

	if (n < 0)
		return (int)n;
	if (++w->links > REST_LINKS_MAX)
		return -ELOOP;
	if ((size_t)snprintf(left, sizeof(left), "%s/%s", target, w->left) >= sizeof(w->left))
		return -ENAMETOOLONG;
	if (target[0] == '/')
		w->depth = 0;
	memcpy(w->left, left, sizeof(left));
	return 0;
}

static int rest_walk_name(struct rest *r, struct rest_walk *w, const char *name)
{
	struct vn_entry *here = &w->at[w->depth], found;
	int ret;

	if (!S_ISDIR(here->attr.mode))
		return -ENOTDIR;
	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0) {
		w->depth -= w->depth > 0;
		return 0;
	}
	if (strlen(name) > VN_NAME_MAX)
		return -ENAMETOOLONG;
	ret = r->fs->ops->lookup(r->fs, &r->ctx, here->node, name, &found);
	if (ret < 0)
		return ret;
	if (S_ISLNK(found.attr.mode) && (w->follow || w->left[strspn(w->left, "/")]))
		return rest_walk_link(r, w, found.node);
	if (w->depth + 1 >= 256)
		return -ENAMETOOLONG;
	w->at[++w->depth] = found;
	return 0;
}

static int rest_walk_all(struct rest *r, struct rest_walk *w)
{
	for (;;) {
		char name[PATH_MAX];
		const char *start = w->left + strspn(w->left, "/");
		size_t n = strcspn(start, "/");
		int ret;

		if (n == 0)
			return 0;
		if (n >= sizeof(name))
			return -ENAMETOOLONG;
		memcpy(name, start, n);
		name[n] = 0;
		memmove(w->left, start + n, strlen(start + n) + 1);
		ret = rest_walk_name(r, w, name);
		if (ret < 0)
			return ret;
	}
}

int rest_find(struct rest *r, const char *path, bool follow, struct vn_entry *out, struct vn_err *err)
{
	vn_autofree struct rest_walk *w = calloc(1, sizeof(*w));
	int ret;

	if (!w)
		return vn_err_sys(err, -ENOMEM, "cannot look at '%s'", path);
	w->follow = follow;
	w->at[0].node = VN_NODE_ROOT;
	ret = r->fs->ops->getattr(r->fs, &r->ctx, VN_NODE_ROOT, &w->at[0].attr);
	if (ret == 0 && strlcpy(w->left, path, sizeof(w->left)) >= PATH_MAX)
		ret = -ENAMETOOLONG;
	if (ret == 0)
		ret = rest_walk_all(r, w);
	if (ret < 0)
		return vn_err_sys(err, ret, "'%s' in '%s'", path, r->layers.upper);
	*out = w->at[w->depth];
	return 0;
}
