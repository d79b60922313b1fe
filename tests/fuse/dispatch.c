// SPDX-License-Identifier: Apache-2.0
/* The good case of every opcode, over the wire. Each test runs with messages in one piece and in small ones. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../check_main.h"
#include "wire.h"

static const size_t cuts[] = {0, 1, 7, 64};

#define EACH_CUT(w)                                                          \
	for (size_t cut_ = 0; cut_ < sizeof(cuts) / sizeof(cuts[0]); cut_++) \
		for (struct wire *w = fresh(cuts[cut_]); w; wire_free(w), w = NULL)

static struct wire *fresh(size_t cut)
{
	struct wire *w = wire_new();

	w->cut = cut;
	w->room = cut ? 4096 : w->room;
	return w;
}

static struct vn_attr attr_of(struct wire *w, uint64_t node)
{
	struct vn_attr a;

	ck_assert_int_eq(w->m->fs.ops->getattr(&w->m->fs, NULL, node, &a), 0);
	return a;
}

/* ---- names ---- */

START_TEST(lookup_finds_and_counts)
{
	EACH_CUT(w)
	{
		uint64_t node = wire_create(w, WIRE_ROOT, "file");
		struct fuse_entry_out e;

		ck_assert_int_eq(wire_lookup(w, WIRE_ROOT, "file", &e), 0);
		ck_assert_uint_eq(e.nodeid, node);
		ck_assert_uint_eq(e.attr.mode, S_IFREG | 0644);
		ck_assert_uint_gt(e.entry_valid, 1000000000);
		ck_assert_uint_gt(e.attr_valid, 1000000000);
		ck_assert_uint_eq(memfs_lookups(w->m), 2);
		wire_forget(w, node, 1);
		ck_assert_uint_eq(memfs_lookups(w->m), 1);
		wire_forget(w, node, UINT64_MAX);
		ck_assert_uint_eq(memfs_lookups(w->m), 0);
	}
}
END_TEST

START_TEST(lookup_of_nothing_is_an_entry_without_node)
{
	EACH_CUT(w)
	{
		struct fuse_entry_out e;

		ck_assert_int_eq(wire_lookup(w, WIRE_ROOT, "nothing", &e), 0);
		ck_assert_uint_eq(e.nodeid, 0);
		ck_assert_uint_gt(e.entry_valid, 1000000000);
		ck_assert_uint_eq(memfs_lookups(w->m), 0);
	}
}
END_TEST

START_TEST(lookup_of_nothing_is_enoent_without_a_timeout)
{
	struct vf_policy p;
	struct fuse_init_out out;
	struct fuse_entry_out e;

	vf_policy_init(&p);
	p.negative_timeout = 0;
	struct wire *w = wire_new_silent(&p);

	ck_assert_int_eq(wire_init(w, 45, ~UINT64_C(0), &out), 0);
	ck_assert_int_eq(wire_lookup(w, WIRE_ROOT, "nothing", &e), -ENOENT);
	wire_free(w);
}
END_TEST

START_TEST(lookup_of_dots_serves_exports)
{
	EACH_CUT(w)
	{
		uint64_t dir = wire_mkdir(w, WIRE_ROOT, "d");
		struct fuse_entry_out e;

		ck_assert_int_eq(wire_lookup(w, dir, ".", &e), 0);
		ck_assert_uint_eq(e.nodeid, dir);
		ck_assert_int_eq(wire_lookup(w, dir, "..", &e), 0);
		ck_assert_uint_eq(e.nodeid, WIRE_ROOT);
		ck_assert_int_eq(wire_lookup(w, 99999, ".", &e), -ESTALE);
	}
}
END_TEST

START_TEST(batch_forget_gives_back_each)
{
	EACH_CUT(w)
	{
		struct fuse_batch_forget_in in = {.count = 100};

		for (int i = 0; i < 100; i++) {
			char name[16];

			snprintf(name, sizeof(name), "f%d", i);
			wire_create(w, WIRE_ROOT, name);
		}
		wire_begin(w, FUSE_BATCH_FORGET, 0);
		wire_add(w, &in, sizeof(in));
		for (uint64_t i = 0; i < 100; i++)
			wire_add(w, &(struct fuse_forget_one){1024 + i, 1}, sizeof(struct fuse_forget_one));
		ck_assert_int_eq(wire_go(w), 1);
		ck_assert_uint_eq(memfs_lookups(w->m), 0);
	}
}
END_TEST

START_TEST(mkdir_hands_on_mode_umask_and_caller)
{
	EACH_CUT(w)
	{
		struct fuse_mkdir_in in = {.mode = S_IFDIR | 02777, .umask = 022};

		ck_assert_int_eq(wire_call(w, FUSE_MKDIR, WIRE_ROOT, &in, sizeof(in), "d", NULL), 0);
		struct fuse_entry_out e;

		ck_assert_int_eq(wire_lookup(w, WIRE_ROOT, "d", &e), 0);
		ck_assert_uint_eq(e.attr.mode, S_IFDIR | 02755);
		ck_assert_uint_eq(e.attr.uid, 7);
		ck_assert_uint_eq(e.attr.gid, 8);
		ck_assert_uint_eq(w->m->last.umask, 022);
	}
}
END_TEST

START_TEST(mknod_carries_a_device_number)
{
	EACH_CUT(w)
	{
		struct fuse_mknod_in in = {.mode = S_IFCHR | 0600, .rdev = 0xabc12345u, .umask = 0};
		struct fuse_entry_out e;

		ck_assert_int_eq(wire_call(w, FUSE_MKNOD, WIRE_ROOT, &in, sizeof(in), "dev", NULL), 0);
		memcpy(&e, w->reply, sizeof(e));
		ck_assert_uint_eq(e.attr.rdev, 0xabc12345u);
		ck_assert_uint_eq(attr_of(w, e.nodeid).rdev_major, 0x123);
		ck_assert_uint_eq(attr_of(w, e.nodeid).rdev_minor, 0xabc45);
		in.mode = S_IFDIR | 0700;
		ck_assert_int_eq(wire_call(w, FUSE_MKNOD, WIRE_ROOT, &in, sizeof(in), "dir", NULL), -EINVAL);
	}
}
END_TEST

START_TEST(create_opens_without_state_and_hands_on_flags)
{
	EACH_CUT(w)
	{
		struct fuse_create_in in = {.flags = O_CREAT | O_EXCL | O_TRUNC | O_RDWR, .mode = 0100666, .umask = 0};
		struct {
			struct fuse_entry_out e;
			struct fuse_open_out o;
		} out;

		ck_assert_int_eq(wire_call(w, FUSE_CREATE, WIRE_ROOT, &in, sizeof(in), "f", NULL), 0);
		ck_assert_uint_eq(w->reply_len, sizeof(out));
		memcpy(&out, w->reply, sizeof(out));
		ck_assert_uint_eq(out.o.fh, 0);
		ck_assert_uint_ne(out.o.open_flags & FOPEN_KEEP_CACHE, 0);
		ck_assert_uint_eq(w->m->last_flags, VN_CREATE_EXCL | VN_CREATE_TRUNC);
		ck_assert_int_eq(wire_call(w, FUSE_CREATE, WIRE_ROOT, &in, sizeof(in), "f", NULL), -EEXIST);
		ck_assert_uint_eq(memfs_lookups(w->m), 1);
	}
}
END_TEST

START_TEST(creation_carries_supplementary_groups)
{
	EACH_CUT(w)
	{
		struct fuse_create_in in = {.mode = 0100644};
		uint32_t ext[4] = {16, FUSE_EXT_GROUPS, 1, 4711};

		wire_begin(w, FUSE_CREATE, WIRE_ROOT);
		wire_add(w, &in, sizeof(in));
		wire_str(w, "f");
		wire_add(w, ext, sizeof(ext));
		w->h->total_extlen = 2;
		ck_assert_int_eq(wire_go(w), 0);
		ck_assert_uint_eq(w->m->last.ngroups, 1);
		ck_assert_uint_eq(w->m->last_group, 4711);
	}
}
END_TEST

START_TEST(tmpfile_makes_a_file_without_a_name)
{
	EACH_CUT(w)
	{
		struct fuse_create_in in = {.flags = O_TMPFILE | O_RDWR, .mode = 0100600};
		struct fuse_entry_out e;

		ck_assert_int_eq(wire_call(w, FUSE_TMPFILE, WIRE_ROOT, &in, sizeof(in), "/", NULL), 0);
		memcpy(&e, w->reply, sizeof(e));
		ck_assert_uint_eq(e.attr.mode, S_IFREG | 0600);
		ck_assert_uint_eq(attr_of(w, e.nodeid).nlink, 0);
	}
}
END_TEST

START_TEST(symlink_and_readlink_keep_the_target)
{
	EACH_CUT(w)
	{
		char target[VN_SYMLINK_MAX + 1];
		struct fuse_entry_out e;

		memset(target, 'x', sizeof(target));
		target[VN_SYMLINK_MAX] = '\0';
		ck_assert_int_eq(wire_call(w, FUSE_SYMLINK, WIRE_ROOT, NULL, 0, "l", target), 0);
		memcpy(&e, w->reply, sizeof(e));
		w->room = 4096 + 16;
		ck_assert_int_eq(wire_call(w, FUSE_READLINK, e.nodeid, NULL, 0, NULL, NULL), 0);
		ck_assert_uint_eq(w->reply_len, VN_SYMLINK_MAX);
		ck_assert_int_eq(memcmp(w->reply, target, VN_SYMLINK_MAX), 0);
	}
}
END_TEST

START_TEST(link_unlink_and_rmdir_change_names)
{
	EACH_CUT(w)
	{
		uint64_t f = wire_create(w, WIRE_ROOT, "f");
		struct fuse_link_in in = {f};

		wire_mkdir(w, WIRE_ROOT, "d");
		ck_assert_int_eq(wire_call(w, FUSE_LINK, WIRE_ROOT, &in, sizeof(in), "g", NULL), 0);
		ck_assert_uint_eq(attr_of(w, f).nlink, 2);
		ck_assert_int_eq(wire_call(w, FUSE_UNLINK, WIRE_ROOT, NULL, 0, "f", NULL), 0);
		ck_assert_uint_eq(attr_of(w, f).nlink, 1);
		ck_assert_int_eq(wire_call(w, FUSE_UNLINK, WIRE_ROOT, NULL, 0, "d", NULL), -EISDIR);
		ck_assert_int_eq(wire_call(w, FUSE_RMDIR, WIRE_ROOT, NULL, 0, "d", NULL), 0);
		ck_assert_int_eq(wire_call(w, FUSE_RMDIR, WIRE_ROOT, NULL, 0, "d", NULL), -ENOENT);
	}
}
END_TEST

START_TEST(rename_takes_two_names_and_flags)
{
	EACH_CUT(w)
	{
		uint64_t d = wire_mkdir(w, WIRE_ROOT, "d"), f = wire_create(w, WIRE_ROOT, "f");
		struct fuse_rename_in old = {d};
		struct fuse_rename2_in in = {.newdir = WIRE_ROOT, .flags = 1};
		struct fuse_entry_out e;

		ck_assert_int_eq(wire_call(w, FUSE_RENAME, WIRE_ROOT, &old, sizeof(old), "f", "g"), 0);
		ck_assert_int_eq(wire_lookup(w, d, "g", &e), 0);
		ck_assert_uint_eq(e.nodeid, f);
		ck_assert_int_eq(wire_call(w, FUSE_RENAME2, d, &in, sizeof(in), "g", "d"), -EEXIST);
		ck_assert_uint_eq(w->m->last_flags, 1);
		in.flags = 0;
		ck_assert_int_eq(wire_call(w, FUSE_RENAME2, d, &in, sizeof(in), "g", "h"), 0);
		in.flags = 8;
		ck_assert_int_eq(wire_call(w, FUSE_RENAME2, WIRE_ROOT, &in, sizeof(in), "h", "i"), -EINVAL);
		in.flags = 3;
		ck_assert_int_eq(wire_call(w, FUSE_RENAME2, WIRE_ROOT, &in, sizeof(in), "h", "i"), -EINVAL);
	}
}
END_TEST

/* ---- attributes ---- */

START_TEST(getattr_and_statx_say_the_same)
{
	EACH_CUT(w)
	{
		uint64_t f = wire_create(w, WIRE_ROOT, "f");
		struct fuse_getattr_in in = {0};
		struct fuse_statx_in sin = {0};
		struct fuse_attr_out a;
		struct fuse_statx_out x;

		ck_assert_int_eq(wire_call(w, FUSE_GETATTR, f, &in, sizeof(in), NULL, NULL), 0);
		memcpy(&a, w->reply, sizeof(a));
		ck_assert_uint_gt(a.attr_valid, 1000000000);
		ck_assert_int_eq(wire_call(w, FUSE_STATX, f, &sin, sizeof(sin), NULL, NULL), 0);
		ck_assert_uint_eq(w->reply_len, sizeof(x));
		memcpy(&x, w->reply, sizeof(x));
		ck_assert_uint_eq(x.stat.ino, a.attr.ino);
		ck_assert_uint_eq(x.stat.mode, a.attr.mode);
		ck_assert_int_eq(x.stat.mtime.tv_sec, (int64_t)a.attr.mtime);
		ck_assert_uint_ne(x.stat.mask & 0x800, 0);
		ck_assert_int_eq(x.stat.btime.tv_sec, attr_of(w, f).btime / 1000000000);
		ck_assert_int_eq(wire_call(w, FUSE_GETATTR, 99999, &in, sizeof(in), NULL, NULL), -ESTALE);
	}
}
END_TEST

START_TEST(fleeting_attributes_are_never_trusted)
{
	struct wire *w = wire_new();
	uint64_t f = wire_create(w, WIRE_ROOT, "f");
	struct fuse_getattr_in in = {0};
	struct fuse_attr_out a;
	struct fuse_entry_out e;

	w->m->fleeting = true;
	ck_assert_int_eq(wire_lookup(w, WIRE_ROOT, "f", &e), 0);
	ck_assert_uint_eq(e.attr_valid, 0);
	ck_assert_int_eq(wire_call(w, FUSE_GETATTR, f, &in, sizeof(in), NULL, NULL), 0);
	memcpy(&a, w->reply, sizeof(a));
	ck_assert_uint_eq(a.attr_valid, 0);
	ck_assert_int_eq(wire_call(w, FUSE_GETATTR, WIRE_ROOT, &in, sizeof(in), NULL, NULL), 0);
	memcpy(&a, w->reply, sizeof(a));
	ck_assert_uint_gt(a.attr_valid, 0);
	wire_free(w);
}
END_TEST

START_TEST(setattr_translates_every_bit)
{
	EACH_CUT(w)
	{
		uint64_t f = wire_create(w, WIRE_ROOT, "f");
		struct fuse_setattr_in in = {
			.valid = FATTR_MODE | FATTR_UID | FATTR_GID | FATTR_SIZE | FATTR_ATIME | FATTR_MTIME | FATTR_CTIME,
			.mode = 0100751,
			.uid = 11,
			.gid = 12,
			.size = 5,
			.atime = (uint64_t)-2,
			.atimensec = 500,
			.mtime = 5000000000,
			.mtimensec = 999999999,
			.ctime = 3,
		};

		ck_assert_int_eq(wire_call(w, FUSE_SETATTR, f, &in, sizeof(in), NULL, NULL), 0);
		struct fuse_attr_out a;

		memcpy(&a, w->reply, sizeof(a));
		ck_assert_uint_eq(a.attr.mode, S_IFREG | 0751);
		ck_assert_uint_eq(a.attr.uid, 11);
		ck_assert_uint_eq(a.attr.gid, 12);
		ck_assert_uint_eq(a.attr.size, 5);
		ck_assert_int_eq((int64_t)a.attr.atime, -2);
		ck_assert_uint_eq(a.attr.atimensec, 500);
		ck_assert_uint_eq(a.attr.mtime, 5000000000);
		ck_assert_uint_eq(a.attr.mtimensec, 999999999);
		ck_assert_uint_eq(a.attr.ctime, 3);
	}
}
END_TEST

START_TEST(setattr_clears_suid_and_takes_now)
{
	EACH_CUT(w)
	{
		uint64_t f = wire_create(w, WIRE_ROOT, "f");
		struct fuse_setattr_in in = {.valid = FATTR_MODE, .mode = 06755};
		struct fuse_setattr_in kill = {.valid = FATTR_KILL_SUIDGID | FATTR_ATIME | FATTR_ATIME_NOW, .atime = 1};
		struct fuse_setattr_in nothing = {0};

		ck_assert_int_eq(wire_call(w, FUSE_SETATTR, f, &in, sizeof(in), NULL, NULL), 0);
		ck_assert_int_eq(wire_call(w, FUSE_SETATTR, f, &kill, sizeof(kill), NULL, NULL), 0);
		ck_assert_uint_eq(attr_of(w, f).mode & 07777, 0755);
		ck_assert_int_gt(attr_of(w, f).atime, 1000000000000);
		ck_assert_int_eq(wire_call(w, FUSE_SETATTR, f, &nothing, sizeof(nothing), NULL, NULL), 0);
	}
}
END_TEST

START_TEST(setattr_refuses_impossible_values)
{
	EACH_CUT(w)
	{
		uint64_t f = wire_create(w, WIRE_ROOT, "f");
		struct fuse_setattr_in nsec = {.valid = FATTR_MTIME, .mtimensec = 1000000000};
		struct fuse_setattr_in size = {.valid = FATTR_SIZE, .size = UINT64_MAX};

		ck_assert_int_eq(wire_call(w, FUSE_SETATTR, f, &nsec, sizeof(nsec), NULL, NULL), -EINVAL);
		ck_assert_int_eq(wire_call(w, FUSE_SETATTR, f, &size, sizeof(size), NULL, NULL), -EFBIG);
	}
}
END_TEST

START_TEST(statfs_fills_every_figure)
{
	EACH_CUT(w)
	{
		struct fuse_statfs_out out;

		ck_assert_int_eq(wire_call(w, FUSE_STATFS, WIRE_ROOT, NULL, 0, NULL, NULL), 0);
		memcpy(&out, w->reply, sizeof(out));
		ck_assert_uint_eq(out.blocks, 1000);
		ck_assert_uint_eq(out.bfree, 600);
		ck_assert_uint_eq(out.bavail, 500);
		ck_assert_uint_eq(out.namelen, 255);
		ck_assert_uint_eq(out.frsize, 4096);
	}
}
END_TEST

START_TEST(ioctl_answers_data_or_enotty)
{
	EACH_CUT(w)
	{
		struct fuse_ioctl_in in = {.cmd = 0x80086601u, .out_size = 8};
		struct {
			struct fuse_ioctl_out o;
			uint32_t flags;
		} out;

		ck_assert_int_eq(wire_call(w, FUSE_IOCTL, WIRE_ROOT, &in, sizeof(in), NULL, NULL), 0);
		ck_assert_uint_eq(w->reply_len, sizeof(struct fuse_ioctl_out) + 4);
		memcpy(&out, w->reply, sizeof(struct fuse_ioctl_out) + 4);
		ck_assert_int_eq(out.o.result, 0);
		ck_assert_uint_eq(out.flags, 0x20);
		in.cmd = 0x5401; /* TCGETS: isatty() */
		ck_assert_int_eq(wire_call(w, FUSE_IOCTL, WIRE_ROOT, &in, sizeof(in), NULL, NULL), -ENOTTY);
	}
}
END_TEST

/* ---- open files ---- */

START_TEST(open_and_opendir_are_ended_by_enosys)
{
	EACH_CUT(w)
	{
		uint64_t f = wire_create(w, WIRE_ROOT, "f");
		struct fuse_open_in in = {0};
		struct fuse_release_in rel = {0};
		struct fuse_flush_in flush = {0};

		ck_assert_int_eq(wire_call(w, FUSE_OPEN, f, &in, sizeof(in), NULL, NULL), -ENOSYS);
		ck_assert_int_eq(wire_call(w, FUSE_OPENDIR, WIRE_ROOT, &in, sizeof(in), NULL, NULL), -ENOSYS);
		ck_assert_int_eq(wire_call(w, FUSE_FLUSH, f, &flush, sizeof(flush), NULL, NULL), -ENOSYS);
		ck_assert_int_eq(wire_call(w, FUSE_RELEASE, f, &rel, sizeof(rel), NULL, NULL), 0);
		ck_assert_int_eq(wire_call(w, FUSE_RELEASEDIR, WIRE_ROOT, &rel, sizeof(rel), NULL, NULL), 0);
	}
}
END_TEST

START_TEST(open_with_state_reaches_the_file_system)
{
	struct wire *w = wire_new();
	struct fuse_open_in in = {0};
	struct fuse_open_out out;
	struct fuse_release_in rel = {0};
	uint64_t f = wire_create(w, WIRE_ROOT, "f");

	w->m->fs.ops = &memfs_ops_open;
	ck_assert_int_eq(wire_call(w, FUSE_OPEN, f, &in, sizeof(in), NULL, NULL), 0);
	memcpy(&out, w->reply, sizeof(out));
	ck_assert_uint_eq(out.fh, 1);
	ck_assert_uint_eq(w->m->opened, 1);
	ck_assert_int_eq(wire_call(w, FUSE_RELEASE, f, &rel, sizeof(rel), NULL, NULL), 0);
	ck_assert_uint_eq(w->m->opened, 0);
	wire_create(w, WIRE_ROOT, "g");
	ck_assert_uint_eq(w->m->opened, 1);
	wire_free(w);
}
END_TEST

START_TEST(write_and_read_carry_bytes)
{
	EACH_CUT(w)
	{
		uint64_t f = wire_create(w, WIRE_ROOT, "f");
		struct fuse_read_in in = {.offset = 2, .size = 3};

		ck_assert_int_eq(wire_write(w, f, 0, "abcdefgh", 8), 0);
		ck_assert_uint_eq(((struct fuse_write_out *)w->reply)->size, 8);
		ck_assert_int_eq(wire_call(w, FUSE_READ, f, &in, sizeof(in), NULL, NULL), 0);
		ck_assert_uint_eq(w->reply_len, 3);
		ck_assert_int_eq(memcmp(w->reply, "cde", 3), 0);
		in = (struct fuse_read_in){.offset = 6, .size = 100};
		ck_assert_int_eq(wire_call(w, FUSE_READ, f, &in, sizeof(in), NULL, NULL), 0);
		ck_assert_uint_eq(w->reply_len, 2);
		in = (struct fuse_read_in){.offset = INT64_MAX, .size = 100};
		ck_assert_int_eq(wire_call(w, FUSE_READ, f, &in, sizeof(in), NULL, NULL), 0);
		ck_assert_uint_eq(w->reply_len, 0);
		in.offset = UINT64_MAX;
		ck_assert_int_eq(wire_call(w, FUSE_READ, f, &in, sizeof(in), NULL, NULL), -EINVAL);
	}
}
END_TEST

START_TEST(write_translates_flags)
{
	struct wire *w = wire_new();
	uint64_t f = wire_create(w, WIRE_ROOT, "f");
	struct fuse_write_in in = {.flags = O_APPEND, .write_flags = FUSE_WRITE_KILL_SUIDGID};

	ck_assert_int_eq(wire_call(w, FUSE_WRITE, f, &in, sizeof(in), NULL, NULL), 0);
	ck_assert_uint_eq(w->m->last_flags, VN_WRITE_APPEND | VN_WRITE_KILL_SUIDGID);
	in.write_flags = FUSE_WRITE_CACHE;
	ck_assert_int_eq(wire_call(w, FUSE_WRITE, f, &in, sizeof(in), NULL, NULL), 0);
	ck_assert_uint_eq(w->m->last_flags, VN_WRITE_CACHE);
	in.offset = INT64_MAX;
	in.size = 1;
	wire_begin(w, FUSE_WRITE, f);
	wire_add(w, &in, sizeof(in));
	wire_add(w, "x", 1);
	ck_assert_int_eq(wire_go(w), -EFBIG);
	wire_free(w);
}
END_TEST

START_TEST(one_mebibyte_goes_both_ways)
{
	struct wire *w = wire_new();
	uint64_t f = wire_create(w, WIRE_ROOT, "f");
	struct fuse_read_in in = {.size = WIRE_MAX};
	char *bytes = malloc(WIRE_MAX);

	for (size_t i = 0; i < WIRE_MAX; i++)
		bytes[i] = (char)(i * 7 + (i >> 12));
	ck_assert_int_eq(wire_write(w, f, 0, bytes, WIRE_MAX), 0);
	ck_assert_int_eq(wire_call(w, FUSE_READ, f, &in, sizeof(in), NULL, NULL), 0);
	ck_assert_uint_eq(w->reply_len, WIRE_MAX);
	ck_assert_int_eq(memcmp(w->reply, bytes, WIRE_MAX), 0);
	free(bytes);
	wire_free(w);
}
END_TEST

START_TEST(read_gives_what_has_room)
{
	struct wire *w = wire_new();
	uint64_t f = wire_create(w, WIRE_ROOT, "f");
	struct fuse_read_in in = {.size = 8};

	ck_assert_int_eq(wire_write(w, f, 0, "abcdefgh", 8), 0);
	w->room = sizeof(struct fuse_out_header) + 5;
	ck_assert_int_eq(wire_call(w, FUSE_READ, f, &in, sizeof(in), NULL, NULL), 0);
	ck_assert_uint_eq(w->reply_len, 5);
	wire_free(w);
}
END_TEST

START_TEST(durability_calls_are_answered)
{
	EACH_CUT(w)
	{
		struct fuse_fsync_in in = {.fsync_flags = 1};
		struct fuse_syncfs_in sync = {0};
		uint64_t f = wire_create(w, WIRE_ROOT, "f");

		ck_assert_int_eq(wire_call(w, FUSE_FSYNC, f, &in, sizeof(in), NULL, NULL), 0);
		ck_assert_int_eq(wire_call(w, FUSE_FSYNCDIR, WIRE_ROOT, &in, sizeof(in), NULL, NULL), 0);
		ck_assert_int_eq(wire_call(w, FUSE_SYNCFS, WIRE_ROOT, &sync, sizeof(sync), NULL, NULL), 0);
	}
}
END_TEST

START_TEST(space_and_holes_are_checked)
{
	EACH_CUT(w)
	{
		uint64_t f = wire_create(w, WIRE_ROOT, "f");
		struct fuse_fallocate_in in = {.offset = 10, .length = 20};
		struct fuse_lseek_in seek = {.offset = 3, .whence = SEEK_HOLE};

		ck_assert_int_eq(wire_call(w, FUSE_FALLOCATE, f, &in, sizeof(in), NULL, NULL), 0);
		ck_assert_uint_eq(attr_of(w, f).size, 30);
		ck_assert_int_eq(wire_call(w, FUSE_LSEEK, f, &seek, sizeof(seek), NULL, NULL), 0);
		ck_assert_uint_eq(((struct fuse_lseek_out *)w->reply)->offset, 30);
		seek.whence = SEEK_SET;
		ck_assert_int_eq(wire_call(w, FUSE_LSEEK, f, &seek, sizeof(seek), NULL, NULL), -EINVAL);
		seek = (struct fuse_lseek_in){.offset = UINT64_MAX, .whence = SEEK_DATA};
		ck_assert_int_eq(wire_call(w, FUSE_LSEEK, f, &seek, sizeof(seek), NULL, NULL), -ENXIO);
		in.length = 0;
		ck_assert_int_eq(wire_call(w, FUSE_FALLOCATE, f, &in, sizeof(in), NULL, NULL), -EINVAL);
		in.length = UINT64_MAX;
		ck_assert_int_eq(wire_call(w, FUSE_FALLOCATE, f, &in, sizeof(in), NULL, NULL), -EFBIG);
	}
}
END_TEST

START_TEST(copy_file_range_in_both_sizes)
{
	EACH_CUT(w)
	{
		uint64_t f = wire_create(w, WIRE_ROOT, "f"), g = wire_create(w, WIRE_ROOT, "g");
		struct fuse_copy_file_range_in in = {.nodeid_out = g, .len = UINT64_MAX >> 1, .off_out = 0};

		wire_write(w, f, 0, "abcdefgh", 8);
		ck_assert_int_eq(wire_call(w, FUSE_COPY_FILE_RANGE_64, f, &in, sizeof(in), NULL, NULL), 0);
		ck_assert_uint_eq(((struct fuse_copy_file_range_out *)w->reply)->bytes_copied, 8);
		in.off_in = 4;
		in.len = 4;
		ck_assert_int_eq(wire_call(w, FUSE_COPY_FILE_RANGE, f, &in, sizeof(in), NULL, NULL), 0);
		ck_assert_uint_eq(((struct fuse_write_out *)w->reply)->size, 4);
		in.flags = 1;
		ck_assert_int_eq(wire_call(w, FUSE_COPY_FILE_RANGE, f, &in, sizeof(in), NULL, NULL), -EINVAL);
		in = (struct fuse_copy_file_range_in){.nodeid_out = g, .off_in = UINT64_MAX, .len = 1};
		ck_assert_int_eq(wire_call(w, FUSE_COPY_FILE_RANGE_64, f, &in, sizeof(in), NULL, NULL), -EFBIG);
	}
}
END_TEST

/* ---- attributes by name ---- */

START_TEST(xattrs_are_kept_listed_and_sized)
{
	EACH_CUT(w)
	{
		struct fuse_setxattr_in set = {.size = 3, .setxattr_flags = FUSE_SETXATTR_ACL_KILL_SGID};
		struct fuse_getxattr_in get = {.size = 100};

		wire_begin(w, FUSE_SETXATTR, WIRE_ROOT);
		wire_add(w, &set, sizeof(set));
		wire_str(w, "user.a/b");
		wire_add(w, "xyz", 3);
		ck_assert_int_eq(wire_go(w), 0);
		ck_assert_uint_eq(w->m->last_flags, VN_XATTR_KILL_SGID);
		ck_assert_int_eq(wire_call(w, FUSE_GETXATTR, WIRE_ROOT, &get, sizeof(get), "user.a/b", NULL), 0);
		ck_assert_uint_eq(w->reply_len, 3);
		ck_assert_int_eq(memcmp(w->reply, "xyz", 3), 0);
		get.size = 2;
		ck_assert_int_eq(wire_call(w, FUSE_GETXATTR, WIRE_ROOT, &get, sizeof(get), "user.a/b", NULL), -ERANGE);
		get.size = 0;
		ck_assert_int_eq(wire_call(w, FUSE_GETXATTR, WIRE_ROOT, &get, sizeof(get), "user.a/b", NULL), 0);
		ck_assert_uint_eq(((struct fuse_getxattr_out *)w->reply)->size, 3);
		ck_assert_int_eq(wire_call(w, FUSE_LISTXATTR, WIRE_ROOT, &get, sizeof(get), NULL, NULL), 0);
		ck_assert_uint_eq(((struct fuse_getxattr_out *)w->reply)->size, 9);
		get.size = 9;
		ck_assert_int_eq(wire_call(w, FUSE_LISTXATTR, WIRE_ROOT, &get, sizeof(get), NULL, NULL), 0);
		ck_assert_int_eq(memcmp(w->reply, "user.a/b", 9), 0);
		ck_assert_int_eq(wire_call(w, FUSE_REMOVEXATTR, WIRE_ROOT, NULL, 0, "user.a/b", NULL), 0);
		ck_assert_int_eq(wire_call(w, FUSE_REMOVEXATTR, WIRE_ROOT, NULL, 0, "user.a/b", NULL), -ENODATA);
	}
}
END_TEST

START_TEST(xattrs_can_be_turned_off)
{
	struct vf_policy p;
	struct fuse_init_out out;
	struct fuse_getxattr_in get = {.size = 100};

	vf_policy_init(&p);
	p.noxattr = true;
	struct wire *w = wire_new_silent(&p);

	ck_assert_int_eq(wire_init(w, 45, ~UINT64_C(0), &out), 0);
	ck_assert_uint_eq(out.flags & FUSE_POSIX_ACL, 0);
	ck_assert_int_eq(wire_call(w, FUSE_GETXATTR, WIRE_ROOT, &get, sizeof(get), "user.a", NULL), -ENOSYS);
	ck_assert_int_eq(wire_call(w, FUSE_LISTXATTR, WIRE_ROOT, &get, sizeof(get), NULL, NULL), -ENOSYS);
	wire_free(w);
}
END_TEST

/* ---- what is answered ENOSYS ---- */

START_TEST(decided_against_is_enosys)
{
	EACH_CUT(w)
	{
		char args[64] = {0};

		ck_assert_int_eq(wire_call(w, FUSE_ACCESS, 1, args, sizeof(struct fuse_access_in), NULL, NULL), -ENOSYS);
		ck_assert_int_eq(wire_call(w, FUSE_BMAP, 1, args, sizeof(struct fuse_bmap_in), NULL, NULL), -ENOSYS);
		ck_assert_int_eq(wire_call(w, FUSE_POLL, 1, args, sizeof(struct fuse_poll_in), NULL, NULL), -ENOSYS);
		ck_assert_int_eq(wire_call(w, FUSE_GETLK, 1, args, sizeof(struct fuse_lk_in), NULL, NULL), -ENOSYS);
		ck_assert_int_eq(wire_call(w, FUSE_SETLK, 1, args, sizeof(struct fuse_lk_in), NULL, NULL), -ENOSYS);
		ck_assert_int_eq(wire_call(w, FUSE_SETLKW, 1, args, sizeof(struct fuse_lk_in), NULL, NULL), -ENOSYS);
		ck_assert_int_eq(wire_call(w, FUSE_INTERRUPT, 0, args, 8, NULL, NULL), -ENOSYS);
		ck_assert_int_eq(wire_call(w, CUSE_INIT, 0, args, 16, NULL, NULL), -ENOSYS);
		ck_assert_int_eq(wire_call(w, 7, 1, NULL, 0, NULL, NULL), -ENOSYS);
		ck_assert_int_eq(wire_call(w, 54, 1, NULL, 0, NULL, NULL), -ENOSYS);
		ck_assert_int_eq(wire_call(w, FUSE_NOTIFY_REPLY, 1, args, 40, NULL, NULL), 1);
	}
}
END_TEST

START_TEST(what_may_wait_for_a_disk_is_known)
{
	struct fuse_in_header h = {.len = sizeof(h), .opcode = FUSE_FSYNC};
	struct iovec iov = {&h, sizeof(h)};

	ck_assert(vf_may_block(&iov, 1));
	h.opcode = FUSE_GETATTR;
	ck_assert(!vf_may_block(&iov, 1));
	h.opcode = 5000;
	ck_assert(!vf_may_block(&iov, 1));
	iov.iov_len = 3;
	ck_assert(!vf_may_block(&iov, 1));
}
END_TEST

START_TEST(messages_are_counted_by_opcode)
{
	struct wire *w = wire_new();
	struct vf_stats st;
	struct fuse_getattr_in in = {0};

	for (int i = 0; i < 5; i++)
		wire_call(w, FUSE_GETATTR, i ? WIRE_ROOT : 4242, &in, sizeof(in), NULL, NULL);
	vf_session_stats(w->s, &st);
	ck_assert_uint_eq(st.nops, 2);
	ck_assert_uint_eq(st.messages, 6);
	ck_assert_str_eq(st.ops[0].name, "GETATTR");
	ck_assert_uint_eq(st.ops[0].count, 5);
	ck_assert_uint_eq(st.ops[0].errors, 1);
	ck_assert_uint_eq(st.ops[0].bytes_in, 5 * 56);
	ck_assert_uint_eq(st.ops[0].bytes_out, 4 * 120 + 16);
	ck_assert_str_eq(st.ops[1].name, "INIT");
	wire_free(w);
}
END_TEST

VN_CHECK_MAIN("fuse/dispatch", lookup_finds_and_counts, lookup_of_nothing_is_an_entry_without_node,
	      lookup_of_nothing_is_enoent_without_a_timeout, lookup_of_dots_serves_exports,
	      batch_forget_gives_back_each, mkdir_hands_on_mode_umask_and_caller, mknod_carries_a_device_number,
	      create_opens_without_state_and_hands_on_flags, creation_carries_supplementary_groups,
	      tmpfile_makes_a_file_without_a_name, symlink_and_readlink_keep_the_target,
	      link_unlink_and_rmdir_change_names, rename_takes_two_names_and_flags, getattr_and_statx_say_the_same,
	      fleeting_attributes_are_never_trusted, setattr_translates_every_bit, setattr_clears_suid_and_takes_now,
	      setattr_refuses_impossible_values, statfs_fills_every_figure, ioctl_answers_data_or_enotty,
	      open_and_opendir_are_ended_by_enosys, open_with_state_reaches_the_file_system, write_and_read_carry_bytes,
	      write_translates_flags, one_mebibyte_goes_both_ways, read_gives_what_has_room,
	      durability_calls_are_answered, space_and_holes_are_checked, copy_file_range_in_both_sizes,
	      xattrs_are_kept_listed_and_sized, xattrs_can_be_turned_off, decided_against_is_enosys,
	      what_may_wait_for_a_disk_is_known, messages_are_counted_by_opcode)
