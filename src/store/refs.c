// SPDX-License-Identifier: Apache-2.0
#include "store/refs.h"

#include "store/head.h"
#include "store/state.h"

#include "base/fd.h"
#include "base/scope.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define REFS_MAX (1u << 20) /* bytes of one */

char *refs_owner(const char *delta)
{
	char *owner = strdup(delta);
	char *cut = owner ? strstr(owner, "/deltas/") : NULL;

	while (cut && strstr(cut + 1, "/deltas/"))
		cut = strstr(cut + 1, "/deltas/");
	if (cut)
		*cut = '\0';
	return owner;
}

/* ---- writing ---- */

/* The deltas of `owner` that the fork needs, behind its path. */
static int refs_text(const struct refs_fork *f, const char *owner, char **text)
{
	size_t len;
	FILE *out = open_memstream(text, &len);

	if (!out)
		return -ENOMEM;
	fprintf(out, "%s\n", f->place);
	for (size_t i = 0; i < f->chain->n; i++) {
		const struct chain_entry *e = &f->chain->entries[i];
		vn_autofree char *of = e->path ? refs_owner(e->path) : NULL;

		if (of && !strcmp(of, owner))
			fprintf(out, "%016" PRIx64 "\n", e->id);
	}
	return fclose(out) ? -ENOMEM : 0;
}

/* Opens refs/ of an upper; `make`: makes it. */
static int refs_open(int dirfd, bool make)
{
	int fd;

	if (make && mkdirat(dirfd, "refs", 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dirfd, "refs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool refs_same(int refsfd, const char *id, const char *text)
{
	vn_autofree char *old = NULL;
	size_t len;

	return vn_read_file_at(refsfd, id, REFS_MAX, &old, &len) == 0 && strlen(text) == len && !strcmp(old, text);
}

static int refs_write_one(const struct refs_fork *f, const char *owner)
{
	vn_autofree char *text = NULL;
	vn_autoclose int dirfd = open(owner, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vn_autoclose int refsfd = -1;
	int rc = dirfd < 0 ? -errno : refs_text(f, owner, &text);

	if (rc)
		return rc;
	refsfd = refs_open(dirfd, true);
	if (refsfd < 0 || refs_same(refsfd, f->id, text))
		return refsfd < 0 ? refsfd : 0;
	rc = vn_write_file_at(refsfd, f->id, text, strlen(text), 0600);
	return rc ? rc : vn_fsync(dirfd);
}

static void refs_remove_one(const struct refs_fork *f, const char *owner)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/refs/%s", owner, f->id) < (int)sizeof(path))
		unlink(path);
}

/* Once for each upper that entries lie in; entries of one stand together in a chain. */
static int refs_each(const struct refs_fork *f, bool remove)
{
	vn_autofree char *last = NULL;
	int rc = 0;

	for (size_t i = 0; !rc && i < f->chain->n; i++) {
		const char *path = f->chain->entries[i].path;
		vn_autofree char *owner = path ? refs_owner(path) : NULL;

		if (!path || (owner && last && !strcmp(owner, last)))
			continue;
		if (!owner)
			rc = -ENOMEM;
		else if (remove)
			refs_remove_one(f, owner);
		else
			rc = refs_write_one(f, owner);
		free(last);
		last = vn_steal_ptr(&owner);
	}
	return rc;
}

int refs_write(const struct refs_fork *f)
{
	return refs_each(f, false);
}

void refs_remove(const struct refs_fork *f)
{
	(void)!refs_each(f, true);
}

void refs_renew(struct store *s)
{
	struct refs_fork f = { .place = s->path };
	char upper[33];
	struct chain c;

	if (chain_read(&c, s->dirfd))
		return;
	layout_uuid_format(s->upper, upper);
	upper[16] = '\0';
	f.id = upper;
	f.chain = &c;
	(void)!refs_each(&f, false);
	chain_fini(&c);
}

/* ---- reading ---- */

/* Calls fn with every ref; text NULL: it cannot be read. fn returns non-zero to stop, which is returned. */
static int refs_walk(int dirfd, int (*fn)(void *arg, int refsfd, const char *id, char *text), void *arg)
{
	int fd = refs_open(dirfd, false), rc = 0;
	vn_autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return fd == -ENOENT ? 0 : fd < 0 ? fd : -ENOMEM;
	}
	while (!rc && (e = readdir(d))) {
		vn_autofree char *text = NULL;
		size_t len;

		if (*e->d_name == '.')
			continue;
		if (vn_read_file_at(fd, e->d_name, REFS_MAX, &text, &len))
			text = NULL;
		rc = fn(arg, fd, e->d_name, text);
	}
	return rc;
}

static int refs_need_one(void *arg, int refsfd, const char *id, char *text)
{
	(void)refsfd;
	(void)id;
	return !text || strstr(text, arg) != NULL;
}

bool refs_need(int dirfd, uint64_t delta)
{
	char line[32];

	snprintf(line, sizeof(line), "\n%016" PRIx64 "\n", delta);
	return refs_walk(dirfd, refs_need_one, line) != 0;
}

/* ---- what has become of a fork ---- */

/* Does the upper at `place` stand on deltas of the upper at `owner`? What cannot be read does. */
static bool refs_stands_on(const char *place, const char *owner)
{
	vn_autoclose int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct chain c;
	bool found = false;

	if (fd < 0 || chain_read(&c, fd))
		return true;
	for (size_t i = 0; i < c.n && !found; i++) {
		vn_autofree char *of = c.entries[i].path ? refs_owner(c.entries[i].path) : NULL;

		found = of && !strcmp(of, owner);
	}
	chain_fini(&c);
	return found;
}

/* The identity of an upper as its journal has it: 16 hex digits. -ENOENT: none. */
static int refs_upper_id(const char *place, char id[17])
{
	char path[PATH_MAX];
	uint8_t head[16];
	vn_autoclose int fd = -1;

	if (snprintf(path, sizeof(path), "%s/journal", place) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (vn_pread_full(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head))
		return -EUCLEAN;
	for (int i = 0; i < 8; i++)
		sprintf(id + 2 * i, "%02x", head[8 + i]);
	return 0;
}

/*
 * Whatever cannot be told counts as being there. A fork that is being made is looked
 * for first: it is put into its place behind that.
 */
static enum store_fork_state refs_state(const char *owner, const char *id, const char *place)
{
	vn_autofree char *making = fork_building(place);
	bool built = making && access(making, F_OK) == 0;
	char found[17];
	int rc = refs_upper_id(place, found);

	if (rc == -ENOENT || rc == -ENOTDIR) {
		char index[PATH_MAX];

		snprintf(index, sizeof(index), "%s/index.db", place);
		if (access(index, F_OK) == 0)
			return STORE_FORK_THERE; /* without its journal */
		return built || !making ? STORE_FORK_BEING_MADE : STORE_FORK_AWAY;
	}
	if (rc)
		return STORE_FORK_THERE;
	if (strcmp(found, id) || !refs_stands_on(place, owner))
		return built ? STORE_FORK_BEING_MADE : STORE_FORK_AWAY;
	return STORE_FORK_THERE;
}

/* Cuts a ref's text up: the place, which is returned, and the number of deltas. NULL: damaged. */
static const char *refs_cut(char *text, size_t *deltas)
{
	char *end = text ? strchr(text, '\n') : NULL;

	if (!end || *text != '/')
		return NULL;
	*end = '\0';
	*deltas = 0;
	for (const char *p = end + 1; (p = strchr(p, '\n')); p++)
		++*deltas;
	return text;
}

struct refs_list {
	const char *owner; /* real path */
	store_fork_fn fn;
	void *arg;
};

static int refs_list_one(void *arg, int refsfd, const char *id, char *text)
{
	struct refs_list *l = arg;
	struct store_fork_info info = { .id = id };

	(void)refsfd;
	info.place = refs_cut(text, &info.deltas);
	info.state = info.place ? refs_state(l->owner, id, info.place) : STORE_FORK_THERE;
	return l->fn(l->arg, &info);
}

static int refs_open_upper(const char *upper, char **real, struct vn_err *err)
{
	int fd;

	*real = realpath(upper, NULL);
	fd = *real ? open(*real, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	return fd < 0 ? vn_err_sys(err, -errno, "cannot open the upper directory %s", upper) : fd;
}

int store_forks(const char *upper, store_fork_fn fn, void *arg, struct vn_err *err)
{
	vn_autofree char *real = NULL;
	vn_autoclose int dirfd = refs_open_upper(upper, &real, err);
	struct refs_list l = { .owner = real, .fn = fn, .arg = arg };
	int rc;

	if (dirfd < 0)
		return dirfd;
	rc = refs_walk(dirfd, refs_list_one, &l);
	return rc < 0 ? vn_err_sys(err, rc, "cannot list the forks of %s", upper) : rc;
}

/* ---- forgetting ---- */

struct refs_forget {
	const char *owner;
	const char *given, *real; /* two ways to say where the fork was */
	int count, kept;
	enum store_fork_state state; /* of the last one that was kept */
};

static int refs_forget_one(void *arg, int refsfd, const char *id, char *text)
{
	struct refs_forget *g = arg;
	size_t deltas;
	const char *place = refs_cut(text, &deltas);
	enum store_fork_state state;

	if (!place || (strcmp(place, g->given) && (!g->real || strcmp(place, g->real))))
		return 0;
	state = refs_state(g->owner, id, place);
	if (state != STORE_FORK_AWAY) {
		g->kept++;
		g->state = state;
		return 0;
	}
	g->count++;
	return unlinkat(refsfd, id, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* What only the forgotten fork needed goes when the upper is next opened: now, if nobody has it. */
static void refs_sweep(const char *upper)
{
	struct store_config config = { .upper = upper, .lock_wait_ms = 1 };
	struct vn_err err = { 0 };
	struct store *s;

	if (store_open_recorded(&config, &s, &err) == 0)
		(void)!store_close(s);
}

int store_fork_forget(const char *upper, const char *dir, struct vn_err *err)
{
	vn_autofree char *owner = NULL, *given = fork_absolute(dir);
	vn_autofree char *real = fork_real(dir, NULL);
	vn_autoclose int dirfd = refs_open_upper(upper, &owner, err);
	struct refs_forget g = { .owner = owner, .given = given ? given : dir, .real = real };
	int rc;

	if (dirfd < 0)
		return dirfd;
	rc = refs_walk(dirfd, refs_forget_one, &g);
	if (rc)
		return vn_err_sys(err, rc, "cannot forget the fork %s in %s", dir, upper);
	if (!g.count && g.kept && g.state == STORE_FORK_BEING_MADE)
		return vn_err_set(err, -EBUSY, "the fork %s is being made, or was cut short; remove it, or make it again", dir);
	if (!g.count && g.kept)
		return vn_err_set(err, -EBUSY, "the fork %s is there and needs %s; remove it first", dir, upper);
	if (!g.count)
		return vn_err_set(err, -ENOENT, "%s knows of no fork %s; `veneer fork --list` names them", upper, dir);
	refs_sweep(owner);
	return 0;
}
