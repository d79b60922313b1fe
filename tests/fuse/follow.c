// SPDX-License-Identifier: Apache-2.0
/* A worker goes where its client waits, and only then. */
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check_main.h"
#include "base/clock.h"
#include "fuse/follow.h"

static struct vf_follow f;
static pid_t client;
static int client_cpu;
static cpu_set_t mine;
static struct vn_cpus allowed;
static int ready[2], orders[2];

static int last_cpu(const cpu_set_t *set)
{
	for (int i = CPU_SETSIZE - 1; i >= 0; i--)
		if (CPU_ISSET(i, set))
			return i;
	return -1;
}

static char state_of(pid_t pid)
{
	char path[64], text[512], *end;
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
	if (file)
		fclose(file);
	text[n] = '\0';
	end = strrchr(text, ')');
	return end && end[1] ? end[2] : '?';
}

static void pin_to(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

/* Goes to the CPU that it is told, says so, and waits to be told again. */
static void client_main(void)
{
	int cpu;

	while (read(orders[0], &cpu, sizeof(cpu)) == sizeof(cpu)) {
		pin_to(cpu);
		if (write(ready[1], "x", 1) != 1)
			break;
	}
	_exit(0);
}

static void client_waits_on(int cpu)
{
	char byte;

	ck_assert_int_eq(write(orders[1], &cpu, sizeof(cpu)), sizeof(cpu));
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	while (state_of(client) != 'S') /* it has written and goes to sleep; the test's time limit ends a wait in vain */
		usleep(1000);
}

/* A process that waits on the last CPU that we may use. */
static void setup(void)
{
	sched_getaffinity(0, sizeof(mine), &mine);
	vn_cpus_get(&allowed);
	client_cpu = last_cpu(&mine);
	ck_assert_int_eq(pipe(ready), 0);
	ck_assert_int_eq(pipe(orders), 0);
	client = fork();
	if (!client)
		client_main();
	client_waits_on(client_cpu);
	vf_follow_init(&f, &allowed);
}

static void teardown(void)
{
	kill(client, SIGKILL);
	waitpid(client, NULL, 0);
}

static void requests(uint32_t pid, int n, size_t bytes)
{
	for (int i = 0; i < n; i++) {
		vf_follow_arrived(&f);
		vf_follow_client(&f, pid, bytes);
		vf_follow_replied(&f);
	}
}

static int pinned(void)
{
	cpu_set_t now;

	sched_getaffinity(0, sizeof(now), &now);
	return CPU_COUNT(&now) == 1 ? last_cpu(&now) : -1;
}

START_TEST(one_client_is_followed)
{
	requests((uint32_t)client, 1, 100);
	ck_assert_int_eq(f.cpu, -1);
	requests((uint32_t)client, 2, 100);
	ck_assert_int_eq(f.cpu, client_cpu);
	ck_assert_int_eq(pinned(), client_cpu);
}
END_TEST

START_TEST(large_requests_set_the_worker_free)
{
	cpu_set_t before = f.allowed.set, now;

	requests((uint32_t)client, 3, 100);
	requests((uint32_t)client, 1, 1 << 20);
	ck_assert_int_eq(f.cpu, -1);
	sched_getaffinity(0, sizeof(now), &now);
	ck_assert(CPU_EQUAL(&before, &now));
}
END_TEST

START_TEST(clients_in_turn_are_not_followed)
{
	requests((uint32_t)client, 3, 100);
	for (uint32_t i = 0; i < 40; i++)
		requests(1000000 + i, 1, 100);
	ck_assert_int_eq(f.cpu, -1);
}
END_TEST

START_TEST(numbers_that_mean_nothing_here_turn_it_off)
{
	for (int i = 0; i < 2000 && f.strikes < 8; i++) {
		requests(INT32_MAX, 2, 100); /* no process has that number */
		f.found = 0;
		usleep(300);
	}
	ck_assert_int_eq(f.cpu, -1);
	ck_assert_int_lt(f.off_until, INT64_MAX);
	f.off_until = INT64_MAX; /* as if no time passed */
	requests((uint32_t)client, 3, 100);
	ck_assert_int_eq(f.cpu, -1);
}
END_TEST

START_TEST(it_is_tried_again_after_a_while)
{
	f.strikes = 8;
	f.off_until = INT64_MAX;
	requests((uint32_t)client, 3, 100);
	ck_assert_int_eq(f.cpu, -1);
	f.off_until = 1;
	requests((uint32_t)client, 3, 100);
	ck_assert_int_eq(f.cpu, client_cpu);
}
END_TEST

/* Whoever makes a worker may be pinned by then. */
START_TEST(pinning_is_not_inherited)
{
	cpu_set_t now;

	pin_to(client_cpu);
	vf_follow_init(&f, &allowed);
	sched_getaffinity(0, sizeof(now), &now);
	ck_assert(CPU_EQUAL(&mine, &now));
	vf_follow_init(&f, &(struct vn_cpus){.known = false});
	requests((uint32_t)client, 3, 100);
	ck_assert_int_eq(f.cpu, -1);
}
END_TEST

static int other_cpu(void)
{
	cpu_set_t others = mine;

	CPU_CLR(client_cpu, &others);
	return last_cpu(&others);
}

/* Each time that we have come, it is elsewhere. */
static void client_moves(int n)
{
	for (int i = 0; i < n; i++) {
		client_waits_on(f.cpu == client_cpu ? other_cpu() : client_cpu);
		f.found = 0;
		f.looked = 0;
		requests((uint32_t)client, 1, 100);
	}
}

START_TEST(a_client_that_is_always_moved_is_to_be_kept)
{
	if (other_cpu() < 0)
		return; /* one CPU: nobody is moved */
	requests((uint32_t)client, 3, 100);
	ck_assert(!vf_follow_keeps(&f));
	client_moves(2);
	ck_assert(!vf_follow_keeps(&f));
	client_moves(1);
	ck_assert(vf_follow_keeps(&f));
	requests((uint32_t)client, 1, 1 << 20);
	ck_assert(!vf_follow_keeps(&f));
}
END_TEST

START_TEST(whether_a_kept_client_would_stay_is_tried_ever_more_rarely)
{
	int64_t first;

	if (other_cpu() < 0)
		return;
	requests((uint32_t)client, 3, 100);
	client_moves(3);
	ck_assert(vf_follow_keeps(&f));
	first = f.keep_time;
	f.keep_until = vn_mono_ns() - 1; /* the time is over */
	requests((uint32_t)client, 1, 100);
	ck_assert(!vf_follow_keeps(&f));
	f.keep_until = vn_mono_ns() + VN_NS_PER_SEC; /* over just now, however long this test is held up */
	client_moves(3);
	ck_assert(vf_follow_keeps(&f));
	ck_assert_int_gt(f.keep_time, first);
	f.keep_until = 1; /* it had stayed for long */
	requests((uint32_t)client, 1, 100);
	ck_assert(!vf_follow_keeps(&f));
	client_moves(3);
	ck_assert(vf_follow_keeps(&f));
	ck_assert_int_eq(f.keep_time, first);
}
END_TEST

/* Where the courier is of no use. Each look is a ms after the one before. */
START_TEST(a_client_that_is_moved_although_it_is_kept_is_let_go)
{
	if (other_cpu() < 0)
		return;
	requests((uint32_t)client, 3, 100);
	client_moves(3);
	ck_assert(vf_follow_keeps(&f));
	for (int i = 0; i < 500 && f.keep; i++) {
		f.keep_until = INT64_MAX; /* not because it is tried without */
		client_waits_on(f.cpu == client_cpu ? other_cpu() : client_cpu);
		f.found = 0;
		f.looked = vn_mono_ns() - VN_NS_PER_SEC / 1000;
		requests((uint32_t)client, 1, 100);
	}
	ck_assert(!vf_follow_keeps(&f));
	ck_assert_int_gt(f.keep_after, 0);
}
END_TEST

START_TEST(a_client_where_we_may_not_go_is_not_kept)
{
	struct vn_cpus few = allowed;

	if (other_cpu() < 0)
		return;
	CPU_CLR(other_cpu(), &few.set);
	vf_follow_init(&f, &few);
	requests((uint32_t)client, 3, 100);
	ck_assert_int_eq(f.cpu, client_cpu);
	client_moves(20);
	ck_assert_int_eq(f.cpu, client_cpu);
	ck_assert(!vf_follow_keeps(&f));
}
END_TEST

START_TEST(where_others_want_the_cpu_nobody_is_kept_for_a_while)
{
	int64_t pause;

	if (other_cpu() < 0)
		return;
	requests((uint32_t)client, 3, 100);
	client_moves(3);
	ck_assert(vf_follow_keeps(&f));
	pause = f.keep_pause;
	vf_follow_contended(&f);
	ck_assert(!vf_follow_keeps(&f));
	f.keep_after = INT64_MAX; /* as if no time passed */
	client_moves(3);
	ck_assert(!vf_follow_keeps(&f));
	f.keep_after = 1;
	client_moves(3);
	ck_assert(vf_follow_keeps(&f));
	f.keep_after = vn_mono_ns() + VN_NS_PER_SEC; /* they came back at once, however long this test is held up */
	vf_follow_contended(&f);
	ck_assert_int_gt(f.keep_pause, pause);
}
END_TEST

START_TEST(requests_of_nobody_are_not_followed)
{
	requests(0, 50, 100);
	ck_assert_int_eq(f.cpu, -1);
	ck_assert_uint_eq(f.strikes, 0);
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){.suite = "fuse/follow", .setup = setup, .teardown = teardown}),
		   one_client_is_followed, large_requests_set_the_worker_free, clients_in_turn_are_not_followed,
		   numbers_that_mean_nothing_here_turn_it_off, it_is_tried_again_after_a_while,
		   pinning_is_not_inherited, a_client_that_is_always_moved_is_to_be_kept,
		   whether_a_kept_client_would_stay_is_tried_ever_more_rarely,
		   a_client_that_is_moved_although_it_is_kept_is_let_go, a_client_where_we_may_not_go_is_not_kept,
		   where_others_want_the_cpu_nobody_is_kept_for_a_while, requests_of_nobody_are_not_followed)
