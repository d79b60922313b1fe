// SPDX-License-Identifier: Apache-2.0
/* Opening and closing a tree. */
#include "overlay/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/scope.h"
#include "overlay/keep.h"
#include "overlay/lowers.h"
#include "overlay/seen.h"
#include "overlay/verbs.h"
#include "overlay/virtual.h"

#define COMMIT_DEFAULT_S 5

static struct ovl_tree *tree_new(const struct ovl_config *config)
{
	struct ovl_tree *t = calloc(1, sizeof(*t));
	pthread_rwlockattr_t attr;
	if (!t)
		return NULL;
	t->fs.ops = &ovl_ops;
	t->readonly = config->readonly || !config->upper;
	t->noacl = config->noacl;
	t->static_nlink = config->static_nlink;
	t->squash_uid = config->squash_uid;
	t->squash_gid = config->squash_gid;
	t->commit_s = config->commit_s ? config->commit_s : COMMIT_DEFAULT_S;
	pthread_rwlockattr_init(&attr);
#ifdef __GLIBC__
	/* a snapshot must get through however busy the tree is; no verb takes the gate twice */
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
#endif
	pthread_rwlock_init(&t->gate, &attr);
	pthread_rwlockattr_destroy(&attr);
	pthread_mutex_init(&t->topology, NULL);
	pthread_mutex_init(&t->pin_lock, NULL);
	pthread_mutex_init(&t->cached.lock, NULL);
	pthread_mutex_init(&t->written_lock, NULL);
	pthread_mutex_init(&t->session_lock, NULL);
	pthread_mutex_init(&t->number_lock, NULL);
	pthread_mutex_init(&t->walk_lock, NULL);
	vn_cond_init(&t->tick);
	for (size_t i = 0; i < OVL_SHARDS; i++)
		pthread_mutex_init(&t->shards[i].lock, NULL);
	return t;
}

void ovl_homes_free(struct ovl_tree *t)
{
	for (struct ovl_home *h = t->homes, *next; h; h = next) {
		next = h->next;
		free(h);
	}
	t->homes = t->head = NULL;
}

static void tree_free(struct ovl_tree *t)
{
	ovl_homes_free(t);
	ovl_numbers_free(t);
	for (size_t i = 0; i < OVL_SHARDS; i++) {
		pthread_mutex_destroy(&t->shards[i].lock);
		free(t->shards[i].slots);
	}
	pthread_cond_destroy(&t->tick);
	pthread_mutex_destroy(&t->walk_lock);
	pthread_mutex_destroy(&t->number_lock);
	pthread_mutex_destroy(&t->session_lock);
	pthread_mutex_destroy(&t->written_lock);
	pthread_mutex_destroy(&t->cached.lock);
	free(t->cached.inos);
	pthread_mutex_destroy(&t->pin_lock);
	pthread_mutex_destroy(&t->topology);
	pthread_rwlock_destroy(&t->gate);
	free(t);
}

static struct ovl_home *tree_home(struct ovl_tree *t, uint64_t id)
{
	struct ovl_home *h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	h->id = id;
	h->next = t->homes;
	t->homes = h;
	return h;
}

struct ovl_home *ovl_home_find(struct ovl_tree *t, uint64_t id)
{
	for (struct ovl_home *h = t->homes; h; h = h->next)
		if (h->id == id)
			return h;
	return NULL;
}

static int tree_add_home(void *arg, const struct store_delta_info *info)
{
	return ovl_home_find(arg, info->id) || tree_home(arg, info->id) ? 0 : -ENOMEM;
}

int ovl_homes_update(struct ovl_tree *t)
{
	return t->store ? store_chain(t->store, tree_add_home, t) : 0;
}

int ovl_homes_load(struct ovl_tree *t)
{
	t->head = tree_home(t, 0);
	if (!t->head)
		return -ENOMEM;
	return ovl_homes_update(t);
}

static int tree_root(struct ovl_tree *t)
{
	struct base_dir *bd = base_root(t->base);
	if (!bd)
		return -ENOMEM;
	int r = ovl_root_load(t, bd, &t->root);
	if (!r)
		t->root->vdir = t->vroot;
	return r;
}

static int tree_start(struct ovl_tree *t, const struct ovl_config *config, struct vn_err *err)
{
	int r = ovl_files_new(t);
	if (!r)
		r = ovl_seen_new(t);
	if (!r)
		r = ovl_homes_load(t);
	if (!r)
		r = ovl_numbers_load(t);
	if (r)
		return vn_err_sys(err, r, "cannot read the index of '%s'", config->upper ? config->upper : "the layers");
	r = ovl_virtual_open(t, config, err);
	if (r)
		return r;
	r = tree_root(t);
	if (r)
		return vn_err_sys(err, r, "cannot read the root directory of the lowers");
	if (t->store && !t->readonly)
		r = ovl_settle_start(t);
	return r ? vn_err_sys(err, r, "cannot start a thread") : 0;
}

int ovl_open(const struct ovl_config *config, struct ovl_tree **out, struct vn_err *err)
{
	struct ovl_tree *t = tree_new(config);
	if (!t)
		return vn_err_set(err, -ENOMEM, "out of memory");
	int r = ovl_lowers_open(config, &t->base, &t->store, err);
	if (!r) {
		t->epoch = t->store ? store_epoch(t->store) & OVL_EPOCH_MASK : 0;
		r = ovl_keep_open(t, config, err);
	}
	if (!r)
		r = tree_start(t, config, err);
	if (!r && ovl_keep_start(t)) {
		r = vn_err_set(err, -EAGAIN, "cannot start a thread");
	}
	if (r) {
		ovl_unmake(t);
		ovl_close(t);
		return r;
	}
	*out = t;
	return 0;
}

void ovl_unmake(struct ovl_tree *t)
{
	if (t->store)
		store_unmake(t->store);
}

int ovl_close(struct ovl_tree *t)
{
	int r = 0;
	ovl_keep_close(t);
	if (t->store && !t->readonly)
		r = ovl_settle_stop(t);
	ovl_virtual_close(t);
	ovl_node_put(t, t->root);
	t->root = NULL;
	ovl_seen_free(t);
	if (t->files)
		ovl_files_free(t);
	if (t->store) {
		int e = store_close(t->store);
		r = r ? r : e;
	}
	if (t->base)
		base_close(t->base);
	tree_free(t);
	return r;
}

struct vn_fs *ovl_fs(struct ovl_tree *t)
{
	return &t->fs;
}

struct store *ovl_store(struct ovl_tree *t)
{
	return t->store;
}

int ovl_identity(struct ovl_tree *t, uint64_t *out)
{
	char print[17];
	uint8_t upper[16];
	uint64_t hash = VN_HASH_SEED;
	int e = t->store ? store_upper_id(t->store, upper) : 0;
	if (e)
		return e;
	if (t->store)
		hash = vn_hash_name(hash, (const char *)upper, sizeof(upper));
	for (size_t i = 0; i < base_layers(t->base); i++) {
		int r = base_fingerprint(t->base, i, print);
		if (r)
			return r;
		hash = vn_hash_name(hash, print, strlen(print));
	}
	*out = hash;
	return 0;
}

int ovl_settle(struct ovl_tree *t)
{
	if (!t->store || t->readonly)
		return 0;
	int r = ovl_settle_written(t);
	int e = store_settle(t->store, false);
	return r ? r : e;
}

int ovl_sync(struct ovl_tree *t)
{
	int r = ovl_settle_written(t);
	if (!r)
		r = store_flush_data(t->store);
	int e = store_settle(t->store, true);
	return r ? r : e;
}

int ovl_symlink_load(struct ovl_tree *t, struct ovl_node *n)
{
	char target[VN_SYMLINK_MAX + 1];
	if (n->target || n->odir)
		return 0;
	ssize_t len = store_read_symlink(t->store, n->ino, target, VN_SYMLINK_MAX);
	if (len < 0)
		return len == -ENOENT ? -EIO : (int)len;
	n->target = strndup(target, (size_t)len);
	return n->target ? 0 : -ENOMEM;
}

ssize_t ovl_symlink_read(struct ovl_tree *t, struct ovl_node *n, char *buf, size_t size)
{
	pthread_rwlock_wrlock(&n->lock);
	ssize_t len = ovl_symlink_load(t, n);
	if (!len) {
		len = (ssize_t)strlen(n->target);
		if ((size_t)len > size)
			len = (ssize_t)size;
		memcpy(buf, n->target, (size_t)len);
	}
	pthread_rwlock_unlock(&n->lock);
	return len;
}
