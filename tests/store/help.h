// SPDX-License-Identifier: Apache-2.0
/* What the tests of the store share: uppers in the test's directory, rows, changes in a line. */
#ifndef TESTS_STORE_HELP_H
#define TESTS_STORE_HELP_H

#include "base/err.h"
#include "store/store.h"
#include "../check_main.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The path of a thing in the test's directory; static, one of four. */
static inline const char *help_path(const char *name)
{
	static char buf[4][4096];
	static unsigned turn;
	char *p = buf[turn++ % 4];

	snprintf(p, sizeof(buf[0]), "%s/%s", vn_check_dir(), name);
	return p;
}

static inline struct store *help_open_config(struct store_config *c, const char *name)
{
	struct vn_err err = { 0 };
	struct store *s = NULL;
	int rc;

	c->upper = help_path(name);
	rc = store_open(c, &s, &err);
	ck_assert_msg(rc == 0, "open: %d %s", rc, vn_err_text(&err));
	return s;
}

static inline struct store *help_open(const char *name)
{
	struct store_config c = { .create = true, .journal_size = 1 << 20, .lock_wait_ms = 50 };

	return help_open_config(&c, name);
}

static inline void help_close(struct store *s)
{
	ck_assert_int_eq(store_close(s), 0);
}

static inline struct store_inode help_file(uint64_t ino)
{
	return (struct store_inode){ .ino = ino, .mode = S_IFREG | 0644, .nlink = 1, .mtime = 7, .state = STORE_NONE };
}

static inline struct store_inode help_dir(uint64_t ino, const char *origin)
{
	return (struct store_inode){ .ino = ino, .mode = S_IFDIR | 0755, .nlink = 2, .origin = origin,
				     .origin_len = origin ? strlen(origin) : 0 };
}

static inline uint64_t help_commit(struct store *s, struct store_change *c)
{
	uint64_t seq = 0;
	int rc = store_commit(s, c, &seq);

	ck_assert_msg(rc == 0, "commit: %s", strerror(-rc));
	return seq;
}

/* A file in a directory, as a create would record it. */
static inline uint64_t help_create(struct store *s, uint64_t parent, const char *name)
{
	struct store_change c;
	struct store_inode file = help_file(store_next_ino(s)), dir = help_dir(parent, "");

	ck_assert_uint_ne(file.ino, 0);
	store_change_init(&c);
	store_change_inode(&c, &file);
	store_change_inode(&c, &dir);
	store_change_dentry(&c, parent, name, strlen(name), file.ino);
	help_commit(s, &c);
	return file.ino;
}

static inline void help_settle(struct store *s)
{
	ck_assert_int_eq(store_settle(s, false), 0);
}

struct help_find {
	const char *name;
	uint64_t ino;
	enum store_sealed sealed;
	size_t count;
	bool found;
};

static inline int help_find_fn(void *arg, const char *name, size_t len, uint64_t ino, enum store_sealed sealed)
{
	struct help_find *f = arg;

	f->count++;
	if (f->name && strlen(f->name) == len && !memcmp(f->name, name, len)) {
		f->found = true;
		f->ino = ino;
		f->sealed = sealed;
	}
	return 0;
}

/* Looks a name up in the index; .found tells. */
static inline struct help_find help_find(struct store *s, uint64_t parent, const char *name)
{
	struct help_find f = { .name = name };

	ck_assert_int_eq(store_read_dir(s, parent, help_find_fn, &f), 0);
	return f;
}

static inline bool help_has_inode(struct store *s, uint64_t ino)
{
	struct store_inode row;
	int rc = store_read_inode(s, ino, &row, NULL);

	if (rc == -ENOENT)
		return false;
	ck_assert_int_eq(rc, 0);
	free((char *)row.origin);
	return true;
}

/* The text of an extent list, "D0+4096 Z4096+10", static. */
static inline int help_extent_fn(void *arg, uint64_t start, uint64_t length, int kind)
{
	char *p = arg;

	sprintf(p + strlen(p), "%s%c%llu+%llu", *p ? " " : "", kind == STORE_EXTENT_DATA ? 'D' : 'Z',
		(unsigned long long)start, (unsigned long long)length);
	return 0;
}

static inline const char *help_extents(struct store *s, uint64_t ino)
{
	static char text[8192];

	text[0] = '\0';
	ck_assert_int_eq(store_read_extents(s, 0, ino, help_extent_fn, text), 0);
	return text;
}

#endif
