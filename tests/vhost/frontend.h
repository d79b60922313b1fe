// SPDX-License-Identifier: Apache-2.0
/*
 * A vhost-user front end and a virtio-fs driver in one, for tests and benchmarks:
 * "guest memory" is a memfd, rings and descriptors can be written by hand, and FUSE
 * requests go over the queues. It trusts the device no more than the device trusts
 * it: every wait has a limit.
 *
 * Guest memory: region 0 at guest address 0, region 1 right behind it at
 * FE_REGION, each of FE_REGION bytes; so a buffer may span both. User addresses of
 * the two are far apart.
 */
#ifndef TESTS_VHOST_FRONTEND_H
#define TESTS_VHOST_FRONTEND_H

#include <linux/fuse.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fuse/vhost_wire.h"

#define FE_REGION (UINT64_C(32) << 20)
#define FE_MEMORY (2 * FE_REGION)
#define FE_USER0 UINT64_C(0x7f0000000000)
#define FE_USER1 UINT64_C(0x7f1000000000)
#define FE_RINGS 9
#define FE_RING_AREA (UINT64_C(1) << 20) /* guest memory per ring, from address 0 */
#define FE_BUFFERS ((uint64_t)FE_RINGS * FE_RING_AREA) /* first address that tests may use */
#define FE_TIMEOUT_MS 60000

struct fe_ring {
	unsigned index, size;
	bool event_idx;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t next_avail, next_used, kicked;
	uint16_t next_desc; /* descriptors are handed out round the table */
	int kick, call;
};

struct fe {
	int sock;
	int memfd;
	char *memory; /* guest address 0 */
	uint64_t features, protocol;
	uint64_t unique;
	int inflight_fd;
	struct vhost_inflight_wire inflight;
	struct fe_ring rings[FE_RINGS];
};

struct fe_seg {
	uint64_t guest;
	uint32_t len;
	bool writable;
};

/* Everything below returns 0 or -errno unless it says otherwise. */

/* Makes guest memory. fe_fini closes and unmaps all. */
int fe_init(struct fe *fe);
void fe_fini(struct fe *fe);

int fe_connect(struct fe *fe, const char *path);
void fe_disconnect(struct fe *fe);

static inline void *fe_at(struct fe *fe, uint64_t guest)
{
	return fe->memory + guest;
}

/* The user address that the device is told for a guest address. */
uint64_t fe_user(uint64_t guest);

/* Sends a message; with `reply` waits for the answer, which replaces m. fds are borrowed. */
int fe_message(struct fe *fe, struct vhost_msg *m, bool reply);

/* Sends with NEED_REPLY: 0, or the positive error that the device answered, or -errno. */
int fe_ask(struct fe *fe, uint32_t request, const void *payload, size_t size, const int *fds, unsigned nfds);

/* A question with an u64 answer. */
int fe_get(struct fe *fe, uint32_t request, uint64_t *value);

/* Features (minus `without`), protocol features, owner, memory table. */
int fe_negotiate(struct fe *fe, uint64_t without);
int fe_share_memory(struct fe *fe);

/* GET_INFLIGHT_FD (keeps the descriptor) and SET_INFLIGHT_FD with what is kept. */
int fe_get_inflight(struct fe *fe, unsigned queues, unsigned size);
int fe_set_inflight(struct fe *fe);

/* Lays a ring out in its area and starts it; `fresh`: zeroed, else as it was (after a reconnect). */
int fe_ring_start(struct fe *fe, unsigned index, unsigned size, bool fresh);

/* GET_VRING_BASE: stops the ring; returns the base or -errno. */
int fe_ring_stop(struct fe *fe, unsigned index);

/* Connect, negotiate, rings 0 to nrings-1 of `size`. */
int fe_open(struct fe *fe, const char *path, unsigned nrings, unsigned size);

/* ---- rings ---- */

/* Writes a chain and makes it available; no kick. Returns its head. */
uint16_t fe_post(struct fe *fe, struct fe_ring *r, const struct fe_seg *segs, unsigned n);
/* The same with the chain in an indirect table at guest address `table`. */
uint16_t fe_post_indirect(struct fe *fe, struct fe_ring *r, const struct fe_seg *segs, unsigned n, uint64_t table);
/* Makes head available, whatever it is. */
void fe_avail(struct fe_ring *r, uint16_t head);
/* Kicks if the device wants it. */
void fe_kick(struct fe_ring *r);
void fe_kick_always(struct fe_ring *r);
/* Takes one used element: 1; 0: none within the time. `spin`: looks at the ring, else sleeps for the call. */
int fe_reap(struct fe_ring *r, struct vring_used_elem *e, int timeout_ms, bool spin);

/* ---- FUSE ---- */

struct fe_call {
	uint32_t opcode;
	uint64_t node;
	const void *in[3];   /* arguments: struct, names with their NUL, data */
	size_t in_len[3];
	void *out;           /* the answer behind its header is copied here; or NULL */
	size_t out_len;      /* room for it */
	size_t got;          /* bytes that came */
	uint64_t unique;     /* of the request, filled in */
};

/* Does a request on a ring and waits. Returns the answer's error (negative or 0), or -ETIMEDOUT, -EPROTO for a broken answer. */
int fe_do(struct fe *fe, struct fe_ring *r, struct fe_call *c);

/* Writes a request into guest memory at `at` (its answer goes behind it) and posts it. Returns the head; *out is where the answer goes. */
uint16_t fe_start(struct fe *fe, struct fe_ring *r, struct fe_call *c, uint64_t at, struct fuse_out_header **out);

/* FUSE_INIT with what a Linux guest sends; *out may be NULL. */
int fe_fuse_init(struct fe *fe, struct fuse_init_out *out);
int fe_lookup(struct fe *fe, struct fe_ring *r, uint64_t parent, const char *name, struct fuse_entry_out *out);
int fe_getattr(struct fe *fe, struct fe_ring *r, uint64_t node, struct fuse_attr_out *out);
int fe_mkdir(struct fe *fe, struct fe_ring *r, uint64_t parent, const char *name, struct fuse_entry_out *out);
int fe_mknod(struct fe *fe, struct fe_ring *r, uint64_t parent, const char *name, struct fuse_entry_out *out);
int fe_unlink(struct fe *fe, struct fe_ring *r, uint64_t parent, const char *name);
/* Returns the count or -errno. */
int fe_write(struct fe *fe, struct fe_ring *r, uint64_t node, uint64_t off, const void *data, size_t len);
int fe_read(struct fe *fe, struct fe_ring *r, uint64_t node, uint64_t off, void *data, size_t len);
/* FORGET on the hiprio ring; no answer is waited for but the used element. */
int fe_forget(struct fe *fe, uint64_t node, uint64_t n);

#endif
