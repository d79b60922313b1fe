// SPDX-License-Identifier: Apache-2.0
/*
 * A whole tree as text, one line per object, in byte order of the paths: type,
 * mode, owner, size, device, links, time where it was set, content, link
 * target, attributes, and which names are one file.
 */
#ifndef TESTS_DIFF_TREE_H
#define TESTS_DIFF_TREE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The mode as it is compared. Who takes S_ISGID off a file that its group cannot
 * execute depends on the writer's groups, which a server is not told.
 */
#define TREE_MODE(m) (S_ISREG(m) && !((m)&S_IXGRP) ? (m) & ~(unsigned)S_ISGID : (m))

/*
 * Times before this are compared: they were set. Later ones say only "now",
 * as two trees are changed one after the other.
 */
#define TREE_NOW 1600000000

struct tree {
	char **lines;
	size_t n, cap;
};

struct tree_options {
	bool inodes; /* with inode numbers, and every time: for one tree at two moments */
	bool noroot; /* without the root directory itself */
};

/* 0 or -errno, with a message on standard error. */
int tree_read(const char *root, const struct tree_options *options, struct tree *out);
void tree_free(struct tree *t);
/* Prints up to `max` differences; returns how many there are. */
size_t tree_compare(const struct tree *a, const struct tree *b, size_t max);

#endif
