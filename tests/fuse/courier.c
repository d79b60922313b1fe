// SPDX-License-Identifier: Apache-2.0
/* Every reply that a courier took is sent once and whole, however long it has to wait. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "../check_main.h"
#include "base/clock.h"
#include "fuse/courier.h"
#include "fuse/device.h"
#include "wire.h"

#define SIZE 4096 /* of a reply, and of the pipe: the second write(2) waits */

static struct wire *w;
static struct vf_courier *courier;
static int device[2]; /* a pipe; replies come out of the first */
static char *buffer;
static int cpu;

static void setup(void)
{
	cpu_set_t mine;

	sched_getaffinity(0, sizeof(mine), &mine);
	for (cpu = 0; !CPU_ISSET(cpu, &mine); cpu++)
		;
	signal(SIGPIPE, SIG_IGN);
	w = wire_new();
	ck_assert_int_eq(pipe2(device, O_CLOEXEC), 0);
	ck_assert_int_ge(fcntl(device[1], F_SETPIPE_SZ, SIZE), SIZE);
	buffer = vf_buffer_map();
	ck_assert_ptr_nonnull(buffer);
	ck_assert_int_eq(vf_courier_new(device[1], w->s, &courier), 0);
}

static void teardown(void)
{
	vf_courier_free(courier);
	vf_buffer_unmap(buffer);
	close(device[1]);
	if (device[0] >= 0)
		close(device[0]);
	wire_free(w);
}

static bool take(char fill)
{
	struct fuse_in_header request = {.opcode = FUSE_READ};

	memset(vf_buffer_out(buffer).iov_base, fill, SIZE);
	return vf_courier_take(courier, cpu, &request, &buffer, SIZE);
}

/* The test's time limit ends a wait that is in vain. */
static void take_soon(char fill)
{
	while (!take(fill))
		usleep(100);
}

static void received(char fill)
{
	char got[SIZE];
	size_t n = 0;

	while (n < SIZE) {
		ssize_t part = read(device[0], got + n, SIZE - n);

		ck_assert_int_gt(part, 0);
		n += (size_t)part;
	}
	for (size_t i = 0; i < SIZE; i++)
		ck_assert_int_eq(got[i], fill);
}

START_TEST(replies_are_sent_in_turn)
{
	int64_t enough = vn_mono_ns() + VN_NS_PER_SEC; /* on a busy machine each waits for some ms or more */

	ck_assert_int_eq(vf_courier_cpu(courier), -1);
	for (int i = 0; i < 2000 && vn_mono_ns() < enough; i++) {
		take_soon((char)('a' + i % 26));
		received((char)('a' + i % 26));
	}
	ck_assert_int_eq(vf_courier_cpu(courier), cpu);
	ck_assert_int_eq(vf_courier_cpu(courier), -1); /* whoever sent nothing since keeps nobody away */
}
END_TEST

/* Of two that wait either may come first. */
static void received_both(char a, char b)
{
	char first[SIZE];

	ck_assert_int_eq(read(device[0], first, SIZE), SIZE);
	ck_assert(first[0] == a || first[0] == b);
	ck_assert_int_eq(first[0], first[SIZE - 1]);
	received(first[0] == a ? b : a);
}

/* The pipe holds 1, the thread waits to write 2, and 3 waits for the thread. */
static void three_on_their_way(void)
{
	take_soon('1');
	take_soon('2');
	take_soon('3');
}

START_TEST(when_two_wait_the_next_is_left_to_the_worker)
{
	char *mine;

	three_on_their_way();
	mine = buffer;
	ck_assert(!take('4'));
	ck_assert_ptr_eq(buffer, mine);
	received('1');
	received_both('2', '3');
}
END_TEST

START_TEST(a_reply_that_waited_long_is_reported_once)
{
	three_on_their_way();
	usleep(5000); /* the longer the better: it must wait longer than it ever should */
	received('1');
	received_both('2', '3');
	while (!vf_courier_was_late(courier))
		usleep(100);
	take_soon('4');
	received('4');
}
END_TEST

static void *hurry(void *arg)
{
	(void)arg;
	vf_courier_hurry(courier);
	return NULL;
}

START_TEST(others_may_send_what_has_waited_long)
{
	pthread_t thread;

	three_on_their_way();
	usleep(5000);
	ck_assert_int_eq(pthread_create(&thread, NULL, hurry, NULL), 0);
	received('1');
	received_both('2', '3');
	pthread_join(thread, NULL);
	take_soon('4');
	received('4');
}
END_TEST

START_TEST(what_is_left_at_the_end_is_sent)
{
	take_soon('1');
	vf_courier_free(courier);
	courier = NULL;
	received('1');
}
END_TEST

START_TEST(a_reply_that_nobody_gets_gives_its_lookups_back)
{
	struct fuse_entry_out e;

	wire_forget(w, wire_create(w, WIRE_ROOT, "f"), 1);
	ck_assert_int_eq(wire_lookup(w, WIRE_ROOT, "f", &e), 0);
	ck_assert_uint_eq(memfs_lookups(w->m), 1);
	close(device[0]);
	device[0] = -1;
	memcpy(vf_buffer_out(buffer).iov_base, w->out, (size_t)w->answered);
	ck_assert(vf_courier_take(courier, cpu, w->in, &buffer, (size_t)w->answered));
	while (memfs_lookups(w->m))
		usleep(100);
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){.suite = "fuse/courier", .setup = setup, .teardown = teardown}),
		   replies_are_sent_in_turn, when_two_wait_the_next_is_left_to_the_worker,
		   a_reply_that_waited_long_is_reported_once, others_may_send_what_has_waited_long,
		   what_is_left_at_the_end_is_sent, a_reply_that_nobody_gets_gives_its_lookups_back)
