// SPDX-License-Identifier: Apache-2.0
/*
 * Payloads stay in their iovec until someone copies them once; these are the ways
 * to look at one. Offsets and lengths are bytes from the start of the iovec; what
 * lies beyond its end is left out, never an error.
 */
#ifndef VN_BASE_IOV_H
#define VN_BASE_IOV_H

#include <stddef.h>
#include <sys/uio.h>

/* Sum of the lengths; SIZE_MAX if it does not fit. */
size_t vn_iov_total(const struct iovec *iov, size_t n);

/* Copies bytes at offset out of the iovec into buf. Returns how many (less than len at the end). */
size_t vn_iov_get(const struct iovec *iov, size_t n, size_t offset, void *buf, size_t len);

/* Copies buf into the iovec's memory at offset. Returns how many bytes found room. */
size_t vn_iov_put(const struct iovec *iov, size_t n, size_t offset, const void *buf, size_t len);

/* Zeroes len bytes of the iovec's memory at offset. Returns how many there were. */
size_t vn_iov_zero(const struct iovec *iov, size_t n, size_t offset, size_t len);

/*
 * Describes bytes offset..offset+len of src in dst, which has room for max elements
 * and points to the same memory. Returns the number of elements used; it ends early,
 * with fewer bytes, when max is too small (n elements always suffice).
 */
size_t vn_iov_slice(struct iovec *dst, size_t max, const struct iovec *src, size_t n, size_t offset, size_t len);

#endif
