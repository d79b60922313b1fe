// SPDX-License-Identifier: Apache-2.0
#include "fuse/vhost_memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../check_main.h"
#include "fuse/vhost_log.h"

#define MB (UINT64_C(1) << 20)

static int fd;
static struct vhost_memory *set;

/* The next set in place of the present one. */
static int add(uint64_t guest, uint64_t size, uint64_t user, uint64_t offset)
{
	struct vhost_region_wire r = {guest, size, user, offset};
	struct vhost_memory *next;
	int err = vhost_memory_add(set, &r, fd, &next);

	if (err)
		return err;
	vhost_memory_put(set);
	set = next;
	return 0;
}

static void setup(void)
{
	fd = memfd_create("guest", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(fd, 4 * MB), 0);
	set = vhost_memory_new();
	ck_assert_int_eq(add(2 * MB, MB, 0x7f0000000000, MB), 0);
	ck_assert_int_eq(add(0, MB, 0x7e0000000000, 0), 0);
	ck_assert_int_eq(add(MB, MB, 0x7d0000000000, 3 * MB), 0);
}

static void teardown(void)
{
	vhost_memory_put(set);
	close(fd);
}

START_TEST(addresses_lead_into_the_file_at_the_regions_offset)
{
	char *at = vhost_memory_guest(set, 2 * MB + 5, 3);

	ck_assert_ptr_nonnull(at);
	memcpy(at, "abc", 3);
	char got[3];
	ck_assert_int_eq(pread(fd, got, 3, MB + 5), 3);
	ck_assert_mem_eq(got, "abc", 3);
	ck_assert_ptr_eq(vhost_memory_user(set, 0x7f0000000005, 3), at);
}
END_TEST

START_TEST(nothing_outside_a_region_is_translated)
{
	ck_assert_ptr_null(vhost_memory_guest(set, 3 * MB, 1));
	ck_assert_ptr_null(vhost_memory_guest(set, 3 * MB - 1, 2));
	ck_assert_ptr_null(vhost_memory_guest(set, MB - 1, 2)); /* spans: only gather may */
	ck_assert_ptr_null(vhost_memory_guest(set, UINT64_MAX, 1));
	ck_assert_ptr_null(vhost_memory_guest(set, 5, UINT64_MAX));
	ck_assert_ptr_null(vhost_memory_user(set, 0x7f0000000000 - 1, 1));
	ck_assert_ptr_null(vhost_memory_user(set, 0x7f0000000000, MB + 1));
	ck_assert_ptr_null(vhost_memory_user(set, 0, 1));
}
END_TEST

START_TEST(gather_goes_on_in_the_next_region)
{
	struct iovec iov[4];

	ck_assert_int_eq(vhost_memory_gather(set, MB - 10, MB + 20, iov, 4), 3);
	ck_assert_uint_eq(iov[0].iov_len, 10);
	ck_assert_uint_eq(iov[1].iov_len, MB);
	ck_assert_uint_eq(iov[2].iov_len, 10);
	ck_assert_ptr_eq(iov[2].iov_base, vhost_memory_guest(set, 2 * MB, 10));
	ck_assert_int_eq(vhost_memory_gather(set, MB - 10, MB + 20, iov, 2), -E2BIG);
	ck_assert_int_eq(vhost_memory_gather(set, 3 * MB - 1, 2, iov, 4), -EFAULT);
	ck_assert_int_eq(vhost_memory_gather(set, 0, UINT32_MAX, iov, 4), -EFAULT);
	ck_assert_int_eq(vhost_memory_gather(set, UINT64_MAX - 1, 4, iov, 4), -EFAULT);
	ck_assert_int_eq(vhost_memory_gather(set, 0, 0, iov, 4), 0);
}
END_TEST

START_TEST(impossible_regions_are_refused)
{
	ck_assert_int_eq(add(8 * MB, 0, 0x100000, 0), -EINVAL);
	ck_assert_int_eq(add(UINT64_MAX - MB + 1, MB, 0x100000, 0), -EINVAL);
	ck_assert_int_eq(add(8 * MB, MB, UINT64_MAX - 5, 0), -EINVAL);
	ck_assert_int_eq(add(8 * MB, MB, 0x100000, UINT64_MAX - 5), -EINVAL);
	ck_assert_int_eq(add(8 * MB, MB, 0x100000, 4 * MB), -EINVAL); /* beyond the file: SIGBUS later */
	ck_assert_int_lt(add(8 * MB, UINT64_C(1) << 62, 0x100000, 0), 0);
	ck_assert_int_eq(add(3 * MB - 1, MB, 0x100000, 0), -EEXIST);
	ck_assert_int_eq(add(8 * MB, MB, 0x7f0000000000 + MB - 1, 0), -EEXIST);
	ck_assert_uint_eq(vhost_memory_count(set), 3);
}
END_TEST

START_TEST(slots_run_out_with_an_error)
{
	int err = 0;
	unsigned n = 3;

	for (; !err; n++)
		err = add(n * 16 * MB, 4096, 0x100000000 + n * 16 * MB, 0);
	ck_assert_int_eq(err, -ENOSPC);
	ck_assert_uint_eq(vhost_memory_count(set), VHOST_MEMORY_SLOTS);
}
END_TEST

START_TEST(a_removed_region_lives_as_long_as_somebody_uses_it)
{
	struct vhost_region_wire r = {MB, MB, 0x7d0000000000, 0};
	struct vhost_memory *rest, *held = vhost_memory_get(set);
	char *at = vhost_memory_guest(set, MB, 1);

	ck_assert_int_eq(vhost_memory_remove(set, &r, &rest), 0);
	vhost_memory_put(set);
	set = rest;
	ck_assert_ptr_null(vhost_memory_guest(set, MB, 1));
	ck_assert_ptr_nonnull(vhost_memory_guest(set, 2 * MB, 1));
	*at = 'x'; /* still mapped */
	vhost_memory_put(held);
	ck_assert_int_eq(vhost_memory_remove(set, &r, &rest), -ENOENT);
	ck_assert_uint_eq(vhost_memory_end(set), 3 * MB);
}
END_TEST

START_TEST(an_unaligned_offset_is_mapped)
{
	ck_assert_int_eq(pwrite(fd, "z", 1, 2 * MB + 777 * 8), 1);
	ck_assert_int_eq(add(9 * MB, 4096, 0x100000, 2 * MB + 777 * 8), 0);
	ck_assert_int_eq(*(char *)vhost_memory_guest(set, 9 * MB, 1), 'z');
}
END_TEST

START_TEST(the_dirty_log_marks_pages_and_stays_in_its_bounds)
{
	struct vhost_log *log;
	unsigned char bits[4] = {0};

	ck_assert_int_eq(vhost_log_new(fd, 0, 0, &log), -EINVAL);
	ck_assert_int_eq(vhost_log_new(fd, 4 * MB + 1, 0, &log), -EINVAL);
	ck_assert_int_eq(vhost_log_new(fd, 2, 100, &log), 0); /* 16 pages */
	vhost_log_mark(log, 4095, 2);
	vhost_log_mark(log, 9 * 4096, 1);
	vhost_log_mark(log, 15 * 4096, 100 * 4096);
	vhost_log_mark(log, UINT64_MAX - 4096, 4096);
	vhost_log_mark(log, 0, 0);
	vhost_log_put(log);
	ck_assert_int_eq(pread(fd, bits, 4, 100), 4);
	ck_assert_uint_eq(bits[0], 0x03);
	ck_assert_uint_eq(bits[1], 0x82);
	ck_assert_uint_eq(bits[2], 0);
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){.suite = "vhost/memory", .setup = setup, .teardown = teardown}),
		   addresses_lead_into_the_file_at_the_regions_offset, nothing_outside_a_region_is_translated,
		   gather_goes_on_in_the_next_region, impossible_regions_are_refused, slots_run_out_with_an_error,
		   a_removed_region_lives_as_long_as_somebody_uses_it, an_unaligned_offset_is_mapped,
		   the_dirty_log_marks_pages_and_stays_in_its_bounds)
