// SPDX-License-Identifier: Apache-2.0
/*
 * Reading and writing. The usual cases, a FULL or untouched file, cost one system
 * call and no memory; see copyup.c for what a write into the others does.
 *
 * Reading never copies up and changes no time. A file of the base that has become
 * shorter than it was when its node was made gives -EIO behind its end: the lowers
 * must not change, and zeros would be an invention.
 */
#include "overlay/data.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/iov.h"
#include "base/scope.h"
#include "overlay/copyup.h"
#include "overlay/extents.h"
#include "overlay/file.h"
#include "overlay/tree.h"
#include "overlay/xattr.h"

/* ---- locks ---- */

int ovl_data_lock_shared(struct ovl_tree *t, struct ovl_node *n)
{
	for (;;) {
		struct ovl_own *own;
		int r;

		pthread_rwlock_rdlock(&n->lock);
		own = ovl_own(n);
		if (!own || own->state != STORE_PARTIAL || own->extents)
			return 0;
		pthread_rwlock_unlock(&n->lock);
		pthread_rwlock_wrlock(&n->lock);
		r = ovl_copyup_load(t, n);
		pthread_rwlock_unlock(&n->lock);
		if (r)
			return r;
	}
}

/* ---- reading ---- */

/* The file of a node, with levels where its state reads them; NULL for one that has no bytes. */
static int data_file(struct ovl_tree *t, struct ovl_node *n, struct ovl_file **f)
{
	const struct ovl_own *own = ovl_own(n);

	*f = NULL;
	if (own && own->state == STORE_NONE)
		return 0;
	return ovl_file_get(t, n, !own || own->state != STORE_FULL, f);
}

/* One run into the iovec. A data file may end before it: with a hole, or because a power cut took its end. */
static int data_read_run(const struct ovl_run *run, const struct ovl_io *io, size_t skip, size_t len, uint64_t off)
{
	ssize_t got;

	if (run->fd < 0) {
		vn_iov_zero(io->iov, io->count, skip, len);
		return 0;
	}
	got = ovl_run_read(run->fd, io, skip, len, off);
	if (got < 0)
		return (int)got;
	if ((size_t)got == len)
		return 0;
	if (run->base)
		return -EIO;
	vn_iov_zero(io->iov, io->count, skip + (size_t)got, len - (size_t)got);
	return 0;
}

ssize_t ovl_data_read_locked(struct ovl_tree *t, struct ovl_node *n, uint64_t off, const struct ovl_io *io)
{
	struct ovl_file *f;
	size_t want = io->total, done = 0;
	int r;

	if (off >= n->size)
		return 0;
	if (want > n->size - off)
		want = n->size - off;
	r = data_file(t, n, &f);
	while (!r && done < want) {
		struct ovl_run run;
		size_t len = want - done;

		r = ovl_run_at(t, n, f, off + done, &run);
		if (!r && len > run.end - (off + done))
			len = run.end - (off + done);
		if (!r)
			r = data_read_run(&run, io, done, len, off + done);
		done += len;
	}
	ovl_file_put(t, f);
	return r ? r : (ssize_t)done;
}

ssize_t ovl_data_read(struct ovl_tree *t, struct ovl_node *n, uint64_t off, const struct iovec *iov, int iovcnt)
{
	struct ovl_io io = {iov, (size_t)iovcnt, vn_iov_total(iov, (size_t)iovcnt)};
	ssize_t r;

	if (io.total > SSIZE_MAX || !io.total)
		return io.total ? -EINVAL : 0;
	r = ovl_data_lock_shared(t, n);
	if (r)
		return r;
	r = ovl_data_read_locked(t, n, off, &io);
	pthread_rwlock_unlock(&n->lock);
	return r;
}

/* ---- what every change has to do besides ---- */

int ovl_data_writable(struct ovl_tree *t, struct ovl_node *n)
{
	const struct ovl_own *own = ovl_own(n);

	if (!t->store || t->readonly || !own || own->home->id || store_readonly(t->store))
		return -EROFS;
	return own->flags & (STORE_IMMUTABLE | STORE_APPEND) ? -EPERM : 0;
}

int64_t ovl_data_now(const struct vn_ctx *ctx)
{
	return ctx->session->config.writeback ? 0 : vn_now_ns();
}

int ovl_data_strip(struct ovl_tree *t, struct ovl_node *n, uint32_t mode, int64_t now)
{
	struct store_inode row;
	struct ovl_op op;
	uint64_t seq;
	int caps, r;

	ovl_op_begin(&op, t, NULL);
	caps = ovl_xattr_kill_caps(&op, n);
	if (caps < 0 || (!caps && mode == n->mode)) {
		ovl_op_abandon(&op);
		return caps;
	}
	ovl_row(n, &row);
	row.mode = mode;
	if (now)
		row.ctime = now;
	ovl_op_inode(&op, n, &row);
	r = ovl_op_commit(&op, &seq);
	if (!r)
		ovl_node_apply(t, n, &row, seq, true);
	return r;
}

static void data_blocks_unknown(struct ovl_node *n)
{
	if (atomic_load_explicit(&n->flags, memory_order_relaxed) & OVL_NODE_BLOCKS)
		atomic_fetch_and(&n->flags, ~OVL_NODE_BLOCKS);
}

void ovl_data_changed(struct ovl_tree *t, struct ovl_node *n, int64_t now)
{
	if (now)
		n->mtime = n->ctime = now;
	data_blocks_unknown(n);
	ovl_queue_settle(t, n);
}

void ovl_data_grown(struct ovl_node *n, uint64_t size)
{
	if (size > n->size)
		n->size = size;
}

/* ---- writing ---- */

static ssize_t write_full(struct ovl_tree *t, struct ovl_node *n, uint64_t off, const struct ovl_io *io, size_t skip,
			  int64_t now)
{
	struct ovl_file *f;
	ssize_t done = ovl_mark_written(t, NULL, n);

	if (!done)
		done = ovl_file_get(t, n, false, &f);
	if (done)
		return done;
	done = ovl_file_own_fd(t, n, f);
	if (done >= 0)
		done = ovl_run_write((int)done, io, skip, io->total - skip, off);
	ovl_file_put(t, f);
	if (done > 0) {
		ovl_data_grown(n, off + (uint64_t)done);
		if (now)
			n->mtime = n->ctime = now;
		data_blocks_unknown(n);
	}
	return done;
}

/* The first bytes of a file without any: data file, bytes, then the row. */
static ssize_t write_first(struct ovl_tree *t, struct ovl_node *n, uint64_t off, const struct ovl_io *io, size_t skip,
			   int64_t now)
{
	struct store_inode row;
	uint64_t number, end;
	int fd, r = store_data_new(t->store, &number, &fd);
	ssize_t done;

	if (r)
		return r;
	done = ovl_run_write(fd, io, skip, io->total - skip, off);
	r = done > 0 ? 0 : done < 0 ? (int)done : -EIO;
	end = off + (uint64_t)done;
	if (!r && end < n->size && ftruncate(fd, (off_t)n->size))
		r = -errno;
	if (!r) {
		ovl_row(n, &row); /* with the size that it had */
		row.flags |= STORE_STALE;
		if (now)
			row.mtime = row.ctime = now;
		r = ovl_copyup_first(t, n, &row, number, fd, end < n->size ? n->size : end);
	}
	if (r) {
		close(fd);
		store_data_abandon(t->store, number);
	}
	return r ? r : done;
}

static ssize_t write_by_state(struct ovl_tree *t, struct ovl_node *n, uint64_t off, const struct ovl_io *io, size_t skip,
			      int64_t now)
{
	switch (ovl_own(n)->state) {
	case STORE_FULL:
		return write_full(t, n, off, io, skip, now);
	case STORE_NONE:
		return write_first(t, n, off, io, skip, now);
	default:
		return ovl_copyup_write(t, n, io, skip, io->total - skip, off, now);
	}
}

ssize_t ovl_data_write_locked(struct ovl_tree *t, struct ovl_node *n, uint64_t off, const struct ovl_io *io,
			      size_t skip, int64_t now)
{
	size_t len = io->total - skip;
	ssize_t done;

	if (off > INT64_MAX || len > INT64_MAX - off)
		return -EFBIG;
	if (!len)
		return 0;
	done = write_by_state(t, n, off, io, skip, now);
	if (store_no_space(done) && store_make_room(t->store))
		done = write_by_state(t, n, off, io, skip, now);
	return done;
}

/* Where a client's write goes. */
struct write_place {
	uint64_t off;
	size_t skip; /* bytes at the start that are left out: they are there */
	bool late;   /* a page that was written back late, or an append done again: may begin before the end */
};

/*
 * An append of a client that outlives the server says where it goes before it
 * writes, in a record without rows (rule J6). When the server dies and the request
 * comes again, the same bytes go to the same place, though the end may be behind
 * them by now.
 */
static int write_append(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, struct write_place *p)
{
	struct ovl_op op;

	p->late = ovl_done_before(t, ctx, &p->off);
	if (!p->late || p->off > n->size)
		p->off = n->size;
	if (p->late || !ctx->session->config.outlives || !ctx->unique)
		return 0;
	ovl_op_begin(&op, t, ctx);
	op.change.reply = p->off;
	return store_commit(t->store, &op.change, NULL);
}

/*
 * How much of a write is left out. What begins before the end of an append-only file
 * is late: what stands there already is the same or must not change.
 */
static int write_place(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, struct write_place *p, size_t len,
		       uint32_t flags)
{
	int r = ovl_data_writable(t, n);
	bool only = r == -EPERM && !(ovl_own(n)->flags & STORE_IMMUTABLE);

	if (r && !only)
		return r;
	p->late = flags & VN_WRITE_CACHE;
	r = flags & VN_WRITE_APPEND && !p->late ? write_append(t, ctx, n, p) : 0;
	if (r || !only || p->off >= n->size)
		return r;
	if (!p->late)
		return -EPERM;
	p->skip = len < n->size - p->off ? len : n->size - p->off;
	return 0;
}

ssize_t ovl_data_write(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, uint64_t off,
		       const struct iovec *iov, int iovcnt, uint32_t flags)
{
	struct ovl_io io = {iov, (size_t)iovcnt, vn_iov_total(iov, (size_t)iovcnt)};
	int64_t now = ovl_data_now(ctx);
	vn_autounlock_rw pthread_rwlock_t *held = vn_lock_wr(&n->lock);
	struct write_place p = {.off = off};
	ssize_t done;
	int r;

	if (io.total > SSIZE_MAX)
		return -EINVAL;
	r = write_place(t, ctx, n, &p, io.total, flags);
	if (!r && io.total > p.skip)
		r = ovl_data_strip(t, n, flags & VN_WRITE_KILL_SUIDGID ? ovl_mode_killed(n->mode) : n->mode, now);
	if (r)
		return r;
	done = ovl_data_write_locked(t, n, p.off + p.skip, &io, p.skip, now);
	return done < 0 ? done : done + (ssize_t)p.skip;
}
