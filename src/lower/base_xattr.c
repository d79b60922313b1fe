// SPDX-License-Identifier: Apache-2.0
/*
 * Extended attributes of lower objects as a client may see them. What an
 * overlay keeps there for itself is hidden, and what a nested one kept escaped
 * ("overlay.overlay.X") is shown under the name that it asked for.
 */
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "lower/base_kept.h"
#include "lower/base_object.h"
#include "lower/marker.h"

static ssize_t object_getxattr(struct base_object *o, const char *xattr, void *buf, size_t size)
{
	char stored[VN_XATTR_NAME_MAX + 1];
	int rc = marker_xattr_stored(xattr, stored);
	ssize_t n = rc ? rc : layer_xattr_get(o->at.fd, o->name, stored, buf, size);

	return n == -ENOENT ? -ESTALE : n;
}

ssize_t base_getxattr(struct base *b, struct base_dir *d, const char *name, size_t len, uint16_t layer,
		      const char *xattr, void *buf, size_t size)
{
	struct base_object o;
	ssize_t n;

	if (base_kept_bare(b, d, name, len, layer))
		return -VN_ENOATTR;
	n = base_object_open(b, d, name, len, layer, &o);
	if (!n)
		n = object_getxattr(&o, xattr, buf, size);
	base_object_close(&o);
	return n;
}

/* The name that the client sees; NULL: none. */
static const char *list_shown(const char *name, char room[VN_XATTR_NAME_MAX + 1])
{
	switch (marker_xattr(name)) {
	case MARKER_XATTR_PLAIN:
		return name;
	case MARKER_XATTR_ESCAPED:
		marker_xattr_show(name, room);
		return room;
	default:
		return NULL;
	}
}

/* The shown names of a list; they are never longer than the stored ones. */
static ssize_t list_filter(const char *names, ssize_t len, char *buf, size_t size)
{
	char room[VN_XATTR_NAME_MAX + 1];
	size_t used = 0;

	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
		const char *shown = list_shown(names + at, room);
		size_t n = shown ? strlen(shown) + 1 : 0;

		if (size && n > size - used)
			return -ERANGE;
		if (size && n)
			memcpy(buf + used, shown, n);
		used += n;
	}
	return (ssize_t)used;
}

ssize_t base_listxattr(struct base *b, struct base_dir *d, const char *name, size_t len, uint16_t layer, char *buf, size_t size)
{
	vn_autofree char *names = NULL;
	struct base_object o;
	ssize_t n;

	if (base_kept_bare(b, d, name, len, layer))
		return 0;
	n = base_object_open(b, d, name, len, layer, &o);
	if (!n)
		n = layer_xattr_names(o.at.fd, o.name, &names);
	base_object_close(&o);
	if (n < 0)
		return n == -ENOENT ? -ESTALE : n;
	return list_filter(names, n, buf, size);
}

int base_may_have_xattrs(struct base *b, struct base_dir *d, const char *name, size_t len, uint16_t layer)
{
	struct base_object o;
	ssize_t n = base_object_open(b, d, name, len, layer, &o);

	if (!n)
		n = layer_xattr_list(o.at.fd, o.name, NULL, 0);
	base_object_close(&o);
	if (n == 0)
		return 0;
	return n < 0 || base_listxattr(b, d, name, len, layer, NULL, 0) != 0;
}
