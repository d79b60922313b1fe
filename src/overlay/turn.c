// SPDX-License-Identifier: Apache-2.0
/*
 * Becoming FULL: with the first bytes of a file that had none, when the last of a
 * PARTIAL file were copied, and when a client needs it at once. The theory is at
 * the head of copyup.c.
 */
#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "overlay/copyup.h"
#include "overlay/extents.h"
#include "overlay/file.h"
#include "overlay/tree.h"

/*
 * Nothing is below, so the row can be FULL at once: what a power cut leaves of the
 * data file are the bytes that were flushed. After a truncation of older bytes it is
 * flushed first, lest both be gone (rule J10), and where the file had a length, which
 * may have been confirmed and has to be the data file's then. Takes over fd
 * when it succeeds; else fd and number stay the caller's.
 */
int ovl_copyup_first(struct ovl_tree *t, struct ovl_node *n, struct store_inode *row, uint64_t number, int fd,
		     uint64_t size)
{
	struct ovl_own *own = ovl_own(n);
	struct ovl_file *f;
	struct ovl_op op;
	uint64_t seq;
	int r;

	row->state = STORE_FULL;
	row->data = number;
	row->below = 0;
	ovl_op_begin(&op, t, NULL);
	ovl_op_inode(&op, n, row);
	if ((own->emptied || row->size) && !own->dead)
		store_change_data_flush(&op.change, number);
	r = ovl_op_commit(&op, &seq);
	if (r)
		return r;
	own->emptied = false;
	ovl_node_apply(t, n, row, seq, true);
	n->size = size;
	atomic_fetch_and(&n->flags, ~OVL_NODE_BLOCKS);
	if (ovl_file_get(t, n, false, &f)) {
		close(fd); /* no memory to keep it: it is opened again when it is needed */
	} else {
		ovl_file_adopt(t, f, number, fd);
		ovl_file_put(t, f);
	}
	if (row->flags & STORE_STALE)
		ovl_queue_settle(t, n);
	return 0;
}

/* ---- becoming FULL ---- */

/* What no DATA extent covers must be zeros in the data file, too, and its length the file's. */
static int turn_clean(struct ovl_node *n, int fd)
{
	const struct ovl_own *own = ovl_own(n);
	uint64_t pos = 0, end;

	for (; pos < n->size; pos = end) {
		int kind = ovl_extents_at(own->extents, pos, &end);
		int r;

		end = ovl_min(end, n->size);
		r = kind == STORE_EXTENT_DATA ? 0 : ovl_run_clear(fd, pos, end);
		if (r)
			return r;
	}
	return ftruncate(fd, (off_t)n->size) ? -errno : 0;
}

static int turn_data(struct ovl_tree *t, struct ovl_node *n, bool flush)
{
	struct ovl_file *f;
	int r = ovl_file_get(t, n, true, &f);
	int fd;

	if (r)
		return r;
	fd = ovl_file_own_fd(t, n, f);
	r = fd < 0 ? fd : turn_clean(n, fd);
	if (!r && flush)
		r = vn_fdatasync(fd);
	ovl_file_put(t, f);
	return r;
}

int ovl_copyup_turn(struct ovl_tree *t, struct ovl_node *n, bool flush)
{
	struct ovl_own *own = ovl_own(n);
	struct store_inode row;
	struct ovl_op op;
	uint64_t seq;
	int r;

	flush = flush || ovl_extents_any(own->extents, STORE_EXTENT_ZERO, own->below);
	r = own->data ? turn_data(t, n, flush) : 0;
	if (r)
		return r;
	ovl_row(n, &row);
	row.state = own->data ? STORE_FULL : STORE_NONE;
	if (flush || !own->data)
		row.below = 0;
	ovl_op_begin(&op, t, NULL);
	ovl_op_inode(&op, n, &row);
	if (!own->dead)
		store_change_extents_gone(&op.change, n->ino, 0);
	if (!own->dead && !flush && own->data)
		store_change_data_flush(&op.change, own->data);
	r = ovl_op_commit(&op, &seq);
	if (r)
		return r;
	ovl_node_apply(t, n, &row, seq, true);
	ovl_extents_free(own->extents);
	own->extents = NULL;
	atomic_fetch_and(&n->flags, ~OVL_NODE_BLOCKS);
	return 0;
}

/* A FULL file that remembers what was below: its data is flushed and that forgotten. */
static int whole_sever(struct ovl_tree *t, struct ovl_node *n)
{
	struct store_inode row;
	struct ovl_file *f;
	struct ovl_op op;
	uint64_t seq;
	int r = ovl_file_get(t, n, false, &f);
	int fd;

	if (r)
		return r;
	fd = ovl_file_own_fd(t, n, f);
	r = fd < 0 ? fd : vn_fdatasync(fd);
	ovl_file_put(t, f);
	if (r)
		return r;
	ovl_row(n, &row);
	row.below = 0;
	ovl_op_begin(&op, t, NULL);
	ovl_op_inode(&op, n, &row);
	r = ovl_op_commit(&op, &seq);
	if (!r)
		ovl_node_apply(t, n, &row, seq, true);
	return r;
}

static int whole_first(struct ovl_tree *t, struct ovl_node *n)
{
	struct store_inode row;
	uint64_t number;
	int fd, r = store_data_new(t->store, &number, &fd);

	if (r)
		return r;
	ovl_row(n, &row);
	r = ftruncate(fd, (off_t)row.size) ? -errno : ovl_copyup_first(t, n, &row, number, fd, row.size);
	if (r) {
		close(fd);
		store_data_abandon(t->store, number);
	}
	return r;
}

static int whole_fill(struct ovl_tree *t, struct ovl_node *n)
{
	struct ovl_copyup c;
	struct store_inode row;
	int r = ovl_copyup_begin(&c, t, n);

	if (r)
		return r;
	r = ovl_copyup_clone(&c) ? 0 : ovl_copyup_fill(&c, 0, UINT64_MAX);
	ovl_row(n, &row);
	return ovl_copyup_end(&c, &row, r);
}

int ovl_copyup_whole(struct ovl_tree *t, struct ovl_node *n)
{
	struct ovl_own *own = ovl_own(n);
	int r = 0;

	if (own->state == STORE_BELOW || own->state == STORE_PARTIAL) {
		r = whole_fill(t, n);
		if (!r)
			r = ovl_copyup_turn(t, n, true);
	}
	if (!r && own->state == STORE_NONE)
		r = whole_first(t, n);
	if (!r && own->below)
		r = whole_sever(t, n);
	return r;
}
