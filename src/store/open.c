// SPDX-License-Identifier: Apache-2.0
/* Opening and closing a store: the upper, the deltas below it, and the threads. */
#include "store/state.h"

#include "store/fault.h"
#include "store/sqlerr.h"

#include "base/fd.h"
#include "base/scope.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_BLOCK 65536 /* numbers reserved at a time (I2) */

/* ---- deltas ---- */

static int open_meta_uuid(sqlite3 *db, const char *key, uint8_t uuid[16])
{
	vn_autofree char *text = NULL;
	int rc = meta_get_text(db, key, &text);

	if (rc)
		return rc == -ENOENT ? -EUCLEAN : rc;
	return layout_uuid_parse(text, uuid);
}

static int open_check_format(sqlite3 *db, const char *path, struct vn_err *err)
{
	int format = 0;
	int rc = schema_format(db, &format);

	if (rc == -EUCLEAN || (!rc && format < 1))
		return vn_err_set(err, -EUCLEAN, "%s/index.db is damaged or no veneer index; `veneer check` tells more",
				  path);
	if (rc)
		return vn_err_sys(err, rc, "cannot read %s/index.db", path);
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
		return vn_err_sys(err, rc, "cannot open %s/index.db", d->path);
	rc = open_check_format(conn.db, d->path, err);
	if (!rc) {
		rc = open_meta_uuid(conn.db, "uuid", uuid);
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
	struct delta *order = realloc(s->order, (s->norder + 1) * sizeof(*order));
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

static void open_delta_fini(struct delta *d)
{
	reader_free(d->reader);
	if (d->datafd >= 0)
		close(d->datafd);
	if (d->lockfd >= 0)
		close(d->lockfd);
	free(d->path);
}

/* ---- uppers at rest ---- */

static bool open_has_log(const char *path)
{
	char name[PATH_MAX + 16];
	struct stat st;

	snprintf(name, sizeof(name), "%s/index.db-wal", path);
	return stat(name, &st) == 0 && st.st_size > 0;
}

/* 1: everything that its last server acknowledged is in its index. */
static int open_is_clean(const char *path, struct vn_err *err)
{
	sqlite3 *db = NULL;
	uint64_t clean = 0;
	int rc;

	if (open_has_log(path))
		return 0;
	rc = schema_open(path, SCHEMA_IMMUTABLE, &db);
	if (rc)
		return vn_err_sys(err, rc, "cannot open %s/index.db", path);
	rc = open_check_format(db, path, err);
	if (!rc && meta_get(db, "clean", &clean))
		rc = vn_err_set(err, -EUCLEAN, "%s/index.db lacks its state; it is damaged", path);
	sqlite3_close(db);
	return rc ? rc : clean != 0;
}

/* Opens it for a moment, which replays its journal. */
static int open_clean_up(const char *path, unsigned wait_ms, struct vn_err *err)
{
	struct store_config config = { .upper = path, .lock_wait_ms = wait_ms };
	struct store *s = NULL;
	int rc = store_open(&config, &s, err);

	if (rc)
		return rc;
	rc = store_close(s);
	return rc ? vn_err_sys(err, rc, "cannot finish the journal of %s", path) : 0;
}

int upper_rest(const char *path, unsigned wait_ms, struct vn_err *err)
{
	for (int tries = 0;; tries++) {
		vn_autoclose int lockfd = layout_lock_shared(path, wait_ms, err);
		int rc;

		if (lockfd < 0)
			return lockfd;
		rc = open_is_clean(path, err);
		if (rc < 0)
			return rc;
		if (rc)
			return vn_steal_fd(&lockfd);
		if (tries > 3)
			return vn_err_set(err, -EBUSY, "the upper %s does not come to rest; is something writing to it?",
					  path);
		close(vn_steal_fd(&lockfd));
		rc = open_clean_up(path, wait_ms, err);
		if (rc)
			return rc;
	}
}

/* ---- parents: other uppers as sealed deltas (S2) ---- */

/* "uuid applied next_ino path" lines of all parents, as they are now. */
static int open_parents_text(struct store *s, const size_t *at, size_t n, char **text)
{
	size_t len;
	FILE *f = open_memstream(text, &len);

	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct delta *d = &s->order[at[i]];

		fprintf(f, "%016" PRIx64 " %" PRIu64 " %" PRIu64 " %s\n", d->id, d->applied, d->next_ino, d->path);
	}
	return fclose(f) ? -ENOMEM : 0;
}

/* The next line of a recorded list; false at its end. */
static bool open_parent_line(const char **text, uint64_t *id, uint64_t *applied, char path[PATH_MAX])
{
	const char *end = strchr(*text, '\n');
	int n = 0;

	if (!end || sscanf(*text, "%16" SCNx64 " %" SCNu64 " %*u %n", id, applied, &n) != 2 || !n)
		return false;
	snprintf(path, PATH_MAX, "%.*s", (int)(end - *text - n), *text + n);
	*text = end + 1;
	return true;
}

/* Compares what `who` was made over with the parents that are given from `first` on. */
static int open_parents_match(struct store *s, const char *who, const char *recorded, const size_t *at, size_t n,
			      struct vn_err *err)
{
	for (size_t i = 0;; i++) {
		const struct delta *d = i < n ? &s->order[at[i]] : NULL;
		char path[PATH_MAX];
		uint64_t id, applied;

		if (!open_parent_line(&recorded, &id, &applied, path))
			return d ? vn_err_set(err, -ENOTUNIQ,
					      "the upper %s was not made over the upper %s; leave that one out of the lowers",
					      who, d->path) : 0;
		if (!d)
			return vn_err_set(err, -ENOTUNIQ,
					  "the upper %s was made over the upper %s; list it in front of the lowers", who,
					  path);
		if (d->id != id)
			return vn_err_set(err, -ENOTUNIQ, "the upper %s was made over the upper %s, not over %s", who,
					  path, d->path);
		if (d->applied != applied)
			return vn_err_set(err, -ESTALE,
					  "the upper %s was made over the upper %s, which was written to since; use a "
					  "new upper",
					  who, d->path);
	}
}

static int open_delta_text(struct delta *d, const char *key, char **text)
{
	struct reader_conn conn;
	int rc = reader_get(d->reader, &conn);

	if (rc)
		return rc;
	rc = meta_get_text(conn.db, key, text);
	reader_put(d->reader, &conn);
	return rc;
}

/* Each parent that stands over others must be the one that was made over them. */
static int open_parents_order(struct store *s, const size_t *at, size_t n, struct vn_err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < n; i++) {
		vn_autofree char *recorded = NULL;

		rc = open_delta_text(&s->order[at[i]], "parents", &recorded);
		rc = open_parents_match(s, s->order[at[i]].path, rc ? "" : recorded, at + i + 1, n - i - 1, err);
	}
	return rc;
}

static int open_parent(struct store *s, const char *given, unsigned wait_ms, struct vn_err *err)
{
	char *path = realpath(given, NULL);
	int lockfd, rc;

	if (!path)
		return vn_err_sys(err, -errno, "cannot find the upper %s", given);
	lockfd = upper_rest(path, wait_ms, err);
	if (lockfd < 0) {
		free(path);
		return lockfd;
	}
	rc = store_add_delta(s, path, SCHEMA_IMMUTABLE, lockfd, err);
	return rc ? rc : chain_load(s, path, err);
}

/* Opens the parents behind what is there. *at: their places in the order. */
static int open_parents(struct store *s, const struct store_config *config, size_t *at, struct vn_err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < config->nparents; i++) {
		at[i] = s->norder;
		rc = open_parent(s, config->parents[i], config->lock_wait_ms, err);
	}
	return rc ? rc : open_parents_order(s, at, config->nparents, err);
}

/* ---- the head ---- */

static int open_create_tables(struct store *s, sqlite3 *db, const char *parents, uint64_t next_ino)
{
	char uuid[33], upper[33];
	int rc = schema_exec(db, "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE");

	layout_uuid_format(s->uuid, uuid);
	layout_uuid_format(s->upper, upper);
	if (!rc)
		rc = schema_create(db);
	if (!rc)
		rc = meta_set_text(db, "uuid", uuid);
	if (!rc)
		rc = meta_set_text(db, "upper", upper);
	if (!rc)
		rc = meta_set_text(db, "parents", parents);
	if (!rc)
		rc = meta_set(db, "next_ino", next_ino);
	if (!rc)
		rc = meta_set(db, "next_data", 1);
	for (int i = 0; !rc && i < 5; i++)
		rc = meta_set(db, (const char *const[]){ "applied", "ring_position", "journal_epoch", "epoch", "volatile" }[i], 0);
	if (!rc)
		rc = meta_set(db, "clean", 1);
	return rc ? rc : schema_exec(db, "COMMIT");
}

/* Everything of a new upper but its index comes first, so an index with tables means that all is there. */
static int open_create(struct store *s, const struct store_config *config, sqlite3 *db, const size_t *at,
		       struct vn_err *err)
{
	vn_autofree char *parents = NULL;
	uint64_t size = config->journal_size ? config->journal_size : RING_DEFAULT;
	uint64_t next_ino = STORE_INO_FIRST;
	int rc = layout_uuid_new(s->upper);

	if (size < RING_MIN || size > RING_MAX)
		return vn_err_set(err, -EINVAL, "a journal has 256 KiB to 1 GiB, not %" PRIu64 " bytes", size);
	size -= size % 4096;
	for (size_t i = 0; i < s->norder; i++)
		next_ino = s->order[i].next_ino > next_ino ? s->order[i].next_ino : next_ino;
	if (!rc)
		rc = layout_uuid_new(s->uuid);
	if (!rc && mkdirat(s->dirfd, "data", 0700) < 0 && errno != EEXIST)
		rc = -errno;
	if (!rc)
		rc = ring_create(s->dirfd, s->upper, size, !s->is_volatile);
	if (!rc)
		rc = reserve_make(s);
	if (!rc)
		rc = open_parents_text(s, at, config->nparents, &parents);
	if (!rc)
		rc = open_create_tables(s, db, parents, next_ino);
	if (!rc && !s->is_volatile)
		rc = vn_fsync(s->dirfd);
	return rc ? vn_err_sys(err, rc, "cannot make an upper in %s", s->path) : 0;
}

static int open_head_meta(struct store *s, sqlite3 *db, struct vn_err *err)
{
	uint64_t clean = 0, was_volatile = 0;
	int rc = open_meta_uuid(db, "uuid", s->uuid);

	if (!rc)
		rc = open_meta_uuid(db, "upper", s->upper);
	if (!rc)
		rc = meta_get(db, "epoch", &s->epoch);
	if (!rc)
		rc = meta_get(db, "next_ino", &s->inos.next);
	if (!rc)
		rc = meta_get(db, "next_data", &s->datas.next);
	if (!rc)
		rc = meta_get(db, "clean", &clean);
	if (!rc)
		rc = meta_get(db, "volatile", &was_volatile);
	if (rc)
		return vn_err_set(err, -EUCLEAN, "%s/index.db lacks its identity; it is damaged", s->path);
	if (was_volatile && !clean)
		return vn_err_set(err, -EUCLEAN,
				  "the upper %s was in use with `volatile` and did not end cleanly, so it may be torn; "
				  "delete it and use a new one",
				  s->path);
	s->clean_start = clean;
	s->order[0].id = layout_delta_id(s->uuid);
	return 0;
}

static int open_ring(struct store *s, struct vn_err *err)
{
	int rc = ring_open(&s->ring, s->dirfd, s->upper);

	if (rc == -ESTALE)
		return vn_err_set(err, -EUCLEAN, "%s/journal belongs to another upper", s->path);
	if (rc == -EUCLEAN)
		return vn_err_set(err, rc, "%s/journal is damaged; `veneer check` tells what can be kept", s->path);
	return rc ? vn_err_sys(err, rc, "cannot open %s/journal", s->path) : 0;
}

/* A format of 0 is an index whose making was cut short. */
static int open_head_db(struct store *s, const struct store_config *config, const size_t *at, sqlite3 **db,
			struct vn_err *err)
{
	int format = 0;
	int rc = schema_open(s->path, SCHEMA_WRITE, db);

	if (!rc)
		rc = schema_format(*db, &format);
	if (rc)
		return rc == -EUCLEAN ? open_check_format(*db, s->path, err) :
					vn_err_sys(err, rc, "cannot open %s/index.db", s->path);
	if (!format && config->create)
		return open_create(s, config, *db, at, err);
	return open_check_format(*db, s->path, err);
}

static int open_head_parents(struct store *s, sqlite3 *db, const size_t *at, size_t n, struct vn_err *err)
{
	vn_autofree char *recorded = NULL;
	int rc = meta_get_text(db, "parents", &recorded);

	if (rc && rc != -ENOENT)
		return vn_err_sys(err, rc, "cannot read %s/index.db", s->path);
	return open_parents_match(s, s->path, recorded ? recorded : "", at, n, err);
}

static int open_head_writer(struct store *s, const struct store_config *config, const size_t *at, struct vn_err *err)
{
	sqlite3 *db = NULL;
	int rc = open_head_db(s, config, at, &db, err);

	if (!rc)
		rc = open_head_meta(s, db, err);
	if (!rc)
		rc = open_head_parents(s, db, at, config->nparents, err);
	if (!rc)
		rc = open_ring(s, err);
	if (rc) {
		sqlite3_close(db);
		return rc;
	}
	s->order[0].datafd = openat(s->dirfd, "data", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->order[0].datafd < 0) {
		rc = -errno;
		sqlite3_close(db);
		return vn_err_sys(err, rc, "cannot open %s/data", s->path);
	}
	rc = writer_init(&s->writer, db, s->order[0].datafd, s->is_volatile);
	return rc ? vn_err_sys(err, rc, "cannot use %s/index.db", s->path) : 0;
}

static int open_threads(struct store *s, struct vn_err *err)
{
	int rc = applier_start(s);

	if (!rc)
		rc = stock_start(s);
	if (!rc && !s->clean_start)
		stock_sweep(s, s->datas.next);
	return rc ? vn_err_sys(err, rc, "cannot start the store's threads") : 0;
}

/* The head stands in front of the deltas that were opened before it. */
static int open_head_slot(struct store *s, enum schema_mode mode)
{
	char *path = strdup(s->path);
	struct delta head;
	int rc = path ? open_append(s, path, mode, -1) : -ENOMEM;

	if (rc)
		return rc;
	head = s->order[s->norder - 1];
	memmove(s->order + 1, s->order, (s->norder - 1) * sizeof(*s->order));
	s->order[0] = head;
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
		rc = open_parents(s, config, at, err);
	if (!rc)
		rc = open_head_slot(s, SCHEMA_READ);
	for (size_t i = 0; i < config->nparents; i++)
		at[i]++; /* the head came in front */
	s->ballast = faccessat(s->dirfd, "reserve", F_OK, 0) == 0;
	if (!rc)
		rc = open_head_writer(s, config, at, err);
	if (!rc)
		rc = open_chain(s, config->nparents, err);
	if (!rc)
		rc = recover_head(s, err);
	return rc ? rc : open_threads(s, err);
}

static int open_read(struct store *s, const struct store_config *config, struct vn_err *err)
{
	size_t *at = s->parents;
	vn_autofree char *recorded = NULL;
	char *path;
	int lockfd = -1, rc = layout_open(s, config, err);

	if (!rc && !config->shared) {
		lockfd = upper_rest(s->path, config->lock_wait_ms, err);
		rc = lockfd < 0 ? lockfd : 0;
	}
	if (rc)
		return rc;
	path = strdup(s->path);
	if (!path)
		return -ENOMEM;
	rc = store_add_delta(s, path,
			     config->shared && open_has_log(path) ? SCHEMA_READ : SCHEMA_IMMUTABLE, lockfd, err);
	s->has_head = true;
	if (!rc)
		rc = chain_load(s, s->path, err);
	if (!rc)
		rc = open_parents(s, config, at, err);
	if (!rc && config->nparents) {
		rc = open_delta_text(&s->order[0], "parents", &recorded);
		rc = open_parents_match(s, s->path, rc ? "" : recorded, at, config->nparents, err);
	}
	return rc;
}

static struct store *open_alloc(const struct store_config *config)
{
	struct store *s = calloc(1, sizeof(*s));
	pthread_condattr_t attr;

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
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->applier.wake, &attr);
	pthread_cond_init(&s->applier.done, NULL);
	pthread_condattr_destroy(&attr);
	return s;
}

static void open_free(struct store *s)
{
	for (size_t i = 0; i < s->norder; i++)
		open_delta_fini(&s->order[i]);
	free(s->order);
	ring_fini(&s->ring);
	stock_fini(&s->stock);
	batch_fini(&s->applier.batch);
	free(s->applier.buf);
	free(s->applier.dead);
	free(s->replayed);
	free(s->parents);
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

int store_open(const struct store_config *config, struct store **out, struct vn_err *err)
{
	struct store *s = open_alloc(config);
	int rc;

	if (!s)
		return -ENOMEM;
	fault_from_environment();
	if (!config->upper)
		rc = open_parents(s, config, s->parents, err);
	else if (config->readonly)
		rc = open_read(s, config, err);
	else
		rc = open_write(s, config, err);
	if (rc) {
		store_close(s);
		return rc;
	}
	*out = s;
	return 0;
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

/* The index on its own again, without a log beside it, unless somebody is reading it. */
static int close_index(struct store *s)
{
	int rc = writer_checkpoint(&s->writer, true, NULL);

	if (rc == -EBUSY)
		rc = writer_flush(&s->writer);
	return rc;
}

static int close_head(struct store *s)
{
	int rc = s->applier.started ? applier_stop(s) : -EBADF;
	int rc2;

	stock_stop(s);
	if (!rc)
		rc = close_mark_clean(s);
	if (!rc)
		rc = close_index(s);
	reader_close(s->order[0].reader);
	rc2 = writer_fini(&s->writer);
	return rc ? rc : rc2;
}

int store_close(struct store *s)
{
	int rc = 0;

	if (s->writer.db)
		rc = close_head(s);
	open_free(s);
	return rc;
}

/* ---- small facts ---- */

static char *open_meta_key(const char *key)
{
	char *full = NULL;

	return asprintf(&full, "tree.%s", key) < 0 ? NULL : full;
}

char *store_meta_get(struct store *s, const char *key)
{
	vn_autofree char *full = open_meta_key(key);
	char *text = NULL;

	if (!full || !s->has_head || open_delta_text(&s->order[0], full, &text))
		return NULL;
	return text;
}

int store_meta_set(struct store *s, const char *key, const char *value)
{
	vn_autofree char *full = open_meta_key(key);
	vn_autounlock pthread_mutex_t *held = NULL;
	int rc;

	if (!full)
		return -ENOMEM;
	if (store_readonly(s))
		return -EROFS;
	held = vn_lock(&s->write_lock);
	rc = meta_set_text(s->writer.db, full, value);
	return rc ? rc : writer_flush(&s->writer);
}
