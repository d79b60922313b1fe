// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/scope.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/out.h"
#include "overlay/overlay.h"
#include "store/store.h"

static const struct arg_opt fork_opts[] = {
	{'c', 0, "copy", NULL, "copy what is sealed, so that NEW stands alone"},
	{'l', 0, "list", NULL, "list the forks of UPPER instead"},
	{'f', 0, "forget", NULL, "forget the fork that was NEW, and has been removed"},
	{0},
};

struct fork_cmd {
	const char *from, *dir;
	bool copy, list, forget;
};

/* UPPER[@NAME]: the part behind the last '@' names a snapshot, unless the whole is a directory. */
static int fork_do(const struct fork_cmd *f)
{
	vn_autofree char *origin = strdup(f->from);
	struct store_fork fork = {.origin = origin, .dir = f->dir, .copy = f->copy};
	struct vn_err err = {0};
	char *at = origin ? strrchr(origin, '@') : NULL;
	struct stat st;

	if (!origin)
		return cmd_fail("out of memory");
	if (at && !strchr(at, '/') && (stat(origin, &st) < 0 || !S_ISDIR(st.st_mode))) {
		*at = '\0';
		fork.snapshot = at + 1;
	}
	if (store_fork(&fork, &err) < 0)
		return cmd_fail("%s", vn_err_text(&err));
	ovl_keep_share(origin, f->dir);
	return CMD_OK;
}

static int fork_list_one(void *arg, const struct store_fork_info *info)
{
	static const char *const states[] = {
		[STORE_FORK_THERE] = "there", [STORE_FORK_BEING_MADE] = "in the making", [STORE_FORK_AWAY] = "not there"};

	(void)arg;
	printf("%-14s %8zu  ", info->place ? states[info->state] : "damaged", info->deltas);
	out_name(stdout, info->place ? info->place : info->id, "\n");
	return 0;
}

static int fork_list(const char *upper)
{
	struct vn_err err = {0};

	printf("%-14s %8s  %s\n", "STATE", "SHARES", "FORK");
	return store_forks(upper, fork_list_one, NULL, &err) < 0 ? cmd_fail("%s", vn_err_text(&err)) : CMD_OK;
}

static int fork_forget(const struct fork_cmd *f)
{
	struct vn_err err = {0};

	return store_fork_forget(f->from, f->dir, &err) < 0 ? cmd_fail("%s", vn_err_text(&err)) : CMD_OK;
}

static int fork_given(const struct cmd *cmd, const struct fork_cmd *f)
{
	if (f->copy + f->list + f->forget > 1)
		return cmd_usage(cmd, "--copy, --list and --forget exclude each other");
	if (f->list)
		return f->dir ? cmd_usage(cmd, "'%s' is one argument too many", f->dir) :
		       f->from ? fork_list(f->from) : cmd_usage(cmd, "name an upper directory");
	if (!f->dir)
		return cmd_usage(cmd, f->forget ? "name an upper directory and the fork to forget" :
						  "name an upper directory and a new one");
	return f->forget ? fork_forget(f) : fork_do(f);
}

static int fork_run(const struct cmd *cmd, int argc, char **argv)
{
	struct fork_cmd f = {0};
	struct args a;
	int id;

	args_init(&a, cmd, argc, argv);
	while ((id = args_next(&a)) != ARGS_END) {
		if (id == ARGS_EXIT)
			return a.code;
		f.copy |= id == 'c';
		f.list |= id == 'l';
		f.forget |= id == 'f';
		if (id == ARGS_WORD && f.dir)
			return cmd_usage(cmd, "'%s' is one argument too many", a.value);
		if (id == ARGS_WORD && f.from)
			f.dir = a.value;
		else if (id == ARGS_WORD)
			f.from = a.value;
	}
	return fork_given(cmd, &f);
}

const struct cmd cmd_fork = {
	.name = "fork",
	.summary = "make a new writable layer from another one, in constant time",
	.synopsis = "[--copy] UPPER[@NAME] NEW\n  veneer fork --list UPPER\n  veneer fork --forget UPPER NEW",
	.text = "Makes NEW a writable layer that starts where the snapshot NAME of UPPER is, or where\n"
		"UPPER is now (which must not be mounted then). It shares all sealed data with UPPER,\n"
		"which must stay where it is; with --copy it has its own.\n"
		"\n"
		"A fork can be removed with rm -r. UPPER goes on to keep what it needed, since it may have\n"
		"been moved: --list shows the forks that UPPER knows and whether they are in their places,\n"
		"--forget tells it that one has been removed.\n",
	.example = "  veneer snapshot ./layer ready\n"
		   "  veneer fork ./layer@ready ./sandbox1\n"
		   "  veneer run -u ./sandbox1 -- make test\n",
	.opts = fork_opts,
	.run = fork_run,
};
