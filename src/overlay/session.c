// SPDX-License-Identifier: Apache-2.0
/*
 * Sessions: which nodes each client holds. A session counts its lookups per node
 * (refs.h), so that a client that starts anew or goes away gives back exactly what
 * it held.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "overlay/refs.h"
#include "overlay/seen.h"
#include "overlay/tree.h"
#include "overlay/verbs.h"

/* Counts lookups of n; takes over the caller's reference either way. */
static int session_add(struct vn_fs_session *s, struct ovl_node *n, uint64_t lookups)
{
	bool first = false;
	int r = ovl_refs_add(s->refs, n, lookups, &first);
	if (first && s->config.outlives)
		ovl_seen_record(s->t, n);
	if (!first)
		ovl_node_put(s->t, n);
	return r;
}

int ovl_session_count(struct vn_fs_session *s, struct ovl_node *n)
{
	return session_add(s, n, 1);
}

/* A session that outlives the server does not hold n any more: what was kept for it goes. */
static void session_let_go(struct ovl_tree *t, struct vn_fs_session *s, struct ovl_node *n)
{
	if (!s->config.outlives)
		return;
	ovl_orphan_let_go(t, s, n);
	if (atomic_load(&n->flags) & OVL_NODE_SEEN && !ovl_session_outliving(t, n))
		ovl_seen_gone(t, n);
}

void ovl_session_forget(struct ovl_tree *t, struct vn_fs_session *s, struct ovl_node *n, uint64_t count)
{
	if (!ovl_refs_sub(s->refs, n, count))
		return;
	session_let_go(t, s, n);
	ovl_data_drop_dead(t, n, 2); /* the caller's and this session's */
	ovl_node_put(t, n);
}

uint64_t ovl_session_outliving(struct ovl_tree *t, struct ovl_node *n)
{
	uint64_t id = 0;
	if (!atomic_load(&t->outliving))
		return 0;
	pthread_mutex_lock(&t->session_lock);
	for (struct vn_fs_session *s = t->sessions; s && !id; s = s->next)
		if (s->config.outlives && ovl_refs_has(s->refs, n))
			id = s->config.id;
	pthread_mutex_unlock(&t->session_lock);
	return id;
}

int ovl_entry(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, struct vn_entry *out)
{
	struct vn_entry entry = { .node = ovl_nodeid(t, n), .generation = t->epoch };
	int r = ovl_node_attr(t, n, &entry.attr);
	entry.volatile_attr = atomic_load(&n->flags) & OVL_NODE_VIRTUAL && !ovl_is_dir(n);
	if (r)
		ovl_node_put(t, n);
	else
		r = ovl_session_count(ctx->session, n);
	if (!r)
		*out = entry;
	return r;
}

/* ---- suspending a client ---- */

struct held {
	struct ovl_tree *t;
	ovl_held_fn fn;
	void *arg;
};

static int held_one(void *arg, struct ovl_node *n, uint64_t lookups)
{
	const struct held *h = arg;
	char path[OVL_PATH_MAX];
	ssize_t len = 0;
	bool below = n->odir && !ovl_own(n);
	if (below && (len = ovl_base_path(n->odir, ovl_is_dir(n) ? NULL : n->oname, n->oname_len, path)) < 0)
		return (int)len;
	return h->fn(h->arg, ovl_nodeid(h->t, n), lookups, below ? path : NULL, (size_t)len);
}

int ovl_session_held(struct vn_fs_session *s, ovl_held_fn fn, void *arg)
{
	struct held h = { s->t, fn, arg };
	return ovl_refs_each(s->refs, held_one, &h);
}

/* The node at a base path. */
static int hold_base(struct ovl_tree *t, const char *path, size_t len, struct ovl_node **out)
{
	char name[VN_NAME_MAX + 1];
	const char *slash = memrchr(path, '/', len);
	size_t dir_len = slash ? (size_t)(slash - path) : 0, name_len = slash ? len - dir_len - 1 : len;
	struct base_dir *bd;
	struct ovl_node *dir;
	if (!name_len || name_len > VN_NAME_MAX)
		return -ESTALE;
	memcpy(name, path + len - name_len, name_len);
	name[name_len] = '\0';
	int r = base_resolve_dir(t->base, path, dir_len, &bd);
	if (r)
		return r;
	r = ovl_base_node(t, bd, &dir);
	base_dir_put(t->base, bd);
	if (r)
		return r;
	r = ovl_lookup(t, dir, name, out);
	ovl_node_put(t, dir);
	return r;
}

int ovl_session_hold(struct vn_fs_session *s, uint64_t nodeid, uint64_t lookups, const char *path, size_t len)
{
	struct ovl_tree *t = s->t;
	uint64_t ino = nodeid & OVL_INO_MASK;
	struct ovl_node *n = NULL;
	int r = 0;
	if (nodeid >> OVL_EPOCH_SHIFT != t->epoch || !lookups)
		return -ESTALE;
	if (!(n = ovl_node_find(t, ino)))
		r = path ? hold_base(t, path, len, &n) : ovl_node_load(t, ino, &n);
	if (!r && n->ino != ino) {
		ovl_node_put(t, n);
		r = -ESTALE;
	}
	if (!r)
		r = session_add(s, n, lookups);
	return r == -ENOENT || r == -ENOTDIR ? -ESTALE : r;
}

/* ---- begin and end ---- */

int ovl_session_new(struct vn_fs *fs, const struct vn_session_config *config, struct vn_fs_session **out)
{
	struct ovl_tree *t = ovl_tree_of(fs);
	struct vn_fs_session *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->refs = ovl_refs_new();
	if (!s->refs) {
		free(s);
		return -ENOMEM;
	}
	s->t = t;
	s->config = *config;
	s->resumed = config->outlives;
	pthread_mutex_lock(&t->session_lock);
	s->next = t->sessions;
	t->sessions = s;
	if (config->outlives)
		atomic_fetch_add(&t->outliving, 1);
	pthread_mutex_unlock(&t->session_lock);
	*out = s;
	return 0;
}

static void session_drop(void *arg, struct ovl_node *n)
{
	struct vn_fs_session *s = arg;
	session_let_go(s->t, s, n);
	ovl_node_put(s->t, n);
}

void ovl_session_reset(struct vn_fs *fs, struct vn_fs_session *s)
{
	s->resumed = false; /* a client that starts anew knows no old nodeid, and counts its requests anew */
	ovl_refs_take(s->refs, session_drop, s);
	ovl_orphans_reap(ovl_tree_of(fs), s);
}

void ovl_session_free(struct vn_fs *fs, struct vn_fs_session *s, bool keep)
{
	struct ovl_tree *t = ovl_tree_of(fs);
	pthread_mutex_lock(&t->session_lock);
	struct vn_fs_session **p = &t->sessions;
	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	if (s->config.outlives)
		atomic_fetch_sub(&t->outliving, 1);
	pthread_mutex_unlock(&t->session_lock);
	if (keep) /* the client comes back: what it holds stays recorded */
		s->config.outlives = false;
	ovl_session_reset(fs, s);
	ovl_refs_free(s->refs);
	free(s);
}
