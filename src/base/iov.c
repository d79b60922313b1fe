// SPDX-License-Identifier: Apache-2.0
#include "base/iov.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* A place in an iovec: walks the contiguous pieces of a byte range. */
struct iov_range {
	const struct iovec *iov;
	size_t n;
	size_t skip; /* bytes to leave out before the range */
	size_t left; /* bytes of the range still to come */
};

static bool iov_next(struct iov_range *r, struct iovec *piece)
{
	while (r->n && r->skip >= r->iov->iov_len) {
		r->skip -= r->iov->iov_len;
		r->iov++;
		r->n--;
	}
	if (!r->n || !r->left)
		return false;
	piece->iov_base = (char *)r->iov->iov_base + r->skip;
	piece->iov_len = r->iov->iov_len - r->skip;
	if (piece->iov_len > r->left)
		piece->iov_len = r->left;
	r->left -= piece->iov_len;
	r->skip += piece->iov_len;
	return true;
}

size_t vn_iov_total(const struct iovec *iov, size_t n)
{
	size_t total = 0;

	for (size_t i = 0; i < n; i++) {
		if (__builtin_add_overflow(total, iov[i].iov_len, &total))
			return SIZE_MAX;
	}
	return total;
}

size_t vn_iov_get(const struct iovec *iov, size_t n, size_t offset, void *buf, size_t len)
{
	struct iov_range r = {iov, n, offset, len};
	struct iovec piece;
	size_t done = 0;

	while (iov_next(&r, &piece)) {
		memcpy((char *)buf + done, piece.iov_base, piece.iov_len);
		done += piece.iov_len;
	}
	return done;
}

size_t vn_iov_put(const struct iovec *iov, size_t n, size_t offset, const void *buf, size_t len)
{
	struct iov_range r = {iov, n, offset, len};
	struct iovec piece;
	size_t done = 0;

	while (iov_next(&r, &piece)) {
		memcpy(piece.iov_base, (const char *)buf + done, piece.iov_len);
		done += piece.iov_len;
	}
	return done;
}

size_t vn_iov_zero(const struct iovec *iov, size_t n, size_t offset, size_t len)
{
	struct iov_range r = {iov, n, offset, len};
	struct iovec piece;
	size_t done = 0;

	while (iov_next(&r, &piece)) {
		memset(piece.iov_base, 0, piece.iov_len);
		done += piece.iov_len;
	}
	return done;
}

size_t vn_iov_slice(struct iovec *dst, size_t max, const struct iovec *src, size_t n, size_t offset, size_t len)
{
	struct iov_range r = {src, n, offset, len};
	size_t used = 0;

	while (used < max && iov_next(&r, &dst[used]))
		used++;
	return used;
}
