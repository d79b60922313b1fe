// SPDX-License-Identifier: Apache-2.0
/*
 * Before a snapshot clients are asked to write back what they keep of files: each
 * inode whose pages one may have is invalidated, which makes its kernel write the
 * dirty ones first.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/vec.h"
#include "overlay/refs.h"
#include "overlay/tree.h"

#define CACHED_MAX 65536 /* nodes in the list of cached ones */
#define PAGES_CHUNK 4096 /* inodes told of before waiting until that was sent */

void ovl_cached_add(struct ovl_tree *t, const struct ovl_node *n)
{
	struct ovl_cached *c = &t->cached;
	pthread_mutex_lock(&c->lock);
	if (c->n == c->cap && c->cap < CACHED_MAX) {
		size_t cap = c->cap ? 2 * c->cap : 256;
		uint64_t *inos = realloc(c->inos, cap * sizeof(*inos));
		if (inos) {
			c->inos = inos;
			c->cap = cap;
		}
	}
	if (c->n < c->cap)
		c->inos[c->n++] = n->ino;
	else
		c->all = true;
	pthread_mutex_unlock(&c->lock);
}

/* Gathering from what a session holds. */
struct gather {
	struct ovl_tree *t;
	struct vn_vec *pages; /* uint64_t: nodeids of inodes whose pages clients may have */
	bool alone, writeback;
};

static int pages_add(struct vn_vec *pages, uint64_t node)
{
	uint64_t *to = vn_vec_add(pages, 1, sizeof(*to));
	if (!to)
		return -ENOMEM;
	*to = node;
	return 0;
}

/*
 * A client that writes through has pages of what it read or wrote: once told it has
 * none, and asks before it has some again. One that writes back may have written
 * what it never told of.
 */
static int pages_gather_node(void *arg, struct ovl_node *n, uint64_t lookups)
{
	const struct gather *g = arg;
	(void)lookups;
	if (!ovl_has_bytes(n) || (!g->writeback && !(atomic_load(&n->flags) & OVL_NODE_CACHED)))
		return 0;
	int r = pages_add(g->pages, ovl_nodeid(g->t, n));
	if (!r && g->alone && !g->writeback)
		atomic_fetch_and(&n->flags, ~OVL_NODE_CACHED);
	return r;
}

static int pages_gather_all(struct vn_vec *pages, struct ovl_tree *t)
{
	int r = 0;
	pthread_mutex_lock(&t->session_lock);
	struct gather g = { .t = t, .pages = pages, .alone = ovl_session_alone(t) };
	for (struct vn_fs_session *s = t->sessions; !r && s; s = s->next) {
		g.writeback = s->config.writeback;
		if (s->config.notify.inval_inode)
			r = ovl_refs_each(s->refs, pages_gather_node, &g);
	}
	pthread_mutex_unlock(&t->session_lock);
	return r;
}

/* Those of the list; nodes that left memory no client knows. */
static int pages_gather_list(struct vn_vec *pages, struct ovl_tree *t, const uint64_t *inos, size_t count)
{
	int r = 0;
	for (size_t i = 0; !r && i < count; i++) {
		struct ovl_node *n = ovl_node_find(t, inos[i]);
		if (!n)
			continue;
		r = pages_add(pages, ovl_nodeid(t, n));
		if (!r)
			atomic_fetch_and(&n->flags, ~OVL_NODE_CACHED);
		ovl_node_put(t, n);
	}
	return r;
}

/* One client that writes through is the usual case, and the list says what it may have. */
static bool pages_listed(struct ovl_tree *t)
{
	pthread_mutex_lock(&t->session_lock);
	bool listed = ovl_session_alone(t) && !(t->sessions && t->sessions->config.writeback);
	pthread_mutex_unlock(&t->session_lock);
	return listed;
}

static int pages_gather(struct vn_vec *pages, struct ovl_tree *t)
{
	bool listed = pages_listed(t);
	pthread_mutex_lock(&t->cached.lock);
	uint64_t *inos = t->cached.inos;
	size_t count = t->cached.n;
	bool all = t->cached.all || !listed;
	t->cached.inos = NULL;
	t->cached.n = t->cached.cap = 0;
	t->cached.all = !listed; /* the flags of others stay */
	pthread_mutex_unlock(&t->cached.lock);
	int r = all ? pages_gather_all(pages, t) : pages_gather_list(pages, t, inos, count);
	free(inos);
	if (r) {
		pthread_mutex_lock(&t->cached.lock);
		t->cached.all = true;
		pthread_mutex_unlock(&t->cached.lock);
	}
	return r;
}

static void pages_tell(struct ovl_tree *t, const uint64_t *nodes, size_t n)
{
	pthread_mutex_lock(&t->session_lock);
	for (struct vn_fs_session *s = t->sessions; s; s = s->next)
		for (size_t i = 0; s->config.notify.inval_inode && i < n; i++)
			s->config.notify.inval_inode(s->config.notify.arg, nodes[i], 0, 0);
	pthread_mutex_unlock(&t->session_lock);
}

int ovl_ask_write_back(struct ovl_tree *t, void (*sent)(void *arg), void *arg)
{
	struct vn_vec pages = { 0 };
	int r = pages_gather(&pages, t);
	const uint64_t *nodes = pages.v;
	/* Without locks: what is written back comes as requests. Whom the gathering missed is asked the next time. */
	for (size_t i = 0; i < pages.n; i += PAGES_CHUNK) {
		pages_tell(t, nodes + i, pages.n - i < PAGES_CHUNK ? pages.n - i : PAGES_CHUNK);
		sent(arg);
	}
	free(pages.v);
	return r;
}
