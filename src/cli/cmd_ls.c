// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/scope.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/out.h"
#include "cli/rest.h"

static const struct arg_opt ls_opts[] = {
	{'l', 'l', NULL, NULL, "owner, mode, size and time of each entry"},
	{'d', 'd', "directory", NULL, "the directory itself, not what is in it"},
	{'L', 0, "lower", "LOWER", "where a lower directory is now, top first (default: as recorded)"},
	{'S', 0, "snapshot", "NAME", "the tree as it was frozen under this name"},
	{'j', 0, "json", NULL, "a JSON array of objects"},
	{0},
};

struct ls_entry {
	char *name;
	struct vn_entry e;
};

struct ls_list {
	struct ls_entry *v;
	size_t n, cap;
	uint64_t cookie; /* of the last entry taken */
	int ret;
};

struct ls_config {
	const char *upper, *path, *snapshot;
	struct words lowers;
	bool is_long, json, directory;
};

static int ls_take(void *arg, const struct vn_dirent *d)
{
	struct ls_list *l = arg;

	l->cookie = d->cookie;
	if (!d->entry)
		return 0; /* "." and ".." */
	if (l->n == l->cap) {
		struct ls_entry *v = reallocarray(l->v, l->cap * 2 + 64, sizeof(*v));

		if (!v) {
			l->ret = -ENOMEM;
			return 1;
		}
		l->v = v;
		l->cap = l->cap * 2 + 64;
	}
	l->v[l->n].e = *d->entry;
	l->v[l->n].name = strndup(d->name, d->namelen);
	if (!l->v[l->n].name) {
		l->ret = -ENOMEM;
		return 1;
	}
	l->n++;
	return 0;
}

static int ls_compare(const void *a, const void *b)
{
	return strcmp(((const struct ls_entry *)a)->name, ((const struct ls_entry *)b)->name);
}

/* Reads until a round brings nothing new: a listing may come in parts. */
static int ls_read(struct rest *r, uint64_t node, struct ls_list *l)
{
	uint64_t before;

	do {
		int ret;

		before = l->cookie;
		ret = r->fs->ops->readdir(r->fs, &r->ctx, node, l->cookie, true, ls_take, l);
		if (ret < 0 || l->ret < 0)
			return ret < 0 ? ret : l->ret;
	} while (l->cookie != before);
	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), ls_compare);
	return 0;
}

static void ls_mode(uint32_t mode, char out[11])
{
	static const char types[] = "?pc?d?b?-?l?s???";

	out[0] = types[(mode & S_IFMT) >> 12];
	for (int i = 0; i < 9; i++)
		out[i + 1] = mode & (0400u >> i) ? "rwxrwxrwx"[i] : '-';
	if (mode & S_ISUID)
		out[3] = out[3] == 'x' ? 's' : 'S';
	if (mode & S_ISGID)
		out[6] = out[6] == 'x' ? 's' : 'S';
	if (mode & S_ISVTX)
		out[9] = out[9] == 'x' ? 't' : 'T';
	out[10] = 0;
}

static void ls_print_long(struct rest *r, const struct ls_entry *l)
{
	const struct vn_attr *a = &l->e.attr;
	struct timespec ts = vn_ns_to_ts(a->mtime);
	char mode[11], when[32], target[VN_SYMLINK_MAX + 1];
	struct tm tm;

	ls_mode(a->mode, mode);
	localtime_r(&ts.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
	printf("%s %3u %5u %5u ", mode, a->nlink, a->uid, a->gid);
	if (S_ISBLK(a->mode) || S_ISCHR(a->mode))
		printf("%5u,%4u", a->rdev_major, a->rdev_minor);
	else
		printf("%10" PRIu64, a->size);
	printf(" %s ", when);
	if (S_ISLNK(a->mode) && rest_readlink(r, l->e.node, target) >= 0) {
		out_name(stdout, l->name, " -> ");
		out_name(stdout, target, "\n");
	} else {
		out_name(stdout, l->name, "\n");
	}
}

static json_t *ls_json(struct rest *r, const struct ls_entry *l)
{
	const struct vn_attr *a = &l->e.attr;
	char mode[8], target[VN_SYMLINK_MAX + 1];
	json_t *o;

	snprintf(mode, sizeof(mode), "%04o", a->mode & 07777);
	o = json_pack("{s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "type", out_type(a->mode >> 12), "ino",
		      (json_int_t)a->ino, "mode", mode, "nlink", (json_int_t)a->nlink, "uid", (json_int_t)a->uid, "gid",
		      (json_int_t)a->gid, "size", (json_int_t)a->size, "mtime_ns", (json_int_t)a->mtime, "ctime_ns",
		      (json_int_t)a->ctime, "btime_ns", (json_int_t)a->btime);
	if (!o || out_json_name(o, "name", l->name) < 0)
		goto undo;
	if (S_ISBLK(a->mode) || S_ISCHR(a->mode)) {
		json_object_set_new(o, "major", json_integer(a->rdev_major));
		json_object_set_new(o, "minor", json_integer(a->rdev_minor));
	}
	if (S_ISLNK(a->mode) && rest_readlink(r, l->e.node, target) >= 0 && out_json_name(o, "target", target) < 0)
		goto undo;
	return o;
undo:
	json_decref(o);
	return NULL;
}

static int ls_print(struct rest *r, const struct ls_config *c, const struct ls_list *l, struct vn_err *err)
{
	bool first = true, ok = true;

	if (c->json)
		out_array_begin();
	for (size_t i = 0; i < l->n && ok; i++) {
		if (c->json)
			ok = out_array_add(ls_json(r, &l->v[i]), &first);
		else if (c->is_long)
			ls_print_long(r, &l->v[i]);
		else
			out_name(stdout, l->v[i].name, "\n");
	}
	if (c->json)
		out_array_end(first);
	return ok ? 0 : vn_err_sys(err, -ENOMEM, "cannot list '%s'", c->path);
}

static int ls_list(struct rest *r, const struct ls_config *c, struct vn_err *err)
{
	struct ls_list l = {0};
	struct vn_entry e;
	int ret = rest_find(r, c->path, !c->directory && !c->is_long, &e, err);

	if (ret < 0)
		return ret;
	if (S_ISDIR(e.attr.mode) && !c->directory) {
		ret = ls_read(r, e.node, &l);
		if (ret < 0)
			vn_err_sys(err, ret, "cannot list '%s'", c->path);
	} else {
		struct vn_dirent d = {.name = c->path, .namelen = strlen(c->path), .entry = &e};

		ret = ls_take(&l, &d) ? vn_err_sys(err, -ENOMEM, "cannot list '%s'", c->path) : 0;
	}
	if (ret == 0)
		ret = ls_print(r, c, &l, err);
	for (size_t i = 0; i < l.n; i++)
		free(l.v[i].name);
	free(l.v);
	return ret;
}

static int ls_do(const struct ls_config *c)
{
	struct vn_err err = {0};
	struct rest r;
	int ret = rest_open(&r, c->upper, &c->lowers, c->snapshot, &err);

	if (ret == 0) {
		ret = ls_list(&r, c, &err);
		rest_close(&r);
	}
	return ret < 0 ? cmd_fail("%s", vn_err_text(&err)) : CMD_OK;
}

static int ls_args(const struct cmd *cmd, struct args *a, struct ls_config *c)
{
	int id;

	while ((id = args_next(a)) != ARGS_END) {
		if (id == ARGS_EXIT)
			return id;
		c->is_long |= id == 'l';
		c->json |= id == 'j';
		c->directory |= id == 'd';
		if (id == 'L' && words_add(&c->lowers, a->value, strlen(a->value)) < 0) {
			a->code = cmd_fail("out of memory");
			return ARGS_EXIT;
		}
		if (id == 'S')
			c->snapshot = a->value;
		if (id != ARGS_WORD)
			continue;
		if (c->upper && c->path) {
			a->code = cmd_usage(cmd, "'%s' is one argument too many", a->value);
			return ARGS_EXIT;
		}
		*(c->upper ? &c->path : &c->upper) = a->value;
	}
	return id;
}

static int ls_run(const struct cmd *cmd, int argc, char **argv)
{
	struct ls_config c = {0};
	struct args a;
	int code;

	args_init(&a, cmd, argc, argv);
	if (ls_args(cmd, &a, &c) == ARGS_EXIT)
		code = a.code;
	else if (!c.upper)
		code = cmd_usage(cmd, "name an upper directory");
	else {
		c.path = c.path ? c.path : "/";
		code = ls_do(&c);
	}
	words_fini(&c.lowers);
	return code;
}

const struct cmd cmd_ls = {
	.name = "ls",
	.summary = "list a directory of a tree without mounting it",
	.synopsis = "[-l] [-d] [--json] [--snapshot=NAME] [--lower=LOWER]... UPPER [PATH]",
	.text = "Lists a directory of the tree that the writable layer UPPER belongs to, also while\n"
		"it is mounted. PATH starts at the tree's root, which is the default.\n",
	.example = "  veneer ls -l ./layer /etc\n",
	.opts = ls_opts,
	.run = ls_run,
};
