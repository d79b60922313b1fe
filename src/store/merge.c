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
#include "store/data.h"
#include "store/fault.h"
#include "store/head.h"
#include "store/sqlerr.h"

#include "base/fd.h"
#include "base/scope.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

struct merge {
	struct store *s;
	struct delta *old, *new;
	uint8_t uuid[16];
	uint64_t id;
	char path[PATH_MAX];
	int fd, datafd;
	struct writer w; /* on the index of `out`, `old` attached */
};

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
	return fork_copy_fd(in, out);
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

/* Does any delta but the two know this inode? Then its row is not dead. */
static int merge_known_elsewhere(struct merge *m, uint64_t ino)
{
	struct store *s = m->s;

	for (size_t i = 0; i < s->norder; i++) {
		struct reader_conn conn;
		sqlite3_stmt *st = NULL;
		bool found = false;
		int rc;

		if (&s->order[i] == m->old || &s->order[i] == m->new)
			continue;
		rc = reader_get(s->order[i].reader, &conn);
		if (rc)
			return rc;
		rc = sqlerr_errno(sqlite3_prepare_v2(conn.db, "SELECT 1 FROM inode WHERE ino = ?1 UNION ALL SELECT 1"
							      " FROM dentry WHERE ino = ?1 AND ino > 0",
						     -1, &st, NULL), conn.db);
		if (!rc) {
			sqlite3_bind_int64(st, 1, (sqlite3_int64)ino);
			found = sqlite3_step(st) == SQLITE_ROW;
		}
		sqlite3_finalize(st);
		reader_put(s->order[i].reader, &conn);
		if (rc || found)
			return rc ? rc : 1;
	}
	return 0;
}

/*
 * Objects whose every name was in `old` and went in `new`. `new` may have a row
 * of one when it is a merged delta itself: the name was in a delta below it.
 */
static int merge_find_dead(struct merge *m)
{
	sqlite3 *db = m->w.db;
	sqlite3_stmt *find = NULL, *note = NULL;
	int rc = schema_exec(db, "CREATE TEMP TABLE dead(ino INTEGER PRIMARY KEY)");

	if (!rc)
		rc = schema_prepare(db, "SELECT ino FROM (SELECT ino FROM old.inode UNION SELECT ino FROM main.inode)"
					" WHERE ino IN (SELECT ino FROM old.dentry WHERE ino > 0) AND ino NOT IN"
					" (SELECT ino FROM main.dentry WHERE ino > 0)", &find);
	if (!rc)
		rc = schema_prepare(db, "INSERT INTO dead VALUES(?1)", &note);
	while (!rc && sqlite3_step(find) == SQLITE_ROW) {
		int known = merge_known_elsewhere(m, (uint64_t)sqlite3_column_int64(find, 0));

		if (known < 0)
			rc = known;
		if (known)
			continue;
		sqlite3_bind_int64(note, 1, sqlite3_column_int64(find, 0));
		rc = sqlerr_errno(sqlite3_step(note), db);
		sqlite3_reset(note);
	}
	sqlite3_finalize(find);
	sqlite3_finalize(note);
	return rc;
}

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
		"INSERT OR IGNORE INTO main.baseino SELECT * FROM old.baseino;"
		/* Names in directories that are gone mean nothing any more. */
		"DELETE FROM main.dentry WHERE parent IN (SELECT ino FROM dead)");
}

/* ---- bytes of a file that has a row in both ---- */

struct merge_extent {
	uint64_t start, end;
	int kind;
};

struct merge_extents {
	struct merge_extent *items;
	size_t n;
	bool data;
};

static int merge_extents_add(struct merge_extents *l, uint64_t start, uint64_t end, int kind)
{
	struct merge_extent *p;

	if (start >= end)
		return 0;
	p = realloc(l->items, (l->n + 1) * sizeof(*p));
	if (!p)
		return -ENOMEM;
	l->items = p;
	p[l->n++] = (struct merge_extent){ start, end, kind };
	l->data |= kind == STORE_EXTENT_DATA;
	return 0;
}

static int merge_extents_fn(void *arg, uint64_t start, uint64_t length, int kind)
{
	return merge_extents_add(arg, start, start + length, kind);
}

/* What `old` has of its own, as extents: all of a full file, the rows of a partial one. */
static int merge_extents_of(struct merge *m, const struct store_inode *row, struct merge_extents *l)
{
	vn_autoclose int fd = -1;
	struct stat st;

	if (row->state == STORE_PARTIAL)
		return store_read_extents(m->s, m->old->id, row->ino, merge_extents_fn, l);
	if (row->state != STORE_FULL || !row->data)
		return 0;
	fd = data_open(m->old->datafd, row->data, O_RDONLY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fd < 0 ? fd : -errno;
	return merge_extents_add(l, 0, (uint64_t)st.st_size, STORE_EXTENT_DATA);
}

/* The parts of `under` below `limit` that no part of `over` covers. Both ascend. */
static int merge_extents_gaps(const struct merge_extents *over, const struct merge_extents *under, uint64_t limit,
			      struct merge_extents *gaps)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < under->n; i++) {
		uint64_t at = under->items[i].start;
		uint64_t end = under->items[i].end < limit ? under->items[i].end : limit;

		for (size_t k = 0; !rc && k < over->n && at < end; k++) {
			const struct merge_extent *o = &over->items[k];

			if (o->end <= at || o->start >= end)
				continue;
			rc = merge_extents_add(gaps, at, o->start, under->items[i].kind);
			at = o->end;
		}
		if (!rc)
			rc = merge_extents_add(gaps, at, end, under->items[i].kind);
	}
	return rc;
}

static int merge_copy_range(int from, int to, uint64_t start, uint64_t end)
{
	loff_t in = (loff_t)start, out = (loff_t)start;

	while ((uint64_t)in < end) {
		ssize_t n = copy_file_range(from, &in, to, &out, end - (uint64_t)in, 0);

		if (n < 0)
			return -errno;
		if (!n) /* the file is shorter: zeros */
			return ftruncate(to, (off_t)end) < 0 ? -errno : 0;
	}
	return 0;
}

static int merge_copy_extents(int fromfd, uint64_t number, const struct merge_extents *l, int to)
{
	vn_autoclose int from = data_open(fromfd, number, O_RDONLY);
	int rc = from < 0 ? from : 0;

	for (size_t i = 0; !rc && i < l->n; i++) {
		if (l->items[i].kind == STORE_EXTENT_DATA)
			rc = merge_copy_range(from, to, l->items[i].start, l->items[i].end);
	}
	return rc;
}

/* A data file with the bytes of both; linked where only one of them has any. */
static int merge_data(struct merge *m, struct store_inode *row, const struct store_inode *old,
		      const struct merge_extents *over, const struct merge_extents *gaps)
{
	vn_autoclose int to = -1;
	uint64_t number;
	int rc;

	if (!gaps->data || !over->data) {
		if (gaps->data)
			row->data = old->data;
		if (!gaps->data && !over->data) {
			row->data = 0;
			return 0;
		}
		return data_link(gaps->data ? m->old->datafd : m->new->datafd, m->datafd, row->data);
	}
	number = numbers_next(m->s, &m->s->datas);
	to = number ? data_create(m->datafd, number) : -ENOSPC;
	if (to < 0)
		return to;
	rc = merge_copy_extents(m->new->datafd, row->data, over, to);
	if (!rc)
		rc = merge_copy_extents(m->old->datafd, old->data, gaps, to);
	row->data = number;
	return rc;
}

static int merge_set_row(struct merge *m, const struct store_inode *row)
{
	sqlite3_stmt *st = NULL;
	int rc = schema_prepare(m->w.db, "UPDATE main.inode SET state = ?2, data = ?3, source = ?4, below = ?5"
					 " WHERE ino = ?1", &st);

	if (!rc) {
		sqlite3_bind_int64(st, 1, (sqlite3_int64)row->ino);
		sqlite3_bind_int64(st, 2, row->state);
		sqlite3_bind_int64(st, 3, (sqlite3_int64)row->data);
		sqlite3_bind_int64(st, 4, (sqlite3_int64)row->source);
		sqlite3_bind_int64(st, 5, (sqlite3_int64)row->below);
		rc = sqlerr_errno(sqlite3_step(st), m->w.db);
	}
	sqlite3_finalize(st);
	return rc;
}

static int merge_fold(struct merge *m, struct store_inode *row, const struct store_inode *old)
{
	struct merge_extents over = { .n = 0 }, under = { .n = 0 }, gaps = { .n = 0 };
	bool reads_on = old->state == STORE_PARTIAL || old->state == STORE_BELOW;
	int rc = 0;

	if (row->state == STORE_PARTIAL)
		rc = store_read_extents(m->s, m->new->id, row->ino, merge_extents_fn, &over);
	if (!rc)
		rc = merge_extents_of(m, old, &under);
	if (!rc)
		rc = merge_extents_gaps(&over, &under, row->below, &gaps);
	if (!rc)
		rc = merge_data(m, row, old, &over, &gaps);
	for (size_t i = 0; !rc && i < gaps.n; i++)
		rc = writer_extent(&m->w, row->ino, gaps.items[i].start, gaps.items[i].end - gaps.items[i].start,
				   gaps.items[i].kind);
	row->source = reads_on ? old->source : 0;
	if (!reads_on)
		row->below = 0;
	else if (old->below < row->below)
		row->below = old->below;
	if (over.n || gaps.n)
		row->state = STORE_PARTIAL;
	else
		row->state = row->below ? STORE_BELOW : STORE_NONE;
	if (!rc)
		rc = merge_set_row(m, row);
	free(over.items);
	free(under.items);
	free(gaps.items);
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
		rc = data_link(m->new->datafd, m->datafd, row.data);
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

static int merge_link(struct merge *m, int fromfd, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int rc = schema_prepare(m->w.db, sql, &st);

	while (!rc && sqlite3_step(st) == SQLITE_ROW)
		rc = data_link(fromfd, m->datafd, (uint64_t)sqlite3_column_int64(st, 0));
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
		rc = merge_link(m, m->old->datafd, "SELECT data FROM main.inode WHERE data > 0 AND ino IN (SELECT ino FROM only)");
	if (!rc)
		rc = merge_link(m, m->new->datafd, "SELECT data FROM main.inode WHERE data > 0 AND ino NOT IN"
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
	if (!rc)
		rc = chain_write(&c, m->s->dirfd);
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
	} else if (m.id) {
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
