// SPDX-License-Identifier: Apache-2.0
/* What a thread may take of the machine. Where the system has no such thing for one thread (macOS), nothing happens. */
#ifndef VN_BASE_THREAD_H
#define VN_BASE_THREAD_H

#include <sched.h>
#include <stdbool.h>

/*
 * CPUs. A thread that binds itself to one (fuse/follow.h) hands that on to every thread that it
 * makes; so whoever makes threads on the way of a request asks beforehand where they belong.
 */
struct vn_cpus {
	bool known; /* false: there are too many to say, or the system does not tell */
#ifdef __linux__
	cpu_set_t set;
#endif
};

/* Where the calling thread may run (sched_getaffinity(2)). */
void vn_cpus_get(struct vn_cpus *c);

/* The calling thread may run there from now on, if they are known (sched_setaffinity(2)). */
void vn_cpus_use(const struct vn_cpus *c);

/* Takes one CPU out of the set, if it is in it and not the last. */
void vn_cpus_leave(struct vn_cpus *c, int cpu);

/* The calling thread's nice value, 0 to 19 (setpriority(2), which on Linux is for a thread). */
void vn_thread_nice(int nice);

#endif
