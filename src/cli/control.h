// SPDX-License-Identifier: Apache-2.0
/*
 * Talking to a running server: a socket `control` (mode 0600) in the upper
 * directory, and a second, abstract one that is found from a mount point
 * ("veneer/MAJOR:MINOR" of the mount's st_dev), which also trees without an upper
 * have and which leaves nothing behind when a server dies.
 *
 * The protocol is made of lines. The client sends one request and a newline:
 *
 *	settle			apply all changes: index.db shows the present state
 *	stats			what the server has done, as one JSON object
 *	stats reset		the same, and counting begins anew
 *	stop			unmount and end
 *	snapshot NAME		seal the present state
 *	rollback NAME		go back to a snapshot
 *	delete NAME		merge a snapshot into its neighbours
 *
 * The server answers "ok" and a newline, then the reply up to the end of the
 * connection, or "error ERRNO SENTENCE" and a newline. It answers its own user
 * and root only. A request is at most 4095 bytes; one connection is served at a time.
 */
#ifndef CLI_CONTROL_H
#define CLI_CONTROL_H

#include <sys/types.h>

struct vn_err;
struct control;

struct control_verb {
	const char *name; /* first word of the request; an entry with NULL ends a table */
	/*
	 * rest: what follows the first word, "" if nothing. *reply may be set to a
	 * malloc()ed text. Called by the control thread. 0, or -errno with a sentence.
	 */
	int (*run)(void *arg, const char *rest, char **reply, struct vn_err *err);
};

struct control_config {
	const char *upper;                /* directory for the socket file, or NULL */
	dev_t dev;                        /* of the mount, 0: none */
	const struct control_verb *verbs; /* borrowed, as arg, until control_stop() */
	void *arg;
};

/* Starts the thread. The caller holds the upper's lock, so a socket file that is there is stale. */
int control_start(const struct control_config *config, struct control **out, struct vn_err *err);
/* Ends the thread and removes the socket file; NULL is allowed. Not from a verb. */
void control_stop(struct control *c);

/* The client: where a server is to be found. One of the two. */
struct control_address {
	const char *upper;
	dev_t dev;
};

/*
 * Sends a request and waits for the reply, malloc()ed, "" if there is none.
 * -ENOENT without a sentence: no server is running there. Else -errno with one;
 * -EPROTO: the server ended before it answered, so what was asked may be done or not.
 */
int control_call(const struct control_address *to, const char *request, char **reply, struct vn_err *err);

#endif
