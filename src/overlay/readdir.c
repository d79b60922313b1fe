// SPDX-License-Identifier: Apache-2.0
/*
 * Listing. Entries come in the order of their cookies, which do not depend on
 * what else is in the directory: an entry that is there during the whole listing
 * comes exactly once, whatever is added or removed meanwhile.
 */
#include <dirent.h>
#include <errno.h>

#include "overlay/dirops.h"
#include "overlay/walk.h"

#define COOKIE_DOT UINT64_C(1)
#define COOKIE_DOTDOT UINT64_C(2)

struct listing {
	struct ovl_tree *t;
	const struct vn_ctx *ctx;
	struct ovl_node *dir;
	bool plus;
	vn_dirent_fn fn;
	void *arg;
};

static int readdir_dots(const struct listing *l, uint64_t cookie)
{
	const struct ovl_node *up = l->dir->parent ? l->dir->parent : l->dir;
	struct vn_dirent d = { .name = ".", .namelen = 1, .ino = l->dir->ino, .type = DT_DIR, .cookie = COOKIE_DOT };
	if (cookie < COOKIE_DOT && l->fn(l->arg, &d))
		return 1;
	d = (struct vn_dirent){ .name = "..", .namelen = 2, .ino = up->ino, .type = DT_DIR, .cookie = COOKIE_DOTDOT };
	return cookie < COOKIE_DOTDOT && l->fn(l->arg, &d);
}

static void readdir_fill(const struct listing *l, const struct ovl_name *e, struct vn_dirent *d)
{
	*d = (struct vn_dirent){
		.name = ovl_names_text(l->dir->names, e), .namelen = e->len, .cookie = e->cookie,
	};
}

static int readdir_plain(const struct listing *l, struct ovl_name *e)
{
	struct vn_dirent d;
	uint64_t ino;
	uint8_t type;
	readdir_fill(l, e, &d);
	int r = ovl_child_number(l->t, l->dir, e, &ino, &type);
	if (r)
		return r;
	d.ino = ino;
	d.type = type;
	return l->fn(l->arg, &d);
}

/* With attributes: the lookup is counted only when the entry was taken. */
static int readdir_plus(const struct listing *l, struct ovl_name *e)
{
	struct vn_entry entry = { .generation = l->t->epoch };
	struct vn_dirent d;
	struct ovl_node *n;
	readdir_fill(l, e, &d);
	int r = ovl_child(l->t, l->dir, e, &n);
	if (r)
		return r;
	r = ovl_node_attr(l->t, n, &entry.attr);
	if (r) {
		ovl_node_put(l->t, n);
		return r;
	}
	entry.node = ovl_nodeid(l->t, n);
	entry.volatile_attr = e->kind == OVL_NAME_VIRTUAL && !ovl_is_dir(n);
	d.ino = n->ino;
	d.type = IFTODT(entry.attr.mode);
	d.entry = &entry;
	ovl_node_ref(n); /* counted before the client can know it, and taken back when there was no room */
	r = ovl_session_count(l->ctx->session, n);
	if (!r) {
		r = l->fn(l->arg, &d);
		if (r)
			ovl_session_forget(l->t, l->ctx->session, n, 1);
	}
	ovl_node_put(l->t, n);
	return r;
}

/* The entries behind a cookie, with the names loaded and the lock of the directory held. */
static int readdir_entries(struct listing *l, uint64_t cookie)
{
	int r = 0;
	if (atomic_load(&l->dir->flags) & OVL_NODE_REMOVED || readdir_dots(l, cookie))
		return 0;
	for (struct ovl_name *e; !r && (e = ovl_names_after(l->dir->names, cookie)); cookie = e->cookie) {
		if (e->kind == OVL_NAME_WHITEOUT)
			continue;
		r = l->plus ? readdir_plus(l, e) : readdir_plain(l, e);
		if (r == -ENOENT) /* a one-shot file that is used up */
			r = 0;
	}
	return r > 0 ? 0 : r;
}

int ovl_readdir(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *dir, uint64_t cookie, bool plus,
		vn_dirent_fn fn, void *arg)
{
	struct listing l = { .t = t, .ctx = ctx, .dir = dir, .plus = plus, .fn = fn, .arg = arg };
	struct ovl_walk w = { 0 };
	if (!cookie)
		ovl_walk_begin(t, dir, &w);
	int r = ovl_dir_lock_shared(t, dir);
	if (!r) {
		ovl_walk_go_on(t, dir, &w);
		r = readdir_entries(&l, cookie);
		pthread_rwlock_unlock(&dir->lock);
	}
	ovl_walk_end(t, &w);
	return r;
}
