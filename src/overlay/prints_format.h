// SPDX-License-Identifier: Apache-2.0
/*
 * The bytes of a record; integers are little endian.
 *
 *	"VENEERR" and the format's digit
 *	u32 length of the head, its sum included; u32 places
 *	16 bytes upper; u64 made; u64 viewer
 *	per place: u32 kind; u32 length of the path; u64 id, ino, btime; the path
 *	u64 sum: XXH3-64 of the head before it
 * then, per place, its objects and the end of the place:
 *	u8 PRINTS_OBJECT; u8 flags; u16 depth, length of the name; u32 mode, uid, gid;
 *	u64 rdev, size, mtime, xattrs, held xattrs, contents; the name
 *	u8 PRINTS_PLACE_END
 * then
 *	u8 PRINTS_END; u64 sum: XXH3-64 of all objects and ends, this byte included, seeded with the head's sum
 */
#ifndef OVL_PRINTS_FORMAT_H
#define OVL_PRINTS_FORMAT_H

#include <stdint.h>

#define PRINTS_MAGIC "VENEERR1"
#define PRINTS_MAGIC_LEN 8
#define PRINTS_NEW "record.new"
#define PRINTS_HEAD_MAX (64u << 20)
#define PRINTS_HEAD_FIXED (PRINTS_MAGIC_LEN + 4 + 4 + 16 + 8 + 8)
#define PRINTS_PLACE_FIXED (4 + 4 + 8 + 8 + 8)

enum prints_kind {
	PRINTS_OBJECT = 1,
	PRINTS_PLACE_END = 2,
	PRINTS_END = 3,
};
#define PRINTS_OBJECT_FIXED (1 + 1 + 2 + 2 + 4 * 3 + 8 * 6)

/* Writes the low n bytes of v; returns the place behind them. */
static inline uint8_t *prints_put(uint8_t *at, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		*at++ = (uint8_t)(v >> 8 * i);
	return at;
}

/* Reads n bytes and moves *at behind them. */
static inline uint64_t prints_get(const uint8_t **at, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t)*(*at)++ << 8 * i;
	return v;
}

#endif
