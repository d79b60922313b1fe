// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/scope.h"
#include "cli/args.h"
#include "cli/child.h"
#include "cli/cmd.h"
#include "cli/jobs.h"
#include "cli/server.h"
#include "fuse/fuse_server.h"

static const struct arg_opt run_opts[] = {
	{'l', 'l', "lower", "LOWER", "a directory to stand on, top first (default: /)"},
	{'u', 'u', "upper", "UPPER", "keep the changes there, or go on from those there"},
	{'o', 'o', NULL, "OPTIONS", "options of 'veneer mount'"},
	{'V', 0, "virtual", "PATH=FILE[:MODE]", "show the host's FILE at PATH, above every layer"},
	{'r', 'r', "root", NULL, "be root in the view (without privilege: in a user namespace)"},
	{'q', 'q', "quiet", NULL, "do not say where changes go"},
	{0},
};

struct run {
	const struct cmd *cmd;
	struct mount_options options;
	bool root, quiet;
	char *temporary; /* a directory that goes away afterwards: the upper unless read-only; or NULL */
	struct layers layers;
	struct view_config view;
	char *cwd;
	char **command;
};

/* Without -u: an upper of our own, in a directory that nobody else can enter. */
static int run_temporary(struct run *r, struct vn_err *err)
{
	const char *tmp = getenv("TMPDIR");

	if (!tmp || tmp[0] != '/')
		tmp = "/var/tmp";
	if (asprintf(&r->temporary, "%s/veneer-run.XXXXXX", tmp) < 0) {
		r->temporary = NULL;
		return vn_err_sys(err, -ENOMEM, "cannot make a temporary layer");
	}
	if (!mkdtemp(r->temporary)) {
		int code = -errno;

		free(vn_steal_ptr(&r->temporary));
		return vn_err_sys(err, code,
				  "cannot make a temporary layer in '%s': set TMPDIR or name a directory with -u", tmp);
	}
	if (r->options.readonly)
		return 0; /* a place to mount on is all that is needed */
	r->options.upper = strdup(r->temporary);
	if (!r->options.upper)
		return vn_err_sys(err, -ENOMEM, "cannot make a temporary layer");
	return 0;
}

/* `-l /` is the default, but a layer that stays knows what it stands on. */
static int run_layers(struct run *r, struct vn_err *err)
{
	bool readonly = r->options.readonly;
	int ret = r->options.upper ? 0 : run_temporary(r, err);

	if (ret == 0)
		ret = layers_resolve(&r->layers, &r->options.lowers, r->options.upper, !readonly, readonly, err);
	if (ret < 0)
		return ret;
	if (r->layers.lowers.n == 0 && r->layers.upper_was != UPPER_USED && words_add(&r->layers.lowers, "/", 1) < 0)
		return vn_err_sys(err, -ENOMEM, "cannot run");
	return 0;
}

/* Does the tree show the host's `/`? The layer knows when the command line does not say. */
static bool run_shows_host(const struct server *s)
{
	for (size_t i = 0; i < server_lowers(s); i++) {
		if (strcmp(server_lower(s, i), "/") == 0)
			return true;
	}
	return false;
}

static void run_say(const struct run *r, size_t changes)
{
	if (!r->temporary || r->quiet || r->options.readonly)
		return;
	cmd_note("%zu change%s discarded; to keep them: veneer run -u DIRECTORY -- %s ...", changes,
		 changes == 1 ? "" : "s", r->command[0]);
}

/* From the open tree to the command's exit code. The child ends on every failure. */
static int run_in_view(struct run *r, struct server *s, struct child *child, int *code, struct vn_err *err)
{
	int fuse_fd;
	int ret = child_go(child, &r->view.idmap, run_shows_host(s), &fuse_fd, err);

	if (ret < 0)
		return ret;
	ret = server_attach(s, fuse_fd, err);
	if (ret < 0) {
		child_cancel(child);
		return ret;
	}
	ret = child_served(child, err);
	if (ret < 0)
		return ret;
	*code = jobs_wait(child->pid);
	jobs_end();
	return 0;
}

static int run_serve(struct run *r, struct child *child, int *code, struct vn_err *err)
{
	struct server *s;
	size_t changes = 0;
	int ret = server_open(&r->layers, &r->options, &s, err);

	if (ret < 0) {
		child_cancel(child);
		return ret;
	}
	ret = run_in_view(r, s, child, code, err);
	if (ret < 0) {
		server_discard(s);
		return ret;
	}
	if (r->temporary)
		changes = server_changes(s);
	ret = server_close(s, err);
	if (ret == 0)
		run_say(r, changes);
	return ret;
}

static int run_start(struct run *r, int *code, struct vn_err *err)
{
	struct child child;
	sigset_t mask;
	int ret = vf_devfuse_check(err);

	if (ret == 0)
		ret = run_layers(r, err);
	if (ret < 0)
		return ret;
	idmap_plan(&r->view.idmap, r->root);
	if (r->view.idmap.needed && r->view.idmap.single && r->root)
		r->options.squash_uid = r->options.squash_gid = 0; /* the one identity there is owns everything */
	r->view.anchor = r->temporary ? r->temporary : r->layers.upper;
	r->view.cwd = r->cwd = getcwd(NULL, 0);
	r->view.flags = r->options.flags;
	jobs_block(&mask);
	ret = child_start(&child, &r->view, r->command, &mask, err);
	if (ret == 0)
		ret = run_serve(r, &child, code, err);
	if (ret < 0)
		layers_undo(&r->layers);
	return ret;
}

static int run_do(struct run *r)
{
	struct vn_err err = {0};
	int code = CMD_FAILED;
	int ret;

	cmd_report(&r->options.unknown, &r->options.ignored);
	ret = run_start(r, &code, &err);

	if (ret < 0)
		code = cmd_fail("%s", vn_err_text(&err));
	if (r->temporary && layers_remove(r->temporary) < 0)
		cmd_note("cannot remove the temporary layer '%s'", r->temporary);
	layers_fini(&r->layers);
	free(r->temporary);
	free(r->cwd);
	return code;
}

static int run_option(struct run *r, int id, const struct args *a)
{
	struct vn_err err = {0};
	int ret = 0;

	r->root |= id == 'r';
	r->quiet |= id == 'q';
	if (id == 'l')
		ret = words_add(&r->options.lowers, a->value, strlen(a->value));
	else if (id == 'o')
		ret = mount_options_parse(&r->options, a->value, &err);
	else if (id == 'V')
		ret = mount_options_virtual(&r->options, a->value, &err);
	else if (id == 'u') {
		free(r->options.upper);
		r->options.upper = strdup(a->value);
		ret = r->options.upper ? 0 : -ENOMEM;
	}
	if (ret < 0 && !err.code)
		vn_err_sys(&err, ret, "cannot run");
	return ret < 0 ? cmd_usage(r->cmd, "%s", vn_err_text(&err)) : CMD_OK;
}

static int run_run(const struct cmd *cmd, int argc, char **argv)
{
	struct run r = {.cmd = cmd};
	struct args a;
	int id, code = CMD_OK;

	mount_options_init(&r.options);
	args_init(&a, cmd, argc, argv);
	a.options_first = true;
	while (code == CMD_OK && (id = args_next(&a)) > 0)
		code = run_option(&r, id, &a);
	if (code == CMD_OK && id == ARGS_EXIT) {
		code = a.code;
	} else if (code == CMD_OK && id == ARGS_END) {
		code = cmd_usage(cmd, "a command to run is missing");
	} else if (code == CMD_OK) {
		r.command = argv + a.next - 1;
		code = run_do(&r);
	}
	mount_options_fini(&r.options);
	return code;
}

const struct cmd cmd_run = {
	.name = "run",
	.summary = "run a command in a copy-on-write view",
	.synopsis = "[-l LOWER]... [-u UPPER] [--] CMD [ARG]...",
	.text = "Runs CMD with a tree as its root directory that shows the directory LOWER (several:\n"
		"the topmost first; default: /, this machine) and takes all changes. The machine's own\n"
		"files stay as they are. With -u the changes stay in the directory UPPER, which is made\n"
		"if it does not exist and can be run in again, mounted, and looked at with 'veneer\n"
		"diff'. Without -u they are discarded. The exit code is CMD's, or 128+N when signal N\n"
		"ended it; 127 when CMD is not found.\n"
		"\n"
		"/proc, /sys and /dev are the machine's own; other mounts below / can only be read. This\n"
		"is a view, not a sandbox: CMD keeps its privileges, its network and its user.\n",
	.example = "  veneer run -u ./layer -- sh -c 'rm /etc/motd; echo hello >/etc/greeting'\n"
		   "  veneer diff ./layer\n"
		   "  A etc/greeting\n"
		   "  D etc/motd\n",
	.opts = run_opts,
	.run = run_run,
};
