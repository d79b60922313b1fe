// SPDX-License-Identifier: Apache-2.0
/*
 * Sessions: which nodes each client holds, and what the others must be told.
 *
 * A session counts its lookups per node in a hash table of its own, so that a
 * client that starts anew or goes away gives back exactly what it held; one
 * reference on the node stands for all lookups of a session.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "overlay/tree.h"
#include "overlay/verbs.h"

#define REF_SHARDS 16

struct ref {
	struct ovl_node *node; /* NULL: free */
	uint64_t count;
};

struct ref_shard {
	pthread_mutex_t lock;
	struct ref *slots;
	size_t cap, used;
};

struct ovl_refs {
	struct ref_shard shards[REF_SHARDS];
};

static uint64_t ref_hash(const struct ovl_node *n)
{
	return n->ino * UINT64_C(0x9E3779B97F4A7C15);
}

static struct ref_shard *ref_shard(struct vn_fs_session *s, const struct ovl_node *n)
{
	return &s->refs->shards[ref_hash(n) >> 60];
}

static size_t ref_slot(const struct ref_shard *sh, const struct ovl_node *n)
{
	size_t i = (ref_hash(n) >> 24) & (sh->cap - 1);
	while (sh->slots[i].node && sh->slots[i].node != n)
		i = (i + 1) & (sh->cap - 1);
	return i;
}

static int ref_grow(struct ref_shard *sh)
{
	struct ref_shard bigger = { .cap = sh->cap ? 2 * sh->cap : 16 };
	if (4 * (sh->used + 1) <= 3 * sh->cap)
		return 0;
	bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < sh->cap; i++)
		if (sh->slots[i].node)
			bigger.slots[ref_slot(&bigger, sh->slots[i].node)] = sh->slots[i];
	free(sh->slots);
	sh->slots = bigger.slots;
	sh->cap = bigger.cap;
	return 0;
}

/* Empties a slot and moves up what had to step over it. */
static void ref_remove(struct ref_shard *sh, size_t i)
{
	sh->used--;
	sh->slots[i].node = NULL;
	for (size_t j = (i + 1) & (sh->cap - 1); sh->slots[j].node; j = (j + 1) & (sh->cap - 1)) {
		struct ref r = sh->slots[j];
		sh->slots[j].node = NULL;
		sh->slots[ref_slot(sh, r.node)] = r;
	}
}

int ovl_session_count(struct ovl_tree *t, struct vn_fs_session *s, struct ovl_node *n)
{
	struct ref_shard *sh = ref_shard(s, n);
	bool again = false;
	pthread_mutex_lock(&sh->lock);
	int r = ref_grow(sh);
	if (!r) {
		struct ref *slot = &sh->slots[ref_slot(sh, n)];
		again = slot->node;
		sh->used += !again;
		slot->node = n;
		slot->count++;
	}
	pthread_mutex_unlock(&sh->lock);
	if (r || again)
		ovl_node_put(t, n);
	return r;
}

/* What the row of an unlinked inode was kept for is gone. */
static void session_orphan(struct ovl_tree *t, struct vn_fs_session *s, struct ovl_node *n)
{
	struct ovl_own *own = ovl_own(n);
	struct ovl_op op;
	uint64_t seq;
	if (!s->config.outlives || !own || !own->orphan)
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

void ovl_session_forget(struct ovl_tree *t, struct vn_fs_session *s, struct ovl_node *n, uint64_t count)
{
	struct ref_shard *sh = ref_shard(s, n);
	bool last = false;
	pthread_mutex_lock(&sh->lock);
	if (sh->cap) {
		size_t i = ref_slot(sh, n);
		struct ref *slot = &sh->slots[i];
		if (slot->node) {
			slot->count = count < slot->count ? slot->count - count : 0;
			last = !slot->count;
			if (last)
				ref_remove(sh, i);
		}
	}
	pthread_mutex_unlock(&sh->lock);
	if (!last)
		return;
	session_orphan(t, s, n);
	ovl_node_put(t, n);
}

static bool session_holds(struct vn_fs_session *s, struct ovl_node *n)
{
	struct ref_shard *sh = ref_shard(s, n);
	pthread_mutex_lock(&sh->lock);
	bool holds = sh->cap && sh->slots[ref_slot(sh, n)].node;
	pthread_mutex_unlock(&sh->lock);
	return holds;
}

uint64_t ovl_session_outliving(struct ovl_tree *t, struct ovl_node *n)
{
	uint64_t id = 0;
	if (!atomic_load(&t->outliving))
		return 0;
	pthread_mutex_lock(&t->session_lock);
	for (struct vn_fs_session *s = t->sessions; s && !id; s = s->next)
		if (s->config.outlives && session_holds(s, n))
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
		r = ovl_session_count(t, ctx->session, n);
	if (!r)
		*out = entry;
	return r;
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

/* ---- rollback ---- */

bool ovl_sessions_can_be_told(struct ovl_tree *t)
{
	bool can = true;
	pthread_mutex_lock(&t->session_lock);
	for (struct vn_fs_session *s = t->sessions; s; s = s->next)
		can = can && (s->config.expires || (s->config.notify.inval_inode && s->config.notify.inval_all));
	pthread_mutex_unlock(&t->session_lock);
	return can;
}

/* Tells a session of each inode that it holds, and gives all of them back. */
static void session_discard(struct vn_fs_session *s)
{
	const struct vn_notify *notify = &s->config.notify;
	for (size_t i = 0; i < REF_SHARDS; i++) {
		struct ref_shard *sh = &s->refs->shards[i];
		struct ref *slots = sh->slots;
		size_t cap = sh->cap;
		sh->slots = NULL;
		sh->cap = sh->used = 0;
		for (size_t j = 0; j < cap; j++) {
			if (!slots[j].node)
				continue;
			if (notify->inval_inode)
				notify->inval_inode(notify->arg, ovl_nodeid(s->t, slots[j].node), 0, 0);
			ovl_node_put(s->t, slots[j].node);
		}
		free(slots);
	}
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
	s->refs = calloc(1, sizeof(*s->refs));
	if (!s->refs) {
		free(s);
		return -ENOMEM;
	}
	s->t = t;
	s->config = *config;
	s->resumed = config->outlives;
	for (size_t i = 0; i < REF_SHARDS; i++)
		pthread_mutex_init(&s->refs->shards[i].lock, NULL);
	pthread_mutex_lock(&t->session_lock);
	s->next = t->sessions;
	t->sessions = s;
	if (config->outlives)
		atomic_fetch_add(&t->outliving, 1);
	pthread_mutex_unlock(&t->session_lock);
	*out = s;
	return 0;
}

/* Takes all references of a shard away and puts them outside of its lock. */
static void session_drop(struct vn_fs_session *s, struct ref_shard *sh)
{
	pthread_mutex_lock(&sh->lock);
	struct ref *slots = sh->slots;
	size_t cap = sh->cap;
	sh->slots = NULL;
	sh->cap = sh->used = 0;
	pthread_mutex_unlock(&sh->lock);
	for (size_t i = 0; i < cap; i++) {
		if (!slots[i].node)
			continue;
		session_orphan(s->t, s, slots[i].node);
		ovl_node_put(s->t, slots[i].node);
	}
	free(slots);
}

void ovl_session_reset(struct vn_fs *fs, struct vn_fs_session *s)
{
	(void)fs;
	for (size_t i = 0; i < REF_SHARDS; i++)
		session_drop(s, &s->refs->shards[i]);
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
	for (size_t i = 0; i < REF_SHARDS; i++)
		pthread_mutex_destroy(&s->refs->shards[i].lock);
	free(s->refs);
	free(s);
}
