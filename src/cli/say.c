// SPDX-License-Identifier: Apache-2.0
/* What every command says: errors, notes, help. */
#include <stdarg.h>
#include <stdio.h>

#include "base/scope.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/mount_options.h"

static void cmd_print(const char *format, va_list ap)
{
	fputs("veneer: ", stderr);
	vfprintf(stderr, format, ap);
}

int cmd_fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	cmd_print(format, ap);
	va_end(ap);
	fputc('\n', stderr);
	return CMD_FAILED;
}

int cmd_usage(const struct cmd *cmd, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	cmd_print(format, ap);
	va_end(ap);
	if (cmd)
		fprintf(stderr, " (see 'veneer %s --help')\n", cmd->name);
	else
		fputs(" (see 'veneer --help')\n", stderr);
	return CMD_USAGE;
}

void cmd_note(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	cmd_print(format, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void cmd_help(const struct cmd *cmd)
{
	printf("Usage: veneer %s %s\n\n%s\n", cmd->name, cmd->synopsis, cmd->text);
	args_print_help(cmd->opts);
	printf("\nExample:\n%s", cmd->example);
}

void cmd_report(const struct words *unknown, const struct words *ignored)
{
	vn_autofree char *first = words_join(unknown);
	vn_autofree char *second = words_join(ignored);

	if (unknown->n && first)
		cmd_note("unknown option%s ignored: %s", unknown->n > 1 ? "s" : "", first);
	if (ignored->n && second)
		cmd_note("without a meaning here: %s", second);
}
