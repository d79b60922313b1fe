// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include <bsd/string.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tree.h"

/* ---- life ---- */

void world_init(struct world *w, const char *const roots[SIDES], uint64_t seed, unsigned process,
		const struct world_options *options)
{
	*w = (struct world){.seed = seed, .process = process, .options = *options, .area_fd = {-1, -1}};
	w->rnd.state = seed * 1000003 + process;
	for (int s = 0; s < SIDES; s++)
		w->root[s] = roots[s];
	for (size_t i = 0; i < SLOTS; i++)
		w->slots[i] = (struct slot){.fd = {-1, -1}};
}

void world_close(struct slot *s)
{
	for (int i = 0; i < SIDES; i++) {
		if (s->fd[i] >= 0)
			close(s->fd[i]);
		s->fd[i] = -1;
	}
}

static void close_area(struct world *w)
{
	for (int s = 0; s < SIDES; s++) {
		if (w->area_fd[s] >= 0)
			close(w->area_fd[s]);
		w->area_fd[s] = -1;
	}
}

void world_fini(struct world *w)
{
	for (size_t i = 0; i < SLOTS; i++)
		world_close(&w->slots[i]);
	for (size_t i = 0; i < sizeof(w->log) / sizeof(w->log[0]); i++)
		free(w->log[i]);
	close_area(w);
}

int world_enter(struct world *w, const char *area)
{
	close_area(w);
	for (int s = 0; s < SIDES; s++) {
		snprintf(w->area[s], sizeof(w->area[s]), "%s/%s", w->root[s], area);
		if (mkdir(w->area[s], 0755) && errno != EEXIST)
			return -errno;
		w->area_fd[s] = open(w->area[s], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (w->area_fd[s] < 0)
			return -errno;
	}
	return 0;
}

/* ---- names and paths ---- */

static int visible(const struct dirent *e)
{
	return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* One of the directory's own names; false when it has none. */
static bool existing_name(struct world *w, const char *host_dir, bool dirs, char name[NAME_MAX + 8])
{
	struct dirent **names = NULL;
	int n = scandir(host_dir, &names, visible, by_bytes);
	int wanted = 0, pick = -1;

	for (int i = 0; i < n; i++)
		wanted += !dirs || names[i]->d_type == DT_DIR;
	if (wanted > 0)
		pick = (int)rnd_below(&w->rnd, (size_t)wanted);
	for (int i = 0; i < n; i++) {
		if ((!dirs || names[i]->d_type == DT_DIR) && pick-- == 0)
			snprintf(name, NAME_MAX + 8, "%s", names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return wanted > 0;
}

static void pool_name(struct world *w, char name[NAME_MAX + 8])
{
	static const char *const odd[] = {".wh.n1", ".hidden", "a b", "new\nline", "\xc3\xa4",
					  "\xff",   "N1",      "-",   "..."};

	if (rnd_chance(&w->rnd, 1)) {
		memset(name, 'L', NAME_MAX + 1);
		name[NAME_MAX + rnd_below(&w->rnd, 2)] = '\0'; /* the longest, or one too long */
		name[NAME_MAX + 1] = '\0';
	} else if (rnd_chance(&w->rnd, 8)) {
		strcpy(name, RND_PICK(&w->rnd, odd));
	} else {
		snprintf(name, NAME_MAX + 8, "n%zu", rnd_below(&w->rnd, 12));
	}
}

void world_pick_name(struct world *w, const char *host_dir, char name[NAME_MAX + 8])
{
	if (rnd_chance(&w->rnd, 40) || !existing_name(w, host_dir, false, name))
		pool_name(w, name);
}

/* Paths stay far shorter than the buffers: a few names below the area. */
static void place_set(struct world *w, struct place *p, const char *rel)
{
	if (strlcpy(p->rel, rel, sizeof(p->rel)) >= sizeof(p->rel))
		abort();
	for (int s = 0; s < SIDES; s++) {
		int n = snprintf(p->host[s], sizeof(p->host[s]), "%s%s%s", w->area[s], *rel ? "/" : "", rel);

		if (n < 0 || (size_t)n >= sizeof(p->host[s]))
			abort();
	}
}

static void place_add(struct world *w, struct place *p, const char *name)
{
	char rel[PATH_MAX + NAME_MAX + 16];
	int n = snprintf(rel, sizeof(rel), "%s%s%s", p->rel, *p->rel ? "/" : "", name);

	if (n < 0 || (size_t)n >= sizeof(rel))
		abort();
	place_set(w, p, rel);
}

void world_pick_dir(struct world *w, struct place *p)
{
	char name[NAME_MAX + 8];

	place_set(w, p, "");
	for (size_t depth = rnd_below(&w->rnd, 5); depth > 0; depth--) {
		if (rnd_chance(&w->rnd, 3))
			pool_name(w, name);
		else if (!existing_name(w, p->host[1], true, name))
			break;
		place_add(w, p, name);
	}
}

void world_pick(struct world *w, struct place *p)
{
	char name[NAME_MAX + 8];

	world_pick_dir(w, p);
	if (rnd_chance(&w->rnd, 12) || !existing_name(w, p->host[1], false, name))
		pool_name(w, name);
	place_add(w, p, name);
}

void world_pick_new(struct world *w, struct place *p)
{
	char name[NAME_MAX + 8];

	world_pick_dir(w, p);
	world_pick_name(w, p->host[1], name);
	place_add(w, p, name);
}

/* ---- slots ---- */

struct slot *world_slot(struct world *w, mode_t type)
{
	size_t start = rnd_below(&w->rnd, SLOTS);

	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *s = &w->slots[(start + i) % SLOTS];

		if (s->fd[0] >= 0 && (!type || s->type == type))
			return s;
	}
	return NULL;
}

struct slot *world_free_slot(struct world *w)
{
	struct slot *oldest = &w->slots[0];

	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *s = &w->slots[i];

		if (s->fd[0] < 0) {
			s->number = ++w->opened;
			return s;
		}
		if (s->number < oldest->number)
			oldest = s;
	}
	world_close(oldest);
	oldest->number = ++w->opened;
	return oldest;
}

/* ---- telling ---- */

/* Bytes that would spoil a line. */
static void escape(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ')
			*text = '?';
	}
}

void world_op(struct world *w, const char *fmt, ...)
{
	size_t at = w->count++ % (sizeof(w->log) / sizeof(w->log[0]));
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->op, sizeof(w->op), fmt, ap);
	va_end(ap);
	escape(w->op);
	free(w->log[at]);
	w->log[at] = strdup(w->op);
	if (w->options.verbose)
		fprintf(stderr, "%u/%zu %s\n", w->process, w->count, w->op);
}

void world_fail(struct world *w, const char *fmt, ...)
{
	size_t nlog = sizeof(w->log) / sizeof(w->log[0]);
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	escape(text);
	w->failed = true;
	flockfile(stdout);
	printf("# seed %llu, process %u, operation %zu%s: %s\n#   %s\n# before it:\n", (unsigned long long)w->seed,
	       w->process, w->count, w->shared ? " (shared)" : "", w->op, text);
	for (size_t i = w->count < nlog ? 0 : w->count - nlog; i < w->count; i++)
		printf("#   %s\n", w->log[i % nlog]);
	fflush(stdout);
	funlockfile(stdout);
}

static void outcome_text(const struct outcome *o, char *out, size_t size)
{
	if (o->rc < 0)
		snprintf(out, size, "%s", strerrorname_np(o->err) ? strerrorname_np(o->err) : "?");
	else
		snprintf(out, size, "%ld [%s]", o->rc, o->note);
}

void world_settle(struct world *w, const struct outcome o[SIDES])
{
	char text[SIDES][512];

	if (o[0].rc == o[1].rc && (o[0].rc < 0 ? o[0].err == o[1].err : o[0].data == o[1].data))
		return;
	for (int s = 0; s < SIDES; s++)
		outcome_text(&o[s], text[s], sizeof(text[s]));
	world_fail(w, "%s instead of %s", text[0], text[1]);
}

/* ---- outcomes ---- */

void outcome_set(struct outcome *o, long rc)
{
	*o = (struct outcome){.rc = rc < 0 ? -1 : rc, .err = rc < 0 ? errno : 0};
}

void outcome_bytes(struct outcome *o, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint64_t h = o->data ? o->data : UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	o->data = h;
}

void outcome_note(struct outcome *o, const char *fmt, ...)
{
	size_t at = strlen(o->note);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(o->note + at, sizeof(o->note) - at, fmt, ap);
	va_end(ap);
}

void outcome_stat(struct outcome *o, const struct stat *st)
{
	bool dir = S_ISDIR(st->st_mode);
	bool set = st->st_mtim.tv_sec < TREE_NOW;
	uint64_t key[] = {
		TREE_MODE(st->st_mode),
		st->st_uid,
		st->st_gid,
		dir ? 0 : st->st_nlink,
		S_ISREG(st->st_mode) || S_ISLNK(st->st_mode) ? (uint64_t)st->st_size : 0,
		S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode) ? st->st_rdev : 0,
		set ? (uint64_t)st->st_mtim.tv_sec : 0,
		set ? (uint64_t)st->st_mtim.tv_nsec : 0,
	};

	outcome_bytes(o, key, sizeof(key));
	outcome_note(o, "mode %o owner %u:%u links %lu size %lld device %u:%u mtime %lld", st->st_mode, st->st_uid,
		     st->st_gid, (unsigned long)key[3], (long long)key[4], major(key[5]), minor(key[5]), (long long)key[6]);
}

/* The same object on both sides. */
static void check_object(struct world *w, const char *const host[SIDES])
{
	struct outcome o[SIDES] = {{0}};
	struct stat st;

	for (int s = 0; s < SIDES; s++) {
		outcome_set(&o[s], lstat(host[s], &st));
		if (o[s].rc == 0)
			outcome_stat(&o[s], &st);
	}
	world_settle(w, o);
	if (w->failed)
		printf("#   in %s\n", host[1]);
}

static void check_dir(struct world *w, const char *const host[SIDES])
{
	DIR *dir = opendir(host[1]);
	struct dirent *e;

	check_object(w, host);
	while (dir && !w->failed && (e = readdir(dir))) {
		char *child[SIDES] = {NULL};

		if (!visible(e))
			continue;
		for (int s = 0; s < SIDES; s++) {
			if (asprintf(&child[s], "%s/%s", host[s], e->d_name) < 0)
				abort();
		}
		if (e->d_type == DT_DIR)
			check_dir(w, (const char *const *)child);
		else
			check_object(w, (const char *const *)child);
		free(child[0]);
		free(child[1]);
	}
	if (dir)
		closedir(dir);
}

static void check_slots(struct world *w)
{
	for (size_t i = 0; i < SLOTS && !w->failed; i++) {
		struct outcome o[SIDES] = {{0}};
		struct stat st;

		if (w->slots[i].fd[0] < 0)
			continue;
		for (int s = 0; s < SIDES; s++) {
			outcome_set(&o[s], fstat(w->slots[i].fd[s], &st));
			outcome_stat(&o[s], &st);
		}
		world_settle(w, o);
		if (w->failed)
			printf("#   in #%u\n", w->slots[i].number);
	}
}

void world_check(struct world *w)
{
	const char *const area[SIDES] = {w->area[0], w->area[1]};

	check_slots(w);
	if (!w->failed)
		check_dir(w, area);
}
