// SPDX-License-Identifier: Apache-2.0
/* The installed library: a program that has veneer.h and the wire format, and nothing else. */
#include "veneer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../check_main.h"
#include "fuse/protocol.h"

struct world {
	struct veneer *v;
	struct veneer_session *s;
	char lower[256], upper[256];
	const char *lowers[1];
	struct veneer_config config;
	uint64_t unique;
	struct {
		struct fuse_out_header head;
		char body[65536];
	} reply;
};

static void put(const char *dir, const char *name, const char *content)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_CREAT | O_WRONLY, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	close(fd);
}

static int request(struct world *w, uint32_t opcode, uint64_t node, const void *args, size_t size, const char *name,
		   const void *data, size_t len)
{
	size_t name_len = name ? strlen(name) + 1 : 0;
	struct fuse_in_header head = { .len = (uint32_t)(sizeof(head) + size + name_len + len), .opcode = opcode,
				       .unique = ++w->unique, .nodeid = node };
	struct iovec in[] = { { &head, sizeof(head) }, { (void *)(uintptr_t)args, size },
			      { (void *)(uintptr_t)name, name_len }, { (void *)(uintptr_t)data, len } };
	struct iovec out = { &w->reply, sizeof(w->reply) };
	ssize_t n = veneer_dispatch(w->s, in, 4, &out, 1);
	if (n <= 0)
		return n ? (int)n : 1;
	ck_assert_uint_eq(w->reply.head.len, (size_t)n);
	ck_assert_uint_eq(w->reply.head.unique, head.unique);
	return w->reply.head.error;
}

static void init(struct world *w)
{
	struct fuse_init_in in = { .major = 7, .minor = 45, .max_readahead = 131072 };
	ck_assert_int_eq(request(w, FUSE_INIT, 0, &in, sizeof(in), NULL, NULL, 0), 0);
}

static void world_open(struct world *w, const struct veneer_session_config *config,
		       const struct veneer_callbacks *callbacks)
{
	struct veneer_error error = { "" };
	memset(w, 0, sizeof(*w));
	snprintf(w->lower, sizeof(w->lower), "%s/lower", vn_check_dir());
	snprintf(w->upper, sizeof(w->upper), "%s/upper", vn_check_dir());
	mkdir(w->lower, 0755);
	put(w->lower, "base", "from the base");
	w->lowers[0] = w->lower;
	w->config = (struct veneer_config){ .size = sizeof(w->config), .lowers = w->lowers, .nlowers = 1,
					    .upper = w->upper, .flags = VENEER_CREATE };
	int r = veneer_open(&w->config, &w->v, &error);
	ck_assert_msg(!r, "%s", error.text);
	ck_assert_int_eq(veneer_session_new(w->v, config, callbacks, &w->s), 0);
	init(w);
}

static void world_close(struct world *w)
{
	veneer_session_free(w->s, 0);
	ck_assert_int_eq(veneer_close(w->v), 0);
}

/* nodeid, or 0 for a negative entry. */
static uint64_t lookup(struct world *w, const char *name)
{
	struct fuse_entry_out entry;
	int r = request(w, FUSE_LOOKUP, 1, NULL, 0, name, NULL, 0);
	if (r == -ENOENT)
		return 0;
	ck_assert_int_eq(r, 0);
	memcpy(&entry, w->reply.body, sizeof(entry));
	return entry.nodeid;
}

static int read_is(struct world *w, uint64_t node, const char *content)
{
	struct fuse_read_in in = { .size = 4096 };
	int r = request(w, FUSE_READ, node, &in, sizeof(in), NULL, NULL, 0);
	if (r)
		return r;
	size_t n = w->reply.head.len - sizeof(w->reply.head);
	return n == strlen(content) && !memcmp(w->reply.body, content, n) ? 0 : 1;
}

static int write_file(struct world *w, uint64_t node, const char *content)
{
	struct fuse_write_in in = { .size = (uint32_t)strlen(content) };
	return request(w, FUSE_WRITE, node, &in, sizeof(in), NULL, content, strlen(content));
}

static int make_file(struct world *w, const char *name)
{
	struct fuse_mknod_in in = { .mode = S_IFREG | 0644 };
	return request(w, FUSE_MKNOD, 1, &in, sizeof(in), name, NULL, 0);
}

START_TEST(requests_are_carried_out)
{
	struct world w;
	world_open(&w, NULL, NULL);
	ck_assert_int_eq(read_is(&w, lookup(&w, "base"), "from the base"), 0);
	ck_assert_uint_eq(lookup(&w, "nothing"), 0);
	ck_assert_int_eq(make_file(&w, "new"), 0);
	ck_assert_int_eq(write_file(&w, lookup(&w, "new"), "content"), 0);
	world_close(&w);
	world_open(&w, NULL, NULL);
	ck_assert_int_eq(read_is(&w, lookup(&w, "new"), "content"), 0);
	world_close(&w);
}
END_TEST

START_TEST(what_is_no_request_is_an_error)
{
	struct world w;
	char junk[8] = "junk";
	struct iovec in = { junk, sizeof(junk) }, out = { &w.reply, sizeof(w.reply) };
	world_open(&w, NULL, NULL);
	ck_assert_int_eq(veneer_dispatch(w.s, &in, 1, &out, 1), -EINVAL);
	ck_assert_int_eq(request(&w, 4095, 1, NULL, 0, NULL, NULL, 0), -ENOSYS);
	ck_assert_int_eq(request(&w, FUSE_LOOKUP, 1, NULL, 0, "../x", NULL, 0), -EINVAL);
	world_close(&w);
}
END_TEST

static void *worker(void *arg)
{
	struct world *shared = arg, *w = calloc(1, sizeof(*w));
	char name[32];
	w->s = shared->s;
	w->unique = (uint64_t)(uintptr_t)w;
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "%p-%d", (void *)w, i);
		if (make_file(w, name) || write_file(w, lookup(w, name), name) || read_is(w, lookup(w, name), name))
			return w;
	}
	free(w);
	return NULL;
}

START_TEST(many_threads_dispatch_at_once)
{
	struct world w;
	pthread_t threads[4];
	void *failed;
	world_open(&w, NULL, NULL);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, worker, &w), 0);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
		ck_assert_ptr_null(failed);
	}
	world_close(&w);
}
END_TEST

static int notices;

static void notify(void *arg, const void *message, size_t length)
{
	struct fuse_out_header head;
	(void)arg;
	memcpy(&head, message, sizeof(head));
	ck_assert_uint_eq(head.len, length);
	ck_assert_uint_eq(head.unique, 0);
	notices++;
}

START_TEST(a_change_through_one_session_is_told_to_the_other)
{
	const struct veneer_callbacks callbacks = { .size = sizeof(callbacks), .notify = notify };
	const struct veneer_session_config config = { .size = sizeof(config), .id = 9, .entry_timeout_s = UINT32_MAX };
	struct world w;
	struct veneer_session *other;
	world_open(&w, NULL, NULL);
	ck_assert_int_eq(veneer_session_new(w.v, &config, &callbacks, &other), 0);
	notices = 0;
	ck_assert_int_eq(make_file(&w, "new"), 0);
	ck_assert_int_ge(notices, 1);
	veneer_session_free(other, 0);
	world_close(&w);
}
END_TEST

START_TEST(a_suspended_client_keeps_its_nodeids)
{
	const struct veneer_session_config config = { .size = sizeof(config), .id = 5, .entry_timeout_s = UINT32_MAX,
						      .outlives = 1 };
	struct veneer_error error;
	struct world w;
	void *state;
	size_t length;
	world_open(&w, &config, NULL);
	uint64_t base = lookup(&w, "base");
	ck_assert_int_eq(make_file(&w, "new"), 0);
	uint64_t made = lookup(&w, "new");
	ck_assert_int_eq(write_file(&w, made, "content"), 0);
	ck_assert_int_eq(veneer_session_save(w.s, &state, &length), 0);
	veneer_session_free(w.s, 1);
	ck_assert_int_eq(veneer_close(w.v), 0);

	ck_assert_int_eq(veneer_open(&w.config, &w.v, &error), 0);
	ck_assert_int_eq(veneer_session_restore(w.v, &config, NULL, state, length, &w.s, &error), 0);
	ck_assert_int_eq(read_is(&w, base, "from the base"), 0);
	ck_assert_int_eq(read_is(&w, made, "content"), 0);
	world_close(&w);
	free(state);
}
END_TEST

START_TEST(a_damaged_or_foreign_state_is_refused)
{
	struct veneer_error error;
	struct veneer_session *s;
	struct world w;
	char *state;
	size_t length;
	world_open(&w, NULL, NULL);
	lookup(&w, "base");
	ck_assert_int_eq(veneer_session_save(w.s, (void **)&state, &length), 0);
	for (size_t i = 0; i < length; i++) {
		state[i] ^= 1;
		ck_assert_int_eq(veneer_session_restore(w.v, NULL, NULL, state, length, &s, &error), -EINVAL);
		ck_assert_int_eq(veneer_session_restore(w.v, NULL, NULL, state, i, &s, &error), -EINVAL);
		state[i] ^= 1;
	}
	world_close(&w);
	put(w.lower, "more", "another root");
	w.config.upper = NULL;
	w.config.flags = 0;
	ck_assert_int_eq(veneer_open(&w.config, &w.v, &error), 0);
	ck_assert_int_eq(veneer_session_restore(w.v, NULL, NULL, state, length, &s, &error), -ESTALE);
	ck_assert_ptr_nonnull(strstr(error.text, "another tree"));
	ck_assert_int_eq(veneer_close(w.v), 0);
	free(state);
}
END_TEST

static int count_one(void *arg, const struct veneer_snapshot_info *info)
{
	ck_assert_str_eq(info->name, "one");
	++*(int *)arg;
	return 0;
}

START_TEST(snapshots_can_be_made_and_listed)
{
	struct veneer_error error;
	struct world w;
	int n = 0;
	world_open(&w, NULL, NULL);
	ck_assert_int_eq(make_file(&w, "new"), 0);
	ck_assert_int_eq(veneer_snapshot(w.v, "one", &error), 0);
	ck_assert_int_eq(veneer_snapshot(w.v, "one", &error), -EEXIST);
	ck_assert_int_eq(veneer_snapshot(w.v, "o/ne", &error), -EINVAL);
	ck_assert_int_eq(veneer_log(w.v, count_one, &n), 0);
	ck_assert_int_eq(n, 1);
	ck_assert_int_eq(veneer_rollback(w.v, "one", &error), -EBUSY); /* this client cannot be told */
	world_close(&w);
}
END_TEST

static struct {
	uint64_t at, length;
	int writable;
	char first[8];
} mapped;

static int dax_map(void *arg, uint64_t at, uint64_t length, int fd, uint64_t offset, int writable)
{
	(void)arg;
	mapped.at = at;
	mapped.length = length;
	mapped.writable = writable;
	return pread(fd, mapped.first, 4, (off_t)offset) == 4 ? 0 : -EIO;
}

static int dax_unmap(void *arg, uint64_t at, uint64_t length)
{
	(void)arg;
	(void)at;
	(void)length;
	return 0;
}

START_TEST(dax_maps_the_files_bytes)
{
	const struct veneer_callbacks callbacks = { .size = sizeof(callbacks), .map = dax_map, .unmap = dax_unmap,
						    .window_size = 1 << 20 };
	struct world w;
	world_open(&w, NULL, &callbacks);
	uint64_t base = lookup(&w, "base");
	struct fuse_setupmapping_in in = { .len = 4096, .moffset = 8192, .flags = 2 };
	ck_assert_int_eq(request(&w, FUSE_SETUPMAPPING, base, &in, sizeof(in), NULL, NULL, 0), 0);
	ck_assert_mem_eq(mapped.first, "from", 4);
	ck_assert_uint_eq(mapped.at, 8192);
	ck_assert_int_eq(mapped.writable, 0);
	in.flags = 3;
	ck_assert_int_eq(request(&w, FUSE_SETUPMAPPING, base, &in, sizeof(in), NULL, NULL, 0), 0);
	ck_assert_int_eq(mapped.writable, 1);
	ck_assert_mem_eq(mapped.first, "from", 4);
	world_close(&w);
}
END_TEST

#define BIG (1 << 20)

/* What a guest would see at `at` of its window, and what it would store there. */
static int window_fd = -1;
static uint64_t window_at, window_offset, window_length;

static int keep_map(void *arg, uint64_t at, uint64_t length, int fd, uint64_t offset, int writable)
{
	(void)arg;
	(void)writable;
	if (window_fd >= 0)
		close(window_fd);
	window_fd = dup(fd);
	window_at = at;
	window_offset = offset;
	window_length = length;
	return window_fd < 0 ? -EMFILE : 0;
}

/* A file of which a part is in the upper: mapped for writing it is whole, and what is stored there is read. */
START_TEST(dax_maps_a_file_of_which_a_part_is_copied)
{
	const struct veneer_callbacks callbacks = { .size = sizeof(callbacks), .map = keep_map, .unmap = dax_unmap,
						    .window_size = 4 << 20 };
	static char bytes[BIG + 1], page[4096], back[4096];
	struct world w;
	world_open(&w, NULL, &callbacks);
	for (size_t i = 0; i < BIG; i++)
		bytes[i] = (char)('a' + i / 4096 % 26);
	put(w.lower, "big", bytes);
	uint64_t node = lookup(&w, "big");
	struct fuse_write_in write = { .offset = 600000, .size = 1 };
	ck_assert_int_eq(request(&w, FUSE_WRITE, node, &write, sizeof(write), NULL, "!", 1), 0);
	bytes[600000] = '!';
	struct fuse_setupmapping_in in = { .foffset = 0, .len = BIG, .moffset = 0, .flags = 3 };
	ck_assert_int_eq(request(&w, FUSE_SETUPMAPPING, node, &in, sizeof(in), NULL, NULL, 0), 0);
	ck_assert_uint_eq(window_at, 0);
	ck_assert_uint_eq(window_length, BIG);
	for (size_t at = 0; at < BIG; at += 4096) {
		ck_assert_int_eq(pread(window_fd, page, 4096, (off_t)(window_offset + at)), 4096);
		ck_assert_mem_eq(page, bytes + at, 4096);
	}
	memset(page, '#', sizeof(page));
	ck_assert_int_eq(pwrite(window_fd, page, 4096, (off_t)window_offset + 8192), 4096);
	struct fuse_read_in read = { .offset = 8192, .size = 4096 };
	ck_assert_int_eq(request(&w, FUSE_READ, node, &read, sizeof(read), NULL, NULL, 0), 0);
	memcpy(back, w.reply.body, sizeof(back));
	ck_assert_mem_eq(back, page, 4096);
	world_close(&w);
	close(window_fd);
	char path[512];
	snprintf(path, sizeof(path), "%s/big", w.lower);
	int fd = open(path, O_RDONLY);
	ck_assert_int_eq(pread(fd, back, 4096, 8192), 4096);
	close(fd);
	ck_assert_mem_eq(back, bytes + 8192, 4096); /* the lower is as it was */
}
END_TEST

#define WINDOW (UINT64_C(1) << 20)

static unsigned odd_calls;

static int strict_map(void *arg, uint64_t at, uint64_t length, int fd, uint64_t offset, int writable)
{
	(void)arg;
	(void)writable;
	odd_calls += !length || at % 4096 || length % 4096 || at > WINDOW || length > WINDOW - at || offset % 4096 || fd < 0;
	return 0;
}

static int strict_unmap(void *arg, uint64_t at, uint64_t length)
{
	return strict_map(arg, at, length, 0, 0, 0);
}

START_TEST(mappings_that_make_no_sense_reach_no_callback)
{
	static const uint64_t values[] = { 0, 1, 4095, 4096, 8192, WINDOW - 4096, WINDOW, WINDOW + 4096, UINT64_C(1) << 40,
					   INT64_MAX - 4095, INT64_MAX, UINT64_C(1) << 63, UINT64_MAX - 4095, UINT64_MAX };
	const struct veneer_callbacks callbacks = { .size = sizeof(callbacks), .map = strict_map, .unmap = strict_unmap,
						    .window_size = WINDOW };
	const size_t n = sizeof(values) / sizeof(values[0]);
	struct {
		struct fuse_removemapping_in in;
		struct fuse_removemapping_one one;
	} remove = { .in = { .count = 1 } };
	struct world w;
	world_open(&w, NULL, &callbacks);
	uint64_t nodes[] = { lookup(&w, "base"), 1, 0, 77, UINT64_MAX };
	for (size_t i = 0; i < n * n * n * 5; i++) {
		struct fuse_setupmapping_in in = { .foffset = values[i % n], .len = values[i / n % n],
						   .moffset = values[i / n / n % n], .flags = i % 7 };
		request(&w, FUSE_SETUPMAPPING, nodes[i / n / n / n], &in, sizeof(in), NULL, NULL, 0);
	}
	for (size_t i = 0; i < n * n; i++) {
		remove.one = (struct fuse_removemapping_one){ .moffset = values[i % n], .len = values[i / n] };
		request(&w, FUSE_REMOVEMAPPING, 0, &remove, sizeof(remove), NULL, NULL, 0);
	}
	remove.in.count = UINT32_MAX;
	ck_assert_int_eq(request(&w, FUSE_REMOVEMAPPING, 0, &remove, sizeof(remove), NULL, NULL, 0), -EINVAL);
	ck_assert_uint_eq(odd_calls, 0);
	ck_assert_int_eq(read_is(&w, nodes[0], "from the base"), 0);
	world_close(&w);
}
END_TEST

static ssize_t text_read(void *arg, uint64_t offset, void *buf, size_t size)
{
	const char *text = arg;
	size_t len = strlen(text);
	if (offset >= len)
		return 0;
	size = size < len - offset ? size : len - offset;
	memcpy(buf, text + offset, size);
	return (ssize_t)size;
}

START_TEST(virtual_files_come_from_a_callback)
{
	char text[] = "first state";
	struct veneer_virtual files[] = {
		{ .path = "/live", .read = text_read, .arg = text, .length = 64, .live = 1 },
		{ .path = "deep/in/here", .read = text_read, .arg = text, .length = sizeof(text) - 1 },
	};
	struct world w;
	world_open(&w, NULL, NULL);
	world_close(&w);
	w.config.virtuals = files;
	w.config.nvirtuals = 2;
	ck_assert_int_eq(veneer_open(&w.config, &w.v, NULL), 0);
	ck_assert_int_eq(veneer_session_new(w.v, NULL, NULL, &w.s), 0);
	init(&w);
	uint64_t node = lookup(&w, "live");
	ck_assert_int_eq(read_is(&w, node, "first state"), 0);
	memcpy(text, "other", 5);
	ck_assert_uint_eq(lookup(&w, "live"), node);
	ck_assert_int_eq(read_is(&w, node, "other state"), 0);
	ck_assert_int_eq(write_file(&w, node, "x"), -EPERM);
	ck_assert_uint_ne(lookup(&w, "deep"), 0);
	world_close(&w);
}
END_TEST

static int told_status = -1;

static void exit_status(void *arg, int status)
{
	(void)arg;
	told_status = status;
}

START_TEST(the_guests_exit_status_is_told)
{
	const struct veneer_callbacks callbacks = { .size = sizeof(callbacks), .exit_status = exit_status };
	const struct fuse_ioctl_in in = { .cmd = 0x7602, .arg = 42 };
	struct world w;
	world_open(&w, NULL, &callbacks);
	uint64_t base = lookup(&w, "base");
	ck_assert_int_eq(request(&w, FUSE_IOCTL, base, &in, sizeof(in), NULL, NULL, 0), -ENOTTY);
	ck_assert_int_eq(told_status, -1);
	ck_assert_int_eq(request(&w, FUSE_IOCTL, 1, &in, sizeof(in), NULL, NULL, 0), 0);
	ck_assert_int_eq(told_status, 42);
	world_close(&w);
	world_open(&w, NULL, NULL);
	ck_assert_int_eq(request(&w, FUSE_IOCTL, 1, &in, sizeof(in), NULL, NULL, 0), -ENOTTY);
	world_close(&w);
}
END_TEST

START_TEST(sessions_that_would_harm_each_other_are_refused)
{
	struct veneer_session_config config = { .size = sizeof(config), .id = 1 };
	struct veneer_session *other;
	struct world w;
	world_open(&w, NULL, NULL);
	ck_assert_int_eq(veneer_session_new(w.v, NULL, NULL, &other), -EEXIST);
	ck_assert_int_eq(veneer_session_new(w.v, &config, NULL, &other), -EEXIST);
	config.id = 2;
	config.writeback = 1;
	ck_assert_int_eq(veneer_session_new(w.v, &config, NULL, &other), -EBUSY);
	veneer_session_free(w.s, 0);
	ck_assert_int_eq(veneer_session_new(w.v, &config, NULL, &w.s), 0);
	ck_assert_int_eq(veneer_session_new(w.v, NULL, NULL, &other), -EBUSY);
	world_close(&w);
}
END_TEST

START_TEST(configurations_that_make_no_sense_are_refused)
{
	struct veneer_virtual file = { .path = "/v", .bytes = "x", .length = 1, .host_file = "/etc/passwd" };
	struct veneer_error error;
	struct veneer *v;
	struct world w;
	world_open(&w, NULL, NULL);
	world_close(&w);
	w.config.virtuals = &file;
	w.config.nvirtuals = 1;
	ck_assert_int_eq(veneer_open(&w.config, &v, &error), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error.text, "exactly one"));
	file.bytes = file.host_file = NULL;
	ck_assert_int_eq(veneer_open(&w.config, &v, &error), -EINVAL);
	file = (struct veneer_virtual){ .bytes = "x" };
	ck_assert_int_eq(veneer_open(&w.config, &v, &error), -EINVAL);
	w.config.nvirtuals = 0;
	w.config.flags |= 1u << 31;
	ck_assert_int_eq(veneer_open(&w.config, &v, &error), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error.text, "0x80000000"));
	w.config.flags = 0;
	w.config.size = 4;
	ck_assert_int_eq(veneer_open(&w.config, &v, &error), -EINVAL);
}
END_TEST

START_TEST(virtual_files_may_be_of_another_versions_size)
{
	struct {
		struct veneer_virtual v;
		char later[24];
	} files[2] = { { { .path = "/one", .bytes = "1", .length = 1 }, "" }, { { .path = "/two", .bytes = "2", .length = 1 }, "" } };
	struct world w;
	world_open(&w, NULL, NULL);
	world_close(&w);
	w.config.virtuals = &files[0].v;
	w.config.nvirtuals = 2;
	w.config.virtual_size = sizeof(files[0]);
	ck_assert_int_eq(veneer_open(&w.config, &w.v, NULL), 0);
	ck_assert_int_eq(veneer_session_new(w.v, NULL, NULL, &w.s), 0);
	init(&w);
	ck_assert_int_eq(read_is(&w, lookup(&w, "two"), "2"), 0);
	world_close(&w);
}
END_TEST

VN_CHECK_MAIN("lib/embed", mappings_that_make_no_sense_reach_no_callback, dax_maps_a_file_of_which_a_part_is_copied, virtual_files_come_from_a_callback,
	      the_guests_exit_status_is_told, sessions_that_would_harm_each_other_are_refused,
	      configurations_that_make_no_sense_are_refused, virtual_files_may_be_of_another_versions_size,
	      requests_are_carried_out, what_is_no_request_is_an_error, many_threads_dispatch_at_once,
	      a_change_through_one_session_is_told_to_the_other, a_suspended_client_keeps_its_nodeids,
	      a_damaged_or_foreign_state_is_refused, snapshots_can_be_made_and_listed, dax_maps_the_files_bytes)
