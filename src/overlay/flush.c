// SPDX-License-Identifier: Apache-2.0
/* What goes on beside reading and writing bytes: fsync, block counts, the ticker's part, the end of a file. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "overlay/copyup.h"
#include "overlay/extents.h"
#include "overlay/file.h"
#include "overlay/run.h"
#include "overlay/tree.h"

/* ---- fsync ---- */

/*
 * The descriptor is kept by its file, so the flush needs no lock: writes go on
 * meanwhile. What a FULL row does not know yet (size, times) is in the data file.
 */
int ovl_data_fsync(struct ovl_tree *t, struct ovl_node *n, bool datasync)
{
	struct ovl_file *f = NULL;
	uint64_t seq;
	int fd = -1, r = 0;

	if (!t->store || t->readonly)
		return 0;
	pthread_rwlock_rdlock(&n->lock);
	struct ovl_own *own = ovl_own(n);
	seq = own ? own->hard_seq : 0;
	if (own && !ovl_is_dir(n) && own->data && !own->home->id) {
		r = ovl_file_get(t, n, own->state != STORE_FULL, &f);
		if (!r)
			fd = ovl_file_own_fd(t, n, f);
		r = r ? r : fd < 0 ? fd : 0;
	}
	pthread_rwlock_unlock(&n->lock);
	if (!r && own)
		r = store_fsync(t->store, fd, datasync, seq);
	ovl_file_put(t, f);
	return r;
}

/* ---- blocks ---- */

static uint64_t blocks_of(uint64_t bytes)
{
	return bytes / 512 + (bytes % 512 != 0);
}

/* What the host says of the own data file; it may keep a file that is all data in its inode. */
static uint64_t blocks_host(struct ovl_tree *t, struct ovl_node *n)
{
	struct ovl_file *f;
	struct stat st;
	uint64_t blocks = blocks_of(n->size);
	int fd;

	if (ovl_file_get(t, n, ovl_own(n)->state != STORE_FULL, &f))
		return blocks;
	fd = ovl_file_own_fd(t, n, f);
	if (fd >= 0 && !fstat(fd, &st)) {
		blocks = (uint64_t)st.st_blocks;
		if (!blocks && st.st_size && lseek(fd, 0, SEEK_DATA) >= 0)
			blocks = 1;
	}
	ovl_file_put(t, f);
	return blocks;
}

/* Several readers may find it out at once; each stores the same. */
static uint64_t blocks_keep(struct ovl_tree *t, struct ovl_node *n, uint64_t blocks)
{
	__atomic_store_n(&n->blocks, blocks, __ATOMIC_RELAXED);
	if (!ovl_file_mapped(t, n))
		atomic_fetch_or(&n->flags, OVL_NODE_BLOCKS);
	return blocks;
}

uint64_t ovl_data_blocks(struct ovl_tree *t, struct ovl_node *n)
{
	const struct ovl_own *own = ovl_own(n);

	if (own && own->state == STORE_NONE)
		return 0;
	if (atomic_load(&n->flags) & OVL_NODE_BLOCKS)
		return __atomic_load_n(&n->blocks, __ATOMIC_RELAXED);
	if (!own || own->state == STORE_BELOW)
		return blocks_of(ovl_run_limit(n));
	if (own->state == STORE_FULL)
		return blocks_keep(t, n, blocks_host(t, n));
	if (!own->extents)
		return blocks_of(own->below);
	return (own->data ? blocks_host(t, n) : 0) +
	       blocks_of(ovl_extents_missing(own->extents, own->below));
}

/* ---- settle and drop ---- */

int ovl_data_settle(struct ovl_tree *t, struct ovl_node *n)
{
	struct ovl_own *own = ovl_own(n);
	struct store_inode row;
	struct ovl_op op;
	uint64_t seq;
	int r;

	if (!own || own->dead || own->home->id || t->readonly)
		return 0;
	if (own->state == STORE_PARTIAL && own->extents && ovl_copyup_complete(n))
		return ovl_copyup_turn(t, n, false);
	ovl_row(n, &row);
	/* in the index by now, and its data was flushed before: no replay will want what is below */
	if (own->state == STORE_FULL && store_visible(t->store) >= own->hard_seq)
		row.below = 0;
	ovl_op_begin(&op, t, NULL);
	op.change.flags |= STORE_CHANGE_TIMES;
	ovl_op_inode(&op, n, &row);
	r = ovl_op_commit(&op, &seq);
	if (!r)
		ovl_node_apply(t, n, &row, seq, false);
	return r;
}

/* A failure leaves the file to the sweep at the next open. */
static void drop_dead(struct ovl_tree *t, uint64_t number)
{
	struct ovl_op op;
	uint64_t seq;

	ovl_op_begin(&op, t, NULL);
	op.change.flags |= STORE_CHANGE_FREES;
	store_change_data_gone(&op.change, number);
	ovl_op_commit(&op, &seq);
}

void ovl_data_drop(struct ovl_tree *t, struct ovl_node *n)
{
	struct ovl_own *own = ovl_own(n);

	if (atomic_load(&n->flags) & (OVL_NODE_DIR | OVL_NODE_VIRTUAL))
		return;
	ovl_file_drop(t, n);
	if (!own)
		return;
	ovl_extents_free(own->extents);
	own->extents = NULL;
	if (own->dead && own->data && !own->home->id) {
		drop_dead(t, own->data);
		own->data = 0;
		own->state = STORE_NONE;
	}
}

/*
 * Who waits for a record to be seen holds the node, not the file: on a full disk
 * nothing is seen before the data file of an unlinked one has gone.
 */
void ovl_data_drop_dead(struct ovl_tree *t, struct ovl_node *n, unsigned held)
{
	vn_autounlock_rw pthread_rwlock_t *lock = NULL;
	struct ovl_own *own = ovl_own(n);

	if (!own || !own->dead || !ovl_has_bytes(n))
		return;
	lock = vn_lock_wr(&n->lock);
	pthread_mutex_lock(&t->pin_lock);
	held += own->pinned;
	pthread_mutex_unlock(&t->pin_lock);
	if (own->dead && atomic_load(&n->refs) <= held + own->written)
		ovl_data_drop(t, n);
}
