// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes as FUSE requests. The first two say how memory is cut and how much room a
 * reply has; then come messages, each behind two bytes of length. Whatever they are, a
 * reply is well formed, and no lookup is left when the session ends.
 */
#include "driver.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "../fuse/memfs.h"
#include "fuse/fuse_server.h"
#include "fuse/protocol.h"

#define ROOM 8192
#define PIECES 64

static void need(bool ok)
{
	if (!ok)
		abort();
}

static int cut(struct iovec *iov, char *p, size_t len, size_t piece)
{
	int n = 0;

	if (!piece || len / piece >= PIECES)
		piece = len + 1;
	for (size_t at = 0; at < len; at += piece)
		iov[n++] = (struct iovec){p + at, len - at < piece ? len - at : piece};
	return n;
}

/* The client's memory, exactly as large as it says. */
static void request(struct vf_session *s, const uint8_t *data, size_t size, size_t piece, size_t room)
{
	struct iovec in[PIECES + 1], out[PIECES + 1];
	struct fuse_out_header h;
	char *q = malloc(size + 1), *a = calloc(1, room + 1);
	ssize_t n;

	need(q && a);
	memcpy(q, data, size);
	n = vf_dispatch(s, in, cut(in, q, size, piece), out, cut(out, a, room, piece));
	need(n == 0 || (n >= (ssize_t)sizeof(h) && (size_t)n <= room));
	if (n) {
		memcpy(&h, a, sizeof(h));
		need(h.len == (size_t)n && h.error <= 0 && h.error > -4096);
		need(!h.error || n == sizeof(h));
	}
	free(q);
	free(a);
}

static void furnish(struct memfs *m, struct vf_session *s)
{
	struct vn_ctx ctx = {.session = (struct vn_fs_session *)m};
	struct vn_entry e;

	m->fs.ops->mkdir(&m->fs, &ctx, 1, "d", S_IFDIR | 0755, &e);
	m->fs.ops->create(&m->fs, &ctx, 1, "f", S_IFREG | 0644, 0, &e);
	(void)s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memfs *m = memfs_new();
	struct vf_session_config c = {.fs = &m->fs, .id = 1};
	struct vf_session *s;

	need(m != NULL);
	vf_policy_init(&c.policy);
	need(vf_session_new(&c, &s) == 0);
	furnish(m, s);
	for (size_t at = 2; at + 2 <= size;) {
		size_t len = data[at] | (size_t)data[at + 1] << 8;

		at += 2;
		len = len < size - at ? len : size - at;
		request(s, data + at, len, data[0], (size_t)data[1] * (ROOM / 255));
		at += len;
	}
	vf_session_free(s, false);
	need(memfs_lookups(m) == 0);
	memfs_free(m);
	return 0;
}

/* ---- seeds ---- */

struct shape {
	uint32_t opcode;
	size_t args;
	const char *text; /* names, with their NULs */
	size_t text_len;
	size_t payload;
};

#define ARGS(type) sizeof(struct fuse_##type##_in)

static const struct shape shapes[] = {
	{FUSE_LOOKUP, 0, "f", 2, 0},
	{FUSE_FORGET, ARGS(forget), "", 0, 0},
	{FUSE_BATCH_FORGET, ARGS(batch_forget), "", 0, 16},
	{FUSE_GETATTR, ARGS(getattr), "", 0, 0},
	{FUSE_SETATTR, ARGS(setattr), "", 0, 0},
	{FUSE_STATX, ARGS(statx), "", 0, 0},
	{FUSE_STATFS, 0, "", 0, 0},
	{FUSE_READLINK, 0, "", 0, 0},
	{FUSE_IOCTL, ARGS(ioctl), "", 0, 8},
	{FUSE_MKNOD, ARGS(mknod), "n", 2, 0},
	{FUSE_MKDIR, ARGS(mkdir), "e", 2, 0},
	{FUSE_CREATE, ARGS(create), "g", 2, 16},
	{FUSE_TMPFILE, ARGS(create), "/", 2, 0},
	{FUSE_SYMLINK, 0, "l\0target", 9, 0},
	{FUSE_LINK, ARGS(link), "h", 2, 0},
	{FUSE_UNLINK, 0, "f", 2, 0},
	{FUSE_RMDIR, 0, "d", 2, 0},
	{FUSE_RENAME, ARGS(rename), "f\0i", 4, 0},
	{FUSE_RENAME2, ARGS(rename2), "f\0i", 4, 0},
	{FUSE_OPEN, ARGS(open), "", 0, 0},
	{FUSE_READ, ARGS(read), "", 0, 0},
	{FUSE_WRITE, ARGS(write), "", 0, 8},
	{FUSE_FSYNC, ARGS(fsync), "", 0, 0},
	{FUSE_FALLOCATE, ARGS(fallocate), "", 0, 0},
	{FUSE_LSEEK, ARGS(lseek), "", 0, 0},
	{FUSE_COPY_FILE_RANGE_64, ARGS(copy_file_range), "", 0, 0},
	{FUSE_READDIR, ARGS(read), "", 0, 0},
	{FUSE_READDIRPLUS, ARGS(read), "", 0, 0},
	{FUSE_SETXATTR, ARGS(setxattr), "user.a", 7, 8},
	{FUSE_GETXATTR, ARGS(getxattr), "user.a", 7, 0},
	{FUSE_LISTXATTR, ARGS(getxattr), "", 0, 0},
	{FUSE_REMOVEXATTR, 0, "user.a", 7, 0},
	{FUSE_SETUPMAPPING, ARGS(setupmapping), "", 0, 0},
	{FUSE_REMOVEMAPPING, ARGS(removemapping), "", 0, 16},
	{FUSE_DESTROY, 0, "", 0, 0},
};

static size_t seed_put(uint8_t *buf, uint32_t opcode, uint64_t node, const void *body, size_t len)
{
	struct fuse_in_header h = {.len = (uint32_t)(sizeof(h) + len), .opcode = opcode, .nodeid = node, .unique = 2};

	buf[0] = (uint8_t)h.len;
	buf[1] = (uint8_t)(h.len >> 8);
	memcpy(buf + 2, &h, sizeof(h));
	memcpy(buf + 2 + sizeof(h), body, len);
	return 2 + sizeof(h) + len;
}

static void seed_sizes(uint8_t *body, const struct shape *sh)
{
	if (sh->opcode == FUSE_WRITE || sh->opcode == FUSE_READ || sh->opcode == FUSE_READDIR || sh->opcode == FUSE_READDIRPLUS)
		((struct fuse_write_in *)body)->size = sh->payload ? (uint32_t)sh->payload : 4096;
	else if (sh->opcode == FUSE_SETXATTR || sh->opcode == FUSE_GETXATTR || sh->opcode == FUSE_LISTXATTR)
		body[0] = 8;
	else if (sh->opcode == FUSE_BATCH_FORGET || sh->opcode == FUSE_REMOVEMAPPING)
		body[0] = 1;
	else if (sh->opcode == FUSE_IOCTL)
		((struct fuse_ioctl_in *)body)->in_size = 8;
}

/* INIT, the message twice: once on the root, once on the file. */
size_t fuzz_seed(unsigned i, uint8_t *buf, size_t cap)
{
	static _Alignas(8) uint8_t body[512];
	struct fuse_init_in init = {
		.major = 7, .minor = 45, .flags = UINT32_MAX & ~(uint32_t)FUSE_ATOMIC_O_TRUNC, .flags2 = UINT32_MAX};
	const struct shape *sh = &shapes[i];
	size_t n = 2, len;

	if (i >= sizeof(shapes) / sizeof(shapes[0]) || cap < 2048)
		return 0;
	buf[0] = (uint8_t)(i % 3 * 7);
	buf[1] = 255;
	n += seed_put(buf + n, FUSE_INIT, 0, &init, sizeof(init));
	memset(body, 0, sizeof(body));
	seed_sizes(body, sh);
	memcpy(body + sh->args, sh->text, sh->text_len);
	len = sh->args + sh->text_len + sh->payload;
	n += seed_put(buf + n, sh->opcode, 1, body, len);
	n += seed_put(buf + n, sh->opcode, 1025, body, len);
	return n;
}
