// SPDX-License-Identifier: Apache-2.0
#include "cli/serve_values.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/scope.h"

#define TAG_MAX 36

int serve_number(struct serve *s, const char *name, const char *text, unsigned long min, unsigned long max, unsigned long *out)
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

int serve_number_unsigned(struct serve *s, const char *name, const char *text, unsigned min, unsigned max, unsigned *out)
{
	unsigned long n;
	int code = serve_number(s, name, text, min, max, &n);

	if (code == CMD_OK)
		*out = (unsigned)n;
	return code;
}

int serve_number_fd(struct serve *s, const char *name, const char *text, int *out)
{
	unsigned long n;
	int code = serve_number(s, name, text, 0, INT32_MAX, &n);

	if (code == CMD_OK)
		*out = (int)n;
	return code;
}

int serve_set_cache(struct serve *s, const char *mode)
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

int serve_set_sandbox(struct serve *s, const char *word)
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

int serve_set_seccomp(struct serve *s, const char *word)
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

int serve_set_group(struct serve *s, const char *name)
{
	struct group *g = getgrnam(name);

	if (!g)
		return cmd_usage(s->cmd, "there is no group '%s' for the socket", name);
	s->group = g->gr_gid;
	return CMD_OK;
}

int serve_set_tag(struct serve *s, const char *tag)
{
	size_t n = strlen(tag);

	if (!n || n > TAG_MAX)
		return cmd_usage(s->cmd, "tag '%s': a tag has 1 to %d bytes", tag, TAG_MAX);
	s->tag = tag;
	return CMD_OK;
}

/* Levels of virtiofsd that we do not have become the nearest one. */
int serve_set_level(struct serve *s, const char *text)
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

int serve_refuse_share(struct serve *s, const char *dir)
{
	return cmd_usage(s->cmd,
			 "sharing the live directory '%s' is not part of veneer: to show it read-only or with a writable "
			 "layer above it use -o lowerdir=%s[,upperdir=DIR], to share it as it is use virtiofsd",
			 dir, dir);
}

/* ---- -o ---- */

int serve_ignore(struct serve *s, const char *what, size_t n)
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
		return serve_refuse_share(s, word + 7);
	if (strncmp(word, "cache=", 6) == 0)
		return serve_set_cache(s, word + 6);
	if (strncmp(word, "sandbox=", 8) == 0)
		return serve_set_sandbox(s, word + 8);
	if (strcmp(word, "no_readdirplus") == 0)
		s->no_readdirplus = true;
	else if (strcmp(word, "no_posix_acl") == 0)
		s->mount.noacl = true;
	else if (option_is_silent(word))
		return CMD_OK;
	else if (option_is_ignored(word))
		return serve_ignore(s, word, strcspn(word, "="));
	else if (mount_options_parse(&s->mount, word, &err))
		return cmd_usage(s->cmd, "%s", vn_err_text(&err));
	return CMD_OK;
}

/* One option at a time, so that those of virtiofsd can be picked out; `\,` is part of one. */
int serve_set_options(struct serve *s, const char *text)
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
