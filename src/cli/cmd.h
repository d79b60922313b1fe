// SPDX-License-Identifier: Apache-2.0
/*
 * The `veneer` command: one file per subcommand (cmd_NAME.c), one line per
 * subcommand in the table of cmd.c. A subcommand gets its own words, prints
 * results on stdout and errors as one sentence on stderr, and returns the exit
 * code of the process.
 */
#ifndef CLI_CMD_H
#define CLI_CMD_H

#include "base/cfg.h"

struct arg_opt;
struct words;

/* Exit codes. */
enum {
	CMD_OK = 0,
	CMD_FAILED = 1, /* it was understood and could not be done */
	CMD_USAGE = 2,  /* the words make no sense */
};

struct cmd {
	const char *name;
	const char *summary;        /* one line for `veneer --help` */
	const char *synopsis;       /* what follows "veneer NAME " */
	const char *text;           /* paragraphs of --help, each line ended; may be "" */
	const char *example;        /* lines of --help, indented by two spaces, each ended */
	const struct arg_opt *opts; /* ends with an entry whose help is NULL */
	/* argv[0] is the subcommand's name; returns the exit code. */
	int (*run)(const struct cmd *cmd, int argc, char **argv);
};

extern const struct cmd cmd_snapshot, cmd_rollback, cmd_fork, cmd_log;
extern const struct cmd cmd_run, cmd_mount, cmd_diff, cmd_ls, cmd_cat, cmd_stat, cmd_check, cmd_index, cmd_serve;

/* Runs the command line of the process and returns its exit code. */
int cmd_main(int argc, char **argv);

/* Prints what `veneer NAME --help` says on stdout. */
void cmd_help(const struct cmd *cmd);

/* "veneer: SENTENCE" on stderr. Returns CMD_FAILED. */
int cmd_fail(const char *format, ...) VN_PRINTF(1, 2);
/* The same, with the hint where help is. Returns CMD_USAGE. */
int cmd_usage(const struct cmd *cmd, const char *format, ...) VN_PRINTF(2, 3);
/* "veneer: SENTENCE" on stderr: something the user should know that stops nothing. */
void cmd_note(const char *format, ...) VN_PRINTF(1, 2);
/* One note each for options that are not known and for those without a meaning here, however many there are. */
void cmd_report(const struct words *unknown, const struct words *ignored);

#endif
