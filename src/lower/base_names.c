// SPDX-License-Identifier: Apache-2.0
#include "lower/base_names.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/cfg.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/scope.h"

enum row_state { ROW_OPEN, ROW_CLOSED, ROW_HIDDEN };

#define NO_LAYER UINT32_MAX

struct base_name_row {
	uint64_t hash;
	uint64_t text;        /* where the name begins */
	uint32_t first, last; /* chain of layers; NO_LAYER: not a directory */
	uint16_t layer, len;
	uint8_t type, state;
};

struct base_name_layer {
	uint32_t next;
	uint16_t layer;
};

/* A name to be closed or hidden when its layer has been read. */
struct base_name_hidden {
	uint64_t text;
	uint16_t len;
};

/* Makes room for one more element in a vector. */
static int vec_grow(void **vec, size_t n, size_t *cap, size_t more, size_t size)
{
	size_t want = *cap ? *cap : 64;
	void *moved;

	if (n + more <= *cap)
		return 0;
	while (want < n + more)
		want *= 2;
	moved = reallocarray(*vec, want, size);
	if (!moved)
		return -ENOMEM;
	*vec = moved;
	*cap = want;
	return 0;
}

#define GROW(t, vec, more) vec_grow((void **)&(t)->vec, (t)->n##vec, &(t)->vec##_cap, more, sizeof(*(t)->vec))

void base_names_init(struct base_names *t, uint64_t seed)
{
	*t = (struct base_names){.seed = seed};
}

void base_names_fini(struct base_names *t)
{
	free(t->rows);
	free(t->slots);
	free(t->text);
	free(t->layers);
	free(t->pending);
}

/* ---- finding ---- */

static size_t slot_of(const struct base_names *t, uint64_t hash, const char *name, size_t len)
{
	size_t at = hash & (t->nslots - 1);

	for (; t->slots[at]; at = (at + 1) & (t->nslots - 1)) {
		const struct base_name_row *r = &t->rows[t->slots[at] - 1];

		if (r->hash == hash && r->len == len && memcmp(t->text + r->text, name, len) == 0)
			break;
	}
	return at;
}

static int slots_grow(struct base_names *t)
{
	size_t n = t->nslots ? t->nslots * 2 : 128;
	uint32_t *slots;

	if (t->nrows < t->nslots / 2)
		return 0;
	if (t->nrows >= UINT32_MAX / 4)
		return -ENOMEM;
	slots = calloc(n, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < t->nrows; i++) {
		size_t at = t->rows[i].hash & (n - 1);

		while (slots[at])
			at = (at + 1) & (n - 1);
		slots[at] = (uint32_t)i + 1;
	}
	free(t->slots);
	t->slots = slots;
	t->nslots = n;
	return 0;
}

/* The row of a name, made if it is new (*fresh). */
static int row_get(struct base_names *t, const char *name, size_t len, size_t *row, bool *fresh)
{
	uint64_t hash = vn_hash_name(t->seed, name, len);
	size_t at;
	int rc = slots_grow(t);

	if (rc)
		return rc;
	at = slot_of(t, hash, name, len);
	*fresh = !t->slots[at];
	if (!*fresh) {
		*row = t->slots[at] - 1;
		return 0;
	}
	rc = GROW(t, rows, 1);
	if (!rc)
		rc = GROW(t, text, len);
	if (rc)
		return rc;
	t->rows[t->nrows] = (struct base_name_row){
		.hash = hash, .text = t->ntext, .len = (uint16_t)len, .first = NO_LAYER, .last = NO_LAYER};
	memcpy(t->text + t->ntext, name, len);
	t->ntext += len;
	*row = t->nrows++;
	t->slots[at] = (uint32_t)t->nrows;
	return 0;
}

/* ---- adding ---- */

static int row_add_layer(struct base_names *t, struct base_name_row *r, uint16_t layer)
{
	int rc = GROW(t, layers, 1);
	uint32_t made = (uint32_t)t->nlayers;

	if (rc)
		return rc;
	t->layers[t->nlayers++] = (struct base_name_layer){NO_LAYER, layer};
	if (r->last == NO_LAYER)
		r->first = made;
	else
		t->layers[r->last].next = made;
	r->last = made;
	return 0;
}

int base_names_add(struct base_names *t, const char *name, size_t len, uint32_t type, uint16_t layer)
{
	struct base_name_row *r;
	size_t row;
	bool fresh;
	int rc = row_get(t, name, len, &row, &fresh);

	if (rc)
		return rc;
	r = &t->rows[row];
	if (fresh) {
		r->type = (uint8_t)type;
		r->layer = layer;
		r->state = type == DT_DIR ? ROW_OPEN : ROW_CLOSED;
		return type == DT_DIR ? row_add_layer(t, r, layer) : 0;
	}
	if (r->state != ROW_OPEN)
		return 0;
	if (type == DT_DIR)
		return row_add_layer(t, r, layer);
	r->state = ROW_CLOSED; /* types are never merged: the file hides the directories below it */
	return 0;
}

int base_names_hide(struct base_names *t, const char *name, size_t len)
{
	int rc = GROW(t, pending, 1);

	if (!rc)
		rc = GROW(t, text, len);
	if (rc)
		return rc;
	t->pending[t->npending++] = (struct base_name_hidden){t->ntext, (uint16_t)len};
	memcpy(t->text + t->ntext, name, len);
	t->ntext += len;
	return 0;
}

static int row_hide(struct base_names *t, const struct base_name_hidden *h)
{
	char name[VN_NAME_MAX + 1]; /* the text may move */
	size_t row;
	bool fresh;
	int rc;

	if (h->len > VN_NAME_MAX)
		return 0;
	memcpy(name, t->text + h->text, h->len);
	rc = row_get(t, name, h->len, &row, &fresh);
	if (rc)
		return rc;
	if (fresh)
		t->rows[row].state = ROW_HIDDEN;
	else if (t->rows[row].state == ROW_OPEN)
		t->rows[row].state = ROW_CLOSED;
	return 0;
}

int base_names_settle(struct base_names *t)
{
	int rc = 0;

	for (size_t i = 0; i < t->npending && !rc; i++)
		rc = row_hide(t, &t->pending[i]);
	t->npending = 0;
	return rc;
}

/* ---- giving ---- */

static int row_give(const struct base_names *t, const struct base_name_row *r, uint16_t *layers, base_entry_fn fn, void *arg)
{
	struct base_entry e = {.name = t->text + r->text, .len = r->len, .type = r->type, .layer = r->layer, .layers = layers};

	for (uint32_t at = r->first; at != NO_LAYER; at = t->layers[at].next)
		layers[e.nlayers++] = t->layers[at].layer;
	return fn(arg, &e);
}

int base_names_each(const struct base_names *t, base_entry_fn fn, void *arg)
{
	/* No directory has more layers than there are in all. */
	vn_autofree uint16_t *layers = malloc((t->nlayers + 1) * sizeof(*layers));

	if (!layers)
		return -ENOMEM;
	for (size_t i = 0; i < t->nrows; i++) {
		int rc = t->rows[i].state == ROW_HIDDEN ? 0 : row_give(t, &t->rows[i], layers, fn, arg);

		if (rc)
			return rc;
	}
	return 0;
}
