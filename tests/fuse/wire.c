// SPDX-License-Identifier: Apache-2.0
#include "wire.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define ALL_FLAGS (~UINT64_C(0) & ~FUSE_ATOMIC_O_TRUNC)

struct wire *wire_new_silent(const struct vf_policy *policy)
{
	struct wire *w = calloc(1, sizeof(*w));

	ck_assert_ptr_nonnull(w);
	w->m = memfs_new();
	ck_assert_ptr_nonnull(w->m);
	w->config.fs = &w->m->fs;
	vf_policy_init(&w->config.policy);
	if (policy)
		w->config.policy = *policy;
	w->in = malloc(2 * WIRE_MAX);
	w->out = malloc(2 * WIRE_MAX);
	w->h = (struct fuse_in_header *)w->in;
	w->reply = w->out + sizeof(struct fuse_out_header);
	w->room = WIRE_MAX + 4096;
	w->unique = 2;
	ck_assert_int_eq(vf_session_new(&w->config, &w->s), 0);
	return w;
}

struct wire *wire_new(void)
{
	struct wire *w = wire_new_silent(NULL);
	struct fuse_init_out out;

	ck_assert_int_eq(wire_init(w, FUSE_MINOR_NEWEST, ALL_FLAGS, &out), 0);
	return w;
}

void wire_free(struct wire *w)
{
	if (!w)
		return;
	vf_session_free(w->s, false);
	memfs_free(w->m);
	free(w->in);
	free(w->out);
	free(w);
}

void wire_begin(struct wire *w, uint32_t opcode, uint64_t node)
{
	*w->h = (struct fuse_in_header){.opcode = opcode, .nodeid = node, .unique = w->unique, .uid = 7, .gid = 8, .pid = 9};
	w->unique += 2;
	w->len = sizeof(*w->h);
}

void wire_add(struct wire *w, const void *bytes, size_t len)
{
	if (len)
		memcpy(w->in + w->len, bytes, len);
	w->len += len;
}

void wire_str(struct wire *w, const char *name)
{
	wire_add(w, name, strlen(name) + 1);
}

static int wire_cut(struct iovec *iov, int max, char *p, size_t len, size_t cut)
{
	int n = 0;

	if (!cut || len / cut >= (size_t)max)
		cut = len ? len : 1;
	for (size_t at = 0; at < len; at += cut)
		iov[n++] = (struct iovec){p + at, len - at < cut ? len - at : cut};
	return n;
}

int wire_go(struct wire *w)
{
	struct iovec in[1000], out[1000];
	struct fuse_out_header h;
	int nin, nout;

	if (!w->h->len)
		w->h->len = (uint32_t)w->len;
	nin = wire_cut(in, 1000, w->in, w->len, w->cut);
	nout = wire_cut(out, 1000, w->out, w->room, w->room > 4096 ? 0 : w->cut);
	w->answered = vf_dispatch(w->s, in, nin, out, nout);
	if (!w->answered)
		return 1;
	memcpy(&h, w->out, sizeof(h));
	ck_assert_int_eq(h.len, w->answered);
	ck_assert_uint_eq(h.unique, w->h->unique);
	ck_assert_int_le(h.error, 0);
	w->reply_len = h.len - sizeof(h);
	if (h.error)
		ck_assert_uint_eq(w->reply_len, 0);
	return h.error;
}

int wire_init(struct wire *w, uint32_t minor, uint64_t flags, struct fuse_init_out *out)
{
	struct fuse_init_in in = {
		.major = 7,
		.minor = minor,
		.max_readahead = 131072,
		.flags = (uint32_t)flags,
		.flags2 = (uint32_t)(flags >> 32),
	};
	int err;

	wire_begin(w, FUSE_INIT, 0);
	wire_add(w, &in, minor >= 36 ? sizeof(in) : FUSE_INIT_IN_SHORT);
	err = wire_go(w);
	if (!err)
		memcpy(out, w->reply, sizeof(*out));
	return err;
}

int wire_call(struct wire *w, uint32_t opcode, uint64_t node, const void *args, size_t len, const char *name,
	      const char *second)
{
	wire_begin(w, opcode, node);
	wire_add(w, args, len);
	if (name)
		wire_str(w, name);
	if (second)
		wire_str(w, second);
	return wire_go(w);
}

static uint64_t wire_entry_node(const struct wire *w)
{
	struct fuse_entry_out e;

	memcpy(&e, w->reply, sizeof(e));
	return e.nodeid;
}

uint64_t wire_create(struct wire *w, uint64_t dir, const char *name)
{
	struct fuse_create_in in = {.mode = 0100644};

	ck_assert_int_eq(wire_call(w, FUSE_CREATE, dir, &in, sizeof(in), name, NULL), 0);
	return wire_entry_node(w);
}

uint64_t wire_mkdir(struct wire *w, uint64_t dir, const char *name)
{
	struct fuse_mkdir_in in = {.mode = 0755};

	ck_assert_int_eq(wire_call(w, FUSE_MKDIR, dir, &in, sizeof(in), name, NULL), 0);
	return wire_entry_node(w);
}

int wire_write(struct wire *w, uint64_t node, uint64_t off, const void *bytes, uint32_t len)
{
	struct fuse_write_in in = {.offset = off, .size = len};

	wire_begin(w, FUSE_WRITE, node);
	wire_add(w, &in, sizeof(in));
	wire_add(w, bytes, len);
	return wire_go(w);
}

int wire_lookup(struct wire *w, uint64_t dir, const char *name, struct fuse_entry_out *out)
{
	int err = wire_call(w, FUSE_LOOKUP, dir, NULL, 0, name, NULL);

	if (!err)
		memcpy(out, w->reply, sizeof(*out));
	return err;
}

void wire_forget(struct wire *w, uint64_t node, uint64_t n)
{
	struct fuse_forget_in in = {n};

	ck_assert_int_eq(wire_call(w, FUSE_FORGET, node, &in, sizeof(in), NULL, NULL), 1);
}
