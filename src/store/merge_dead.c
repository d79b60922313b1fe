// SPDX-License-Identifier: Apache-2.0
/*
 * Which rows of two merged deltas nobody can reach any more.
 *
 * A removed directory takes the whiteouts in it along, so that a name in `old` may
 * have nothing over it in `new` and lead nowhere all the same. What counts is
 * whether some name leads up to the root: names of `out`, which are the newest at
 * its level, and those of older deltas that nothing newer hides. What has no such
 * name is gone for good, since deltas above know only what was there; but for
 * what somebody had in use when it was unlinked, whose row went on upwards and may
 * read its bytes here.
 *
 * Other names of a lower file with several are in the base and in no delta.
 */
#include "store/merge.h"

#include "store/read.h"
#include "store/sqlerr.h"

#include "base/vec.h"

struct dead_step {
	uint64_t ino;
	size_t from; /* the step whose name is in this directory; the first is its own */
};

struct dead {
	struct merge *m;
	struct vn_vec todo;  /* uint64_t: inodes to be looked at */
	struct vn_vec steps; /* struct dead_step: of one search */
	sqlite3_stmt *known, *note, *parents, *name, *children, *drop;
};

/* Runs a statement that gives no rows, its parameters bound. */
static int dead_run(struct dead *d, sqlite3_stmt *st)
{
	int rc = sqlerr_errno(sqlite3_step(st), d->m->w.db);

	sqlite3_reset(st);
	return rc;
}

/* What was found out of an inode: 1 it lives, 0 it is gone, -ENOENT nothing. */
static int dead_known(struct dead *d, uint64_t ino)
{
	int rc;

	if (ino == 1)
		return 1;
	sqlite3_bind_int64(d->known, 1, (sqlite3_int64)ino);
	rc = sqlite3_step(d->known);
	rc = rc == SQLITE_ROW ? sqlite3_column_int(d->known, 0) : rc == SQLITE_DONE ? -ENOENT : -EIO;
	sqlite3_reset(d->known);
	return rc;
}

static int dead_note(struct dead *d, uint64_t ino, bool lives)
{
	sqlite3_bind_int64(d->note, 1, (sqlite3_int64)ino);
	sqlite3_bind_int(d->note, 2, lives);
	return dead_run(d, d->note);
}

static int dead_add_step(struct dead *d, uint64_t ino, size_t from)
{
	const struct dead_step *s = d->steps.v;
	struct dead_step *add;

	for (size_t i = 0; i < d->steps.n; i++) {
		if (s[i].ino == ino)
			return 0;
	}
	add = vn_vec_add(&d->steps, 1, sizeof(*add));
	if (!add)
		return -ENOMEM;
	*add = (struct dead_step){ ino, from };
	return 0;
}

/* Does `out`, or a delta between it and the one at `at`, say anything of this name? */
static int dead_hidden(struct dead *d, size_t at, uint64_t parent, const char *name, size_t len)
{
	struct store *s = d->m->s;
	int rc;

	sqlite3_bind_int64(d->name, 1, (sqlite3_int64)parent);
	sqlite3_bind_blob64(d->name, 2, name, len, SQLITE_STATIC);
	rc = sqlite3_step(d->name);
	sqlite3_reset(d->name);
	if (rc != SQLITE_DONE)
		return rc == SQLITE_ROW ? 1 : -EIO;
	return read_name_between(s, (size_t)(d->m->old - s->order) + 1, at, parent, name, len);
}

/* The directories in which the delta at `at` names the inode, as far as that shows. */
static int dead_parents_below(struct dead *d, size_t at, uint64_t ino, size_t from)
{
	struct read r;
	int rc = read_begin(&r, &d->m->s->order[at], READER_PARENT, ino);

	if (rc)
		return rc;
	while ((rc = read_step(&r)) > 0) {
		uint64_t parent = (uint64_t)sqlite3_column_int64(r.st, 0);
		int hidden = dead_hidden(d, at, parent, sqlite3_column_blob(r.st, 1), (size_t)sqlite3_column_bytes(r.st, 1));

		rc = hidden < 0 ? hidden : hidden ? 0 : dead_add_step(d, parent, from);
		if (rc)
			break;
	}
	read_end(&r);
	return rc;
}

/* Adds the directories that name the inode of step `from`. */
static int dead_parents(struct dead *d, size_t from)
{
	uint64_t ino = ((struct dead_step *)d->steps.v)[from].ino;
	int rc = 0;

	sqlite3_bind_int64(d->parents, 1, (sqlite3_int64)ino);
	while (!rc && sqlite3_step(d->parents) == SQLITE_ROW)
		rc = dead_add_step(d, (uint64_t)sqlite3_column_int64(d->parents, 0), from);
	sqlite3_reset(d->parents);
	for (size_t at = (size_t)(d->m->old - d->m->s->order) + 1; !rc && at < d->m->s->norder; at++)
		rc = dead_parents_below(d, at, ino, from);
	return rc;
}

/* All that lies on the way from step `at` to where the search began lives. */
static int dead_note_way(struct dead *d, size_t at)
{
	for (;;) {
		struct dead_step s = ((struct dead_step *)d->steps.v)[at];
		int rc = s.ino == 1 ? 0 : dead_note(d, s.ino, true);

		if (rc || s.from == at)
			return rc;
		at = s.from;
	}
}

/* None of the directories that were met has a name that leads on: what was named in them is to be looked at. */
static int dead_note_gone(struct dead *d, uint64_t ino)
{
	int rc = dead_note(d, ino, false);

	sqlite3_bind_int64(d->children, 1, (sqlite3_int64)ino);
	while (!rc && sqlite3_step(d->children) == SQLITE_ROW) {
		uint64_t *add = vn_vec_add(&d->todo, 1, sizeof(*add));

		if (add)
			*add = (uint64_t)sqlite3_column_int64(d->children, 0);
		else
			rc = -ENOMEM;
	}
	sqlite3_reset(d->children);
	sqlite3_bind_int64(d->drop, 1, (sqlite3_int64)ino);
	return rc ? rc : dead_run(d, d->drop);
}

/* Looks for the root from one inode upwards, through all of its names. */
static int dead_search(struct dead *d, uint64_t ino)
{
	int known = dead_known(d, ino), rc;

	if (known != -ENOENT)
		return known < 0 ? known : 0;
	d->steps.n = 0;
	rc = dead_add_step(d, ino, 0);
	for (size_t i = 0; !rc && i < d->steps.n; i++) {
		known = dead_known(d, ((struct dead_step *)d->steps.v)[i].ino);
		if (known == 1)
			return dead_note_way(d, i);
		rc = known == -ENOENT ? dead_parents(d, i) : known;
	}
	for (size_t i = 0; !rc && i < d->steps.n; i++)
		rc = dead_note_gone(d, ((struct dead_step *)d->steps.v)[i].ino);
	return rc;
}

/* Those of which no name is in `out`, or the last one has just gone with its directory. */
static int dead_search_all(struct dead *d)
{
	sqlite3_stmt *st = NULL;
	int rc = schema_prepare(d->m->w.db, "SELECT ino FROM (SELECT ino FROM old.inode UNION SELECT ino FROM main.inode)"
					    " WHERE ino NOT IN (SELECT ino FROM main.dentry WHERE ino > 0)", &st);

	while (!rc && sqlite3_step(st) == SQLITE_ROW) {
		uint64_t *add = vn_vec_add(&d->todo, 1, sizeof(*add));

		if (add)
			*add = (uint64_t)sqlite3_column_int64(st, 0);
		else
			rc = -ENOMEM;
	}
	sqlite3_finalize(st);
	while (!rc && d->todo.n)
		rc = dead_search(d, ((uint64_t *)d->todo.v)[--d->todo.n]);
	return rc;
}

static int dead_prepare(struct dead *d)
{
	sqlite3 *db = d->m->w.db;
	int rc = schema_exec(db, "CREATE TEMP TABLE reached(ino INTEGER PRIMARY KEY, lives INTEGER);"
				 "INSERT INTO reached SELECT ino, 1 FROM main.inode WHERE flags & 64;"
				 "INSERT OR IGNORE INTO reached SELECT ino, 1 FROM old.inode WHERE flags & 64");

	if (!rc)
		rc = schema_prepare(db, "SELECT lives FROM reached WHERE ino = ?1", &d->known);
	if (!rc)
		rc = schema_prepare(db, "REPLACE INTO reached VALUES(?1, ?2)", &d->note);
	if (!rc)
		rc = schema_prepare(db, "SELECT parent FROM main.dentry WHERE ino = ?1 AND ino > 0", &d->parents);
	if (!rc)
		rc = schema_prepare(db, "SELECT 1 FROM main.dentry WHERE parent = ?1 AND name = ?2", &d->name);
	if (!rc)
		rc = schema_prepare(db, "SELECT ino FROM main.dentry WHERE parent = ?1 AND ino > 0", &d->children);
	if (!rc)
		rc = schema_prepare(db, "DELETE FROM main.dentry WHERE parent = ?1", &d->drop);
	return rc;
}

static void dead_fini(struct dead *d)
{
	sqlite3_finalize(d->known);
	sqlite3_finalize(d->note);
	sqlite3_finalize(d->parents);
	sqlite3_finalize(d->name);
	sqlite3_finalize(d->children);
	sqlite3_finalize(d->drop);
	free(d->todo.v);
	free(d->steps.v);
}

/* ---- what went on upwards ---- */

/* Has a delta above a row of this inode? */
static int dead_in_use(struct merge *m, uint64_t ino)
{
	int rc = 0;

	for (size_t i = 0; !rc && &m->s->order[i] != m->new; i++) {
		struct read r;

		rc = read_begin(&r, &m->s->order[i], READER_INODE, ino);
		if (rc)
			return rc;
		rc = read_step(&r);
		read_end(&r);
	}
	return rc;
}

static int dead_choose(struct merge *m)
{
	sqlite3_stmt *find = NULL, *note = NULL;
	int rc = schema_exec(m->w.db, "CREATE TEMP TABLE dead(ino INTEGER PRIMARY KEY)");

	if (!rc)
		rc = schema_prepare(m->w.db, "SELECT ino FROM reached WHERE NOT lives", &find);
	if (!rc)
		rc = schema_prepare(m->w.db, "INSERT INTO dead VALUES(?1)", &note);
	while (!rc && sqlite3_step(find) == SQLITE_ROW) {
		int used = dead_in_use(m, (uint64_t)sqlite3_column_int64(find, 0));

		if (used) {
			rc = used < 0 ? used : 0;
			continue;
		}
		sqlite3_bind_int64(note, 1, sqlite3_column_int64(find, 0));
		rc = sqlerr_errno(sqlite3_step(note), m->w.db);
		sqlite3_reset(note);
	}
	sqlite3_finalize(find);
	sqlite3_finalize(note);
	return rc;
}

int merge_find_dead(struct merge *m)
{
	struct dead d = { .m = m };
	int rc = dead_prepare(&d);

	if (!rc)
		rc = dead_search_all(&d);
	dead_fini(&d);
	return rc ? rc : dead_choose(m);
}
