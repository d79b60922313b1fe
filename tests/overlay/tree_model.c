// SPDX-License-Identifier: Apache-2.0
/*
 * Random operations on names, with snapshots, deletes of them, rollbacks and forks
 * among them, against a plain model of the tree: after each step the head and every
 * snapshot hold what the model says, and in the end nothing that none of them needs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../check_main.h"
#include "base/err.h"
#include "engine.h"
#include "lean.h"
#include "store/fault.h"
#include "store/store.h"
#include "tree_state.h"

#define BLOCK 32768
#define HANDLES 6
#define SNAPSHOTS 6
#define WORLDS 3
#define EXCHANGE 2

struct handle {
	uint64_t node; /* 0: unused */
	struct object o;
};

struct world {
	char upper[256];
	bool shared; /* stands on what another one has, or the other way round */
	struct state head;
	struct snap {
		char name[16];
		bool own;
		struct state s;
	} snaps[SNAPSHOTS + 1];
	int nsnaps;
};

struct model {
	uint64_t random;
	struct engine e;
	struct world worlds[WORLDS], *w;
	int nworlds;
	struct state *s; /* the head's, of the present world */
	struct handle handles[HANDLES];
	uint64_t ino[OBJECTS];
	unsigned serial;
	bool outlives; /* the client: what it has open without a name keeps its row */
	bool trace;
};

static uint64_t rnd(struct model *m, uint64_t below)
{
	uint64_t z = m->random += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return (z ^ z >> 31) % below;
}

#define SAY(m, ...) ((m)->trace ? (void)fprintf(stderr, __VA_ARGS__) : (void)0)

static int random_dir(struct model *m)
{
	int found = 0, n = 1;

	for (int i = 1; i < OBJECTS; i++) {
		if (m->s->o[i].kind == DIR_ && !rnd(m, (uint64_t)++n))
			found = i;
	}
	return found;
}

/* ---- checks ---- */

static void file_is(struct engine *e, uint64_t node, const struct object *o, const char *what)
{
	static char buf[BLOCK * BLOCKS + 1];
	struct iovec iov = { buf, sizeof(buf) };
	ssize_t n = e->fs->ops->read(e->fs, &e->ctx, node, 0, &iov, 1);

	if (n != (ssize_t)o->blocks * BLOCK)
		ck_abort_msg("%s: read %zd instead of %d", what, n, o->blocks * BLOCK);
	for (int i = 0; i < o->blocks; i++) {
		for (int k = 0; k < BLOCK; k += BLOCK / 2 - 1) {
			if ((uint8_t)buf[i * BLOCK + k] != o->block[i])
				ck_abort_msg("%s: block %d is %02x instead of %02x", what, i,
					     (uint8_t)buf[i * BLOCK + k], o->block[i]);
		}
	}
}

static void object_is(struct engine *e, const struct object *o, uint64_t *ino, const char *path)
{
	char value[2] = { (char)o->xattr }, target[2] = { 0 };
	struct vn_attr attr;
	uint64_t node;
	int r = e_node(e, path, &node);

	ck_assert_msg(!r, "%s: %s", path, strerror(-r));
	ck_assert_int_eq(e->fs->ops->getattr(e->fs, &e->ctx, node, &attr), 0);
	if (*ino && *ino != attr.ino)
		ck_abort_msg("%s: two numbers, %lx and %lx", path, (unsigned long)*ino, (unsigned long)attr.ino);
	*ino = attr.ino;
	if (o->kind == FILE_) {
		if (!o->lower && attr.nlink != o->nlink)
			ck_abort_msg("%s: %u names instead of %u", path, attr.nlink, o->nlink);
		file_is(e, node, o, path);
	} else if (o->kind == LINK_) {
		ck_assert_int_eq(e->fs->ops->readlink(e->fs, &e->ctx, node, target, sizeof(target)), 1);
		ck_assert_msg(target[0] == (char)o->target, "%s: target %s", path, target);
	}
	if (node != VN_NODE_ROOT)
		e->fs->ops->forget(e->fs, &e->ctx, node, 1);
	if (o->kind != LINK_)
		e_xattr_is(e, path, "user.x", o->xattr ? value : NULL);
}

static void dir_is(struct engine *e, const struct state *s, uint64_t *inos, int dir, const char *path)
{
	char names[NAMES * 2 + 1] = "", *at = names, sub[512];

	for (int i = 0; i < NAMES; i++) {
		if (s->o[dir].child[i])
			at += sprintf(at, "%s%c", at == names ? "" : " ", 'a' + i);
	}
	e_names(e, path, names);
	for (int i = 0; i < NAMES; i++) {
		int o = s->o[dir].child[i];

		if (!o)
			continue;
		snprintf(sub, sizeof(sub), "%s%s%c", path, *path ? "/" : "", 'a' + i);
		object_is(e, &s->o[o], &inos[o], sub);
		if (s->o[o].kind == DIR_)
			dir_is(e, s, inos, o, sub);
	}
}

static void tree_is(struct model *m)
{
	memset(m->ino, 0, sizeof(m->ino));
	dir_is(&m->e, m->s, m->ino, 0, "");
	for (int i = 0; i < HANDLES; i++) {
		if (m->handles[i].node)
			file_is(&m->e, m->handles[i].node, &m->handles[i].o, "a file in use");
	}
}

static void problem(void *arg, const char *sentence)
{
	(void)arg;
	fprintf(stderr, "# %s\n", sentence);
}

/* With the upper closed: every snapshot, and the whole of it. */
static void snapshots_are(struct model *m)
{
	struct store_config config = { .upper = m->w->upper, .readonly = true };
	struct vn_err err = { 0 };
	struct store *s;

	ck_assert_msg(!store_open(&config, &s, &err), "%s", vn_err_text(&err));
	ck_assert_int_eq(store_check(s, problem, NULL), 0);
	store_close(s);
	for (int i = 0; i < m->w->nsnaps; i++) {
		struct engine e = m->e;
		uint64_t inos[OBJECTS] = { 0 };

		SAY(m, "looking at %s\n", m->w->snaps[i].name);
		e.config.readonly = true;
		e.config.snapshot = m->w->snaps[i].name;
		engine_open(&e);
		dir_is(&e, &m->w->snaps[i].s, inos, 0, "");
		engine_close(&e);
	}
}

/* ---- operations on names ---- */

static uint64_t write_block(struct model *m, uint64_t node, struct object *o)
{
	static char buf[BLOCK];
	struct iovec iov = { buf, sizeof(buf) };
	int at = (int)rnd(m, (uint64_t)o->blocks + 1);
	uint8_t c = (uint8_t)(1 + rnd(m, 250));

	if (at == BLOCKS)
		at--;
	memset(buf, c, sizeof(buf));
	ck_assert_int_eq(m->e.fs->ops->write(m->e.fs, &m->e.ctx, node, (uint64_t)at * BLOCK, &iov, 1, 0), BLOCK);
	o->block[at] = c;
	if (at == o->blocks)
		o->blocks++;
	return node;
}

static void cut(struct model *m, uint64_t node, struct object *o)
{
	struct vn_attr attr;
	int to = (int)rnd(m, BLOCKS + 1);
	const struct vn_setattr set = { .valid = VN_SET_SIZE, .size = (uint64_t)to * BLOCK };

	ck_assert_int_eq(m->e.fs->ops->setattr(m->e.fs, &m->e.ctx, node, &set, &attr), 0);
	for (int i = o->blocks; i < to; i++)
		o->block[i] = 0;
	o->blocks = (uint8_t)to;
}

static void change_bytes(struct model *m, uint64_t node, struct object *o)
{
	if (rnd(m, 4))
		write_block(m, node, o);
	else
		cut(m, node, o);
}

static void forget(struct model *m, uint64_t node)
{
	m->e.fs->ops->forget(m->e.fs, &m->e.ctx, node, 1);
}

static void handles_drop(struct model *m, bool all)
{
	for (int i = 0; i < HANDLES; i++) {
		if (m->handles[i].node && (all || !rnd(m, 2))) {
			forget(m, m->handles[i].node);
			m->handles[i].node = 0;
		}
	}
}

static void hold(struct model *m, const char *path, const struct object *o)
{
	for (int i = 0; i < HANDLES; i++) {
		if (!m->handles[i].node) {
			ck_assert_int_eq(e_node(&m->e, path, &m->handles[i].node), 0);
			m->handles[i].o = *o;
			return;
		}
	}
}

static void op_tmpfile(struct model *m, int dir, int name)
{
	struct engine *e = &m->e;
	struct vn_entry t, entry;
	uint64_t node = 0, parent;
	int o = state_new(m->s, FILE_);
	char *path = state_path(m->s, dir, name), up[512] = "";

	if (!o)
		return;
	if (strlen(path) > 2)
		snprintf(up, sizeof(up), "%.*s", (int)strlen(path) - 2, path);
	ck_assert_int_eq(e_node(e, up, &parent), 0);
	ck_assert_int_eq(e->fs->ops->tmpfile(e->fs, &e->ctx, parent, 0644, &t), 0);
	node = t.node;
	for (int i = (int)rnd(m, 3); i; i--)
		write_block(m, node, &m->s->o[o]);
	if (rnd(m, 2)) {
		SAY(m, "tmpfile %s\n", path);
		ck_assert_int_eq(e->fs->ops->link(e->fs, &e->ctx, node, parent, path + strlen(path) - 1, &entry), 0);
		forget(m, entry.node);
		state_put(m->s, dir, name, o);
		forget(m, node);
	} else {
		for (int i = 0; i < HANDLES && node; i++) {
			if (!m->handles[i].node) {
				SAY(m, "tmpfile held\n");
				m->handles[i] = (struct handle){ node, m->s->o[o] };
				node = 0;
			}
		}
		if (node)
			forget(m, node);
		m->s->o[o].kind = NOTHING;
	}
	if (parent != VN_NODE_ROOT)
		forget(m, parent);
}

static void op_link(struct model *m, int dir, int name)
{
	int from = random_dir(m), k = (int)rnd(m, NAMES), o = m->s->o[from].child[k];
	char *path = state_path(m->s, dir, name);

	if (!o || m->s->o[o].kind != FILE_)
		return;
	SAY(m, "link %s %s\n", state_path(m->s, from, k), path);
	ck_assert_int_eq(e_link(&m->e, state_path(m->s, from, k), path), 0);
	state_put(m->s, dir, name, o);
}

static void op_make(struct model *m, int dir, int name)
{
	enum kind kind = rnd(m, 3) ? rnd(m, 2) ? DIR_ : FILE_ : LINK_;
	char *path = state_path(m->s, dir, name), target[2] = { (char)('A' + rnd(m, 26)) };
	int o;

	if (!rnd(m, 4)) {
		op_tmpfile(m, dir, name);
		return;
	}
	if (!rnd(m, 3)) {
		op_link(m, dir, name);
		return;
	}
	o = strlen(path) > 15 ? 0 : state_new(m->s, kind);
	if (!o)
		return;
	SAY(m, "make %s, kind %d\n", path, kind);
	if (kind == DIR_)
		ck_assert_int_eq(e_mkdir(&m->e, path, 0755), 0);
	else if (kind == FILE_)
		ck_assert_int_eq(e_create(&m->e, path, 0644), 0);
	else
		ck_assert_int_eq(e_symlink(&m->e, target, path), 0);
	m->s->o[o].target = (uint8_t)target[0];
	state_put(m->s, dir, name, o);
	if (kind == FILE_ && rnd(m, 3)) {
		uint64_t node;

		ck_assert_int_eq(e_node(&m->e, path, &node), 0);
		forget(m, write_block(m, node, &m->s->o[o]));
	}
}

static void op_remove(struct model *m, int dir, int name)
{
	int o = m->s->o[dir].child[name];
	char path[512];

	if (!o)
		return;
	strcpy(path, state_path(m->s, dir, name));
	if (m->s->o[o].kind == DIR_) {
		if (!state_empty(&m->s->o[o]))
			ck_assert_int_eq(e_rmdir(&m->e, path), -ENOTEMPTY);
		for (int i = 0; i < NAMES; i++)
			op_remove(m, o, i);
		SAY(m, "rmdir %s\n", path);
		ck_assert_int_eq(e_rmdir(&m->e, path), 0);
		state_drop(m->s, dir, name);
		return;
	}
	if (m->s->o[o].kind == FILE_ && m->s->o[o].nlink == 1 && !rnd(m, 2))
		hold(m, path, &m->s->o[o]);
	SAY(m, "unlink %s\n", path);
	ck_assert_int_eq(e_unlink(&m->e, path), 0);
	state_drop(m->s, dir, name);
}

static void op_change(struct model *m, int dir, int name)
{
	int o = m->s->o[dir].child[name];
	char *path = state_path(m->s, dir, name), value[2] = { (char)('a' + rnd(m, 26)) };
	uint64_t node;

	if (m->s->o[o].kind == LINK_)
		return;
	if (m->s->o[o].kind == FILE_ && rnd(m, 4)) {
		SAY(m, "bytes of %s\n", path);
		ck_assert_int_eq(e_node(&m->e, path, &node), 0);
		change_bytes(m, node, &m->s->o[o]);
		forget(m, node);
	} else if (rnd(m, 2)) {
		SAY(m, "chmod %s\n", path);
		ck_assert_int_eq(e_chmod(&m->e, path, 0700), 0);
	} else {
		SAY(m, "xattr of %s\n", path);
		ck_assert_int_eq(e_setxattr(&m->e, path, "user.x", value), 0);
		m->s->o[o].xattr = (uint8_t)value[0];
	}
}

static void swap_names(struct state *s, int dir, int name, int to_dir, int to_name)
{
	int a = s->o[dir].child[name], b = s->o[to_dir].child[to_name];

	s->o[dir].child[name] = b;
	s->o[to_dir].child[to_name] = a;
	if (s->o[a].kind == DIR_)
		s->o[a].parent = to_dir;
	if (b && s->o[b].kind == DIR_)
		s->o[b].parent = dir;
}

static void op_rename(struct model *m, int dir, int name)
{
	struct state *s = m->s;
	int to_dir = random_dir(m), to_name = (int)rnd(m, NAMES);
	int a = s->o[dir].child[name], b = s->o[to_dir].child[to_name];
	bool exchange = b && rnd(m, 2), dirs = s->o[a].kind == DIR_;
	char *from = state_path(s, dir, name), *to = state_path(s, to_dir, to_name);

	if (a == b || (dirs && state_above(s, a, to_dir)) || (b && s->o[b].kind == DIR_ && state_above(s, b, dir)))
		return;
	if (strlen(to) > 15 || (exchange && strlen(from) > 15))
		return;
	if (b && !exchange && (dirs != (s->o[b].kind == DIR_) || !state_empty(&s->o[b])))
		return;
	SAY(m, "%s %s %s\n", exchange ? "exchange" : "rename", from, to);
	if (b && !exchange && s->o[b].kind == FILE_ && s->o[b].nlink == 1 && !rnd(m, 2))
		hold(m, to, &s->o[b]);
	ck_assert_int_eq(e_rename(&m->e, from, to, exchange ? EXCHANGE : 0), 0);
	if (exchange) {
		swap_names(s, dir, name, to_dir, to_name);
		return;
	}
	if (b)
		state_drop(s, to_dir, to_name);
	s->o[dir].child[name] = 0;
	s->o[a].nlink--;
	state_put(s, to_dir, to_name, a);
}

static void op_handle(struct model *m)
{
	struct handle *h = &m->handles[rnd(m, HANDLES)];

	if (!h->node)
		return;
	SAY(m, "bytes in use\n");
	change_bytes(m, h->node, &h->o);
}

static void op_names(struct model *m)
{
	int dir = random_dir(m), name = (int)rnd(m, NAMES);

	if (!m->s->o[dir].child[name]) {
		op_make(m, dir, name);
		return;
	}
	switch (rnd(m, 8)) {
	case 0:
	case 1:
		op_change(m, dir, name);
		break;
	case 2:
	case 3:
	case 4:
		op_rename(m, dir, name);
		break;
	case 5:
		op_handle(m);
		break;
	default:
		if (m->s->o[m->s->o[dir].child[name]].kind != DIR_ || !rnd(m, 3))
			op_remove(m, dir, name);
	}
}

/* ---- snapshots ---- */

static void snaps_drop(struct world *w, int at)
{
	memmove(w->snaps + at, w->snaps + at + 1, (size_t)(w->nsnaps - at - 1) * sizeof(*w->snaps));
	w->nsnaps--;
}

static void snaps_add(struct world *w, const char *name)
{
	struct snap *s = &w->snaps[w->nsnaps++];

	snprintf(s->name, sizeof(s->name), "%s", name);
	s->own = true;
	s->s = w->head;
}

struct seek {
	const char *name;
	bool found;
};

static int seek_fn(void *arg, const struct store_delta_info *info)
{
	struct seek *s = arg;

	s->found |= !strcmp(info->name, s->name);
	return 0;
}

static bool in_chain(struct model *m, const char *name)
{
	struct seek s = { .name = name };

	ck_assert_int_eq(store_chain(ovl_store(m->e.tree), seek_fn, &s), 0);
	return s.found;
}

static void open_tree(struct model *m)
{
	const struct vn_session_config config = { .id = 7, .expires = true, .outlives = m->outlives };
	struct engine *e = &m->e;

	engine_open(e);
	e->fs->ops->session_free(e->fs, e->session, false);
	ck_assert_int_eq(e->fs->ops->session_new(e->fs, &config, &e->session), 0);
	e->ctx.session = e->session;
}

/* Something failed in the middle: whatever can be closed is, and opened again. */
static void open_after_failure(struct model *m)
{
	fault_disarm_all();
	handles_drop(m, true);
	m->e.fs->ops->session_free(m->e.fs, m->e.session, false);
	ovl_close(m->e.tree);
	open_tree(m);
}

static bool fault(struct model *m, bool faults)
{
	bool arm = faults && !rnd(m, 4);

	if (arm)
		fault_arm(FAULT_STEP, 1 + (unsigned)rnd(m, 9), EIO, false);
	return arm;
}

static void op_snapshot(struct model *m, bool faults)
{
	struct vn_err err = { 0 };
	bool armed;
	char name[16];
	int r;

	if (m->w->nsnaps == SNAPSHOTS)
		return;
	snprintf(name, sizeof(name), "s%u", m->serial++);
	armed = fault(m, faults);
	SAY(m, "snapshot %s%s\n", name, armed ? " with a fault" : "");
	r = ovl_snapshot(m->e.tree, name, &err);
	fault_disarm_all();
	ck_assert_msg(!r || armed, "%s", vn_err_text(&err));
	if (r)
		open_after_failure(m);
	if (!r || in_chain(m, name))
		snaps_add(m->w, name);
}

static void op_delete(struct model *m, int at, bool faults)
{
	struct snap *s = &m->w->snaps[at];
	struct vn_err err = { 0 };
	bool armed;
	int r;

	if (!m->w->nsnaps)
		return;
	armed = fault(m, faults);
	SAY(m, "delete %s%s\n", s->name, armed ? " with a fault" : "");
	r = ovl_snapshot_delete(m->e.tree, s->name, &err);
	fault_disarm_all();
	if (!s->own) {
		ck_assert_int_eq(r, -EBUSY);
		return;
	}
	ck_assert_msg(!r || armed, "%s", vn_err_text(&err));
	if (r)
		open_after_failure(m);
	if (!r || !in_chain(m, s->name))
		snaps_drop(m->w, at);
}

static void op_rollback(struct model *m)
{
	struct vn_err err = { 0 };
	int at;

	if (!m->w->nsnaps)
		return;
	at = (int)rnd(m, (uint64_t)m->w->nsnaps);
	SAY(m, "rollback %s\n", m->w->snaps[at].name);
	handles_drop(m, true);
	ck_assert_msg(!ovl_rollback(m->e.tree, m->w->snaps[at].name, &err), "%s", vn_err_text(&err));
	m->w->head = m->w->snaps[at].s;
	m->w->nsnaps = at + 1;
}

static void world_close(struct model *m)
{
	handles_drop(m, true);
	engine_close(&m->e);
	snapshots_are(m);
	lean_upper(m->w->upper, NULL, OBJECTS);
}

static void world_open(struct model *m, int at)
{
	m->w = &m->worlds[at];
	m->s = &m->w->head;
	strcpy(m->e.upper, m->w->upper);
	open_tree(m);
}

static void op_reopen(struct model *m)
{
	int at = (int)rnd(m, (uint64_t)m->nworlds);

	world_close(m);
	SAY(m, "world %d\n", at);
	world_open(m, at);
}

static void op_fork(struct model *m)
{
	struct world *w = &m->worlds[m->nworlds];
	int at = m->w->nsnaps ? (int)rnd(m, (uint64_t)m->w->nsnaps) : 0;
	struct store_fork f = { .origin = m->w->upper, .dir = w->upper, .copy = rnd(m, 2) };
	struct vn_err err = { 0 };

	if (m->nworlds == WORLDS || !m->w->nsnaps || (m->w->shared && f.copy && !m->w->snaps[at].own))
		return;
	world_close(m);
	snprintf(w->upper, sizeof(w->upper), "%s/fork%d", vn_check_dir(), m->nworlds);
	f.snapshot = m->w->snaps[at].name;
	SAY(m, "fork of %s%s, world %d\n", f.snapshot, f.copy ? ", copied" : "", m->nworlds);
	ck_assert_msg(!store_fork(&f, &err), "%s", vn_err_text(&err));
	w->head = m->w->snaps[at].s;
	w->shared = !f.copy;
	m->w->shared |= w->shared;
	w->nsnaps = at + 1;
	memcpy(w->snaps, m->w->snaps, sizeof(w->snaps));
	for (int i = 0; i <= at; i++)
		w->snaps[i].own = f.copy;
	world_open(m, m->nworlds++);
}

/* ---- the whole ---- */

static int lower(struct model *m, int dir, int name, enum kind kind, int layer)
{
	static char text[BLOCK * BLOCKS + 1];
	struct state *s = m->s;
	int o = state_new(s, kind), n = rnd(m, 2) ? BLOCKS : (int)rnd(m, 3);
	char *path;

	state_put(s, dir, name, o);
	s->o[o].lower = true;
	path = state_path(s, dir, name);
	if (kind == DIR_) {
		lower_dir(&m->e, (size_t)layer, path);
	} else {
		for (int i = 0; i < n; i++) {
			s->o[o].block[i] = (uint8_t)(1 + rnd(m, 250));
			memset(text + i * BLOCK, s->o[o].block[i], BLOCK);
		}
		text[n * BLOCK] = '\0';
		s->o[o].blocks = (uint8_t)n;
		lower_file(&m->e, (size_t)layer, path, text);
	}
	return o;
}

/* a/ with files, b/ merged of two, b/d opaque, c and e and a/c one file of three names. */
static void lowers(struct model *m)
{
	int a, b, c, d;

	a = lower(m, 0, 0, DIR_, 1);
	lower(m, a, 0, FILE_, 1);
	c = lower(m, a, 1, DIR_, 1);
	lower(m, c, 0, FILE_, 1);
	c = lower(m, 0, 2, FILE_, 1);
	lower_link(&m->e, 1, "e", "c");
	state_put(m->s, 0, 4, c);
	lower_link(&m->e, 1, "a/c", "c");
	state_put(m->s, a, 2, c);
	b = lower(m, 0, 1, DIR_, 1);
	lower(m, b, 0, FILE_, 1);
	lower_dir(&m->e, 0, "b");
	lower(m, b, 1, FILE_, 0);
	lower_dir(&m->e, 1, "b/d");
	lower_file(&m->e, 1, "b/d/e", "hidden");
	d = lower(m, b, 3, DIR_, 0);
	lower_opaque(&m->e, 0, "b/d");
	lower(m, d, 0, FILE_, 0);
}

static void step(struct model *m, bool faults)
{
	uint64_t what = rnd(m, 60);

	if (what < 5)
		op_snapshot(m, faults);
	else if (what < 9 && m->w->nsnaps)
		op_delete(m, (int)rnd(m, (uint64_t)m->w->nsnaps), faults);
	else if (what == 9 && !rnd(m, 2))
		op_rollback(m);
	else if (what == 10)
		op_reopen(m);
	else if (what == 11)
		op_fork(m);
	else if (what == 12)
		handles_drop(m, false);
	else
		op_names(m);
}

/* All snapshots of this world go: one delta is left, with what shows only. */
static void nothing_is_left(struct model *m)
{
	struct vn_err err = { 0 };

	world_close(m);
	world_open(m, (int)(m->w - m->worlds));
	ck_assert_msg(!ovl_snapshot(m->e.tree, "last", &err), "%s", vn_err_text(&err));
	snaps_add(m->w, "last");
	ck_assert_msg(!ovl_snapshot(m->e.tree, "end", &err), "%s", vn_err_text(&err));
	for (int i = m->w->nsnaps; i--;)
		op_delete(m, i, false);
	if (m->w->shared) {
		world_close(m);
		return;
	}
	tree_is(m);
	engine_close(&m->e);
	lean_upper(m->w->upper, m->ino, OBJECTS);
}

static void run(uint64_t seed, int steps, bool faults)
{
	struct model *m = calloc(1, sizeof(*m));

	m->random = seed;
	m->outlives = rnd(m, 2);
	m->trace = getenv("TRACE");
	m->w = m->worlds;
	m->nworlds = 1;
	m->s = &m->w->head;
	m->s->o[0].kind = DIR_;
	engine_init(&m->e, 2);
	m->e.config.commit_s = 1;
	strcpy(m->w->upper, m->e.upper);
	lowers(m);
	open_tree(m);
	for (int i = 0; i < steps; i++) {
		step(m, faults);
		if (!rnd(m, 3))
			tree_is(m);
	}
	for (int i = 0; i < m->nworlds; i++) {
		world_close(m);
		world_open(m, i);
		nothing_is_left(m);
		world_open(m, i);
	}
	engine_close(&m->e);
	free(m);
}

/* SEED: where to begin; RUNS, STEPS: for how long; TRACE: what is done. */
static uint64_t number_of(const char *name, uint64_t otherwise)
{
	return getenv(name) ? strtoull(getenv(name), NULL, 0) : otherwise;
}

static void runs(bool faults)
{
	uint64_t seed = number_of("SEED", 1), n = number_of("RUNS", 2);

	for (uint64_t i = seed; i < seed + n; i++) {
		char cmd[300];

		printf("# SEED=%llu\n", (unsigned long long)i);
		fflush(stdout);
		run(i, (int)number_of("STEPS", 200), faults);
		snprintf(cmd, sizeof(cmd), "rm -rf '%s'/*", vn_check_dir());
		ck_assert_int_eq(system(cmd), 0);
	}
}

START_TEST(every_state_is_what_the_model_says)
{
	runs(false);
}
END_TEST

START_TEST(every_state_is_what_the_model_says_when_steps_fail)
{
	runs(true);
}
END_TEST

VN_CHECK_MAIN("overlay/tree_model", every_state_is_what_the_model_says,
	      every_state_is_what_the_model_says_when_steps_fail)
