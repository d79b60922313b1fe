// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../check_main.h"
#include "overlay/tree.h"

enum { UO = 1, U = 2, GO = 4, G = 8, M = 16, O = 32 };

struct entry {
	unsigned tag, perm;
	uint32_t id;
};

static uint8_t acl[65536];
static size_t size;
static uint32_t mode;
static bool equiv;

static void le(size_t at, uint32_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		acl[at + (size_t)i] = (uint8_t)(value >> 8 * i);
}

static void begin(void)
{
	le(0, 2, 4);
	size = 4;
}

static void add(struct entry x)
{
	le(size, x.tag, 2);
	le(size + 2, x.perm, 2);
	le(size + 4, x.id, 4);
	size += 8;
}

static int make(const struct entry *list, size_t n)
{
	begin();
	for (size_t i = 0; i < n; i++)
		add(list[i]);
	mode = 0xdead;
	equiv = false;
	return ovl_acl_check(acl, size, &mode, &equiv);
}
#define ACL(...)                                                                                   \
	make((const struct entry[]){__VA_ARGS__}, sizeof((const struct entry[]){__VA_ARGS__}) / sizeof(struct entry))

static unsigned perm(size_t i)
{
	return acl[4 + 8 * i + 2] | (unsigned)acl[4 + 8 * i + 3] << 8;
}

#define NOID UINT32_MAX

START_TEST(minimal_acl_is_a_mode)
{
	ck_assert_int_eq(ACL({UO, 6, NOID}, {GO, 4, NOID}, {O, 1, NOID}), 0);
	ck_assert_uint_eq(mode, 0641);
	ck_assert(equiv);
}
END_TEST

START_TEST(mask_stands_for_the_group_bits)
{
	ck_assert_int_eq(ACL({UO, 7, 0}, {GO, 7, 0}, {M, 5, 0}, {O, 0, 0}), 0);
	ck_assert_uint_eq(mode, 0750);
	ck_assert(!equiv);
	ck_assert_int_eq(ACL({UO, 7, 0}, {U, 2, 5}, {GO, 1, 0}, {G, 4, 9}, {M, 6, 0}, {O, 3, 0}), 0);
	ck_assert_uint_eq(mode, 0763);
	ck_assert(!equiv);
}
END_TEST

START_TEST(each_base_entry_is_there_exactly_once)
{
	ck_assert_int_eq(ACL({GO, 4, 0}, {O, 1, 0}), -EINVAL);
	ck_assert_int_eq(ACL({UO, 4, 0}, {O, 1, 0}), -EINVAL);
	ck_assert_int_eq(ACL({UO, 4, 0}, {GO, 1, 0}), -EINVAL);
	ck_assert_int_eq(ACL({UO, 4, 0}, {UO, 4, 0}, {GO, 4, 0}, {O, 1, 0}), -EINVAL);
	ck_assert_int_eq(ACL({UO, 4, 0}, {GO, 4, 0}, {GO, 4, 0}, {O, 1, 0}), -EINVAL);
	ck_assert_int_eq(ACL({UO, 4, 0}, {GO, 4, 0}, {O, 1, 0}, {O, 1, 0}), -EINVAL);
	ck_assert_int_eq(ACL({UO, 4, 0}, {GO, 4, 0}, {M, 4, 0}, {M, 4, 0}, {O, 1, 0}), -EINVAL);
	ck_assert_uint_eq(mode, 0xdead); /* outputs only on success */
}
END_TEST

START_TEST(named_entries_need_a_mask)
{
	ck_assert_int_eq(ACL({UO, 4, 0}, {U, 4, 1}, {GO, 4, 0}, {O, 1, 0}), -EINVAL);
	ck_assert_int_eq(ACL({UO, 4, 0}, {GO, 4, 0}, {G, 4, 1}, {O, 1, 0}), -EINVAL);
	ck_assert_int_eq(ACL({UO, 4, 0}, {U, 4, 1}, {GO, 4, 0}, {M, 7, 0}, {O, 1, 0}), 0);
}
END_TEST

START_TEST(ids_are_unique_and_known)
{
	ck_assert_int_eq(ACL({UO, 4, 0}, {U, 4, 7}, {U, 5, 7}, {GO, 4, 0}, {M, 7, 0}, {O, 1, 0}), -EINVAL);
	ck_assert_int_eq(ACL({UO, 4, 0}, {U, 4, 7}, {U, 5, 3}, {U, 5, 7}, {GO, 4, 0}, {M, 7, 0}, {O, 1, 0}), -EINVAL);
	ck_assert_int_eq(ACL({UO, 4, 0}, {GO, 4, 0}, {G, 1, 9}, {G, 2, 9}, {M, 7, 0}, {O, 1, 0}), -EINVAL);
	ck_assert_int_eq(ACL({UO, 4, 0}, {U, 4, NOID}, {GO, 4, 0}, {M, 7, 0}, {O, 1, 0}), -EINVAL);
	/* a user and a group may share a number, and the order of the ids is free */
	ck_assert_int_eq(ACL({UO, 4, 0}, {U, 4, 9}, {U, 4, 2}, {GO, 4, 0}, {G, 4, 9}, {M, 7, 0}, {O, 1, 0}), 0);
}
END_TEST

START_TEST(tags_stand_in_order_and_are_known)
{
	ck_assert_int_eq(ACL({GO, 4, 0}, {UO, 4, 0}, {O, 1, 0}), -EINVAL);
	ck_assert_int_eq(ACL({UO, 4, 0}, {GO, 4, 0}, {O, 1, 0}, {M, 1, 0}), -EINVAL);
	ck_assert_int_eq(ACL({UO, 4, 0}, {GO, 4, 0}, {U, 4, 1}, {M, 1, 0}, {O, 1, 0}), -EINVAL);
	ck_assert_int_eq(ACL({UO, 4, 0}, {GO, 4, 0}, {0, 0, 0}, {O, 1, 0}), -EINVAL);
	ck_assert_int_eq(ACL({UO, 4, 0}, {GO, 4, 0}, {O, 1, 0}, {64, 1, 0}), -EINVAL);
}
END_TEST

START_TEST(permissions_are_three_bits)
{
	ck_assert_int_eq(ACL({UO, 8, 0}, {GO, 4, 0}, {O, 1, 0}), -EINVAL);
	ck_assert_int_eq(ACL({UO, 7, 0}, {GO, 0x100, 0}, {O, 1, 0}), -EINVAL);
	ck_assert_int_eq(ACL({UO, 7, 0}, {GO, 7, 0}, {O, 7, 0}), 0);
}
END_TEST

START_TEST(sizes_and_versions_that_are_none)
{
	ck_assert_int_eq(ACL({UO, 7, 0}, {GO, 7, 0}, {O, 7, 0}), 0);
	for (size_t n = 0; n < size; n++)
		ck_assert_int_eq(ovl_acl_check(acl, n, &mode, &equiv), -EINVAL);
	ck_assert_int_eq(ovl_acl_check(acl, size + 1, &mode, &equiv), -EINVAL);
	le(0, 1, 4);
	ck_assert_int_eq(ovl_acl_check(acl, size, &mode, &equiv), -EINVAL);
	le(0, 0x02000000, 4);
	ck_assert_int_eq(ovl_acl_check(acl, size, &mode, &equiv), -EINVAL);
}
END_TEST

START_TEST(the_largest_acl)
{
	begin();
	add((struct entry){UO, 7, 0});
	for (uint32_t i = 0; size + 8 * 4 <= sizeof(acl); i++)
		add((struct entry){U, 4, 100000 - i});
	add((struct entry){GO, 7, 0});
	add((struct entry){M, 7, 0});
	add((struct entry){O, 7, 0});
	ck_assert_int_eq(ovl_acl_check(acl, size, &mode, &equiv), 0);
	le(4 + 8 * 5 + 4, 100000, 4);
	ck_assert_int_eq(ovl_acl_check(acl, size, &mode, &equiv), -EINVAL);
}
END_TEST

START_TEST(random_bytes_never_crash)
{
	srand(3);
	for (int i = 0; i < 100000; i++) {
		size = (size_t)rand() % 80;
		for (size_t k = 0; k < size; k++)
			acl[k] = (uint8_t)(rand() % 4 ? rand() % 8 : rand());
		if (rand() % 4)
			le(0, 2, 4);
		int r = ovl_acl_check(acl, size, &mode, &equiv);

		ck_assert(r == 0 || r == -EINVAL);
		if (!r)
			ck_assert_uint_le(mode, 0777);
	}
}
END_TEST

START_TEST(chmod_changes_owner_mask_and_other)
{
	ck_assert_int_eq(ACL({UO, 7, 0}, {U, 7, 4}, {GO, 6, 0}, {M, 7, 0}, {O, 7, 0}), 0);
	ck_assert_int_eq(ovl_acl_chmod(acl, size, 0100640), 0);
	ck_assert_uint_eq(perm(0), 6);
	ck_assert_uint_eq(perm(1), 7);
	ck_assert_uint_eq(perm(2), 6);
	ck_assert_uint_eq(perm(3), 4);
	ck_assert_uint_eq(perm(4), 0);
	ck_assert_int_eq(ovl_acl_check(acl, size, &mode, &equiv), 0);
	ck_assert_uint_eq(mode, 0640);
}
END_TEST

START_TEST(chmod_without_a_mask_changes_the_group)
{
	ck_assert_int_eq(ACL({UO, 7, 0}, {GO, 6, 0}, {O, 7, 0}), 0);
	ck_assert_int_eq(ovl_acl_chmod(acl, size, 0123), 0);
	ck_assert_uint_eq(perm(0), 1);
	ck_assert_uint_eq(perm(1), 2);
	ck_assert_uint_eq(perm(2), 3);
	ck_assert_int_eq(ovl_acl_chmod(acl, size - 8, 0123), -EINVAL);
}
END_TEST

START_TEST(create_takes_what_both_grant)
{
	mode = 0;
	ck_assert_int_eq(ACL({UO, 7, 0}, {GO, 5, 0}, {O, 4, 0}), 0);
	mode = 0100666;
	ck_assert_int_eq(ovl_acl_create(acl, size, &mode, &equiv), 0);
	ck_assert_uint_eq(mode, 0100644);
	ck_assert(equiv);
	ck_assert_uint_eq(perm(0), 6);
	ck_assert_uint_eq(perm(1), 4);
	ck_assert_uint_eq(perm(2), 4);
}
END_TEST

START_TEST(create_with_a_mask_leaves_the_group_alone)
{
	ck_assert_int_eq(ACL({UO, 7, 0}, {U, 7, 4}, {GO, 7, 0}, {M, 7, 0}, {O, 0, 0}), 0);
	mode = 0102664;
	ck_assert_int_eq(ovl_acl_create(acl, size, &mode, &equiv), 0);
	ck_assert_uint_eq(mode, 0102660);
	ck_assert(!equiv);
	ck_assert_uint_eq(perm(0), 6);
	ck_assert_uint_eq(perm(1), 7);
	ck_assert_uint_eq(perm(2), 7);
	ck_assert_uint_eq(perm(3), 6);
	ck_assert_uint_eq(perm(4), 0);
}
END_TEST

VN_CHECK_MAIN("overlay/acl", minimal_acl_is_a_mode, mask_stands_for_the_group_bits,
	      each_base_entry_is_there_exactly_once, named_entries_need_a_mask, ids_are_unique_and_known,
	      tags_stand_in_order_and_are_known, permissions_are_three_bits, sizes_and_versions_that_are_none,
	      the_largest_acl, random_bytes_never_crash, chmod_changes_owner_mask_and_other,
	      chmod_without_a_mask_changes_the_group, create_takes_what_both_grant,
	      create_with_a_mask_leaves_the_group_alone)
