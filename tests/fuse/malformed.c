// SPDX-License-Identifier: Apache-2.0
/* Requests that are wrong in form: an errno, no effect, no crash. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../check_main.h"
#include "wire.h"

/* One good message of each kind; the last bytes of any of them cannot be left out. */
struct sample {
	uint32_t opcode;
	size_t args;
	const char *name, *second;
	size_t payload;
	uint16_t extlen; /* of zeroed payload */
};

#define S(op, type, ...) {.opcode = FUSE_##op, .args = sizeof(struct fuse_##type##_in), __VA_ARGS__}

static const struct sample samples[] = {
	{.opcode = FUSE_LOOKUP, .name = "f"},
	S(FORGET, forget),
	S(BATCH_FORGET, batch_forget, .payload = 32),
	S(GETATTR, getattr),
	S(SETATTR, setattr),
	S(STATX, statx),
	S(IOCTL, ioctl, .payload = 8),
	S(MKNOD, mknod, .name = "new"),
	S(MKDIR, mkdir, .name = "new"),
	S(CREATE, create, .name = "new"),
	S(CREATE, create, .name = "new2", .payload = 16, .extlen = 2),
	S(TMPFILE, create, .name = "/"),
	{.opcode = FUSE_SYMLINK, .name = "new", .second = "target"},
	S(LINK, link, .name = "new"),
	{.opcode = FUSE_UNLINK, .name = "f"},
	{.opcode = FUSE_RMDIR, .name = "d"},
	S(RENAME, rename, .name = "f", .second = "g"),
	S(RENAME2, rename2, .name = "f", .second = "g"),
	S(OPEN, open),
	S(RELEASE, release),
	S(READ, read),
	S(WRITE, write, .payload = 8),
	S(FSYNC, fsync),
	S(SYNCFS, syncfs),
	S(FALLOCATE, fallocate),
	S(LSEEK, lseek),
	S(COPY_FILE_RANGE, copy_file_range),
	S(COPY_FILE_RANGE_64, copy_file_range),
	S(OPENDIR, open),
	S(RELEASEDIR, release),
	S(READDIR, read),
	S(READDIRPLUS, read),
	S(FSYNCDIR, fsync),
	S(SETXATTR, setxattr, .name = "user.a", .payload = 8),
	S(GETXATTR, getxattr, .name = "user.a"),
	S(LISTXATTR, getxattr),
	{.opcode = FUSE_REMOVEXATTR, .name = "user.a"},
	S(SETUPMAPPING, setupmapping),
	S(REMOVEMAPPING, removemapping, .payload = 16),
};

#define NSAMPLES (sizeof(samples) / sizeof(samples[0]))

static void sample_fill(const struct sample *sm, char *args, uint64_t file)
{
	memset(args, 0, 128);
	switch (sm->opcode) {
	case FUSE_BATCH_FORGET:
		((struct fuse_batch_forget_in *)args)->count = 2;
		break;
	case FUSE_IOCTL:
		((struct fuse_ioctl_in *)args)->in_size = 8;
		break;
	case FUSE_MKNOD:
		((struct fuse_mknod_in *)args)->mode = S_IFIFO | 0600;
		break;
	case FUSE_LINK:
		((struct fuse_link_in *)args)->oldnodeid = file;
		break;
	case FUSE_RENAME:
	case FUSE_RENAME2:
		((struct fuse_rename_in *)args)->newdir = WIRE_ROOT;
		break;
	case FUSE_WRITE:
		((struct fuse_write_in *)args)->size = 8;
		break;
	case FUSE_SETXATTR:
		((struct fuse_setxattr_in *)args)->size = 8;
		break;
	case FUSE_REMOVEMAPPING:
		((struct fuse_removemapping_in *)args)->count = 1;
		break;
	default:
		break;
	}
}

static uint64_t sample_node(const struct sample *sm, uint64_t file)
{
	bool on_file = !sm->name && sm->opcode != FUSE_READDIR && sm->opcode != FUSE_READDIRPLUS;

	return on_file ? file : WIRE_ROOT;
}

static void sample_put(struct wire *w, const struct sample *sm, uint64_t file)
{
	static const uint32_t groups[4] = {16, FUSE_EXT_GROUPS, 1, 5};
	static const char payload[64];
	char args[128];

	sample_fill(sm, args, file);
	wire_begin(w, sm->opcode, sample_node(sm, file));
	wire_add(w, args, sm->args);
	if (sm->name)
		wire_str(w, sm->name);
	if (sm->second)
		wire_str(w, sm->second);
	wire_add(w, sm->extlen ? (const void *)groups : payload, sm->payload);
	w->h->total_extlen = sm->extlen;
}

static uint64_t furnish(struct wire *w)
{
	uint64_t file = wire_create(w, WIRE_ROOT, "f");

	wire_mkdir(w, WIRE_ROOT, "d");
	wire_write(w, file, 0, "abcdefgh", 8);
	return file;
}

START_TEST(every_shorter_message_is_refused_without_effect)
{
	struct wire *w = wire_new();
	uint64_t file = furnish(w), before = memfs_digest(w->m);

	for (size_t i = 0; i < NSAMPLES; i++) {
		sample_put(w, &samples[i], file);
		for (size_t len = w->len - 1; len >= sizeof(struct fuse_in_header); len--) {
			sample_put(w, &samples[i], file);
			w->len = len;
			ck_assert_msg(wire_go(w) != 0, "%s of %zu bytes was taken", vf_opcode_name(samples[i].opcode), len);
			ck_assert_uint_eq(memfs_digest(w->m), before);
		}
	}
	wire_free(w);
}
END_TEST

START_TEST(every_longer_message_is_refused_without_effect)
{
	struct wire *w = wire_new();
	uint64_t file = furnish(w), before = memfs_digest(w->m);

	for (size_t i = 0; i < NSAMPLES; i++) {
		sample_put(w, &samples[i], file);
		wire_add(w, "x", 1);
		ck_assert_int_ne(wire_go(w), 0);
		sample_put(w, &samples[i], file);
		w->h->len = (uint32_t)w->len + 1; /* says more than there is */
		ck_assert_int_ne(wire_go(w), 0);
		ck_assert_uint_eq(memfs_digest(w->m), before);
	}
	wire_free(w);
}
END_TEST

START_TEST(bytes_beyond_the_stated_length_do_not_count)
{
	struct wire *w = wire_new();
	struct fuse_getattr_in in = {0};

	wire_begin(w, FUSE_GETATTR, WIRE_ROOT);
	wire_add(w, &in, sizeof(in));
	w->h->len = (uint32_t)w->len;
	wire_add(w, "behind the message", 18);
	ck_assert_int_eq(wire_go(w), 0);
	wire_free(w);
}
END_TEST

START_TEST(a_reply_without_room_is_refused_without_effect)
{
	static const uint32_t ops[] = {FUSE_LOOKUP, FUSE_MKNOD,   FUSE_MKDIR, FUSE_CREATE,          FUSE_SYMLINK,
				       FUSE_LINK,   FUSE_SETATTR, FUSE_WRITE, FUSE_COPY_FILE_RANGE, FUSE_TMPFILE};
	struct wire *w = wire_new();
	uint64_t file = furnish(w), before = memfs_digest(w->m);

	for (size_t i = 0; i < NSAMPLES; i++) {
		bool listed = false;

		for (size_t k = 0; k < sizeof(ops) / sizeof(ops[0]); k++)
			listed |= samples[i].opcode == ops[k];
		for (w->room = 0; listed && w->room < sizeof(struct fuse_out_header) + 8; w->room++) {
			sample_put(w, &samples[i], file);
			ck_assert_int_ne(wire_go(w), 0);
			ck_assert_uint_eq(memfs_digest(w->m), before);
		}
	}
	wire_free(w);
}
END_TEST

START_TEST(without_a_whole_header_there_is_no_reply)
{
	struct wire *w = wire_new();
	struct iovec out = {w->out, 4096};
	struct vf_stats st;

	memset(w->in, 0xff, 64);
	for (size_t len = 0; len < sizeof(struct fuse_in_header); len++) {
		struct iovec in = {w->in, len};

		ck_assert_int_eq(vf_dispatch(w->s, &in, 1, &out, 1), 0);
	}
	ck_assert_int_eq(vf_dispatch(w->s, NULL, 0, NULL, 0), 0);
	vf_session_stats(w->s, &st);
	ck_assert_uint_eq(st.malformed, sizeof(struct fuse_in_header) + 1);
	wire_free(w);
}
END_TEST

START_TEST(a_length_below_the_header_is_refused)
{
	struct wire *w = wire_new();

	for (uint32_t len = 1; len < sizeof(struct fuse_in_header); len++) {
		wire_begin(w, FUSE_STATFS, WIRE_ROOT);
		w->h->len = len;
		ck_assert_int_eq(wire_go(w), -EINVAL);
	}
	wire_free(w);
}
END_TEST

/* ---- names ---- */

static int try_name(struct wire *w, uint32_t opcode, const char *name, size_t len)
{
	char args[16] = {0};

	wire_begin(w, opcode, WIRE_ROOT);
	wire_add(w, args, opcode == FUSE_CREATE ? 16 : opcode == FUSE_MKDIR ? 8 : 0);
	wire_add(w, name, len);
	return wire_go(w);
}

START_TEST(names_that_are_no_names_are_refused)
{
	static const uint32_t ops[] = {FUSE_MKDIR, FUSE_CREATE, FUSE_UNLINK, FUSE_RMDIR};
	struct wire *w = wire_new();
	uint64_t before = memfs_digest(w->m);
	char longest[300];

	memset(longest, 'n', sizeof(longest));
	for (size_t i = 0; i < 4; i++) {
		ck_assert_int_eq(try_name(w, ops[i], "", 1), -EINVAL);
		ck_assert_int_eq(try_name(w, ops[i], ".", 2), -EINVAL);
		ck_assert_int_eq(try_name(w, ops[i], "..", 3), -EINVAL);
		ck_assert_int_eq(try_name(w, ops[i], "a/b", 4), -EINVAL);
		ck_assert_int_eq(try_name(w, ops[i], "/", 2), -EINVAL);
		ck_assert_int_eq(try_name(w, ops[i], "a\0b", 4), -EINVAL);
		ck_assert_int_eq(try_name(w, ops[i], "ab", 2), -EINVAL);
		ck_assert_int_eq(try_name(w, ops[i], longest, 300), -ENAMETOOLONG);
		longest[256] = '\0';
		ck_assert_int_eq(try_name(w, ops[i], longest, 257), -ENAMETOOLONG);
		longest[256] = 'n';
	}
	ck_assert_uint_eq(memfs_digest(w->m), before);
	longest[255] = '\0';
	ck_assert_int_eq(try_name(w, FUSE_MKDIR, longest, 256), 0);
	ck_assert_int_eq(try_name(w, FUSE_MKDIR, "\xff\x01\n", 4), 0);
	ck_assert_int_eq(try_name(w, FUSE_MKDIR, "...", 4), 0);
	wire_free(w);
}
END_TEST

START_TEST(both_names_of_a_rename_are_checked)
{
	struct wire *w = wire_new();
	struct fuse_rename_in in = {WIRE_ROOT};

	wire_create(w, WIRE_ROOT, "f");
	ck_assert_int_eq(wire_call(w, FUSE_RENAME, WIRE_ROOT, &in, sizeof(in), "f", ".."), -EINVAL);
	ck_assert_int_eq(wire_call(w, FUSE_RENAME, WIRE_ROOT, &in, sizeof(in), "f", ""), -EINVAL);
	ck_assert_int_eq(wire_call(w, FUSE_RENAME, WIRE_ROOT, &in, sizeof(in), "f", "x/y"), -EINVAL);
	ck_assert_int_eq(wire_call(w, FUSE_RENAME, WIRE_ROOT, &in, sizeof(in), ".", "g"), -EINVAL);
	ck_assert_int_eq(wire_call(w, FUSE_RENAME, WIRE_ROOT, &in, sizeof(in), "f", "g"), 0);
	wire_free(w);
}
END_TEST

START_TEST(symlink_targets_have_their_own_limits)
{
	struct wire *w = wire_new();
	char target[VN_SYMLINK_MAX + 2];

	memset(target, '/', sizeof(target));
	target[sizeof(target) - 1] = '\0';
	ck_assert_int_eq(wire_call(w, FUSE_SYMLINK, WIRE_ROOT, NULL, 0, "l", target), -ENAMETOOLONG);
	ck_assert_int_eq(wire_call(w, FUSE_SYMLINK, WIRE_ROOT, NULL, 0, "l", ""), -ENOENT);
	ck_assert_int_eq(wire_call(w, FUSE_SYMLINK, WIRE_ROOT, NULL, 0, "l", "../../x"), 0);
	wire_free(w);
}
END_TEST

/* ---- counts and sizes ---- */

START_TEST(absurd_counts_are_refused)
{
	struct wire *w = wire_new();
	struct fuse_batch_forget_in forget = {.count = UINT32_MAX};
	struct fuse_ioctl_in ioctl = {.cmd = 0x80086601u, .in_size = UINT32_MAX, .out_size = 8};
	struct fuse_setxattr_in set = {.size = UINT32_MAX};
	struct fuse_write_in write = {.size = UINT32_MAX};
	uint64_t file = furnish(w), before = memfs_digest(w->m);

	wire_call(w, FUSE_BATCH_FORGET, 0, &forget, sizeof(forget), NULL, NULL);
	ck_assert_int_eq(wire_call(w, FUSE_IOCTL, file, &ioctl, sizeof(ioctl), NULL, NULL), -EINVAL);
	ioctl.in_size = 0;
	ioctl.out_size = UINT32_MAX;
	ck_assert_int_eq(wire_call(w, FUSE_IOCTL, file, &ioctl, sizeof(ioctl), NULL, NULL), -EINVAL);
	ioctl.out_size = 70000;
	ck_assert_int_eq(wire_call(w, FUSE_IOCTL, file, &ioctl, sizeof(ioctl), NULL, NULL), -E2BIG);
	ck_assert_int_eq(wire_call(w, FUSE_SETXATTR, file, &set, sizeof(set), "user.a", NULL), -EINVAL);
	ck_assert_int_eq(wire_call(w, FUSE_WRITE, file, &write, sizeof(write), NULL, NULL), -EINVAL);
	ck_assert_uint_eq(memfs_digest(w->m), before);
	wire_free(w);
}
END_TEST

START_TEST(xattr_sizes_and_names_have_limits)
{
	struct wire *w = wire_new();
	struct fuse_setxattr_in set = {.size = 65537};
	struct fuse_getxattr_in get = {.size = UINT32_MAX};
	char name[300];

	memset(name, 'x', sizeof(name));
	name[256] = '\0';
	wire_begin(w, FUSE_SETXATTR, WIRE_ROOT);
	wire_add(w, &set, sizeof(set));
	wire_str(w, "user.big");
	w->len += 65537;
	ck_assert_int_eq(wire_go(w), -E2BIG);
	ck_assert_int_eq(wire_call(w, FUSE_GETXATTR, WIRE_ROOT, &get, sizeof(get), name, NULL), -ERANGE);
	ck_assert_int_eq(wire_call(w, FUSE_GETXATTR, WIRE_ROOT, &get, sizeof(get), "", NULL), -ERANGE);
	ck_assert_int_eq(wire_call(w, FUSE_GETXATTR, WIRE_ROOT, &get, sizeof(get), "user.none", NULL), -ENODATA);
	w->room = 20;
	ck_assert_int_eq(wire_call(w, FUSE_GETXATTR, WIRE_ROOT, &get, sizeof(get), "user.none", NULL), -EINVAL);
	wire_free(w);
}
END_TEST

static int try_extension(struct wire *w, const uint32_t *words, size_t n, uint16_t extlen)
{
	struct fuse_mkdir_in in = {.mode = 0755};

	wire_begin(w, FUSE_MKDIR, WIRE_ROOT);
	wire_add(w, &in, sizeof(in));
	wire_str(w, "d");
	wire_add(w, words, n * sizeof(words[0]));
	w->h->total_extlen = extlen;
	return wire_go(w);
}

START_TEST(extensions_are_bounded)
{
	struct wire *w = wire_new();
	uint64_t before = memfs_digest(w->m);
	uint32_t too_many[4] = {16, FUSE_EXT_GROUPS, 2, 5}, too_long[4] = {24, FUSE_EXT_GROUPS, 1, 5};
	uint32_t too_short[4] = {4, FUSE_EXT_GROUPS, 1, 5}, no_count[2] = {8, FUSE_EXT_GROUPS};
	uint32_t wraps[4] = {UINT32_MAX, 0, 0, 0}, unknown[4] = {16, 77, 1, 5};
	uint32_t crowd[36] = {12 + 33 * 4, FUSE_EXT_GROUPS, 33};

	ck_assert_int_eq(try_extension(w, too_many, 4, 2), -EINVAL);
	ck_assert_int_eq(try_extension(w, too_long, 4, 2), -EINVAL);
	ck_assert_int_eq(try_extension(w, too_short, 4, 2), -EINVAL);
	ck_assert_int_eq(try_extension(w, no_count, 2, 1), -EINVAL);
	ck_assert_int_eq(try_extension(w, wraps, 4, 2), -EINVAL);
	ck_assert_int_eq(try_extension(w, too_many, 4, 65535), -EINVAL);
	ck_assert_int_eq(try_extension(w, crowd, 36, 18), -E2BIG);
	ck_assert_uint_eq(memfs_digest(w->m), before);
	ck_assert_int_eq(try_extension(w, unknown, 4, 2), 0);
	wire_free(w);
}
END_TEST

START_TEST(before_init_nothing_is_served)
{
	struct wire *w = wire_new_silent(NULL);
	struct fuse_getattr_in in = {0};

	ck_assert_int_eq(wire_call(w, FUSE_GETATTR, WIRE_ROOT, &in, sizeof(in), NULL, NULL), -EIO);
	ck_assert_int_eq(wire_call(w, FUSE_LOOKUP, WIRE_ROOT, NULL, 0, "f", NULL), -EIO);
	ck_assert_int_eq(wire_call(w, FUSE_DESTROY, 0, NULL, 0, NULL, NULL), 0);
	wire_free(w);
}
END_TEST

START_TEST(random_messages_do_no_harm)
{
	struct wire *w = wire_new();
	unsigned seed = 4711;

	furnish(w);
	for (int i = 0; i < 20000; i++) {
		size_t extra = (size_t)rand_r(&seed) % 200;

		wire_begin(w, (uint32_t)rand_r(&seed) % 56, 1 + (uint64_t)rand_r(&seed) % 3);
		if (w->h->opcode == FUSE_INIT)
			continue;
		for (size_t k = 0; k < extra; k++)
			w->in[w->len++] = (char)(rand_r(&seed) % 3 ? 0 : rand_r(&seed));
		w->h->total_extlen = rand_r(&seed) % 4 ? 0 : (uint16_t)(rand_r(&seed) % 5);
		w->room = (size_t)rand_r(&seed) % 400;
		w->cut = (size_t)rand_r(&seed) % 40;
		wire_go(w);
	}
	wire_free(w);
}
END_TEST

VN_CHECK_MAIN("fuse/malformed", every_shorter_message_is_refused_without_effect,
	      every_longer_message_is_refused_without_effect, bytes_beyond_the_stated_length_do_not_count,
	      a_reply_without_room_is_refused_without_effect, without_a_whole_header_there_is_no_reply,
	      a_length_below_the_header_is_refused, names_that_are_no_names_are_refused, both_names_of_a_rename_are_checked,
	      symlink_targets_have_their_own_limits, absurd_counts_are_refused, xattr_sizes_and_names_have_limits,
	      extensions_are_bounded, before_init_nothing_is_served, random_messages_do_no_harm)
