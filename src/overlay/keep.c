// SPDX-License-Identifier: Apache-2.0
#include "overlay/keep.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>
#endif

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/thread.h"

#define QUIET_MS 200 /* nobody has looked into a directory for so long */

struct ovl_keep {
	int dirfd; /* where a view is to be made */
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping;
	uint64_t seen; /* the tree's activity when it was last looked at; the thread's */
};

/* ---- finding the place ---- */

/* A descriptor of the directory. make: it may be made. -ENOENT. */
static int keep_dir_at(int dirfd, const char *path, bool make)
{
	if (make && mkdirat(dirfd, path, 0700) < 0 && errno != EEXIST)
		return -errno;
	return vn_open_at(dirfd, path, O_RDONLY | O_DIRECTORY, 0);
}

static bool keep_in_upper(const struct ovl_config *config)
{
	return !config->base_cache || !*config->base_cache;
}

/* Is one to be made where there is none? Nothing is made in an upper that is only looked at. */
static bool keep_wanted(const struct ovl_config *config)
{
	return config->make_base_cache && !(keep_in_upper(config) && config->readonly);
}

static int keep_dir(struct ovl_tree *t, const struct ovl_config *config)
{
	if (!keep_in_upper(config))
		return keep_dir_at(AT_FDCWD, config->base_cache, keep_wanted(config));
	return config->upper ? keep_dir_at(store_dirfd(t->store), OVL_KEEP_DIR, keep_wanted(config)) : -ENOENT;
}

/* What is said of a view that is there and cannot be used; NULL: nothing. */
static const char *keep_trouble(int r)
{
	switch (r) {
	case -EUCLEAN:
		return "is damaged";
	case -ESTALE:
		return "is of lower directories that have changed since";
	case -EPROTONOSUPPORT:
		return "was made by another version or on another kind of machine";
	case -EPERM:
	case -ELOOP:
		return "could have been written by others";
	default:
		return r == -ENOENT || !r ? NULL : strerror(-r);
	}
}

static int keep_new(struct ovl_tree *t, int *fd)
{
	struct ovl_keep *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->dirfd = vn_steal_fd(fd);
	pthread_mutex_init(&k->lock, NULL);
	vn_cond_init(&k->wake);
	t->keep = k;
	return 0;
}

int ovl_keep_open(struct ovl_tree *t, const struct ovl_config *config, struct vn_err *err)
{
	vn_autoclose int fd = config->no_base_cache ? -ENOENT : keep_dir(t, config);
	const char *trouble;
	int r;

	if (config->make_base_cache && keep_in_upper(config) && !config->upper)
		return vn_err_set(err, -EINVAL,
				  "a base cache lies in the upper directory, and there is none: name a directory, basecache=DIR");
	if (fd < 0 && keep_wanted(config) && !config->no_base_cache)
		return vn_err_sys(err, fd, "cannot open the base cache '%s'",
				  keep_in_upper(config) ? OVL_KEEP_DIR : config->base_cache);
	if (fd < 0)
		return 0;
	r = base_keep_use(t->base, fd);
	trouble = keep_trouble(r);
	if (trouble)
		vn_warn("the kept view of the lower directories %s: they are read instead", trouble);
	return r && keep_wanted(config) ? keep_new(t, &fd) : 0;
}

/* ---- making it ---- */

static void keep_lowest_priority(void)
{
	vn_thread_nice(19);
#ifdef __linux__
	enum { IOPRIO_WHO_PROCESS = 1, IOPRIO_IDLE = 3 << 13 };

	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE);
#endif
}

/* Whoever looks into directories that were not looked into before makes nodes. */
static uint64_t keep_activity(struct ovl_tree *t)
{
	return atomic_load_explicit(&t->node_count, memory_order_relaxed);
}

static void keep_sleep(struct ovl_keep *k)
{
	vn_cond_wait_until(&k->wake, &k->lock, vn_mono_ns() + QUIET_MS * INT64_C(1000000));
}

/* Waits while there is something to do for others. 1: the tree is closing. */
static int keep_pace(void *arg)
{
	struct ovl_tree *t = arg;
	struct ovl_keep *k = t->keep;
	bool stopping;

	pthread_mutex_lock(&k->lock);
	while (!k->stopping && k->seen != keep_activity(t)) {
		k->seen = keep_activity(t);
		keep_sleep(k);
	}
	stopping = k->stopping;
	pthread_mutex_unlock(&k->lock);
	return stopping;
}

static void *keep_main(void *arg)
{
	struct ovl_tree *t = arg;
	struct base_made made;
	int r;

	keep_lowest_priority();
	t->keep->seen = UINT64_MAX; /* the first look waits */
	r = keep_pace(t);
	if (!r)
		r = base_keep_make(t->base, t->keep->dirfd, keep_pace, t, &made);
	if (!r)
		vn_info("kept a view of %llu directories and %llu names of the lower directories: %s",
			(unsigned long long)made.directories, (unsigned long long)made.names, made.file);
	else if (r == -EXDEV)
		vn_warn("no view of the lower directories can be kept: the upper directory lies inside one of them");
	else if (r < 0 && r != -EBUSY)
		vn_warn("cannot keep a view of the lower directories: %s", strerror(-r));
	return NULL;
}

int ovl_keep(struct ovl_tree *t, const char *dir, struct ovl_kept *out, struct vn_err *err)
{
	vn_autoclose int fd = keep_dir_at(dir ? AT_FDCWD : store_dirfd(t->store), dir ? dir : OVL_KEEP_DIR, true);
	struct base_made made;
	int r;

	if (fd < 0)
		return vn_err_sys(err, fd, "cannot open the base cache '%s'", dir ? dir : OVL_KEEP_DIR);
	r = base_keep_make(t->base, fd, NULL, NULL, &made);
	if (!r) {
		*out = (struct ovl_kept){made.directories, made.names, made.bytes, {0}};
		strlcpy(out->file, made.file, sizeof(out->file));
	}
	if (r == -EXDEV)
		return vn_err_set(err, r, "the upper directory lies inside one of the lower directories: move it elsewhere");
	if (r == -ESTALE)
		return vn_err_set(err, r, "a lower directory was changed while it was read: try again when it is at rest");
	if (r == -EBUSY)
		return vn_err_set(err, r, "another process is keeping a view of these lower directories just now");
	return r && r != -EALREADY ? vn_err_sys(err, r, "cannot keep a view of the lower directories") : r;
}

void ovl_keep_share(const char *from, const char *to)
{
	vn_autoclose int up = vn_open_at(AT_FDCWD, to, O_RDONLY | O_DIRECTORY, 0);
	vn_autoclose int old = vn_open_at(AT_FDCWD, from, O_RDONLY | O_DIRECTORY, 0);
	vn_autoclose int there = old < 0 ? -1 : vn_open_at(old, OVL_KEEP_DIR, O_RDONLY | O_DIRECTORY, 0);
	vn_autoclose int here = up < 0 || there < 0 ? -1 : keep_dir_at(up, OVL_KEEP_DIR, true);
	vn_autoclosedir DIR *d = here < 0 ? NULL : fdopendir(fcntl(there, F_DUPFD_CLOEXEC, 0));
	struct dirent *e;

	while (d && (e = readdir(d))) {
		size_t len = strlen(e->d_name);

		if (len > sizeof(OVL_KEEP_SUFFIX) && strcmp(e->d_name + len + 1 - sizeof(OVL_KEEP_SUFFIX), OVL_KEEP_SUFFIX) == 0)
			linkat(there, e->d_name, here, e->d_name, 0);
	}
}

int ovl_keep_start(struct ovl_tree *t)
{
	int r;

	if (!t->keep)
		return 0;
	r = pthread_create(&t->keep->thread, NULL, keep_main, t);
	t->keep->running = !r;
	return -r;
}

void ovl_keep_close(struct ovl_tree *t)
{
	struct ovl_keep *k = t->keep;

	if (!k)
		return;
	if (k->running) {
		pthread_mutex_lock(&k->lock);
		k->stopping = true;
		pthread_cond_signal(&k->wake);
		pthread_mutex_unlock(&k->lock);
		pthread_join(k->thread, NULL);
	}
	close(k->dirfd);
	pthread_cond_destroy(&k->wake);
	pthread_mutex_destroy(&k->lock);
	free(k);
	t->keep = NULL;
}
