// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/scope.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/out.h"
#include "cli/rest.h"

static const struct arg_opt diff_opts[] = {
	{'j', 0, "json", NULL, "a JSON array of objects"},
	{'L', 0, "lower", "LOWER", "where a lower directory is now, top first (default: as recorded)"},
	{0},
};

/* Directories are shown with a slash at the end. */
static void diff_print_path(const char *path, uint32_t type, const char *after)
{
	char slash[16];

	snprintf(slash, sizeof(slash), "%s%s", type == DT_DIR ? "/" : "", after);
	out_name(stdout, path, slash);
}

static int diff_text(void *arg, const struct ovl_change *c)
{
	(void)arg;
	if (c->kind != OVL_RENAMED) {
		printf("%c ", (char)c->kind);
		diff_print_path(c->path, c->type, "\n");
		return 0;
	}
	fputs("R ", stdout);
	diff_print_path(c->old_path, c->type, " -> ");
	diff_print_path(c->path, c->type, "\n");
	if (c->also_modified || c->also_meta) {
		printf("%c ", c->also_modified ? (char)OVL_MODIFIED : (char)OVL_META);
		diff_print_path(c->path, c->type, "\n");
	}
	return 0;
}

static const char *diff_word(enum ovl_change_kind kind)
{
	switch (kind) {
	case OVL_ADDED:
		return "added";
	case OVL_MODIFIED:
		return "modified";
	case OVL_META:
		return "metadata";
	case OVL_DELETED:
		return "deleted";
	case OVL_RENAMED:
		return "renamed";
	}
	return "unknown";
}

static json_t *diff_object(const struct ovl_change *c)
{
	json_t *o = json_pack("{s:s}", "change", diff_word(c->kind));

	if (!o || out_json_name(o, "path", c->path) < 0)
		goto undo;
	/* What is gone may be known by its name only. */
	if (c->type != DT_UNKNOWN && json_object_set_new(o, "type", json_string(out_type(c->type))) < 0)
		goto undo;
	if (c->kind != OVL_DELETED && json_object_set_new(o, "size", json_integer((json_int_t)c->size)) < 0)
		goto undo;
	if (c->kind == OVL_RENAMED &&
	    (out_json_name(o, "old_path", c->old_path) < 0 ||
	     json_object_set_new(o, "modified", json_boolean(c->also_modified)) < 0 ||
	     json_object_set_new(o, "metadata", json_boolean(c->also_meta)) < 0))
		goto undo;
	return o;
undo:
	json_decref(o);
	return NULL;
}

static int diff_json(void *arg, const struct ovl_change *c)
{
	return out_array_add(diff_object(c), arg) ? 0 : -ENOMEM;
}

/* What to compare: UPPER with its base, or two of its states. */
struct diff_config {
	const char *words[3]; /* UPPER [A [B]] */
	size_t nwords;
	struct words lowers;
	bool json;
};

static int diff_print(const struct diff_config *c, struct rest *from, struct rest *to, struct vn_err *err)
{
	ovl_change_fn fn = c->json ? diff_json : diff_text;
	bool first = true;
	int ret;

	if (c->json)
		out_array_begin();
	ret = from ? ovl_diff_between(from->tree, to->tree, fn, &first, err) : ovl_diff(to->tree, fn, &first, err);
	if (c->json)
		out_array_end(first);
	return ret;
}

static int diff_do(const struct diff_config *c)
{
	struct vn_err err = {0};
	struct rest from, to;
	int ret = rest_open(&to, c->words[0], &c->lowers, c->words[2], &err);

	if (ret < 0)
		return cmd_fail("%s", vn_err_text(&err));
	if (c->words[1]) {
		ret = rest_open(&from, c->words[0], &c->lowers, c->words[1], &err);
		if (ret == 0) {
			ret = diff_print(c, &from, &to, &err);
			rest_close(&from);
		}
	} else {
		ret = diff_print(c, NULL, &to, &err);
	}
	rest_close(&to);
	if (ret < 0)
		return cmd_fail("%s", err.code ? vn_err_text(&err) : "out of memory");
	return CMD_OK;
}

static int diff_run(const struct cmd *cmd, int argc, char **argv)
{
	struct diff_config c = {0};
	struct args a;
	int id, code = -1;

	args_init(&a, cmd, argc, argv);
	while (code < 0 && (id = args_next(&a)) != ARGS_END) {
		if (id == ARGS_EXIT)
			code = a.code;
		else if (id == 'j')
			c.json = true;
		else if (id == 'L')
			code = words_add(&c.lowers, a.value, strlen(a.value)) < 0 ? cmd_fail("out of memory") : -1;
		else if (c.nwords == VN_ARRAY_LEN(c.words))
			code = cmd_usage(cmd, "'%s' is one argument too many", a.value);
		else
			c.words[c.nwords++] = a.value;
	}
	if (code < 0)
		code = c.nwords ? diff_do(&c) : cmd_usage(cmd, "name an upper directory");
	words_fini(&c.lowers);
	return code;
}

const struct cmd cmd_diff = {
	.name = "diff",
	.summary = "print what changed in a writable layer",
	.synopsis = "[--json] [--lower=LOWER]... UPPER [A [B]]",
	.text = "Prints every difference between the tree of the writable layer UPPER and the lower\n"
		"directories it stands on, sorted by path, also while it is mounted; with A, between\n"
		"the snapshot A and the present state, or the snapshot B:\n"
		"\n"
		"  A PATH         added\n"
		"  M PATH         content changed\n"
		"  m PATH         only owner, mode, times or attributes changed\n"
		"  D PATH         deleted\n"
		"  R OLD -> NEW   renamed; a line M or m follows when more than the name changed\n"
		"\n"
		"Directories end with '/'. It takes as long as there are changes, however large the\n"
		"tree is.\n",
	.example = "  veneer run -u ./layer -- touch /etc/new\n"
		   "  veneer diff ./layer\n"
		   "  A etc/new\n"
		   "  veneer diff ./layer before-upgrade\n",
	.opts = diff_opts,
	.run = diff_run,
};
