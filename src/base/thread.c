// SPDX-License-Identifier: Apache-2.0
#include "base/thread.h"

#ifdef __linux__
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

void vn_cpus_get(struct vn_cpus *c)
{
	c->known = sched_getaffinity(0, sizeof(c->set), &c->set) == 0;
}

void vn_cpus_use(const struct vn_cpus *c)
{
	if (c->known)
		sched_setaffinity(0, sizeof(c->set), &c->set);
}

void vn_cpus_leave(struct vn_cpus *c, int cpu)
{
	if (c->known && cpu >= 0 && cpu < CPU_SETSIZE && CPU_COUNT(&c->set) > 1)
		CPU_CLR(cpu, &c->set);
}

void vn_thread_nice(int nice)
{
	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), nice);
}
#else
void vn_cpus_get(struct vn_cpus *c)
{
	c->known = false;
}

void vn_cpus_use(const struct vn_cpus *c)
{
	(void)c;
}

void vn_cpus_leave(struct vn_cpus *c, int cpu)
{
	(void)c, (void)cpu;
}

void vn_thread_nice(int nice)
{
	(void)nice;
}
#endif
