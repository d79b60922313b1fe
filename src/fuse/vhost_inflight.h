// SPDX-License-Identifier: Apache-2.0
/*
 * The in-flight region: memory that outlives the server, kept by the front end
 * or by our keeper process. It has
 *
 *	one region per queue, as the vhost-user specification lays it out (virtq.h)
 *	our own page behind them: who the FUSE session is and what its INIT agreed
 *
 * With both a new server takes up where a killed one stopped: the same session
 * identity, so the nodeids that the guest holds stay valid and what was already
 * carried out is not carried out again; and the same agreed flags, since the
 * guest sends no second INIT.
 *
 * The page is written while a kill may come at any time: it has two slots with
 * checksums, written in turn, and the newer intact one counts.
 */
#ifndef VF_VHOST_INFLIGHT_H
#define VF_VHOST_INFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cfg.h"
#include "fuse/virtq.h"

#define VHOST_SESSION_STATE_MAX 512 /* bytes of a FUSE session's saved state */

struct vhost_inflight {
	int fd;               /* of the memory */
	uint64_t offset;      /* of the region in it */
	uint64_t size;        /* bytes, all regions and our page */
	unsigned queues;
	unsigned queue_size;  /* descriptors per queue */
	void *map;
	size_t map_length;
	char *at;             /* first region */
};

/* What the page says of the session. */
struct vhost_session_record {
	uint64_t id;         /* never 0 */
	bool kept;           /* the front end asked for the region and may come back with it */
	uint32_t state_size; /* 0: INIT has not been answered yet */
	unsigned char state[VHOST_SESSION_STATE_MAX];
};

/* Makes a region of zeros in a memfd. -EINVAL: no queue, or a size that no queue can have. */
int vhost_inflight_new(unsigned queues, unsigned queue_size, struct vhost_inflight **out) VN_MUST_CHECK;

/*
 * Maps a region that somebody has kept; fd is ours afterwards, also on failure.
 * -EINVAL: too small for what it should hold, or longer than its file.
 */
int vhost_inflight_open(int fd, uint64_t size, uint64_t offset, unsigned queues, unsigned queue_size,
			struct vhost_inflight **out) VN_MUST_CHECK;

void vhost_inflight_free(struct vhost_inflight *f); /* NULL is allowed */

/* The region of one queue and its bytes; NULL when there is none for it. */
struct virtq_inflight *vhost_inflight_queue(const struct vhost_inflight *f, unsigned queue, size_t *size);

/* Reads the page. -ENOENT: nothing intact is there (a new region, or another program's). */
int vhost_inflight_load(const struct vhost_inflight *f, struct vhost_session_record *r) VN_MUST_CHECK;

/* Writes the page. Not to be called by two threads at once. -ENOSPC: the region has no room for one. */
int vhost_inflight_store(struct vhost_inflight *f, const struct vhost_session_record *r);

#endif
