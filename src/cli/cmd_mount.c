// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include "base/err.h"
#include "base/log.h"
#include "base/scope.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/daemon.h"
#include "cli/server.h"
#include "fuse/fuse_server.h"

static const struct arg_opt mount_opts[] = {
	{'o', 'o', NULL, "OPTIONS", "options with ',' between them, see below"},
	{'f', 'f', "foreground", NULL, "stay in the foreground"},
	{'V', 0, "virtual", "PATH=FILE[:MODE]", "show the host's FILE at PATH, above every layer"},
	{'d', 'd', "debug", NULL, "-f, and say on stderr what is going on"},
	/* What mount(8) and libfuse's programs hand over besides. */
	{'i', 's', NULL, NULL, ""},
	{'i', 'n', NULL, NULL, ""},
	{'i', 'v', NULL, NULL, ""},
	{'i', 'r', NULL, NULL, ""},
	{'i', 'w', NULL, NULL, ""},
	{'i', 't', NULL, "TYPE", ""},
	{'i', 'N', NULL, "NAMESPACE", ""},
	{0},
};

struct mount_cmd {
	const struct cmd *cmd;
	struct mount_options options;
	const char *words[2]; /* [SOURCE] TARGET */
	int nwords;
	bool foreground;
	char *target; /* absolute */
	struct layers layers;
};

static int mount_word(struct mount_cmd *m, struct args *a)
{
	if (m->nwords == 2)
		return cmd_usage(m->cmd, "'%s' is one argument too many: a mount has one mount point", a->value);
	m->words[m->nwords++] = a->value;
	return CMD_OK;
}

static int mount_option(struct mount_cmd *m, int id, struct args *a)
{
	struct vn_err err = {0};
	int ret = 0;

	if (id == ARGS_WORD)
		return mount_word(m, a);
	m->foreground |= id == 'f' || id == 'd';
	m->options.debug |= id == 'd';
	if (id == 'o')
		ret = mount_options_parse(&m->options, a->value, &err);
	else if (id == 'V')
		ret = mount_options_virtual(&m->options, a->value, &err);
	return ret < 0 ? cmd_usage(m->cmd, "%s", vn_err_text(&err)) : CMD_OK;
}

static int mount_target(struct mount_cmd *m, struct vn_err *err)
{
	int ret = layers_directory("mount point", m->words[m->nwords - 1], &m->target, err);
	struct statfs st;

	/* Attributes may come from the kernel's cache even when nobody is left to answer; this question does not. */
	if (ret == -ENOTCONN || (ret == 0 && statfs(m->target, &st) < 0 && errno == ENOTCONN))
		return vn_err_set(err, -ENOTCONN, "a mount whose server has died lies on '%s': take it away with umount first",
				  m->words[m->nwords - 1]);
	if (ret == 0 && m->layers.upper && layers_inside(m->target, m->layers.upper))
		return vn_err_set(err, -EINVAL, "mount point '%s' lies inside the upper directory '%s': choose one elsewhere",
				  m->target, m->layers.upper);
	return ret;
}

/* Everything that can be found wrong before a process is started or a file is made. */
static int mount_prepare(struct mount_cmd *m, struct vn_err *err)
{
	int ret = 0;

	if (m->options.snapshot && !(m->options.upper && m->options.readonly))
		return vn_err_set(err, -EINVAL, "a snapshot is mounted read-only, of a writable layer: say -o ro,upperdir=U,snapshot=%s",
				  m->options.snapshot);
	ret = layers_resolve(&m->layers, &m->options.lowers, m->options.upper, !m->options.readonly,
				 m->options.readonly, err);

	if (ret < 0)
		return ret;
	if (m->layers.lowers.n == 0 && m->layers.upper_was != UPPER_USED)
		ret = vn_err_set(err, -EINVAL, "'%s' is no writable layer yet: say with -o lowerdir= what it stands on",
				 m->layers.upper);
	if (ret == 0)
		ret = mount_target(m, err);
	if (ret == 0)
		ret = vf_devfuse_check(err);
	if (ret < 0)
		layers_fini(&m->layers);
	return ret;
}

static int mount_serve(struct mount_cmd *m, struct daemon *d, struct vn_err *err)
{
	struct server *s;
	int ret;

	server_block_signals();
	ret = server_open(&m->layers, &m->options, &s, err);
	if (ret == 0) {
		ret = server_mount(s, m->target, err);
		if (ret < 0)
			server_discard(s);
	}
	if (ret < 0) {
		layers_undo(&m->layers);
		return ret;
	}
	daemon_ready(d);
	server_wait(s);
	return server_close(s, err);
}

static int mount_do(struct mount_cmd *m)
{
	struct vn_err err = {0};
	struct daemon d;
	int ret = mount_prepare(m, &err);

	if (ret < 0) {
		free(m->target);
		return cmd_fail("%s", vn_err_text(&err));
	}
	cmd_report(&m->options.unknown, &m->options.ignored);
	ret = daemon_begin(&d, m->foreground, &err);
	vn_log_init("veneer", m->options.debug ? VN_LOG_DEBUG : VN_LOG_WARN, !m->foreground);
	if (ret == 0)
		ret = mount_serve(m, &d, &err);
	layers_fini(&m->layers);
	free(m->target);
	if (ret == 0)
		return CMD_OK;
	if (m->foreground || !d.live)
		return cmd_fail("%s", vn_err_text(&err));
	vn_error("%s", vn_err_text(&err)); /* nobody reads stderr any more */
	return CMD_FAILED;
}

/* The server goes on as it is: the kernel alone applies these flags. */
static int mount_again(struct mount_cmd *m)
{
	struct vn_err err = {0};
	vn_autofree char *target = NULL;
	const char *word = m->words[m->nwords - 1];
	int ret = layers_directory("mount point", word, &target, &err);

	if (ret < 0)
		return cmd_fail("%s", vn_err_text(&err));
	if (mount(NULL, target, NULL, m->options.flags, NULL) == 0)
		return CMD_OK;
	if (errno == EINVAL)
		return cmd_fail("nothing is mounted on '%s' that could be remounted", word);
	return cmd_fail("cannot remount '%s': %s", word, strerror(errno));
}

static int mount_run(const struct cmd *cmd, int argc, char **argv)
{
	struct mount_cmd m = {.cmd = cmd};
	struct args a;
	int id, code = CMD_OK;

	mount_options_init(&m.options);
	args_init(&a, cmd, argc, argv);
	while (code == CMD_OK && (id = args_next(&a)) != ARGS_END) {
		if (id == ARGS_EXIT)
			break;
		code = mount_option(&m, id, &a);
	}
	if (code == CMD_OK && id == ARGS_EXIT)
		code = a.code;
	else if (code == CMD_OK && !m.nwords)
		code = cmd_usage(cmd, "a mount point is missing");
	else if (code == CMD_OK && m.options.flags & MS_REMOUNT)
		code = mount_again(&m);
	else if (code == CMD_OK && !m.options.lowers.n && !m.options.upper)
		code = cmd_usage(cmd, "there is nothing to mount: say with -o lowerdir=DIR[:DIR...] what to show");
	else if (code == CMD_OK)
		code = mount_do(&m);
	mount_options_fini(&m.options);
	return code;
}

const struct cmd cmd_mount = {
	.name = "mount",
	.summary = "mount a tree",
	.synopsis = "[-f] -o lowerdir=A[:B...][,upperdir=U][,OPTION...] MNT",
	.text = "Shows the lower directories, the topmost first, and the writable layer U as one\n"
		"tree on MNT. Without upperdir the tree is read-only; with upperdir alone it stands\n"
		"on the lower directories it was made over. U is made if it does not exist. The\n"
		"command returns when the mount is live. Unmount with umount or fusermount3 -u.\n"
		"\n"
		"Options after -o:\n"
		"  lowerdir=A:B               directories, or writable layers that are not in use\n"
		"  upperdir=U                 where changes go\n"
		"  workdir=W                  accepted, not needed\n"
		"  ro                         change nothing\n"
		"  snapshot=NAME              with ro: the tree as it was frozen, also while it is in use\n"
		"  commit=N                   make changes durable every N seconds (default 5)\n"
		"  volatile                   never wait for the disk; a crash loses the layer\n"
		"  writeback                  let the kernel collect writes\n"
		"  open=passthrough           let the kernel read big lower files itself (as root)\n"
		"  basecache[=DIR]            keep a view of the lower directories, in U or in DIR, see\n"
		"                             veneer index; nobasecache: use none\n"
		"  noacl                      no POSIX access control lists\n"
		"  stats                      show the server's counters as /.veneer/stats\n"
		"  virtual=PATH=FILE[:MODE]   as --virtual\n"
		"  accept_changed_lowers      open U although its lower directories are others now\n"
		"  squash_to_root, squash_to_uid=N, squash_to_gid=N, static_nlink, allow_other,\n"
		"  fsname=NAME, and those of mount(8), such as rw, nosuid and remount.\n"
		"  fuse-overlayfs' other options are accepted.\n",
	.example = "  veneer mount -o lowerdir=/srv/app:/srv/base,upperdir=./layer /mnt\n",
	.opts = mount_opts,
	.run = mount_run,
};
