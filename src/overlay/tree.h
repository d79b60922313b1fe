// SPDX-License-Identifier: Apache-2.0
/*
 * The inside of the overlay tree: nodes, their names, what is theirs and what
 * is read below, and the locks.
 *
 * Terms
 *
 *	node     one inode in memory: a directory, file, link, device
 *	below    what a node shows without rows of its own: an object of the base
 *	own      the node has a row in the index ("copied up", metadata only)
 *	head     the writable delta; a node whose row lies in a sealed delta gets a
 *	         row in the head before anything of it changes
 *	touch    the copy-up of metadata: gives a node its row in the head
 *	name     an entry of a directory's table: base, own, virtual or whiteout
 *
 * Shape of every changing verb: find nodes; touch them (a record of its own that
 * changes nothing one can see); lock; check; describe the change as rows;
 * store_commit(); change memory; unlock; tell other sessions. A commit that
 * fails leaves memory as it was.
 *
 * Locks, in the order in which they are taken
 *
 *	1 tree->gate      shared by every verb, exclusive for snapshot and rollback
 *	2 tree->topology  renames that move directories or cross directories: holds
 *	                  the shape of the tree (node->parent) still
 *	3 node->lock      of directories: names and attributes; an ancestor before its
 *	                  descendant, unrelated ones by number (under topology)
 *	4 node->lock      of everything else: attributes, xattrs, data; by number
 *	5 leaves: shards of the node table, session_lock, file cache, pins, the
 *	  store's own locks; never two of them at once, but for the shards of a
 *	  session's lookups (refs.h), which are taken under session_lock, too
 *
 * node->parent changes only under topology and both parents' locks. node->own is
 * set once (touch) under node->lock and read with acquire order elsewhere.
 *
 * References. node->refs counts: lookups of each session (one reference however
 * many lookups), children that are directories, the pin, and callers in flight.
 * A node without references leaves memory. A node with a record that readers of
 * the index cannot see yet is pinned (rule M2; all rules are in doc/rules.md).
 */
#ifndef OVL_TREE_H
#define OVL_TREE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/cfg.h"
#include "base/fs.h"
#include "lower/base.h"
#include "overlay/overlay.h"
#include "store/store.h"

#define OVL_EPOCH_SHIFT 53
#define OVL_EPOCH_MASK UINT64_C(0x7ff)
#define OVL_INO_MASK ((UINT64_C(1) << OVL_EPOCH_SHIFT) - 1)
#define OVL_INO_VIRTUAL_FIRST UINT64_C(2)
#define OVL_INO_VIRTUAL_LAST UINT64_C(1023)
#define OVL_BLOCK 65536u           /* copy-up of data goes by blocks of this size */
#define OVL_WHOLE_MAX (128u << 10) /* files up to this size are copied up whole */

struct ovl_name;
struct ovl_names;   /* names.h: the table of a loaded directory */
struct ovl_vdir;    /* virtual.h */
struct ovl_vfile;   /* virtual.h */
struct ovl_file;    /* file.h: cached descriptors of one node's bytes */
struct ovl_extents; /* extents.h: which bytes are in the data file */
struct ovl_xattrs;  /* xattr.h: a node's own attributes in memory */

/*
 * Which delta a row lies in. One object per delta, shared by its nodes: when the
 * head is sealed its object takes the sealed delta's id and the tree gets a new
 * head object, so no node has to be visited but those without a name, which stay
 * with the head.
 */
struct ovl_home {
	uint64_t id; /* 0: the head */
	struct ovl_home *next; /* all of a tree, for freeing */
};

/* What a node with a row has besides. Protected by node->lock. */
struct ovl_own {
	struct ovl_home *_Atomic home; /* where the newest row lies; ovl_touch() looks at it without the lock */
	_Atomic uint64_t seq;   /* newest record of this node; 0: visible since it was loaded */
	uint64_t hard_seq;      /* newest one other than times: what fsync waits for */
	enum store_data state;
	uint32_t flags;         /* STORE_* of the row */
	uint64_t data;          /* data file in the delta `home`; 0: none */
	uint64_t source;        /* delta below `home` that has the bytes below; 0: base */
	uint64_t below;         /* bytes readable below */
	struct ovl_extents *extents; /* PARTIAL: loaded or NULL (not yet loaded) */
	struct ovl_xattrs *xattrs;   /* STORE_XATTR_OWN: loaded or NULL */
	uint64_t orphan;        /* session that keeps the row of an unlinked inode; 0: none */
	atomic_bool dead;       /* no row (any more): changes are made in memory only */
	bool pinned;            /* in tree->pins; under pin_lock */
	bool written;           /* on tree->written: size and times are ahead of the row */
	bool emptied;           /* truncated to 0: the next data file is flushed before its row is committed (rule J10) */
	struct ovl_node *written_next;
};

#define OVL_NODE_DIR (1u << 0)
#define OVL_NODE_VIRTUAL (1u << 1)
#define OVL_NODE_NOXATTR (1u << 2)  /* the base object has none: asked once */
#define OVL_NODE_GROUP (1u << 3)    /* a lower file with several names */
#define OVL_NODE_REMOVED (1u << 4)  /* a directory without a name: empty for ever */
#define OVL_NODE_BLOCKS (1u << 5)   /* `blocks` is what the host says now */
#define OVL_NODE_CACHED (1u << 8)   /* a client may have its pages, dirty or mapped ones among them */
#define OVL_NODE_SEEN (1u << 7)     /* recorded as seen by a client that outlives the server */
#define OVL_NODE_LISTED (1u << 9)   /* a directory that a client has listed; walk.h */
#define OVL_NODE_TMP (1u << 6)      /* O_TMPFILE: has no name yet and may get one */

struct ovl_node {
	uint64_t ino;
	struct ovl_node *next;        /* in its shard */
	atomic_uint refs;
	atomic_uint flags;            /* OVL_NODE_* */
	pthread_rwlock_t lock;
	/* attributes */
	uint64_t size;
	int64_t atime, mtime, ctime, btime;
	_Atomic uint32_t mode;        /* its type never changes and is read without the lock */
	uint32_t uid, gid, nlink;
	/* below: set when the node is made, never changed. odir is the directory itself for directories, else the one that has `oname`. NULL: nothing in the base */
	struct base_dir *odir;
	_Atomic(struct ovl_own *) own;
	union {
		struct {                          /* directories */
			struct ovl_node *parent;      /* a reference; NULL for the root and removed ones */
			struct ovl_names *names;      /* NULL until loaded */
			struct ovl_vdir *vdir;        /* virtual children, borrowed from the tree; or NULL */
		};
		struct {                          /* others */
			union {
				struct ovl_file *file;    /* regular: file.c's, under its own lock */
				struct ovl_vfile *vfile;  /* regular and OVL_NODE_VIRTUAL */
				char *target;             /* symbolic links without a base object: loaded or NULL */
			};
			uint64_t base_size;           /* of the base object */
			union {
				uint64_t blocks;          /* regular */
				struct {
					uint32_t rdev_major, rdev_minor; /* devices */
				};
			};
		};
	};
	uint16_t layer;               /* of the base object */
	uint8_t oname_len;
	char oname[];                 /* base name of a non-directory */
};

#define OVL_SHARDS 64

struct ovl_shard {
	pthread_mutex_t lock;
	struct ovl_node **slots;
	size_t nslots, count;
};

/* Nodes with records that are not visible yet, oldest first. */
struct ovl_pin {
	struct ovl_node *node;
	uint64_t seq;
};

struct ovl_tree {
	struct vn_fs fs; /* first: verbs cast */
	struct base *base;
	struct store *store; /* NULL: lowers only */
	bool readonly, noacl, static_nlink;
	int64_t squash_uid, squash_gid;
	uint64_t epoch;              /* of nodeids */
	struct ovl_home *head, *homes;
	unsigned seals;              /* of the head since the tree was opened; under the gate */
	atomic_bool nameless;        /* some node may have lost its last name: a seal looks for such */
	pthread_rwlock_t gate;
	pthread_mutex_t topology;
	struct ovl_node *root;       /* a reference */
	struct ovl_shard shards[OVL_SHARDS];
	atomic_ullong node_count;
	atomic_ullong copied_up, copied_bytes;

	struct ovl_vdir *vroot;      /* virtual.c; NULL: none */
	struct ovl_node **vnodes;    /* virtual nodes by number, from OVL_INO_VIRTUAL_FIRST; references */
	size_t nvnodes;

	pthread_mutex_t pin_lock;    /* pins, a ring buffer */
	struct ovl_pin *pins;
	size_t pin_cap, pin_first, pin_count;

	pthread_mutex_t written_lock; /* files whose row is behind; settle.c */
	struct ovl_node *written;
	struct ovl_cached {          /* nodes with OVL_NODE_CACHED, so that a snapshot need not look at all; writeback.c */
		pthread_mutex_t lock;
		uint64_t *inos;
		size_t n, cap;
		bool all;            /* the list lacks some: look at all */
	} cached;
	pthread_t ticker;
	pthread_cond_t tick;
	bool ticking, stopping;
	unsigned commit_s;

	pthread_mutex_t session_lock;
	struct vn_fs_session *sessions;
	atomic_uint outliving;       /* sessions whose client outlives the server */

	pthread_mutex_t number_lock; /* recorded numbers of base objects; number.c */
	struct ovl_number *numbers;
	size_t number_cap, number_count;

	_Atomic int64_t walk_last;   /* when a client that walks was last seen, and for how many directories; walk.c */
	atomic_uint walk_length;
	pthread_mutex_t walk_lock;   /* a leaf */
	struct ovl_walk_files {      /* of the directory whose files are being read for the first time */
		uint64_t dir;        /* its hash */
		unsigned count, slept, asked; /* files; of them, since the last time, those that slept; how often was asked */
		unsigned before;     /* count of the directory before it */
	} walk_files;

	struct ovl_seen *seen;       /* seen.c */
	struct ovl_keep *keep;       /* keep.c; NULL: no view is made */
	struct ovl_files *files;     /* file.c: the cache of host descriptors */
};

static inline struct ovl_tree *ovl_tree_of(struct vn_fs *fs)
{
	return (struct ovl_tree *)fs;
}

/* A regular file whose bytes are data.c's business. */
static inline bool ovl_has_bytes(const struct ovl_node *n)
{
	return (atomic_load_explicit(&n->mode, memory_order_relaxed) & S_IFMT) == S_IFREG &&
	       !(atomic_load_explicit(&n->flags, memory_order_relaxed) & OVL_NODE_VIRTUAL);
}

static inline bool ovl_is_device(const struct ovl_node *n)
{
	uint32_t type = atomic_load_explicit(&n->mode, memory_order_relaxed) & S_IFMT;
	return type == S_IFCHR || type == S_IFBLK;
}

static inline bool ovl_is_dir(const struct ovl_node *n)
{
	return atomic_load_explicit(&n->flags, memory_order_relaxed) & OVL_NODE_DIR;
}

static inline struct ovl_own *ovl_own(struct ovl_node *n)
{
	return atomic_load_explicit(&n->own, memory_order_acquire);
}

/* ---- node.c: the table of nodes ---- */

/*
 * A new node with one reference, not yet in the table. odir (may be NULL) is
 * taken over on success; oname is NULL for directories and for what has nothing
 * in the base.
 */
struct ovl_node *ovl_node_new(struct ovl_tree *t, uint64_t ino, bool dir, struct base_dir *odir, const char *oname,
			      size_t oname_len);
/* Frees a node that never was in the table. */
void ovl_node_discard(struct ovl_tree *t, struct ovl_node *n);
/*
 * Puts n into the table. When another node has the number already, n stays
 * outside and the other one is returned with a reference.
 */
struct ovl_node *ovl_node_insert(struct ovl_tree *t, struct ovl_node *n);

/* A reference to the node of a nodeid. -ESTALE: unknown, or of another epoch. */
int ovl_node_get(struct ovl_tree *t, const struct vn_ctx *ctx, uint64_t nodeid, struct ovl_node **out);
/* The node of this number if it is in memory (a new reference), else NULL. */
struct ovl_node *ovl_node_find(struct ovl_tree *t, uint64_t ino);
struct ovl_node *ovl_node_ref(struct ovl_node *n); /* another reference */
void ovl_node_put(struct ovl_tree *t, struct ovl_node *n); /* NULL allowed */
uint64_t ovl_nodeid(const struct ovl_tree *t, const struct ovl_node *n);

/* ---- load.c: from rows and base objects to names and nodes ---- */

/* Reads a directory's names if they are not in memory. node->lock held for writing. */
int ovl_dir_load(struct ovl_tree *t, struct ovl_node *dir);
/* Takes the lock for reading with the names loaded. -ENOTDIR. Unlock with pthread_rwlock_unlock. */
int ovl_dir_lock_shared(struct ovl_tree *t, struct ovl_node *dir);
/* The same for writing; besides -EPERM for virtual directories, -ENOENT for removed ones. */
int ovl_dir_lock(struct ovl_tree *t, struct ovl_node *dir);
/*
 * The node of an entry of a loaded directory whose lock is held (either way): a
 * reference. Entries that are whiteouts: -ENOENT.
 */
int ovl_child(struct ovl_tree *t, struct ovl_node *dir, struct ovl_name *e, struct ovl_node **out);
/* The number and type of an entry, for listings; the same lock. */
int ovl_child_number(struct ovl_tree *t, struct ovl_node *dir, struct ovl_name *e, uint64_t *ino, uint8_t *type);
/* Lookup by name with no lock held: a reference, -ENOENT. */
int ovl_lookup(struct ovl_tree *t, struct ovl_node *dir, const char *name, struct ovl_node **out);
/* The node of a merged base directory: a reference. */
int ovl_base_node(struct ovl_tree *t, struct base_dir *d, struct ovl_node **out);
/* One home per delta of the store, and the head. */
int ovl_homes_load(struct ovl_tree *t);
/* Adds the deltas that have come into being since. gate held for writing. */
int ovl_homes_update(struct ovl_tree *t);
struct ovl_home *ovl_home_find(struct ovl_tree *t, uint64_t id); /* NULL: no such delta. gate held */
void ovl_homes_free(struct ovl_tree *t);
/* The root forgets its names and its row, and reads the row anew: rollback. */
int ovl_root_reload(struct ovl_tree *t);
/* The root over a merged base directory, which is taken over; with its row if it has one. */
int ovl_root_load(struct ovl_tree *t, struct base_dir *bd, struct ovl_node **out);
/* A node by number, after a restart: from its row or from what was recorded as seen. -ESTALE. */
int ovl_node_load(struct ovl_tree *t, uint64_t ino, struct ovl_node **out);

/* ---- number.c: recorded numbers of base objects ---- */

int ovl_numbers_load(struct ovl_tree *t); /* at open */
void ovl_numbers_free(struct ovl_tree *t);
/* The number of a base object whose computed one is `ino`: the recorded one if there is one. */
uint64_t ovl_number(struct ovl_tree *t, const struct base_dir *odir, const char *name, size_t len, uint64_t ino,
		    bool group);
uint64_t ovl_number_dir(struct ovl_tree *t, const struct base_dir *d);
/* `ino` is taken by another object: records the next free number for this one. */
int ovl_number_collide(struct ovl_tree *t, const struct base_dir *odir, const char *name, size_t len, uint64_t ino,
		       uint64_t *out);
/* The base path of an object (name NULL: the directory) into buf of OVL_PATH_MAX bytes; its length or -ENAMETOOLONG. */
ssize_t ovl_base_path(const struct base_dir *odir, const char *name, size_t len, char *buf);
#define OVL_PATH_MAX 8192

/* ---- session.c: who holds what ---- */

struct vn_fs_session {
	struct ovl_tree *t;
	struct vn_session_config config;
	struct vn_fs_session *next; /* of the tree; under session_lock */
	bool resumed;               /* came back with nodeids of an earlier server */
	struct ovl_refs *refs;      /* refs.h: lookups by node */
};

/* Counts one lookup of n for the session; takes over the caller's reference either way. */
int ovl_session_count(struct vn_fs_session *s, struct ovl_node *n);
void ovl_session_forget(struct ovl_tree *t, struct vn_fs_session *s, struct ovl_node *n, uint64_t count);
/* The id of a session that outlives the server and holds n; 0: none. */
uint64_t ovl_session_outliving(struct ovl_tree *t, struct ovl_node *n);
/* Fills out for a node with the caller's reference, counts the lookup. On failure the reference is gone, too. */
int ovl_entry(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, struct vn_entry *out);

/* One session that asks is the usual case and needs no list of the others. */
static inline bool ovl_session_alone(const struct ovl_tree *t)
{
	return !t->sessions || !t->sessions->next;
}

/* ---- orphan.c: unlinked files of clients that outlive the server ---- */

/* s does not hold n any more: the row that was kept for it goes, unless another such session holds n. Takes node->lock. */
void ovl_orphan_let_go(struct ovl_tree *t, struct vn_fs_session *s, struct ovl_node *n);
/*
 * Reaps what the index still keeps for a client that is gone: unlinked files
 * that it held before this server began. What fails is reaped the next time.
 */
void ovl_orphans_reap(struct ovl_tree *t, struct vn_fs_session *s);

/* ---- tell.c, writeback.c: what clients are told ---- */

/* Rollback, with the gate held exclusively: can every client learn of it; then all are told and hold nothing any more. */
bool ovl_sessions_can_be_told(struct ovl_tree *t);
void ovl_sessions_discard(struct ovl_tree *t);
/* What other sessions than ctx's (which knows by itself; NULL: none does) must drop. Locks may be held. */
void ovl_tell_inode(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, bool data);
void ovl_tell_entry(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *dir, const char *name);
/* OVL_NODE_CACHED was set: n is one to ask for before a snapshot (ovl_ask_write_back). */
void ovl_cached_add(struct ovl_tree *t, const struct ovl_node *n);

/* ---- touch.c ---- */

/*
 * Copy-up of metadata: afterwards own->home is the head. Call it with no node
 * locked. -EPERM for virtual nodes, -EROFS, -ENOSPC.
 */
int ovl_touch(struct ovl_tree *t, struct ovl_node *n);

/* ---- row.c: rows of a node; all under node->lock held for writing ---- */

/* A change carried by a verb, with the buffers that its rows borrow. */
struct ovl_op {
	struct ovl_tree *t;
	const struct vn_ctx *ctx;
	struct store_change change;
	bool too_long; /* a base path has more than OVL_PATH_MAX bytes */
};
void ovl_op_begin(struct ovl_op *op, struct ovl_tree *t, const struct vn_ctx *ctx);
/*
 * Had this request of a client that outlived a server been recorded before that one
 * died (J6)? Then *reply is what its record says: the number of what it made, or
 * where an append went.
 */
bool ovl_done_before(struct ovl_tree *t, const struct vn_ctx *ctx, uint64_t *reply);
/*
 * Fills *row with the node as it is in memory (own != NULL); row->origin is
 * left NULL: ovl_op_inode adds it. Change fields of *row, then hand it to
 * ovl_op_inode; on success of ovl_op_commit, ovl_node_apply makes memory equal.
 */
void ovl_row(const struct ovl_node *n, struct store_inode *row);
void ovl_op_inode(struct ovl_op *op, struct ovl_node *n, struct store_inode *row);
/* Nothing is committed when every node of the change is dead (skip: pass through ovl_op_inode only). */
int ovl_op_commit(struct ovl_op *op, uint64_t *seq);
/* The row of a directory whose entry changed now: times, and `links` more subdirectories. */
void ovl_row_entry_changed(const struct ovl_node *dir, struct store_inode *row, int64_t now, int links);
void ovl_op_abandon(struct ovl_op *op);
/* Makes memory what the row says, pins the node until seq is visible. `hard`: more than times changed. */
void ovl_node_apply(struct ovl_tree *t, struct ovl_node *n, const struct store_inode *row, uint64_t seq, bool hard);

/* ---- settle.c: what lags behind ---- */

/* Keeps the node in memory until record seq is visible in the index. */
void ovl_pin(struct ovl_tree *t, struct ovl_node *n, uint64_t seq);
/*
 * Marks a FULL file as written (call before writing, under node->lock): commits
 * the stale mark if the row does not have it, and queues the node so that the
 * ticker writes its size and times within commit_s.
 */
int ovl_mark_written(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n);
/* Queues a PARTIAL file that is complete: the ticker flushes it and makes it FULL. */
void ovl_queue_settle(struct ovl_tree *t, struct ovl_node *n);
/* Writes the rows of all queued files now. */
int ovl_settle_written(struct ovl_tree *t);

int ovl_settle_start(struct ovl_tree *t);  /* the ticker */
int ovl_settle_stop(struct ovl_tree *t);   /* ends it, writes all rows, lets all pins go */
void ovl_settle_discard(struct ovl_tree *t); /* lets all pins and queued files go unwritten: rollback */

/* ---- attr.c ---- */

/* The node's attributes (squash, static_nlink, host blocks applied). Takes node->lock for reading. */
int ovl_node_attr(struct ovl_tree *t, struct ovl_node *n, struct vn_attr *out);
/* Mode bits that a write or chown by somebody takes away. */
uint32_t ovl_mode_killed(uint32_t mode);

/* ---- data.c, copyup.c, space.c: bytes (regular files only; own->home is the head where they change something) ---- */

ssize_t ovl_data_read(struct ovl_tree *t, struct ovl_node *n, uint64_t off, const struct iovec *iov, int iovcnt);
ssize_t ovl_data_write(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, uint64_t off,
		       const struct iovec *iov, int iovcnt, uint32_t flags);
/*
 * Sets the length under node->lock (held for writing) as part of setattr: *row
 * is the row about to be committed, whose size, state, data, below fields are
 * changed to suit, extent rows and dead data files are added to op. ovl_data_resized
 * is called after the commit (row committed) or with ok = false when it failed.
 */
int ovl_data_resize(struct ovl_op *op, struct ovl_node *n, struct store_inode *row, uint64_t size);
void ovl_data_resized(struct ovl_tree *t, struct ovl_node *n, const struct store_inode *row, bool ok);
int ovl_data_fsync(struct ovl_tree *t, struct ovl_node *n, bool datasync);
int ovl_data_fallocate(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, uint32_t mode, uint64_t off,
		       uint64_t len);
int64_t ovl_data_seek(struct ovl_tree *t, struct ovl_node *n, int64_t off, int whence);
ssize_t ovl_data_copy(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *in, uint64_t off_in,
		      struct ovl_node *out, uint64_t off_out, size_t len);
int ovl_data_map(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, uint64_t off, uint64_t len,
		 bool writable, struct vn_range *out);
/* The file for FUSE passthrough, see vn_fs_ops.backing (backing.c). */
int ovl_data_backing(struct ovl_tree *t, struct ovl_node *n, int *fd);
void ovl_data_unmap(struct ovl_tree *t, struct ovl_node *n, uint64_t off, uint64_t len);
/* st_blocks of a regular file, node->lock held. */
uint64_t ovl_data_blocks(struct ovl_tree *t, struct ovl_node *n);
/*
 * The ticker's part for one queued node, node->lock held for writing: a complete
 * PARTIAL file is flushed and becomes FULL, the row gets size and times.
 */
int ovl_data_settle(struct ovl_tree *t, struct ovl_node *n);
/* The last reference to an inode without a name is gone: closes, and frees the data file of a dead one. Also called when a clean node leaves memory. */
void ovl_data_drop(struct ovl_tree *t, struct ovl_node *n);
/* No client knows a dead inode any more, and the caller knows of `held` references: its data file goes unless there are others. */
void ovl_data_drop_dead(struct ovl_tree *t, struct ovl_node *n, unsigned held);
int ovl_files_new(struct ovl_tree *t); /* sets t->files; limit from RLIMIT_NOFILE */
void ovl_files_free(struct ovl_tree *t);
uint64_t ovl_files_open(struct ovl_tree *t); /* descriptors in the cache */

/* ---- node.c: all of them ---- */

/* fn of each node in memory, under a lock of the table: it only looks at the node, or changes what the gate protects. */
void ovl_nodes_look(struct ovl_tree *t, void (*fn)(void *arg, struct ovl_node *n), void *arg);
/* fn of each node in memory that is wanted, until one fails. No lock is held for fn; gate held for writing. */
int ovl_nodes_each(struct ovl_tree *t, bool (*wanted)(struct ovl_node *n),
		   int (*fn)(struct ovl_tree *t, struct ovl_node *n));

/* ---- acl.c: POSIX ACLs as the xattr's bytes (version 2) ---- */

/* Is it well formed? -EINVAL otherwise. *equiv: it says no more than a mode does. *mode gets its permission bits. */
int ovl_acl_check(const void *acl, size_t size, uint32_t *mode, bool *equiv);
/* chmod: the mask (or group) and user and other entries follow mode. In place. */
int ovl_acl_chmod(void *acl, size_t size, uint32_t mode);
/*
 * A new object in a directory with this default ACL: *mode (without umask)
 * loses the bits that the ACL does not grant. acl is changed in place to the
 * object's access ACL; *equiv: it need not be stored.
 */
int ovl_acl_create(void *acl, size_t size, uint32_t *mode, bool *equiv);

#endif
