// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/out.h"
#include "store/store.h"

static const struct arg_opt log_opts[] = {
	{'j', 0, "json", NULL, "a JSON array of objects"},
	{0},
};

struct log {
	bool json, first;
	size_t n;
};

static void log_time(int64_t ns, char out[32])
{
	time_t t = (time_t)(ns / VN_NS_PER_SEC);
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm))
		strcpy(out, "?");
}

static int log_json(struct log *l, const struct store_delta_info *d)
{
	json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:I}", "id", "", "time_ns", (json_int_t)d->sealed_at, "inodes",
			      (json_int_t)d->inodes, "whiteouts", (json_int_t)d->whiteouts, "bytes",
			      (json_int_t)d->bytes);
	char id[24];

	snprintf(id, sizeof(id), "%016llx", (unsigned long long)d->id);
	if (o && (json_object_set_new(o, "id", json_string(id)) < 0 || out_json_name(o, "name", d->name) < 0)) {
		json_decref(o);
		o = NULL;
	}
	return out_array_add(o, &l->first) ? 0 : -ENOMEM;
}

static int log_one(void *arg, const struct store_delta_info *d)
{
	struct log *l = arg;
	char when[32];

	if (l->json)
		return log_json(l, d);
	log_time(d->sealed_at, when);
	if (!l->n++)
		printf("%-19s %10s %10s %12s  %s\n", "SEALED", "INODES", "WHITEOUTS", "BYTES", "NAME");
	printf("%-19s %10llu %10llu %12llu  ", when, (unsigned long long)d->inodes, (unsigned long long)d->whiteouts,
	       (unsigned long long)d->bytes);
	out_name(stdout, *d->name ? d->name : "(a layer below)", "\n");
	return 0;
}

static int log_do(const char *upper, bool json)
{
	const struct store_config config = {.upper = upper, .readonly = true, .shared = true};
	struct log l = {.json = json, .first = true};
	struct vn_err err = {0};
	struct store *s;
	int ret = store_open(&config, &s, &err);

	if (ret < 0)
		return cmd_fail("%s", vn_err_text(&err));
	if (json)
		out_array_begin();
	ret = store_chain(s, log_one, &l);
	if (json)
		out_array_end(l.first);
	store_close(s);
	return ret < 0 ? cmd_fail("cannot list the snapshots of '%s': %s", upper, strerror(-ret)) : CMD_OK;
}

static int log_run(const struct cmd *cmd, int argc, char **argv)
{
	const char *upper = NULL;
	bool json = false;
	struct args a;
	int id;

	args_init(&a, cmd, argc, argv);
	while ((id = args_next(&a)) != ARGS_END) {
		if (id == ARGS_EXIT)
			return a.code;
		if (id == 'j')
			json = true;
		else if (upper)
			return cmd_usage(cmd, "'%s' is one argument too many", a.value);
		else
			upper = a.value;
	}
	return upper ? log_do(upper, json) : cmd_usage(cmd, "name an upper directory");
}

const struct cmd cmd_log = {
	.name = "log",
	.summary = "list the snapshots of a writable layer",
	.synopsis = "[--json] UPPER",
	.text = "Prints the snapshots of UPPER, newest first, also while it is mounted: when each was\n"
		"sealed, how many inodes it changed and names it hides, how many bytes of data it\n"
		"holds, and its name.\n",
	.example = "  veneer log ./layer\n",
	.opts = log_opts,
	.run = log_run,
};
