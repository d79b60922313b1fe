// SPDX-License-Identifier: Apache-2.0
/* One object of the base: attributes, content, link target. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/scope.h"
#include "lower/base_kept.h"
#include "lower/base_object.h"
#include "lower/marker.h"

/* ---- an object in hand ---- */

int base_object_open(struct base *b, struct base_dir *d, const char *name, size_t len, uint16_t layer, struct base_object *o)
{
	int rc;

	if (layer >= b->nlayers)
		return -ESTALE;
	*o = (struct base_object){.b = b, .layer = layer, .at = {.fd = -1}};
	if (!name) {
		o->layer = layer = d->layers[0];
		name = d->name;
		len = d->len;
		d = d->parent;
	}
	if (!d) { /* the root: "" in its own descriptor */
		o->at = (struct base_at){.fd = b->layers[layer].fd};
		return 0;
	}
	o->dir = d;
	rc = base_name(o->name, name, len);
	return rc ? rc : base_at_dir(b, d, layer, &o->at);
}

void base_object_close(struct base_object *o)
{
	if (o->at.fd >= 0)
		base_at_put(o->b, &o->at);
}

/* -ESTALE: it is gone. */
static int object_stat(struct base_object *o, struct layer_stat *st)
{
	int rc = layer_stat(o->at.fd, o->name, st);

	return rc == -ENOENT ? -ESTALE : rc;
}

/* -EIO for a file that has no data of its own. */
static int object_check_data(struct base_object *o, const struct layer_stat *st)
{
	const struct base_part *p;
	int rc;

	if (!S_ISREG(st->attr.mode) || !o->dir || o->b->noxattr)
		return 0;
	rc = base_part_find(o->b, o->dir, o->layer, &p);
	if (!rc)
		rc = base_marks_metacopy(o->b, p, o->at.fd, o->name, st);
	if (rc == 1)
		base_metacopy_tell(o->b, o->dir, o->name, o->layer);
	return rc == 1 ? -EIO : rc;
}

/* ---- numbers ---- */

/* Names of one file of a layer share a number. */
static uint64_t group_hash(uint16_t layer, const struct layer_stat *st)
{
	uint64_t key[3] = {layer, st->dev, st->ino};

	return vn_checksum(VN_HASH_SEED, key, sizeof(key));
}

static uint64_t object_ino(const struct base_object *o, const struct layer_stat *st)
{
	if (!o->dir)
		return VN_NODE_ROOT;
	if (st->attr.nlink > 1 && !S_ISDIR(st->attr.mode))
		return base_ino_of(group_hash(o->layer, st));
	return base_ino_of(vn_hash_name(base_dir_hash(o->dir), o->name, strlen(o->name)));
}

/* ---- attributes ---- */

static int object_attr(struct base_object *o, struct vn_attr *attr)
{
	struct layer_stat st;
	int rc = object_stat(o, &st);

	if (!rc)
		rc = object_check_data(o, &st);
	if (rc)
		return rc;
	st.attr.ino = object_ino(o, &st);
	rc = base_marks_override(o->b, o->layer, o->at.fd, o->name, &st.attr);
	if (!rc)
		*attr = st.attr;
	return rc;
}

int base_attr(struct base *b, struct base_dir *d, const char *name, size_t len, uint16_t layer, struct vn_attr *attr)
{
	struct base_object o;
	int rc;

	if (base_kept_attr(b, d, name, len, layer, attr))
		return 0;
	rc = base_object_open(b, d, name, len, layer, &o);
	if (!rc)
		rc = object_attr(&o, attr);
	base_object_close(&o);
	return rc;
}

int base_dir_attr(struct base *b, struct base_dir *d, struct vn_attr *attr)
{
	struct vn_attr got;
	int rc = base_attr(b, d, NULL, 0, 0, &got);

	if (!rc && !S_ISDIR(got.mode))
		rc = -ESTALE;
	if (!rc)
		*attr = got;
	return rc;
}

struct group {
	struct base *b;
	struct base_dir *d;
	struct vn_attr attr;
};

static int group_found(void *arg, const struct base_entry *e)
{
	struct group *g = arg;

	return base_attr(g->b, g->d, e->name, e->len, e->layer, &g->attr);
}

int base_group_ino(struct base *b, const char *path, size_t len, uint64_t *ino)
{
	const char *slash = memrchr(path, '/', len);
	size_t dir_len = slash ? (size_t)(slash - path) : 0;
	const char *name = slash ? slash + 1 : path;
	struct group g = {.b = b};
	int rc = base_resolve_dir(b, path, dir_len, &g.d);

	if (rc)
		return rc;
	rc = base_lookup(b, g.d, name, len - (size_t)(name - path), group_found, &g);
	base_dir_put(b, g.d);
	if (!rc)
		*ino = g.attr.ino;
	return rc;
}

bool base_is_group(const struct base_dir *d, const char *name, size_t len, const struct vn_attr *attr)
{
	return attr->nlink > 1 || attr->ino != base_ino_of(vn_hash_name(base_dir_hash(d), name, len));
}

/* ---- content ---- */

static int object_open(struct base_object *o)
{
	struct layer_stat st;
	int rc = object_stat(o, &st);

	if (!rc)
		rc = object_check_data(o, &st);
	if (!rc && o->dir && !base_kept_agrees(o->b, o->dir, o->name, strlen(o->name), o->layer, &st))
		rc = -ESTALE;
	return rc ? rc : layer_open_file(&o->b->layers[o->layer], o->at.fd, o->name, &st);
}

int base_open_file(struct base *b, struct base_dir *d, const char *name, size_t len, uint16_t layer)
{
	struct base_object o;
	int rc = base_object_open(b, d, name, len, layer, &o);

	if (!rc)
		rc = object_open(&o);
	base_object_close(&o);
	if (rc == -ESTALE)
		base_kept_missing(b, d, name, len, layer);
	return rc;
}

/* A link that is kept as a plain file, because an override says that it is one. */
static ssize_t object_link_file(struct base_object *o, char *buf, size_t size)
{
	vn_autoclose int fd = -1;
	struct layer_stat st;
	struct vn_attr attr;
	int rc = object_stat(o, &st);

	if (rc)
		return rc;
	attr = st.attr;
	rc = base_marks_override(o->b, o->layer, o->at.fd, o->name, &attr);
	if (rc)
		return rc;
	if (!S_ISREG(st.attr.mode) || !S_ISLNK(attr.mode))
		return -EINVAL;
	fd = layer_open_file(&o->b->layers[o->layer], o->at.fd, o->name, &st);
	return fd < 0 ? fd : vn_pread_full(fd, buf, size, 0);
}

static ssize_t object_readlink(struct base_object *o, char *buf, size_t size)
{
	ssize_t n = readlinkat(o->at.fd, o->name, buf, size);

	if (n >= 0)
		return n;
	if (errno == EINVAL)
		return object_link_file(o, buf, size);
	return errno == ENOENT ? -ESTALE : -errno;
}

ssize_t base_readlink(struct base *b, struct base_dir *d, const char *name, size_t len, uint16_t layer, char *buf, size_t size)
{
	struct base_object o;
	ssize_t n;

	if (base_kept_readlink(b, d, name, len, layer, buf, size, &n))
		return n;
	n = base_object_open(b, d, name, len, layer, &o);
	if (!n)
		n = object_readlink(&o, buf, size);
	base_object_close(&o);
	return n;
}
