// SPDX-License-Identifier: Apache-2.0
/* Sessions: requests in, replies out, and what a client must be told. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/scope.h"
#include "fuse/protocol.h"
#include "lib/lib.h"

#define SESSION_ID_DEFAULT 1

/* ---- notices ---- */

/* A notification: header, body, and a name with its NUL where there is one. */
static void notify_send(struct veneer_session *s, int code, const void *body, size_t size, const char *name, size_t len)
{
	char message[sizeof(struct fuse_out_header) + sizeof(struct fuse_notify_delete_out) + VN_NAME_MAX + 1];
	struct fuse_out_header head = { .error = code };
	if (len > VN_NAME_MAX)
		return;
	head.len = (uint32_t)(sizeof(head) + size + (name ? len + 1 : 0));
	memcpy(message, &head, sizeof(head));
	if (size)
		memcpy(message + sizeof(head), body, size);
	if (name) {
		memcpy(message + sizeof(head) + size, name, len);
		message[head.len - 1] = '\0';
	}
	s->callbacks.notify(s->callbacks.arg, message, head.len);
	vf_session_count_notices(s->vf, 1);
}

static void notify_inode(void *arg, uint64_t node, int64_t off, int64_t len)
{
	const struct fuse_notify_inval_inode_out body = { .ino = node, .off = off, .len = len };
	notify_send(arg, FUSE_NOTIFY_INVAL_INODE, &body, sizeof(body), NULL, 0);
}

static void notify_entry(void *arg, uint64_t parent, const char *name, size_t len)
{
	const struct fuse_notify_inval_entry_out body = { .parent = parent, .namelen = (uint32_t)len };
	notify_send(arg, FUSE_NOTIFY_INVAL_ENTRY, &body, sizeof(body), name, len);
}

static void notify_delete(void *arg, uint64_t parent, uint64_t child, const char *name, size_t len)
{
	const struct fuse_notify_delete_out body = { .parent = parent, .child = child, .namelen = (uint32_t)len };
	notify_send(arg, FUSE_NOTIFY_DELETE, &body, sizeof(body), name, len);
}

static void notify_all(void *arg)
{
	notify_send(arg, FUSE_NOTIFY_INC_EPOCH, NULL, 0, NULL, 0);
}

/* ---- DAX ---- */

static int dax_map(void *arg, uint64_t moffset, const struct vn_range *range, bool writable)
{
	struct veneer_session *s = arg;
	return s->callbacks.map(s->callbacks.arg, moffset, range->length, range->fd, range->offset, writable);
}

static int dax_unmap(void *arg, uint64_t moffset, uint64_t len)
{
	struct veneer_session *s = arg;
	return s->callbacks.unmap(s->callbacks.arg, moffset, len);
}

/* ---- the guest's end ---- */

static void exit_status(void *arg, int status)
{
	struct veneer_session *s = arg;
	s->callbacks.exit_status(s->callbacks.arg, status);
}

/* ---- begin and end ---- */

static void session_configure(struct veneer_session *s, const struct veneer_session_config *c,
			      struct vf_session_config *vf)
{
	vf->fs = ovl_fs(s->v->tree);
	vf_policy_init(&vf->policy);
	vf->id = c->id ? c->id : SESSION_ID_DEFAULT;
	vf->outlives = c->outlives;
	vf->policy.writeback = c->writeback;
	if (c->entry_timeout_s != UINT32_MAX)
		vf->policy.entry_timeout = vf->policy.attr_timeout = vf->policy.negative_timeout =
			c->entry_timeout_s * VN_NS_PER_SEC;
	if (s->callbacks.notify)
		vf->notify = (struct vn_notify){ .arg = s, .inval_inode = notify_inode, .inval_entry = notify_entry,
						 .delete_entry = notify_delete, .inval_all = notify_all };
	if (s->callbacks.exit_status) {
		vf->exit_status = exit_status;
		vf->exit_arg = s;
	}
	if (s->callbacks.map && s->callbacks.unmap)
		vf->dax = (struct vf_dax){ .arg = s, .size = s->callbacks.window_size, .map = dax_map, .unmap = dax_unmap };
}

/* Two clients with one id would give back each other's files; a client that holds writes back is alone. */
static int session_join(struct veneer *v, struct veneer_session *s)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&v->lock);

	for (struct veneer_session *o = v->sessions; o; o = o->next) {
		if (o->id == s->id)
			return -EEXIST;
		if (o->writeback || s->writeback)
			return -EBUSY;
	}
	s->next = v->sessions;
	v->sessions = s;
	return 0;
}

static void session_leave(struct veneer *v, struct veneer_session *s)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&v->lock);
	struct veneer_session **at = &v->sessions;

	while (*at && *at != s)
		at = &(*at)->next;
	if (*at)
		*at = s->next;
}

/* Joins first: what the file system knows by the id is not touched when it is in use. */
static int session_begin(struct veneer_session *s, const struct veneer_session_config *c)
{
	struct vf_session_config vf = { 0 };
	session_configure(s, c, &vf);
	s->id = vf.id;
	s->writeback = c->writeback;
	int r = session_join(s->v, s);
	if (r)
		return r;
	r = vf_session_new(&vf, &s->vf);
	if (r)
		session_leave(s->v, s);
	return r;
}

int veneer_session_new(struct veneer *v, const struct veneer_session_config *config,
		       const struct veneer_callbacks *callbacks, struct veneer_session **out)
{
	struct veneer_session_config c = { .id = SESSION_ID_DEFAULT, .entry_timeout_s = UINT32_MAX };
	struct veneer_session *s = calloc(1, sizeof(*s));
	int r = s ? 0 : -ENOMEM;
	if (!r && config)
		r = lib_copy(&c, sizeof(c), config, config->size);
	if (!r && callbacks)
		r = lib_copy(&s->callbacks, sizeof(s->callbacks), callbacks, callbacks->size);
	if (!r) {
		s->v = v;
		r = session_begin(s, &c);
	}
	if (r)
		free(s);
	else
		*out = s;
	return r;
}

void veneer_session_free(struct veneer_session *s, int keep)
{
	if (!s)
		return;
	vf_session_free(s->vf, keep);
	session_leave(s->v, s);
	free(s);
}

ssize_t veneer_dispatch(struct veneer_session *s, const struct iovec *in, int nin, const struct iovec *out, int nout)
{
	size_t got = 0, room = 0;
	for (int i = 0; i < nin; i++)
		got += in[i].iov_len;
	for (int i = 0; i < nout; i++)
		room += out[i].iov_len;
	ssize_t n = vf_dispatch(s->vf, in, nin, out, nout);
	return n || (got >= sizeof(struct fuse_in_header) && room >= sizeof(struct fuse_out_header)) ? n : -EINVAL;
}

/* ---- suspending ----
 *
 * A state is, in the byte order of its host: struct state_head, what the
 * dispatcher saves, then for each node held struct state_node and its path.
 */

#define STATE_MAGIC "VENEERSS"
#define STATE_VERSION 1
#define STATE_VF_MAX 256

struct state_head {
	char magic[8];
	uint32_t version, vf_size;
	uint64_t tree;  /* ovl_identity */
	uint64_t nodes; /* how many follow */
	uint64_t sum;   /* XXH3 of all behind it, salted with the members before */
};

struct state_node {
	uint64_t nodeid, lookups;
	uint32_t path_len; /* UINT32_MAX: none */
	uint32_t reserved;
};

struct state_buf {
	char *bytes;
	size_t len, cap;
	uint64_t nodes;
};

static int state_put(struct state_buf *b, const void *p, size_t n)
{
	if (b->len + n > b->cap) {
		size_t cap = 2 * (b->len + n) + 4096;
		char *bytes = realloc(b->bytes, cap);
		if (!bytes)
			return -ENOMEM;
		b->bytes = bytes;
		b->cap = cap;
	}
	if (n)
		memcpy(b->bytes + b->len, p, n);
	b->len += n;
	return 0;
}

static int state_put_node(void *arg, uint64_t nodeid, uint64_t lookups, const char *path, size_t len)
{
	struct state_buf *b = arg;
	const struct state_node n = { .nodeid = nodeid, .lookups = lookups,
				      .path_len = path ? (uint32_t)len : UINT32_MAX };
	int r = state_put(b, &n, sizeof(n));
	if (!r && path)
		r = state_put(b, path, len);
	b->nodes++;
	return r;
}

static uint64_t state_sum(const struct state_head *h, const void *body, size_t len)
{
	return vn_checksum(vn_checksum(0, h, offsetof(struct state_head, sum)), body, len);
}

int veneer_session_save(struct veneer_session *s, void **state, size_t *length)
{
	struct state_head h = { .version = STATE_VERSION };
	struct state_buf b = { 0 };
	char vf[STATE_VF_MAX];
	ssize_t n = vf_session_save(s->vf, vf, sizeof(vf));
	int r = n < 0 ? (int)n : ovl_identity(s->v->tree, &h.tree);
	memcpy(h.magic, STATE_MAGIC, sizeof(h.magic));
	if (!r)
		r = state_put(&b, &h, sizeof(h));
	if (!r)
		r = state_put(&b, vf, (size_t)n);
	if (!r)
		r = ovl_session_held(vf_session_fs(s->vf), state_put_node, &b);
	if (!r)
		r = veneer_sync(s->v);
	if (r) {
		free(b.bytes);
		return r;
	}
	h.vf_size = (uint32_t)n;
	h.nodes = b.nodes;
	h.sum = state_sum(&h, b.bytes + sizeof(h), b.len - sizeof(h));
	memcpy(b.bytes, &h, sizeof(h));
	*state = b.bytes;
	*length = b.len;
	return 0;
}

static int state_check(struct veneer *v, const struct state_head *h, const char *body, size_t len, struct vn_err *err)
{
	uint64_t tree;
	if (memcmp(h->magic, STATE_MAGIC, sizeof(h->magic)))
		return vn_err_set(err, -EINVAL, "the session state is not one that veneer has saved");
	if (h->version != STATE_VERSION)
		return vn_err_set(err, -EINVAL, "the session state has version %u; this library knows %u", h->version,
				  STATE_VERSION);
	if (h->sum != state_sum(h, body, len) || h->vf_size > len)
		return vn_err_set(err, -EINVAL, "the session state is damaged");
	int r = ovl_identity(v->tree, &tree);
	if (r)
		return vn_err_sys(err, r, "cannot look at the lower directories");
	return tree == h->tree ? 0 :
		vn_err_set(err, -ESTALE, "the session state was saved over another tree: open the upper and the lowers of then");
}

static int state_hold(struct vn_fs_session *fs, const char *body, size_t len, uint64_t nodes, struct vn_err *err)
{
	struct state_node n;
	for (size_t at = 0; nodes; nodes--) {
		if (len - at < sizeof(n))
			return vn_err_set(err, -EINVAL, "the session state is damaged");
		memcpy(&n, body + at, sizeof(n));
		at += sizeof(n);
		size_t path = n.path_len == UINT32_MAX ? 0 : n.path_len;
		if (len - at < path)
			return vn_err_set(err, -EINVAL, "the session state is damaged");
		int r = ovl_session_hold(fs, n.nodeid, n.lookups, n.path_len == UINT32_MAX ? NULL : body + at, path);
		/* what is gone since, is gone: the client gets ESTALE for it */
		if (r && r != -ESTALE)
			return vn_err_sys(err, r, "an inode of the session cannot be read");
		at += path;
	}
	return 0;
}

static int state_session_error(int r, struct vn_err *err)
{
	if (r == -EEXIST)
		return vn_err_set(err, r, "a session with this id lives: free it first, or give this one another id");
	if (r == -EBUSY)
		return vn_err_set(err, r, "a session that caches writes has to be the tree's only one");
	return vn_err_sys(err, r, "cannot begin a session");
}

int veneer_session_restore(struct veneer *v, const struct veneer_session_config *config,
			   const struct veneer_callbacks *callbacks, const void *state, size_t length,
			   struct veneer_session **out, struct veneer_error *error)
{
	struct vn_err err = { 0 };
	struct veneer_session *s;
	struct state_head h;
	const char *body = (const char *)state + sizeof(h);
	if (length < sizeof(h))
		return lib_error(error, vn_err_set(&err, -EINVAL, "the session state is damaged"), &err);
	memcpy(&h, state, sizeof(h));
	length -= sizeof(h);
	int r = state_check(v, &h, body, length, &err);
	if (r)
		return lib_error(error, r, &err);
	if ((r = veneer_session_new(v, config, callbacks, &s)))
		return lib_error(error, state_session_error(r, &err), &err);
	r = vf_session_restore(s->vf, body, h.vf_size);
	if (r)
		vn_err_set(&err, r, "the session state is damaged");
	else
		r = state_hold(vf_session_fs(s->vf), body + h.vf_size, length - h.vf_size, h.nodes, &err);
	if (r) {
		veneer_session_free(s, 0);
		return lib_error(error, r, &err);
	}
	*out = s;
	return 0;
}
