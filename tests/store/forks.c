// SPDX-License-Identifier: Apache-2.0
/* Where forks may be put, and what their origins know of them. */
#include "help.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int chain_fn(void *arg, const struct store_delta_info *info)
{
	strcat(strcat(arg, info->name), " ");
	return 0;
}

static const char *chain(struct store *s)
{
	static char text[4096];

	text[0] = '\0';
	ck_assert_int_eq(store_chain(s, chain_fn, text), 0);
	return text;
}

static void seal(struct store *s, const char *name)
{
	struct vn_err err = { 0 };
	uint64_t id;

	ck_assert_msg(store_seal(s, name, &id, &err) == 0, "%s", vn_err_text(&err));
}

/* An upper with a snapshot "one" and something above it. */
static void prepare(void)
{
	struct store *s = help_open("u");

	help_create(s, 1, "a");
	seal(s, "one");
	help_create(s, 1, "b");
	help_close(s);
}

static int fork_to(const char *snapshot, const char *dir, bool copy, struct vn_err *err)
{
	char origin[4096], to[4096];
	struct store_fork f = { .origin = origin, .snapshot = snapshot, .dir = to, .copy = copy };

	strcpy(origin, help_path("u"));
	strcpy(to, help_path(dir));
	return store_fork(&f, err);
}

/* Directories in which forks are built that are there now. */
static size_t hidden(void)
{
	DIR *d = opendir(vn_check_dir());
	struct dirent *e;
	size_t n = 0;

	while ((e = readdir(d)))
		n += !strncmp(e->d_name, ".veneer-fork-", 13);
	closedir(d);
	return n;
}

static void fork_refused(const char *dir, int error, const char *word)
{
	struct vn_err err = { 0 };
	char to[4096], origin[4096];
	struct store_fork f = { .origin = origin, .dir = to };

	strcpy(origin, help_path("u"));
	snprintf(to, sizeof(to), "%s%s", *dir ? help_path("") : "", dir);
	ck_assert_int_eq(store_fork(&f, &err), error);
	ck_assert_msg(strstr(err.text, word) != NULL, "%s", err.text);
}

START_TEST(fork_is_refused_inside_an_upper_and_nothing_is_made)
{
	struct store *s;

	prepare();
	help_close(help_open("other"));
	ck_assert_int_eq(mkdir(help_path("plain"), 0700), 0);
	ck_assert_int_eq(mkdir(help_path("plain/empty"), 0700), 0);
	ck_assert_int_eq(mkdir(help_path("plain/full"), 0700), 0);
	ck_assert_int_eq(mkdir(help_path("plain/full/x"), 0700), 0);
	ck_assert_int_eq(symlink("../other/data", help_path("plain/link")), 0);
	fork_refused("u/inner", -EINVAL, "inside the upper");
	fork_refused("u/data/inner", -EINVAL, "inside the upper");
	fork_refused("other/inner", -EINVAL, "/other;");
	fork_refused("plain/link/inner", -EINVAL, "/other;");
	fork_refused("u", -EEXIST, "exists already");
	fork_refused("other", -EEXIST, "exists already");
	fork_refused("plain/full", -EEXIST, "exists already");
	fork_refused("none/f", -ENOENT, "none");
	fork_refused("plain/full/..", -EINVAL, "name a new directory");
	fork_refused("", -EINVAL, "name a new directory");
	s = help_open("u");
	ck_assert_str_eq(chain(s), "one "); /* not sealed for what was refused */
	help_close(s);
	ck_assert_int_ne(access(help_path("u/refs"), F_OK), 0);
	ck_assert_int_eq(fork_to("one", "plain/empty/", false, &(struct vn_err){ 0 }), 0);
	ck_assert_uint_eq(hidden(), 0);
}
END_TEST

START_TEST(fork_leaves_a_directory_that_is_named_like_it_alone)
{
	prepare();
	ck_assert_int_eq(mkdir(help_path("f.fork"), 0700), 0);
	ck_assert_int_eq(mkdir(help_path("f.fork/mine"), 0700), 0);
	ck_assert_int_eq(fork_to("one", "f", false, &(struct vn_err){ 0 }), 0);
	ck_assert_int_eq(access(help_path("f.fork/mine"), F_OK), 0);
}
END_TEST

struct forks {
	size_t n[3];
	char place[4096];
};

static int forks_one(void *arg, const struct store_fork_info *info)
{
	struct forks *f = arg;

	f->n[info->state]++;
	strcpy(f->place, info->place);
	return 0;
}

static struct forks forks(void)
{
	struct vn_err err = { 0 };
	struct forks f = { .place = "" };

	ck_assert_int_eq(store_forks(help_path("u"), forks_one, &f, &err), 0);
	return f;
}

static size_t deltas(void)
{
	DIR *d = opendir(help_path("u/deltas"));
	struct dirent *e;
	size_t n = 0;

	while ((e = readdir(d)))
		n += *e->d_name != '.';
	closedir(d);
	return n;
}

static void forget(const char *dir, int result)
{
	struct vn_err err = { 0 };
	char to[4096];

	strcpy(to, help_path(dir));
	ck_assert_int_eq(store_fork_forget(help_path("u"), to, &err), result);
	ck_assert(!result || *err.text);
}

static void remove_tree(const char *name)
{
	char command[4200];

	snprintf(command, sizeof(command), "rm -rf '%s'", help_path(name));
	ck_assert_int_eq(system(command), 0);
}

/* "one" is not in the chain any more, a fork needs it. */
static void prepare_kept(void)
{
	struct vn_err err = { 0 };
	struct store *s;

	prepare();
	s = help_open("u");
	seal(s, "two");
	ck_assert_int_eq(fork_to("one", "f", false, &err), 0);
	ck_assert_int_eq(store_snapshot_delete(s, "one", &err), 0);
	help_close(s);
	ck_assert_uint_eq(deltas(), 2);
}

START_TEST(removed_fork_is_forgotten_when_that_is_said)
{
	prepare_kept();
	ck_assert_uint_eq(forks().n[STORE_FORK_THERE], 1);
	forget("f", -EBUSY);
	forget("g", -ENOENT);
	remove_tree("f");
	help_close(help_open("u"));
	ck_assert_uint_eq(deltas(), 2); /* nobody has said so */
	ck_assert_uint_eq(forks().n[STORE_FORK_AWAY], 1);
	forget("f", 0);
	ck_assert_uint_eq(deltas(), 1);
	ck_assert_uint_eq(forks().n[STORE_FORK_AWAY], 0);
}
END_TEST

START_TEST(fork_that_was_moved_tells_its_origin_when_it_is_opened)
{
	prepare_kept();
	ck_assert_int_eq(rename(help_path("f"), help_path("g")), 0);
	ck_assert_uint_eq(forks().n[STORE_FORK_AWAY], 1);
	help_close(help_open("g"));
	ck_assert_uint_eq(forks().n[STORE_FORK_THERE], 1);
	ck_assert_str_eq(forks().place, help_path("g"));
	forget("f", -ENOENT);
	forget("g", -EBUSY);
}
END_TEST

START_TEST(fork_in_the_place_of_another_does_not_stand_for_it)
{
	struct vn_err err = { 0 };

	prepare_kept();
	remove_tree("f");
	ck_assert_int_eq(fork_to("two", "f", false, &err), 0);
	ck_assert_uint_eq(forks().n[STORE_FORK_AWAY], 1);
	ck_assert_uint_eq(forks().n[STORE_FORK_THERE], 1);
	forget("f", 0);
	ck_assert_uint_eq(forks().n[STORE_FORK_AWAY], 0);
	ck_assert_uint_eq(forks().n[STORE_FORK_THERE], 1);
	ck_assert_uint_eq(deltas(), 1);
	help_close(help_open("f"));
}
END_TEST

START_TEST(snapshot_that_is_read_beside_its_server_stays_until_it_is_closed)
{
	struct store_config config = { .readonly = true, .shared = true, .snapshot = "one" };
	struct vn_err err = { 0 };
	struct store *s, *r;

	prepare();
	s = help_open("u");
	seal(s, "two");
	r = help_open_config(&config, "u");
	ck_assert_int_eq(store_snapshot_delete(s, "one", &err), 0);
	ck_assert_str_eq(chain(s), "two ");
	ck_assert(help_find(r, 1, "a").found);
	ck_assert(!help_find(r, 1, "b").found);
	ck_assert_uint_eq(deltas(), 2); /* the merged one, and what is read */
	help_close(r);
	help_close(s);
	help_close(help_open("u"));
	ck_assert_uint_eq(deltas(), 1);
}
END_TEST

VN_CHECK_MAIN("store/forks", snapshot_that_is_read_beside_its_server_stays_until_it_is_closed,
	       fork_is_refused_inside_an_upper_and_nothing_is_made,
	      fork_leaves_a_directory_that_is_named_like_it_alone, removed_fork_is_forgotten_when_that_is_said,
	      fork_that_was_moved_tells_its_origin_when_it_is_opened, fork_in_the_place_of_another_does_not_stand_for_it)
