// SPDX-License-Identifier: Apache-2.0
/*
 * vhost-user messages as they are on the socket (the vhost-user specification,
 * "Message Specification"): numbers, structs, and the two functions that move
 * one. All numbers are in the machine's byte order.
 */
#ifndef VF_VHOST_WIRE_H
#define VF_VHOST_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cfg.h"
#include "fuse/vhost_memory.h"

enum vhost_request {
	VHOST_GET_FEATURES = 1,
	VHOST_SET_FEATURES = 2,
	VHOST_SET_OWNER = 3,
	VHOST_RESET_OWNER = 4,
	VHOST_SET_MEM_TABLE = 5,
	VHOST_SET_LOG_BASE = 6,
	VHOST_SET_LOG_FD = 7,
	VHOST_SET_VRING_NUM = 8,
	VHOST_SET_VRING_ADDR = 9,
	VHOST_SET_VRING_BASE = 10,
	VHOST_GET_VRING_BASE = 11,
	VHOST_SET_VRING_KICK = 12,
	VHOST_SET_VRING_CALL = 13,
	VHOST_SET_VRING_ERR = 14,
	VHOST_GET_PROTOCOL_FEATURES = 15,
	VHOST_SET_PROTOCOL_FEATURES = 16,
	VHOST_GET_QUEUE_NUM = 17,
	VHOST_SET_VRING_ENABLE = 18,
	VHOST_SET_BACKEND_REQ_FD = 21,
	VHOST_GET_CONFIG = 24,
	VHOST_SET_CONFIG = 25,
	VHOST_GET_INFLIGHT_FD = 31,
	VHOST_SET_INFLIGHT_FD = 32,
	VHOST_RESET_DEVICE = 34,
	VHOST_GET_MAX_MEM_SLOTS = 36,
	VHOST_ADD_MEM_REG = 37,
	VHOST_REM_MEM_REG = 38,
	VHOST_SET_STATUS = 39,
	VHOST_GET_STATUS = 40,
	VHOST_SET_DEVICE_STATE_FD = 42,
	VHOST_CHECK_DEVICE_STATE = 43,
	VHOST_REQUEST_END,
};

/* Bits of vhost_msg.flags. */
#define VHOST_MSG_VERSION_MASK 0x3u
#define VHOST_MSG_VERSION 0x1u
#define VHOST_MSG_REPLY (1u << 2)
#define VHOST_MSG_NEED_REPLY (1u << 3)

/* Feature bits that vhost-user adds to virtio's. */
#define VHOST_FEATURE_LOG_ALL (UINT64_C(1) << 26)
#define VHOST_FEATURE_PROTOCOL (UINT64_C(1) << 30)

#define VHOST_PROTOCOL_MQ (UINT64_C(1) << 0)
#define VHOST_PROTOCOL_LOG_SHMFD (UINT64_C(1) << 1)
#define VHOST_PROTOCOL_REPLY_ACK (UINT64_C(1) << 3)
#define VHOST_PROTOCOL_CONFIG (UINT64_C(1) << 9)
#define VHOST_PROTOCOL_INFLIGHT_SHMFD (UINT64_C(1) << 12)
#define VHOST_PROTOCOL_RESET_DEVICE (UINT64_C(1) << 13)
#define VHOST_PROTOCOL_CONFIGURE_MEM_SLOTS (UINT64_C(1) << 15)
#define VHOST_PROTOCOL_STATUS (UINT64_C(1) << 16)
#define VHOST_PROTOCOL_DEVICE_STATE (UINT64_C(1) << 19)

/* Payload of SET_VRING_KICK, CALL and ERR: the queue, and whether a descriptor comes with it. */
#define VHOST_VRING_INDEX_MASK UINT64_C(0xff)
#define VHOST_VRING_NO_FD (UINT64_C(1) << 8)

/* vhost_vring_addr.flags */
#define VHOST_VRING_LOG (1u << 0)

/* Reply to SET_DEVICE_STATE_FD: an error in the low byte, and whether no descriptor comes back. */
#define VHOST_STATE_ERROR_MASK UINT64_C(0xff)
#define VHOST_STATE_NO_FD (UINT64_C(1) << 8)
#define VHOST_STATE_SAVE 0u
#define VHOST_STATE_LOAD 1u

#define VHOST_TABLE_REGIONS 8 /* in one SET_MEM_TABLE */
#define VHOST_MSG_FDS 8
#define VHOST_CONFIG_MAX 256

struct vhost_vring_state {
	uint32_t index, num;
};

struct vhost_vring_addr {
	uint32_t index, flags;
	uint64_t desc, used, avail, log;
};

struct vhost_memory_table {
	uint32_t nregions, padding;
	struct vhost_region_wire regions[VHOST_TABLE_REGIONS];
};

struct vhost_memory_region {
	uint64_t padding;
	struct vhost_region_wire region;
};

struct vhost_log_wire {
	uint64_t size, offset;
};

struct vhost_config_wire {
	uint32_t offset, size, flags;
	uint8_t data[VHOST_CONFIG_MAX];
};

struct vhost_inflight_wire {
	uint64_t mmap_size, mmap_offset;
	uint16_t num_queues, queue_size;
	uint32_t padding; /* not on the wire */
};

#define VHOST_CONFIG_HEADER offsetof(struct vhost_config_wire, data)
#define VHOST_INFLIGHT_SIZE offsetof(struct vhost_inflight_wire, padding)

struct vhost_state_wire {
	uint32_t direction, phase;
};

#define VHOST_MSG_HEADER (3 * sizeof(uint32_t))

/* The head and the payload lie as on the wire; nfds and fds come beside it. The message owns its descriptors. */
struct vhost_msg {
	uint32_t request, flags, size;
	union {
		uint64_t u64;
		struct vhost_vring_state state;
		struct vhost_vring_addr addr;
		struct vhost_memory_table table;
		struct vhost_memory_region region;
		struct vhost_log_wire log;
		struct vhost_config_wire config;
		struct vhost_inflight_wire inflight;
		struct vhost_state_wire device_state;
	} __attribute__((packed, aligned(4))) p;
	unsigned nfds;
	int fds[VHOST_MSG_FDS];
};

/*
 * Receives one message, waiting for it; what the payload lacks is zero. stop is a
 * descriptor that ends the wait when it becomes readable (-1: none). Returns 1; 0
 * when the peer has closed or stop fired; -EPROTO for another version or a payload
 * longer than any message has; or a socket error. On 1 the caller calls
 * vhost_msg_fini.
 */
int vhost_msg_receive(int sock, int stop, struct vhost_msg *m) VN_MUST_CHECK;

/* Sends a message with its descriptors, which stay the caller's. */
int vhost_msg_send(int sock, const struct vhost_msg *m) VN_MUST_CHECK;

/* Takes descriptor i out of the message; -1 when there is none. */
int vhost_msg_take_fd(struct vhost_msg *m, unsigned i);

/* Closes what descriptors are left. */
void vhost_msg_fini(struct vhost_msg *m);

/* Is this request one whose answer is its purpose, whether or not REPLY_ACK was agreed? */
bool vhost_request_asks(uint32_t request);

/* The error that the answer to this request tells, positive; 0: it was carried out, or answers tell their own errors. */
uint64_t vhost_answer_error(uint32_t request, uint64_t answer);

/* "SET_VRING_NUM", or "unknown". */
const char *vhost_request_name(uint32_t request);

#endif
