// SPDX-License-Identifier: Apache-2.0
/*
 * Listings. The verb hands over one entry at a time and counts a lookup only for
 * those that we took, so an entry is taken only when all of it fits.
 */
#include <errno.h>
#include <string.h>

#include "fuse/request.h"

struct dir_fill {
	struct vf_request *r;
	size_t at, room;
	bool plus;
	bool refused; /* an entry did not fit */
};

static size_t dir_entry_size(const struct dir_fill *f, size_t namelen)
{
	return (f->plus ? sizeof(struct fuse_entry_out) : 0) + FUSE_DIRENT_SIZE(namelen);
}

/* "." and ".." come without an entry: the client does not look them up through a listing. */
static void dir_entry_out(const struct dir_fill *f, const struct vn_dirent *d, struct fuse_entry_out *out)
{
	memset(out, 0, sizeof(*out));
	if (d->entry) {
		vf_entry_fill(f->r->s, out, d->entry);
	} else {
		out->attr.ino = d->ino;
		out->attr.mode = d->type << 12; /* DT_* are the type bits of the mode */
	}
}

static size_t dir_put(struct dir_fill *f, const void *buf, size_t len)
{
	vf_reply_put(f->r, f->at, buf, len);
	f->at += len;
	return len;
}

static int dir_take(void *arg, const struct vn_dirent *d)
{
	static const char zeros[8];
	struct dir_fill *f = arg;
	struct fuse_dirent head = {.ino = d->ino, .off = d->cookie, .namelen = (uint32_t)d->namelen, .type = d->type};
	struct fuse_entry_out entry;

	if (dir_entry_size(f, d->namelen) > f->room - f->at) {
		f->refused = true;
		return 1;
	}
	if (f->plus) {
		dir_entry_out(f, d, &entry);
		dir_put(f, &entry, sizeof(entry));
	}
	dir_put(f, &head, sizeof(head));
	dir_put(f, d->name, d->namelen);
	dir_put(f, zeros, FUSE_DIRENT_SIZE(d->namelen) - sizeof(head) - d->namelen);
	return 0;
}

static ssize_t dir_list(struct vf_request *r, bool plus)
{
	const struct fuse_read_in *in = &r->in.read;
	size_t room = vf_reply_room(r);
	struct dir_fill f = {.r = r, .room = in->size < room ? in->size : room, .plus = plus};
	int err;

	if (in->offset > INT64_MAX)
		return -EINVAL;
	err = vf_verb(r, readdir, r->node, in->offset, plus, dir_take, &f);
	if (err && !f.at)
		return err;
	if (!f.at && f.refused)
		return -EINVAL; /* nothing at all would look like the end */
	return (ssize_t)f.at;
}

ssize_t vf_op_readdir(struct vf_request *r)
{
	return dir_list(r, false);
}

ssize_t vf_op_readdirplus(struct vf_request *r)
{
	return dir_list(r, true);
}
