// SPDX-License-Identifier: Apache-2.0
/* Random numbers that a seed repeats on every machine (splitmix64). */
#ifndef TESTS_DIFF_RAND_H
#define TESTS_DIFF_RAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rnd {
	uint64_t state;
};

static inline uint64_t rnd_next(struct rnd *r)
{
	uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0..n-1; n is not 0. */
static inline size_t rnd_below(struct rnd *r, size_t n)
{
	return (size_t)(rnd_next(r) % n);
}

/* True with probability percent / 100. */
static inline bool rnd_chance(struct rnd *r, unsigned percent)
{
	return rnd_below(r, 100) < percent;
}

static inline void rnd_fill(struct rnd *r, void *buf, size_t n)
{
	unsigned char *p = buf;

	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(rnd_next(r) >> 32);
}

#define RND_PICK(r, array) ((array)[rnd_below(r, sizeof(array) / sizeof((array)[0]))])

#endif
