// SPDX-License-Identifier: Apache-2.0
#include "overlay/refs.h"

#include <errno.h>
#include <stdlib.h>

#include "overlay/tree.h"

#define REF_SHARDS 16

struct ref {
	struct ovl_node *node; /* NULL: free */
	uint64_t count;
};

/* Open addressing; what collides lies in the slots behind. */
struct ref_shard {
	pthread_mutex_t lock;
	struct ref *slots;
	size_t cap, used; /* a power of two; never all of it */
};

struct ovl_refs {
	struct ref_shard shards[REF_SHARDS];
};

static uint64_t ref_hash(const struct ovl_node *n)
{
	return n->ino * UINT64_C(0x9E3779B97F4A7C15);
}

static struct ref_shard *ref_shard(struct ovl_refs *refs, const struct ovl_node *n)
{
	return &refs->shards[ref_hash(n) >> 60];
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
	if (8 * (sh->used + 1) <= 7 * sh->cap)
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
	sh->slots[i] = (struct ref){ NULL, 0 };
	for (size_t j = (i + 1) & (sh->cap - 1); sh->slots[j].node; j = (j + 1) & (sh->cap - 1)) {
		struct ref r = sh->slots[j];
		sh->slots[j] = (struct ref){ NULL, 0 };
		sh->slots[ref_slot(sh, r.node)] = r;
	}
}

struct ovl_refs *ovl_refs_new(void)
{
	struct ovl_refs *refs = calloc(1, sizeof(*refs));
	for (size_t i = 0; refs && i < REF_SHARDS; i++)
		pthread_mutex_init(&refs->shards[i].lock, NULL);
	return refs;
}

void ovl_refs_free(struct ovl_refs *refs)
{
	for (size_t i = 0; i < REF_SHARDS; i++)
		pthread_mutex_destroy(&refs->shards[i].lock);
	free(refs);
}

int ovl_refs_add(struct ovl_refs *refs, struct ovl_node *n, uint64_t lookups, bool *first)
{
	struct ref_shard *sh = ref_shard(refs, n);
	pthread_mutex_lock(&sh->lock);
	int r = ref_grow(sh);
	if (!r) {
		struct ref *slot = &sh->slots[ref_slot(sh, n)];
		*first = !slot->node;
		sh->used += *first;
		slot->node = n;
		slot->count += lookups;
	}
	pthread_mutex_unlock(&sh->lock);
	return r;
}

static bool ref_sub_locked(struct ref_shard *sh, struct ovl_node *n, uint64_t lookups)
{
	size_t i = sh->cap ? ref_slot(sh, n) : 0;
	if (!sh->cap || !sh->slots[i].node)
		return false;
	struct ref *slot = &sh->slots[i];
	slot->count = lookups < slot->count ? slot->count - lookups : 0;
	if (slot->count)
		return false;
	ref_remove(sh, i);
	return true;
}

bool ovl_refs_sub(struct ovl_refs *refs, struct ovl_node *n, uint64_t lookups)
{
	struct ref_shard *sh = ref_shard(refs, n);
	pthread_mutex_lock(&sh->lock);
	bool last = ref_sub_locked(sh, n, lookups);
	pthread_mutex_unlock(&sh->lock);
	return last;
}

bool ovl_refs_has(struct ovl_refs *refs, struct ovl_node *n)
{
	struct ref_shard *sh = ref_shard(refs, n);
	pthread_mutex_lock(&sh->lock);
	bool has = sh->cap && sh->slots[ref_slot(sh, n)].node;
	pthread_mutex_unlock(&sh->lock);
	return has;
}

int ovl_refs_each(struct ovl_refs *refs, int (*fn)(void *arg, struct ovl_node *n, uint64_t lookups), void *arg)
{
	int r = 0;
	for (size_t i = 0; !r && i < REF_SHARDS; i++) {
		struct ref_shard *sh = &refs->shards[i];
		pthread_mutex_lock(&sh->lock);
		for (size_t j = 0; !r && j < sh->cap; j++)
			if (sh->slots[j].node)
				r = fn(arg, sh->slots[j].node, sh->slots[j].count);
		pthread_mutex_unlock(&sh->lock);
	}
	return r;
}

static void ref_take_shard(struct ref_shard *sh, void (*fn)(void *arg, struct ovl_node *n), void *arg)
{
	pthread_mutex_lock(&sh->lock);
	struct ref *slots = sh->slots;
	size_t cap = sh->cap;
	sh->slots = NULL;
	sh->cap = sh->used = 0;
	pthread_mutex_unlock(&sh->lock);
	for (size_t i = 0; i < cap; i++)
		if (slots[i].node)
			fn(arg, slots[i].node);
	free(slots);
}

void ovl_refs_take(struct ovl_refs *refs, void (*fn)(void *arg, struct ovl_node *n), void *arg)
{
	for (size_t i = 0; i < REF_SHARDS; i++)
		ref_take_shard(&refs->shards[i], fn, arg);
}
