// SPDX-License-Identifier: Apache-2.0
/*
 * copy_file_range between two files of the tree, and mappings (DAX).
 *
 * The host copies (or shares blocks) where the source is one file there and the
 * destination is FULL and needs nothing below: holes that the host makes then
 * hide nothing (see copyup.c). Otherwise bytes go through memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "overlay/copyup.h"
#include "overlay/data.h"
#include "overlay/file.h"
#include "overlay/tree.h"

#define COPY_BUFFER (256u << 10)
#define COPY_MAX (64u << 20) /* per call: the locks are held meanwhile */

struct copy {
	struct ovl_tree *t;
	struct ovl_node *in, *out;
	uint64_t off_in, off_out;
	size_t len;
	int64_t now;
};

static void copy_unlock(const struct copy *c)
{
	pthread_rwlock_unlock(&c->out->lock);
	if (c->in != c->out)
		pthread_rwlock_unlock(&c->in->lock);
}

/* Both locks by number: the source shared, with its extents, the destination alone. */
static int copy_lock(const struct copy *c)
{
	bool in_first = c->in->ino < c->out->ino;
	int r = 0;

	if (c->in == c->out) {
		pthread_rwlock_wrlock(&c->out->lock);
		r = ovl_copyup_load(c->t, c->out);
	} else {
		if (!in_first)
			pthread_rwlock_wrlock(&c->out->lock);
		r = ovl_data_lock_shared(c->t, c->in);
		if (in_first && !r)
			pthread_rwlock_wrlock(&c->out->lock);
		if (r && !in_first)
			pthread_rwlock_unlock(&c->out->lock);
		return r;
	}
	if (r)
		pthread_rwlock_unlock(&c->out->lock);
	return r;
}

static ssize_t copy_host_fds(const struct copy *c, int fd_in, int fd_out, size_t len)
{
#ifdef __linux__
	off_t in = (off_t)c->off_in, out = (off_t)c->off_out;
	size_t done = 0;

	while (done < len) {
		ssize_t n = copy_file_range(fd_in, &in, fd_out, &out, len - done, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
#else
	(void)c, (void)fd_in, (void)fd_out, (void)len;
	return 0;
#endif
}

/* The run of the source, if the host can copy from it; fd -1 otherwise. The source's file is to be put. */
static int copy_source(const struct copy *c, struct ovl_file **f, struct ovl_run *run)
{
	const struct ovl_own *own = ovl_own(c->in);
	int r;

	*f = NULL;
	*run = (struct ovl_run){.fd = -1};
	if (own && own->state == STORE_NONE)
		return 0;
	r = ovl_file_get(c->t, c->in, !own || own->state != STORE_FULL, f);
	return r ? r : ovl_run_at(c->t, c->in, *f, c->off_in, run);
}

/* As far as the host gets, from nothing to all. */
static ssize_t copy_host(const struct copy *c)
{
	struct ovl_own *own = ovl_own(c->out);
	struct ovl_file *in, *out = NULL;
	struct ovl_run run;
	ssize_t done = own->state == STORE_FULL && !own->below ? copy_source(c, &in, &run) : 0;

	if (done || own->state != STORE_FULL || own->below)
		return done;
	if (run.fd >= 0)
		done = ovl_mark_written(c->t, NULL, c->out);
	if (!done && run.fd >= 0)
		done = ovl_file_get(c->t, c->out, false, &out);
	if (!done && out) {
		int fd = ovl_file_own_fd(c->t, c->out, out);
		size_t len = run.end - c->off_in < c->len ? run.end - c->off_in : c->len;

		done = fd < 0 ? fd : copy_host_fds(c, run.fd, fd, len);
	}
	ovl_file_put(c->t, out);
	ovl_file_put(c->t, in);
	if (done > 0) {
		ovl_data_grown(c->out, c->off_out + (uint64_t)done);
		ovl_data_changed(c->t, c->out, c->now);
	}
	return done;
}

static ssize_t copy_buffer(const struct copy *c, char *buf)
{
	struct iovec iov = {buf, c->len < COPY_BUFFER ? c->len : COPY_BUFFER};
	struct ovl_io io = {&iov, 1, iov.iov_len};
	ssize_t got = ovl_data_read_locked(c->t, c->in, c->off_in, &io);

	if (got <= 0)
		return got;
	iov.iov_len = io.total = (size_t)got;
	return ovl_data_write_locked(c->t, c->out, c->off_out, &io, 0, c->now);
}

static void copy_advance(struct copy *c, size_t *done, ssize_t n)
{
	c->off_in += (uint64_t)n;
	c->off_out += (uint64_t)n;
	c->len -= (size_t)n;
	*done += (size_t)n;
}

static ssize_t copy_run(struct copy *c)
{
	vn_autofree char *buf = NULL;
	size_t done = 0;

	while (c->len) {
		ssize_t n = copy_host(c);

		if (!n && !buf) {
			buf = malloc(COPY_BUFFER);
			if (!buf)
				n = -ENOMEM;
		}
		if (!n)
			n = copy_buffer(c, buf);
		if (n < 0)
			return done ? (ssize_t)done : n;
		if (!n)
			break;
		copy_advance(c, &done, n);
	}
	return (ssize_t)done;
}

/* What is asked, within the source's end. -EINVAL: one file with itself where the ranges overlap. */
static int copy_clamp(struct copy *c)
{
	uint64_t low = c->off_in < c->off_out ? c->off_in : c->off_out;
	uint64_t high = c->off_in < c->off_out ? c->off_out : c->off_in;
	int r = ovl_data_writable(c->t, c->out);

	if (r)
		return r;
	if (c->off_in > INT64_MAX || c->off_out > INT64_MAX || c->len > INT64_MAX - c->off_in)
		return -EOVERFLOW;
	if (c->len > INT64_MAX - c->off_out)
		return -EFBIG;
	if (c->in == c->out && high - low < c->len)
		return -EINVAL;
	if (c->off_in >= c->in->size)
		c->len = 0;
	else if (c->len > c->in->size - c->off_in)
		c->len = c->in->size - c->off_in;
	if (c->len > COPY_MAX)
		c->len = COPY_MAX;
	return 0;
}

ssize_t ovl_data_copy(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *in, uint64_t off_in,
		      struct ovl_node *out, uint64_t off_out, size_t len)
{
	struct copy c = {t, in, out, off_in, off_out, len, ovl_data_now(ctx)};
	ssize_t r = copy_lock(&c);

	if (r)
		return r;
	r = copy_clamp(&c);
	if (!r && c.len)
		r = ovl_data_strip(t, out, out->mode, c.now);
	/* the host may share blocks with a whole file only */
	if (!r && c.len > COPY_BUFFER && ovl_own(out)->state == STORE_NONE)
		r = ovl_copyup_whole(t, out);
	if (!r)
		r = copy_run(&c);
	copy_unlock(&c);
	return r;
}

/* ---- mappings ---- */

/* The range as one stretch of one host file, if it is that. 0: *out is filled and held; -ENXIO: it is not. Locked. */
static int map_range(struct ovl_tree *t, struct ovl_node *n, uint64_t off, uint64_t len, bool writable,
		     struct vn_range *out)
{
	const struct ovl_own *own = ovl_own(n);
	uint64_t end = off + len < n->size ? off + len : n->size;
	struct ovl_file *f;
	struct ovl_run run = {.fd = -1};
	struct stat st;
	int r;

	if (own && own->state == STORE_NONE)
		return -ENXIO;
	r = ovl_file_get(t, n, !own || own->state != STORE_FULL, &f);
	if (r)
		return r;
	if (own && own->state == STORE_FULL) {
		run.fd = r = ovl_file_own_fd(t, n, f);
		run.end = UINT64_MAX;
	} else if (off < n->size) {
		r = ovl_run_at(t, n, f, off, &run);
	}
	if (r >= 0)
		r = run.fd >= 0 && run.end >= end && !fstat(run.fd, &st) && (uint64_t)st.st_size >= end ? 0 : -ENXIO;
	if (!r) {
		ovl_file_map(t, f, writable);
		*out = (struct vn_range){.fd = run.fd, .offset = off, .length = len};
	}
	ovl_file_put(t, f);
	return r;
}

/*
 * A range that is not in one host file, or that will be written, gets the file made
 * FULL first; so a client that maps needs a tree that can be written, unless the
 * range is in one file already (-EROFS).
 */
static int map_whole(struct ovl_tree *t, struct ovl_node *n, uint64_t off, uint64_t len, bool writable,
		     struct vn_range *out)
{
	int r = ovl_touch(t, n);

	if (r)
		return r;
	pthread_rwlock_wrlock(&n->lock);
	r = ovl_own(n)->home->id ? -EROFS : 0;
	if (!r && writable)
		r = ovl_data_writable(t, n);
	if (!r)
		r = ovl_copyup_whole(t, n);
	if (!r && writable)
		r = ovl_mark_written(t, NULL, n);
	if (!r)
		r = map_range(t, n, off, len, writable, out);
	if (!r && writable)
		ovl_data_changed(t, n, vn_now_ns());
	pthread_rwlock_unlock(&n->lock);
	return r;
}

int ovl_data_map(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, uint64_t off, uint64_t len,
		 bool writable, struct vn_range *out)
{
	int r = -ENXIO;

	(void)ctx;
	if (!len || off > INT64_MAX || len > INT64_MAX - off)
		return -EINVAL;
	if (!writable) {
		r = ovl_data_lock_shared(t, n);
		if (r)
			return r;
		r = map_range(t, n, off, len, false, out);
		pthread_rwlock_unlock(&n->lock);
	}
	return r == -ENXIO ? map_whole(t, n, off, len, writable, out) : r;
}

void ovl_data_unmap(struct ovl_tree *t, struct ovl_node *n, uint64_t off, uint64_t len)
{
	(void)off, (void)len;
	atomic_fetch_and(&n->flags, ~OVL_NODE_BLOCKS);
	ovl_file_unmap(t, n);
}
