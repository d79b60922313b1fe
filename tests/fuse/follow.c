// SPDX-License-Identifier: Apache-2.0
/* A worker goes where its client waits, and only then. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check_main.h"
#include "fuse/follow.h"

static struct vf_follow f;
static pid_t client;
static int client_cpu;

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

/* A process that waits on the last CPU that we may use. */
static void setup(void)
{
	cpu_set_t mine, one;
	int ready[2];
	char byte;

	sched_getaffinity(0, sizeof(mine), &mine);
	client_cpu = last_cpu(&mine);
	ck_assert_int_eq(pipe(ready), 0);
	client = fork();
	if (!client) {
		CPU_ZERO(&one);
		CPU_SET(client_cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
		if (write(ready[1], "x", 1) == 1)
			pause();
		_exit(0);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	while (state_of(client) != 'S') /* it has written and goes to sleep; the test's time limit ends a wait in vain */
		usleep(1000);
	vf_follow_init(&f);
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
	cpu_set_t before = f.allowed, now;

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
		requests((uint32_t)getpid(), 2, 100); /* runs, so it does not wait for us */
		f.found = 0;
		usleep(300);
	}
	ck_assert_int_eq(f.cpu, -1);
	requests((uint32_t)client, 3, 100);
	ck_assert_int_eq(f.cpu, -1);
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
		   numbers_that_mean_nothing_here_turn_it_off, requests_of_nobody_are_not_followed)
