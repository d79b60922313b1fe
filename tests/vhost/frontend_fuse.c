// SPDX-License-Identifier: Apache-2.0
/* The driver's half: FUSE requests over the rings. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "frontend.h"

#define ANSWER_GAP 64

uint16_t fe_start(struct fe *fe, struct fe_ring *r, struct fe_call *c, uint64_t at, struct fuse_out_header **out)
{
	struct fuse_in_header *h = fe_at(fe, at);
	size_t len = sizeof(*h);
	uint64_t answer;
	struct fe_seg segs[4];
	unsigned n = 0;

	for (int i = 0; i < 3; i++) {
		if (c->in_len[i])
			memcpy((char *)h + len, c->in[i], c->in_len[i]);
		len += c->in_len[i];
	}
	c->unique = fe->unique += 2;
	*h = (struct fuse_in_header){.len = (uint32_t)len, .opcode = c->opcode, .unique = c->unique, .nodeid = c->node};
	segs[n++] = (struct fe_seg){at, (uint32_t)sizeof(*h), false};
	if (len > sizeof(*h))
		segs[n++] = (struct fe_seg){at + sizeof(*h), (uint32_t)(len - sizeof(*h)), false};
	answer = (at + len + ANSWER_GAP - 1) & ~(uint64_t)(ANSWER_GAP - 1);
	*out = NULL;
	if (c->opcode != FUSE_FORGET && c->opcode != FUSE_BATCH_FORGET) {
		*out = fe_at(fe, answer);
		memset(*out, 0xee, sizeof(**out));
		segs[n++] = (struct fe_seg){answer, sizeof(**out), true};
		if (c->out_len)
			segs[n++] = (struct fe_seg){answer + sizeof(**out), (uint32_t)c->out_len, true};
	}
	return fe_post(fe, r, segs, n);
}

int fe_do(struct fe *fe, struct fe_ring *r, struct fe_call *c)
{
	struct fuse_out_header *out;
	struct vring_used_elem e;
	uint16_t head = fe_start(fe, r, c, FE_BUFFERS, &out);

	fe_kick(r);
	if (!fe_reap(r, &e, FE_TIMEOUT_MS, false))
		return -ETIMEDOUT;
	if (e.id != head)
		return -EPROTO;
	c->got = 0;
	if (!out)
		return 0;
	if (e.len < sizeof(*out) || out->unique != c->unique || out->len != e.len)
		return -EPROTO;
	c->got = out->len - sizeof(*out);
	if (c->got > c->out_len)
		return -EPROTO;
	if (c->out)
		memcpy(c->out, out + 1, c->got);
	return out->error;
}

int fe_fuse_init(struct fe *fe, struct fuse_init_out *out)
{
	struct fuse_init_in in = {.major = 7, .minor = 38, .max_readahead = 1 << 20};
	struct fuse_init_out ignored;
	struct fe_call c = {.opcode = FUSE_INIT,
			    .in = {&in},
			    .in_len = {sizeof(in)},
			    .out = out ? out : &ignored,
			    .out_len = sizeof(*out)};

	in.flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_DONT_MASK | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO |
		   FUSE_NO_OPEN_SUPPORT | FUSE_PARALLEL_DIROPS | FUSE_POSIX_ACL | FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS |
		   FUSE_NO_OPENDIR_SUPPORT | FUSE_HANDLE_KILLPRIV_V2 | FUSE_ATOMIC_O_TRUNC | FUSE_INIT_EXT;
	return fe_do(fe, &fe->rings[1], &c);
}

int fe_lookup(struct fe *fe, struct fe_ring *r, uint64_t parent, const char *name, struct fuse_entry_out *out)
{
	struct fe_call c = {.opcode = FUSE_LOOKUP,
			    .node = parent,
			    .in = {name},
			    .in_len = {strlen(name) + 1},
			    .out = out,
			    .out_len = sizeof(*out)};

	return fe_do(fe, r, &c);
}

int fe_getattr(struct fe *fe, struct fe_ring *r, uint64_t node, struct fuse_attr_out *out)
{
	struct fuse_getattr_in in = {0};
	struct fe_call c = {.opcode = FUSE_GETATTR,
			    .node = node,
			    .in = {&in},
			    .in_len = {sizeof(in)},
			    .out = out,
			    .out_len = sizeof(*out)};

	return fe_do(fe, r, &c);
}

int fe_mkdir(struct fe *fe, struct fe_ring *r, uint64_t parent, const char *name, struct fuse_entry_out *out)
{
	struct fuse_mkdir_in in = {.mode = 0755};
	struct fe_call c = {.opcode = FUSE_MKDIR,
			    .node = parent,
			    .in = {&in, name},
			    .in_len = {sizeof(in), strlen(name) + 1},
			    .out = out,
			    .out_len = sizeof(*out)};

	return fe_do(fe, r, &c);
}

int fe_mknod(struct fe *fe, struct fe_ring *r, uint64_t parent, const char *name, struct fuse_entry_out *out)
{
	struct fuse_mknod_in in = {.mode = S_IFREG | 0644};
	struct fe_call c = {.opcode = FUSE_MKNOD,
			    .node = parent,
			    .in = {&in, name},
			    .in_len = {sizeof(in), strlen(name) + 1},
			    .out = out,
			    .out_len = sizeof(*out)};

	return fe_do(fe, r, &c);
}

int fe_unlink(struct fe *fe, struct fe_ring *r, uint64_t parent, const char *name)
{
	struct fe_call c = {.opcode = FUSE_UNLINK, .node = parent, .in = {name}, .in_len = {strlen(name) + 1}};

	return fe_do(fe, r, &c);
}

int fe_write(struct fe *fe, struct fe_ring *r, uint64_t node, uint64_t off, const void *data, size_t len)
{
	struct fuse_write_in in = {.offset = off, .size = (uint32_t)len};
	struct fuse_write_out out = {0};
	struct fe_call c = {.opcode = FUSE_WRITE,
			    .node = node,
			    .in = {&in, data},
			    .in_len = {sizeof(in), len},
			    .out = &out,
			    .out_len = sizeof(out)};
	int err = fe_do(fe, r, &c);

	return err ? err : (int)out.size;
}

int fe_read(struct fe *fe, struct fe_ring *r, uint64_t node, uint64_t off, void *data, size_t len)
{
	struct fuse_read_in in = {.offset = off, .size = (uint32_t)len};
	struct fe_call c = {.opcode = FUSE_READ,
			    .node = node,
			    .in = {&in},
			    .in_len = {sizeof(in)},
			    .out = data,
			    .out_len = len};
	int err = fe_do(fe, r, &c);

	return err ? err : (int)c.got;
}

int fe_forget(struct fe *fe, uint64_t node, uint64_t n)
{
	struct fuse_forget_in in = {.nlookup = n};
	struct fe_call c = {.opcode = FUSE_FORGET, .node = node, .in = {&in}, .in_len = {sizeof(in)}};

	return fe_do(fe, &fe->rings[0], &c);
}
