// SPDX-License-Identifier: Apache-2.0
/*
 * The promises of doc/semantics.md, tried on a mounted tree.
 *
 * Each promise has a directory of its own, named after it: `below` fills it in a
 * lower directory before the mount, `fresh` tries the promise there, `again` looks
 * at what is left of it after a remount. All run with that directory as the
 * working directory and return NULL, or what was not so.
 */
#ifndef TESTS_SEMANTICS_PROMISE_H
#define TESTS_SEMANTICS_PROMISE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct promise {
	const char *name; /* "N3_creating_over_a_whiteout" */
	const char *(*below)(void), *(*fresh)(void), *(*again)(void);
};

extern const struct promise name_promises[], identity_promises[], data_promises[], directory_promises[];

/* What was not so: a static text. errno is told. */
const char *not_so(const char *file, int line, const char *what);
#define SO(c)                                                  \
	do {                                                   \
		if (!(c))                                      \
			return not_so(__FILE__, __LINE__, #c); \
	} while (0)
/* A system call that must fail with this errno. */
#define FAILS(e, call) SO((call) == -1 && errno == (e))
/* Another check's verdict. */
#define PASS(verdict)                 \
	do {                          \
		const char *v_ = (verdict); \
		if (v_)               \
			return v_;    \
	} while (0)

/* Makes or replaces a file. */
bool put(const char *path, const char *content);
/* A file has exactly this content. */
bool has(const char *path, const char *content);
bool missing(const char *path);
/* The names in a directory but "." and "..", sorted, with spaces between. */
bool lists(const char *dir, const char *names);
struct stat st_of(const char *path); /* lstat; st_ino 0 when it fails */

#endif
