// SPDX-License-Identifier: Apache-2.0
/* The table of nodes in memory: found by number, alive while referenced. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "overlay/names.h"
#include "overlay/tree.h"
#include "overlay/xattr.h"

#define SLOTS_MIN 16
/* The name begins in the padding at the end of the struct. */
#define NODE_SIZE(len) (offsetof(struct ovl_node, oname) + (len) > sizeof(struct ovl_node) ? \
			offsetof(struct ovl_node, oname) + (len) : sizeof(struct ovl_node))

static struct ovl_shard *node_shard(struct ovl_tree *t, uint64_t ino)
{
	return &t->shards[(ino * UINT64_C(0x9E3779B97F4A7C15)) >> 58];
}

static struct ovl_node **node_slot(struct ovl_shard *s, uint64_t ino)
{
	return &s->slots[(ino * UINT64_C(0x9E3779B97F4A7C15)) >> 20 & (s->nslots - 1)];
}

/* Doubles a shard's slots; a shard that cannot grow goes on with longer chains. */
static void node_grow(struct ovl_shard *s)
{
	struct ovl_shard bigger = { .nslots = s->nslots ? 2 * s->nslots : SLOTS_MIN };
	bigger.slots = calloc(bigger.nslots, sizeof(*bigger.slots));
	if (!bigger.slots)
		return;
	for (size_t i = 0; i < s->nslots; i++) {
		for (struct ovl_node *n = s->slots[i], *next; n; n = next) {
			struct ovl_node **slot = node_slot(&bigger, n->ino);
			next = n->next;
			n->next = *slot;
			*slot = n;
		}
	}
	free(s->slots);
	s->slots = bigger.slots;
	s->nslots = bigger.nslots;
}

static struct ovl_node *node_find_locked(struct ovl_shard *s, uint64_t ino)
{
	if (!s->nslots)
		return NULL;
	struct ovl_node *n = *node_slot(s, ino);
	while (n && n->ino != ino)
		n = n->next;
	return n;
}

struct ovl_node *ovl_node_new(struct ovl_tree *t, uint64_t ino, bool dir, struct base_dir *odir, const char *oname,
			      size_t oname_len)
{
	struct ovl_node *n = calloc(1, NODE_SIZE(oname_len));
	(void)t;
	if (!n)
		return NULL;
	if (pthread_rwlock_init(&n->lock, NULL)) {
		free(n);
		return NULL;
	}
	n->ino = ino;
	n->odir = odir;
	n->oname_len = (uint8_t)oname_len;
	if (oname_len)
		memcpy(n->oname, oname, oname_len);
	atomic_init(&n->refs, 1);
	atomic_init(&n->flags, dir ? OVL_NODE_DIR : 0);
	return n;
}

static void node_free(struct ovl_tree *t, struct ovl_node *n)
{
	struct ovl_own *own = ovl_own(n);
	if (ovl_is_dir(n))
		ovl_names_free(n->names);
	else if (S_ISLNK(n->mode))
		free(n->target);
	if (own) {
		ovl_xattrs_free(own->xattrs);
		free(own);
	}
	base_dir_put(t->base, n->odir);
	pthread_rwlock_destroy(&n->lock);
	free(n);
}

void ovl_node_discard(struct ovl_tree *t, struct ovl_node *n)
{
	struct ovl_node *parent = ovl_is_dir(n) ? n->parent : NULL;
	node_free(t, n);
	ovl_node_put(t, parent);
}

struct ovl_node *ovl_node_insert(struct ovl_tree *t, struct ovl_node *n)
{
	struct ovl_shard *s = node_shard(t, n->ino);
	pthread_mutex_lock(&s->lock);
	struct ovl_node *other = node_find_locked(s, n->ino);
	if (other) {
		atomic_fetch_add(&other->refs, 1);
	} else {
		if (s->count >= s->nslots)
			node_grow(s);
		if (!s->nslots) { /* not even the first slots: the caller sees its own node, outside of the table */
			pthread_mutex_unlock(&s->lock);
			return NULL;
		}
		struct ovl_node **slot = node_slot(s, n->ino);
		n->next = *slot;
		*slot = n;
		s->count++;
		atomic_fetch_add(&t->node_count, 1);
	}
	pthread_mutex_unlock(&s->lock);
	return other ? other : n;
}

struct ovl_node *ovl_node_ref(struct ovl_node *n)
{
	atomic_fetch_add(&n->refs, 1);
	return n;
}

struct ovl_node *ovl_node_find(struct ovl_tree *t, uint64_t ino)
{
	struct ovl_shard *s = node_shard(t, ino);
	pthread_mutex_lock(&s->lock);
	struct ovl_node *n = node_find_locked(s, ino);
	if (n)
		atomic_fetch_add(&n->refs, 1);
	pthread_mutex_unlock(&s->lock);
	return n;
}

/* Drops one reference; true when it was the last and the node is out of the table. */
static bool node_release(struct ovl_tree *t, struct ovl_node *n)
{
	unsigned refs = atomic_load(&n->refs);
	while (refs > 1)
		if (atomic_compare_exchange_weak(&n->refs, &refs, refs - 1))
			return false;
	struct ovl_shard *s = node_shard(t, n->ino);
	pthread_mutex_lock(&s->lock);
	bool last = atomic_fetch_sub(&n->refs, 1) == 1;
	if (last) {
		struct ovl_node **p = node_slot(s, n->ino);
		while (*p != n)
			p = &(*p)->next;
		*p = n->next;
		s->count--;
		atomic_fetch_sub(&t->node_count, 1);
	}
	pthread_mutex_unlock(&s->lock);
	return last;
}

void ovl_node_put(struct ovl_tree *t, struct ovl_node *n)
{
	while (n && node_release(t, n)) {
		struct ovl_node *parent = ovl_is_dir(n) ? n->parent : NULL;
		if (ovl_has_bytes(n))
			ovl_data_drop(t, n);
		node_free(t, n);
		n = parent;
	}
}

uint64_t ovl_nodeid(const struct ovl_tree *t, const struct ovl_node *n)
{
	return n == t->root ? VN_NODE_ROOT : t->epoch << OVL_EPOCH_SHIFT | n->ino;
}

int ovl_node_get(struct ovl_tree *t, const struct vn_ctx *ctx, uint64_t nodeid, struct ovl_node **out)
{
	uint64_t ino = nodeid & OVL_INO_MASK;
	if (nodeid == VN_NODE_ROOT) {
		*out = ovl_node_ref(t->root);
		return 0;
	}
	if (nodeid >> OVL_EPOCH_SHIFT != t->epoch || ino <= VN_NODE_ROOT)
		return -ESTALE;
	*out = ovl_node_find(t, ino);
	if (*out)
		return 0;
	return ctx->session->resumed ? ovl_node_load(t, ino, out) : -ESTALE;
}

struct node_gather {
	struct ovl_node **nodes;
	size_t n, cap;
};

static int node_gather_one(struct node_gather *g, struct ovl_node *n)
{
	if (g->n == g->cap) {
		size_t cap = g->cap ? 2 * g->cap : 64;
		struct ovl_node **nodes = reallocarray(g->nodes, cap, sizeof(*nodes));

		if (!nodes)
			return -ENOMEM;
		g->nodes = nodes;
		g->cap = cap;
	}
	g->nodes[g->n++] = ovl_node_ref(n);
	return 0;
}

static int node_gather(struct ovl_tree *t, bool (*wanted)(struct ovl_node *n), struct node_gather *g)
{
	int r = 0;

	for (size_t i = 0; i < OVL_SHARDS && !r; i++) {
		struct ovl_shard *s = &t->shards[i];

		pthread_mutex_lock(&s->lock);
		for (size_t j = 0; j < s->nslots && !r; j++)
			for (struct ovl_node *n = s->slots[j]; n && !r; n = n->next)
				r = wanted(n) ? node_gather_one(g, n) : 0;
		pthread_mutex_unlock(&s->lock);
	}
	return r;
}

int ovl_nodes_each(struct ovl_tree *t, bool (*wanted)(struct ovl_node *n),
		   int (*fn)(struct ovl_tree *t, struct ovl_node *n))
{
	struct node_gather g = { .n = 0 };
	int r = node_gather(t, wanted, &g);

	for (size_t i = 0; i < g.n; i++) {
		if (!r)
			r = fn(t, g.nodes[i]);
		ovl_node_put(t, g.nodes[i]);
	}
	free(g.nodes);
	return r;
}

void ovl_nodes_look(struct ovl_tree *t, void (*fn)(void *arg, struct ovl_node *n), void *arg)
{
	for (size_t i = 0; i < OVL_SHARDS; i++) {
		struct ovl_shard *s = &t->shards[i];

		pthread_mutex_lock(&s->lock);
		for (size_t j = 0; j < s->nslots; j++)
			for (struct ovl_node *n = s->slots[j]; n; n = n->next)
				fn(arg, n);
		pthread_mutex_unlock(&s->lock);
	}
}

/* What one node takes; a directory that is busy right now counts without its names. */
static void node_stats(struct ovl_node *n, struct ovl_stats *out)
{
	out->nodes++;
	out->node_bytes += NODE_SIZE(n->oname_len) + (ovl_own(n) ? sizeof(struct ovl_own) : 0);
	if (!ovl_is_dir(n) || pthread_rwlock_tryrdlock(&n->lock))
		return;
	if (n->names) {
		out->directories++;
		out->names += ovl_names_count(n->names);
		out->name_bytes += ovl_names_bytes(n->names);
	}
	pthread_rwlock_unlock(&n->lock);
}

void ovl_stats(struct ovl_tree *t, struct ovl_stats *out)
{
	*out = (struct ovl_stats){
		.open_files = ovl_files_open(t),
		.copied_up = atomic_load(&t->copied_up),
		.copied_bytes = atomic_load(&t->copied_bytes),
		.kept_view = base_is_kept(t->base),
		.changed_lowers = base_changed(t->base),
	};
	for (size_t i = 0; i < OVL_SHARDS; i++) {
		struct ovl_shard *s = &t->shards[i];
		pthread_mutex_lock(&s->lock);
		for (size_t j = 0; j < s->nslots; j++)
			for (struct ovl_node *n = s->slots[j]; n; n = n->next)
				node_stats(n, out);
		pthread_mutex_unlock(&s->lock);
	}
}
