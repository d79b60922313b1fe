// SPDX-License-Identifier: Apache-2.0
#include "overlay/names.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define NONE UINT32_MAX
#define COLLISION_BITS 8
#define COOKIE_BITS 63
#define COOKIE_FIRST ((UINT64_C(1) << COLLISION_BITS)) /* "." and ".." are below */
#define BUCKETS_MIN_SHIFT 2
#define TEXT_SLACK 1024u

struct ovl_names {
	struct ovl_name *entries;
	uint32_t *buckets; /* 1 << shift chains, by the cookie's top bits */
	char *text;
	uint16_t *layers;
	uint32_t nentries, cap, free, count, visible;
	uint32_t text_len, text_cap, text_dead;
	uint32_t layers_len, layers_cap;
	unsigned shift, seals;
};

static uint64_t names_hash(const char *name, size_t len)
{
	uint64_t h = vn_hash_name(0, name, len) >> (64 - COOKIE_BITS) & ~(COOKIE_FIRST - 1);
	return h ? h : COOKIE_FIRST;
}

static uint32_t *names_bucket(const struct ovl_names *t, uint64_t cookie)
{
	return &t->buckets[cookie >> (COOKIE_BITS - t->shift)];
}

struct ovl_names *ovl_names_new(void)
{
	struct ovl_names *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->shift = BUCKETS_MIN_SHIFT;
	t->free = NONE;
	t->buckets = malloc(sizeof(*t->buckets) << t->shift);
	if (!t->buckets) {
		free(t);
		return NULL;
	}
	memset(t->buckets, 0xff, sizeof(*t->buckets) << t->shift);
	return t;
}

void ovl_names_free(struct ovl_names *t)
{
	if (!t)
		return;
	free(t->entries);
	free(t->buckets);
	free(t->text);
	free(t->layers);
	free(t);
}

size_t ovl_names_bytes(const struct ovl_names *t)
{
	return sizeof(*t) + t->cap * sizeof(*t->entries) + (sizeof(*t->buckets) << t->shift) + t->text_cap +
	       t->layers_cap * sizeof(*t->layers);
}

size_t ovl_names_count(const struct ovl_names *t)
{
	return t->count;
}

size_t ovl_names_visible(const struct ovl_names *t)
{
	return t->visible;
}

const char *ovl_names_text(const struct ovl_names *t, const struct ovl_name *e)
{
	return t->text + e->text;
}

static bool names_equal(const struct ovl_names *t, const struct ovl_name *e, const char *name, size_t len)
{
	return e->len == len && !memcmp(t->text + e->text, name, len);
}

struct ovl_name *ovl_names_find(const struct ovl_names *t, const char *name, size_t len)
{
	uint64_t hash = names_hash(name, len);
	for (uint32_t i = *names_bucket(t, hash); i != NONE; i = t->entries[i].next) {
		struct ovl_name *e = &t->entries[i];
		if (e->cookie >= hash + COOKIE_FIRST)
			break;
		if (e->cookie >= hash && names_equal(t, e, name, len))
			return e;
	}
	return NULL;
}

/* The lowest cookie that no other name with this hash has; 0 when all are taken. */
static uint64_t names_cookie(const struct ovl_names *t, uint64_t hash)
{
	uint64_t cookie = hash;
	for (uint32_t i = *names_bucket(t, hash); i != NONE; i = t->entries[i].next) {
		if (t->entries[i].cookie > cookie)
			break;
		if (t->entries[i].cookie == cookie)
			cookie++;
	}
	return cookie < hash + COOKIE_FIRST ? cookie : 0;
}

static int names_grow(void *array, uint32_t *cap, size_t elem, size_t need)
{
	if (need <= *cap)
		return 0;
	size_t want = *cap ? *cap + *cap / 2 : 8;
	if (want < need)
		want = need;
	if (want > UINT32_MAX - 1)
		return -ENOSPC;
	void *p = realloc(*(void **)array, want * elem);
	if (!p)
		return -ENOMEM;
	*(void **)array = p;
	*cap = (uint32_t)want;
	return 0;
}

static void names_link(struct ovl_names *t, uint32_t i)
{
	struct ovl_name *e = &t->entries[i];
	uint32_t *p = names_bucket(t, e->cookie);
	while (*p != NONE && t->entries[*p].cookie < e->cookie)
		p = &t->entries[*p].next;
	e->next = *p;
	*p = i;
}

/* Doubles the buckets; staying small is no error. */
static void names_split(struct ovl_names *t)
{
	unsigned shift = t->shift + 1;
	uint32_t *old = t->buckets, *buckets = malloc(sizeof(*buckets) << shift);
	if (!buckets)
		return;
	memset(buckets, 0xff, sizeof(*buckets) << shift);
	size_t n = (size_t)1 << t->shift;
	t->buckets = buckets;
	t->shift = shift;
	for (size_t b = 0; b < n; b++) {
		uint32_t *tail[2] = { &buckets[2 * b], &buckets[2 * b + 1] };
		for (uint32_t i = old[b], next; i != NONE; i = next) {
			struct ovl_name *e = &t->entries[i];
			int half = names_bucket(t, e->cookie) == &buckets[2 * b + 1];
			next = e->next;
			e->next = NONE;
			*tail[half] = i;
			tail[half] = &e->next;
		}
	}
	free(old);
}

/* Moves the live names together once half of the arena is dead. */
static void names_compact(struct ovl_names *t)
{
	char *text = malloc(t->text_len - t->text_dead + TEXT_SLACK);
	if (!text)
		return;
	uint32_t len = 0;
	for (uint32_t i = 0; i < t->nentries; i++) {
		struct ovl_name *e = &t->entries[i];
		if (!e->kind)
			continue;
		memcpy(text + len, t->text + e->text, e->len);
		e->text = len;
		len += e->len;
	}
	free(t->text);
	t->text = text;
	t->text_len = len;
	t->text_cap = len + TEXT_SLACK;
	t->text_dead = 0;
}

int ovl_names_reserve(struct ovl_names *t, const char *name, size_t len)
{
	if (!names_cookie(t, names_hash(name, len)))
		return -ENOSPC;
	if (t->text_dead > 4096 && t->text_dead > t->text_len / 2)
		names_compact(t);
	int r = names_grow(&t->text, &t->text_cap, 1, (size_t)t->text_len + len);
	if (!r && t->free == NONE)
		r = names_grow(&t->entries, &t->cap, sizeof(*t->entries), (size_t)t->nentries + 1);
	return r;
}

struct ovl_name *ovl_names_add(struct ovl_names *t, const char *name, size_t len, enum ovl_name_kind kind,
			       uint8_t type, uint64_t ino)
{
	uint64_t cookie = names_cookie(t, names_hash(name, len));
	if (!cookie || t->text_len + len > t->text_cap || (t->free == NONE && t->nentries == t->cap))
		return NULL;
	if (t->count >= ((size_t)2 << t->shift) && t->shift < 31)
		names_split(t);
	uint32_t i = t->free;
	if (i != NONE)
		t->free = t->entries[i].next;
	else
		i = t->nentries++;
	struct ovl_name *e = &t->entries[i];
	memset(e, 0, sizeof(*e));
	e->cookie = cookie;
	e->ino = ino;
	e->text = t->text_len;
	e->layers = NONE;
	e->len = (uint8_t)len;
	e->type = type;
	e->kind = kind;
	memcpy(t->text + t->text_len, name, len);
	t->text_len += (uint32_t)len;
	t->count++;
	t->visible += kind != OVL_NAME_WHITEOUT;
	names_link(t, i);
	return e;
}

void ovl_names_remove(struct ovl_names *t, struct ovl_name *e)
{
	uint32_t i = (uint32_t)(e - t->entries);
	uint32_t *p = names_bucket(t, e->cookie);
	while (*p != i)
		p = &t->entries[*p].next;
	*p = e->next;
	t->count--;
	t->visible -= e->kind != OVL_NAME_WHITEOUT;
	t->text_dead += e->len;
	e->kind = 0;
	e->next = t->free;
	t->free = i;
}

void ovl_names_set(struct ovl_names *t, struct ovl_name *e, enum ovl_name_kind kind, uint8_t type, uint64_t ino)
{
	t->visible -= e->kind != OVL_NAME_WHITEOUT;
	t->visible += kind != OVL_NAME_WHITEOUT;
	e->kind = kind;
	e->type = type;
	e->ino = ino;
}

static void names_shrink(void *array, uint32_t *cap, size_t elem, uint32_t used)
{
	void *p = used && used < *cap ? realloc(*(void **)array, used * elem) : NULL;
	if (!p)
		return;
	*(void **)array = p;
	*cap = used;
}

void ovl_names_fit(struct ovl_names *t)
{
	names_shrink(&t->entries, &t->cap, sizeof(*t->entries), t->nentries);
	names_shrink(&t->text, &t->text_cap, 1, t->text_len);
	names_shrink(&t->layers, &t->layers_cap, sizeof(*t->layers), t->layers_len);
}

void ovl_names_sealed(struct ovl_names *t, unsigned seals)
{
	if (t->seals == seals)
		return;
	t->seals = seals;
	for (uint32_t i = 0; i < t->nentries; i++) {
		struct ovl_name *e = &t->entries[i];
		if (e->kind == OVL_NAME_WHITEOUT)
			ovl_names_remove(t, e);
		else if (e->kind == OVL_NAME_OWN)
			e->below = true;
	}
}

int ovl_names_layers(struct ovl_names *t, struct ovl_name *e, const uint16_t *layers, size_t n)
{
	uint32_t at = t->layers_len;
	int r = names_grow(&t->layers, &t->layers_cap, sizeof(*t->layers), (size_t)at + n + 1);
	if (r)
		return r;
	t->layers[at] = (uint16_t)n;
	memcpy(t->layers + at + 1, layers, n * sizeof(*layers));
	t->layers_len = at + (uint32_t)n + 1;
	e->layers = at;
	return 0;
}

const uint16_t *ovl_names_layers_of(const struct ovl_names *t, const struct ovl_name *e, size_t *n)
{
	if (e->layers == NONE) {
		*n = 0;
		return NULL;
	}
	*n = t->layers[e->layers];
	return &t->layers[e->layers + 1];
}

struct ovl_name *ovl_names_after(const struct ovl_names *t, uint64_t cookie)
{
	if (cookie >> COOKIE_BITS)
		return NULL;
	size_t n = (size_t)1 << t->shift;
	for (size_t b = (size_t)(names_bucket(t, cookie) - t->buckets); b < n; b++)
		for (uint32_t i = t->buckets[b]; i != NONE; i = t->entries[i].next)
			if (t->entries[i].cookie > cookie)
				return &t->entries[i];
	return NULL;
}
