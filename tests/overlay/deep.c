// SPDX-License-Identifier: Apache-2.0
/* Deep verification: what it finds, what it does not mind, and what it does with a damaged record. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "../check_main.h"
#include "base/err.h"
#include "base/hash.h"
#include "engine.h"
#include "overlay/print.h"
#include "overlay/prints.h"
#include "overlay/prints_format.h"
#include "overlay/survey.h"
#include "store/store.h"

/* ---- running it ---- */

struct found {
	char text[16384]; /* "PATH:WHAT\n" of each difference, WHAT in hex */
	char problems[4096];
	char file[256];   /* of the last one */
	int n;
};

static int on_difference(void *arg, const struct ovl_difference *d)
{
	struct found *f = arg;
	size_t at = strlen(f->text);

	snprintf(f->text + at, sizeof(f->text) - at, "%d %s:%x\n", d->place, d->path, d->what);
	snprintf(f->file, sizeof(f->file), "%s", d->file ? d->file : "");
	f->n++;
	return 0;
}

static void on_problem(void *arg, const char *sentence)
{
	struct found *f = arg;

	snprintf(f->problems, sizeof(f->problems), "%s", sentence);
}

static void run(struct engine *e, struct found *f, struct ovl_deep *d, int (*what)(struct ovl_tree *, struct ovl_deep *, struct vn_err *))
{
	struct vn_err err = {0};
	int rc;

	*f = (struct found){0};
	*d = (struct ovl_deep){.difference = on_difference, .problem = on_problem, .arg = f};
	rc = what(e->tree, d, &err);
	ck_assert_msg(rc == 0, "%s", vn_err_text(&err));
}

/* Looks at the upper at rest, whatever the lowers are. */
static void at_rest(struct engine *e)
{
	engine_close(e);
	e->config.readonly = e->config.accept_changed_lowers = e->config.quiet_lowers = true;
	engine_open(e);
}

static void again(struct engine *e)
{
	engine_close(e);
	e->config.readonly = e->config.accept_changed_lowers = e->config.quiet_lowers = false;
	engine_open(e);
}

static const char *lower(struct engine *e, size_t i, const char *path)
{
	static char buf[4][1024];
	static unsigned turn;
	char *p = buf[turn++ % 4];

	snprintf(p, sizeof(buf[0]), "%s/%s", e->lowers[i], path);
	return p;
}

static void append(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND);

	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void set_mtime(const char *path, const struct timespec *at)
{
	struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT}, *at};

	ck_assert_int_eq(utimensat(AT_FDCWD, path, ts, AT_SYMLINK_NOFOLLOW), 0);
}

/* Waits until the host's file times, which are those of its last tick, are behind now. */
static void later(void)
{
	struct timespec now;
	char probe[512];
	struct stat st;

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(probe, sizeof(probe), "%s/probe", vn_check_dir());
	do {
		int fd = open(probe, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		ck_assert_int_eq(write(fd, "x", 1), 1);
		ck_assert_int_eq(fstat(fd, &st), 0);
		close(fd);
	} while (st.st_mtim.tv_sec < now.tv_sec || (st.st_mtim.tv_sec == now.tv_sec && st.st_mtim.tv_nsec <= now.tv_nsec));
}

/* Changes bytes and leaves size and time of modification as they were. */
static void rot(const char *path, off_t at)
{
	struct stat st;
	int fd = open(path, O_RDWR);
	char byte;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
	byte ^= 4;
	ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
	close(fd);
	set_mtime(path, &st.st_mtim);
}

static void command(const char *format, const char *a, const char *b)
{
	char cmd[4096];

	snprintf(cmd, sizeof(cmd), format, a, b);
	ck_assert_int_eq(system(cmd), 0);
}

static void populate(struct engine *e)
{
	engine_init(e, 2);
	lower_dir(e, 0, "dir");
	lower_dir(e, 0, "dir/sub");
	lower_file(e, 0, "dir/file", "contents");
	lower_file(e, 0, "dir/sub/deep", "deeper");
	lower_file(e, 0, "dir-", "a name that sorts before what is in dir");
	lower_symlink(e, 0, "link", "dir/file");
	ck_assert_int_eq(mkfifo(lower(e, 0, "pipe"), 0600), 0);
	lower_dir(e, 1, "dir");
	lower_file(e, 1, "dir/lower", "below");
	lower_whiteout(e, 0, "dir/gone");
	lower_file(e, 1, "dir/gone", "hidden");
	engine_open(e);
}

/* ---- what it finds ---- */

START_TEST(what_was_not_touched_is_clean)
{
	struct engine e;
	struct ovl_deep d;
	struct found f;

	populate(&e);
	ck_assert_int_eq(e_write(&e, "dir/file", 0, "more"), 0);
	at_rest(&e);
	run(&e, &f, &d, ovl_record);
	ck_assert_int_eq(f.n, 0);
	run(&e, &f, &d, ovl_deep);
	ck_assert_str_eq(f.text, "");
	ck_assert_int_eq(d.record, OVL_RECORD_USED);
	ck_assert_uint_ge(d.totals.objects, 14);
	again(&e);
	e_is(&e, "dir/file", "moreents");
	engine_close(&e);
}
END_TEST

static void change_contents(struct engine *e) { rot(lower(e, 0, "dir/file"), 3); }
static void change_mode(struct engine *e) { ck_assert_int_eq(chmod(lower(e, 0, "dir/sub"), 0700), 0); }
static void change_time(struct engine *e) { set_mtime(lower(e, 1, "dir/lower"), &(struct timespec){77, 0}); }
static void change_added(struct engine *e) { lower_dir(e, 1, "dir/new"); lower_file(e, 1, "dir/new/file", ""); }
static void change_missing(struct engine *e) { command("rm -r '%s'%s", lower(e, 0, "dir/sub"), ""); }
static void change_hidden(struct engine *e) { ck_assert_int_eq(unlink(lower(e, 1, "dir/gone")), 0); }
static void change_dir_time(struct engine *e) { set_mtime(lower(e, 0, "dir/sub"), &(struct timespec){77, 0}); }
static void change_size(struct engine *e) { append(lower(e, 0, "dir/sub/deep"), "x"); }

static void change_type(struct engine *e)
{
	command("rm -r '%s'; touch '%s'", lower(e, 0, "dir/sub"), lower(e, 0, "dir/sub"));
}

static void change_to_dir(struct engine *e)
{
	command("rm '%s'; mkdir -p '%s'", lower(e, 0, "dir/file"), lower(e, 0, "dir/file/inside"));
}

static void change_target(struct engine *e)
{
	struct stat st;

	ck_assert_int_eq(lstat(lower(e, 0, "link"), &st), 0);
	ck_assert_int_eq(unlink(lower(e, 0, "link")), 0);
	lower_symlink(e, 0, "link", "dir-file");
	set_mtime(lower(e, 0, "link"), &st.st_mtim);
}

/* A directory's own time is not told beside what changed in it. */
START_TEST(each_change_is_named_once)
{
	static const struct {
		void (*change)(struct engine *);
		const char *path;
		unsigned what;
	} changes[] = {
		{change_contents, "0 dir/file", OVL_DIFFERS_CONTENTS},
		{change_mode, "0 dir/sub", OVL_DIFFERS_MODE},
		{change_time, "0 dir/lower", OVL_DIFFERS_MTIME},
		{change_added, "0 dir/new", OVL_DIFFERS_ADDED},
		{change_missing, "0 dir/sub", OVL_DIFFERS_MISSING},
		{change_hidden, "0 dir/gone", OVL_DIFFERS_MISSING},
		{change_dir_time, "0 dir/sub", OVL_DIFFERS_MTIME},
		{change_size, "0 dir/sub/deep", OVL_DIFFERS_SIZE | OVL_DIFFERS_CONTENTS | OVL_DIFFERS_MTIME},
		{change_type, "0 dir/sub", OVL_DIFFERS_TYPE},
		{change_to_dir, "0 dir/file", OVL_DIFFERS_TYPE},
		{change_target, "0 link", OVL_DIFFERS_CONTENTS},
	};
	struct engine e;
	struct ovl_deep d;
	struct found f;

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		char want[256];

		command("rm -rf '%s'/*%s", vn_check_dir(), "");
		populate(&e);
		at_rest(&e);
		run(&e, &f, &d, ovl_record);
		later();
		changes[i].change(&e);
		at_rest(&e);
		run(&e, &f, &d, ovl_deep);
		snprintf(want, sizeof(want), "%s:%x\n", changes[i].path, changes[i].what);
		ck_assert_msg(strcmp(f.text, want) == 0, "change %zu: %s", i, f.text);
		engine_close(&e);
	}
}
END_TEST

START_TEST(owners_and_attributes_count)
{
	struct engine e;
	struct ovl_deep d;
	struct found f;

	populate(&e);
	at_rest(&e);
	run(&e, &f, &d, ovl_record);
	if (setxattr(lower(&e, 0, "dir/file"), "user.note", "x", 1, 0)) {
		engine_close(&e);
		vn_check_skip("no extended attributes here");
	}
	run(&e, &f, &d, ovl_deep);
	ck_assert_str_eq(f.text, "0 dir/file:200\n");
	if (geteuid() == 0) {
		ck_assert_int_eq(chown(lower(&e, 0, "dir/sub/deep"), 3, 4), 0);
		run(&e, &f, &d, ovl_deep);
		ck_assert_str_eq(f.text, "0 dir/file:200\n0 dir/sub/deep:40\n");
	}
	engine_close(&e);
}
END_TEST

START_TEST(faithful_copy_of_the_lowers_is_clean)
{
	struct engine e;
	struct ovl_deep d;
	struct found f;

	populate(&e);
	at_rest(&e);
	run(&e, &f, &d, ovl_record);
	engine_close(&e);
	for (size_t i = 0; i < 2; i++) {
		char copy[512];

		snprintf(copy, sizeof(copy), "%s/copy%zu", vn_check_dir(), i);
		command("cp -a '%s' '%s'", e.lowers[i], copy);
		strcpy(e.lowers[i], copy);
	}
	engine_open(&e);
	run(&e, &f, &d, ovl_deep);
	ck_assert_str_eq(f.text, "");
	again(&e);
	e_names(&e, "", "dir dir- link pipe");
	engine_close(&e);
}
END_TEST

START_TEST(holes_and_zeros_are_the_same_bytes)
{
	struct engine e;
	struct ovl_deep d;
	struct found f;
	struct timespec t = {99, 0};

	engine_init(&e, 1);
	lower_file(&e, 0, "zeros", "head");
	ck_assert_int_eq(truncate(lower(&e, 0, "zeros"), 3000000), 0);
	set_mtime(lower(&e, 0, "zeros"), &t);
	engine_open(&e);
	at_rest(&e);
	run(&e, &f, &d, ovl_record);
	ck_assert_uint_lt(d.totals.bytes, 3000000);
	command("cp --sparse=never '%s' '%s'", lower(&e, 0, "zeros"), lower(&e, 0, "full"));
	ck_assert_int_eq(rename(lower(&e, 0, "full"), lower(&e, 0, "zeros")), 0);
	set_mtime(lower(&e, 0, "zeros"), &t);
	set_mtime(lower(&e, 0, ""), &t);
	run(&e, &f, &d, ovl_deep);
	ck_assert_msg(!strstr(f.text, "zeros"), "%s", f.text);
	engine_close(&e);
}
END_TEST

/* ---- the layer's own files ---- */

static void data_file(struct engine *e, const char *in, char out[512])
{
	char cmd[1024];
	FILE *p;

	snprintf(cmd, sizeof(cmd), "find '%s/%s' -type f -size +3 -path '*data/*'", e->upper, in);
	p = popen(cmd, "r");
	ck_assert_ptr_nonnull(fgets(out, 512, p));
	out[strcspn(out, "\n")] = '\0';
	pclose(p);
}

static void old(const char *path)
{
	set_mtime(path, &(struct timespec){1000, 0});
}

START_TEST(data_file_that_rots_is_named_with_its_file)
{
	char text[4001], data[512];
	struct engine e;
	struct ovl_deep d;
	struct found f;

	memset(text, 'x', 4000);
	text[4000] = '\0';
	populate(&e);
	ck_assert_int_eq(e_mkdir(&e, "dir/sub/mine", 0755), 0);
	ck_assert_int_eq(e_create(&e, "dir/sub/mine/file", 0644), 0);
	ck_assert_int_eq(e_write(&e, "dir/sub/mine/file", 0, text), 0);
	at_rest(&e);
	data_file(&e, "data", data);
	old(data);
	run(&e, &f, &d, ovl_record);
	rot(data, 100);
	run(&e, &f, &d, ovl_deep);
	ck_assert_int_eq(f.n, 1);
	ck_assert_str_eq(f.file, "dir/sub/mine/file");
	/* a snapshot takes it along */
	again(&e);
	ck_assert_int_eq(ovl_snapshot(e.tree, "one", NULL), 0);
	at_rest(&e);
	run(&e, &f, &d, ovl_deep);
	ck_assert_int_eq(f.n, 1);
	ck_assert_str_eq(f.file, "dir/sub/mine/file");
	ck_assert_uint_eq(d.newer, 0);
	engine_close(&e);
}
END_TEST

START_TEST(data_file_that_was_written_is_no_damage)
{
	char text[4001], data[512];
	struct engine e;
	struct ovl_deep d;
	struct found f;

	memset(text, 'x', 4000);
	text[4000] = '\0';
	populate(&e);
	ck_assert_int_eq(e_create(&e, "file", 0644), 0);
	ck_assert_int_eq(e_write(&e, "file", 0, text), 0);
	at_rest(&e);
	data_file(&e, "data", data);
	old(data);
	run(&e, &f, &d, ovl_record);
	again(&e);
	ck_assert_int_eq(e_write(&e, "file", 100, "something else"), 0);
	ck_assert_int_eq(e_create(&e, "another", 0644), 0);
	ck_assert_int_eq(e_write(&e, "another", 0, text), 0);
	at_rest(&e);
	run(&e, &f, &d, ovl_deep);
	ck_assert_str_eq(f.text, "");
	again(&e);
	ck_assert_int_eq(e_unlink(&e, "file"), 0);
	at_rest(&e);
	run(&e, &f, &d, ovl_deep);
	ck_assert_str_eq(f.text, "");
	engine_close(&e);
}
END_TEST

START_TEST(snapshot_that_loses_or_changes_anything_is_named)
{
	char text[4001], data[512];
	struct engine e;
	struct ovl_deep d;
	struct found f;

	memset(text, 'x', 4000);
	text[4000] = '\0';
	populate(&e);
	ck_assert_int_eq(e_create(&e, "file", 0644), 0);
	ck_assert_int_eq(e_write(&e, "file", 0, text), 0);
	ck_assert_int_eq(ovl_snapshot(e.tree, "one", NULL), 0);
	at_rest(&e);
	run(&e, &f, &d, ovl_record);
	data_file(&e, "deltas", data);
	rot(data, 5);
	run(&e, &f, &d, ovl_deep);
	ck_assert_int_eq(f.n, 1);
	ck_assert_ptr_nonnull(strstr(f.text, "1 data/"));
	ck_assert_str_eq(f.file, "file");
	ck_assert_int_eq(unlink(data), 0);
	run(&e, &f, &d, ovl_deep);
	ck_assert_int_eq(f.n, 1);
	ck_assert_ptr_nonnull(strstr(f.text, ":1\n"));
	engine_close(&e);
}
END_TEST

/* ---- without a record, and with a damaged one ---- */

START_TEST(without_a_record_what_is_newer_than_the_layer_is_named)
{
	struct engine e;
	struct ovl_deep d;
	struct found f;

	populate(&e);
	at_rest(&e);
	run(&e, &f, &d, ovl_deep);
	ck_assert_str_eq(f.text, "");
	ck_assert_int_eq(d.record, OVL_RECORD_NONE);
	ck_assert_int_gt(d.since, 0);
	later();
	append(lower(&e, 1, "dir/lower"), "x");
	lower_file(&e, 0, "dir/sub/new", "");
	run(&e, &f, &d, ovl_deep);
	ck_assert_str_eq(f.text, "0 dir/sub:400\n0 dir/sub/new:400\n0 dir/lower:400\n");
	engine_close(&e);
}
END_TEST

static size_t record_read(struct engine *e, uint8_t **bytes)
{
	char path[512];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/record", e->upper);
	fd = open(path, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	*bytes = malloc((size_t)st.st_size);
	ck_assert_int_eq(read(fd, *bytes, (size_t)st.st_size), st.st_size);
	close(fd);
	return (size_t)st.st_size;
}

static void record_write(struct engine *e, const uint8_t *bytes, size_t n)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/record", e->upper);
	fd = open(path, O_WRONLY | O_TRUNC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, n), (ssize_t)n);
	close(fd);
}

START_TEST(damaged_record_is_named_and_never_believed)
{
	struct engine e;
	struct ovl_deep d;
	struct found f;
	uint8_t *bytes;
	size_t n;

	populate(&e);
	at_rest(&e);
	run(&e, &f, &d, ovl_record);
	n = record_read(&e, &bytes);
	for (size_t i = 0; i < n; i += 3) {
		bytes[i] ^= 0x10;
		record_write(&e, bytes, n);
		bytes[i] ^= 0x10;
		run(&e, &f, &d, ovl_deep);
		ck_assert_msg(d.record == OVL_RECORD_DAMAGED && *f.problems, "byte %zu", i);
	}
	for (size_t i = 0; i < n; i += 21) {
		record_write(&e, bytes, i);
		run(&e, &f, &d, ovl_deep);
		ck_assert_msg(d.record == OVL_RECORD_DAMAGED && strstr(f.problems, "is damaged"), "length %zu", i);
	}
	again(&e); /* and it does not keep anybody from mounting */
	at_rest(&e);
	bytes[7] = '2';
	record_write(&e, bytes, n);
	run(&e, &f, &d, ovl_deep);
	ck_assert_ptr_nonnull(strstr(f.problems, "another version"));
	free(bytes);
	engine_close(&e);
}
END_TEST

START_TEST(record_of_another_upper_is_named)
{
	struct engine e, other;
	struct ovl_deep d;
	struct found f;

	populate(&e);
	at_rest(&e);
	run(&e, &f, &d, ovl_record);
	engine_close(&e);
	other = e;
	strcat(other.upper, "2");
	other.config.readonly = false;
	other.config.upper = other.upper;
	engine_open(&other);
	command("cp '%s'/record '%s'", e.upper, other.upper);
	run(&other, &f, &d, ovl_deep);
	ck_assert_ptr_nonnull(strstr(f.problems, "another writable layer"));
	engine_close(&other);
}
END_TEST

/* Sums made right again: what is in it cannot be trusted either. */
static void resign(uint8_t *b, size_t n)
{
	const uint8_t *at = b + PRINTS_MAGIC_LEN;
	size_t head = prints_get(&at, 4);
	uint64_t sum;

	if (head < PRINTS_HEAD_FIXED + 8 || head + 9 > n)
		return;
	sum = vn_checksum(VN_HASH_SEED, b, head - 8);
	prints_put(b + head - 8, sum, 8);
	prints_put(b + n - 8, vn_checksum(sum, b + head, n - 8 - head), 8);
}

START_TEST(hostile_record_does_no_harm)
{
	unsigned seed = 3, used = 0;
	struct engine e;
	struct ovl_deep d;
	struct found f;
	uint8_t *bytes, *bad;
	size_t n;

	populate(&e);
	at_rest(&e);
	run(&e, &f, &d, ovl_record);
	n = record_read(&e, &bytes);
	bad = malloc(n);
	for (int i = 0; i < 600; i++) {
		struct vn_err err = {0};

		memcpy(bad, bytes, n);
		for (int k = rand_r(&seed) % 3; k >= 0; k--)
			bad[(size_t)rand_r(&seed) % (n - 8)] = (uint8_t)rand_r(&seed);
		resign(bad, n);
		record_write(&e, bad, n);
		f = (struct found){0};
		d = (struct ovl_deep){.difference = on_difference, .problem = on_problem, .arg = &f};
		used += ovl_deep(e.tree, &d, &err) == 0 && d.record == OVL_RECORD_USED;
	}
	ck_assert_uint_gt(used, 30);
	free(bad);
	free(bytes);
	engine_close(&e);
}
END_TEST

START_TEST(two_records_are_not_made_at_once)
{
	struct prints_head h = {0};
	struct prints_writer *w;
	struct vn_err err = {0};
	struct engine e;
	struct ovl_deep d;
	struct found f;

	populate(&e);
	at_rest(&e);
	ck_assert_int_eq(prints_create(store_dirfd(ovl_store(e.tree)), &h, &w), 0);
	d = (struct ovl_deep){.difference = on_difference, .problem = on_problem, .arg = &f};
	ck_assert_int_eq(ovl_record(e.tree, &d, &err), -EBUSY);
	prints_abandon(w);
	run(&e, &f, &d, ovl_record);
	run(&e, &f, &d, ovl_deep);
	ck_assert_int_eq(d.record, OVL_RECORD_USED);
	engine_close(&e);
}
END_TEST

/* ---- changes that are noticed while it is served ---- */

static uint64_t changed(struct engine *e)
{
	struct ovl_stats stats;

	ovl_stats(e->tree, &stats);
	return stats.changed_lowers;
}

START_TEST(changed_directory_is_noticed_when_it_is_read)
{
	struct engine e;
	struct vn_entry entry;

	populate(&e);
	e_names(&e, "dir", "file lower sub");
	ck_assert_uint_eq(changed(&e), 0);
	engine_reopen(&e);
	e_names(&e, "dir", "file lower sub");
	ck_assert_uint_eq(changed(&e), 0);
	engine_close(&e);
	later();
	lower_file(&e, 1, "dir/new", "");
	engine_open(&e);
	ck_assert_int_eq(e_lookup(&e, "dir-", &entry), 0);
	ck_assert_uint_eq(changed(&e), 0);
	e_names(&e, "dir", "file lower new sub");
	ck_assert_uint_ge(changed(&e), 1);
	engine_close(&e);
}
END_TEST

START_TEST(record_accepts_what_has_changed)
{
	struct engine e;
	struct ovl_deep d;
	struct found f;
	struct vn_err err = {0};
	struct ovl_tree *t;
	const char *lowers[2];

	populate(&e);
	engine_close(&e);
	lower_file(&e, 0, "new", "in the root: the fingerprint of the lower changes");
	lowers[0] = e.lowers[0];
	lowers[1] = e.lowers[1];
	e.config.lowers = lowers;
	ck_assert_int_eq(ovl_open(&e.config, &t, &err), -ESTALE);
	ck_assert_ptr_nonnull(strstr(vn_err_text(&err), "veneer check --deep"));
	e.config.readonly = e.config.accept_changed_lowers = true;
	engine_open(&e);
	*f.problems = '\0';
	ck_assert_int_eq(ovl_check_lowers(e.tree, on_problem, &f), 1);
	ck_assert_ptr_nonnull(strstr(f.problems, e.lowers[0]));
	run(&e, &f, &d, ovl_record);
	ck_assert_int_eq(ovl_check_lowers(e.tree, on_problem, &f), 0);
	again(&e);
	e_names(&e, "", "dir dir- link new pipe");
	ck_assert_uint_eq(changed(&e), 0);
	engine_close(&e);
}
END_TEST

/* ---- the walk ---- */

struct order {
	char last[4096];
	unsigned n;
};

static int on_object(void *arg, const struct survey_object *o)
{
	struct order *w = arg;

	ck_assert_msg(w->n == 0 || survey_compare(w->last, o->path) < 0, "%s, %s", w->last, o->path);
	snprintf(w->last, sizeof(w->last), "%s", o->path);
	w->n++;
	return 0;
}

START_TEST(walk_is_in_the_order_of_its_paths)
{
	static const char *const names[] = {"a", "a!", "a-", "a.b", "aa", "a\x01", "a\xff", "b", "A"};
	struct order w = {0};
	struct survey_config config = {.fn = on_object, .arg = &w};
	struct layer layer;
	struct engine e;

	engine_init(&e, 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		lower_dir(&e, 0, names[i]);
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
			char path[64];

			snprintf(path, sizeof(path), "%s/%s", names[i], names[k]);
			lower_file(&e, 0, path, "");
		}
	}
	ck_assert_int_eq(layer_open(&layer, e.lowers[0], true, NULL), 0);
	config.layer = &layer;
	ck_assert_int_eq(survey_walk(&config), 0);
	ck_assert_uint_eq(w.n, 1 + 9 + 81);
	ck_assert(survey_below("a/b", "a") && survey_below("a", "a") && survey_below("a", "") && !survey_below("ab", "a"));
	layer_close(&layer);
}
END_TEST

START_TEST(deep_trees_are_walked_to_their_end)
{
	struct order w = {0};
	struct survey_config config = {.fn = on_object, .arg = &w};
	struct layer layer;
	struct engine e;
	int fd;

	engine_init(&e, 1);
	fd = open(e.lowers[0], O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 1500; i++) {
		int next;

		ck_assert_int_eq(mkdirat(fd, "d", 0755), 0);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY);
		close(fd);
		fd = next;
	}
	close(fd);
	ck_assert_int_eq(layer_open(&layer, e.lowers[0], true, NULL), 0);
	config.layer = &layer;
	ck_assert_int_eq(survey_walk(&config), 0);
	ck_assert_uint_eq(w.n, 1501);
	layer_close(&layer);
}
END_TEST

VN_CHECK_MAIN("overlay/deep", what_was_not_touched_is_clean, each_change_is_named_once, owners_and_attributes_count,
	      faithful_copy_of_the_lowers_is_clean, holes_and_zeros_are_the_same_bytes,
	      data_file_that_rots_is_named_with_its_file, data_file_that_was_written_is_no_damage,
	      snapshot_that_loses_or_changes_anything_is_named, without_a_record_what_is_newer_than_the_layer_is_named,
	      damaged_record_is_named_and_never_believed, record_of_another_upper_is_named, hostile_record_does_no_harm,
	      two_records_are_not_made_at_once, changed_directory_is_noticed_when_it_is_read, record_accepts_what_has_changed,
	      walk_is_in_the_order_of_its_paths, deep_trees_are_walked_to_their_end)
