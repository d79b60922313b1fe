// SPDX-License-Identifier: Apache-2.0
/*
 * The language of `-o`: fuse-overlayfs' options, those of mount(8) and ours.
 *
 *	lowerdir=A:B,upperdir=U,ro,...
 *
 * Options are separated by commas. In a value `\,` is a comma; in a path `\:`
 * is a colon and `\\` a backslash. A value in double quotes (as mount(8) writes
 * context=) ends at the closing quote. Options without a meaning here and unknown
 * ones are collected, so that the caller can report them once and go on.
 */
#ifndef CLI_MOUNT_OPTIONS_H
#define CLI_MOUNT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "overlay/overlay.h"

struct vn_err;

/* A list of strings; each string and the array are owned. */
struct words {
	char **v; /* v[n] is NULL once there is one */
	size_t n;
};

/* Appends a copy of s[0..len). Returns 0 or -ENOMEM. */
int words_add(struct words *w, const char *s, size_t len);
void words_fini(struct words *w);
/* The words with ", " between them, malloc()ed; NULL without memory. */
char *words_join(const struct words *w);

struct mount_options {
	struct words lowers; /* as written, top first */
	char *upper;         /* NULL: none */
	char *snapshot;      /* the tree as it was then, read-only; NULL: as it is */
	char *source;        /* fsname= */
	unsigned long flags; /* MS_* for mount(2) */
	bool readonly;
	bool allow_other;
	bool writeback;
	bool passthrough; /* open=passthrough */
	bool is_volatile;
	bool noacl, static_nlink;
	bool stats; /* show the counters as /.veneer/stats */
	bool accept_changed_lowers;
	bool make_base_cache, nobasecache;
	char *base_cache; /* absolute; NULL: in the upper */
	bool debug;
	unsigned commit_s;              /* 0: the default */
	int64_t squash_uid, squash_gid; /* -1: as recorded */
	struct ovl_virtual *virtuals;   /* path and host_file are owned */
	size_t nvirtuals;
	struct words ignored; /* known, without a meaning here */
	struct words unknown;
};

void mount_options_init(struct mount_options *o);
void mount_options_fini(struct mount_options *o);

/*
 * Adds the options in text; a later one wins, lowerdir= too. -EINVAL with a
 * sentence for a value that makes no sense, -ENOMEM.
 */
int mount_options_parse(struct mount_options *o, const char *text, struct vn_err *err);

/*
 * Adds a virtual file, GUESTPATH=HOSTFILE[:MODE]; MODE is three or four octal
 * digits. -EINVAL with a sentence.
 */
int mount_options_virtual(struct mount_options *o, const char *text, struct vn_err *err);

#endif
