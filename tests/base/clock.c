// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include "../check_main.h"

START_TEST(times_before_the_epoch_keep_nanoseconds_positive)
{
	struct timespec ts = vn_ns_to_ts(-1);

	ck_assert_int_eq(ts.tv_sec, -1);
	ck_assert_int_eq(ts.tv_nsec, 999999999);
	ck_assert_int_eq(vn_ns_from_ts(&ts), -1);
}
END_TEST

START_TEST(times_beyond_2038_survive)
{
	struct timespec ts = {.tv_sec = INT64_C(5000000000), .tv_nsec = 123456789};
	struct timespec back = vn_ns_to_ts(vn_ns_from_ts(&ts));

	ck_assert_int_eq(back.tv_sec, ts.tv_sec);
	ck_assert_int_eq(back.tv_nsec, ts.tv_nsec);
}
END_TEST

START_TEST(what_does_not_fit_saturates)
{
	ck_assert_int_eq(vn_ns_make(INT64_MAX, 0), INT64_MAX);
	ck_assert_int_eq(vn_ns_make(INT64_MIN, 999999999), INT64_MIN);
	ck_assert_int_eq(vn_ns_make(INT64_MAX / VN_NS_PER_SEC, 999999999), INT64_MAX);
}
END_TEST

START_TEST(clocks_move_forward)
{
	int64_t wall = vn_now_ns(), mono = vn_mono_ns();

	ck_assert_int_gt(wall, INT64_C(1600000000) * VN_NS_PER_SEC);
	ck_assert_int_ge(vn_mono_ns(), mono);
}
END_TEST

START_TEST(a_wait_ends_at_its_deadline_and_not_before)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int64_t until = vn_mono_ns() + 30 * VN_NS_PER_SEC / 1000;
	pthread_cond_t cond;

	vn_cond_init(&cond);
	pthread_mutex_lock(&lock);
	while (vn_cond_wait_until(&cond, &lock, until) == 0)
		continue;
	pthread_mutex_unlock(&lock);
	pthread_cond_destroy(&cond);
	ck_assert_int_ge(vn_mono_ns(), until);
}
END_TEST

VN_CHECK_MAIN("base/clock", times_before_the_epoch_keep_nanoseconds_positive, times_beyond_2038_survive,
	      what_does_not_fit_saturates, clocks_move_forward, a_wait_ends_at_its_deadline_and_not_before)
