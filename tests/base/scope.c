// SPDX-License-Identifier: Apache-2.0
#include "base/scope.h"

#include <fcntl.h>
#include <string.h>

#include "../check_main.h"

START_TEST(a_descriptor_is_closed_by_scope)
{
	int number;

	{
		vn_autoclose int fd = open("/dev/null", O_RDONLY);
		number = fd;
		ck_assert_int_ge(fcntl(number, F_GETFD), 0);
	}
	ck_assert_int_eq(fcntl(number, F_GETFD), -1);
}
END_TEST

START_TEST(a_stolen_descriptor_stays_open)
{
	int number;

	{
		vn_autoclose int fd = open("/dev/null", O_RDONLY);
		number = vn_steal_fd(&fd);
		ck_assert_int_eq(fd, -1);
	}
	ck_assert_int_ge(fcntl(number, F_GETFD), 0);
	close(number);
}
END_TEST

START_TEST(a_stolen_pointer_leaves_null)
{
	char *kept;

	{
		vn_autofree char *text = strdup("x");
		kept = vn_steal_ptr(&text);
		ck_assert_ptr_null(text);
	}
	ck_assert_str_eq(kept, "x");
	free(kept);
}
END_TEST

START_TEST(locks_are_released_by_scope)
{
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	pthread_rwlock_t l = PTHREAD_RWLOCK_INITIALIZER;

	{
		vn_autounlock pthread_mutex_t *held = vn_lock(&m);
		vn_autounlock_rw pthread_rwlock_t *shared = vn_lock_rd(&l);
		ck_assert_int_eq(pthread_mutex_trylock(held), EBUSY);
		ck_assert_int_eq(pthread_rwlock_trywrlock(shared), EBUSY);
	}
	ck_assert_int_eq(pthread_mutex_trylock(&m), 0);
	ck_assert_int_eq(pthread_rwlock_trywrlock(&l), 0);
	pthread_mutex_unlock(&m);
	pthread_rwlock_unlock(&l);
}
END_TEST

static void fail_quietly(void)
{
	vn_autofree void *p = malloc(1);
	vn_autoclose int fd = 9999; /* close fails with EBADF */
	(void)p;
	(void)fd;
	errno = EXDEV;
}

START_TEST(errno_survives_the_way_out)
{
	fail_quietly();
	ck_assert_int_eq(errno, EXDEV);
}
END_TEST

VN_CHECK_MAIN("base/scope", a_descriptor_is_closed_by_scope, a_stolen_descriptor_stays_open,
	      a_stolen_pointer_leaves_null, locks_are_released_by_scope, errno_survives_the_way_out)
