// SPDX-License-Identifier: Apache-2.0
/*
 * A client that speaks the wire format over vf_dispatch(), on a memfs. A message is
 * put together (wire_begin, wire_add, wire_str) and sent (wire_go); the reply's
 * results lie in w->reply.
 */
#ifndef TESTS_FUSE_WIRE_H
#define TESTS_FUSE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fuse/fuse_server.h"
#include "fuse/protocol.h"
#include "memfs.h"

#define WIRE_MAX ((size_t)1 << 20)
#define WIRE_ROOT UINT64_C(1)

struct wire {
	struct memfs *m;
	struct vf_session *s;
	struct vf_session_config config;
	size_t cut;  /* elements of this many bytes; 0: whole */
	size_t room; /* bytes offered for the reply */
	uint64_t unique;
	ssize_t answered; /* what vf_dispatch() returned */
	size_t reply_len; /* bytes of results */
	char *reply;      /* results: behind the header */
	size_t len;       /* of the message */
	struct fuse_in_header *h;
	char *in, *out;
};

/* A session on a new memfs, not initialised; wire_new also says INIT as the newest kernel does. */
struct wire *wire_new_silent(const struct vf_policy *policy);
struct wire *wire_new(void);
void wire_free(struct wire *w);

void wire_begin(struct wire *w, uint32_t opcode, uint64_t node);
void wire_add(struct wire *w, const void *bytes, size_t len);
void wire_str(struct wire *w, const char *name); /* with its NUL */
/* Sends. Returns the reply's error (0 or -errno); 1 when there was no reply. */
int wire_go(struct wire *w);

/* INIT with these flags. Returns the error; *out is the reply. */
int wire_init(struct wire *w, uint32_t minor, uint64_t flags, struct fuse_init_out *out);

/* One message with fixed arguments and up to two names (NULL: none). */
int wire_call(struct wire *w, uint32_t opcode, uint64_t node, const void *args, size_t len, const char *name,
	      const char *second);

/* Often used: they return the nodeid, and fail the test on an error. */
uint64_t wire_create(struct wire *w, uint64_t dir, const char *name);
uint64_t wire_mkdir(struct wire *w, uint64_t dir, const char *name);
int wire_write(struct wire *w, uint64_t node, uint64_t off, const void *bytes, uint32_t len);
int wire_lookup(struct wire *w, uint64_t dir, const char *name, struct fuse_entry_out *out);
void wire_forget(struct wire *w, uint64_t node, uint64_t n);

#endif
