// SPDX-License-Identifier: Apache-2.0
#include "base_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../check_main.h"
#include "base/err.h"
#include "base/fs.h"

const char *fx_host(const char *path)
{
	static char buf[PATH_MAX];

	snprintf(buf, sizeof(buf), "%s/%s", vn_check_dir(), path);
	return buf;
}

static void make_parents(char *path)
{
	for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		ck_assert_msg(mkdir(path, 0755) == 0 || errno == EEXIST, "mkdir %s: %s", path, strerror(errno));
		*at = '/';
	}
}

static char *prepare(const char *path)
{
	char *copy = strdup(fx_host(path));

	make_parents(copy);
	return copy;
}

void fx_dir(const char *path)
{
	char *host = prepare(path);

	ck_assert_msg(mkdir(host, 0755) == 0 || errno == EEXIST, "mkdir %s", host);
	free(host);
}

void fx_file(const char *path, const char *content)
{
	char *host = prepare(path);
	int fd = open(host, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);

	ck_assert_msg(fd >= 0, "open %s: %s", host, strerror(errno));
	ck_assert_int_eq(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	close(fd);
	free(host);
}

void fx_node(const char *path, unsigned mode, unsigned major, unsigned minor)
{
	char *host = prepare(path);

	ck_assert_msg(mknod(host, mode, makedev(major, minor)) == 0, "mknod %s: %s", host, strerror(errno));
	free(host);
}

void fx_link(const char *path, const char *target)
{
	char *host = prepare(path);

	ck_assert_int_eq(symlink(target, host), 0);
	free(host);
}

void fx_hard(const char *from, const char *to)
{
	char *a = prepare(from), *b = prepare(to);

	ck_assert_int_eq(link(a, b), 0);
	free(a);
	free(b);
}

bool fx_mark_bytes(const char *path, const char *name, const void *value, size_t size)
{
	int rc = lsetxattr(fx_host(path), name, value, size, 0);

	ck_assert_msg(rc == 0 || errno == EPERM || errno == EOPNOTSUPP || errno == EACCES, "setxattr %s %s: %s", path,
		      name, strerror(errno));
	return rc == 0;
}

bool fx_mark(const char *path, const char *name, const char *value)
{
	return fx_mark_bytes(path, name, value, strlen(value));
}

bool fx_is_root(void)
{
	return geteuid() == 0;
}

/* ---- opening ---- */

#ifdef FX_KEPT
/* What the tests of the base expect must be so with a kept view, too. */
const bool fx_kept = true;
#else
const bool fx_kept = false;
#endif

int fx_cache(void)
{
	int fd;

	fx_dir("cache");
	fd = open(fx_host("cache"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

/* Opens it again over a view that is made now; where none can be kept, it stays as it is. */
static struct base *open_kept(struct base *b, const struct base_config *config)
{
	struct vn_err err = {0};
	int cache = fx_cache(), rc = base_keep_make(b, cache, NULL, NULL, NULL);

	if (!rc) {
		base_close(b);
		ck_assert_int_eq(base_open(config, &b, &err), 0);
		ck_assert_int_eq(base_keep_use(b, cache), 0);
		ck_assert(base_is_kept(b));
	} else {
		ck_assert_int_eq(rc, -EXDEV);
	}
	close(cache);
	return b;
}

struct base *fx_open_with(size_t n, const char *exclude, bool noxattr)
{
	char **lowers = calloc(n, sizeof(*lowers));
	struct base_config config = {
		.lowers = (const char *const *)lowers, .nlowers = n, .exclude = exclude, .noxattr_markers = noxattr};
	struct base *b = NULL;
	struct vn_err err = {0};
	int rc;

	for (size_t i = 0; i < n; i++)
		ck_assert_int_gt(asprintf(&lowers[i], "%s/%zu", vn_check_dir(), i), 0);
	rc = base_open(&config, &b, &err);
	ck_assert_msg(rc == 0, "base_open: %s", vn_err_text(&err));
	if (fx_kept)
		b = open_kept(b, &config);
	for (size_t i = 0; i < n; i++)
		free(lowers[i]);
	free(lowers);
	return b;
}

struct base *fx_open(size_t n)
{
	return fx_open_with(n, NULL, false);
}

/* ---- listing ---- */

struct shown {
	struct base *b;
	struct base_dir *d;
	char **lines;
	size_t n, cap;
};

static void show_entry(char *out, size_t size, const struct base_entry *e)
{
	static const char letters[] = {[DT_LNK] = 'l', [DT_CHR] = 'c', [DT_BLK] = 'b', [DT_FIFO] = 'p', [DT_SOCK] = 's'};
	size_t at;

	if (e->type == DT_DIR)
		at = (size_t)snprintf(out, size, "%.*s/", (int)e->len, e->name);
	else if (e->type == DT_REG)
		at = (size_t)snprintf(out, size, "%.*s@%u", (int)e->len, e->name, e->layer);
	else
		at = (size_t)snprintf(out, size, "%.*s(%c)@%u", (int)e->len, e->name, letters[e->type], e->layer);
	ck_assert_uint_eq(e->nlayers > 0, e->type == DT_DIR);
	for (size_t i = 0; i < e->nlayers; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%u", i ? "," : "", e->layers[i]);
	if (e->nlayers)
		ck_assert_uint_eq(e->layers[0], e->layer);
}

static int show_one(void *arg, const struct base_entry *e)
{
	show_entry(arg, PATH_MAX, e);
	return 0;
}

static int show_list(void *arg, const struct base_entry *e)
{
	struct shown *s = arg;
	char line[PATH_MAX], again[PATH_MAX];

	show_entry(line, sizeof(line), e);
	ck_assert_int_eq(base_lookup(s->b, s->d, e->name, e->len, show_one, again), 0);
	ck_assert_str_eq(line, again);
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		s->lines = realloc(s->lines, s->cap * sizeof(*s->lines));
	}
	s->lines[s->n++] = strdup(line);
	return 0;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static const char *errno_text(ssize_t code)
{
	static char buf[32];

	snprintf(buf, sizeof(buf), "!%s", strerrorname_np((int)-code));
	return buf;
}

const char *fx_list(struct base *b, const char *path)
{
	static char out[1 << 20];
	struct shown s = {.b = b};
	size_t at = 0;
	int rc = base_resolve_dir(b, path, strlen(path), &s.d);

	if (rc)
		return errno_text(rc);
	rc = base_list(b, s.d, show_list, &s);
	base_dir_put(b, s.d);
	if (rc)
		return errno_text(rc);
	if (s.n)
		qsort(s.lines, s.n, sizeof(*s.lines), by_bytes);
	out[0] = '\0';
	for (size_t i = 0; i < s.n; i++) {
		at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%s", i ? " " : "", s.lines[i]);
		free(s.lines[i]);
	}
	free(s.lines);
	return out;
}

/* ---- one object ---- */

struct object {
	struct base_dir *d;
	const char *name;
	uint16_t layer;
	bool dir;
};

static int object_found(void *arg, const struct base_entry *e)
{
	struct object *o = arg;

	o->layer = e->layer;
	return 0;
}

static int object_get(struct base *b, const char *path, struct object *o)
{
	const char *slash = strrchr(path, '/');
	int rc = base_resolve_dir(b, path, slash ? (size_t)(slash - path) : 0, &o->d);

	if (rc)
		return rc;
	o->name = slash ? slash + 1 : path;
	rc = base_lookup(b, o->d, o->name, strlen(o->name), object_found, o);
	if (rc)
		base_dir_put(b, o->d);
	return rc;
}

int fx_lookup(struct base *b, const char *path)
{
	struct object o;
	int rc = object_get(b, path, &o);

	if (!rc)
		base_dir_put(b, o.d);
	return rc;
}

int fx_attr(struct base *b, const char *path, struct vn_attr *attr)
{
	struct object o;
	int rc = object_get(b, path, &o);

	if (rc)
		return rc;
	rc = base_attr(b, o.d, o.name, strlen(o.name), o.layer, attr);
	base_dir_put(b, o.d);
	return rc;
}

const char *fx_read(struct base *b, const char *path)
{
	static char out[65536];
	struct object o;
	int fd = object_get(b, path, &o);
	ssize_t n;

	if (fd)
		return errno_text(fd);
	fd = base_open_file(b, o.d, o.name, strlen(o.name), o.layer);
	base_dir_put(b, o.d);
	if (fd < 0)
		return errno_text(fd);
	n = pread(fd, out, sizeof(out) - 1, 0);
	close(fd);
	ck_assert_int_ge(n, 0);
	out[n] = '\0';
	return out;
}

static const char *text_of(ssize_t n, char *out)
{
	if (n < 0)
		return errno_text(n);
	out[n] = '\0';
	return out;
}

const char *fx_readlink(struct base *b, const char *path)
{
	static char out[PATH_MAX];
	struct object o;
	ssize_t n = object_get(b, path, &o);

	if (n)
		return errno_text(n);
	n = base_readlink(b, o.d, o.name, strlen(o.name), o.layer, out, sizeof(out) - 1);
	base_dir_put(b, o.d);
	return text_of(n, out);
}

const char *fx_xattr(struct base *b, const char *path, const char *name)
{
	static char out[65536];
	struct object o;
	ssize_t n = object_get(b, path, &o);

	if (n)
		return errno_text(n);
	n = base_getxattr(b, o.d, o.name, strlen(o.name), o.layer, name, out, sizeof(out) - 1);
	base_dir_put(b, o.d);
	return text_of(n, out);
}

const char *fx_xattrs(struct base *b, const char *path)
{
	static char out[65536];
	char names[65536];
	struct object o;
	ssize_t n = object_get(b, path, &o), need;
	size_t at = 0;

	if (n)
		return errno_text(n);
	need = base_listxattr(b, o.d, o.name, strlen(o.name), o.layer, NULL, 0);
	n = base_listxattr(b, o.d, o.name, strlen(o.name), o.layer, names, sizeof(names));
	ck_assert_int_eq(need, n);
	base_dir_put(b, o.d);
	if (n < 0)
		return errno_text(n);
	out[0] = '\0';
	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1) {
		if (strcmp(names + i, "security.selinux") != 0)
			at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%s", at ? " " : "", names + i);
	}
	return out;
}
