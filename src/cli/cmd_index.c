// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/scope.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/out.h"
#include "cli/rest.h"

static const struct arg_opt index_opts[] = {
	{'L', 'l', "lower", "LOWER", "a lower directory, the topmost first; default: those UPPER was made over"},
	{'c', 'c', "cache", "DIR", "keep it in DIR, for every mount with basecache=DIR; default: in UPPER"},
	{'j', 0, "json", NULL, "print JSON"},
	{0},
};

struct index {
	const struct cmd *cmd;
	struct words lowers;
	const char *upper, *cache;
	bool json;
};

static int index_print(const struct index *x, const struct ovl_kept *kept, bool made)
{
	if (x->json)
		return out_json(json_pack("{s:b, s:I, s:I, s:I}", "made", made, "directories",
					  (json_int_t)kept->directories, "names", (json_int_t)kept->names, "bytes",
					  (json_int_t)kept->bytes)) ?
			CMD_OK :
			cmd_fail("out of memory");
	if (!made)
		puts("a view of these lower directories is kept already");
	else
		printf("kept a view of %llu directories with %llu names in %llu KiB\n",
		       (unsigned long long)kept->directories, (unsigned long long)kept->names,
		       (unsigned long long)(kept->bytes + 1023) / 1024);
	return CMD_OK;
}

static int index_tree(const struct index *x, struct ovl_tree *t)
{
	struct ovl_kept kept = {0};
	struct vn_err err = {0};
	int ret = ovl_keep(t, x->cache, &kept, &err);

	if (ret < 0 && ret != -EALREADY)
		return cmd_fail("%s", vn_err_text(&err));
	return index_print(x, &kept, ret == 0);
}

static int index_upper(struct index *x)
{
	struct vn_err err = {0};
	struct rest r;
	int code;

	if (rest_open_kept(&r, x->upper, &x->lowers, x->cache, &err) < 0)
		return cmd_fail("%s", vn_err_text(&err));
	code = index_tree(x, r.tree);
	rest_close(&r);
	return code;
}

/* Lower directories that no upper stands on yet. */
static int index_lowers(struct index *x)
{
	struct ovl_config config = {.base_cache = x->cache, .squash_uid = -1, .squash_gid = -1};
	struct vn_err err = {0};
	struct layers layers;
	struct ovl_tree *t;
	int code, ret = layers_resolve(&layers, &x->lowers, NULL, false, true, &err);

	if (ret < 0)
		return cmd_fail("%s", vn_err_text(&err));
	config.lowers = (const char *const *)layers.lowers.v;
	config.nlowers = layers.lowers.n;
	ret = ovl_open(&config, &t, &err);
	layers_fini(&layers);
	if (ret < 0)
		return cmd_fail("%s", vn_err_text(&err));
	code = index_tree(x, t);
	ovl_close(t);
	return code;
}

static int index_do(struct index *x)
{
	if (x->upper)
		return index_upper(x);
	if (!x->lowers.n)
		return cmd_usage(x->cmd, "name an upper directory, or lower directories and a cache");
	if (!x->cache)
		return cmd_usage(x->cmd, "without an upper directory, say with --cache where to keep the view");
	return index_lowers(x);
}

static int index_run(const struct cmd *cmd, int argc, char **argv)
{
	struct index x = {.cmd = cmd};
	struct args a;
	int id, code = -1;

	args_init(&a, cmd, argc, argv);
	while (code < 0 && (id = args_next(&a)) != ARGS_END) {
		x.json |= id == 'j';
		if (id == ARGS_EXIT)
			code = a.code;
		else if (id == 'L')
			code = words_add(&x.lowers, a.value, strlen(a.value)) < 0 ? cmd_fail("out of memory") : -1;
		else if (id == 'c')
			x.cache = a.value;
		else if (id == ARGS_WORD && x.upper)
			code = cmd_usage(cmd, "'%s' is one argument too many", a.value);
		else if (id == ARGS_WORD)
			x.upper = a.value;
	}
	if (code < 0)
		code = index_do(&x);
	words_fini(&x.lowers);
	return code;
}

const struct cmd cmd_index = {
	.name = "index",
	.summary = "keep a view of lower directories for later mounts",
	.synopsis = "[--json] [-l LOWER]... [-c DIR] [UPPER]",
	.text = "Reads the lower directories of the writable layer UPPER, or those named, once, and\n"
		"keeps what they show together in one file. A mount over the same directories then\n"
		"reads none of them, however many there are. The file lies in UPPER, and is used by\n"
		"every mount of UPPER and of forks made later; or in DIR, for mounts with\n"
		"-o basecache=DIR. Keep views only of directories that do not change: a view that is\n"
		"seen to be out of date is not used, but not everything can be seen.\n",
	.example = "  veneer index -l /srv/app -l /srv/base -c /var/cache/veneer\n"
		   "  veneer mount -o lowerdir=/srv/app:/srv/base,basecache=/var/cache/veneer /mnt\n",
	.opts = index_opts,
	.run = index_run,
};
