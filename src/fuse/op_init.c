// SPDX-License-Identifier: Apache-2.0
/*
 * INIT and DESTROY: what client and server agree upon.
 *
 * Left out on purpose, though clients offer it (doc/protocol.md has the long story):
 * ATOMIC_O_TRUNC loses truncations once OPEN is answered ENOSYS; POSIX_LOCKS and
 * FLOCK_LOCKS, so that locks stay in the client; SECURITY_CTX, the tree has no labels;
 * SPLICE_*, measured slower than one copy; PASSTHROUGH, which needs OPEN, unless it is asked for.
 */
#include <errno.h>

#include "base/log.h"
#include "fuse/request.h"

#define PAGE_SIZE_WIRE 4096
#define BACKGROUND 64
#define STACK_DEPTH 1 /* backings lie on ordinary file systems; a kernel overlayfs may still stand on the mount */

static const uint64_t init_wanted = FUSE_ASYNC_READ | FUSE_EXPORT_SUPPORT | FUSE_BIG_WRITES | FUSE_DONT_MASK |
	FUSE_HAS_IOCTL_DIR | FUSE_ASYNC_DIO | FUSE_NO_OPEN_SUPPORT | FUSE_PARALLEL_DIROPS | FUSE_ABORT_ERROR |
	FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS | FUSE_NO_OPENDIR_SUPPORT | FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT |
	FUSE_INIT_EXT | FUSE_CREATE_SUPP_GROUP | FUSE_HAS_EXPIRE_ONLY | FUSE_DIRECT_IO_ALLOW_MMAP | FUSE_HAS_RESEND;

static uint64_t init_flags(const struct vf_session *s, uint64_t offered)
{
	const struct vf_policy *p = &s->policy;
	uint64_t want = init_wanted | s->carrier_flags;

	if (!p->no_readdirplus)
		want |= FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO;
	if (!p->noacl && !p->noxattr)
		want |= FUSE_POSIX_ACL;
	if (p->writeback)
		want |= FUSE_WRITEBACK_CACHE;
	if (p->passthrough && s->backing.open && s->fs->ops->backing)
		want |= FUSE_PASSTHROUGH;
	if (p->idmap)
		want |= FUSE_ALLOW_IDMAP;
	if (s->dax.map)
		want |= FUSE_MAP_ALIGNMENT;
	want |= p->auto_inval ? FUSE_AUTO_INVAL_DATA : FUSE_EXPLICIT_INVAL_DATA;
	return want & offered;
}

static uint64_t init_offered(const struct fuse_init_in *in)
{
	uint64_t offered = in->flags;

	if (in->flags & FUSE_INIT_EXT)
		offered |= (uint64_t)in->flags2 << 32;
	return offered;
}

static void init_sizes(const struct vf_session *s, const struct fuse_init_in *in, uint64_t flags, struct fuse_init_out *out)
{
	uint32_t ahead = s->policy.max_readahead;

	out->max_readahead = ahead && ahead < in->max_readahead ? ahead : in->max_readahead;
	out->max_background = BACKGROUND;
	out->congestion_threshold = BACKGROUND * 3 / 4;
	out->max_write = s->policy.max_write;
	out->time_gran = 1;
	if (flags & FUSE_MAX_PAGES)
		out->max_pages = (uint16_t)(s->policy.max_write / PAGE_SIZE_WIRE);
	if (flags & FUSE_PASSTHROUGH)
		out->max_stack_depth = STACK_DEPTH;
	if (flags & FUSE_MAP_ALIGNMENT)
		out->map_alignment = VF_DAX_SHIFT;
}

/* A client that begins anew holds nothing. */
static void init_forget_all(struct vf_session *s)
{
	vf_dax_clear(s);
	vf_through_clear(s);
	if (s->fs->ops->session_reset)
		s->fs->ops->session_reset(s->fs, s->fs_session);
}

static void init_agree(struct vf_session *s, uint32_t minor, uint64_t flags)
{
	atomic_store_explicit(&s->flags, flags, memory_order_relaxed);
	atomic_store_explicit(&s->minor, minor, memory_order_release);
	atomic_fetch_add_explicit(&s->changes, 1, memory_order_release);
}

/* Said once: a client may try again as often as it likes. */
static int init_check_version(struct vf_session *s, const struct fuse_init_in *in)
{
	if (in->major == FUSE_MAJOR && in->minor >= FUSE_MINOR_OLDEST)
		return 0;
	if (atomic_exchange(&s->refused, true))
		return -EPROTO;
	vn_error("the client speaks FUSE %u.%u; this server needs %u.%u or newer, which is Linux 4.19 or newer",
		 in->major, in->minor, FUSE_MAJOR, FUSE_MINOR_OLDEST);
	return -EPROTO;
}

ssize_t vf_op_init(struct vf_request *r)
{
	const struct fuse_init_in *in = &r->in.init;
	struct fuse_init_out *out = &r->out.init;
	uint64_t flags;
	int err;

	out->major = FUSE_MAJOR;
	out->minor = FUSE_MINOR_NEWEST;
	if (in->major > FUSE_MAJOR)
		return 0; /* the client says INIT again in our version */
	err = init_check_version(r->s, in);
	if (err)
		return err;
	flags = init_flags(r->s, init_offered(in));
	if (in->minor < out->minor)
		out->minor = in->minor;
	out->flags = (uint32_t)flags;
	out->flags2 = (uint32_t)(flags >> 32);
	init_sizes(r->s, in, flags, out);
	if (vf_session_is_live(r->s))
		init_forget_all(r->s);
	init_agree(r->s, out->minor, flags);
	return 0;
}

ssize_t vf_op_destroy(struct vf_request *r)
{
	init_forget_all(r->s);
	return 0;
}
