// SPDX-License-Identifier: Apache-2.0
#include "store/chain.h"

#include "store/fault.h"
#include "store/sqlerr.h"
#include "store/state.h"

#include "base/fd.h"
#include "base/hash.h"
#include "base/scope.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define CHAIN_MAGIC "veneer chain 1"
#define CHAIN_MAX (16u << 20)

void chain_init(struct chain *c)
{
	memset(c, 0, sizeof(*c));
}

void chain_fini(struct chain *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->entries[i].path);
	free(c->entries);
	free(c->aliases);
	chain_init(c);
}

int chain_insert(struct chain *c, size_t at, uint64_t id, int64_t sealed_at, const char *name, const char *path)
{
	struct chain_entry *e = realloc(c->entries, (c->n + 1) * sizeof(*e));
	char *copy = path ? strdup(path) : NULL;

	if (e)
		c->entries = e;
	if (!e || (path && !copy)) {
		free(copy);
		return -ENOMEM;
	}
	memmove(e + at + 1, e + at, (c->n - at) * sizeof(*e));
	c->n++;
	e[at] = (struct chain_entry){ .id = id, .sealed_at = sealed_at, .path = copy };
	strlcpy(e[at].name, name, sizeof(e[at].name));
	return 0;
}

int chain_alias(struct chain *c, uint64_t from, uint64_t to)
{
	struct chain_alias *a = realloc(c->aliases, (c->naliases + 1) * sizeof(*a));

	if (!a)
		return -ENOMEM;
	c->aliases = a;
	a[c->naliases++] = (struct chain_alias){ from, to };
	return 0;
}

void chain_remove(struct chain *c, size_t at)
{
	free(c->entries[at].path);
	memmove(c->entries + at, c->entries + at + 1, (c->n - at - 1) * sizeof(*c->entries));
	c->n--;
}

/* ---- text ---- */

static void chain_put_text(FILE *f, const char *text)
{
	if (!*text)
		fputs("%00", f);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p <= 0x20 || *p >= 0x7f || *p == '%')
			fprintf(f, "%%%02X", *p);
		else
			fputc(*p, f);
	}
}

/* In place; "%00" alone is the empty text. */
static int chain_get_text(char *text)
{
	char *out = text;

	for (const char *p = text; *p; p++) {
		unsigned v;

		if (*p != '%') {
			*out++ = *p;
			continue;
		}
		if (!isxdigit((unsigned char)p[1]) || !isxdigit((unsigned char)p[2]) || sscanf(p + 1, "%2x", &v) != 1)
			return -EUCLEAN;
		if (v)
			*out++ = (char)v;
		p += 2;
	}
	*out = '\0';
	return 0;
}

static int chain_parse_delta(struct chain *c, char *line)
{
	uint64_t id;
	int64_t sealed_at;
	int n = 0;
	char *path, *name;

	if (sscanf(line, "delta %16" SCNx64 " %" SCNd64 " %n", &id, &sealed_at, &n) != 2 || !n)
		return -EUCLEAN;
	path = line + n;
	name = strchr(path, ' ');
	if (!name)
		return -EUCLEAN;
	*name++ = '\0';
	if (chain_get_text(name) || strlen(name) > 255)
		return -EUCLEAN;
	if (!strcmp(path, "-"))
		return chain_insert(c, c->n, id, sealed_at, name, NULL);
	if (chain_get_text(path) || *path != '/')
		return -EUCLEAN;
	return chain_insert(c, c->n, id, sealed_at, name, path);
}

static int chain_parse_alias(struct chain *c, const char *line)
{
	uint64_t from, to;

	if (sscanf(line, "alias %16" SCNx64 " %16" SCNx64, &from, &to) != 2)
		return -EUCLEAN;
	return chain_alias(c, from, to);
}

static int chain_parse_line(struct chain *c, char *line)
{
	if (!strncmp(line, "alias ", 6))
		return chain_parse_alias(c, line);
	if (!strncmp(line, "step ", 5))
		return sscanf(line, "step %15s %16" SCNx64, c->step, &c->step_id) == 2 ? 0 : -EUCLEAN;
	if (!strncmp(line, "delta ", 6))
		return chain_parse_delta(c, line);
	return -EUCLEAN;
}

/* Takes the sum off the end and compares. */
static int chain_check_sum(char *text)
{
	char *last = strstr(text, "\nsum ");
	uint64_t sum;

	if (!last || sscanf(last, "\nsum %16" SCNx64, &sum) != 1 ||
	    sum != vn_checksum(0, text, (size_t)(last + 1 - text)))
		return -EUCLEAN;
	last[1] = '\0';
	return 0;
}

static int chain_parse(struct chain *c, char *text)
{
	char *save = NULL, *line;
	int rc = chain_check_sum(text);

	line = rc ? NULL : strtok_r(text, "\n", &save);
	if (!rc && line && !strncmp(line, CHAIN_MAGIC, strlen(CHAIN_MAGIC) - 1) && strcmp(line, CHAIN_MAGIC))
		rc = -EPROTONOSUPPORT;
	else if (!rc && (!line || strcmp(line, CHAIN_MAGIC)))
		rc = -EUCLEAN;
	while (!rc && (line = strtok_r(NULL, "\n", &save)))
		rc = chain_parse_line(c, line);
	return rc;
}

int chain_read(struct chain *c, int dirfd)
{
	vn_autofree char *text = NULL;
	size_t len;
	int rc;

	chain_init(c);
	rc = vn_read_file_at(dirfd, "chain", CHAIN_MAX, &text, &len);
	if (rc)
		return rc == -ENOENT ? 0 : rc == -EFBIG ? -EUCLEAN : rc;
	rc = strlen(text) == len ? chain_parse(c, text) : -EUCLEAN;
	if (rc)
		chain_fini(c);
	return rc;
}

static void chain_print(const struct chain *c, FILE *f)
{
	fprintf(f, "%s\n", CHAIN_MAGIC);
	if (*c->step)
		fprintf(f, "step %s %016" PRIx64 "\n", c->step, c->step_id);
	for (size_t i = 0; i < c->naliases; i++)
		fprintf(f, "alias %016" PRIx64 " %016" PRIx64 "\n", c->aliases[i].from, c->aliases[i].to);
	for (size_t i = 0; i < c->n; i++) {
		const struct chain_entry *e = &c->entries[i];

		fprintf(f, "delta %016" PRIx64 " %" PRId64 " ", e->id, e->sealed_at);
		if (e->path)
			chain_put_text(f, e->path);
		else
			fputc('-', f);
		fputc(' ', f);
		chain_put_text(f, e->name);
		fputc('\n', f);
	}
}

int chain_write(const struct chain *c, int dirfd)
{
	vn_autofree char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int rc;

	if (!f)
		return -ENOMEM;
	chain_print(c, f);
	if (fflush(f))
		len = 0;
	if (len)
		fprintf(f, "sum %016" PRIx64 "\n", vn_checksum(0, text, len));
	if (fclose(f) || !len)
		return -ENOMEM;
	rc = vn_write_file_at(dirfd, "chain", text, len, 0600);
	return rc ? rc : fault_hit(FAULT_STEP);
}

/* ---- into an opened store ---- */

int chain_error(int rc, const char *upper, struct vn_err *err)
{
	if (rc == -EPROTONOSUPPORT)
		return vn_err_set(err, rc, "%s/chain is of a newer format than this veneer knows; use a newer one", upper);
	if (rc == -EUCLEAN)
		return vn_err_set(err, rc, "%s/chain is damaged; `veneer check --repair` makes it again from the deltas", upper);
	return vn_err_sys(err, rc, "cannot read %s/chain", upper);
}

/*
 * Whoever reads a sealed delta that he is not the server of holds a shared lock of its data/, so that it is not
 * discarded meanwhile (head_discard). -ESTALE: it has just been.
 */
static int chain_hold(const struct delta *d)
{
	char path[PATH_MAX];
	struct stat held, there;

	if (flock(d->datafd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return -ESTALE;
	snprintf(path, sizeof(path), "%s/data", d->path);
	if (fstat(d->datafd, &held) < 0 || stat(path, &there) < 0 || held.st_ino != there.st_ino ||
	    held.st_dev != there.st_dev)
		return -ESTALE;
	return 0;
}

static int chain_load_entry(struct store *s, const char *upper, const struct chain_entry *e, struct vn_err *err)
{
	char *path = NULL;
	struct delta *d;
	int rc;

	if (e->path)
		path = strdup(e->path);
	else if (asprintf(&path, "%s/deltas/%016" PRIx64, upper, e->id) < 0)
		path = NULL;
	if (!path)
		return -ENOMEM;
	rc = store_add_delta(s, path, SCHEMA_IMMUTABLE, -1, err);
	if (rc)
		return rc == -ENOENT && s->shared ? -ESTALE : rc;
	d = &s->order[s->norder - 1];
	if (s->readonly || e->path)
		rc = chain_hold(d);
	if (rc)
		return vn_err_set(err, rc, "a snapshot of %s was deleted while it was opened; try again", upper);
	if (d->id != e->id)
		return vn_err_set(err, -EUCLEAN, "%s holds another delta than %s/chain says", d->path, upper);
	d->sealed_at = e->sealed_at;
	strlcpy(d->name, e->name, sizeof(d->name));
	return 0;
}

int chain_load(struct store *s, const char *upper, struct vn_err *err)
{
	vn_autoclose int dirfd = open(upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct chain c;
	int rc = dirfd < 0 ? -errno : chain_read(&c, dirfd);

	if (rc)
		return chain_error(rc, upper, err);
	for (size_t i = 0; !rc && i < c.n; i++)
		rc = chain_load_entry(s, upper, &c.entries[i], err);
	for (size_t i = 0; !rc && i < c.naliases; i++)
		rc = store_add_alias(s, c.aliases[i].from, c.aliases[i].to);
	chain_fini(&c);
	return rc;
}

/* ---- the face ---- */

static int chain_count(struct delta *d, struct store_delta_info *info)
{
	struct reader_conn conn;
	sqlite3_stmt *st = NULL;
	int rc = reader_get(d->reader, &conn);

	if (rc)
		return rc;
	rc = schema_prepare(conn.db,
			    "SELECT (SELECT count(*) FROM inode), (SELECT count(*) FROM dentry WHERE ino = 0),"
			    " (SELECT total(size) FROM inode WHERE data > 0)",
			    &st);
	if (!rc && sqlite3_step(st) == SQLITE_ROW) {
		info->inodes = (uint64_t)sqlite3_column_int64(st, 0);
		info->whiteouts = (uint64_t)sqlite3_column_int64(st, 1);
		info->bytes = (uint64_t)sqlite3_column_int64(st, 2);
	}
	sqlite3_finalize(st);
	reader_put(d->reader, &conn);
	return rc;
}

uint64_t store_newest(struct store *s)
{
	return s->norder > s->has_head ? s->order[s->has_head].id : 0;
}

bool store_has_delta(struct store *s, uint64_t id)
{
	return id && store_delta(s, id);
}

int store_chain(struct store *s, store_delta_fn fn, void *arg)
{
	int rc = 0;

	for (size_t i = s->has_head; !rc && i < s->norder; i++) {
		struct store_delta_info info = { .id = s->order[i].id, .sealed_at = s->order[i].sealed_at };

		strlcpy(info.name, s->order[i].name, sizeof(info.name));
		rc = chain_count(&s->order[i], &info);
		if (!rc)
			rc = fn(arg, &info);
	}
	return rc;
}

int store_places(const char *upper, store_place_fn fn, void *arg)
{
	vn_autoclose int dirfd = open(upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct chain c;
	int rc = dirfd < 0 ? -errno : chain_read(&c, dirfd);

	if (rc)
		return rc;
	for (size_t i = 0; !rc && i < c.n; i++) {
		if (c.entries[i].path)
			rc = fn(arg, c.entries[i].path);
	}
	chain_fini(&c);
	return rc;
}

int store_delta_dirs(struct store *s, store_delta_dir_fn fn, void *arg)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < s->norder; i++) {
		const struct delta *d = &s->order[i];
		bool head = s->has_head && i == 0;
		struct store_delta_dir p = {
			.id = d->id, .name = d->name, .path = d->path, .head = head, .sealed = !head && d->name[0],
		};

		rc = fn(arg, &p);
	}
	return rc;
}

static int chain_data_owner(struct delta *d, uint64_t number, uint64_t *ino)
{
	struct reader_conn conn;
	sqlite3_stmt *st = NULL;
	int rc = reader_get(d->reader, &conn);

	if (rc)
		return rc;
	rc = schema_prepare(conn.db, "SELECT ino FROM inode WHERE data = ?1", &st);
	if (!rc) {
		sqlite3_bind_int64(st, 1, (sqlite3_int64)number);
		rc = sqlite3_step(st);
		*ino = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
		rc = rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? -ENOENT : sqlerr_errno(rc, conn.db);
	}
	sqlite3_finalize(st);
	reader_put(d->reader, &conn);
	return rc;
}

int store_data_owner(struct store *s, uint64_t delta, uint64_t number, uint64_t *ino)
{
	for (size_t i = 0; i < s->norder; i++)
		if (s->order[i].id == delta)
			return chain_data_owner(&s->order[i], number, ino);
	return -ENOENT;
}

int store_upper_id(struct store *s, uint8_t id[16])
{
	vn_autofree char *text = NULL;
	int rc = delta_meta_text(&s->order[0], "upper", &text);

	return rc ? rc : layout_uuid_parse(text, id);
}
