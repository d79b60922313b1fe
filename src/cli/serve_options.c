// SPDX-License-Identifier: Apache-2.0
/* The words of `veneer serve`: ours, and those that launchers know from virtiofsd. */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/scope.h"
#include "cli/serve.h"

#define DEFAULT_TAG "veneer"
#define DEFAULT_WORKERS 16
#define DEFAULT_POLL_US 50
#define TAG_MAX 36
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

/* ---- values ---- */

static int number(struct serve *s, const char *name, const char *text, unsigned long min, unsigned long max,
		  unsigned long *out)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || n < min || n > max)
		return cmd_usage(s->cmd, "%s '%s' is not a number from %lu to %lu", name, text, min, max);
	*out = n;
	return CMD_OK;
}

static int number_unsigned(struct serve *s, const char *name, const char *text, unsigned min, unsigned max, unsigned *out)
{
	unsigned long n;
	int code = number(s, name, text, min, max, &n);

	if (code == CMD_OK)
		*out = (unsigned)n;
	return code;
}

static int number_fd(struct serve *s, const char *name, const char *text, int *out)
{
	unsigned long n;
	int code = number(s, name, text, 0, INT32_MAX, &n);

	if (code == CMD_OK)
		*out = (int)n;
	return code;
}

static int set_cache(struct serve *s, const char *mode)
{
	if (strcmp(mode, "always") == 0 || strcmp(mode, "auto") == 0)
		s->cache = SERVE_CACHE_ALWAYS;
	else if (strcmp(mode, "metadata") == 0)
		s->cache = SERVE_CACHE_METADATA;
	else if (strcmp(mode, "never") == 0 || strcmp(mode, "none") == 0)
		s->cache = SERVE_CACHE_NEVER;
	else
		return cmd_usage(s->cmd, "cache mode '%s' is not known: use always, auto, metadata or never", mode);
	return CMD_OK;
}

/* What one of a few words means; the first column has every word, also those of virtiofsd. */
struct meaning {
	const char *word;
	int value;
};

/* CMD_USAGE: the word is none of them; `choice` names those that we like to be used. */
static int set_meaning(struct serve *s, const struct meaning *m, const char *what, const char *word, const char *choice, int *out)
{
	for (; m->word; m++) {
		if (strcmp(m->word, word) == 0) {
			*out = m->value;
			return CMD_OK;
		}
	}
	return cmd_usage(s->cmd, "%s '%s' is not known: use %s", what, word, choice);
}

static int set_sandbox(struct serve *s, const char *word)
{
	static const struct meaning modes[] = {
		{"auto", SANDBOX_AUTO},     {"namespace", SANDBOX_AUTO}, {"chroot", SANDBOX_AUTO},
		{"require", SANDBOX_REQUIRE}, {"none", SANDBOX_NONE},      {NULL, 0},
	};
	int value = 0, code = set_meaning(s, modes, "sandbox mode", word, "auto, require or none", &value);

	if (code == CMD_OK)
		s->sandbox.mode = (enum sandbox_mode)value;
	return code;
}

static int set_seccomp(struct serve *s, const char *word)
{
	static const struct meaning actions[] = {
		{"refuse", SANDBOX_REFUSE}, {"kill", SANDBOX_KILL},  {"trap", SANDBOX_TRAP},
		{"log", SANDBOX_LOG},       {"none", SANDBOX_ALLOW}, {NULL, 0},
	};
	int value = 0, code = set_meaning(s, actions, "seccomp action", word, "refuse, kill, trap, log or none", &value);

	if (code == CMD_OK)
		s->sandbox.action = (enum sandbox_action)value;
	return code;
}

static int set_group(struct serve *s, const char *name)
{
	struct group *g = getgrnam(name);

	if (!g)
		return cmd_usage(s->cmd, "there is no group '%s' for the socket", name);
	s->group = g->gr_gid;
	return CMD_OK;
}

static int set_tag(struct serve *s, const char *tag)
{
	size_t n = strlen(tag);

	if (!n || n > TAG_MAX)
		return cmd_usage(s->cmd, "tag '%s': a tag has 1 to %d bytes", tag, TAG_MAX);
	s->tag = tag;
	return CMD_OK;
}

/* Levels of virtiofsd that we do not have become the nearest one. */
static int set_level(struct serve *s, const char *text)
{
	if (strcmp(text, "trace") == 0)
		s->level = VN_LOG_DEBUG;
	else if (strcmp(text, "off") == 0)
		s->level = VN_LOG_ERROR;
	else if (strcmp(text, "err") == 0)
		s->level = VN_LOG_ERROR;
	else if (vn_log_parse_level(text, &s->level))
		return cmd_usage(s->cmd, "log level '%s' is not known: use error, warn, info or debug", text);
	return CMD_OK;
}

static int refuse_share(struct serve *s, const char *dir)
{
	return cmd_usage(s->cmd,
			 "sharing the live directory '%s' is not part of veneer: to show it read-only or with a writable "
			 "layer above it use -o lowerdir=%s[,upperdir=DIR], to share it as it is use virtiofsd",
			 dir, dir);
}

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

/* ---- -o ---- */

static int ignore(struct serve *s, const char *what, size_t n)
{
	return words_add(&s->ignored, what, n) ? cmd_fail("out of memory") : CMD_OK;
}

/* Words of virtiofsd's -o that say what is so anyway. */
static bool option_is_silent(const char *word)
{
	static const char *const words[] = {"xattr", "posix_acl", "readdirplus", "no_writeback", "no_flock",
					    "no_posix_lock", "killpriv_v2", "no_killpriv_v2", "announce_submounts"};

	for (size_t i = 0; i < VN_ARRAY_LEN(words); i++) {
		if (strcmp(words[i], word) == 0)
			return true;
	}
	return false;
}

static bool option_is_ignored(const char *word)
{
	static const char *const words[] = {"modcaps=", "xattrmap=", "timeout=", "log_level=", "no_xattr",
					    "flock", "posix_lock", "allow_direct_io", "no_allow_direct_io", "user_killpriv"};

	for (size_t i = 0; i < VN_ARRAY_LEN(words); i++) {
		if (strncmp(words[i], word, strlen(words[i])) == 0)
			return true;
	}
	return false;
}

static int set_option(struct serve *s, const char *word)
{
	struct vn_err err = {0};

	if (strncmp(word, "source=", 7) == 0)
		return refuse_share(s, word + 7);
	if (strncmp(word, "cache=", 6) == 0)
		return set_cache(s, word + 6);
	if (strncmp(word, "sandbox=", 8) == 0)
		return set_sandbox(s, word + 8);
	if (strcmp(word, "no_readdirplus") == 0)
		s->no_readdirplus = true;
	else if (strcmp(word, "no_posix_acl") == 0)
		s->mount.noacl = true;
	else if (option_is_silent(word))
		return CMD_OK;
	else if (option_is_ignored(word))
		return ignore(s, word, strcspn(word, "="));
	else if (mount_options_parse(&s->mount, word, &err))
		return cmd_usage(s->cmd, "%s", vn_err_text(&err));
	return CMD_OK;
}

/* One option at a time, so that those of virtiofsd can be picked out; `\,` is part of one. */
static int set_options(struct serve *s, const char *text)
{
	vn_autofree char *copy = strdup(text);
	int code = CMD_OK;

	if (!copy)
		return cmd_fail("out of memory");
	for (char *word = copy, *next; word && code == CMD_OK; word = next) {
		char *end = word;

		while (*end && *end != ',')
			end += *end == '\\' && end[1] ? 2 : 1;
		next = *end ? end + 1 : NULL;
		*end = '\0';
		code = *word ? set_option(s, word) : CMD_OK;
	}
	return code;
}

/* ---- all words ---- */

static int set_word(struct serve *s, const struct args *a, int id)
{
	struct vn_err err = {0};

	switch (id) {
	case OPT_OPTIONS:
		return set_options(s, a->value);
	case OPT_SOCKET:
		s->socket = a->value;
		return CMD_OK;
	case OPT_FD:
		return number_fd(s, "--fd", a->value, &s->fd);
	case OPT_CONTROL:
		return number_fd(s, "--worker-control", a->value, &s->control);
	case OPT_ALSO_MOUNT:
		s->also_mount = a->value;
		s->sandbox.mounts = true;
		return CMD_OK;
	case OPT_GROUP:
		return set_group(s, a->value);
	case OPT_TAG:
		return set_tag(s, a->value);
	case OPT_SHARED:
		return refuse_share(s, a->value);
	case OPT_QUEUES:
		return number_unsigned(s, "--num-request-queues", a->value, 1, QUEUES_MAX, &s->queues);
	case OPT_POOL: /* virtiofsd's 0 means: no pool */
		if (number_unsigned(s, "--thread-pool-size", a->value, 0, UINT32_MAX, &s->workers))
			return CMD_USAGE;
		s->workers = s->workers < 1 ? 1 : s->workers > WORKERS_MAX ? WORKERS_MAX : s->workers;
		return CMD_OK;
	case OPT_POLL:
		return number_unsigned(s, "--poll-us", a->value, 0, POLL_US_MAX, &s->poll_us);
	case OPT_CACHE:
		return set_cache(s, a->value);
	case OPT_SANDBOX:
		return set_sandbox(s, a->value);
	case OPT_SECCOMP:
		return set_seccomp(s, a->value);
	case OPT_LOG_LEVEL:
		return set_level(s, a->value);
	case OPT_NOFILE:
		return number(s, "--rlimit-nofile", a->value, 0, 1u << 30, &s->nofile);
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
	return ignore(s, word, strcspn(word, "="));
}

static int serve_complete(struct serve *s)
{
	if (s->control < 0 && !s->socket == (s->fd < 0))
		return cmd_usage(s->cmd, "%s", s->socket ? "use either --socket or --fd, not both"
							  : "say with --socket=PATH where the virtual machine connects");
	if (!s->mount.lowers.n && !s->mount.upper)
		return cmd_usage(s->cmd, "there is nothing to serve: say with -o lowerdir=DIR[:DIR...] what to show");
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
