// SPDX-License-Identifier: Apache-2.0
/*
 * The file `record` of an upper: fingerprints of all that lay in its lower
 * directories, and of its own data files, at one moment. doc/format.md has the format.
 *
 * It is written beside the old one and put into its place when it is whole. Its
 * head is small and has a checksum of its own, so a mount can read it without
 * the rest. Nothing depends on there being one.
 */
#ifndef OVL_PRINTS_H
#define OVL_PRINTS_H

#include <stddef.h>
#include <stdint.h>

#include "overlay/overlay.h"

struct prints;
struct prints_writer;
struct vn_err;

/* One directory that was walked. */
struct prints_place {
	enum ovl_place kind;
	uint64_t id;    /* a lower: its fingerprint (base_fingerprint); else the delta */
	uint64_t ino;   /* a lower: its root on the host, 0 and 0 where the host does not tell when it was made: */
	int64_t btime;  /* the same two say that nobody has copied or replaced the directory */
	char *path;     /* lowers: where it was; snapshots: the name */
};

struct prints_head {
	uint8_t upper[16]; /* whose record it is */
	int64_t made;      /* ns, when the walk began */
	uint64_t viewer;   /* print_viewer() */
	size_t n;
	struct prints_place *places;
};

void prints_head_fini(struct prints_head *h);

/*
 * Reads the head of dirfd's record. -ENOENT: there is none. -EUCLEAN: it is
 * damaged; -EPROTONOSUPPORT: of another format; -ESTALE: of another upper than
 * `upper` (16 bytes). *out is freed with prints_head_fini.
 */
int prints_head_read(int dirfd, const uint8_t *upper, struct prints_head *out);

/* The same, and all of it verified; then it is read in order. */
int prints_open(int dirfd, const uint8_t *upper, struct prints **out);
void prints_close(struct prints *r);
const struct prints_head *prints_head(const struct prints *r);

struct prints_object {
	const char *path; /* of the whole; borrowed until the next call */
	struct ovl_print print;
};
/* The next object of the present place (the first one at the start). 1: *out; 0: the place has no more; -errno. */
int prints_next(struct prints *r, struct prints_object *out);
/* Goes on with the next place; what is left of the present one is passed over. */
int prints_next_place(struct prints *r);

/*
 * Begins a record of dirfd's upper. -EBUSY: another process is making one. Then
 * for each place of the head in order its objects in the order of a survey, and
 * prints_place_end(). A failure of these is remembered and told by prints_commit().
 */
int prints_create(int dirfd, const struct prints_head *head, struct prints_writer **out);
void prints_add(struct prints_writer *w, unsigned depth, const char *name, size_t len, const struct ovl_print *print);
void prints_place_end(struct prints_writer *w);
/* Flushes it and puts it into its place. Frees w in any case. */
int prints_commit(struct prints_writer *w);
void prints_abandon(struct prints_writer *w);

#define PRINTS_NAME "record"

#endif
