// SPDX-License-Identifier: Apache-2.0
/*
 * POSIX ACLs as clients send and store them: the bytes of the xattrs
 * system.posix_acl_access and system.posix_acl_default. Version 2, all fields
 * little endian:
 *
 *	u32 version
 *	{ u16 tag, u16 perm, u32 id } ...
 *
 * in the order of the tags' values; those with an id (named users, named groups)
 * have each id once; there is a mask when there is one of them (acl(5)).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "overlay/tree.h"

#define ACL_VERSION 2u
#define ACL_HEADER 4u
#define ACL_ENTRY 8u
#define ACL_NO_ID UINT32_MAX
#define ACL_RWX 7u

enum acl_tag {
	ACL_USER_OBJ = 0x01,
	ACL_USER = 0x02,
	ACL_GROUP_OBJ = 0x04,
	ACL_GROUP = 0x08,
	ACL_MASK = 0x10,
	ACL_OTHER = 0x20,
};

static uint32_t acl_le16(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8;
}

static uint32_t acl_le32(const uint8_t *p)
{
	return acl_le16(p) | acl_le16(p + 2) << 16;
}

static size_t acl_count(size_t size)
{
	return (size - ACL_HEADER) / ACL_ENTRY;
}

static const uint8_t *acl_entry(const void *acl, size_t i)
{
	return (const uint8_t *)acl + ACL_HEADER + i * ACL_ENTRY;
}

static uint32_t acl_tag(const void *acl, size_t i)
{
	return acl_le16(acl_entry(acl, i));
}

static uint32_t acl_perm(const void *acl, size_t i)
{
	return acl_le16(acl_entry(acl, i) + 2);
}

static uint32_t acl_id(const void *acl, size_t i)
{
	return acl_le32(acl_entry(acl, i) + 4);
}

static void acl_set_perm(void *acl, size_t i, uint32_t perm)
{
	uint8_t *p = (uint8_t *)acl + ACL_HEADER + i * ACL_ENTRY + 2;

	p[0] = (uint8_t)perm;
	p[1] = 0;
}

static int acl_compare_id(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Entries first..first+n have one tag: is each id there once? They usually ascend. */
static int acl_check_ids(const void *acl, size_t first, size_t n)
{
	uint32_t *ids;
	size_t i = 1;
	int r = 0;

	while (i < n && acl_id(acl, first + i - 1) < acl_id(acl, first + i))
		i++;
	if (i >= n)
		return 0;
	ids = malloc(n * sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		ids[i] = acl_id(acl, first + i);
	qsort(ids, n, sizeof(*ids), acl_compare_id);
	for (i = 1; i < n && !r; i++)
		r = ids[i - 1] == ids[i] ? -EINVAL : 0;
	free(ids);
	return r;
}

/* The entries of one tag from *i on: moves *i behind them and tells how many there were. -EINVAL for an impossible one. */
static int acl_take(const void *acl, size_t count, size_t *i, enum acl_tag tag, size_t *taken)
{
	size_t first = *i;
	bool named = tag == ACL_USER || tag == ACL_GROUP;

	for (; *i < count && acl_tag(acl, *i) == tag; ++*i) {
		if (acl_perm(acl, *i) & ~ACL_RWX || (named && acl_id(acl, *i) == ACL_NO_ID))
			return -EINVAL;
	}
	*taken = *i - first;
	if (!named)
		return *taken > 1 ? -EINVAL : 0;
	return acl_check_ids(acl, first, *taken);
}

static int acl_check_entries(const void *acl, size_t count, bool *equiv)
{
	static const enum acl_tag order[] = {ACL_USER_OBJ, ACL_USER, ACL_GROUP_OBJ, ACL_GROUP, ACL_MASK, ACL_OTHER};
	enum { OWNER, USERS, GROUP, GROUPS, MASK, OTHER, TAGS };
	size_t n[TAGS], i = 0;

	for (size_t k = 0; k < TAGS; k++) {
		int r = acl_take(acl, count, &i, order[k], &n[k]);

		if (r)
			return r;
	}
	if (i < count || !n[OWNER] || !n[GROUP] || !n[OTHER] || (n[USERS] + n[GROUPS] && !n[MASK]))
		return -EINVAL;
	*equiv = !n[MASK];
	return 0;
}

static uint32_t acl_mode(const void *acl, size_t count)
{
	uint32_t owner = 0, group = 0, mask = UINT32_MAX, other = 0;

	for (size_t i = 0; i < count; i++) {
		switch (acl_tag(acl, i)) {
		case ACL_USER_OBJ:
			owner = acl_perm(acl, i);
			break;
		case ACL_GROUP_OBJ:
			group = acl_perm(acl, i);
			break;
		case ACL_MASK:
			mask = acl_perm(acl, i);
			break;
		case ACL_OTHER:
			other = acl_perm(acl, i);
			break;
		default:
			break;
		}
	}
	return owner << 6 | (mask == UINT32_MAX ? group : mask) << 3 | other;
}

int ovl_acl_check(const void *acl, size_t size, uint32_t *mode, bool *equiv)
{
	bool only_mode;
	int r;

	if (size < ACL_HEADER || (size - ACL_HEADER) % ACL_ENTRY || acl_le32(acl) != ACL_VERSION)
		return -EINVAL;
	r = acl_check_entries(acl, acl_count(size), &only_mode);
	if (r)
		return r;
	*mode = acl_mode(acl, acl_count(size));
	*equiv = only_mode;
	return 0;
}

/* The entry that the group bits of a mode stand for: the mask, else the owning group. */
static size_t acl_group_class(const void *acl, size_t count)
{
	size_t group = count;

	for (size_t i = 0; i < count; i++) {
		if (acl_tag(acl, i) == ACL_MASK)
			return i;
		if (acl_tag(acl, i) == ACL_GROUP_OBJ)
			group = i;
	}
	return group;
}

int ovl_acl_chmod(void *acl, size_t size, uint32_t mode)
{
	uint32_t old;
	bool equiv;
	int r = ovl_acl_check(acl, size, &old, &equiv);

	if (r)
		return r;
	for (size_t i = 0; i < acl_count(size); i++) {
		if (acl_tag(acl, i) == ACL_USER_OBJ)
			acl_set_perm(acl, i, mode >> 6 & ACL_RWX);
		else if (acl_tag(acl, i) == ACL_OTHER)
			acl_set_perm(acl, i, mode & ACL_RWX);
	}
	acl_set_perm(acl, acl_group_class(acl, acl_count(size)), mode >> 3 & ACL_RWX);
	return 0;
}

/* Entry i and the three bits of *mode at `shift` keep what both grant. */
static void acl_meet(void *acl, size_t i, uint32_t *mode, unsigned shift)
{
	uint32_t both = acl_perm(acl, i) & *mode >> shift & ACL_RWX;

	acl_set_perm(acl, i, both);
	*mode = (*mode & ~(ACL_RWX << shift)) | both << shift;
}

int ovl_acl_create(void *acl, size_t size, uint32_t *mode, bool *equiv)
{
	uint32_t granted;
	int r = ovl_acl_check(acl, size, &granted, equiv);

	if (r)
		return r;
	for (size_t i = 0; i < acl_count(size); i++) {
		if (acl_tag(acl, i) == ACL_USER_OBJ)
			acl_meet(acl, i, mode, 6);
		else if (acl_tag(acl, i) == ACL_OTHER)
			acl_meet(acl, i, mode, 0);
	}
	acl_meet(acl, acl_group_class(acl, acl_count(size)), mode, 3);
	return 0;
}
