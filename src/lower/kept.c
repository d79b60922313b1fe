// SPDX-License-Identifier: Apache-2.0
/* Reading a kept view; kept.h has the theory. */
#include "lower/kept.h"

#include <dirent.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cfg.h"
#include "base/hash.h"

#ifndef IFTODT
#define IFTODT(mode) (((mode)&S_IFMT) >> 12)
#endif

#define KEPT_RESIDENT (512u << 10) /* bytes */

struct kept {
	const unsigned char *map;
	size_t mapped; /* 0: the bytes are somebody else's */
	struct kept_head head;
	const uint64_t *sums;
	atomic_uchar *seen; /* blocks whose checksum was right */
	atomic_bool abandoned, damaged;
	atomic_uint listed; /* about how many bytes, since the pages were last let go */
};

_Static_assert(sizeof(struct kept_object) % 8 == 0 && sizeof(struct kept_dir) % 8 == 0 &&
		       sizeof(struct kept_entry) % 8 == 0 && sizeof(struct kept_part) % 8 == 0 &&
		       sizeof(struct kept_sample) % 8 == 0 && sizeof(struct kept_head) % 8 == 0,
	       "records are aligned");

/* ---- opening ---- */

uint64_t kept_head_sum(const struct kept_head *h)
{
	return vn_checksum(VN_HASH_SEED, h, offsetof(struct kept_head, check));
}

uint64_t kept_blocks(const struct kept_head *h)
{
	return (h->sums + KEPT_BLOCK - 1) / KEPT_BLOCK;
}

/* The head, which has a checksum of its own, is not part of the first block. */
uint64_t kept_block_sum(const struct kept_head *h, const unsigned char *map, uint64_t i)
{
	uint64_t from = i ? i * KEPT_BLOCK : sizeof(*h), to = (i + 1) * KEPT_BLOCK;

	if (to > h->sums)
		to = h->sums;
	return vn_checksum(h->id.word[0] + i, map + from, to - from);
}

uint64_t kept_sums_sum(const struct kept_head *h, const uint64_t *sums)
{
	return vn_checksum(h->id.word[0], sums, kept_blocks(h) * sizeof(*sums));
}

/* Do the head's numbers fit each other and the file? */
static bool head_fits(const struct kept_head *h, uint64_t size)
{
	if (h->size != size || h->sums > size || h->sums % 8 || h->sums < sizeof(*h) || h->samples > h->sums)
		return false;
	return (size - h->sums) / 8 == kept_blocks(h) && (size - h->sums) % 8 == 0;
}

static int head_read(struct kept *k, size_t size, const struct kept_id *id, uint32_t nlayers)
{
	const struct kept_head *h = &k->head;

	if (size < sizeof(*h))
		return -EUCLEAN;
	memcpy(&k->head, k->map, sizeof(*h));
	if (memcmp(h->magic, KEPT_MAGIC, sizeof(h->magic)) != 0)
		return -EUCLEAN;
	if (h->version != KEPT_VERSION || h->order != KEPT_ORDER)
		return -EPROTONOSUPPORT;
	if (h->check != kept_head_sum(h) || !head_fits(h, size))
		return -EUCLEAN;
	return memcmp(&h->id, id, sizeof(*id)) != 0 || h->nlayers != nlayers ? -ESTALE : 0;
}

static int sums_read(struct kept *k)
{
	k->sums = (const uint64_t *)(k->map + k->head.sums);
	if (kept_sums_sum(&k->head, k->sums) != k->head.sums_check)
		return -EUCLEAN;
	k->seen = calloc(kept_blocks(&k->head), sizeof(*k->seen));
	return k->seen ? 0 : -ENOMEM;
}

int kept_open_bytes(const void *bytes, size_t size, const struct kept_id *id, uint32_t nlayers, struct kept **out)
{
	struct kept *k = calloc(1, sizeof(*k));
	int rc;

	if (!k)
		return -ENOMEM;
	k->map = bytes;
	rc = head_read(k, size, id, nlayers);
	if (!rc)
		rc = sums_read(k);
	if (rc)
		kept_close(k);
	else
		*out = k;
	return rc;
}

int kept_open(int fd, const struct kept_id *id, uint32_t nlayers, struct kept **out)
{
	struct stat st;
	void *map;
	int rc;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size < sizeof(struct kept_head))
		return -EUCLEAN;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	rc = kept_open_bytes(map, (size_t)st.st_size, id, nlayers, out);
	if (rc)
		munmap(map, (size_t)st.st_size);
	else
		(*out)->mapped = (size_t)st.st_size;
	return rc;
}

void kept_close(struct kept *k)
{
	if (!k)
		return;
	if (k->mapped)
		munmap((void *)k->map, k->mapped);
	free(k->seen);
	free(k);
}

const struct kept_head *kept_head(const struct kept *k)
{
	return &k->head;
}

/* ---- giving it up ---- */

bool kept_abandon(struct kept *k)
{
	return !atomic_exchange(&k->abandoned, true);
}

bool kept_abandoned(const struct kept *k)
{
	return atomic_load_explicit(&k->abandoned, memory_order_relaxed);
}

static void *damage(struct kept *k)
{
	if (kept_abandon(k))
		atomic_store(&k->damaged, true);
	return NULL;
}

bool kept_damage_found(struct kept *k)
{
	return atomic_exchange(&k->damaged, false);
}

/* ---- ranges ---- */

/* Is the block what was written? */
static bool block_check(struct kept *k, uint64_t i)
{
	if (atomic_load_explicit(&k->seen[i], memory_order_relaxed))
		return true;
	if (kept_block_sum(&k->head, k->map, i) != k->sums[i])
		return false;
	atomic_store_explicit(&k->seen[i], 1, memory_order_relaxed);
	return true;
}

/* len bytes at an offset, or NULL: abandoned, or (then it is) damaged. */
static const void *span(struct kept *k, uint64_t at, uint64_t len)
{
	if (kept_abandoned(k))
		return NULL;
	if (at % 8 || at < sizeof(struct kept_head) || at > k->head.sums || len > k->head.sums - at)
		return damage(k);
	for (uint64_t i = at / KEPT_BLOCK; len && i <= (at + len - 1) / KEPT_BLOCK; i++) {
		if (!block_check(k, i))
			return damage(k);
	}
	return k->map + at;
}

static uint64_t padded(uint64_t n)
{
	return (n + 7) & ~UINT64_C(7);
}

/* ---- directories ---- */

bool kept_look(struct kept *k, uint64_t record, struct kept_look *out)
{
	const struct kept_dir *d = span(k, record, sizeof(*d));
	const unsigned char *at;
	uint64_t entries, parts, layers;

	if (!d)
		return false;
	entries = (uint64_t)d->nentries * sizeof(struct kept_entry);
	parts = (uint64_t)d->nparts * sizeof(struct kept_part);
	layers = padded((uint64_t)d->nlayers * sizeof(uint16_t));
	at = span(k, record, sizeof(*d) + entries + parts + layers + d->text);
	if (!at)
		return false;
	if (!S_ISDIR(d->self.mode) || d->nparts == 0)
		return damage(k);
	at += sizeof(*d);
	out->dir = d;
	out->entries = (const struct kept_entry *)at;
	out->parts = (const struct kept_part *)(at + entries);
	out->layers = (const uint16_t *)(at + entries + parts);
	out->text = (const char *)(at + entries + parts + layers);
	return true;
}

static bool text_has(const struct kept_look *look, uint32_t at, uint32_t len)
{
	return at <= look->dir->text && len <= look->dir->text - at;
}

static bool is_name(const char *name, size_t len)
{
	if (len == 0 || memchr(name, '/', len) || memchr(name, '\0', len))
		return false;
	return !(name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')));
}

static bool is_type(uint8_t type)
{
	return type == DT_REG || type == DT_DIR || type == DT_LNK || type == DT_CHR || type == DT_BLK ||
		type == DT_FIFO || type == DT_SOCK;
}

/* The layers of an entry that is a directory: at least one, the top one first, none twice. */
static bool layers_fit(const struct kept *k, const struct kept_look *look, const struct kept_entry *e)
{
	const uint16_t *layers = look->layers + e->layers;

	if (e->nlayers == 0 || e->layers > look->dir->nlayers || e->nlayers > look->dir->nlayers - e->layers)
		return false;
	for (uint16_t i = 0; i < e->nlayers; i++) {
		if (layers[i] >= k->head.nlayers || (i && layers[i] <= layers[i - 1]))
			return false;
	}
	return layers[0] == e->layer;
}

const struct kept_entry *kept_entry(struct kept *k, const struct kept_look *look, uint32_t i)
{
	const struct kept_entry *e = &look->entries[i];

	if (kept_abandoned(k))
		return NULL;
	if (!text_has(look, e->name, e->len) || !is_name(look->text + e->name, e->len) || !is_type(e->type) ||
	    e->layer >= k->head.nlayers || (e->type == DT_DIR && !layers_fit(k, look, e)))
		return damage(k);
	return e;
}

/* The first entry whose hash is not below. */
static uint32_t find_first(const struct kept_look *look, uint64_t hash)
{
	uint32_t lo = 0, hi = look->dir->nentries;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (look->entries[mid].hash < hash)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct kept_entry *kept_find(struct kept *k, const struct kept_look *look, uint64_t hash, const char *name, size_t len)
{
	for (uint32_t i = find_first(look, hash); i < look->dir->nentries && look->entries[i].hash == hash; i++) {
		const struct kept_entry *e = kept_entry(k, look, i);

		if (!e || (e->len == len && memcmp(look->text + e->name, name, len) == 0))
			return e;
	}
	return NULL;
}

const struct kept_part *kept_part(struct kept *k, const struct kept_look *look, uint32_t i, const char **path)
{
	const struct kept_part *p = &look->parts[i];

	if (kept_abandoned(k))
		return NULL;
	if (p->layer >= k->head.nlayers || (i && p->layer <= look->parts[i - 1].layer) || p->path_len >= PATH_MAX ||
	    !text_has(look, p->path, p->path_len) || memchr(look->text + p->path, '\0', p->path_len))
		return damage(k);
	*path = p->path_len ? look->text + p->path : NULL;
	return p;
}

void kept_listed(struct kept *k, const struct kept_look *look)
{
	unsigned bytes = look->dir->nentries * (unsigned)(sizeof(struct kept_entry) + sizeof(struct kept_object));

	if (atomic_fetch_add_explicit(&k->listed, bytes, memory_order_relaxed) + bytes < KEPT_RESIDENT)
		return;
	atomic_store_explicit(&k->listed, 0, memory_order_relaxed);
	if (k->mapped)
		madvise((void *)k->map, k->mapped, MADV_DONTNEED);
}

/* ---- objects ---- */

const struct kept_object *kept_object(struct kept *k, const struct kept_entry *e)
{
	const struct kept_object *o = e->record ? span(k, e->record, sizeof(*o)) : NULL;

	if (!o)
		return NULL;
	if (IFTODT(o->mode) != e->type || o->target_len > VN_SYMLINK_MAX || (o->target_len && !S_ISLNK(o->mode)))
		return damage(k);
	if (o->target_len && !span(k, e->record, sizeof(*o) + o->target_len))
		return NULL;
	return o;
}

void kept_attr(const struct kept_object *o, struct vn_attr *attr)
{
	*attr = (struct vn_attr){
		.size = o->size,
		.blocks = o->blocks,
		.atime = o->atime,
		.mtime = o->mtime,
		.ctime = o->ctime,
		.btime = o->btime,
		.mode = o->mode,
		.nlink = o->nlink,
		.uid = o->uid,
		.gid = o->gid,
		.rdev_major = o->rdev_major,
		.rdev_minor = o->rdev_minor,
		.blksize = o->blksize,
		.flags = o->flags,
	};
}

/* ---- samples ---- */

const struct kept_sample *kept_sample(struct kept *k, uint64_t *at, const char **path)
{
	uint64_t here = *at ? *at : k->head.samples;
	const struct kept_sample *s;

	if (here >= k->head.sums)
		return NULL;
	s = span(k, here, sizeof(*s));
	if (!s)
		return NULL;
	if (s->path_len == 0 || s->path_len > PATH_MAX || s->layer >= k->head.nlayers)
		return damage(k);
	if (!span(k, here, sizeof(*s) + s->path_len))
		return NULL;
	*path = (const char *)(s + 1);
	if ((*path)[s->path_len - 1] != '\0')
		return damage(k);
	*at = here + sizeof(*s) + padded(s->path_len);
	return s;
}
