// SPDX-License-Identifier: Apache-2.0
/*
 * The table of file system verbs: the only face between src/fuse (which
 * decodes requests and replies) and the file systems (src/overlay).
 *
 * Rules that hold for every verb
 *
 * - Arguments are plain C: no request, no reply, no opcode. A verb returns 0 or
 *   a count, or a negative errno; outputs are written only on success.
 * - `node` is a nodeid that the file system handed out in a vn_entry; 1 is the
 *   root. A nodeid that is unknown or outdated answers -ESTALE.
 * - Names are C strings of 1..255 bytes without '/', never "." or ".."; the
 *   dispatcher has checked them. Any other byte may occur.
 * - Verbs may be called from any thread, any number at once. A verb may wait for a
 *   disk, never for a client.
 * - A successful verb that fills a vn_entry has counted one lookup for the
 *   calling session; vn_fs_ops.forget takes it back.
 * - Permission is checked by the client (FUSE default_permissions); verbs check
 *   what a client cannot know (virtual files, immutable and append-only flags).
 * - Times are nanoseconds since the epoch (int64_t), sizes and offsets bytes.
 */
#ifndef VN_BASE_FS_H
#define VN_BASE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct vn_fs;
struct vn_fs_session; /* what a file system keeps for one session */

#define VN_NODE_ROOT UINT64_C(1)
#define VN_NAME_MAX 255
#define VN_XATTR_NAME_MAX 255
#define VN_XATTR_SIZE_MAX 65536
#define VN_SYMLINK_MAX 4095

/* Who asks. The pointers are borrowed for the call. */
struct vn_ctx {
	struct vn_fs_session *session; /* of this file system; never NULL */
	uint64_t unique;               /* the request's identity within the session, 0: none */
	uint32_t uid, gid, pid;
	uint32_t umask;                /* already applied to `mode` unless the verb says so */
	const uint32_t *groups;        /* supplementary groups, if the client sent them */
	size_t ngroups;
};

struct vn_attr {
	uint64_t ino;    /* what stat shows */
	uint64_t size;   /* bytes */
	uint64_t blocks; /* of 512 bytes */
	int64_t atime, mtime, ctime, btime;
	uint32_t mode;   /* type and permission bits */
	uint32_t nlink;
	uint32_t uid, gid;
	uint32_t rdev_major, rdev_minor;
	uint32_t blksize;
	uint32_t flags;  /* FS_APPEND_FL, FS_IMMUTABLE_FL as in FS_IOC_GETFLAGS */
};

struct vn_entry {
	uint64_t node;       /* nodeid, never 0 */
	uint64_t generation; /* with node, unique for the life of the file system */
	bool volatile_attr;  /* attributes must not be cached (a file that another party changes) */
	struct vn_attr attr;
};

/* vn_setattr.valid */
#define VN_SET_MODE (1u << 0)
#define VN_SET_UID (1u << 1)
#define VN_SET_GID (1u << 2)
#define VN_SET_SIZE (1u << 3)
#define VN_SET_ATIME (1u << 4)
#define VN_SET_MTIME (1u << 5)
#define VN_SET_ATIME_NOW (1u << 6)
#define VN_SET_MTIME_NOW (1u << 7)
#define VN_SET_CTIME (1u << 8)         /* a write-back client's own ctime */
#define VN_SET_KILL_SUIDGID (1u << 9)  /* clear S_ISUID, and S_ISGID where group-executable */

struct vn_setattr {
	uint32_t valid;
	uint32_t mode; /* permission bits; the type is ignored */
	uint32_t uid, gid;
	uint64_t size;
	int64_t atime, mtime, ctime;
};

struct vn_statfs {
	uint64_t blocks, bfree, bavail; /* in units of bsize */
	uint64_t files, ffree;
	uint32_t bsize, frsize, namelen;
};

/* One entry of a listing. */
struct vn_dirent {
	const char *name; /* borrowed, not NUL terminated */
	size_t namelen;
	uint64_t ino;     /* equals st_ino */
	uint32_t type;    /* DT_* */
	uint64_t cookie;  /* listing goes on behind this entry; never 0, never above INT64_MAX */
	const struct vn_entry *entry; /* for readdirplus; NULL for "." and ".." and plain listings */
};

/*
 * Takes one entry. Returns 0 when the entry was taken, 1 when there is no room:
 * the verb then stops and counts no lookup for that entry.
 */
typedef int (*vn_dirent_fn)(void *arg, const struct vn_dirent *d);

/* flags of create */
#define VN_CREATE_EXCL (1u << 0) /* an existing name is -EEXIST */
#define VN_CREATE_TRUNC (1u << 1) /* an existing regular file is truncated */
/* flags of write */
#define VN_WRITE_CACHE (1u << 0) /* late write-back from the client's page cache: no owner */
#define VN_WRITE_KILL_SUIDGID (1u << 1)
#define VN_WRITE_APPEND (1u << 2) /* O_APPEND: the offset is the client's idea of the end */
/* flags of setxattr: those of setxattr(2) of Linux, and */
#define VN_XATTR_CREATE (1u << 0)
#define VN_XATTR_REPLACE (1u << 1)
#define VN_XATTR_KILL_SGID (1u << 8) /* setting an access ACL clears S_ISGID */
/* flags of rename: RENAME_NOREPLACE 1, RENAME_EXCHANGE 2, RENAME_WHITEOUT 4 */

/* What OPEN gives back where a file system has per-open state. */
struct vn_open {
	uint64_t fh;
};

/*
 * Notices from a file system to a session: what its client must drop from its
 * caches. Called with locks of the tree held, so an implementation only queues;
 * it never blocks and never calls a verb.
 */
struct vn_notify {
	void *arg;
	/* off 0, len 0: data and attributes; off < 0: attributes only */
	void (*inval_inode)(void *arg, uint64_t node, int64_t off, int64_t len);
	void (*inval_entry)(void *arg, uint64_t parent, const char *name, size_t namelen);
	/* the name is gone and child was what it named */
	void (*delete_entry)(void *arg, uint64_t parent, uint64_t child, const char *name, size_t namelen);
	/* every name that the client knows is outdated (rollback) */
	void (*inval_all)(void *arg);
};

struct vn_session_config {
	uint64_t id;       /* identity for the journal's record headers, stable over a server restart; never 0 */
	bool outlives;     /* the client outlives the server (VMs): nodeids it holds must be recorded */
	bool writeback;    /* the client caches writes: its times win */
	bool expires;      /* what the client caches ends by itself soon: it need not be told */
	struct vn_notify notify; /* callbacks may be NULL: the client cannot be told */
};

/* A range of a host file that holds a file's bytes. */
struct vn_range {
	int fd; /* borrowed until unmap */
	uint64_t offset, length;
};

struct vn_fs_ops {
	/*
	 * session_new: begins a session; *out is passed in every vn_ctx.
	 * session_reset: the client starts anew (a second INIT): all its lookups are
	 * dropped. session_free: the same, and the session ends; when `keep`, the
	 * client lives on and will come back with its nodeids (same config.id).
	 */
	int (*session_new)(struct vn_fs *fs, const struct vn_session_config *config, struct vn_fs_session **out);
	void (*session_reset)(struct vn_fs *fs, struct vn_fs_session *session);
	void (*session_free)(struct vn_fs *fs, struct vn_fs_session *session, bool keep);

	int (*lookup)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name,
		      struct vn_entry *out);
	/* Takes back n lookups; more than were counted is clamped, an unknown node ignored. */
	void (*forget)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t n);
	/* One more lookup of a node by its number, for clients that ask (NFS export). Optional: NULL is -ENOSYS. */
	int (*self)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, struct vn_entry *out);
	/* "..", for clients that ask (NFS export); -ENOENT above the root. */
	int (*parent)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, struct vn_entry *out);
	int (*getattr)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, struct vn_attr *out);
	int (*setattr)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, const struct vn_setattr *set,
		       struct vn_attr *out);
	/* Writes at most size bytes, no NUL; returns the length. */
	ssize_t (*readlink)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, char *buf, size_t size);

	/*
	 * mode has its type; the client sends it with the umask not applied when the
	 * parent may have a default ACL (DONT_MASK): then ctx->umask is the umask to
	 * apply unless a default ACL says otherwise. These five inherit S_ISGID and
	 * default ACLs.
	 */
	int (*mknod)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name, uint32_t mode,
		     uint32_t rdev_major, uint32_t rdev_minor, struct vn_entry *out);
	int (*mkdir)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name, uint32_t mode,
		     struct vn_entry *out);
	int (*create)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name, uint32_t mode,
		      uint32_t flags, struct vn_entry *out);
	int (*tmpfile)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, uint32_t mode,
		       struct vn_entry *out);
	int (*symlink)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name,
		       const char *target, struct vn_entry *out);
	int (*link)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t parent, const char *name,
		    struct vn_entry *out);
	int (*unlink)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name);
	int (*rmdir)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name);
	int (*rename)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t parent, const char *name,
		      uint64_t newparent, const char *newname, uint32_t flags);

	/* Optional (NULL: there is no per-open state, OPEN is answered ENOSYS). */
	int (*open)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint32_t flags, struct vn_open *out);
	void (*release)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t fh);

	/*
	 * FUSE passthrough: the host file that has exactly this file's bytes now, and can be read by
	 * anybody any number of times without changing. *fd is the caller's to close; fd NULL only
	 * asks. -ENOTSUP: there is none. Optional.
	 */
	int (*backing)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, int *fd);

	/* Short only at the end of the file. The bytes go from the data file into iov directly. */
	ssize_t (*read)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off,
			const struct iovec *iov, int iovcnt);
	ssize_t (*write)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off,
			 const struct iovec *iov, int iovcnt, uint32_t flags);
	/* Also of directories. datasync: times may stay behind. */
	int (*fsync)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, bool datasync);
	int (*syncfs)(struct vn_fs *fs, const struct vn_ctx *ctx);
	/* mode: FALLOC_FL_* of fallocate(2). */
	int (*fallocate)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint32_t mode, uint64_t off,
			 uint64_t len);
	/* whence: SEEK_DATA or SEEK_HOLE only. Returns the offset. */
	int64_t (*lseek)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, int64_t off, int whence);
	ssize_t (*copy_file_range)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node_in, uint64_t off_in,
				   uint64_t node_out, uint64_t off_out, size_t len, uint32_t flags);

	/*
	 * Starts behind cookie (0: from the start, "." and ".." included). An entry
	 * that exists during the whole listing comes exactly once. Returns 0 at the
	 * end of the directory and when `fn` had no room.
	 */
	int (*readdir)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t cookie, bool plus,
		       vn_dirent_fn fn, void *arg);

	int (*setxattr)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, const char *name,
			const void *value, size_t size, uint32_t flags);
	/* size 0 asks for the length; -ERANGE when it does not fit. */
	ssize_t (*getxattr)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, const char *name, void *buf,
			    size_t size);
	ssize_t (*listxattr)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, char *buf, size_t size);
	int (*removexattr)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, const char *name);

	int (*statfs)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, struct vn_statfs *out);
	/*
	 * FS_IOC_GETFLAGS, SETFLAGS, FSGETXATTR, FSSETXATTR and what the file system
	 * knows besides; unknown ones -ENOTTY. Writes at most outsize bytes to out and
	 * returns how many; *result is the ioctl's own value.
	 */
	ssize_t (*ioctl)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint32_t cmd, const void *in,
			 size_t insize, void *out, size_t outsize, int *result);

	/*
	 * DAX. map: the host file range that holds [off, off+len) of the file;
	 * writable maps make the data file full first. unmap gives the range back.
	 * Either NULL: -ENOSYS.
	 */
	int (*map)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off, uint64_t len,
		   bool writable, struct vn_range *out);
	void (*unmap)(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off, uint64_t len);
};

/* Embedded at the head of each file system's own struct. */
struct vn_fs {
	const struct vn_fs_ops *ops;
};

#endif
