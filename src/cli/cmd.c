// SPDX-License-Identifier: Apache-2.0
#include "cli/cmd.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct cmd *const cmd_table[] = {
	&cmd_run, &cmd_mount,
#ifdef __linux__
	&cmd_serve,
#endif
	&cmd_snapshot, &cmd_rollback, &cmd_fork, &cmd_log, &cmd_diff, &cmd_ls, &cmd_cat, &cmd_stat, &cmd_check, &cmd_index, NULL,
};

static void cmd_help_all(void)
{
	puts("Usage: veneer COMMAND [OPTION]... [ARGUMENT]...\n"
	     "\n"
	     "veneer shows read-only directories and one writable layer as a single tree.\n"
	     "\n"
	     "Commands:");
	for (const struct cmd *const *c = cmd_table; *c; c++)
		printf("  %-9s %s\n", (*c)->name, (*c)->summary);
	puts("\n"
	     "  veneer COMMAND --help   a command's options and an example\n"
	     "  veneer --version        the version\n"
	     "\n"
	     "Example:\n"
	     "  veneer run -u ./layer -- sh     work in a copy-on-write view of this machine\n"
	     "  veneer diff ./layer             what changed");
}

static const struct cmd *cmd_find(const char *name)
{
	for (const struct cmd *const *c = cmd_table; *c; c++) {
		if (strcmp((*c)->name, name) == 0)
			return *c;
	}
	return NULL;
}

/*
 * Programs that mount file systems call us without a subcommand:
 *	mount.fuse.veneer SOURCE TARGET -o OPTIONS	(mount(8), name in argv[0])
 *	veneer SOURCE TARGET -o OPTIONS			(mount.fuse3)
 *	veneer -o OPTIONS TARGET			(container engines)
 */
static bool cmd_is_helper(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');

	name = name ? name + 1 : argv[0];
	if (strncmp(name, "mount.", 6) == 0)
		return true;
	if (argc < 3)
		return false;
	if (argv[1][0] == '-')
		return true;
	for (int i = 2; i < argc; i++) {
		if (strncmp(argv[i], "-o", 2) == 0)
			return !cmd_find(argv[1]);
	}
	return false;
}

int cmd_main(int argc, char **argv)
{
	const struct cmd *cmd;

	if (argc < 1)
		return CMD_USAGE;
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)) {
		if (argc > 2 && (cmd = cmd_find(argv[2])))
			cmd_help(cmd);
		else
			cmd_help_all();
		return CMD_OK;
	}
	if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)) {
		puts("veneer " PACKAGE_VERSION);
		return CMD_OK;
	}
	if (cmd_is_helper(argc, argv))
		return cmd_mount.run(&cmd_mount, argc, argv);
	if (argc < 2)
		return cmd_usage(NULL, "a command is missing");
	cmd = cmd_find(argv[1]);
	if (!cmd)
		return cmd_usage(NULL, "'%s' is no command of veneer", argv[1]);
	return cmd->run(cmd, argc - 1, argv + 1);
}
