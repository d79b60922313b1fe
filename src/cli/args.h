// SPDX-License-Identifier: Apache-2.0
/*
 * Options of a subcommand: one table gives both the parser and the help text.
 *
 * Understood are -x, -xy (letters without values), -xVALUE, -x VALUE, --name,
 * --name=VALUE, --name VALUE and "--", behind which everything is a word.
 * Every command has --help and -h without listing them.
 */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <stdbool.h>

struct cmd;

struct arg_opt {
	int id;            /* what args_next() returns; > 0 */
	char letter;       /* 0: none */
	const char *name;  /* without "--"; NULL: none */
	const char *value; /* how the help calls its value; NULL: it takes none */
	const char *help;  /* NULL ends a table; "" is taken and not shown */
};

#define ARGS_END 0     /* no more words */
#define ARGS_WORD (-1) /* `value` is a word that is no option */
#define ARGS_EXIT (-2) /* help was printed or the usage is wrong: return `code` */

struct args {
	const struct cmd *cmd;
	int argc;
	char **argv;
	bool options_first; /* the first word ends the options (for `run CMD...`) */
	/* results of args_next() */
	const char *value; /* borrowed from argv */
	int code;          /* with ARGS_EXIT */
	/* the parser's own */
	int next; /* index of the next word; the rest of argv may be taken from here */
	const char *cluster;
	bool words_only;
};

/* Begins with argv[1]. */
void args_init(struct args *a, const struct cmd *cmd, int argc, char **argv);
/* The next option's id, or one of the ARGS_ values. */
int args_next(struct args *a);
/* Prints the options of a table, one a line, and --help. */
void args_print_help(const struct arg_opt *opts);

#endif
