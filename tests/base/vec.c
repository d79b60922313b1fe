// SPDX-License-Identifier: Apache-2.0
#include "base/vec.h"

#include <stdint.h>

#include "../check_main.h"

START_TEST(elements_stay_when_it_grows)
{
	struct vn_vec vec = {0};

	for (uint32_t i = 0; i < 1000; i++) {
		uint32_t *to = vn_vec_add(&vec, 1, sizeof(*to));

		ck_assert_ptr_nonnull(to);
		*to = i;
	}
	ck_assert_uint_eq(vec.n, 1000);
	ck_assert_uint_ge(vec.cap, 1000);
	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_uint_eq(((uint32_t *)vec.v)[i], i);
	free(vec.v);
}
END_TEST

START_TEST(many_at_once_lie_together)
{
	struct vn_vec vec = {0};
	char *first = vn_vec_add(&vec, 3, 1), *more;

	ck_assert_ptr_nonnull(first);
	more = vn_vec_add(&vec, 500, 1);
	ck_assert_ptr_nonnull(more);
	ck_assert_ptr_eq(more, (char *)vec.v + 3);
	ck_assert_uint_eq(vec.n, 503);
	free(vec.v);
}
END_TEST

START_TEST(none_more_changes_nothing)
{
	struct vn_vec vec = {0};

	ck_assert_ptr_nonnull(vn_vec_add(&vec, 0, 8));
	ck_assert_uint_eq(vec.n, 0);
	free(vec.v);
}
END_TEST

VN_CHECK_MAIN("base/vec", elements_stay_when_it_grows, many_at_once_lie_together, none_more_changes_nothing)
