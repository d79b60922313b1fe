// SPDX-License-Identifier: Apache-2.0
/*
 * Other uppers used as sealed deltas (S2), and uppers that are only read: brought
 * to rest, locked against writers, and compared with what is recorded of them.
 */
#include "store/head.h"
#include "store/state.h"

#include "base/fd.h"
#include "base/scope.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool upper_has_log(const char *path)
{
	char name[PATH_MAX + 16];
	struct stat st;

	snprintf(name, sizeof(name), "%s/index.db-wal", path);
	return stat(name, &st) == 0 && st.st_size > 0;
}

/* 1: everything that its last server acknowledged is in its index. */
static int upper_is_clean(const char *path, struct vn_err *err)
{
	sqlite3 *db = NULL;
	uint64_t clean = 0;
	int rc;

	if (upper_has_log(path) || head_is_pending(path))
		return 0;
	rc = schema_open(path, SCHEMA_IMMUTABLE, &db);
	if (rc)
		return index_error(rc, path, err);
	rc = index_check_format(db, path, err);
	if (!rc && meta_get(db, "clean", &clean))
		rc = vn_err_set(err, -EUCLEAN, "%s/index.db lacks its state; it is damaged", path);
	sqlite3_close(db);
	return rc ? rc : clean != 0;
}

/* Opens it for a moment, which replays its journal. */
static int upper_clean_up(const char *path, unsigned wait_ms, struct vn_err *err)
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
		rc = upper_is_clean(path, err);
		if (rc < 0)
			return rc;
		if (rc)
			return vn_steal_fd(&lockfd);
		if (tries > 3)
			return vn_err_set(err, -EBUSY,
					  "the upper %s does not come to rest; is its disk full, or something reading "
					  "its index?",
					  path);
		close(vn_steal_fd(&lockfd));
		rc = upper_clean_up(path, wait_ms, err);
		if (rc)
			return rc;
	}
}

/* ---- parents: other uppers as sealed deltas (S2) ---- */

/* "uuid applied next_ino path" lines of all parents, as they are now. */
int parents_text(struct store *s, const size_t *at, size_t n, char **text)
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
static bool parents_line(const char **text, uint64_t *id, uint64_t *applied, char path[PATH_MAX])
{
	const char *end = strchr(*text, '\n');
	int n = 0;

	if (!end || sscanf(*text, "%16" SCNx64 " %" SCNu64 " %*u %n", id, applied, &n) != 2 || !n)
		return false;
	snprintf(path, PATH_MAX, "%.*s", (int)(end - *text - n), *text + n);
	*text = end + 1;
	return true;
}

int parents_paths(char *recorded, const char **paths, size_t max)
{
	size_t n = 0;

	for (char *line = recorded, *end; n < max && (end = strchr(line, '\n')); line = end + 1) {
		char *path = line;

		*end = '\0';
		for (int i = 0; path && i < 3; i++) {
			path = strchr(path, ' ');
			path = path ? path + 1 : NULL;
		}
		if (path)
			paths[n++] = path;
	}
	return (int)n;
}

/* Compares what `who` was made over with the parents that are given from `first` on. */
int parents_match(struct store *s, const char *who, const char *recorded, const size_t *at, size_t n,
			      struct vn_err *err)
{
	for (size_t i = 0;; i++) {
		const struct delta *d = i < n ? &s->order[at[i]] : NULL;
		char path[PATH_MAX];
		uint64_t id, applied;

		if (!parents_line(&recorded, &id, &applied, path))
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

int delta_meta_text(struct delta *d, const char *key, char **text)
{
	struct reader_conn conn;
	sqlite3_stmt *st = NULL;
	int rc = reader_get(d->reader, &conn);

	if (rc)
		return rc;
	rc = reader_stmt(&conn, READER_META, &st);
	if (!rc)
		rc = meta_read_text(st, key, text);
	reader_put(d->reader, &conn);
	return rc;
}

/* Each parent that stands over others must be the one that was made over them. */
static int parents_order(struct store *s, const size_t *at, size_t n, struct vn_err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < n; i++) {
		vn_autofree char *recorded = NULL;

		rc = delta_meta_text(&s->order[at[i]], "parents", &recorded);
		rc = parents_match(s, s->order[at[i]].path, rc ? "" : recorded, at + i + 1, n - i - 1, err);
	}
	return rc;
}

static int parents_open_one(struct store *s, const char *given, unsigned wait_ms, struct vn_err *err)
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
int parents_open(struct store *s, const struct store_config *config, size_t *at, struct vn_err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < config->nparents; i++) {
		at[i] = s->norder;
		rc = parents_open_one(s, config->parents[i], config->lock_wait_ms, err);
	}
	return rc ? rc : parents_order(s, at, config->nparents, err);
}


#define PARENTS_MAX 500

/* *text is what `paths` points into. Returns their number; nothing to read is none. */
static size_t parents_of(const char *upper, char **text, const char *paths[PARENTS_MAX])
{
	vn_autofree char *path = realpath(upper, NULL);
	sqlite3 *db = NULL;
	int rc = path ? schema_open(path, SCHEMA_READ, &db) : -ENOENT;

	if (!rc)
		rc = meta_get_text(db, "parents", text);
	sqlite3_close(db);
	return rc || !*text ? 0 : (size_t)parents_paths(*text, paths, PARENTS_MAX);
}

int store_open_recorded(const struct store_config *given, struct store **out, struct vn_err *err)
{
	struct store_config config = *given;
	const char *paths[PARENTS_MAX];
	vn_autofree char *text = NULL;

	if (!config.nparents) {
		config.nparents = parents_of(config.upper, &text, paths);
		config.parents = paths;
	}
	return store_open(&config, out, err);
}
