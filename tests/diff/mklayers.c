// SPDX-License-Identifier: Apache-2.0
/*
 * Makes a stack of lower directories from a seed, and beside it the tree that
 * they stand for.
 *
 *	mklayers [-s SEED] [-n LAYERS] [-c CONVENTION] [-o OPS] [-k] OUT
 *
 * OUT/0 (the top) to OUT/LAYERS-1 are the layers, OUT/merged is what one must
 * see through them. CONVENTION: overlay (devices and trusted attributes), user
 * (attributes only), oci (.wh. names), mixed (a layer each, by turns). OPS:
 * changes per layer. -k: without hard links in the layers, whose counts
 * kernel overlayfs reports as the layers have them. It prints the lowerdir= list.
 *
 * Layers are made from the bottom. A change of a layer is made in the layer, as
 * the convention says it, and in the merged tree, as a user would make it. No
 * path is changed twice in a layer. The directories p0 to p3 and shared stay.
 */
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

#include "rand.h"

#define PATHS (PATH_MAX * 2)

enum convention { OVERLAY, USER, OCI, CONVENTIONS };

struct maker {
	struct rnd rnd;
	const char *out;
	char layer[PATH_MAX], merged[PATH_MAX];
	enum convention convention;
	bool links;
	char **touched; /* in this layer */
	size_t ntouched;
	unsigned made; /* objects, for their content and times */
};

static void die(const char *what, const char *path)
{
	fprintf(stderr, "mklayers: %s %s: %s\n", what, path, strerror(errno));
	exit(1);
}

#define MUST(call, path)                  \
	do {                              \
		if ((call) != 0)          \
			die(#call, path); \
	} while (0)

static void join(char out[PATHS], const char *dir, const char *rel)
{
	int n = snprintf(out, PATHS, "%s/%s", dir, rel);

	if (n < 0 || n >= PATHS)
		die("path too long:", rel);
}

static void in_layer(const struct maker *m, const char *rel, char out[PATHS])
{
	join(out, m->layer, rel);
}

static void in_merged(const struct maker *m, const char *rel, char out[PATHS])
{
	join(out, m->merged, rel);
}

/* ---- what this layer has changed ---- */

static bool below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static bool is_touched(const struct maker *m, const char *rel)
{
	for (size_t i = 0; i < m->ntouched; i++) {
		if (below(rel, m->touched[i]) || below(m->touched[i], rel))
			return true;
	}
	return false;
}

static void touch(struct maker *m, const char *rel)
{
	m->touched = realloc(m->touched, (m->ntouched + 1) * sizeof(char *));
	m->touched[m->ntouched++] = strdup(rel);
}

static void touch_none(struct maker *m)
{
	for (size_t i = 0; i < m->ntouched; i++)
		free(m->touched[i]);
	m->ntouched = 0;
}

/* ---- making things, in both trees ---- */

static void copy_xattrs(const char *from, const char *to)
{
	char names[4096], value[4096];
	ssize_t len = llistxattr(from, names, sizeof(names));

	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
		ssize_t n = lgetxattr(from, names + at, value, sizeof(value));

		if (n >= 0 && strncmp(names + at, "user.mk", 7) == 0)
			MUST(lsetxattr(to, names + at, value, (size_t)n, 0), to);
	}
}

/* The directories above a change are in its layer too, as they are in the merged tree. */
static void make_parents(struct maker *m, const char *rel)
{
	char path[PATH_MAX], layer[PATHS], merged[PATHS];
	struct stat st;

	for (const char *slash = strchr(rel, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(path, sizeof(path), "%.*s", (int)(slash - rel), rel);
		in_layer(m, path, layer);
		in_merged(m, path, merged);
		if (lstat(layer, &st) == 0)
			continue;
		MUST(lstat(merged, &st), merged);
		MUST(mkdir(layer, 0700), layer);
		MUST(lchown(layer, st.st_uid, st.st_gid), layer);
		MUST(chmod(layer, st.st_mode & 07777), layer);
		copy_xattrs(merged, layer);
	}
}

static void write_file(const char *path, uint64_t seed, size_t size, bool sparse)
{
	struct rnd r = {seed};
	unsigned char *bytes = malloc(size + 1);
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	if (fd < 0)
		die("open", path);
	rnd_fill(&r, bytes, size);
	if (pwrite(fd, bytes, size, sparse ? 200000 : 0) != (ssize_t)size)
		die("write", path);
	if (sparse)
		MUST(ftruncate(fd, (off_t)size + 500000), path);
	close(fd);
	free(bytes);
}

static size_t pick_size(struct rnd *r)
{
	static const size_t sizes[] = {0, 1, 10, 100, 4095, 4096, 4097, 20000};

	return rnd_chance(r, 4) ? 100000 + rnd_below(r, 900000) : RND_PICK(r, sizes);
}

static void dress(const char *path, struct rnd *r, bool link)
{
	static const mode_t modes[] = {0644, 0755, 0600, 0444, 04755, 02755, 0777};
	char value[20];
	mode_t mode = RND_PICK(r, modes);
	uid_t owner = rnd_chance(r, 30) ? 1000 : 0;
	bool xattr = rnd_chance(r, 15);

	if (geteuid() == 0)
		MUST(lchown(path, owner, owner), path);
	if (link)
		return;
	MUST(chmod(path, mode), path);
	snprintf(value, sizeof(value), "%zu", rnd_below(r, 1000));
	if (xattr && lsetxattr(path, "user.mk", value, strlen(value), 0) && errno != EPERM && errno != EOPNOTSUPP)
		die("setxattr", path);
}

static void make_directory(const char *path, uint64_t seed)
{
	struct rnd r = {seed};

	MUST(mkdir(path, 0755), path);
	dress(path, &r, false);
	MUST(chmod(path, rnd_chance(&r, 20) ? 01777 : 0755), path);
}

/* One object that is no directory; the same from the same seed. */
static void make_object(const char *path, uint64_t seed)
{
	struct rnd r = {seed};
	bool root = geteuid() == 0;
	size_t kind = rnd_below(&r, 20);

	if (kind < 3) {
		MUST(symlink(kind ? "n1" : "../somewhere/else", path), path);
		dress(path, &r, true);
		return;
	}
	if (kind == 3)
		MUST(mkfifo(path, 0600), path);
	else if (kind == 4 && root)
		MUST(mknod(path, S_IFCHR | 0600, makedev(1, (unsigned)rnd_below(&r, 9) + 1)), path);
	else if (kind == 5 && root)
		MUST(mknod(path, S_IFBLK | 0600, makedev(7, 300)), path);
	else
		write_file(path, seed, pick_size(&r), kind == 6 && rnd_chance(&r, 30));
	dress(path, &r, false);
}

static void remove_tree(const char *path)
{
	struct stat st;
	struct dirent *e;
	DIR *dir;

	MUST(lstat(path, &st), path);
	if (!S_ISDIR(st.st_mode)) {
		MUST(unlink(path), path);
		return;
	}
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		char child[PATHS];

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		join(child, path, e->d_name);
		remove_tree(child);
	}
	if (dir)
		closedir(dir);
	MUST(rmdir(path), path);
}

/* ---- changes ---- */

static bool name_of(struct maker *m, const char *host, bool dirs, char name[NAME_MAX + 1])
{
	struct dirent **names = NULL;
	int n = scandir(host, &names, NULL, alphasort), wanted = 0, pick = -1;
	bool found;

	for (int i = 0; i < n; i++) {
		if (strcmp(names[i]->d_name, ".") == 0 || strcmp(names[i]->d_name, "..") == 0)
			names[i]->d_type = DT_UNKNOWN;
		wanted += names[i]->d_type != DT_UNKNOWN && (!dirs || names[i]->d_type == DT_DIR);
	}
	found = wanted > 0;
	if (found)
		pick = (int)rnd_below(&m->rnd, (size_t)wanted);
	for (int i = 0; i < n; i++) {
		if (names[i]->d_type != DT_UNKNOWN && (!dirs || names[i]->d_type == DT_DIR) && pick-- == 0)
			strcpy(name, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return found;
}

static const char *const areas[] = {"p0", "p1", "p2", "p3", "shared"};

static void pick_dir(struct maker *m, char rel[PATH_MAX])
{
	char host[PATHS], name[NAME_MAX + 1];

	strcpy(rel, RND_PICK(&m->rnd, areas));
	for (size_t depth = rnd_below(&m->rnd, 4); depth > 0; depth--) {
		in_merged(m, rel, host);
		if (!name_of(m, host, true, name))
			return;
		strcat(rel, "/");
		strcat(rel, name);
	}
}

/*
 * Is one of these files linked? Such names stay: the count of a lower file is the
 * layer's, so a name that another layer hides would still be counted.
 */
static bool has_links(const char *path)
{
	struct dirent *e;
	struct stat st;
	bool found = false;
	DIR *dir;

	MUST(lstat(path, &st), path);
	if (!S_ISDIR(st.st_mode))
		return st.st_nlink > 1;
	dir = opendir(path);
	while (dir && !found && (e = readdir(dir))) {
		char child[PATHS];

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		join(child, path, e->d_name);
		found = has_links(child);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Something that is there; false: nothing found that may be changed. */
static bool pick_existing(struct maker *m, char rel[PATH_MAX], bool dir)
{
	char host[PATHS], name[NAME_MAX + 1];
	struct stat st;

	pick_dir(m, rel);
	in_merged(m, rel, host);
	if (!name_of(m, host, dir, name))
		return false;
	strcat(rel, "/");
	strcat(rel, name);
	in_layer(m, rel, host);
	if (is_touched(m, rel) || lstat(host, &st) == 0)
		return false;
	in_merged(m, rel, host);
	return !has_links(host);
}

/* A name that is not there. */
static bool pick_new(struct maker *m, char rel[PATH_MAX])
{
	char host[PATHS];
	struct stat st;

	pick_dir(m, rel);
	snprintf(rel + strlen(rel), 32, "/n%zu", rnd_below(&m->rnd, 12));
	in_merged(m, rel, host);
	return lstat(host, &st) != 0 && !is_touched(m, rel);
}

static bool is_dir(const char *host)
{
	struct stat st;

	return lstat(host, &st) == 0 && S_ISDIR(st.st_mode);
}

static void fill_directory(struct maker *m, const char *rel, int depth)
{
	for (size_t n = rnd_below(&m->rnd, 5); n > 0; n--) {
		char child[PATH_MAX + 32], layer[PATHS], merged[PATHS];
		uint64_t seed = rnd_next(&m->rnd);
		bool dir = depth < 3 && rnd_chance(&m->rnd, 30);
		struct stat st;

		snprintf(child, sizeof(child), "%s/n%zu", rel, rnd_below(&m->rnd, 12));
		in_layer(m, child, layer);
		in_merged(m, child, merged);
		if (lstat(layer, &st) == 0)
			continue;
		if (dir) {
			make_directory(layer, seed);
			make_directory(merged, seed);
			fill_directory(m, child, depth + 1);
		} else {
			make_object(layer, seed);
			make_object(merged, seed);
		}
	}
}

/* Puts something new at a path of the layer and of the merged tree, where there is nothing any more. */
static void put_new(struct maker *m, const char *rel, bool dir)
{
	char layer[PATHS], merged[PATHS];
	uint64_t seed = rnd_next(&m->rnd);

	make_parents(m, rel);
	in_layer(m, rel, layer);
	in_merged(m, rel, merged);
	if (dir) {
		make_directory(layer, seed);
		make_directory(merged, seed);
		fill_directory(m, rel, 0);
	} else {
		make_object(layer, seed);
		make_object(merged, seed);
	}
	touch(m, rel);
}

static void change_add(struct maker *m)
{
	char rel[PATH_MAX];

	if (pick_new(m, rel))
		put_new(m, rel, rnd_chance(&m->rnd, 40));
}

static void change_link(struct maker *m)
{
	char rel[PATH_MAX], other[PATH_MAX], a[PATHS], b[PATHS];

	if (!m->links || !pick_new(m, rel))
		return;
	put_new(m, rel, false);
	if (!pick_new(m, other) || strncmp(rel, other, strcspn(rel, "/") + 1) != 0)
		return; /* each process of the tester has an area of its own */
	make_parents(m, other);
	in_layer(m, rel, a);
	in_layer(m, other, b);
	MUST(linkat(AT_FDCWD, a, AT_FDCWD, b, 0), b);
	in_merged(m, rel, a);
	in_merged(m, other, b);
	MUST(linkat(AT_FDCWD, a, AT_FDCWD, b, 0), b);
	touch(m, other);
}

static void make_whiteout(struct maker *m, const char *rel)
{
	const char *slash = strrchr(rel, '/');
	char layer[PATHS], path[PATH_MAX];

	if (m->convention == OVERLAY) {
		in_layer(m, rel, layer);
		MUST(mknod(layer, S_IFCHR, makedev(0, 0)), layer);
	} else if (m->convention == OCI) {
		snprintf(path, sizeof(path), "%.*s/.wh.%s", (int)(slash - rel), rel, slash + 1);
		in_layer(m, path, layer);
		write_file(layer, 0, 0, false);
	} else {
		in_layer(m, rel, layer);
		write_file(layer, 0, 0, false);
		MUST(lsetxattr(layer, "user.overlay.whiteout", "y", 1, 0), layer);
		*strrchr(layer, '/') = '\0';
		MUST(lsetxattr(layer, "user.overlay.opaque", "x", 1, 0), layer);
	}
}

static void change_remove(struct maker *m)
{
	char rel[PATH_MAX], merged[PATHS];

	if (!pick_existing(m, rel, rnd_chance(&m->rnd, 30)))
		return;
	make_parents(m, rel);
	make_whiteout(m, rel);
	in_merged(m, rel, merged);
	remove_tree(merged);
	touch(m, rel);
}

static void make_opaque(struct maker *m, const char *rel)
{
	char layer[PATHS], path[PATH_MAX + 32];

	in_layer(m, rel, layer);
	if (m->convention == OVERLAY) {
		MUST(lsetxattr(layer, "trusted.overlay.opaque", "y", 1, 0), layer);
	} else if (m->convention == USER) {
		MUST(lsetxattr(layer, rnd_chance(&m->rnd, 50) ? "user.overlay.opaque" : "user.fuseoverlayfs.opaque",
			       "y", 1, 0),
		     layer);
	} else {
		snprintf(path, sizeof(path), "%s/.wh..wh..opq", rel);
		in_layer(m, path, layer);
		write_file(layer, 0, 0, false);
	}
}

/* A directory anew: nothing of the old one shows. */
static void change_opaque(struct maker *m)
{
	char rel[PATH_MAX], merged[PATHS];

	if (!pick_existing(m, rel, true))
		return;
	in_merged(m, rel, merged);
	remove_tree(merged);
	put_new(m, rel, true);
	make_opaque(m, rel);
}

/* Something else in the place of something: types are never merged. */
static void change_replace(struct maker *m)
{
	char rel[PATH_MAX], merged[PATHS];
	bool was_dir;

	if (!pick_existing(m, rel, rnd_chance(&m->rnd, 25)))
		return;
	in_merged(m, rel, merged);
	was_dir = is_dir(merged);
	remove_tree(merged);
	put_new(m, rel, !was_dir && rnd_chance(&m->rnd, 40));
}

static void change_mode(struct maker *m)
{
	char rel[PATH_MAX + 2], path[PATHS];
	mode_t mode = rnd_chance(&m->rnd, 50) ? 0711 : 0775;

	pick_dir(m, rel);
	if (is_touched(m, rel))
		return;
	strcat(rel, "/");
	make_parents(m, rel);
	in_layer(m, rel, path);
	MUST(chmod(path, mode), path);
	in_merged(m, rel, path);
	MUST(chmod(path, mode), path);
}

/* ---- times ---- */

static bool is_marker(const char *host, const char *name)
{
	struct stat st;

	if (strncmp(name, ".wh.", 4) == 0 || lstat(host, &st))
		return true;
	if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0))
		return true;
	return lgetxattr(host, "user.overlay.whiteout", NULL, 0) >= 0;
}

/* Every object of the layer gets a time of its own, and so does what shows it. */
static void set_times(struct maker *m, const char *rel)
{
	char host[PATHS], merged[PATHS];
	struct dirent *e;
	struct timespec t[2];
	DIR *dir;

	in_layer(m, rel, host);
	in_merged(m, rel, merged);
	dir = is_dir(host) ? opendir(host) : NULL;
	while (dir && (e = readdir(dir))) {
		char child[PATH_MAX], child_host[PATHS];

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (snprintf(child, sizeof(child), "%s%s%s", rel, *rel ? "/" : "", e->d_name) >= (int)sizeof(child))
			die("path", rel);
		in_layer(m, child, child_host);
		if (!is_marker(child_host, e->d_name))
			set_times(m, child);
	}
	if (dir)
		closedir(dir);
	t[0] = t[1] = (struct timespec){1000000000 + m->made++, 123456789};
	MUST(utimensat(AT_FDCWD, host, t, AT_SYMLINK_NOFOLLOW), host);
	MUST(utimensat(AT_FDCWD, merged, t, AT_SYMLINK_NOFOLLOW), merged);
}

/* ---- layers ---- */

static void make_bottom(struct maker *m, size_t ops)
{
	for (size_t i = 0; i < sizeof(areas) / sizeof(areas[0]); i++) {
		char path[PATHS];

		in_layer(m, areas[i], path);
		MUST(mkdir(path, 0755), path);
		in_merged(m, areas[i], path);
		MUST(mkdir(path, 0755), path);
	}
	for (size_t i = 0; i < ops * 3; i++) {
		if (rnd_chance(&m->rnd, 10))
			change_link(m);
		else
			change_add(m);
	}
}

static void make_changes(struct maker *m, size_t ops)
{
	static void (*const changes[])(struct maker * m) = {change_add,    change_add,     change_remove, change_remove,
							    change_opaque, change_replace, change_mode,   change_link};

	for (size_t i = 0; i < ops; i++)
		RND_PICK(&m->rnd, changes)(m);
}

static void make_layer(struct maker *m, size_t number, size_t layers, size_t ops)
{
	snprintf(m->layer, sizeof(m->layer), "%s/%zu", m->out, number);
	MUST(mkdir(m->layer, 0755), m->layer);
	if (number + 1 == layers)
		make_bottom(m, ops);
	else
		make_changes(m, ops);
	set_times(m, "");
	touch_none(m);
}

static int usage(void)
{
	fputs("usage: mklayers [-s SEED] [-n LAYERS] [-c overlay|user|oci|mixed] [-o OPS] [-k] OUT\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"overlay", "user", "oci", "mixed"};
	struct maker m = {.links = true};
	size_t layers = 3, ops = 25, convention = 0;
	int c;

	while ((c = getopt(argc, argv, "s:n:c:o:k")) != -1) {
		switch (c) {
		case 's':
			m.rnd.state = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			layers = strtoull(optarg, NULL, 0);
			break;
		case 'o':
			ops = strtoull(optarg, NULL, 0);
			break;
		case 'k':
			m.links = false;
			break;
		case 'c':
			for (convention = 0; convention < 4 && strcmp(names[convention], optarg) != 0;)
				convention++;
			if (convention < 4)
				break;
			return usage();
		default:
			return usage();
		}
	}
	if (optind + 1 != argc || layers == 0)
		return usage();
	umask(0);
	m.out = argv[optind];
	if (mkdir(m.out, 0755) && errno != EEXIST)
		die("mkdir", m.out);
	snprintf(m.merged, sizeof(m.merged), "%s/merged", m.out);
	MUST(mkdir(m.merged, 0755), m.merged);
	for (size_t i = layers; i-- > 0;) {
		m.convention = convention == CONVENTIONS ? (enum convention)(i % CONVENTIONS) : (enum convention)convention;
		make_layer(&m, i, layers, ops);
	}
	for (size_t i = 0; i < layers; i++)
		printf("%s%s/%zu", i ? ":" : "", m.out, i);
	putchar('\n');
	free(m.touched);
	return 0;
}
