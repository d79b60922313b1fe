// SPDX-License-Identifier: Apache-2.0
/* The lookups of a session, against counts kept beside. */
#include "overlay/refs.h"

#include "../check_main.h"
#include "overlay/tree.h"

#define NODES 3000

static struct ovl_node nodes[NODES];
static uint64_t counts[NODES];

static struct ovl_refs *filled(uint64_t lookups)
{
	struct ovl_refs *refs = ovl_refs_new();

	ck_assert_ptr_nonnull(refs);
	for (size_t i = 0; i < NODES; i++) {
		bool first = false;

		nodes[i].ino = i + 1;
		ck_assert_int_eq(ovl_refs_add(refs, &nodes[i], lookups, &first), 0);
		ck_assert(first);
		counts[i] = lookups;
	}
	return refs;
}

static void count_down(void *arg, struct ovl_node *n)
{
	(void)n;
	--*(size_t *)arg;
}

static void emptied(struct ovl_refs *refs, size_t left)
{
	ovl_refs_take(refs, count_down, &left);
	ck_assert_uint_eq(left, 0);
	ovl_refs_free(refs);
}

START_TEST(the_first_lookup_and_the_last_are_told)
{
	struct ovl_node n = {.ino = 7};
	struct ovl_refs *refs = ovl_refs_new();
	bool first;

	ck_assert(!ovl_refs_has(refs, &n) && !ovl_refs_sub(refs, &n, 1));
	ck_assert_int_eq(ovl_refs_add(refs, &n, 1, &first), 0);
	ck_assert(first && ovl_refs_has(refs, &n));
	ck_assert_int_eq(ovl_refs_add(refs, &n, 2, &first), 0);
	ck_assert(!first);
	ck_assert(!ovl_refs_sub(refs, &n, 2));
	ck_assert(ovl_refs_sub(refs, &n, 1) && !ovl_refs_has(refs, &n));
	emptied(refs, 0);
}
END_TEST

START_TEST(more_than_there_are_takes_all)
{
	struct ovl_refs *refs = filled(3);

	ck_assert(ovl_refs_sub(refs, &nodes[5], 100));
	ck_assert(!ovl_refs_sub(refs, &nodes[5], 1));
	emptied(refs, NODES - 1);
}
END_TEST

static int same_count(void *arg, struct ovl_node *n, uint64_t lookups)
{
	++*(size_t *)arg;
	return lookups == counts[n - nodes] ? 0 : -1;
}

/* Slots that are moved when others are emptied leave no counts behind. */
START_TEST(counts_are_right_after_many_have_gone_and_come)
{
	struct ovl_refs *refs = filled(2);
	size_t held = 0, seen = 0;
	unsigned random = 1;

	for (size_t i = 0; i < 20 * NODES; i++) {
		struct ovl_node *n = &nodes[(random = random * 1103515245 + 12345) >> 8 & 2047];
		uint64_t *count = &counts[n - nodes];
		bool first;

		if (*count) {
			ck_assert(ovl_refs_sub(refs, n, 1) == (*count == 1));
			--*count;
		} else {
			ck_assert_int_eq(ovl_refs_add(refs, n, 1 + i % 3, &first), 0);
			ck_assert(first);
			*count = 1 + i % 3;
		}
	}
	for (size_t i = 0; i < NODES; i++)
		held += counts[i] > 0;
	ck_assert_int_eq(ovl_refs_each(refs, same_count, &seen), 0);
	ck_assert_uint_eq(seen, held);
	emptied(refs, held);
}
END_TEST

VN_CHECK_MAIN("overlay/refs", the_first_lookup_and_the_last_are_told, more_than_there_are_takes_all,
	      counts_are_right_after_many_have_gone_and_come)
