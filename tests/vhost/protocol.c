// SPDX-License-Identifier: Apache-2.0
/* What a front end may rely on: negotiation, rings, in-flight region, memory, migration. */
#include <errno.h>
#include <poll.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check_main.h"
#include "frontend.h"
#include "fuse/vhost_inflight.h"
#include "server.h"

static struct server server;
static struct fe fe;

static void setup(void)
{
	struct server_config config = {.queues = 4};

	ck_assert_int_eq(server_start(&server, vn_check_dir(), &config), 0);
	ck_assert_int_eq(fe_init(&fe), 0);
}

static void teardown(void)
{
	fe_fini(&fe);
	ck_assert(server_is_idle(&server));
	ck_assert_int_eq(server_stop(&server), 0);
}

static void ready(unsigned nrings, unsigned size)
{
	ck_assert_int_eq(fe_open(&fe, server.path, nrings, size), 0);
	ck_assert_int_eq(fe_fuse_init(&fe, NULL), 0);
}

static void root_answers(unsigned ring)
{
	struct fuse_attr_out attr;

	ck_assert_int_eq(fe_getattr(&fe, &fe.rings[ring], 1, &attr), 0);
	ck_assert_uint_eq(attr.attr.ino, 1);
}

START_TEST(a_session_reads_what_it_wrote)
{
	struct fuse_entry_out e;
	char data[10000], back[12000];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7);
	ready(2, 64);
	ck_assert_int_eq(fe_mknod(&fe, &fe.rings[1], 1, "file", &e), 0);
	ck_assert_int_eq(fe_write(&fe, &fe.rings[1], e.nodeid, 5, data, sizeof(data)), sizeof(data));
	ck_assert_int_eq(fe_read(&fe, &fe.rings[1], e.nodeid, 5, back, sizeof(back)), sizeof(data));
	ck_assert_mem_eq(data, back, sizeof(data));
	ck_assert_int_eq(fe_forget(&fe, e.nodeid, 1), 0);
	ck_assert_int_eq(fe_unlink(&fe, &fe.rings[1], 1, "file"), 0);
	ck_assert_int_eq(fe_lookup(&fe, &fe.rings[1], 1, "file", &e) == 0 && e.nodeid, 0);
}
END_TEST

START_TEST(every_queue_serves)
{
	ready(5, 128);
	for (unsigned i = 1; i < 5; i++)
		root_answers(i);
}
END_TEST

START_TEST(without_event_indices_and_protocol_features_it_works_too)
{
	ck_assert_int_eq(fe_connect(&fe, server.path), 0);
	ck_assert_int_eq(fe_negotiate(&fe, (UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX) | VHOST_FEATURE_PROTOCOL), 0);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(fe_ring_start(&fe, i, 64, true), 0); /* enabled from the start */
	ck_assert_int_eq(fe_fuse_init(&fe, NULL), 0);
	for (int i = 0; i < 100; i++)
		root_answers(1);
}
END_TEST

START_TEST(requests_in_indirect_tables_are_carried_out)
{
	struct fuse_in_header *h;
	struct fuse_out_header *out;
	struct vring_used_elem e;
	struct fe_seg segs[2] = {{FE_BUFFERS, 40, false}, {FE_BUFFERS + 512, 16 + sizeof(struct fuse_statfs_out), true}};
	uint16_t head;

	ready(2, 64);
	h = fe_at(&fe, FE_BUFFERS);
	out = fe_at(&fe, FE_BUFFERS + 512);
	*h = (struct fuse_in_header){.len = 40, .opcode = FUSE_STATFS, .unique = 88, .nodeid = 1};
	head = fe_post_indirect(&fe, &fe.rings[1], segs, 2, FE_BUFFERS + 4096);
	fe_kick(&fe.rings[1]);
	ck_assert_int_eq(fe_reap(&fe.rings[1], &e, FE_TIMEOUT_MS, false), 1);
	ck_assert_uint_eq(e.id, head);
	ck_assert_uint_eq(out->unique, 88);
	ck_assert_int_eq(out->error, 0);
}
END_TEST

START_TEST(buffers_may_span_regions)
{
	struct fuse_entry_out e;
	struct fuse_out_header *out;
	struct vring_used_elem used;
	static char data[64 << 10];
	struct fuse_read_in in = {.size = sizeof(data)};
	struct fe_call c = {.opcode = FUSE_READ, .in = {&in}, .in_len = {sizeof(in)}, .out_len = sizeof(data)};

	memset(data, 'x', sizeof(data));
	ready(2, 64);
	ck_assert_int_eq(fe_mknod(&fe, &fe.rings[1], 1, "file", &e), 0);
	ck_assert_int_eq(fe_write(&fe, &fe.rings[1], e.nodeid, 0, data, sizeof(data)), sizeof(data));
	c.node = e.nodeid;
	fe_start(&fe, &fe.rings[1], &c, FE_REGION - 30000, &out);
	fe_kick(&fe.rings[1]);
	ck_assert_int_eq(fe_reap(&fe.rings[1], &used, FE_TIMEOUT_MS, false), 1);
	ck_assert_int_eq(out->error, 0);
	ck_assert_mem_eq(out + 1, data, sizeof(data));
}
END_TEST

START_TEST(many_requests_at_once_come_back_once_each)
{
	enum { DEPTH = 60 };
	bool seen[256] = {false};
	struct vring_used_elem e;

	ready(2, 256);
	for (unsigned round = 0; round < 200; round++) {
		memset(seen, 0, sizeof(seen));
		for (unsigned i = 0; i < DEPTH; i++) {
			struct fuse_getattr_in in = {0};
			struct fuse_out_header *out;
			struct fe_call c = {.opcode = round % 2 ? FUSE_GETATTR : FUSE_FSYNC,
					    .node = 1,
					    .in = {&in},
					    .in_len = {sizeof(in)},
					    .out_len = sizeof(struct fuse_attr_out)};

			fe.rings[1].next_desc = (uint16_t)(i * 4);
			fe_start(&fe, &fe.rings[1], &c, FE_BUFFERS + i * 4096, &out);
			fe_kick(&fe.rings[1]);
		}
		for (unsigned i = 0; i < DEPTH; i++) {
			ck_assert_int_eq(fe_reap(&fe.rings[1], &e, FE_TIMEOUT_MS, round % 3 == 0), 1);
			ck_assert(e.id < 256 && !seen[e.id]);
			seen[e.id] = true;
		}
	}
	ck_assert_int_eq(fe_ring_stop(&fe, 1), fe.rings[1].next_avail);
}
END_TEST

START_TEST(configuration_space_has_tag_and_queues)
{
	struct vhost_msg m = {.request = VHOST_GET_CONFIG, .size = VHOST_CONFIG_HEADER + 40};
	uint64_t n;

	ck_assert_int_eq(fe_connect(&fe, server.path), 0);
	m.p.config.size = 40;
	ck_assert_int_eq(fe_message(&fe, &m, true), 0);
	ck_assert_uint_eq(m.size, VHOST_CONFIG_HEADER + 40);
	ck_assert_str_eq((char *)m.p.config.data, "test");
	ck_assert_uint_eq(m.p.config.data[36], 4);
	m = (struct vhost_msg){.request = VHOST_GET_CONFIG, .size = VHOST_CONFIG_HEADER + 8};
	m.p.config.size = 8;
	m.p.config.offset = 36;
	ck_assert_int_eq(fe_message(&fe, &m, true), 0);
	ck_assert_uint_eq(m.size, 0); /* beyond its end */
	ck_assert_int_eq(fe_get(&fe, VHOST_GET_QUEUE_NUM, &n), 0);
	ck_assert_uint_eq(n, 5);
	ck_assert_int_eq(fe_get(&fe, VHOST_GET_MAX_MEM_SLOTS, &n), 0);
	ck_assert_uint_ge(n, 8);
}
END_TEST

START_TEST(protocol_features_may_be_set_without_asking)
{
	uint64_t only = VHOST_PROTOCOL_REPLY_ACK, unknown = UINT64_C(1) << 40;

	ck_assert_int_eq(fe_connect(&fe, server.path), 0);
	ck_assert_int_eq(fe_ask(&fe, VHOST_SET_PROTOCOL_FEATURES, &only, 8, NULL, 0), 0);
	ck_assert_int_eq(fe_ask(&fe, VHOST_SET_PROTOCOL_FEATURES, &unknown, 8, NULL, 0), EINVAL);
	ck_assert_int_eq(fe_ask(&fe, VHOST_SET_FEATURES, &unknown, 8, NULL, 0), EINVAL);
	ck_assert_int_eq(fe_ask(&fe, 22, &only, 8, NULL, 0), EOPNOTSUPP); /* IOTLB_MSG */
}
END_TEST

START_TEST(acknowledgements_come_only_when_agreed)
{
	struct vhost_msg m = {.request = VHOST_SET_OWNER, .flags = VHOST_MSG_NEED_REPLY};
	uint64_t features;

	ck_assert_int_eq(fe_connect(&fe, server.path), 0);
	ck_assert_int_eq(fe_message(&fe, &m, false), 0);
	ck_assert_int_eq(fe_get(&fe, VHOST_GET_FEATURES, &features), 0); /* the next answer is this one's */
}
END_TEST

START_TEST(a_stopped_ring_goes_on_where_it_was)
{
	ready(2, 64);
	for (int i = 0; i < 10; i++)
		root_answers(1);
	ck_assert_int_eq(fe_ring_stop(&fe, 1), 11);
	ck_assert_int_eq(fe_ring_stop(&fe, 1), 11);
	ck_assert_int_eq(fe_ring_start(&fe, 1, 64, false), 0);
	root_answers(1); /* no INIT in between: a paused guest's session lives on */
	ck_assert_int_eq(fe_ring_stop(&fe, 1), 12);
}
END_TEST

START_TEST(a_call_that_comes_late_is_raised)
{
	struct fe_call c = {.opcode = FUSE_STATFS, .node = 1, .out_len = sizeof(struct fuse_statfs_out)};
	uint64_t none = 1 | VHOST_VRING_NO_FD, ring = 1;
	struct fuse_out_header *out;
	struct vring_used_elem e;
	int late = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct pollfd p = {.fd = late, .events = POLLIN};

	ready(2, 64);
	ck_assert_int_eq(fe_ask(&fe, VHOST_SET_VRING_CALL, &none, sizeof(none), NULL, 0), 0);
	fe_start(&fe, &fe.rings[1], &c, FE_BUFFERS, &out);
	fe_kick_always(&fe.rings[1]);
	ck_assert_int_eq(fe_reap(&fe.rings[1], &e, FE_TIMEOUT_MS, true), 1);
	ck_assert_int_eq(fe_ask(&fe, VHOST_SET_VRING_CALL, &ring, sizeof(ring), &late, 1), 0);
	ck_assert_int_eq(poll(&p, 1, FE_TIMEOUT_MS), 1);
	close(late);
}
END_TEST

START_TEST(a_disabled_ring_waits)
{
	struct vhost_vring_state off = {1, 0}, on = {1, 1};
	struct vring_used_elem e;
	struct fuse_out_header *out;
	struct fe_call c = {.opcode = FUSE_STATFS, .node = 1, .out_len = sizeof(struct fuse_statfs_out)};

	ready(2, 64);
	ck_assert_int_eq(fe_ask(&fe, VHOST_SET_VRING_ENABLE, &off, sizeof(off), NULL, 0), 0);
	fe_start(&fe, &fe.rings[1], &c, FE_BUFFERS, &out);
	fe_kick_always(&fe.rings[1]);
	ck_assert_int_eq(fe_reap(&fe.rings[1], &e, 100, false), 0);
	ck_assert_int_eq(fe_ask(&fe, VHOST_SET_VRING_ENABLE, &on, sizeof(on), NULL, 0), 0);
	ck_assert_int_eq(fe_reap(&fe.rings[1], &e, FE_TIMEOUT_MS, false), 1);
	ck_assert_int_eq(out->error, 0);
}
END_TEST

START_TEST(reset_keeps_the_guest_of_the_session)
{
	struct vhost_msg m = {.request = VHOST_RESET_DEVICE};
	uint64_t status = 15, zero = 0;

	ready(2, 64);
	ck_assert_int_eq(fe_ask(&fe, VHOST_SET_STATUS, &status, 8, NULL, 0), 0);
	ck_assert_int_eq(fe_get(&fe, VHOST_GET_STATUS, &status), 0);
	ck_assert_uint_eq(status, 15);
	ck_assert_int_eq(fe_message(&fe, &m, false), 0);
	ck_assert_int_eq(fe_get(&fe, VHOST_GET_STATUS, &status), 0);
	ck_assert_uint_eq(status, 0);
	ck_assert_int_eq(fe_ask(&fe, VHOST_SET_FEATURES, &fe.features, 8, NULL, 0), 0);
	ck_assert_int_eq(fe_ring_start(&fe, 1, 64, true), 0);
	root_answers(1);
	ck_assert_int_eq(fe_ask(&fe, VHOST_SET_STATUS, &zero, 8, NULL, 0), 0);
	ck_assert_int_eq(fe_ask(&fe, VHOST_SET_FEATURES, &fe.features, 8, NULL, 0), 0);
	ck_assert_int_eq(fe_ring_start(&fe, 1, 64, true), 0);
	ck_assert_int_eq(fe_fuse_init(&fe, NULL), 0); /* a reboot: INIT comes again */
	root_answers(1);
}
END_TEST

START_TEST(memory_can_be_added_and_removed_while_it_serves)
{
	struct vhost_memory_region w = {.region = {FE_MEMORY, 1 << 20, UINT64_C(1) << 40, 0}};
	int extra = memfd_create("more", MFD_CLOEXEC);
	struct fe_seg segs[2] = {{FE_BUFFERS, 40, false}, {FE_MEMORY + 4096, 96, true}};
	struct fuse_in_header *h = fe_at(&fe, FE_BUFFERS);
	struct fuse_out_header out;
	struct vring_used_elem e;

	ck_assert_int_eq(ftruncate(extra, 1 << 20), 0);
	ready(2, 64);
	*h = (struct fuse_in_header){.len = 40, .opcode = FUSE_STATFS, .unique = 88, .nodeid = 1};
	ck_assert_int_eq(fe_ask(&fe, VHOST_ADD_MEM_REG, &w, sizeof(w), &extra, 1), 0);
	fe_post(&fe, &fe.rings[1], segs, 2);
	fe_kick(&fe.rings[1]);
	ck_assert_int_eq(fe_reap(&fe.rings[1], &e, FE_TIMEOUT_MS, false), 1);
	ck_assert_int_eq(pread(extra, &out, sizeof(out), 4096), sizeof(out));
	ck_assert_uint_eq(out.unique, 88);
	ck_assert_int_eq(fe_ask(&fe, VHOST_REM_MEM_REG, &w, sizeof(w), NULL, 0), 0);
	fe_post(&fe, &fe.rings[1], segs, 2);
	fe_kick(&fe.rings[1]);
	ck_assert_int_eq(fe_reap(&fe.rings[1], &e, FE_TIMEOUT_MS, false), 1);
	ck_assert_uint_eq(e.len, 0); /* nowhere to write to */
	root_answers(1);
	close(extra);
}
END_TEST

START_TEST(writes_are_logged_while_migrating)
{
	struct vhost_log_wire log = {.size = FE_MEMORY / 4096 / 8, .offset = 0};
	struct vhost_vring_addr a = {.index = 1,
				     .flags = VHOST_VRING_LOG,
				     .desc = FE_USER0 + FE_RING_AREA,
				     .avail = FE_USER0 + FE_RING_AREA * 3 / 2,
				     .used = FE_USER0 + FE_RING_AREA * 7 / 4,
				     .log = FE_RING_AREA * 7 / 4};
	int fd = memfd_create("log", MFD_CLOEXEC);
	uint64_t features;
	unsigned char *bits;
	uint64_t page = FE_BUFFERS / 4096, ring = FE_RING_AREA * 7 / 4 / 4096;

	ck_assert_int_eq(ftruncate(fd, (off_t)log.size), 0);
	bits = mmap(NULL, log.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ready(2, 64);
	features = fe.features | VHOST_FEATURE_LOG_ALL;
	ck_assert_int_eq(fe_ask(&fe, VHOST_SET_LOG_BASE, &log, sizeof(log), &fd, 1), 0);
	root_answers(1);
	ck_assert_uint_eq(bits[page / 8], 0);
	ck_assert_int_eq(fe_ask(&fe, VHOST_SET_FEATURES, &features, 8, NULL, 0), 0);
	ck_assert_int_eq(fe_ask(&fe, VHOST_SET_VRING_ADDR, &a, sizeof(a), NULL, 0), 0);
	root_answers(1);
	ck_assert_int_ne(bits[page / 8] & 1 << page % 8, 0);
	ck_assert_int_ne(bits[ring / 8] & 1 << ring % 8, 0);
	for (uint64_t i = 0; i < log.size; i++)
		ck_assert(bits[i] == 0 || i == page / 8 || i == ring / 8);
	ck_assert_int_eq(fe_ask(&fe, VHOST_SET_FEATURES, &fe.features, 8, NULL, 0), 0);
	memset(bits, 0, log.size);
	root_answers(1);
	ck_assert_uint_eq(bits[page / 8], 0);
	munmap(bits, log.size);
	close(fd);
}
END_TEST

/* ---- in-flight region and restart ---- */

START_TEST(the_inflight_region_has_the_specified_form)
{
	struct virtq_inflight *q;
	char *map;

	ck_assert_int_eq(fe_connect(&fe, server.path), 0);
	ck_assert_int_eq(fe_negotiate(&fe, 0), 0);
	ck_assert_int_eq(fe_get_inflight(&fe, 2, 64), 0);
	map = mmap(NULL, fe.inflight.mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED, fe.inflight_fd,
		   (off_t)fe.inflight.mmap_offset);
	ck_assert_ptr_ne(map, MAP_FAILED);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(fe_ring_start(&fe, i, 64, true), 0);
	ck_assert_int_eq(fe_fuse_init(&fe, NULL), 0);
	root_answers(1);
	q = (void *)(map + virtq_inflight_size(64));
	ck_assert_uint_eq(q->version, 1);
	ck_assert_uint_eq(q->desc_num, 64);
	ck_assert_uint_eq(q->used_idx, 2);
	munmap(map, fe.inflight.mmap_size);
}
END_TEST

static void open_with_inflight(void)
{
	ck_assert_int_eq(fe_connect(&fe, server.path), 0);
	ck_assert_int_eq(fe_negotiate(&fe, 0), 0);
	if (fe.inflight_fd < 0)
		ck_assert_int_eq(fe_get_inflight(&fe, 2, 64), 0);
	else
		ck_assert_int_eq(fe_set_inflight(&fe), 0);
}

START_TEST(a_killed_server_is_followed_by_one_that_goes_on)
{
	struct server_config config = {.queues = 4};
	struct vring_used_elem e;
	struct fuse_out_header *out;
	struct fe_call c = {.opcode = FUSE_STATFS, .node = 1, .out_len = sizeof(struct fuse_statfs_out)};
	char *map;
	struct virtq_inflight *q;
	uint16_t head;

	open_with_inflight();
	ck_assert_int_eq(fe_ring_start(&fe, 1, 64, true), 0);
	ck_assert_int_eq(fe_fuse_init(&fe, NULL), 0);
	kill(server.pid, SIGKILL);
	waitpid(server.pid, NULL, 0);
	unlink(server.path);
	fe_disconnect(&fe);
	/* One request that the killed server had taken, one that it had not. */
	head = fe_start(&fe, &fe.rings[1], &c, FE_BUFFERS, &out);
	map = mmap(NULL, fe.inflight.mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED, fe.inflight_fd, 0);
	q = (void *)(map + virtq_inflight_size(64));
	q->desc[head].inflight = 1;
	q->desc[head].counter = 99;
	fe_start(&fe, &fe.rings[1], &c, FE_BUFFERS + 8192, &out);
	ck_assert_int_eq(server_start(&server, vn_check_dir(), &config), 0);
	open_with_inflight();
	ck_assert_int_eq(fe_ring_start(&fe, 1, 64, false), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(fe_reap(&fe.rings[1], &e, FE_TIMEOUT_MS, false), 1);
		ck_assert_uint_gt(e.len, 16);
	}
	ck_assert_uint_eq(fe.rings[1].used->idx, 3);
	root_answers(1); /* what INIT agreed is still known */
	munmap(map, fe.inflight.mmap_size);
}
END_TEST

START_TEST(a_request_over_which_servers_died_fails)
{
	struct server_config config = {.queues = 4};
	struct vring_used_elem e;
	struct fuse_out_header *out;
	struct fe_call c = {.opcode = FUSE_STATFS, .node = 1, .out_len = sizeof(struct fuse_statfs_out)};
	struct virtq_inflight *q;
	char *map;
	uint16_t head;

	open_with_inflight();
	ck_assert_int_eq(fe_ring_start(&fe, 1, 64, true), 0);
	ck_assert_int_eq(fe_fuse_init(&fe, NULL), 0);
	kill(server.pid, SIGKILL);
	waitpid(server.pid, NULL, 0);
	unlink(server.path);
	fe_disconnect(&fe);
	head = fe_start(&fe, &fe.rings[1], &c, FE_BUFFERS, &out);
	map = mmap(NULL, fe.inflight.mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED, fe.inflight_fd, 0);
	q = (void *)(map + virtq_inflight_size(64));
	q->desc[head] = (struct virtq_inflight_desc){.inflight = 1, .lives = 3, .counter = 99};
	ck_assert_int_eq(server_start(&server, vn_check_dir(), &config), 0);
	open_with_inflight();
	ck_assert_int_eq(fe_ring_start(&fe, 1, 64, false), 0);
	ck_assert_int_eq(fe_reap(&fe.rings[1], &e, FE_TIMEOUT_MS, false), 1);
	ck_assert_uint_eq(e.len, sizeof(*out));
	ck_assert_int_eq(out->error, -EIO);
	ck_assert_uint_eq(out->unique, c.unique);
	root_answers(1);
	munmap(map, fe.inflight.mmap_size);
}
END_TEST

/* ---- migration ---- */

static int transfer(uint32_t direction, int fd, uint64_t *error)
{
	struct vhost_msg m = {.request = VHOST_SET_DEVICE_STATE_FD,
			      .size = sizeof(struct vhost_state_wire),
			      .nfds = 1,
			      .fds = {fd}};
	int err;

	m.p.device_state.direction = direction;
	err = fe_message(&fe, &m, true);
	*error = m.p.u64 & VHOST_STATE_ERROR_MASK;
	return err ? err : m.p.u64 & VHOST_STATE_NO_FD ? 0 : -EPROTO;
}

static size_t save(char *blob, size_t room)
{
	uint64_t error;
	ssize_t n;
	int p[2];

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	ck_assert_int_eq(transfer(VHOST_STATE_SAVE, p[1], &error), 0);
	ck_assert_uint_eq(error, 0);
	close(p[1]);
	n = read(p[0], blob, room);
	ck_assert_int_gt(n, 0);
	close(p[0]);
	ck_assert_int_eq(fe_get(&fe, VHOST_CHECK_DEVICE_STATE, &error), 0);
	ck_assert_uint_eq(error, 0);
	return (size_t)n;
}

static uint64_t load(const char *blob, size_t n)
{
	uint64_t error;
	int p[2];

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	ck_assert_int_eq(transfer(VHOST_STATE_LOAD, p[0], &error), 0);
	ck_assert_uint_eq(error, 0);
	close(p[0]);
	ck_assert_int_eq(write(p[1], blob, n), (ssize_t)n);
	close(p[1]);
	ck_assert_int_eq(fe_get(&fe, VHOST_CHECK_DEVICE_STATE, &error), 0);
	return error;
}

START_TEST(state_moves_to_another_server)
{
	char blob[4096];
	uint64_t error;
	size_t n;

	ready(2, 64);
	ck_assert_int_eq(transfer(VHOST_STATE_SAVE, fe.memfd, &error), 0);
	ck_assert_uint_eq(error, EBUSY); /* rings run */
	ck_assert_int_ge(fe_ring_stop(&fe, 0), 0);
	ck_assert_int_ge(fe_ring_stop(&fe, 1), 0);
	n = save(blob, sizeof(blob));
	fe_disconnect(&fe);
	ck_assert_int_eq(fe_connect(&fe, server.path), 0);
	ck_assert_int_eq(fe_negotiate(&fe, 0), 0);
	ck_assert_uint_eq(load(blob, n), 0);
	ck_assert_int_eq(fe_ring_start(&fe, 1, 64, false), 0);
	root_answers(1); /* without INIT */
}
END_TEST

START_TEST(damaged_and_foreign_states_are_refused)
{
	char blob[4096], bad[4096];
	size_t n;

	ready(2, 64);
	ck_assert_int_ge(fe_ring_stop(&fe, 0), 0);
	ck_assert_int_ge(fe_ring_stop(&fe, 1), 0);
	n = save(blob, sizeof(blob));
	fe_disconnect(&fe);
	ck_assert_int_eq(fe_connect(&fe, server.path), 0);
	ck_assert_uint_eq(load(blob, 0), EBADMSG);
	ck_assert_uint_eq(load(blob, n - 1), EBADMSG);
	memcpy(bad, blob, sizeof(bad));
	ck_assert_uint_eq(load(bad, n + 1), EBADMSG);
	bad[n / 2] ^= 1;
	ck_assert_uint_eq(load(bad, n), EBADMSG);
	memcpy(bad, blob, sizeof(bad));
	bad[0] ^= 1;
	ck_assert_uint_eq(load(bad, n), EBADMSG);
	memcpy(bad, blob, sizeof(bad));
	bad[16]++;
	ck_assert_uint_eq(load(bad, n), EPROTONOSUPPORT);
	ck_assert_uint_eq(load(blob, n), 0);
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){.suite = "vhost/protocol", .setup = setup, .teardown = teardown}),
		   a_session_reads_what_it_wrote, every_queue_serves,
		   without_event_indices_and_protocol_features_it_works_too,
		   requests_in_indirect_tables_are_carried_out, buffers_may_span_regions,
		   many_requests_at_once_come_back_once_each, configuration_space_has_tag_and_queues,
		   protocol_features_may_be_set_without_asking, acknowledgements_come_only_when_agreed,
		   a_stopped_ring_goes_on_where_it_was, a_call_that_comes_late_is_raised, a_disabled_ring_waits, reset_keeps_the_guest_of_the_session,
		   memory_can_be_added_and_removed_while_it_serves, writes_are_logged_while_migrating,
		   the_inflight_region_has_the_specified_form, a_request_over_which_servers_died_fails, a_killed_server_is_followed_by_one_that_goes_on,
		   state_moves_to_another_server, damaged_and_foreign_states_are_refused)
