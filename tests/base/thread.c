// SPDX-License-Identifier: Apache-2.0
#include "base/thread.h"

#include "../check_main.h"

#ifdef __linux__
static int first_cpu(const struct vn_cpus *c)
{
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &c->set))
			return i;
	return -1;
}

START_TEST(a_thread_goes_where_it_may)
{
	struct vn_cpus all, one, now;

	vn_cpus_get(&all);
	ck_assert(all.known);
	one = all;
	for (int i = 0; i < CPU_SETSIZE; i++)
		vn_cpus_leave(&one, i);
	ck_assert_int_eq(CPU_COUNT(&one.set), 1); /* the last one stays */
	vn_cpus_use(&one);
	vn_cpus_get(&now);
	ck_assert(CPU_EQUAL(&now.set, &one.set));
	ck_assert_int_eq(sched_getcpu(), first_cpu(&one));
	vn_cpus_use(&all);
	vn_cpus_get(&now);
	ck_assert(CPU_EQUAL(&now.set, &all.set));
}
END_TEST

START_TEST(cpus_that_are_not_there_leave_nothing_behind)
{
	struct vn_cpus all, less;

	vn_cpus_get(&all);
	less = all;
	vn_cpus_leave(&less, -1);
	vn_cpus_leave(&less, CPU_SETSIZE);
	ck_assert(CPU_EQUAL(&less.set, &all.set));
	less.known = false;
	vn_cpus_leave(&less, first_cpu(&all));
	ck_assert(CPU_EQUAL(&less.set, &all.set));
}
END_TEST

VN_CHECK_MAIN("base/thread", a_thread_goes_where_it_may, cpus_that_are_not_there_leave_nothing_behind)
#else
START_TEST(without_such_a_thing_nothing_happens)
{
	struct vn_cpus c;

	vn_cpus_get(&c);
	ck_assert(!c.known);
	vn_cpus_leave(&c, 0);
	vn_cpus_use(&c);
	vn_thread_nice(19);
}
END_TEST

VN_CHECK_MAIN("base/thread", without_such_a_thing_nothing_happens)
#endif
