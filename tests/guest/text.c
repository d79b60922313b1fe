// SPDX-License-Identifier: Apache-2.0
#include "guest/text.h"

#include <errno.h>

#include "../check_main.h"

static int number(const char *text, unsigned int base, uint64_t max, uint64_t *value)
{
	return vg_text_number(vg_text_of(text), base, max, value);
}

START_TEST(cut_tells_a_trailing_separator_from_none)
{
	struct vg_text rest = vg_text_of("a,,b,");
	bool found;

	ck_assert(vg_text_is(vg_text_cut(&rest, ',', &found), "a") && found);
	ck_assert(vg_text_is(vg_text_cut(&rest, ',', &found), "") && found);
	ck_assert(vg_text_is(vg_text_cut(&rest, ',', &found), "b") && found);
	ck_assert(vg_text_is(vg_text_cut(&rest, ',', &found), "") && !found);
	ck_assert(vg_text_is(vg_text_cut(&rest, ',', NULL), ""));
}
END_TEST

START_TEST(is_compares_the_whole_piece)
{
	ck_assert(vg_text_is(vg_text_of("ro"), "ro"));
	ck_assert(!vg_text_is(vg_text_of("ro"), "r"));
	ck_assert(!vg_text_is(vg_text_of("r"), "ro"));
}
END_TEST

START_TEST(number_takes_digits_of_its_base_only)
{
	static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "0x1", "1.0", "1k", "99999999999999999999999x"};
	uint64_t value = 7;

	ck_assert_int_eq(number("0256", 10, 1000, &value), 0);
	ck_assert_uint_eq(value, 256);
	ck_assert_int_eq(number("1777", 8, 07777, &value), 0);
	ck_assert_uint_eq(value, 01777);
	ck_assert_int_eq(number("1778", 8, 07777, &value), -EINVAL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(number(bad[i], 10, UINT64_MAX, &value) == -EINVAL, "'%s'", bad[i]);
	ck_assert_uint_eq(value, 01777);
}
END_TEST

START_TEST(number_stops_at_its_limit)
{
	uint64_t value = 7;

	ck_assert_int_eq(number("18446744073709551615", 10, UINT64_MAX, &value), 0);
	ck_assert_uint_eq(value, UINT64_MAX);
	ck_assert_int_eq(number("18446744073709551616", 10, UINT64_MAX, &value), -ERANGE);
	ck_assert_int_eq(number("184467440737095516150", 10, UINT64_MAX, &value), -ERANGE);
	ck_assert_int_eq(number("5", 10, 4, &value), -ERANGE);
	ck_assert_int_eq(number("10", 10, 9, &value), -ERANGE);
	ck_assert_int_eq(number("9", 10, 9, &value), 0);
}
END_TEST

START_TEST(copy_refuses_what_does_not_fit)
{
	char out[4] = "xyz";

	ck_assert_int_eq(vg_text_copy(vg_text_of("abcd"), out, sizeof(out)), -ENAMETOOLONG);
	ck_assert_str_eq(out, "xyz");
	ck_assert_int_eq(vg_text_copy(vg_text_of("abc"), out, sizeof(out)), 0);
	ck_assert_str_eq(out, "abc");
}
END_TEST

VN_CHECK_MAIN("guest/text", cut_tells_a_trailing_separator_from_none, is_compares_the_whole_piece,
	      number_takes_digits_of_its_base_only, number_stops_at_its_limit, copy_refuses_what_does_not_fit)
