// SPDX-License-Identifier: Apache-2.0
#include "store/ring.h"

#include "store/fault.h"

#include "base/fd.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


#define RING_MAGIC "VENEERJ1"

/* The immutable first page; the rest of it is zero. */
struct ring_header {
	char magic[8];
	uint8_t uuid[16];
	uint64_t size; /* in the byte order of the host that made it: another order makes it out of range */
	uint64_t sum;  /* XXH3 of what stands before */
};

void ring_init(struct ring *r)
{
	memset(r, 0, sizeof(*r));
	r->fd = -1;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->room, NULL);
	pthread_mutex_init(&r->flush_lock, NULL);
	pthread_cond_init(&r->flush_done, NULL);
}

void ring_fini(struct ring *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->room);
	pthread_mutex_destroy(&r->flush_lock);
	pthread_cond_destroy(&r->flush_done);
}

static uint64_t ring_header_sum(const struct ring_header *h)
{
	return XXH3_64bits(h, offsetof(struct ring_header, sum));
}

static int ring_pwrite(int fd, const void *buf, size_t n, uint64_t off)
{
	const uint8_t *p = buf;

	while (n) {
		ssize_t w = pwrite(fd, p, n, (off_t)off);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return w < 0 ? -errno : -EIO;
		p += w;
		off += (uint64_t)w;
		n -= (size_t)w;
	}
	return 0;
}

static int ring_pread(int fd, void *buf, size_t n, uint64_t off)
{
	uint8_t *p = buf;

	while (n) {
		ssize_t r = pread(fd, p, n, (off_t)off);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : -EUCLEAN;
		p += r;
		off += (uint64_t)r;
		n -= (size_t)r;
	}
	return 0;
}

/*
 * Writes, not only allocates: a later write must need nothing from a full disk.
 * In small pieces, since some hosts cache in folios of the size of a write and
 * then walk all of a folio for each record: with pieces of 1 MiB an append took
 * 2.7 us, with these it takes 0.9.
 */
#define RING_CHUNK 65536

static int ring_prewrite(int fd, uint64_t size)
{
	size_t chunk = RING_CHUNK;
	uint8_t *zero = calloc(1, chunk);
	int rc = zero ? 0 : -ENOMEM;

	for (uint64_t off = 0; !rc && off < size; off += chunk)
		rc = ring_pwrite(fd, zero, size - off < chunk ? size - off : chunk, off);
	free(zero);
	return rc;
}

/* One piece behind *off, but never what holds records. Lock held. */
static int ring_prewrite_piece_locked(struct ring *r, const uint8_t *zero, uint64_t *off)
{
	uint64_t from = *off < r->head ? r->head : *off;
	uint64_t to = (from / RING_CHUNK + 1) * RING_CHUNK;

	*off = to;
	if (to > r->size)
		to = r->size;
	return from < to ? ring_pwrite(r->fd, zero, to - from, RING_HEADER + from) : 0;
}

int ring_prewrite_rest(struct ring *r)
{
	uint8_t *zero = calloc(1, RING_CHUNK);
	int rc = zero ? 0 : -ENOMEM;

	for (uint64_t off = 0; !rc && off < r->size;) {
		pthread_mutex_lock(&r->lock);
		rc = ring_prewrite_piece_locked(r, zero, &off);
		pthread_mutex_unlock(&r->lock);
	}
	free(zero);
	return rc;
}

/* For later: the space only. Where the host cannot allocate ahead, writing it is the way. */
static int ring_allocate(int fd, uint64_t size, bool later)
{
	if (later && fallocate(fd, 0, 0, (off_t)size) == 0)
		return 0;
	if (later && errno != EOPNOTSUPP && errno != ENOSYS)
		return -errno;
	return ring_prewrite(fd, size);
}

int ring_create(int dirfd, const uint8_t uuid[16], uint64_t size, bool later)
{
	struct ring_header h = { .magic = "" };
	int fd = openat(dirfd, "journal.new", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int rc;

	if (fd < 0)
		return -errno;
	memcpy(h.magic, RING_MAGIC, sizeof(h.magic));
	memcpy(h.uuid, uuid, sizeof(h.uuid));
	h.size = size;
	h.sum = ring_header_sum(&h);
	rc = ring_allocate(fd, RING_HEADER + size, later);
	if (!rc)
		rc = ring_pwrite(fd, &h, sizeof(h), 0);
	if (!rc && !later)
		sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	if (!rc && renameat(dirfd, "journal.new", dirfd, "journal") < 0)
		rc = -errno;
	if (rc)
		unlinkat(dirfd, "journal.new", 0);
	close(fd);
	return rc;
}

int ring_flush_new(int dirfd)
{
	int fd = openat(dirfd, "journal", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	rc = vn_fsync(fd);
	if (!rc)
		rc = vn_fsync(dirfd);
	close(fd);
	return rc;
}

static int ring_read_header(int fd, const uint8_t uuid[16], uint64_t *size)
{
	struct ring_header h;
	struct stat st;
	int rc = ring_pread(fd, &h, sizeof(h), 0);

	if (rc)
		return rc;
	/* The digit is the format's. */
	if (!memcmp(h.magic, RING_MAGIC, sizeof(h.magic) - 1) && h.magic[7] > RING_MAGIC[7] && h.magic[7] <= '9')
		return -EPROTONOSUPPORT;
	if (memcmp(h.magic, RING_MAGIC, sizeof(h.magic)) || h.sum != ring_header_sum(&h) || h.size < RING_MIN ||
	    h.size > RING_MAX || h.size % RECORD_ALIGN)
		return -EUCLEAN;
	if (memcmp(h.uuid, uuid, sizeof(h.uuid)))
		return -ESTALE;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size < RING_HEADER + h.size)
		return -EUCLEAN;
	*size = h.size;
	return 0;
}

int ring_open(struct ring *r, int dirfd, const uint8_t uuid[16])
{
	int fd = openat(dirfd, "journal", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	rc = ring_read_header(fd, uuid, &r->size);
	if (rc) {
		close(fd);
		return rc;
	}
	r->fd = fd;
	return 0;
}

uint64_t ring_salt(const uint8_t uuid[16], uint64_t epoch)
{
	return XXH3_64bits_withSeed(uuid, 16, epoch * UINT64_C(0x9E3779B97F4A7C15) + 1);
}

void ring_begin(struct ring *r, uint64_t salt, uint64_t seq)
{
	r->salt = salt;
	__atomic_store_n(&r->head, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&r->tail, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&r->seq, seq, __ATOMIC_RELEASE);
	__atomic_store_n(&r->flushed, seq, __ATOMIC_RELEASE);
}

static uint64_t ring_padded(size_t len)
{
	return ((uint64_t)len + RECORD_ALIGN - 1) & ~(uint64_t)(RECORD_ALIGN - 1);
}

bool ring_fits_locked(const struct ring *r, size_t len, uint64_t keep)
{
	return r->head - r->tail + ring_padded(len) + keep <= r->size;
}

int ring_append_locked(struct ring *r, uint8_t *rec, size_t len, const struct store_change *c)
{
	uint64_t at = r->head % r->size;
	size_t first = len < r->size - at ? len : (size_t)(r->size - at);
	int rc = fault_hit(FAULT_APPEND);

	if (rc)
		return rc;
	record_seal(rec, len, r->salt, r->seq + 1, c);
	rc = ring_pwrite(r->fd, rec, first, RING_HEADER + at);
	if (!rc && first < len)
		rc = ring_pwrite(r->fd, rec + first, len - first, RING_HEADER);
	if (rc)
		return rc;
	__atomic_store_n(&r->head, r->head + ring_padded(len), __ATOMIC_RELEASE);
	__atomic_store_n(&r->seq, r->seq + 1, __ATOMIC_RELEASE);
	return 0;
}

int ring_read(const struct ring *r, uint64_t pos, uint8_t *buf, size_t n)
{
	uint64_t at = pos % r->size;
	size_t first = n < r->size - at ? n : (size_t)(r->size - at);
	int rc = ring_pread(r->fd, buf, first, RING_HEADER + at);

	if (!rc && first < n)
		rc = ring_pread(r->fd, buf + first, n - first, RING_HEADER);
	return rc;
}

void ring_reclaim(struct ring *r, uint64_t pos)
{
	pthread_mutex_lock(&r->lock);
	if (pos > r->tail)
		__atomic_store_n(&r->tail, pos, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&r->room);
	pthread_mutex_unlock(&r->lock);
}

/* One flush for all who wait. flush_lock held; dropped during the flush. */
static void ring_flush_locked(struct ring *r)
{
	uint64_t target = ring_seq(r);
	int rc;

	r->flushing = true;
	pthread_mutex_unlock(&r->flush_lock);
	rc = fault_hit(FAULT_RING_FLUSH);
	if (!rc)
		rc = vn_fdatasync(r->fd);
	pthread_mutex_lock(&r->flush_lock);
	r->flushing = false;
	if (rc)
		r->flush_error = rc;
	else
		__atomic_store_n(&r->flushed, target, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&r->flush_done);
}

int ring_flush(struct ring *r, uint64_t seq)
{
	int rc;

	if (ring_flushed(r) >= seq)
		return 0;
	pthread_mutex_lock(&r->flush_lock);
	while (ring_flushed(r) < seq && !r->flush_error) {
		if (r->flushing)
			pthread_cond_wait(&r->flush_done, &r->flush_lock);
		else
			ring_flush_locked(r);
	}
	rc = r->flush_error;
	pthread_mutex_unlock(&r->flush_lock);
	return rc;
}
