// SPDX-License-Identifier: Apache-2.0
/*
 * What `veneer run` and the child that will become the command say to each
 * other. The child makes the namespaces and the mount, because both belong to
 * the process that makes them; the parent stays outside and serves.
 *
 *	parent			child
 *	GO		->			the tree is open; "host": it shows the host's `/`
 *			<-	MAP		a user namespace waits for its identities
 *	MAPPED		->
 *			<-	FUSE fd		the mount is made, its device comes along
 *	SERVED		->			somebody answers
 *			<-	FAILED text	instead of any of the child's messages
 *			<-	(end)		the command runs
 */
#ifndef CLI_LINK_H
#define CLI_LINK_H

#include "base/err.h"

enum link_kind {
	LINK_GO = 'g',
	LINK_MAP = 'm',
	LINK_MAPPED = 'M',
	LINK_FUSE = 'f',
	LINK_SERVED = 's',
	LINK_FAILED = 'x',
	LINK_END = 0, /* the other end is closed */
};

struct link_message {
	enum link_kind kind;
	int fd; /* LINK_FUSE: the receiver's to close; else -1 */
	char text[VN_ERR_TEXT_MAX];
};

/* A pair of sockets, close-on-exec. */
int link_pair(int fds[2]);
/* text may be NULL; fd -1: none (it is copied, not taken). */
int link_send(int sock, enum link_kind kind, const char *text, int fd);
/* Waits for a message. */
int link_receive(int sock, struct link_message *m);

#endif
