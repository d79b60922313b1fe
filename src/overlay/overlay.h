// SPDX-License-Identifier: Apache-2.0
/*
 * The overlay tree: lowers, sealed deltas and a writable head as one Linux
 * tree behind the verb table of base/fs.h. This is the folder's public header;
 * tree.h beside it is the inside.
 */
#ifndef OVL_OVERLAY_H
#define OVL_OVERLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ovl_tree;
struct store;
struct vn_err;
struct vn_fs;

/* A virtual file: stands above every layer, no whiteout can hide it. */
struct ovl_virtual {
	const char *path;      /* in the tree, "/init.krun"; missing parents appear as virtual directories */
	const char *host_file; /* content copied from this host file at open; or */
	const void *bytes;     /* these bytes, copied; or */
	size_t size;
	/* content from a callback: writes at most `size` bytes at `off`, returns the count, 0 at the end, or -errno. */
	ssize_t (*read)(void *arg, uint64_t off, void *buf, size_t size);
	void *arg;
	bool live;             /* with read: made anew, at most `size` bytes, each time the file is looked at; else it has `size` bytes that do not change */
	uint32_t mode;         /* permission bits; 0: 0555 for an executable host file, else 0444 */
	bool one_shot;         /* can be looked up once, then it is gone */
};

struct ovl_config {
	const char *const *lowers; /* host directories, top first; an unused upper may stand in front of the lowers it was made over */
	size_t nlowers;
	const char *upper;         /* NULL: a read-only tree */
	bool create_upper;
	bool readonly;             /* with upper: look at it, change nothing */
	const char *snapshot;      /* with readonly: what was sealed under this name instead of the present state */
	bool shared;               /* with readonly: another server may be serving it; sees what is applied */
	bool accept_changed_lowers; /* do not refuse lowers whose fingerprint differs from the recorded one */
	bool quiet_lowers;         /* do not look whether a lower directory that is read was changed since the upper was made */
	unsigned commit_s;         /* 0: default 5 */
	bool is_volatile;
	uint64_t journal_size;     /* 0: default */
	/*
	 * The kept view of the lowers (kept.h): where it lies, a directory that any
	 * number of uppers over the same lowers may share ("" or NULL: in the upper).
	 * What is there is used. make_base_cache: what is missing is made, in quiet
	 * moments; who says so says that the lowers do not change between mounts.
	 */
	const char *base_cache;
	bool make_base_cache;
	bool no_base_cache;        /* use none */
	bool noacl;                /* no POSIX ACLs: their questions are answered EOPNOTSUPP */
	bool noxattr_markers;
	bool static_nlink;         /* directories always report 1 link */
	/* fuse-overlayfs' squash options: every object shows this owner. -1: as recorded. */
	int64_t squash_uid, squash_gid;
	const struct ovl_virtual *virtuals;
	size_t nvirtuals;
};

/*
 * Opens a tree. *err has one sentence on failure. An upper that names no lowers
 * in its config (nlowers 0) is opened over the lowers recorded in it.
 */
int ovl_open(const struct ovl_config *config, struct ovl_tree **out, struct vn_err *err);
/*
 * What it was opened for has failed before anybody could use it: ovl_close() takes
 * back an upper that this opening made; its directory stays.
 */
void ovl_unmake(struct ovl_tree *t);
/* Every session has been freed. Makes all changes durable; the first failure is returned. */
int ovl_close(struct ovl_tree *t);
struct vn_fs *ovl_fs(struct ovl_tree *t);
struct store *ovl_store(struct ovl_tree *t); /* NULL: no upper and no parents */

/* Applies and flushes all changes, so that index.db shows the present state to other processes. */
int ovl_settle(struct ovl_tree *t);

struct ovl_stats {
	uint64_t nodes, directories, names; /* cached now */
	uint64_t node_bytes, name_bytes;    /* memory they take */
	uint64_t open_files;                /* host descriptors cached */
	uint64_t copied_up, copied_bytes;
	bool kept_view;                     /* the lowers are answered for by a kept view */
	uint64_t changed_lowers;            /* lower directories that were found changed when they were read */
};
void ovl_stats(struct ovl_tree *t, struct ovl_stats *out);

struct ovl_kept {
	uint64_t directories, names, bytes;
	char file[64]; /* in the directory */
};

/*
 * Makes the kept view of the lowers now, in a directory (NULL: in the upper,
 * however the tree was opened). -EALREADY: the tree uses one, which is right; *out is
 * then not set.
 */
int ovl_keep(struct ovl_tree *t, const char *dir, struct ovl_kept *out, struct vn_err *err);
/* Gives an upper the views that another one has, as far as both lie on one file system. Not having them is no error. */
void ovl_keep_share(const char *from, const char *to);

/*
 * Asks every client that can be told to write back, and drop, the pages of the files
 * that it may have dirty pages of: nothing else makes a client give up what was
 * written through a mapping, or kept by a client that writes back. The transport
 * knows when notices are sent: `sent` waits for that; it is called with no lock
 * held, after every few thousand. -ENOMEM: not all were asked.
 */
int ovl_ask_write_back(struct ovl_tree *t, void (*sent)(void *arg), void *arg);
/*
 * Seals the present state under a name and goes on in a new head; any number of
 * verbs may be under way, they wait. What a client has in its own cache only is
 * not in it. -EEXIST: the name is taken.
 */
int ovl_snapshot(struct ovl_tree *t, const char *name, struct vn_err *err);
/*
 * Goes back to a snapshot; all that came later is discarded. Clients drop their
 * caches and look names up anew; what they had open answers ESTALE. -EBUSY: a
 * client cannot be told. -ENOENT: no such snapshot.
 */
int ovl_rollback(struct ovl_tree *t, const char *name, struct vn_err *err);
/* Deletes a snapshot: what it holds goes to its neighbours. -ENOENT; -EBUSY: another upper's. */
int ovl_snapshot_delete(struct ovl_tree *t, const char *name, struct vn_err *err);

/* ---- suspending a client ---- */

struct vn_fs_session;

/* A hash of what nodeids mean here: the upper's identity and the lowers' fingerprints. 0 or -errno. */
int ovl_identity(struct ovl_tree *t, uint64_t *out);

/*
 * Every node that a session holds: its nodeid, its lookups, and the base path
 * that it can be found by when it has no row (NULL else). fn returns non-zero to
 * stop, which is returned. No verb of the session is under way.
 */
typedef int (*ovl_held_fn)(void *arg, uint64_t nodeid, uint64_t lookups, const char *path, size_t len);
int ovl_session_held(struct vn_fs_session *s, ovl_held_fn fn, void *arg);
/* Makes a session hold a node again. -ESTALE: the nodeid means nothing here, or another object. */
int ovl_session_hold(struct vn_fs_session *s, uint64_t nodeid, uint64_t lookups, const char *path, size_t len);

/* ---- what changed ---- */

enum ovl_change_kind {
	OVL_ADDED = 'A',
	OVL_MODIFIED = 'M', /* content (or link target, device number) */
	OVL_META = 'm',     /* only owner, mode, times, xattrs, flags */
	OVL_DELETED = 'D',
	OVL_RENAMED = 'R',  /* old_path; `also_modified`/`also_meta` when more than the name changed */
};

struct ovl_change {
	enum ovl_change_kind kind;
	const char *path;     /* without leading '/' */
	const char *old_path; /* OVL_RENAMED, else NULL */
	bool also_modified, also_meta;
	uint32_t type;        /* DT_* */
	uint64_t size;
};

typedef int (*ovl_change_fn)(void *arg, const struct ovl_change *c);
/*
 * Every difference between the tree and its base, sorted by path. Costs the
 * number of changes, not the size of the tree. fn returns non-zero to stop.
 */
int ovl_diff(struct ovl_tree *t, ovl_change_fn fn, void *arg, struct vn_err *err);
/*
 * The same between two states of one writable layer, each opened read-only, at
 * least the older one at a snapshot; in either direction. What went with its
 * directory is not told one by one. Costs the changes between them.
 */
int ovl_diff_between(struct ovl_tree *from, struct ovl_tree *to, ovl_change_fn fn, void *arg, struct vn_err *err);

/* ---- verification ---- */

/*
 * Compares what the layer's rows stand on with the lower directories as they are
 * now (the store's own check is store_check()). Returns the number of problems, or
 * a negative errno when it could not look. `problem` may be NULL.
 */
typedef void (*ovl_problem_fn)(void *arg, const char *sentence);
int ovl_check(struct ovl_tree *t, ovl_problem_fn problem, void *arg);

/*
 * Compares the lowers' fingerprints (their root directories) with the recorded
 * ones, which ovl_open() refuses unless it is told to accept changes. As ovl_check().
 */
int ovl_check_lowers(struct ovl_tree *t, ovl_problem_fn problem, void *arg);

/* ---- deep verification: everything is walked and read ---- */

/* The fingerprint of an object: what a faithful copy of it keeps. */
struct ovl_print {
	uint8_t flags;        /* OVL_PRINT_* */
	uint32_t mode;        /* with the type */
	uint32_t uid, gid;
	uint64_t rdev;        /* major << 32 | minor */
	uint64_t size;        /* regular files and symlinks */
	int64_t mtime;        /* ns */
	uint64_t xattrs;      /* sums of XXH3-64: attributes that everybody sees alike; */
	uint64_t held_xattrs; /* those that depend on who looks */
	uint64_t contents;    /* XXH3-64 of a file's bytes, or of a symlink's target */
};

#define OVL_PRINT_UNREAD (1u << 0) /* the contents are not known */
#define OVL_PRINT_MOUNT (1u << 1)  /* another file system is mounted there: nothing else is known */

/* Where an object lies. The numbers are those of the file format. */
enum ovl_place {
	OVL_PLACE_LOWER = 0,
	OVL_PLACE_SNAPSHOT = 1, /* a sealed delta */
	OVL_PLACE_HEAD = 2,     /* data files of the writable layer */
};

/* What differs. */
#define OVL_DIFFERS_MISSING (1u << 0)
#define OVL_DIFFERS_ADDED (1u << 1)
#define OVL_DIFFERS_TYPE (1u << 2)
#define OVL_DIFFERS_CONTENTS (1u << 3)
#define OVL_DIFFERS_SIZE (1u << 4)
#define OVL_DIFFERS_MODE (1u << 5)
#define OVL_DIFFERS_OWNER (1u << 6)
#define OVL_DIFFERS_DEVICE (1u << 7)
#define OVL_DIFFERS_MTIME (1u << 8)
#define OVL_DIFFERS_XATTRS (1u << 9)
#define OVL_DIFFERS_SINCE (1u << 10)  /* without a record: its times are newer than the layer */
#define OVL_DIFFERS_UNREAD (1u << 11) /* it cannot be read: `error` */

struct ovl_difference {
	enum ovl_place place;
	const char *where;  /* a lower's path, a snapshot's name, the upper */
	const char *path;   /* below it; "": itself */
	const char *file;   /* of a data file: the path in the tree that it belongs to; NULL: none, or not known */
	unsigned what;      /* OVL_DIFFERS_* */
	int error;          /* -errno */
	struct ovl_print was, now; /* where they are known */
};

struct ovl_deep_totals {
	uint64_t objects, bytes; /* looked at, read */
	uint64_t unread;         /* may not be read by this user */
	size_t place, places;    /* the one that is being walked, from 1 */
};

enum ovl_record_state {
	OVL_RECORD_NONE,
	OVL_RECORD_USED,
	OVL_RECORD_DAMAGED, /* not usable; `problem` was told why */
};

struct ovl_deep {
	/* Every difference, in the order of the walk. 0, or what ends the walk. */
	int (*difference)(void *arg, const struct ovl_difference *d);
	ovl_problem_fn problem; /* what is no object's */
	void (*progress)(void *arg, const struct ovl_deep_totals *now); /* often; NULL allowed */
	void *arg;
	bool served;            /* a server writes to the head's data files: they are left out */
	/* filled in */
	struct ovl_deep_totals totals;
	enum ovl_record_state record;
	int64_t since;          /* ns: when the record was made, else the layer; 0: not known */
	bool other_viewer;      /* the record is another user's: owners and trusted attributes were not compared */
	unsigned newer;         /* snapshots that are newer than the record */
};

/*
 * Keeps the fingerprints of all that lies in the lowers, in the snapshots and in
 * the head's data files, in the upper's file `record`; the lowers are accepted as
 * they are now. Only what cannot be read is a difference. Writes that file alone, so a
 * tree that is opened read-only will do.
 */
int ovl_record(struct ovl_tree *t, struct ovl_deep *d, struct vn_err *err);
/* Walks the same and compares. Without a record: tells what is newer than the layer or cannot be read. */
int ovl_deep(struct ovl_tree *t, struct ovl_deep *d, struct vn_err *err);

#endif
