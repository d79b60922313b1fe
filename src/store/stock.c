// SPDX-License-Identifier: Apache-2.0
#include "store/stock.h"

#include "store/data.h"
#include "store/head.h"
#include "store/sqlerr.h"
#include "store/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void stock_init(struct stock *k)
{
	memset(k, 0, sizeof(*k));
	pthread_mutex_init(&k->names, NULL);
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->wake, NULL);
	pthread_cond_init(&k->idle, NULL);
}

void stock_fini(struct stock *k)
{
	free(k->dead);
	free(k->rows);
	pthread_mutex_destroy(&k->names);
	pthread_mutex_destroy(&k->lock);
	pthread_cond_destroy(&k->wake);
	pthread_cond_destroy(&k->idle);
}

/* ---- names of new files ---- */

static void stock_made_locked(struct stock *k, uint64_t number)
{
	if (k->made_low == k->made_high)
		k->made_low = k->made_high = number;
	if (number < k->made_low)
		k->made_low = number;
	if (number >= k->made_high)
		k->made_high = number + 1;
}

void stock_made(struct store *s, uint64_t number)
{
	pthread_mutex_lock(&s->stock.lock);
	stock_made_locked(&s->stock, number);
	pthread_mutex_unlock(&s->stock.lock);
}

/*
 * A flush behind: whoever got a lower number before the flush may have made its file
 * only after it.
 */
static void stock_named_now(struct stock *k, uint64_t high)
{
	pthread_mutex_lock(&k->lock);
	k->named[0] = k->named[1];
	if (high > k->named[1])
		k->named[1] = high;
	pthread_mutex_unlock(&k->lock);
}

uint64_t stock_named(struct store *s)
{
	uint64_t named;

	pthread_mutex_lock(&s->stock.lock);
	named = s->stock.named[0];
	pthread_mutex_unlock(&s->stock.lock);
	return named;
}

void stock_all_named(struct store *s)
{
	pthread_mutex_lock(&s->stock.lock);
	s->stock.named[0] = s->stock.named[1] = s->datas.next;
	pthread_mutex_unlock(&s->stock.lock);
}

int stock_flush_names(struct store *s)
{
	struct stock *k = &s->stock;
	uint64_t low, high, made;
	int rc = 0;

	pthread_mutex_lock(&k->names);
	pthread_mutex_lock(&k->lock);
	made = k->made_high;
	low = k->made_low / DATA_PER_DIR;
	high = (k->made_high + DATA_PER_DIR - 1) / DATA_PER_DIR;
	if (k->made_low == k->made_high)
		low = high;
	k->made_low = k->made_high = 0;
	pthread_mutex_unlock(&k->lock);
	for (uint64_t dir = low; !rc && dir < high; dir++)
		rc = data_flush_dir(s->order[0].datafd, dir);
	if (!rc)
		stock_named_now(k, made);
	pthread_mutex_unlock(&k->names);
	return rc;
}

/* ---- the thread ---- */

/* Makes files until the stock is as large as wanted. Lock held, dropped while making one. */
static void stock_fill_locked(struct store *s)
{
	struct stock *k = &s->stock;

	while (k->nfiles < k->want && !k->stop) {
		struct stock_file f;

		pthread_mutex_unlock(&k->lock);
		f.number = numbers_next(s, &s->datas);
		f.fd = f.number ? data_create(s->order[0].datafd, f.number) : -ENOSPC;
		pthread_mutex_lock(&k->lock);
		if (f.fd < 0) {
			k->want = 0; /* whoever needs one makes it, and gets the error */
			return;
		}
		stock_made_locked(k, f.number);
		k->files[k->nfiles++] = f;
	}
}

static void stock_remove_locked(struct store *s)
{
	struct stock *k = &s->stock;
	uint64_t *dead = k->dead;
	size_t n = k->ndead;

	k->dead = NULL;
	k->ndead = k->cap_dead = 0;
	k->removing = true;
	pthread_mutex_unlock(&k->lock);
	for (size_t i = 0; i < n; i++)
		data_unlink(s->order[0].datafd, dead[i]);
	free(dead);
	pthread_mutex_lock(&k->lock);
	k->removing = false;
	pthread_cond_broadcast(&k->idle);
}

struct stock_sweep {
	struct store *s;
	uint64_t below;
	bool stops; /* when the thread is to */
};

static int stock_named_add(struct stock *k, uint64_t number)
{
	if (k->nrows == k->cap_rows) {
		size_t cap = k->cap_rows ? k->cap_rows * 2 : 1024;
		uint64_t *p = realloc(k->rows, cap * sizeof(*p));

		if (!p)
			return -ENOMEM;
		k->rows = p;
		k->cap_rows = cap;
	}
	k->rows[k->nrows++] = number;
	return 0;
}

/*
 * The data files that rows name at opening. Those of files that lose their rows later are
 * in use, or handed over for removal: neither is a stray.
 */
static int stock_rows_collect(struct store *s)
{
	struct delta *head = &s->order[0];
	struct reader_conn conn;
	sqlite3_stmt *st = NULL;
	int rc = reader_get(head->reader, &conn);

	if (rc)
		return rc;
	rc = schema_prepare(conn.db, "SELECT data FROM inode WHERE data > 0", &st);
	while (!rc && (rc = sqlite3_step(st)) == SQLITE_ROW)
		rc = stock_named_add(&s->stock, (uint64_t)sqlite3_column_int64(st, 0));
	if (rc == SQLITE_DONE)
		rc = 0;
	sqlite3_finalize(st);
	reader_put(head->reader, &conn);
	return rc;
}

static void stock_rows_free(struct stock *k)
{
	free(k->rows);
	k->rows = NULL;
	k->nrows = k->cap_rows = 0;
}

static int stock_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int stock_sweep_one(void *arg, uint64_t number)
{
	struct stock_sweep *w = arg;
	struct stock *k = &w->s->stock;

	if (w->stops && __atomic_load_n(&k->stop, __ATOMIC_RELAXED))
		return 1;
	if (number < w->below && !(k->nrows && bsearch(&number, k->rows, k->nrows, sizeof(number), stock_compare)))
		data_unlink(w->s->order[0].datafd, number);
	return 0;
}

/*
 * A row that names a number below `below` cannot appear later: such numbers were
 * handed out before this opening, and the journal was replayed before the sweep.
 */
static void stock_sweep_run(struct store *s, uint64_t below, bool stops)
{
	struct stock_sweep w = { .s = s, .below = below, .stops = stops };

	if (s->stock.nrows)
		qsort(s->stock.rows, s->stock.nrows, sizeof(*s->stock.rows), stock_compare);
	data_walk(s->order[0].datafd, stock_sweep_one, &w);
}

static void *stock_main(void *arg)
{
	struct store *s = arg;
	struct stock *k = &s->stock;

	pthread_mutex_lock(&k->lock);
	while (!k->stop || k->ndead) {
		uint64_t below = k->sweep_below;

		if (k->nfiles < k->want && !k->stop) {
			stock_fill_locked(s);
		} else if (k->ndead) {
			stock_remove_locked(s);
		} else if (k->trash && !k->stop) {
			k->trash = false;
			pthread_mutex_unlock(&k->lock);
			head_remove_tree(s->dirfd, "trash");
			pthread_mutex_lock(&k->lock);
		} else if (below && !k->stop) {
			pthread_mutex_unlock(&k->lock);
			stock_sweep_run(s, below, true);
			pthread_mutex_lock(&k->lock);
			if (!k->stop) { /* else it may have been cut short */
				k->sweep_below = 0;
				stock_rows_free(k);
			}
		} else {
			k->busy = false;
			pthread_cond_broadcast(&k->idle);
			pthread_cond_wait(&k->wake, &k->lock);
			k->busy = true;
		}
	}
	k->busy = false;
	pthread_cond_broadcast(&k->idle);
	pthread_mutex_unlock(&k->lock);
	return NULL;
}

int stock_start(struct store *s)
{
	int rc;

	s->stock.busy = true;
	__atomic_store_n(&s->stock.stop, false, __ATOMIC_RELAXED);
	rc = pthread_create(&s->stock.thread, NULL, stock_main, s);
	s->stock.started = !rc;
	return -rc;
}

void stock_stop(struct store *s)
{
	struct stock *k = &s->stock;

	if (!k->started) {
		stock_remove_now(s);
		return;
	}
	pthread_mutex_lock(&k->lock);
	__atomic_store_n(&k->stop, true, __ATOMIC_RELAXED);
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->lock);
	pthread_join(k->thread, NULL);
	k->started = false;
	while (k->nfiles) {
		k->nfiles--;
		close(k->files[k->nfiles].fd);
		data_unlink(s->order[0].datafd, k->files[k->nfiles].number);
	}
}

void stock_remove(struct store *s, const uint64_t *numbers, size_t n)
{
	struct stock *k = &s->stock;
	uint64_t *p;

	if (!n)
		return;
	pthread_mutex_lock(&k->lock);
	if (k->ndead + n > k->cap_dead) {
		size_t cap = (k->ndead + n) * 2;

		p = realloc(k->dead, cap * sizeof(*p));
		if (p) {
			k->dead = p;
			k->cap_dead = cap;
		}
	}
	if (k->ndead + n <= k->cap_dead) {
		memcpy(k->dead + k->ndead, numbers, n * sizeof(*numbers));
		k->ndead += n;
	}
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->lock);
}

bool stock_remove_now(struct store *s)
{
	struct stock *k = &s->stock;
	bool some = false;

	pthread_mutex_lock(&k->lock);
	while (k->removing || k->ndead) {
		some = true;
		if (k->removing)
			pthread_cond_wait(&k->idle, &k->lock);
		else
			stock_remove_locked(s);
	}
	pthread_mutex_unlock(&k->lock);
	return some;
}

void stock_settle(struct store *s)
{
	uint64_t below = s->stock.sweep_below;

	s->stock.sweep_below = 0;
	stock_remove_now(s);
	if (below)
		stock_sweep_run(s, below, false);
	stock_rows_free(&s->stock);
}

void stock_drain(struct store *s)
{
	struct stock *k = &s->stock;

	pthread_mutex_lock(&k->lock);
	while (k->started && (k->ndead || k->busy))
		pthread_cond_wait(&k->idle, &k->lock);
	pthread_mutex_unlock(&k->lock);
}

void stock_empty_trash(struct store *s)
{
	pthread_mutex_lock(&s->stock.lock);
	s->stock.trash = true;
	pthread_cond_signal(&s->stock.wake);
	pthread_mutex_unlock(&s->stock.lock);
}

void stock_sweep(struct store *s, uint64_t below)
{
	if (stock_rows_collect(s)) {
		stock_rows_free(&s->stock);
		return;
	}
	pthread_mutex_lock(&s->stock.lock);
	s->stock.sweep_below = below;
	pthread_cond_signal(&s->stock.wake);
	pthread_mutex_unlock(&s->stock.lock);
}

/* ---- the face ---- */

/* Takes one from the stock and lets it grow while it is used up faster than filled. */
static bool stock_take(struct stock *k, struct stock_file *f)
{
	bool taken = false;

	pthread_mutex_lock(&k->lock);
	if (k->nfiles) {
		*f = k->files[--k->nfiles];
		taken = true;
	}
	if (k->nfiles <= k->want / 2) {
		if (!taken)
			k->want = k->want ? k->want * 2 : 8;
		if (k->want > STOCK_MAX)
			k->want = STOCK_MAX;
		if (!k->busy)
			pthread_cond_signal(&k->wake);
	}
	pthread_mutex_unlock(&k->lock);
	return taken;
}

static int stock_make(struct store *s, struct stock_file *f)
{
	f->number = numbers_next(s, &s->datas);
	if (!f->number)
		return store_failed(s) ? -EROFS : -ENOSPC;
	f->fd = data_create(s->order[0].datafd, f->number);
	if (f->fd < 0)
		return f->fd;
	stock_made(s, f->number);
	return 0;
}

int store_data_new(struct store *s, uint64_t *number, int *fd)
{
	struct stock_file f;

	if (s->readonly)
		return -EROFS;
	if (store_failed(s))
		return -EROFS;
	if (!stock_take(&s->stock, &f)) {
		int rc = stock_make(s, &f);

		if (store_no_space(rc) && store_make_room(s))
			rc = stock_make(s, &f);
		if (rc)
			return rc;
	}
	*number = f.number;
	*fd = f.fd;
	return 0;
}

void store_data_abandon(struct store *s, uint64_t number)
{
	stock_remove(s, &number, 1);
}

int store_data_open(struct store *s, uint64_t delta, uint64_t number)
{
	bool write = !delta && s->has_head && !s->readonly;
	struct delta *d = store_delta(s, delta);

	return d ? data_open(d->datafd, number, write ? O_RDWR : O_RDONLY) : -ENOENT;
}
