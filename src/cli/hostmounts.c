// SPDX-License-Identifier: Apache-2.0
#include "cli/hostmounts.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/scope.h"
#include "cli/layers.h"

static const char *const hostmounts_live[] = {"/proc", "/sys", "/dev"};
static const char *const hostmounts_empty[] = {"/tmp", "/var/tmp", "/run"};

static bool hostmounts_in(const char *const list[3], const char *path)
{
	for (int i = 0; i < 3; i++) {
		if (strcmp(list[i], path) == 0)
			return true;
	}
	return false;
}

static int hostmounts_add(struct hostmounts *h, const char *path, enum hostmount_kind kind)
{
	struct hostmount *v;

	/* Below (or again at) a mount that is shown already: comes along with it. */
	for (size_t i = 0; i < h->n; i++) {
		if (layers_inside(path, h->v[i].path))
			return 0;
	}
	v = reallocarray(h->v, h->n + 1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	h->v = v;
	v[h->n].kind = kind;
	v[h->n].path = strdup(path);
	return v[h->n].path ? (h->n++, 0) : -ENOMEM;
}

/* The mount point of a mountinfo line, its octal escapes resolved; "" when the line has none. */
static void hostmounts_path(const char *line, char *out, size_t size)
{
	size_t n = 0;

	for (int field = 0; field < 4; field++) {
		line += strcspn(line, " \n");
		line += *line == ' ';
	}
	while (*line && *line != ' ' && *line != '\n' && n + 1 < size) {
		unsigned c;

		if (sscanf(line, "\\%3o", &c) == 1) {
			out[n++] = (char)c;
			line += 4;
		} else {
			out[n++] = *line++;
		}
	}
	out[n] = 0;
}

/*
 * Kinds that are left out: others serve or arrange them for somebody, and a copy
 * in the view would keep them alive after they were unmounted. (What lies inside of
 * a mount that is shown comes along.)
 */
static bool hostmounts_unwanted(const char *line)
{
	static const char *const types[] = {"fuse ", "fuse.", "overlay ", "autofs ", "nsfs "};
	size_t n = strcspn(line, "\n");
	const char *type = memmem(line, n, " - ", 3);

	for (size_t i = 0; type && i < VN_ARRAY_LEN(types); i++) {
		if (strncmp(type + 3, types[i], strlen(types[i])) == 0)
			return true;
	}
	return false;
}

static int hostmounts_choose_line(struct hostmounts *h, const char *line)
{
	char path[PATH_MAX];

	hostmounts_path(line, path, sizeof(path));
	if (path[0] != '/' || !path[1] || hostmounts_unwanted(line))
		return 0;
	return hostmounts_add(h, path, hostmounts_in(hostmounts_empty, path) ? HOSTMOUNT_EMPTY : HOSTMOUNT_LOCKED);
}

int hostmounts_choose(struct hostmounts *h, const char *mountinfo, bool all)
{
	int ret = 0;

	*h = (struct hostmounts){0};
	for (int i = 0; i < 3 && ret == 0; i++)
		ret = hostmounts_add(h, hostmounts_live[i], HOSTMOUNT_LIVE);
	for (const char *line = mountinfo; all && ret == 0 && *line; line += *line == '\n') {
		ret = hostmounts_choose_line(h, line);
		line += strcspn(line, "\n");
	}
	if (ret < 0)
		hostmounts_fini(h);
	return ret;
}

void hostmounts_fini(struct hostmounts *h)
{
	for (size_t i = 0; i < h->n; i++)
		free(h->v[i].path);
	free(h->v);
	*h = (struct hostmounts){0};
}

/* Puts a copy of the host's mount at `path`, with all that is mounted in it, on the place that `at` holds. */
static int hostmounts_bind(const char *path, int at, bool locked)
{
	struct mount_attr readonly = {.attr_set = MOUNT_ATTR_RDONLY};
	vn_autoclose int tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	if (tree < 0)
		return -errno;
	if (locked && mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &readonly, sizeof(readonly)) < 0)
		return -errno;
	if (move_mount(tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

static int hostmounts_tmpfs(int at, const char *options, unsigned long flags)
{
	char place[32];

	snprintf(place, sizeof(place), "/proc/self/fd/%d", at);
	return mount("tmpfs", place, "tmpfs", flags, options) < 0 ? -errno : 0;
}

static int hostmounts_attach_one(const struct hostmount *m, int rootfd)
{
	vn_autoclose int at = vn_open_beneath(rootfd, m->path + 1, O_PATH);

	if (at < 0)
		return 0;
	if (m->kind == HOSTMOUNT_EMPTY)
		return hostmounts_tmpfs(at, strcmp(m->path, "/run") == 0 ? "mode=755" : "mode=1777", MS_NOSUID | MS_NODEV);
	if (m->kind == HOSTMOUNT_LIVE)
		return hostmounts_bind(m->path, at, false);
	/* One that is hidden by another, unbindable or closed to us: its place stays as the tree has it. */
	hostmounts_bind(m->path, at, true);
	return 0;
}

/* Makes every directory of path below rootfd; those that are there stay. */
static void hostmounts_mkdirs(int rootfd, const char *path)
{
	char part[PATH_MAX];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		if (mkdirat(rootfd, part, 0755) < 0 && errno != EEXIST)
			return;
	}
	mkdirat(rootfd, path, 0755);
}

/* /etc/resolv.conf often leads into /run: shows that directory, so that names can be resolved. */
static void hostmounts_resolver(int rootfd)
{
	vn_autofree char *file = realpath("/etc/resolv.conf", NULL);
	vn_autoclose int at = -1;
	char *slash = file ? strrchr(file, '/') : NULL;

	if (!slash || !layers_inside(file, "/run"))
		return;
	*slash = 0;
	if (strcmp(file, "/run") == 0)
		return;
	hostmounts_mkdirs(rootfd, file + 1);
	at = vn_open_beneath(rootfd, file + 1, O_PATH | O_DIRECTORY);
	if (at >= 0)
		hostmounts_bind(file, at, true); /* without it names do not resolve; the rest works */
}

/* An upper that a read-only mount shows is covered: it is no part of the tree. */
static int hostmounts_cover(const char *hide, int rootfd)
{
	vn_autoclose int at = vn_open_beneath(rootfd, hide + 1, O_PATH | O_DIRECTORY);

	return at < 0 ? 0 : hostmounts_tmpfs(at, "mode=000,size=4k", MS_RDONLY);
}

int hostmounts_attach(const struct hostmounts *h, int rootfd, const char *hide, struct vn_err *err)
{
	bool covered = false;

	for (size_t i = 0; i < h->n; i++) {
		int ret = hostmounts_attach_one(&h->v[i], rootfd);

		if (ret < 0)
			return vn_err_sys(err, ret, "cannot show the host's %s in the tree", h->v[i].path);
		if (h->v[i].kind == HOSTMOUNT_EMPTY && strcmp(h->v[i].path, "/run") == 0)
			hostmounts_resolver(rootfd);
		covered |= hide && h->v[i].kind == HOSTMOUNT_LOCKED && layers_inside(hide, h->v[i].path);
	}
	if (covered) {
		int ret = hostmounts_cover(hide, rootfd);

		if (ret < 0)
			return vn_err_sys(err, ret, "cannot hide the upper directory '%s'", hide);
	}
	return 0;
}
