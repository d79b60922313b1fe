// SPDX-License-Identifier: Apache-2.0
/*
 * SETUPMAPPING and REMOVEMAPPING.
 *
 * The window is changed first and the table after it, under one lock, so that the
 * table never says less than what the client can reach; the file system gets its
 * ranges back after that, without the lock. A range that is cut in two goes on as two.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "fuse/request.h"

#define REMOVE_MAX 4096 /* of one message */

void vf_dax_init(struct vf_dax_table *t)
{
	*t = (struct vf_dax_table){0};
	pthread_mutex_init(&t->lock, NULL);
}

void vf_dax_fini(struct vf_dax_table *t)
{
	free(t->places);
	pthread_mutex_destroy(&t->lock);
}

/* Room for two more: a place that is cut in two, and a new one. */
static int dax_grow_locked(struct vf_dax_table *t)
{
	size_t cap = t->cap ? 2 * t->cap : 16;
	struct vf_dax_place *p;

	if (t->n + 2 <= t->cap)
		return 0;
	p = realloc(t->places, cap * sizeof(*p));
	if (!p)
		return -ENOMEM;
	t->places = p;
	t->cap = cap;
	return 0;
}

static size_t dax_find_locked(const struct vf_dax_table *t, uint64_t moffset)
{
	size_t lo = 0, hi = t->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (t->places[mid].moffset + t->places[mid].len <= moffset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void dax_insert_locked(struct vf_dax_table *t, size_t i, struct vf_dax_place p)
{
	memmove(t->places + i + 1, t->places + i, (t->n - i) * sizeof(p));
	t->places[i] = p;
	t->n++;
}

static void dax_delete_locked(struct vf_dax_table *t, size_t i)
{
	t->n--;
	memmove(t->places + i, t->places + i + 1, (t->n - i) * sizeof(*t->places));
}

/* Cuts [from, to) out of the place at i; *cut is what was cut. Returns the index behind what is left before it. */
static size_t dax_cut_locked(struct vf_dax_table *t, size_t i, uint64_t from, uint64_t to, struct vf_dax_place *cut)
{
	struct vf_dax_place p = t->places[i];
	uint64_t end = p.moffset + p.len;

	from = from > p.moffset ? from : p.moffset;
	to = to < end ? to : end;
	*cut = (struct vf_dax_place){from, to - from, p.node, p.foffset + (from - p.moffset)};
	dax_delete_locked(t, i);
	if (from > p.moffset) {
		dax_insert_locked(t, i, (struct vf_dax_place){p.moffset, from - p.moffset, p.node, p.foffset});
		i++;
	}
	if (to < end)
		dax_insert_locked(t, i, (struct vf_dax_place){to, end - to, p.node, p.foffset + (to - p.moffset)});
	return i;
}

static bool dax_overlaps_locked(const struct vf_dax_table *t, size_t i, uint64_t to)
{
	return i < t->n && t->places[i].moffset < to;
}

/* Forgets what the table says of [from, to), one place at a time. False when there is nothing left. */
static bool dax_forget_one(struct vf_session *s, uint64_t from, uint64_t to, struct vf_dax_place *cut)
{
	struct vf_dax_table *t = &s->mappings;
	vn_autounlock pthread_mutex_t *held = vn_lock(&t->lock);
	size_t i = dax_find_locked(t, from);

	if (!dax_overlaps_locked(t, i, to) || dax_grow_locked(t))
		return false;
	dax_cut_locked(t, i, from, to, cut);
	return true;
}

static void dax_give_back(struct vf_session *s, const struct vf_dax_place *p)
{
	struct vn_ctx ctx = {.session = s->fs_session};

	if (s->fs->ops->unmap)
		s->fs->ops->unmap(s->fs, &ctx, p->node, p->foffset, p->len);
}

static int dax_remove(struct vf_session *s, uint64_t moffset, uint64_t len)
{
	struct vf_dax_place cut;
	int err = s->dax.unmap ? s->dax.unmap(s->dax.arg, moffset, len) : 0;

	if (err)
		return err;
	while (dax_forget_one(s, moffset, moffset + len, &cut))
		dax_give_back(s, &cut);
	return 0;
}

void vf_dax_clear(struct vf_session *s)
{
	if (s->dax.map && s->mappings.n)
		dax_remove(s, 0, s->dax.size);
}

/* Whole pages, as INIT's map_alignment says: a part of one could not be mapped. */
static bool dax_range_ok(const struct vf_session *s, uint64_t moffset, uint64_t len)
{
	return len && !((moffset | len) % VF_DAX_PAGE) && moffset <= s->dax.size && len <= s->dax.size - moffset;
}

static int dax_record(struct vf_session *s, struct vf_dax_place p)
{
	struct vf_dax_table *t = &s->mappings;
	vn_autounlock pthread_mutex_t *held = vn_lock(&t->lock);
	int err = dax_grow_locked(t);

	if (!err)
		dax_insert_locked(t, dax_find_locked(t, p.moffset), p);
	return err;
}

static int dax_put(struct vf_request *r, const struct vn_range *range)
{
	const struct fuse_setupmapping_in *in = &r->in.map;
	struct vf_session *s = r->s;
	bool writable = in->flags & FUSE_SETUPMAPPING_FLAG_WRITE;
	int err = dax_remove(s, in->moffset, in->len); /* the client may put one over another */

	if (!err)
		err = s->dax.map(s->dax.arg, in->moffset, range, writable);
	if (!err)
		err = dax_record(s, (struct vf_dax_place){in->moffset, in->len, r->node, in->foffset});
	return err;
}

ssize_t vf_op_setupmapping(struct vf_request *r)
{
	const struct fuse_setupmapping_in *in = &r->in.map;
	struct vn_range range;
	int err;

	if (!r->s->dax.map || !r->fs->ops->map)
		return -ENOSYS;
	if (!dax_range_ok(r->s, in->moffset, in->len) || in->foffset % VF_DAX_PAGE || in->foffset > INT64_MAX - in->len)
		return -EINVAL;
	err = vf_verb(r, map, r->node, in->foffset, in->len, in->flags & FUSE_SETUPMAPPING_FLAG_WRITE, &range);
	if (err)
		return err;
	err = dax_put(r, &range);
	if (err && r->fs->ops->unmap)
		r->fs->ops->unmap(r->fs, &r->ctx, r->node, in->foffset, in->len);
	return err;
}

ssize_t vf_op_removemapping(struct vf_request *r)
{
	size_t count = r->in.unmap.count;
	struct fuse_removemapping_one one;

	if (!r->s->dax.map)
		return -ENOSYS;
	if (count > REMOVE_MAX || r->payload_len != count * sizeof(one))
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		vf_payload_get(r, i * sizeof(one), &one, sizeof(one));
		if (!dax_range_ok(r->s, one.moffset, one.len))
			return -EINVAL;
	}
	for (size_t i = 0; i < count; i++) {
		int err;

		vf_payload_get(r, i * sizeof(one), &one, sizeof(one));
		err = dax_range_ok(r->s, one.moffset, one.len) ? dax_remove(r->s, one.moffset, one.len) : -EINVAL;
		if (err)
			return err;
	}
	return 0;
}
