// SPDX-License-Identifier: Apache-2.0
/*
 *	promises below DIR	fills a lower directory
 *	promises fresh DIR	tries every promise in a mounted tree
 *	promises again DIR	after a remount
 *
 * One TAP line a promise, without a plan: the script that calls it counts.
 */
#include "promise.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *not_so(const char *file, int line, const char *what)
{
	static char text[512];
	const char *slash = strrchr(file, '/');
	snprintf(text, sizeof(text), "%s:%d: %s (%s)", slash ? slash + 1 : file, line, what, strerror(errno));
	return text;
}

bool put(const char *path, const char *content)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	bool ok = fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content);
	if (fd >= 0)
		ok = !close(fd) && ok;
	return ok;
}

bool has(const char *path, const char *content)
{
	char buf[65536];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));
	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(content) && !memcmp(buf, content, (size_t)n);
}

bool missing(const char *path)
{
	struct stat st;
	return lstat(path, &st) == -1 && errno == ENOENT;
}

struct stat st_of(const char *path)
{
	struct stat st;
	if (lstat(path, &st))
		memset(&st, 0, sizeof(st));
	return st;
}

static int no_dots(const struct dirent *d)
{
	return strcmp(d->d_name, ".") && strcmp(d->d_name, "..");
}

bool lists(const char *dir, const char *names)
{
	static char all[65536];
	struct dirent **list;
	int n = scandir(dir, &list, no_dots, alphasort);
	size_t at = 0;
	all[0] = '\0';
	for (int i = 0; i < n; i++) {
		at += (size_t)snprintf(all + at, sizeof(all) - at, "%s%s", i ? " " : "", list[i]->d_name);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	if (strcmp(all, names))
		fprintf(stdout, "# %s has '%s', not '%s'\n", dir, all, names);
	return n >= 0 && !strcmp(all, names);
}

static const struct promise *const tables[] = { name_promises, identity_promises, data_promises, directory_promises };

static bool run_one(const struct promise *p, const char *phase)
{
	const char *(*fn)(void) = !strcmp(phase, "below") ? p->below : !strcmp(phase, "fresh") ? p->fresh : p->again;
	char top[4096];
	const char *why;
	if (!getcwd(top, sizeof(top)))
		exit(99);
	if (!strcmp(phase, "below"))
		mkdir(p->name, 0755);
	if (!fn)
		return true;
	why = chdir(p->name) ? not_so(__FILE__, __LINE__, "entering its directory") : fn();
	if (strcmp(phase, "below") || why)
		printf("%s %s, %s\n", why ? "not ok" : "ok", p->name, phase);
	if (why)
		printf("# %s\n", why);
	fflush(stdout);
	return !chdir(top) && !why;
}

int main(int argc, char **argv)
{
	bool ok = true;
	umask(0);
	if (argc != 3 || chdir(argv[2])) {
		fprintf(stderr, "usage: promises below|fresh|again DIR\n");
		return 2;
	}
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct promise *p = tables[t]; p->name; p++)
			ok = run_one(p, argv[1]) && ok;
	return !ok;
}
