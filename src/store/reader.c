// SPDX-License-Identifier: Apache-2.0
#include "store/reader.h"

#include "store/sqlerr.h"

#include <stdlib.h>
#include <string.h>

static const char *const reader_sql[READER_STMTS] = {
	[READER_INODE] = "SELECT mode, uid, gid, rdev, nlink, size, atime, mtime, ctime, btime, flags, state, data,"
			 " source, below, origin FROM inode WHERE ino = ?1",
	[READER_DIR] = "SELECT name, ino FROM dentry WHERE parent = ?1",
	[READER_NAME] = "SELECT ino FROM dentry WHERE parent = ?1 AND name = ?2",
	[READER_PARENT] = "SELECT parent, name FROM dentry WHERE ino = ?1 AND ino > 0",
	[READER_XATTRS] = "SELECT name, value FROM xattr WHERE ino = ?1",
	[READER_SYMLINK] = "SELECT target FROM symlink WHERE ino = ?1",
	[READER_EXTENTS] = "SELECT start, length, kind FROM extent WHERE ino = ?1 ORDER BY start",
	[READER_BASEINOS] = "SELECT ino, path FROM baseino",
	[READER_SEEN] = "SELECT path FROM seen WHERE ino = ?1",
	[READER_ALL_INODES] = "SELECT mode, uid, gid, rdev, nlink, size, atime, mtime, ctime, btime, flags, state, data,"
			      " source, below, origin, ino FROM inode",
	[READER_ALL_DENTRIES] = "SELECT parent, name, ino FROM dentry",
	[READER_META] = "SELECT value FROM meta WHERE key = ?1",
	[READER_ORPHAN] = "SELECT session FROM orphan WHERE ino = ?1",
	[READER_ORPHANS] = "SELECT ino, session FROM orphan",
};

struct reader *reader_new(const char *dir, enum schema_mode mode)
{
	struct reader *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->dir = dir;
	r->mode = mode;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->freed, NULL);
	return r;
}

static void reader_conn_close(struct reader_conn *c)
{
	for (int i = 0; i < READER_STMTS; i++)
		sqlite3_finalize(c->st[i]);
	sqlite3_close(c->db);
	memset(c, 0, sizeof(*c));
}

void reader_close(struct reader *r)
{
	pthread_mutex_lock(&r->lock);
	while (r->nfree) {
		reader_conn_close(&r->free_conns[--r->nfree]);
		r->nopen--;
	}
	pthread_mutex_unlock(&r->lock);
}

void reader_free(struct reader *r)
{
	if (!r)
		return;
	reader_close(r);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->freed);
	free(r);
}

void reader_keep(struct reader *r)
{
	__atomic_store_n(&r->generation, 1, __ATOMIC_RELEASE);
}

void reader_changed(struct reader *r)
{
	if (__atomic_load_n(&r->generation, __ATOMIC_RELAXED))
		__atomic_add_fetch(&r->generation, 1, __ATOMIC_RELEASE);
}

static void reader_end(struct reader_conn *c)
{
	if (c->seen)
		sqlite3_exec(c->db, "COMMIT", NULL, NULL, NULL);
	c->seen = 0;
}

void reader_relax(struct reader *r)
{
	pthread_mutex_lock(&r->lock);
	for (unsigned i = 0; i < r->nfree; i++)
		reader_end(&r->free_conns[i]);
	pthread_mutex_unlock(&r->lock);
}

/* The snapshot is taken by the first read, so it is never older than the generation. */
static void reader_begin(struct reader *r, struct reader_conn *c)
{
	uint64_t now = __atomic_load_n(&r->generation, __ATOMIC_ACQUIRE);

	if (!now || c->seen == now)
		return;
	reader_end(c);
	if (sqlite3_exec(c->db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK)
		c->seen = now;
}

int reader_get(struct reader *r, struct reader_conn *c)
{
	int rc;

	pthread_mutex_lock(&r->lock);
	while (!r->nfree && r->nopen >= READER_POOL)
		pthread_cond_wait(&r->freed, &r->lock);
	if (r->nfree) {
		*c = r->free_conns[--r->nfree];
		pthread_mutex_unlock(&r->lock);
		reader_begin(r, c);
		return 0;
	}
	r->nopen++;
	pthread_mutex_unlock(&r->lock);
	memset(c, 0, sizeof(*c));
	rc = schema_open(r->dir, r->mode, &c->db);
	if (!rc) {
		reader_begin(r, c);
		return 0;
	}
	pthread_mutex_lock(&r->lock);
	r->nopen--;
	pthread_cond_signal(&r->freed);
	pthread_mutex_unlock(&r->lock);
	return rc;
}

void reader_put(struct reader *r, struct reader_conn *c)
{
	for (int i = 0; i < READER_STMTS; i++) {
		if (c->st[i])
			sqlite3_reset(c->st[i]);
	}
	pthread_mutex_lock(&r->lock);
	r->free_conns[r->nfree++] = *c;
	pthread_cond_signal(&r->freed);
	pthread_mutex_unlock(&r->lock);
}

int reader_stmt(struct reader_conn *c, enum reader_stmt i, sqlite3_stmt **st)
{
	int rc = c->st[i] ? 0 : schema_prepare(c->db, reader_sql[i], &c->st[i]);

	*st = c->st[i];
	return rc;
}
