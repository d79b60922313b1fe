// SPDX-License-Identifier: Apache-2.0
/*
 * The base: all lower directories merged into one immutable tree, addressed by
 * path. This part reads the hosts' directories, interprets and hides every
 * marker convention (whiteouts, opaque directories, redirects, owner and mode
 * overrides), and knows nothing of nodes, indexes or writing.
 *
 * Layers are numbered from 0, the top. Each is one directory descriptor; what
 * lies in it is reached by openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
 * RESOLVE_NO_MAGICLINKS) only, devices, pipes and sockets are never opened, and
 * mount points inside a layer are not crossed (they show as the empty directory
 * they are mounted on, where the host lets us see it, else as empty).
 *
 * A struct base_dir is one merged directory: its base path (parent and name)
 * and the layers that have it. It is reference counted and immutable but for
 * the cache of descriptors. An object that is no directory is named by its
 * (base_dir, name, layer).
 *
 * Numbers (I3, I4): H(root) = 0, H(child) = XXH3(name, seed H(parent)); an
 * object's number is BASE_INO | the low base_hash_bits bits. A
 * non-directory with several links in its layer has, instead, a number hashed
 * from (layer, st_dev, st_ino), so all its names share it. Collisions are the
 * caller's business.
 */
#ifndef LOWER_BASE_H
#define LOWER_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Marks the numbers of the base. */
#define BASE_INO (UINT64_C(1) << 52)

/* Bits of the hash that a number has; 52, and fewer only in tests, before a base is opened. */
extern unsigned base_hash_bits;

struct base;
struct base_dir;
struct vn_attr;
struct vn_err;

struct base_config {
	const char *const *lowers; /* directories, top first */
	size_t nlowers;
	const char *exclude;       /* a host directory (the upper) that must not show where it lies inside a lower; NULL: none */
	bool noxattr_markers;      /* trust no xattr of the lowers */
};

/*
 * Opens the lowers. Errors name the lower: missing, not a directory, no
 * permission, one that holds the upper's root itself, more descriptors than the
 * limit allows (it raises the soft limit first).
 */
int base_open(const struct base_config *config, struct base **out, struct vn_err *err);
void base_close(struct base *b); /* every base_dir has been put */

/*
 * A fingerprint of each lower that survives a move or a faithful copy, taken
 * without a walk: names and types of its root directory and the root's mode
 * (not its owner, which another user namespace sees as another one). 16 hex digits and NUL.
 */
int base_fingerprint(struct base *b, size_t layer, char out[17]);
size_t base_layers(const struct base *b);
/* What tells a layer's root from every copy of it: inode and time of its making, both 0 where the host does not tell. */
int base_place(const struct base *b, size_t layer, uint64_t *ino, int64_t *btime);
/*
 * What has times after `since` (ns) in this layer has changed. With `upper` (not
 * NULL) each directory of it that is read is looked at from now on; those that
 * have are counted, and the first one is logged in a sentence that names `upper`.
 * ino and btime: of base_place() at that time. Before the base is used by several
 * threads. -ENOMEM.
 */
int base_watch(struct base *b, size_t layer, int64_t since, uint64_t ino, int64_t btime, const char *upper);
uint64_t base_changed(const struct base *b); /* how many were found changed */
const char *base_layer_path(const struct base *b, size_t layer);

/* A name in a merged directory, after all markers were applied. */
struct base_entry {
	const char *name;       /* borrowed for the call */
	size_t len;
	uint32_t type;          /* DT_*, from overrides where those change it; never DT_UNKNOWN */
	uint16_t layer;         /* the top layer that has it: where its attributes and data come from */
	const uint16_t *layers; /* directories: every layer that has it as a directory below `layer`, top first, itself included, down to the first one hidden by a whiteout or by another type; borrowed */
	size_t nlayers;
};

struct base_dir *base_root(struct base *b); /* a new reference */
struct base_dir *base_dir_get(struct base_dir *d);
void base_dir_put(struct base *b, struct base_dir *d);
uint64_t base_dir_hash(const struct base_dir *d); /* the full 64 bits */
uint64_t base_dir_ino(const struct base_dir *d);  /* its number by the rule above (1 for the root) */
/* The base path ("" for the root), written to buf. Returns its length, -ENAMETOOLONG when size is too small. */
ssize_t base_dir_path(const struct base_dir *d, char *buf, size_t size);
struct base_dir *base_dir_parent(const struct base_dir *d); /* borrowed; NULL for the root */
const char *base_dir_name(const struct base_dir *d, size_t *len); /* borrowed */

/*
 * The merged child directory named by an entry of its parent: no system call.
 * Opacity of each layer's directory is found out when it is first listed or
 * looked into. NULL: no memory.
 */
struct base_dir *base_dir_child(struct base *b, struct base_dir *parent, const struct base_entry *e);

/*
 * Every visible name, exactly once, in no order; never "." and "..". One read
 * of each layer's directory. fn returns non-zero to stop (and that is
 * returned). -EIO and the like when a layer cannot be read.
 */
typedef int (*base_entry_fn)(void *arg, const struct base_entry *e);
int base_list(struct base *b, struct base_dir *d, base_entry_fn fn, void *arg);
/*
 * One name, without reading whole directories: for resolving recorded origins.
 * fn is called once with the entry. -ENOENT: no such name, or hidden.
 */
int base_lookup(struct base *b, struct base_dir *d, const char *name, size_t len, base_entry_fn fn, void *arg);
/* Resolves a recorded base path to its merged directory; a new reference. -ENOENT, -ENOTDIR. */
int base_resolve_dir(struct base *b, const char *path, size_t len, struct base_dir **out);

/*
 * Attributes of an object: those of (d, name) in `layer`; for a directory d
 * itself use base_dir_attr. attr->ino is the number by the rules above; nlink,
 * blksize and flags are as the host has them; overrides are applied. One system
 * call for a file where the layer uses no overrides.
 * -ESTALE: a lower has changed under us. -EIO: a file whose data an overlay left
 * in another one (metacopy).
 */
int base_attr(struct base *b, struct base_dir *d, const char *name, size_t len, uint16_t layer,
	      struct vn_attr *attr);
int base_dir_attr(struct base *b, struct base_dir *d, struct vn_attr *attr);

/* The number that (layer, host device, host inode) of a path has today: binds recorded groups at mount. */
int base_group_ino(struct base *b, const char *path, size_t len, uint64_t *ino);

/* Opens a regular file for reading (O_RDONLY | O_NOFOLLOW | O_NOATIME where allowed). Returns the fd; -ESTALE when it is no regular file any more. */
int base_open_file(struct base *b, struct base_dir *d, const char *name, size_t len, uint16_t layer);
ssize_t base_readlink(struct base *b, struct base_dir *d, const char *name, size_t len, uint16_t layer, char *buf,
		      size_t size);
/*
 * Xattrs of an object as a client may see them: markers, overrides and the
 * `overlay.` names are hidden (-VN_ENOATTR), `overlay.overlay.X` shows as
 * `overlay.X`. name NULL, len 0: the directory d itself.
 */
ssize_t base_getxattr(struct base *b, struct base_dir *d, const char *name, size_t len, uint16_t layer,
		      const char *xattr, void *buf, size_t size);
ssize_t base_listxattr(struct base *b, struct base_dir *d, const char *name, size_t len, uint16_t layer, char *buf,
		       size_t size);
/*
 * Does the object (no directory) with these attributes have several names in its
 * layer, also where only one of them can be seen? Its number is then of all of them.
 */
bool base_is_group(const struct base_dir *d, const char *name, size_t len, const struct vn_attr *attr);

/* ---- reading ahead (ahead.h) ---- */

/* Have the layers been slow lately? Then it pays to ask ahead; else it does nothing. */
bool base_ahead_is_useful(const struct base *b);
/*
 * Says that d will be listed, or (e not NULL) its child e, so that the layers'
 * directories are in the host's caches by then: threads of the base read them.
 * `credit`: how many directories in it they may read as well; `soon`: before all
 * others. False: too much waits already. It never waits for a layer.
 */
bool base_ahead(struct base *b, const struct base_dir *d, const struct base_entry *e, unsigned credit, bool soon);

/*
 * Says that the small files of d will be read: bytes of the BASE_AHEAD_FILES ones behind the
 * first `from` names of each layer are brought into the host's caches.
 */
void base_ahead_data(struct base *b, const struct base_dir *d, unsigned from);
/* A request has read a file of a layer and slept so often (the difference of two base_ahead_sleeps()) meanwhile. */
long base_ahead_sleeps(void);
void base_ahead_felt(struct base *b, long sleeps);
#define BASE_AHEAD_FILES 512u

/* ---- the kept view (kept.h): all of the above but the files' bytes, in one mapped file ---- */

/*
 * Uses the view of this stack in a directory, if there is one that is right. Call
 * it before anything else is done with the base. dirfd is borrowed. -ENOENT:
 * there is none. -EUCLEAN: it is damaged; -ESTALE: the lowers have changed since;
 * -EPERM: others may write to it; -EPROTONOSUPPORT: another version made it.
 */
int base_keep_use(struct base *b, int dirfd);
/* Is a view in use? */
bool base_is_kept(const struct base *b);

/* What a kept view that was made holds. */
struct base_made {
	uint64_t directories, names, bytes;
	char file[64]; /* in the directory */
};

/*
 * Walks the whole base and makes its view in a directory, which other calls may
 * go on meanwhile. `pace` (may be NULL) is asked every few objects and stops the
 * walk by returning non-zero, which is returned. The base must have none in use
 * (-EALREADY). -EBUSY: another process is making it; -EXDEV: the upper lies inside a
 * lower; -ESTALE: a lower changed meanwhile. *made (may be NULL) tells what came of it.
 */
int base_keep_make(struct base *b, int dirfd, int (*pace)(void *arg), void *arg, struct base_made *made);

/* A descriptor of the top layer's root, for statfs of a tree without an upper. */
int base_fd(const struct base *b);

#endif
