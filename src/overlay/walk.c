// SPDX-License-Identifier: Apache-2.0
#include "overlay/walk.h"

#include <dirent.h>

#include "base/clock.h"
#include "overlay/names.h"

#define WALK_WINDOW_MAX 64u
#define WALK_SCAN 1024 /* names that are looked at for directories among them */
#define WALK_PAUSE_S 4 /* after so long it is another walk */
#define WALK_FILES_SLEPT 4 /* reads that slept, until a directory's other files are read ahead */
#define WALK_FILES_LONG 16 /* so many read in the directory before: at once */
#define WALK_CREDIT 16 /* directories further below, for each that is read ahead */

static unsigned walk_window(struct ovl_tree *t)
{
	int64_t now = vn_mono_ns(), last = atomic_exchange(&t->walk_last, now);
	if (now - last > WALK_PAUSE_S * VN_NS_PER_SEC)
		atomic_store(&t->walk_length, 0);
	unsigned window = 4 * (atomic_fetch_add(&t->walk_length, 1) + 1);
	return window < WALK_WINDOW_MAX ? window : WALK_WINDOW_MAX;
}

static bool walk_entry(const struct ovl_node *dir, const struct ovl_name *e, struct base_entry *be)
{
	if (e->kind != OVL_NAME_BASE || e->type != DT_DIR)
		return false;
	*be = (struct base_entry){ .name = ovl_names_text(dir->names, e), .len = e->len, .type = DT_DIR };
	be->layers = ovl_names_layers_of(dir->names, e, &be->nlayers);
	return be->nlayers > 0;
}

/* The directories of dir behind a cookie, the lock of dir held. `soon`: before all that was asked for, in the same order. */
static void walk_ask(struct ovl_tree *t, struct ovl_node *dir, uint64_t cookie, unsigned window, bool soon)
{
	struct base_entry found[WALK_WINDOW_MAX];
	unsigned n = 0;
	struct ovl_name *e;
	if (!dir->odir || !dir->names)
		return;
	for (int i = 0; i < WALK_SCAN && n < window && (e = ovl_names_after(dir->names, cookie)); i++) {
		n += walk_entry(dir, e, &found[n]);
		cookie = e->cookie;
	}
	for (unsigned i = 0; i < n; i++)
		if (!base_ahead(t->base, dir->odir, &found[soon ? n - 1 - i : i], WALK_CREDIT * window, soon))
			break;
}

/* Those that follow dir in its parent. */
static void walk_beside(struct ovl_tree *t, struct ovl_node *dir, struct ovl_walk *w)
{
	struct ovl_node *up = w->parent;
	struct ovl_name *e = NULL;
	size_t len;
	const char *name = base_dir_name(dir->odir, &len);
	if (pthread_rwlock_tryrdlock(&up->lock))
		return;
	if (up->names)
		e = ovl_names_find(up->names, name, len);
	if (e)
		walk_ask(t, up, e->cookie, w->window, false);
	pthread_rwlock_unlock(&up->lock);
	w->asked = true;
}

void ovl_walk_begin(struct ovl_tree *t, struct ovl_node *dir, struct ovl_walk *w)
{
	*w = (struct ovl_walk){ 0 };
	if (!ovl_is_dir(dir) || !dir->odir || atomic_fetch_or(&dir->flags, OVL_NODE_LISTED) & OVL_NODE_LISTED)
		return;
	pthread_rwlock_rdlock(&dir->lock);
	struct ovl_node *up = dir->parent ? ovl_node_ref(dir->parent) : NULL;
	pthread_rwlock_unlock(&dir->lock);
	if (!up || !(atomic_load(&up->flags) & OVL_NODE_LISTED)) {
		ovl_node_put(t, up);
		return;
	}
	*w = (struct ovl_walk){ .parent = up, .window = walk_window(t) };
	if (base_ahead_is_useful(t->base)) {
		walk_beside(t, dir, w);
		base_ahead(t->base, dir->odir, NULL, 0, true);
	}
}

void ovl_walk_go_on(struct ovl_tree *t, struct ovl_node *dir, struct ovl_walk *w)
{
	if (!w->parent || !base_ahead_is_useful(t->base))
		return;
	if (!w->asked)
		walk_beside(t, dir, w);
	walk_ask(t, dir, 0, w->window, true);
}

void ovl_walk_end(struct ovl_tree *t, struct ovl_walk *w)
{
	ovl_node_put(t, w->parent);
	w->parent = NULL;
}

/* ---- files ---- */

/* Counts a first read in a directory; true: its files behind the first *from names are to be read ahead. */
static bool walk_count_locked(struct ovl_walk_files *f, uint64_t dir, long sleeps, unsigned *from)
{
	if (f->dir != dir)
		*f = (struct ovl_walk_files){ .dir = dir, .before = f->count };
	f->count++;
	f->slept += sleeps > 0;
	if (f->slept < (f->before < WALK_FILES_LONG ? WALK_FILES_SLEPT : 1))
		return false;
	if (f->count < f->asked * (BASE_AHEAD_FILES / 2)) /* those have to be read first */
		return false;
	*from = f->asked++ * BASE_AHEAD_FILES;
	f->slept = 0;
	return true;
}

void ovl_walk_read(struct ovl_tree *t, const struct ovl_node *n, long sleeps)
{
	unsigned from;
	base_ahead_felt(t->base, sleeps);
	pthread_mutex_lock(&t->walk_lock);
	bool ask = walk_count_locked(&t->walk_files, base_dir_hash(n->odir), sleeps, &from);
	pthread_mutex_unlock(&t->walk_lock);
	if (ask)
		base_ahead_data(t->base, n->odir, from);
}
