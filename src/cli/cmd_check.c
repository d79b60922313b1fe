// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/scope.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/deep.h"
#include "cli/out.h"
#include "cli/rest.h"
#include "store/store.h"

static const struct arg_opt check_opts[] = {
	{'q', 'q', "quiet", NULL, "print problems only"},
	{'j', 0, "json", NULL, "a JSON object"},
	{'D', 0, "deep", NULL, "walk all lower directories and compare them with the record, and read all data files"},
	{'W', 0, "record", NULL, "walk all lower directories and keep what they are, for --deep"},
	{'R', 0, "repair", NULL, "keep what is consistent, change or drop the rest, and tell each thing"},
	{'L', 0, "lower", "LOWER", "where a lower directory is now, top first (default: as recorded)"},
	{0},
};

struct check {
	const char *upper;
	bool quiet, json, repair, deep, record;
	json_t *problems;
	int n;
	struct deep_config deep_config;
	struct deep_result deep_result;
};

static void check_problem(void *arg, const char *sentence)
{
	struct check *c = arg;

	c->n++;
	if (c->json)
		json_array_append_new(c->problems, out_json_text(sentence));
	else
		printf("%s\n", sentence);
}

static int check_tree(struct check *c, struct rest *r, struct vn_err *err)
{
	int ret = store_check(ovl_store(r->tree), check_problem, c);

	if (ret >= 0 && !c->record) /* which accepts what is there */
		ret = ovl_check_lowers(r->tree, check_problem, c);
	if (ret >= 0)
		ret = ovl_check(r->tree, check_problem, c);
	return ret < 0 ? vn_err_sys(err, ret, "cannot look through '%s'", c->upper) : 0;
}

static int check_deep(struct check *c, struct rest *r, struct vn_err *err)
{
	c->deep_config = (struct deep_config){
		.upper = c->upper, .record = c->record, .json = c->json, .quiet = c->quiet, .problem = check_problem, .arg = c};
	return deep_run(r, &c->deep_config, &c->deep_result, err);
}

static int check_report_json(const struct check *c)
{
	json_t *o = json_pack("{s:b, s:i, s:O}", "clean", c->n == 0, "count", c->n, "problems", c->problems);

	if (o && c->deep_result.json && json_object_set(o, "deep", c->deep_result.json) < 0)
		o = NULL;
	if (!out_json(o))
		return cmd_fail("out of memory");
	return c->n ? CMD_FAILED : CMD_OK;
}

static int check_report(const struct check *c)
{
	bool walked = c->deep || c->record;
	vn_autofree char *advice = walked ? deep_advice(&c->deep_config, &c->deep_result) : NULL;

	if (walked)
		deep_notes(&c->deep_config, &c->deep_result);
	if (c->json)
		return check_report_json(c);
	if (walked && !c->quiet && (c->n == 0 || c->record))
		deep_praise(&c->deep_config, &c->deep_result);
	else if (c->n == 0 && !c->quiet)
		printf("%s is clean\n", c->upper);
	if (c->n == 0)
		return CMD_OK;
	return cmd_fail("%s has %d problem%s%s%s", c->upper, c->n, c->n == 1 ? "" : "s", advice ? ": " : "", advice ? advice : "");
}

static void check_repaired(void *arg, const char *sentence)
{
	const struct check *c = arg;

	fprintf(c->json ? stderr : stdout, "repaired: %s\n", sentence);
}

/* What is left after it is looked for as without it. */
static int check_repair(struct check *c, struct vn_err *err)
{
	struct store_config config = {.upper = c->upper};

	return c->repair ? store_repair(&config, check_repaired, c, err) : 0;
}

static int check_do(struct check *c, const struct words *lowers)
{
	struct vn_err err = {0};
	struct rest r;
	int ret = check_repair(c, &err);
	int code;

	if (ret >= 0)
		ret = rest_open_changed(&r, c->upper, lowers, &err);
	if (ret < 0)
		return cmd_fail("%s", vn_err_text(&err));
	c->problems = json_array();
	ret = check_tree(c, &r, &err);
	if (ret >= 0 && (c->deep || c->record))
		ret = check_deep(c, &r, &err);
	rest_close(&r);
	code = ret < 0 ? cmd_fail("%s", vn_err_text(&err)) : check_report(c);
	deep_result_fini(&c->deep_result);
	json_decref(c->problems);
	return code;
}

static int check_run(const struct cmd *cmd, int argc, char **argv)
{
	struct words lowers = {0};
	struct check c = {0};
	struct args a;
	int id, code = -1;

	args_init(&a, cmd, argc, argv);
	while (code < 0 && (id = args_next(&a)) != ARGS_END) {
		c.quiet |= id == 'q';
		c.json |= id == 'j';
		c.repair |= id == 'R';
		c.deep |= id == 'D';
		c.record |= id == 'W';
		if (id == ARGS_EXIT)
			code = a.code;
		else if (id == 'L')
			code = words_add(&lowers, a.value, strlen(a.value)) < 0 ? cmd_fail("out of memory") : -1;
		else if (id == ARGS_WORD && c.upper)
			code = cmd_usage(cmd, "'%s' is one argument too many", a.value);
		else if (id == ARGS_WORD)
			c.upper = a.value;
	}
	if (code < 0)
		code = c.upper ? check_do(&c, &lowers) : cmd_usage(cmd, "name an upper directory");
	words_fini(&lowers);
	return code;
}

const struct cmd cmd_check = {
	.name = "check",
	.summary = "verify a writable layer",
	.synopsis = "[-q] [--json] [--deep | --record | --repair] [--lower=LOWER]... UPPER",
	.text = "Looks at every row of the index and every data file of the writable layer UPPER,\n"
		"and at what its changes stand on in the lower directories. Prints each problem as\n"
		"one sentence. Exit code 0: clean, 1: problems were found or it cannot be opened.\n"
		"With --repair, what is consistent is kept, the rest is changed or dropped, and each\n"
		"such thing is told; what lost its place is named /lost+found.NUMBER.\n"
		"--record walks the lower directories and the layer's own files and keeps in UPPER\n"
		"what they are; --deep walks them again and names all that is not as it was.\n",
	.example = "  veneer check ./layer\n"
		   "  ./layer is clean\n"
		   "  veneer check --record ./layer\n"
		   "  veneer check --deep ./layer\n"
		   "  veneer check --repair ./layer\n",
	.opts = check_opts,
	.run = check_run,
};
