// SPDX-License-Identifier: Apache-2.0
/*
 * Sessions: which nodes each client holds, and what the others must be told.
 *
 * A session counts its lookups per node (refs.h), so that a client that starts
 * anew or goes away gives back exactly what it held.
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

/* What the row of an unlinked inode was kept for is gone. */
static void session_orphan(struct ovl_tree *t, struct vn_fs_session *s, struct ovl_node *n)
{
	struct ovl_own *own = ovl_own(n);
	struct ovl_op op;
	uint64_t seq;
	if (!own || !own->orphan)
		return;
	pthread_rwlock_wrlock(&n->lock);
	if (own->orphan == s->config.id && !ovl_session_outliving(t, n)) {
		ovl_op_begin(&op, t, NULL);
		store_change_orphan_gone(&op.change, n->ino);
		store_change_inode_gone(&op.change, n->ino);
		op.change.flags |= STORE_CHANGE_FREES;
		if (!ovl_op_commit(&op, &seq)) { /* else it is reaped at the next open */
			own->orphan = 0;
			own->dead = true;
		}
	}
	pthread_rwlock_unlock(&n->lock);
}

/* A session that outlives the server does not hold n any more: what was kept for it goes. */
static void session_let_go(struct ovl_tree *t, struct vn_fs_session *s, struct ovl_node *n)
{
	if (!s->config.outlives)
		return;
	session_orphan(t, s, n);
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

/* ---- notices ---- */

/* One session that asks is the usual case and needs no list. */
static bool session_alone(struct ovl_tree *t)
{
	return !t->sessions || !t->sessions->next;
}

void ovl_tell_inode(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, bool data)
{
	if (session_alone(t))
		return;
	uint64_t id = ovl_nodeid(t, n);
	pthread_mutex_lock(&t->session_lock);
	for (struct vn_fs_session *s = t->sessions; s; s = s->next)
		if ((!ctx || s != ctx->session) && s->config.notify.inval_inode)
			s->config.notify.inval_inode(s->config.notify.arg, id, data ? 0 : -1, 0);
	pthread_mutex_unlock(&t->session_lock);
}

void ovl_tell_entry(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *dir, const char *name)
{
	if (session_alone(t))
		return;
	uint64_t id = ovl_nodeid(t, dir);
	pthread_mutex_lock(&t->session_lock);
	for (struct vn_fs_session *s = t->sessions; s; s = s->next) {
		if (ctx && s == ctx->session)
			continue;
		if (s->config.notify.inval_entry)
			s->config.notify.inval_entry(s->config.notify.arg, id, name, strlen(name));
		if (s->config.notify.inval_inode) /* its listing and times */
			s->config.notify.inval_inode(s->config.notify.arg, id, 0, 0);
	}
	pthread_mutex_unlock(&t->session_lock);
}

/* ---- snapshot and rollback ---- */

#define CACHED_MAX 65536 /* nodes in the list of cached ones */
#define PAGES_CHUNK 4096 /* inodes told of before waiting until that was sent */

/* Numbers of the inodes whose pages clients may have. */
struct pages {
	uint64_t *nodes;
	size_t n, cap;
};

static int pages_add(struct pages *p, uint64_t node)
{
	if (p->n == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 1024;
		uint64_t *nodes = realloc(p->nodes, cap * sizeof(*nodes));
		if (!nodes)
			return -ENOMEM;
		p->nodes = nodes;
		p->cap = cap;
	}
	p->nodes[p->n++] = node;
	return 0;
}

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
	struct pages *pages;
	bool alone, writeback;
};

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

static int pages_gather_all(struct pages *p, struct ovl_tree *t)
{
	int r = 0;
	pthread_mutex_lock(&t->session_lock);
	struct gather g = { .t = t, .pages = p, .alone = session_alone(t) };
	for (struct vn_fs_session *s = t->sessions; !r && s; s = s->next) {
		g.writeback = s->config.writeback;
		if (s->config.notify.inval_inode)
			r = ovl_refs_each(s->refs, pages_gather_node, &g);
	}
	pthread_mutex_unlock(&t->session_lock);
	return r;
}

/* Those of the list; nodes that left memory no client knows. */
static int pages_gather_list(struct pages *p, struct ovl_tree *t, const uint64_t *inos, size_t count)
{
	int r = 0;
	for (size_t i = 0; !r && i < count; i++) {
		struct ovl_node *n = ovl_node_find(t, inos[i]);
		if (!n)
			continue;
		r = pages_add(p, ovl_nodeid(t, n));
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
	bool listed = session_alone(t) && !(t->sessions && t->sessions->config.writeback);
	pthread_mutex_unlock(&t->session_lock);
	return listed;
}

static int pages_gather(struct pages *p, struct ovl_tree *t)
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
	int r = all ? pages_gather_all(p, t) : pages_gather_list(p, t, inos, count);
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
	struct pages p = { .n = 0 };
	int r = pages_gather(&p, t);
	/* Without locks: what is written back comes as requests. Whom the gathering missed is asked the next time. */
	for (size_t i = 0; i < p.n; i += PAGES_CHUNK) {
		pages_tell(t, p.nodes + i, p.n - i < PAGES_CHUNK ? p.n - i : PAGES_CHUNK);
		sent(arg);
	}
	free(p.nodes);
	return r;
}

bool ovl_sessions_can_be_told(struct ovl_tree *t)
{
	bool can = true;
	pthread_mutex_lock(&t->session_lock);
	for (struct vn_fs_session *s = t->sessions; s; s = s->next)
		can = can && (s->config.expires || (s->config.notify.inval_inode && s->config.notify.inval_all));
	pthread_mutex_unlock(&t->session_lock);
	return can;
}

static void discard_one(void *arg, struct ovl_node *n)
{
	struct vn_fs_session *s = arg;
	if (s->config.notify.inval_inode)
		s->config.notify.inval_inode(s->config.notify.arg, ovl_nodeid(s->t, n), 0, 0);
	ovl_node_put(s->t, n);
}

/* Tells a session of each inode that it holds, and gives all of them back. */
static void session_discard(struct vn_fs_session *s)
{
	const struct vn_notify *notify = &s->config.notify;
	ovl_refs_take(s->refs, discard_one, s);
	if (notify->inval_inode)
		notify->inval_inode(notify->arg, VN_NODE_ROOT, 0, 0);
	if (notify->inval_all)
		notify->inval_all(notify->arg);
}

void ovl_sessions_discard(struct ovl_tree *t)
{
	for (struct vn_fs_session *s = t->sessions; s; s = s->next)
		session_discard(s);
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

/* Orphans of this session, gathered before they are reaped. */
struct orphans {
	uint64_t session;
	uint64_t *inos;
	size_t n, cap;
};

static int orphan_gather(void *arg, uint64_t ino, uint64_t session)
{
	struct orphans *o = arg;
	if (session != o->session)
		return 0;
	if (o->n == o->cap) {
		size_t cap = o->cap ? 2 * o->cap : 64;
		uint64_t *inos = realloc(o->inos, cap * sizeof(*inos));
		if (!inos)
			return -ENOMEM;
		o->inos = inos;
		o->cap = cap;
	}
	o->inos[o->n++] = ino;
	return 0;
}

static void orphan_reap(struct ovl_tree *t, uint64_t ino)
{
	struct store_inode row;
	struct ovl_op op;
	uint64_t delta, seq;
	struct ovl_node *n = ovl_node_find(t, ino);
	if (n) { /* somebody else holds it; it goes with them */
		ovl_node_put(t, n);
		return;
	}
	ovl_op_begin(&op, t, NULL);
	op.change.flags |= STORE_CHANGE_FREES;
	store_change_orphan_gone(&op.change, ino);
	if (!store_read_inode(t->store, ino, &row, &delta)) {
		store_change_inode_gone(&op.change, ino);
		if (!delta && row.data)
			store_change_data_gone(&op.change, row.data);
		free((char *)row.origin);
	}
	ovl_op_commit(&op, &seq); /* what stays is reaped the next time */
}

/*
 * Reaps what the index still keeps for a client that is gone: unlinked files
 * that it held before this server began.
 */
static void session_reap(struct ovl_tree *t, struct vn_fs_session *s)
{
	struct orphans o = { .session = s->config.id };
	if (!s->config.outlives || !t->store || t->readonly || store_settle(t->store, false))
		return;
	if (!store_read_orphans(t->store, orphan_gather, &o))
		for (size_t i = 0; i < o.n; i++)
			orphan_reap(t, o.inos[i]);
	free(o.inos);
}

void ovl_session_reset(struct vn_fs *fs, struct vn_fs_session *s)
{
	s->resumed = false; /* a client that starts anew knows no old nodeid, and counts its requests anew */
	ovl_refs_take(s->refs, session_drop, s);
	session_reap(ovl_tree_of(fs), s);
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
