// SPDX-License-Identifier: Apache-2.0
/*
 * Copy-up of data.
 *
 * Order, always: bytes into the data file, then one record that says so, then
 * memory, then the reply. A crash before the record leaves bytes in the data
 * file that nobody reads: whatever is not in an extent still comes from below, and
 * whoever later claims such a place as zeros clears it first.
 *
 * What a record may claim is ruled by how a replay treats it after a power cut
 * (store.h): a DATA extent counts only where the host shows bytes, elsewhere the
 * file is read below again. So a DATA extent may have holes only where there are
 * zeros below, too. The same holds for a FULL row that still has `below`: replay
 * makes it PARTIAL by what the host shows. Ranges made zero on purpose are ZERO
 * extents, and a file with such becomes FULL only after its data was flushed, with
 * `below` 0. Nothing punches holes into a FULL file that has `below`
 * (ovl_copyup_whole() ends that).
 *
 * How much is copied: nothing that the write replaces; files up to OVL_WHOLE_MAX
 * whole; larger ones by a clone where the host has reflinks, else the missing
 * edges of the 64 KiB blocks that the write touches. A file whose last byte below
 * was copied is queued, and the ticker makes it FULL.
 */
#include "overlay/copyup.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/copy.h"
#include "overlay/extents.h"
#include "overlay/file.h"
#include "overlay/tree.h"

/* ---- extents of a row ---- */

int ovl_copyup_load(struct ovl_tree *t, struct ovl_node *n)
{
	struct ovl_own *own = ovl_own(n);
	struct ovl_extents *e;
	int r;

	if (!own || own->state != STORE_PARTIAL || own->extents)
		return 0;
	e = ovl_extents_new();
	if (!e)
		return -ENOMEM;
	r = store_read_extents(t->store, own->home->id, n->ino, ovl_extents_put, e);
	if (r) {
		ovl_extents_free(e);
		return r;
	}
	own->extents = e;
	/* a recovery can leave one that only has to be turned */
	if (!own->home->id && !t->readonly && ovl_copyup_complete(n))
		ovl_queue_settle(t, n);
	return 0;
}

bool ovl_copyup_complete(struct ovl_node *n)
{
	const struct ovl_own *own = ovl_own(n);

	return ovl_extents_cover(own->extents, 0, ovl_min(own->below, n->size));
}

static void copyup_merge(struct ovl_extents *into, const struct ovl_extents *add)
{
	for (size_t i = 0; i < add->count; i++)
		ovl_extents_set(into, add->list[i].start, add->list[i].end, add->list[i].kind);
}

int ovl_copyup_record(struct ovl_tree *t, struct ovl_node *n, struct store_inode *row, struct ovl_extents **add)
{
	struct ovl_own *own = ovl_own(n);
	bool partial = own->state == STORE_PARTIAL;
	struct ovl_op op;
	uint64_t seq;
	int r = partial ? ovl_extents_reserve(own->extents, (*add)->count) : 0;

	if (r)
		return r;
	row->state = STORE_PARTIAL;
	ovl_op_begin(&op, t, NULL);
	ovl_op_inode(&op, n, row);
	for (size_t i = 0; i < (*add)->count && !own->dead; i++) {
		const struct ovl_extent *x = &(*add)->list[i];

		store_change_extent(&op.change, n->ino, x->start, x->end - x->start, x->kind);
	}
	r = ovl_op_commit(&op, &seq);
	if (r)
		return r;
	if (partial) {
		copyup_merge(own->extents, *add);
		ovl_extents_free(*add);
	} else {
		ovl_extents_free(own->extents);
		own->extents = *add;
	}
	*add = NULL;
	ovl_node_apply(t, n, row, seq, true);
	atomic_fetch_and(&n->flags, ~OVL_NODE_BLOCKS);
	if (ovl_copyup_complete(n))
		ovl_queue_settle(t, n);
	return 0;
}

/* ---- begin, fill, end ---- */

static int copyup_file(struct ovl_copyup *c)
{
	struct ovl_own *own = ovl_own(c->n);

	if (own->data) {
		c->number = own->data;
		c->fd = ovl_file_own_fd(c->t, c->n, c->file);
		return c->fd < 0 ? c->fd : 0;
	}
	c->fresh = true;
	return store_data_new(c->t->store, &c->number, &c->fd);
}

int ovl_copyup_begin(struct ovl_copyup *c, struct ovl_tree *t, struct ovl_node *n)
{
	int r = ovl_copyup_load(t, n);

	*c = (struct ovl_copyup){.t = t, .n = n, .fd = -1};
	if (r)
		return r;
	r = ovl_file_get(t, n, true, &c->file);
	if (r)
		return r;
	c->add = ovl_extents_new();
	r = c->add ? copyup_file(c) : -ENOMEM;
	if (r) {
		ovl_extents_free(c->add);
		ovl_file_put(t, c->file);
	}
	return r;
}

/* [from, to) of the data file has been written. */
static int copyup_add(struct ovl_copyup *c, uint64_t from, uint64_t to)
{
	return ovl_extents_put(c->add, from, to - from, STORE_EXTENT_DATA);
}

/* One stretch that is read below: copied, or left a hole where there are zeros below. */
static int copyup_run(struct ovl_copyup *c, uint64_t pos, uint64_t to, uint64_t *end)
{
	struct ovl_run run;
	int r = ovl_run_below(c->t, c->n, c->file, pos, to, &run);

	if (!r && !c->fresh)
		r = ovl_run_clear(c->fd, pos, run.end);
	if (!r && run.fd >= 0) {
		r = ovl_run_copy(&run, c->fd, pos);
		c->copied += run.end - pos;
	}
	if (!r)
		r = copyup_add(c, pos, run.end);
	*end = run.end;
	return r;
}

int ovl_copyup_fill(struct ovl_copyup *c, uint64_t from, uint64_t to)
{
	struct ovl_own *own = ovl_own(c->n);
	int r = 0;

	to = ovl_min(to, own->below);
	while (from < to && !r) {
		uint64_t end = to;

		if (own->state == STORE_PARTIAL &&
		    ovl_extents_at(own->extents, from, &end) != STORE_EXTENT_NONE)
			from = end;
		else
			r = copyup_run(c, from, ovl_min(end, to), &from);
	}
	return r;
}

/* Clears what was put where nothing is recorded, so that the data file takes no space for it. */
static void copyup_take_back(struct ovl_copyup *c)
{
	struct ovl_own *own = ovl_own(c->n);

	for (size_t i = 0; i < c->add->count; i++) {
		uint64_t pos = c->add->list[i].start, to = c->add->list[i].end, end;

		for (; pos < to; pos = end) {
			int kind = STORE_EXTENT_NONE;

			end = to;
			if (own->state == STORE_PARTIAL)
				kind = ovl_extents_at(own->extents, pos, &end);
			end = ovl_min(end, to);
			if (kind != STORE_EXTENT_DATA && ovl_run_clear(c->fd, pos, end))
				return; /* garbage nobody reads: see the head of this file */
		}
	}
}

static void copyup_abandon(struct ovl_copyup *c)
{
	if (c->fresh) {
		close(c->fd);
		store_data_abandon(c->t->store, c->number);
	} else if (c->add) {
		copyup_take_back(c);
	}
}

/* Holes at the end of what was copied: the data file reaches over all its extents all the same. */
static int copyup_reach(struct ovl_copyup *c)
{
	uint64_t end = c->add->count ? c->add->list[c->add->count - 1].end : 0;
	struct stat st;

	if (fstat(c->fd, &st))
		return -errno;
	return (uint64_t)st.st_size < end && ftruncate(c->fd, (off_t)end) ? -errno : 0;
}

int ovl_copyup_end(struct ovl_copyup *c, struct store_inode *row, int r)
{
	bool first = ovl_own(c->n)->state == STORE_BELOW;

	if (!r)
		r = copyup_reach(c);
	if (!r) {
		row->data = c->number;
		r = ovl_copyup_record(c->t, c->n, row, &c->add);
	}
	if (r) {
		copyup_abandon(c);
	} else {
		if (c->fresh)
			ovl_file_adopt(c->t, c->file, c->number, c->fd);
		atomic_fetch_add(&c->t->copied_up, first);
		atomic_fetch_add(&c->t->copied_bytes, c->copied);
	}
	ovl_extents_free(c->add);
	ovl_file_put(c->t, c->file);
	return r;
}

/* ---- reflink ---- */

/* Layers share a bit when there are more than 63; the last one is for sealed deltas. */
static uint64_t copyup_layer_bit(const struct ovl_copyup *c, const struct ovl_level *l)
{
	return UINT64_C(1) << (l->base ? c->n->layer % 63 : 63);
}

static bool copyup_clone_fd(struct ovl_copyup *c, int src, uint64_t bit)
{
	struct ovl_own *own = ovl_own(c->n);
	int r = vn_clone_file(src, c->fd);
	struct stat st;

	if (r == -EOPNOTSUPP || r == -ENOTTY)
		atomic_store(&c->t->files->no_reflink, UINT64_MAX);
	else if (r == -EXDEV)
		atomic_fetch_or(&c->t->files->no_reflink, bit);
	if (r)
		return false;
	/* below may be less than the source; a source that shrank is for the slow way to find */
	return !fstat(c->fd, &st) && (uint64_t)st.st_size >= own->below && !ftruncate(c->fd, (off_t)own->below) &&
	       !copyup_add(c, 0, own->below);
}

bool ovl_copyup_clone(struct ovl_copyup *c)
{
	struct ovl_level *l = c->file->levels;
	uint64_t bit = c->file->nlevels ? copyup_layer_bit(c, l) : 0;
	struct ovl_run run;

	if (!c->fresh || !bit || l->kind != OVL_LEVEL_WHOLE || l->size < ovl_own(c->n)->below ||
	    atomic_load(&c->t->files->no_reflink) & bit)
		return false;
	return !ovl_run_below(c->t, c->n, c->file, 0, ovl_own(c->n)->below, &run) &&
	       copyup_clone_fd(c, run.fd, bit);
}

/* ---- writing ---- */

/* The parts of the blocks around [off, end) that the write does not replace. */
static int copyup_fill_edges(struct ovl_copyup *c, uint64_t off, uint64_t end)
{
	struct ovl_own *own = ovl_own(c->n);
	bool whole = c->fresh && own->below <= OVL_WHOLE_MAX;
	uint64_t from = whole ? 0 : off / OVL_BLOCK * OVL_BLOCK;
	uint64_t to = whole || end > UINT64_MAX - OVL_BLOCK ? UINT64_MAX : (end + OVL_BLOCK - 1) / OVL_BLOCK * OVL_BLOCK;
	int r;

	if (ovl_copyup_clone(c))
		return 0;
	r = ovl_copyup_fill(c, from, off);
	return r ? r : ovl_copyup_fill(c, end, to);
}

/* Inside of what is in the data file already: nothing to record but times, and those later. */
static ssize_t copyup_overwrite(struct ovl_tree *t, struct ovl_node *n, const struct ovl_io *io, size_t skip,
				size_t len, uint64_t off, int64_t now)
{
	struct ovl_file *f;
	ssize_t done = ovl_file_get(t, n, true, &f);

	if (done < 0)
		return done;
	done = ovl_file_own_fd(t, n, f);
	if (done >= 0)
		done = ovl_run_write((int)done, io, skip, len, off);
	ovl_file_put(t, f);
	if (done > 0 && now)
		n->mtime = n->ctime = now;
	if (done > 0)
		ovl_queue_settle(t, n);
	return done;
}

static bool copyup_in_place(struct ovl_node *n, uint64_t off, size_t len)
{
	const struct ovl_own *own = ovl_own(n);
	uint64_t end;

	return own->state == STORE_PARTIAL && ovl_extents_at(own->extents, off, &end) == STORE_EXTENT_DATA &&
	       end - off >= len;
}

ssize_t ovl_copyup_write(struct ovl_tree *t, struct ovl_node *n, const struct ovl_io *io, size_t skip, size_t len,
			 uint64_t off, int64_t now)
{
	struct ovl_copyup c;
	struct store_inode row;
	ssize_t done = 0;
	int r = ovl_copyup_load(t, n);

	if (!r && copyup_in_place(n, off, len))
		return copyup_overwrite(t, n, io, skip, len, off, now);
	if (!r)
		r = ovl_copyup_begin(&c, t, n);
	if (r)
		return r;
	r = copyup_fill_edges(&c, off, off + len);
	if (!r)
		done = ovl_run_write(c.fd, io, skip, len, off);
	if (!r && done <= 0)
		r = done < 0 ? (int)done : -EIO;
	if (!r)
		r = copyup_add(&c, off, off + (uint64_t)done);
	ovl_row(n, &row);
	if (off + (uint64_t)done > row.size)
		row.size = off + (uint64_t)done;
	if (now)
		row.mtime = row.ctime = now;
	r = ovl_copyup_end(&c, &row, r);
	return r ? r : done;
}
