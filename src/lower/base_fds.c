// SPDX-License-Identifier: Apache-2.0
/*
 * The cache of directory descriptors: (directory, layer) -> descriptor, least
 * recently used ones closed beyond a limit. A descriptor in use is never
 * closed, so the number may be above the limit for as long as that many are in
 * use at once. The cache holds no references to directories: one that goes away
 * forgets its descriptors first (base_fds_forget).
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/scope.h"
#include "lower/base_parts.h"

struct base_fd {
	struct base_dir *dir;
	int fd;
	uint16_t layer;
	unsigned uses;
	struct base_fd *next;        /* in its bucket */
	struct base_fd *sibling;     /* of the same directory */
	TAILQ_ENTRY(base_fd) recent; /* while uses is 0 */
};

struct base_fds {
	pthread_mutex_t lock;
	size_t max, count;
	size_t mask;
	struct base_fd **buckets;
	TAILQ_HEAD(, base_fd) idle; /* least recently used first */
};

int base_fds_new(struct base *b, size_t max)
{
	struct base_fds *c = calloc(1, sizeof(*c));
	size_t n = 16;

	while (n < max)
		n *= 2;
	if (!c)
		return -ENOMEM;
	c->buckets = calloc(n, sizeof(struct base_fd *));
	if (!c->buckets) {
		free(c);
		return -ENOMEM;
	}
	c->mask = n - 1;
	c->max = max;
	pthread_mutex_init(&c->lock, NULL);
	TAILQ_INIT(&c->idle);
	b->fds = c;
	return 0;
}

void base_fds_free(struct base *b)
{
	if (!b->fds)
		return;
	pthread_mutex_destroy(&b->fds->lock);
	free(b->fds->buckets);
	free(b->fds);
	b->fds = NULL;
}

static struct base_fd **fds_bucket(struct base_fds *c, const struct base_dir *d, uint16_t layer)
{
	return &c->buckets[(d->hash ^ (uint64_t)layer * UINT64_C(0x9e3779b97f4a7c15)) >> 7 & c->mask];
}

static struct base_fd *fds_find_locked(struct base_fds *c, const struct base_dir *d, uint16_t layer)
{
	struct base_fd *f = *fds_bucket(c, d, layer);

	while (f && (f->dir != d || f->layer != layer))
		f = f->next;
	return f;
}

static struct base_fd *fds_use_locked(struct base_fds *c, struct base_fd *f)
{
	if (f && f->uses++ == 0)
		TAILQ_REMOVE(&c->idle, f, recent);
	return f;
}

/* Takes an idle one out of everything. The caller closes and frees it. */
static void fds_unlink_locked(struct base_fds *c, struct base_fd *f)
{
	struct base_fd **at = fds_bucket(c, f->dir, f->layer);

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	for (at = &f->dir->fds; *at != f; at = &(*at)->sibling)
		;
	*at = f->sibling;
	TAILQ_REMOVE(&c->idle, f, recent);
	c->count--;
}

static void fds_destroy(struct base_fd *f)
{
	if (!f)
		return;
	close(f->fd);
	free(f);
}

/* The one to close, taken out, when there are too many; or NULL. */
static struct base_fd *fds_surplus_locked(struct base_fds *c)
{
	struct base_fd *f = c->count > c->max ? TAILQ_FIRST(&c->idle) : NULL;

	if (f)
		fds_unlink_locked(c, f);
	return f;
}

struct base_fd *base_fds_get(struct base *b, struct base_dir *d, uint16_t layer)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&b->fds->lock);

	(void)held;
	return fds_use_locked(b->fds, fds_find_locked(b->fds, d, layer));
}

static struct base_fd *fds_insert(struct base_fds *c, struct base_fd *made, struct base_fd **surplus)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&c->lock);
	struct base_fd *there = fds_find_locked(c, made->dir, made->layer);
	struct base_fd **bucket = fds_bucket(c, made->dir, made->layer);

	(void)held;
	if (there)
		return fds_use_locked(c, there);
	made->next = *bucket;
	*bucket = made;
	made->sibling = made->dir->fds;
	made->dir->fds = made;
	c->count++;
	*surplus = fds_surplus_locked(c);
	return made;
}

struct base_fd *base_fds_add(struct base *b, struct base_dir *d, uint16_t layer, int fd)
{
	struct base_fd *made = malloc(sizeof(*made));
	struct base_fd *surplus = NULL, *got;

	if (!made) {
		close(fd);
		return NULL;
	}
	*made = (struct base_fd){.dir = d, .fd = fd, .layer = layer, .uses = 1};
	got = fds_insert(b->fds, made, &surplus);
	if (got != made)
		fds_destroy(made);
	fds_destroy(surplus);
	return got;
}

static struct base_fd *fds_release(struct base_fds *c, struct base_fd *f)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&c->lock);

	(void)held;
	if (--f->uses == 0)
		TAILQ_INSERT_TAIL(&c->idle, f, recent);
	return fds_surplus_locked(c);
}

void base_fds_put(struct base *b, struct base_fd *f)
{
	if (f)
		fds_destroy(fds_release(b->fds, f));
}

int base_fd_number(const struct base_fd *f)
{
	return f->fd;
}

static struct base_fd *fds_take_one(struct base_fds *c, struct base_dir *d)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&c->lock);
	struct base_fd *f = d->fds;

	(void)held;
	if (f)
		fds_unlink_locked(c, f);
	return f;
}

void base_fds_forget(struct base *b, struct base_dir *d)
{
	struct base_fd *f;

	while ((f = fds_take_one(b->fds, d)))
		fds_destroy(f);
}
