// SPDX-License-Identifier: Apache-2.0
/*
 * Counters of messages. Each thread counts in one of a few shards, so that two
 * CPUs seldom write to the same cache line; reading adds the shards up.
 */
#ifndef VF_STATS_H
#define VF_STATS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct vf_stats;

#define VF_COUNTER_SHARDS 8
#define VF_COUNTER_SLOTS 64 /* by opcode; 0 for those beyond */

struct vf_counter {
	_Atomic uint64_t count, errors, bytes_in, bytes_out;
};

struct vf_counter_shard {
	_Alignas(64) struct vf_counter ops[VF_COUNTER_SLOTS];
	_Atomic uint64_t malformed;
};

struct vf_counters {
	struct vf_counter_shard shards[VF_COUNTER_SHARDS];
	_Atomic uint64_t notices;
};

/* One message of `in` bytes, answered with `out` bytes (0: nothing) and error (0 or -errno). Any thread. */
void vf_count(struct vf_counters *c, uint32_t opcode, size_t in, size_t out, int error);

/* One request refused for its form. Any thread. */
void vf_count_malformed(struct vf_counters *c);

/* Adds everything up; name gives an opcode's name. */
void vf_counters_read(const struct vf_counters *c, const char *(*name)(unsigned opcode), struct vf_stats *out);

#endif
