// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/scope.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/rest.h"

#define CAT_CHUNK (1u << 20)

static const struct arg_opt cat_opts[] = {
	{'L', 0, "lower", "LOWER", "where a lower directory is now, top first (default: as recorded)"},
	{'S', 0, "snapshot", "NAME", "the tree as it was frozen under this name"},
	{0},
};

static int cat_copy(struct rest *r, const struct vn_entry *e, const char *path, struct vn_err *err)
{
	vn_autofree char *buf = malloc(CAT_CHUNK);
	uint64_t off = 0;

	if (!buf)
		return vn_err_sys(err, -ENOMEM, "cannot read '%s'", path);
	for (;;) {
		struct iovec iov = {buf, CAT_CHUNK};
		ssize_t n = r->fs->ops->read(r->fs, &r->ctx, e->node, off, &iov, 1);
		ssize_t put;

		if (n < 0)
			return vn_err_sys(err, (int)n, "cannot read '%s'", path);
		if (n == 0)
			return 0;
		put = vn_write_full(STDOUT_FILENO, buf, (size_t)n);
		if (put < n)
			return vn_err_sys(err, put < 0 ? (int)put : -ENOSPC, "cannot write the output");
		off += (uint64_t)n;
	}
}

static int cat_one(struct rest *r, const char *path, struct vn_err *err)
{
	struct vn_entry e;
	int ret = rest_find(r, path, true, &e, err);

	if (ret < 0)
		return ret;
	if (S_ISDIR(e.attr.mode))
		return vn_err_set(err, -EISDIR, "'%s' is a directory: list it with 'veneer ls'", path);
	if (!S_ISREG(e.attr.mode))
		return vn_err_set(err, -EINVAL, "'%s' is no regular file", path);
	return cat_copy(r, &e, path, err);
}

static int cat_files(const char *upper, const char *snapshot, const struct words *lowers, const struct words *paths)
{
	struct vn_err err = {0};
	struct rest r;
	int ret = rest_open(&r, upper, lowers, snapshot, &err);

	if (ret < 0)
		return cmd_fail("%s", vn_err_text(&err));
	for (size_t i = 0; i < paths->n && ret == 0; i++)
		ret = cat_one(&r, paths->v[i], &err);
	rest_close(&r);
	return ret < 0 ? cmd_fail("%s", vn_err_text(&err)) : CMD_OK;
}

static int cat_run(const struct cmd *cmd, int argc, char **argv)
{
	struct words lowers = {0}, paths = {0};
	const char *upper = NULL, *snapshot = NULL;
	struct args a;
	int id, code;

	args_init(&a, cmd, argc, argv);
	while ((id = args_next(&a)) != ARGS_END) {
		if (id == ARGS_EXIT)
			break;
		if (id == ARGS_WORD && !upper)
			upper = a.value;
		else if (id == 'S')
			snapshot = a.value;
		else if (words_add(id == ARGS_WORD ? &paths : &lowers, a.value, strlen(a.value)) < 0)
			a.code = cmd_fail("out of memory");
	}
	if (id == ARGS_EXIT)
		code = a.code;
	else if (!paths.n)
		code = cmd_usage(cmd, "name an upper directory and a file in its tree");
	else
		code = cat_files(upper, snapshot, &lowers, &paths);
	words_fini(&lowers);
	words_fini(&paths);
	return code;
}

const struct cmd cmd_cat = {
	.name = "cat",
	.summary = "print a file of a tree without mounting it",
	.synopsis = "[--snapshot=NAME] [--lower=LOWER]... UPPER PATH...",
	.text = "Prints files of the tree that the writable layer UPPER belongs to, also while it\n"
		"is mounted. PATH starts at the tree's root; symlinks are followed inside the tree.\n",
	.example = "  veneer cat ./layer /etc/hostname\n",
	.opts = cat_opts,
	.run = cat_run,
};
