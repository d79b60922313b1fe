// SPDX-License-Identifier: Apache-2.0
/*
 * All that a front end has told its device, kept so that a new worker can be told
 * the same: it then is, for the guest, the device that it was.
 */
#ifndef VF_VHOST_RECORD_H
#define VF_VHOST_RECORD_H

#include <stdbool.h>

#include "base/cfg.h"
#include "fuse/vhost_device.h"
#include "fuse/vhost_wire.h"

#define VHOST_RECORD_QUEUES (VHOST_REQUEST_QUEUES_MAX + 1)

struct vhost_record_region {
	struct vhost_region_wire wire;
	int fd;
};

struct vhost_record_queue {
	uint32_t size, base;
	struct vhost_vring_addr addr;
	bool has_addr, has_kick, enabled;
	int kick, call, err; /* -1: none */
};

struct vhost_record {
	uint64_t features, protocol_features, status;
	bool has_features, has_status;
	struct vhost_record_region regions[VHOST_MEMORY_SLOTS];
	unsigned nregions;
	struct vhost_log_wire log;
	int log_fd;
	struct vhost_inflight_wire inflight;
	int inflight_fd;
	int state_fd; /* of a device state that is being loaded */
	struct vhost_record_queue queues[VHOST_RECORD_QUEUES];
};

/* Starts empty; clear closes what is held and empties it again. */
void vhost_record_init(struct vhost_record *r);
void vhost_record_clear(struct vhost_record *r);

/*
 * Notes a message that the worker has carried out; answer is what it said. The
 * descriptors of both stay the caller's. -EMFILE and the like: it could not be noted.
 */
int vhost_record_note(struct vhost_record *r, const struct vhost_msg *request, const struct vhost_msg *answer)
	VN_MUST_CHECK;

/*
 * Calls ask() for each message that brings a new worker to the same state, in an
 * order that any back end accepts; stops at the first error and returns it. The
 * messages' descriptors are borrowed.
 */
typedef int (*vhost_ask_fn)(void *arg, struct vhost_msg *m);
int vhost_record_replay(const struct vhost_record *r, vhost_ask_fn ask, void *arg) VN_MUST_CHECK;

#endif
