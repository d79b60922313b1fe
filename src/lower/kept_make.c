// SPDX-License-Identifier: Apache-2.0
/*
 * Making a kept view: the base is asked for everything that it will be asked for
 * later, directory by directory, the upper ones first. A directory's record is
 * written when it has been read; its place is then filled in in its parent's.
 *
 * What cannot be told gets no record, so that the layers are asked for it then
 * (kept.h). Two things forbid a view: a layer that changes during the walk, and
 * an upper that lies inside a lower, where only this mount must not see it.
 *
 * Beside it files with several names are counted (kept_links.h) and samples taken
 * (kept_samples.h); both are written at the end.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/scope.h"
#include "base/vec.h"
#include "lower/base_kept.h"
#include "lower/base_object.h"
#include "lower/kept_links.h"
#include "lower/kept_samples.h"
#include "lower/kept_write.h"

#define PACE 64 /* objects between two questions */

/* A directory that has been met; where its record's place has to be filled in. */
struct todo {
	struct base_dir *dir;
	uint64_t fill;
};

struct make {
	struct base *b;
	struct kept_write out;
	struct kept_head head;
	int (*pace)(void *arg);
	void *pace_arg;
	unsigned since; /* objects since the last question */
	struct vn_vec todo;
	size_t next;
	struct kept_links links;
	struct kept_samples samples;
	/* the directory at hand */
	struct base_dir *dir;
	struct vn_vec entries, layers, text, parts;
};

static int make_pace(struct make *m)
{
	if (++m->since < PACE || !m->pace)
		return 0;
	m->since = 0;
	return m->pace(m->pace_arg);
}

/* Errors that end it all; with others the object has no record. */
static bool make_ends(int rc)
{
	return rc > 0 || rc == -ENOMEM || rc == -ENOSPC || rc == -ESTALE || rc == -EDQUOT || rc == -EFBIG;
}

/* ---- objects ---- */

static void object_fill(struct kept_object *o, const struct vn_attr *a, int xattrs)
{
	*o = (struct kept_object){
		.size = a->size,
		.blocks = a->blocks,
		.atime = a->atime,
		.mtime = a->mtime,
		.ctime = a->ctime,
		.btime = a->btime,
		.mode = a->mode,
		.nlink = a->nlink,
		.uid = a->uid,
		.gid = a->gid,
		.rdev_major = a->rdev_major,
		.rdev_minor = a->rdev_minor,
		.blksize = a->blksize,
		.flags = a->flags,
		.bits = xattrs ? KEPT_XATTRS : 0,
	};
}

/* Writes the record of an object that is no directory. */
static int object_write(struct make *m, const struct base_entry *e, uint64_t *record)
{
	char target[VN_SYMLINK_MAX];
	struct kept_object o;
	struct vn_attr a;
	int rc = base_attr(m->b, m->dir, e->name, e->len, e->layer, &a);
	ssize_t n = 0;

	if (rc)
		return rc;
	object_fill(&o, &a, base_may_have_xattrs(m->b, m->dir, e->name, e->len, e->layer));
	if (S_ISLNK(a.mode))
		n = base_readlink(m->b, m->dir, e->name, e->len, e->layer, target, sizeof(target));
	if (n < 0)
		return (int)n;
	o.target_len = (uint32_t)n;
	if (base_is_group(m->dir, e->name, e->len, &a)) {
		o.bits |= KEPT_GROUP;
		o.ino = a.ino;
	}
	rc = kept_write_add(&m->out, &o, sizeof(o), target, (size_t)n, record);
	return rc || !(o.bits & KEPT_GROUP) ? rc : kept_links_add(&m->links, o.ino, *record, o.nlink);
}

/* ---- one directory ---- */

static int text_add(struct make *m, const char *text, size_t len, uint32_t *at)
{
	char *to;

	if (m->text.n + len > UINT32_MAX)
		return -EFBIG;
	*at = (uint32_t)m->text.n;
	to = vn_vec_add(&m->text, len, 1);
	if (!to)
		return -ENOMEM;
	memcpy(to, text, len);
	return 0;
}

static int layers_add(struct make *m, const struct base_entry *e, struct kept_entry *out)
{
	uint16_t *to;

	if (m->layers.n + e->nlayers > UINT32_MAX)
		return -EFBIG;
	out->layers = (uint32_t)m->layers.n;
	out->nlayers = (uint16_t)e->nlayers;
	to = vn_vec_add(&m->layers, e->nlayers, sizeof(*to));
	if (!to)
		return -ENOMEM;
	memcpy(to, e->layers, e->nlayers * sizeof(*to));
	return 0;
}

static int dir_entry(void *arg, const struct base_entry *e)
{
	struct make *m = arg;
	struct kept_entry out = {
		.hash = vn_hash_name(base_dir_hash(m->dir), e->name, e->len),
		.layer = e->layer,
		.len = (uint8_t)e->len,
		.type = (uint8_t)e->type,
	};
	struct kept_entry *to;
	int rc = make_pace(m);

	if (!rc)
		rc = text_add(m, e->name, e->len, &out.name);
	if (!rc && e->type == DT_DIR)
		rc = layers_add(m, e, &out);
	if (rc)
		return rc;
	to = vn_vec_add(&m->entries, 1, sizeof(*to));
	if (!to)
		return -ENOMEM;
	*to = out;
	return 0;
}

static int entry_order(const void *a, const void *b)
{
	const struct kept_entry *x = a, *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* The entry as the base gave it. */
static struct base_entry dir_base_entry(const struct make *m, const struct kept_entry *e)
{
	return (struct base_entry){
		.name = (const char *)m->text.v + e->name,
		.len = e->len,
		.type = e->type,
		.layer = e->layer,
		.layers = (const uint16_t *)m->layers.v + e->layers,
		.nlayers = e->nlayers,
	};
}

/* The records of what is no directory. */
static int dir_objects(struct make *m)
{
	struct kept_entry *e = m->entries.v;
	int rc = 0;

	for (size_t i = 0; i < m->entries.n && !rc; i++) {
		struct base_entry be = dir_base_entry(m, &e[i]);

		rc = kept_samples_offer(&m->samples, m->dir, &be, e[i].hash);
		if (rc || e[i].type == DT_DIR)
			continue;
		rc = object_write(m, &be, &e[i].record);
		if (rc && !make_ends(rc))
			e[i].record = rc = 0;
		if (!rc)
			rc = make_pace(m);
	}
	return rc;
}

/* -EXDEV: a part is a mount point, which may be another one the next time. */
static int dir_parts(struct make *m)
{
	const struct base_parts *parts;
	int rc = base_parts_get(m->b, m->dir, &parts);

	for (size_t i = 0; !rc && i < parts->n; i++) {
		const struct base_part *p = &parts->part[i];
		struct kept_part out = {
			.layer = p->layer,
			.bits = (p->xwhite ? KEPT_PART_XWHITE : 0) | (p->overlay ? KEPT_PART_OVERLAY : 0) |
				(p->far ? KEPT_PART_FAR : 0),
			.path_len = (uint16_t)(p->path ? strlen(p->path) : 0),
		};
		struct kept_part *to;
		struct base_at at;

		if (!m->b->layers[p->layer].cloned) {
			rc = base_at_dir(m->b, m->dir, p->layer, &at);
			if (!rc)
				base_at_put(m->b, &at);
		}
		if (!rc && p->path)
			rc = text_add(m, p->path, out.path_len, &out.path);
		to = rc ? NULL : vn_vec_add(&m->parts, 1, sizeof(*to));
		if (to)
			*to = out;
		else if (!rc)
			rc = -ENOMEM;
	}
	return rc;
}

/* Reads the directory into m->entries, layers, text, parts. */
static int dir_read(struct make *m, struct kept_dir *d)
{
	struct vn_attr a;
	int rc;

	m->entries.n = m->layers.n = m->text.n = m->parts.n = 0;
	rc = base_list(m->b, m->dir, dir_entry, m);
	if (!rc)
		rc = dir_parts(m);
	if (!rc)
		rc = base_dir_attr(m->b, m->dir, &a);
	if (rc)
		return rc;
	if (m->entries.n > UINT32_MAX)
		return -EFBIG;
	if (m->entries.n)
		qsort(m->entries.v, m->entries.n, sizeof(struct kept_entry), entry_order);
	object_fill(&d->self, &a, base_may_have_xattrs(m->b, m->dir, NULL, 0, 0));
	d->nentries = (uint32_t)m->entries.n;
	d->nparts = (uint32_t)m->parts.n;
	d->nlayers = (uint32_t)m->layers.n;
	d->text = (uint32_t)m->text.n;
	return 0;
}

static size_t put(char *to, size_t at, const void *from, size_t len)
{
	if (len)
		memcpy(to + at, from, len);
	return at + len;
}

/* The record in one piece: no other may come between its arrays. */
static int dir_write(struct make *m, const struct kept_dir *d, uint64_t *record)
{
	size_t entries = m->entries.n * sizeof(struct kept_entry), parts = m->parts.n * sizeof(struct kept_part);
	size_t layers = m->layers.n * sizeof(uint16_t), pad = -layers & 7;
	size_t size = entries + parts + layers + pad + m->text.n, at = 0;
	vn_autofree char *rest = malloc(size ? size : 1);

	if (!rest)
		return -ENOMEM;
	at = put(rest, at, m->entries.v, entries);
	at = put(rest, at, m->parts.v, parts);
	at = put(rest, at, m->layers.v, layers);
	at = put(rest, at, (const char[8]){0}, pad);
	put(rest, at, m->text.v, m->text.n);
	m->head.directories++;
	m->head.names += m->entries.n;
	return kept_write_add(&m->out, d, sizeof(*d), rest, size, record);
}

static int todo_add(struct make *m, struct base_dir *dir, uint64_t fill)
{
	struct todo *t = dir ? vn_vec_add(&m->todo, 1, sizeof(*t)) : NULL;

	if (!t) {
		base_dir_put(m->b, dir);
		return -ENOMEM;
	}
	*t = (struct todo){dir, fill};
	return 0;
}

/* The directories in it come later. */
static int dir_children(struct make *m, uint64_t record)
{
	const struct kept_entry *e = m->entries.v;
	int rc = 0;

	for (size_t i = 0; i < m->entries.n && !rc; i++) {
		struct base_entry be = dir_base_entry(m, &e[i]);

		if (e[i].type == DT_DIR)
			rc = todo_add(m, base_dir_child(m->b, m->dir, &be),
				      record + sizeof(struct kept_dir) + i * sizeof(*e) + offsetof(struct kept_entry, record));
	}
	return rc;
}

static int make_dir(struct make *m, const struct todo *t)
{
	struct kept_dir d;
	uint64_t record;
	int rc;

	m->dir = t->dir;
	rc = dir_read(m, &d);
	if (rc && !make_ends(rc) && t->fill)
		return 0;
	if (!rc)
		rc = dir_objects(m);
	if (!rc)
		rc = dir_write(m, &d, &record);
	if (!rc && t->fill)
		rc = kept_write_patch(&m->out, t->fill, &record, sizeof(record));
	else if (!rc)
		m->head.root = record;
	return rc ? rc : dir_children(m, record);
}

/* ---- all of it ---- */

static int make_walk(struct make *m)
{
	int rc = todo_add(m, base_root(m->b), 0);

	while (!rc && m->next < m->todo.n) {
		struct todo t = ((struct todo *)m->todo.v)[m->next++]; /* the vector may move */

		rc = make_pace(m);
		if (!rc)
			rc = make_dir(m, &t);
		base_dir_put(m->b, t.dir);
	}
	if (!rc && atomic_load(&m->b->met_exclude))
		rc = -EXDEV;
	if (!rc)
		rc = kept_links_settle(&m->links, &m->out);
	m->head.samples = m->out.at;
	return rc ? rc : kept_samples_write(&m->samples, &m->out);
}

static void make_fini(struct make *m)
{
	for (; m->next < m->todo.n; m->next++)
		base_dir_put(m->b, ((struct todo *)m->todo.v)[m->next].dir);
	kept_samples_fini(&m->samples);
	kept_links_fini(&m->links);
	free(m->todo.v);
	free(m->entries.v);
	free(m->layers.v);
	free(m->text.v);
	free(m->parts.v);
}

static int make_all(struct make *m, int dirfd)
{
	char name[KEPT_NAME_SIZE];
	struct kept_id again;
	int rc = base_kept_id(m->b, &m->head.id);

	if (rc)
		return rc;
	base_kept_name(&m->head.id, name);
	rc = kept_samples_init(&m->samples, m->b);
	if (!rc)
		rc = kept_write_begin(&m->out, dirfd, name);
	if (rc)
		return rc;
	rc = make_walk(m);
	if (!rc)
		rc = base_kept_id(m->b, &again);
	if (!rc && memcmp(&again, &m->head.id, sizeof(again)) != 0)
		rc = -ESTALE;
	if (!rc)
		return kept_write_end(&m->out, &m->head);
	kept_write_abandon(&m->out);
	return rc;
}

int base_keep_make(struct base *b, int dirfd, int (*pace)(void *arg), void *arg, struct base_made *made)
{
	struct make m = {.b = b, .pace = pace, .pace_arg = arg, .head = {.nlayers = (uint32_t)b->nlayers}};
	int rc;

	if (base_is_kept(b))
		return -EALREADY;
	rc = make_all(&m, dirfd);
	if (!rc && made) {
		*made = (struct base_made){m.head.directories, m.head.names, m.head.size, {0}};
		snprintf(made->file, sizeof(made->file), "%s", m.out.name);
	}
	make_fini(&m);
	return rc;
}
