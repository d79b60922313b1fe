// SPDX-License-Identifier: Apache-2.0
/*
 * Listing a merged directory. Each part is read once, from the top; what a part's
 * entries mean is decided here (struct list_seen), names met before win. A name
 * in the table is open while it is a directory that may still go on in the
 * layers below; anything else, and whatever closes a directory, ends it.
 *
 * A marker hides names of the layers below its own only, so whiteouts of a part
 * take effect when that part has been read.
 *
 * A directory of one part needs no table: its names are given on as they are read.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "lower/ahead.h"
#include "lower/base_kept.h"
#include "lower/base_names.h"
#include "lower/marker.h"

#ifndef DTTOIF
#define DTTOIF(type) ((type) << 12)
#endif
#ifndef IFTODT
#define IFTODT(mode) (((mode)&S_IFMT) >> 12)
#endif

/* One listing. */
struct list {
	struct base *b;
	struct base_dir *d;
	base_entry_fn fn;
	void *arg;
	/* the part that is being read */
	const struct base_walk_part *at;
	bool opaque;
	/* more than one part */
	bool merging;
	struct base_names names;
};

enum list_kind {
	LIST_IGNORE,
	LIST_NAME,     /* an entry of `type` */
	LIST_WHITEOUT, /* hides `name` below */
};

/* What one entry of a part means. */
struct list_seen {
	enum list_kind kind;
	const char *name;
	size_t len;
	uint32_t type;
};

/* ---- what an entry means ---- */

static bool list_maybe_excluded(const struct base *b, const struct layer_dent *e)
{
	return b->has_exclude && (e->ino == b->exclude_ino || strcmp(e->name, b->exclude_name) == 0);
}

/* Is a closer look needed than what the host's listing tells? */
static bool list_must_look(const struct list *l, const struct layer_dent *e)
{
	switch (e->type) {
	case DT_DIR:
		return list_maybe_excluded(l->b, e);
	case DT_REG:
		return l->at->part->xwhite || l->b->layers[l->at->part->layer].overrides;
	case DT_LNK:
	case DT_FIFO:
	case DT_SOCK:
	case DT_BLK:
		return false;
	default: /* devices may be whiteouts; DT_UNKNOWN */
		return true;
	}
}

static int list_look(struct list *l, const struct layer_dent *e, struct list_seen *seen)
{
	uint16_t layer = l->at->part->layer;
	struct layer_stat st;
	int rc = layer_stat(l->at->fd, e->name, &st);

	if (rc == -ENOENT) { /* gone meanwhile */
		seen->kind = LIST_IGNORE;
		return 0;
	}
	if (rc)
		return rc;
	rc = base_marks_whiteout(l->b, l->at->part, l->at->fd, e->name, &st);
	if (rc < 0)
		return rc;
	if (rc)
		seen->kind = LIST_WHITEOUT;
	else if (base_is_excluded(l->b, &st))
		seen->kind = LIST_IGNORE;
	else if (S_ISREG(st.attr.mode) && l->b->layers[layer].overrides)
		rc = base_marks_override(l->b, layer, l->at->fd, e->name, &st.attr);
	seen->type = IFTODT(st.attr.mode);
	return rc < 0 ? rc : 0;
}

static int list_see(struct list *l, const struct layer_dent *e, struct list_seen *seen)
{
	*seen = (struct list_seen){LIST_NAME, e->name, e->len, e->type};
	switch (marker_name(e->name, e->len, &seen->name, &seen->len)) {
	case MARKER_NAME_PLAIN:
		return list_must_look(l, e) ? list_look(l, e, seen) : 0;
	case MARKER_NAME_WHITEOUT:
		seen->kind = LIST_WHITEOUT;
		return 0;
	case MARKER_NAME_OPAQUE:
		l->opaque = true;
		break;
	case MARKER_NAME_RESERVED:
		break;
	}
	seen->kind = LIST_IGNORE;
	return 0;
}

/* ---- one part ---- */

static int list_give(struct list *l, const struct list_seen *seen)
{
	struct base_entry e = {
		.name = seen->name,
		.len = seen->len,
		.type = seen->type,
		.layer = l->at->part->layer,
		.layers = &e.layer,
		.nlayers = seen->type == DT_DIR,
	};

	return l->fn(l->arg, &e);
}

static int list_dent(void *arg, const struct layer_dent *e)
{
	struct list *l = arg;
	struct list_seen seen;
	int rc = list_see(l, e, &seen);

	if (rc || seen.kind == LIST_IGNORE)
		return rc;
	if (!l->merging)
		return seen.kind == LIST_NAME ? list_give(l, &seen) : 0;
	if (seen.kind == LIST_NAME)
		return base_names_add(&l->names, seen.name, seen.len, seen.type, l->at->part->layer);
	return l->at->last ? 0 : base_names_hide(&l->names, seen.name, seen.len);
}

static int list_part(void *arg, const struct base_walk_part *p)
{
	struct list *l = arg;
	int rc;

	l->at = p;
	l->opaque = false;
	l->merging |= !p->last;
	if (p->fd >= 0 && l->b->watcher)
		base_watch_part(l->b, l->d, p->part->layer, p->fd);
	rc = p->fd < 0 ? 0 : layer_read_dir(p->fd, list_dent, l);
	if (rc)
		return rc;
	rc = l->merging ? base_names_settle(&l->names) : 0;
	return rc ? rc : l->opaque ? BASE_WALK_OPAQUE : 0;
}

int base_list(struct base *b, struct base_dir *d, base_entry_fn fn, void *arg)
{
	struct list l = {.b = b, .d = d, .fn = fn, .arg = arg};
	long sleeps;
	int rc;

	if (base_kept_list(b, d, fn, arg, &rc))
		return rc;
	base_names_init(&l.names, base_dir_hash(d));
	sleeps = ahead_sleeps();
	rc = base_walk(b, d, list_part, &l);
	ahead_felt(b->ahead, d->nlayers, ahead_sleeps() - sleeps);
	if (!rc && l.merging)
		rc = base_names_each(&l.names, fn, arg);
	base_names_fini(&l.names);
	return rc;
}
