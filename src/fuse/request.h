// SPDX-License-Identifier: Apache-2.0
/*
 * The dispatcher's inside: a request while it is carried out, the table's row for an
 * opcode, and what handlers use to read and to answer.
 *
 * A handler finds the fixed arguments in r->in, checked names in r->name, and a payload
 * at r->payload_at of the request's memory. It calls one verb and fills r->out. It
 * returns the number of payload bytes that it wrote behind the fixed results, or a
 * negative errno. It never sees the reply's header.
 */
#ifndef VF_REQUEST_H
#define VF_REQUEST_H

#include <stdatomic.h>
#include <sys/uio.h>

#include "base/fs.h"
#include "fuse/dax.h"
#include "fuse/protocol.h"
#include "fuse/session.h"
#include "fuse/stats.h"
#include "fuse/through.h"

#define VF_GROUPS_MAX 32
#define VF_IOV_MAX 1024
#define VF_TEXT_MAX (VN_SYMLINK_MAX + 1 + VN_NAME_MAX + 1)
#define VF_FLEETING_WORDS 64
#define VF_MAX_WRITE (1u << 20)

struct vf_request;

/* ---- the row of an opcode ---- */

#define VF_OP_NO_REPLY (1u << 0)
#define VF_OP_MAY_BLOCK (1u << 1)
#define VF_OP_ENTRY (1u << 2)   /* success hands out one lookup: the reply starts with an entry */
#define VF_OP_LISTING (1u << 3) /* success hands out one lookup per entry of a listing */
#define VF_OP_BEFORE_INIT (1u << 4)
#define VF_OP_PAYLOAD (1u << 5)    /* bytes follow the names */
#define VF_OP_EXTENSIONS (1u << 6) /* groups may follow the names */
#define VF_OP_DOT_NAMES (1u << 7)  /* "." and ".." are allowed when EXPORT_SUPPORT was agreed upon */
#define VF_OP_ANY_NAME (1u << 8)   /* the name has no meaning */
#define VF_OP_XATTR_NAME (1u << 9)
#define VF_OP_TARGET (1u << 10)     /* the second string is a symlink's target */
#define VF_OP_SHORT_ARGS (1u << 11) /* args may end after args_short bytes, whatever the flags */

struct vf_op {
	const char *name;
	ssize_t (*handler)(struct vf_request *r); /* NULL: ENOSYS by decision (doc/protocol.md says why) */
	uint16_t args;                            /* bytes of fixed arguments */
	uint16_t reply;                           /* bytes of fixed results */
	uint8_t names;
	uint32_t flags;      /* VF_OP_* */
	uint16_t args_short; /* without args_flag, or where VF_OP_SHORT_ARGS */
	uint64_t args_flag;  /* INIT flag that makes the arguments args bytes long; 0: they always are */
};

/* The row for an opcode, NULL for one that is not known. */
const struct vf_op *vf_op_find(uint32_t opcode);

/* ---- the session, as the dispatcher sees it ---- */

struct vf_session {
	struct vn_fs *fs;
	struct vn_fs_session *fs_session;
	struct vf_policy policy;
	uint64_t carrier_flags;
	void (*exit_status)(void *arg, int status);
	void *exit_arg;
	_Atomic uint64_t flags; /* agreed at INIT */
	_Atomic uint32_t minor; /* 0: no INIT yet; written after flags */
	_Atomic unsigned changes;
	_Atomic uint32_t probe; /* thread that may look the probe up (probe.h), 0: none */
	_Atomic bool refused;   /* a client was too old, and that has been said */
	/*
	 * Which nodes have attributes that must not be cached, as bits by a hash of the
	 * number: never cleared; a node that shares a bit is asked for once more often.
	 */
	_Atomic uint64_t fleeting[VF_FLEETING_WORDS];
	struct vf_dax dax;
	struct vf_dax_table mappings;
	struct vn_notify notify; /* as the file system has it */
	struct vf_backing backing;
	struct vf_through through;
	struct vf_counters counters;
};

/* ---- a request ---- */

struct vf_request {
	struct vf_session *s;
	struct vn_fs *fs;
	const struct vf_op *op;
	uint64_t flags;          /* of the session, read once */
	struct fuse_in_header h; /* our copy */
	struct vn_ctx ctx;
	uint64_t node; /* h.nodeid, as the file system knows it */

	union {
		char bytes[128];
		uint64_t align;
		struct fuse_init_in init;
		struct fuse_forget_in forget;
		struct fuse_batch_forget_in batch_forget;
		struct fuse_statx_in statx;
		struct fuse_setattr_in setattr;
		struct fuse_mknod_in mknod;
		struct fuse_mkdir_in mkdir;
		struct fuse_rename_in rename;
		struct fuse_rename2_in rename2;
		struct fuse_link_in link;
		struct fuse_create_in create;
		struct fuse_open_in open;
		struct fuse_release_in release;
		struct fuse_fsync_in fsync;
		struct fuse_read_in read;
		struct fuse_write_in write;
		struct fuse_fallocate_in fallocate;
		struct fuse_lseek_in lseek;
		struct fuse_copy_file_range_in copy;
		struct fuse_ioctl_in ioctl;
		struct fuse_setxattr_in setxattr;
		struct fuse_getxattr_in getxattr;
		struct fuse_setupmapping_in map;
		struct fuse_removemapping_in unmap;
	} in;

	union {
		char bytes[320];
		struct fuse_init_out init;
		struct fuse_entry_out entry;
		struct {
			struct fuse_entry_out entry;
			struct fuse_open_out open;
		} create;
		struct fuse_open_out open;
		struct fuse_attr_out attr;
		struct fuse_statx_out statx;
		struct fuse_statfs_out statfs;
		struct fuse_write_out write;
		struct fuse_lseek_out lseek;
		struct fuse_copy_file_range_out copy;
		struct fuse_ioctl_out ioctl;
	} out; /* zeroed as far as the row's reply goes */

	const struct iovec *req;
	size_t nreq;
	size_t payload_at, payload_len; /* in req */
	const struct iovec *rep;
	size_t nrep;
	size_t rep_len; /* all of rep */

	const char *name[2];
	uint32_t groups[VF_GROUPS_MAX];
	char text[VF_TEXT_MAX]; /* what name points to: the client cannot change it any more */
};

/* Calls a verb of the file system; -ENOSYS where it has none. */
#define vf_verb(r, verb, ...) ((r)->fs->ops->verb ? (r)->fs->ops->verb((r)->fs, &(r)->ctx, __VA_ARGS__) : -ENOSYS)

/* ---- reading (request.c) ---- */

/* Finds header, row, arguments, names and payload in r->req. 0, -errno to answer, or -EBADMSG: no header to answer to. */
int vf_request_header(struct vf_request *r);
int vf_request_decode(struct vf_request *r);

/* Describes `len` bytes of the payload at dst (at most VF_IOV_MAX elements). Returns elements, -EINVAL for too many. */
int vf_payload_iov(const struct vf_request *r, struct iovec *dst, size_t len);

/* Copies payload bytes out; returns how many there were. */
size_t vf_payload_get(const struct vf_request *r, size_t at, void *buf, size_t len);

/* ---- answering (reply.c) ---- */

/* Bytes of payload for which the reply has room. */
size_t vf_reply_room(const struct vf_request *r);

/* Writes payload bytes; the caller has asked for the room. */
void vf_reply_put(const struct vf_request *r, size_t at, const void *buf, size_t len);

/* The payload's memory when its first len bytes are in one piece, else NULL. */
void *vf_reply_span(const struct vf_request *r, size_t len);

/* Describes len bytes of the payload's room at dst (VF_IOV_MAX elements). Returns elements, -EINVAL for too many. */
int vf_reply_iov(const struct vf_request *r, struct iovec *dst, size_t len);

/* Writes header and fixed results. n: the handler's value. Returns the reply's length. */
ssize_t vf_reply_send(const struct vf_request *r, ssize_t n);

/* ---- entries and attributes (attr.c) ---- */

void vf_attr_fill(struct fuse_attr *out, const struct vn_attr *a);
void vf_entry_fill(struct vf_session *s, struct fuse_entry_out *out, const struct vn_entry *e);
/* How long the attributes of node may be trusted, ns. */
int64_t vf_attr_timeout(const struct vf_session *s, uint64_t node);
/* From now on the attributes of node are not to be cached. */
void vf_attr_fleeting(struct vf_session *s, uint64_t node);
/* A timeout in ns as seconds and nanoseconds. */
void vf_timeout_fill(int64_t timeout, uint64_t *sec, uint32_t *nsec);

/* Fills the answer to an open of a nodeid as the client knows it, by way of the file system where it has per-open state (op_data.c). 0 or -errno. */
int vf_open_fill(struct vf_request *r, uint64_t nodeid, uint32_t flags, struct fuse_open_out *out);

/* ---- handlers ---- */

ssize_t vf_op_init(struct vf_request *r);
ssize_t vf_op_destroy(struct vf_request *r);

ssize_t vf_op_lookup(struct vf_request *r);
ssize_t vf_op_forget(struct vf_request *r);
ssize_t vf_op_batch_forget(struct vf_request *r);
ssize_t vf_op_mknod(struct vf_request *r);
ssize_t vf_op_mkdir(struct vf_request *r);
ssize_t vf_op_create(struct vf_request *r);
ssize_t vf_op_tmpfile(struct vf_request *r);
ssize_t vf_op_symlink(struct vf_request *r);
ssize_t vf_op_link(struct vf_request *r);
ssize_t vf_op_unlink(struct vf_request *r);
ssize_t vf_op_rmdir(struct vf_request *r);
ssize_t vf_op_rename(struct vf_request *r);
ssize_t vf_op_rename2(struct vf_request *r);

ssize_t vf_op_getattr(struct vf_request *r);
ssize_t vf_op_setattr(struct vf_request *r);
ssize_t vf_op_statx(struct vf_request *r);
ssize_t vf_op_statfs(struct vf_request *r);
ssize_t vf_op_readlink(struct vf_request *r);
ssize_t vf_op_ioctl(struct vf_request *r);

ssize_t vf_op_open(struct vf_request *r);
ssize_t vf_op_release(struct vf_request *r);
ssize_t vf_op_opendir(struct vf_request *r);
ssize_t vf_op_releasedir(struct vf_request *r);
ssize_t vf_op_read(struct vf_request *r);
ssize_t vf_op_write(struct vf_request *r);
ssize_t vf_op_fsync(struct vf_request *r);
ssize_t vf_op_syncfs(struct vf_request *r);
ssize_t vf_op_fallocate(struct vf_request *r);
ssize_t vf_op_lseek(struct vf_request *r);
ssize_t vf_op_copy_file_range(struct vf_request *r);
ssize_t vf_op_copy_file_range_64(struct vf_request *r);

ssize_t vf_op_readdir(struct vf_request *r);
ssize_t vf_op_readdirplus(struct vf_request *r);

ssize_t vf_op_setxattr(struct vf_request *r);
ssize_t vf_op_getxattr(struct vf_request *r);
ssize_t vf_op_listxattr(struct vf_request *r);
ssize_t vf_op_removexattr(struct vf_request *r);

ssize_t vf_op_setupmapping(struct vf_request *r);
ssize_t vf_op_removemapping(struct vf_request *r);

#endif
