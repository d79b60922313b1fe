// SPDX-License-Identifier: Apache-2.0
/* The kept view: it says what the lowers say, notices when it is wrong, and survives damage. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "../check_main.h"
#include "base/fs.h"
#include "base_fixture.h"
#include "lower/kept.h"

/* ---- a stack with everything ---- */

#define LAYERS 4

static void stack_names(void)
{
	fx_file("0/a/top", "0");
	fx_file("1/a/mid", "1");
	fx_file("2/a/low", "2");
	fx_file("0/a/.wh.gone", "");
	fx_file("2/a/gone", "");
	fx_file("1/opq/.wh..wh..opq", "");
	fx_file("1/opq/one", "");
	fx_file("2/opq/two", "");
	fx_file("0/opq/zero", "");
	fx_file("2/file_over_dir", "");
	fx_file("3/file_over_dir/below", "");
	fx_file("3/bytes/\x80\xff\xc3\x28", "no text");
	fx_file("3/bytes/\xe2\x82\xac", "text");
	fx_dir("1/empty");
	fx_dir("2/deep/er/and/deeper/still");
	fx_file("2/deep/er/and/deeper/still/leaf", "leaf");
}

static void stack_objects(void)
{
	char path[64];

	fx_link("3/link", "where/it/leads");
	fx_link("3/a/dangling", "\x80/..");
	fx_node("3/pipe", S_IFIFO | 0600, 0, 0);
	fx_file("2/hard/1", "shared");
	fx_hard("2/hard/1", "2/hard/2");
	fx_hard("2/hard/1", "2/hard/hidden");
	fx_hard("2/hard/1", "2/elsewhere");
	fx_file("0/hard/.wh.hidden", "");
	fx_file("3/lonely/1", "shared");
	fx_hard("3/lonely/1", "3/lonely/2");
	fx_file("0/lonely/.wh.2", "");
	if (fx_is_root()) {
		fx_node("3/null", S_IFCHR | 0666, 1, 3);
		fx_node("0/whited", S_IFCHR, 0, 0);
		fx_file("1/whited", "");
		ck_assert_int_eq(lchown(fx_host("2/a/low"), 1234, 4321), 0);
	}
	ck_assert_int_eq(chmod(fx_host("0/a/top"), 04751), 0);
	for (int i = 0; i < 2000; i++) {
		snprintf(path, sizeof(path), "%d/many/name-%d", 1 + i % 3, i);
		fx_file(path, "");
	}
}

static void stack_marks(void)
{
	static const unsigned char acl[] = {2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 7, 0, 0, 0,
					    4, 0, 4, 0, 255, 255, 255, 255, 16, 0, 4, 0, 255, 255, 255, 255,
					    32, 0, 4, 0, 255, 255, 255, 255};

	fx_file("0/renamed/own", "");
	fx_file("2/was/called/other", "far");
	fx_file("2/was/called/sub/leaf", "farther");
	fx_mark("0/renamed", "user.overlay.redirect", "/was/called");
	fx_file("1/xopq/one", "");
	fx_file("2/xopq/two", "");
	fx_mark("1/xopq", "user.overlay.opaque", "y");
	fx_mark("3", "user.containers.override_stat", "0:0:755");
	fx_file("3/over", "");
	fx_mark("3/over", "user.containers.override_stat", "12:34:0640");
	fx_file("3/overlink", "the/target");
	fx_mark("3/overlink", "user.containers.override_stat", "12:34:0777:symlink");
	fx_file("2/a/tagged", "");
	fx_mark("2/a/tagged", "user.tag", "value");
	fx_mark("2/a", "user.dirtag", "value");
	fx_file("2/a/acl", "");
	fx_mark_bytes("2/a/acl", "system.posix_acl_access", acl, sizeof(acl));
}

static void stack_make(void)
{
	for (int i = 0; i < LAYERS; i++) {
		char root[16];

		snprintf(root, sizeof(root), "%d", i);
		fx_dir(root);
	}
	stack_names();
	stack_objects();
	stack_marks();
}

static void move(const char *from, const char *to)
{
	char old[PATH_MAX];

	snprintf(old, sizeof(old), "%s", fx_host(from));
	ck_assert_int_eq(rename(old, fx_host(to)), 0);
}

/* ---- comparing ---- */

static struct base *open_kept(void)
{
	struct base *b = fx_open(LAYERS);
	int cache = fx_cache(), rc = base_keep_make(b, cache, NULL, NULL, NULL);

	ck_assert_msg(rc == 0, "base_keep_make: %s", strerror(-rc));
	base_close(b);
	b = fx_open(LAYERS);
	ck_assert_int_eq(base_keep_use(b, cache), 0);
	close(cache);
	return b;
}

/* Names of a directory, for the recursion. */
struct names {
	char paths[4096][300];
	bool dirs[4096];
	size_t n;
	const char *dir;
};

static int names_add(void *arg, const struct base_entry *e)
{
	struct names *n = arg;

	ck_assert_uint_lt(n->n, 4096);
	snprintf(n->paths[n->n], sizeof(n->paths[0]), "%s%s%.*s", n->dir, *n->dir ? "/" : "", (int)e->len, e->name);
	n->dirs[n->n++] = e->type == DT_DIR;
	return 0;
}

static struct names *names_of(struct base *b, const char *path)
{
	struct names *n = calloc(1, sizeof(*n));
	struct base_dir *d;

	n->dir = path;
	ck_assert_int_eq(base_resolve_dir(b, path, strlen(path), &d), 0);
	ck_assert_int_eq(base_list(b, d, names_add, n), 0);
	base_dir_put(b, d);
	return n;
}

/* Everything that is the same with and without a view: all but link counts and access times. */
static void same_attr(struct base *a, struct base *b, const char *path)
{
	struct vn_attr x = {0}, y = {0};

	ck_assert_int_eq(fx_attr(a, path, &x), fx_attr(b, path, &y));
	if (!S_ISDIR(x.mode))
		x.nlink = y.nlink = 0;
	x.atime = y.atime = 0;
	ck_assert_msg(memcmp(&x, &y, sizeof(x)) == 0, "attributes of %s", path);
}

static void same_text(const char *(*fn)(struct base *b, const char *path), struct base *a, struct base *b, const char *path)
{
	char *first = strdup(fn(a, path));
	const char *second = fn(b, path);

	ck_assert_msg(strcmp(first, second) == 0, "%s: '%.200s' and '%.200s'", path, first, second);
	free(first);
}

static const char *tag(struct base *b, const char *path)
{
	return fx_xattr(b, path, "user.tag");
}

static const char *marker(struct base *b, const char *path)
{
	return fx_xattr(b, path, "user.overlay.redirect");
}

static void same_object(struct base *a, struct base *b, const char *path)
{
	same_attr(a, b, path);
	same_text(fx_readlink, a, b, path);
	same_text(fx_read, a, b, path);
	same_text(fx_xattrs, a, b, path);
	same_text(tag, a, b, path);
	same_text(marker, a, b, path);
}

static void same_tree(struct base *a, struct base *b, const char *path)
{
	struct names *n = names_of(a, path);

	same_text(fx_list, a, b, path);
	for (size_t i = 0; i < n->n; i++) {
		same_object(a, b, n->paths[i]);
		if (n->dirs[i])
			same_tree(a, b, n->paths[i]);
	}
	free(n);
}

START_TEST(a_view_says_what_the_lowers_say)
{
	struct base *a, *b;

	stack_make();
	a = fx_open(LAYERS);
	b = open_kept();
	same_tree(a, b, "");
	ck_assert(base_is_kept(b));
	same_text(fx_list, a, b, "no/such");
	same_object(a, b, "a/gone");
	same_object(a, b, "a/.wh.gone");
	same_object(a, b, "file_over_dir/below");
	base_close(a);
	base_close(b);
}
END_TEST

START_TEST(link_counts_are_those_of_the_merged_tree)
{
	struct base *b;
	struct vn_attr x, y;

	stack_make();
	b = open_kept();
	ck_assert_int_eq(fx_attr(b, "hard/1", &x), 0);
	ck_assert_int_eq(fx_attr(b, "elsewhere", &y), 0);
	ck_assert_uint_eq(x.nlink, 3);
	ck_assert_uint_eq(y.nlink, 3);
	ck_assert_uint_eq(x.ino, y.ino);
	ck_assert_int_eq(fx_attr(b, "lonely/1", &x), 0);
	ck_assert_uint_eq(x.nlink, 1);
	base_close(b);
}
END_TEST

/* What would be read anew must not be there to be read. */
START_TEST(a_view_reads_no_lower_directory)
{
	struct base *b;
	struct vn_attr attr;

	stack_make();
	b = open_kept();
	move("2/deep", "2/hidden");
	ck_assert_str_eq(fx_list(b, "deep/er/and"), "deeper/2");
	ck_assert_int_eq(fx_attr(b, "deep/er/and/deeper/still/leaf", &attr), 0);
	ck_assert_uint_eq(attr.size, 4);
	base_close(b);
}
END_TEST

/* ---- which view ---- */

static int use(void)
{
	struct base *b = fx_open(LAYERS);
	int cache = fx_cache(), rc = base_keep_use(b, cache);

	ck_assert(base_is_kept(b) == (rc == 0));
	ck_assert_str_eq(fx_list(b, "opq"), "one@1 zero@0");
	close(cache);
	base_close(b);
	return rc;
}

static void keep(void)
{
	base_close(open_kept());
}

START_TEST(no_view_is_used_where_there_is_none)
{
	stack_make();
	ck_assert_int_eq(use(), -ENOENT);
	keep();
	ck_assert_int_eq(use(), 0);
}
END_TEST

START_TEST(another_stack_has_another_view)
{
	stack_make();
	keep();
	fx_file("3/new_at_the_root", "");
	ck_assert_int_eq(use(), -ENOENT);
	keep();
	ck_assert_int_eq(use(), 0);
	move("3", "30");
	move("1", "3");
	move("30", "1");
	fx_file("3/opq/.wh..wh..opq", "");
	fx_file("1/opq/.wh.two", "");
	fx_file("1/opq/one", "");
	ck_assert_int_eq(use(), -ENOENT);
}
END_TEST

START_TEST(a_change_far_below_is_seen_in_the_samples)
{
	stack_make();
	keep();
	fx_file("0/a/top", "changed"); /* the first object met in its layer, or one of few */
	fx_file("2/elsewhere", "changed");
	fx_file("3/link2", "");
	ck_assert_int_eq(unlink(fx_host("3/link2")), 0);
	for (int i = 0; i < 2000; i++) {
		char path[64];

		snprintf(path, sizeof(path), "%d/many/name-%d", 1 + i % 3, i);
		fx_file(path, "changed");
	}
	ck_assert_int_ne(use(), 0);
	ck_assert_int_eq(use(), -ENOENT); /* it has gone */
}
END_TEST

START_TEST(a_file_that_was_changed_is_not_read_as_it_was)
{
	struct base *b;

	stack_make();
	b = open_kept();
	ck_assert_str_eq(fx_read(b, "deep/er/and/deeper/still/leaf"), "leaf");
	fx_file("2/deep/er/and/deeper/still/leaf", "another leaf");
	ck_assert_str_eq(fx_read(b, "deep/er/and/deeper/still/leaf"), "!ESTALE");
	ck_assert(!base_is_kept(b));
	ck_assert_str_eq(fx_read(b, "deep/er/and/deeper/still/leaf"), "another leaf");
	ck_assert_str_eq(fx_read(b, "a/low"), "2");
	base_close(b);
	ck_assert_int_eq(use(), -ENOENT);
}
END_TEST

START_TEST(a_file_that_is_gone_ends_the_use_of_a_view)
{
	struct base *b;

	stack_make();
	b = open_kept();
	ck_assert_str_eq(fx_read(b, "a/low"), "2");
	ck_assert(base_is_kept(b));
	move("2/deep", "2/hidden");
	ck_assert_str_eq(fx_read(b, "deep/er/and/deeper/still/leaf"), "!ESTALE");
	ck_assert(!base_is_kept(b));
	ck_assert_int_eq(fx_lookup(b, "deep"), -ENOENT);
	base_close(b);
}
END_TEST

START_TEST(a_view_that_others_could_write_is_not_used)
{
	struct base *b;
	struct base_made kept;
	int cache = fx_cache();

	stack_make();
	b = fx_open(LAYERS);
	ck_assert_int_eq(base_keep_make(b, cache, NULL, NULL, &kept), 0);
	ck_assert_int_eq(fchmodat(cache, kept.file, 0620, 0), 0);
	ck_assert_int_eq(base_keep_use(b, cache), -EPERM);
	ck_assert_int_eq(fchmodat(cache, kept.file, 0600, 0), 0);
	ck_assert_int_eq(renameat(cache, kept.file, cache, "elsewhere"), 0);
	ck_assert_int_eq(symlinkat("elsewhere", cache, kept.file), 0);
	ck_assert_int_eq(base_keep_use(b, cache), -ELOOP);
	base_close(b);
	close(cache);
}
END_TEST

static int stop_at_once(void *arg)
{
	++*(int *)arg;
	return 1;
}

START_TEST(making_can_be_stopped_and_leaves_nothing)
{
	struct base *b;
	int asked = 0, cache = fx_cache();
	DIR *d = fdopendir(dup(cache));
	struct dirent *e;

	stack_make();
	b = fx_open(LAYERS);
	ck_assert_int_eq(base_keep_make(b, cache, stop_at_once, &asked, NULL), 1);
	ck_assert_int_eq(asked, 1);
	while ((e = readdir(d)))
		ck_assert(e->d_name[0] == '.');
	closedir(d);
	base_close(b);
	close(cache);
}
END_TEST

START_TEST(an_upper_inside_a_lower_forbids_a_view_and_never_shows)
{
	struct base *b;
	char upper[PATH_MAX];
	int cache = fx_cache();

	stack_make();
	fx_dir("2/a/upper");
	fx_file("3/a/upper/below", "");
	snprintf(upper, sizeof(upper), "%s", fx_host("2/a/upper"));
	b = fx_open_with(LAYERS, upper, false);
	ck_assert_str_eq(fx_list(b, "a/upper"), "below@3");
	ck_assert_int_eq(base_keep_make(b, cache, NULL, NULL, NULL), -EXDEV);
	base_close(b);
	keep(); /* without an upper */
	b = fx_open_with(LAYERS, upper, false);
	ck_assert_int_eq(base_keep_use(b, cache), 0);
	ck_assert_ptr_nonnull(strstr(fx_list(b, "a"), "upper/3"));
	ck_assert_ptr_null(strstr(fx_list(b, "a"), "upper/2"));
	base_close(b);
	close(cache);
}
END_TEST

/* ---- damage ---- */

static size_t file_read(int cache, const char *name, unsigned char **data)
{
	int fd = openat(cache, name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	*data = malloc((size_t)st.st_size);
	ck_assert_int_eq(read(fd, *data, (size_t)st.st_size), st.st_size);
	close(fd);
	return (size_t)st.st_size;
}

static void file_write(int cache, const char *name, const unsigned char *data, size_t size)
{
	int fd = openat(cache, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
	close(fd);
}

/* Whatever is wrong with the file, what is shown is right. */
static int use_and_compare(int cache)
{
	struct base *a = fx_open(LAYERS), *b = fx_open(LAYERS);
	int rc = base_keep_use(b, cache);

	same_tree(a, b, "a");
	same_tree(a, b, "hard");
	same_tree(a, b, "deep");
	same_text(fx_list, a, b, "many");
	base_close(a);
	base_close(b);
	return rc;
}

/* Makes the layers and a view of them: its file's bytes, malloc()ed. */
static size_t stack_view(int cache, struct base_made *kept, unsigned char **data)
{
	struct base *b;

	stack_make();
	b = fx_open(LAYERS);
	ck_assert_int_eq(base_keep_make(b, cache, NULL, NULL, kept), 0);
	base_close(b);
	return file_read(cache, kept->file, data);
}

START_TEST(a_flipped_bit_anywhere_changes_nothing)
{
	struct base_made kept;
	unsigned char *data;
	int cache = fx_cache();
	size_t size;

	size = stack_view(cache, &kept, &data);
	ck_assert_uint_gt(size, 2 * KEPT_BLOCK);
	for (unsigned i = 0; i < 40; i++) {
		size_t at = i < 20 ? i * 6 : (size_t)i * 2654435761u % size;

		data[at] ^= (unsigned char)(1u << i % 8);
		file_write(cache, kept.file, data, size);
		use_and_compare(cache);
		data[at] ^= (unsigned char)(1u << i % 8);
	}
	file_write(cache, kept.file, data, size);
	ck_assert_int_eq(use_and_compare(cache), 0);
	free(data);
	close(cache);
}
END_TEST

START_TEST(a_short_file_is_refused)
{
	struct base_made kept;
	unsigned char *data;
	int cache = fx_cache();
	size_t size;

	size = stack_view(cache, &kept, &data);
	for (unsigned i = 0; i < 20; i++) {
		file_write(cache, kept.file, data, i < 10 ? i * 20 : size - 1 - (i - 10) * (size / 11));
		ck_assert_int_eq(use_and_compare(cache), -EUCLEAN);
	}
	free(data);
	close(cache);
}
END_TEST

START_TEST(another_version_is_refused)
{
	struct base_made kept;
	struct kept_head *head;
	unsigned char *data;
	int cache = fx_cache();
	size_t size;

	size = stack_view(cache, &kept, &data);
	head = (struct kept_head *)data;
	head->version++;
	head->check = kept_head_sum(head);
	file_write(cache, kept.file, data, size);
	ck_assert_int_eq(use_and_compare(cache), -EPROTONOSUPPORT);
	ck_assert_int_eq(use_and_compare(cache), -ENOENT);
	head->version--;
	head->order = __builtin_bswap32(head->order);
	head->check = kept_head_sum(head);
	file_write(cache, kept.file, data, size);
	ck_assert_int_eq(use_and_compare(cache), -EPROTONOSUPPORT);
	free(data);
	close(cache);
}
END_TEST

VN_CHECK_MAIN("lower/kept", a_view_says_what_the_lowers_say, link_counts_are_those_of_the_merged_tree,
	      a_view_reads_no_lower_directory, no_view_is_used_where_there_is_none, another_stack_has_another_view,
	      a_change_far_below_is_seen_in_the_samples, a_file_that_is_gone_ends_the_use_of_a_view,
	      a_file_that_was_changed_is_not_read_as_it_was,
	      a_view_that_others_could_write_is_not_used, making_can_be_stopped_and_leaves_nothing,
	      an_upper_inside_a_lower_forbids_a_view_and_never_shows, a_flipped_bit_anywhere_changes_nothing,
	      a_short_file_is_refused, another_version_is_refused)
