// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/scope.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "overlay/overlay.h"
#include "store/store.h"

static const struct arg_opt fork_opts[] = {
	{'c', 0, "copy", NULL, "copy what is sealed, so that NEW stands alone"},
	{0},
};

/* UPPER[@NAME]: the part behind the last '@' names a snapshot, unless the whole is a directory. */
static int fork_do(const char *from, const char *dir, bool copy)
{
	vn_autofree char *origin = strdup(from);
	struct store_fork fork = {.origin = origin, .dir = dir, .copy = copy};
	struct vn_err err = {0};
	char *at = origin ? strrchr(origin, '@') : NULL;

	if (!origin)
		return cmd_fail("out of memory");
	if (at && !strchr(at, '/')) {
		*at = '\0';
		fork.snapshot = at + 1;
	}
	if (store_fork(&fork, &err) < 0)
		return cmd_fail("%s", vn_err_text(&err));
	ovl_keep_share(origin, dir);
	return CMD_OK;
}

static int fork_run(const struct cmd *cmd, int argc, char **argv)
{
	const char *from = NULL, *dir = NULL;
	bool copy = false;
	struct args a;
	int id;

	args_init(&a, cmd, argc, argv);
	while ((id = args_next(&a)) != ARGS_END) {
		if (id == ARGS_EXIT)
			return a.code;
		if (id == 'c')
			copy = true;
		else if (dir)
			return cmd_usage(cmd, "'%s' is one argument too many", a.value);
		else if (from)
			dir = a.value;
		else
			from = a.value;
	}
	return dir ? fork_do(from, dir, copy) : cmd_usage(cmd, "name an upper directory and a new one");
}

const struct cmd cmd_fork = {
	.name = "fork",
	.summary = "make a new writable layer from another one, in constant time",
	.synopsis = "[--copy] UPPER[@NAME] NEW",
	.text = "Makes NEW a writable layer that starts where the snapshot NAME of UPPER is, or where\n"
		"UPPER is now (which must not be mounted then). It shares all sealed data with UPPER,\n"
		"which must stay where it is; with --copy it has its own.\n",
	.example = "  veneer snapshot ./layer ready\n"
		   "  veneer fork ./layer@ready ./sandbox1\n"
		   "  veneer run -u ./sandbox1 -- make test\n",
	.opts = fork_opts,
	.run = fork_run,
};
