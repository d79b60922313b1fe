// SPDX-License-Identifier: Apache-2.0
/*
 * Another name of a lower file with several. Only the name that it was changed by is recorded; when that
 * one is gone while another stands, nothing but a walk of the base finds it. This is rare, and one walk
 * does for all such files.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "overlay/between.h"

struct search_file {
	char *name;
	uint16_t layer;
};

struct search {
	struct between *d;
	const char *at; /* the directory that is being listed */
	char **dirs;    /* paths that are still to be listed */
	size_t ndirs, dir_cap;
	struct search_file *files; /* of this directory */
	size_t nfiles, file_cap;
};

static int search_entry(void *arg, const struct base_entry *e)
{
	struct search *s = arg;
	char *name;
	if (e->type == DT_DIR) {
		int r = between_grow(&s->dirs, &s->dir_cap, s->ndirs, sizeof(*s->dirs));
		if (r || asprintf(&name, "%s%s%.*s", s->at, *s->at ? "/" : "", (int)e->len, e->name) < 0)
			return -ENOMEM;
		s->dirs[s->ndirs++] = name;
		return 0;
	}
	int r = between_grow(&s->files, &s->file_cap, s->nfiles, sizeof(*s->files));
	name = r ? NULL : strndup(e->name, e->len);
	if (!name)
		return -ENOMEM;
	s->files[s->nfiles++] = (struct search_file){ name, e->layer };
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* Is it one of those that are sought, and does this name of it stand? */
static int search_file(struct search *s, struct base_dir *bd, const struct search_file *f)
{
	struct between *d = s->d;
	struct ovl_tree *t = d->b.t;
	size_t len = strlen(f->name);
	struct vn_attr attr;
	int r = base_attr(t->base, bd, f->name, len, f->layer, &attr);
	if (r || !base_is_group(bd, f->name, len, &attr))
		return r;
	uint64_t ino = ovl_number(t, bd, f->name, len, attr.ino, true), dir = ovl_number_dir(t, bd), now = ino;
	vn_autofree char *path = NULL;
	if (!bsearch(&ino, d->astray, d->nastray, sizeof(ino), by_number))
		return 0;
	r = store_read_name(t->store, dir, f->name, len, &now);
	if (r == -ENOENT)
		r = 0; /* as the base says */
	if (!r && now == ino && !between_is_new(d, dir, f->name, ino))
		r = between_name_path_below(d, &d->b, dir, s->at, f->name, &path);
	if (!r && path)
		r = between_add(&d->found, dir, f->name, ino, s->at);
	return r == -ENOENT ? 0 : r;
}

static int search_dir(struct search *s)
{
	struct base *base = s->d->b.t->base;
	struct base_dir *bd;
	int r = base_resolve_dir(base, s->at, strlen(s->at), &bd);
	if (!r) {
		r = base_list(base, bd, search_entry, s);
		for (size_t i = 0; i < s->nfiles; i++) {
			r = r ? r : search_file(s, bd, &s->files[i]);
			free(s->files[i].name);
		}
		base_dir_put(base, bd);
	}
	s->nfiles = 0;
	return r;
}

int between_search(struct between *d)
{
	struct search s = { .d = d };
	char *root = strdup("");
	int r = root ? between_grow(&s.dirs, &s.dir_cap, 0, sizeof(*s.dirs)) : -ENOMEM;
	if (r) {
		free(root);
		return r;
	}
	s.dirs[s.ndirs++] = root;
	qsort(d->astray, d->nastray, sizeof(*d->astray), by_number);
	while (s.ndirs) {
		vn_autofree char *at = s.dirs[--s.ndirs];
		s.at = at;
		r = r ? r : search_dir(&s);
	}
	free(s.dirs);
	free(s.files);
	return r;
}
