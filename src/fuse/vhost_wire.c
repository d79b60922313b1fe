// SPDX-License-Identifier: Apache-2.0
#include "fuse/vhost_wire.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"

static const char *const names[VHOST_REQUEST_END] = {
	[VHOST_GET_FEATURES] = "GET_FEATURES",
	[VHOST_SET_FEATURES] = "SET_FEATURES",
	[VHOST_SET_OWNER] = "SET_OWNER",
	[VHOST_RESET_OWNER] = "RESET_OWNER",
	[VHOST_SET_MEM_TABLE] = "SET_MEM_TABLE",
	[VHOST_SET_LOG_BASE] = "SET_LOG_BASE",
	[VHOST_SET_LOG_FD] = "SET_LOG_FD",
	[VHOST_SET_VRING_NUM] = "SET_VRING_NUM",
	[VHOST_SET_VRING_ADDR] = "SET_VRING_ADDR",
	[VHOST_SET_VRING_BASE] = "SET_VRING_BASE",
	[VHOST_GET_VRING_BASE] = "GET_VRING_BASE",
	[VHOST_SET_VRING_KICK] = "SET_VRING_KICK",
	[VHOST_SET_VRING_CALL] = "SET_VRING_CALL",
	[VHOST_SET_VRING_ERR] = "SET_VRING_ERR",
	[VHOST_GET_PROTOCOL_FEATURES] = "GET_PROTOCOL_FEATURES",
	[VHOST_SET_PROTOCOL_FEATURES] = "SET_PROTOCOL_FEATURES",
	[VHOST_GET_QUEUE_NUM] = "GET_QUEUE_NUM",
	[VHOST_SET_VRING_ENABLE] = "SET_VRING_ENABLE",
	[VHOST_SET_BACKEND_REQ_FD] = "SET_BACKEND_REQ_FD",
	[VHOST_GET_CONFIG] = "GET_CONFIG",
	[VHOST_SET_CONFIG] = "SET_CONFIG",
	[VHOST_GET_INFLIGHT_FD] = "GET_INFLIGHT_FD",
	[VHOST_SET_INFLIGHT_FD] = "SET_INFLIGHT_FD",
	[VHOST_RESET_DEVICE] = "RESET_DEVICE",
	[VHOST_GET_MAX_MEM_SLOTS] = "GET_MAX_MEM_SLOTS",
	[VHOST_ADD_MEM_REG] = "ADD_MEM_REG",
	[VHOST_REM_MEM_REG] = "REM_MEM_REG",
	[VHOST_SET_STATUS] = "SET_STATUS",
	[VHOST_GET_STATUS] = "GET_STATUS",
	[VHOST_SET_DEVICE_STATE_FD] = "SET_DEVICE_STATE_FD",
	[VHOST_CHECK_DEVICE_STATE] = "CHECK_DEVICE_STATE",
};

const char *vhost_request_name(uint32_t request)
{
	return request < VHOST_REQUEST_END && names[request] ? names[request] : "unknown";
}

bool vhost_request_asks(uint32_t request)
{
	switch (request) {
	case VHOST_GET_FEATURES:
	case VHOST_SET_LOG_BASE:
	case VHOST_GET_VRING_BASE:
	case VHOST_GET_PROTOCOL_FEATURES:
	case VHOST_GET_QUEUE_NUM:
	case VHOST_GET_CONFIG:
	case VHOST_GET_INFLIGHT_FD:
	case VHOST_GET_MAX_MEM_SLOTS:
	case VHOST_GET_STATUS:
	case VHOST_SET_DEVICE_STATE_FD:
	case VHOST_CHECK_DEVICE_STATE:
		return true;
	default:
		return false;
	}
}

uint64_t vhost_answer_error(uint32_t request, uint64_t answer)
{
	switch (request) {
	case VHOST_GET_VRING_BASE:
	case VHOST_GET_INFLIGHT_FD:
		return 0;
	case VHOST_SET_DEVICE_STATE_FD:
		return answer & VHOST_STATE_ERROR_MASK;
	default:
		return answer;
	}
}

/* 1: sock is readable (or closed); 0: stop fired. */
static int wire_wait(int sock, int stop)
{
	struct pollfd p[2] = {{.fd = sock, .events = POLLIN}, {.fd = stop, .events = POLLIN}};

	for (;;) {
		int n = poll(p, 2, -1);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && p[1].revents)
			return 0;
		if (n > 0)
			return 1;
	}
}

/* Descriptors that came with a piece of a message; more than a message may have are closed. */
static void wire_take_fds(struct vhost_msg *m, struct msghdr *h)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		const unsigned char *data = CMSG_DATA(c);
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, data + i * sizeof(int), sizeof(int));
			if (m->nfds < VHOST_MSG_FDS)
				m->fds[m->nfds++] = fd;
			else
				close(fd);
		}
	}
}

/* One recvmsg: the bytes that came, 0 at the end of the stream, -EAGAIN when there are none yet. */
static ssize_t wire_receive_some(int sock, struct vhost_msg *m, char *to, size_t n)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * VHOST_MSG_FDS)];
	} control;
	struct iovec iov = {to, n};
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.room,
			   .msg_controllen = sizeof(control.room)};
	ssize_t got = recvmsg(sock, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (got < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	wire_take_fds(m, &h);
	return got;
}

static int wire_receive_all(int sock, int stop, struct vhost_msg *m, void *to, size_t n)
{
	size_t done = 0;

	while (done < n) {
		int ready = wire_wait(sock, stop);
		ssize_t got;

		if (ready != 1)
			return ready;
		got = wire_receive_some(sock, m, (char *)to + done, n - done);
		if (got == 0 || (got < 0 && got != -EAGAIN))
			return (int)got;
		if (got > 0)
			done += (size_t)got;
	}
	return 1;
}

int vhost_msg_receive(int sock, int stop, struct vhost_msg *m)
{
	int got;

	memset(m, 0, sizeof(*m));
	got = wire_receive_all(sock, stop, m, m, VHOST_MSG_HEADER);
	if (got == 1 && ((m->flags & VHOST_MSG_VERSION_MASK) != VHOST_MSG_VERSION || m->size > sizeof(m->p)))
		got = -EPROTO;
	if (got == 1 && m->size)
		got = wire_receive_all(sock, stop, m, &m->p, m->size);
	if (got != 1)
		vhost_msg_fini(m);
	return got == -ECONNRESET ? 0 : got;
}

int vhost_msg_send(int sock, const struct vhost_msg *m)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * VHOST_MSG_FDS)];
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)m, VHOST_MSG_HEADER + m->size};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t sent;

	if (m->nfds) {
		struct cmsghdr *c;

		h.msg_control = control.room;
		h.msg_controllen = CMSG_SPACE(sizeof(int) * m->nfds);
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * m->nfds);
		memcpy(CMSG_DATA(c), m->fds, sizeof(int) * m->nfds);
	}
	do
		sent = sendmsg(sock, &h, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	return (size_t)sent == iov.iov_len ? 0 : -EIO; /* messages are far smaller than a socket's buffer */
}

int vhost_msg_take_fd(struct vhost_msg *m, unsigned i)
{
	return i < m->nfds ? vn_steal_fd(&m->fds[i]) : -1;
}

void vhost_msg_fini(struct vhost_msg *m)
{
	for (unsigned i = 0; i < m->nfds; i++) {
		if (m->fds[i] >= 0)
			close(m->fds[i]);
	}
	m->nfds = 0;
}
