// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "fuse/session.h"
#include "fuse/stats.h"

_Static_assert(VF_COUNTER_SLOTS <= VF_STATS_OPS, "every slot has a row in the report");

static struct vf_counter_shard *stats_shard(struct vf_counters *c)
{
	static _Atomic unsigned next;
	static _Thread_local unsigned mine; /* 0: not chosen yet */

	if (!mine)
		mine = 1 + atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) % VF_COUNTER_SHARDS;
	return &c->shards[mine - 1];
}

static void stats_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t stats_get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void vf_count(struct vf_counters *c, uint32_t opcode, size_t in, size_t out, int error)
{
	struct vf_counter *op = &stats_shard(c)->ops[opcode < VF_COUNTER_SLOTS ? opcode : 0];

	stats_add(&op->count, 1);
	stats_add(&op->bytes_in, in);
	if (out)
		stats_add(&op->bytes_out, out);
	if (error)
		stats_add(&op->errors, 1);
}

void vf_count_malformed(struct vf_counters *c)
{
	stats_add(&stats_shard(c)->malformed, 1);
}

static struct vf_op_stats stats_sum(const struct vf_counters *c, unsigned opcode)
{
	struct vf_op_stats sum = {.opcode = opcode};

	for (size_t i = 0; i < VF_COUNTER_SHARDS; i++) {
		const struct vf_counter *op = &c->shards[i].ops[opcode];

		sum.count += stats_get(&op->count);
		sum.errors += stats_get(&op->errors);
		sum.bytes_in += stats_get(&op->bytes_in);
		sum.bytes_out += stats_get(&op->bytes_out);
	}
	return sum;
}

void vf_counters_read(const struct vf_counters *c, const char *(*name)(unsigned opcode), struct vf_stats *out)
{
	memset(out, 0, sizeof(*out));
	out->notices = stats_get(&c->notices);
	for (size_t i = 0; i < VF_COUNTER_SHARDS; i++)
		out->malformed += stats_get(&c->shards[i].malformed);
	for (unsigned opcode = 0; opcode < VF_COUNTER_SLOTS; opcode++) {
		struct vf_op_stats sum = stats_sum(c, opcode);

		if (!sum.count)
			continue;
		sum.name = name(opcode);
		out->messages += sum.count;
		out->ops[out->nops++] = sum;
	}
}
