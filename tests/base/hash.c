// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include "../check_main.h"

/* On-disk values: a change here means that existing uppers no longer match. */
START_TEST(values_never_change)
{
	ck_assert_uint_eq(vn_hash_name(VN_HASH_SEED, "", 0), UINT64_C(0x2d06800538d394c2));
	ck_assert_uint_eq(vn_hash_name(VN_HASH_SEED, "etc", 3), XXH3_64bits("etc", 3));
	ck_assert_uint_eq(vn_checksum(0, "", 0), UINT64_C(0x2d06800538d394c2));
}
END_TEST

START_TEST(the_seed_separates_equal_names)
{
	uint64_t one = vn_hash_name(1, "passwd", 6), two = vn_hash_name(2, "passwd", 6);

	ck_assert_uint_ne(one, two);
	ck_assert_uint_ne(vn_checksum(1, "x", 1), vn_checksum(2, "x", 1));
}
END_TEST

START_TEST(a_chain_depends_on_where_the_names_end)
{
	uint64_t ab_c = vn_hash_name(vn_hash_name(VN_HASH_SEED, "ab", 2), "c", 1);
	uint64_t a_bc = vn_hash_name(vn_hash_name(VN_HASH_SEED, "a", 1), "bc", 2);

	ck_assert_uint_ne(ab_c, a_bc);
}
END_TEST

VN_CHECK_MAIN("base/hash", values_never_change, the_seed_separates_equal_names, a_chain_depends_on_where_the_names_end)
