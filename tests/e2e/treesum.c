// SPDX-License-Identifier: Apache-2.0
/*
 * treesum [-f FIELDS] DIR: one line per object of a tree, sorted by path, so that two states can be compared
 * with cmp(1) and their difference read with diff(1). Does not cross mount points. Reads without changing access
 * times where the system lets it. POSIX, but for extended attributes, which are looked at on Linux only.
 *
 * Fields, by default tornisdxm:
 *	t type and mode   o owner and group   r device number   n link count   i inode number
 *	s size of what is no directory   d data (a hash) and target of a symbolic link   x extended attributes
 *	m modification time   c change time   a access time   b blocks
 *	l sizes of directories too, k link counts of what is no directory only (instead of n)
 * Exit 1 when something could not be read; the line then says so.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#endif

#ifndef O_NOATIME
#define O_NOATIME 0
#endif

#define TREESUM_BUF (1 << 20)

struct treesum {
	const char *fields;
	dev_t dev;
	char *buf;    /* TREESUM_BUF bytes for data, targets, values */
	char *path;   /* of the object at hand, relative to the top; grows */
	size_t cap;
	int failed;
};

struct names {
	char **v;
	size_t n, cap;
};

static uint64_t hash_bytes(uint64_t h, const void *data, size_t n)
{
	const unsigned char *p = data;

	while (n--)
		h = (h ^ *p++) * 0x100000001b3ULL;
	return h;
}

/* Faster than byte by byte: a gigabyte of content must not take longer than the test around it. */
static uint64_t hash_words(uint64_t h, const void *data, size_t n)
{
	const char *p = data;

	for (; n >= 8; n -= 8, p += 8) {
		uint64_t w;

		memcpy(&w, p, 8);
		h = (h ^ w) * 0x9e3779b97f4a7c15ULL;
		h ^= h >> 29;
	}
	return hash_bytes(h, p, n);
}

static const uint64_t hash_start = 0xcbf29ce484222325ULL;

static int has(const struct treesum *t, char field)
{
	return strchr(t->fields, field) != NULL;
}

static void complain(struct treesum *t, const char *what)
{
	printf(" %s:%s", what, strerror(errno));
	t->failed = 1;
}

static int names_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int names_add(struct names *list, const char *name)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 64;
		char **v = realloc(list->v, cap * sizeof(*v));

		if (!v)
			return -1;
		list->v = v;
		list->cap = cap;
	}
	list->v[list->n] = strdup(name);
	return list->v[list->n] ? (list->n++, 0) : -1;
}

static void names_free(struct names *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i]);
	free(list->v);
}

/* Whatever is not printable, or would end a field, as \ooo. */
static void print_name(const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c <= ' ' || c == '\\' || c >= 0x7f)
			printf("\\%03o", c);
		else
			putchar(c);
	}
}

static int open_quiet(int dir, const char *name, int flags)
{
	int fd = openat(dir, name, flags | O_NOATIME | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 && errno == EPERM ? openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC) : fd;
}

static void print_file(struct treesum *t, int dir, const char *name)
{
	int fd = open_quiet(dir, name, O_RDONLY | O_NONBLOCK);
	uint64_t h = hash_start;
	ssize_t n = -1;

	while (fd >= 0 && (n = read(fd, t->buf, TREESUM_BUF)) > 0)
		h = hash_words(h, t->buf, (size_t)n);
	if (n < 0)
		complain(t, "data");
	else
		printf(" data:%016llx", (unsigned long long)h);
	if (fd >= 0)
		close(fd);
}

static void print_target(struct treesum *t, int dir, const char *name)
{
	ssize_t n = readlinkat(dir, name, t->buf, TREESUM_BUF - 1);

	if (n < 0) {
		complain(t, "target");
		return;
	}
	t->buf[n] = 0;
	fputs(" target:", stdout);
	print_name(t->buf);
}

#ifdef __linux__
static void print_xattr(struct treesum *t, const char *path, const char *name)
{
	ssize_t n = lgetxattr(path, name, t->buf, TREESUM_BUF);

	putchar(' ');
	print_name(name);
	if (n < 0)
		complain(t, "");
	else
		printf("=%zd:%016llx", n, (unsigned long long)hash_bytes(hash_start, t->buf, (size_t)n));
}

/* There is no lgetxattrat() everywhere: by path, from the top, which is the working directory. */
static void print_xattrs(struct treesum *t, const char *path)
{
	ssize_t n = llistxattr(path, t->buf, TREESUM_BUF);
	struct names list = {0};
	int ret = 0;

	if (n < 0 && errno != ENOTSUP)
		complain(t, "xattrs");
	for (ssize_t at = 0; at < n && ret == 0; at += (ssize_t)strlen(t->buf + at) + 1)
		ret = names_add(&list, t->buf + at);
	if (ret < 0)
		complain(t, "xattrs");
	if (list.n)
		qsort(list.v, list.n, sizeof(*list.v), names_compare);
	for (size_t i = 0; i < list.n; i++)
		print_xattr(t, path, list.v[i]);
	names_free(&list);
}
#else
static void print_xattrs(struct treesum *t, const char *path)
{
	(void)t;
	(void)path;
}
#endif

static void print_time(const char *name, const struct timespec *ts)
{
	printf(" %s:%lld.%09ld", name, (long long)ts->tv_sec, ts->tv_nsec);
}

static void print_stat(const struct treesum *t, const struct stat *st)
{
	int dir = S_ISDIR(st->st_mode);

	if (has(t, 't'))
		printf(" mode:%06o", (unsigned)st->st_mode);
	if (has(t, 'o'))
		printf(" owner:%u:%u", (unsigned)st->st_uid, (unsigned)st->st_gid);
	if (has(t, 'r') && (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)))
		printf(" rdev:%u:%u", (unsigned)major(st->st_rdev), (unsigned)minor(st->st_rdev));
	if (has(t, 'n') || (has(t, 'k') && !dir))
		printf(" nlink:%llu", (unsigned long long)st->st_nlink);
	if (has(t, 'i'))
		printf(" ino:%llu", (unsigned long long)st->st_ino);
	if ((has(t, 's') && !dir) || has(t, 'l'))
		printf(" size:%lld", (long long)st->st_size);
	if (has(t, 'b'))
		printf(" blocks:%lld", (long long)st->st_blocks);
	if (has(t, 'm'))
		print_time("mtime", &st->st_mtim);
	if (has(t, 'c'))
		print_time("ctime", &st->st_ctim);
	if (has(t, 'a'))
		print_time("atime", &st->st_atim);
}

static int path_push(struct treesum *t, size_t len, const char *name)
{
	size_t need = len + strlen(name) + 2;

	if (need > t->cap) {
		char *path = realloc(t->path, 2 * need);

		if (!path)
			return -1;
		t->path = path;
		t->cap = 2 * need;
	}
	snprintf(t->path + len, t->cap - len, "/%s", name);
	return 0;
}

static void tree(struct treesum *t, int dir, size_t len);

/* The object `name` of dir; its path is in t->path. */
static void object(struct treesum *t, int dir, const char *name)
{
	struct stat st;
	int fd;

	print_name(t->path);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		complain(t, "stat");
		putchar('\n');
		return;
	}
	print_stat(t, &st);
	if (has(t, 'd') && S_ISREG(st.st_mode))
		print_file(t, dir, name);
	if (has(t, 'd') && S_ISLNK(st.st_mode))
		print_target(t, dir, name);
	if (has(t, 'x'))
		print_xattrs(t, t->path);
	putchar('\n');
	if (!S_ISDIR(st.st_mode) || st.st_dev != t->dev)
		return;
	fd = open_quiet(dir, name, O_RDONLY | O_DIRECTORY);
	if (fd >= 0) {
		tree(t, fd, strlen(t->path));
		return;
	}
	print_name(t->path);
	complain(t, "open");
	putchar('\n');
}

/* All of a directory; fd is closed. */
static void tree(struct treesum *t, int fd, size_t len)
{
	DIR *d = fdopendir(fd);
	struct names list = {0};
	struct dirent *e;
	int ret = d ? 0 : -1;

	for (errno = 0; ret == 0 && (e = readdir(d)); errno = 0) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			ret = names_add(&list, e->d_name);
	}
	if (ret < 0 || errno) {
		print_name(t->path);
		complain(t, "list");
		putchar('\n');
	}
	if (list.n)
		qsort(list.v, list.n, sizeof(*list.v), names_compare);
	for (size_t i = 0; i < list.n; i++) {
		if (path_push(t, len, list.v[i]) == 0)
			object(t, fd, list.v[i]);
		t->path[len] = 0;
	}
	names_free(&list);
	if (d)
		closedir(d);
	else
		close(fd);
}

int main(int argc, char **argv)
{
	struct treesum t = {.fields = "tornisdxm"};
	struct stat st;
	int c;

	while ((c = getopt(argc, argv, "f:")) != -1) {
		if (c != 'f')
			return 2;
		t.fields = optarg;
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "usage: treesum [-f FIELDS] DIR\n");
		return 2;
	}
	if (chdir(argv[optind]) < 0 || stat(".", &st) < 0) {
		perror(argv[optind]);
		return 1;
	}
	t.dev = st.st_dev;
	t.cap = 256;
	t.buf = malloc(TREESUM_BUF);
	t.path = malloc(t.cap);
	if (!t.buf || !t.path)
		return 1;
	strcpy(t.path, ".");
	object(&t, AT_FDCWD, ".");
	free(t.buf);
	free(t.path);
	return fflush(stdout) == 0 && !t.failed ? 0 : 1;
}
