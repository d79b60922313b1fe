// SPDX-License-Identifier: Apache-2.0
/*
 * One lower directory: its descriptor, and the system calls by which what lies
 * in it is looked at. Nothing here knows of merging.
 *
 * Where the system allows it a layer's descriptor is a private clone of its
 * mount (as kernel overlayfs makes one): without the mounts that lie on it,
 * read-only, and not updating access times. Elsewhere the host's mount is
 * used and every directory is checked to lie on it still.
 */
#ifndef LOWER_LAYER_H
#define LOWER_LAYER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cfg.h"
#include "base/fs.h"

struct vn_err;

struct layer {
	int fd;              /* the root; may be one that only names it (O_PATH) */
	char *path;          /* as the operator wrote it */
	uint64_t dev, ino;   /* of the root */
	uint64_t mount;      /* id of the mount that all of it must lie on */
	bool cloned;         /* a clone: no other mount can lie on it */
	bool overlay;        /* its root shows that an overlay has worked here */
	atomic_bool noatime; /* opening without touching access times has not been refused */
	unsigned overrides;  /* bit i: files may have the override marker_override_names[i] */
	int64_t since;       /* ns: what is newer has changed since the layer above was made; 0: nobody wants to know */
	bool same;           /* the root is still the inode that it was then: change times count, too */
	atomic_bool told;    /* the log has told of a change */
};

/* What one look at an object tells. */
struct layer_stat {
	uint64_t dev, ino;
	struct vn_attr attr; /* as the host has it; attr.ino is not set */
};

/* One entry of a host's directory. */
struct layer_dent {
	const char *name; /* NUL-terminated, borrowed */
	size_t len;
	uint64_t ino;  /* of what lies there on this file system */
	uint32_t type; /* DT_*, DT_UNKNOWN where the host does not say */
};

/* Opens a layer. *err names it: missing, no directory, no permission. */
int layer_open(struct layer *l, const char *path, bool noxattr, struct vn_err *err);
void layer_close(struct layer *l);

/*
 * Opens a directory of the layer: path is relative to dirfd, which lies in it.
 * Returns a descriptor, for reading where that is allowed, else one that only
 * names it. -EXDEV: it is a mount point. -ELOOP, -ENOTDIR, -ENOENT.
 */
int layer_open_dir(struct layer *l, int dirfd, const char *path);

/* Looks at name in dirfd without following it; name "" is dirfd itself. -errno. */
int layer_stat(int dirfd, const char *name, struct layer_stat *out);

/*
 * Opens a regular file for reading that `seen` describes; it never opens
 * anything else. -ESTALE: something else lies there now.
 */
int layer_open_file(struct layer *l, int dirfd, const char *name, const struct layer_stat *seen);

/*
 * Extended attributes of name in dirfd (not followed; "" is dirfd itself),
 * without opening it. As getxattr(2) and listxattr(2); -errno.
 */
ssize_t layer_xattr_get(int dirfd, const char *name, const char *xattr, void *buf, size_t size);
ssize_t layer_xattr_list(int dirfd, const char *name, char *buf, size_t size);
/*
 * The whole list in *out (malloc'ed, the caller frees), NUL-terminated names.
 * Returns its length; 0 (and *out NULL) also where attributes do not exist or may not be seen.
 */
ssize_t layer_xattr_names(int dirfd, const char *name, char **out);

/*
 * Reads the whole directory dirfd from its start, "." and ".." left out; the
 * descriptor's position is its own afterwards, so share it with nobody. fn
 * returns non-zero to stop, and that is returned; -errno when the host fails.
 */
typedef int (*layer_dent_fn)(void *arg, const struct layer_dent *d);
int layer_read_dir(int dirfd, layer_dent_fn fn, void *arg);

#endif
