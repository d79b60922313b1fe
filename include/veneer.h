// SPDX-License-Identifier: Apache-2.0
/*
 * libveneer: a layered file system in user space, for programs that embed it.
 *
 * Read-only lower directories and one writable layer are shown as a single
 * Linux tree; a virtual machine monitor hands the FUSE requests of its guest's
 * virtio-fs device to veneer_dispatch() and gets the replies.
 *
 * Conventions. Functions that can fail return 0 (or a count) or a negative
 * errno; where they take a struct veneer_error * (may be NULL), it holds one
 * sentence for a person after a failure. Strings are NUL-terminated and
 * borrowed for the call. What a function named _open or _new returns belongs to
 * the caller until the matching _close or _free; on failure *out is not
 * written. Functions may be called from any thread unless they say otherwise.
 * Besides the errors that are named, everything may fail with -ENOMEM, and what
 * writes with -ENOSPC, -EDQUOT or -EIO of the disk.
 *
 * Versions. Every struct that the caller fills starts with `size`, which is
 * sizeof of the struct as the caller was compiled (of a veneer_virtual, which
 * comes in arrays, veneer_config has it); later versions add members at the end
 * and treat those that are absent as 0. So set what you do not use to 0: -EINVAL
 * is the answer to a size that cannot be, and to flags that are not known.
 *
 * Order. veneer_open, then any number of sessions, each with its requests; every
 * session is freed before veneer_close. Fork before veneer_open, not after:
 * the library has threads of its own (none of them on the path of a request).
 */
#ifndef VENEER_H
#define VENEER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define VENEER_API __attribute__((visibility("default")))
#else
#define VENEER_API
#endif

struct veneer;         /* an opened tree */
struct veneer_session; /* one client of it: a guest */

/* One sentence that names the thing, says what is wrong and what to do. */
struct veneer_error {
	char text[512];
};

/* The library's version, "MAJOR.MINOR.PATCH"; a constant string that is never freed. */
VENEER_API const char *veneer_version(void);

/* ---- opening a tree ---- */

/*
 * A file that stands above every layer; no whiteout hides it and nothing changes
 * it. Exactly one of host_file, bytes, read says where its content is.
 */
struct veneer_virtual {
	const char *path;      /* in the tree, e.g. "/init.krun"; missing directories on the way appear, too */
	const char *host_file; /* a regular file, copied when the tree is opened */
	const void *bytes;     /* `length` bytes, copied; not NULL even when there are none */
	/* Called from any thread: writes at most `size` bytes, returns how many, 0 at the end, or a negative errno. */
	ssize_t (*read)(void *arg, uint64_t offset, void *buf, size_t size);
	void *arg;
	uint64_t length;       /* of bytes, or of what read gives */
	uint32_t mode;         /* permission bits; 0: 0444, or 0555 for an executable host file */
	uint32_t one_shot;     /* 1: the first lookup finds it, later ones do not */
	/*
	 * With read: 1: the content changes. It is taken anew, at most `length` bytes,
	 * each time the file is looked at, and the reads that follow see that state.
	 */
	uint32_t live;
};

#define VENEER_READONLY (1u << 0)        /* change nothing */
#define VENEER_CREATE (1u << 1)          /* make the upper directory if it is missing */
#define VENEER_VOLATILE (1u << 2)        /* flush nothing; an upper that was not closed is refused afterwards */
#define VENEER_NOACL (1u << 3)           /* no POSIX ACLs */
#define VENEER_ACCEPT_CHANGED (1u << 4)  /* open although a lower is not what the upper was made over */

struct veneer_config {
	size_t size;                /* sizeof(struct veneer_config) */
	const char *const *lowers;  /* directories, top first */
	size_t nlowers;             /* 0: those that the upper has recorded */
	const char *upper;          /* NULL: a read-only tree */
	uint32_t flags;             /* VENEER_* */
	uint32_t commit_seconds;    /* at most this much is lost by a power cut; 0: 5 */
	const struct veneer_virtual *virtuals; /* at most 1022, with the directories that they need */
	size_t nvirtuals;
	/*
	 * A directory (made if it is missing) with views of lowers that do not change: a
	 * tree that finds one of its own reads no lower directory, one that finds none
	 * makes it in quiet moments, for the next. NULL: the view in the upper, if there is one.
	 */
	const char *base_cache;
	size_t virtual_size;        /* sizeof(struct veneer_virtual); 0: that of this version */
};

/*
 * Opens a tree, and brings an upper that was not closed (a crash) up to date
 * first. The sentence names the directory or file, and what to do.
 *	-ENOENT, -ENOTDIR, -EACCES  a layer, or the host file of a virtual one, is not there or cannot be read
 *	-EINVAL                     the configuration makes no sense
 *	-EEXIST                     two virtual files at one path
 *	-EBUSY                      another process serves the upper
 *	-ESTALE                     a lower is not what the upper was made over (VENEER_ACCEPT_CHANGED)
 *	-ENOTUNIQ                   an upper that is listed as a lower does not fit what is behind it
 *	-EUCLEAN                    the upper is damaged (see `veneer check`), or volatile and was not closed
 *	-ENOTEMPTY                  a directory that is no upper and not empty was given as one
 *	-EPROTONOSUPPORT            the upper was written by a later version
 *	-EMFILE                     there are more layers than files may be open
 *	-EOPNOTSUPP                 a lower uses what cannot be shown (metacopy)
 */
VENEER_API int veneer_open(const struct veneer_config *config, struct veneer **out, struct veneer_error *error);

/*
 * Makes all changes durable and frees the tree. Every session has been freed.
 * The first failure to write is returned; the tree is gone either way.
 */
VENEER_API int veneer_close(struct veneer *v);

/* ---- serving a client ---- */

/*
 * What a client has to be told or done for; each may be NULL. notify may be
 * called from any thread, also from within veneer_dispatch(), with locks of the
 * library held: it must not block and must not call the library.
 */
struct veneer_callbacks {
	size_t size; /* sizeof(struct veneer_callbacks) */
	void *arg;
	/*
	 * A FUSE notification (struct fuse_out_header and what follows) for a client
	 * that has a channel for them. Without it, other sessions' changes reach this
	 * client when its timeouts end: give veneer_session_config finite ones.
	 */
	void (*notify)(void *arg, const void *message, size_t length);
	/*
	 * DAX: map `length` bytes of fd from fd_offset at window_offset of the
	 * client's window; writable: shared and for writing. fd belongs to the library
	 * and stays valid during the call only. 0 or a negative errno.
	 */
	int (*map)(void *arg, uint64_t window_offset, uint64_t length, int fd, uint64_t fd_offset, int writable);
	/* Takes away what is mapped there, or nothing where nothing is. 0 or a negative errno. */
	int (*unmap)(void *arg, uint64_t window_offset, uint64_t length);
	uint64_t window_size; /* bytes of the window, whole pages; 0: there is none, and map and unmap are not called */
	/*
	 * The guest's first process tells the exit status of its command, 0 to 255
	 * as a shell has it (the ioctl 0x7602 on the root directory, as libkrun's
	 * guests make it; any process of the guest can). Called within veneer_dispatch().
	 */
	void (*exit_status)(void *arg, int status);
};

struct veneer_session_config {
	size_t size;               /* sizeof(struct veneer_session_config) */
	/*
	 * Tells clients apart: what was unlinked while a client had it open is kept
	 * under its id. The same after a restart of this program under a client that
	 * lives on; unlike that of every other session of the tree. 0: 1.
	 */
	uint64_t id;
	uint32_t entry_timeout_s;  /* how long a client may keep names and attributes; 0: not at all; UINT32_MAX: for ever */
	uint32_t writeback;        /* 1: the client may cache writes; it is the tree's only session then */
	uint32_t outlives;         /* 1: the client outlives this process and comes back with its inode numbers */
};

/*
 * Begins a session. config and callbacks may be NULL: id 1, everything cached
 * for ever, nobody told. Both are copied. -EEXIST: a session with this id lives;
 * -EBUSY: there is one that caches writes, or this one is to and is not alone.
 */
VENEER_API int veneer_session_new(struct veneer *v, const struct veneer_session_config *config,
				  const struct veneer_callbacks *callbacks, struct veneer_session **out);
/*
 * Ends it; NULL is allowed. No veneer_dispatch() of it is running. keep: the
 * client lives on and will be back under the same id (outlives): what it holds is
 * not given back.
 */
VENEER_API void veneer_session_free(struct veneer_session *s, int keep);

/*
 * Carries one FUSE request out: `in` is the request as the client sent it
 * (struct fuse_in_header first), `out` is room for the reply. Returns the length
 * of the reply in `out`, 0 when the request has none (FORGET), or -EINVAL when
 * not even a header could be read or there is no room for one. Malformed
 * requests get an error reply and change nothing. Data is moved straight between
 * the iovecs and the files. Runs in the calling thread and may block on disk.
 */
VENEER_API ssize_t veneer_dispatch(struct veneer_session *s, const struct iovec *in, int nin,
				   const struct iovec *out, int nout);

/* ---- suspending a client ---- */

/*
 * Writes what a session must remember of its client (what INIT agreed, the
 * inode numbers it holds) to *state, malloc()ed, for veneer_session_restore() in
 * this or another process over the same upper; the caller frees it. The
 * changes of the tree are flushed. No request is under way. End the session
 * with keep afterwards.
 */
VENEER_API int veneer_session_save(struct veneer_session *s, void **state, size_t *length);
/*
 * Makes a new session that goes on where the saved one was: its nodeids are
 * valid, and no INIT is needed. config has the id of then. -EINVAL: damaged or of
 * an unknown version; -ESTALE: of another tree; -EEXIST, -EBUSY as for
 * veneer_session_new(). State of another kind of machine counts as damaged.
 */
VENEER_API int veneer_session_restore(struct veneer *v, const struct veneer_session_config *config,
				      const struct veneer_callbacks *callbacks, const void *state, size_t length,
				      struct veneer_session **out, struct veneer_error *error);

/* ---- snapshots ---- */

/*
 * Freezes the present state under a name, while the tree is in use; copies no
 * data. What a client still has in its own cache is not in it. The name has 1 to
 * 255 bytes without '/', '@' and control characters (-EINVAL). -EEXIST: there is
 * one; -EROFS: the tree has no writable layer; -EBUSY: a client has files mapped
 * for writing in its DAX window, whose stores would go on changing them.
 */
VENEER_API int veneer_snapshot(struct veneer *v, const char *name, struct veneer_error *error);
/*
 * Goes back to a snapshot; what came later, newer snapshots too, is discarded.
 * Names are looked up anew, and what a client had open answers ESTALE. -EBUSY: a
 * client cannot be told (it has no notify and caches for longer than a minute);
 * -ENOENT: no such snapshot; -EROFS: the tree has no writable layer.
 */
VENEER_API int veneer_rollback(struct veneer *v, const char *name, struct veneer_error *error);

struct veneer_snapshot_info {
	const char *name;    /* borrowed for the call */
	int64_t time_ns;     /* when it was sealed, since the epoch */
	uint64_t inodes, bytes;
};
/*
 * Calls fn for every snapshot, newest first; fn returns non-zero to stop, which is
 * returned. fn must not call the library. Without an upper there are none.
 */
VENEER_API int veneer_log(struct veneer *v, int (*fn)(void *arg, const struct veneer_snapshot_info *info), void *arg);

/*
 * Applies and flushes everything: another process that reads the index sees the
 * present state, and a power cut loses nothing of it.
 */
VENEER_API int veneer_sync(struct veneer *v);

#ifdef __cplusplus
}
#endif

#endif
