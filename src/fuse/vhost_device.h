// SPDX-License-Identifier: Apache-2.0
/*
 * The virtio-fs device that a vhost-user front end drives: queue 0 is hiprio
 * (FORGET, INTERRUPT), queues 1 to N take requests. It holds what the messages
 * set (vhost_message.c decodes them), the FUSE session, and the queues.
 *
 * Life. One device serves one front end after another over the same tree. The
 * FUSE session begins when the first queue starts, because only then is it known
 * whether the front end brought an in-flight region of an earlier session to take
 * up. It ends when the front end is gone (vhost_device_detach).
 *
 * Threads. All functions are called by the thread that reads messages; only the
 * queues have threads of their own, and the sentinel (vhost_queue.h).
 */
#ifndef VF_VHOST_DEVICE_H
#define VF_VHOST_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cfg.h"
#include "fuse/session.h"
#include "fuse/vhost_inflight.h"
#include "fuse/vhost_queue.h"
#include "fuse/vhost_wire.h"

#define VHOST_TAG_MAX 36
#define VHOST_REQUEST_QUEUES_MAX 64
#define VHOST_IDENTITY_SIZE 16

struct vhost_device_config {
	struct vn_fs *fs;                    /* borrowed */
	const struct vf_session_config *session; /* borrowed; its id and outlives are set by the device */
	const char *tag;                     /* 1 to VHOST_TAG_MAX bytes; borrowed */
	unsigned request_queues;             /* 1 to VHOST_REQUEST_QUEUES_MAX */
	unsigned workers;                    /* threads per request queue at most */
	unsigned poll_us;                    /* longest poll of an empty ring */
	unsigned char identity[VHOST_IDENTITY_SIZE]; /* of the tree: a session's saved state is only loaded over the same one */
};

struct vhost_sentinel;

struct vhost_device {
	struct vhost_device_config config;
	unsigned nqueues;               /* request queues and hiprio */
	struct vhost_queue *queues;
	struct vhost_sentinel *sentinel;

	uint64_t features;              /* agreed; 0 before SET_FEATURES */
	uint64_t protocol_features;
	uint8_t status;
	struct vhost_memory *memory;    /* never NULL */
	struct vhost_log *log;          /* as SET_LOG_BASE gave it; used while LOG_ALL is agreed */
	struct vhost_inflight *inflight; /* NULL: nothing survives us */

	struct vf_session *session;     /* NULL: no queue has been started; changes under record_lock */
	struct vhost_session_record record; /* of the session, as in the in-flight region */
	unsigned recorded;              /* vf_session_changes() when the record was written */
	pthread_mutex_t record_lock;    /* queue threads write the record after INIT; guards session against other threads */
	uint64_t kept_id;               /* session that a front end left and may take up again, 0: none */
	int state_fd;                   /* of a device state that is being loaded, -1: none */
	int state_error;                /* of the last transfer, for CHECK_DEVICE_STATE */
	bool state_moved;               /* there was one since the last CHECK_DEVICE_STATE */
};

/* Fails with -EINVAL for values outside their ranges, or -errno. */
int vhost_device_new(const struct vhost_device_config *config, struct vhost_device **out) VN_MUST_CHECK;

/* The device is detached. A session that is kept stays so for the next server. NULL is allowed. */
void vhost_device_free(struct vhost_device *d);

/*
 * The front end is gone, or we are to stop. Queues finish what they took; the
 * session ends, and all that the front end set is forgotten. The session is kept
 * (nodeids stay valid for who takes it up) if its front end asked for an in-flight
 * region, or if we are to be replaced (`replaced`) under a front end whose region
 * is in our keeper's hands.
 */
void vhost_device_detach(struct vhost_device *d, bool replaced);

/* What we offer. */
uint64_t vhost_device_features(void);
uint64_t vhost_device_protocol_features(void);

/* -EINVAL: a bit that was not offered; -EBUSY: a bit that cannot change while a queue runs. */
int vhost_device_set_features(struct vhost_device *d, uint64_t features) VN_MUST_CHECK;
int vhost_device_set_protocol_features(struct vhost_device *d, uint64_t features) VN_MUST_CHECK;

/* A queue by its number; NULL: there is none. */
struct vhost_queue *vhost_device_queue(struct vhost_device *d, uint64_t index);
bool vhost_device_runs(const struct vhost_device *d); /* is any queue running? */

/* Starts q if it can run (vhost_queue_start), beginning the session if it is the first. */
int vhost_device_start_queue(struct vhost_device *d, struct vhost_queue *q) VN_MUST_CHECK;

/* Stops every queue and disables it. The session stays: a guest that is only paused comes back to it. */
void vhost_device_reset(struct vhost_device *d);

/* Takes over the caller's reference. */
void vhost_device_set_memory(struct vhost_device *d, struct vhost_memory *m);
void vhost_device_set_log(struct vhost_device *d, struct vhost_log *log);

/* Takes over the region. `asked`: made because the front end asked for one. -EBUSY: a queue runs. */
int vhost_device_set_inflight(struct vhost_device *d, struct vhost_inflight *f, bool asked) VN_MUST_CHECK;

/* The device's configuration space: n bytes at offset. -EINVAL: beyond its end. */
int vhost_device_read_config(const struct vhost_device *d, uint32_t offset, uint32_t n, uint8_t *out) VN_MUST_CHECK;

/* Begins the session if there is none. */
int vhost_device_begin_session(struct vhost_device *d) VN_MUST_CHECK;

/* Calls fn with the session (NULL: there is none), which does not end meanwhile. For any thread. */
void vhost_device_with_session(struct vhost_device *d, void (*fn)(void *arg, const struct vf_session *s), void *arg);

/* Writes the session's record if the session has changed (INIT). For any thread. */
void vhost_device_record_session(struct vhost_device *d);

/* Writes what d->record says into the in-flight region, if there is one. Queue threads under record_lock; the message thread while no queue runs. */
void vhost_device_write_record(struct vhost_device *d);

/* ---- migration: vhost_state.c ---- */

/*
 * SET_DEVICE_STATE_FD: writes the state to fd, or keeps fd to read it from. fd is
 * ours afterwards. No queue may run. Returns 0 or -errno.
 */
int vhost_device_transfer(struct vhost_device *d, uint32_t direction, int fd) VN_MUST_CHECK;

/* CHECK_DEVICE_STATE: finishes the transfer. -EINVAL: there was none; -EBADMSG: the state is damaged; -EPROTONOSUPPORT: of another version; -ESTALE: of another tree. */
int vhost_device_check_transfer(struct vhost_device *d) VN_MUST_CHECK;

/* ---- the sentinel: vhost_sentinel.c ---- */

/* Starts the thread that looks after stuck queues of d. */
int vhost_sentinel_new(struct vhost_device *d, struct vhost_sentinel **out) VN_MUST_CHECK;
void vhost_sentinel_free(struct vhost_sentinel *s); /* NULL is allowed */

/* A queue's thread has begun to work: the sentinel has to be awake. Cheap when it is. */
void vhost_sentinel_wake(struct vhost_sentinel *s);

#endif
