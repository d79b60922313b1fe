// SPDX-License-Identifier: Apache-2.0
/*
 * Snapshots of a tree in use. Verbs are kept out for the moment in which sizes
 * are settled and the head is sealed; no node is visited: those of the old head
 * share one object that says where their rows lie, and it takes the sealed
 * delta's id.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "overlay/tree.h"

static int snapshot_seal_locked(struct ovl_tree *t, const char *name, struct vn_err *err)
{
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
	return 0;
}

int ovl_snapshot(struct ovl_tree *t, const char *name, struct vn_err *err)
{
	if (!t->store || t->readonly)
		return vn_err_set(err, -EROFS, "snapshot '%s': the tree has no writable layer", name);
	pthread_rwlock_wrlock(&t->gate);
	int r = snapshot_seal_locked(t, name, err);
	pthread_rwlock_unlock(&t->gate);
	return r;
}
