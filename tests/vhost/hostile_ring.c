// SPDX-License-Identifier: Apache-2.0
/* Rings and descriptors that no driver would write. */
#include <stdio.h>
#include <string.h>

#include "hostile.h"

#define WAIT_MS 60000
#define STILL_MS 30

enum expect {
	USED,  /* the chain comes back */
	STILL, /* the queue is given up: nothing comes back */
};

static struct fe fe;
static struct fe_ring *r;

static void desc(unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	r->desc[i] = (struct vring_desc){addr, len, flags, next};
}

static void header(uint64_t at, uint32_t opcode)
{
	struct fuse_in_header h = {.len = sizeof(h), .opcode = opcode, .unique = 4, .nodeid = 1};

	memcpy(fe_at(&fe, at), &h, sizeof(h)); /* at any address */
}

/* ---- one chain each, made available as head 0 ---- */

#define NEXT VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT
#define BUF FE_BUFFERS

static void loop_of_one(void) { desc(0, BUF, 40, NEXT, 0); }
static void loop_of_three(void)
{
	desc(0, BUF, 40, NEXT, 1);
	desc(1, BUF, 40, NEXT, 2);
	desc(2, BUF, 40, NEXT, 0);
}
static void loop_writable(void)
{
	desc(0, BUF, 40, NEXT, 1);
	desc(1, BUF, 40, NEXT | WRITE, 1);
}
static void next_beyond(void) { desc(0, BUF, 40, NEXT, 256); }
static void next_far_beyond(void) { desc(0, BUF, 40, NEXT, 65535); }
static void address_beyond(void) { desc(0, FE_MEMORY, 40, 0, 0); }
static void address_highest(void) { desc(0, UINT64_MAX, 40, 0, 0); }
static void address_wraps(void) { desc(0, UINT64_MAX - 20, 40, 0, 0); }
static void length_reaches_out(void) { desc(0, FE_MEMORY - 20, 40, 0, 0); }
static void length_huge(void) { desc(0, BUF, UINT32_MAX, 0, 0); }
static void writable_reaches_out(void)
{
	desc(0, BUF, 40, NEXT, 1);
	desc(1, FE_MEMORY - 8, 120, WRITE, 0);
}
static void writable_first(void)
{
	desc(0, BUF, 16, NEXT | WRITE, 1);
	desc(1, BUF + 64, 40, 0, 0);
}
static void alternating(void)
{
	desc(0, BUF, 40, NEXT, 1);
	desc(1, BUF + 64, 16, NEXT | WRITE, 2);
	desc(2, BUF + 128, 40, NEXT, 3);
	desc(3, BUF + 192, 16, WRITE, 0);
}
static void only_writable(void) { desc(0, BUF, 4096, WRITE, 0); }
static void nothing(void) { desc(0, BUF, 0, 0, 0); }
static void nothing_at_all(void) { desc(0, 0, 0, 0, 0); }
static void header_in_pieces(void)
{
	header(BUF, FUSE_GETATTR);
	for (unsigned i = 0; i < 40; i++)
		desc(i, BUF + i, 1, NEXT, (uint16_t)(i + 1));
	desc(40, BUF + 256, 16, WRITE, 0);
}
static void answer_in_pieces(void)
{
	header(BUF, FUSE_STATFS);
	desc(0, BUF, 40, NEXT, 1);
	for (unsigned i = 1; i < 100; i++)
		desc(i, BUF + 256 + 2 * i, 1, NEXT | WRITE, (uint16_t)(i + 1));
	desc(100, BUF + 1024, 1, WRITE, 0);
}
static void answer_over_request(void)
{
	header(BUF, FUSE_STATFS);
	desc(0, BUF, 40, NEXT, 1);
	desc(1, BUF, 96, WRITE, 0);
}
static void answer_over_rings(void)
{
	header(BUF, FUSE_STATFS);
	desc(0, BUF, 40, NEXT, 1);
	desc(1, FE_RING_AREA + 8192, 96, WRITE, 0); /* into the table itself, where nothing is used */
}
static void read_of_everything(void)
{
	header(BUF, FUSE_READ);
	desc(0, BUF, 80, NEXT, 1);
	desc(1, BUF + 4096, (uint32_t)(FE_MEMORY - BUF - 4096), WRITE, 0);
}
static void across_the_regions(void)
{
	header(FE_REGION - 20, FUSE_STATFS);
	desc(0, FE_REGION - 20, 40, NEXT, 1);
	desc(1, FE_REGION + 64, 96, WRITE, 0);
}
static void whole_table(void)
{
	for (unsigned i = 0; i < 256; i++)
		desc(i, BUF + 16 * i, 8, i < 255 ? NEXT : 0, (uint16_t)(i + 1));
}
static void unknown_flags(void) { desc(0, BUF, 40, 0xfff8, 0); }
static void indirect_nested(void)
{
	struct vring_desc *t = fe_at(&fe, BUF);

	t[0] = (struct vring_desc){BUF, 16, INDIRECT, 0};
	desc(0, BUF, 16, INDIRECT, 0);
}
static void indirect_and_next(void) { desc(0, BUF, 16, INDIRECT | NEXT, 1); }
static void indirect_writable(void)
{
	memset(fe_at(&fe, BUF), 0, 16);
	desc(0, BUF, 16, INDIRECT | WRITE, 0);
}
static void indirect_empty(void) { desc(0, BUF, 0, INDIRECT, 0); }
static void indirect_uneven(void) { desc(0, BUF, 17, INDIRECT, 0); }
static void indirect_beyond(void) { desc(0, FE_MEMORY, 16, INDIRECT, 0); }
static void indirect_reaches_out(void) { desc(0, FE_MEMORY - 16, 32, INDIRECT, 0); }
static void indirect_spans(void) { desc(0, FE_REGION - 16, 32, INDIRECT, 0); }
static void indirect_huge(void) { desc(0, BUF, UINT32_MAX & ~15u, INDIRECT, 0); }
static void indirect_loop(void)
{
	struct vring_desc *t = fe_at(&fe, BUF);

	t[0] = (struct vring_desc){BUF, 8, NEXT, 1};
	t[1] = (struct vring_desc){BUF, 8, NEXT, 0};
	desc(0, BUF, 32, INDIRECT, 0);
}
static void indirect_next_beyond(void)
{
	struct vring_desc *t = fe_at(&fe, BUF);

	t[0] = (struct vring_desc){BUF, 8, NEXT, 2};
	desc(0, BUF, 32, INDIRECT, 0);
}
static void indirect_long(void)
{
	struct vring_desc *t = fe_at(&fe, BUF);

	for (unsigned i = 0; i < 32768; i++)
		t[i] = (struct vring_desc){BUF + 2 * i, 1, i < 32767 ? NEXT : 0, (uint16_t)(i + 1)};
	desc(0, BUF, 32768 * 16, INDIRECT, 0);
}
static void indirect_table_is_answer(void)
{
	struct vring_desc *t = fe_at(&fe, BUF + 4096);

	header(BUF, FUSE_STATFS);
	t[0] = (struct vring_desc){BUF, 40, NEXT, 1};
	t[1] = (struct vring_desc){BUF + 4096, 96, WRITE, 0};
	desc(0, BUF + 4096, 32, INDIRECT, 0);
}

#define CASE(f) {#f, f}
static const struct {
	const char *name;
	void (*write)(void);
} chains[] = {
	CASE(loop_of_one), CASE(loop_of_three), CASE(loop_writable), CASE(next_beyond), CASE(next_far_beyond),
	CASE(address_beyond), CASE(address_highest), CASE(address_wraps), CASE(length_reaches_out), CASE(length_huge),
	CASE(writable_reaches_out), CASE(writable_first), CASE(alternating), CASE(only_writable), CASE(nothing),
	CASE(nothing_at_all), CASE(header_in_pieces), CASE(answer_in_pieces), CASE(answer_over_request),
	CASE(answer_over_rings), CASE(read_of_everything), CASE(across_the_regions), CASE(whole_table),
	CASE(unknown_flags), CASE(indirect_nested), CASE(indirect_and_next), CASE(indirect_writable),
	CASE(indirect_empty), CASE(indirect_uneven), CASE(indirect_beyond), CASE(indirect_reaches_out),
	CASE(indirect_spans), CASE(indirect_huge), CASE(indirect_loop), CASE(indirect_next_beyond),
	CASE(indirect_long), CASE(indirect_table_is_answer),
};

static const char *comes_back(uint16_t head)
{
	struct vring_used_elem e;

	if (fe_reap(r, &e, WAIT_MS, false) != 1)
		return "the chain does not come back";
	return e.id == head ? NULL : "another chain comes back";
}

/* A bad chain on ring 1 or on the hiprio ring; the ring has to go on afterwards. */
static void chain_cases(unsigned ring)
{
	for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		const char *complaint;
		char name[96];

		hostile_open(&fe);
		r = &fe.rings[ring];
		memset(fe_at(&fe, BUF), 0, 4096);
		chains[i].write();
		fe_avail(r, 0);
		fe_kick_always(r);
		complaint = comes_back(0);
		if (!complaint) {
			memset(r->desc, 0, 256 * sizeof(*r->desc));
			header(BUF, FUSE_STATFS);
			desc(7, BUF, 40, NEXT, 8);
			desc(8, BUF + 64, 96, WRITE, 0);
			fe_avail(r, 7);
			fe_kick_always(r);
			complaint = comes_back(7);
		}
		fe_fini(&fe);
		snprintf(name, sizeof(name), "ring %u: %s", ring, chains[i].name);
		hostile_case(name, complaint);
	}
}

/* ---- the rings themselves ---- */

static void head_beyond(void) { fe_avail(r, 256); }
static void head_far_beyond(void) { fe_avail(r, 65535); }
static void index_jumps(void) { r->avail->idx += 257; }
static void index_goes_back(void) { r->avail->idx -= 1; }
static void index_half_round(void) { r->avail->idx += 32768; }
static void head_twice(void)
{
	for (unsigned i = 0; i < 64; i++)
		fe_avail(r, (uint16_t)(i % 2 ? 300 : 0));
}
static void table_of_ones(void)
{
	memset(r->desc, 0xff, 256 * 16);
	memset(r->avail, 0xff, 512);
}

static const struct {
	const char *name;
	void (*write)(void);
	enum expect expect;
} rings[] = {
	{"head_beyond", head_beyond, STILL},         {"head_far_beyond", head_far_beyond, STILL},
	{"index_jumps", index_jumps, STILL},         {"index_goes_back", index_goes_back, STILL},
	{"index_half_round", index_half_round, STILL}, {"head_twice", head_twice, USED},
	{"table_of_ones", table_of_ones, STILL},
};

/* A broken ring stays still, the other ring works, and the ring works again after it was set up anew. */
static const char *ring_complaint(enum expect expect)
{
	struct fuse_attr_out attr;
	struct vring_used_elem e;

	if (expect == STILL && fe_reap(r, &e, STILL_MS, false))
		return "a broken ring goes on";
	if (fe_ring_stop(&fe, 2) < 0 || fe_ring_start(&fe, 2, 256, true))
		return "the ring cannot be set up anew";
	if (fe_getattr(&fe, &fe.rings[1], 1, &attr))
		return "another ring has stopped too";
	return fe_getattr(&fe, &fe.rings[2], 1, &attr) ? "the ring does not work after it was set up anew" : NULL;
}

static void ring_cases(void)
{
	for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]); i++) {
		const char *complaint = NULL;

		hostile_open(&fe);
		if (fe_ring_start(&fe, 2, 256, true))
			complaint = "no second request ring";
		r = &fe.rings[2];
		rings[i].write();
		fe_kick_always(r);
		if (!complaint)
			complaint = ring_complaint(rings[i].expect);
		fe_fini(&fe);
		hostile_case(rings[i].name, complaint);
	}
}

/* ---- every combination of a few bad values ---- */

static const uint64_t addresses[] = {0, FE_BUFFERS, FE_REGION - 8, FE_MEMORY - 8, FE_MEMORY, UINT64_MAX - 7};
static const uint32_t lengths[] = {0, 1, 16, 40, 0x10000, 0x7fffffff, UINT32_MAX};
static const uint16_t nexts[] = {0, 1, 255, 256, 65535};

static const char *combination(uint16_t flags)
{
	for (unsigned a = 0; a < 6; a++) {
		for (unsigned l = 0; l < 7; l++) {
			for (unsigned n = 0; n < 5; n++) {
				const char *complaint;

				memset(fe_at(&fe, FE_BUFFERS), 0, 4096);
				desc(0, addresses[a], lengths[l], flags, nexts[n]);
				desc(1, FE_BUFFERS, 40, NEXT, 255);
				desc(255, FE_BUFFERS + 128, 64, WRITE, 0);
				fe_avail(r, 0);
				fe_kick(r);
				complaint = comes_back(0);
				if (complaint)
					return complaint;
			}
		}
	}
	return NULL;
}

static void combination_cases(void)
{
	static const uint16_t flags[] = {0, NEXT, WRITE, NEXT | WRITE, INDIRECT, INDIRECT | NEXT, INDIRECT | WRITE, 7, 0xffff};
	char name[64];

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		const char *complaint;

		hostile_open(&fe);
		r = &fe.rings[1];
		/* Writable to the whole of low memory would overwrite the rings: guests may, but then nothing is promised. */
		complaint = flags[i] & WRITE && !(flags[i] & INDIRECT) ? NULL : combination(flags[i]);
		fe_fini(&fe);
		snprintf(name, sizeof(name), "210 descriptors with flags 0x%x", flags[i]);
		hostile_case(name, complaint);
	}
}

static void cases(void)
{
	chain_cases(1);
	chain_cases(0);
	ring_cases();
	combination_cases();
}

int main(void)
{
	return hostile_main("vhost/hostile_ring", cases);
}
