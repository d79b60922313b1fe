// SPDX-License-Identifier: Apache-2.0
#include "fuse/virtq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../check_main.h"

/* Guest memory: 1 MiB at address 0, user address USER. */
#define MEMORY (UINT64_C(1) << 20)
#define USER UINT64_C(0x500000000)
#define SIZE 8
#define DESC 0x0
#define AVAIL 0x1000
#define USED 0x2000
#define TABLE 0x3000
#define DATA 0x10000

static int fd;
static char *mem;
static struct vhost_memory *set;
static struct virtq q;
static struct virtq_chain chain;
static struct virtq_inflight *inflight;
static size_t inflight_size;
static struct virtq_config config;

static struct vring_desc *desc;
static struct vring_avail *avail;
static struct vring_used *used;

static void start(void)
{
	ck_assert_int_eq(virtq_start(&q, &config, set, inflight, inflight_size), 0);
}

static void setup(void)
{
	struct vhost_region_wire r = {0, MEMORY, USER, 0};
	struct vhost_memory *empty = vhost_memory_new();

	fd = memfd_create("guest", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(fd, MEMORY), 0);
	mem = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_int_eq(vhost_memory_add(empty, &r, fd, &set), 0);
	vhost_memory_put(empty);
	desc = (void *)(mem + DESC);
	avail = (void *)(mem + AVAIL);
	used = (void *)(mem + USED);
	config = (struct virtq_config){SIZE, USER + DESC, USER + AVAIL, USER + USED, 0, true};
	inflight_size = virtq_inflight_size(SIZE);
	inflight = calloc(1, inflight_size);
	start();
}

static void teardown(void)
{
	virtq_fini(&q);
	free(inflight);
	vhost_memory_put(set);
	munmap(mem, MEMORY);
	close(fd);
}

static void put(unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	desc[i] = (struct vring_desc){addr, len, flags, next};
}

static void offer(uint16_t head)
{
	avail->ring[avail->idx % SIZE] = head;
	avail->idx++;
}

static int pop(void)
{
	return virtq_pop(&q, set, false, &chain);
}

/* What pop says of a chain that starts at head; bad ones are given back so that the queue can go on. */
static int try(uint16_t head)
{
	int got;

	offer(head);
	got = pop();
	if (got == 1 || got == -EBADMSG) {
		ck_assert_uint_eq(chain.head, head);
		virtq_push(&q, chain.head, 0);
	}
	return got;
}

START_TEST(a_chain_is_gathered_readable_first)
{
	put(0, DATA, 40, VRING_DESC_F_NEXT, 3);
	put(3, DATA + 100, 8, VRING_DESC_F_NEXT, 1);
	put(1, DATA + 0x1000, 16, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2);
	put(2, DATA + 0x2000, 4096, VRING_DESC_F_WRITE, 0);
	ck_assert_int_eq(pop(), 0);
	offer(0);
	ck_assert_int_eq(pop(), 1);
	ck_assert_int_eq(chain.nin, 2);
	ck_assert_int_eq(chain.nout, 2);
	ck_assert_uint_eq(chain.in_len, 48);
	ck_assert_uint_eq(chain.out_len, 4112);
	ck_assert_ptr_eq(chain.iov[1].iov_base, vhost_memory_guest(set, DATA + 100, 8));
	ck_assert_uint_eq(chain.guest[3], DATA + 0x2000);
	virtq_push(&q, 0, 16);
	ck_assert_uint_eq(used->idx, 1);
	ck_assert_uint_eq(used->ring[0].id, 0);
	ck_assert_uint_eq(used->ring[0].len, 16);
	ck_assert_int_eq(pop(), 0);
}
END_TEST

START_TEST(neighbours_become_one_element_but_not_across_directions)
{
	put(0, DATA, 0x1000, VRING_DESC_F_NEXT, 1);
	put(1, DATA + 0x1000, 0x1000, VRING_DESC_F_NEXT, 2);
	put(2, DATA + 0x2000, 0x1000, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 3);
	put(3, DATA + 0x3000, 0x1000, VRING_DESC_F_WRITE, 0);
	offer(0);
	ck_assert_int_eq(pop(), 1);
	ck_assert_int_eq(chain.nin, 1);
	ck_assert_int_eq(chain.nout, 1);
	ck_assert_uint_eq(chain.iov[0].iov_len, 0x2000);
	ck_assert_uint_eq(chain.iov[1].iov_len, 0x2000);
	virtq_push(&q, 0, 0);
}
END_TEST

START_TEST(an_indirect_table_may_lie_at_an_odd_address)
{
	struct vring_desc t[2] = {{DATA, 40, VRING_DESC_F_NEXT, 1}, {DATA + 99, 16, VRING_DESC_F_WRITE, 0}};

	memcpy(mem + TABLE + 1, t, sizeof(t));
	put(5, TABLE + 1, sizeof(t), VRING_DESC_F_INDIRECT, 0);
	ck_assert_int_eq(try(5), 1);
	ck_assert_int_eq(chain.nin, 1);
	ck_assert_int_eq(chain.nout, 1);
}
END_TEST

START_TEST(an_indirect_table_may_follow_direct_descriptors)
{
	struct vring_desc t[1] = {{DATA, 40, VRING_DESC_F_WRITE, 0}};

	memcpy(mem + TABLE, t, sizeof(t));
	put(0, DATA, 8, VRING_DESC_F_NEXT, 1);
	put(1, TABLE, sizeof(t), VRING_DESC_F_INDIRECT, 0);
	ck_assert_int_eq(try(0), 1);
	ck_assert_uint_eq(chain.out_len, 40);
}
END_TEST

START_TEST(bad_chains_are_turned_away_and_the_queue_goes_on)
{
	static const struct {
		const char *what;
		struct vring_desc d[3];
	} cases[] = {
		{"loop to itself", {{DATA, 8, VRING_DESC_F_NEXT, 0}}},
		{"loop of two", {{DATA, 8, VRING_DESC_F_NEXT, 1}, {DATA, 8, VRING_DESC_F_NEXT, 0}}},
		{"next beyond the table", {{DATA, 8, VRING_DESC_F_NEXT, SIZE}}},
		{"next far beyond", {{DATA, 8, VRING_DESC_F_NEXT, 65535}}},
		{"address beyond memory", {{MEMORY, 8, 0, 0}}},
		{"end beyond memory", {{MEMORY - 4, 8, 0, 0}}},
		{"address that wraps", {{UINT64_MAX - 3, 8, 0, 0}}},
		{"length of 4 GiB", {{DATA, UINT32_MAX, VRING_DESC_F_WRITE, 0}}},
		{"writable before readable",
		 {{DATA, 8, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1}, {DATA + 64, 8, 0, 0}}},
		{"indirect with next", {{TABLE, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1}, {DATA, 8, 0, 0}}},
		{"indirect of nothing", {{TABLE, 0, VRING_DESC_F_INDIRECT, 0}}},
		{"indirect of half a descriptor", {{TABLE, 24, VRING_DESC_F_INDIRECT, 0}}},
		{"indirect beyond memory", {{MEMORY - 8, 16, VRING_DESC_F_INDIRECT, 0}}},
		{"indirect too long", {{0, 1 << 20, VRING_DESC_F_INDIRECT, 0}}},
	};

	/* For "indirect too long": the whole memory read as a table, which leads on for ever. */
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(desc, cases[i].d, sizeof(cases[i].d));
		ck_assert_msg(try(0) == -EBADMSG, "%s", cases[i].what);
		put(0, DATA, 8, 0, 0);
		ck_assert_msg(try(0) == 1, "after %s", cases[i].what);
	}
}
END_TEST

START_TEST(indirect_in_indirect_and_loops_in_it_are_turned_away)
{
	struct vring_desc nested[1] = {{TABLE, 16, VRING_DESC_F_INDIRECT, 0}};
	struct vring_desc loop[2] = {{DATA, 8, VRING_DESC_F_NEXT, 1}, {DATA, 8, VRING_DESC_F_NEXT, 0}};
	struct vring_desc out[1] = {{DATA, 8, VRING_DESC_F_NEXT, 1}};

	memcpy(mem + TABLE, nested, sizeof(nested));
	put(0, TABLE, sizeof(nested), VRING_DESC_F_INDIRECT, 0);
	ck_assert_int_eq(try(0), -EBADMSG);
	memcpy(mem + TABLE, loop, sizeof(loop));
	put(0, TABLE, sizeof(loop), VRING_DESC_F_INDIRECT, 0);
	ck_assert_int_eq(try(0), -EBADMSG);
	memcpy(mem + TABLE, out, sizeof(out));
	put(0, TABLE, sizeof(out), VRING_DESC_F_INDIRECT, 0);
	ck_assert_int_eq(try(0), -EBADMSG);
}
END_TEST

START_TEST(a_chain_has_at_most_so_many_elements)
{
	struct vring_desc *t = (void *)(mem + TABLE);

	for (unsigned i = 0; i <= VIRTQ_IOV_MAX; i++)
		t[i] = (struct vring_desc){DATA + 2 * i, 1, VRING_DESC_F_NEXT, (uint16_t)(i + 1)};
	t[VIRTQ_IOV_MAX - 1].flags = 0;
	put(0, TABLE, (VIRTQ_IOV_MAX) * sizeof(*t), VRING_DESC_F_INDIRECT, 0);
	ck_assert_int_eq(try(0), -EBADMSG); /* the descriptor of the table counts too */
	t[VIRTQ_IOV_MAX - 2].flags = 0;
	ck_assert_int_eq(try(0), 1);
	ck_assert_int_eq(chain.nin, VIRTQ_IOV_MAX - 1);
}
END_TEST

START_TEST(descriptors_of_no_length_are_passed_over)
{
	put(0, UINT64_MAX, 0, VRING_DESC_F_NEXT, 1);
	put(1, DATA, 8, 0, 0);
	ck_assert_int_eq(try(0), 1);
	ck_assert_int_eq(chain.nin, 1);
	put(0, DATA, 0, 0, 0);
	ck_assert_int_eq(try(0), 1);
	ck_assert_int_eq(chain.nin + chain.nout, 0);
}
END_TEST

START_TEST(a_head_that_does_not_exist_breaks_the_queue)
{
	ck_assert_int_eq(try(SIZE), -EPROTO);
	ck_assert_int_eq(pop(), -EPROTO);
	ck_assert(!virtq_has_more(&q));
	ck_assert(!virtq_kicks_on(&q));
}
END_TEST

START_TEST(an_index_that_jumps_breaks_the_queue)
{
	avail->idx = SIZE + 1;
	ck_assert_int_eq(pop(), -EPROTO);
}
END_TEST

START_TEST(an_index_that_goes_back_breaks_the_queue)
{
	put(0, DATA, 8, 0, 0);
	ck_assert_int_eq(try(0), 1);
	avail->idx = 0;
	ck_assert_int_eq(pop(), -EPROTO);
}
END_TEST

START_TEST(a_head_that_is_under_way_breaks_the_queue)
{
	put(0, DATA, 8, 0, 0);
	offer(0);
	ck_assert_int_eq(pop(), 1);
	offer(0);
	ck_assert_int_eq(pop(), -EPROTO);
	virtq_push(&q, 0, 0); /* what was taken before still comes back */
	ck_assert_uint_eq(used->idx, 1);
}
END_TEST

START_TEST(rings_outside_memory_do_not_start)
{
	static const struct virtq_config bad[] = {
		{0, USER + DESC, USER + AVAIL, USER + USED, 0, true},
		{6, USER + DESC, USER + AVAIL, USER + USED, 0, true},
		{65536, USER + DESC, USER + AVAIL, USER + USED, 0, true},
		{SIZE, USER + MEMORY - 16, USER + AVAIL, USER + USED, 0, true},
		{SIZE, USER + DESC, USER + MEMORY - 4, USER + USED, 0, true},
		{SIZE, USER + DESC, USER + AVAIL, USER - 4, 0, true},
		{SIZE, USER + DESC, USER + AVAIL, UINT64_MAX - 3, 0, true},
		{SIZE, USER + DESC + 8, USER + AVAIL, USER + USED, 0, true},
		{SIZE, USER + DESC, USER + AVAIL + 1, USER + USED, 0, true},
		{SIZE, USER + DESC, USER + AVAIL, USER + USED + 2, 0, true},
		{32768, USER + DESC, USER + MEMORY - 65540, USER + USED, 0, true}, /* the event index is one too many */
	};

	virtq_fini(&q);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_lt(virtq_start(&q, &bad[i], set, NULL, 0), 0);
	ck_assert_int_eq(virtq_start(&q, &config, set, inflight, inflight_size - 64), -EINVAL);
	start();
}
END_TEST

START_TEST(indices_wrap_at_65536)
{
	virtq_fini(&q);
	avail->idx = used->idx = config.base = 65534;
	start();
	put(0, DATA, 8, 0, 0);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(try(0), 1);
	ck_assert_uint_eq(used->idx, 3);
	ck_assert_uint_eq(q.next_avail, 3);
}
END_TEST

START_TEST(event_indices_say_when_to_interrupt)
{
	uint16_t *used_event = &avail->ring[SIZE], *avail_event = (uint16_t *)&used->ring[SIZE];

	put(0, DATA, 8, 0, 0);
	*used_event = 0;
	ck_assert_int_eq(try(0), 1);
	ck_assert(virtq_should_signal(&q));
	ck_assert_int_eq(try(0), 1);
	ck_assert(!virtq_should_signal(&q)); /* the guest waits for nothing more */
	*used_event = 3;
	ck_assert_int_eq(try(0), 1);
	ck_assert(!virtq_should_signal(&q));
	ck_assert_int_eq(try(0), 1);
	ck_assert(virtq_should_signal(&q));
	virtq_kicks_off(&q);
	ck_assert(!virtq_kicks_on(&q));
	ck_assert_uint_eq(*avail_event, 4);
	offer(0);
	ck_assert(virtq_kicks_on(&q)); /* came between the last look and the wish */
}
END_TEST

START_TEST(without_event_indices_flags_say_it)
{
	virtq_fini(&q);
	config.event_idx = false;
	start();
	put(0, DATA, 8, 0, 0);
	avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	ck_assert_int_eq(try(0), 1);
	ck_assert(!virtq_should_signal(&q));
	avail->flags = 0;
	ck_assert(virtq_should_signal(&q));
	virtq_kicks_off(&q);
	ck_assert_uint_eq(used->flags, VRING_USED_F_NO_NOTIFY);
	ck_assert(!virtq_kicks_on(&q));
	ck_assert_uint_eq(used->flags, 0);
}
END_TEST

START_TEST(a_watch_fires_when_something_comes)
{
	struct virtq_watch w = virtq_watch(&q);

	ck_assert(!virtq_watch_fired(&w));
	offer(0);
	ck_assert(virtq_watch_fired(&w));
}
END_TEST

/* ---- in-flight region ---- */

/* The queue dies and another life starts with what is in memory. */
static void kill_and_start(void)
{
	free(q.heads);
	free(q.resubmit);
	q = (struct virtq){0};
	start();
}

static void offer_three(void)
{
	for (unsigned i = 0; i < 4; i++)
		put(i, DATA + 0x1000 * i, 8, 0, 0);
	offer(2);
	offer(0);
	offer(3);
}

START_TEST(what_was_in_flight_comes_again_in_order)
{
	offer_three();
	ck_assert_int_eq(pop(), 1);
	ck_assert_int_eq(pop(), 1);
	ck_assert_int_eq(pop(), 1);
	virtq_push(&q, 0, 0); /* the middle one was done */
	config.base = 77;     /* the region knows better than the front end */
	kill_and_start();
	ck_assert(virtq_has_more(&q));
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(chain.head, 2);
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(chain.head, 3);
	ck_assert_int_eq(pop(), 0);
	virtq_push(&q, 2, 0);
	virtq_push(&q, 3, 0);
	offer(1);
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(chain.head, 1);
	virtq_push(&q, 1, 0);
	ck_assert_uint_eq(used->idx, 4);
}
END_TEST

START_TEST(a_kill_after_the_mark_takes_the_head_once)
{
	offer_three();
	inflight->desc[2] = (struct virtq_inflight_desc){.inflight = 1, .counter = 9};
	kill_and_start();
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(chain.head, 2);
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(chain.head, 0);
	ck_assert_uint_gt(inflight->desc[0].counter, 9);
}
END_TEST

START_TEST(a_kill_between_the_used_index_and_the_unmark_repeats_nothing)
{
	offer_three();
	ck_assert_int_eq(pop(), 1);
	ck_assert_int_eq(pop(), 1);
	virtq_push(&q, 2, 0);
	inflight->desc[2].inflight = 1; /* as if the last two steps had not been made */
	inflight->used_idx = 0;
	kill_and_start();
	ck_assert_uint_eq(inflight->used_idx, 1);
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(chain.head, 0);
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(chain.head, 3);
}
END_TEST

START_TEST(a_kill_before_the_used_index_repeats_the_request)
{
	offer_three();
	ck_assert_int_eq(pop(), 1);
	inflight->desc[2].next = inflight->last_batch_head;
	inflight->last_batch_head = 2;
	kill_and_start();
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(chain.head, 2);
}
END_TEST

START_TEST(lives_are_counted_until_a_head_is_given_back)
{
	offer_three();
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(chain.lives, 0);
	for (unsigned i = 1; i < 300; i++) {
		kill_and_start();
		ck_assert_int_eq(pop(), 1);
		ck_assert_uint_eq(chain.head, 2);
		ck_assert_uint_eq(chain.lives, i < 255 ? i : 255);
	}
	virtq_push(&q, 2, 0);
	offer(2);
	ck_assert_int_eq(pop(), 1);
	ck_assert_int_eq(pop(), 1);
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(chain.head, 2);
	kill_and_start();
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(chain.lives, 1); /* a new request in an old descriptor */
}
END_TEST

START_TEST(a_stop_only_finishes_what_is_left)
{
	offer_three();
	ck_assert_int_eq(pop(), 1);
	kill_and_start();
	ck_assert_int_eq(virtq_pop(&q, set, true, &chain), 1);
	ck_assert_int_eq(virtq_pop(&q, set, true, &chain), 0);
	virtq_push(&q, 2, 0);
	ck_assert_uint_eq(q.next_avail, 1);
	virtq_fini(&q);
	ck_assert_uint_eq(inflight->version, 0);
	config.base = 1;
	start();
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(chain.head, 0);
}
END_TEST

/* It is told the base from before all requests, as a keeper's record has it. */
START_TEST(a_successor_goes_on_where_an_idle_queue_was_left)
{
	put(0, DATA, 8, 0, 0);
	ck_assert_int_eq(try(0), 1);
	ck_assert_int_eq(try(0), 1);
	virtq_leave(&q);
	config.base = 0;
	start();
	ck_assert_uint_eq(q.next_avail, 2);
	ck_assert_int_eq(pop(), 0);
	ck_assert_int_eq(try(0), 1);
	ck_assert_uint_eq(used->idx, 3);
}
END_TEST

START_TEST(a_damaged_region_is_harmless)
{
	virtq_fini(&q);
	memset(inflight, 0xff, inflight_size);
	ck_assert_int_eq(virtq_start(&q, &config, set, inflight, inflight_size), -EINVAL); /* of an unknown version */
	inflight->version = 1;
	start();
	ck_assert_uint_eq(q.nresubmit, 0); /* 0xff is not 1 */
	for (unsigned i = 0; i < SIZE; i++)
		inflight->desc[i] = (struct virtq_inflight_desc){.inflight = 1, .next = 65535, .counter = UINT64_MAX};
	inflight->last_batch_head = 3;
	inflight->used_idx = 7;
	kill_and_start();
	while (pop() == 1 || q.resubmitted < q.nresubmit)
		virtq_push(&q, chain.head, 0);
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){.suite = "vhost/virtq", .setup = setup, .teardown = teardown}),
		   a_chain_is_gathered_readable_first, neighbours_become_one_element_but_not_across_directions,
		   an_indirect_table_may_lie_at_an_odd_address, an_indirect_table_may_follow_direct_descriptors,
		   bad_chains_are_turned_away_and_the_queue_goes_on,
		   indirect_in_indirect_and_loops_in_it_are_turned_away, a_chain_has_at_most_so_many_elements,
		   descriptors_of_no_length_are_passed_over, a_head_that_does_not_exist_breaks_the_queue,
		   an_index_that_jumps_breaks_the_queue, an_index_that_goes_back_breaks_the_queue,
		   a_head_that_is_under_way_breaks_the_queue, rings_outside_memory_do_not_start,
		   indices_wrap_at_65536, event_indices_say_when_to_interrupt, without_event_indices_flags_say_it,
		   a_watch_fires_when_something_comes, what_was_in_flight_comes_again_in_order,
		   a_kill_after_the_mark_takes_the_head_once,
		   a_kill_between_the_used_index_and_the_unmark_repeats_nothing,
		   a_kill_before_the_used_index_repeats_the_request, lives_are_counted_until_a_head_is_given_back,
		   a_stop_only_finishes_what_is_left, a_successor_goes_on_where_an_idle_queue_was_left,
		   a_damaged_region_is_harmless)
