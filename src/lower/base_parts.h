// SPDX-License-Identifier: Apache-2.0
/*
 * The inside of the base.
 *
 * Terms
 *
 *	layer  one lower directory, by number, 0 on top
 *	part   one layer's directory that takes part in a merged directory
 *	path   where a part lies below its layer's root: as a rule the path of the
 *	       parent's part in that layer and the directory's name; where a
 *	       redirect led to it, a path of its own
 *
 * A merged directory is made from its entry in the parent: the layers that have
 * the name as a directory. Which of these take part is known once each has been
 * looked into from the top: an opaque one ends the list, a redirect replaces
 * the rest of it. That is done once per base_dir (base_parts), without a lock:
 * whoever is first publishes the result, another who did the same meanwhile
 * throws his away. It never changes afterwards.
 *
 * Locks: only the cache of descriptors has one (base_fds.c), a leaf.
 */
#ifndef LOWER_BASE_PARTS_H
#define LOWER_BASE_PARTS_H

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lower/base.h"
#include "lower/layer.h"

struct ahead;
struct base_fd;
struct base_fds;
struct kept;

#define KEPT_NAME_SIZE 40

struct base {
	struct layer *layers;
	size_t nlayers;
	struct base_dir *root;
	struct base_fds *fds;
	struct ahead *ahead;
	bool noxattr; /* no attribute of a lower is a marker */
	bool has_exclude;
	uint64_t exclude_dev, exclude_ino;
	char *exclude_name; /* last component of its path */
	atomic_bool told_metacopy;
	atomic_bool met_exclude; /* the directory that must not show lies in a lower */
	struct kept *kept;       /* the kept view, set before the base is used; NULL: none. base_kept.h */
	int kept_dirfd;          /* where its file is; -1: none */
	char kept_name[KEPT_NAME_SIZE];
	char *watcher;               /* the upper, for what the log says of changed directories; NULL: nobody wants to know */
	atomic_ullong changed;       /* directories found changed */
};

struct base_part {
	uint16_t layer;
	bool xwhite;  /* zero-size files with an attribute are whiteouts here */
	bool overlay; /* an overlay has worked here: files may be metacopies */
	bool far;     /* its path was reached by an absolute redirect: it is no longer in the parent */
	char *path;   /* own path below the layer's root, owned; NULL: the parent's and the name */
};

struct base_parts {
	size_t n; /* at least 1; ordered by layer */
	struct base_part part[];
};

struct base_dir {
	atomic_uint refs;
	uint16_t nlayers;
	uint8_t len;
	uint64_t hash;
	uint64_t kept;                      /* its record in the kept view; 0: none */
	struct base_dir *parent;            /* a reference; NULL: the root */
	_Atomic(struct base_parts *) parts; /* NULL until it was looked into */
	struct base_fd *fds;                /* its cached descriptors; base_fds.c's, under its lock */
	const char *name;                   /* behind layers[], NUL-terminated */
	uint16_t layers[];                  /* that may take part, top first */
};

/* A directory descriptor in use; give it back with base_at_put. */
struct base_at {
	int fd;
	struct base_fd *held; /* NULL: a layer's root */
};

/* ---- base_fds.c: descriptors of (directory, layer), the most recently used ones kept ---- */

int base_fds_new(struct base *b, size_t max);
void base_fds_free(struct base *b);
/* A use of the cached descriptor; NULL: not cached. Takes the cache's lock, as the following do. */
struct base_fd *base_fds_get(struct base *b, struct base_dir *d, uint16_t layer);
/* Puts fd into the cache, which owns it from now on. Returns a use of it, or of the one that another put there first; NULL: no memory, fd is closed. */
struct base_fd *base_fds_add(struct base *b, struct base_dir *d, uint16_t layer, int fd);
void base_fds_put(struct base *b, struct base_fd *f);
int base_fd_number(const struct base_fd *f);
/* Closes those of a directory that nobody uses any more. */
void base_fds_forget(struct base *b, struct base_dir *d);

/* ---- base_parts.c: which layers take part, and how they are reached ---- */

/* The parts, found out if need be. Borrowed as long as d. -EIO: a redirect that means nothing. */
int base_parts_get(struct base *b, struct base_dir *d, const struct base_parts **out);
/* The part of d in a layer. -ESTALE: there is none. */
int base_part_find(struct base *b, struct base_dir *d, uint16_t layer, const struct base_part **out);
/* A descriptor of d in a layer, from the cache or opened and cached. -ESTALE: it is gone. */
int base_at_dir(struct base *b, struct base_dir *d, uint16_t layer, struct base_at *out);
void base_at_put(struct base *b, struct base_at *at);

/*
 * Reads every part from the top. fn gets a descriptor that nobody shares; it
 * returns 0 to go on, BASE_WALK_OPAQUE when it found that nothing below takes
 * part, or what ends the walk and is returned. Parts that are found to be mount
 * points are passed as fd -1: they show as empty.
 */
#define BASE_WALK_OPAQUE INT_MIN
struct base_walk_part {
	int fd;
	struct base_part *part;
	bool first, last; /* last: no part is known to follow */
};
typedef int (*base_walk_fn)(void *arg, const struct base_walk_part *p);
int base_walk(struct base *b, struct base_dir *d, base_walk_fn fn, void *arg);
/* Frees the parts behind the first n. */
void base_parts_cut(struct base_parts *parts, size_t n);
/* Where d lies below the root of a layer that is one of its parts. -ENAMETOOLONG, -ESTALE. */
int base_part_path(struct base *b, struct base_dir *d, uint16_t layer, char *buf, size_t size);

/* ---- base_marks.c: markers that take system calls to see ---- */

/* What the attributes of one layer's directory say. */
struct base_marks {
	bool opaque, xwhite, overlay;
	char *redirect; /* malloc'ed, checked; NULL: none */
};
/* name "": dirfd itself. The caller frees redirect. -EIO: a redirect that means nothing. */
int base_marks_read(const struct base *b, int dirfd, const char *name, struct base_marks *out);
/* Does the directory hold ".wh..wh..opq"? */
bool base_marks_opaque_file(int dirfd);
/* Does it hold ".wh.NAME"? */
bool base_marks_whiteout_file(int dirfd, const char *name, size_t len);
/* Is this object of a layer's directory a whiteout itself? 1, 0 or -errno. */
int base_marks_whiteout(const struct base *b, const struct base_part *p, int dirfd, const char *name,
			const struct layer_stat *st);
/* Is it a file whose data an overlay left elsewhere? 1, 0 or -errno. */
int base_marks_metacopy(const struct base *b, const struct base_part *p, int dirfd, const char *name,
			const struct layer_stat *st);
/* Overrides applied to what the host says. */
int base_marks_override(const struct base *b, uint16_t layer, int dirfd, const char *name, struct vn_attr *attr);
/* Is this the directory that must not show? */
bool base_is_excluded(struct base *b, const struct layer_stat *st);

/* ---- base_metacopy.c ---- */

/* Looks for metacopies where an overlay has left its marks, as far as that is cheap. -EOPNOTSUPP; *err names the file. */
int base_metacopy_check(struct base *b, struct vn_err *err);
/* Says once in the log that a file (name in d) is one. */
void base_metacopy_tell(struct base *b, const struct base_dir *d, const char *name, uint16_t layer);

/* ---- base_watch.c ---- */

/* Is an object of a layer newer than it should be? */
bool base_watch_newer(const struct layer *l, const struct layer_stat *st);
/* A part of d has been opened to be read: were its times changed? Logged once a layer, counted always. */
void base_watch_part(struct base *b, const struct base_dir *d, uint16_t layer, int fd);

/* ---- base_dir.c ---- */

struct base_dir *base_dir_new_root(size_t nlayers); /* NULL: no memory */
/* The number of an object whose hash this is. */
uint64_t base_ino_of(uint64_t hash);
/* A C string of a name with a length; name has room for VN_NAME_MAX + 1. -ENAMETOOLONG, -ENOENT for an empty one. */
int base_name(char out[VN_NAME_MAX + 1], const char *name, size_t len);

#endif
