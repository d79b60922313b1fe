// SPDX-License-Identifier: Apache-2.0
/* A new upper is made while many lowers are opened, by another thread. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../check_main.h"
#include "base/err.h"
#include "engine.h"
#include "store/store.h"

#define MANY ENGINE_LOWERS /* not less than what has the upper made by a thread */

static int open_tree(struct engine *e, struct vn_err *err)
{
	const char *lowers[ENGINE_LOWERS];
	for (size_t i = 0; i < e->nlowers; i++)
		lowers[i] = e->lowers[i];
	e->config.lowers = lowers;
	e->config.nlowers = e->nlowers;
	return ovl_open(&e->config, &e->tree, err);
}

/* In place of the last lower, a file. */
static void spoil_last_lower(struct engine *e)
{
	const char *last = e->lowers[e->nlowers - 1];
	ck_assert_int_eq(rmdir(last), 0);
	FILE *f = fopen(last, "w");
	ck_assert_ptr_nonnull(f);
	fclose(f);
}

START_TEST(a_new_upper_knows_its_many_lowers)
{
	struct engine e;
	struct vn_err err = { 0 };
	engine_init(&e, MANY);
	lower_file(&e, 0, "top", "t");
	lower_file(&e, MANY - 1, "bottom", "b");
	engine_open(&e);
	e_names(&e, "", "bottom top");
	ck_assert_int_eq(e_create(&e, "new", 0644), 0);
	engine_reopen(&e);
	e_names(&e, "", "bottom new top");
	engine_close(&e);
	lower_file(&e, 3, "changed", "c");
	ck_assert_int_eq(open_tree(&e, &err), -ESTALE);
	ck_assert_msg(strstr(vn_err_text(&err), e.lowers[3]), "%s", vn_err_text(&err));
}
END_TEST

START_TEST(nothing_stays_of_a_new_upper_when_one_of_many_lowers_cannot_be_opened)
{
	struct engine e;
	struct vn_err err = { 0 };
	engine_init(&e, MANY);
	spoil_last_lower(&e);
	ck_assert_int_eq(open_tree(&e, &err), -ENOTDIR);
	ck_assert_msg(strstr(vn_err_text(&err), e.lowers[MANY - 1]), "%s", vn_err_text(&err));
	ck_assert_int_eq(access(e.upper, F_OK), -1);
	ck_assert_int_eq(mkdir(e.upper, 0700), 0); /* one that was there, and empty, stays so */
	ck_assert_int_eq(open_tree(&e, &err), -ENOTDIR);
	ck_assert_int_eq(rmdir(e.upper), 0);
}
END_TEST

START_TEST(an_upper_that_cannot_be_made_over_many_lowers_says_why)
{
	struct engine e;
	struct vn_err err = { 0 };
	char file[300];
	engine_init(&e, MANY);
	ck_assert_int_eq(mkdir(e.upper, 0700), 0);
	snprintf(file, sizeof(file), "%s/foreign", e.upper);
	ck_assert_int_eq(mkdir(file, 0700), 0);
	ck_assert_int_eq(open_tree(&e, &err), -ENOTEMPTY);
	ck_assert_msg(strstr(vn_err_text(&err), "foreign"), "%s", vn_err_text(&err));
	ck_assert_int_eq(rmdir(file), 0);
	ck_assert_int_eq(rmdir(e.upper), 0);
}
END_TEST

/* Nothing is read from a head that holds no rows, so what comes into it has to be seen at once. */
START_TEST(the_first_rows_of_a_new_upper_are_seen_when_they_are_in_the_index)
{
	struct engine e;
	uint64_t node;
	struct store_inode row;
	engine_init(&e, 1);
	engine_open(&e);
	struct store *s = ovl_store(e.tree);
	ck_assert_int_eq(store_read_name(s, VN_NODE_ROOT, "f", 1, &node), -ENOENT);
	ck_assert_int_eq(e_create(&e, "f", 0640), 0);
	ck_assert_int_eq(ovl_settle(e.tree), 0);
	ck_assert_int_eq(store_read_name(s, VN_NODE_ROOT, "f", 1, &node), 0);
	ck_assert_int_eq(store_read_inode(s, node, &row, NULL), 0);
	ck_assert_uint_eq(row.mode, S_IFREG | 0640);
	free((char *)row.origin);
	engine_close(&e);
}
END_TEST

VN_CHECK_MAIN("overlay/opening", a_new_upper_knows_its_many_lowers,
	      nothing_stays_of_a_new_upper_when_one_of_many_lowers_cannot_be_opened,
	      an_upper_that_cannot_be_made_over_many_lowers_says_why,
	      the_first_rows_of_a_new_upper_are_seen_when_they_are_in_the_index)
