// SPDX-License-Identifier: Apache-2.0
/* Extended attributes. */
#include <errno.h>
#include <stdlib.h>

#include "base/scope.h"
#include "fuse/request.h"

#define XATTR_FLAGS 3u /* XATTR_CREATE, XATTR_REPLACE */

ssize_t vf_op_setxattr(struct vf_request *r)
{
	const struct fuse_setxattr_in *in = &r->in.setxattr;
	uint32_t flags = in->flags;
	vn_autofree void *value = NULL;

	if (r->s->policy.noxattr)
		return -ENOSYS;
	if (in->size != r->payload_len || flags & ~XATTR_FLAGS)
		return -EINVAL;
	if (in->size > VN_XATTR_SIZE_MAX)
		return -E2BIG;
	value = malloc((size_t)in->size + 1);
	if (!value)
		return -ENOMEM;
	vf_payload_get(r, 0, value, in->size);
	if (in->setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID)
		flags |= VN_XATTR_KILL_SGID;
	return vf_verb(r, setxattr, r->node, r->name[0], value, in->size, flags);
}

/* The value straight into the reply where its memory is in one piece, else by way of a buffer. */
static ssize_t xattr_fetch(struct vf_request *r, size_t size)
{
	void *span = size ? vf_reply_span(r, size) : NULL;
	vn_autofree void *bounce = NULL;
	ssize_t n;

	if (size && !span) {
		bounce = span = malloc(size);
		if (!bounce)
			return -ENOMEM;
	}
	if (r->op->names)
		n = vf_verb(r, getxattr, r->node, r->name[0], span, size);
	else
		n = vf_verb(r, listxattr, r->node, span, size);
	if (n > 0 && bounce)
		vf_reply_put(r, 0, bounce, (size_t)n);
	return n;
}

static ssize_t xattr_get(struct vf_request *r)
{
	size_t size = r->in.getxattr.size, room = vf_reply_room(r);
	struct fuse_getxattr_out length = {0};
	ssize_t n;

	if (r->s->policy.noxattr)
		return -ENOSYS;
	if (size > VN_XATTR_SIZE_MAX)
		size = VN_XATTR_SIZE_MAX;
	if (room < (size ? size : sizeof(length)))
		return -EINVAL;
	n = xattr_fetch(r, size);
	if (n < 0 || size)
		return n;
	length.size = (uint32_t)n;
	vf_reply_put(r, 0, &length, sizeof(length));
	return sizeof(length);
}

ssize_t vf_op_getxattr(struct vf_request *r)
{
	return xattr_get(r);
}

ssize_t vf_op_listxattr(struct vf_request *r)
{
	return xattr_get(r);
}

ssize_t vf_op_removexattr(struct vf_request *r)
{
	if (r->s->policy.noxattr)
		return -ENOSYS;
	return vf_verb(r, removexattr, r->node, r->name[0]);
}
