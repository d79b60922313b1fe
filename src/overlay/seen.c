// SPDX-License-Identifier: Apache-2.0
/*
 * Nodeids that outlive the server (L3 of doc/semantics.md). A client of a virtual machine keeps its
 * nodeids when the server is restarted under it. What has a row is found by its
 * number; of the base, the directories that such a client looked up are recorded
 * (`seen`), in the journal as everything else, and a file is found through its
 * directory.
 *
 * The first number that has neither row nor record makes a table of all numbers
 * in the recorded directories; the first that is not there either (a record that
 * a crash kept from being written, a tree without a writable layer) adds the
 * whole base, once.
 */
#include "overlay/seen.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "overlay/names.h"

struct seen_file {
	uint64_t ino;
	uint32_t dir, name; /* index into dirs, offset into text */
};

struct ovl_seen {
	pthread_mutex_t lock;
	struct base_dir **dirs; /* references */
	size_t ndirs, dir_cap;
	struct seen_file *files; /* sorted by number once complete */
	size_t nfiles, file_cap;
	char *text;
	size_t text_len, text_cap;
	bool recorded, everything; /* what is in it */
};

int ovl_seen_new(struct ovl_tree *t)
{
	t->seen = calloc(1, sizeof(*t->seen));
	if (!t->seen)
		return -ENOMEM;
	pthread_mutex_init(&t->seen->lock, NULL);
	return 0;
}

void ovl_seen_free(struct ovl_tree *t)
{
	struct ovl_seen *s = t->seen;
	if (!s)
		return;
	for (size_t i = 0; i < s->ndirs; i++)
		base_dir_put(t->base, s->dirs[i]);
	free(s->dirs);
	free(s->files);
	free(s->text);
	pthread_mutex_destroy(&s->lock);
	free(s);
	t->seen = NULL;
}

/* ---- recording ---- */

void ovl_seen_record(struct ovl_tree *t, struct ovl_node *n)
{
	char path[OVL_PATH_MAX];
	struct ovl_op op;
	uint64_t seq;
	if (!ovl_is_dir(n) || !n->odir || n == t->root || ovl_own(n) || !t->store || t->readonly)
		return;
	if (atomic_fetch_or(&n->flags, OVL_NODE_SEEN) & OVL_NODE_SEEN)
		return;
	ssize_t len = ovl_base_path(n->odir, NULL, 0, path);
	if (len < 0)
		return;
	ovl_op_begin(&op, t, NULL);
	op.change.flags |= STORE_CHANGE_TIMES;
	store_change_seen(&op.change, n->ino, path, (size_t)len);
	ovl_op_commit(&op, &seq); /* what is not recorded is searched for */
}

void ovl_seen_gone(struct ovl_tree *t, struct ovl_node *n)
{
	struct ovl_op op;
	uint64_t seq;
	if (!(atomic_fetch_and(&n->flags, ~OVL_NODE_SEEN) & OVL_NODE_SEEN))
		return;
	ovl_op_begin(&op, t, NULL);
	op.change.flags |= STORE_CHANGE_TIMES | STORE_CHANGE_FREES;
	store_change_seen_gone(&op.change, n->ino);
	ovl_op_commit(&op, &seq);
}

/* ---- finding ---- */

static int seen_grow(void *array, size_t *cap, size_t need, size_t elem)
{
	if (need <= *cap)
		return 0;
	size_t want = need < 64 ? 64 : need + need / 2;
	void *p = realloc(*(void **)array, want * elem);
	if (!p)
		return -ENOMEM;
	*(void **)array = p;
	*cap = want;
	return 0;
}

/* Takes over the reference. */
static int seen_add_dir(struct ovl_tree *t, struct base_dir *d)
{
	struct ovl_seen *s = t->seen;
	int r = seen_grow(&s->dirs, &s->dir_cap, s->ndirs + 1, sizeof(*s->dirs));
	if (r)
		base_dir_put(t->base, d);
	else
		s->dirs[s->ndirs++] = d;
	return r;
}

/* The walk over a directory's names: which directory, and whether its subdirectories follow. */
struct seen_walk {
	struct ovl_tree *t;
	size_t dir;
	bool deep;
};

static int seen_add_file(struct ovl_tree *t, size_t dir, const struct base_entry *e)
{
	struct ovl_seen *s = t->seen;
	struct vn_attr attr;
	struct base_dir *d = s->dirs[dir];
	int r = seen_grow(&s->files, &s->file_cap, s->nfiles + 1, sizeof(*s->files));
	if (!r)
		r = seen_grow(&s->text, &s->text_cap, s->text_len + e->len + 1, 1);
	if (r)
		return r;
	if (base_attr(t->base, d, e->name, e->len, e->layer, &attr))
		return 0; /* what cannot be looked at now cannot be served either */
	s->files[s->nfiles++] = (struct seen_file){
		.ino = ovl_number(t, d, e->name, e->len, attr.ino, base_is_group(d, e->name, e->len, &attr)),
		.dir = (uint32_t)dir, .name = (uint32_t)s->text_len,
	};
	memcpy(s->text + s->text_len, e->name, e->len);
	s->text[s->text_len + e->len] = '\0';
	s->text_len += e->len + 1;
	return 0;
}

static int seen_entry(void *arg, const struct base_entry *e)
{
	const struct seen_walk *w = arg;
	if (e->type != DT_DIR)
		return seen_add_file(w->t, w->dir, e);
	if (!w->deep)
		return 0;
	struct base_dir *d = base_dir_child(w->t->base, w->t->seen->dirs[w->dir], e);
	return d ? seen_add_dir(w->t, d) : -ENOMEM;
}

static int seen_add_recorded(void *arg, uint64_t ino, const char *path, size_t len)
{
	struct ovl_tree *t = arg;
	struct base_dir *d;
	(void)ino;
	return base_resolve_dir(t->base, path, len, &d) ? 0 : seen_add_dir(t, d);
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = ((const struct seen_file *)a)->ino, y = ((const struct seen_file *)b)->ino;
	return x < y ? -1 : x > y;
}

/* Lists the directories from `first` on; with `deep`, those that turn up, too. */
static int seen_list(struct ovl_tree *t, size_t first, bool deep)
{
	struct ovl_seen *s = t->seen;
	int r = 0;
	for (size_t i = first; !r && i < s->ndirs; i++) {
		struct seen_walk w = { .t = t, .dir = i, .deep = deep };
		r = base_list(t->base, s->dirs[i], seen_entry, &w);
		if (r == -EACCES || r == -ENOENT || r == -ESTALE)
			r = 0;
	}
	if (!r && s->nfiles)
		qsort(s->files, s->nfiles, sizeof(*s->files), by_number);
	return r;
}

static int seen_load(struct ovl_tree *t, bool everything)
{
	struct ovl_seen *s = t->seen;
	size_t first = s->ndirs;
	struct base_dir *root = base_root(t->base);
	int r = root ? seen_add_dir(t, root) : -ENOMEM;
	if (!r && !everything && t->store)
		r = store_read_all_seen(t->store, seen_add_recorded, t);
	return r ? r : seen_list(t, first, everything);
}

static const struct seen_file *seen_find_locked(struct ovl_tree *t, uint64_t ino, int *r)
{
	struct ovl_seen *s = t->seen;
	const struct seen_file key = { .ino = ino }, *f = NULL;
	*r = 0;
	if (!s->recorded && !(*r = seen_load(t, false)))
		s->recorded = true;
	if (!*r && s->nfiles)
		f = bsearch(&key, s->files, s->nfiles, sizeof(key), by_number);
	if (f || *r || s->everything)
		return f;
	if (!(*r = seen_load(t, true)))
		s->everything = true;
	return !*r && s->nfiles ? bsearch(&key, s->files, s->nfiles, sizeof(key), by_number) : NULL;
}

/* A directory that was not recorded: by its own number, once the whole base is listed. */
static struct base_dir *seen_find_dir(struct ovl_tree *t, uint64_t ino)
{
	for (size_t i = 0; i < t->seen->ndirs; i++)
		if (ovl_number_dir(t, t->seen->dirs[i]) == ino)
			return base_dir_get(t->seen->dirs[i]);
	return NULL;
}

int ovl_seen_find(struct ovl_tree *t, uint64_t ino, struct ovl_node **out)
{
	char name[VN_NAME_MAX + 1] = "";
	struct base_dir *bd = NULL;
	struct ovl_node *dir;
	int r;
	if (ino < STORE_INO_BASE)
		return -ENOENT;
	pthread_mutex_lock(&t->seen->lock);
	const struct seen_file *f = seen_find_locked(t, ino, &r);
	if (f) {
		bd = base_dir_get(t->seen->dirs[f->dir]);
		memcpy(name, t->seen->text + f->name, strlen(t->seen->text + f->name) + 1);
	} else if (!r) {
		bd = seen_find_dir(t, ino);
	}
	pthread_mutex_unlock(&t->seen->lock);
	if (!bd)
		return r ? r : -ENOENT;
	r = ovl_base_node(t, bd, &dir);
	base_dir_put(t->base, bd);
	if (r || !*name) {
		*out = dir;
		return r;
	}
	r = ovl_lookup(t, dir, name, out);
	ovl_node_put(t, dir);
	if (!r && (*out)->ino != ino) {
		ovl_node_put(t, *out);
		r = -ENOENT;
	}
	return r;
}
