// SPDX-License-Identifier: Apache-2.0
#include "overlay/extents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

#define EXTENTS_PER_SET 2 /* a set in the middle of a range leaves three where one was */

struct ovl_extents *ovl_extents_new(void)
{
	return calloc(1, sizeof(struct ovl_extents));
}

void ovl_extents_free(struct ovl_extents *e)
{
	if (e)
		free(e->list);
	free(e);
}

int ovl_extents_reserve(struct ovl_extents *e, size_t n)
{
	size_t need = e->count + EXTENTS_PER_SET * n;
	size_t cap = e->cap ? e->cap : 8;
	struct ovl_extent *list;

	if (need <= e->cap)
		return 0;
	while (cap < need)
		cap *= 2;
	list = reallocarray(e->list, cap, sizeof(*list));
	if (!list)
		return -ENOMEM;
	e->list = list;
	e->cap = cap;
	return 0;
}

/* The first range that ends behind pos, or at it with `touching`. */
static size_t extents_find(const struct ovl_extents *e, uint64_t pos, bool touching)
{
	size_t low = 0, high = e->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (e->list[mid].end > pos || (touching && e->list[mid].end == pos))
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* Adds a piece to what will replace the ranges; one that continues its forerunner becomes part of it. */
static size_t extents_piece(struct ovl_extent *pieces, size_t n, uint64_t start, uint64_t end, int kind)
{
	if (kind == STORE_EXTENT_NONE || start >= end)
		return n;
	if (n && pieces[n - 1].end == start && pieces[n - 1].kind == kind) {
		pieces[n - 1].end = end;
		return n;
	}
	pieces[n] = (struct ovl_extent){start, end, kind};
	return n + 1;
}

static uint64_t extents_sum(const struct ovl_extent *list, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += list[i].end - list[i].start;
	return sum;
}

/* Replaces `old` ranges from first on by the pieces. */
static void extents_splice(struct ovl_extents *e, size_t first, size_t old, const struct ovl_extent *pieces, size_t n)
{
	struct ovl_extent *at = e->list + first;

	e->bytes += extents_sum(pieces, n) - extents_sum(at, old);
	memmove(at + n, at + old, (e->count - first - old) * sizeof(*at));
	memcpy(at, pieces, n * sizeof(*at));
	e->count += n - old;
}

void ovl_extents_set(struct ovl_extents *e, uint64_t start, uint64_t end, int kind)
{
	struct ovl_extent pieces[3];
	size_t first, last, n = 0;

	if (start >= end || (!e->count && kind == STORE_EXTENT_NONE))
		return;
	first = last = extents_find(e, start, true);
	while (last < e->count && e->list[last].start <= end)
		last++;
	if (first < last && e->list[first].start < start)
		n = extents_piece(pieces, n, e->list[first].start, start, e->list[first].kind);
	n = extents_piece(pieces, n, start, end, kind);
	if (first < last && e->list[last - 1].end > end)
		n = extents_piece(pieces, n, end, e->list[last - 1].end, e->list[last - 1].kind);
	extents_splice(e, first, last - first, pieces, n);
}

int ovl_extents_put(void *arg, uint64_t start, uint64_t length, int kind)
{
	struct ovl_extents *e = arg;
	int r = ovl_extents_reserve(e, 1);

	if (!r)
		ovl_extents_set(e, start, start + length, kind);
	return r;
}

void ovl_extents_cut(struct ovl_extents *e, uint64_t from)
{
	size_t first = extents_find(e, from, false);

	if (first < e->count && e->list[first].start < from) {
		e->bytes -= e->list[first].end - from;
		e->list[first].end = from;
		first++;
	}
	e->bytes -= first < e->count ? extents_sum(e->list + first, e->count - first) : 0;
	e->count = first;
}

int ovl_extents_at(const struct ovl_extents *e, uint64_t pos, uint64_t *end)
{
	size_t i = extents_find(e, pos, false);

	if (i == e->count) {
		*end = UINT64_MAX;
		return STORE_EXTENT_NONE;
	}
	if (e->list[i].start > pos) {
		*end = e->list[i].start;
		return STORE_EXTENT_NONE;
	}
	*end = e->list[i].end;
	return e->list[i].kind;
}

bool ovl_extents_cover(const struct ovl_extents *e, uint64_t from, uint64_t to)
{
	if (from < to && e->bytes < to - from)
		return false;
	for (size_t i = extents_find(e, from, false); from < to; i++) {
		if (i == e->count || e->list[i].start > from)
			return false;
		from = e->list[i].end;
	}
	return true;
}

bool ovl_extents_any(const struct ovl_extents *e, int kind, uint64_t to)
{
	for (size_t i = 0; i < e->count && e->list[i].start < to; i++) {
		if (e->list[i].kind == kind)
			return true;
	}
	return false;
}

uint64_t ovl_extents_missing(const struct ovl_extents *e, uint64_t to)
{
	uint64_t missing = to;

	for (size_t i = 0; i < e->count && e->list[i].start < to; i++)
		missing -= (e->list[i].end < to ? e->list[i].end : to) - e->list[i].start;
	return missing;
}
