// SPDX-License-Identifier: Apache-2.0
/* As few threads as possible read, and nobody is held up all the same. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "../check_main.h"
#include "fuse/readers.h"

#define THREADS 6
#define MANY 2000

/* A device: bytes are requests. q is carried out at once; w waits for the gate, s does too and says so. */
static int device[2];
static int gate[2];
static struct vf_readers readers;
static struct vf_reader each[THREADS];
static pthread_t threads[THREADS];
static _Atomic unsigned served, made, looks;
static _Atomic uint32_t pid; /* whose requests they are; 0: everybody is new */

static void serve(char request)
{
	char byte;

	if (request != 'q' && read(gate[0], &byte, 1) != 1)
		abort();
	atomic_fetch_add(&served, 1);
}

static void *thread_main(void *arg)
{
	struct vf_reader *me = arg;
	char request;

	vf_readers_enter(&readers, me);
	while (vf_readers_wait(&readers, me)) {
		bool got = read(device[0], &request, 1) == 1;

		if (got) {
			vf_readers_busy(&readers, me, pid ? pid : 2 + atomic_load(&served), request == 's');
			serve(request);
		}
		vf_readers_done(&readers, me);
		if (!got)
			break;
	}
	return NULL;
}

static int make(void *arg)
{
	unsigned i = readers.count;

	(void)arg;
	atomic_fetch_add(&made, 1);
	return -pthread_create(&threads[i], NULL, thread_main, &each[i]);
}

static void look(void *arg)
{
	(void)arg;
	atomic_fetch_add(&looks, 1);
}

static void setup(void)
{
	ck_assert_int_eq(pipe(device), 0);
	ck_assert_int_eq(pipe(gate), 0);
	pid = 1;
	vf_readers_init(&readers, THREADS, make, look, NULL);
	ck_assert_int_eq(vf_readers_start(&readers), 0);
}

static void teardown(void)
{
	unsigned n = vf_readers_end(&readers);

	close(device[1]);
	for (unsigned i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	vf_readers_fini(&readers);
	close(device[0]);
	close(gate[0]);
	close(gate[1]);
}

static void request(char what)
{
	ck_assert_int_eq(write(device[1], &what, 1), 1);
}

/* The test's time limit ends a wait that is in vain. */
static void wait_served(unsigned n)
{
	while (atomic_load(&served) < n)
		usleep(100);
}

START_TEST(one_client_is_served_by_one_thread)
{
	for (unsigned i = 1; i <= MANY; i++) {
		request('q');
		wait_served(i);
	}
	ck_assert_uint_eq(atomic_load(&readers.wanted), 1);
}
END_TEST

START_TEST(slow_request_lets_somebody_else_read)
{
	request('s');
	request('s');
	request('q');
	wait_served(1);
	ck_assert_uint_ge(atomic_load(&made), 3);
	ck_assert_int_eq(write(gate[1], "xx", 2), 2);
	wait_served(3);
}
END_TEST

START_TEST(request_that_turns_out_slow_holds_nobody_up)
{
	request('w');
	request('q');
	wait_served(1);
	ck_assert_int_eq(write(gate[1], "x", 1), 1);
	wait_served(2);
}
END_TEST

/* With the lock held it cannot be on its way. */
static bool watch_rests(void)
{
	bool rests;

	pthread_mutex_lock(&readers.lock);
	rests = !atomic_load(&readers.awake);
	pthread_mutex_unlock(&readers.lock);
	return rests;
}

START_TEST(watch_calls_while_there_are_requests_and_then_rests)
{
	unsigned before;

	request('q');
	while (!atomic_load(&looks))
		usleep(1000);
	while (!watch_rests())
		usleep(1000);
	before = atomic_load(&looks);
	usleep(50000);
	ck_assert_uint_eq(atomic_load(&looks), before);
}
END_TEST

START_TEST(watch_wakes_up_after_a_rest)
{
	while (atomic_load(&readers.awake))
		usleep(1000);
	request('q');
	wait_served(1);
	while (atomic_load(&readers.awake))
		usleep(1000);
	request('w');
	request('q');
	wait_served(2);
	ck_assert_int_eq(write(gate[1], "x", 1), 1);
	wait_served(3);
}
END_TEST

START_TEST(all_threads_may_be_held_up_and_go_on)
{
	for (unsigned i = 0; i < THREADS + 2; i++)
		request('s');
	while (atomic_load(&made) < THREADS)
		usleep(1000);
	for (unsigned i = 0; i < THREADS + 2; i++)
		ck_assert_int_eq(write(gate[1], "x", 1), 1);
	wait_served(THREADS + 2);
	request('q');
	wait_served(THREADS + 3);
}
END_TEST

START_TEST(clients_in_turn_get_a_second_reader_and_lose_it)
{
	unsigned i = 1;

	pid = 0;
	for (; atomic_load(&readers.wanted) < 2; i++) {
		request('q');
		wait_served(i);
	}
	pid = 1;
	for (; atomic_load(&readers.wanted) > 1; i++) {
		request('q');
		wait_served(i);
	}
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){.suite = "fuse/readers", .setup = setup, .teardown = teardown}),
		   one_client_is_served_by_one_thread, slow_request_lets_somebody_else_read,
		   request_that_turns_out_slow_holds_nobody_up,
		   watch_calls_while_there_are_requests_and_then_rests, watch_wakes_up_after_a_rest,
		   all_threads_may_be_held_up_and_go_on, clients_in_turn_get_a_second_reader_and_lose_it)
