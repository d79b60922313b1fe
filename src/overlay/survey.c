// SPDX-License-Identifier: Apache-2.0
/*
 * Each directory on the way down has a frame: its descriptor and its sorted
 * names, read at once. So the walk takes as many descriptors as the tree is
 * deep; where they run out, a directory counts as one that cannot be read.
 */
#include "overlay/survey.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/scope.h"
#include "lower/base_parts.h"

struct survey_frame {
	int fd;
	char *text;         /* names, one after the other */
	const char **names; /* sorted */
	size_t n, at;
	size_t path_len;
};

struct survey {
	const struct survey_config *config;
	struct survey_frame *frames;
	size_t depth, cap;
	char *path;
	size_t path_cap;
};

/* ---- order ---- */

int survey_compare(const char *a, const char *b)
{
	for (; *a && *a == *b; a++, b++)
		;
	/* What is in a directory comes right behind it, before names that only begin alike. */
	unsigned x = *a == '/' ? 1 : *a ? (unsigned char)*a + 1u : 0;
	unsigned y = *b == '/' ? 1 : *b ? (unsigned char)*b + 1u : 0;

	return x < y ? -1 : x > y;
}

bool survey_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return n == 0 || (strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0'));
}

/* ---- names of a directory ---- */

struct survey_list {
	char *text;
	size_t len, text_cap, n;
	const char **names;
};

static int survey_grow(void **at, size_t *cap, size_t want, size_t size)
{
	size_t n = *cap ? *cap : 64;
	void *moved;

	if (want <= *cap)
		return 0;
	while (n < want)
		n *= 2;
	moved = reallocarray(*at, n, size);
	if (!moved)
		return -ENOMEM;
	*at = moved;
	*cap = n;
	return 0;
}

static int survey_dent(void *arg, const struct layer_dent *e)
{
	struct survey_list *l = arg;
	int rc = survey_grow((void **)&l->text, &l->text_cap, l->len + e->len + 1, 1);

	if (rc)
		return rc;
	memcpy(l->text + l->len, e->name, e->len + 1);
	l->len += e->len + 1;
	l->n++;
	return 0;
}

static int survey_by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int survey_read(int fd, struct survey_list *l)
{
	int rc = layer_read_dir(fd, survey_dent, l);
	const char *name = l->text;

	if (rc || !l->n)
		return rc;
	l->names = calloc(l->n, sizeof(*l->names));
	if (!l->names)
		return -ENOMEM;
	for (size_t i = 0; i < l->n; i++, name += strlen(name) + 1)
		l->names[i] = name;
	qsort(l->names, l->n, sizeof(*l->names), survey_by_name);
	return 0;
}

static void survey_list_free(struct survey_list *l)
{
	free(l->text);
	free(l->names);
}

/* ---- frames ---- */

/* Takes over fd and the list. */
static int survey_push(struct survey *s, int fd, struct survey_list *l, size_t path_len)
{
	if (survey_grow((void **)&s->frames, &s->cap, s->depth + 1, sizeof(*s->frames))) {
		close(fd);
		survey_list_free(l);
		return -ENOMEM;
	}
	s->frames[s->depth++] = (struct survey_frame){fd, l->text, l->names, l->n, 0, path_len};
	return 0;
}

static void survey_pop(struct survey *s)
{
	struct survey_frame *f = &s->frames[--s->depth];

	close(f->fd);
	free(f->text);
	free(f->names);
}

/* The path of a name in the directory of a frame; its length in *out. */
static int survey_path(struct survey *s, size_t base, const char *name, size_t len, size_t *out)
{
	int rc = survey_grow((void **)&s->path, &s->path_cap, base + len + 2, 1);

	if (rc)
		return rc;
	*out = base;
	if (base)
		s->path[(*out)++] = '/';
	memcpy(s->path + *out, name, len + 1);
	*out += len;
	return 0;
}

/* ---- objects ---- */

static int survey_give(struct survey *s, struct survey_object *o)
{
	o->path = s->path;
	o->depth = (unsigned)s->depth;
	return s->config->fn(s->config->arg, o);
}

/* A mount hides what it lies on; only that it is a directory is known. */
static bool survey_is_mount(int fd, struct survey_object *o)
{
	if (fd != -EXDEV)
		return false;
	o->print = (struct ovl_print){.flags = OVL_PRINT_MOUNT, .mode = S_IFDIR};
	o->error = 0;
	return true;
}

static int survey_enter(struct survey *s, int dirfd, struct survey_object *o, size_t path_len)
{
	vn_autoclose int fd = layer_open_dir(s->config->layer, dirfd, o->name);
	struct survey_list l = {0};
	int rc;

	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP) /* gone meanwhile */
		return 0;
	if (survey_is_mount(fd, o))
		return survey_give(s, o);
	rc = fd < 0 ? fd : survey_read(fd, &l);
	if (rc == -ENOMEM) {
		survey_list_free(&l);
		return rc;
	}
	if (rc) {
		o->error = rc;
		o->print.flags |= OVL_PRINT_UNREAD;
	}
	rc = survey_give(s, o);
	if (!rc && !(o->print.flags & OVL_PRINT_UNREAD))
		return survey_push(s, vn_steal_fd(&fd), &l, path_len);
	survey_list_free(&l);
	return rc == SURVEY_SKIP ? 0 : rc;
}

static int survey_one(struct survey *s, int dirfd, size_t base, const char *name)
{
	struct survey_object o = {.name = name, .len = strlen(name)};
	const struct survey_config *c = s->config;
	struct layer_stat st;
	size_t path_len;
	int rc = survey_path(s, base, name, o.len, &path_len);

	if (rc)
		return rc;
	rc = layer_stat(dirfd, name, &st);
	if (rc == -ENOENT || (!rc && c->base && base_is_excluded(c->base, &st)))
		return 0;
	o.st = &st;
	if (rc) {
		o.error = rc;
		o.print.flags = OVL_PRINT_UNREAD;
		st = (struct layer_stat){0};
		rc = survey_give(s, &o);
		return rc == SURVEY_SKIP ? 0 : rc;
	}
	o.error = print_object(c->layer, dirfd, name, &st, c->contents, c->meter, &o.print);
	if (o.error == -ENOENT)
		return 0;
	if (S_ISDIR(st.attr.mode))
		return survey_enter(s, dirfd, &o, path_len);
	rc = survey_give(s, &o);
	return rc == SURVEY_SKIP ? 0 : rc;
}

static int survey_root(struct survey *s)
{
	struct survey_object o = {.name = ""};
	struct layer *l = s->config->layer;
	struct survey_list list = {0};
	struct layer_stat st;
	vn_autoclose int fd = layer_open_dir(l, l->fd, "");
	int rc = fd < 0 ? fd : survey_grow((void **)&s->path, &s->path_cap, 1, 1);

	if (!rc)
		rc = layer_stat(fd, "", &st);
	if (!rc)
		rc = survey_read(fd, &list);
	if (rc) {
		survey_list_free(&list);
		return rc;
	}
	s->path[0] = '\0';
	o.st = &st;
	o.error = print_object(l, fd, "", &st, false, NULL, &o.print);
	rc = survey_give(s, &o);
	if (!rc)
		return survey_push(s, vn_steal_fd(&fd), &list, 0);
	survey_list_free(&list);
	return rc == SURVEY_SKIP ? 0 : rc;
}

/* A tree may be as deep as there are descriptors. */
static void survey_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) || lim.rlim_cur == lim.rlim_max)
		return;
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
}

int survey_walk(const struct survey_config *config)
{
	struct survey s = {.config = config};
	int rc;

	survey_limit();
	rc = survey_root(&s);
	while (!rc && s.depth) {
		struct survey_frame *f = &s.frames[s.depth - 1];

		if (f->at == f->n)
			survey_pop(&s);
		else
			rc = survey_one(&s, f->fd, f->path_len, f->names[f->at++]);
	}
	while (s.depth)
		survey_pop(&s);
	free(s.frames);
	free(s.path);
	return rc;
}
