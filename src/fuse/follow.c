// SPDX-License-Identifier: Apache-2.0
#include "fuse/follow.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define SAME_ENOUGH 2         /* requests in a row that make a client worth following */
#define OTHERS_ENOUGH 16      /* changes of client that make following pointless */
#define LARGE 100000          /* bytes that cost more than a wake-up; listings are smaller */
#define PAUSE_NS 15000        /* a client that takes longer may have moved */
#define LOOK_SOON_NS 400000   /* then it is looked for, at most so often */
#define LOOK_LATE_NS 50000000 /* and ever more rarely while it stays where it is */
#define LOOK_APART_NS 200000  /* clients in turn are not chased */
#define STRIKES_ENOUGH 8
#define STAT_CPU 35 /* fields from the one behind the state to the processor, in /proc/PID/stat */

void vf_follow_init(struct vf_follow *f)
{
	*f = (struct vf_follow){.cpu = -1, .patience = LOOK_SOON_NS};
	if (sched_getaffinity(0, sizeof(f->allowed), &f->allowed) < 0)
		f->strikes = STRIKES_ENOUGH;
}

static bool follow_is_off(const struct vf_follow *f)
{
	return f->strikes >= STRIKES_ENOUGH;
}

/* ---- pinning ---- */

static void follow_release(struct vf_follow *f)
{
	if (f->cpu >= 0)
		sched_setaffinity(0, sizeof(f->allowed), &f->allowed);
	f->cpu = -1;
}

static void follow_pin(struct vf_follow *f, int cpu)
{
	cpu_set_t one;

	if (cpu == f->cpu || cpu < 0 || cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &f->allowed))
		return;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	f->cpu = sched_setaffinity(0, sizeof(one), &one) == 0 ? cpu : -1;
	f->others = 0;
}

/* ---- where the client is ---- */

/* The text behind the command's name, which may itself hold anything. NULL: no such process. */
static char *follow_stat(uint32_t pid, char *buf, size_t size)
{
	char path[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	n = read(fd, buf, size - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return strrchr(buf, ')');
}

/* A client waits while we work; one that never does is somebody else, of another process namespace. */
static bool follow_waits(char state)
{
	return state == 'S' || state == 'D' || state == 'I';
}

/* The CPU, -1 when it cannot be told. */
static int follow_find(struct vf_follow *f)
{
	char buf[1024], *p = follow_stat(f->pid, buf, sizeof(buf));

	if (!p || strlen(p) < 4 || !follow_waits(p[2])) {
		f->strikes++;
		return -1;
	}
	f->strikes = 0;
	p += 3;
	for (int i = 0; p && i < STAT_CPU; i++)
		p = strchr(p + 1, ' ');
	return p ? atoi(p) : -1;
}

static void follow_look(struct vf_follow *f)
{
	int cpu = follow_find(f);

	f->looked = vn_mono_ns();
	f->found = f->pid;
	if (cpu != f->cpu)
		f->patience = LOOK_SOON_NS;
	else if (f->patience < LOOK_LATE_NS)
		f->patience *= 2;
	follow_pin(f, cpu);
	if (follow_is_off(f))
		follow_release(f);
}

/* ---- the course of requests ---- */

void vf_follow_arrived(struct vf_follow *f)
{
	int64_t now;

	if (f->cpu < 0 || follow_is_off(f))
		return;
	now = vn_mono_ns();
	if (now - f->replied > PAUSE_NS && now - f->looked > f->patience)
		f->found = 0; /* look when the client is known to wait */
}

void vf_follow_replied(struct vf_follow *f)
{
	if (f->cpu >= 0)
		f->replied = vn_mono_ns();
}

static bool follow_another(struct vf_follow *f, uint32_t pid)
{
	if (pid == f->pid)
		return false;
	f->pid = pid;
	f->same = 0;
	if (++f->others < OTHERS_ENOUGH)
		return true;
	follow_release(f);
	f->found = 0;
	return true;
}

void vf_follow_client(struct vf_follow *f, uint32_t pid, size_t bytes)
{
	if (follow_is_off(f))
		return;
	if (bytes >= LARGE) {
		follow_release(f);
		f->same = 0;
		f->found = 0;
		return;
	}
	if (!pid || follow_another(f, pid) || ++f->same < SAME_ENOUGH)
		return;
	if (f->same >= OTHERS_ENOUGH)
		f->others = 0;
	if (f->found != pid && vn_mono_ns() - f->looked > LOOK_APART_NS)
		follow_look(f);
}
