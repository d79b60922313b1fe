// SPDX-License-Identifier: Apache-2.0
#include "lower/base_kept.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/scope.h"
#include "lower/kept.h"

/* ---- giving it up ---- */

/* The file goes, so that a right one can be made. */
static void kept_give_up(struct base *b, const char *why)
{
	vn_warn("the kept view of the lower directories %s: they are read instead, and it is made anew the next time", why);
	unlinkat(b->kept_dirfd, b->kept_name, 0);
}

/* Nothing came of a look: says so if that was damage. */
static bool kept_miss(struct base *b)
{
	if (kept_damage_found(b->kept))
		kept_give_up(b, "is damaged");
	return false;
}

static void kept_disagrees(struct base *b)
{
	if (kept_abandon(b->kept))
		kept_give_up(b, "does not agree with them any more");
}

void base_kept_close(struct base *b)
{
	kept_close(b->kept);
	b->kept = NULL;
	if (b->kept_dirfd >= 0)
		close(b->kept_dirfd);
	b->kept_dirfd = -1;
}

/* ---- looking ---- */

static bool kept_dir(struct base *b, const struct base_dir *d, struct kept_look *look)
{
	return d->kept && !kept_abandoned(b->kept) && (kept_look(b->kept, d->kept, look) || kept_miss(b));
}

/* May this be the directory that must not show? The layers know. */
static bool kept_maybe_excluded(const struct base *b, uint32_t type, const char *name, size_t len)
{
	return b->has_exclude && type == DT_DIR && strlen(b->exclude_name) == len && memcmp(b->exclude_name, name, len) == 0;
}

/* An object in hand; e is NULL for the directory itself. */
struct kept_found {
	struct kept_look look;
	const struct kept_entry *e;
	const struct kept_object *o;
};

static bool kept_find_object(struct base *b, const struct base_dir *d, const char *name, size_t len, uint16_t layer,
			     struct kept_found *f)
{
	if (!kept_dir(b, d, &f->look))
		return false;
	f->e = NULL;
	f->o = &f->look.dir->self;
	if (!name)
		return true;
	f->e = kept_find(b->kept, &f->look, vn_hash_name(d->hash, name, len), name, len);
	f->o = f->e && f->e->layer == layer ? kept_object(b->kept, f->e) : NULL;
	return f->o || kept_miss(b);
}

/* ---- names ---- */

static struct base_entry kept_base_entry(const struct kept_look *look, const struct kept_entry *e)
{
	return (struct base_entry){
		.name = look->text + e->name,
		.len = e->len,
		.type = e->type,
		.layer = e->layer,
		.layers = e->type == DT_DIR ? look->layers + e->layers : &e->layer,
		.nlayers = e->type == DT_DIR ? e->nlayers : 0,
	};
}

/* Every entry can be given. */
static bool kept_list_check(struct base *b, const struct kept_look *look)
{
	for (uint32_t i = 0; i < look->dir->nentries; i++) {
		const struct kept_entry *e = kept_entry(b->kept, look, i);

		if (!e)
			return kept_miss(b);
		if (kept_maybe_excluded(b, e->type, look->text + e->name, e->len))
			return false;
	}
	return true;
}

bool base_kept_list(struct base *b, struct base_dir *d, base_entry_fn fn, void *arg, int *rc)
{
	struct kept_look look;

	if (!kept_dir(b, d, &look) || !kept_list_check(b, &look))
		return false;
	*rc = 0;
	for (uint32_t i = 0; i < look.dir->nentries && !*rc; i++) {
		struct base_entry e = kept_base_entry(&look, &look.entries[i]);

		*rc = fn(arg, &e);
	}
	kept_listed(b->kept, &look);
	return true;
}

bool base_kept_lookup(struct base *b, struct base_dir *d, const char *name, size_t len, base_entry_fn fn, void *arg, int *rc)
{
	const struct kept_entry *e;
	struct base_entry given;
	struct kept_look look;

	if (!kept_dir(b, d, &look) || kept_maybe_excluded(b, DT_DIR, name, len))
		return false;
	e = kept_find(b->kept, &look, vn_hash_name(d->hash, name, len), name, len);
	if (!e && kept_abandoned(b->kept))
		return kept_miss(b);
	*rc = -ENOENT;
	if (!e)
		return true;
	given = kept_base_entry(&look, e);
	*rc = fn(arg, &given);
	return true;
}

uint64_t base_kept_child(struct base *b, const struct base_dir *parent, uint64_t hash, const char *name, size_t len)
{
	const struct kept_entry *e;
	struct kept_look look;

	if (!kept_dir(b, parent, &look))
		return 0;
	e = kept_find(b->kept, &look, hash, name, len);
	if (!e)
		kept_miss(b);
	return e && e->type == DT_DIR ? e->record : 0;
}

/* ---- objects ---- */

static uint64_t kept_ino(const struct base_dir *d, const struct kept_found *f)
{
	if (!f->e)
		return base_dir_ino(d);
	return f->o->bits & KEPT_GROUP ? f->o->ino : base_ino_of(f->e->hash);
}

bool base_kept_attr(struct base *b, const struct base_dir *d, const char *name, size_t len, uint16_t layer, struct vn_attr *attr)
{
	struct kept_found f;

	if (!kept_find_object(b, d, name, len, layer, &f))
		return false;
	kept_attr(f.o, attr);
	attr->ino = kept_ino(d, &f);
	return true;
}

bool base_kept_readlink(struct base *b, const struct base_dir *d, const char *name, size_t len, uint16_t layer,
			char *buf, size_t size, ssize_t *n)
{
	struct kept_found f;

	if (!kept_find_object(b, d, name, len, layer, &f) || !f.e || !S_ISLNK(f.o->mode))
		return false;
	*n = (ssize_t)(f.o->target_len < size ? f.o->target_len : size);
	memcpy(buf, f.o + 1, (size_t)*n);
	return true;
}

bool base_kept_bare(struct base *b, const struct base_dir *d, const char *name, size_t len, uint16_t layer)
{
	struct kept_found f;

	return kept_find_object(b, d, name, len, layer, &f) && !(f.o->bits & KEPT_XATTRS);
}

bool base_kept_agrees(struct base *b, const struct base_dir *d, const char *name, size_t len, uint16_t layer,
		      const struct layer_stat *st)
{
	struct kept_found f;

	if (!kept_find_object(b, d, name, len, layer, &f) || !S_ISREG(f.o->mode))
		return true;
	if (f.o->size == st->attr.size && f.o->mtime == st->attr.mtime)
		return true;
	kept_disagrees(b);
	return false;
}

void base_kept_missing(struct base *b, const struct base_dir *d, const char *name, size_t len, uint16_t layer)
{
	struct kept_found f;

	if (kept_find_object(b, d, name, len, layer, &f) && S_ISREG(f.o->mode))
		kept_disagrees(b);
}

/* ---- parts ---- */

static bool kept_part_copy(const struct kept_part *p, const char *path, struct base_part *out)
{
	*out = (struct base_part){
		.layer = p->layer,
		.xwhite = p->bits & KEPT_PART_XWHITE,
		.overlay = p->bits & KEPT_PART_OVERLAY,
		.far = p->bits & KEPT_PART_FAR,
		.path = path ? strndup(path, p->path_len) : NULL,
	};
	return !path || out->path;
}

struct base_parts *base_kept_parts(struct base *b, const struct base_dir *d)
{
	struct base_parts *parts;
	struct kept_look look;

	if (!kept_dir(b, d, &look))
		return NULL;
	parts = calloc(1, sizeof(*parts) + look.dir->nparts * sizeof(parts->part[0]));
	for (uint32_t i = 0; parts && i < look.dir->nparts; i++) {
		const char *path;
		const struct kept_part *p = kept_part(b->kept, &look, i, &path);

		parts->n = i + 1;
		if (p && kept_part_copy(p, path, &parts->part[i]))
			continue;
		base_parts_cut(parts, 0);
		free(parts);
		kept_miss(b);
		return NULL;
	}
	return parts;
}
