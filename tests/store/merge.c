// SPDX-License-Identifier: Apache-2.0
/* Deleting snapshots: whatever was there, every other state of the tree stays byte for byte. */
#include "help.h"

#include "store/fault.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES 8
#define SIZE 40

/* ---- reading a file as the rows say; the base has 'a' + position % 26 in every file ---- */

static int extent_at_fn(void *arg, uint64_t start, uint64_t length, int kind)
{
	uint64_t *at = arg;

	if (at[0] >= start && at[0] < start + length)
		at[1] = (uint64_t)kind;
	return 0;
}

static char byte_of_data(struct store *s, uint64_t delta, uint64_t number, uint64_t pos)
{
	int fd = store_data_open(s, delta, number);
	char byte = '\0';

	ck_assert_msg(fd >= 0, "data file %llu of %llx: %s", (unsigned long long)number, (unsigned long long)delta,
		      strerror(-fd));
	ck_assert_int_ge(pread(fd, &byte, 1, (off_t)pos), 0);
	close(fd);
	return byte;
}

static char byte_at(struct store *s, uint64_t delta, const struct store_inode *row, uint64_t pos);

static char byte_below(struct store *s, const struct store_inode *row, uint64_t pos)
{
	struct store_inode below;
	char byte;

	if (pos >= row->below)
		return '\0';
	if (!row->source)
		return row->origin ? (char)('a' + pos % 26) : '\0';
	ck_assert_int_eq(store_read_inode_at(s, row->source, row->ino, &below), 0);
	byte = pos < below.size ? byte_at(s, row->source, &below, pos) : '\0';
	free((char *)below.origin);
	return byte;
}

static char byte_at(struct store *s, uint64_t delta, const struct store_inode *row, uint64_t pos)
{
	uint64_t at[2] = { pos, STORE_EXTENT_NONE };

	switch (row->state) {
	case STORE_NONE:
		return '\0';
	case STORE_FULL:
		return byte_of_data(s, delta, row->data, pos);
	case STORE_PARTIAL:
		ck_assert_int_eq(store_read_extents(s, delta, row->ino, extent_at_fn, at), 0);
		if (at[1] == STORE_EXTENT_DATA)
			return byte_of_data(s, delta, row->data, pos);
		if (at[1] == STORE_EXTENT_ZERO)
			return '\0';
		return byte_below(s, row, pos);
	default:
		return byte_below(s, row, pos);
	}
}

struct listing {
	char text[8192];
	struct store *s;
	uint64_t inos[FILES * 4];
	char names[FILES * 4][16];
	size_t n;
};

static int list_fn(void *arg, const char *name, size_t len, uint64_t ino, enum store_sealed sealed)
{
	struct listing *l = arg;

	(void)sealed;
	if (!ino)
		return 0;
	l->inos[l->n] = ino;
	snprintf(l->names[l->n++], 16, "%.*s", (int)len, name);
	return 0;
}

static int xattr_text_fn(void *arg, const char *name, const void *value, size_t size)
{
	struct listing *l = arg;

	sprintf(l->text + strlen(l->text), " %s=%.*s", name, (int)size, (const char *)value);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void list_file(struct listing *l, const char *name, uint64_t ino)
{
	struct store_inode row;
	uint64_t delta;

	ck_assert_int_eq(store_read_inode(l->s, ino, &row, &delta), 0);
	sprintf(l->text + strlen(l->text), "%s %llu mode %o [", name, (unsigned long long)ino, row.mode);
	for (uint64_t pos = 0; pos < row.size; pos++) {
		char byte = byte_at(l->s, delta, &row, pos);

		sprintf(l->text + strlen(l->text), "%c", byte ? byte : '.');
	}
	strcat(l->text, "]");
	store_read_xattrs(l->s, ino, xattr_text_fn, l);
	strcat(l->text, "\n");
	free((char *)row.origin);
}

/* The whole tree as text. */
static void list(struct store *s, struct listing *l)
{
	char order[FILES * 4][16];

	memset(l, 0, sizeof(*l));
	l->s = s;
	ck_assert_int_eq(store_read_dir(s, 1, list_fn, l), 0);
	memcpy(order, l->names, sizeof(order));
	qsort(order, l->n, 16, compare_names);
	for (size_t i = 0; i < l->n; i++) {
		for (size_t k = 0; k < l->n; k++) {
			if (!strcmp(order[i], l->names[k]))
				list_file(l, l->names[k], l->inos[k]);
		}
	}
}

/* ---- random verbs ---- */

struct model {
	struct store *s;
	uint64_t ino[FILES]; /* 0: not there */
	int generation[FILES];
	char snapshots[64][16];
	int nsnapshots, made;
	int letter;
};

static void name_of(const struct model *m, int i, char out[16])
{
	snprintf(out, 16, "f%d", i);
	(void)m;
}

/* The head's row of a file, made from the sealed one where there is none yet. *fresh: it is new in the head. */
static void head_row(struct model *m, int i, struct store_inode *row, bool *fresh)
{
	uint64_t delta;

	help_settle(m->s);
	ck_assert_int_eq(store_read_inode(m->s, m->ino[i], row, &delta), 0);
	free((char *)row->origin);
	if (row->origin)
		row->origin = "base";
	row->origin_len = row->origin ? 4 : 0;
	*fresh = delta != 0;
	if (!*fresh)
		return;
	row->state = row->size ? STORE_BELOW : STORE_NONE;
	row->source = delta;
	row->below = row->size;
	row->data = 0;
	row->flags &= ~(uint32_t)STORE_XATTR_OWN;
}

static void op_create(struct model *m, int i)
{
	struct store_inode row = help_file(store_next_ino(m->s));
	struct store_change c;
	char name[16], bytes[SIZE];
	int fd;

	if (i % 2) { /* a file of the base, touched */
		row.origin = "base";
		row.origin_len = 4;
		row.state = STORE_BELOW;
		row.size = row.below = (uint64_t)(rand() % SIZE);
	} else {
		row.state = STORE_FULL;
		row.size = (uint64_t)(rand() % SIZE);
		memset(bytes, 'A' + m->letter++ % 26, sizeof(bytes));
		ck_assert_int_eq(store_data_new(m->s, &row.data, &fd), 0);
		ck_assert_int_eq(write(fd, bytes, row.size), (ssize_t)row.size);
		close(fd);
	}
	name_of(m, i, name);
	m->ino[i] = row.ino;
	store_change_init(&c);
	store_change_inode(&c, &row);
	store_change_dentry(&c, 1, name, strlen(name), row.ino);
	help_commit(m->s, &c);
}

static void op_remove(struct model *m, int i)
{
	struct store_change c;
	struct store_inode row;
	char name[16];
	bool fresh;

	head_row(m, i, &row, &fresh);
	name_of(m, i, name);
	store_change_init(&c);
	store_change_inode_gone(&c, m->ino[i]);
	store_change_dentry(&c, 1, name, strlen(name), 0);
	if (row.data)
		store_change_data_gone(&c, row.data);
	help_commit(m->s, &c);
	m->ino[i] = 0;
}

static void op_write(struct model *m, int i)
{
	struct store_inode row;
	struct store_change c;
	uint64_t start = (uint64_t)(rand() % (SIZE - 8)), length = 1 + (uint64_t)(rand() % 8);
	int zero = rand() % 4 == 0, fd;
	char bytes[8];
	bool fresh;

	head_row(m, i, &row, &fresh);
	if (row.state == STORE_FULL && zero)
		return;
	memset(bytes, 'A' + m->letter++ % 26, sizeof(bytes));
	store_change_init(&c);
	if (row.state == STORE_NONE || row.state == STORE_BELOW)
		row.state = STORE_PARTIAL;
	if (!row.data) {
		ck_assert_int_eq(store_data_new(m->s, &row.data, &fd), 0);
	} else {
		fd = store_data_open(m->s, 0, row.data);
		ck_assert_int_ge(fd, 0);
	}
	if (!zero)
		ck_assert_int_eq(pwrite(fd, bytes, length, (off_t)start), (ssize_t)length);
	if (row.size < start + length)
		row.size = start + length;
	if (row.state == STORE_FULL)
		ck_assert_int_eq(ftruncate(fd, (off_t)row.size), 0);
	close(fd);
	store_change_inode(&c, &row);
	if (row.state == STORE_PARTIAL)
		store_change_extent(&c, row.ino, start, length, zero ? STORE_EXTENT_ZERO : STORE_EXTENT_DATA);
	help_commit(m->s, &c);
}

static void op_truncate(struct model *m, int i)
{
	struct store_inode row;
	struct store_change c;
	bool fresh;
	int fd;

	head_row(m, i, &row, &fresh);
	row.size = (uint64_t)(rand() % SIZE);
	if (row.below > row.size)
		row.below = row.size;
	store_change_init(&c);
	if (row.state == STORE_PARTIAL)
		store_change_extents_gone(&c, row.ino, row.size);
	if (row.state == STORE_FULL) {
		fd = store_data_open(m->s, 0, row.data);
		ck_assert_int_eq(ftruncate(fd, (off_t)row.size), 0);
		close(fd);
	}
	store_change_inode(&c, &row);
	help_commit(m->s, &c);
}

static void op_meta(struct model *m, int i)
{
	struct store_inode row;
	struct store_change c;
	bool fresh;
	char value[8];

	head_row(m, i, &row, &fresh);
	row.mode = S_IFREG | (uint32_t)(rand() % 512);
	store_change_init(&c);
	if (rand() % 2) {
		row.flags |= STORE_XATTR_OWN;
		snprintf(value, sizeof(value), "%d", rand() % 1000);
		store_change_xattr(&c, row.ino, "user.v", value, strlen(value));
	}
	store_change_inode(&c, &row);
	help_commit(m->s, &c);
}

static void op_random(struct model *m)
{
	int i = rand() % FILES;

	if (!m->ino[i]) {
		op_create(m, i);
		return;
	}
	switch (rand() % 8) {
	case 0:
		op_remove(m, i);
		break;
	case 1:
		op_truncate(m, i);
		break;
	case 2:
		op_meta(m, i);
		break;
	default:
		op_write(m, i);
	}
}

static void op_seal(struct model *m)
{
	struct vn_err err = { 0 };
	uint64_t id;
	char *name = m->snapshots[m->nsnapshots++];
	int rc;

	snprintf(name, 16, "s%d", m->made++);
	rc = store_seal(m->s, name, &id, &err);
	ck_assert_msg(rc == 0, "%s", vn_err_text(&err));
}

static void problem_fn(void *arg, const char *sentence)
{
	(void)arg;
	fprintf(stderr, "# %s\n", sentence);
}

/* Every snapshot and the head, from outside. The store is closed meanwhile. */
static char *whole(struct model *m)
{
	char *text = calloc(m->nsnapshots + 1, sizeof(struct listing));
	struct listing l;

	help_close(m->s);
	for (int i = 0; i < m->nsnapshots; i++) {
		struct store_config config = { .readonly = true, .snapshot = m->snapshots[i] };
		struct store *s = help_open_config(&config, "u");

		list(s, &l);
		sprintf(text + strlen(text), "== %s\n%s", m->snapshots[i], l.text);
		ck_assert_int_eq(store_check(s, problem_fn, NULL), 0);
		help_close(s);
	}
	m->s = help_open("u");
	list(m->s, &l);
	sprintf(text + strlen(text), "== head\n%s", l.text);
	return text;
}

static void delete_one(struct model *m)
{
	struct vn_err err = { 0 };
	int i = rand() % m->nsnapshots, rc;
	struct listing before, after;
	char name[16], *had, *has;

	strcpy(name, m->snapshots[i]);
	memmove(m->snapshots + i, m->snapshots + i + 1, (size_t)(m->nsnapshots - i - 1) * 16);
	m->nsnapshots--;
	had = whole(m);
	list(m->s, &before);
	rc = store_snapshot_delete(m->s, name, &err);
	ck_assert_msg(rc == 0, "delete: %s", vn_err_text(&err));
	list(m->s, &after);
	ck_assert_str_eq(before.text, after.text);
	has = whole(m);
	ck_assert_str_eq(had, has);
	free(had);
	free(has);
}

static void random_history(unsigned seed, int rounds)
{
	struct model m = { .s = help_open("u") };
	struct store_inode root = help_dir(1, "");
	struct store_change c;

	srand(seed);
	store_change_init(&c);
	store_change_inode(&c, &root);
	help_commit(m.s, &c);
	for (int round = 0; round < rounds; round++) {
		for (int i = 0; i < 6; i++)
			op_random(&m);
		op_seal(&m);
		if (m.nsnapshots > 4)
			delete_one(&m);
	}
	while (m.nsnapshots)
		delete_one(&m);
	help_close(m.s);
}

static void fresh(void)
{
	char cmd[4200];

	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", help_path("u"));
	ck_assert_int_eq(system(cmd), 0);
}

START_TEST(deleting_any_snapshot_leaves_all_other_states)
{
	for (unsigned seed = 1; seed <= 3; seed++) {
		random_history(seed, 12);
		fresh();
	}
}
END_TEST

START_TEST(snapshot_that_is_not_there_or_not_ours_is_refused)
{
	struct store *s = help_open("u");
	struct vn_err err = { 0 };
	char origin[4096], dir[4096];
	struct store_fork f = { .origin = origin, .dir = dir };

	strcpy(origin, help_path("u"));
	strcpy(dir, help_path("f"));
	ck_assert_int_eq(store_snapshot_delete(s, "x", &err), -ENOENT);
	help_create(s, 1, "a");
	ck_assert_int_eq(store_seal(s, "x", &(uint64_t){ 0 }, &err), 0);
	help_close(s);
	f.snapshot = "x";
	ck_assert_int_eq(store_fork(&f, &err), 0);
	s = help_open("f");
	ck_assert_int_eq(store_snapshot_delete(s, "x", &err), -EBUSY);
	help_close(s);
	/* The fork goes on when its origin deletes what it stands on. */
	s = help_open("u");
	ck_assert_int_eq(store_seal(s, "y", &(uint64_t){ 0 }, &err), 0);
	ck_assert_int_eq(store_snapshot_delete(s, "x", &err), 0);
	ck_assert_uint_eq(help_find(s, 1, NULL).count, 1);
	help_close(s);
	s = help_open("f");
	ck_assert_uint_eq(help_find(s, 1, NULL).count, 1);
	help_close(s);
}
END_TEST

static void some_snapshots(struct model *m, int n)
{
	struct store_inode root = help_dir(1, "");
	struct store_change c;

	srand(7);
	store_change_init(&c);
	store_change_inode(&c, &root);
	help_commit(m->s, &c);
	for (int i = 0; i < n; i++) {
		for (int k = 0; k < 8; k++)
			op_random(m);
		op_seal(m);
	}
}

/* The one in the middle, "s1", is not among those whose states are compared: it is to go. */
static void three_snapshots(struct model *m)
{
	some_snapshots(m, 3);
	memmove(m->snapshots + 1, m->snapshots + 2, 16);
	m->nsnapshots = 2;
}

START_TEST(delete_dies_at_every_step_and_is_before_or_after)
{
	for (unsigned n = 1;; n++) {
		struct model m = { .s = help_open("u") };
		char *had, *has;
		int status;

		three_snapshots(&m);
		had = whole(&m);
		help_close(m.s);
		if (!fork()) {
			struct store *s = help_open("u");

			fault_arm(FAULT_STEP, n, FAULT_KILL, false);
			store_snapshot_delete(s, "s1", NULL);
			_exit(0);
		}
		wait(&status);
		m.s = help_open("u");
		has = whole(&m);
		ck_assert_str_eq(had, has);
		store_snapshot_delete(m.s, "s1", NULL);
		free(has);
		has = whole(&m);
		ck_assert_str_eq(had, has);
		free(had);
		free(has);
		help_close(m.s);
		fresh();
		if (!status)
			break;
	}
}
END_TEST

START_TEST(delete_that_fails_at_any_step_leaves_all_states)
{
	for (unsigned n = 1;; n++) {
		struct model m = { .s = help_open("u") };
		char *had, *has;
		int rc;

		three_snapshots(&m);
		had = whole(&m);
		fault_arm(FAULT_STEP, n, EIO, false);
		rc = store_snapshot_delete(m.s, "s1", NULL);
		fault_disarm_all();
		store_close(m.s);
		m.s = help_open("u");
		has = whole(&m);
		ck_assert_str_eq(had, has);
		free(had);
		free(has);
		help_close(m.s);
		fresh();
		if (!rc)
			break;
	}
}
END_TEST

/* Its numbers are not those of what it copied. */
START_TEST(copied_fork_merges_what_it_copied)
{
	struct model m = { .s = help_open("u") };
	struct store_fork f = { .copy = true, .snapshot = "s0" };
	struct vn_err err = { 0 };
	char origin[4096], dir[4096], *had, *has;

	help_close(m.s);
	m.s = help_open("u"); /* as the fork, which is opened once while it is made */
	some_snapshots(&m, 1);
	help_close(m.s);
	f.origin = strcpy(origin, help_path("u"));
	f.dir = strcpy(dir, help_path("f"));
	ck_assert_msg(!store_fork(&f, &err), "%s", vn_err_text(&err));
	fresh();
	ck_assert_int_eq(rename(dir, origin), 0);
	m.s = help_open("u");
	for (int i = 0; i < 20; i++)
		op_random(&m);
	m.nsnapshots = 0; /* "s0" is to go */
	op_seal(&m);
	had = whole(&m);
	ck_assert_int_eq(store_snapshot_delete(m.s, "s0", NULL), 0);
	has = whole(&m);
	ck_assert_str_eq(had, has);
	free(had);
	free(has);
	help_close(m.s);
}
END_TEST

/* ---- holes ---- */

#define HOLED (UINT64_C(64) << 10)

/* A row that claims [start, start + HOLED), of which the host has the first byte and a hole. */
static void claim_with_hole(struct store *s, struct store_inode *row, uint64_t start, char byte)
{
	struct store_change c;
	int fd;

	ck_assert_int_eq(store_data_new(s, &row->data, &fd), 0);
	ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)start), 1);
	ck_assert_int_eq(ftruncate(fd, (off_t)(start + HOLED)), 0);
	close(fd);
	row->state = STORE_PARTIAL;
	store_change_init(&c);
	store_change_inode(&c, row);
	store_change_dentry(&c, 1, "f", 1, row->ino);
	store_change_extent(&c, row->ino, start, HOLED, STORE_EXTENT_DATA);
	help_commit(s, &c);
}

/* `newer` and `older`: where the extent of either delta begins. */
static void merge_holes(uint64_t newer, uint64_t older)
{
	struct store *s = help_open("u");
	struct store_inode row = help_file(store_next_ino(s)), root = help_dir(1, ""), got;
	struct store_change c;
	uint64_t delta;

	store_change_init(&c);
	store_change_inode(&c, &root);
	help_commit(s, &c);
	row.size = 4 * HOLED;
	claim_with_hole(s, &row, older, 'o');
	ck_assert_int_eq(store_seal(s, "1", &row.source, NULL), 0);
	row.below = row.size;
	claim_with_hole(s, &row, newer, 'n');
	ck_assert_int_eq(store_seal(s, "2", &delta, NULL), 0);
	ck_assert_int_eq(store_snapshot_delete(s, "1", NULL), 0);
	ck_assert_int_eq(store_check(s, NULL, NULL), 0);
	ck_assert_int_eq(store_read_inode(s, row.ino, &got, &delta), 0);
	ck_assert_int_eq(byte_at(s, delta, &got, older), 'o');
	ck_assert_int_eq(byte_at(s, delta, &got, newer), 'n');
	ck_assert_int_eq(byte_at(s, delta, &got, newer + HOLED - 1), '\0');
	free((char *)got.origin);
	help_close(s);
	fresh();
}

START_TEST(merged_data_file_reaches_over_holes_at_the_end_of_its_extents)
{
	merge_holes(0, 2 * HOLED);
	merge_holes(2 * HOLED, 0);
}
END_TEST

VN_CHECK_MAIN("store/merge", deleting_any_snapshot_leaves_all_other_states,
	      snapshot_that_is_not_there_or_not_ours_is_refused, delete_dies_at_every_step_and_is_before_or_after,
	      delete_that_fails_at_any_step_leaves_all_states, copied_fork_merges_what_it_copied, merged_data_file_reaches_over_holes_at_the_end_of_its_extents)
