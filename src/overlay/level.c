// SPDX-License-Identifier: Apache-2.0
/* The levels that a file is read in below its own row, and their descriptors. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "overlay/extents.h"
#include "overlay/file.h"
#include "overlay/tree.h"

#define LEVELS_MAX 65536 /* more is a loop in damaged rows */

int ovl_file_publish(struct ovl_tree *t, atomic_int *place, int fd)
{
	int none = -1;

	if (!atomic_compare_exchange_strong(place, &none, fd)) {
		close(fd);
		return none;
	}
	atomic_fetch_add(&t->files->open, 1);
	return fd;
}

int ovl_file_level_fd(struct ovl_tree *t, struct ovl_node *n, struct ovl_level *l)
{
	int fd = atomic_load_explicit(&l->fd, memory_order_acquire);

	if (fd >= 0)
		return fd;
	if (l->base)
		fd = base_open_file(t->base, n->odir, n->oname, n->oname_len, n->layer);
	else
		fd = store_data_open(t->store, l->delta, l->data);
	if (fd < 0)
		return fd == -ENOENT ? -EIO : fd;
	return ovl_file_publish(t, &l->fd, fd);
}

/* Room for one more level, zeroed; NULL: no memory. */
static struct ovl_level *level_new(struct ovl_file *f)
{
	struct ovl_level *levels = reallocarray(f->levels, f->nlevels + 1, sizeof(*levels));
	struct ovl_level *l;

	if (!levels)
		return NULL;
	f->levels = levels;
	l = &levels[f->nlevels++];
	*l = (struct ovl_level){.kind = OVL_LEVEL_EMPTY};
	atomic_init(&l->fd, -1);
	return l;
}

static int level_add_base(struct ovl_file *f, const struct ovl_node *n)
{
	struct ovl_level *l;

	if (!n->odir)
		return 0;
	l = level_new(f);
	if (!l)
		return -ENOMEM;
	l->kind = OVL_LEVEL_WHOLE;
	l->base = true;
	l->size = n->base_size;
	return 0;
}

static int level_extents(struct ovl_tree *t, const struct ovl_node *n, struct ovl_level *l, bool partial)
{
	l->kind = OVL_LEVEL_PARTS;
	l->extents = ovl_extents_new();
	if (!l->extents)
		return -ENOMEM;
	return partial ? store_read_extents(t->store, l->delta, n->ino, ovl_extents_put, l->extents) : 0;
}

/* A sealed row whose size was never written back (an upper that ended in a crash and became a layer). */
static int level_stale(struct ovl_tree *t, struct ovl_node *n, struct ovl_level *l)
{
	struct stat st;
	int fd = ovl_file_level_fd(t, n, l);

	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		return -errno;
	if ((uint64_t)st.st_size > l->size)
		l->size = (uint64_t)st.st_size;
	return 0;
}

/* One sealed row as a level; *source is where it goes on, *end that it does not. */
static int level_add_row(struct ovl_tree *t, struct ovl_node *n, struct ovl_file *f, uint64_t *source, bool *end)
{
	struct store_inode row;
	struct ovl_level *l;
	int r = store_read_inode_at(t->store, *source, n->ino, &row);

	if (r)
		return r == -ENOENT ? -EIO : r;
	free((char *)row.origin);
	l = level_new(f);
	if (!l)
		return -ENOMEM;
	l->delta = *source;
	l->data = row.data;
	l->size = row.size;
	l->below = row.below;
	*source = row.source;
	*end = row.state == STORE_NONE || row.state == STORE_FULL;
	if (row.state == STORE_FULL) {
		l->kind = OVL_LEVEL_WHOLE;
		return row.flags & STORE_STALE ? level_stale(t, n, l) : 0;
	}
	return *end ? 0 : level_extents(t, n, l, row.state == STORE_PARTIAL);
}

int ovl_file_resolve(struct ovl_tree *t, struct ovl_node *n, struct ovl_file *f)
{
	uint64_t source = f->source;
	bool end = false;

	while (source && !end) {
		int r = f->nlevels < LEVELS_MAX ? level_add_row(t, n, f, &source, &end) : -EIO;

		if (r)
			return r;
	}
	f->below = true;
	return end ? 0 : level_add_base(f, n);
}
