// SPDX-License-Identifier: Apache-2.0
/*
 * What lags behind the journal.
 *
 * Pins: a node with a record that readers of the index cannot see yet must stay
 * in memory (rule M2). Each such node is once in a queue, which is looked through
 * a little with every new pin.
 *
 * Written files: writing to a FULL file makes no record of its own (rule J5); the
 * ticker writes size and times once per commit interval, and turns complete
 * PARTIAL files into FULL ones after flushing their data (rule J4).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "overlay/tree.h"

#define PIN_SCAN 4

static bool pin_push(struct ovl_tree *t, struct ovl_pin pin)
{
	if (t->pin_count == t->pin_cap) {
		size_t cap = t->pin_cap ? 2 * t->pin_cap : 1024;
		struct ovl_pin *pins = malloc(cap * sizeof(*pins));
		if (!pins)
			return false;
		for (size_t i = 0; i < t->pin_count; i++)
			pins[i] = t->pins[(t->pin_first + i) % t->pin_cap];
		free(t->pins);
		t->pins = pins;
		t->pin_cap = cap;
		t->pin_first = 0;
	}
	t->pins[(t->pin_first + t->pin_count++) % t->pin_cap] = pin;
	return true;
}

/* The oldest pin, if readers can see all its records by now; its node's reference goes to the caller. */
static struct ovl_node *pin_pop(struct ovl_tree *t, uint64_t visible)
{
	while (t->pin_count && t->pins[t->pin_first].seq <= visible) {
		struct ovl_pin pin = t->pins[t->pin_first];
		struct ovl_own *own = ovl_own(pin.node);
		t->pin_first = (t->pin_first + 1) % t->pin_cap;
		t->pin_count--;
		pin.seq = atomic_load(&own->seq);
		if (pin.seq <= visible) {
			own->pinned = false;
			return pin.node;
		}
		pin_push(t, pin); /* cannot fail: a place has just become free */
	}
	return NULL;
}

void ovl_pin(struct ovl_tree *t, struct ovl_node *n, uint64_t seq)
{
	struct ovl_own *own = ovl_own(n);
	struct ovl_node *done[PIN_SCAN];
	size_t ndone = 0;
	pthread_mutex_lock(&t->pin_lock);
	if (!own->pinned) {
		own->pinned = true;
		/* Without memory for the queue the node stays for the life of the tree: right, if not lean. */
		ovl_node_ref(n);
		pin_push(t, (struct ovl_pin){ n, seq });
	}
	uint64_t visible = store_visible(t->store);
	while (ndone < PIN_SCAN && (done[ndone] = pin_pop(t, visible)))
		ndone++;
	pthread_mutex_unlock(&t->pin_lock);
	/* n itself is referenced by the caller; others may go now. Freeing takes no node lock. */
	while (ndone)
		ovl_node_put(t, done[--ndone]);
}

static void written_queue(struct ovl_tree *t, struct ovl_node *n)
{
	struct ovl_own *own = ovl_own(n);
	if (own->written || own->dead)
		return;
	own->written = true;
	ovl_node_ref(n);
	pthread_mutex_lock(&t->written_lock);
	own->written_next = t->written;
	t->written = n;
	pthread_mutex_unlock(&t->written_lock);
}

int ovl_mark_written(struct ovl_tree *t, const struct vn_ctx *ctx, struct ovl_node *n)
{
	struct ovl_own *own = ovl_own(n);
	if (own->dead)
		return 0;
	if (!(own->flags & STORE_STALE)) {
		struct ovl_op op;
		uint64_t seq;
		ovl_op_begin(&op, t, ctx);
		store_change_stale(&op.change, n->ino);
		int r = ovl_op_commit(&op, &seq);
		if (r)
			return r;
		own->flags |= STORE_STALE;
		own->hard_seq = seq;
		atomic_store(&own->seq, seq);
		ovl_pin(t, n, seq);
	}
	written_queue(t, n);
	return 0;
}

void ovl_queue_settle(struct ovl_tree *t, struct ovl_node *n)
{
	written_queue(t, n);
}

int ovl_settle_written(struct ovl_tree *t)
{
	int first = 0;
	pthread_mutex_lock(&t->written_lock);
	struct ovl_node *n = t->written;
	t->written = NULL;
	pthread_mutex_unlock(&t->written_lock);
	while (n) {
		struct ovl_own *own = ovl_own(n);
		pthread_rwlock_wrlock(&n->lock);
		struct ovl_node *next = own->written_next;
		own->written = false;
		int r = ovl_data_settle(t, n);
		if (r && !first)
			first = r;
		pthread_rwlock_unlock(&n->lock);
		ovl_node_put(t, n);
		n = next;
	}
	return first;
}

static void *settle_main(void *arg)
{
	struct ovl_tree *t = arg;
	pthread_mutex_lock(&t->written_lock);
	while (!t->stopping) {
		vn_cond_wait_until(&t->tick, &t->written_lock, vn_mono_ns() + t->commit_s * VN_NS_PER_SEC);
		if (t->stopping || !t->written)
			continue;
		pthread_mutex_unlock(&t->written_lock);
		pthread_rwlock_rdlock(&t->gate);
		ovl_settle_written(t); /* what fails stays stale in its row, and is told by fsync */
		pthread_rwlock_unlock(&t->gate);
		pthread_mutex_lock(&t->written_lock);
	}
	pthread_mutex_unlock(&t->written_lock);
	return NULL;
}

int ovl_settle_start(struct ovl_tree *t)
{
	int r = pthread_create(&t->ticker, NULL, settle_main, t);
	t->ticking = !r;
	return -r;
}

static void pin_drop_all(struct ovl_tree *t)
{
	for (;;) {
		pthread_mutex_lock(&t->pin_lock);
		struct ovl_node *n = pin_pop(t, UINT64_MAX);
		pthread_mutex_unlock(&t->pin_lock);
		if (!n)
			return;
		ovl_node_put(t, n);
	}
}

void ovl_settle_discard(struct ovl_tree *t)
{
	struct ovl_node *n = t->written;
	t->written = NULL;
	while (n) {
		struct ovl_node *next = ovl_own(n)->written_next;
		ovl_own(n)->written = false;
		ovl_node_put(t, n);
		n = next;
	}
	pin_drop_all(t);
}

int ovl_settle_stop(struct ovl_tree *t)
{
	if (t->ticking) {
		pthread_mutex_lock(&t->written_lock);
		t->stopping = true;
		pthread_cond_signal(&t->tick);
		pthread_mutex_unlock(&t->written_lock);
		pthread_join(t->ticker, NULL);
		t->ticking = false;
	}
	int r = ovl_settle_written(t);
	pin_drop_all(t);
	free(t->pins);
	t->pins = NULL;
	t->pin_cap = t->pin_count = 0;
	return r;
}
