// SPDX-License-Identifier: Apache-2.0
/*
 * Replies: header, fixed results, payload, written where the transport said.
 */
#include <errno.h>

#include "base/iov.h"
#include "fuse/errno.h"
#include "fuse/request.h"

static size_t reply_payload_at(const struct vf_request *r)
{
	return sizeof(struct fuse_out_header) + r->op->reply;
}

size_t vf_reply_room(const struct vf_request *r)
{
	size_t at = reply_payload_at(r);

	return r->rep_len > at ? r->rep_len - at : 0;
}

void vf_reply_put(const struct vf_request *r, size_t at, const void *buf, size_t len)
{
	vn_iov_put(r->rep, r->nrep, reply_payload_at(r) + at, buf, len);
}

void *vf_reply_span(const struct vf_request *r, size_t len)
{
	struct iovec one;

	if (vn_iov_slice(&one, 1, r->rep, r->nrep, reply_payload_at(r), len) != 1 || one.iov_len < len)
		return NULL;
	return one.iov_base;
}

int vf_reply_iov(const struct vf_request *r, struct iovec *dst, size_t len)
{
	size_t n = vn_iov_slice(dst, VF_IOV_MAX, r->rep, r->nrep, reply_payload_at(r), len);

	return vn_iov_total(dst, n) == len ? (int)n : -EINVAL;
}

ssize_t vf_reply_send(const struct vf_request *r, ssize_t n)
{
	size_t fixed = n >= 0 && r->op ? r->op->reply : 0;
	struct fuse_out_header h = {
		.len = (uint32_t)(sizeof(h) + fixed + (n > 0 ? (size_t)n : 0)),
		.error = n < 0 ? -vf_errno_linux((int)-n) : 0,
		.unique = r->h.unique,
	};

	vn_iov_put(r->rep, r->nrep, 0, &h, sizeof(h));
	if (fixed)
		vn_iov_put(r->rep, r->nrep, sizeof(h), r->out.bytes, fixed);
	return (ssize_t)h.len;
}
