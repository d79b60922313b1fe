// SPDX-License-Identifier: Apache-2.0
/* Times as int64_t nanoseconds: enough until the year 2262. */
#ifndef VN_BASE_CLOCK_H
#define VN_BASE_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#define VN_NS_PER_SEC INT64_C(1000000000)

/* Wall clock, nanoseconds since the epoch. */
int64_t vn_now_ns(void);

/* A clock that only moves forward, nanoseconds since an arbitrary moment. */
int64_t vn_mono_ns(void);

/* Seconds and nanoseconds (0..999,999,999) to nanoseconds; what does not fit saturates. */
int64_t vn_ns_make(int64_t sec, uint32_t nsec);

/* The same for a timespec. */
int64_t vn_ns_from_ts(const struct timespec *ts);

/* Nanoseconds to a timespec with tv_nsec in 0..999,999,999, also before the epoch. */
struct timespec vn_ns_to_ts(int64_t ns);

/* Makes a condition for vn_cond_wait_until; pthread_cond_destroy ends it. */
void vn_cond_init(pthread_cond_t *c);

/*
 * pthread_cond_timedwait, until vn_mono_ns() is `until`: setting the wall clock neither ends nor prolongs it.
 * Returns 0 or ETIMEDOUT; as always, it may also return early. m is held.
 */
int vn_cond_wait_until(pthread_cond_t *c, pthread_mutex_t *m, int64_t until);

#endif
