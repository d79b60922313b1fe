// SPDX-License-Identifier: Apache-2.0
/* Listings, and directories that change while they are read or are gone while they are open. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "world.h"

#define EACH(s) for (int s = 0; s < SIDES; s++)

/* The names of an open stream, without order. */
static void list_hash(struct outcome *o, DIR *dir)
{
	struct dirent *e;
	uint64_t sum = 0;
	long n = 0;

	while ((e = (errno = 0, readdir(dir)))) {
		struct outcome one = {0};

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		outcome_bytes(&one, e->d_name, strlen(e->d_name));
		outcome_bytes(&one, &e->d_type, sizeof(e->d_type));
		sum += one.data;
		outcome_note(o, "%s:%u ", e->d_name, e->d_type);
		n++;
	}
	o->rc = errno ? -1 : n;
	o->err = errno;
	o->data = sum;
}

static void op_readdir(struct world *w)
{
	struct outcome o[SIDES];
	struct place p;

	world_pick_dir(w, &p);
	world_op(w, "readdir(%s)", p.rel);
	EACH(s)
	{
		DIR *dir = opendir(p.host[s]);

		outcome_set(&o[s], dir ? 0 : -1);
		if (!dir)
			continue;
		list_hash(&o[s], dir);
		closedir(dir);
	}
	world_settle(w, o);
}

/* d_ino must be what stat says. */
static void op_dino(struct world *w)
{
	struct place p;
	struct dirent *e;
	DIR *dir;

	if (w->options.kernel)
		return;
	world_pick_dir(w, &p);
	world_op(w, "d_ino(%s)", p.rel);
	dir = opendir(p.host[0]);
	while (dir && (e = readdir(dir))) {
		struct stat st;

		if (strcmp(e->d_name, "..") == 0 || fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (st.st_ino != e->d_ino)
			world_fail(w, "%s: d_ino %llu, st_ino %llu", e->d_name, (unsigned long long)e->d_ino,
				   (unsigned long long)st.st_ino);
	}
	if (dir)
		closedir(dir);
}

/* ---- changing while it is read ---- */

#define CHURN_PATH (PATH_MAX * 4)
#define STAY 40 /* names that are there all the time */

static void churn_name(char *out, const char *dir, const char *kind, int i)
{
	snprintf(out, CHURN_PATH, "%s/%s%d", dir, kind, i);
}

static void churn_make(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	if (fd >= 0)
		close(fd);
}

/* Reads a directory slowly with changes in between; counts how often each name that stays comes. */
static void churn_side(struct world *w, int s, const char *host, uint64_t seed)
{
	char path[CHURN_PATH], again[CHURN_PATH];
	int seen[STAY] = {0}, n = 0, index;
	struct rnd r = {seed};
	DIR *dir = opendir(host);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		if (sscanf(e->d_name, "stay%d", &index) == 1 && index >= 0 && index < STAY)
			seen[index]++;
		if (n++ % 5)
			continue;
		churn_name(path, host, "come", (int)rnd_below(&r, 20));
		churn_name(again, host, "come", (int)rnd_below(&r, 20));
		switch (rnd_below(&r, 4)) {
		case 0:
			churn_make(path);
			break;
		case 1:
			unlink(path);
			break;
		case 2:
			rename(path, again);
			break;
		default:
			seekdir(dir, telldir(dir));
		}
	}
	if (dir)
		closedir(dir);
	for (int i = 0; i < STAY && !w->failed; i++) {
		if (seen[i] != 1)
			world_fail(w, "side %d: stay%d came %d times", s, i, seen[i]);
	}
}

static void op_churn(struct world *w)
{
	char path[CHURN_PATH];
	uint64_t seed = rnd_next(&w->rnd);
	struct place p;

	world_pick_dir(w, &p);
	snprintf(path, sizeof(path), "%s/churn", p.rel);
	world_op(w, "readdir(%s) while it changes", path);
	EACH(s)
	{
		char dir[PATH_MAX * 3];

		snprintf(dir, sizeof(dir), "%s/churn", p.host[s]);
		if (mkdir(dir, 0755))
			continue;
		for (int i = 0; i < STAY; i++) {
			churn_name(path, dir, "stay", i);
			churn_make(path);
		}
		churn_side(w, s, dir, seed);
		for (int i = 0; i < STAY; i++) {
			churn_name(path, dir, "stay", i);
			unlink(path);
			churn_name(path, dir, "come", i);
			unlink(path);
		}
		if (rmdir(dir) && !w->failed)
			world_fail(w, "side %d: rmdir: %s", s, strerror(errno));
	}
}

/* ---- by a descriptor, which may be of a directory without a name ---- */

static void op_create_at(struct world *w)
{
	struct slot *dir = world_slot(w, S_IFDIR);
	char name[NAME_MAX + 8];
	struct outcome o[SIDES];
	bool make_dir = rnd_chance(&w->rnd, 40);

	if (!dir)
		return;
	snprintf(name, sizeof(name), "n%zu", rnd_below(&w->rnd, 12));
	world_op(w, "%s(#%u, %s)", make_dir ? "mkdirat" : "openat", dir->number, name);
	EACH(s)
	{
		if (make_dir) {
			outcome_set(&o[s], mkdirat(dir->fd[s], name, 0755));
		} else {
			int fd = openat(dir->fd[s], name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);

			outcome_set(&o[s], fd < 0 ? -1 : 0);
			if (fd >= 0)
				close(fd);
		}
	}
	world_settle(w, o);
}

static void op_list_at(struct world *w)
{
	struct slot *slot = world_slot(w, S_IFDIR);
	struct outcome o[SIDES];

	if (!slot)
		return;
	world_op(w, "readdir(#%u)", slot->number);
	EACH(s)
	{
		int fd = dup(slot->fd[s]);
		DIR *dir = fdopendir(fd);

		outcome_set(&o[s], dir ? 0 : -1);
		if (!dir)
			continue;
		rewinddir(dir);
		list_hash(&o[s], dir);
		closedir(dir);
	}
	world_settle(w, o);
}

static void op_unlink_at(struct world *w)
{
	struct slot *dir = world_slot(w, S_IFDIR);
	char name[NAME_MAX + 8];
	struct outcome o[SIDES];
	int flags = rnd_chance(&w->rnd, 40) ? AT_REMOVEDIR : 0;

	if (!dir)
		return;
	snprintf(name, sizeof(name), "n%zu", rnd_below(&w->rnd, 12));
	world_op(w, "unlinkat(#%u, %s, %d)", dir->number, name, flags);
	EACH(s) outcome_set(&o[s], unlinkat(dir->fd[s], name, flags));
	world_settle(w, o);
}

const struct op dir_ops[] = {
	{"readdir", 30, op_readdir},
	{"d_ino", 4, op_dino},
	{"churn", 2, op_churn},
	{"create_at", 8, op_create_at},
	{"list_at", 8, op_list_at},
	{"unlink_at", 4, op_unlink_at},
	{NULL, 0, NULL},
};
