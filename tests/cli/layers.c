// SPDX-License-Identifier: Apache-2.0
#include "cli/layers.h"

#include <stdio.h>
#include <unistd.h>

#include "../check_main.h"
#include "base/err.h"

static struct layers l;
static struct vn_err err;

static void setup(void)
{
	ck_assert_int_eq(chdir(vn_check_dir()), 0);
	ck_assert_int_eq(mkdir("lower", 0755) | mkdir("lower/inside", 0755) | mkdir("empty", 0755) |
				 mkdir("used", 0755) | mkdir("foreign", 0755),
			 0);
	fclose(fopen("used/index.db", "w"));
	fclose(fopen("foreign/letter", "w"));
	fclose(fopen("file", "w"));
	err = (struct vn_err){0};
}

static int resolve(const char *lower, const char *upper, bool create)
{
	struct words w = {0};
	int ret;

	ck_assert_int_eq(words_add(&w, lower, strlen(lower)), 0);
	ret = layers_resolve(&l, &w, upper, create, false, &err);
	words_fini(&w);
	return ret;
}

static void refuse(const char *lower, const char *upper, bool create, int code, const char *names)
{
	ck_assert_int_eq(resolve(lower, upper, create), code);
	ck_assert_msg(strstr(err.text, names), "%s", err.text);
}

START_TEST(inside_is_by_component)
{
	ck_assert(layers_inside("/a/b", "/a"));
	ck_assert(layers_inside("/a", "/a"));
	ck_assert(layers_inside("/a", "/"));
	ck_assert(!layers_inside("/ab", "/a"));
	ck_assert(!layers_inside("/a", "/a/b"));
}
END_TEST

START_TEST(paths_become_absolute)
{
	ck_assert_int_eq(resolve("lower/../lower", "./empty/", false), 0);
	ck_assert_int_eq(l.lowers.v[0][0], '/');
	ck_assert_ptr_null(strstr(l.lowers.v[0], ".."));
	ck_assert_int_eq(l.upper_was, UPPER_EMPTY);
	layers_fini(&l);
}
END_TEST

START_TEST(what_the_upper_was)
{
	ck_assert_int_eq(resolve("lower", "used", false), 0);
	ck_assert_int_eq(l.upper_was, UPPER_USED);
	layers_fini(&l);
	ck_assert_int_eq(resolve("lower", "new", true), 0);
	ck_assert_int_eq(l.upper_was, UPPER_MISSING);
	ck_assert_ptr_nonnull(strstr(l.upper, "/new"));
	layers_fini(&l);
	ck_assert_int_eq(resolve("lower", NULL, true), 0);
	ck_assert_int_eq(l.upper_was, UPPER_NONE);
	layers_fini(&l);
}
END_TEST

START_TEST(an_upper_may_lie_inside_a_lower)
{
	ck_assert_int_eq(resolve("lower", "lower/inside", false), 0);
	layers_fini(&l);
}
END_TEST

START_TEST(what_makes_no_sense_is_named)
{
	refuse("missing", "empty", true, -ENOENT, "'missing'");
	refuse("file", "empty", true, -ENOTDIR, "'file'");
	refuse("lower", "missing", false, -ENOENT, "'missing'");
	refuse("lower", "missing/deeper", true, -ENOENT, "missing");
	refuse("lower", "file", true, -ENOTDIR, "'file'");
	refuse("lower", "foreign", true, -ENOTEMPTY, "foreign");
	refuse("lower", "lower", true, -EINVAL, "both");
	refuse("empty", "empty", true, -EINVAL, "both");
	ck_assert_int_eq(mkdir("used/sub", 0755), 0);
	refuse("used/sub", "used", true, -EINVAL, "inside");
}
END_TEST

START_TEST(undo_leaves_the_upper_as_it_was)
{
	ck_assert_int_eq(resolve("lower", "new", true), 0);
	ck_assert_int_eq(mkdir(l.upper, 0700), 0);
	layers_undo(&l);
	ck_assert_int_ne(access("new", F_OK), 0);
	layers_fini(&l);

	ck_assert_int_eq(resolve("lower", "empty", false), 0);
	layers_undo(&l);
	ck_assert_int_eq(rmdir("empty"), 0);
	layers_fini(&l);

	ck_assert_int_eq(resolve("lower", "used", false), 0);
	layers_undo(&l);
	ck_assert_int_eq(access("used/index.db", F_OK), 0);
	layers_fini(&l);
}
END_TEST

START_TEST(undo_removes_nothing_that_it_did_not_make)
{
	ck_assert_int_eq(resolve("lower", "new", true), 0);
	ck_assert_int_eq(mkdir("new", 0700) | mkdir("new/data", 0700), 0); /* another server came first */
	layers_undo(&l);
	ck_assert_int_eq(access("new/data", F_OK), 0);
	layers_fini(&l);
	ck_assert_int_eq(layers_remove(""), -EINVAL);
	refuse("lower", "", true, -ENOENT, "''");
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){.suite = "cli/layers", .setup = setup}), inside_is_by_component,
		   paths_become_absolute, what_the_upper_was, an_upper_may_lie_inside_a_lower,
		   what_makes_no_sense_is_named, undo_leaves_the_upper_as_it_was,
		   undo_removes_nothing_that_it_did_not_make)
