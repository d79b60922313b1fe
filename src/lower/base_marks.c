// SPDX-License-Identifier: Apache-2.0
/*
 * Markers that take system calls to see. An attribute that may not be read (an
 * unprivileged reader and `trusted.`), or that the host's file system does not
 * have, is not there.
 */
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "lower/base_parts.h"
#include "lower/marker.h"

bool base_is_excluded(struct base *b, const struct layer_stat *st)
{
	if (!b->has_exclude || st->ino != b->exclude_ino || st->dev != b->exclude_dev)
		return false;
	atomic_store_explicit(&b->met_exclude, true, memory_order_relaxed);
	return true;
}

/* ---- attributes of directories ---- */

static int marks_redirect(int dirfd, const char *name, const char *xattr, struct base_marks *out)
{
	char value[PATH_MAX];
	ssize_t n = layer_xattr_get(dirfd, name, xattr, value, sizeof(value) - 1);

	if (n == -VN_ENOATTR)
		return 0;
	if (n < 0 || marker_redirect_check(value, (size_t)n))
		return n < 0 && n != -ERANGE ? (int)n : -EIO;
	free(out->redirect);
	out->redirect = strndup(value, (size_t)n);
	return out->redirect ? 0 : -ENOMEM;
}

static void marks_opaque(int dirfd, const char *name, const char *xattr, struct base_marks *out)
{
	char value[8];
	ssize_t n = layer_xattr_get(dirfd, name, xattr, value, sizeof(value));
	char says = n > 0 ? marker_opaque_value(value, (size_t)n) : '\0';

	out->opaque |= says == 'y';
	out->xwhite |= says == 'x';
}

int base_marks_read(const struct base *b, int dirfd, const char *name, struct base_marks *out)
{
	vn_autofree char *names = NULL;
	struct base_marks found = {0};
	ssize_t len = b->noxattr ? 0 : layer_xattr_names(dirfd, name, &names);
	int rc = 0;

	if (len < 0)
		return (int)len;
	for (ssize_t at = 0; at < len && !rc; at += (ssize_t)strlen(names + at) + 1) {
		enum marker_xattr what = marker_xattr(names + at);

		found.overlay |= marker_xattr_is_overlay(names + at);
		if (what == MARKER_XATTR_OPAQUE)
			marks_opaque(dirfd, name, names + at, &found);
		else if (what == MARKER_XATTR_REDIRECT)
			rc = marks_redirect(dirfd, name, names + at, &found);
	}
	if (rc) {
		free(found.redirect);
		return rc;
	}
	*out = found;
	return 0;
}

/* ---- marker files ---- */

bool base_marks_opaque_file(int dirfd)
{
	struct layer_stat st;

	return layer_stat(dirfd, MARKER_OPAQUE_FILE, &st) == 0;
}

bool base_marks_whiteout_file(int dirfd, const char *name, size_t len)
{
	char marker[VN_NAME_MAX + 1];
	struct layer_stat st;

	if (len > MARKER_WHITEOUT_MAX)
		return false;
	memcpy(marker, MARKER_WHITEOUT_PREFIX, sizeof(MARKER_WHITEOUT_PREFIX) - 1);
	memcpy(marker + sizeof(MARKER_WHITEOUT_PREFIX) - 1, name, len);
	marker[sizeof(MARKER_WHITEOUT_PREFIX) - 1 + len] = '\0';
	return layer_stat(dirfd, marker, &st) == 0;
}

static bool is_zero_device(const struct vn_attr *a)
{
	return S_ISCHR(a->mode) && a->rdev_major == 0 && a->rdev_minor == 0;
}

/* 1: the object has an attribute of this meaning. */
static int has_mark(int dirfd, const char *name, enum marker_xattr what)
{
	vn_autofree char *names = NULL;
	ssize_t len = layer_xattr_names(dirfd, name, &names);

	if (len < 0)
		return (int)len;
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
		if (marker_xattr(names + at) == what)
			return 1;
	}
	return 0;
}

int base_marks_whiteout(const struct base *b, const struct base_part *p, int dirfd, const char *name,
			const struct layer_stat *st)
{
	struct vn_attr attr = st->attr;
	int rc;

	if (is_zero_device(&attr))
		return 1;
	if (!S_ISREG(attr.mode) || b->noxattr)
		return 0;
	if (p->xwhite && attr.size == 0) {
		rc = has_mark(dirfd, name, MARKER_XATTR_WHITEOUT);
		if (rc)
			return rc;
	}
	if (!b->layers[p->layer].overrides)
		return 0;
	rc = base_marks_override(b, p->layer, dirfd, name, &attr);
	return rc ? rc : is_zero_device(&attr);
}

int base_marks_metacopy(const struct base *b, const struct base_part *p, int dirfd, const char *name,
			const struct layer_stat *st)
{
	/* Without data of its own it is a hole, at least in part; or it is small, but then its directory tells. */
	if (b->noxattr || !S_ISREG(st->attr.mode) || !st->attr.size)
		return 0;
	if (!p->overlay && st->attr.blocks * 512 >= st->attr.size)
		return 0;
	return has_mark(dirfd, name, MARKER_XATTR_METACOPY);
}

/* ---- overrides ---- */

/* Bits of the overrides that the object may have. Directories tell by their list, files by the layer's root. */
static int override_kinds(const struct base *b, uint16_t layer, int dirfd, const char *name, bool dir, unsigned *kinds)
{
	vn_autofree char *names = NULL;
	ssize_t len;

	*kinds = b->layers[layer].overrides;
	if (!dir)
		return 0;
	*kinds = 0;
	len = layer_xattr_names(dirfd, name, &names);
	if (len < 0)
		return (int)len;
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
		int kind = marker_override_kind(names + at);

		if (kind >= 0)
			*kinds |= 1u << kind;
	}
	return 0;
}

/*
 * Only what the host has as a plain file can be said to be something else (that is
 * how links and devices are kept where they cannot be made); a directory stays one.
 */
static void override_apply(const struct marker_override *o, struct vn_attr *attr)
{
	uint32_t host = attr->mode & S_IFMT;
	uint32_t type = o->type && (host == S_IFREG && o->type != S_IFDIR) ? o->type : host;

	attr->uid = o->uid;
	attr->gid = o->gid;
	attr->mode = type | o->perm;
	if (type == host && host != S_IFBLK && host != S_IFCHR)
		return;
	if (type == o->type) {
		attr->rdev_major = o->major;
		attr->rdev_minor = o->minor;
	}
	if (type != S_IFLNK) {
		attr->size = 0;
		attr->blocks = 0;
	}
}

int base_marks_override(const struct base *b, uint16_t layer, int dirfd, const char *name, struct vn_attr *attr)
{
	unsigned kinds;
	int rc;

	if (b->noxattr)
		return 0;
	rc = override_kinds(b, layer, dirfd, name, S_ISDIR(attr->mode), &kinds);
	for (int i = 0; !rc && i < MARKER_OVERRIDES; i++) {
		char value[MARKER_VALUE_MAX];
		struct marker_override o;
		ssize_t n;

		if (!(kinds & 1u << i))
			continue;
		n = layer_xattr_get(dirfd, name, marker_override_names[i], value, sizeof(value));
		if (n < 0 || marker_override_parse(value, (size_t)n, &o))
			continue;
		override_apply(&o, attr);
		break;
	}
	return rc;
}
