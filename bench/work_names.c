// SPDX-License-Identifier: Apache-2.0
/*
 * Workloads on names. A tree has DIRS directories dNNN of FILES files fNNN each, so that its names can be told
 * without reading it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "work.h"

#define NAME_LEN 64

/* tree DIR DIRS FILES BYTES [LAYERS LAYER]: made below DIR; of LAYERS, the files that fall into this one. */
static void names_tree(int argc, char **argv)
{
	uint64_t dirs = work_number(argv[1]), files = work_number(argv[2]), size = work_number(argv[3]);
	uint64_t layers = argc > 5 ? work_number(argv[4]) : 1, layer = argc > 5 ? work_number(argv[5]) : 0;
	char *buf = work_buffer(size), path[NAME_LEN];

	if ((mkdir(argv[0], 0755) < 0 && errno != EEXIST) || chdir(argv[0]) < 0)
		work_die(argv[0]);
	for (uint64_t d = 0; d < dirs; d++) {
		snprintf(path, sizeof(path), "d%03u", (unsigned)d);
		if (mkdir(path, 0755) < 0)
			work_die(path);
		for (uint64_t f = 0; f < files; f++) {
			int fd;

			if ((d * files + f) % layers != layer)
				continue;
			snprintf(path, sizeof(path), "d%03u/f%03u", (unsigned)d, (unsigned)f);
			fd = work_open(path, O_CREAT | O_EXCL | O_WRONLY);
			work_write(fd, buf, size);
			close(fd);
		}
	}
}

static void names_walk_fd(int fd, uint64_t *count)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;
	struct stat st;

	if (!d)
		work_die("opendir");
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			work_die(e->d_name);
		++*count;
		if (S_ISDIR(st.st_mode)) {
			int sub = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			if (sub < 0)
				work_die(e->d_name);
			names_walk_fd(sub, count);
		}
	}
	closedir(d);
}

/* walk DIR [COUNT]: lists and stats everything; COUNT objects have to be there. */
static void names_walk(int argc, char **argv)
{
	uint64_t count = 0;
	int fd = work_open(argv[0], O_RDONLY | O_DIRECTORY);

	work_start();
	names_walk_fd(fd, &count);
	work_stop();
	if (argc < 2 || count == work_number(argv[1]))
		return;
	fprintf(stderr, "work: %llu objects instead of %s\n", (unsigned long long)count, argv[1]);
	errno = ESTALE;
	work_die(argv[0]);
}

/* stat DIRS FILES: lstat() by name, without a listing. */
static void names_stat(int argc, char **argv)
{
	uint64_t dirs = work_number(argv[0]), files = work_number(argv[1]);
	char path[NAME_LEN];
	struct stat st;

	(void)argc;
	work_start();
	for (uint64_t d = 0; d < dirs; d++) {
		for (uint64_t f = 0; f < files; f++) {
			snprintf(path, sizeof(path), "d%03u/f%03u", (unsigned)d, (unsigned)f);
			if (lstat(path, &st) < 0)
				work_die(path);
		}
	}
	work_stop();
}

/* missing DIRS FILES: the same for names that are not there. */
static void names_missing(int argc, char **argv)
{
	uint64_t dirs = work_number(argv[0]), files = work_number(argv[1]);
	char path[NAME_LEN];
	struct stat st;

	(void)argc;
	work_start();
	for (uint64_t d = 0; d < dirs; d++) {
		for (uint64_t f = 0; f < files; f++) {
			snprintf(path, sizeof(path), "d%03u/missing%03u", (unsigned)d, (unsigned)f);
			if (lstat(path, &st) == 0 || errno != ENOENT)
				work_die(path);
		}
	}
	work_stop();
}

/* read DIRS FILES: opens, reads and closes each. */
static void names_read(int argc, char **argv)
{
	uint64_t dirs = work_number(argv[0]), files = work_number(argv[1]);
	char path[NAME_LEN], *buf = work_buffer(65536);

	(void)argc;
	work_start();
	for (uint64_t d = 0; d < dirs; d++) {
		for (uint64_t f = 0; f < files; f++) {
			int fd;

			snprintf(path, sizeof(path), "d%03u/f%03u", (unsigned)d, (unsigned)f);
			fd = work_open(path, O_RDONLY);
			if (read(fd, buf, 65536) <= 0)
				work_die(path);
			close(fd);
		}
	}
	work_stop();
}

/* create DIR N BYTES: new files new0..; DIR is made when it is not there. */
static void names_create(int argc, char **argv)
{
	uint64_t n = work_number(argv[1]), size = work_number(argv[2]);
	char *buf = work_buffer(size + 1), name[NAME_LEN];

	(void)argc;
	if ((mkdir(argv[0], 0755) < 0 && errno != EEXIST) || chdir(argv[0]) < 0)
		work_die(argv[0]);
	work_start();
	for (uint64_t i = 0; i < n; i++) {
		int fd;

		snprintf(name, sizeof(name), "new%u", (unsigned)i);
		fd = work_open(name, O_CREAT | O_EXCL | O_WRONLY);
		if (size)
			work_write(fd, buf, size);
		close(fd);
	}
	work_stop();
}

/* What is done to each of the names new0.. below a directory. */
static int one_mkdir(const char *name)
{
	return mkdir(name, 0755);
}

static int one_symlink(const char *name)
{
	return symlink("target/of/a/symbolic/link", name);
}

static int one_unlink(const char *name)
{
	return unlink(name);
}

static int one_rename(const char *name)
{
	char to[NAME_LEN];

	snprintf(to, sizeof(to), "moved-%s", name);
	return rename(name, to);
}

static int one_link(const char *name)
{
	char to[NAME_LEN];

	snprintf(to, sizeof(to), "linked-%s", name);
	return link(name, to);
}

static void names_each(char **argv, int (*one)(const char *name))
{
	uint64_t n = work_number(argv[1]);
	char name[NAME_LEN];

	if ((mkdir(argv[0], 0755) < 0 && errno != EEXIST) || chdir(argv[0]) < 0)
		work_die(argv[0]);
	work_start();
	for (uint64_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "new%u", (unsigned)i);
		if (one(name) < 0)
			work_die(name);
	}
	work_stop();
}

static void names_mkdir(int argc, char **argv)
{
	(void)argc;
	names_each(argv, one_mkdir);
}

static void names_symlink(int argc, char **argv)
{
	(void)argc;
	names_each(argv, one_symlink);
}

static void names_rename(int argc, char **argv)
{
	(void)argc;
	names_each(argv, one_rename);
}

static void names_link(int argc, char **argv)
{
	(void)argc;
	names_each(argv, one_link);
}

static void names_unlink(int argc, char **argv)
{
	(void)argc;
	names_each(argv, one_unlink);
}

/* unlink-tree DIRS FILES: the files of a tree. */
static void names_unlink_tree(int argc, char **argv)
{
	uint64_t dirs = work_number(argv[0]), files = work_number(argv[1]);
	char path[NAME_LEN];

	(void)argc;
	work_start();
	for (uint64_t d = 0; d < dirs; d++) {
		for (uint64_t f = 0; f < files; f++) {
			snprintf(path, sizeof(path), "d%03u/f%03u", (unsigned)d, (unsigned)f);
			if (unlink(path) < 0)
				work_die(path);
		}
	}
	work_stop();
}

/* chmod FILE N: as often as that, to and fro. */
static void names_chmod(int argc, char **argv)
{
	uint64_t n = work_number(argv[1]);

	(void)argc;
	work_start();
	for (uint64_t i = 0; i < n; i++) {
		if (chmod(argv[0], i & 1 ? 0644 : 0600) < 0)
			work_die(argv[0]);
	}
	work_stop();
}

/* mv FROM TO: as mv(1) does it, without the start of a program where rename() is enough. */
static void names_mv(int argc, char **argv)
{
	char command[] = "mv";
	int ret;

	(void)argc;
	work_start();
	ret = rename(argv[0], argv[1]);
	work_stop();
	if (ret == 0)
		return;
	if (errno != EXDEV)
		work_die(argv[0]);
	work_exec(3, (char *[]){command, argv[0], argv[1], NULL});
}

const struct work work_names[] = {
	{"tree", "DIR DIRS FILES BYTES [LAYERS LAYER]", 4, names_tree},
	{"walk", "DIR [COUNT]", 1, names_walk},
	{"stat", "DIRS FILES", 2, names_stat},
	{"missing", "DIRS FILES", 2, names_missing},
	{"read", "DIRS FILES", 2, names_read},
	{"create", "DIR N BYTES", 3, names_create},
	{"mkdir", "DIR N", 2, names_mkdir},
	{"symlink", "DIR N", 2, names_symlink},
	{"rename", "DIR N", 2, names_rename},
	{"link", "DIR N", 2, names_link},
	{"unlink", "DIR N", 2, names_unlink},
	{"unlink-tree", "DIRS FILES", 2, names_unlink_tree},
	{"chmod", "FILE N", 2, names_chmod},
	{"mv", "FROM TO", 2, names_mv},
	{0},
};
