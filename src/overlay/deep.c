// SPDX-License-Identifier: Apache-2.0
/*
 * Deep verification. Each place (a lower, a snapshot, the head's data files) is
 * walked in a fixed order beside what the record has of it; what one side lacks,
 * and what both have with another fingerprint, are the differences.
 *
 * What counts depends on the place. A lower must be the same in all that the tree shows
 * of it. A snapshot must have the same files with the same bytes. The head
 * changes by right; but a data file that has the size and the time of
 * modification of the record, and other bytes, was written by nobody: it rotted.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/scope.h"
#include "lower/base_parts.h"
#include "overlay/deep.h"

/* A head's file that was written so lately may be written again without a new time. */
#define DEEP_RECENT (2 * VN_NS_PER_SEC)

/* ---- counting ---- */

static void deep_bytes(void *arg, uint64_t n)
{
	struct ovl_deep *d = ((struct deep *)arg)->d;

	d->totals.bytes += n;
	if (d->progress)
		d->progress(d->arg, &d->totals);
}

/*
 * A copy has new times of change, so these count only where the root is the one that
 * the layer was made over.
 */
static void deep_date(struct deep *p, const struct survey_object *o)
{
	const struct vn_attr *a = &o->st->attr;
	int64_t at = p->layer->same || a->ctime < a->mtime ? a->ctime : a->mtime;

	if (!(o->print.flags & (OVL_PRINT_MOUNT | OVL_PRINT_UNREAD)) && at > p->newest)
		p->newest = at;
}

/* Counts an object; what cannot be read for another reason than permission is told. */
static int deep_count(struct deep *p, const struct survey_object *o)
{
	struct ovl_deep *d = p->d;
	bool denied = o->error == -EACCES || o->error == -EPERM;

	if (p->kind == OVL_PLACE_LOWER)
		deep_date(p, o);
	d->totals.objects++;
	d->totals.unread += denied;
	if (d->progress)
		d->progress(d->arg, &d->totals);
	return o->error && !denied ? deep_tell(p, o->path, OVL_DIFFERS_UNREAD, NULL, &o->print, o->error) : 0;
}

/* ---- comparing one object ---- */

static unsigned compare_lower(const struct deep *p, const struct ovl_print *a, const struct ovl_print *b)
{
	uint64_t other = p->then ? prints_head(p->then)->viewer ^ p->viewer : 0;
	bool unread = (a->flags | b->flags) & OVL_PRINT_UNREAD;
	unsigned what = 0;

	what |= a->contents != b->contents && !unread ? OVL_DIFFERS_CONTENTS : 0;
	what |= a->size != b->size ? OVL_DIFFERS_SIZE : 0;
	what |= a->mode != b->mode ? OVL_DIFFERS_MODE : 0;
	what |= (a->uid != b->uid || a->gid != b->gid) && !(other & ~PRINT_VIEWER_ROOT) ? OVL_DIFFERS_OWNER : 0;
	what |= a->rdev != b->rdev ? OVL_DIFFERS_DEVICE : 0;
	what |= a->mtime != b->mtime ? OVL_DIFFERS_MTIME : 0;
	what |= (a->xattrs != b->xattrs || (!other && a->held_xattrs != b->held_xattrs)) && !unread ? OVL_DIFFERS_XATTRS : 0;
	return what;
}

static unsigned compare_bytes(const struct ovl_print *a, const struct ovl_print *b)
{
	bool unread = (a->flags | b->flags) & OVL_PRINT_UNREAD;

	return (a->size != b->size ? OVL_DIFFERS_SIZE : 0) |
	       (a->contents != b->contents && !unread ? OVL_DIFFERS_CONTENTS : 0);
}

static unsigned deep_compare(const struct deep *p, const struct ovl_print *a, const struct ovl_print *b)
{
	if ((a->mode & S_IFMT) != (b->mode & S_IFMT))
		return p->kind == OVL_PLACE_HEAD ? 0 : OVL_DIFFERS_TYPE;
	if ((a->flags | b->flags) & OVL_PRINT_MOUNT)
		return 0;
	if (p->kind == OVL_PLACE_LOWER)
		return compare_lower(p, a, b);
	if (p->kind == OVL_PLACE_HEAD && (a->size != b->size || a->mtime != b->mtime))
		return 0;
	return compare_bytes(a, b);
}

/* ---- walking beside the record ---- */

static int deep_advance(struct deep *p)
{
	int rc = prints_next(p->then, &p->next);

	p->have = rc == 1;
	return rc < 0 ? rc : 0;
}

/* What the record has in this directory is told with the directory. */
static int deep_pass(struct deep *p, const char *dir)
{
	char *copy = strdup(dir);

	if (!copy)
		return -ENOMEM;
	free(p->passed);
	p->passed = copy;
	return 0;
}

/* The next object of the record is not there any more. */
static int deep_missing(struct deep *p)
{
	const struct prints_object *o = &p->next;
	bool counts = p->kind == OVL_PLACE_LOWER || (p->kind == OVL_PLACE_SNAPSHOT && (S_ISDIR(o->print.mode) || o->print.size));
	int rc = 0;

	if (!p->passed || !survey_below(o->path, p->passed)) {
		if (counts)
			rc = deep_tell(p, o->path, OVL_DIFFERS_MISSING, &o->print, NULL, 0);
		if (!rc && S_ISDIR(o->print.mode))
			rc = deep_pass(p, o->path);
	}
	return rc ? rc : deep_advance(p);
}

static int deep_added(struct deep *p, const struct survey_object *o)
{
	int rc = p->kind == OVL_PLACE_LOWER ? deep_tell(p, o->path, OVL_DIFFERS_ADDED, NULL, &o->print, 0) : 0;

	if (rc)
		return rc;
	return S_ISDIR(o->print.mode) && p->kind == OVL_PLACE_LOWER ? SURVEY_SKIP : 0;
}

static int deep_both(struct deep *p, const struct survey_object *o)
{
	struct ovl_print was = p->next.print;
	unsigned what = deep_compare(p, &was, &o->print);
	bool closed = (what & OVL_DIFFERS_TYPE) || ((was.flags | o->print.flags) & (OVL_PRINT_MOUNT | OVL_PRINT_UNREAD));
	int rc = what ? deep_tell(p, o->path, what, &was, &o->print, 0) : 0;

	if (!rc && closed && S_ISDIR(was.mode))
		rc = deep_pass(p, o->path);
	if (!rc)
		rc = deep_advance(p);
	return rc ? rc : closed && S_ISDIR(o->print.mode) ? SURVEY_SKIP : 0;
}

static int deep_beside(void *arg, const struct survey_object *o)
{
	struct deep *p = arg;
	int rc = deep_count(p, o);

	while (!rc && p->have && survey_compare(p->next.path, o->path) < 0)
		rc = deep_missing(p);
	if (rc)
		return rc;
	return p->have && strcmp(p->next.path, o->path) == 0 ? deep_both(p, o) : deep_added(p, o);
}

/* ---- walking without one, and for one ---- */

static int deep_alone(void *arg, const struct survey_object *o)
{
	struct deep *p = arg;
	int rc = deep_count(p, o);

	if (rc || p->kind != OVL_PLACE_LOWER || !base_watch_newer(p->layer, o->st))
		return rc;
	return deep_tell(p, o->path, OVL_DIFFERS_SINCE, NULL, &o->print, 0);
}

static int deep_record(void *arg, const struct survey_object *o)
{
	struct deep *p = arg;
	struct ovl_print print = o->print;

	if (p->kind == OVL_PLACE_HEAD && S_ISREG(print.mode) && vn_now_ns() - print.mtime < DEEP_RECENT)
		print.flags |= OVL_PRINT_UNREAD;
	prints_add(p->w, o->depth, o->name, o->len, &print);
	return deep_count(p, o);
}

/* The layer's own files cannot even be listed: what the record has of them is no more news. */
static int deep_lost(struct deep *p, int error)
{
	int rc = deep_tell(p, "", OVL_DIFFERS_UNREAD, NULL, NULL, error);

	return rc ? rc : deep_pass(p, "");
}

static int deep_walk_own(struct deep *p, const char *dir, survey_fn fn)
{
	struct survey_config config = {.contents = true, .meter = &p->meter, .fn = fn, .arg = p};
	struct layer own = {.fd = -1};
	struct vn_err err = {0};
	int rc = layer_open(&own, dir, true, &err);

	if (rc)
		return rc == -ENOMEM ? rc : deep_lost(p, rc);
	config.layer = &own;
	rc = survey_walk(&config);
	layer_close(&own);
	return rc;
}

static int deep_walk_lower(struct deep *p, size_t i, survey_fn fn)
{
	struct base *b = p->t->base;
	struct survey_config config = {
		.layer = &b->layers[i], .base = b, .contents = fn != deep_alone, .meter = &p->meter, .fn = fn, .arg = p,
	};

	p->layer = config.layer;
	return survey_walk(&config);
}

/* Walks a place as it is now; kind is what it was when the record was made. */
static int deep_walk(struct deep *p, size_t now, enum ovl_place kind, survey_fn fn)
{
	bool sealed_since = kind == OVL_PLACE_HEAD && p->places.v[now].kind == OVL_PLACE_SNAPSHOT;
	vn_autofree char *data = NULL;

	p->kind = kind;
	p->where = p->places.v[now].path;
	p->id = p->places.v[now].id;
	p->d->totals.place++;
	if (kind == OVL_PLACE_LOWER)
		return deep_walk_lower(p, now, fn);
	/* What was the head's data is in the delta now. */
	if (sealed_since && asprintf(&data, "%s/data", p->places.dirs[now]) < 0)
		return -ENOMEM;
	return deep_walk_own(p, sealed_since ? data : p->places.dirs[now], fn);
}

static int deep_one(struct deep *p, size_t now, enum ovl_place kind)
{
	int rc = deep_advance(p);

	if (!rc)
		rc = deep_walk(p, now, kind, deep_beside);
	while (!rc && p->have)
		rc = deep_missing(p);
	if (!rc)
		rc = deep_settle(p, NULL);
	free(p->passed);
	p->passed = NULL;
	return rc;
}

/* ---- all places ---- */

/* A place that the record does not have, or all of them without one. */
static int deep_walk_alone(struct deep *p, size_t now)
{
	return deep_walk(p, now, p->places.v[now].kind, deep_alone);
}

static int deep_beside_all(struct deep *p, bool *walked)
{
	const struct prints_head *h = prints_head(p->then);
	int rc = 0;

	for (size_t i = 0; !rc && i < h->n; i++) {
		size_t now = deep_places_now(&p->places, h, i);

		if (now < p->places.n) {
			rc = deep_one(p, now, h->places[i].kind);
			walked[now] = true;
		}
		if (!rc)
			rc = prints_next_place(p->then);
	}
	return rc;
}

static int deep_with_record(struct deep *p)
{
	vn_autofree bool *walked = calloc(p->places.n, sizeof(*walked));
	int rc = walked ? deep_beside_all(p, walked) : -ENOMEM;

	p->d->record = OVL_RECORD_USED;
	p->d->since = prints_head(p->then)->made;
	p->d->other_viewer = prints_head(p->then)->viewer != p->viewer;
	for (size_t i = 0; !rc && i < p->places.n; i++) {
		if (walked[i])
			continue;
		p->d->newer += p->places.v[i].kind == OVL_PLACE_SNAPSHOT;
		rc = deep_walk_alone(p, i);
	}
	return rc;
}

static int deep_without(struct deep *p)
{
	int rc = 0;

	for (size_t i = 0; i < base_layers(p->t->base); i++)
		if (p->t->base->layers[i].since)
			p->d->since = p->t->base->layers[i].since;
	for (size_t i = 0; !rc && i < p->places.n; i++)
		rc = deep_walk_alone(p, i);
	return rc;
}

static int deep_start(struct deep *p, struct ovl_tree *t, struct ovl_deep *d, uint8_t upper[16])
{
	int rc;

	*p = (struct deep){.t = t, .d = d, .viewer = print_viewer()};
	p->meter = (struct print_meter){deep_bytes, p};
	d->totals = (struct ovl_deep_totals){0};
	rc = deep_places_find(t, d->served, &p->places);
	d->totals.places = p->places.n;
	return rc ? rc : store_upper_id(t->store, upper);
}

static void deep_fini(struct deep *p)
{
	deep_places_fini(&p->places);
	deep_tell_fini(p);
	free(p->passed);
}

int ovl_deep(struct ovl_tree *t, struct ovl_deep *d, struct vn_err *err)
{
	uint8_t upper[16];
	struct deep p;
	int rc = deep_start(&p, t, d, upper), found = rc;

	if (!rc)
		found = prints_open(store_dirfd(t->store), upper, &p.then);
	if (!rc && found && found != -ENOENT)
		rc = deep_damaged(&p, found);
	if (!rc)
		rc = found ? deep_without(&p) : deep_with_record(&p);
	if (!rc)
		rc = deep_views(t, p.newest, d->problem, d->arg);
	if (rc == -EUCLEAN) /* its sums were right and what it says makes no sense */
		rc = deep_damaged(&p, rc);
	if (rc < 0)
		vn_err_sys(err, rc, "cannot walk '%s'", p.where ? p.where : "the lower directories");
	prints_close(p.then);
	deep_fini(&p);
	return rc < 0 ? rc : 0;
}

static int record_all(struct deep *p, const struct prints_head *h)
{
	int rc = prints_create(store_dirfd(p->t->store), h, &p->w);

	if (rc)
		return rc;
	for (size_t i = 0; !rc && i < h->n; i++) {
		rc = deep_walk(p, i, h->places[i].kind, deep_record);
		prints_place_end(p->w);
	}
	if (!rc)
		rc = prints_commit(p->w);
	else
		prints_abandon(p->w);
	return rc ? rc : deep_views(p->t, p->newest, NULL, NULL);
}

int ovl_record(struct ovl_tree *t, struct ovl_deep *d, struct vn_err *err)
{
	struct prints_head h = {.made = vn_now_ns()};
	struct deep p;
	int rc = deep_start(&p, t, d, h.upper);

	h.viewer = p.viewer;
	h.places = p.places.v;
	h.n = p.places.n;
	if (!rc)
		rc = record_all(&p, &h);
	deep_fini(&p);
	d->since = h.made;
	if (rc == -EBUSY)
		return vn_err_set(err, rc, "another process is recording these lower directories: wait for it");
	return rc < 0 ? vn_err_sys(err, rc, "cannot record the lower directories") : 0;
}
