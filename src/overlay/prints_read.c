// SPDX-License-Identifier: Apache-2.0
/*
 * Reading a record. It is looked through twice: first for its sum, so that
 * nothing of a damaged one is ever compared, then object by object.
 */
#include "overlay/prints.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/scope.h"
#include "overlay/prints_format.h"

#define READ_BUFFER (256u << 10)

struct prints {
	struct prints_head head;
	uint64_t head_sum;
	int fd;
	uint64_t from, at, end;  /* of the objects: in the file; end is where the final sum begins */
	size_t used, have;       /* of buf */
	bool place_ended;
	char *path;
	size_t *starts;          /* where the name of each depth begins in path */
	size_t path_cap, depth_cap, depth;
	uint8_t buf[READ_BUFFER];
};

/* ---- the head ---- */

void prints_head_fini(struct prints_head *h)
{
	for (size_t i = 0; i < h->n; i++)
		free(h->places[i].path);
	free(h->places);
	*h = (struct prints_head){0};
}

static int head_place(const uint8_t **at, const uint8_t *end, struct prints_place *p)
{
	uint64_t kind, len;

	if ((size_t)(end - *at) < PRINTS_PLACE_FIXED)
		return -EUCLEAN;
	kind = prints_get(at, 4);
	len = prints_get(at, 4);
	p->kind = (enum ovl_place)kind;
	p->id = prints_get(at, 8);
	p->ino = prints_get(at, 8);
	p->btime = (int64_t)prints_get(at, 8);
	if (kind > OVL_PLACE_HEAD || len > (size_t)(end - *at))
		return -EUCLEAN;
	p->path = strndup((const char *)*at, len);
	*at += len;
	return p->path ? 0 : -ENOMEM;
}

static int head_parse(const uint8_t *data, size_t size, struct prints_head *h)
{
	const uint8_t *at = data + PRINTS_MAGIC_LEN + 4, *end = data + size - 8;
	uint64_t n = prints_get(&at, 4);
	int rc = 0;

	memcpy(h->upper, at, 16);
	at += 16;
	h->made = (int64_t)prints_get(&at, 8);
	h->viewer = prints_get(&at, 8);
	if (n > (size_t)(end - at) / PRINTS_PLACE_FIXED)
		return -EUCLEAN;
	h->places = calloc(n + 1, sizeof(*h->places));
	if (!h->places)
		return -ENOMEM;
	while (!rc && h->n < n) {
		rc = head_place(&at, end, &h->places[h->n]);
		h->n += !rc;
	}
	return rc;
}

/* How long the head is, from its first bytes. */
static int head_length(int fd, size_t *size)
{
	uint8_t first[PRINTS_MAGIC_LEN + 4];
	const uint8_t *at = first + PRINTS_MAGIC_LEN;
	ssize_t n = vn_pread_full(fd, first, sizeof(first), 0);

	if (n < 0)
		return (int)n;
	if ((size_t)n < sizeof(first) || memcmp(first, PRINTS_MAGIC, PRINTS_MAGIC_LEN - 1) != 0)
		return -EUCLEAN;
	if (memcmp(first, PRINTS_MAGIC, PRINTS_MAGIC_LEN) != 0)
		return -EPROTONOSUPPORT;
	*size = prints_get(&at, 4);
	return *size < PRINTS_HEAD_FIXED + 8 || *size > PRINTS_HEAD_MAX ? -EUCLEAN : 0;
}

static int head_read(int fd, const uint8_t *upper, struct prints_head *h, uint64_t *sum, size_t *size)
{
	vn_autofree uint8_t *data = NULL;
	struct stat st;
	const uint8_t *at;
	ssize_t n;
	int rc = head_length(fd, size);

	if (!rc && fstat(fd, &st) < 0)
		rc = -errno;
	if (rc || (uint64_t)st.st_size < *size)
		return rc ? rc : -EUCLEAN;
	data = malloc(*size);
	n = data ? vn_pread_full(fd, data, *size, 0) : -ENOMEM;
	if (n < 0 || (size_t)n < *size)
		return n < 0 ? (int)n : -EUCLEAN;
	at = data + *size - 8;
	*sum = prints_get(&at, 8);
	if (*sum != vn_checksum(VN_HASH_SEED, data, *size - 8))
		return -EUCLEAN;
	rc = head_parse(data, *size, h);
	if (!rc && memcmp(h->upper, upper, 16) != 0)
		rc = -ESTALE;
	if (rc)
		prints_head_fini(h);
	return rc;
}

static int head_open(int dirfd)
{
	return vn_open_at(dirfd, PRINTS_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
}

int prints_head_read(int dirfd, const uint8_t *upper, struct prints_head *out)
{
	vn_autoclose int fd = head_open(dirfd);
	uint64_t sum;
	size_t size;

	*out = (struct prints_head){0};
	return fd < 0 ? fd : head_read(fd, upper, out, &sum, &size);
}

/* ---- the sum ---- */

static int read_verify(struct prints *r)
{
	XXH3_state_t state;
	uint8_t sum[8];
	const uint8_t *at = sum;

	XXH3_64bits_reset_withSeed(&state, r->head_sum);
	for (uint64_t off = r->from; off < r->end;) {
		size_t want = r->end - off < READ_BUFFER ? (size_t)(r->end - off) : READ_BUFFER;
		ssize_t n = vn_pread_full(r->fd, r->buf, want, (off_t)off);

		if (n < 0 || (size_t)n < want)
			return n < 0 ? (int)n : -EUCLEAN;
		XXH3_64bits_update(&state, r->buf, want);
		off += want;
	}
	if (vn_pread_full(r->fd, sum, sizeof(sum), (off_t)r->end) != sizeof(sum))
		return -EUCLEAN;
	return prints_get(&at, 8) == XXH3_64bits_digest(&state) ? 0 : -EUCLEAN;
}

static int read_open(int dirfd, const uint8_t *upper, struct prints *r)
{
	struct stat st;
	size_t size;
	int rc;

	r->fd = head_open(dirfd);
	rc = r->fd < 0 ? r->fd : head_read(r->fd, upper, &r->head, &r->head_sum, &size);
	if (!rc && fstat(r->fd, &st) < 0)
		rc = -errno;
	if (!rc && (uint64_t)st.st_size < size + 9)
		rc = -EUCLEAN;
	if (rc)
		return rc;
	r->from = r->at = size;
	r->end = (uint64_t)st.st_size - 8;
	return read_verify(r);
}

int prints_open(int dirfd, const uint8_t *upper, struct prints **out)
{
	struct prints *r = calloc(1, sizeof(*r));
	int rc = r ? read_open(dirfd, upper, r) : -ENOMEM;

	if (rc && r)
		prints_close(r);
	else if (!rc)
		*out = r;
	return rc;
}

void prints_close(struct prints *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	prints_head_fini(&r->head);
	free(r->path);
	free(r->starts);
	free(r);
}

const struct prints_head *prints_head(const struct prints *r)
{
	return &r->head;
}

/* ---- objects ---- */

/* n bytes, together in buf. */
static int read_bytes(struct prints *r, size_t n, const uint8_t **out)
{
	if (r->have - r->used < n) {
		size_t want = r->end - r->at < READ_BUFFER ? (size_t)(r->end - r->at) : READ_BUFFER;
		ssize_t got = want < n ? -EUCLEAN : vn_pread_full(r->fd, r->buf, want, (off_t)r->at);

		if (got < 0 || (size_t)got < want)
			return got < 0 ? (int)got : -EUCLEAN;
		r->used = 0;
		r->have = want;
	}
	*out = r->buf + r->used;
	r->used += n;
	r->at += n;
	return 0;
}

static int read_room(struct prints *r, size_t depth, size_t len)
{
	if (depth + 2 > r->depth_cap) {
		size_t cap = 2 * depth + 64;
		size_t *starts = reallocarray(r->starts, cap, sizeof(*starts));

		if (!starts)
			return -ENOMEM;
		r->starts = starts;
		r->depth_cap = cap;
	}
	if (r->path_cap < len) {
		char *path = realloc(r->path, 2 * len);

		if (!path)
			return -ENOMEM;
		r->path = path;
		r->path_cap = 2 * len;
	}
	return 0;
}

/* Puts a name of a depth behind those of its ancestors. The depth grows by one at most. */
static int read_name(struct prints *r, size_t depth, const uint8_t *name, size_t len)
{
	size_t at = 0;
	int rc;

	if (depth > r->depth || (depth == 0) != (len == 0) || memchr(name, 0, len))
		return -EUCLEAN;
	if (depth > 1)
		at = r->starts[depth];
	rc = read_room(r, depth, at + len + 2);
	if (rc)
		return rc;
	if (depth > 1)
		r->path[at - 1] = '/';
	memcpy(r->path + at, name, len);
	r->path[at + len] = '\0';
	r->starts[depth + 1] = depth ? at + len + 1 : 0;
	r->depth = depth + 1;
	return 0;
}

static int read_object(struct prints *r, struct prints_object *out)
{
	const uint8_t *at = NULL, *name = NULL;
	struct ovl_print *p = &out->print;
	size_t depth, len;
	int rc = read_bytes(r, PRINTS_OBJECT_FIXED - 1, &at);

	if (rc)
		return rc;
	p->flags = (uint8_t)prints_get(&at, 1);
	depth = prints_get(&at, 2);
	len = prints_get(&at, 2);
	p->mode = (uint32_t)prints_get(&at, 4);
	p->uid = (uint32_t)prints_get(&at, 4);
	p->gid = (uint32_t)prints_get(&at, 4);
	p->rdev = prints_get(&at, 8);
	p->size = prints_get(&at, 8);
	p->mtime = (int64_t)prints_get(&at, 8);
	p->xattrs = prints_get(&at, 8);
	p->held_xattrs = prints_get(&at, 8);
	p->contents = prints_get(&at, 8);
	rc = read_bytes(r, len, &name);
	if (!rc)
		rc = read_name(r, depth, name, len);
	out->path = r->path;
	return rc ? rc : 1;
}

int prints_next(struct prints *r, struct prints_object *out)
{
	const uint8_t *kind = NULL;
	int rc;

	if (r->place_ended)
		return 0;
	rc = read_bytes(r, 1, &kind);
	if (rc)
		return rc;
	if (*kind == PRINTS_OBJECT)
		return read_object(r, out);
	if (*kind != PRINTS_PLACE_END)
		return -EUCLEAN;
	r->place_ended = true;
	return 0;
}

int prints_next_place(struct prints *r)
{
	struct prints_object passed;
	int rc;

	while ((rc = prints_next(r, &passed)) == 1)
		;
	r->place_ended = false;
	r->depth = 0;
	return rc;
}
