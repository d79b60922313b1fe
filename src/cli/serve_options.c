// SPDX-License-Identifier: Apache-2.0
/* The words of `veneer serve`: ours, and those that launchers know from virtiofsd. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "cli/serve_values.h"

#define DEFAULT_TAG "veneer"
#define DEFAULT_WORKERS 16
#define DEFAULT_POLL_US 50
#define QUEUES_MAX 64
#define WORKERS_MAX 64
#define POLL_US_MAX 1000000

enum {
	OPT_OPTIONS = 1,
	OPT_SOCKET,
	OPT_FD,
	OPT_GROUP,
	OPT_TAG,
	OPT_SHARED,
	OPT_POOL,
	OPT_QUEUES,
	OPT_POLL,
	OPT_CACHE,
	OPT_NO_KEEPER,
	OPT_INIT,
	OPT_VIRTUAL,
	OPT_READONLY,
	OPT_WRITEBACK,
	OPT_ACL,
	OPT_NO_READDIRPLUS,
	OPT_LOG_LEVEL,
	OPT_DEBUG,
	OPT_SYSLOG,
	OPT_NOFILE,
	OPT_CAPABILITIES,
	OPT_VERSION,
	OPT_CONTROL,
	OPT_ALSO_MOUNT,
	OPT_SANDBOX,
	OPT_SECCOMP,
	OPT_SILENT,
	OPT_IGNORED,
};

const struct arg_opt serve_opts[] = {
	{OPT_OPTIONS, 'o', NULL, "OPTIONS", "lowerdir=, upperdir= and the other options of 'veneer mount'"},
	{OPT_SOCKET, 's', "socket", "PATH", "listen there (also --socket-path)"},
	{OPT_FD, 0, "fd", "N", "use this socket, which listens or is connected"},
	{OPT_GROUP, 0, "socket-group", "GROUP", "who may connect besides the owner"},
	{OPT_TAG, 0, "tag", "TAG", "what the guest mounts, at most 36 bytes (default " DEFAULT_TAG ")"},
	{OPT_QUEUES, 0, "num-request-queues", "N", "request queues offered (default 1)"},
	{OPT_POOL, 0, "thread-pool-size", "N", "threads per request queue at most (default 16)"},
	{OPT_POLL, 0, "poll-us", "N", "look at an idle queue for so many microseconds (default 50; 0: never)"},
	{OPT_NO_KEEPER, 0, "no-keeper", NULL, "one process; the front end has to reconnect after a crash"},
	{OPT_INIT, 0, "init", NULL, "offer the guest's first process as /init.krun"},
	{OPT_VIRTUAL, 0, "virtual", "PATH=FILE[:MODE]", "show the host's FILE at PATH, above every layer"},
	{OPT_ALSO_MOUNT, 0, "also-mount", "DIR", "mount the same tree there too"},
	{OPT_READONLY, 0, "readonly", NULL, "change nothing"},
	{OPT_CACHE, 0, "cache", "MODE", "always (default), auto, metadata or never: what the guest may remember"},
	{OPT_WRITEBACK, 0, "writeback", NULL, "the guest may collect writes"},
	{OPT_NO_READDIRPLUS, 0, "no-readdirplus", NULL, "listings without attributes"},
	{OPT_SANDBOX, 0, "sandbox", "MODE", "auto (default), none or require: confine the server to its layers"},
	{OPT_SECCOMP, 0, "seccomp", "ACTION", "refuse (default), kill, trap, log or none: for calls it should not make"},
	{OPT_NOFILE, 0, "rlimit-nofile", "N", "open files at most"},
	{OPT_LOG_LEVEL, 0, "log-level", "LEVEL", "error, warn, info or debug"},
	{OPT_SYSLOG, 0, "syslog", NULL, "log there instead of to stderr"},
	{OPT_CAPABILITIES, 0, "print-capabilities", NULL, "say what this vhost-user back end can do, and exit"},
	{OPT_VERSION, 'V', "version", NULL, ""},
	{OPT_SOCKET, 0, "socket-path", "PATH", ""},
	{OPT_SHARED, 0, "shared-dir", "DIR", ""},
	{OPT_DEBUG, 'd', "debug", NULL, ""},
	{OPT_CONTROL, 0, "worker-control", "FD", ""},
	/* What is always so here, or harmless. */
	{OPT_SILENT, 'f', NULL, NULL, ""},
	{OPT_SILENT, 0, "xattr", NULL, ""},
	{OPT_ACL, 0, "posix-acl", NULL, ""},
	{OPT_SILENT, 0, "killpriv-v2", NULL, ""},
	{OPT_SILENT, 0, "no-announce-submounts", NULL, ""},
	/* What has no meaning here. */
	{OPT_IGNORED, 0, "announce-submounts", NULL, ""},
	{OPT_IGNORED, 0, "no-killpriv-v2", NULL, ""},
	{OPT_IGNORED, 0, "security-label", NULL, ""},
	{OPT_IGNORED, 0, "allow-mmap", NULL, ""},
	{OPT_IGNORED, 0, "allow-direct-io", NULL, ""},
	{OPT_IGNORED, 0, "preserve-noatime", NULL, ""},
	{OPT_IGNORED, 0, "migration-verify-handles", NULL, ""},
	{OPT_IGNORED, 0, "migration-confirm-paths", NULL, ""},
	{OPT_IGNORED, 0, "xattrmap", "MAP", ""},
	{OPT_IGNORED, 0, "inode-file-handles", "MODE", ""},
	{OPT_IGNORED, 0, "modcaps", "LIST", ""},
	{OPT_IGNORED, 0, "uid-map", "MAP", ""},
	{OPT_IGNORED, 0, "gid-map", "MAP", ""},
	{OPT_IGNORED, 0, "translate-uid", "MAP", ""},
	{OPT_IGNORED, 0, "translate-gid", "MAP", ""},
	{OPT_IGNORED, 0, "migration-mode", "MODE", ""},
	{OPT_IGNORED, 0, "migration-on-error", "MODE", ""},
	{0},
};

void serve_init(struct serve *s, const struct cmd *cmd, int argc, char **argv)
{
	*s = (struct serve){
		.cmd = cmd,
		.argc = argc,
		.argv = argv,
		.fd = -1,
		.control = -1,
		.group = (gid_t)-1,
		.tag = DEFAULT_TAG,
		.queues = 1,
		.workers = DEFAULT_WORKERS,
		.poll_us = DEFAULT_POLL_US,
		.keeper = true,
		.guest_status = -1,
		.level = VN_LOG_WARN,
	};
	mount_options_init(&s->mount);
}

void serve_fini(struct serve *s)
{
	mount_options_fini(&s->mount);
	words_fini(&s->ignored);
}

/* ---- all words ---- */

static int print_capabilities(void)
{
	puts("{\n"
	     "  \"type\": \"fs\",\n"
	     "  \"features\": [\n"
	     "    \"migrate-precopy\",\n"
	     "    \"separate-options\"\n"
	     "  ]\n"
	     "}");
	return CMD_OK;
}

static int set_word(struct serve *s, const struct args *a, int id)
{
	struct vn_err err = {0};

	switch (id) {
	case OPT_OPTIONS:
		return serve_set_options(s, a->value);
	case OPT_SOCKET:
		s->socket = a->value;
		return CMD_OK;
	case OPT_FD:
		return serve_number_fd(s, "--fd", a->value, &s->fd);
	case OPT_CONTROL:
		return serve_number_fd(s, "--worker-control", a->value, &s->control);
	case OPT_ALSO_MOUNT:
		s->also_mount = a->value;
		s->sandbox.mounts = true;
		return CMD_OK;
	case OPT_GROUP:
		return serve_set_group(s, a->value);
	case OPT_TAG:
		return serve_set_tag(s, a->value);
	case OPT_SHARED:
		return serve_refuse_share(s, a->value);
	case OPT_QUEUES:
		return serve_number_unsigned(s, "--num-request-queues", a->value, 1, QUEUES_MAX, &s->queues);
	case OPT_POOL: /* virtiofsd's 0 means: no pool */
		if (serve_number_unsigned(s, "--thread-pool-size", a->value, 0, UINT32_MAX, &s->workers))
			return CMD_USAGE;
		s->workers = s->workers < 1 ? 1 : s->workers > WORKERS_MAX ? WORKERS_MAX : s->workers;
		return CMD_OK;
	case OPT_POLL:
		return serve_number_unsigned(s, "--poll-us", a->value, 0, POLL_US_MAX, &s->poll_us);
	case OPT_CACHE:
		return serve_set_cache(s, a->value);
	case OPT_SANDBOX:
		return serve_set_sandbox(s, a->value);
	case OPT_SECCOMP:
		return serve_set_seccomp(s, a->value);
	case OPT_LOG_LEVEL:
		return serve_set_level(s, a->value);
	case OPT_NOFILE:
		return serve_number(s, "--rlimit-nofile", a->value, 0, 1u << 30, &s->nofile);
	case OPT_VIRTUAL:
		return mount_options_virtual(&s->mount, a->value, &err) ? cmd_usage(s->cmd, "%s", vn_err_text(&err)) : CMD_OK;
	default:
		return cmd_usage(s->cmd, "'%s' is not an option", a->value);
	}
}

static int set_switch(struct serve *s, int id)
{
	switch (id) {
	case OPT_NO_KEEPER:
		s->keeper = false;
		break;
	case OPT_INIT:
		s->init = true;
		break;
	case OPT_READONLY:
		s->mount.readonly = true;
		break;
	case OPT_WRITEBACK:
		s->mount.writeback = true;
		break;
	case OPT_ACL:
		s->mount.noacl = false;
		break;
	case OPT_NO_READDIRPLUS:
		s->no_readdirplus = true;
		break;
	case OPT_DEBUG:
		s->level = VN_LOG_DEBUG;
		break;
	case OPT_SYSLOG:
		s->syslog = true;
		break;
	default:
		break; /* OPT_SILENT */
	}
	return CMD_OK;
}

static bool is_switch(int id)
{
	switch (id) {
	case OPT_NO_KEEPER:
	case OPT_INIT:
	case OPT_READONLY:
	case OPT_WRITEBACK:
	case OPT_ACL:
	case OPT_NO_READDIRPLUS:
	case OPT_DEBUG:
	case OPT_SYSLOG:
	case OPT_SILENT:
		return true;
	default:
		return false;
	}
}

/* An ignored option is named as it was written, without its value. */
static int set_ignored(struct serve *s, const struct args *a)
{
	const char *word = a->argv[a->next - 1];

	if (a->value && word == a->value && a->next >= 2)
		word = a->argv[a->next - 2];
	return serve_ignore(s, word, strcspn(word, "="));
}

static int serve_complete(struct serve *s)
{
	if (s->control < 0 && !s->socket == (s->fd < 0))
		return cmd_usage(s->cmd, "%s", s->socket ? "use either --socket or --fd, not both"
							  : "say with --socket=PATH where the virtual machine connects");
	if (!s->mount.lowers.n && !s->mount.upper)
		return cmd_usage(s->cmd, "there is nothing to serve: say with -o lowerdir=DIR[:DIR...] what to show");
	if (s->mount.passthrough)
		return cmd_usage(s->cmd, "open=passthrough is for mounts of this machine: a guest cannot read its files by itself; leave it out");
	if (s->also_mount && s->mount.writeback)
		return cmd_usage(s->cmd, "--also-mount and --writeback do not go together: two clients cannot both hold writes back");
	return CMD_OK;
}

int serve_parse(struct serve *s, bool *done)
{
	struct args a;
	int id, code = CMD_OK;

	*done = true;
	args_init(&a, s->cmd, s->argc, s->argv);
	while (code == CMD_OK && (id = args_next(&a)) != ARGS_END) {
		if (id == ARGS_EXIT)
			return a.code;
		if (id == OPT_CAPABILITIES)
			return print_capabilities();
		if (id == OPT_VERSION)
			return puts("veneer " PACKAGE_VERSION) < 0 ? CMD_FAILED : CMD_OK;
		if (id == OPT_IGNORED)
			code = set_ignored(s, &a);
		else
			code = is_switch(id) ? set_switch(s, id) : set_word(s, &a, id);
	}
	*done = false;
	return code == CMD_OK ? serve_complete(s) : code;
}
