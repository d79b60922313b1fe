// SPDX-License-Identifier: Apache-2.0
/*
 * The FUSE wire protocol, version 7.27 to 7.45, as the kernel's ABI lays it down.
 *
 * A request is a struct fuse_in_header, the operation's fixed arguments, its names
 * (each with its NUL), then a payload, then extensions. A reply is a struct
 * fuse_out_header, then fixed results, then a payload. Everything is in the byte
 * order of the client; structures are multiples of eight bytes and have no holes.
 * The prefix fuse_ is kept for these structures, so that one sees what is wire.
 */
#ifndef VF_PROTOCOL_H
#define VF_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#define FUSE_MAJOR 7
#define FUSE_MINOR_NEWEST 45
#define FUSE_MINOR_OLDEST 27 /* what we still answer */
#define FUSE_ROOT_ID 1

/* ---- opcodes ---- */

enum fuse_opcode {
	FUSE_LOOKUP = 1,
	FUSE_FORGET = 2,
	FUSE_GETATTR = 3,
	FUSE_SETATTR = 4,
	FUSE_READLINK = 5,
	FUSE_SYMLINK = 6,
	FUSE_MKNOD = 8,
	FUSE_MKDIR = 9,
	FUSE_UNLINK = 10,
	FUSE_RMDIR = 11,
	FUSE_RENAME = 12,
	FUSE_LINK = 13,
	FUSE_OPEN = 14,
	FUSE_READ = 15,
	FUSE_WRITE = 16,
	FUSE_STATFS = 17,
	FUSE_RELEASE = 18,
	FUSE_FSYNC = 20,
	FUSE_SETXATTR = 21,
	FUSE_GETXATTR = 22,
	FUSE_LISTXATTR = 23,
	FUSE_REMOVEXATTR = 24,
	FUSE_FLUSH = 25,
	FUSE_INIT = 26,
	FUSE_OPENDIR = 27,
	FUSE_READDIR = 28,
	FUSE_RELEASEDIR = 29,
	FUSE_FSYNCDIR = 30,
	FUSE_GETLK = 31,
	FUSE_SETLK = 32,
	FUSE_SETLKW = 33,
	FUSE_ACCESS = 34,
	FUSE_CREATE = 35,
	FUSE_INTERRUPT = 36,
	FUSE_BMAP = 37,
	FUSE_DESTROY = 38,
	FUSE_IOCTL = 39,
	FUSE_POLL = 40,
	FUSE_NOTIFY_REPLY = 41,
	FUSE_BATCH_FORGET = 42,
	FUSE_FALLOCATE = 43,
	FUSE_READDIRPLUS = 44,
	FUSE_RENAME2 = 45,
	FUSE_LSEEK = 46,
	FUSE_COPY_FILE_RANGE = 47,
	FUSE_SETUPMAPPING = 48,
	FUSE_REMOVEMAPPING = 49,
	FUSE_SYNCFS = 50,
	FUSE_TMPFILE = 51,
	FUSE_STATX = 52,
	FUSE_COPY_FILE_RANGE_64 = 53,
	FUSE_OPCODE_END = 54,

	CUSE_INIT = 4096,
};

/* Notices: sent by the server with unique 0 and the code in fuse_out_header.error. */
enum fuse_notify_code {
	FUSE_NOTIFY_POLL = 1,
	FUSE_NOTIFY_INVAL_INODE = 2,
	FUSE_NOTIFY_INVAL_ENTRY = 3,
	FUSE_NOTIFY_STORE = 4,
	FUSE_NOTIFY_RETRIEVE = 5,
	FUSE_NOTIFY_DELETE = 6,
	FUSE_NOTIFY_RESEND = 7,    /* 7.41: send again what is unanswered; no body */
	FUSE_NOTIFY_INC_EPOCH = 8, /* 7.44: every dentry is looked up again; no body */
	FUSE_NOTIFY_PRUNE = 9,     /* 7.45: drop inodes that nobody uses */
};

/* ---- headers ---- */

struct fuse_in_header {
	uint32_t len; /* of everything, this header included */
	uint32_t opcode;
	uint64_t unique; /* even; odd for an INTERRUPT of unique - 1 */
	uint64_t nodeid;
	uint32_t uid, gid, pid;
	uint16_t total_extlen; /* extensions at the end, in units of eight bytes */
	uint16_t padding;
};

struct fuse_out_header {
	uint32_t len;
	int32_t error; /* 0 or -errno; a positive notify code when unique is 0 */
	uint64_t unique;
};

#define FUSE_UNIQUE_RESEND (UINT64_C(1) << 63) /* the client sends this one a second time */

/* ---- INIT ---- */

#define FUSE_ASYNC_READ (UINT64_C(1) << 0)
#define FUSE_POSIX_LOCKS (UINT64_C(1) << 1)
#define FUSE_FILE_OPS (UINT64_C(1) << 2)
#define FUSE_ATOMIC_O_TRUNC (UINT64_C(1) << 3)
#define FUSE_EXPORT_SUPPORT (UINT64_C(1) << 4)
#define FUSE_BIG_WRITES (UINT64_C(1) << 5)
#define FUSE_DONT_MASK (UINT64_C(1) << 6)
#define FUSE_SPLICE_WRITE (UINT64_C(1) << 7)
#define FUSE_SPLICE_MOVE (UINT64_C(1) << 8)
#define FUSE_SPLICE_READ (UINT64_C(1) << 9)
#define FUSE_FLOCK_LOCKS (UINT64_C(1) << 10)
#define FUSE_HAS_IOCTL_DIR (UINT64_C(1) << 11)
#define FUSE_AUTO_INVAL_DATA (UINT64_C(1) << 12)
#define FUSE_DO_READDIRPLUS (UINT64_C(1) << 13)
#define FUSE_READDIRPLUS_AUTO (UINT64_C(1) << 14)
#define FUSE_ASYNC_DIO (UINT64_C(1) << 15)
#define FUSE_WRITEBACK_CACHE (UINT64_C(1) << 16)
#define FUSE_NO_OPEN_SUPPORT (UINT64_C(1) << 17)
#define FUSE_PARALLEL_DIROPS (UINT64_C(1) << 18)
#define FUSE_HANDLE_KILLPRIV (UINT64_C(1) << 19)
#define FUSE_POSIX_ACL (UINT64_C(1) << 20)
#define FUSE_ABORT_ERROR (UINT64_C(1) << 21)
#define FUSE_MAX_PAGES (UINT64_C(1) << 22)
#define FUSE_CACHE_SYMLINKS (UINT64_C(1) << 23)
#define FUSE_NO_OPENDIR_SUPPORT (UINT64_C(1) << 24)
#define FUSE_EXPLICIT_INVAL_DATA (UINT64_C(1) << 25)
#define FUSE_MAP_ALIGNMENT (UINT64_C(1) << 26)
#define FUSE_SUBMOUNTS (UINT64_C(1) << 27)
#define FUSE_HANDLE_KILLPRIV_V2 (UINT64_C(1) << 28)
#define FUSE_SETXATTR_EXT (UINT64_C(1) << 29)
#define FUSE_INIT_EXT (UINT64_C(1) << 30) /* flags2 holds bits 32 and up */
#define FUSE_SECURITY_CTX (UINT64_C(1) << 32)
#define FUSE_HAS_INODE_DAX (UINT64_C(1) << 33)
#define FUSE_CREATE_SUPP_GROUP (UINT64_C(1) << 34)
#define FUSE_HAS_EXPIRE_ONLY (UINT64_C(1) << 35)
#define FUSE_DIRECT_IO_ALLOW_MMAP (UINT64_C(1) << 36)
#define FUSE_PASSTHROUGH (UINT64_C(1) << 37)
#define FUSE_NO_EXPORT_SUPPORT (UINT64_C(1) << 38)
#define FUSE_HAS_RESEND (UINT64_C(1) << 39)
#define FUSE_ALLOW_IDMAP (UINT64_C(1) << 40)
#define FUSE_OVER_IO_URING (UINT64_C(1) << 41)
#define FUSE_REQUEST_TIMEOUT (UINT64_C(1) << 42)

struct fuse_init_in {
	uint32_t major, minor;
	uint32_t max_readahead;
	uint32_t flags;
	uint32_t flags2; /* 7.36; shorter clients end before this */
	uint32_t unused[11];
};
#define FUSE_INIT_IN_SHORT 16

struct fuse_init_out {
	uint32_t major, minor;
	uint32_t max_readahead;
	uint32_t flags;
	uint16_t max_background;
	uint16_t congestion_threshold;
	uint32_t max_write;
	uint32_t time_gran;
	uint16_t max_pages;
	uint16_t map_alignment; /* log2 */
	uint32_t flags2;
	uint32_t max_stack_depth;
	uint16_t request_timeout;
	uint16_t unused[11];
};

/* ---- attributes ---- */

struct fuse_attr {
	uint64_t ino, size, blocks;
	uint64_t atime, mtime, ctime;
	uint32_t atimensec, mtimensec, ctimensec;
	uint32_t mode, nlink, uid, gid;
	uint32_t rdev; /* new encoding: 12 bits of major between 20 bits of minor */
	uint32_t blksize;
	uint32_t flags;
};
#define FUSE_ATTR_SUBMOUNT (1u << 0)
#define FUSE_ATTR_DAX (1u << 1)

struct fuse_entry_out {
	uint64_t nodeid; /* 0: no such name, and the client may remember it */
	uint64_t generation;
	uint64_t entry_valid, attr_valid; /* seconds */
	uint32_t entry_valid_nsec, attr_valid_nsec;
	struct fuse_attr attr;
};

struct fuse_getattr_in {
	uint32_t getattr_flags;
	uint32_t dummy;
	uint64_t fh;
};

struct fuse_attr_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec;
	uint32_t dummy;
	struct fuse_attr attr;
};

struct fuse_setattr_in {
	uint32_t valid;
	uint32_t padding;
	uint64_t fh;
	uint64_t size;
	uint64_t lock_owner;
	uint64_t atime, mtime, ctime;
	uint32_t atimensec, mtimensec, ctimensec;
	uint32_t mode;
	uint32_t unused4;
	uint32_t uid, gid;
	uint32_t unused5;
};
#define FATTR_MODE (1u << 0)
#define FATTR_UID (1u << 1)
#define FATTR_GID (1u << 2)
#define FATTR_SIZE (1u << 3)
#define FATTR_ATIME (1u << 4)
#define FATTR_MTIME (1u << 5)
#define FATTR_FH (1u << 6)
#define FATTR_ATIME_NOW (1u << 7)
#define FATTR_MTIME_NOW (1u << 8)
#define FATTR_LOCKOWNER (1u << 9)
#define FATTR_CTIME (1u << 10)
#define FATTR_KILL_SUIDGID (1u << 11)

struct fuse_sx_time {
	int64_t tv_sec;
	uint32_t tv_nsec;
	int32_t reserved;
};

struct fuse_statx {
	uint32_t mask; /* STATX_* of statx(2) */
	uint32_t blksize;
	uint64_t attributes; /* STATX_ATTR_* */
	uint32_t nlink, uid, gid;
	uint16_t mode;
	uint16_t spare0;
	uint64_t ino, size, blocks;
	uint64_t attributes_mask;
	struct fuse_sx_time atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor;
	uint32_t dev_major, dev_minor;
	uint64_t spare2[14];
};

struct fuse_statx_in {
	uint32_t getattr_flags;
	uint32_t reserved;
	uint64_t fh;
	uint32_t sx_flags;
	uint32_t sx_mask;
};

struct fuse_statx_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec;
	uint32_t flags;
	uint64_t spare[2];
	struct fuse_statx stat;
};

struct fuse_statfs_out {
	uint64_t blocks, bfree, bavail, files, ffree;
	uint32_t bsize, namelen, frsize;
	uint32_t padding;
	uint32_t spare[6];
};

struct fuse_access_in {
	uint32_t mask;
	uint32_t padding;
};

/* ---- names ---- */

struct fuse_forget_in {
	uint64_t nlookup;
};

struct fuse_forget_one {
	uint64_t nodeid, nlookup;
};

struct fuse_batch_forget_in {
	uint32_t count; /* of struct fuse_forget_one that follow */
	uint32_t dummy;
};

struct fuse_mknod_in {
	uint32_t mode, rdev, umask;
	uint32_t padding;
};

struct fuse_mkdir_in {
	uint32_t mode, umask;
};

struct fuse_rename_in {
	uint64_t newdir;
};

struct fuse_rename2_in {
	uint64_t newdir;
	uint32_t flags;
	uint32_t padding;
};

struct fuse_link_in {
	uint64_t oldnodeid;
};

/* Of the flags of open(2) as the wire has them, those that are looked at (asm-generic/fcntl.h). */
#define FUSE_O_EXCL 00000200u
#define FUSE_O_TRUNC 00001000u
#define FUSE_O_APPEND 00002000u

struct fuse_create_in {
	uint32_t flags; /* of open(2) */
	uint32_t mode, umask;
	uint32_t open_flags;
};

/* Extensions, each padded to eight bytes; size counts this header. */
struct fuse_ext_header {
	uint32_t size;
	uint32_t type; /* 0..31: that many security contexts; FUSE_EXT_GROUPS */
};
#define FUSE_EXT_GROUPS 32

struct fuse_supp_groups {
	uint32_t nr_groups;
	uint32_t groups[];
};

/* ---- open files ---- */

struct fuse_open_in {
	uint32_t flags;
	uint32_t open_flags;
};
#define FUSE_OPEN_KILL_SUIDGID (1u << 0)

struct fuse_open_out {
	uint64_t fh;
	uint32_t open_flags;
	int32_t backing_id; /* with FOPEN_PASSTHROUGH */
};
#define FOPEN_DIRECT_IO (1u << 0)
#define FOPEN_KEEP_CACHE (1u << 1)
#define FOPEN_NONSEEKABLE (1u << 2)
#define FOPEN_CACHE_DIR (1u << 3)
#define FOPEN_STREAM (1u << 4)
#define FOPEN_NOFLUSH (1u << 5)
#define FOPEN_PARALLEL_DIRECT_WRITES (1u << 6)
#define FOPEN_PASSTHROUGH (1u << 7)

struct fuse_release_in {
	uint64_t fh;
	uint32_t flags, release_flags;
	uint64_t lock_owner;
};

struct fuse_flush_in {
	uint64_t fh;
	uint32_t unused, padding;
	uint64_t lock_owner;
};

struct fuse_fsync_in {
	uint64_t fh;
	uint32_t fsync_flags;
	uint32_t padding;
};
#define FUSE_FSYNC_FDATASYNC (1u << 0)

struct fuse_syncfs_in {
	uint64_t padding;
};

struct fuse_file_lock {
	uint64_t start, end;
	uint32_t type, pid;
};

struct fuse_lk_in {
	uint64_t fh, owner;
	struct fuse_file_lock lk;
	uint32_t lk_flags;
	uint32_t padding;
};

/* ---- data ---- */

struct fuse_read_in {
	uint64_t fh, offset;
	uint32_t size, read_flags;
	uint64_t lock_owner;
	uint32_t flags; /* of open(2) */
	uint32_t padding;
};

struct fuse_write_in {
	uint64_t fh, offset;
	uint32_t size, write_flags;
	uint64_t lock_owner;
	uint32_t flags; /* of open(2) */
	uint32_t padding;
};
#define FUSE_WRITE_CACHE (1u << 0)
#define FUSE_WRITE_LOCKOWNER (1u << 1)
#define FUSE_WRITE_KILL_SUIDGID (1u << 2)

struct fuse_write_out {
	uint32_t size;
	uint32_t padding;
};

struct fuse_fallocate_in {
	uint64_t fh, offset, length;
	uint32_t mode;
	uint32_t padding;
};

/* whence; on the wire, that is on Linux. macOS has the two the other way round. */
#define FUSE_SEEK_DATA 3
#define FUSE_SEEK_HOLE 4

struct fuse_lseek_in {
	uint64_t fh, offset;
	uint32_t whence;
	uint32_t padding;
};

struct fuse_lseek_out {
	uint64_t offset;
};

struct fuse_copy_file_range_in {
	uint64_t fh_in, off_in;
	uint64_t nodeid_out, fh_out, off_out;
	uint64_t len, flags;
};

/* The answer to COPY_FILE_RANGE_64; the older opcode answers a fuse_write_out. */
struct fuse_copy_file_range_out {
	uint64_t bytes_copied;
};

struct fuse_bmap_in {
	uint64_t block;
	uint32_t blocksize;
	uint32_t padding;
};

struct fuse_ioctl_in {
	uint64_t fh;
	uint32_t flags, cmd;
	uint64_t arg;
	uint32_t in_size, out_size;
};
#define FUSE_IOCTL_COMPAT (1u << 0)
#define FUSE_IOCTL_UNRESTRICTED (1u << 1)
#define FUSE_IOCTL_RETRY (1u << 2)
#define FUSE_IOCTL_32BIT (1u << 3)
#define FUSE_IOCTL_DIR (1u << 4)
#define FUSE_IOCTL_COMPAT_X32 (1u << 5)

struct fuse_ioctl_out {
	int32_t result;
	uint32_t flags, in_iovs, out_iovs;
};

struct fuse_poll_in {
	uint64_t fh, kh;
	uint32_t flags, events;
};

struct fuse_interrupt_in {
	uint64_t unique;
};

/* ---- extended attributes ---- */

struct fuse_setxattr_in {
	uint32_t size, flags;
	uint32_t setxattr_flags; /* with SETXATTR_EXT; else the structure ends before this */
	uint32_t padding;
};
#define FUSE_SETXATTR_IN_SHORT 8
#define FUSE_SETXATTR_ACL_KILL_SGID (1u << 0)

struct fuse_getxattr_in {
	uint32_t size;
	uint32_t padding;
};

struct fuse_getxattr_out {
	uint32_t size;
	uint32_t padding;
};

/* ---- listings ---- */

struct fuse_dirent {
	uint64_t ino;
	uint64_t off; /* where the listing goes on */
	uint32_t namelen, type;
	char name[]; /* padded with zeros to eight bytes */
};

struct fuse_direntplus {
	struct fuse_entry_out entry;
	struct fuse_dirent dirent;
};

#define FUSE_ALIGN(n) (((n) + 7) & ~(size_t)7)
#define FUSE_DIRENT_SIZE(namelen) FUSE_ALIGN(offsetof(struct fuse_dirent, name) + (namelen))

/* ---- DAX ---- */

struct fuse_setupmapping_in {
	uint64_t fh;
	uint64_t foffset, len;
	uint64_t flags;
	uint64_t moffset; /* in the window */
};
#define FUSE_SETUPMAPPING_FLAG_WRITE (UINT64_C(1) << 0)
#define FUSE_SETUPMAPPING_FLAG_READ (UINT64_C(1) << 1)

struct fuse_removemapping_in {
	uint32_t count; /* of struct fuse_removemapping_one that follow */
};

struct fuse_removemapping_one {
	uint64_t moffset, len;
};

/* ---- bodies of notices ---- */

struct fuse_notify_inval_inode_out {
	uint64_t ino;
	int64_t off, len;
};

struct fuse_notify_inval_entry_out {
	uint64_t parent;
	uint32_t namelen, flags;
};
#define FUSE_EXPIRE_ONLY (1u << 0)

struct fuse_notify_delete_out {
	uint64_t parent, child;
	uint32_t namelen;
	uint32_t padding;
};

struct fuse_notify_store_out {
	uint64_t nodeid, offset;
	uint32_t size;
	uint32_t padding;
};

struct fuse_notify_retrieve_out {
	uint64_t notify_unique, nodeid, offset;
	uint32_t size;
	uint32_t padding;
};

struct fuse_notify_prune_out {
	uint32_t count; /* of nodeids that follow */
	uint32_t padding;
	uint64_t spare;
};

/* ---- the device ---- */

#define FUSE_DEV_IOC_CLONE _IOR(229, 0, uint32_t)
#define FUSE_DEV_IOC_BACKING_OPEN _IOW(229, 1, struct fuse_backing_map)
#define FUSE_DEV_IOC_BACKING_CLOSE _IOW(229, 2, uint32_t)

struct fuse_backing_map {
	int32_t fd;
	uint32_t flags;
	uint64_t padding;
};

/* ---- requests over io_uring: one header buffer and one payload buffer per entry ---- */

#define FUSE_URING_IN_OUT_HEADER_SIZE 128
#define FUSE_URING_OP_SIZE 128

struct fuse_uring_ent_in_out {
	uint64_t flags;
	uint64_t commit_id;  /* names the request in COMMIT_AND_FETCH */
	uint32_t payload_sz; /* valid bytes in the payload buffer, either way */
	uint32_t padding;
	uint64_t reserved;
};

struct fuse_uring_req_header {
	char in_out[FUSE_URING_IN_OUT_HEADER_SIZE]; /* fuse_in_header, then fuse_out_header */
	char op_in[FUSE_URING_OP_SIZE];             /* fixed arguments of the operation */
	struct fuse_uring_ent_in_out ring_ent_in_out;
};

enum fuse_uring_cmd {
	FUSE_IO_URING_CMD_REGISTER = 1,
	FUSE_IO_URING_CMD_COMMIT_AND_FETCH = 2,
};

/* In the 80 command bytes of a 128-byte submission. */
struct fuse_uring_cmd_req {
	uint64_t flags;
	uint64_t commit_id;
	uint16_t qid;
	uint8_t padding[6];
};

#endif
