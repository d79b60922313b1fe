// SPDX-License-Identifier: Apache-2.0
#include "fuse/notices.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/scope.h"
#include "fuse/protocol.h"
#include "fuse/session.h"

#define QUEUE_MAX 65536 /* beyond it every name is declared outdated, which says the same */
#define EPOCH_MINOR 44

struct notice {
	STAILQ_ENTRY(notice) link;
	int code;
	union {
		struct fuse_notify_inval_inode_out inode;
		struct fuse_notify_inval_entry_out entry;
		struct fuse_notify_delete_out del;
	} body;
	size_t body_len;
	size_t name_len; /* without the NUL; name_len 0: no name */
	char name[];
};

STAILQ_HEAD(notice_list, notice);

struct vf_notices {
	pthread_mutex_t lock; /* protects all below but fd and session */
	pthread_cond_t filled, sent;
	struct notice_list list;
	size_t queued;
	uint64_t added, done; /* ever */
	bool running, stopping;
	pthread_t thread;
	int fd;
	struct vf_session *session;
};

/* ---- filling ---- */

static struct notice *notice_new(int code, const void *body, size_t body_len, const char *name, size_t name_len)
{
	struct notice *n = malloc(sizeof(*n) + name_len + 1);

	if (!n)
		return NULL;
	n->code = code;
	n->body_len = body_len;
	n->name_len = name_len;
	if (body_len)
		memcpy(&n->body, body, body_len);
	if (name_len)
		memcpy(n->name, name, name_len);
	n->name[name_len] = '\0';
	return n;
}

static void notices_clear_locked(struct vf_notices *q)
{
	struct notice *n;

	while ((n = STAILQ_FIRST(&q->list))) {
		STAILQ_REMOVE_HEAD(&q->list, link);
		free(n);
		q->done++;
	}
	q->queued = 0;
	pthread_cond_broadcast(&q->sent);
}

static void notices_append_locked(struct vf_notices *q, struct notice *n)
{
	STAILQ_INSERT_TAIL(&q->list, n, link);
	q->queued++;
	q->added++;
	pthread_cond_signal(&q->filled);
}

static void notices_add(struct vf_notices *q, struct notice *n)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&q->lock);

	if (!q->running || q->stopping) {
		free(n);
		return;
	}
	if (n && q->queued < QUEUE_MAX) {
		notices_append_locked(q, n);
		return;
	}
	/* No room or no memory. Names can still be declared outdated all at once, with what is freed for it. */
	free(n);
	notices_clear_locked(q);
	n = notice_new(FUSE_NOTIFY_INC_EPOCH, NULL, 0, NULL, 0);
	if (n)
		notices_append_locked(q, n);
}

static void notices_inval_inode(void *arg, uint64_t node, int64_t off, int64_t len)
{
	struct fuse_notify_inval_inode_out body = {.ino = node, .off = off, .len = len};

	notices_add(arg, notice_new(FUSE_NOTIFY_INVAL_INODE, &body, sizeof(body), NULL, 0));
}

static void notices_inval_entry(void *arg, uint64_t parent, const char *name, size_t namelen)
{
	struct fuse_notify_inval_entry_out body = {.parent = parent, .namelen = (uint32_t)namelen};

	notices_add(arg, notice_new(FUSE_NOTIFY_INVAL_ENTRY, &body, sizeof(body), name, namelen));
}

static void notices_delete_entry(void *arg, uint64_t parent, uint64_t child, const char *name, size_t namelen)
{
	struct fuse_notify_delete_out body = {.parent = parent, .child = child, .namelen = (uint32_t)namelen};

	notices_add(arg, notice_new(FUSE_NOTIFY_DELETE, &body, sizeof(body), name, namelen));
}

static void notices_inval_all(void *arg)
{
	notices_add(arg, notice_new(FUSE_NOTIFY_INC_EPOCH, NULL, 0, NULL, 0));
}

struct vn_notify vf_notices_table(struct vf_notices *q)
{
	return (struct vn_notify){
		.arg = q,
		.inval_inode = notices_inval_inode,
		.inval_entry = notices_inval_entry,
		.delete_entry = notices_delete_entry,
		.inval_all = notices_inval_all,
	};
}

/* ---- sending ---- */

/* A kernel that does not know the inode or the name answers ENOENT: then there is nothing to drop. */
static void notice_send(const struct vf_notices *q, const struct notice *n)
{
	struct fuse_out_header h = {.error = n->code};
	struct iovec iov[3] = {
		{&h, sizeof(h)},
		{(void *)&n->body, n->body_len},
		{(void *)n->name, n->name_len ? n->name_len + 1 : 0},
	};
	ssize_t done;

	if (n->code == FUSE_NOTIFY_INC_EPOCH && vf_session_minor(q->session) < EPOCH_MINOR)
		return;
	h.len = (uint32_t)(iov[0].iov_len + iov[1].iov_len + iov[2].iov_len);
	do
		done = writev(q->fd, iov, 3);
	while (done < 0 && errno == EINTR);
	if (done > 0)
		vf_session_count_notices(q->session, 1);
}

static struct notice *notices_next(struct vf_notices *q)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&q->lock);
	struct notice *n;

	while (!q->queued && !q->stopping)
		pthread_cond_wait(&q->filled, &q->lock);
	if (q->stopping)
		return NULL;
	n = STAILQ_FIRST(&q->list);
	STAILQ_REMOVE_HEAD(&q->list, link);
	q->queued--;
	return n;
}

static void notices_mark_done(struct vf_notices *q)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&q->lock);

	q->done++;
	pthread_cond_broadcast(&q->sent);
}

static void *notices_main(void *arg)
{
	struct vf_notices *q = arg;
	struct notice *n;

	while ((n = notices_next(q))) {
		notice_send(q, n);
		free(n);
		notices_mark_done(q);
	}
	return NULL;
}

void vf_notices_drain(struct vf_notices *q)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&q->lock);
	uint64_t until = q->added;

	while (q->running && !q->stopping && q->done < until)
		pthread_cond_wait(&q->sent, &q->lock);
}

/* ---- life ---- */

int vf_notices_new(struct vf_notices **out)
{
	struct vf_notices *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	STAILQ_INIT(&q->list);
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->filled, NULL);
	pthread_cond_init(&q->sent, NULL);
	*out = q;
	return 0;
}

int vf_notices_start(struct vf_notices *q, int fd, struct vf_session *s)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&q->lock);
	int err;

	q->fd = fd;
	q->session = s;
	err = pthread_create(&q->thread, NULL, notices_main, q);
	q->running = !err;
	return -err;
}

static bool notices_begin_stop(struct vf_notices *q)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&q->lock);

	q->stopping = true;
	notices_clear_locked(q);
	pthread_cond_signal(&q->filled);
	return q->running;
}

void vf_notices_stop(struct vf_notices *q)
{
	if (notices_begin_stop(q))
		pthread_join(q->thread, NULL);
	q->running = false;
}

void vf_notices_free(struct vf_notices *q)
{
	if (!q)
		return;
	pthread_cond_destroy(&q->sent);
	pthread_cond_destroy(&q->filled);
	pthread_mutex_destroy(&q->lock);
	free(q);
}
