// SPDX-License-Identifier: Apache-2.0
/*
 * Orphans: rows of unlinked files that a client holds which outlives the server.
 * They stay in the index, marked with its session, until it lets go of them or
 * comes back without them.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/vec.h"
#include "overlay/dirops.h"
#include "overlay/tree.h"

void ovl_orphan_let_go(struct ovl_tree *t, struct vn_fs_session *s, struct ovl_node *n)
{
	struct ovl_own *own = ovl_own(n);
	struct ovl_op op;
	uint64_t seq;
	if (!own || !own->orphan)
		return;
	pthread_rwlock_wrlock(&n->lock);
	/* others may have it open: nodes read again after a restart do not know all of their rows */
	if (own->orphan == s->config.id && !ovl_session_outliving(t, n) && !ovl_rows_remember(t, n)) {
		ovl_op_begin(&op, t, NULL);
		store_change_orphan_gone(&op.change, n->ino);
		store_change_inode_gone(&op.change, n->ino);
		op.change.flags |= STORE_CHANGE_FREES;
		if (!ovl_op_commit(&op, &seq)) { /* else it is reaped at the next open */
			own->orphan = 0;
			own->dead = true;
		}
	}
	pthread_rwlock_unlock(&n->lock);
}

/* Orphans of this session, gathered before they are reaped. */
struct orphans {
	uint64_t session;
	struct vn_vec inos; /* uint64_t */
};

static int orphan_gather(void *arg, uint64_t ino, uint64_t session)
{
	struct orphans *o = arg;
	if (session != o->session)
		return 0;
	uint64_t *to = vn_vec_add(&o->inos, 1, sizeof(*to));
	if (!to)
		return -ENOMEM;
	*to = ino;
	return 0;
}

static void orphan_reap(struct ovl_tree *t, struct vn_fs_session *s, uint64_t ino)
{
	struct store_inode row;
	struct ovl_op op;
	uint64_t delta, seq;
	struct ovl_node *n = ovl_node_find(t, ino);
	if (n) { /* in use, if only by what lags behind: the rest goes with the last reference */
		ovl_orphan_let_go(t, s, n);
		ovl_node_put(t, n);
		return;
	}
	ovl_op_begin(&op, t, NULL);
	op.change.flags |= STORE_CHANGE_FREES;
	store_change_orphan_gone(&op.change, ino);
	if (!store_read_inode(t->store, ino, &row, &delta)) {
		store_change_inode_gone(&op.change, ino);
		if (!delta && row.data)
			store_change_data_gone(&op.change, row.data);
		free((char *)row.origin);
	}
	ovl_op_commit(&op, &seq); /* what stays is reaped the next time */
}

void ovl_orphans_reap(struct ovl_tree *t, struct vn_fs_session *s)
{
	struct orphans o = { .session = s->config.id };
	if (!s->config.outlives || !t->store || t->readonly || store_settle(t->store, false))
		return;
	if (!store_read_orphans(t->store, orphan_gather, &o))
		for (size_t i = 0; i < o.inos.n; i++)
			orphan_reap(t, s, ((uint64_t *)o.inos.v)[i]);
	free(o.inos.v);
}
