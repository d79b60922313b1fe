// SPDX-License-Identifier: Apache-2.0
/*
 * Histories at random of verbs, snapshots and their deletion: whatever is deleted,
 * all other states stay as they were, files in use are read on, no problem is
 * found, and in the end nothing is left that nobody can reach. SEED tries another one.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../check_main.h"
#include "base/err.h"
#include "base/hash.h"
#include "engine.h"
#include "store/fault.h"
#include "store/store.h"

#define SIZE_MOST (300u << 10)
#define SNAPSHOTS 64
#define HELD 6
#define ROUNDS 12
#define VERBS 30 /* between two snapshots, at most */

static struct engine e;
static char buf[SIZE_MOST];

/* ---- the whole tree as text ---- */

struct text {
	char *p;
	size_t len, cap;
	uint64_t inos[512];
	size_t ninos;
};

static void VN_PRINTF(2, 3) put(struct text *t, const char *fmt, ...)
{
	va_list ap;

	if (t->cap - t->len < 4096)
		t->p = realloc(t->p, t->cap += 65536);
	ck_assert_ptr_nonnull(t->p);
	va_start(ap, fmt);
	t->len += (size_t)vsnprintf(t->p + t->len, t->cap - t->len, fmt, ap);
	va_end(ap);
}

struct names {
	char name[64][16];
	size_t n;
};

static int names_fn(void *arg, const struct vn_dirent *d)
{
	struct names *l = arg;

	if (*d->name != '.')
		snprintf(l->name[l->n++], 16, "%.*s", (int)d->namelen, d->name);
	return 0;
}

static int names_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static uint64_t bytes_of(struct engine *g, uint64_t node)
{
	struct iovec iov = { buf, SIZE_MOST };
	ssize_t n = g->fs->ops->read(g->fs, &g->ctx, node, 0, &iov, 1);

	ck_assert_msg(n >= 0, "read: %s", strerror((int)-n));
	return vn_checksum((uint64_t)n, buf, (size_t)n);
}

static void list(struct engine *g, uint64_t dir, const char *path, struct text *t)
{
	struct names l = { .n = 0 };

	ck_assert_int_eq(g->fs->ops->readdir(g->fs, &g->ctx, dir, 0, false, names_fn, &l), 0);
	qsort(l.name, l.n, 16, names_compare);
	for (size_t i = 0; i < l.n; i++) {
		struct vn_entry at;
		char sub[1024], value[64];
		ssize_t n;

		snprintf(sub, sizeof(sub), "%s/%s", path, l.name[i]);
		ck_assert_int_eq(g->fs->ops->lookup(g->fs, &g->ctx, dir, l.name[i], &at), 0);
		t->inos[t->ninos++] = at.attr.ino;
		put(t, "%s %llu %o", sub, (unsigned long long)at.attr.ino, at.attr.mode);
		n = g->fs->ops->getxattr(g->fs, &g->ctx, at.node, "user.x", value, sizeof(value));
		put(t, " %.*s", n > 0 ? (int)n : 0, value);
		if (S_ISREG(at.attr.mode))
			put(t, " %u %llu %016llx", at.attr.nlink, (unsigned long long)at.attr.size,
			    (unsigned long long)bytes_of(g, at.node));
		put(t, "\n");
		if (S_ISDIR(at.attr.mode))
			list(g, at.node, sub, t);
		g->fs->ops->forget(g->fs, &g->ctx, at.node, 1);
	}
}

static void list_snapshot(const char *name, struct text *t)
{
	struct engine g = e;

	g.config.snapshot = name;
	g.config.readonly = g.config.shared = true;
	g.config.create_upper = false;
	engine_open(&g);
	put(t, "== %s\n", name);
	list(&g, VN_NODE_ROOT, "", t);
	engine_close(&g);
}

/* ---- verbs at random ---- */

static char snapshots[SNAPSHOTS][16];
static unsigned nsnapshots, made;
static uint64_t held[HELD]; /* nodes of files in use */

static const char *path_of(void)
{
	static const char *const dirs[] = { "", "d/", "d/e/", "g/" };
	static const char *const names[] = { "a", "b", "c", "d", "e", "g" };
	static char path[4][32];
	static unsigned turn;
	char *p = path[turn++ % 4];

	sprintf(p, "%s%s", dirs[rand() % 4], names[rand() % 6]);
	return p;
}

static void write_some(const char *path)
{
	uint64_t node, off = (uint64_t)rand() % (SIZE_MOST - 5000);
	size_t len = 1 + (size_t)(rand() % 2 ? rand() % 5000 : rand() % 10);
	struct iovec iov = { buf, len };

	if (rand() % 2)
		off %= 3000;
	memset(buf, 'A' + rand() % 26, len);
	if (e_node(&e, path, &node))
		return;
	e.fs->ops->write(e.fs, &e.ctx, node, off, &iov, 1, 0);
	e.fs->ops->forget(e.fs, &e.ctx, node, 1);
}

static void punch(const char *path)
{
	static const uint32_t modes[] = { 0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					  FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE };
	uint64_t node;

	if (e_node(&e, path, &node))
		return;
	e.fs->ops->fallocate(e.fs, &e.ctx, node, modes[rand() % 5], (uint64_t)rand() % 200000, 1 + (uint64_t)rand() % 90000);
	e.fs->ops->forget(e.fs, &e.ctx, node, 1);
}

static void hold(const char *path)
{
	size_t i = (size_t)rand() % HELD;
	struct vn_entry at;

	if (held[i])
		e.fs->ops->forget(e.fs, &e.ctx, held[i], 1);
	held[i] = 0;
	if (e_lookup(&e, path, &at) || !S_ISREG(at.attr.mode) || e_node(&e, path, &held[i]))
		held[i] = 0;
}

static void let_go(void)
{
	for (size_t i = 0; i < HELD; i++) {
		if (held[i])
			e.fs->ops->forget(e.fs, &e.ctx, held[i], 1);
		held[i] = 0;
	}
}

static void verb(void)
{
	const char *path = path_of();

	switch (rand() % 16) {
	case 0: case 1: e_create(&e, path, 0600 + (unsigned)rand() % 64); write_some(path); break;
	case 2: e_mkdir(&e, path, 0755); break;
	case 3: case 4: e_unlink(&e, path); break;
	case 5: e_rmdir(&e, path); break;
	case 6: e_rename(&e, path, path_of(), 0); break;
	case 7: e_rename(&e, path, path_of(), rand() % 2 ? 2 : 0); break;
	case 8: e_link(&e, path, path_of()); break;
	case 9: e_truncate(&e, path, rand() % 3 ? (uint64_t)rand() % SIZE_MOST : 0); break;
	case 10: punch(path); break;
	case 11: e_chmod(&e, path, 0600 + (unsigned)rand() % 64); break;
	case 12: e_setxattr(&e, path, "user.x", rand() % 2 ? "one" : "two"); break;
	case 13: hold(path); break;
	default: write_some(path);
	}
}

/* ---- snapshots ---- */

static void snapshot(void)
{
	struct vn_err err = { 0 };
	int r;

	snprintf(snapshots[nsnapshots], 16, "s%u", made++);
	r = ovl_snapshot(e.tree, snapshots[nsnapshots], &err);
	ck_assert_msg(!r, "%s", vn_err_text(&err));
	nsnapshots++;
}

static void all(struct text *t)
{
	t->len = t->ninos = 0;
	for (size_t i = 0; i < nsnapshots; i++)
		list_snapshot(snapshots[i], t);
	t->ninos = 0;
	put(t, "== now\n");
	list(&e, VN_NODE_ROOT, "", t);
	for (size_t i = 0; i < HELD; i++)
		if (held[i])
			put(t, "held %zu %016llx\n", i, (unsigned long long)bytes_of(&e, held[i]));
}

static void problem(void *arg, const char *sentence)
{
	(void)arg;
	fprintf(stderr, "# %s\n", sentence);
}

static void same(const struct text *had, const struct text *has, const char *what)
{
	size_t i = 0, line = 0;

	for (; had->p[i] && had->p[i] == has->p[i]; i++)
		if (had->p[i] == '\n')
			line = i + 1;
	ck_assert_msg(had->p[i] == has->p[i], "%s made of\n%.200s\n--- this:\n%.200s", what, had->p + line, has->p + line);
}

static void delete_one(void)
{
	struct text had = { .p = NULL }, has = { .p = NULL };
	size_t i = (size_t)rand() % nsnapshots;
	struct vn_err err = { 0 };
	char name[16];
	int r;

	strcpy(name, snapshots[i]);
	memmove(snapshots[i], snapshots[i + 1], (--nsnapshots - i) * 16);
	all(&had);
	r = ovl_snapshot_delete(e.tree, name, &err);
	ck_assert_msg(!r, "%s", vn_err_text(&err));
	ck_assert_int_eq(ovl_settle(e.tree), 0);
	ck_assert_int_eq(store_check(ovl_store(e.tree), problem, NULL), 0);
	all(&has);
	same(&had, &has, "deleting a snapshot");
	free(had.p);
	free(has.p);
}

/* A snapshot, or the deletion of the newest, that fails somewhere: nothing is lost. */
static void fail_one(void)
{
	static const enum fault_point points[] = { FAULT_STEP, FAULT_DATA_NEW, FAULT_SQL, FAULT_COMMIT, FAULT_DATA_FLUSH,
						   FAULT_UNLINK };
	struct text had = { .p = NULL }, has = { .p = NULL };
	bool seals = nsnapshots < 2 || rand() % 2;
	char name[16] = "fails";

	let_go();
	if (!seals)
		strcpy(name, snapshots[--nsnapshots]);
	all(&had);
	fault_arm(points[rand() % 6], 1 + (unsigned)rand() % 12, rand() % 2 ? EIO : ENOSPC, false);
	if (seals)
		ovl_snapshot(e.tree, name, NULL);
	else
		ovl_snapshot_delete(e.tree, name, NULL);
	fault_disarm_all();
	e.fs->ops->session_free(e.fs, e.session, false);
	ovl_close(e.tree);
	engine_open(&e);
	all(&has);
	same(&had, &has, "a failure");
	ck_assert_int_eq(store_check(ovl_store(e.tree), problem, NULL), 0);
	ovl_snapshot_delete(e.tree, name, NULL); /* if it is there */
	free(had.p);
	free(has.p);
}

static int reached_fn(void *arg, const struct store_inode *row)
{
	const struct text *t = arg;

	for (size_t i = 0; i < t->ninos; i++)
		if (t->inos[i] == row->ino)
			return 0;
	ck_assert_msg(row->ino == 1 || row->flags & STORE_GROUP, "inode %llu is left over", (unsigned long long)row->ino);
	return 0;
}

static int count_fn(void *arg, const struct store_inode *row)
{
	*(int *)arg += row->data != 0;
	return 0;
}

static int data_files(void)
{
	char cmd[600], text[32] = "";
	FILE *f;

	snprintf(cmd, sizeof(cmd), "find '%s' -path '*/data/*' -type f ! -path '*/trash/*' | wc -l", e.upper);
	f = popen(cmd, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
	pclose(f);
	return atoi(text);
}

static void history(unsigned seed, int rounds)
{
	srand(seed);
	for (int i = 0; i < rounds; i++) {
		for (int k = rand() % VERBS; k; k--)
			verb();
		if (rand() % 8 == 0) {
			let_go();
			engine_reopen(&e);
		}
		snapshot();
		if (rand() % 4 == 0)
			fail_one();
		while (nsnapshots > 4 || (nsnapshots && rand() % 3 == 0))
			delete_one();
	}
	let_go();
}

/* Everything in one sealed delta under an empty head: then what nobody reaches shows. */
static void finish(void)
{
	struct store_config config = { .upper = e.upper, .readonly = true };
	struct text t = { .p = NULL };
	struct vn_err err = { 0 };
	struct store *s;
	int rows = 0;

	snapshot();
	for (size_t i = 0; i + 1 < nsnapshots; i++)
		ck_assert_int_eq(ovl_snapshot_delete(e.tree, snapshots[i], &err), 0);
	list(&e, VN_NODE_ROOT, "", &t);
	engine_close(&e);
	ck_assert_int_eq(store_open(&config, &s, &err), 0);
	ck_assert_int_eq(store_check(s, problem, NULL), 0);
	ck_assert_int_eq(store_scan_inodes(s, reached_fn, &t), 0);
	ck_assert_int_eq(store_scan_inodes(s, count_fn, &rows), 0);
	store_close(s);
	ck_assert_int_eq(data_files(), rows);
	free(t.p);
}

START_TEST(histories_at_random)
{
	const char *given = getenv("SEED");
	unsigned seed = given ? (unsigned)atoi(given) : 1;
	static char big[SIZE_MOST];

	memset(big, 'l', SIZE_MOST);
	big[SIZE_MOST - 1] = '\0';
	engine_init(&e, 1);
	lower_dir(&e, 0, "d");
	lower_dir(&e, 0, "d/e");
	lower_file(&e, 0, "a", big);
	lower_file(&e, 0, "d/a", "small");
	lower_file(&e, 0, "d/e/b", big);
	lower_file(&e, 0, "d/c", "linked");
	lower_link(&e, 0, "c", "d/c");
	engine_open(&e);
	history(seed, ROUNDS);
	finish();
}
END_TEST

VN_CHECK_MAIN("overlay/tree_merge_random", histories_at_random)
