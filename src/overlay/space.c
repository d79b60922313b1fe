// SPDX-License-Identifier: Apache-2.0
/*
 * Space: fallocate and lseek. Punching and zeroing a file that is not FULL is a
 * record: ZERO extents over what is below; the data file is punched afterwards
 * and only saves space. Allocation goes to the data file; bytes that are read
 * below stay there until they are written, which then finds its space.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/falloc.h>
#endif

#include "base/clock.h"
#include "base/copy.h"
#include "base/scope.h"
#include "overlay/copyup.h"
#include "overlay/data.h"
#include "overlay/extents.h"
#include "overlay/file.h"
#include "overlay/tree.h"

/* One fallocate under way; the node is locked for writing. */
struct space {
	struct ovl_tree *t;
	struct ovl_node *n;
	uint32_t mode;
	uint64_t off, len;
	uint64_t size; /* of the file afterwards */
	int64_t now;
};

static bool space_zeroes(const struct space *s)
{
	return s->mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE);
}

/* A host that cannot zero a range can punch and then allocate it. */
static int space_host(int fd, uint32_t mode, uint64_t off, uint64_t len)
{
	int r;

	do
		r = fallocate(fd, (int)mode, (off_t)off, (off_t)len) ? -errno : 0;
	while (r == -EINTR);
	if (r != -EOPNOTSUPP || !(mode & FALLOC_FL_ZERO_RANGE))
		return r;
	r = space_host(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, len);
	return r ? r : space_host(fd, mode & FALLOC_FL_KEEP_SIZE, off, len);
}

static int space_full(const struct space *s)
{
	struct ovl_file *f;
	int fd, r = ovl_mark_written(s->t, NULL, s->n);

	if (!r)
		r = ovl_file_get(s->t, s->n, false, &f);
	if (r)
		return r;
	fd = ovl_file_own_fd(s->t, s->n, f);
	r = fd < 0 ? fd : space_host(fd, s->mode, s->off, s->len);
	ovl_file_put(s->t, f);
	if (r)
		return r;
	ovl_data_grown(s->n, s->size);
	ovl_data_changed(s->t, s->n, s->now);
	return 0;
}

static void space_row(const struct space *s, struct store_inode *row)
{
	ovl_row(s->n, row);
	row->size = s->size;
	if (s->now)
		row->mtime = row->ctime = s->now;
}

/* Of a file without bytes: a data file that has only space. */
static int space_first(const struct space *s)
{
	struct store_inode row;
	uint64_t number;
	int fd, r = store_data_new(s->t->store, &number, &fd);

	if (r)
		return r;
	r = space_host(fd, FALLOC_FL_KEEP_SIZE, s->off, s->len);
	if (!r && ftruncate(fd, (off_t)s->size))
		r = -errno;
	space_row(s, &row);
	if (!r)
		r = ovl_copyup_first(s->t, s->n, &row, number, fd, s->size);
	if (r) {
		close(fd);
		store_data_abandon(s->t->store, number);
	}
	return r;
}

static int space_allocate(const struct space *s)
{
	struct ovl_copyup c;
	struct store_inode row;
	int r;

	if (ovl_own(s->n)->state == STORE_NONE)
		return space_first(s);
	r = ovl_copyup_begin(&c, s->t, s->n);
	if (r)
		return r;
	r = space_host(c.fd, FALLOC_FL_KEEP_SIZE, s->off, s->len);
	space_row(s, &row);
	return ovl_copyup_end(&c, &row, r);
}

/* The record is made: the data file may forget the range. It is a matter of space only. */
static void space_forget(const struct space *s)
{
	struct ovl_file *f;
	int fd, r;

	if (!ovl_own(s->n)->data || ovl_file_get(s->t, s->n, true, &f))
		return;
	fd = ovl_file_own_fd(s->t, s->n, f);
	r = fd < 0 ? fd : space_host(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, s->off, s->len);
	(void)r;
	ovl_file_put(s->t, f);
}

static int space_zero(const struct space *s)
{
	uint64_t end = ovl_min(s->off + s->len, s->size);
	struct ovl_extents *zero;
	struct store_inode row;
	int r = ovl_copyup_load(s->t, s->n);

	if (r)
		return r;
	zero = ovl_extents_new();
	if (!zero)
		return -ENOMEM;
	r = ovl_extents_put(zero, s->off, end > s->off ? end - s->off : 0, STORE_EXTENT_ZERO);
	if (!r) {
		space_row(s, &row);
		r = ovl_copyup_record(s->t, s->n, &row, &zero);
	}
	ovl_extents_free(zero);
	if (!r)
		space_forget(s);
	return r;
}

static int space_dispatch(const struct space *s)
{
	struct ovl_own *own = ovl_own(s->n);
	int r = 0;

	if (own->state == STORE_FULL) {
		if (space_zeroes(s) && own->below)
			r = ovl_copyup_whole(s->t, s->n); /* nothing may shine through the hole */
		return r ? r : space_full(s);
	}
	if (!space_zeroes(s))
		return space_allocate(s);
	if (own->state == STORE_NONE && s->mode & FALLOC_FL_ZERO_RANGE)
		return space_first(s);
	if (own->state != STORE_NONE && (s->off < s->size || s->size != s->n->size))
		return space_zero(s);
	ovl_data_changed(s->t, s->n, s->now); /* a hole where there was one */
	return 0;
}

static int space_check(struct ovl_tree *t, struct ovl_node *n, uint32_t mode, uint64_t off, uint64_t len)
{
	const uint32_t keep = FALLOC_FL_KEEP_SIZE;
	int r = ovl_data_writable(t, n);

	if (mode != 0 && mode != keep && mode != (FALLOC_FL_PUNCH_HOLE | keep) && mode != FALLOC_FL_ZERO_RANGE &&
	    mode != (FALLOC_FL_ZERO_RANGE | keep))
		return -EOPNOTSUPP;
	/* append-only files may get space behind what they have */
	if (r == -EPERM && !(ovl_own(n)->flags & STORE_IMMUTABLE) && !(mode & ~keep))
		r = 0;
	if (r)
		return r;
	if (!len)
		return -EINVAL;
	return off > INT64_MAX || len > INT64_MAX - off || off + len > ovl_data_max(t) ? -EFBIG : 0;
}

int ovl_data_fallocate(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, uint32_t mode, uint64_t off,
		       uint64_t len)
{
	vn_autounlock_rw pthread_rwlock_t *held = vn_lock_wr(&n->lock);
	struct space s = {
		.t = t,
		.n = n,
		.mode = mode,
		.off = off,
		.len = len,
		.size = n->size,
		.now = ovl_data_now(ctx),
	};
	int r = space_check(t, n, mode, off, len);

	if (!r)
		r = ovl_data_strip(t, n, n->mode, s.now);
	if (r)
		return r;
	if (!(mode & FALLOC_FL_KEEP_SIZE) && off + len > s.size)
		s.size = off + len;
	r = space_dispatch(&s);
	return store_no_space(r) && store_make_room(t->store) ? space_dispatch(&s) : r;
}

/* ---- lseek ---- */

/* Where whence is first met within [pos, run->end): the run's end when it is not. */
static int64_t seek_run(const struct ovl_run *run, uint64_t pos, int whence)
{
	if (run->fd < 0)
		return (int64_t)(whence == SEEK_HOLE ? pos : run->end);
	return vn_seek_within(run->fd, pos, run->end, whence);
}

static int64_t seek_locked(struct ovl_tree *t, struct ovl_node *n, struct ovl_file *f, uint64_t pos, int whence)
{
	while (pos < n->size) {
		struct ovl_run run;
		int64_t at = ovl_run_at(t, n, f, pos, &run);

		if (!at)
			at = seek_run(&run, pos, whence);
		if (at < 0 || (uint64_t)at < run.end)
			return at;
		pos = run.end;
	}
	return whence == SEEK_DATA ? -ENXIO : (int64_t)n->size;
}

int64_t ovl_data_seek(struct ovl_tree *t, struct ovl_node *n, int64_t off, int whence)
{
	struct ovl_file *f = NULL;
	const struct ovl_own *own;
	int64_t r;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return -EINVAL;
	r = ovl_data_lock_shared(t, n);
	if (r)
		return r;
	own = ovl_own(n);
	if (off < 0 || (uint64_t)off >= n->size)
		r = -ENXIO;
	else if (!own || own->state != STORE_NONE)
		r = ovl_file_get(t, n, !own || own->state != STORE_FULL, &f);
	if (!r)
		r = seek_locked(t, n, f, (uint64_t)off, whence);
	ovl_file_put(t, f);
	pthread_rwlock_unlock(&n->lock);
	return r;
}
