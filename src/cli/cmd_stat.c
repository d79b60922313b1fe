// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/scope.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/control.h"
#include "cli/out.h"

static const struct arg_opt stat_opts[] = {
	{'j', 0, "json", NULL, "a JSON object"},
	{'r', 'r', "reset", NULL, "begin counting anew after printing"},
	{0},
};

/* path is a mount point or an upper directory; the mount point is tried first. */
static int stat_ask(const char *path, bool reset, char **reply, struct vn_err *err)
{
	struct control_address by_dev = {0}, by_upper = {.upper = path};
	const char *request = reset ? "stats reset" : "stats";
	struct stat st;
	int ret;

	if (stat(path, &st) < 0)
		return vn_err_sys(err, -errno, "cannot look at '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return vn_err_set(err, -ENOTDIR, "'%s' is not a directory: name a mount point or an upper directory", path);
	by_dev.dev = st.st_dev;
	ret = control_call(&by_dev, request, reply, err);
	if (ret == -ENOENT)
		ret = control_call(&by_upper, request, reply, err);
	if (ret == -ENOENT)
		return vn_err_set(err, ret,
				  "no server has '%s': mount it first, or look at it with 'veneer diff' and 'veneer ls'",
				  path);
	return ret;
}

static void stat_print_server(const json_t *o)
{
	const json_t *lower;
	size_t i;
	time_t since = (time_t)json_integer_value(json_object_get(o, "since"));
	char when[32];
	struct tm tm;

	localtime_r(&since, &tm);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	printf("server    process %" JSON_INTEGER_FORMAT ", counting since %s\n",
	       json_integer_value(json_object_get(o, "pid")), when);
	if (json_is_string(json_object_get(o, "mount")))
		printf("mount     %s\n", json_string_value(json_object_get(o, "mount")));
	if (json_is_string(json_object_get(o, "upper")))
		printf("upper     %s\n", json_string_value(json_object_get(o, "upper")));
	if (json_is_integer(json_object_get(o, "guest_status")))
		printf("guest     its command ended with status %" JSON_INTEGER_FORMAT "\n",
		       json_integer_value(json_object_get(o, "guest_status")));
	json_array_foreach(json_object_get(o, "lowers"), i, lower)
		printf("%s%s\n", i ? "          " : "lower     ", json_string_value(lower));
}

static void stat_print_table(const char *title, json_t *table)
{
	const char *key;
	json_t *value;

	printf("\n%s\n", title);
	json_object_foreach(table, key, value)
		printf("  %-22s %12" JSON_INTEGER_FORMAT "\n", key, json_integer_value(value));
}

static int stat_print(char *text, bool json)
{
	json_t *o;

	if (json) {
		fputs(text, stdout);
		return CMD_OK;
	}
	o = json_loads(text, 0, NULL);
	if (!o)
		return cmd_fail("the server's answer is not understood: is it of another version?");
	stat_print_server(o);
	stat_print_table("messages", json_object_get(o, "messages"));
	stat_print_table("traffic", json_object_get(o, "traffic"));
	stat_print_table("cache", json_object_get(o, "cache"));
	json_decref(o);
	return CMD_OK;
}

static int stat_run(const struct cmd *cmd, int argc, char **argv)
{
	vn_autofree char *reply = NULL;
	struct vn_err err = {0};
	const char *path = NULL;
	bool json = false, reset = false;
	struct args a;
	int id;

	args_init(&a, cmd, argc, argv);
	while ((id = args_next(&a)) != ARGS_END) {
		json |= id == 'j';
		reset |= id == 'r';
		if (id == ARGS_EXIT)
			return a.code;
		if (id == ARGS_WORD && path)
			return cmd_usage(cmd, "'%s' is one argument too many", a.value);
		if (id == ARGS_WORD)
			path = a.value;
	}
	if (!path)
		return cmd_usage(cmd, "name a mount point or an upper directory");
	if (stat_ask(path, reset, &reply, &err) < 0)
		return cmd_fail("%s", vn_err_text(&err));
	return stat_print(reply, json);
}

const struct cmd cmd_stat = {
	.name = "stat",
	.summary = "print what a running server has done",
	.synopsis = "[--json] [--reset] MNT|UPPER",
	.text = "Prints the messages that the kernel has sent to the server of a mount, by kind,\n"
		"since it started or since --reset, and what the server keeps in memory.\n",
	.example = "  veneer stat --reset /mnt >/dev/null\n"
		   "  ls -l /mnt/usr >/dev/null\n"
		   "  veneer stat /mnt\n",
	.opts = stat_opts,
	.run = stat_run,
};
