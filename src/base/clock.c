// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

static int64_t clock_read(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return vn_ns_from_ts(&ts);
}

int64_t vn_now_ns(void)
{
	return clock_read(CLOCK_REALTIME);
}

int64_t vn_mono_ns(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

int64_t vn_ns_make(int64_t sec, uint32_t nsec)
{
	int64_t ns;

	if (__builtin_mul_overflow(sec, VN_NS_PER_SEC, &ns) || __builtin_add_overflow(ns, (int64_t)nsec, &ns))
		return sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

int64_t vn_ns_from_ts(const struct timespec *ts)
{
	return vn_ns_make(ts->tv_sec, (uint32_t)ts->tv_nsec);
}

struct timespec vn_ns_to_ts(int64_t ns)
{
	int64_t sec = ns / VN_NS_PER_SEC;
	int64_t rest = ns % VN_NS_PER_SEC;

	if (rest < 0) {
		sec--;
		rest += VN_NS_PER_SEC;
	}
	return (struct timespec){.tv_sec = (time_t)sec, .tv_nsec = (long)rest};
}

#ifdef __APPLE__
void vn_cond_init(pthread_cond_t *c)
{
	pthread_cond_init(c, NULL);
}

int vn_cond_wait_until(pthread_cond_t *c, pthread_mutex_t *m, int64_t until)
{
	int64_t left = until - vn_mono_ns();
	struct timespec ts = vn_ns_to_ts(left > 0 ? left : 0);

	return pthread_cond_timedwait_relative_np(c, m, &ts);
}
#else
void vn_cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

int vn_cond_wait_until(pthread_cond_t *c, pthread_mutex_t *m, int64_t until)
{
	struct timespec ts = vn_ns_to_ts(until);

	return pthread_cond_timedwait(c, m, &ts);
}
#endif
