// SPDX-License-Identifier: Apache-2.0
/*
 * The device's side of a split virtqueue (VIRTIO 1.2, 2.7).
 *
 * The guest makes chains of descriptors available; virtq_pop() takes the next
 * one and describes it as iovecs of our mapping; virtq_push() gives it back.
 * Chains may be given back in any order.
 *
 * Hostile guests. The rings and tables lie in memory that the guest changes at
 * any time, so every field is read once, into a local, and checked there. Two
 * kinds of damage are told apart:
 * - a bad chain (loops, addresses outside memory, writable before readable, too
 *   long, broken indirect tables): pop answers -EBADMSG, and the caller gives it
 *   back with length 0; the queue goes on;
 * - a bad ring (an index that jumps, a head that does not exist or is under way
 *   already): the queue is broken, pop answers -EPROTO from then on, until it is
 *   started anew.
 *
 * In-flight region (vhost-user specification, "Inflight I/O tracking"). Memory
 * that outlives us, where heads that were taken and not given back are marked,
 * with a counter for their order. virtq_start() finds in it what an earlier life
 * left: these heads come first from virtq_pop(). What is available and not yet
 * taken follows from used index + number in flight, whatever the front end says
 * the base is. Each step of take and give-back is ordered so that a kill between
 * any two of them loses nothing and repeats nothing:
 *	take: counter, mark, our index;
 *	give back: link into the last batch, used element, used index, unmark, copy of the used index.
 * A kill after the used index and before its copy shows as a difference of the
 * two, and the last batch says whose marks are to be cleared.
 *
 * Not thread-safe: the owner's lock is held for every call but
 * virtq_watch_fired(), which only reads the guest's index.
 */
#ifndef VF_VIRTQ_H
#define VF_VIRTQ_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/cfg.h"
#include "fuse/vhost_memory.h"

#define VIRTQ_SIZE_MAX 32768
#define VIRTQ_IOV_MAX 1088 /* elements of one chain: 1024 pages, headers, and splits at region borders */

/* The layout is the specification's; little is trusted in it, as the front end can write there. */
struct virtq_inflight_desc {
	uint8_t inflight;
	uint8_t lives; /* ours, in the padding: how many servers have taken the head up from an earlier one */
	uint8_t padding[4];
	uint16_t next;
	uint64_t counter;
};

struct virtq_inflight {
	uint64_t features;
	uint16_t version; /* 1; 0: never used */
	uint16_t desc_num;
	uint16_t last_batch_head;
	uint16_t used_idx;
	struct virtq_inflight_desc desc[];
};

/* Bytes of the region of one queue of `size` descriptors, rounded up to a cache line. */
size_t virtq_inflight_size(unsigned size);

/* What SET_VRING_* say. Addresses are the front end's user addresses. */
struct virtq_config {
	unsigned size;  /* a power of two, at most VIRTQ_SIZE_MAX; 0: not set */
	uint64_t desc, avail, used;
	uint16_t base;  /* next available index to take */
	bool event_idx; /* VIRTIO_RING_F_EVENT_IDX was agreed */
};

struct virtq {
	struct virtq_config config;
	const volatile struct vring_desc *desc;
	volatile struct vring_avail *avail;
	volatile struct vring_used *used;
	uint16_t next_avail;  /* next available index to take */
	uint16_t next_used;   /* the used index as we wrote it */
	uint16_t signalled;   /* used index at the last signal */
	bool signalled_valid; /* false: the first completion is always signalled */
	bool broken;
	unsigned taken;       /* chains taken and not given back */
	uint64_t *heads;      /* a bit per head that is taken */
	struct virtq_inflight *inflight; /* borrowed; NULL: not tracked */
	uint64_t counter;
	uint16_t *resubmit;   /* heads that an earlier life left, oldest first */
	unsigned nresubmit, resubmitted;
};

/* A chain: readable elements first, then writable ones. */
struct virtq_chain {
	uint16_t head;
	unsigned lives;                    /* servers that died with it under way */
	int nin, nout;
	size_t in_len, out_len;            /* bytes */
	struct iovec iov[VIRTQ_IOV_MAX];   /* nin, then nout */
	uint64_t guest[VIRTQ_IOV_MAX];     /* guest address of each element */
};

/*
 * Starts a queue: maps the rings through m, forgets an earlier run, and takes up
 * what the in-flight region (of `size` bytes; NULL: none) holds. On failure q is
 * as virtq_fini leaves it. -EINVAL: sizes or alignment; -EFAULT: rings outside
 * memory; -ENOMEM.
 */
int virtq_start(struct virtq *q, const struct virtq_config *config, const struct vhost_memory *m,
		struct virtq_inflight *inflight, size_t size) VN_MUST_CHECK;

/*
 * Finds the rings again after the memory set or their addresses have changed. On
 * failure they stay where they were: the caller keeps the old set alive.
 */
int virtq_remap(struct virtq *q, const struct vhost_memory *m) VN_MUST_CHECK;

/* Frees what start took. A region with nothing in flight is left as never used, so that the next start goes by its base. */
void virtq_fini(struct virtq *q);

/*
 * The same, but the region stays as it is: for a successor that knows the base of the
 * queue's start only, and goes by what the region and the used ring say.
 */
void virtq_leave(struct virtq *q);

/*
 * Takes the next chain: 1, or 0 when there is none. -EBADMSG: chain->head is to be
 * given back with length 0. -EPROTO: the queue is broken. `left_only`: take nothing
 * new, only what an earlier life left (for a queue that is being stopped).
 */
int virtq_pop(struct virtq *q, const struct vhost_memory *m, bool left_only, struct virtq_chain *chain) VN_MUST_CHECK;

/* Gives a chain back; len is the number of bytes written to it from its start. */
void virtq_push(struct virtq *q, uint16_t head, uint32_t len);

/* Does the guest want to be interrupted for what was pushed since the last time this was asked? */
bool virtq_should_signal(struct virtq *q);

/* Asks the guest not to kick, as we look at the ring ourselves. */
void virtq_kicks_off(struct virtq *q);

/* Asks for kicks again. True: something was made available meanwhile, for which no kick will come. */
bool virtq_kicks_on(struct virtq *q);

/* Is anything available (or left by an earlier life)? */
bool virtq_has_more(const struct virtq *q);

/*
 * For a poller that does not hold the lock: the index to look at and the value it
 * has while nothing new is available. The poller holds a reference to the memory
 * set that the queue is mapped through.
 */
struct virtq_watch {
	const volatile uint16_t *idx; /* NULL: the queue is broken */
	uint16_t seen;
};
struct virtq_watch virtq_watch(const struct virtq *q);
bool virtq_watch_fired(const struct virtq_watch *w);

/* Bytes of the used ring's header and n elements; what a dirty log is told. */
size_t virtq_used_size(unsigned n);

#endif
