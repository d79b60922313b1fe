// SPDX-License-Identifier: Apache-2.0
/*
 * The host files that hold a node's bytes, and the cache of their descriptors.
 *
 * The bytes of a file are a short chain. Its head is the data file of the node's
 * own row; what is not there is read in the levels below: rows of the same inode
 * in older and older sealed deltas, and at the end the object in the base. A level
 * that only says BELOW has no bytes but a limit. The chain below never changes, so
 * it is found out once, when a node's bytes are first wanted, and kept with the
 * descriptors; these are opened one by one as they are needed.
 *
 * A struct ovl_file is what is kept for one node. It knows which row it was made
 * for; when the row has another data file or source by now, it is replaced. The
 * cache keeps at most files->limit descriptors: above it, files that nobody uses
 * are dropped, those not used lately first. Only files in use can exceed it.
 *
 * Locks: files->lock guards node->file, the list, counts of use; nothing is opened
 * or closed while it is held. Whoever gets a file holds the node's lock, so that
 * the row stands still; the file stays valid until it is put, locked or not.
 */
#ifndef OVL_FILE_H
#define OVL_FILE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct ovl_extents;
struct ovl_node;
struct ovl_tree;

/* What a level below has. */
enum ovl_level_kind {
	OVL_LEVEL_EMPTY, /* zeros */
	OVL_LEVEL_WHOLE, /* everything is in its file */
	OVL_LEVEL_PARTS, /* extents are in its file (there may be none), the rest is read below */
};

struct ovl_level {
	enum ovl_level_kind kind;
	bool base;       /* the object in the base; else the row in `delta` */
	uint64_t delta, data;
	uint64_t size;   /* zeros behind */
	uint64_t below;  /* PARTS: bytes that it reads below */
	struct ovl_extents *extents; /* PARTS */
	atomic_int fd;   /* -1: not open yet */
};

struct ovl_file {
	TAILQ_ENTRY(ovl_file) link;
	struct ovl_node *node; /* NULL: no longer the node's; goes with its last user */
	unsigned refs;         /* users now */
	unsigned maps;         /* of them: mappings of clients, which outlive a call */
	bool map_written;      /* one of the mappings may be written through */
	bool used;             /* since the cache last looked */
	/* the row that it was made for */
	uint64_t home, data, source;
	bool below;            /* levels were found out */
	atomic_int fd;         /* of `data`; -1: not open yet */
	struct ovl_level *levels; /* from the newest */
	size_t nlevels;
};

TAILQ_HEAD(ovl_file_list, ovl_file);

struct ovl_files {
	pthread_mutex_t lock;
	struct ovl_file_list list; /* lately used first */
	atomic_uint open;          /* descriptors */
	unsigned limit;
	atomic_ullong no_reflink;  /* levels that cannot be cloned into the head: see copyup.c */
	atomic_ullong max_size;    /* bytes a host file can have; 0: not asked yet */
};

/*
 * The file of a node whose lock is held, for use until it is put. `below` asks for
 * the levels too. -EIO: a row that a level needs is missing.
 */
int ovl_file_get(struct ovl_tree *t, struct ovl_node *n, bool below, struct ovl_file **out);
void ovl_file_put(struct ovl_tree *t, struct ovl_file *f); /* NULL allowed */

/*
 * The descriptor of the own data file, or of a level; opened when it is not yet.
 * Borrowed from f. In the head a data file whose length is not node->size (a power
 * cut took one of both) is given it when it is opened for a FULL row.
 */
int ovl_file_own_fd(struct ovl_tree *t, struct ovl_node *n, struct ovl_file *f);
int ovl_file_level_fd(struct ovl_tree *t, struct ovl_node *n, struct ovl_level *l);

/* Parts of ovl_file_get() and of the two above. Resolve finds the levels of a new file out. */
int ovl_file_resolve(struct ovl_tree *t, struct ovl_node *n, struct ovl_file *f);
/* Publishes a descriptor that was just opened; when another thread did so first, that one counts. */
int ovl_file_publish(struct ovl_tree *t, atomic_int *place, int fd);

/* The row has a new data file: f, in use by the caller alone (node->lock held for writing), takes over fd. */
void ovl_file_adopt(struct ovl_tree *t, struct ovl_file *f, uint64_t data, int fd);

/* Files that have bytes in sealed deltas are found out anew when they are next wanted. gate held for writing. */
void ovl_files_forget_sealed(struct ovl_tree *t);

/* Nothing of the node is kept any more; descriptors are closed when their last user is done. node->lock held for writing, or no reference left. */
void ovl_file_drop(struct ovl_tree *t, struct ovl_node *n);

/* A mapping keeps f open until ovl_file_unmap(). node->lock held; f in use by the caller, who still puts it. */
void ovl_file_map(struct ovl_tree *t, struct ovl_file *f, bool writable);
void ovl_file_unmap(struct ovl_tree *t, struct ovl_node *n);
bool ovl_file_mapped(struct ovl_tree *t, struct ovl_node *n);
/* Is a file of the head mapped for writing? What is written through the mapping is seen by nobody here. */
bool ovl_files_map_written(struct ovl_tree *t);

#endif
