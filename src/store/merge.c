// SPDX-License-Identifier: Apache-2.0
/*
 * Deleting a snapshot. What it changed is still needed by everything above it,
 * so it is merged with the next newer sealed delta into a third one, which
 * replaces both in the chain in one step; rows elsewhere that name either find
 * the new one through an alias. The newest snapshot has only the head above it,
 * which is in use: it loses its name and is merged later.
 *
 * Terms: `old` is the deleted delta, `new` the newer one, `out` what they become.
 * A row of `new` wins; where its bytes are read from `old`, the two rows and
 * their extents are folded into one.
 *
 * Dying before the chain is replaced leaves a directory in deltas/ that no chain
 * names, dying behind it leaves the two old ones; the next opening removes them.
 */
#include "store/merge.h"

#include "store/data.h"
#include "store/fault.h"
#include "store/head.h"
#include "store/sqlerr.h"

#include "base/copy.h"
#include "base/fd.h"
#include "base/scope.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* ---- the directory ---- */

static int merge_make_dir(struct merge *m)
{
	int rc = layout_uuid_new(m->uuid);
	vn_autoclose int from = rc ? -1 : open(m->new->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vn_autoclose int in = from < 0 ? -1 : openat(from, "index.db", O_RDONLY | O_CLOEXEC);
	vn_autoclose int out = -1;

	if (in < 0)
		return rc ? rc : -errno;
	m->id = layout_delta_id(m->uuid);
	snprintf(m->path, sizeof(m->path), "%s/deltas/%016" PRIx64, m->s->path, m->id);
	if (mkdir(m->path, 0700) < 0 || (m->fd = open(m->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    mkdirat(m->fd, "data", 0700) < 0 ||
	    (m->datafd = openat(m->fd, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    (out = openat(m->fd, "index.db", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
		return -errno;
	return vn_copy_file(in, out);
}

static int merge_open(struct merge *m)
{
	vn_autofree char *uri = schema_uri(m->old->path, "?immutable=1");
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	char uuid[33];
	int rc = uri ? schema_open(m->path, SCHEMA_WRITE, &db) : -ENOMEM;

	if (!rc)
		rc = writer_init(&m->w, db, m->datafd, true);
	if (!rc)
		rc = schema_prepare(db, "ATTACH ?1 AS old", &st);
	if (!rc) {
		sqlite3_bind_text(st, 1, uri, -1, SQLITE_STATIC);
		rc = sqlerr_errno(sqlite3_step(st), db);
	}
	sqlite3_finalize(st);
	layout_uuid_format(m->uuid, uuid);
	if (!rc)
		rc = writer_begin(&m->w);
	return rc ? rc : meta_set_text(db, "uuid", uuid);
}

/* ---- rows of one side only ---- */

static int merge_rows(struct merge *m)
{
	sqlite3 *db = m->w.db;
	int rc = schema_exec(db, "INSERT OR IGNORE INTO main.dentry SELECT * FROM old.dentry");

	if (!rc)
		rc = merge_find_dead(m);
	if (rc)
		return rc;
	return schema_exec(db,
		"DELETE FROM main.inode WHERE ino IN (SELECT ino FROM dead);"
		"DELETE FROM main.xattr WHERE ino IN (SELECT ino FROM dead);"
		"DELETE FROM main.symlink WHERE ino IN (SELECT ino FROM dead);"
		"DELETE FROM main.extent WHERE ino IN (SELECT ino FROM dead);"
		"CREATE TEMP TABLE both AS SELECT n.ino AS ino FROM main.inode n JOIN old.inode o ON o.ino = n.ino;"
		"CREATE TEMP TABLE only AS SELECT ino FROM old.inode WHERE ino NOT IN (SELECT ino FROM main.inode)"
		" AND ino NOT IN (SELECT ino FROM dead);"
		"CREATE UNIQUE INDEX only_ino ON only(ino);"
		/* Xattrs that `new` still read from `old`. */
		"CREATE TEMP TABLE inherit AS SELECT ino FROM both WHERE ino IN (SELECT ino FROM old.inode WHERE flags & 8)"
		" AND ino IN (SELECT ino FROM main.inode WHERE flags & 8 = 0);"
		"UPDATE main.inode SET flags = flags | 8 WHERE ino IN (SELECT ino FROM inherit);"
		"INSERT OR IGNORE INTO main.xattr SELECT * FROM old.xattr WHERE ino IN (SELECT ino FROM inherit)"
		" OR ino IN (SELECT ino FROM only);"
		"INSERT INTO main.inode SELECT * FROM old.inode WHERE ino IN (SELECT ino FROM only);"
		"INSERT INTO main.extent SELECT * FROM old.extent WHERE ino IN (SELECT ino FROM only);"
		"INSERT OR IGNORE INTO main.symlink SELECT * FROM old.symlink WHERE ino NOT IN (SELECT ino FROM dead);"
		"INSERT OR IGNORE INTO main.baseino SELECT * FROM old.baseino");
}

/* ---- rows of both sides ---- */

/* Links the data file of a row that stays as it is. */
static int merge_take_row(struct merge *m, const struct delta *from, uint64_t ino, uint64_t number)
{
	uint64_t as = number;
	sqlite3_stmt *st = NULL;
	int rc = merge_take(m, from, &as);

	if (rc || as == number)
		return rc;
	rc = schema_prepare(m->w.db, "UPDATE main.inode SET data = ?2 WHERE ino = ?1", &st);
	if (!rc) {
		sqlite3_bind_int64(st, 1, (sqlite3_int64)ino);
		sqlite3_bind_int64(st, 2, (sqlite3_int64)as);
		rc = sqlerr_errno(sqlite3_step(st), m->w.db);
	}
	sqlite3_finalize(st);
	return rc;
}

static int merge_both_one(struct merge *m, uint64_t ino)
{
	struct store_inode row = { .ino = 0 }, old = { .ino = 0 };
	int rc = store_read_inode_at(m->s, m->new->id, ino, &row);

	if (!rc)
		rc = store_read_inode_at(m->s, m->old->id, ino, &old);
	if (!rc && S_ISREG(row.mode) && (row.state == STORE_BELOW || row.state == STORE_PARTIAL) && row.source &&
	    store_delta(m->s, row.source) == m->old)
		rc = merge_fold(m, &row, &old);
	else if (!rc && row.data)
		rc = merge_take_row(m, m->new, ino, row.data);
	free((char *)row.origin);
	free((char *)old.origin);
	return rc;
}

static int merge_both(struct merge *m)
{
	sqlite3_stmt *st = NULL;
	int rc = schema_prepare(m->w.db, "SELECT ino FROM both", &st);

	while (!rc && sqlite3_step(st) == SQLITE_ROW)
		rc = merge_both_one(m, (uint64_t)sqlite3_column_int64(st, 0));
	sqlite3_finalize(st);
	return rc;
}

static int merge_link(struct merge *m, const struct delta *from, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int rc = schema_prepare(m->w.db, sql, &st);

	while (!rc && sqlite3_step(st) == SQLITE_ROW)
		rc = merge_take_row(m, from, (uint64_t)sqlite3_column_int64(st, 0), (uint64_t)sqlite3_column_int64(st, 1));
	sqlite3_finalize(st);
	return rc;
}

/* ---- the whole ---- */

static int merge_contents(struct merge *m)
{
	int rc = merge_rows(m);

	if (!rc)
		rc = merge_both(m);
	if (!rc)
		rc = merge_link(m, m->old, "SELECT ino, data FROM main.inode WHERE data > 0 AND ino IN (SELECT ino FROM only)");
	if (!rc)
		rc = merge_link(m, m->new, "SELECT ino, data FROM main.inode WHERE data > 0 AND ino NOT IN"
					   " (SELECT ino FROM only) AND ino NOT IN (SELECT ino FROM both)");
	return rc;
}

static int merge_build(struct merge *m)
{
	int rc = merge_make_dir(m);

	if (!rc)
		rc = fault_hit(FAULT_STEP);
	if (!rc)
		rc = merge_open(m);
	if (!rc)
		rc = merge_contents(m);
	if (!rc)
		rc = writer_commit(&m->w);
	if (!rc)
		rc = index_flush(m->w.db);
	writer_fini(&m->w);
	/* Many files and directories at once: the whole file system is cheaper than one by one. */
	if (!rc && syncfs(m->fd) < 0)
		rc = -errno;
	return rc ? rc : fault_hit(FAULT_STEP);
}

static size_t merge_chain_find(const struct chain *c, uint64_t id)
{
	size_t i = 0;

	while (i < c->n && c->entries[i].id != id)
		i++;
	return i;
}

/* Has the chain been replaced, though that failed? Then it may or may not come to the disk: all three stay. */
static bool merge_is_chained(struct merge *m)
{
	struct chain c;
	bool chained;

	if (chain_read(&c, m->s->dirfd))
		return true; /* what cannot be read may be so */
	chained = merge_chain_find(&c, m->id) < c.n;
	chain_fini(&c);
	return chained;
}

/* Both leave the chain, `out` takes the newer one's name: the moment of truth. */
static int merge_commit(struct merge *m)
{
	struct chain c;
	int rc = chain_read(&c, m->s->dirfd);
	size_t at;

	if (rc)
		return rc;
	at = merge_chain_find(&c, m->new->id);
	if (at + 1 >= c.n || c.entries[at + 1].id != m->old->id)
		rc = -EUCLEAN;
	if (!rc) {
		chain_remove(&c, at + 1);
		c.entries[at].id = m->id;
		rc = chain_alias(&c, m->old->id, m->id);
	}
	if (!rc)
		rc = chain_alias(&c, m->new->id, m->id);
	if (!rc && (rc = chain_write(&c, m->s->dirfd)) && merge_is_chained(m)) {
		m->chained = true;
		store_fail(m->s, rc, "replacing the chain of snapshots");
	}
	chain_fini(&c);
	return rc;
}

/* In memory: `out` in the place of `new`, `old` out of the order. */
static int merge_adopt(struct merge *m)
{
	struct store *s = m->s;
	char *path = strdup(m->path);
	struct reader *reader = path ? reader_new(path, SCHEMA_IMMUTABLE) : NULL;
	size_t at = (size_t)(m->old - s->order);
	int rc = reader ? store_add_alias(s, m->old->id, m->id) : -ENOMEM;

	if (!rc)
		rc = store_add_alias(s, m->new->id, m->id);
	if (rc)
		return rc;
	reader_free(m->new->reader);
	close(m->new->datafd);
	free(m->new->path);
	m->new->path = path;
	m->new->reader = reader;
	m->new->datafd = m->datafd;
	m->datafd = -1;
	m->new->id = m->id;
	delta_fini(m->old);
	memmove(s->order + at, s->order + at + 1, (s->norder - at - 1) * sizeof(*s->order));
	s->norder--;
	return 0;
}

static int merge_pair(struct store *s, size_t at)
{
	struct merge m = { .s = s, .new = &s->order[at], .old = &s->order[at + 1], .fd = -1, .datafd = -1 };
	uint64_t old = m.old->id, new = m.new->id;
	int rc = merge_build(&m);

	if (!rc)
		rc = merge_commit(&m);
	if (!rc) {
		rc = merge_adopt(&m);
		if (rc)
			store_fail(s, rc, "taking up the merged snapshot");
	} else if (m.id && !m.chained) {
		head_discard(s->dirfd, m.id);
	}
	if (!rc && !(rc = fault_hit(FAULT_STEP))) {
		head_discard(s->dirfd, old);
		head_discard(s->dirfd, new);
	}
	stock_empty_trash(s);
	if (m.fd >= 0)
		close(m.fd);
	if (m.datafd >= 0)
		close(m.datafd);
	return rc;
}

/* Is the delta at this place in the order one of this upper's own? */
static bool merge_own(const struct store *s, size_t at)
{
	size_t n = strlen(s->path);

	return at < s->norder && !strncmp(s->order[at].path, s->path, n) && !strncmp(s->order[at].path + n, "/deltas/", 8);
}

/* The newest snapshot: only its name goes. */
static int merge_unname(struct store *s, size_t at)
{
	struct chain c;
	int rc = chain_read(&c, s->dirfd);
	size_t i;

	if (rc)
		return rc;
	i = merge_chain_find(&c, s->order[at].id);
	if (i < c.n)
		*c.entries[i].name = '\0';
	rc = i < c.n ? chain_write(&c, s->dirfd) : -EUCLEAN;
	if (!rc)
		*s->order[at].name = '\0';
	chain_fini(&c);
	return rc;
}

/* Merges every nameless delta that has a sealed one above it. */
static int merge_nameless(struct store *s)
{
	int rc = 0;

	for (size_t at = 1; !rc && merge_own(s, at + 1);) {
		if (*s->order[at + 1].name)
			at++;
		else
			rc = merge_pair(s, at);
	}
	return rc;
}

int store_snapshot_delete(struct store *s, const char *name, struct vn_err *err)
{
	size_t at = 1;
	int rc;

	if (!s->has_head || store_readonly(s))
		return vn_err_set(err, -EROFS, "%s is opened read-only", s->path ? s->path : "the tree");
	while (at < s->norder && strcmp(s->order[at].name, name))
		at++;
	if (at == s->norder || !*name)
		return vn_err_set(err, -ENOENT, "%s has no snapshot named %s; `veneer log` lists them", s->path, name);
	if (!merge_own(s, at))
		return vn_err_set(err, -EBUSY, "the snapshot %s belongs to the upper that %s was forked from", name,
				  s->path);
	rc = merge_unname(s, at);
	if (!rc)
		rc = merge_nameless(s);
	return rc ? vn_err_sys(err, rc, "cannot delete the snapshot %s of %s", name, s->path) : 0;
}
