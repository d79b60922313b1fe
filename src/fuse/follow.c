// SPDX-License-Identifier: Apache-2.0
#include "fuse/follow.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define SAME_ENOUGH 2           /* requests in a row that make a client worth following */
#define OTHERS_ENOUGH 16        /* changes of client that make following pointless */
#define LARGE 100000            /* bytes that cost more than a wake-up; listings are smaller */
#define PAUSE_NS 15000          /* a client that takes longer may have moved */
#define LOOK_SOON_NS 400000     /* then it is looked for, at most so often */
#define LOOK_LATE_NS 50000000   /* and ever more rarely while it stays where it is */
#define LOOK_APART_NS 200000    /* clients in turn are not chased */
#define LOOK_KEPT_NS 100000     /* one that is to be kept and is late has probably got away, */
#define LOOK_KEEPER_NS 1000000  /* and may have without being late: apart, what is usual becomes longer */
#define MOVES_ENOUGH 3          /* looks in a row with the client elsewhere: it is moved whenever it wakes up */
#define MOVES_IN_VAIN 16        /* looks in quick succession: it is moved although it is kept */
#define KEEP_LEAST_NS 20000000  /* a client is kept for so long before it is seen whether it stays by itself, */
#define KEEP_MOST_NS 320000000  /* and ever longer, at most so long, when it did not, */
#define KEEP_TRIAL_NS 50000000  /* which shows in such a time */
#define KEEP_SOON_NS 20000000   /* after others wanted the CPU: when to try again, */
#define KEEP_LATE_NS 1000000000 /* and ever later, at most so late, if they want it again before that time has passed */
#define STRIKES_ENOUGH 8
#define OFF_NS 500000000
#define STAT_CPU 35 /* fields from the one behind the state to the processor, in /proc/PID/stat */

void vf_follow_init(struct vf_follow *f, const struct vn_cpus *allowed)
{
	*f = (struct vf_follow){.cpu = -1, .patience = LOOK_SOON_NS, .keep_time = KEEP_LEAST_NS,
				.keep_pause = KEEP_SOON_NS, .allowed = *allowed};
	vn_cpus_use(allowed);
	if (allowed->known)
		return;
	f->strikes = STRIKES_ENOUGH;
	f->off_until = INT64_MAX;
}

/* When the time is over, a few strikes more are enough. */
static bool follow_is_off(struct vf_follow *f)
{
	if (f->strikes < STRIKES_ENOUGH)
		return false;
	if (vn_mono_ns() < f->off_until)
		return true;
	f->strikes = STRIKES_ENOUGH / 2;
	return false;
}

/* ---- pinning ---- */

static void follow_release(struct vf_follow *f)
{
	if (f->cpu >= 0)
		vn_cpus_use(&f->allowed);
	f->cpu = -1;
}

static void follow_pin(struct vf_follow *f, int cpu)
{
	cpu_set_t one;

	if (cpu == f->cpu || cpu < 0 || cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &f->allowed.set))
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

static int follow_cpu(char *p)
{
	for (int i = 0; p && i < STAT_CPU; i++)
		p = strchr(p + 1, ' ');
	return p ? atoi(p) : -1;
}

/* The CPU, -1 when it cannot be told. One that we have stopped on its way to sleep waits as well. */
static int follow_find(struct vf_follow *f)
{
	char buf[1024], *p = follow_stat(f->pid, buf, sizeof(buf));
	int cpu = p && strlen(p) > 3 ? follow_cpu(p + 3) : -1;

	if (cpu >= 0 && (follow_waits(p[2]) || cpu == sched_getcpu())) {
		f->strikes = 0;
		return cpu;
	}
	f->strikes++;
	return -1;
}

static void follow_keep(struct vf_follow *f)
{
	if (f->looked < f->keep_after)
		return;
	if (f->looked - f->keep_until > KEEP_TRIAL_NS)
		f->keep_time = KEEP_LEAST_NS;
	else if (f->keep_time < KEEP_MOST_NS)
		f->keep_time *= 2;
	f->keep_until = f->looked + f->keep_time;
	f->keep = true;
}

/* Where CPUs have more to do nobody is moved (the scheduler looks for no idle one), and without a courier it is faster. */
static void follow_let_go(struct vf_follow *f)
{
	f->keep = false;
	f->moves = 0;
	f->patience = LOOK_SOON_NS;
}

/*
 * `since` the last look it was moved, and we went after it, or not. One that is to be kept is moved now and then,
 * when somebody else's work comes between; at once and again means that this scheduler works in another way.
 */
static void follow_moved(struct vf_follow *f, bool moved, int64_t since)
{
	if (f->keep && since > 2 * LOOK_KEEPER_NS)
		f->moves = 0;
	f->moves = moved ? f->moves + 1 : 0;
	if (f->moves < (f->keep ? MOVES_IN_VAIN : MOVES_ENOUGH))
		return;
	if (f->keep)
		vf_follow_contended(f);
	else
		follow_keep(f);
	f->moves = 0;
}

static void follow_look(struct vf_follow *f)
{
	int64_t before = f->looked;
	int was = f->cpu, cpu = follow_find(f);

	f->looked = vn_mono_ns();
	f->found = f->pid;
	if (cpu != was)
		f->patience = LOOK_SOON_NS;
	else if (f->patience < LOOK_LATE_NS)
		f->patience *= 2;
	follow_pin(f, cpu);
	follow_moved(f, was >= 0 && f->cpu >= 0 && f->cpu != was, f->looked - before);
	if (f->strikes < STRIKES_ENOUGH)
		return;
	f->off_until = f->looked + OFF_NS;
	follow_release(f);
}

/* ---- keeping a client ---- */

bool vf_follow_keeps(const struct vf_follow *f)
{
	return f->keep && f->cpu >= 0 && f->found && f->found == f->pid;
}

void vf_follow_contended(struct vf_follow *f)
{
	int64_t now = vn_mono_ns(), went_well = now - f->keep_after;

	if (went_well > KEEP_LATE_NS)
		f->keep_pause = KEEP_SOON_NS;
	else if (went_well < f->keep_pause && f->keep_pause < KEEP_LATE_NS)
		f->keep_pause *= 2;
	f->keep = false;
	f->keep_after = now + f->keep_pause;
}

/* ---- the course of requests ---- */

/* Whether the client took so long that it may be on another CPU, and it is time to look. */
static bool follow_is_late(struct vf_follow *f, int64_t now)
{
	int64_t pause = now - f->replied;
	bool late = pause > 2 * f->usual + PAUSE_NS;

	f->usual += (pause - f->usual) / 8;
	if (f->keep && late)
		return now - f->looked > LOOK_KEPT_NS;
	return pause > PAUSE_NS && now - f->looked > (f->keep ? LOOK_KEEPER_NS : f->patience);
}

void vf_follow_arrived(struct vf_follow *f)
{
	int64_t now;

	if (f->cpu < 0 || follow_is_off(f))
		return;
	now = vn_mono_ns();
	if (f->keep && now > f->keep_until)
		follow_let_go(f);
	if (follow_is_late(f, now))
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
	if (f->found != pid && vn_mono_ns() - f->looked > (f->keep ? LOOK_KEPT_NS : LOOK_APART_NS))
		follow_look(f);
}
