// SPDX-License-Identifier: Apache-2.0
/* INIT: what is agreed upon; the second INIT; the agreement at rest; the DAX window. */
#include <errno.h>
#include <string.h>

#include "../check_main.h"
#include "wire.h"

#define ALL (~UINT64_C(0))

static uint64_t agreed(const struct fuse_init_out *o)
{
	return o->flags | (uint64_t)o->flags2 << 32;
}

START_TEST(newest_client_gets_what_it_is_good_for)
{
	struct wire *w = wire_new_silent(NULL);
	struct fuse_init_out o;

	ck_assert_int_eq(wire_init(w, 45, ALL, &o), 0);
	ck_assert_uint_eq(o.major, 7);
	ck_assert_uint_eq(o.minor, 45);
	ck_assert_uint_eq(o.max_write, 1 << 20);
	ck_assert_uint_eq(o.max_pages, 256);
	ck_assert_uint_eq(o.time_gran, 1);
	ck_assert_uint_eq(o.max_readahead, 131072);
	uint64_t wanted = FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT | FUSE_CACHE_SYMLINKS | FUSE_DO_READDIRPLUS |
		FUSE_PARALLEL_DIROPS | FUSE_HANDLE_KILLPRIV_V2 | FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_SETXATTR_EXT |
		FUSE_CREATE_SUPP_GROUP | FUSE_EXPLICIT_INVAL_DATA | FUSE_EXPORT_SUPPORT | FUSE_INIT_EXT |
		FUSE_MAX_PAGES | FUSE_HAS_IOCTL_DIR;

	ck_assert_uint_eq(agreed(&o) & wanted, wanted);
	uint64_t unwanted = FUSE_ATOMIC_O_TRUNC | FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS | FUSE_WRITEBACK_CACHE |
		FUSE_AUTO_INVAL_DATA | FUSE_SECURITY_CTX | FUSE_ALLOW_IDMAP | FUSE_OVER_IO_URING | FUSE_PASSTHROUGH |
		FUSE_HANDLE_KILLPRIV | FUSE_NO_EXPORT_SUPPORT | FUSE_MAP_ALIGNMENT | FUSE_SUBMOUNTS;

	ck_assert_uint_eq(agreed(&o) & unwanted, 0);
	wire_free(w);
}
END_TEST

START_TEST(only_what_is_offered_is_taken)
{
	struct wire *w = wire_new_silent(NULL);
	struct fuse_init_out o;

	ck_assert_int_eq(wire_init(w, 45, FUSE_ASYNC_READ | FUSE_INIT_EXT, &o), 0);
	ck_assert_uint_eq(agreed(&o), FUSE_ASYNC_READ | FUSE_INIT_EXT);
	ck_assert_uint_eq(o.max_pages, 0);
	wire_free(w);
}
END_TEST

START_TEST(high_flags_count_only_with_init_ext)
{
	struct wire *w = wire_new_silent(NULL);
	struct fuse_init_out o;

	ck_assert_int_eq(wire_init(w, 45, ALL & ~FUSE_INIT_EXT, &o), 0);
	ck_assert_uint_eq(o.flags2, 0);
	wire_free(w);
}
END_TEST

START_TEST(policy_changes_the_flags)
{
	struct vf_policy p;
	struct fuse_init_out o;

	vf_policy_init(&p);
	p.writeback = p.noacl = p.auto_inval = p.no_readdirplus = p.idmap = true;
	p.max_write = 65536;
	p.max_readahead = 4096;
	struct wire *w = wire_new_silent(&p);

	ck_assert_int_eq(wire_init(w, 45, ALL, &o), 0);
	ck_assert_uint_ne(agreed(&o) & FUSE_WRITEBACK_CACHE, 0);
	ck_assert_uint_ne(agreed(&o) & FUSE_AUTO_INVAL_DATA, 0);
	ck_assert_uint_ne(agreed(&o) & FUSE_ALLOW_IDMAP, 0);
	ck_assert_uint_eq(agreed(&o) & (FUSE_POSIX_ACL | FUSE_EXPLICIT_INVAL_DATA | FUSE_DO_READDIRPLUS), 0);
	ck_assert_uint_eq(o.max_write, 65536);
	ck_assert_uint_eq(o.max_pages, 16);
	ck_assert_uint_eq(o.max_readahead, 4096);
	ck_assert(w->m->config.writeback);
	wire_free(w);
}
END_TEST

START_TEST(every_minor_from_27_on_is_answered)
{
	for (uint32_t minor = 20; minor <= 60; minor++) {
		struct wire *w = wire_new_silent(NULL);
		struct fuse_init_out o;
		int err = wire_init(w, minor, ALL, &o);

		ck_assert_int_eq(err, minor < 27 ? -EPROTO : 0);
		if (!err)
			ck_assert_uint_eq(o.minor, minor < 45 ? minor : 45);
		ck_assert_uint_eq(vf_session_minor(w->s), err ? 0 : o.minor);
		wire_free(w);
	}
}
END_TEST

START_TEST(another_major_is_told_ours)
{
	struct wire *w = wire_new_silent(NULL);
	struct fuse_init_in in = {.major = 8, .minor = 0};
	struct fuse_init_out o;

	ck_assert_int_eq(wire_call(w, FUSE_INIT, 0, &in, sizeof(in), NULL, NULL), 0);
	memcpy(&o, w->reply, sizeof(o));
	ck_assert_uint_eq(o.major, 7);
	ck_assert(!vf_session_is_live(w->s));
	in.major = 6;
	ck_assert_int_eq(wire_call(w, FUSE_INIT, 0, &in, sizeof(in), NULL, NULL), -EPROTO);
	wire_free(w);
}
END_TEST

START_TEST(short_setxattr_without_the_flag)
{
	struct wire *w = wire_new_silent(NULL);
	struct fuse_init_out o;
	struct fuse_setxattr_in set = {.size = 1};

	ck_assert_int_eq(wire_init(w, 31, ALL & ~FUSE_SETXATTR_EXT, &o), 0);
	wire_begin(w, FUSE_SETXATTR, WIRE_ROOT);
	wire_add(w, &set, FUSE_SETXATTR_IN_SHORT);
	wire_str(w, "user.a");
	wire_add(w, "v", 1);
	ck_assert_int_eq(wire_go(w), 0);
	wire_free(w);
}
END_TEST

START_TEST(init_again_drops_what_the_client_held)
{
	struct wire *w = wire_new();
	struct fuse_init_out o;

	wire_create(w, WIRE_ROOT, "f");
	ck_assert_uint_eq(memfs_lookups(w->m), 1);
	ck_assert_int_eq(wire_init(w, 38, ALL, &o), 0);
	ck_assert_uint_eq(memfs_lookups(w->m), 0);
	ck_assert_uint_eq(w->m->resets, 1);
	ck_assert_uint_eq(o.minor, 38);
	wire_free(w);
}
END_TEST

START_TEST(destroy_drops_what_the_client_held)
{
	struct wire *w = wire_new();

	wire_create(w, WIRE_ROOT, "f");
	ck_assert_int_eq(wire_call(w, FUSE_DESTROY, 0, NULL, 0, NULL, NULL), 0);
	ck_assert_uint_eq(memfs_lookups(w->m), 0);
	wire_free(w);
}
END_TEST

START_TEST(the_agreement_outlives_the_server)
{
	struct wire *w = wire_new(), *v = wire_new_silent(NULL);
	char state[64];
	ssize_t n = vf_session_save(w->s, state, sizeof(state));
	unsigned before = vf_session_changes(v->s);
	struct fuse_getattr_in in = {0};

	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(vf_session_restore(v->s, state, (size_t)n), 0);
	ck_assert_uint_ne(vf_session_changes(v->s), before);
	ck_assert_uint_eq(vf_session_minor(v->s), 45);
	ck_assert_uint_eq(vf_session_flags(v->s), vf_session_flags(w->s));
	ck_assert_int_eq(wire_call(v, FUSE_GETATTR, WIRE_ROOT, &in, sizeof(in), NULL, NULL), 0);
	wire_free(w);
	wire_free(v);
}
END_TEST

START_TEST(a_damaged_agreement_is_refused)
{
	struct wire *w = wire_new(), *v = wire_new_silent(NULL);
	char state[64];
	size_t n = (size_t)vf_session_save(w->s, state, sizeof(state));

	ck_assert_int_eq(vf_session_save(w->s, state, n - 1), -ENOSPC);
	for (size_t len = 0; len < n; len++)
		ck_assert_int_eq(vf_session_restore(v->s, state, len), -EINVAL);
	for (size_t bit = 0; bit < 8 * n; bit++) {
		bool version = bit / 8 >= 4 && bit / 8 < 8;

		state[bit / 8] ^= (char)(1 << bit % 8);
		ck_assert_int_eq(vf_session_restore(v->s, state, n), version ? -ENOTSUP : -EINVAL);
		state[bit / 8] ^= (char)(1 << bit % 8);
	}
	ck_assert(!vf_session_is_live(v->s));
	ck_assert_int_eq(vf_session_restore(v->s, state, n), 0);
	wire_free(w);
	wire_free(v);
}
END_TEST

START_TEST(impossible_policies_are_refused)
{
	struct memfs *m = memfs_new();
	struct vf_session_config c = {.fs = &m->fs};
	struct vf_session *s = NULL;

	vf_policy_init(&c.policy);
	c.policy.max_write = 1000;
	ck_assert_int_eq(vf_session_new(&c, &s), -EINVAL);
	c.policy.max_write = 2u << 20;
	ck_assert_int_eq(vf_session_new(&c, &s), -EINVAL);
	c.policy.max_write = 0;
	c.policy.attr_timeout = -1;
	ck_assert_int_eq(vf_session_new(&c, &s), -EINVAL);
	ck_assert_uint_eq(m->sessions, 0);
	memfs_free(m);
}
END_TEST

START_TEST(a_session_has_an_identity)
{
	struct wire *w = wire_new_silent(NULL);

	ck_assert_uint_ne(w->m->config.id, 0);
	wire_free(w);
}
END_TEST

/* ---- the DAX window ---- */

#define WINDOW (UINT64_C(64) << 20)

static struct window {
	unsigned maps, unmaps;
	uint64_t unmapped, given_back;
	int fail;
} win;

static int window_map(void *arg, uint64_t moffset, const struct vn_range *range, bool writable)
{
	(void)arg;
	(void)moffset;
	(void)range;
	(void)writable;
	win.maps++;
	return win.fail;
}

static int window_unmap(void *arg, uint64_t moffset, uint64_t len)
{
	(void)arg;
	(void)moffset;
	win.unmaps++;
	win.unmapped += len;
	return 0;
}

static void fs_unmap(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off, uint64_t len)
{
	(void)fs;
	(void)ctx;
	(void)node;
	(void)off;
	win.given_back += len;
}

static struct wire *dax_new(struct vn_fs_ops *ops)
{
	struct wire *w = wire_new_silent(NULL);
	struct vf_session_config c = w->config;
	struct fuse_init_out o;

	*ops = *w->m->fs.ops;
	ops->unmap = fs_unmap;
	w->m->fs.ops = ops;
	vf_session_free(w->s, false);
	win = (struct window){0};
	c.dax = (struct vf_dax){.size = WINDOW, .map = window_map, .unmap = window_unmap};
	ck_assert_int_eq(vf_session_new(&c, &w->s), 0);
	ck_assert_int_eq(wire_init(w, 45, ALL, &o), 0);
	ck_assert_uint_eq(o.map_alignment, 12);
	return w;
}

static int dax_map(struct wire *w, uint64_t foffset, uint64_t len, uint64_t moffset)
{
	struct fuse_setupmapping_in in = {.foffset = foffset, .len = len, .moffset = moffset, .flags = 3};

	return wire_call(w, FUSE_SETUPMAPPING, WIRE_ROOT, &in, sizeof(in), NULL, NULL);
}

static int dax_unmap(struct wire *w, uint64_t moffset, uint64_t len)
{
	struct fuse_removemapping_in in = {1};

	wire_begin(w, FUSE_REMOVEMAPPING, WIRE_ROOT);
	wire_add(w, &in, sizeof(in));
	wire_add(w, &(struct fuse_removemapping_one){moffset, len}, sizeof(struct fuse_removemapping_one));
	return wire_go(w);
}

START_TEST(dax_without_a_window_is_enosys)
{
	struct wire *w = wire_new();

	ck_assert_int_eq(dax_map(w, 0, 4096, 0), -ENOSYS);
	ck_assert_int_eq(dax_unmap(w, 0, 4096), -ENOSYS);
	wire_free(w);
}
END_TEST

START_TEST(dax_ranges_are_given_back_exactly)
{
	struct vn_fs_ops ops;
	struct wire *w = dax_new(&ops);

	ck_assert_int_eq(dax_map(w, 0, 8192, 0), 0);
	ck_assert_int_eq(dax_map(w, 8192, 8192, 8192), 0);
	ck_assert_int_eq(dax_unmap(w, 4096, 8192), 0); /* the half of each */
	ck_assert_uint_eq(win.given_back, 8192);
	ck_assert_int_eq(dax_map(w, 0, 4096, 0), 0); /* over one that stands */
	ck_assert_uint_eq(win.given_back, 8192 + 4096);
	ck_assert_int_eq(wire_call(w, FUSE_DESTROY, 0, NULL, 0, NULL, NULL), 0);
	ck_assert_uint_eq(win.given_back, 16384 + 4096);
	wire_free(w);
}
END_TEST

START_TEST(dax_ranges_outside_the_window_are_refused)
{
	struct vn_fs_ops ops;
	struct wire *w = dax_new(&ops);

	ck_assert_int_eq(dax_map(w, 0, 4096, WINDOW), -EINVAL);
	ck_assert_int_eq(dax_map(w, 0, WINDOW + 4096, 0), -EINVAL);
	ck_assert_int_eq(dax_map(w, 0, UINT64_MAX, 4096), -EINVAL);
	ck_assert_int_eq(dax_map(w, UINT64_MAX, 4096, 0), -EINVAL);
	ck_assert_int_eq(dax_map(w, 0, 0, 0), -EINVAL);
	ck_assert_int_eq(dax_unmap(w, WINDOW - 4096, 8192), -EINVAL);
	ck_assert_uint_eq(win.maps, 0);
	win.fail = -EIO;
	ck_assert_int_eq(dax_map(w, 0, 4096, 0), -EIO);
	ck_assert_uint_eq(win.given_back, 4096);
	wire_free(w);
}
END_TEST

START_TEST(dax_holds_thousands_of_ranges)
{
	struct vn_fs_ops ops;
	struct wire *w = dax_new(&ops);

	for (uint64_t i = 0; i < 4000; i++)
		ck_assert_int_eq(dax_map(w, i << 12, 4096, ((i * 2654435761u) % 4096) << 12), 0);
	ck_assert_int_eq(dax_unmap(w, 0, WINDOW), 0);
	ck_assert_uint_eq(win.given_back, UINT64_C(4000) << 12);
	wire_free(w);
}
END_TEST

VN_CHECK_MAIN("fuse/session", newest_client_gets_what_it_is_good_for, only_what_is_offered_is_taken,
	      high_flags_count_only_with_init_ext, policy_changes_the_flags, every_minor_from_27_on_is_answered,
	      another_major_is_told_ours, short_setxattr_without_the_flag, init_again_drops_what_the_client_held,
	      destroy_drops_what_the_client_held, the_agreement_outlives_the_server, a_damaged_agreement_is_refused,
	      impossible_policies_are_refused, a_session_has_an_identity, dax_without_a_window_is_enosys,
	      dax_ranges_are_given_back_exactly, dax_ranges_outside_the_window_are_refused, dax_holds_thousands_of_ranges)
