// SPDX-License-Identifier: Apache-2.0
/* Opening the stack of lowers. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/scope.h"
#include "lower/ahead.h"
#include "lower/base_kept.h"

#define CACHE_MAX 256 /* descriptors of directories, for all layers together */
#define CACHE_MIN 16
#define OTHERS 128 /* what the rest of the process needs at least */
#define LAYERS_MAX 65535

/* ---- limits ---- */

/* Raises the soft limit if need be; sets how many descriptors the cache may keep. */
static int open_limit(size_t nlowers, size_t *cache, struct vn_err *err)
{
	struct rlimit lim;
	size_t want = nlowers + CACHE_MAX + OTHERS;

	*cache = CACHE_MAX;
	if (getrlimit(RLIMIT_NOFILE, &lim) || lim.rlim_cur == RLIM_INFINITY || lim.rlim_cur >= want)
		return 0;
	if (lim.rlim_max == RLIM_INFINITY || lim.rlim_max >= want) {
		lim.rlim_cur = want;
		if (setrlimit(RLIMIT_NOFILE, &lim) == 0)
			return 0;
	}
	if (lim.rlim_max < nlowers + CACHE_MIN + OTHERS)
		return vn_err_set(err, -EMFILE,
				  "%zu lower directories need %zu open files and the limit is %llu; raise it (ulimit -Hn)",
				  nlowers, nlowers + CACHE_MIN + OTHERS, (unsigned long long)lim.rlim_max);
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	*cache = lim.rlim_max - nlowers - OTHERS;
	if (*cache > CACHE_MAX)
		*cache = CACHE_MAX;
	return 0;
}

/* ---- the directory that must not show ---- */

static int open_exclude(struct base *b, const char *path, char **real, struct vn_err *err)
{
	struct layer_stat st;
	int rc;

	*real = realpath(path, NULL);
	if (!*real)
		return vn_err_sys(err, -errno, "cannot find the upper directory %s", path);
	rc = layer_stat(AT_FDCWD, *real, &st);
	if (rc)
		return vn_err_sys(err, rc, "cannot look at the upper directory %s", path);
	b->exclude_name = strdup(strrchr(*real, '/') + 1);
	if (!b->exclude_name)
		return vn_err_sys(err, -ENOMEM, "cannot look at the upper directory %s", path);
	b->exclude_dev = st.dev;
	b->exclude_ino = st.ino;
	b->has_exclude = true;
	return 0;
}

/* The upper may lie in a lower, but a lower not in the upper: it would be changed while it is read. */
static int open_check_inside(const struct base *b, const struct layer *l, const char *real, struct vn_err *err)
{
	vn_autofree char *lower = NULL;
	size_t len;

	if (!b->has_exclude)
		return 0;
	if (l->dev == b->exclude_dev && l->ino == b->exclude_ino)
		return vn_err_set(err, -EINVAL,
				  "%s is both a lower directory and the upper; give the upper one of its own", l->path);
	lower = realpath(l->path, NULL);
	len = strlen(real);
	if (lower && strncmp(lower, real, len) == 0 && lower[len] == '/')
		return vn_err_set(err, -EINVAL, "lower directory %s lies inside the upper %s; move one of them",
				  l->path, real);
	return 0;
}

/* ---- opening and closing ---- */

static int open_layers(struct base *b, const struct base_config *config, struct vn_err *err)
{
	vn_autofree char *real = NULL;
	int rc = config->exclude ? open_exclude(b, config->exclude, &real, err) : 0;

	for (size_t i = 0; i < config->nlowers && !rc; i++) {
		rc = layer_open(&b->layers[i], config->lowers[i], b->noxattr, err);
		if (rc)
			break;
		b->nlayers++;
		rc = open_check_inside(b, &b->layers[i], real, err);
	}
	return rc;
}

static int open_fill(struct base *b, const struct base_config *config, struct vn_err *err)
{
	size_t cache;
	int rc = open_limit(config->nlowers, &cache, err);

	if (rc)
		return rc;
	b->layers = calloc(config->nlowers, sizeof(*b->layers));
	b->root = base_dir_new_root(config->nlowers);
	b->ahead = b->layers ? ahead_new(b->layers) : NULL;
	if (!b->ahead || !b->root || base_fds_new(b, cache))
		return vn_err_sys(err, -ENOMEM, "cannot open the lower directories");
	return open_layers(b, config, err);
}

int base_open(const struct base_config *config, struct base **out, struct vn_err *err)
{
	struct base *b;
	int rc;

	if (config->nlowers == 0 || config->nlowers > LAYERS_MAX)
		return vn_err_set(err, -EINVAL, "%zu lower directories: there must be 1 to %d", config->nlowers, LAYERS_MAX);
	b = calloc(1, sizeof(*b));
	if (!b)
		return vn_err_sys(err, -ENOMEM, "cannot open the lower directories");
	b->noxattr = config->noxattr_markers;
	b->kept_dirfd = -1;
	rc = open_fill(b, config, err);
	if (!rc)
		rc = base_metacopy_check(b, err);
	if (rc) {
		base_close(b);
		return rc;
	}
	*out = b;
	return 0;
}

/* What a thread that hangs in a lower uses stays. */
static void close_layers(struct base *b)
{
	if (!ahead_free(b->ahead))
		return;
	for (size_t i = 0; i < b->nlayers; i++)
		layer_close(&b->layers[i]);
	free(b->layers);
}

void base_close(struct base *b)
{
	if (!b)
		return;
	close_layers(b);
	if (b->root && b->fds)
		base_dir_put(b, b->root);
	else
		free(b->root);
	base_kept_close(b);
	base_fds_free(b);
	free(b->exclude_name);
	free(b->watcher);
	free(b);
}

size_t base_layers(const struct base *b)
{
	return b->nlayers;
}

const char *base_layer_path(const struct base *b, size_t layer)
{
	return b->layers[layer].path;
}

int base_fd(const struct base *b)
{
	return b->layers[0].fd;
}

/* ---- fingerprints ---- */

struct print {
	struct base *b;
	int fd;
	uint64_t sum; /* of the names' hashes: a directory has no order */
};

static int print_dent(void *arg, const struct layer_dent *e)
{
	struct print *p = arg;
	struct layer_stat st;
	uint32_t type = e->type;

	if (type == DT_UNKNOWN || (p->b->has_exclude && strcmp(e->name, p->b->exclude_name) == 0)) {
		int rc = layer_stat(p->fd, e->name, &st);

		if (rc)
			return rc == -ENOENT ? 0 : rc;
		if (base_is_excluded(p->b, &st))
			return 0;
		type = (st.attr.mode & S_IFMT) >> 12;
	}
	p->sum += vn_hash_name(type, e->name, e->len);
	return 0;
}

int base_fingerprint(struct base *b, size_t layer, char out[17])
{
	struct layer *l = &b->layers[layer];
	vn_autoclose int fd = layer_open_dir(l, l->fd, "");
	struct print p = {.b = b, .fd = fd};
	struct layer_stat st;
	uint64_t key[2];
	int rc;

	if (fd < 0)
		return fd;
	rc = layer_stat(fd, "", &st);
	if (!rc)
		rc = layer_read_dir(fd, print_dent, &p);
	if (rc)
		return rc;
	key[0] = p.sum;
	key[1] = st.attr.mode;
	snprintf(out, 17, "%016llx", (unsigned long long)vn_checksum(VN_HASH_SEED, key, sizeof(key)));
	return 0;
}
