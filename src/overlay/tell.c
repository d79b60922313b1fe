// SPDX-License-Identifier: Apache-2.0
/* What clients are told: of changes that others made, and of all at once when a rollback comes. */
#include <string.h>

#include "overlay/refs.h"
#include "overlay/tree.h"

void ovl_tell_inode(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n, bool data)
{
	if (ctx && ovl_session_alone(t))
		return;
	uint64_t id = ovl_nodeid(t, n);
	pthread_mutex_lock(&t->session_lock);
	for (struct vn_fs_session *s = t->sessions; s; s = s->next)
		if ((!ctx || s != ctx->session) && s->config.notify.inval_inode)
			s->config.notify.inval_inode(s->config.notify.arg, id, data ? 0 : -1, 0);
	pthread_mutex_unlock(&t->session_lock);
}

void ovl_tell_entry(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *dir, const char *name)
{
	if (ovl_session_alone(t))
		return;
	uint64_t id = ovl_nodeid(t, dir);
	pthread_mutex_lock(&t->session_lock);
	for (struct vn_fs_session *s = t->sessions; s; s = s->next) {
		if (ctx && s == ctx->session)
			continue;
		if (s->config.notify.inval_entry)
			s->config.notify.inval_entry(s->config.notify.arg, id, name, strlen(name));
		if (s->config.notify.inval_inode) /* its listing and times */
			s->config.notify.inval_inode(s->config.notify.arg, id, 0, 0);
	}
	pthread_mutex_unlock(&t->session_lock);
}

bool ovl_sessions_can_be_told(struct ovl_tree *t)
{
	bool can = true;
	pthread_mutex_lock(&t->session_lock);
	for (struct vn_fs_session *s = t->sessions; s; s = s->next)
		can = can && (s->config.expires || (s->config.notify.inval_inode && s->config.notify.inval_all));
	pthread_mutex_unlock(&t->session_lock);
	return can;
}

static void tell_discarded(void *arg, struct ovl_node *n)
{
	struct vn_fs_session *s = arg;
	if (s->config.notify.inval_inode)
		s->config.notify.inval_inode(s->config.notify.arg, ovl_nodeid(s->t, n), 0, 0);
	ovl_node_put(s->t, n);
}

/* Tells a session of each inode that it holds, and gives all of them back. */
static void tell_discard(struct vn_fs_session *s)
{
	const struct vn_notify *notify = &s->config.notify;
	ovl_refs_take(s->refs, tell_discarded, s);
	if (notify->inval_inode)
		notify->inval_inode(notify->arg, VN_NODE_ROOT, 0, 0);
	if (notify->inval_all)
		notify->inval_all(notify->arg);
}

void ovl_sessions_discard(struct ovl_tree *t)
{
	for (struct vn_fs_session *s = t->sessions; s; s = s->next)
		tell_discard(s);
}
