// SPDX-License-Identifier: Apache-2.0
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/* A line that grows. */
struct line {
	char *text;
	size_t len, cap;
};

static void line_add(struct line *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	for (;;) {
		va_start(ap, fmt);
		n = vsnprintf(l->text + l->len, l->cap - l->len, fmt, ap);
		va_end(ap);
		if (n >= 0 && (size_t)n < l->cap - l->len)
			break;
		l->cap = l->cap * 2 + (size_t)n + 64;
		l->text = realloc(l->text, l->cap);
		if (!l->text)
			abort();
	}
	l->len += (size_t)n;
}

static void line_add_bytes(struct line *l, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i++)
		line_add(l, p[i] > ' ' && p[i] < 0x7f && p[i] != '\\' ? "%c" : "\\%02x", p[i]);
}

/* ---- which names are one file ---- */

struct group {
	uint64_t dev, ino;
	char *first;
};

struct walk {
	const struct tree_options *options;
	struct tree *tree;
	struct group *groups;
	size_t ngroups;
	int failed;
};

static const char *group_first(struct walk *w, const struct stat *st, const char *path)
{
	for (size_t i = 0; i < w->ngroups; i++) {
		if (w->groups[i].ino == st->st_ino && w->groups[i].dev == st->st_dev)
			return w->groups[i].first;
	}
	w->groups = realloc(w->groups, (w->ngroups + 1) * sizeof(*w->groups));
	w->groups[w->ngroups] = (struct group){st->st_dev, st->st_ino, strdup(path)};
	return w->groups[w->ngroups++].first;
}

/* ---- one object ---- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_xattrs(struct line *l, const char *host)
{
	char names[65536], value[65536], *sorted[1024];
	ssize_t len = llistxattr(host, names, sizeof(names));
	size_t n = 0;

	if (len < 0)
		line_add(l, " xattrs=!%d", errno == EOPNOTSUPP ? 0 : errno);
	for (ssize_t at = 0; at < len && n < 1024; at += (ssize_t)strlen(names + at) + 1) {
		if (strcmp(names + at, "security.selinux") != 0)
			sorted[n++] = names + at;
	}
	qsort(sorted, n, sizeof(*sorted), by_text);
	for (size_t i = 0; i < n; i++) {
		ssize_t size = lgetxattr(host, sorted[i], value, sizeof(value));

		line_add(l, " %s=", sorted[i]);
		if (size < 0)
			line_add(l, "!%d", errno);
		else
			line_add_bytes(l, value, (size_t)size);
	}
}

static uint64_t content_hash(const char *host, int *err)
{
	static char buf[1 << 16];
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	int fd = open(host, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = -1;

	while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			h = (h ^ (unsigned char)buf[i]) * UINT64_C(0x100000001b3);
	}
	*err = n < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	return h;
}

static void add_time(struct walk *w, struct line *l, const char *what, const struct timespec *t)
{
	if (w->options->inodes || t->tv_sec < TREE_NOW)
		line_add(l, " %s=%lld.%09ld", what, (long long)t->tv_sec, t->tv_nsec);
	else
		line_add(l, " %s=now", what);
}

static void add_content(struct line *l, const char *host, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n;
	int err;

	if (S_ISREG(st->st_mode)) {
		uint64_t h = content_hash(host, &err);

		line_add(l, " size=%lld content=", (long long)st->st_size);
		line_add(l, err ? "!%lld" : "%016llx", err ? (long long)err : (long long)h);
	} else if (S_ISLNK(st->st_mode)) {
		n = readlink(host, target, sizeof(target));
		line_add(l, " target=");
		line_add_bytes(l, target, n < 0 ? 0 : (size_t)n);
	} else if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
		line_add(l, " device=%u:%u", major(st->st_rdev), minor(st->st_rdev));
	}
}

static void add_object(struct walk *w, const char *host, const char *path, const struct stat *st)
{
	struct line l = {0};

	line_add_bytes(&l, *path ? path : ".", *path ? strlen(path) : 1);
	line_add(&l, " mode=%o owner=%u:%u", w->options->inodes ? st->st_mode : TREE_MODE(st->st_mode), st->st_uid,
		 st->st_gid);
	if (!S_ISDIR(st->st_mode))
		line_add(&l, " links=%lu", (unsigned long)st->st_nlink);
	if (!S_ISDIR(st->st_mode) && st->st_nlink > 1) {
		line_add(&l, " same=");
		line_add_bytes(&l, group_first(w, st, path), strlen(group_first(w, st, path)));
	}
	add_content(&l, host, st);
	add_time(w, &l, "mtime", &st->st_mtim);
	if (w->options->inodes) {
		add_time(w, &l, "ctime", &st->st_ctim);
		line_add(&l, " ino=%llu", (unsigned long long)st->st_ino);
	}
	add_xattrs(&l, host);
	if (w->tree->n == w->tree->cap) {
		w->tree->cap = w->tree->cap ? w->tree->cap * 2 : 1024;
		w->tree->lines = realloc(w->tree->lines, w->tree->cap * sizeof(char *));
	}
	w->tree->lines[w->tree->n++] = l.text;
}

/* ---- the walk ---- */

static int visible(const struct dirent *e)
{
	return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void walk_object(struct walk *w, const char *host, const char *path);

static void walk_children(struct walk *w, const char *host, const char *path)
{
	struct dirent **names = NULL;
	int n = scandir(host, &names, visible, by_bytes);

	if (n < 0) {
		fprintf(stderr, "cannot list %s: %s\n", host, strerror(errno));
		w->failed = -errno;
	}
	for (int i = 0; i < n; i++) {
		char *child = NULL, *child_path = NULL;

		if (asprintf(&child, "%s/%s", host, names[i]->d_name) < 0 ||
		    asprintf(&child_path, "%s%s%s", path, *path ? "/" : "", names[i]->d_name) < 0)
			abort();
		walk_object(w, child, child_path);
		free(child);
		free(child_path);
		free(names[i]);
	}
	free(names);
}

static void walk_object(struct walk *w, const char *host, const char *path)
{
	struct stat st;

	if (lstat(host, &st)) {
		fprintf(stderr, "cannot stat %s: %s\n", host, strerror(errno));
		w->failed = -errno;
		return;
	}
	if (*path || !w->options->noroot)
		add_object(w, host, path, &st);
	if (S_ISDIR(st.st_mode))
		walk_children(w, host, path);
}

int tree_read(const char *root, const struct tree_options *options, struct tree *out)
{
	struct walk w = {.options = options, .tree = out};

	*out = (struct tree){0};
	walk_object(&w, root, "");
	for (size_t i = 0; i < w.ngroups; i++)
		free(w.groups[i].first);
	free(w.groups);
	return w.failed;
}

void tree_free(struct tree *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->lines[i]);
	free(t->lines);
	*t = (struct tree){0};
}

/* ---- comparing ---- */

static size_t path_len(const char *line)
{
	return strcspn(line, " ");
}

/* The order of the walk: by components, as '/' sorts before every other byte there. */
static int path_order(const char *a, const char *b)
{
	size_t la = path_len(a), lb = path_len(b), i = 0;

	if (a[0] == '.' && la == 1)
		return b[0] == '.' && lb == 1 ? 0 : -1;
	if (b[0] == '.' && lb == 1)
		return 1;
	while (i < la && i < lb && a[i] == b[i])
		i++;
	if (i == la || i == lb)
		return (la > lb) - (la < lb);
	if (a[i] == '/' || b[i] == '/')
		return a[i] == '/' ? -1 : 1;
	return (unsigned char)a[i] < (unsigned char)b[i] ? -1 : 1;
}

size_t tree_compare(const struct tree *a, const struct tree *b, size_t max)
{
	size_t i = 0, j = 0, n = 0;

	while (i < a->n || j < b->n) {
		int order = i == a->n ? 1 : j == b->n ? -1 : path_order(a->lines[i], b->lines[j]);

		if (order == 0 && strcmp(a->lines[i], b->lines[j]) == 0) {
			i++;
			j++;
			continue;
		}
		if (n++ < max) {
			if (order <= 0)
				printf("# - %s\n", a->lines[i]);
			if (order >= 0)
				printf("# + %s\n", b->lines[j]);
		}
		i += order <= 0;
		j += order >= 0;
	}
	return n;
}
