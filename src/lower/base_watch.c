// SPDX-License-Identifier: Apache-2.0
/*
 * Lower directories must not change under a writable layer. Whether one has is
 * seen from its times when it is read anyway: nothing is kept per directory but
 * the one moment after which nothing may have been touched.
 *
 * A faithful copy of a layer keeps times of modification and has new times of
 * change. So the latter alone mean something only where the layer's root is
 * still the inode that it was; elsewhere both have to be newer. (Both, because a
 * time of modification may lie in the future since ever.)
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "lower/base_parts.h"

int base_place(const struct base *b, size_t layer, uint64_t *ino, int64_t *btime)
{
	struct layer_stat st;
	int rc = layer_stat(b->layers[layer].fd, "", &st);

	if (rc)
		return rc;
	*ino = st.attr.btime ? st.ino : 0;
	*btime = st.attr.btime;
	return 0;
}

int base_watch(struct base *b, size_t layer, int64_t since, uint64_t ino, int64_t btime, const char *upper)
{
	struct layer *l = &b->layers[layer];
	uint64_t ino_now;
	int64_t btime_now;

	if (upper && !b->watcher && !(b->watcher = strdup(upper)))
		return -ENOMEM;
	l->same = ino && !base_place(b, layer, &ino_now, &btime_now) && ino_now == ino && btime_now == btime;
	l->since = since;
	return 0;
}

uint64_t base_changed(const struct base *b)
{
	return atomic_load_explicit(&b->changed, memory_order_relaxed);
}

bool base_watch_newer(const struct layer *l, const struct layer_stat *st)
{
	bool modified = st->attr.mtime > l->since || (l->same && S_ISDIR(st->attr.mode));

	return l->since && st->attr.ctime > l->since && modified;
}

void base_watch_part(struct base *b, const struct base_dir *d, uint16_t layer, int fd)
{
	struct layer *l = &b->layers[layer];
	struct layer_stat st;
	char path[PATH_MAX];
	ssize_t n;

	if (!l->since || layer_stat(fd, "", &st) || !base_watch_newer(l, &st))
		return;
	atomic_fetch_add_explicit(&b->changed, 1, memory_order_relaxed);
	/* The host's own root is in use: that it changes is no news. */
	if (strcmp(l->path, "/") == 0 || atomic_exchange(&l->told, true))
		return;
	n = base_dir_path(d, path, sizeof(path));
	vn_warn("directory '/%s' of the lower '%s' has changed since '%s' was made over it, and what is shown there may be a mixture; "
		"'veneer check --deep %s' tells what has changed, 'veneer check --record %s' accepts it",
		n > 0 ? path : "", l->path, b->watcher, b->watcher, b->watcher);
}
