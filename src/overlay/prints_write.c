// SPDX-License-Identifier: Apache-2.0
#include "overlay/prints.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/scope.h"
#include "overlay/prints_format.h"

#define WRITE_BUFFER (256u << 10)

struct prints_writer {
	XXH3_state_t sum;
	int dirfd, fd; /* dirfd is borrowed */
	int failed;
	size_t used;
	uint8_t buf[WRITE_BUFFER];
};

/* ---- bytes ---- */

static void write_flush(struct prints_writer *w)
{
	ssize_t n = w->failed || !w->used ? 0 : vn_write_full(w->fd, w->buf, w->used);

	if (n < 0)
		w->failed = (int)n;
	else if (!w->failed && (size_t)n < w->used)
		w->failed = -ENOSPC;
	w->used = 0;
}

static void write_bytes(struct prints_writer *w, const void *data, size_t len)
{
	if (len > WRITE_BUFFER - w->used)
		write_flush(w);
	memcpy(w->buf + w->used, data, len); /* nothing that is written is longer than the buffer */
	w->used += len;
	XXH3_64bits_update(&w->sum, data, len);
}

/* ---- the head ---- */

static size_t write_head_size(const struct prints_head *h)
{
	size_t size = PRINTS_HEAD_FIXED + 8;

	for (size_t i = 0; i < h->n; i++)
		size += PRINTS_PLACE_FIXED + strlen(h->places[i].path);
	return size;
}

static uint8_t *write_head_place(uint8_t *at, const struct prints_place *p)
{
	size_t len = strlen(p->path);

	at = prints_put(at, p->kind, 4);
	at = prints_put(at, len, 4);
	at = prints_put(at, p->id, 8);
	at = prints_put(at, p->ino, 8);
	at = prints_put(at, (uint64_t)p->btime, 8);
	memcpy(at, p->path, len);
	return at + len;
}

static int write_head(struct prints_writer *w, const struct prints_head *h)
{
	size_t size = write_head_size(h);
	vn_autofree uint8_t *head = malloc(size);
	uint8_t *at = head;
	uint64_t sum;
	ssize_t n;

	if (!head)
		return -ENOMEM;
	if (size > PRINTS_HEAD_MAX)
		return -EFBIG;
	memcpy(at, PRINTS_MAGIC, PRINTS_MAGIC_LEN);
	at = prints_put(at + PRINTS_MAGIC_LEN, size, 4);
	at = prints_put(at, h->n, 4);
	memcpy(at, h->upper, 16);
	at = prints_put(at + 16, (uint64_t)h->made, 8);
	at = prints_put(at, h->viewer, 8);
	for (size_t i = 0; i < h->n; i++)
		at = write_head_place(at, &h->places[i]);
	sum = vn_checksum(VN_HASH_SEED, head, size - 8);
	prints_put(at, sum, 8);
	XXH3_64bits_reset_withSeed(&w->sum, sum);
	n = vn_write_full(w->fd, head, size);
	return n < 0 ? (int)n : (size_t)n < size ? -ENOSPC : 0;
}

/* ---- the file ---- */

/* Takes the name that a new record has while it is made. A file that a process left there when it died is used again. */
static int write_take(int dirfd)
{
	for (;;) {
		vn_autoclose int fd = vn_open_at(dirfd, PRINTS_NEW, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
		struct stat mine, there;

		if (fd < 0)
			return fd;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			return errno == EWOULDBLOCK ? -EBUSY : -errno;
		if (fstat(fd, &mine) < 0)
			return -errno;
		/* Another may have put it into its place while this one came by the lock. */
		if (fstatat(dirfd, PRINTS_NEW, &there, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno != ENOENT)
				return -errno;
			continue;
		}
		if (mine.st_ino != there.st_ino)
			continue;
		return ftruncate(fd, 0) < 0 ? -errno : vn_steal_fd(&fd);
	}
}

int prints_create(int dirfd, const struct prints_head *head, struct prints_writer **out)
{
	struct prints_writer *w = aligned_alloc(64, (sizeof(*w) + 63) / 64 * 64);
	int rc;

	if (!w)
		return -ENOMEM;
	w->dirfd = dirfd;
	w->failed = 0;
	w->used = 0;
	w->fd = write_take(dirfd);
	rc = w->fd < 0 ? w->fd : write_head(w, head);
	if (rc && w->fd >= 0)
		prints_abandon(w);
	else if (rc)
		free(w);
	else
		*out = w;
	return rc;
}

void prints_add(struct prints_writer *w, unsigned depth, const char *name, size_t len, const struct ovl_print *p)
{
	uint8_t fixed[PRINTS_OBJECT_FIXED], *at = fixed;

	if (depth > UINT16_MAX || len > UINT16_MAX) {
		w->failed = w->failed ? w->failed : -ENAMETOOLONG;
		return;
	}
	at = prints_put(at, PRINTS_OBJECT, 1);
	at = prints_put(at, p->flags, 1);
	at = prints_put(at, depth, 2);
	at = prints_put(at, len, 2);
	at = prints_put(at, p->mode, 4);
	at = prints_put(at, p->uid, 4);
	at = prints_put(at, p->gid, 4);
	at = prints_put(at, p->rdev, 8);
	at = prints_put(at, p->size, 8);
	at = prints_put(at, (uint64_t)p->mtime, 8);
	at = prints_put(at, p->xattrs, 8);
	at = prints_put(at, p->held_xattrs, 8);
	prints_put(at, p->contents, 8);
	write_bytes(w, fixed, sizeof(fixed));
	write_bytes(w, name, len);
}

void prints_place_end(struct prints_writer *w)
{
	write_bytes(w, &(uint8_t){PRINTS_PLACE_END}, 1);
}

int prints_commit(struct prints_writer *w)
{
	uint8_t sum[8];
	int rc;

	write_bytes(w, &(uint8_t){PRINTS_END}, 1);
	prints_put(sum, XXH3_64bits_digest(&w->sum), sizeof(sum));
	write_bytes(w, sum, sizeof(sum));
	write_flush(w);
	rc = w->failed ? w->failed : vn_fsync(w->fd);
	if (!rc && renameat(w->dirfd, PRINTS_NEW, w->dirfd, PRINTS_NAME) < 0)
		rc = -errno;
	if (rc) {
		prints_abandon(w);
		return rc;
	}
	rc = vn_fsync(w->dirfd);
	close(w->fd);
	free(w);
	return rc;
}

void prints_abandon(struct prints_writer *w)
{
	unlinkat(w->dirfd, PRINTS_NEW, 0);
	close(w->fd);
	free(w);
}
