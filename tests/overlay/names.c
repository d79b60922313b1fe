// SPDX-License-Identifier: Apache-2.0
#include "overlay/names.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../check_main.h"

static struct ovl_name *add(struct ovl_names *t, const char *name, uint64_t ino)
{
	ck_assert_int_eq(ovl_names_reserve(t, name, strlen(name)), 0);
	struct ovl_name *e = ovl_names_add(t, name, strlen(name), OVL_NAME_OWN, DT_REG, ino);
	ck_assert_ptr_nonnull(e);
	return e;
}

START_TEST(find_gives_what_was_added_and_nothing_else)
{
	struct ovl_names *t = ovl_names_new();
	char name[32];
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "name%d", i);
		add(t, name, 2000 + (uint64_t)i);
	}
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "name%d", i);
		struct ovl_name *e = ovl_names_find(t, name, strlen(name));
		ck_assert_ptr_nonnull(e);
		ck_assert_uint_eq(e->ino, 2000 + (uint64_t)i);
	}
	ck_assert_ptr_null(ovl_names_find(t, "name5000", 8));
	ck_assert_ptr_null(ovl_names_find(t, "name", 4));
	ck_assert_uint_eq(ovl_names_visible(t), 5000);
	ovl_names_free(t);
}
END_TEST

START_TEST(listing_is_in_cookie_order_and_complete)
{
	struct ovl_names *t = ovl_names_new();
	char name[32];
	size_t n = 0;
	uint64_t cookie = 2;
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "%d", i);
		add(t, name, 1);
	}
	for (struct ovl_name *e; (e = ovl_names_after(t, cookie)); n++) {
		ck_assert_uint_gt(e->cookie, cookie);
		ck_assert_uint_le(e->cookie, INT64_MAX);
		cookie = e->cookie;
	}
	ck_assert_uint_eq(n, 3000);
	ovl_names_free(t);
}
END_TEST

/* What R1 promises: those that stay are seen once each, though half of the others go and as many come. */
START_TEST(listing_while_names_come_and_go_shows_the_rest_once)
{
	struct ovl_names *t = ovl_names_new();
	unsigned char seen[2000] = { 0 };
	char name[32];
	int step = 0;
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "stay%d", i);
		add(t, name, 1 + (uint64_t)i);
		snprintf(name, sizeof(name), "go%d", i);
		add(t, name, 0);
	}
	uint64_t cookie = 2;
	for (struct ovl_name *e; (e = ovl_names_after(t, cookie)); step++) {
		cookie = e->cookie;
		if (e->ino)
			seen[e->ino - 1]++;
		snprintf(name, sizeof(name), "go%d", step % 2000);
		struct ovl_name *gone = ovl_names_find(t, name, strlen(name));
		if (gone)
			ovl_names_remove(t, gone);
		if (step < 2000) {
			snprintf(name, sizeof(name), "come%d", step);
			add(t, name, 0);
		}
	}
	for (int i = 0; i < 2000; i++)
		ck_assert_int_eq(seen[i], 1);
	ovl_names_free(t);
}
END_TEST

START_TEST(cookie_is_the_same_in_another_table)
{
	struct ovl_names *a = ovl_names_new(), *b = ovl_names_new();
	uint64_t cookie = add(a, "file", 1)->cookie;
	for (int i = 0; i < 100; i++) {
		char name[16];
		snprintf(name, sizeof(name), "x%d", i);
		add(b, name, 1);
	}
	ck_assert_uint_eq(add(b, "file", 1)->cookie, cookie);
	ovl_names_free(a);
	ovl_names_free(b);
}
END_TEST

START_TEST(removed_names_give_their_room_back)
{
	struct ovl_names *t = ovl_names_new();
	char name[300];
	memset(name, 'n', sizeof(name));
	for (int i = 0; i < 100000; i++) {
		int len = snprintf(name, 20, "%d", i);
		name[len] = 'n';
		ck_assert_int_eq(ovl_names_reserve(t, name, 255), 0);
		struct ovl_name *e = ovl_names_add(t, name, 255, OVL_NAME_OWN, DT_REG, 1);
		ck_assert_ptr_nonnull(e);
		ovl_names_remove(t, e);
	}
	ck_assert_uint_lt(ovl_names_bytes(t), 65536);
	ck_assert_uint_eq(ovl_names_count(t), 0);
	ovl_names_free(t);
}
END_TEST

START_TEST(whiteouts_are_found_but_do_not_count_as_visible)
{
	struct ovl_names *t = ovl_names_new();
	struct ovl_name *e = add(t, "gone", 7);
	ovl_names_set(t, e, OVL_NAME_WHITEOUT, DT_REG, 0);
	ck_assert_ptr_eq(ovl_names_find(t, "gone", 4), e);
	ck_assert_uint_eq(ovl_names_visible(t), 0);
	ovl_names_set(t, e, OVL_NAME_OWN, DT_DIR, 9);
	ck_assert_uint_eq(ovl_names_visible(t), 1);
	ovl_names_free(t);
}
END_TEST

START_TEST(layers_of_a_directory_are_kept)
{
	struct ovl_names *t = ovl_names_new();
	const uint16_t layers[] = { 3, 7, 499 };
	struct ovl_name *e = add(t, "dir", 0);
	size_t n;
	ck_assert_ptr_null(ovl_names_layers_of(t, e, &n));
	ck_assert_int_eq(ovl_names_layers(t, e, layers, 3), 0);
	const uint16_t *got = ovl_names_layers_of(t, e, &n);
	ck_assert_uint_eq(n, 3);
	ck_assert_mem_eq(got, layers, sizeof(layers));
	ovl_names_free(t);
}
END_TEST

VN_CHECK_MAIN("overlay/names", find_gives_what_was_added_and_nothing_else, listing_is_in_cookie_order_and_complete,
	      listing_while_names_come_and_go_shows_the_rest_once, cookie_is_the_same_in_another_table,
	      removed_names_give_their_room_back, whiteouts_are_found_but_do_not_count_as_visible,
	      layers_of_a_directory_are_kept)
