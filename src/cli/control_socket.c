// SPDX-License-Identifier: Apache-2.0
#include "cli/control_socket.h"

#include <stddef.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>

socklen_t control_address_file(struct sockaddr_un *sa, int dirfd)
{
	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d/" CONTROL_NAME, dirfd);
	return sizeof(*sa);
}

socklen_t control_address_dev(struct sockaddr_un *sa, dev_t dev)
{
	int n;

	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	/* The leading NUL makes it abstract. */
	n = snprintf(sa->sun_path + 1, sizeof(sa->sun_path) - 1, "veneer/%u:%u", major(dev), minor(dev));
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

bool control_peer_trusted(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return false;
	return peer.uid == 0 || peer.uid == geteuid() || geteuid() == 0;
}
