// SPDX-License-Identifier: Apache-2.0
/*
 * The kept view: the merged tree of a stack of lowers in one file, so that a
 * later mount of the same stack reads no lower directory at all.
 *
 * Terms
 *
 *	view    the file, mapped read-only, and what is read in it
 *	id      128 bits that say which stack it was made of and how that was seen
 *	        (kept_id.c); the file's name is made from it
 *	record  a directory's or another object's place in the file, by its offset
 *	sample  an object of a layer that is compared with the layer when the view
 *	        is opened
 *
 * What it holds. Everything that the base's face (base.h) tells without a file's
 * bytes, made by asking that face during one walk: so it says what the face said
 * then, whiteouts, opaque directories, redirects and overrides being resolved.
 * Attribute values are not in it, only whether an object has any; link counts
 * are those of the merged tree, which the face alone cannot know. What could not
 * be told at the time (a directory that may not be read, a metacopy, a mount
 * point) has no record: the layers are asked for it, as without a view.
 *
 * When it is right. Lowers do not change by contract. A view is one more reader
 * that relies on it, and for longer than a mount; so
 *
 *	- its id covers, for each layer, the inode number and times of its root
 *	  directory, and the size of an image;
 *	- samples of every layer are compared when it is opened;
 *	- a file's size and time are compared when its data is opened.
 *
 * A view found wrong is not used any more (kept_abandon): the mount goes on with
 * the layers, and the file is removed, so that a new one can be made.
 *
 * When it is damaged. Head and samples are checked when it is opened, the rest
 * block by block (an XXH3 of each KEPT_BLOCK bytes) when a byte of the block is
 * first looked at; every offset and count is checked against the file's size and
 * the record's. Damage abandons the view, it never fails a request. Who could
 * write to the file could do more (truncate it while it is mapped), so files
 * that others may write to are not opened.
 *
 * The file, in the byte order of the machine that made it:
 *
 *	struct kept_head
 *	records    8-byte aligned, in no order: struct kept_object, for a symlink
 *	           with its target behind it; struct kept_dir, with its arrays behind it
 *	samples    struct kept_sample each, and their paths
 *	sums       one uint64_t a block, of all between the head and here
 *
 * A directory's entries are sorted by the hash that also makes inode numbers
 * (base.h), so a name is found by bisection, in memory.
 */
#ifndef LOWER_KEPT_H
#define LOWER_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fs.h"

#define KEPT_MAGIC "vnrbase" /* and its NUL: 8 bytes */
#define KEPT_VERSION 1u
#define KEPT_ORDER UINT32_C(0x01020304)
#define KEPT_BLOCK 65536u

struct kept_id {
	uint64_t word[2];
};

struct kept_head {
	char magic[8];
	uint32_t version;
	uint32_t order;      /* KEPT_ORDER as this machine writes it */
	struct kept_id id;
	uint64_t size;       /* of the whole file */
	uint64_t root;       /* record of the root directory */
	uint64_t samples;    /* where they begin */
	uint64_t sums;       /* where they begin; all before is records and samples */
	uint64_t directories, names;
	uint32_t nlayers;
	uint32_t spare;
	uint64_t sums_check; /* checksum of the sums */
	uint64_t check;      /* checksum of all of the head before it */
};

/* Bits of kept_object.bits. */
#define KEPT_XATTRS 1u /* it may have attributes that a client sees: the layer is asked */
#define KEPT_GROUP 2u  /* a file with several names in its layer: ino is its number */

struct kept_object {
	uint64_t ino; /* KEPT_GROUP; else 0 */
	uint64_t size, blocks;
	int64_t atime, mtime, ctime, btime;
	uint32_t mode, nlink, uid, gid;
	uint32_t rdev_major, rdev_minor, blksize, flags;
	uint32_t bits;
	uint32_t target_len; /* of a symlink: bytes behind the record */
};

/* A directory, followed by its entries, parts, layer numbers and text. */
struct kept_dir {
	struct kept_object self;
	uint32_t nentries;
	uint32_t nparts;
	uint32_t nlayers; /* uint16_t each, of all entries that are directories; padded to 8 bytes */
	uint32_t text;    /* bytes of names and paths */
};

struct kept_entry {
	uint64_t hash;
	uint64_t record;  /* 0: none, ask the layers */
	uint32_t name;    /* in the text */
	uint32_t layers;  /* directories: first of their layers in the layer numbers */
	uint16_t nlayers;
	uint16_t layer;
	uint8_t len;
	uint8_t type;     /* DT_* */
	uint16_t spare;
};

/* Bits of kept_part.bits: base_part's. */
#define KEPT_PART_XWHITE 1u
#define KEPT_PART_OVERLAY 2u
#define KEPT_PART_FAR 4u

struct kept_part {
	uint32_t path; /* in the text; path_len 0: none */
	uint16_t path_len;
	uint16_t layer;
	uint32_t bits;
	uint32_t spare;
};

struct kept_sample {
	uint64_t ino, size; /* as the host has it */
	int64_t mtime, ctime;
	uint32_t mode;
	uint16_t layer;
	uint16_t path_len;  /* bytes behind the record, with a NUL, padded to 8 */
};

/* What the head's `check` has to be, the checksum of block i of a map, and that of the sums. */
uint64_t kept_head_sum(const struct kept_head *h);
uint64_t kept_block_sum(const struct kept_head *h, const unsigned char *map, uint64_t i);
uint64_t kept_sums_sum(const struct kept_head *h, const uint64_t *sums);
/* How many blocks there are. */
uint64_t kept_blocks(const struct kept_head *h);

struct kept;

/*
 * Maps the file, which is then the view's; fd stays the caller's. Returns
 * -EUCLEAN: damaged; -EPROTONOSUPPORT: of another version or machine; -ESTALE:
 * of another id or number of layers.
 */
int kept_open(int fd, const struct kept_id *id, uint32_t nlayers, struct kept **out);
/* The same of bytes in memory, 8-byte aligned, borrowed until the view is closed. */
int kept_open_bytes(const void *bytes, size_t size, const struct kept_id *id, uint32_t nlayers, struct kept **out);
void kept_close(struct kept *k); /* NULL allowed */

/* No look into it tells anything from now on. True for the first caller, who says why. */
bool kept_abandon(struct kept *k);
bool kept_abandoned(const struct kept *k);
/* Was it abandoned because of damage, and has nobody been told? True once. */
bool kept_damage_found(struct kept *k);

const struct kept_head *kept_head(const struct kept *k);

/* A directory's record in hand; pointers live as long as the view. */
struct kept_look {
	const struct kept_dir *dir;
	const struct kept_entry *entries;
	const struct kept_part *parts;
	const uint16_t *layers;
	const char *text;
};

/*
 * The following return false (or NULL) when the view has been abandoned, and
 * abandon it when what they meet is damaged. What they return has been checked:
 * names are names, layers exist, ranges lie in the file.
 */
bool kept_look(struct kept *k, uint64_t record, struct kept_look *out);
/*
 * A directory has been listed, and its objects will be asked for next. A walk over
 * everything must not leave everything in the process's memory: now and then this
 * lets the pages go. They stay in the page cache, where other mounts use them, too.
 */
void kept_listed(struct kept *k, const struct kept_look *look);
/* Entry i of a directory. */
const struct kept_entry *kept_entry(struct kept *k, const struct kept_look *look, uint32_t i);
/* The entry of a name whose hash this is; NULL also when there is none (the view is not abandoned then). */
const struct kept_entry *kept_find(struct kept *k, const struct kept_look *look, uint64_t hash, const char *name, size_t len);
/* Part i of a directory; *path (not NUL-terminated) is NULL when it has none. */
const struct kept_part *kept_part(struct kept *k, const struct kept_look *look, uint32_t i, const char **path);
/* The object of an entry; NULL also when it has no record. */
const struct kept_object *kept_object(struct kept *k, const struct kept_entry *e);
/* The next sample behind *at (0: the first); *path is NUL-terminated. NULL: no more, or damage. */
const struct kept_sample *kept_sample(struct kept *k, uint64_t *at, const char **path);

/* All of *attr but for its number. */
void kept_attr(const struct kept_object *o, struct vn_attr *attr);

#endif
