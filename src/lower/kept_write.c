// SPDX-License-Identifier: Apache-2.0
#include "lower/kept_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/scope.h"

#define BUFFER (1u << 20)

/* ---- beginning ---- */

/* The lock is on what lies under the name still, not on what another process has just renamed. */
static int write_lock(struct kept_write *w)
{
	struct stat ours, there;

	if (flock(w->fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (fstat(w->fd, &ours) < 0)
		return -errno;
	if (fstatat(w->dirfd, w->temp, &there, AT_SYMLINK_NOFOLLOW) < 0 || there.st_ino != ours.st_ino)
		return -EBUSY;
	return ftruncate(w->fd, 0) < 0 ? -errno : 0;
}

static void write_close(struct kept_write *w)
{
	if (w->fd >= 0)
		close(w->fd);
	free(w->buf);
	w->fd = -1;
	w->buf = NULL;
}

int kept_write_begin(struct kept_write *w, int dirfd, const char *name)
{
	int rc;

	*w = (struct kept_write){.dirfd = dirfd, .fd = -1, .at = sizeof(struct kept_head), .flushed = sizeof(struct kept_head)};
	snprintf(w->name, sizeof(w->name), "%s", name);
	snprintf(w->temp, sizeof(w->temp), "%s.new", w->name);
	w->buf = malloc(BUFFER);
	if (!w->buf)
		return -ENOMEM;
	w->fd = vn_open_at(dirfd, w->temp, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	rc = w->fd < 0 ? w->fd : write_lock(w);
	if (rc)
		write_close(w);
	return rc;
}

void kept_write_abandon(struct kept_write *w)
{
	if (w->fd >= 0)
		unlinkat(w->dirfd, w->temp, 0);
	write_close(w);
}

/* ---- records ---- */

static int write_at(int fd, const void *data, size_t len, uint64_t at)
{
	ssize_t n = vn_pwrite_full(fd, data, len, (off_t)at);

	if (n < 0)
		return (int)n;
	return (size_t)n < len ? -ENOSPC : 0;
}

static int write_flush(struct kept_write *w)
{
	int rc = write_at(w->fd, w->buf, w->at - w->flushed, w->flushed);

	if (!rc)
		w->flushed = w->at;
	return rc;
}

static int write_append(struct kept_write *w, const void *data, size_t len)
{
	int rc = 0;

	if (len > BUFFER - (w->at - w->flushed))
		rc = write_flush(w);
	if (!rc && len > BUFFER) {
		rc = write_at(w->fd, data, len, w->at);
		w->flushed += len;
	} else if (!rc && len) {
		memcpy(w->buf + (w->at - w->flushed), data, len);
	}
	w->at += len;
	return rc;
}

int kept_write_add(struct kept_write *w, const void *head, size_t head_len, const void *rest, size_t rest_len, uint64_t *at)
{
	static const char zeros[8];
	size_t pad = -(head_len + rest_len) & 7;
	int rc;

	*at = w->at;
	rc = write_append(w, head, head_len);
	if (!rc)
		rc = write_append(w, rest, rest_len);
	return rc ? rc : write_append(w, zeros, pad);
}

int kept_write_patch(struct kept_write *w, uint64_t at, const void *data, size_t len)
{
	if (at >= w->flushed) {
		memcpy(w->buf + (at - w->flushed), data, len);
		return 0;
	}
	if (at + len > w->flushed) { /* never cut in two */
		int rc = write_flush(w);

		if (rc)
			return rc;
	}
	return write_at(w->fd, data, len, at);
}

/* ---- ending ---- */

static int write_sums(struct kept_write *w, struct kept_head *head)
{
	uint64_t n = kept_blocks(head);
	vn_autofree uint64_t *sums = malloc(n * sizeof(*sums));
	void *map = mmap(NULL, head->sums, PROT_READ, MAP_SHARED, w->fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	for (uint64_t i = 0; sums && i < n; i++)
		sums[i] = kept_block_sum(head, map, i);
	munmap(map, head->sums);
	if (!sums)
		return -ENOMEM;
	head->sums_check = kept_sums_sum(head, sums);
	return write_at(w->fd, sums, n * sizeof(*sums), head->sums);
}

static int write_all(struct kept_write *w, struct kept_head *head)
{
	int rc = write_flush(w);

	if (rc)
		return rc;
	memcpy(head->magic, KEPT_MAGIC, sizeof(head->magic));
	head->version = KEPT_VERSION;
	head->order = KEPT_ORDER;
	head->sums = w->at;
	head->size = head->sums + kept_blocks(head) * sizeof(uint64_t);
	rc = write_sums(w, head);
	if (rc)
		return rc;
	head->check = kept_head_sum(head);
	rc = write_at(w->fd, head, sizeof(*head), 0);
	return rc ? rc : vn_fdatasync(w->fd);
}

int kept_write_end(struct kept_write *w, struct kept_head *head)
{
	int rc = write_all(w, head);

	if (!rc && renameat(w->dirfd, w->temp, w->dirfd, w->name) < 0)
		rc = -errno;
	if (rc)
		kept_write_abandon(w);
	write_close(w);
	return rc;
}
