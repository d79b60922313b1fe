// SPDX-License-Identifier: Apache-2.0
#include "overlay/run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/fd.h"
#include "base/iov.h"
#include "base/scope.h"
#include "overlay/extents.h"
#include "overlay/file.h"
#include "overlay/tree.h"

#define RUN_IOV 128 /* elements per system call when an iovec has to be cut */
#define RUN_BUFFER (128u << 10)

/*
 * Bytes of one write to the host, at most, and to a multiple of it. Some hosts cache in
 * folios of the size of a write and then walk all of a folio for each small one: 4 KiB in
 * a file that was written by the MiB took 10 us, in one that was written so takes 3. Large
 * writes pay for it with 5 percent.
 */
#define RUN_PIECE (64u << 10)

uint64_t ovl_run_limit(struct ovl_node *n)
{
	const struct ovl_own *own = ovl_own(n);

	if (!own)
		return n->odir ? n->base_size : 0;
	return own->state == STORE_BELOW || own->state == STORE_PARTIAL ? own->below : 0;
}

/* ---- which level ---- */

static int run_level(struct ovl_tree *t, struct ovl_node *n, struct ovl_level *l, struct ovl_run *run)
{
	int fd = ovl_file_level_fd(t, n, l);

	run->fd = fd;
	run->base = l->base;
	return fd < 0 ? fd : 0;
}

int ovl_run_below(struct ovl_tree *t, struct ovl_node *n, struct ovl_file *f, uint64_t pos, uint64_t to,
		  struct ovl_run *run)
{
	*run = (struct ovl_run){.fd = -1, .end = to};
	for (size_t i = 0; i < f->nlevels && pos < f->levels[i].size; i++) {
		struct ovl_level *l = &f->levels[i];
		uint64_t end;
		int kind;

		run->end = ovl_min(run->end, l->size);
		if (l->kind == OVL_LEVEL_EMPTY)
			return 0;
		if (l->kind == OVL_LEVEL_WHOLE)
			return run_level(t, n, l, run);
		kind = ovl_extents_at(l->extents, pos, &end);
		run->end = ovl_min(run->end, end);
		if (kind == STORE_EXTENT_DATA)
			return run_level(t, n, l, run);
		if (kind == STORE_EXTENT_ZERO || pos >= l->below)
			return 0;
		run->end = ovl_min(run->end, l->below);
	}
	return 0;
}

static int run_own(struct ovl_tree *t, struct ovl_node *n, struct ovl_file *f, struct ovl_run *run)
{
	int fd = ovl_file_own_fd(t, n, f);

	run->fd = fd;
	return fd < 0 ? fd : 0;
}

int ovl_run_at(struct ovl_tree *t, struct ovl_node *n, struct ovl_file *f, uint64_t pos, struct ovl_run *run)
{
	const struct ovl_own *own = ovl_own(n);
	uint64_t limit = ovl_run_limit(n), end;
	int kind = STORE_EXTENT_NONE;

	*run = (struct ovl_run){.fd = -1, .end = n->size};
	if (own && own->state == STORE_FULL)
		return run_own(t, n, f, run);
	if (own && own->state == STORE_PARTIAL) {
		kind = ovl_extents_at(own->extents, pos, &end);
		run->end = ovl_min(run->end, end);
	}
	if (kind == STORE_EXTENT_DATA)
		return run_own(t, n, f, run);
	if (kind == STORE_EXTENT_ZERO || pos >= limit)
		return 0;
	return ovl_run_below(t, n, f, pos, ovl_min(run->end, limit), run);
}

/* ---- moving bytes ---- */

struct run_way {
	ssize_t (*transfer)(int fd, const struct iovec *iov, int count, off_t off);
	size_t piece; /* in one call, at most */
};

static const struct run_way run_reading = {preadv, SIZE_MAX};
static const struct run_way run_writing = {pwritev, RUN_PIECE};

/* One call for as much as fits; whole iovecs go to the host as they are. */
static ssize_t run_once(const struct run_way *way, int fd, const struct ovl_io *io, size_t skip, size_t len, uint64_t off)
{
	struct iovec part[RUN_IOV];
	ssize_t moved;

	len = ovl_min(len, way->piece - off % way->piece);
	do {
		if (!skip && len == io->total && io->count <= IOV_MAX)
			moved = way->transfer(fd, io->iov, (int)io->count, (off_t)off);
		else
			moved = way->transfer(fd, part, (int)vn_iov_slice(part, RUN_IOV, io->iov, io->count, skip, len),
					      (off_t)off);
	} while (moved < 0 && errno == EINTR);
	return moved < 0 ? -errno : moved;
}

static ssize_t run_all(const struct run_way *way, int fd, const struct ovl_io *io, size_t skip, size_t len, uint64_t off)
{
	size_t done = 0;

	while (done < len) {
		ssize_t moved = run_once(way, fd, io, skip + done, len - done, off + done);

		if (moved < 0 && !done)
			return moved;
		if (moved <= 0)
			break;
		done += (size_t)moved;
	}
	return (ssize_t)done;
}

ssize_t ovl_run_read(int fd, const struct ovl_io *io, size_t skip, size_t len, uint64_t off)
{
	return run_all(&run_reading, fd, io, skip, len, off);
}

ssize_t ovl_run_write(int fd, const struct ovl_io *io, size_t skip, size_t len, uint64_t off)
{
	return run_all(&run_writing, fd, io, skip, len, off);
}

int ovl_run_copy(const struct ovl_run *run, int dst, uint64_t from)
{
	struct stat st;

	if (run->base && fstat(run->fd, &st))
		return -errno;
	if (run->base && (uint64_t)st.st_size < run->end)
		return -EIO;
	return vn_copy_range(run->fd, dst, from, run->end);
}

static int run_write_zeros(int fd, uint64_t from, uint64_t to)
{
	vn_autofree char *zeros = calloc(1, ovl_min(RUN_BUFFER, to - from));

	if (!zeros)
		return -ENOMEM;
	while (from < to) {
		ssize_t put = vn_pwrite_full(fd, zeros, ovl_min(RUN_BUFFER, to - from), (off_t)from);

		if (put <= 0)
			return put < 0 ? (int)put : -EIO;
		from += (uint64_t)put;
	}
	return 0;
}

static int run_punch(int fd, uint64_t from, uint64_t to)
{
#ifdef FALLOC_FL_PUNCH_HOLE
	if (!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(to - from)))
		return 0;
#endif
	return run_write_zeros(fd, from, to);
}

int ovl_run_clear(int fd, uint64_t from, uint64_t to)
{
	uint64_t data = 0;
	int r = 0;

	while (!r && from < to) {
		r = vn_next_data(fd, from, to, &data, &from);
		if (!r && data < from)
			r = run_punch(fd, data, from);
	}
	return r;
}
