// SPDX-License-Identifier: Apache-2.0
/*
 * Snapshots of a tree in use. Verbs are kept out for the moment in which sizes
 * are settled and the head is sealed; no node is visited: those of the old head
 * share one object that says where their rows lie, and it takes the sealed
 * delta's id. Only where a client outlives this server are those looked for that
 * it holds without a name.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "overlay/copyup.h"
#include "overlay/extents.h"
#include "overlay/file.h"
#include "overlay/tree.h"

/*
 * A row without a name is kept for a client that outlives this server. It is no part
 * of what is sealed: the store takes it along to the new head, with its data file.
 */
static void snapshot_move_orphan(void *arg, struct ovl_node *n)
{
	struct ovl_tree *t = arg;
	struct ovl_own *own = ovl_own(n);

	if (own && !own->dead && !n->nlink)
		own->home = t->head;
}

static int snapshot_seal_locked(struct ovl_tree *t, const char *name, struct vn_err *err)
{
	/* What goes on being written past us would change what is sealed, and be missed in the head. */
	if (ovl_files_map_written(t))
		return vn_err_set(err, -EBUSY, "snapshot '%s': a client has files mapped for writing (DAX): stop it first", name);
	struct ovl_home *head = calloc(1, sizeof(*head));
	uint64_t id;
	if (!head)
		return vn_err_set(err, -ENOMEM, "snapshot '%s': out of memory", name);
	int r = ovl_settle_written(t);
	if (r) {
		free(head);
		return vn_err_sys(err, r, "snapshot '%s': what was written cannot be settled", name);
	}
	r = store_seal(t->store, name, &id, err);
	if (r) {
		free(head);
		return r;
	}
	t->head->id = id;
	head->next = t->homes;
	t->homes = head;
	t->head = head;
	t->seals++;
	if (atomic_load(&t->outliving))
		ovl_nodes_look(t, snapshot_move_orphan, t);
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

	if (!own || !own->dead || !ovl_has_bytes(n))
		return false;
	if (own->data && own->home->id)
		return true;
	return own->source && (own->state == STORE_PARTIAL || own->state == STORE_BELOW);
}

static int snapshot_node_bring(struct ovl_tree *t, struct ovl_node *n)
{
	int r = ovl_touch(t, n);

	pthread_rwlock_wrlock(&n->lock);
	if (!r && ovl_own(n)->source)
		r = ovl_copyup_whole(t, n);
	pthread_rwlock_unlock(&n->lock);
	return r;
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
	int r = ovl_nodes_each(t, snapshot_node_dead, snapshot_node_bring);
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
