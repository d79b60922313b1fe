// SPDX-License-Identifier: Apache-2.0
/* Uppers as layers, readers beside a server, the views, verification. */
#include "help.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

static struct store *open_over(const char *name, const char *const *parents, size_t n)
{
	struct store_config c = { .create = true, .journal_size = 256 << 10, .parents = parents, .nparents = n,
				  .lock_wait_ms = 50 };

	return help_open_config(&c, name);
}

static int refused(const char *name, const char *const *parents, size_t n, char *text)
{
	struct store_config c = { .upper = help_path(name), .parents = parents, .nparents = n, .lock_wait_ms = 30 };
	struct vn_err err = { 0 };
	struct store *s;
	int rc = store_open(&c, &s, &err);

	if (!rc)
		store_close(s);
	strcpy(text, err.text);
	return rc;
}

static char path_a[4096], path_b[4096], text[2048];

static void paths(void)
{
	strcpy(path_a, help_path("a"));
	strcpy(path_b, help_path("b"));
}

START_TEST(upper_over_an_upper_sees_it_and_hides_it)
{
	const char *parents[] = { path_a };
	struct store *s;
	struct store_inode row;
	struct store_change c;
	uint64_t kept, gone, delta = 0, mine;

	paths();
	s = help_open("a");
	kept = help_create(s, 1, "kept");
	gone = help_create(s, 1, "gone");
	help_close(s);
	s = open_over("b", parents, 1);
	mine = help_create(s, 1, "mine");
	ck_assert_uint_gt(mine, gone);
	store_change_init(&c);
	store_change_dentry(&c, 1, "gone", 4, 0);
	help_commit(s, &c);
	help_settle(s);
	ck_assert_uint_eq(help_find(s, 1, "kept").ino, kept);
	ck_assert_int_eq(help_find(s, 1, "kept").sealed, STORE_SEALED_NAME);
	ck_assert(help_find(s, 1, "gone").found);
	ck_assert_uint_eq(help_find(s, 1, "gone").ino, 0);
	ck_assert_int_eq(help_find(s, 1, "gone").sealed, STORE_SEALED_NAME);
	ck_assert_int_eq(help_find(s, 1, "mine").sealed, STORE_SEALED_NOTHING);
	ck_assert_uint_eq(help_find(s, 1, NULL).count, 3);
	ck_assert_int_eq(store_read_inode(s, kept, &row, &delta), 0);
	free((char *)row.origin);
	ck_assert_uint_ne(delta, 0);
	ck_assert_int_eq(store_read_inode_at(s, delta, kept, &row), 0);
	free((char *)row.origin);
	ck_assert_int_eq(store_read_inode_at(s, 0, kept, &row), -ENOENT);
	help_close(s);
}
END_TEST

START_TEST(upper_with_an_unapplied_journal_is_brought_to_rest_first)
{
	const char *parents[] = { path_a };
	struct store *s;

	paths();
	if (!fork()) {
		s = help_open("a");
		help_create(s, 1, "late");
		_exit(0);
	}
	wait(NULL);
	s = open_over("b", parents, 1);
	ck_assert(help_find(s, 1, "late").found);
	help_close(s);
}
END_TEST

START_TEST(upper_that_changed_below_is_refused_with_both_names)
{
	const char *parents[] = { path_a };
	struct store *s;

	paths();
	help_close(help_open("a"));
	help_close(open_over("b", parents, 1));
	s = help_open("a");
	help_create(s, 1, "new");
	help_close(s);
	ck_assert_int_eq(refused("b", parents, 1, text), -ESTALE);
	ck_assert_ptr_nonnull(strstr(text, path_a));
	ck_assert_ptr_nonnull(strstr(text, path_b));
}
END_TEST

START_TEST(upper_over_another_upper_is_refused)
{
	const char *parents[] = { path_a }, *other[] = { path_b };

	paths();
	help_close(help_open("a"));
	help_close(help_open("b"));
	help_close(open_over("c", parents, 1));
	ck_assert_int_eq(refused("c", other, 1, text), -ENOTUNIQ);
	ck_assert_ptr_nonnull(strstr(text, path_b));
	ck_assert_int_eq(refused("c", NULL, 0, text), -ENOTUNIQ);
	ck_assert_ptr_nonnull(strstr(text, path_a));
	ck_assert_int_eq(refused("a", other, 1, text), -ENOTUNIQ);
}
END_TEST

START_TEST(upper_in_use_is_no_layer_and_a_layer_is_not_written)
{
	const char *parents[] = { path_a };
	struct store_config config = { .upper = NULL, .parents = parents, .nparents = 1, .lock_wait_ms = 30 };
	struct vn_err err = { 0 };
	struct store *s, *other = NULL;

	paths();
	s = help_open("a");
	ck_assert_int_eq(store_open(&config, &other, &err), -EBUSY);
	help_close(s);
	ck_assert_int_eq(store_open(&config, &other, &err), 0);
	ck_assert(store_readonly(other));
	ck_assert_int_eq(refused("a", NULL, 0, text), -EBUSY);
	ck_assert_ptr_nonnull(strstr(text, "layer"));
	help_close(other);
}
END_TEST

START_TEST(parents_of_a_parent_are_needed_too)
{
	const char *one[] = { path_a }, *two[] = { path_b, path_a }, *bad[] = { path_b };
	struct store *s;

	paths();
	help_close(help_open("a"));
	help_close(open_over("b", one, 1));
	s = open_over("c", two, 2);
	help_close(s);
	ck_assert_int_eq(refused("c", bad, 1, text), -ENOTUNIQ);
}
END_TEST

START_TEST(reader_beside_a_server_sees_what_is_visible)
{
	struct store_config config = { .readonly = true, .shared = true };
	struct store *s = help_open("a"), *r;
	struct store_change c;

	help_create(s, 1, "x");
	help_settle(s);
	r = help_open_config(&config, "a");
	ck_assert(help_find(r, 1, "x").found);
	help_create(s, 1, "y");
	help_settle(s);
	ck_assert(help_find(r, 1, "y").found);
	store_change_init(&c);
	store_change_seen(&c, 1, "x", 1);
	ck_assert_int_eq(store_commit(r, &c, NULL), -EROFS);
	help_close(r);
	help_close(s);
	r = help_open_config(&config, "a");
	ck_assert(help_find(r, 1, "y").found);
	help_close(r);
}
END_TEST

START_TEST(copy_without_its_lock_file_is_read)
{
	const char *parents[] = { path_a };
	struct store_config config = { .parents = parents, .nparents = 1 };
	struct vn_err err = { 0 };
	struct store *s = help_open("a");

	paths();
	help_create(s, 1, "x");
	help_close(s);
	ck_assert_int_eq(unlink(help_path("a/lock")), 0);
	ck_assert_int_eq(store_open(&config, &s, &err), 0);
	ck_assert(help_find(s, 1, "x").found);
	help_close(s);
}
END_TEST

/* ---- views ---- */

static void query(const char *name, const char *sql, char *out)
{
	sqlite3 *db;
	sqlite3_stmt *st;
	char path[4200];

	snprintf(path, sizeof(path), "%s/index.db", help_path(name));
	ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	*out = '\0';
	while (sqlite3_step(st) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(st); i++) {
			const char *v = (const char *)sqlite3_column_text(st, i);

			sprintf(out + strlen(out), "%s%s", i ? " " : "", v ? v : "-");
		}
		strcat(out, "\n");
	}
	sqlite3_finalize(st);
	sqlite3_close(db);
}

#define BASE(n) (STORE_INO_BASE | (n))

static void base_row(struct store_change *c, uint64_t ino, uint32_t mode, const char *origin, uint32_t flags,
		     enum store_data state)
{
	struct store_inode row = { .ino = ino, .mode = mode, .nlink = 1, .flags = flags, .state = state,
				   .origin = origin, .origin_len = strlen(origin) };

	store_change_inode(c, &row);
}

static void name(struct store_change *c, uint64_t parent, const char *n, uint64_t ino)
{
	store_change_dentry(c, parent, n, strlen(n), ino);
}

START_TEST(changes_view_names_every_kind)
{
	struct store *s = help_open("u");
	struct store_change c;
	char out[4096];

	store_change_init(&c);
	base_row(&c, 1, S_IFDIR | 0755, "", 0, 0);
	base_row(&c, BASE(1), S_IFDIR | 0755, "etc", 0, 0);
	name(&c, 1, "etc", BASE(1));
	base_row(&c, BASE(2), S_IFREG | 0644, "etc/passwd", 0, STORE_PARTIAL);
	name(&c, BASE(1), "passwd", BASE(2));
	base_row(&c, BASE(3), S_IFREG | 0600, "etc/shadow", STORE_META, STORE_BELOW);
	name(&c, BASE(1), "shadow", BASE(3));
	name(&c, BASE(1), "hosts", 0);
	base_row(&c, BASE(4), S_IFDIR | 0755, "srv/data", 0, 0);
	base_row(&c, BASE(5), S_IFDIR | 0755, "srv", 0, 0);
	name(&c, 1, "srv", BASE(5));
	name(&c, BASE(5), "data", 0);
	name(&c, 1, "moved", BASE(4));
	base_row(&c, BASE(6), S_IFREG | 0644, "srv/data/f", 0, STORE_FULL);
	name(&c, BASE(4), "f", BASE(6));
	help_commit(s, &c);
	help_create(s, BASE(1), "new");
	base_row(&c, BASE(1), S_IFDIR | 0755, "etc", 0, 0);
	help_commit(s, &c);
	help_settle(s);
	query("u", "SELECT kind, path, old FROM changes ORDER BY path, kind", out);
	ck_assert_str_eq(out, "D /etc/hosts -\nA /etc/new -\nM /etc/passwd -\nm /etc/shadow -\n"
			      "R /moved /srv/data\nM /moved/f -\n");
	query("u", "SELECT path FROM path WHERE ino = 4503599627370502", out);
	ck_assert_str_eq(out, "/moved/f\n");
	ck_assert_int_eq(store_check(s, NULL, NULL), 0);
	help_close(s);
}
END_TEST

VN_CHECK_MAIN("store/layers", upper_over_an_upper_sees_it_and_hides_it,
	      upper_with_an_unapplied_journal_is_brought_to_rest_first,
	      upper_that_changed_below_is_refused_with_both_names, upper_over_another_upper_is_refused,
	      upper_in_use_is_no_layer_and_a_layer_is_not_written, parents_of_a_parent_are_needed_too,
	      reader_beside_a_server_sees_what_is_visible,
	      copy_without_its_lock_file_is_read, changes_view_names_every_kind)
