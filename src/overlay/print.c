// SPDX-License-Identifier: Apache-2.0
/*
 * Two objects with the same fingerprint look the same through the tree. So what
 * counts is what a faithful copy keeps: not inode numbers, access and change
 * times, the size of a directory, or where a file has holes. Attributes that the host's
 * security modules maintain (labels, signatures) do not count, capabilities do.
 *
 * Attributes are in two sums: those that everybody sees alike, and those that
 * depend on who looks (trusted ones, and ACLs and capabilities, which name users).
 */
#include "overlay/print.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/scope.h"

#define PRINT_CHUNK (256u << 10)

/* ---- attributes ---- */

/* 0: it does not count, 1: seen by everybody alike, 2: depends on who looks. */
static int print_xattr_kind(const char *name)
{
#ifdef __linux__
	if (strncmp(name, "user.", 5) == 0)
		return 1;
	return strncmp(name, "trusted.", 8) == 0 || strcmp(name, "security.capability") == 0 ||
			       strncmp(name, "system.posix_acl_", 17) == 0 ?
		       2 :
		       0;
#else
	(void)name;
	return 1;
#endif
}

static int print_xattr(int dirfd, const char *name, const char *xattr, uint64_t *sum)
{
	uint64_t seed = vn_hash_name(VN_HASH_SEED, xattr, strlen(xattr));
	vn_autofree char *big = NULL;
	char small[1024];
	ssize_t n = layer_xattr_get(dirfd, name, xattr, small, sizeof(small));

	if (n == -ERANGE) {
		big = malloc(65536); /* the system's own limit */
		n = big ? layer_xattr_get(dirfd, name, xattr, big, 65536) : -ENOMEM;
	}
	if (n == -VN_ENOATTR) /* gone meanwhile */
		return 0;
	if (n < 0)
		return (int)n;
	*sum += vn_hash_name(seed, big ? big : small, (size_t)n);
	return 0;
}

/* The order in which a host lists attributes means nothing: sums. */
static int print_xattrs(int dirfd, const char *name, struct ovl_print *out)
{
	vn_autofree char *names = NULL;
	ssize_t len = layer_xattr_names(dirfd, name, &names);
	int rc = 0;

	for (ssize_t at = 0; at < len && !rc; at += (ssize_t)strlen(names + at) + 1) {
		int kind = print_xattr_kind(names + at);

		if (kind)
			rc = print_xattr(dirfd, name, names + at, kind == 1 ? &out->xattrs : &out->held_xattrs);
	}
	return len < 0 ? (int)len : rc;
}

/* ---- contents ---- */

struct print_file {
	XXH3_state_t hash;
	int fd;
	char *buf;
	const struct print_meter *meter;
};

static void print_meter(const struct print_file *f, uint64_t n)
{
	if (f->meter && f->meter->bytes)
		f->meter->bytes(f->meter->arg, n);
}

/* A hole costs no reading, and hashes as the zeros that it reads as. */
static void print_zeros(struct print_file *f, uint64_t n)
{
	memset(f->buf, 0, PRINT_CHUNK);
	while (n) {
		size_t part = n < PRINT_CHUNK ? (size_t)n : PRINT_CHUNK;

		XXH3_64bits_update(&f->hash, f->buf, part);
		n -= part;
	}
}

static int print_range(struct print_file *f, uint64_t from, uint64_t to)
{
	while (from < to) {
		size_t want = to - from < PRINT_CHUNK ? (size_t)(to - from) : PRINT_CHUNK;
		ssize_t n = vn_pread_full(f->fd, f->buf, want, (off_t)from);

		if (n < 0)
			return (int)n;
		if (n == 0) /* it was cut meanwhile */
			return -ESTALE;
		XXH3_64bits_update(&f->hash, f->buf, (size_t)n);
		print_meter(f, (uint64_t)n);
		from += (uint64_t)n;
	}
	return 0;
}

/* Where data begins at or behind `at`, and where it ends; all of it where the host does not tell. */
static void print_next_data(const struct print_file *f, uint64_t at, uint64_t size, uint64_t *from, uint64_t *to)
{
	off_t data = lseek(f->fd, (off_t)at, SEEK_DATA);
	off_t hole;

	*from = *to = size;
	if (data < 0 && errno == ENXIO)
		return;
	*from = data < 0 ? at : (uint64_t)data < size ? (uint64_t)data : size;
	hole = data < 0 ? -1 : lseek(f->fd, data, SEEK_HOLE);
	if (hole > data && (uint64_t)hole < size)
		*to = (uint64_t)hole;
}

static int print_bytes(struct print_file *f, uint64_t size)
{
	int rc = 0;

	for (uint64_t at = 0; at < size && !rc;) {
		uint64_t from, to;

		print_next_data(f, at, size, &from, &to);
		print_zeros(f, from - at);
		rc = print_range(f, from, to);
		at = to;
	}
	return rc;
}

/* -ESTALE: it was written to while it was read. */
static int print_file_once(struct layer *l, int dirfd, const char *name, const struct layer_stat *st,
			   struct print_file *f, struct ovl_print *out)
{
	vn_autoclose int fd = layer_open_file(l, dirfd, name, st);
	struct layer_stat before, after;
	int rc = fd < 0 ? fd : layer_stat(fd, "", &before);

	if (rc)
		return rc;
	f->fd = fd;
	XXH3_64bits_reset(&f->hash);
	rc = print_bytes(f, before.attr.size);
	if (!rc)
		rc = layer_stat(fd, "", &after);
	if (rc)
		return rc;
	out->size = after.attr.size;
	out->mtime = after.attr.mtime;
	out->contents = XXH3_64bits_digest(&f->hash);
	return before.attr.size == after.attr.size && before.attr.mtime == after.attr.mtime ? 0 : -ESTALE;
}

static int print_contents(struct layer *l, int dirfd, const char *name, const struct layer_stat *st,
			  const struct print_meter *meter, struct ovl_print *out)
{
	vn_autofree char *buf = malloc(PRINT_CHUNK);
	struct print_file f = {.buf = buf, .meter = meter};
	int rc = buf ? print_file_once(l, dirfd, name, st, &f, out) : -ENOMEM;

	return rc == -ESTALE ? print_file_once(l, dirfd, name, st, &f, out) : rc;
}

static int print_target(int dirfd, const char *name, struct ovl_print *out)
{
	char target[VN_SYMLINK_MAX + 1];
	ssize_t n = readlinkat(dirfd, name, target, sizeof(target));

	if (n < 0)
		return -errno;
	out->contents = vn_hash_name(VN_HASH_SEED, target, (size_t)n);
	return 0;
}

/* ---- all of it ---- */

int print_object(struct layer *l, int dirfd, const char *name, const struct layer_stat *st, bool contents,
		 const struct print_meter *meter, struct ovl_print *out)
{
	const struct vn_attr *a = &st->attr;
	bool sized = S_ISREG(a->mode) || S_ISLNK(a->mode);
	int rc;

	*out = (struct ovl_print){.mode = a->mode, .uid = a->uid, .gid = a->gid, .size = sized ? a->size : 0, .mtime = a->mtime};
	if (S_ISCHR(a->mode) || S_ISBLK(a->mode))
		out->rdev = (uint64_t)a->rdev_major << 32 | a->rdev_minor;
	rc = print_xattrs(dirfd, name, out);
	if (!rc && S_ISLNK(a->mode))
		rc = print_target(dirfd, name, out);
	else if (!rc && S_ISREG(a->mode) && contents)
		rc = print_contents(l, dirfd, name, st, meter, out);
	if (rc)
		out->flags |= OVL_PRINT_UNREAD;
	return rc;
}

static uint64_t print_map(uint64_t seed, const char *file)
{
	vn_autofree char *text = NULL;
	size_t len;

	if (vn_read_file_at(AT_FDCWD, file, 1 << 20, &text, &len) < 0)
		return seed;
	return vn_hash_name(seed, text, len);
}

uint64_t print_viewer(void)
{
	uint64_t maps = print_map(print_map(VN_HASH_SEED, "/proc/self/uid_map"), "/proc/self/gid_map");

	return (maps & ~PRINT_VIEWER_ROOT) | (geteuid() == 0 ? PRINT_VIEWER_ROOT : 0);
}
