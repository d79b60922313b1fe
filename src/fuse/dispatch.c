// SPDX-License-Identifier: Apache-2.0
/*
 * One row per opcode, and the way of a request through its row:
 *
 *	header > row > lengths, names, extensions > room for the reply > handler > reply
 *
 * Up to the handler nothing has had an effect, so that whatever is refused for its
 * form leaves no trace. Only this file replies.
 */
#include "fuse/dispatch.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/iov.h"
#include "base/log.h"
#include "fuse/request.h"

#define IN(type) sizeof(struct fuse_##type##_in)
#define OUT(type) sizeof(struct fuse_##type##_out)
#define CREATED (OUT(entry) + OUT(open))
#define ROW(op, ...) [FUSE_##op] = {.name = #op, __VA_ARGS__}

/*
 * Columns: handler, bytes of fixed arguments, bytes of fixed results, names, flags.
 * No handler: ENOSYS, for the reason in doc/protocol.md.
 */
/* clang-format off */
static const struct vf_op dispatch_table[FUSE_OPCODE_END] = {
	ROW(INIT, vf_op_init, IN(init), OUT(init), 0,
	    VF_OP_BEFORE_INIT | VF_OP_SHORT_ARGS | VF_OP_PAYLOAD, .args_short = FUSE_INIT_IN_SHORT),
	ROW(DESTROY, vf_op_destroy, 0, 0, 0, VF_OP_BEFORE_INIT),
	ROW(LOOKUP, vf_op_lookup, 0, OUT(entry), 1, VF_OP_ENTRY | VF_OP_DOT_NAMES),
	ROW(FORGET, vf_op_forget, IN(forget), 0, 0, VF_OP_NO_REPLY),
	ROW(BATCH_FORGET, vf_op_batch_forget, IN(batch_forget), 0, 0, VF_OP_NO_REPLY | VF_OP_PAYLOAD),

	ROW(GETATTR, vf_op_getattr, IN(getattr), OUT(attr), 0, 0),
	ROW(SETATTR, vf_op_setattr, IN(setattr), OUT(attr), 0, 0),
	ROW(STATX, vf_op_statx, IN(statx), OUT(statx), 0, 0),
	ROW(READLINK, vf_op_readlink, 0, 0, 0, 0),
	ROW(STATFS, vf_op_statfs, 0, OUT(statfs), 0, 0),
	ROW(ACCESS, NULL, IN(access), 0, 0, 0),
	ROW(IOCTL, vf_op_ioctl, IN(ioctl), OUT(ioctl), 0, VF_OP_PAYLOAD),

	ROW(MKNOD, vf_op_mknod, IN(mknod), OUT(entry), 1, VF_OP_ENTRY | VF_OP_EXTENSIONS),
	ROW(MKDIR, vf_op_mkdir, IN(mkdir), OUT(entry), 1, VF_OP_ENTRY | VF_OP_EXTENSIONS),
	ROW(CREATE, vf_op_create, IN(create), CREATED, 1, VF_OP_ENTRY | VF_OP_EXTENSIONS),
	ROW(TMPFILE, vf_op_tmpfile, IN(create), CREATED, 1, VF_OP_ENTRY | VF_OP_EXTENSIONS | VF_OP_ANY_NAME),
	ROW(SYMLINK, vf_op_symlink, 0, OUT(entry), 2, VF_OP_ENTRY | VF_OP_EXTENSIONS | VF_OP_TARGET),
	ROW(LINK, vf_op_link, IN(link), OUT(entry), 1, VF_OP_ENTRY),
	ROW(UNLINK, vf_op_unlink, 0, 0, 1, 0),
	ROW(RMDIR, vf_op_rmdir, 0, 0, 1, 0),
	ROW(RENAME, vf_op_rename, IN(rename), 0, 2, 0),
	ROW(RENAME2, vf_op_rename2, IN(rename2), 0, 2, 0),

	ROW(OPEN, vf_op_open, IN(open), OUT(open), 0, 0),
	ROW(RELEASE, vf_op_release, IN(release), 0, 0, 0),
	ROW(FLUSH, NULL, IN(flush), 0, 0, 0),
	ROW(READ, vf_op_read, IN(read), 0, 0, 0),
	ROW(WRITE, vf_op_write, IN(write), OUT(write), 0, VF_OP_PAYLOAD),
	ROW(FSYNC, vf_op_fsync, IN(fsync), 0, 0, VF_OP_MAY_BLOCK),
	ROW(SYNCFS, vf_op_syncfs, IN(syncfs), 0, 0, VF_OP_MAY_BLOCK),
	ROW(FALLOCATE, vf_op_fallocate, IN(fallocate), 0, 0, VF_OP_MAY_BLOCK),
	ROW(LSEEK, vf_op_lseek, IN(lseek), OUT(lseek), 0, 0),
	ROW(COPY_FILE_RANGE, vf_op_copy_file_range, IN(copy_file_range), OUT(write), 0, VF_OP_MAY_BLOCK),
	ROW(COPY_FILE_RANGE_64, vf_op_copy_file_range_64, IN(copy_file_range), OUT(copy_file_range), 0,
	    VF_OP_MAY_BLOCK),
	ROW(BMAP, NULL, IN(bmap), 0, 0, 0),
	ROW(POLL, NULL, IN(poll), 0, 0, 0),
	ROW(GETLK, NULL, IN(lk), 0, 0, 0),
	ROW(SETLK, NULL, IN(lk), 0, 0, 0),
	ROW(SETLKW, NULL, IN(lk), 0, 0, 0),

	ROW(OPENDIR, vf_op_opendir, IN(open), OUT(open), 0, 0),
	ROW(RELEASEDIR, vf_op_releasedir, IN(release), 0, 0, 0),
	ROW(READDIR, vf_op_readdir, IN(read), 0, 0, VF_OP_MAY_BLOCK),
	ROW(READDIRPLUS, vf_op_readdirplus, IN(read), 0, 0, VF_OP_MAY_BLOCK | VF_OP_LISTING),
	ROW(FSYNCDIR, vf_op_fsync, IN(fsync), 0, 0, VF_OP_MAY_BLOCK),

	ROW(SETXATTR, vf_op_setxattr, IN(setxattr), 0, 1,
	    VF_OP_XATTR_NAME | VF_OP_PAYLOAD, .args_short = FUSE_SETXATTR_IN_SHORT, .args_flag = FUSE_SETXATTR_EXT),
	ROW(GETXATTR, vf_op_getxattr, IN(getxattr), 0, 1, VF_OP_XATTR_NAME),
	ROW(LISTXATTR, vf_op_listxattr, IN(getxattr), 0, 0, 0),
	ROW(REMOVEXATTR, vf_op_removexattr, 0, 0, 1, VF_OP_XATTR_NAME),

	ROW(SETUPMAPPING, vf_op_setupmapping, IN(setupmapping), 0, 0, VF_OP_MAY_BLOCK),
	ROW(REMOVEMAPPING, vf_op_removemapping, IN(removemapping), 0, 0, VF_OP_PAYLOAD),

	ROW(INTERRUPT, NULL, IN(interrupt), 0, 0, 0),
	ROW(NOTIFY_REPLY, NULL, 0, 0, 0, VF_OP_NO_REPLY | VF_OP_PAYLOAD),
};
/* clang-format on */

#undef IN
#undef OUT
#undef ROW

const struct vf_op *vf_op_find(uint32_t opcode)
{
	if (opcode >= FUSE_OPCODE_END || !dispatch_table[opcode].name)
		return NULL;
	return &dispatch_table[opcode];
}

const char *vf_opcode_name(unsigned opcode)
{
	const struct vf_op *op = vf_op_find(opcode);

	return op ? op->name : "UNKNOWN";
}

bool vf_may_block(const struct iovec *in, int nin)
{
	const struct vf_op *op;
	uint32_t opcode;

	if (vn_iov_get(in, (size_t)nin, offsetof(struct fuse_in_header, opcode), &opcode, sizeof(opcode)) < sizeof(opcode))
		return false;
	op = vf_op_find(opcode);
	return op && op->flags & VF_OP_MAY_BLOCK;
}

/* ---- the way through ---- */

static bool dispatch_is_silent(const struct vf_request *r)
{
	return r->op && r->op->flags & VF_OP_NO_REPLY;
}

static int dispatch_check_room(const struct vf_request *r)
{
	if (dispatch_is_silent(r))
		return 0;
	return r->rep_len < sizeof(struct fuse_out_header) + r->op->reply ? -EINVAL : 0;
}

static int dispatch_check_session(struct vf_request *r)
{
	if (atomic_load_explicit(&r->s->minor, memory_order_acquire)) {
		r->flags = atomic_load_explicit(&r->s->flags, memory_order_relaxed);
		return 0;
	}
	r->flags = 0;
	return r->op->flags & VF_OP_BEFORE_INIT ? 0 : -EIO;
}

/* Everything that may be refused before anything happens. *form: refused for its form. */
static int dispatch_check(struct vf_request *r, bool *form)
{
	int err = vf_request_header(r);

	*form = err == -EINVAL;
	if (err)
		return err;
	err = dispatch_check_session(r);
	if (err)
		return err;
	err = vf_request_decode(r);
	if (!err)
		err = dispatch_check_room(r);
	*form = err != 0;
	if (!err && !r->op->handler)
		err = -ENOSYS;
	return err;
}

static ssize_t dispatch_run(struct vf_request *r)
{
	memset(r->out.bytes, 0, r->op->reply);
	return r->op->handler(r);
}

ssize_t vf_dispatch(struct vf_session *s, const struct iovec *in, int nin, const struct iovec *out, int nout)
{
	struct vf_request r;
	bool form;
	ssize_t n, len = 0;

	r.s = s;
	r.fs = s->fs;
	r.req = in;
	r.nreq = (size_t)nin;
	r.rep = out;
	r.nrep = (size_t)nout;
	r.rep_len = vn_iov_total(out, r.nrep);
	n = dispatch_check(&r, &form);
	if (form || n == -EBADMSG)
		vf_count_malformed(&s->counters);
	if (n == -EBADMSG || (!dispatch_is_silent(&r) && r.rep_len < sizeof(struct fuse_out_header)))
		return 0;
	if (n == 0)
		n = dispatch_run(&r);
	if (!dispatch_is_silent(&r))
		len = vf_reply_send(&r, n);
	vf_count(&s->counters, r.h.opcode, r.h.len, (size_t)len, n < 0 ? (int)n : 0);
	return len;
}

/* ---- replies that nobody got ---- */

static void lost_entry(struct vf_session *s, const struct vn_ctx *ctx, uint64_t nodeid)
{
	if (nodeid)
		s->fs->ops->forget(s->fs, ctx, vf_through_in(s, nodeid), 1);
}

/* An open that nobody has will not be released. at: of the answer to the open. */
static void lost_open(struct vf_session *s, uint64_t nodeid, const struct iovec *out, size_t nout, size_t at)
{
	struct fuse_open_out o;

	if (vf_session_flags(s) & FUSE_PASSTHROUGH && vn_iov_get(out, nout, at, &o, sizeof(o)) == sizeof(o))
		vf_through_release(s, nodeid, o.fh);
}

static void lost_listing(struct vf_session *s, const struct vn_ctx *ctx, const struct iovec *out, size_t nout, size_t len)
{
	struct fuse_direntplus d;
	size_t at = sizeof(struct fuse_out_header);

	while (at + sizeof(d) <= len && vn_iov_get(out, nout, at, &d, sizeof(d)) == sizeof(d)) {
		lost_entry(s, ctx, d.entry.nodeid);
		at += sizeof(d.entry) + FUSE_DIRENT_SIZE(d.dirent.namelen);
	}
}

void vf_reply_lost(struct vf_session *s, const struct iovec *in, int nin, const struct iovec *out, int nout)
{
	struct vn_ctx ctx = {.session = s->fs_session};
	struct fuse_in_header q;
	struct fuse_out_header a;
	const struct vf_op *op;
	uint64_t node = 0;

	if (vn_iov_get(in, (size_t)nin, 0, &q, sizeof(q)) < sizeof(q) ||
	    vn_iov_get(out, (size_t)nout, 0, &a, sizeof(a)) < sizeof(a) || a.error)
		return;
	op = vf_op_find(q.opcode);
	if (op && op->flags & VF_OP_LISTING)
		lost_listing(s, &ctx, out, (size_t)nout, a.len);
	if (q.opcode == FUSE_OPEN)
		lost_open(s, q.nodeid, out, (size_t)nout, sizeof(a));
	if (!op || !(op->flags & VF_OP_ENTRY))
		return;
	vn_iov_get(out, (size_t)nout, sizeof(a), &node, sizeof(node));
	if (q.opcode == FUSE_CREATE || q.opcode == FUSE_TMPFILE)
		lost_open(s, node, out, (size_t)nout, sizeof(a) + sizeof(struct fuse_entry_out));
	lost_entry(s, &ctx, node);
}
