// SPDX-License-Identifier: Apache-2.0
/* FUSE requests in sound chains that are wrong in themselves, for every opcode. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hostile.h"

#define WAIT_MS 60000
#define OPCODES 64

static struct fe fe;
static struct fe_ring *r;

/* How one request differs from a sound one. */
struct variant {
	const char *name;
	uint32_t in;       /* readable bytes in all */
	int64_t header_len; /* what the header says; -1: the truth */
	uint32_t out;      /* writable bytes */
	uint64_t node;
	unsigned char fill; /* of the arguments */
};

static const struct variant variants[] = {
	{"nothing", 0, -1, 4096, 1, 0},
	{"one byte", 1, -1, 4096, 1, 0},
	{"39 bytes", 39, -1, 4096, 1, 0},
	{"header alone", 40, -1, 4096, 1, 0},
	{"one byte of arguments", 41, -1, 4096, 1, 0},
	{"8 bytes", 48, -1, 4096, 1, 0},
	{"15 bytes", 55, -1, 4096, 1, 0},
	{"64 bytes of zeros", 104, -1, 4096, 1, 0},
	{"64 bytes of ones", 104, -1, 4096, 1, 0xff},
	{"200 letters without an end", 240, -1, 4096, 1, 'a'},
	{"4000 letters without an end", 4040, -1, 4096, 1, 'a'},
	{"slashes", 104, -1, 4096, 1, '/'},
	{"dots", 104, -1, 4096, 1, '.'},
	{"length 0", 104, 0, 4096, 1, 0},
	{"length 39", 104, 39, 4096, 1, 0},
	{"length one less", 104, 103, 4096, 1, 1},
	{"length one more", 104, 105, 4096, 1, 1},
	{"length 4 GiB", 104, UINT32_MAX, 4096, 1, 1},
	{"no answer", 104, -1, 0, 1, 1},
	{"one byte of answer", 104, -1, 1, 1, 1},
	{"15 bytes of answer", 104, -1, 15, 1, 1},
	{"an answer's header alone", 104, -1, 16, 1, 1},
	{"17 bytes of answer", 104, -1, 17, 1, 1},
	{"1 MiB of answer", 104, -1, 1 << 20, 1, 1},
	{"node 0", 104, -1, 4096, 0, 1},
	{"node 2", 104, -1, 4096, 2, 1},
	{"node 2^64-1", 104, -1, 4096, UINT64_MAX, 1},
	{"1 MiB of ones", 1 << 20, -1, 4096, 1, 0xff},
};

static uint16_t post(uint32_t opcode, const struct variant *v)
{
	uint64_t answer = FE_BUFFERS + (UINT64_C(4) << 20);
	struct fuse_in_header h = {.opcode = opcode, .nodeid = v->node, .unique = fe.unique += 2};
	struct fe_seg segs[2] = {{FE_BUFFERS, v->in, false}, {answer, v->out, true}};

	h.len = v->header_len < 0 ? v->in : (uint32_t)v->header_len;
	memset(fe_at(&fe, FE_BUFFERS), v->fill, v->in);
	memcpy(fe_at(&fe, FE_BUFFERS), &h, v->in < sizeof(h) ? v->in : sizeof(h));
	memset(fe_at(&fe, answer), 0xee, 64);
	return fe_post(&fe, r, segs, v->out ? 2 : 1);
}

/* What came back has to be sound, whatever was asked. */
static const char *answer_complaint(const struct vring_used_elem *e, const struct variant *v)
{
	const struct fuse_out_header *out = fe_at(&fe, FE_BUFFERS + (UINT64_C(4) << 20));

	if (e->len > v->out)
		return "more was written than there was room";
	if (e->len == 0)
		return NULL; /* dropped */
	if (e->len < sizeof(*out) || out->len != e->len)
		return "the answer's length is wrong";
	if (out->error > 0 || out->error <= -4096)
		return "the answer's error is none";
	return out->unique == fe.unique ? NULL : "the answer belongs to another request";
}

static const char *one(uint32_t opcode, const struct variant *v)
{
	struct vring_used_elem e;
	uint16_t head = post(opcode, v);

	fe_kick(r);
	if (fe_reap(r, &e, WAIT_MS, false) != 1)
		return "the request does not come back";
	if (e.id != head)
		return "another request comes back";
	return answer_complaint(&e, v);
}

static void opcode_case(uint32_t opcode)
{
	char name[64], text[128];
	const char *complaint = NULL;

	hostile_open(&fe);
	r = &fe.rings[1];
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]) && !complaint; i++) {
		complaint = one(opcode, &variants[i]);
		if (!complaint)
			continue;
		snprintf(text, sizeof(text), "%s: %s", variants[i].name, complaint);
		complaint = text;
	}
	fe_fini(&fe);
	snprintf(name, sizeof(name), "opcode %u in %zu forms", opcode, sizeof(variants) / sizeof(variants[0]));
	hostile_case(name, complaint);
}

/* Requests before INIT, and INIT in strange forms. */
static void init_cases(void)
{
	struct fuse_attr_out attr;
	struct fuse_init_in in = {.major = 8, .minor = 99};
	struct fuse_init_out out;
	struct fe_call c = {.opcode = FUSE_INIT, .in = {&in}, .in_len = {sizeof(in)}, .out = &out, .out_len = sizeof(out)};
	const char *complaint = NULL;
	int err;

	err = fe_init(&fe);
	if (!err)
		err = fe_open(&fe, hostile_server.path, 2, 256);
	if (err || fe_getattr(&fe, &fe.rings[1], 1, &attr) >= 0)
		complaint = "a request before INIT was carried out";
	fe_fini(&fe);
	hostile_case("a request before INIT", complaint);
	hostile_open(&fe);
	err = fe_do(&fe, &fe.rings[1], &c);
	complaint = err || out.major != 7 ? "INIT of a later major version is not answered with ours" : NULL;
	fe_fini(&fe);
	hostile_case("INIT 8.99", complaint);
	hostile_open(&fe);
	in.major = 6;
	c.out_len = sizeof(out);
	err = fe_do(&fe, &fe.rings[1], &c);
	complaint = err >= 0 ? "INIT of an earlier major version was accepted" : NULL;
	fe_fini(&fe);
	hostile_case("INIT 6.99", complaint);
}

static void forget_cases(void)
{
	const char *complaint = NULL;

	hostile_open(&fe);
	for (uint64_t node = 0; node < 70; node++) {
		if (fe_forget(&fe, node < 64 ? UINT64_C(1) << node : node - 64, UINT64_MAX - node))
			complaint = "FORGET does not come back";
	}
	fe_fini(&fe);
	hostile_case("FORGET of nodes that nobody knows, 2^64 times", complaint);
}

static void cases(void)
{
	init_cases();
	forget_cases();
	for (uint32_t opcode = 0; opcode < OPCODES; opcode++)
		opcode_case(opcode);
	opcode_case(4096);
	opcode_case(UINT32_MAX);
	opcode_case(26u << 24); /* INIT in the other byte order */
}

int main(void)
{
	return hostile_main("vhost/hostile_fuse", cases);
}
