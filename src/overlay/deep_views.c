// SPDX-License-Identifier: Apache-2.0
/* Kept views (kept.h) rely on lowers that do not change; whoever walks these knows whether they have. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/scope.h"
#include "overlay/deep_places.h"
#include "overlay/keep.h"
#include "lower/layer.h"

struct views {
	int dirfd;
	int64_t newest;
	ovl_problem_fn problem;
	void *arg;
};

static bool views_is_one(const struct views *v, const struct layer_dent *e, struct stat *st)
{
	size_t suffix = strlen(OVL_KEEP_SUFFIX);

	return e->len > suffix && strcmp(e->name + e->len - suffix, OVL_KEEP_SUFFIX) == 0 &&
	       fstatat(v->dirfd, e->name, st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st->st_mode);
}

static int views_one(void *arg, const struct layer_dent *e)
{
	struct views *v = arg;
	vn_autofree char *text = NULL;
	struct stat st;

	if (!views_is_one(v, e, &st) || vn_ns_from_ts(&vn_st_mtim(&st)) >= v->newest)
		return 0;
	if (!v->problem)
		return unlinkat(v->dirfd, e->name, 0) < 0 && errno != ENOENT ? -errno : 0;
	if (asprintf(&text, "the kept view '" OVL_KEEP_DIR "/%s' in the upper directory is older than the newest change in the lower "
			    "directories: --record removes it, and 'veneer index' makes a new one", e->name) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	v->problem(v->arg, text);
	return 0;
}

int deep_views(struct ovl_tree *t, int64_t newest, ovl_problem_fn problem, void *arg)
{
	vn_autoclose int dirfd = vn_open_at(store_dirfd(t->store), OVL_KEEP_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	struct views v = {dirfd, newest, problem, arg};

	if (dirfd == -ENOENT)
		return 0;
	return dirfd < 0 ? dirfd : layer_read_dir(dirfd, views_one, &v);
}
