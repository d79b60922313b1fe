// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "lower/base_kept.h"

unsigned base_hash_bits = 52;

uint64_t base_ino_of(uint64_t hash)
{
	return BASE_INO | (hash & ((UINT64_C(1) << base_hash_bits) - 1));
}

int base_name(char out[VN_NAME_MAX + 1], const char *name, size_t len)
{
	if (len > VN_NAME_MAX)
		return -ENAMETOOLONG;
	if (len == 0)
		return -ENOENT;
	memcpy(out, name, len);
	out[len] = '\0';
	return 0;
}

/* ---- life ---- */

static struct base_dir *dir_new(const uint16_t *layers, size_t nlayers, const char *name, size_t len)
{
	struct base_dir *d = malloc(sizeof(*d) + nlayers * sizeof(uint16_t) + len + 1);
	char *copy;

	if (!d)
		return NULL;
	*d = (struct base_dir){.nlayers = (uint16_t)nlayers, .len = (uint8_t)len};
	atomic_init(&d->refs, 1);
	atomic_init(&d->parts, NULL);
	copy = (char *)(d->layers + nlayers);
	memcpy(copy, name, len);
	copy[len] = '\0';
	d->name = copy;
	if (layers)
		memcpy(d->layers, layers, nlayers * sizeof(uint16_t));
	return d;
}

struct base_dir *base_dir_new_root(size_t nlayers)
{
	struct base_dir *d = dir_new(NULL, nlayers, "", 0);

	if (!d)
		return NULL;
	for (size_t i = 0; i < nlayers; i++)
		d->layers[i] = (uint16_t)i;
	d->hash = VN_HASH_SEED;
	return d;
}

struct base_dir *base_dir_child(struct base *b, struct base_dir *parent, const struct base_entry *e)
{
	struct base_dir *d;

	if (e->nlayers == 0 || e->len > VN_NAME_MAX)
		return NULL;
	d = dir_new(e->layers, e->nlayers, e->name, e->len);
	if (!d)
		return NULL;
	d->hash = vn_hash_name(parent->hash, e->name, e->len);
	d->parent = base_dir_get(parent);
	d->kept = base_kept_child(b, parent, d->hash, e->name, e->len);
	return d;
}

struct base_dir *base_root(struct base *b)
{
	return base_dir_get(b->root);
}

struct base_dir *base_dir_get(struct base_dir *d)
{
	atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
	return d;
}

static void dir_free(struct base *b, struct base_dir *d)
{
	struct base_parts *parts = atomic_load(&d->parts);

	base_fds_forget(b, d);
	for (size_t i = 0; parts && i < parts->n; i++)
		free(parts->part[i].path);
	free(parts);
	free(d);
}

/* A loop, not a recursion: a chain of parents may be as deep as a path is long. */
void base_dir_put(struct base *b, struct base_dir *d)
{
	while (d && atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) == 1) {
		struct base_dir *parent = d->parent;

		dir_free(b, d);
		d = parent;
	}
}

/* ---- what it is ---- */

uint64_t base_dir_hash(const struct base_dir *d)
{
	return d->hash;
}

uint64_t base_dir_ino(const struct base_dir *d)
{
	return d->parent ? base_ino_of(d->hash) : VN_NODE_ROOT;
}

struct base_dir *base_dir_parent(const struct base_dir *d)
{
	return d->parent;
}

const char *base_dir_name(const struct base_dir *d, size_t *len)
{
	*len = d->len;
	return d->name;
}

ssize_t base_dir_path(const struct base_dir *d, char *buf, size_t size)
{
	size_t len = 0, at;
	const struct base_dir *p;

	for (p = d; p->parent; p = p->parent)
		len += p->len + (p->parent->parent ? 1u : 0u);
	if (len >= size)
		return -ENAMETOOLONG;
	buf[len] = '\0';
	at = len;
	for (p = d; p->parent; p = p->parent) {
		at -= p->len;
		memcpy(buf + at, p->name, p->len);
		if (p->parent->parent)
			buf[--at] = '/';
	}
	return (ssize_t)len;
}
