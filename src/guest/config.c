// SPDX-License-Identifier: Apache-2.0
#include "guest/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Every variable that is ours; none of them is handed to the command. */
static const char *const known[] = {
	"VENEER_TMPFS",    "VENEER_BLOCK_ROOT", "VENEER_RUNTIME", "VENEER_CMD",   "VENEER_WORKDIR",
	"VENEER_HOSTNAME", "VENEER_END",        "KRUN_INIT",      "KRUN_WORKDIR",
};
#define KNOWN_COUNT (sizeof(known) / sizeof(known[0]))

/* The value when assignment is NAME=VALUE for this name; else NULL. */
static const char *assigned_value(const char *assignment, const char *name)
{
	size_t len = strlen(name);

	return strncmp(assignment, name, len) == 0 && assignment[len] == '=' ? assignment + len + 1 : NULL;
}

/* How many words of the kernel line stand before "--"; what follows belongs to process 1. */
static size_t kernel_own(const struct vg_words *kernel)
{
	size_t n = 0;

	while (n < kernel->count && strcmp(kernel->word[n], "--") != 0)
		n++;
	return n;
}

struct source {
	char *const *env;
	const struct vg_words *kernel;
	size_t kernel_own;
};

static const char *source_get(const struct source *s, const char *name)
{
	for (char *const *e = s->env; *e; e++)
		if (assigned_value(*e, name))
			return assigned_value(*e, name);
	for (size_t i = s->kernel_own; i > 0; i--)
		if (assigned_value(s->kernel->word[i - 1], name))
			return assigned_value(s->kernel->word[i - 1], name);
	return NULL;
}

static bool is_known(const char *assignment)
{
	for (size_t i = 0; i < KNOWN_COUNT; i++)
		if (assigned_value(assignment, known[i]))
			return true;
	return false;
}

static bool is_misspelt(const char *assignment)
{
	return strncmp(assignment, "VENEER_", 7) == 0 && !is_known(assignment);
}

static const char *source_unknown(const struct source *s)
{
	for (char *const *e = s->env; *e; e++)
		if (is_misspelt(*e))
			return *e;
	for (size_t i = 0; i < s->kernel_own; i++)
		if (is_misspelt(s->kernel->word[i]))
			return s->kernel->word[i];
	return NULL;
}

static int config_mounts(struct vg_config *c, const struct source *s, struct vg_why *why)
{
	const char *tmpfs = source_get(s, "VENEER_TMPFS");
	const char *root = source_get(s, "VENEER_BLOCK_ROOT");
	const char *runtime = source_get(s, "VENEER_RUNTIME");
	int rc = tmpfs ? vg_tmpfs_parse(tmpfs, &c->tmpfs, why) : 0;

	c->has_block_root = root != NULL;
	c->has_runtime = runtime != NULL;
	if (rc == 0 && root)
		rc = vg_block_root_parse(root, &c->block_root, why);
	if (rc == 0 && runtime)
		rc = vg_runtime_parse(runtime, &c->runtime, why);
	return rc;
}

static int config_ending(struct vg_config *c, const char *value, struct vg_why *why)
{
	if (!value || strcmp(value, "poweroff") == 0)
		c->ending = VG_POWEROFF;
	else if (strcmp(value, "reboot") == 0)
		c->ending = VG_REBOOT;
	else
		return vg_why_set(why, "VENEER_END: \"%.100s\" is neither poweroff nor reboot", value);
	return 0;
}

static int config_place(struct vg_config *c, const struct source *s, struct vg_why *why)
{
	c->hostname = source_get(s, "VENEER_HOSTNAME");
	if (c->hostname && (!c->hostname[0] || strlen(c->hostname) > 64))
		return vg_why_set(why, "VENEER_HOSTNAME: a name has 1 to 64 bytes, not %zu", strlen(c->hostname));
	c->workdir = source_get(s, "VENEER_WORKDIR");
	if (c->workdir && c->workdir[0] != '/')
		return vg_why_set(why, "VENEER_WORKDIR: \"%.200s\" is not absolute; begin it with /", c->workdir);
	if (!c->workdir)
		c->workdir = source_get(s, "KRUN_WORKDIR");
	if (!c->workdir || c->workdir[0] != '/')
		c->workdir = "/";
	return 0;
}

/*
 * Process 1's arguments without those that the kernel put there because it did not know
 * them: words without '=' before the "--".
 */
static char *const *own_args(const struct vg_words *kernel, size_t own, char *const args[])
{
	for (; *args; args++) {
		size_t i = 0;

		while (i < own && strcmp(kernel->word[i], *args) != 0)
			i++;
		if (i == own)
			break;
	}
	return args;
}

/* A list of first (unless NULL) and the strings of rest. The caller frees the list, not the strings. */
static char **list_join(const char *first, char *const rest[])
{
	size_t n = 0, at = 0;
	char **list;

	while (rest[n])
		n++;
	list = calloc(n + 2, sizeof(*list));
	if (!list)
		return NULL;
	if (first)
		list[at++] = (char *)first;
	memcpy(list + at, rest, n * sizeof(*list));
	return list;
}

static int config_command(struct vg_config *c, const struct source *s, char *const args[], struct vg_why *why)
{
	static char *const nothing[] = {NULL};
	const char *command = source_get(s, "VENEER_CMD");
	const char *program = source_get(s, "KRUN_INIT");
	char *const *own = own_args(s->kernel, s->kernel_own, args);
	int rc = 0;

	if (command)
		rc = vg_words_parse(command, &c->words, why);
	if (rc < 0)
		return rc;
	if (command)
		c->command = list_join(NULL, c->words.word);
	else if (program && program[0])
		c->command = list_join(program, own);
	else if (*own)
		c->command = list_join(NULL, own);
	else
		c->command = list_join("/bin/sh", nothing);
	return c->command ? 0 : -ENOMEM;
}

/* The command sees what process 1 saw, without our variables and with a PATH. */
static int config_env(struct vg_config *c, char *const env[])
{
	bool has_path = false;
	size_t n = 0;

	c->env = list_join(DEFAULT_PATH, env);
	if (!c->env)
		return -ENOMEM;
	for (char *const *e = env; *e; e++) {
		if (is_known(*e))
			continue;
		has_path |= assigned_value(*e, "PATH") != NULL;
		c->env[n++] = *e;
	}
	if (!has_path)
		c->env[n++] = (char *)DEFAULT_PATH;
	c->env[n] = NULL;
	return 0;
}

int vg_config_parse(char *const args[], char *const env[], const char *kernel_line, struct vg_config *config,
		    struct vg_why *why)
{
	struct vg_config c = {.workdir = "/"};
	struct source s = {.env = env};
	int rc = vg_words_parse_kernel(kernel_line, &c.kernel);

	if (rc == 0) {
		s.kernel = &c.kernel;
		s.kernel_own = kernel_own(&c.kernel);
		rc = config_mounts(&c, &s, why);
	}
	if (rc == 0)
		rc = config_ending(&c, source_get(&s, "VENEER_END"), why);
	if (rc == 0)
		rc = config_place(&c, &s, why);
	if (rc == 0)
		rc = config_command(&c, &s, args, why);
	if (rc == 0)
		rc = config_env(&c, env);
	if (rc < 0) {
		vg_config_free(&c);
		return rc;
	}
	c.unknown = source_unknown(&s);
	*config = c;
	return 0;
}

void vg_config_free(struct vg_config *config)
{
	free(config->command);
	free(config->env);
	vg_words_free(&config->kernel);
	vg_words_free(&config->words);
	*config = (struct vg_config){.workdir = "/"};
}
