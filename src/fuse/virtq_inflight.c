// SPDX-License-Identifier: Apache-2.0
/* Beginning and end of a queue's run, and what the in-flight region says of the run before. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/virtq.h"

#define INFLIGHT_ALIGN 64
#define INFLIGHT_VERSION 1

size_t virtq_inflight_size(unsigned size)
{
	size_t bytes = sizeof(struct virtq_inflight) + (size_t)size * sizeof(struct virtq_inflight_desc);

	return (bytes + INFLIGHT_ALIGN - 1) & ~(size_t)(INFLIGHT_ALIGN - 1);
}

/* A head of the region with its place in the order. */
struct left_over {
	uint64_t counter;
	uint16_t head;
};

static int left_over_compare(const void *a, const void *b)
{
	const struct left_over *x = a, *y = b;

	return x->counter < y->counter ? -1 : x->counter > y->counter;
}

/* Steps of the last batch that reached the used ring before the kill: their marks go. */
static void inflight_finish_batch(struct virtq *q)
{
	struct virtq_inflight *f = q->inflight;
	uint16_t pending = (uint16_t)(q->next_used - f->used_idx);
	uint16_t head = f->last_batch_head;

	for (unsigned i = 0; i < pending && i < q->config.size && head < q->config.size; i++) {
		f->desc[head].inflight = 0;
		head = f->desc[head].next;
	}
	f->used_idx = q->next_used;
}

static int inflight_collect(struct virtq *q)
{
	struct left_over *left = calloc(q->config.size, sizeof(*left));

	q->resubmit = calloc(q->config.size, sizeof(*q->resubmit));
	if (!left || !q->resubmit) {
		free(left);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < q->config.size; i++) {
		struct virtq_inflight_desc *d = &q->inflight->desc[i];

		if (d->inflight != 1)
			continue;
		d->lives += d->lives < UINT8_MAX;
		left[q->nresubmit++] = (struct left_over){d->counter, (uint16_t)i};
		if (d->counter >= q->counter)
			q->counter = d->counter + 1;
	}
	qsort(left, q->nresubmit, sizeof(*left), left_over_compare);
	for (unsigned i = 0; i < q->nresubmit; i++) {
		q->resubmit[i] = left[i].head;
		q->heads[left[i].head / 64] |= UINT64_C(1) << left[i].head % 64;
	}
	q->taken = q->nresubmit;
	free(left);
	return 0;
}

static int inflight_take_up(struct virtq *q)
{
	struct virtq_inflight *f = q->inflight;
	int err;

	if (!f)
		return 0;
	if (f->version == 0) {
		f->desc_num = (uint16_t)q->config.size;
		f->used_idx = q->next_used;
		f->version = INFLIGHT_VERSION;
		return 0;
	}
	if (f->version != INFLIGHT_VERSION)
		return -EINVAL;
	inflight_finish_batch(q);
	err = inflight_collect(q);
	if (!err)
		q->next_avail = (uint16_t)(q->next_used + q->nresubmit);
	return err;
}

static int config_check(const struct virtq_config *c, const struct virtq_inflight *f, size_t size)
{
	if (!c->size || c->size > VIRTQ_SIZE_MAX || c->size & (c->size - 1))
		return -EINVAL;
	return f && size < virtq_inflight_size(c->size) ? -EINVAL : 0;
}

int virtq_start(struct virtq *q, const struct virtq_config *config, const struct vhost_memory *m,
		struct virtq_inflight *inflight, size_t size)
{
	int err = config_check(config, inflight, size);

	*q = (struct virtq){.config = *config, .inflight = inflight, .next_avail = config->base};
	if (!err)
		err = virtq_remap(q, m);
	if (!err) {
		q->heads = calloc((config->size + 63) / 64, sizeof(*q->heads));
		err = q->heads ? 0 : -ENOMEM;
	}
	if (!err) {
		q->next_used = le16toh(__atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE));
		err = inflight_take_up(q);
	}
	if (err) {
		q->inflight = NULL; /* what it holds stays for another try */
		virtq_fini(q);
	}
	return err;
}

void virtq_fini(struct virtq *q)
{
	if (q->inflight && !q->taken)
		q->inflight->version = 0;
	virtq_leave(q);
}

void virtq_leave(struct virtq *q)
{
	free(q->heads);
	free(q->resubmit);
	*q = (struct virtq){0};
}
