// SPDX-License-Identifier: Apache-2.0
/* Opening and closing a store: the upper, the deltas below it, and the threads. */
#include "store/head.h"
#include "store/state.h"

#include "store/fault.h"
#include "store/refs.h"
#include "store/sqlerr.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/scope.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_BLOCK 65536 /* numbers reserved at a time (I2) */

/* ---- deltas ---- */

int index_uuid(sqlite3 *db, const char *key, uint8_t uuid[16])
{
	vn_autofree char *text = NULL;
	int rc = meta_get_text(db, key, &text);

	if (rc)
		return rc == -ENOENT ? -EUCLEAN : rc;
	return layout_uuid_parse(text, uuid);
}

int index_error(int rc, const char *path, struct vn_err *err)
{
	if (rc == -EUCLEAN)
		return vn_err_set(err, rc, "%s/index.db is damaged or no veneer index; `veneer check` tells more", path);
	return vn_err_sys(err, rc, "cannot read %s/index.db", path);
}

int index_check_format(sqlite3 *db, const char *path, struct vn_err *err)
{
	int format = 0;
	int rc = schema_format(db, &format);

	if (rc || format < 1)
		return index_error(rc ? rc : -EUCLEAN, path, err);
	if (format > SCHEMA_FORMAT)
		return vn_err_set(err, -EPROTONOSUPPORT,
				  "%s/index.db has format %d, this version knows %d; use a newer veneer", path, format,
				  SCHEMA_FORMAT);
	return 0;
}

/* What a delta's own index says of itself. */
static int open_delta_meta(struct delta *d, struct vn_err *err)
{
	struct reader_conn conn;
	uint8_t uuid[16];
	int rc = reader_get(d->reader, &conn);

	if (rc)
		return index_error(rc, d->path, err);
	rc = index_check_format(conn.db, d->path, err);
	if (!rc) {
		rc = index_uuid(conn.db, "uuid", uuid);
		if (!rc)
			rc = meta_get(conn.db, "applied", &d->applied);
		if (!rc)
			rc = meta_get(conn.db, "next_ino", &d->next_ino);
		if (rc)
			vn_err_set(err, -EUCLEAN, "%s/index.db lacks its identity; it is damaged", d->path);
	}
	if (!rc)
		d->id = layout_delta_id(uuid);
	reader_put(d->reader, &conn);
	return rc;
}

/* An entry without meaning yet at the end of the order. Takes over path and lockfd. */
static int open_append(struct store *s, char *path, enum schema_mode mode, int lockfd)
{
	struct delta *order = path ? realloc(s->order, (s->norder + 1) * sizeof(*order)) : NULL;
	struct delta *d;

	if (!order) {
		free(path);
		if (lockfd >= 0)
			close(lockfd);
		return -ENOMEM;
	}
	s->order = order;
	d = &order[s->norder++];
	memset(d, 0, sizeof(*d));
	d->path = path;
	d->lockfd = lockfd;
	d->datafd = -1;
	d->reader = reader_new(path, mode);
	return d->reader ? 0 : -ENOMEM;
}

int store_add_delta(struct store *s, char *path, enum schema_mode mode, int lockfd, struct vn_err *err)
{
	int rc = open_append(s, path, mode, lockfd);
	struct delta *d;
	char data[PATH_MAX];

	if (rc)
		return rc;
	d = &s->order[s->norder - 1];
	snprintf(data, sizeof(data), "%s/data", path);
	d->datafd = open(data, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d->datafd < 0)
		return vn_err_sys(err, -errno, "cannot open %s", data);
	return open_delta_meta(d, err);
}

struct delta *store_delta(struct store *s, uint64_t id)
{
	if (!id)
		return s->has_head ? &s->order[0] : NULL;
	/* An alias leads to what was newer then, so following them ends. */
	for (size_t i = 0; i < s->naliases; i++) {
		if (s->aliases[i].from == id)
			id = s->aliases[i].to;
	}
	for (size_t i = s->has_head; i < s->norder; i++) {
		if (s->order[i].id == id)
			return &s->order[i];
	}
	return NULL;
}

int store_add_alias(struct store *s, uint64_t from, uint64_t to)
{
	struct chain_alias *a = realloc(s->aliases, (s->naliases + 1) * sizeof(*a));

	if (!a)
		return -ENOMEM;
	s->aliases = a;
	a[s->naliases++] = (struct chain_alias){ from, to };
	return 0;
}

void delta_fini(struct delta *d)
{
	reader_free(d->reader);
	if (d->datafd >= 0)
		close(d->datafd);
	if (d->lockfd >= 0)
		close(d->lockfd);
	free(d->path);
}

static int open_threads(struct store *s, struct vn_err *err)
{
	int rc = applier_start(s);

	if (!rc)
		rc = stock_start(s);
	if (!rc && faccessat(s->dirfd, "trash", F_OK, 0) == 0)
		stock_empty_trash(s);
	if (!rc && (!s->clean_start || s->reborn))
		stock_sweep(s, s->datas.next);
	return rc ? vn_err_sys(err, rc, "cannot start the store's threads") : 0;
}

/* The head stands in front of the deltas that were opened before it. */
static int open_head_slot(struct store *s, enum schema_mode mode)
{
	struct delta head;
	int rc = open_append(s, strdup(s->path), mode, -1);

	if (rc)
		return rc;
	head = s->order[s->norder - 1];
	memmove(s->order + 1, s->order, (s->norder - 1) * sizeof(*s->order));
	s->order[0] = head;
	reader_keep(head.reader);
	s->has_head = true;
	return 0;
}

/* Its own sealed deltas come behind the head and before its parents. */
static int open_chain(struct store *s, size_t nparents, struct vn_err *err)
{
	size_t before = s->norder, added;
	struct delta *moved;
	int rc = chain_load(s, s->path, err);

	added = s->norder - before;
	if (rc || !added || !nparents)
		return rc;
	moved = malloc(added * sizeof(*moved));
	if (!moved)
		return -ENOMEM;
	memcpy(moved, s->order + before, added * sizeof(*moved));
	memmove(s->order + 1 + added, s->order + 1, (before - 1) * sizeof(*moved));
	memcpy(s->order + 1, moved, added * sizeof(*moved));
	free(moved);
	return 0;
}

static int open_write(struct store *s, const struct store_config *config, struct vn_err *err)
{
	size_t *at = s->parents;
	int rc = layout_open(s, config, err);

	if (!rc)
		rc = layout_lock(s, config, err);
	if (!rc)
		rc = head_recover(s->dirfd, s->path, err);
	if (!rc)
		rc = parents_open(s, config, at, err);
	if (!rc)
		rc = open_head_slot(s, SCHEMA_READ);
	for (size_t i = 0; i < config->nparents; i++)
		at[i]++; /* the head came in front */
	s->ballast = reserve_is_there(s);
	if (!rc)
		rc = upper_open_head(s, config, at, err);
	if (!rc)
		rc = open_chain(s, config->nparents, err);
	if (!rc)
		rc = recover_head(s, err);
	if (!rc)
		rc = open_threads(s, err);
	if (!rc)
		refs_renew(s);
	return rc;
}

/*
 * How to read an upper: at rest with a shared lock (*lockfd), or, where `shared`
 * allows it and a server has it, beside that server.
 */
static int open_read_mode(struct store *s, const struct store_config *config, int *lockfd, enum schema_mode *mode,
			  struct vn_err *err)
{
	*mode = SCHEMA_IMMUTABLE;
	*lockfd = upper_rest(s->path, config->shared ? 1 : config->lock_wait_ms, err);
	if (*lockfd >= 0)
		return 0;
	if (!config->shared || *lockfd != -EBUSY)
		return *lockfd;
	*lockfd = -1;
	*mode = SCHEMA_READ;
	return 0;
}

/* Only what is sealed, from the snapshot of that name on. */
static int open_snapshot(struct store *s, const char *name, struct vn_err *err)
{
	size_t place = 1;

	while (place < s->norder && strcmp(s->order[place].name, name))
		place++;
	if (place == s->norder)
		return vn_err_set(err, -ENOENT, "%s has no snapshot named %s; `veneer log` lists them", s->path, name);
	s->order[place].lockfd = s->order[0].lockfd; /* the upper stays locked */
	s->order[0].lockfd = -1;
	for (size_t i = 0; i < place; i++)
		delta_fini(&s->order[i]);
	memmove(s->order, s->order + place, (s->norder - place) * sizeof(*s->order));
	s->norder -= place;
	s->has_head = false;
	s->at_snapshot = true;
	return 0;
}

static int open_read(struct store *s, const struct store_config *config, struct vn_err *err)
{
	size_t *at = s->parents;
	vn_autofree char *recorded = NULL;
	enum schema_mode mode;
	int lockfd, rc = layout_open(s, config, err);

	if (!rc)
		rc = open_read_mode(s, config, &lockfd, &mode, err);
	if (rc)
		return rc;
	rc = store_add_delta(s, strdup(s->path), mode, lockfd, err);
	if (rc)
		return rc;
	s->has_head = true;
	rc = chain_load(s, s->path, err);
	if (!rc && config->snapshot)
		rc = open_snapshot(s, config->snapshot, err);
	if (!rc)
		rc = parents_open(s, config, at, err);
	if (!rc && (config->nparents || config->snapshot)) {
		rc = delta_meta_text(&s->order[0], "parents", &recorded);
		rc = parents_match(s, s->path, rc ? "" : recorded, at, config->nparents, err);
	}
	return rc;
}

static struct store *open_alloc(const struct store_config *config)
{
	struct store *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->parents = calloc(config->nparents + 1, sizeof(*s->parents));
	if (!s->parents) {
		free(s);
		return NULL;
	}
	s->dirfd = s->lockfd = -1;
	s->readonly = config->readonly || !config->upper;
	s->shared = config->shared;
	s->is_volatile = config->is_volatile;
	s->commit_s = config->commit_s ? config->commit_s : 5;
	s->inos = (struct numbers){ .block = OPEN_BLOCK, .key = "next_ino" };
	s->datas = (struct numbers){ .block = OPEN_BLOCK, .key = "next_data" };
	ring_init(&s->ring);
	stock_init(&s->stock);
	batch_init(&s->applier.batch);
	pthread_mutex_init(&s->write_lock, NULL);
	pthread_mutex_init(&s->state_lock, NULL);
	pthread_mutex_init(&s->applier.lock, NULL);
	vn_cond_init(&s->applier.wake);
	pthread_cond_init(&s->applier.done, NULL);
	return s;
}

static void open_free(struct store *s)
{
	for (size_t i = 0; i < s->norder; i++)
		delta_fini(&s->order[i]);
	free(s->order);
	ring_fini(&s->ring);
	stock_fini(&s->stock);
	batch_fini(&s->applier.batch);
	free(s->applier.buf);
	free(s->applier.dead);
	free(s->parents);
	free(s->aliases);
	layout_undo(s);
	layout_unlock(s);
	if (s->dirfd >= 0)
		close(s->dirfd);
	free(s->path);
	pthread_mutex_destroy(&s->write_lock);
	pthread_mutex_destroy(&s->state_lock);
	pthread_mutex_destroy(&s->applier.lock);
	pthread_cond_destroy(&s->applier.wake);
	pthread_cond_destroy(&s->applier.done);
	free(s);
}

static int open_once(const struct store_config *config, struct store **out, struct vn_err *err)
{
	struct store *s = open_alloc(config);
	int rc;

	if (!s)
		return -ENOMEM;
	fault_from_environment();
	if (!config->upper)
		rc = parents_open(s, config, s->parents, err);
	else if (config->readonly)
		rc = open_read(s, config, err);
	else
		rc = open_write(s, config, err);
	if (rc) {
		store_close(s);
		return rc;
	}
	s->made = s->making;
	s->making = s->made_dir = false;
	*out = s;
	return 0;
}

/* Beside a server the chain may change between its reading and that of its deltas. */
int store_open(const struct store_config *config, struct store **out, struct vn_err *err)
{
	int rc = open_once(config, out, err);

	for (int i = 0; i < 5 && rc == -ESTALE && config->shared; i++)
		rc = open_once(config, out, err);
	return rc;
}

/* ---- close ---- */

static int close_mark_clean(struct store *s)
{
	struct writer *w = &s->writer;
	int rc = writer_begin(w);

	if (!rc)
		rc = writer_meta(w, "clean", 1);
	if (!rc)
		rc = writer_meta(w, "volatile", 0);
	if (!rc)
		rc = writer_meta(w, s->inos.key, s->inos.next < s->inos.limit ? s->inos.next : s->inos.limit);
	if (!rc)
		rc = writer_meta(w, s->datas.key, s->datas.next < s->datas.limit ? s->datas.next : s->datas.limit);
	if (!rc)
		rc = writer_commit(w);
	if (rc)
		writer_rollback(w);
	return rc;
}

/*
 * The index on its own again, without a log beside it, unless somebody is reading it
 * or the disk is full: then the log stays, and holds all of it.
 */
static int close_index(struct store *s)
{
	int rc = writer_checkpoint(&s->writer, true, NULL);

	if (store_no_space(rc) && reserve_release_last(s))
		rc = writer_checkpoint(&s->writer, true, NULL);
	if (rc == -EBUSY || store_no_space(rc))
		rc = writer_flush(&s->writer);
	return rc;
}

/* What is left to be done when nobody appends any more. */
static int close_finish(struct store *s)
{
	int rc = applier_stop(s);

	stock_stop(s); /* behind the flush, which hands over removals */
	if (!rc)
		stock_settle(s); /* nobody looks for strays after a clean end */
	return rc ? rc : close_mark_clean(s);
}

/*
 * On a full disk with a second try, for which everything has been given back that
 * can be: dead data files, files made in advance, the ballast. If that does not do
 * either, what was acknowledged stays in the journal, which is flushed.
 */
static int close_head(struct store *s)
{
	int rc = s->applier.started ? close_finish(s) : -EBADF;
	int rc2;

	reader_close(s->order[0].reader); /* an open read transaction would hold up the checkpoint */
	if (store_no_space(rc)) {
		reserve_release_last(s);
		applier_shrink_log(s);
		rc = close_finish(s);
	}
	if (store_no_space(rc) && !s->is_volatile && vn_fdatasync(s->ring.fd))
		rc = -EIO;
	if (!rc)
		rc = close_index(s);
	rc2 = writer_fini(&s->writer);
	return rc ? rc : rc2;
}

int store_close(struct store *s)
{
	int rc = 0;

	if (s->writer.db || s->applier.started)
		rc = close_head(s);
	open_free(s);
	return rc;
}

void store_unmake(struct store *s)
{
	s->making = s->made;
}
