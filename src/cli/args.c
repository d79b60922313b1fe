// SPDX-License-Identifier: Apache-2.0
#include "cli/args.h"

#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"

void args_init(struct args *a, const struct cmd *cmd, int argc, char **argv)
{
	*a = (struct args){.cmd = cmd, .argc = argc, .argv = argv, .next = 1};
}

static int args_bad(struct args *a, const char *what, const char *option, int len)
{
	a->code = cmd_usage(a->cmd, "%s '%.*s'", what, len, option);
	return ARGS_EXIT;
}

static int args_help(struct args *a)
{
	cmd_help(a->cmd);
	a->code = CMD_OK;
	return ARGS_EXIT;
}

/* The value in the next word. */
static int args_take(struct args *a, const struct arg_opt *o, const char *shown, int len)
{
	if (a->next >= a->argc)
		return args_bad(a, "a value is missing after", shown, len);
	a->value = a->argv[a->next++];
	return o->id;
}

static int args_long(struct args *a, const char *word)
{
	const char *name = word + 2;
	size_t len = strcspn(name, "=");

	if (len == 4 && strncmp(name, "help", 4) == 0)
		return args_help(a);
	for (const struct arg_opt *o = a->cmd->opts; o->help; o++) {
		if (!o->name || strlen(o->name) != len || strncmp(o->name, name, len) != 0)
			continue;
		if (!o->value)
			return name[len] ? args_bad(a, "no value is allowed in", word, (int)strlen(word)) : o->id;
		if (!name[len])
			return args_take(a, o, word, (int)strlen(word));
		a->value = name + len + 1;
		return o->id;
	}
	return args_bad(a, "unknown option", word, (int)len + 2);
}

static int args_letter(struct args *a)
{
	const char *at = a->cluster;
	char shown[3] = {'-', *at, 0};

	a->cluster = at[1] ? at + 1 : NULL;
	for (const struct arg_opt *o = a->cmd->opts; o->help; o++) {
		if (o->letter != *at)
			continue;
		if (!o->value)
			return o->id;
		if (!a->cluster)
			return args_take(a, o, shown, 2);
		a->value = a->cluster;
		a->cluster = NULL;
		return o->id;
	}
	if (*at == 'h')
		return args_help(a);
	return args_bad(a, "unknown option", shown, 2);
}

int args_next(struct args *a)
{
	const char *word;

	a->value = NULL;
	if (a->cluster)
		return args_letter(a);
	if (a->next >= a->argc)
		return ARGS_END;
	word = a->argv[a->next++];
	if (!a->words_only && strcmp(word, "--") == 0) {
		a->words_only = true;
		return args_next(a);
	}
	if (!a->words_only && word[0] == '-' && word[1]) {
		if (word[1] == '-')
			return args_long(a, word);
		a->cluster = word + 1;
		return args_letter(a);
	}
	a->words_only |= a->options_first;
	a->value = word;
	return ARGS_WORD;
}

#define ARGS_HELP_COLUMN 26

static void args_print_line(char letter, const char *name, const char *value, const char *help)
{
	char left[96];
	int n;

	if (letter)
		n = snprintf(left, sizeof(left), "-%c%s", letter, name ? ", " : "");
	else
		n = snprintf(left, sizeof(left), "    ");
	if (name)
		n += snprintf(left + n, sizeof(left) - (size_t)n, "--%s", name);
	if (value)
		n += snprintf(left + n, sizeof(left) - (size_t)n, "%s%s", name ? "=" : " ", value);
	if (n > ARGS_HELP_COLUMN)
		printf("  %s\n  %-*s %s\n", left, ARGS_HELP_COLUMN, "", help);
	else
		printf("  %-*s %s\n", ARGS_HELP_COLUMN, left, help);
}

void args_print_help(const struct arg_opt *opts)
{
	puts("Options:");
	for (const struct arg_opt *o = opts; o->help; o++) {
		if (!*o->help)
			continue;
		args_print_line(o->letter, o->name, o->value, o->help);
	}
	args_print_line('h', "help", NULL, "print this text");
}
