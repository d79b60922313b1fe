// SPDX-License-Identifier: Apache-2.0
/*
 * Forks: uppers whose chain leads into the deltas of another upper, which knows
 * of them by its refs (refs.h). A fork is built beside its place and renamed
 * (fork_place.c): dying before that leaves a hidden directory, and refs that keep
 * deltas longer than needed.
 */
#include "store/data.h"
#include "store/fault.h"
#include "store/head.h"
#include "store/refs.h"
#include "store/sqlerr.h"

#include "base/clock.h"
#include "base/copy.h"
#include "base/fd.h"
#include "base/scope.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* ---- making one ---- */

struct fork {
	const struct store_fork *given;
	char *origin;     /* the origin's path */
	char *place;      /* where it will be */
	char *temp;       /* where the fork is built; renamed to its place at the end */
	int lockfd;       /* of temp */
	struct chain chain; /* what it will stand on; paths filled in */
	char *top;        /* directory of the delta on top */
	char id[17];      /* of the fork, names its refs */
};

static void fork_fini(struct fork *f)
{
	chain_fini(&f->chain);
	if (f->lockfd >= 0)
		close(f->lockfd);
	free(f->origin);
	free(f->temp);
	free(f->place);
	free(f->top);
}

/* Drops what is newer than the snapshot and gives every entry the path of its directory. */
static int fork_cut(struct fork *f)
{
	struct chain *c = &f->chain;

	while (c->n && f->given->snapshot && strcmp(c->entries[0].name, f->given->snapshot))
		chain_remove(c, 0);
	for (size_t i = 0; i < c->n; i++) {
		struct chain_entry *e = &c->entries[i];

		if (!e->path && asprintf(&e->path, "%s/deltas/%016" PRIx64, f->origin, e->id) < 0)
			return -ENOMEM;
	}
	if (!c->n)
		return -ENOENT;
	f->top = strdup(c->entries[0].path);
	return f->top ? 0 : -ENOMEM;
}

static int fork_read_chain(struct fork *f, struct vn_err *err)
{
	vn_autoclose int fd = open(f->origin, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : chain_read(&f->chain, fd);

	if (rc)
		return vn_err_sys(err, rc, "cannot read %s/chain", f->origin);
	rc = fork_cut(f);
	if (rc == -ENOENT)
		return vn_err_set(err, rc, "%s has no snapshot named %s; `veneer log` lists them", f->origin,
				  f->given->snapshot ? f->given->snapshot : "");
	return rc ? vn_err_sys(err, rc, "cannot read %s/chain", f->origin) : 0;
}

/* ---- what it stands on ---- */

static bool fork_in_chain(const char *owner, uint64_t id)
{
	vn_autoclose int fd = open(owner, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct chain c;
	bool found = false;

	if (fd < 0 || chain_read(&c, fd))
		return false;
	for (size_t i = 0; i < c.n; i++)
		found |= c.entries[i].id == id && !c.entries[i].path;
	chain_fini(&c);
	return found;
}

/*
 * Refs are there; is what they hold still in the chain? Whoever removes a delta
 * takes it out of the chain before looking at refs. A delta of an upper that the
 * origin was forked from may have left that chain long ago: the origin's ref
 * holds it.
 */
static int fork_check_deltas(const struct fork *f)
{
	for (size_t i = 0; i < f->chain.n; i++) {
		const struct chain_entry *e = &f->chain.entries[i];
		vn_autofree char *owner = refs_owner(e->path);

		if (!owner)
			return -ENOMEM;
		if (access(e->path, F_OK) < 0)
			return -errno;
		if (!strcmp(owner, f->origin) && !fork_in_chain(owner, e->id))
			return -ESTALE;
	}
	return 0;
}

/* ---- copies ---- */

struct fork_copy {
	int from, to;
};

static int fork_copy_data(void *arg, uint64_t number)
{
	struct fork_copy *c = arg;
	vn_autoclose int from = data_open(c->from, number, O_RDONLY);
	vn_autoclose int to = from < 0 ? -1 : data_create(c->to, number);
	int rc;

	if (from < 0 || to < 0)
		return from < 0 ? from : to;
	rc = vn_copy_file(from, to);
	return rc ? rc : vn_fdatasync(to);
}

static int fork_copy_index(int from, int to)
{
	vn_autoclose int in = openat(from, "index.db", O_RDONLY | O_CLOEXEC);
	vn_autoclose int out = openat(to, "index.db", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int rc;

	if (in < 0 || out < 0)
		return -errno;
	rc = vn_copy_file(in, out);
	return rc ? rc : vn_fsync(out);
}

static int fork_copy_delta(const char *from, int dirfd, const char *to)
{
	vn_autoclose int fromfd = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vn_autoclose int tofd = -1;
	struct fork_copy c = { -1, -1 };
	int rc = fromfd < 0 ? -errno : 0;

	if (!rc && (mkdirat(dirfd, to, 0700) < 0 || (tofd = openat(dirfd, to, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
		    mkdirat(tofd, "data", 0700) < 0))
		rc = -errno;
	if (!rc && ((c.from = openat(fromfd, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
		    (c.to = openat(tofd, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0))
		rc = -errno;
	if (!rc)
		rc = data_walk(c.from, fork_copy_data, &c);
	if (!rc)
		rc = fork_copy_index(fromfd, tofd);
	if (c.from >= 0)
		close(c.from);
	if (c.to >= 0)
		close(c.to);
	return rc ? rc : vn_fsync(tofd);
}

static int fork_copy_all(struct fork *f, int dirfd)
{
	int rc = mkdirat(dirfd, "deltas", 0700) < 0 ? -errno : 0;

	for (size_t i = 0; !rc && i < f->chain.n; i++) {
		struct chain_entry *e = &f->chain.entries[i];
		char to[48];

		snprintf(to, sizeof(to), "deltas/%016" PRIx64, e->id);
		rc = fork_copy_delta(e->path, dirfd, to);
		free(e->path);
		e->path = NULL;
	}
	return rc;
}

/* ---- the new upper ---- */

/* Facts of the delta on top go on in the fork: numbers, parents, what the tree recorded. */
static int fork_facts(struct fork *f)
{
	vn_autofree char *uri = schema_uri(f->top, "?immutable=1");
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	int rc = uri ? schema_open(f->temp, SCHEMA_WRITE, &db) : -ENOMEM;

	if (!rc)
		rc = schema_prepare(db, "ATTACH ?1 AS top", &st);
	if (!rc) {
		sqlite3_bind_text(st, 1, uri, -1, SQLITE_STATIC);
		rc = sqlerr_errno(sqlite3_step(st), db);
	}
	sqlite3_finalize(st);
	if (!rc)
		rc = schema_exec(db, "REPLACE INTO meta SELECT * FROM top.meta WHERE key LIKE 'tree.%' OR"
				     " key IN ('parents', 'next_ino'); DETACH top;"
				     " PRAGMA wal_checkpoint(TRUNCATE)"); /* it is read at rest from here on */
	sqlite3_close(db);
	return rc;
}

static int fork_id(struct fork *f)
{
	vn_autofree char *text = NULL;
	sqlite3 *db = NULL;
	int rc = schema_open(f->temp, SCHEMA_IMMUTABLE, &db);

	if (!rc)
		rc = meta_get_text(db, "upper", &text);
	if (!rc)
		strlcpy(f->id, text, sizeof(f->id));
	sqlite3_close(db);
	return rc;
}

static struct refs_fork fork_ref(const struct fork *f)
{
	return (struct refs_fork){ .id = f->id, .place = f->place, .chain = &f->chain };
}

static int fork_build(struct fork *f, struct vn_err *err)
{
	struct store_config config = { .upper = f->temp, .create = true };
	struct refs_fork ref = fork_ref(f);
	struct store *s = NULL;
	vn_autoclose int dirfd = -1;
	int rc;

	f->lockfd = fork_begin_building(f->temp);
	if (f->lockfd < 0)
		return f->lockfd == -EBUSY ?
			       vn_err_set(err, -EBUSY, "the fork %s is being made by another process", f->given->dir) :
			       vn_err_sys(err, f->lockfd, "cannot make the fork %s", f->given->dir);
	rc = store_open(&config, &s, err);
	if (rc)
		return rc;
	rc = store_close(s);
	if (!rc)
		rc = fork_facts(f);
	if (!rc)
		rc = fork_id(f);
	if (!rc && (dirfd = open(f->temp, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		rc = -errno;
	if (!rc)
		rc = f->given->copy ? fork_copy_all(f, dirfd) : refs_write(&ref);
	if (!rc && !f->given->copy)
		rc = fork_check_deltas(f);
	if (!rc)
		rc = fault_hit(FAULT_STEP);
	if (!rc)
		rc = chain_write(&f->chain, dirfd);
	return rc ? vn_err_sys(err, rc, "cannot make the fork %s", f->given->dir) : 0;
}

/* The moment at which the fork exists. */
static int fork_place(struct fork *f, struct vn_err *err)
{
	vn_autofree char *name = strndup(f->place, (size_t)(strrchr(f->place, '/') + 1 - f->place));
	vn_autoclose int parent = name ? open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int rc = fault_hit(FAULT_STEP);

	if (!rc && rename(f->temp, f->place) < 0)
		rc = -errno;
	if (rc == -ENOTEMPTY || rc == -EEXIST || rc == -ENOTDIR)
		return vn_err_set(err, rc, "%s exists already; name a new directory for the fork", f->given->dir);
	if (!rc && parent >= 0)
		rc = vn_fsync(parent);
	return rc ? vn_err_sys(err, rc, "cannot put the fork in place at %s", f->given->dir) : 0;
}

/* Seals what the head has under a name of its own, where no snapshot was named. */
static int fork_seal(const struct store_fork *given, char name[64], struct vn_err *err)
{
	struct store_config config = { .upper = given->origin };
	struct store *s = NULL;
	uint64_t id;
	int rc = store_open_recorded(&config, &s, err), rc2;

	if (rc)
		return rc;
	snprintf(name, 64, "fork-%" PRId64, vn_now_ns());
	rc = store_seal(s, name, &id, err);
	rc2 = store_close(s);
	return rc || !rc2 ? rc : vn_err_sys(err, rc2, "cannot close the upper %s", given->origin);
}

/* What it did not come to. The lock is held, so it is nobody else's. */
static void fork_undo(struct fork *f)
{
	struct refs_fork ref = fork_ref(f);

	if (f->lockfd < 0)
		return;
	if (*f->id && !f->given->copy)
		refs_remove(&ref);
	head_remove_tree(AT_FDCWD, f->temp);
}

static int fork_run(struct fork *f, struct vn_err *err)
{
	int rc;

	f->origin = realpath(f->given->origin, NULL);
	if (!f->origin)
		return vn_err_sys(err, -errno, "cannot find the upper %s", f->given->origin);
	f->temp = fork_building(f->place);
	if (!f->temp)
		return -ENOMEM;
	rc = fork_read_chain(f, err);
	if (!rc)
		rc = fork_build(f, err);
	if (!rc)
		rc = fork_place(f, err);
	if (rc)
		fork_undo(f);
	return rc;
}

int store_fork(const struct store_fork *given, struct vn_err *err)
{
	struct store_fork to = *given;
	struct fork f = { .given = &to, .lockfd = -1 };
	char name[64];
	int rc = fork_check_place(given->dir, &f.place, err); /* before anything is sealed for it */

	if (!rc && !given->snapshot) {
		rc = fork_seal(given, name, err);
		to.snapshot = name;
	}
	if (!rc)
		rc = fork_run(&f, err);
	fork_fini(&f);
	return rc;
}
