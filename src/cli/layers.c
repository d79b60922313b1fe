// SPDX-License-Identifier: Apache-2.0
#include "cli/layers.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cfg.h"
#include "base/err.h"
#include "base/scope.h"

bool layers_inside(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	while (n > 0 && dir[n - 1] == '/')
		n--;
	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == 0);
}

int layers_directory(const char *what, const char *path, char **out, struct vn_err *err)
{
	vn_autofree char *real = realpath(path, NULL);
	struct stat st;

	if (!real && errno == ENOENT)
		return vn_err_set(err, -ENOENT, "%s '%s' does not exist", what, path);
	if (!real || stat(real, &st) < 0)
		return vn_err_sys(err, -errno, "cannot reach %s '%s'", what, path);
	if (!S_ISDIR(st.st_mode))
		return vn_err_set(err, -ENOTDIR, "%s '%s' is not a directory", what, path);
	*out = vn_steal_ptr(&real);
	return 0;
}

static int layers_lowers(struct layers *l, const struct words *lowers, struct vn_err *err)
{
	for (size_t i = 0; i < lowers->n; i++) {
		vn_autofree char *real = NULL;
		int ret = layers_directory("lower directory", lowers->v[i], &real, err);

		if (ret < 0)
			return ret;
		if (access(real, R_OK | X_OK) < 0)
			return vn_err_sys(err, -errno, "cannot read lower directory '%s'", lowers->v[i]);
		if (words_add(&l->lowers, real, strlen(real)) < 0)
			return vn_err_sys(err, -ENOMEM, "cannot open lower directory '%s'", lowers->v[i]);
	}
	return 0;
}

static int layers_readonly(const char *upper, struct vn_err *err)
{
	return vn_err_set(err, -EROFS,
			  "upper directory '%s' is on a read-only file system: choose one that can be written", upper);
}

/* The absolute path of an upper that is yet to be made: its parent must exist. */
static int layers_missing_upper(struct layers *l, const char *upper, struct vn_err *err)
{
	vn_autofree char *copy = strdup(upper);
	vn_autofree char *parent = NULL;
	char *name;
	int ret;

	if (!copy)
		return vn_err_sys(err, -ENOMEM, "cannot open upper directory '%s'", upper);
	for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
		copy[n - 1] = 0;
	name = strrchr(copy, '/');
	if (name)
		*name++ = 0;
	ret = layers_directory("parent of the upper directory", !name ? "." : *copy ? copy : "/", &parent, err);
	if (ret < 0)
		return ret;
	if (access(parent, W_OK | X_OK) < 0 && errno == EROFS)
		return layers_readonly(upper, err);
	if (access(parent, W_OK | X_OK) < 0)
		return vn_err_sys(err, -errno, "cannot make upper directory '%s'", upper);
	if (asprintf(&l->upper, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, name ? name : copy) < 0) {
		l->upper = NULL;
		return vn_err_sys(err, -ENOMEM, "cannot open upper directory '%s'", upper);
	}
	l->upper_was = UPPER_MISSING;
	return 0;
}

/* Does the directory hold nothing, a writable layer, or something that is not ours? */
static int layers_look(struct layers *l, bool create, struct vn_err *err)
{
	vn_autoclosedir DIR *dir = opendir(l->upper);
	const struct dirent *d;
	bool empty = true, ours = false;

	if (!dir)
		return vn_err_sys(err, -errno, "cannot read upper directory '%s'", l->upper);
	while ((d = readdir(dir))) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		empty = false;
		ours |= strcmp(d->d_name, "index.db") == 0 || strcmp(d->d_name, "lock") == 0;
	}
	if (!empty && !ours && !create)
		return vn_err_set(err, -ENOTEMPTY, "'%s' is not a writable layer of veneer", l->upper);
	if (!empty && !ours)
		return vn_err_set(err, -ENOTEMPTY,
				  "upper directory '%s' holds files that are not a writable layer of veneer: name an empty or a new directory",
				  l->upper);
	l->upper_was = empty ? UPPER_EMPTY : UPPER_USED;
	return 0;
}

/* A lower may hold the upper (it is left out of the tree), never the reverse. */
static int layers_apart(const struct layers *l, struct vn_err *err)
{
	for (size_t i = 0; l->upper && i < l->lowers.n; i++) {
		if (strcmp(l->lowers.v[i], l->upper) == 0)
			return vn_err_set(err, -EINVAL,
					  "'%s' is given both as a lower and as the upper directory: name two", l->upper);
		if (layers_inside(l->lowers.v[i], l->upper))
			return vn_err_set(err, -EINVAL,
					  "lower directory '%s' lies inside the upper directory '%s': choose an upper elsewhere",
					  l->lowers.v[i], l->upper);
	}
	return 0;
}

static int layers_upper(struct layers *l, const char *upper, bool create, bool readonly, struct vn_err *err)
{
	struct stat st;
	int ret;

	if (stat(upper, &st) < 0 && errno == ENOENT)
		return create && *upper ? layers_missing_upper(l, upper, err)
			      : vn_err_set(err, -ENOENT, "upper directory '%s' does not exist", upper);
	ret = layers_directory("upper directory", upper, &l->upper, err);
	if (ret == 0)
		ret = layers_apart(l, err);
	if (ret == 0)
		ret = layers_look(l, create, err);
	if (ret < 0 || readonly)
		return ret;
	if (access(l->upper, W_OK | X_OK) < 0 && errno == EROFS)
		return layers_readonly(upper, err);
	if (access(l->upper, W_OK | X_OK) < 0)
		return vn_err_sys(err, -errno, "cannot write to upper directory '%s'", upper);
	return 0;
}

int layers_resolve(struct layers *l, const struct words *lowers, const char *upper, bool create, bool readonly,
		   struct vn_err *err)
{
	int ret;

	*l = (struct layers){.upper_was = UPPER_NONE};
	ret = layers_lowers(l, lowers, err);
	if (ret == 0 && upper)
		ret = layers_upper(l, upper, create, readonly, err);
	if (ret < 0)
		layers_fini(l);
	return ret;
}

void layers_fini(struct layers *l)
{
	words_fini(&l->lowers);
	free(l->upper);
	l->upper = NULL;
}

static int layers_remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path) < 0 ? -errno : 0;
}

int layers_remove(const char *path)
{
	if (!*path || strcmp(path, "/") == 0)
		return -EINVAL;
	int ret = nftw(path, layers_remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);

	return ret == -1 ? -errno : ret;
}

void layers_undo(const struct layers *l)
{
	if (l->upper_was == UPPER_MISSING)
		rmdir(l->upper);
}
