// SPDX-License-Identifier: Apache-2.0
#include "cli/link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

union link_control {
	char space[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

int link_pair(int fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0 ? -errno : 0;
}

int link_send(int sock, enum link_kind kind, const char *text, int fd)
{
	char byte = (char)kind;
	struct iovec iov[2] = {{&byte, 1}, {(char *)(text ? text : ""), text ? strlen(text) : 0}};
	union link_control control = {{0}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	if (fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.space;
		msg.msg_controllen = sizeof(control.space);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int link_receive(int sock, struct link_message *m)
{
	char byte = 0;
	struct iovec iov[2] = {{&byte, 1}, {m->text, sizeof(m->text) - 1}};
	union link_control control;
	struct msghdr msg = {
		.msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	struct cmsghdr *c;
	ssize_t n;

	do {
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	/* A peer that died with unread messages counts as an end. */
	if (n < 0 && errno != ECONNRESET)
		return -errno;
	m->kind = n > 0 ? (enum link_kind)byte : LINK_END;
	m->text[n > 0 ? n - 1 : 0] = 0;
	m->fd = -1;
	c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(&m->fd, CMSG_DATA(c), sizeof(int));
	return 0;
}
