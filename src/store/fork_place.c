// SPDX-License-Identifier: Apache-2.0
/*
 * Where a fork is put. It is built beside its place, in a hidden directory that
 * is named after it, and renamed when it is whole. Whoever builds holds a lock of
 * that directory; what a builder that died has left is removed by the next one.
 */
#include "store/head.h"
#include "store/state.h"

#include "base/fd.h"
#include "base/hash.h"
#include "base/scope.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

char *fork_absolute(const char *dir)
{
	vn_autofree char *here = *dir == '/' ? NULL : getcwd(NULL, 0);
	char *path = NULL;

	if (!here)
		return strdup(dir);
	return asprintf(&path, "%s/%s", here, dir) < 0 ? NULL : path;
}

/* The last component, without slashes behind it; "" where there is none that can be made. */
static const char *place_name(char *path)
{
	size_t n = strlen(path);
	char *name;

	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
	name = strrchr(path, '/');
	name = name ? name + 1 : path;
	return !strcmp(name, ".") || !strcmp(name, "..") ? "" : name;
}

char *fork_real(const char *dir, struct vn_err *err)
{
	vn_autofree char *path = fork_absolute(dir);
	const char *name = path ? place_name(path) : "";
	vn_autofree char *parent = NULL;
	char *real = NULL;

	if (!path || !*dir || !*name) {
		vn_err_set(err, path ? -EINVAL : -ENOMEM, "'%s' cannot be the name of a fork; name a new directory", dir);
		return NULL;
	}
	if (strlen(name) > NAME_MAX) {
		vn_err_set(err, -ENAMETOOLONG, "the name %s is too long for a directory", name);
		return NULL;
	}
	parent = strndup(path, (size_t)(name - path));
	if (parent)
		real = realpath(parent, NULL);
	if (!real) {
		vn_err_sys(err, -errno, "cannot make a fork in %s", parent ? parent : dir);
		return NULL;
	}
	free(parent);
	parent = real;
	if (asprintf(&real, "%s/%s", strcmp(parent, "/") ? parent : "", name) < 0)
		real = NULL;
	return real;
}

char *fork_building(const char *place)
{
	const char *name = strrchr(place, '/');
	char *path = NULL;

	if (!name || asprintf(&path, "%.*s/.veneer-fork-%016" PRIx64, (int)(name - place), place,
			      vn_checksum(0, name + 1, strlen(name + 1))) < 0)
		return NULL;
	return path;
}

static bool place_has(const char *dir, const char *name)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/%s", dir, name) < (int)sizeof(path) && access(path, F_OK) == 0;
}

/* Also while its index is being replaced. */
static bool place_is_upper(const char *dir)
{
	return place_has(dir, "lock") && (place_has(dir, "index.db") || place_has(dir, "chain"));
}

/* Cuts the last component off an absolute path, which ends as "". */
static void place_up(char *path)
{
	*strrchr(path, '/') = '\0';
}

static int place_check_outside(const char *place, const char *given, struct vn_err *err)
{
	vn_autofree char *dir = strdup(place);

	if (!dir)
		return -ENOMEM;
	for (place_up(dir); *dir; place_up(dir)) {
		if (place_is_upper(dir))
			return vn_err_set(err, -EINVAL, "%s would lie inside the upper %s; name a directory outside of it",
					  given, dir);
	}
	return 0;
}

static int place_check_writable(const char *place, const char *given, struct vn_err *err)
{
	vn_autofree char *dir = strdup(place);

	if (!dir)
		return -ENOMEM;
	place_up(dir);
	if (faccessat(AT_FDCWD, *dir ? dir : "/", W_OK | X_OK, AT_EACCESS) < 0)
		return vn_err_sys(err, -errno, "cannot make the fork %s", given);
	return 0;
}

/* An empty directory can be given, as a new layer can be made in one. */
static int place_check_free(const char *place, const char *given, struct vn_err *err)
{
	vn_autoclosedir DIR *d = opendir(place);
	struct dirent *e;
	struct stat st;
	bool free_ = d && lstat(place, &st) == 0 && S_ISDIR(st.st_mode);

	if (!d && errno == ENOENT && lstat(place, &st) < 0)
		return 0;
	while (free_ && (e = readdir(d)))
		free_ = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
	if (free_)
		return 0;
	return vn_err_set(err, -EEXIST, "%s exists already; name a new directory for the fork", given);
}

int fork_check_place(const char *dir, char **place, struct vn_err *err)
{
	vn_autofree char *real = fork_real(dir, err);
	int rc;

	if (!real)
		return err && err->code ? err->code : -ENOENT;
	rc = place_check_free(real, dir, err);
	if (!rc)
		rc = place_check_outside(real, dir, err);
	if (!rc)
		rc = place_check_writable(real, dir, err);
	if (!rc)
		*place = vn_steal_ptr(&real);
	return rc;
}

/* Is it still the directory of that name, and not one that has been put into its place? */
static bool place_named(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && lstat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int place_empty(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vn_autoclosedir DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;
	int rc = 0;

	if (!d) {
		rc = -errno;
		if (copy >= 0)
			close(copy);
		return rc;
	}
	while (!rc && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			rc = head_remove_tree(fd, e->d_name);
	}
	return rc;
}

int fork_begin_building(const char *path)
{
	vn_autoclose int fd = -1;
	int rc;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return -EBUSY;
	if (!place_named(fd, path))
		return -EBUSY;
	rc = place_empty(fd);
	return rc ? rc : vn_steal_fd(&fd);
}
