// SPDX-License-Identifier: Apache-2.0
#include "overlay/file.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "overlay/extents.h"
#include "overlay/tree.h"

#define FILES_MAX 512u
#define FILES_MIN 64u
#define FILES_TOTAL 1024u  /* of the process: it stays below whatever a client does */
#define FILES_OTHERS 384u  /* directories of the lowers, index, sockets, threads */
#define FILES_EVICT 8u       /* at most so many files go at once */

/* ---- life ---- */

static void file_close(struct ovl_tree *t, atomic_int *fd)
{
	int old = atomic_exchange(fd, -1);

	if (old < 0)
		return;
	close(old);
	atomic_fetch_sub(&t->files->open, 1);
}

static void file_free(struct ovl_tree *t, struct ovl_file *f)
{
	if (!f)
		return;
	file_close(t, &f->fd);
	for (size_t i = 0; i < f->nlevels; i++) {
		file_close(t, &f->levels[i].fd);
		ovl_extents_free(f->levels[i].extents);
	}
	free(f->levels);
	free(f);
}

/* Which row the node has now. */
static void file_key(struct ovl_node *n, struct ovl_file *key)
{
	const struct ovl_own *own = ovl_own(n);

	key->home = own ? own->home->id : 0;
	key->data = own ? own->data : 0;
	key->source = own ? own->source : 0;
}

static int file_new(struct ovl_tree *t, struct ovl_node *n, bool below, struct ovl_file **out)
{
	struct ovl_file *f = calloc(1, sizeof(*f));
	int r = 0;

	if (!f)
		return -ENOMEM;
	f->node = n;
	atomic_init(&f->fd, -1);
	file_key(n, f);
	if (below)
		r = ovl_file_resolve(t, n, f);
	if (r) {
		file_free(t, f);
		return r;
	}
	*out = f;
	return 0;
}

static bool file_matches(const struct ovl_file *f, struct ovl_node *n, bool below)
{
	struct ovl_file key;

	file_key(n, &key);
	return f->home == key.home && f->data == key.data && f->source == key.source && (f->below || !below);
}

/* Takes f away from its node. Returns it when it can be freed now. files->lock held. */
static struct ovl_file *file_detach_locked(struct ovl_tree *t, struct ovl_file *f)
{
	TAILQ_REMOVE(&t->files->list, f, link);
	f->node->file = NULL;
	f->node = NULL;
	f->refs -= f->maps;
	f->maps = 0;
	return f->refs ? NULL : f;
}

/* Picks files that were not used since the last look; each gets a second chance. files->lock held. */
static size_t file_evict_locked(struct ovl_tree *t, struct ovl_file **gone)
{
	struct ovl_files *files = t->files;
	unsigned open = atomic_load(&files->open);
	size_t n = 0;

	for (unsigned looks = 2 * FILES_MAX; looks && n < FILES_EVICT && open > files->limit; looks--) {
		struct ovl_file *f = TAILQ_LAST(&files->list, ovl_file_list);

		if (!f)
			break;
		if (!f->used && !f->refs) {
			open -= atomic_load(&f->fd) >= 0;
			for (size_t i = 0; i < f->nlevels; i++)
				open -= atomic_load(&f->levels[i].fd) >= 0;
			gone[n++] = file_detach_locked(t, f);
			continue;
		}
		f->used = false;
		TAILQ_REMOVE(&files->list, f, link);
		TAILQ_INSERT_HEAD(&files->list, f, link);
	}
	return n;
}

static void file_evict(struct ovl_tree *t)
{
	struct ovl_file *gone[FILES_EVICT];
	size_t n;

	if (atomic_load_explicit(&t->files->open, memory_order_relaxed) <= t->files->limit)
		return;
	pthread_mutex_lock(&t->files->lock);
	n = file_evict_locked(t, gone);
	pthread_mutex_unlock(&t->files->lock);
	while (n)
		file_free(t, gone[--n]);
}

/* ---- get and put ---- */

/* The node's file if it suits; *old is one that does not and can be freed. */
static struct ovl_file *file_find(struct ovl_tree *t, struct ovl_node *n, bool below, struct ovl_file **old)
{
	struct ovl_file *f;

	*old = NULL;
	pthread_mutex_lock(&t->files->lock);
	f = n->file;
	if (f && file_matches(f, n, below)) {
		f->refs++;
		f->used = true;
	} else if (f) {
		*old = file_detach_locked(t, f);
		f = NULL;
	}
	pthread_mutex_unlock(&t->files->lock);
	return f;
}

/* Makes f the node's, unless another thread was quicker: then that one is used. */
static struct ovl_file *file_install(struct ovl_tree *t, struct ovl_node *n, bool below, struct ovl_file *f)
{
	struct ovl_file *other, *old = NULL;

	pthread_mutex_lock(&t->files->lock);
	other = n->file;
	if (other && !file_matches(other, n, below)) {
		old = file_detach_locked(t, other);
		other = NULL;
	}
	if (!other) {
		n->file = other = f;
		TAILQ_INSERT_HEAD(&t->files->list, f, link);
		f = NULL;
	}
	other->refs++;
	other->used = true;
	pthread_mutex_unlock(&t->files->lock);
	file_free(t, f);
	file_free(t, old);
	return other;
}

int ovl_file_get(struct ovl_tree *t, struct ovl_node *n, bool below, struct ovl_file **out)
{
	struct ovl_file *old, *f = file_find(t, n, below, &old);
	int r;

	if (f) {
		*out = f;
		return 0;
	}
	file_free(t, old);
	r = file_new(t, n, below, &f);
	if (r)
		return r;
	*out = file_install(t, n, below, f);
	return 0;
}

void ovl_file_put(struct ovl_tree *t, struct ovl_file *f)
{
	bool last;

	if (!f)
		return;
	pthread_mutex_lock(&t->files->lock);
	last = --f->refs == 0 && !f->node;
	pthread_mutex_unlock(&t->files->lock);
	if (last)
		file_free(t, f);
	else
		file_evict(t);
}

void ovl_file_drop(struct ovl_tree *t, struct ovl_node *n)
{
	struct ovl_file *f;

	pthread_mutex_lock(&t->files->lock);
	f = n->file ? file_detach_locked(t, n->file) : NULL;
	pthread_mutex_unlock(&t->files->lock);
	file_free(t, f);
}

void ovl_files_forget_sealed(struct ovl_tree *t)
{
	struct ovl_file *f, *next;

	pthread_mutex_lock(&t->files->lock);
	for (f = TAILQ_FIRST(&t->files->list); f; f = next) {
		next = TAILQ_NEXT(f, link);
		if (f->home || f->nlevels)
			file_free(t, file_detach_locked(t, f));
	}
	pthread_mutex_unlock(&t->files->lock);
}

/* ---- descriptors ---- */

/* A FULL file's length is node->size; after a power cut the host's may be what was not flushed. */
static int file_fit(struct ovl_tree *t, struct ovl_node *n, int fd)
{
	const struct ovl_own *own = ovl_own(n);
	struct stat st;

	if (own->state != STORE_FULL || own->home->id || t->readonly || store_readonly(t->store))
		return 0;
	if (fstat(fd, &st))
		return -errno;
	if ((uint64_t)st.st_size == n->size)
		return 0;
	return ftruncate(fd, (off_t)n->size) ? -errno : 0;
}

int ovl_file_own_fd(struct ovl_tree *t, struct ovl_node *n, struct ovl_file *f)
{
	int fd = atomic_load_explicit(&f->fd, memory_order_acquire);
	int r;

	if (fd >= 0)
		return fd;
	fd = store_data_open(t->store, f->home, f->data);
	if (fd < 0)
		return fd == -ENOENT ? -EIO : fd;
	r = file_fit(t, n, fd);
	if (r) {
		close(fd);
		return r;
	}
	return ovl_file_publish(t, &f->fd, fd);
}

void ovl_file_adopt(struct ovl_tree *t, struct ovl_file *f, uint64_t data, int fd)
{
	file_close(t, &f->fd);
	pthread_mutex_lock(&t->files->lock);
	f->data = data;
	pthread_mutex_unlock(&t->files->lock);
	ovl_file_publish(t, &f->fd, fd);
}

/* ---- mappings ---- */

void ovl_file_map(struct ovl_tree *t, struct ovl_file *f, bool writable)
{
	pthread_mutex_lock(&t->files->lock);
	f->refs++;
	f->maps++;
	f->map_written = f->map_written || writable;
	pthread_mutex_unlock(&t->files->lock);
}

void ovl_file_unmap(struct ovl_tree *t, struct ovl_node *n)
{
	pthread_mutex_lock(&t->files->lock);
	if (n->file && n->file->maps) {
		n->file->maps--;
		n->file->refs--;
		n->file->map_written = n->file->map_written && n->file->maps;
	}
	pthread_mutex_unlock(&t->files->lock);
}

bool ovl_file_mapped(struct ovl_tree *t, struct ovl_node *n)
{
	bool mapped;

	pthread_mutex_lock(&t->files->lock);
	mapped = n->file && n->file->maps;
	pthread_mutex_unlock(&t->files->lock);
	return mapped;
}

bool ovl_files_map_written(struct ovl_tree *t)
{
	struct ovl_file *f;

	pthread_mutex_lock(&t->files->lock);
	TAILQ_FOREACH(f, &t->files->list, link)
		if (f->map_written && !f->home)
			break;
	pthread_mutex_unlock(&t->files->lock);
	return f;
}

/* ---- the cache ---- */

/* What the process may have, less what the lowers (a descriptor each) and the rest take. */
static unsigned files_limit(size_t layers)
{
	struct rlimit rl;
	size_t total = FILES_TOTAL, taken = layers + FILES_OTHERS;

	if (!getrlimit(RLIMIT_NOFILE, &rl) && rl.rlim_cur < total)
		total = rl.rlim_cur;
	if (total < taken + FILES_MIN)
		return FILES_MIN;
	return total - taken < FILES_MAX ? (unsigned)(total - taken) : FILES_MAX;
}

int ovl_files_new(struct ovl_tree *t)
{
	struct ovl_files *files = calloc(1, sizeof(*files));

	if (!files)
		return -ENOMEM;
	pthread_mutex_init(&files->lock, NULL);
	TAILQ_INIT(&files->list);
	files->limit = files_limit(t->base ? base_layers(t->base) : 0);
	t->files = files;
	return 0;
}

void ovl_files_free(struct ovl_tree *t)
{
	struct ovl_file *f;

	if (!t->files)
		return;
	while ((f = TAILQ_FIRST(&t->files->list))) {
		file_detach_locked(t, f);
		file_free(t, f);
	}
	pthread_mutex_destroy(&t->files->lock);
	free(t->files);
	t->files = NULL;
}

uint64_t ovl_files_open(struct ovl_tree *t)
{
	return t->files ? atomic_load(&t->files->open) : 0;
}
