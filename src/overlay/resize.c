// SPDX-License-Identifier: Apache-2.0
/*
 * Changing a file's length, as a part of setattr. A longer data file is made
 * before the commit (the host may refuse), a shorter one after it (bytes that are
 * gone cannot come back). A row is stale before its data file grows, so a crash in
 * between leaves the length that the file has; a replay of the record of a shorter
 * one cuts the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "base/scope.h"
#include "overlay/copyup.h"
#include "overlay/data.h"
#include "overlay/extents.h"
#include "overlay/file.h"
#include "overlay/tree.h"

#define RESIZE_ASK (UINT64_C(1) << 40) /* every host holds files of this size */

/* Tries lengths on a file without a name. */
static uint64_t resize_probe(int fd)
{
	uint64_t low = RESIZE_ASK, high = INT64_MAX;

	if (!ftruncate(fd, INT64_MAX))
		return INT64_MAX;
	while (low + 1 < high) {
		uint64_t mid = low + (high - low) / 2;

		if (ftruncate(fd, (off_t)mid))
			high = mid;
		else
			low = mid;
	}
	return low;
}

uint64_t ovl_data_max(struct ovl_tree *t)
{
	uint64_t max = atomic_load(&t->files->max_size);
	vn_autoclose int fd = -1;

	if (max)
		return max;
#ifdef O_TMPFILE
	fd = openat(store_dirfd(t->store), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
#endif
	max = fd < 0 ? INT64_MAX : resize_probe(fd);
	atomic_store(&t->files->max_size, max);
	return max;
}

static int resize_host(struct ovl_tree *t, struct ovl_node *n, uint64_t size)
{
	struct ovl_own *own = ovl_own(n);
	struct ovl_file *f;
	int r = own->data ? ovl_file_get(t, n, own->state != STORE_FULL, &f) : -ENODATA;
	int fd;

	if (r)
		return r == -ENODATA ? 0 : r;
	fd = ovl_file_own_fd(t, n, f);
	r = fd < 0 ? fd : ftruncate(fd, (off_t)size) ? -errno : 0;
	ovl_file_put(t, f);
	return r;
}

/* All bytes go. A data file that a client has mapped, or that has no row, stays and is emptied. */
static int resize_empty(struct ovl_op *op, struct ovl_node *n, struct store_inode *row)
{
	struct ovl_own *own = ovl_own(n);

	row->below = 0;
	own->emptied = true; /* also when the commit fails: then one flush too many */
	op->change.flags |= STORE_CHANGE_FREES;
	if (own->state == STORE_FULL && (own->dead || ovl_file_mapped(op->t, n)))
		return 0;
	if (own->state == STORE_PARTIAL && !own->dead)
		store_change_extents_gone(&op->change, n->ino, 0);
	if (own->data)
		store_change_data_gone(&op->change, own->data);
	row->state = STORE_NONE;
	row->data = 0;
	return 0;
}

static int resize_shrink(struct ovl_op *op, struct ovl_node *n, struct store_inode *row)
{
	struct ovl_own *own = ovl_own(n);
	int r = ovl_copyup_load(op->t, n);

	if (r)
		return r;
	if (row->below > row->size)
		row->below = row->size;
	if (own->state == STORE_PARTIAL && !own->dead)
		store_change_extents_gone(&op->change, n->ino, row->size);
	op->change.flags |= STORE_CHANGE_FREES;
	return 0;
}

static int resize_grow(struct ovl_op *op, struct ovl_node *n, struct store_inode *row)
{
	struct ovl_own *own = ovl_own(n);
	int r;

	if (row->size > INT64_MAX || (row->size > RESIZE_ASK && row->size > ovl_data_max(op->t)))
		return -EFBIG;
	if (own->state == STORE_BELOW)
		row->state = STORE_PARTIAL;
	if (own->state != STORE_FULL)
		return 0;
	r = ovl_mark_written(op->t, NULL, n);
	return r ? r : resize_host(op->t, n, row->size);
}

int ovl_data_resize(struct ovl_op *op, struct ovl_node *n, struct store_inode *row, uint64_t size)
{
	int r = ovl_data_writable(op->t, n);

	if (r || size == n->size)
		return r;
	row->size = size;
	if (!size)
		return resize_empty(op, n, row);
	return size < n->size ? resize_shrink(op, n, row) : resize_grow(op, n, row);
}

void ovl_data_resized(struct ovl_tree *t, struct ovl_node *n, const struct store_inode *row, bool ok)
{
	struct ovl_own *own = ovl_own(n);

	if (!ok) {
		if (own->state == STORE_FULL && row->size > n->size)
			resize_host(t, n, n->size);
		return;
	}
	atomic_fetch_and(&n->flags, ~OVL_NODE_BLOCKS);
	if (row->state == STORE_NONE) {
		ovl_file_drop(t, n);
		ovl_extents_free(own->extents);
		own->extents = NULL;
		return;
	}
	if (row->state == STORE_PARTIAL && own->extents)
		ovl_extents_cut(own->extents, row->size);
	resize_host(t, n, row->size);
}
