// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/err.h"
#include "cli/args.h"
#include "cli/chain.h"
#include "cli/cmd.h"

static const struct arg_opt snapshot_opts[] = {
	{'d', 'd', "delete", NULL, "delete the snapshot instead: the present state and all others stay"},
	{0},
};

/* The two words UPPER NAME of snapshot and rollback; -1, or an exit code. */
static int snapshot_words(const struct cmd *cmd, struct args *a, const char **upper, const char **name, bool *delete)
{
	int id;

	while ((id = args_next(a)) != ARGS_END) {
		if (id == ARGS_EXIT)
			return a->code;
		if (id == 'd')
			*delete = true;
		else if (*name)
			return cmd_usage(cmd, "'%s' is one argument too many", a->value);
		else if (*upper)
			*name = a->value;
		else
			*upper = a->value;
	}
	return *name ? -1 : cmd_usage(cmd, "name an upper directory and a snapshot");
}

static int snapshot_do(const struct chain_request *request, const char *upper, const char *name)
{
	struct vn_err err = {0};

	return chain_do(request, upper, name, &err) < 0 ? cmd_fail("%s", vn_err_text(&err)) : CMD_OK;
}

static int snapshot_run(const struct cmd *cmd, int argc, char **argv)
{
	const char *upper = NULL, *name = NULL;
	bool delete = false;
	struct args a;
	int code;

	args_init(&a, cmd, argc, argv);
	code = snapshot_words(cmd, &a, &upper, &name, &delete);
	return code >= 0 ? code : snapshot_do(delete ? &chain_delete : &chain_snapshot, upper, name);
}

const struct cmd cmd_snapshot = {
	.name = "snapshot",
	.summary = "freeze the present state of a writable layer under a name",
	.synopsis = "[--delete] UPPER NAME",
	.text = "Seals what the writable layer UPPER holds now and goes on in a new one above it,\n"
		"also while it is mounted. No file data is copied, however large the tree is. What\n"
		"a virtual machine still has in its own cache only is not in the snapshot: sync there\n"
		"first.\n"
		"\n"
		"With --delete the snapshot is taken away: what it holds goes to its neighbours.\n",
	.example = "  veneer snapshot ./layer before-upgrade\n",
	.opts = snapshot_opts,
	.run = snapshot_run,
};

static const struct arg_opt rollback_opts[] = {{0}};

static int rollback_run(const struct cmd *cmd, int argc, char **argv)
{
	const char *upper = NULL, *name = NULL;
	bool delete = false;
	struct args a;
	int code;

	args_init(&a, cmd, argc, argv);
	code = snapshot_words(cmd, &a, &upper, &name, &delete);
	return code >= 0 ? code : snapshot_do(&chain_rollback, upper, name);
}

const struct cmd cmd_rollback = {
	.name = "rollback",
	.summary = "go back to a snapshot",
	.synopsis = "UPPER NAME",
	.text = "Makes the state that was frozen under NAME the present one; all that came later,\n"
		"newer snapshots included, is discarded. While UPPER is mounted its users see the\n"
		"old names and contents at once; files that they have open answer with an error. It is\n"
		"refused while a virtual machine is served that cannot be told: stop that first.\n",
	.example = "  veneer rollback ./layer before-upgrade\n",
	.opts = rollback_opts,
	.run = rollback_run,
};
