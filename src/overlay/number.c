// SPDX-License-Identifier: Apache-2.0
/*
 * Recorded numbers of base objects (rules I3, I4).
 *
 * Nearly every base object has the number that its path (or, for a lower file
 * with several names, its layer and host inode) hashes to, and nothing is kept.
 * Two kinds are recorded: objects whose hash another object had already, and
 * touched files with several names, whose host inode may be another one after
 * the lower was copied. Both are looked up here by the number that is computed
 * today: of the path's full hash for the first, of the group for the second.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "overlay/tree.h"

struct ovl_number {
	uint64_t key; /* hash of the path, or the group's computed number; 0: free */
	uint64_t ino;
};

ssize_t ovl_base_path(const struct base_dir *odir, const char *name, size_t len, char *buf)
{
	ssize_t n = base_dir_path(odir, buf, OVL_PATH_MAX);
	if (n < 0 || !name)
		return n;
	if ((size_t)n + len + 2 > OVL_PATH_MAX)
		return -ENAMETOOLONG;
	if (n)
		buf[n++] = '/';
	memcpy(buf + n, name, len);
	return n + (ssize_t)len;
}

static uint64_t number_key(const struct base_dir *odir, const char *name, size_t len)
{
	uint64_t key = name ? vn_hash_name(base_dir_hash(odir), name, len) : base_dir_hash(odir);
	return key ? key : 1;
}

static uint64_t number_key_of_path(const char *path, size_t len)
{
	uint64_t key = VN_HASH_SEED;
	for (size_t at = 0; at < len;) {
		const char *slash = memchr(path + at, '/', len - at);
		size_t n = slash ? (size_t)(slash - (path + at)) : len - at;
		key = vn_hash_name(key, path + at, n);
		at += n + 1;
	}
	return key ? key : 1;
}

static struct ovl_number *number_slot(struct ovl_number *table, size_t cap, uint64_t key)
{
	size_t i = key & (cap - 1);
	while (table[i].key && table[i].key != key)
		i = (i + 1) & (cap - 1);
	return &table[i];
}

static int number_put_locked(struct ovl_tree *t, uint64_t key, uint64_t ino)
{
	if (2 * (t->number_count + 1) > t->number_cap) {
		size_t cap = t->number_cap ? 2 * t->number_cap : 64;
		struct ovl_number *table = calloc(cap, sizeof(*table));
		if (!table)
			return -ENOMEM;
		for (size_t i = 0; i < t->number_cap; i++)
			if (t->numbers[i].key)
				*number_slot(table, cap, t->numbers[i].key) = t->numbers[i];
		free(t->numbers);
		t->numbers = table;
		t->number_cap = cap;
	}
	struct ovl_number *slot = number_slot(t->numbers, t->number_cap, key);
	t->number_count += !slot->key;
	*slot = (struct ovl_number){ key, ino };
	return 0;
}

static uint64_t number_get(struct ovl_tree *t, uint64_t key, uint64_t otherwise)
{
	pthread_mutex_lock(&t->number_lock);
	if (t->number_count) {
		const struct ovl_number *slot = number_slot(t->numbers, t->number_cap, key);
		if (slot->key)
			otherwise = slot->ino;
	}
	pthread_mutex_unlock(&t->number_lock);
	return otherwise;
}

/* A recorded number: of a path, and, where the path has several links today, of its group. */
static int number_load(void *arg, uint64_t ino, const char *path, size_t len)
{
	struct ovl_tree *t = arg;
	uint64_t group;
	int r = number_put_locked(t, number_key_of_path(path, len), ino);
	if (!r && !base_group_ino(t->base, path, len, &group))
		r = number_put_locked(t, group, ino);
	return r;
}

int ovl_numbers_load(struct ovl_tree *t)
{
	return t->store ? store_read_baseinos(t->store, number_load, t) : 0;
}

void ovl_numbers_free(struct ovl_tree *t)
{
	free(t->numbers);
	t->numbers = NULL;
	t->number_cap = t->number_count = 0;
}

uint64_t ovl_number(struct ovl_tree *t, const struct base_dir *odir, const char *name, size_t len, uint64_t ino,
		    bool group)
{
	return number_get(t, group ? ino : number_key(odir, name, len), ino);
}

uint64_t ovl_number_dir(struct ovl_tree *t, const struct base_dir *d)
{
	return number_get(t, number_key(d, NULL, 0), base_dir_ino(d));
}

/* Is this number in use, in memory or in the index? */
static bool number_taken(struct ovl_tree *t, uint64_t ino)
{
	struct ovl_node *n = ovl_node_find(t, ino);
	if (n) {
		ovl_node_put(t, n);
		return true;
	}
	struct store_inode row;
	if (!t->store || store_read_inode(t->store, ino, &row, NULL))
		return false;
	free((char *)row.origin);
	return true;
}

int ovl_number_collide(struct ovl_tree *t, const struct base_dir *odir, const char *name, size_t len, uint64_t ino,
		       uint64_t *out)
{
	char path[OVL_PATH_MAX];
	ssize_t plen = ovl_base_path(odir, name, len, path);
	if (plen < 0)
		return (int)plen;
	uint64_t next = ino;
	do
		next = STORE_INO_BASE | ((next + 1) & (STORE_INO_BASE - 1));
	while (number_taken(t, next));
	if (t->store && !t->readonly) {
		struct ovl_op op;
		uint64_t seq;
		ovl_op_begin(&op, t, NULL);
		store_change_baseino(&op.change, next, path, (size_t)plen);
		int r = ovl_op_commit(&op, &seq);
		if (r)
			return r;
	}
	pthread_mutex_lock(&t->number_lock);
	int r = number_put_locked(t, number_key(odir, name, len), next);
	pthread_mutex_unlock(&t->number_lock);
	*out = next;
	return r;
}
