// SPDX-License-Identifier: Apache-2.0
/*
 * reporter work DIR: makes, links, renames and removes names in DIR, one operation after the other, and writes a
 * byte to standard output after each that has returned, until one fails or standard output is gone.
 * reporter check DIR N: the first N operations have to have happened and no later one; operation N may have.
 *
 * Operation k is number k % KINDS of round k / KINDS, so that N alone tells what there has to be. Exit 1 when
 * something is missing, too much, or has other content than was written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind {
	KIND_EMPTY,   /* fN, empty */
	KIND_WRITTEN, /* wN with REPORTER_BYTES bytes */
	KIND_DIR,     /* dN */
	KIND_RENAME,  /* fN becomes rN */
	KIND_SYMLINK, /* lN */
	KIND_LINK,    /* kN beside wN */
	KIND_UNLINK,  /* w of the round before goes */
	KINDS
};

#define REPORTER_BYTES 5000
#define NAME_LEN 32

static void fill(char *buf, unsigned long round)
{
	for (size_t i = 0; i < REPORTER_BYTES; i++)
		buf[i] = (char)('a' + (i * 7 + round) % 26);
}

static void name_of(char *name, char letter, unsigned long round)
{
	snprintf(name, NAME_LEN, "%c%lu", letter, round);
}

static int make_file(const char *name, unsigned long round, size_t size)
{
	int fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	char buf[REPORTER_BYTES];
	int ret = 0;

	if (fd < 0)
		return -1;
	fill(buf, round);
	if (size && write(fd, buf, size) != (ssize_t)size)
		ret = -1;
	return close(fd) < 0 ? -1 : ret;
}

static int step(unsigned long k)
{
	unsigned long round = k / KINDS;
	char a[NAME_LEN], b[NAME_LEN];

	switch ((enum kind)(k % KINDS)) {
	case KIND_EMPTY:
		name_of(a, 'f', round);
		return make_file(a, round, 0);
	case KIND_WRITTEN:
		name_of(a, 'w', round);
		return make_file(a, round, REPORTER_BYTES);
	case KIND_DIR:
		name_of(a, 'd', round);
		return mkdir(a, 0755);
	case KIND_RENAME:
		name_of(a, 'f', round);
		name_of(b, 'r', round);
		return rename(a, b);
	case KIND_SYMLINK:
		name_of(a, 'l', round);
		return symlink("target", a);
	case KIND_LINK:
		name_of(a, 'w', round);
		name_of(b, 'k', round);
		return link(a, b);
	case KIND_UNLINK:
		name_of(a, 'w', round - 1);
		return round ? unlink(a) : 0;
	case KINDS:
		break;
	}
	return -1;
}

static int work(void)
{
	for (unsigned long k = 0;; k++) {
		if (step(k) < 0 || write(STDOUT_FILENO, "", 1) != 1)
			return 0;
	}
}

/* A name that operation `born` makes and operation `dies` takes away. */
struct life {
	char letter;
	int born, dies; /* number within KINDS; dies may be in the next round, -1: never */
	int written;
};

static const struct life lives[] = {
	{'f', KIND_EMPTY, KIND_RENAME, 0},        {'w', KIND_WRITTEN, KINDS + KIND_UNLINK, 1},
	{'d', KIND_DIR, -1, 0},                   {'r', KIND_RENAME, -1, 0},
	{'l', KIND_SYMLINK, -1, 0},               {'k', KIND_LINK, -1, 1},
};

static int content_is(const char *name, unsigned long round)
{
	char buf[REPORTER_BYTES + 1], want[REPORTER_BYTES];
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));

	if (fd >= 0)
		close(fd);
	fill(want, round);
	return n == REPORTER_BYTES && memcmp(buf, want, REPORTER_BYTES) == 0;
}

static int check_name(const struct life *l, unsigned long round, unsigned long n)
{
	unsigned long born = round * KINDS + (unsigned long)l->born;
	unsigned long dies = l->dies < 0 ? n + 1 : round * KINDS + (unsigned long)l->dies;
	char name[NAME_LEN];
	struct stat st;
	int there;

	if (born == n || dies == n)
		return 0;
	name_of(name, l->letter, round);
	there = lstat(name, &st) == 0;
	if (there != (born < n && dies > n)) {
		printf("%s is %s\n", name, there ? "there and should not be" : "missing");
		return 1;
	}
	if (there && l->written && !content_is(name, round)) {
		printf("%s has other content than was written\n", name);
		return 1;
	}
	return 0;
}

static int check(unsigned long n)
{
	int bad = 0;

	for (unsigned long round = 0; round <= n / KINDS + 2; round++) {
		for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++)
			bad |= check_name(&lives[i], round, n);
	}
	return bad;
}

int main(int argc, char **argv)
{
	if (argc < 3 || chdir(argv[2]) < 0) {
		fprintf(stderr, "usage: reporter work DIR | reporter check DIR N\n");
		return 2;
	}
	if (strcmp(argv[1], "work") == 0)
		return work();
	return argc == 4 ? check(strtoul(argv[3], NULL, 10)) : 2;
}
