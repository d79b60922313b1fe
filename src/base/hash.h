// SPDX-License-Identifier: Apache-2.0
/*
 * XXH3-64, compiled in place: names are short, and a call would cost as much as
 * the hash. The values are part of the on-disk format (inode numbers of base
 * objects, journal checksums) and never change.
 */
#ifndef VN_BASE_HASH_H
#define VN_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* The hash of no bytes under seed 0: where a chain of names starts. */
#define VN_HASH_SEED UINT64_C(0)

/*
 * The hash of a name under a seed. Chained, with a directory's hash as the seed of
 * the names in it, it identifies a path without building the string.
 */
static inline uint64_t vn_hash_name(uint64_t seed, const char *name, size_t len)
{
	return XXH3_64bits_withSeed(name, len, seed);
}

/* Checksum of a block of bytes; salt keeps blocks of an earlier life from looking valid. */
static inline uint64_t vn_checksum(uint64_t salt, const void *data, size_t len)
{
	return XXH3_64bits_withSeed(data, len, salt);
}

#endif
