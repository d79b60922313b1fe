// SPDX-License-Identifier: Apache-2.0
#include "base/iov.h"

#include <stdint.h>
#include <string.h>

#include "../check_main.h"

static char a[3], b[5];
static struct iovec iov[4];

static void setup(void)
{
	memcpy(a, "abc", 3);
	memcpy(b, "defgh", 5);
	iov[0] = (struct iovec){a, 3};
	iov[1] = (struct iovec){NULL, 0};
	iov[2] = (struct iovec){b, 5};
	iov[3] = (struct iovec){NULL, 0};
}

START_TEST(total_adds_up_and_saturates)
{
	struct iovec huge[2] = {{a, SIZE_MAX - 1}, {b, 5}};

	ck_assert_uint_eq(vn_iov_total(iov, 4), 8);
	ck_assert_uint_eq(vn_iov_total(NULL, 0), 0);
	ck_assert_uint_eq(vn_iov_total(huge, 2), SIZE_MAX);
}
END_TEST

START_TEST(get_reads_across_elements_and_stops_at_the_end)
{
	char buf[16];

	ck_assert_uint_eq(vn_iov_get(iov, 4, 2, buf, 3), 3);
	ck_assert_mem_eq(buf, "cde", 3);
	ck_assert_uint_eq(vn_iov_get(iov, 4, 5, buf, sizeof(buf)), 3);
	ck_assert_mem_eq(buf, "fgh", 3);
	ck_assert_uint_eq(vn_iov_get(iov, 4, 8, buf, 1), 0);
	ck_assert_uint_eq(vn_iov_get(iov, 4, SIZE_MAX, buf, 1), 0);
}
END_TEST

START_TEST(put_writes_across_elements_and_leaves_the_rest_alone)
{
	ck_assert_uint_eq(vn_iov_put(iov, 4, 2, "XY", 2), 2);
	ck_assert_mem_eq(a, "abX", 3);
	ck_assert_mem_eq(b, "Yefgh", 5);
	ck_assert_uint_eq(vn_iov_put(iov, 4, 7, "12345", 5), 1);
	ck_assert_mem_eq(b, "Yefg1", 5);
}
END_TEST

START_TEST(zero_clears_only_its_range)
{
	ck_assert_uint_eq(vn_iov_zero(iov, 4, 1, 3), 3);
	ck_assert_mem_eq(a, "a\0\0", 3);
	ck_assert_mem_eq(b, "\0efgh", 5);
	ck_assert_uint_eq(vn_iov_zero(iov, 4, 6, 100), 2);
	ck_assert_mem_eq(b, "\0ef\0\0", 5);
}
END_TEST

START_TEST(slice_describes_a_range_and_respects_max)
{
	struct iovec out[2];

	ck_assert_uint_eq(vn_iov_slice(out, 2, iov, 4, 1, 4), 2);
	ck_assert_ptr_eq(out[0].iov_base, a + 1);
	ck_assert_uint_eq(out[0].iov_len, 2);
	ck_assert_ptr_eq(out[1].iov_base, b);
	ck_assert_uint_eq(out[1].iov_len, 2);
	ck_assert_uint_eq(vn_iov_slice(out, 1, iov, 4, 0, 8), 1);
	ck_assert_uint_eq(out[0].iov_len, 3);
	ck_assert_uint_eq(vn_iov_slice(out, 2, iov, 4, 8, 1), 0);
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){.suite = "base/iov", .setup = setup}), total_adds_up_and_saturates,
		   get_reads_across_elements_and_stops_at_the_end, put_writes_across_elements_and_leaves_the_rest_alone,
		   zero_clears_only_its_range, slice_describes_a_range_and_respects_max)
