// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"

#include "../check_main.h"

START_TEST(set_returns_the_code_and_keeps_the_sentence)
{
	struct vn_err err = {0};

	ck_assert_int_eq(vn_err_set(&err, -ENOENT, "%s: no such lower", "/a"), -ENOENT);
	ck_assert_int_eq(err.code, -ENOENT);
	ck_assert_str_eq(vn_err_text(&err), "/a: no such lower");
}
END_TEST

START_TEST(null_is_allowed)
{
	ck_assert_int_eq(vn_err_set(NULL, -EIO, "x"), -EIO);
	ck_assert_int_eq(vn_err_sys(NULL, -EIO, "x"), -EIO);
}
END_TEST

START_TEST(sys_adds_the_words_for_the_code)
{
	struct vn_err err = {0};

	vn_err_sys(&err, -ENOSPC, "cannot write %s", "journal");
	ck_assert_str_eq(err.text, "cannot write journal: No space left on device");
}
END_TEST

START_TEST(without_a_sentence_the_code_speaks)
{
	struct vn_err err = {.code = -EPERM};

	ck_assert_str_eq(vn_err_text(&err), strerror(EPERM));
}
END_TEST

START_TEST(an_earlier_sentence_can_be_part_of_the_next)
{
	struct vn_err err = {0};

	vn_err_set(&err, -EIO, "bad page");
	vn_err_set(&err, -EIO, "index.db: %s", err.text);
	ck_assert_str_eq(err.text, "index.db: bad page");
}
END_TEST

START_TEST(a_long_sentence_is_cut)
{
	struct vn_err err = {0};

	vn_err_sys(&err, -EIO, "%*s", 2 * VN_ERR_TEXT_MAX, "x");
	ck_assert_uint_eq(strlen(err.text), VN_ERR_TEXT_MAX - 1);
}
END_TEST

VN_CHECK_MAIN("base/err", set_returns_the_code_and_keeps_the_sentence, null_is_allowed, sys_adds_the_words_for_the_code,
	      without_a_sentence_the_code_speaks, an_earlier_sentence_can_be_part_of_the_next, a_long_sentence_is_cut)
