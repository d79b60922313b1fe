// SPDX-License-Identifier: Apache-2.0
/* Addresses of the control sockets; shared by both ends. */
#ifndef CLI_CONTROL_SOCKET_H
#define CLI_CONTROL_SOCKET_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#define CONTROL_NAME "control"
#define CONTROL_LINE_MAX 4096

/* Address of the socket file in the directory that dirfd holds, however long its path is. */
socklen_t control_address_file(struct sockaddr_un *sa, int dirfd);
/* Address of the abstract socket of a mount. */
socklen_t control_address_dev(struct sockaddr_un *sa, dev_t dev);
/* Does the other end belong to this user or to root? (root itself trusts everybody) */
bool control_peer_trusted(int fd);

#endif
