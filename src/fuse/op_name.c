// SPDX-License-Identifier: Apache-2.0
/* Operations on names. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/iov.h"
#include "fuse/probe.h"
#include "fuse/request.h"

#define MODE_BITS 07777u
#define RENAME_FLAGS (1u | 2u | 4u) /* NOREPLACE, EXCHANGE, WHITEOUT */

/* ---- lookup and forget ---- */

static ssize_t name_absent(struct vf_request *r)
{
	struct fuse_entry_out *out = &r->out.entry;

	if (!r->s->policy.negative_timeout)
		return -ENOENT;
	vf_timeout_fill(r->s->policy.negative_timeout, &out->entry_valid, &out->entry_valid_nsec);
	return 0;
}

static int name_find(struct vf_request *r, struct vn_entry *e)
{
	const char *name = r->name[0];

	if (strcmp(name, ".") == 0)
		return r->fs->ops->self ? vf_verb(r, self, r->node, e) : -ESTALE;
	if (strcmp(name, "..") == 0)
		return vf_verb(r, parent, r->node, e);
	return vf_verb(r, lookup, r->node, name, e);
}

/* What every verb that makes or finds a name ends with. */
static ssize_t name_entry(struct vf_request *r, int err, const struct vn_entry *e)
{
	if (!err)
		vf_entry_fill(r->s, &r->out.entry, e);
	return err;
}

ssize_t vf_op_lookup(struct vf_request *r)
{
	struct vn_entry e;
	int err = vf_probe_lookup(r, &e) ? 0 : name_find(r, &e);

	return err == -ENOENT ? name_absent(r) : name_entry(r, err, &e);
}

static void name_forget(struct vf_request *r, uint64_t nodeid, uint64_t n)
{
	uint64_t node = vf_through_in(r->s, nodeid);

	if (n && node != VN_NODE_ROOT && node != VF_PROBE_NODE)
		r->fs->ops->forget(r->fs, &r->ctx, node, n);
}

ssize_t vf_op_forget(struct vf_request *r)
{
	name_forget(r, r->node, r->in.forget.nlookup);
	return 0;
}

ssize_t vf_op_batch_forget(struct vf_request *r)
{
	struct fuse_forget_one batch[64];
	size_t left = r->in.batch_forget.count, at = 0;

	if (left != r->payload_len / sizeof(batch[0]) || r->payload_len % sizeof(batch[0]))
		return -EINVAL;
	while (left) {
		size_t n = left < 64 ? left : 64;

		vf_payload_get(r, at, batch, n * sizeof(batch[0]));
		for (size_t i = 0; i < n; i++)
			name_forget(r, batch[i].nodeid, batch[i].nlookup);
		at += n * sizeof(batch[0]);
		left -= n;
	}
	return 0;
}

/* ---- making ---- */

/*
 * With DONT_MASK the mode comes unmasked and the umask beside it, for the file
 * system to apply unless a default ACL says otherwise; else the client has applied it.
 */
static void name_umask(struct vf_request *r, uint32_t umask)
{
	r->ctx.umask = r->flags & FUSE_DONT_MASK ? umask & 0777 : 0;
}

static bool name_mknod_type_ok(uint32_t mode)
{
	return S_ISREG(mode) || S_ISCHR(mode) || S_ISBLK(mode) || S_ISFIFO(mode) || S_ISSOCK(mode);
}

ssize_t vf_op_mknod(struct vf_request *r)
{
	const struct fuse_mknod_in *in = &r->in.mknod;
	uint32_t major = (in->rdev >> 8) & 0xfff, minor = (in->rdev & 0xff) | ((in->rdev >> 12) & 0xfff00);
	struct vn_entry e;

	if (!name_mknod_type_ok(in->mode))
		return -EINVAL;
	if (!S_ISCHR(in->mode) && !S_ISBLK(in->mode))
		major = minor = 0;
	name_umask(r, in->umask);
	return name_entry(r, vf_verb(r, mknod, r->node, r->name[0], in->mode & (S_IFMT | MODE_BITS), major, minor, &e), &e);
}

ssize_t vf_op_mkdir(struct vf_request *r)
{
	const struct fuse_mkdir_in *in = &r->in.mkdir;
	struct vn_entry e;

	name_umask(r, in->umask);
	return name_entry(r, vf_verb(r, mkdir, r->node, r->name[0], S_IFDIR | (in->mode & MODE_BITS), &e), &e);
}

static uint32_t name_create_flags(uint32_t open_flags)
{
	return (open_flags & FUSE_O_EXCL ? VN_CREATE_EXCL : 0) | (open_flags & FUSE_O_TRUNC ? VN_CREATE_TRUNC : 0);
}

static uint32_t name_create_mode(struct vf_request *r)
{
	name_umask(r, r->in.create.umask);
	return S_IFREG | (r->in.create.mode & MODE_BITS);
}

static int name_open(struct vf_request *r, const struct vn_entry *e)
{
	bool twin;

	return vf_open_fill(r, vf_through_out(r->s, e->node, &twin), r->in.create.flags, &r->out.create.open);
}

/*
 * Per-open state where the file system has it; the entry is given back when that fails. A name that
 * existed may lead to a file that gets its twin by being opened: the entry then has it, too.
 */
static ssize_t name_opened(struct vf_request *r, const struct vn_entry *e)
{
	int err = name_open(r, e);

	if (err == -ESTALE && vf_through_is_on(r))
		err = name_open(r, e);

	if (err)
		r->fs->ops->forget(r->fs, &r->ctx, e->node, 1);
	return err;
}

ssize_t vf_op_create(struct vf_request *r)
{
	struct vn_entry e;
	int err = vf_verb(r, create, r->node, r->name[0], name_create_mode(r), name_create_flags(r->in.create.flags), &e);

	return err ? err : name_entry(r, (int)name_opened(r, &e), &e);
}

ssize_t vf_op_tmpfile(struct vf_request *r)
{
	struct vn_entry e;
	int err = vf_verb(r, tmpfile, r->node, name_create_mode(r), &e);

	return err ? err : name_entry(r, (int)name_opened(r, &e), &e);
}

ssize_t vf_op_symlink(struct vf_request *r)
{
	struct vn_entry e;

	return name_entry(r, vf_verb(r, symlink, r->node, r->name[0], r->name[1], &e), &e);
}

ssize_t vf_op_link(struct vf_request *r)
{
	struct vn_entry e;

	return name_entry(r, vf_verb(r, link, vf_through_in(r->s, r->in.link.oldnodeid), r->node, r->name[0], &e), &e);
}

/* ---- taking away and moving ---- */

ssize_t vf_op_unlink(struct vf_request *r)
{
	return vf_verb(r, unlink, r->node, r->name[0]);
}

ssize_t vf_op_rmdir(struct vf_request *r)
{
	return vf_verb(r, rmdir, r->node, r->name[0]);
}

ssize_t vf_op_rename(struct vf_request *r)
{
	return vf_verb(r, rename, r->node, r->name[0], r->in.rename.newdir, r->name[1], 0);
}

static bool name_rename_flags_ok(uint32_t flags)
{
	bool exchange = flags & 2u;

	return !(flags & ~RENAME_FLAGS) && !(exchange && flags & (1u | 4u));
}

ssize_t vf_op_rename2(struct vf_request *r)
{
	const struct fuse_rename2_in *in = &r->in.rename2;

	if (!name_rename_flags_ok(in->flags))
		return -EINVAL;
	return vf_verb(r, rename, r->node, r->name[0], in->newdir, r->name[1], in->flags);
}
