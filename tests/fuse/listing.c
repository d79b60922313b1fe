// SPDX-License-Identifier: Apache-2.0
/* READDIR and READDIRPLUS: every entry once, lookups counted for what fitted. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../check_main.h"
#include "wire.h"

#define FILES 50

static struct wire *w;

static void setup(void)
{
	w = wire_new();
	for (int i = 0; i < FILES; i++) {
		char name[128];

		snprintf(name, sizeof(name), "%0*d", 1 + i % 64, i);
		wire_forget(w, wire_create(w, WIRE_ROOT, name), 1);
	}
}

static void teardown(void)
{
	wire_free(w);
}

static int list(uint32_t opcode, uint64_t off, uint32_t size)
{
	struct fuse_read_in in = {.offset = off, .size = size};

	return wire_call(w, opcode, WIRE_ROOT, &in, sizeof(in), NULL, NULL);
}

struct walk {
	unsigned seen[FILES], dots, entries;
	uint64_t off, given;
};

static void walk_entry(struct walk *k, const struct fuse_dirent *d)
{
	char name[256] = "";

	memcpy(name, d->name, d->namelen);
	ck_assert_uint_gt(d->off, k->off);
	k->off = d->off;
	k->entries++;
	if (name[0] == '.')
		k->dots++;
	else
		k->seen[atoi(name)]++;
}

static void walk_reply(struct walk *k, bool plus)
{
	size_t at = 0, head = plus ? sizeof(struct fuse_entry_out) : 0;

	while (at < w->reply_len) {
		const struct fuse_dirent *d = (const struct fuse_dirent *)(w->reply + at + head);
		const struct fuse_entry_out *e = (const struct fuse_entry_out *)(w->reply + at);

		ck_assert_uint_le(at + head + FUSE_DIRENT_SIZE(d->namelen), w->reply_len);
		if (plus && d->name[0] == '.')
			ck_assert_uint_eq(e->nodeid, 0);
		else if (plus)
			ck_assert_uint_eq(e->attr.ino, d->ino);
		k->given += plus && e->nodeid;
		walk_entry(k, d);
		at += head + FUSE_DIRENT_SIZE(d->namelen);
	}
}

static void walk_all(uint32_t opcode, uint32_t size)
{
	struct walk k = {0};

	do {
		ck_assert_int_eq(list(opcode, k.off, size), 0);
		walk_reply(&k, opcode == FUSE_READDIRPLUS);
	} while (w->reply_len);
	ck_assert_uint_eq(k.dots, 2);
	for (int i = 0; i < FILES; i++)
		ck_assert_uint_eq(k.seen[i], 1);
	ck_assert_uint_eq(memfs_lookups(w->m), k.given);
	ck_assert_uint_eq(k.given, opcode == FUSE_READDIRPLUS ? FILES : 0);
}

START_TEST(readdir_returns_every_entry_once)
{
	walk_all(FUSE_READDIR, 4096);
}
END_TEST

START_TEST(readdir_goes_on_with_the_smallest_buffers)
{
	walk_all(FUSE_READDIR, 80);
}
END_TEST

START_TEST(readdirplus_counts_only_what_fits)
{
	walk_all(FUSE_READDIRPLUS, 1000);
}
END_TEST

START_TEST(readdirplus_in_scattered_memory)
{
	w->cut = 13;
	w->room = 4096;
	walk_all(FUSE_READDIRPLUS, 4096);
}
END_TEST

START_TEST(no_room_for_one_entry_is_not_the_end)
{
	ck_assert_int_eq(list(FUSE_READDIR, 0, 16), -EINVAL);
	ck_assert_int_eq(list(FUSE_READDIRPLUS, 2, 159), -EINVAL);
	ck_assert_uint_eq(memfs_lookups(w->m), 0);
}
END_TEST

START_TEST(room_of_the_reply_bounds_the_listing)
{
	w->room = sizeof(struct fuse_out_header) + 300;
	ck_assert_int_eq(list(FUSE_READDIRPLUS, 2, UINT32_MAX), 0);
	ck_assert_uint_le(w->reply_len, 300);
	ck_assert_uint_eq(memfs_lookups(w->m), 1);
}
END_TEST

START_TEST(offsets_beyond_any_cookie_are_the_end_or_refused)
{
	ck_assert_int_eq(list(FUSE_READDIR, INT64_MAX, 4096), 0);
	ck_assert_uint_eq(w->reply_len, 0);
	ck_assert_int_eq(list(FUSE_READDIR, UINT64_MAX, 4096), -EINVAL);
}
END_TEST

START_TEST(a_lost_reply_gives_its_lookups_back)
{
	struct iovec in, out;

	ck_assert_int_eq(list(FUSE_READDIRPLUS, 0, 4096), 0);
	ck_assert_uint_gt(memfs_lookups(w->m), 0);
	in = (struct iovec){w->in, w->len};
	out = (struct iovec){w->out, w->room};
	vf_reply_lost(w->s, &in, 1, &out, 1);
	ck_assert_uint_eq(memfs_lookups(w->m), 0);

	struct fuse_entry_out e;

	ck_assert_int_eq(wire_lookup(w, WIRE_ROOT, "0", &e), 0);
	in = (struct iovec){w->in, w->len};
	vf_reply_lost(w->s, &in, 1, &out, 1);
	ck_assert_uint_eq(memfs_lookups(w->m), 0);
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){.suite = "fuse/listing", .setup = setup, .teardown = teardown}),
		   readdir_returns_every_entry_once, readdir_goes_on_with_the_smallest_buffers,
		   readdirplus_counts_only_what_fits, readdirplus_in_scattered_memory,
		   no_room_for_one_entry_is_not_the_end, room_of_the_reply_bounds_the_listing,
		   offsets_beyond_any_cookie_are_the_end_or_refused, a_lost_reply_gives_its_lookups_back)
