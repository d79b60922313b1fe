// SPDX-License-Identifier: Apache-2.0
/* The head: making a new upper, opening the index and the ring of an old one. */
#include "store/state.h"

#include "store/sqlerr.h"

#include "base/fd.h"
#include "base/scope.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Made with the final mode before SQLite sees it; its log gets the same. */
int index_make_file(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int index_facts_write(sqlite3 *db, const struct index_facts *f)
{
	char uuid[33], upper[33];
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{ "next_ino", f->next_ino }, { "next_data", f->next_data }, { "applied", f->applied },
		{ "epoch", f->epoch },       { "ring_position", 0 },        { "journal_epoch", f->journal_epoch },
		{ "volatile", 0 },           { "clean", f->clean },
	};
	int rc;

	layout_uuid_format(f->uuid, uuid);
	layout_uuid_format(f->upper, upper);
	rc = meta_set_text(db, "uuid", uuid);
	if (!rc)
		rc = meta_set_text(db, "upper", upper);
	if (!rc)
		rc = meta_set_text(db, "parents", f->parents);
	for (size_t i = 0; !rc && i < VN_ARRAY_LEN(numbers); i++)
		rc = meta_set(db, numbers[i].key, numbers[i].value);
	if (!rc && f->unborn)
		rc = meta_set(db, "unborn", 1);
	return rc;
}

int index_create(sqlite3 *db, const struct index_facts *f)
{
	int rc = schema_exec(db, "PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL; BEGIN IMMEDIATE");

	if (!rc)
		rc = schema_create(db);
	if (!rc)
		rc = index_facts_write(db, f);
	return rc ? rc : schema_exec(db, "COMMIT");
}

int index_flush(sqlite3 *db)
{
	sqlite3_file *file = NULL;
	int rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);

	if (rc == SQLITE_OK && file && file->pMethods)
		rc = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
	if (rc == SQLITE_OK)
		rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
	if (rc == SQLITE_OK && file && file->pMethods)
		rc = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
	return sqlerr_errno(rc, NULL);
}

static int upper_create_index(struct store *s, const struct store_config *config, sqlite3 *db, const size_t *at)
{
	vn_autofree char *parents = NULL;
	struct index_facts f = { .uuid = s->uuid, .upper = s->upper, .next_ino = STORE_INO_FIRST, .next_data = 1,
				 .clean = true, .unborn = true };
	int rc = parents_text(s, at, config->nparents, &parents);

	for (size_t i = 1; i < s->norder; i++) {
		if (s->order[i].next_ino > f.next_ino)
			f.next_ino = s->order[i].next_ino;
	}
	f.parents = parents;
	return rc ? rc : index_create(db, &f);
}

/*
 * A new upper, unflushed (birth.c). A data directory that is there already is what
 * a power cut has left of an earlier try.
 */
static int upper_create(struct store *s, const struct store_config *config, sqlite3 *db, const size_t *at,
			struct vn_err *err)
{
	uint64_t size = config->journal_size ? config->journal_size : RING_DEFAULT;
	int rc = layout_uuid_new(s->upper);

	if (size < RING_MIN || size > RING_MAX)
		return vn_err_set(err, -EINVAL, "a journal has 256 KiB to 1 GiB, not %" PRIu64 " bytes", size);
	if (!rc)
		rc = layout_uuid_new(s->uuid);
	if (!rc && mkdirat(s->dirfd, "data", 0700) < 0)
		rc = errno == EEXIST ? 0 : -errno, s->reborn = true;
	if (!rc)
		rc = ring_create(s->dirfd, s->upper, size - size % 4096, true);
	if (!rc)
		rc = reserve_make(s);
	if (!rc)
		rc = upper_create_index(s, config, db, at);
	s->unborn = !rc;
	s->order[0].blank = !rc;
	if (store_no_space(rc))
		return vn_err_set(err, rc, "cannot make an upper in %s: the file system is full (an upper needs some 20 MB)", s->path);
	return rc ? vn_err_sys(err, rc, "cannot make an upper in %s", s->path) : 0;
}

/* Behind whatever numbers the time that was lost has given out. */
static int upper_unborn(struct store *s, sqlite3 *db)
{
	uint64_t unborn = 0;
	int rc = meta_get(db, "unborn", &unborn);

	if (rc && rc != -ENOENT)
		return rc;
	if (unborn && !s->unborn)
		s->reborn = true;
	s->unborn = unborn;
	if (s->reborn) {
		s->inos.next += s->inos.block;
		s->datas.next += s->datas.block;
	}
	return 0;
}

static int upper_head_meta(struct store *s, sqlite3 *db, struct vn_err *err)
{
	uint64_t clean = 0, was_volatile = 0;
	int rc = index_uuid(db, "uuid", s->uuid);

	if (!rc)
		rc = index_uuid(db, "upper", s->upper);
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
	if (!rc)
		rc = upper_unborn(s, db);
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

/* After a clean end, or before anything was confirmed, a lost or damaged ring is made again. */
static int upper_ring(struct store *s, const struct store_config *config, struct vn_err *err)
{
	uint64_t size = config->journal_size ? config->journal_size : RING_DEFAULT;
	int rc = ring_open(&s->ring, s->dirfd, s->upper);

	if (((rc == -ENOENT || rc == -EUCLEAN) && (s->clean_start || s->unborn)) || (rc == -ESTALE && s->unborn)) {
		rc = ring_create(s->dirfd, s->upper, size - size % 4096, false);
		if (!rc && !s->is_volatile)
			rc = ring_flush_new(s->dirfd);
		if (!rc)
			rc = ring_open(&s->ring, s->dirfd, s->upper);
	}
	if (rc == -ESTALE) /* then the data files may be another's, too: nothing is made again by itself */
		return vn_err_set(err, -EUCLEAN,
				  "%s/journal belongs to another upper than index.db: one of them was copied here; put the right one "
				  "back, or go by the index with `veneer check --repair`",
				  s->path);
	if (rc == -EPROTONOSUPPORT)
		return vn_err_set(err, rc, "%s/journal is of a newer format than this veneer knows; use a newer one", s->path);
	if (rc == -EUCLEAN)
		return vn_err_set(err, rc, "%s/journal is damaged; `veneer check` tells what can be kept", s->path);
	return rc ? vn_err_sys(err, rc, "cannot open %s/journal", s->path) : 0;
}

/* A format of 0 is an index whose making was cut short. */
static int upper_head_db(struct store *s, const struct store_config *config, const size_t *at, sqlite3 **db,
			struct vn_err *err)
{
	int format = 0;
	int rc = config->create ? index_make_file(s->dirfd, "index.db") : 0;

	if (!rc)
		rc = schema_open(s->path, SCHEMA_WRITE, db);
	if (!rc)
		rc = schema_format(*db, &format);
	if (rc)
		return index_error(rc, s->path, err);
	if (!format && config->create)
		return upper_create(s, config, *db, at, err);
	rc = index_check_format(*db, s->path, err);
	if (!rc && (rc = schema_exec(*db, "PRAGMA journal_mode = WAL"))) /* a seal that was cut short left it */
		vn_err_sys(err, rc, "cannot use %s/index.db", s->path);
	return rc;
}

static int upper_head_parents(struct store *s, sqlite3 *db, const size_t *at, size_t n, struct vn_err *err)
{
	vn_autofree char *recorded = NULL;
	int rc = meta_get_text(db, "parents", &recorded);

	if (rc && rc != -ENOENT)
		return vn_err_sys(err, rc, "cannot read %s/index.db", s->path);
	return parents_match(s, s->path, recorded ? recorded : "", at, n, err);
}

int upper_open_head(struct store *s, const struct store_config *config, const size_t *at, struct vn_err *err)
{
	sqlite3 *db = NULL;
	int rc = upper_head_db(s, config, at, &db, err);

	if (store_no_space(rc) && reserve_release_last(s)) {
		sqlite3_close(db);
		db = NULL;
		rc = upper_head_db(s, config, at, &db, err);
	}
	if (!rc)
		rc = upper_head_meta(s, db, err);
	if (!rc)
		rc = upper_head_parents(s, db, at, config->nparents, err);
	if (!rc)
		rc = upper_ring(s, config, err);
	if (rc) {
		sqlite3_close(db);
		return rc;
	}
	if (s->unborn)
		mkdirat(s->dirfd, "data", 0700); /* whose name a power cut may have lost */
	s->order[0].datafd = openat(s->dirfd, "data", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->order[0].datafd < 0) {
		rc = -errno;
		sqlite3_close(db);
		return vn_err_sys(err, rc, "cannot open %s/data", s->path);
	}
	rc = writer_init(&s->writer, db, s->order[0].datafd, s->is_volatile);
	return rc ? vn_err_sys(err, rc, "cannot use %s/index.db", s->path) : 0;
}

