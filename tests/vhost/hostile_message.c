// SPDX-License-Identifier: Apache-2.0
/* Front ends that send what no VMM would. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hostile.h"

#define ANSWER_MS 60000

static struct fe fe;

/* Descriptors of several kinds to send along. */
static int kinds[5];

static void kinds_open(void)
{
	int p[2];

	kinds[0] = memfd_create("x", MFD_CLOEXEC);
	if (ftruncate(kinds[0], 65536))
		abort();
	kinds[1] = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (pipe2(p, O_CLOEXEC))
		abort();
	kinds[2] = p[0];
	close(p[1]);
	kinds[3] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	kinds[4] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* Asks for the features and reads what comes until they do. NULL: they came; or the connection was closed, which is an answer too. */
static const char *barrier(void)
{
	struct vhost_msg m = {.request = VHOST_GET_FEATURES, .flags = VHOST_MSG_VERSION};

	if (vhost_msg_send(fe.sock, &m))
		return NULL;
	for (;;) {
		struct pollfd p = {.fd = fe.sock, .events = POLLIN};
		uint32_t request;

		if (poll(&p, 1, ANSWER_MS) != 1)
			return "no answer comes any more";
		if (vhost_msg_receive(fe.sock, -1, &m) != 1)
			return NULL;
		request = m.request;
		vhost_msg_fini(&m);
		if (!(m.flags & VHOST_MSG_REPLY))
			return "an answer without the reply bit";
		if (request == VHOST_GET_FEATURES)
			return NULL;
	}
}

static void fill(struct vhost_msg *m, unsigned pattern)
{
	static const unsigned char bytes[] = {0x00, 0xff, 0x01, 0x7f};

	memset(&m->p, bytes[pattern % 4], sizeof(m->p));
	if (pattern == 4)
		m->p.state = (struct vhost_vring_state){1, 256};
	if (pattern == 5) {
		m->p.table.nregions = 8;
		for (unsigned i = 0; i < 8; i++)
			m->p.table.regions[i] = (struct vhost_region_wire){i << 20, 1 << 20, (uint64_t)i << 40, i << 16};
	}
	if (pattern == 6)
		m->p.region.region = (struct vhost_region_wire){UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
	if (pattern == 7)
		m->p.u64 = 1;
}

/* One kind of message in all sizes, with any number of descriptors, on a connection with running rings. */
static const char *message_variants(uint32_t request)
{
	static const uint32_t sizes[] = {0, 4, 7, 8, 12, 16, 20, 24, 40, 200, 264, 268};

	for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		for (unsigned nfds = 0; nfds <= 8; nfds += nfds < 2 ? 1 : 6) {
			hostile_open(&fe);
			for (unsigned pattern = 0; pattern < 8; pattern++) {
				struct vhost_msg m = {.request = request,
						      .flags = VHOST_MSG_VERSION | VHOST_MSG_NEED_REPLY,
						      .size = sizes[s],
						      .nfds = nfds};
				const char *complaint;

				fill(&m, pattern);
				for (unsigned i = 0; i < nfds; i++)
					m.fds[i] = kinds[(pattern + i) % 5];
				if (vhost_msg_send(fe.sock, &m))
					break;
				complaint = barrier();
				if (complaint) {
					fe_fini(&fe);
					return complaint;
				}
			}
			fe_fini(&fe);
		}
	}
	return NULL;
}

static void message_cases(void)
{
	char name[64];

	for (uint32_t request = 0; request <= VHOST_REQUEST_END + 2; request++) {
		const char *complaint = message_variants(request);

		snprintf(name, sizeof(name), "%s (%u) in 384 forms", vhost_request_name(request), request);
		hostile_case(name, complaint);
	}
	hostile_case("a request of 2^32-1 in 384 forms", message_variants(UINT32_MAX));
}

/* ---- broken frames ---- */

static void raw(const void *data, size_t n)
{
	ssize_t done = send(fe.sock, data, n, MSG_NOSIGNAL);

	(void)done;
}

static void half_a_header(void) { raw("\1\0\0\0\1\0", 6); }
static void half_a_payload(void)
{
	struct vhost_msg m = {.request = VHOST_SET_FEATURES, .flags = 1, .size = 8};

	raw(&m, VHOST_MSG_HEADER + 3);
}
static void no_version(void)
{
	struct vhost_msg m = {.request = VHOST_GET_FEATURES};

	raw(&m, VHOST_MSG_HEADER);
}
static void version_three(void)
{
	struct vhost_msg m = {.request = VHOST_GET_FEATURES, .flags = 3};

	raw(&m, VHOST_MSG_HEADER);
}
static void payload_too_long(void)
{
	static char zeros[4096];
	struct vhost_msg m = {.request = VHOST_SET_MEM_TABLE, .flags = 1, .size = 4096};

	raw(&m, VHOST_MSG_HEADER);
	raw(zeros, sizeof(zeros));
}
static void payload_of_4_gib(void)
{
	struct vhost_msg m = {.request = VHOST_SET_MEM_TABLE, .flags = 1, .size = UINT32_MAX};

	raw(&m, VHOST_MSG_HEADER);
}
static void garbage(void)
{
	char noise[65536];

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)(i * 2654435761u >> 13);
	raw(noise, sizeof(noise));
}
static void a_reply(void)
{
	struct vhost_msg m = {.request = VHOST_GET_FEATURES, .flags = 1 | VHOST_MSG_REPLY, .size = 8};

	raw(&m, VHOST_MSG_HEADER + 8);
}

/* Many descriptors, some with a byte in the middle of a message. */
static void descriptors_everywhere(void)
{
	struct vhost_msg m = {.request = VHOST_SET_OWNER, .flags = 1, .nfds = 8};

	for (unsigned i = 0; i < 8; i++)
		m.fds[i] = kinds[i % 5];
	for (unsigned i = 0; i < 20; i++) {
		if (vhost_msg_send(fe.sock, &m))
			return;
	}
	m.size = 4;
	if (vhost_msg_send(fe.sock, &m) == 0)
		raw("\1", 1);
}

static void twenty_descriptors(void)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * 20)];
	} control = {0};
	struct vhost_msg m = {.request = VHOST_SET_OWNER, .flags = 1};
	struct iovec iov = {&m, VHOST_MSG_HEADER};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	int fds[20];

	for (unsigned i = 0; i < 20; i++)
		fds[i] = kinds[i % 5];
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	sendmsg(fe.sock, &h, MSG_NOSIGNAL);
}

static void gone_at_once(void) { fe_disconnect(&fe); }

static const struct {
	const char *name;
	void (*send)(void);
} frames[] = {
	{"half_a_header", half_a_header},       {"half_a_payload", half_a_payload},
	{"no_version", no_version},             {"version_three", version_three},
	{"payload_too_long", payload_too_long}, {"payload_of_4_gib", payload_of_4_gib},
	{"garbage", garbage},                   {"a_reply", a_reply},
	{"descriptors_everywhere", descriptors_everywhere}, {"twenty_descriptors", twenty_descriptors},
	{"gone_at_once", gone_at_once},
};

static void frame_cases(void)
{
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		hostile_open(&fe);
		frames[i].send();
		fe_fini(&fe);
		hostile_case(frames[i].name, NULL);
		if (fe_init(&fe) == 0 && fe_connect(&fe, hostile_server.path) == 0)
			frames[i].send(); /* before anything was agreed */
		fe_fini(&fe);
		hostile_case(frames[i].name, NULL);
	}
}

/* ---- at the wrong time ---- */

static const char *memory_gone(void)
{
	struct vhost_memory_region w = {.region = {FE_REGION, FE_REGION, FE_USER1, FE_REGION}};
	struct vhost_memory_region rings = {.region = {0, FE_REGION, FE_USER0, 0}};
	struct fuse_attr_out attr;

	if (fe_ask(&fe, VHOST_REM_MEM_REG, &w, sizeof(w), NULL, 0))
		return "a region cannot be removed";
	if (fe_ask(&fe, VHOST_REM_MEM_REG, &w, sizeof(w), NULL, 0) != ENOENT)
		return "a region can be removed twice";
	if (fe_getattr(&fe, &fe.rings[1], 1, &attr))
		return "requests in the other region fail";
	if (fe_ask(&fe, VHOST_REM_MEM_REG, &rings, sizeof(rings), NULL, 0))
		return "the rings' region cannot be removed";
	fe_post(&fe, &fe.rings[1], (struct fe_seg[]){{FE_BUFFERS, 40, false}}, 1);
	fe_kick_always(&fe.rings[1]);
	if (fe_ask(&fe, VHOST_ADD_MEM_REG, &rings, sizeof(rings), &fe.memfd, 1))
		return "a region cannot be added again";
	return NULL;
}

static const char *number_while_running(void)
{
	struct vhost_vring_state s = {1, 64};

	return fe_ask(&fe, VHOST_SET_VRING_NUM, &s, sizeof(s), NULL, 0) == EBUSY ? NULL : "a running ring was resized";
}

static const char *features_while_running(void)
{
	uint64_t none = VHOST_FEATURE_PROTOCOL;

	return fe_ask(&fe, VHOST_SET_FEATURES, &none, 8, NULL, 0) == EBUSY ? NULL : "features changed under a running ring";
}

static const char *inflight_while_running(void)
{
	struct vhost_inflight_wire w = {.mmap_size = 65536, .num_queues = 2, .queue_size = 64};

	return fe_ask(&fe, VHOST_SET_INFLIGHT_FD, &w, VHOST_INFLIGHT_SIZE, &kinds[0], 1) == EBUSY
		       ? NULL
		       : "the in-flight region changed under a running ring";
}

static const char *kick_that_cannot_be_waited_for(void)
{
	uint64_t index = 2;
	struct vhost_vring_state s = {2, 64};
	struct vhost_vring_addr a = {.index = 2, .desc = FE_USER0, .avail = FE_USER0 + 65536, .used = FE_USER0 + 131072};
	struct vhost_vring_state on = {2, 1};

	if (fe_ask(&fe, VHOST_SET_VRING_NUM, &s, sizeof(s), NULL, 0) || fe_ask(&fe, VHOST_SET_VRING_ADDR, &a, sizeof(a), NULL, 0))
		return "the ring cannot be set up";
	if (fe_ask(&fe, VHOST_SET_VRING_KICK, &index, 8, &kinds[0], 1))
		return "a kick descriptor is refused before the ring is enabled";
	return fe_ask(&fe, VHOST_SET_VRING_ENABLE, &on, sizeof(on), NULL, 0) > 0 ? NULL : "a memfd was taken for an event";
}

static const char *kick_before_addresses(void)
{
	uint64_t index = 2;
	struct vhost_vring_state s = {2, 64}, on = {2, 1};

	if (fe_ask(&fe, VHOST_SET_VRING_ENABLE, &on, sizeof(on), NULL, 0) ||
	    fe_ask(&fe, VHOST_SET_VRING_NUM, &s, sizeof(s), NULL, 0))
		return "the ring cannot be set up";
	return fe_ask(&fe, VHOST_SET_VRING_KICK, &index, 8, &kinds[3], 1) == EFAULT ? NULL : "a ring without addresses started";
}

static const char *state_into_a_closed_pipe(void)
{
	struct vhost_msg m = {.request = VHOST_SET_DEVICE_STATE_FD, .size = sizeof(struct vhost_state_wire), .nfds = 1};
	int p[2], err;

	if (pipe2(p, O_CLOEXEC))
		return "no pipe";
	close(p[0]);
	m.fds[0] = p[1];
	err = fe_ring_stop(&fe, 0) < 0 || fe_ring_stop(&fe, 1) < 0 ? -1 : fe_message(&fe, &m, true);
	close(p[1]);
	return err ? "no answer" : (m.p.u64 & VHOST_STATE_ERROR_MASK) == EPIPE ? NULL : "a state that went nowhere was saved";
}

static const char *tables_that_overlap(void)
{
	struct vhost_memory_table t = {.nregions = 2};
	int fds[2] = {fe.memfd, fe.memfd};

	t.regions[0] = (struct vhost_region_wire){0, FE_REGION, FE_USER0, 0};
	t.regions[1] = (struct vhost_region_wire){4096, FE_REGION, FE_USER1, 0};
	return fe_ask(&fe, VHOST_SET_MEM_TABLE, &t, 72, fds, 2) == EEXIST ? NULL : "overlapping regions were taken";
}

static const char *six_hundred_regions(void)
{
	int last = 0;

	for (unsigned i = 0; i < 600 && last == 0; i++) {
		struct vhost_memory_region w = {
			.region = {FE_MEMORY + i * 65536, 4096, (UINT64_C(1) << 40) + i * 65536, i * 4096}};

		last = fe_ask(&fe, VHOST_ADD_MEM_REG, &w, sizeof(w), &fe.memfd, 1);
	}
	return last == ENOSPC ? NULL : "the number of regions has no limit";
}

static const struct {
	const char *name;
	const char *(*run)(void);
} moments[] = {
	{"memory_gone", memory_gone},
	{"number_while_running", number_while_running},
	{"features_while_running", features_while_running},
	{"inflight_while_running", inflight_while_running},
	{"kick_that_cannot_be_waited_for", kick_that_cannot_be_waited_for},
	{"kick_before_addresses", kick_before_addresses},
	{"state_into_a_closed_pipe", state_into_a_closed_pipe},
	{"tables_that_overlap", tables_that_overlap},
	{"six_hundred_regions", six_hundred_regions},
};

static void moment_cases(void)
{
	for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
		const char *complaint;

		hostile_open(&fe);
		complaint = moments[i].run();
		fe_fini(&fe);
		hostile_case(moments[i].name, complaint);
	}
}

static void cases(void)
{
	kinds_open();
	frame_cases();
	moment_cases();
	message_cases();
}

int main(void)
{
	return hostile_main("vhost/hostile_message", cases);
}
