// SPDX-License-Identifier: Apache-2.0
/* Writing a kept view's file: NAME.new, locked while it is written, then renamed. */
#ifndef LOWER_KEPT_WRITE_H
#define LOWER_KEPT_WRITE_H

#include "lower/kept.h"

struct kept_write {
	int dirfd;
	char name[64], temp[80];
	int fd;
	uint64_t at;      /* where the next record goes */
	uint64_t flushed; /* the file's bytes; those behind are in buf */
	unsigned char *buf;
};

/*
 * Begins a file in dirfd, which is borrowed. -EBUSY: another process is making the
 * same one. After a failure there is nothing to undo.
 */
int kept_write_begin(struct kept_write *w, int dirfd, const char *name);
/* Appends a record of two pieces (either may be empty), padded to 8 bytes; *at is where it begins. */
int kept_write_add(struct kept_write *w, const void *head, size_t head_len, const void *rest, size_t rest_len, uint64_t *at);
/* Changes len bytes of what was appended. */
int kept_write_patch(struct kept_write *w, uint64_t at, const void *data, size_t len);
/*
 * Adds the sums, fills in the head (id, root, samples, nlayers and the counts are
 * the caller's), and puts the file in its place. The file is gone after a failure.
 */
int kept_write_end(struct kept_write *w, struct kept_head *head);
/* Gives it up: nothing is left behind. */
void kept_write_abandon(struct kept_write *w);

#endif
