// SPDX-License-Identifier: Apache-2.0
/*
 * Snapshots of a tree in use. Verbs are kept out for the moment in which sizes
 * are settled and the head is sealed; nodes stay as they are: those of the old head
 * share one object that says where their rows lie, and it takes the sealed
 * delta's id. Only what has no name, but is in use, is looked for: it is no part of
 * what is sealed and goes along to the new head, with its data file.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/scope.h"
#include "base/vec.h"
#include "overlay/copyup.h"
#include "overlay/extents.h"
#include "overlay/file.h"
#include "overlay/tree.h"

/* What is in use without a name. The rows of clients that outlive this server are the store's affair. */
struct snapshot_nameless {
	struct ovl_home *from, *to;
	size_t n;
	struct vn_vec numbers; /* uint64_t: data files that no row names */
	bool failed;
};

static bool snapshot_is_nameless(const struct snapshot_nameless *l, struct ovl_node *n)
{
	const struct ovl_own *own = ovl_own(n);

	return own && own->home == l->from && (own->dead || !n->nlink);
}

static void snapshot_find_nameless(void *arg, struct ovl_node *n)
{
	struct snapshot_nameless *l = arg;
	const struct ovl_own *own = ovl_own(n);
	uint64_t *number;

	if (!snapshot_is_nameless(l, n))
		return;
	l->n++;
	if (!own->dead || !own->data || !ovl_has_bytes(n))
		return;
	number = vn_vec_add(&l->numbers, 1, sizeof(*number));
	if (number)
		*number = own->data;
	else
		l->failed = true;
}

static void snapshot_move_nameless(void *arg, struct ovl_node *n)
{
	const struct snapshot_nameless *l = arg;

	if (snapshot_is_nameless(l, n))
		ovl_own(n)->home = l->to;
}

static int snapshot_seal_store(struct ovl_tree *t, const char *name, struct snapshot_nameless *l, struct vn_err *err)
{
	uint64_t id;
	int r = ovl_settle_written(t);

	if (r)
		return vn_err_sys(err, r, "snapshot '%s': what was written cannot be settled", name);
	if (atomic_load(&t->nameless))
		ovl_nodes_look(t, snapshot_find_nameless, l);
	if (l->failed)
		return vn_err_set(err, -ENOMEM, "snapshot '%s': out of memory", name);
	r = store_seal_in_use(t->store, name, l->numbers.v, l->numbers.n, &id, err);
	if (!r)
		l->from->id = id;
	return r;
}

static int snapshot_seal_locked(struct ovl_tree *t, const char *name, struct vn_err *err)
{
	struct snapshot_nameless l = { .from = t->head };
	int r;

	/* What goes on being written past us would change what is sealed, and be missed in the head. */
	if (ovl_files_map_written(t))
		return vn_err_set(err, -EBUSY, "snapshot '%s': a client has files mapped for writing (DAX): stop it first", name);
	l.to = calloc(1, sizeof(*l.to));
	if (!l.to)
		return vn_err_set(err, -ENOMEM, "snapshot '%s': out of memory", name);
	r = snapshot_seal_store(t, name, &l, err);
	free(l.numbers.v);
	if (r) {
		free(l.to);
		return r;
	}
	if (l.n)
		ovl_nodes_look(t, snapshot_move_nameless, &l);
	else
		atomic_store(&t->nameless, false);
	l.to->next = t->homes;
	t->homes = t->head = l.to;
	t->seals++;
	return 0;
}

int ovl_snapshot(struct ovl_tree *t, const char *name, struct vn_err *err)
{
	if (!t->store || t->readonly)
		return vn_err_set(err, -EROFS, "snapshot '%s': the tree has no writable layer", name);
	/* Most of the bytes go to the disk while verbs go on; the seal then waits for the rest. */
	int r = store_flush_data(t->store);
	if (r)
		return vn_err_sys(err, r, "snapshot '%s': the data files cannot be flushed", name);
	pthread_rwlock_wrlock(&t->gate);
	r = snapshot_seal_locked(t, name, err);
	pthread_rwlock_unlock(&t->gate);
	return r;
}

/* Unlinked, in use, and some of its bytes lie in a sealed delta. */
static bool snapshot_node_dead(struct ovl_node *n)
{
	const struct ovl_own *own = ovl_own(n);

	return own && own->dead && own->source && ovl_has_bytes(n) &&
	       (own->state == STORE_PARTIAL || own->state == STORE_BELOW);
}

static int snapshot_node_whole(struct ovl_tree *t, struct ovl_node *n)
{
	vn_autounlock_rw pthread_rwlock_t *held = vn_lock_wr(&n->lock);

	return ovl_copyup_whole(t, n);
}

/* A node whose row a merge may have given another data file. */
static bool snapshot_node_sealed(struct ovl_node *n)
{
	const struct ovl_own *own = ovl_own(n);

	return own && !own->dead && own->home->id && ovl_has_bytes(n) && own->state != STORE_NONE;
}

static int snapshot_node_reread(struct ovl_tree *t, struct ovl_node *n)
{
	struct ovl_own *own = ovl_own(n);
	struct store_inode row;
	int r = store_read_inode_at(t->store, own->home->id, n->ino, &row);

	if (r)
		return r == -ENOENT ? 0 : r; /* kept for a client: its row moved to the head */
	free((char *)row.origin);
	ovl_extents_free(own->extents);
	own->extents = NULL;
	own->state = row.state;
	own->data = row.data;
	own->source = row.source;
	own->below = row.below;
	return 0;
}

/*
 * Deltas that are merged get new data files where both had bytes of a file. What
 * no row speaks of any more, unlinked but in use, is in neither: all its bytes move
 * to the head before.
 */
int ovl_snapshot_delete(struct ovl_tree *t, const char *name, struct vn_err *err)
{
	if (!t->store || t->readonly)
		return vn_err_set(err, -EROFS, "snapshot '%s': the tree has no writable layer", name);
	pthread_rwlock_wrlock(&t->gate);
	int r = ovl_nodes_each(t, snapshot_node_dead, snapshot_node_whole);
	if (r)
		vn_err_sys(err, r, "snapshot '%s': unlinked files that are in use cannot be kept", name);
	else
		r = store_snapshot_delete(t->store, name, err);
	ovl_files_forget_sealed(t);
	int again = ovl_homes_update(t);
	if (!again)
		again = ovl_nodes_each(t, snapshot_node_sealed, snapshot_node_reread);
	if (!r && (r = again))
		vn_err_sys(err, r, "snapshot '%s': it is gone, but the tree cannot be read: unmount and mount again", name);
	pthread_rwlock_unlock(&t->gate);
	return r;
}

/* Everything that was known of the writable layer is forgotten; clients are told first, under their old numbers. */
static int rollback_forget_locked(struct ovl_tree *t)
{
	ovl_sessions_discard(t);
	ovl_settle_discard(t);
	ovl_numbers_free(t);
	ovl_homes_free(t);
	t->epoch = store_epoch(t->store) & OVL_EPOCH_MASK;
	int r = ovl_homes_load(t);
	if (!r)
		r = ovl_numbers_load(t);
	return r ? r : ovl_root_reload(t);
}

int ovl_rollback(struct ovl_tree *t, const char *name, struct vn_err *err)
{
	if (!t->store || t->readonly)
		return vn_err_set(err, -EROFS, "rollback to '%s': the tree has no writable layer", name);
	pthread_rwlock_wrlock(&t->gate);
	int r = ovl_sessions_can_be_told(t) ? 0 :
		vn_err_set(err, -EBUSY, "rollback to '%s': a client (a virtual machine) cannot be told to drop its caches: "
			   "stop it first, or serve it with finite timeouts", name);
	if (!r)
		r = store_rollback(t->store, name, err);
	if (!r && (r = rollback_forget_locked(t)))
		vn_err_sys(err, r, "rollback to '%s': it is done, but the tree cannot be read: unmount and mount again", name);
	pthread_rwlock_unlock(&t->gate);
	return r;
}
