// SPDX-License-Identifier: Apache-2.0
/*
 * The dispatcher's door: one request in, one reply out.
 *
 * Wire form is checked here and nowhere else: a request that is malformed gets an
 * errno and has no effect. READ and the like fill the reply's memory directly,
 * WRITE is taken from the request's memory directly.
 */
#ifndef VF_DISPATCH_H
#define VF_DISPATCH_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

struct vf_session;

/*
 * Carries out the request that lies in `in` and writes the reply to `out`. Both may be
 * cut into elements at any byte, and may be the same memory (what is read is copied
 * before the reply is written, except a WRITE's bytes, whose reply comes after them); the request's memory may change while it is read
 * (a guest's), which harms nobody but its owner. Returns the reply's length in bytes,
 * 0 when there is none: for FORGET and the like, for a request without a whole header,
 * and when `out` cannot hold a header.
 *
 * Runs on the caller's thread, takes no lock of its own; any number of threads may
 * call it at once for one session.
 */
ssize_t vf_dispatch(struct vf_session *s, const struct iovec *in, int nin, const struct iovec *out, int nout);

/* True when carrying out the request is likely to wait for a disk. */
bool vf_may_block(const struct iovec *in, int nin);

/* "LOOKUP" for 1 and so on; "UNKNOWN" for what has no name. Static text. */
const char *vf_opcode_name(unsigned opcode);

/*
 * Gives back what a reply handed to the client and the client never got: the lookups
 * of an entry or a listing. in and out as they were for vf_dispatch().
 */
void vf_reply_lost(struct vf_session *s, const struct iovec *in, int nin, const struct iovec *out, int nout);

#endif
