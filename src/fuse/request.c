// SPDX-License-Identifier: Apache-2.0
/*
 * Decoding, by the row of the opcode: header, fixed arguments, names, payload,
 * extensions, in this order and with nothing left over. Everything that is looked at
 * is copied first: the request may lie in memory that a guest writes to meanwhile.
 */
#include <errno.h>
#include <string.h>

#include "base/iov.h"
#include "fuse/request.h"

static int request_args_size(const struct vf_request *r, size_t rest, size_t *size)
{
	const struct vf_op *op = r->op;

	*size = op->args;
	if (op->flags & VF_OP_SHORT_ARGS)
		*size = rest < op->args ? op->args_short : op->args;
	else if (op->args_flag && !(r->flags & op->args_flag))
		*size = op->args_short;
	return rest < *size ? -EINVAL : 0;
}

int vf_request_header(struct vf_request *r)
{
	size_t total = vn_iov_total(r->req, r->nreq);

	if (vn_iov_get(r->req, r->nreq, 0, &r->h, sizeof(r->h)) < sizeof(r->h))
		return -EBADMSG;
	r->op = vf_op_find(r->h.opcode);
	r->node = vf_through_in(r->s, r->h.nodeid);
	if (r->h.len < sizeof(r->h) || r->h.len > total)
		return -EINVAL;
	return r->op ? 0 : -ENOSYS;
}

/* ---- names ---- */

static bool name_is_dot(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

static int name_check(const struct vf_request *r, const char *name, size_t len)
{
	if (r->op->flags & VF_OP_ANY_NAME)
		return 0;
	if (!len)
		return r->op->flags & VF_OP_XATTR_NAME ? -ERANGE : -EINVAL;
	if (r->op->flags & VF_OP_XATTR_NAME)
		return 0;
	if (memchr(name, '/', len))
		return -EINVAL;
	if (!name_is_dot(name))
		return 0;
	return r->op->flags & VF_OP_DOT_NAMES && r->flags & FUSE_EXPORT_SUPPORT ? 0 : -EINVAL;
}

static int name_too_long(const struct vf_request *r)
{
	return r->op->flags & VF_OP_XATTR_NAME ? -ERANGE : -ENAMETOOLONG;
}

/* Takes one string of at most max bytes off the request; *text is where it goes in r->text. */
static int name_take(struct vf_request *r, unsigned i, char **text, size_t max)
{
	size_t want = r->payload_len < max + 1 ? r->payload_len : max + 1;
	size_t got = vn_iov_get(r->req, r->nreq, r->payload_at, *text, want);
	const char *end = memchr(*text, '\0', got);
	size_t len;

	if (!end)
		return got > max ? name_too_long(r) : -EINVAL;
	len = (size_t)(end - *text);
	r->name[i] = *text;
	r->payload_at += len + 1;
	r->payload_len -= len + 1;
	*text += len + 1;
	return 0;
}

static int target_take(struct vf_request *r, char **text)
{
	int err = name_take(r, 1, text, VN_SYMLINK_MAX);

	if (err)
		return err;
	return r->name[1][0] ? 0 : -ENOENT;
}

static int names_take(struct vf_request *r)
{
	char *text = r->text;

	for (unsigned i = 0; i < r->op->names; i++) {
		int err;

		if (i == 1 && r->op->flags & VF_OP_TARGET) {
			err = target_take(r, &text);
		} else {
			err = name_take(r, i, &text, VN_NAME_MAX);
			if (!err)
				err = name_check(r, r->name[i], strlen(r->name[i]));
		}
		if (err)
			return err;
	}
	return 0;
}

/* ---- extensions ---- */

static int groups_take(struct vf_request *r, size_t at, size_t len)
{
	struct fuse_supp_groups g;

	if (len < sizeof(g))
		return -EINVAL;
	vn_iov_get(r->req, r->nreq, at, &g, sizeof(g));
	if (g.nr_groups > (len - sizeof(g)) / sizeof(uint32_t))
		return -EINVAL;
	if (g.nr_groups > VF_GROUPS_MAX)
		return -E2BIG;
	vn_iov_get(r->req, r->nreq, at + sizeof(g), r->groups, g.nr_groups * sizeof(uint32_t));
	r->ctx.groups = r->groups;
	r->ctx.ngroups = g.nr_groups;
	return 0;
}

/* Other extensions than groups were not agreed upon; they are stepped over. */
static int extensions_take(struct vf_request *r, size_t at, size_t len)
{
	while (len) {
		struct fuse_ext_header x;
		int err;

		if (len < sizeof(x))
			return -EINVAL;
		vn_iov_get(r->req, r->nreq, at, &x, sizeof(x));
		if (x.size < sizeof(x) || FUSE_ALIGN((size_t)x.size) > len)
			return -EINVAL;
		if (x.type == FUSE_EXT_GROUPS) {
			err = groups_take(r, at + sizeof(x), x.size - sizeof(x));
			if (err)
				return err;
		}
		at += FUSE_ALIGN((size_t)x.size);
		len -= FUSE_ALIGN((size_t)x.size);
	}
	return 0;
}

static int extensions_split(struct vf_request *r, size_t *len)
{
	*len = (size_t)r->h.total_extlen * 8;
	if (!(r->op->flags & VF_OP_EXTENSIONS))
		*len = 0;
	if (*len > r->payload_len)
		return -EINVAL;
	r->payload_len -= *len;
	return 0;
}

/* ---- all of it ---- */

static void request_context(struct vf_request *r)
{
	r->ctx = (struct vn_ctx){
		.session = r->s->fs_session,
		.unique = r->h.unique & ~FUSE_UNIQUE_RESEND,
		.uid = r->h.uid,
		.gid = r->h.gid,
		.pid = r->h.pid,
	};
}

static int request_args(struct vf_request *r)
{
	size_t size;
	int err = request_args_size(r, r->payload_len, &size);

	if (err)
		return err;
	memset(r->in.bytes, 0, r->op->args);
	vn_iov_get(r->req, r->nreq, r->payload_at, r->in.bytes, size);
	r->payload_at += size;
	r->payload_len -= size;
	return 0;
}

int vf_request_decode(struct vf_request *r)
{
	size_t ext;
	int err;

	request_context(r);
	r->payload_at = sizeof(r->h);
	r->payload_len = r->h.len - sizeof(r->h);
	err = request_args(r);
	if (!err)
		err = extensions_split(r, &ext);
	if (!err)
		err = names_take(r);
	if (err)
		return err;
	if (r->payload_len && !(r->op->flags & VF_OP_PAYLOAD))
		return -EINVAL;
	return extensions_take(r, r->payload_at + r->payload_len, ext);
}

int vf_payload_iov(const struct vf_request *r, struct iovec *dst, size_t len)
{
	size_t n = vn_iov_slice(dst, VF_IOV_MAX, r->req, r->nreq, r->payload_at, len);

	return vn_iov_total(dst, n) == len ? (int)n : -EINVAL;
}

size_t vf_payload_get(const struct vf_request *r, size_t at, void *buf, size_t len)
{
	if (at >= r->payload_len)
		return 0;
	if (len > r->payload_len - at)
		len = r->payload_len - at;
	return vn_iov_get(r->req, r->nreq, r->payload_at + at, buf, len);
}
