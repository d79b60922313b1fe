// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes as a kept view whose checksums are right, as somebody could write them
 * who means harm: whatever the records say, nothing outside of the file is
 * read, every name is one, and every walk ends.
 */
#include "driver.h"

#include "lower/kept.h"
#include "lower/kept_write.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE_MAX_FUZZ (1u << 18)
#define LOOKS 256 /* directories that one walk looks into */
#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

/* ---- a file with right checksums around the bytes ---- */

static void head_fix(struct kept_head *h, size_t size)
{
	memcpy(h->magic, KEPT_MAGIC, sizeof(h->magic));
	h->version = KEPT_VERSION;
	h->order = KEPT_ORDER;
	h->sums = size;
	h->size = size + kept_blocks(h) * sizeof(uint64_t);
	if (h->samples > size)
		h->samples = size;
}

/* The bytes and their sums, in a block of just that size. */
static unsigned char *file_make(const uint8_t *data, size_t size, struct kept_head *h)
{
	unsigned char *file;
	uint64_t *sums;

	memcpy(h, data, sizeof(*h));
	head_fix(h, size);
	file = malloc(h->size);
	memcpy(file, data, size);
	sums = (uint64_t *)(file + size);
	for (uint64_t i = 0; i < kept_blocks(h); i++)
		sums[i] = kept_block_sum(h, file, i);
	h->sums_check = kept_sums_sum(h, sums);
	h->check = kept_head_sum(h);
	memcpy(file, h, sizeof(*h));
	return file;
}

/* ---- looking at everything ---- */

struct walk {
	struct kept *k;
	uint64_t todo[LOOKS];
	unsigned n;
	uint64_t touched;
};

static void look_at_entry(struct walk *w, const struct kept_look *look, const struct kept_entry *e)
{
	const struct kept_object *o;
	struct vn_attr attr;

	CHECK(e->len && !memchr(look->text + e->name, '/', e->len) && !memchr(look->text + e->name, '\0', e->len));
	CHECK(e->layer < kept_head(w->k)->nlayers);
	for (unsigned i = 0; e->type == DT_DIR && i < e->nlayers; i++)
		CHECK(look->layers[e->layers + i] < kept_head(w->k)->nlayers);
	if (e->type == DT_DIR) {
		if (e->record && w->n < LOOKS)
			w->todo[w->n++] = e->record;
		return;
	}
	o = kept_object(w->k, e);
	if (!o)
		return;
	kept_attr(o, &attr);
	w->touched += attr.size + attr.mode;
	for (unsigned i = 0; i < o->target_len; i++)
		w->touched += ((const unsigned char *)(o + 1))[i];
}

static void look_at(struct walk *w, uint64_t record)
{
	struct kept_look look;

	if (!kept_look(w->k, record, &look))
		return;
	for (uint32_t i = 0; i < look.dir->nentries; i++) {
		const struct kept_entry *e = kept_entry(w->k, &look, i);

		if (!e)
			return;
		look_at_entry(w, &look, e);
		e = kept_find(w->k, &look, e->hash, look.text + e->name, e->len);
		w->touched += e != NULL;
	}
	for (uint32_t i = 0; i < look.dir->nparts; i++) {
		const char *path;
		const struct kept_part *p = kept_part(w->k, &look, i, &path);

		if (!p)
			return;
		for (unsigned j = 0; path && j < p->path_len; j++)
			w->touched += (unsigned char)path[j];
	}
}

/* What was read goes here, so that reading is not left out. */
static volatile uint64_t sink;

static void look_at_all(struct kept *k)
{
	struct walk w = {.k = k, .todo = {kept_head(k)->root}, .n = 1};
	const struct kept_sample *s;
	const char *path;
	uint64_t at = 0;

	while ((s = kept_sample(k, &at, &path)))
		w.touched += strlen(path) + s->mode;
	for (unsigned i = 0; i < w.n; i++)
		look_at(&w, w.todo[i]);
	CHECK(!kept_damage_found(k) || kept_abandoned(k));
	sink = w.touched;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kept_head h;
	unsigned char *file;
	struct kept *k;

	size &= ~(size_t)7;
	if (size < sizeof(h) || size > SIZE_MAX_FUZZ)
		return 0;
	file = file_make(data, size, &h);
	if (kept_open_bytes(file, h.size, &h.id, h.nlayers, &k) == 0) {
		look_at_all(k);
		kept_close(k);
	}
	free(file);
	return 0;
}

/* ---- well-formed ones ---- */

static struct kept_entry entry(uint64_t hash, uint64_t record, uint32_t name, uint8_t len, uint8_t type)
{
	return (struct kept_entry){.hash = hash, .record = record, .name = name, .len = len, .type = type};
}

/* A directory with a subdirectory, a file, a link, and a name without a record. */
static uint64_t seed_dir(struct kept_write *w, uint64_t file, uint64_t link, uint64_t below)
{
	struct {
		struct kept_entry e[4];
		struct kept_part p[2];
		uint16_t layers[4];
		char text[16];
	} rest = {
		.e = {entry(1, below, 0, 1, DT_DIR), entry(2, file, 1, 2, DT_REG), entry(2, link, 3, 1, DT_LNK),
		      entry(9, 0, 4, 3, DT_CHR)},
		.p = {{.path = 7, .path_len = 3}, {.layer = 1, .bits = KEPT_PART_FAR}},
		.layers = {0, 1},
		.text = "dfflchrold/x",
	};
	struct kept_dir d = {.self = {.mode = S_IFDIR | 0755}, .nentries = 4, .nparts = 2, .nlayers = 2, .text = 12};
	uint64_t at;

	rest.e[0].nlayers = 2;
	kept_write_add(w, &d, sizeof(d), &rest, offsetof(__typeof__(rest), text) + 12, &at);
	return at;
}

static uint64_t seed_empty(struct kept_write *w)
{
	struct kept_dir d = {.self = {.mode = S_IFDIR | 0700}, .nparts = 1};
	struct kept_part p = {0};
	uint64_t at;

	kept_write_add(w, &d, sizeof(d), &p, sizeof(p), &at);
	return at;
}

static void seed_fill(struct kept_write *w, struct kept_head *h, bool samples)
{
	struct kept_object file = {.mode = S_IFREG | 0644, .size = 5, .nlink = 2, .bits = KEPT_GROUP, .ino = 77};
	struct kept_object link = {.mode = S_IFLNK | 0777, .target_len = 3};
	struct kept_sample s = {.layer = 1, .path_len = 4, .mode = S_IFREG | 0644};
	uint64_t a, b, at;

	kept_write_add(w, &file, sizeof(file), NULL, 0, &a);
	kept_write_add(w, &link, sizeof(link), "a/b", 3, &b);
	h->root = seed_dir(w, a, b, seed_dir(w, b, a, seed_empty(w)));
	h->samples = w->at;
	for (int i = 0; samples && i < 3; i++)
		kept_write_add(w, &s, sizeof(s), "d/f", 4, &at);
}

/* Through a file, as the view's writer wants one. */
static size_t seed_make(bool samples, uint8_t *buf, size_t cap)
{
	char dir[] = "/tmp/veneer-fuzz-kept.XXXXXX";
	struct kept_head h = {.nlayers = 2, .id = {{1, 2}}};
	struct kept_write w;
	int dirfd, fd;

	CHECK(mkdtemp(dir));
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(kept_write_begin(&w, dirfd, "seed") == 0);
	seed_fill(&w, &h, samples);
	CHECK(kept_write_end(&w, &h) == 0 && h.sums <= cap);
	fd = openat(dirfd, "seed", O_RDONLY | O_CLOEXEC);
	CHECK(read(fd, buf, h.sums) == (ssize_t)h.sums);
	close(fd);
	unlinkat(dirfd, "seed", 0);
	close(dirfd);
	rmdir(dir);
	return h.sums;
}

size_t fuzz_seed(unsigned i, uint8_t *buf, size_t cap)
{
	static uint8_t made[2][4096]; /* they are asked for again and again */
	static size_t size[2];

	if (i > 1)
		return 0;
	if (!size[i])
		size[i] = seed_make(i == 1, made[i], sizeof(made[i]));
	if (size[i] > cap)
		return 0;
	memcpy(buf, made[i], size[i]);
	return size[i];
}
