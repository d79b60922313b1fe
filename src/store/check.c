// SPDX-License-Identifier: Apache-2.0
/*
 * Verification. Each question is a query whose rows are the sentences to report;
 * what lies in files is looked at from here. Rows of one delta may lead to rows
 * of an older one, so some answers count only when no other delta knows better.
 */
#include "store/state.h"

#include "store/data.h"
#include "store/sqlerr.h"

#include "base/clock.h"
#include "base/scope.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct check {
	struct store *s;
	store_problem_fn problem;
	void *arg;
	int count;
	int64_t patience; /* until when a served layer may catch up with itself; vn_mono_ns() */
};

#define CHECK_PATIENCE (20 * VN_NS_PER_SEC)

struct check_question {
	const char *sql;  /* column 0: the sentence */
	bool elsewhere;   /* column 1 is an inode: no problem when another delta has a row of it */
	bool single;      /* meaningful only where there is one delta */
};

#define IS_DIR(m) "(" m " & 61440 = 16384)"

static const struct check_question check_questions[] = {
	{ "SELECT printf('index: %s', integrity_check) FROM pragma_integrity_check(20) WHERE integrity_check <> 'ok'",
	  false, false },
	{ "SELECT printf('the name %s in directory %d leads to inode %d, which has no row', CAST(d.name AS TEXT),"
	  " d.parent, d.ino), d.ino FROM dentry d WHERE d.ino > 0 AND NOT EXISTS"
	  " (SELECT 1 FROM inode i WHERE i.ino = d.ino)", true, false },
	{ "SELECT printf('directory %d has names but no row', parent), parent FROM dentry WHERE parent <> 1 AND"
	  " parent NOT IN (SELECT ino FROM inode) GROUP BY parent", true, false },
	{ "SELECT printf('inode %d has names below it but is no directory', i.ino), 0 FROM inode i WHERE NOT "
	  IS_DIR("i.mode") " AND i.ino IN (SELECT parent FROM dentry)", false, false },
	{ "SELECT printf('a name in directory %d is empty, too long or contains a slash', parent), 0 FROM dentry WHERE"
	  " length(name) NOT BETWEEN 1 AND 255 OR instr(name, x'2f') OR instr(name, x'00')"
	  " OR name IN (x'2e', x'2e2e')", false, false },
	{ "SELECT printf('directory %d has %d names', d.ino, count(*)), 0 FROM dentry d JOIN inode i ON i.ino = d.ino"
	  " WHERE d.ino > 0 AND " IS_DIR("i.mode") " GROUP BY d.ino HAVING count(*) > 1", false, false },
	{ "SELECT printf('inode %d is linked %d times but has %d names', i.ino, i.nlink, n), 0 FROM"
	  " (SELECT i.*, (SELECT count(*) FROM dentry d WHERE d.ino = i.ino AND d.ino > 0) AS n FROM inode i) i"
	  " WHERE origin IS NULL AND source = 0 AND NOT " IS_DIR("mode") " AND nlink <> n", false, true },
	{ "SELECT printf('inode %d has no name and is not recorded as removed', ino), 0 FROM inode WHERE"
	  " origin IS NULL AND source = 0 AND ino <> 1 AND ino NOT IN (SELECT ino FROM dentry WHERE ino > 0)"
	  " AND ino NOT IN (SELECT ino FROM orphan)", false, true },
	{ "SELECT printf('orphan %d has no row', ino), 0 FROM orphan WHERE ino NOT IN (SELECT ino FROM inode)",
	  false, false },
	{ "WITH RECURSIVE r(ino) AS (SELECT 1 UNION SELECT ino FROM inode WHERE " IS_DIR("mode")
	  " AND ino NOT IN (SELECT ino FROM dentry WHERE ino > 0) UNION SELECT d.ino FROM r JOIN dentry d"
	  " ON d.parent = r.ino WHERE d.ino > 0) SELECT printf('directory %d cannot be reached from the root', parent), 0"
	  " FROM dentry WHERE parent IN (SELECT ino FROM inode) AND parent NOT IN (SELECT ino FROM r) GROUP BY parent",
	  false, false },
	{ "SELECT printf('inode %d reads below but has nothing below', ino), 0 FROM inode WHERE state = 1"
	  " AND mode & 61440 = 32768 AND origin IS NULL AND source = 0 AND size > 0", false, false },
	{ "SELECT printf('inode %d has an unknown state %d', ino, state), 0 FROM inode WHERE state NOT BETWEEN 0 AND 3",
	  false, false },
	{ "SELECT printf('inode %d is a symlink without a target', ino), 0 FROM inode WHERE mode & 61440 = 40960"
	  " AND origin IS NULL AND source = 0 AND ino NOT IN (SELECT ino FROM symlink WHERE length(target) > 0)",
	  false, true },
	{ "SELECT printf('data file %d belongs to %d inodes', data, count(*)), 0 FROM inode WHERE data > 0"
	  " GROUP BY data HAVING count(*) > 1", false, false },
	{ "SELECT printf('extents are recorded for inode %d, which is not partial', ino), 0 FROM extent e WHERE NOT"
	  " EXISTS (SELECT 1 FROM inode i WHERE i.ino = e.ino AND i.state = 2) GROUP BY ino", false, false },
	{ "SELECT printf('extents of inode %d overlap at %d', a.ino, b.start), 0 FROM extent a JOIN extent b"
	  " ON b.ino = a.ino AND b.start > a.start AND b.start < a.start + a.length", false, false },
	{ "SELECT printf('an extent of inode %d at %d has a bad length or kind', ino, start), 0 FROM extent"
	  " WHERE length <= 0 OR start < 0 OR kind NOT IN (1, 2)", false, false },
	{ "SELECT printf('xattrs are recorded for inode %d, which has no row', ino), 0 FROM xattr"
	  " WHERE ino NOT IN (SELECT ino FROM inode) GROUP BY ino", false, false },
};

static void check_report(struct check *c, const struct delta *d, const char *sentence)
{
	char text[1024];

	c->count++;
	if (!c->problem)
		return;
	snprintf(text, sizeof(text), "%s/index.db: %s", d->path, sentence);
	c->problem(c->arg, text);
}

static bool check_known_elsewhere(struct check *c, const struct delta *d, uint64_t ino)
{
	struct store *s = c->s;

	for (size_t i = 0; i < s->norder; i++) {
		struct store_inode row;
		uint64_t id = s->has_head && !i ? 0 : s->order[i].id;

		if (&s->order[i] == d || store_read_inode_at(s, id, ino, &row))
			continue;
		free((char *)row.origin);
		return true;
	}
	return false;
}

static int check_ask(struct check *c, struct delta *d, sqlite3 *db, const struct check_question *q)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, q->sql, -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = SQLITE_ROW;
	while (rc == SQLITE_ROW && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (q->elsewhere && check_known_elsewhere(c, d, (uint64_t)sqlite3_column_int64(st, 1)))
			continue;
		check_report(c, d, (const char *)sqlite3_column_text(st, 0));
	}
	rc = sqlerr_errno(rc, db);
	sqlite3_finalize(st);
	return rc;
}

/* ---- data files ---- */

struct check_row {
	uint64_t ino, data, size, source, reach; /* reach: end of the last DATA extent */
	int state;
	uint32_t flags;
};

static void check_row_report(struct check *c, const struct delta *d, const struct check_row *r, const char *what)
{
	char text[512];

	snprintf(text, sizeof(text), "inode %" PRIu64 ": data file %" PRIu64 " %s", r->ino, r->data, what);
	check_report(c, d, text);
}

/* What is wrong with the data file; NULL: nothing. */
static const char *check_data_row(const struct delta *d, const struct check_row *r)
{
	vn_autoclose int fd = -1;
	struct stat st;

	if (!r->data)
		return r->size && r->state == STORE_FULL ? "is none, but the file has bytes" : NULL;
	fd = data_open(d->datafd, r->data, O_RDONLY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fd == -ENOENT ? "is missing" : "cannot be opened";
	if (!S_ISREG(st.st_mode))
		return "is no regular file";
	if (r->state == STORE_FULL && !(r->flags & STORE_STALE) && (uint64_t)st.st_size != r->size)
		return "has another size than the row says";
	if (r->state == STORE_PARTIAL && (uint64_t)st.st_size < r->reach && (uint64_t)st.st_size < r->size)
		return "is shorter than its extents";
	return NULL;
}

static void check_source(struct check *c, const struct delta *d, const struct check_row *r)
{
	char text[160];

	if (!r->source || store_delta(c->s, r->source))
		return;
	snprintf(text, sizeof(text), "inode %" PRIu64 " reads from delta %016" PRIx64 ", which is not in the chain", r->ino,
		 r->source);
	check_report(c, d, text);
}

#define CHECK_ROWS \
	"SELECT ino, data, size, source, state, flags, (SELECT max(start + length) FROM extent e WHERE e.ino = i.ino" \
	" AND kind = 1) FROM inode i WHERE mode & 61440 = 32768"

static struct check_row check_row(sqlite3_stmt *st)
{
	return (struct check_row){
		.ino = (uint64_t)sqlite3_column_int64(st, 0), .data = (uint64_t)sqlite3_column_int64(st, 1),
		.size = (uint64_t)sqlite3_column_int64(st, 2), .source = (uint64_t)sqlite3_column_int64(st, 3),
		.state = sqlite3_column_int(st, 4), .flags = (uint32_t)sqlite3_column_int64(st, 5),
		.reach = (uint64_t)sqlite3_column_int64(st, 6),
	};
}

/* Reads the row of r anew, as it is by now. 0: it is gone; negative: an error. */
static int check_row_again(struct delta *d, struct check_row *r)
{
	struct reader_conn conn;
	sqlite3_stmt *st = NULL;
	int rc = reader_get(d->reader, &conn);

	if (rc)
		return rc;
	rc = schema_prepare(conn.db, CHECK_ROWS " AND ino = ?1", &st);
	if (!rc) {
		sqlite3_bind_int64(st, 1, (sqlite3_int64)r->ino);
		rc = sqlite3_step(st) == SQLITE_ROW;
	}
	if (rc > 0)
		*r = check_row(st);
	sqlite3_finalize(st);
	reader_put(d->reader, &conn);
	return rc;
}

static bool check_row_same(const struct check_row *a, const struct check_row *b)
{
	return a->data == b->data && a->size == b->size && a->reach == b->reach && a->state == b->state &&
	       a->flags == b->flags;
}

/*
 * Of a layer that is served the rows follow the data files at some distance: only
 * a row that stays as it is while it is wrong counts.
 */
static void check_data_file(struct check *c, struct delta *d, const struct check_row *r)
{
	const char *what = check_data_row(d, r);
	struct check_row now = *r;

	while (what && c->s->shared && d == c->s->order && vn_mono_ns() < c->patience) {
		usleep(20000);
		if (check_row_again(d, &now) <= 0 || !check_row_same(&now, r))
			return;
		what = check_data_row(d, r);
	}
	if (what)
		check_row_report(c, d, r, what);
}

static int check_data(struct check *c, struct delta *d, sqlite3 *db)
{
	sqlite3_stmt *st = NULL;
	int rc = schema_prepare(db, CHECK_ROWS, &st);

	while (!rc && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct check_row r = check_row(st);

		check_data_file(c, d, &r);
		check_source(c, d, &r);
		rc = 0;
	}
	rc = rc < 0 ? rc : sqlerr_errno(rc, db);
	sqlite3_finalize(st);
	return rc;
}

static int check_delta(struct check *c, struct delta *d)
{
	struct reader_conn conn;
	int rc = reader_get(d->reader, &conn);

	if (rc)
		return rc;
	for (size_t i = 0; !rc && i < VN_ARRAY_LEN(check_questions); i++) {
		if (!check_questions[i].single || c->s->norder == 1)
			rc = check_ask(c, d, conn.db, &check_questions[i]);
		if (rc == -EUCLEAN) {
			check_report(c, d, "is so damaged that SQLite cannot read all of it");
			break;
		}
	}
	if (!rc)
		rc = check_data(c, d, conn.db);
	reader_put(d->reader, &conn);
	return rc == -EUCLEAN ? 0 : rc;
}

/* ---- the journal ---- */

static void check_journal(struct check *c)
{
	struct store *s = c->s;
	struct ring ring;
	uint8_t upper[16];
	char text[4200];
	int rc = s->has_head ? store_upper_id(s, upper) : -ENOENT;

	ring_init(&ring);
	if (!rc)
		rc = ring_open(&ring, s->dirfd, upper);
	ring_fini(&ring);
	if (rc != -ESTALE && rc != -EUCLEAN)
		return;
	c->count++;
	snprintf(text, sizeof(text), "%s/journal %s", s->path,
		 rc == -ESTALE ? "belongs to another upper than index.db: one of them was copied here" : "is damaged");
	if (c->problem)
		c->problem(c->arg, text);
}

int store_check(struct store *s, store_problem_fn problem, void *arg)
{
	struct check c = { .s = s, .problem = problem, .arg = arg, .patience = vn_mono_ns() + CHECK_PATIENCE };
	int rc = 0;

	check_journal(&c);
	for (size_t i = 0; !rc && i < s->norder; i++)
		rc = check_delta(&c, &s->order[i]);
	return rc ? rc : c.count;
}
