// SPDX-License-Identifier: Apache-2.0
#include "cli/idmap.h"

#include "../check_main.h"

static const char table[] = "alice:100000:65536\n"
			    "broken:1\n"
			    "bob:7:1\n"
			    "1001:165536:65536\n"
			    "bob:300000:1000\n"
			    "huge:4294967295:65536";

START_TEST(ranges_by_name_and_number)
{
	uint32_t first = 0, count = 0;

	ck_assert(idmap_range(table, "alice", 5, &first, &count));
	ck_assert_uint_eq(first, 100000);
	ck_assert_uint_eq(count, 65536);
	ck_assert(idmap_range(table, NULL, 1001, &first, &count));
	ck_assert_uint_eq(first, 165536);
	ck_assert(!idmap_range(table, "ali", 100, &first, &count));
	ck_assert(!idmap_range("", "alice", 0, &first, &count));
}
END_TEST

START_TEST(useless_lines_are_skipped)
{
	uint32_t first = 0, count = 0;

	ck_assert(idmap_range(table, "bob", 5, &first, &count));
	ck_assert_uint_eq(first, 300000);
	ck_assert(!idmap_range(table, "broken", 5, &first, &count));
	ck_assert(!idmap_range(table, "huge", 5, &first, &count));
}
END_TEST

static void is(uint32_t got[3], uint32_t inside, uint32_t outside, uint32_t count)
{
	ck_assert_uint_eq(got[0], inside);
	ck_assert_uint_eq(got[1], outside);
	ck_assert_uint_eq(got[2], count);
}

START_TEST(one_stays_who_one_is)
{
	uint32_t t[3][3];

	ck_assert_int_eq(idmap_triples(1000, 1000, 100000, 65536, t), 3);
	is(t[0], 0, 100000, 1000);
	is(t[1], 1000, 1000, 1);
	is(t[2], 1001, 101000, 64536);
}
END_TEST

START_TEST(root_needs_two)
{
	uint32_t t[3][3];

	ck_assert_int_eq(idmap_triples(1000, 0, 100000, 65536, t), 2);
	is(t[0], 0, 1000, 1);
	is(t[1], 1, 100000, 65536);
}
END_TEST

START_TEST(a_short_range_ends_below)
{
	uint32_t t[3][3];

	ck_assert_int_eq(idmap_triples(65534, 65534, 100000, 1000, t), 2);
	is(t[0], 0, 100000, 1000);
	is(t[1], 65534, 65534, 1);
}
END_TEST

VN_CHECK_MAIN("cli/idmap", ranges_by_name_and_number, useless_lines_are_skipped, one_stays_who_one_is, root_needs_two,
	      a_short_range_ends_below)
