// SPDX-License-Identifier: Apache-2.0
#include "overlay/extents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../check_main.h"
#include "store/store.h"

#define NONE STORE_EXTENT_NONE
#define DATA STORE_EXTENT_DATA
#define ZERO STORE_EXTENT_ZERO
#define MAP 300 /* bytes of the model */

static struct ovl_extents *e;

static void setup(void)
{
	e = ovl_extents_new();
	ck_assert_ptr_nonnull(e);
}

static void teardown(void)
{
	ovl_extents_free(e);
}

static void put(uint64_t start, uint64_t end, int kind)
{
	ck_assert_int_eq(ovl_extents_reserve(e, 1), 0);
	ovl_extents_set(e, start, end, kind);
}

static void check_list(size_t n, const struct ovl_extent *want)
{
	ck_assert_uint_eq(e->count, n);
	for (size_t i = 0; i < n; i++) {
		ck_assert_uint_eq(e->list[i].start, want[i].start);
		ck_assert_uint_eq(e->list[i].end, want[i].end);
		ck_assert_int_eq(e->list[i].kind, want[i].kind);
	}
}
#define CHECK(...)                                                                                 \
	do {                                                                                       \
		const struct ovl_extent want[] = {__VA_ARGS__};                                    \
		check_list(sizeof(want) / sizeof(want[0]), want);                                  \
	} while (0)

START_TEST(neighbours_of_one_kind_become_one)
{
	put(10, 20, DATA);
	put(30, 40, DATA);
	CHECK({10, 20, DATA}, {30, 40, DATA});
	put(20, 30, DATA);
	CHECK({10, 40, DATA});
	put(40, 50, ZERO);
	put(0, 10, ZERO);
	CHECK({0, 10, ZERO}, {10, 40, DATA}, {40, 50, ZERO});
	ck_assert_uint_eq(e->bytes, 50);
}
END_TEST

START_TEST(a_set_in_the_middle_leaves_both_ends)
{
	put(0, 100, DATA);
	put(40, 60, ZERO);
	CHECK({0, 40, DATA}, {40, 60, ZERO}, {60, 100, DATA});
	put(50, 55, NONE);
	CHECK({0, 40, DATA}, {40, 50, ZERO}, {55, 60, ZERO}, {60, 100, DATA});
	put(0, 100, DATA);
	CHECK({0, 100, DATA});
	put(50, 50, NONE);
	CHECK({0, 100, DATA});
}
END_TEST

START_TEST(cut_forgets_what_lies_behind)
{
	put(0, 10, DATA);
	put(20, 30, ZERO);
	ovl_extents_cut(e, 25);
	CHECK({0, 10, DATA}, {20, 25, ZERO});
	ovl_extents_cut(e, 15);
	CHECK({0, 10, DATA});
	ck_assert_uint_eq(e->bytes, 10);
	ovl_extents_cut(e, 0);
	ck_assert_uint_eq(e->count, 0);
	ck_assert_uint_eq(e->bytes, 0);
}
END_TEST

START_TEST(at_tells_the_kind_and_where_it_ends)
{
	uint64_t end;

	put(10, 20, DATA);
	ck_assert_int_eq(ovl_extents_at(e, 0, &end), NONE);
	ck_assert_uint_eq(end, 10);
	ck_assert_int_eq(ovl_extents_at(e, 10, &end), DATA);
	ck_assert_uint_eq(end, 20);
	ck_assert_int_eq(ovl_extents_at(e, 20, &end), NONE);
	ck_assert_uint_eq(end, UINT64_MAX);
}
END_TEST

START_TEST(offsets_at_the_end_of_the_world)
{
	uint64_t end;

	put(INT64_MAX - 1, INT64_MAX, DATA);
	ck_assert_int_eq(ovl_extents_at(e, INT64_MAX - 1, &end), DATA);
	ck_assert_uint_eq(end, INT64_MAX);
	ck_assert(ovl_extents_cover(e, INT64_MAX - 1, INT64_MAX));
	ck_assert(!ovl_extents_cover(e, 0, INT64_MAX));
	ck_assert_uint_eq(ovl_extents_missing(e, INT64_MAX), INT64_MAX - 1);
}
END_TEST

/* ---- against one kind per byte ---- */

static int map[MAP];

static void check_shape(void)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < e->count; i++) {
		ck_assert_uint_lt(e->list[i].start, e->list[i].end);
		ck_assert_int_ne(e->list[i].kind, NONE);
		bytes += e->list[i].end - e->list[i].start;
		if (!i)
			continue;
		ck_assert_uint_le(e->list[i - 1].end, e->list[i].start);
		ck_assert(e->list[i - 1].end < e->list[i].start || e->list[i - 1].kind != e->list[i].kind);
	}
	ck_assert_uint_eq(e->bytes, bytes);
}

static void check_map(void)
{
	uint64_t pos = 0, end;

	for (; pos < MAP; pos = end) {
		int kind = ovl_extents_at(e, pos, &end);

		ck_assert_uint_gt(end, pos);
		for (uint64_t i = pos; i < end && i < MAP; i++)
			ck_assert_int_eq(map[i], kind);
	}
}

static void check_questions(unsigned from, unsigned to)
{
	bool cover = true, zero = false;
	uint64_t missing = 0;

	for (unsigned i = from; i < to; i++)
		cover = cover && map[i] != NONE;
	for (unsigned i = 0; i < to; i++) {
		zero = zero || map[i] == ZERO;
		missing += map[i] == NONE;
	}
	ck_assert_int_eq(ovl_extents_cover(e, from, to), cover);
	ck_assert_int_eq(ovl_extents_any(e, ZERO, to), zero);
	ck_assert_uint_eq(ovl_extents_missing(e, to), missing);
}

START_TEST(random_sets_and_cuts_match_a_map_of_bytes)
{
	unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : 1;

	printf("# SEED=%u\n", seed);
	srand(seed);
	for (int round = 0; round < 30000; round++) {
		unsigned a = (unsigned)rand() % MAP, b = (unsigned)rand() % MAP;
		unsigned from = a < b ? a : b, to = a < b ? b : a;
		int kind = rand() % 3;

		if (rand() % 16 == 0) {
			ovl_extents_cut(e, from);
			to = MAP;
			kind = NONE;
		} else {
			if (rand() % 2 && to > from + 12)
				to = from + 12;
			put(from, to, kind);
		}
		for (unsigned i = from; i < to; i++)
			map[i] = kind;
		check_shape();
		if (round % 8 == 0)
			check_map();
		check_questions(from, to);
	}
}
END_TEST

START_TEST(reserve_is_enough_for_that_many_sets)
{
	put(0, 1000, DATA);
	ck_assert_int_eq(ovl_extents_reserve(e, 100), 0);
	size_t cap = e->cap;

	for (uint64_t i = 0; i < 100; i++)
		ovl_extents_set(e, 10 * i + 2, 10 * i + 5, ZERO);
	ck_assert_uint_eq(e->cap, cap);
	ck_assert_uint_eq(e->count, 201);
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){.suite = "overlay/extents", .setup = setup, .teardown = teardown}),
		   neighbours_of_one_kind_become_one, a_set_in_the_middle_leaves_both_ends,
		   cut_forgets_what_lies_behind, at_tells_the_kind_and_where_it_ends, offsets_at_the_end_of_the_world,
		   random_sets_and_cuts_match_a_map_of_bytes, reserve_is_enough_for_that_many_sets)
