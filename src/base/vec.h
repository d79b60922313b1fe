// SPDX-License-Identifier: Apache-2.0
/* An array that doubles when it is full. */
#ifndef VN_VEC_H
#define VN_VEC_H

#include <stddef.h>
#include <stdlib.h>

#include "base/cfg.h"

/* Zeroes: an empty one. The owner frees v. */
struct vn_vec {
	void *v;
	size_t n, cap; /* elements, all of one size */
};

/* Adds `more` elements of `size` bytes, not yet set: the first of them, until the next call. NULL: no memory, nothing changed. */
static inline void *vn_vec_add(struct vn_vec *vec, size_t more, size_t size)
{
	size_t cap = vec->cap ? vec->cap : 64;
	void *moved;

	while (cap < vec->n + more)
		cap *= 2;
	if (cap != vec->cap) {
		moved = reallocarray(vec->v, cap, size);
		if (!moved)
			return NULL;
		vec->v = moved;
		vec->cap = cap;
	}
	vec->n += more;
	return (char *)vec->v + (vec->n - more) * size;
}

#endif
