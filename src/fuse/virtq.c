// SPDX-License-Identifier: Apache-2.0
#include "fuse/virtq.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DESC_ALIGN 16
#define AVAIL_ALIGN 2
#define USED_ALIGN 4

/* A table of descriptors: the queue's own or an indirect one, which may lie at any address. */
struct desc_table {
	const volatile struct vring_desc *at;
	unsigned n;
};

/* What a walk along a chain has seen so far. */
struct chain_walk {
	const struct vhost_memory *m;
	struct virtq_chain *chain;
	unsigned budget; /* descriptors that may still come; ends loops */
};

struct packed64 {
	uint64_t v;
} __attribute__((packed, may_alias));

size_t virtq_used_size(unsigned n)
{
	return sizeof(struct vring_used) + (size_t)n * sizeof(struct vring_used_elem);
}

static size_t avail_size(unsigned n)
{
	return sizeof(struct vring_avail) + (size_t)n * sizeof(uint16_t);
}

/* With event indices both rings have one more 16-bit field behind the last element. */
static volatile uint16_t *used_event(const struct virtq *q)
{
	return &q->avail->ring[q->config.size];
}

static volatile uint16_t *avail_event(const struct virtq *q)
{
	return (volatile uint16_t *)&q->used->ring[q->config.size];
}

static uint16_t load16(const volatile uint16_t *at)
{
	return le16toh(__atomic_load_n(at, __ATOMIC_ACQUIRE));
}

/*
 * Where one side says something and then looks at what the other says (used index
 * and wish to be interrupted, wish to be kicked and available index), the store has
 * to be visible before the load: both are sequentially consistent.
 */
static uint16_t load16_ordered(const volatile uint16_t *at)
{
	return le16toh(__atomic_load_n(at, __ATOMIC_SEQ_CST));
}

static void store16_ordered(volatile uint16_t *at, uint16_t v)
{
	__atomic_store_n(at, htole16(v), __ATOMIC_SEQ_CST);
}

static bool misaligned(const volatile void *at, uintptr_t align)
{
	return (uintptr_t)at % align != 0;
}

int virtq_remap(struct virtq *q, const struct vhost_memory *m)
{
	const struct virtq_config *c = &q->config;
	size_t event = c->event_idx ? sizeof(uint16_t) : 0;
	void *desc = vhost_memory_user(m, c->desc, c->size * sizeof(struct vring_desc));
	void *avail = vhost_memory_user(m, c->avail, avail_size(c->size) + event);
	void *used = vhost_memory_user(m, c->used, virtq_used_size(c->size) + event);

	if (!desc || !avail || !used)
		return -EFAULT;
	if (misaligned(desc, DESC_ALIGN) || misaligned(avail, AVAIL_ALIGN) || misaligned(used, USED_ALIGN))
		return -EINVAL;
	q->desc = desc;
	q->avail = avail;
	q->used = used;
	return 0;
}

bool virtq_has_more(const struct virtq *q)
{
	if (q->broken)
		return false;
	return q->resubmitted < q->nresubmit || load16_ordered(&q->avail->idx) != q->next_avail;
}

struct virtq_watch virtq_watch(const struct virtq *q)
{
	return (struct virtq_watch){q->broken ? NULL : &q->avail->idx, q->next_avail};
}

bool virtq_watch_fired(const struct virtq_watch *w)
{
	return w->idx && load16(w->idx) != w->seen;
}

/* ---- taking ---- */

static struct vring_desc desc_read(const struct desc_table *t, unsigned i)
{
	const volatile struct packed64 *p = (const volatile struct packed64 *)&t->at[i];
	uint64_t addr = p[0].v, rest = le64toh(p[1].v);

	return (struct vring_desc){
		.addr = le64toh(addr),
		.len = (uint32_t)rest,
		.flags = (uint16_t)(rest >> 32),
		.next = (uint16_t)(rest >> 48),
	};
}

/* Pages that follow each other become one element: fewer for preadv(2) to walk. */
static bool chain_extend(struct virtq_chain *c, int first, const struct vring_desc *d, const struct iovec *iov)
{
	int last = c->nin + c->nout - 1;

	if (last < first || (char *)c->iov[last].iov_base + c->iov[last].iov_len != iov->iov_base ||
	    c->guest[last] + c->iov[last].iov_len != d->addr)
		return false;
	c->iov[last].iov_len += iov->iov_len;
	return true;
}

static int chain_add(struct chain_walk *w, const struct vring_desc *d)
{
	struct virtq_chain *c = w->chain;
	bool writable = d->flags & VRING_DESC_F_WRITE;
	int used = c->nin + c->nout, n;
	uint64_t guest = d->addr;

	if (!writable && c->nout)
		return -EBADMSG;
	n = vhost_memory_gather(w->m, d->addr, d->len, &c->iov[used], VIRTQ_IOV_MAX - used);
	if (n < 0)
		return -EBADMSG;
	*(writable ? &c->out_len : &c->in_len) += d->len;
	if (n == 1 && chain_extend(c, writable ? c->nin : 0, d, &c->iov[used]))
		return 0;
	for (int i = used; i < used + n; i++) {
		c->guest[i] = guest;
		guest += c->iov[i].iov_len;
	}
	*(writable ? &c->nout : &c->nin) += n;
	return 0;
}

static int walk_table(struct chain_walk *w, const struct desc_table *t, unsigned i, bool indirect);

static int walk_indirect(struct chain_walk *w, const struct vring_desc *d)
{
	struct desc_table t = {.n = d->len / sizeof(struct vring_desc)};

	if (d->flags & VRING_DESC_F_NEXT || d->len % sizeof(struct vring_desc) || !t.n || t.n > VIRTQ_SIZE_MAX)
		return -EBADMSG;
	t.at = vhost_memory_guest(w->m, d->addr, d->len);
	if (!t.at)
		return -EBADMSG;
	return walk_table(w, &t, 0, true);
}

static int walk_table(struct chain_walk *w, const struct desc_table *t, unsigned i, bool indirect)
{
	for (;;) {
		struct vring_desc d;
		int err;

		if (i >= t->n || !w->budget--)
			return -EBADMSG;
		d = desc_read(t, i);
		if (d.flags & VRING_DESC_F_INDIRECT)
			return indirect ? -EBADMSG : walk_indirect(w, &d);
		err = chain_add(w, &d);
		if (err || !(d.flags & VRING_DESC_F_NEXT))
			return err;
		i = d.next;
	}
}

static int chain_gather(struct virtq *q, const struct vhost_memory *m, struct virtq_chain *chain)
{
	struct desc_table t = {q->desc, q->config.size};
	struct chain_walk w = {m, chain, VIRTQ_IOV_MAX};

	chain->nin = chain->nout = 0;
	chain->in_len = chain->out_len = 0;
	return walk_table(&w, &t, chain->head, false);
}

static int ring_broken(struct virtq *q)
{
	q->broken = true;
	return -EPROTO;
}

static bool head_taken(const struct virtq *q, unsigned head)
{
	return q->heads[head / 64] >> head % 64 & 1;
}

static void head_flip(struct virtq *q, unsigned head)
{
	q->heads[head / 64] ^= UINT64_C(1) << head % 64;
}

/* Marks before our index moves: a kill in between takes the head a second time, from the mark. */
static void inflight_mark(struct virtq *q, uint16_t head)
{
	struct virtq_inflight_desc *d;

	if (!q->inflight)
		return;
	d = &q->inflight->desc[head];
	d->lives = 0;
	__atomic_store_n(&d->counter, q->counter++, __ATOMIC_RELAXED);
	__atomic_store_n(&d->inflight, 1, __ATOMIC_RELEASE);
}

/* 1: *head is the next available one; 0: none; -EPROTO. */
static int take_available(struct virtq *q, uint16_t *head)
{
	uint16_t waiting = (uint16_t)(load16(&q->avail->idx) - q->next_avail);

	if (!waiting)
		return 0;
	if (waiting > q->config.size)
		return ring_broken(q);
	*head = load16(&q->avail->ring[q->next_avail & (q->config.size - 1)]);
	if (*head >= q->config.size || head_taken(q, *head))
		return ring_broken(q);
	inflight_mark(q, *head);
	q->next_avail++;
	head_flip(q, *head);
	q->taken++;
	return 1;
}

int virtq_pop(struct virtq *q, const struct vhost_memory *m, bool left_only, struct virtq_chain *chain)
{
	int got;

	if (q->broken)
		return -EPROTO;
	chain->lives = 0;
	if (q->resubmitted < q->nresubmit) {
		chain->head = q->resubmit[q->resubmitted++];
		chain->lives = q->inflight->desc[chain->head].lives;
	} else {
		got = left_only ? 0 : take_available(q, &chain->head);
		if (got != 1)
			return got;
	}
	return chain_gather(q, m, chain) ? -EBADMSG : 1;
}

/* ---- giving back ---- */

static void inflight_batch(struct virtq *q, uint16_t head)
{
	struct virtq_inflight *f = q->inflight;

	if (!f)
		return;
	__atomic_store_n(&f->desc[head].next, f->last_batch_head, __ATOMIC_RELAXED);
	__atomic_store_n(&f->last_batch_head, head, __ATOMIC_RELEASE);
}

static void inflight_clear(struct virtq *q, uint16_t head)
{
	struct virtq_inflight *f = q->inflight;

	if (!f)
		return;
	__atomic_store_n(&f->desc[head].inflight, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&f->used_idx, q->next_used, __ATOMIC_RELEASE);
}

void virtq_push(struct virtq *q, uint16_t head, uint32_t len)
{
	volatile struct vring_used_elem *e;

	q->taken--;
	head_flip(q, head);
	e = &q->used->ring[q->next_used & (q->config.size - 1)];
	inflight_batch(q, head);
	e->id = htole32(head);
	e->len = htole32(len);
	store16_ordered(&q->used->idx, ++q->next_used);
	inflight_clear(q, head);
}

bool virtq_should_signal(struct virtq *q)
{
	uint16_t old = q->signalled, new = q->next_used;
	bool valid = q->signalled_valid;

	if (!q->config.event_idx)
		return !(load16_ordered(&q->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	q->signalled = new;
	q->signalled_valid = true;
	return !valid || (uint16_t)(new - load16_ordered(used_event(q)) - 1) < (uint16_t)(new - old);
}

void virtq_kicks_off(struct virtq *q)
{
	/* With event indices the old event, now behind us, already keeps the guest quiet. */
	if (!q->config.event_idx)
		store16_ordered(&q->used->flags, VRING_USED_F_NO_NOTIFY);
}

bool virtq_kicks_on(struct virtq *q)
{
	if (q->broken)
		return false;
	if (q->config.event_idx)
		store16_ordered(avail_event(q), q->next_avail);
	else
		store16_ordered(&q->used->flags, 0);
	return virtq_has_more(q);
}
