// SPDX-License-Identifier: Apache-2.0
/* Taking a kept view into use: finding its file, and comparing its samples with the layers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/scope.h"
#include "lower/base_kept.h"
#include "lower/kept.h"

/* Ours or root's, and nobody else's to write. */
static int keep_check_file(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (st.st_uid && st.st_uid != geteuid()) || st.st_mode & 022)
		return -EPERM;
	return 0;
}

static int keep_open_file(int dirfd, const char *name)
{
	vn_autoclose int fd = vn_open_at(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	int rc = fd < 0 ? fd : keep_check_file(fd);

	return rc ? rc : vn_steal_fd(&fd);
}

/* Is the object still what it was when the view was made? */
static int keep_compare(struct base *b, const struct kept_sample *s, const char *path)
{
	int root = b->layers[s->layer].fd, rc;
	bool deep = strchr(path, '/');
	vn_autoclose int fd = deep ? vn_open_beneath(root, path, VN_O_PATH | O_NOFOLLOW) : -1;
	struct layer_stat st;

	rc = deep ? (fd < 0 ? fd : layer_stat(fd, "", &st)) : layer_stat(root, path, &st);
	if (rc < 0)
		return -ESTALE;
	return st.ino == s->ino && st.attr.size == s->size && st.attr.mtime == s->mtime && st.attr.ctime == s->ctime &&
			st.attr.mode == s->mode ?
		0 :
		-ESTALE;
}

static int keep_compare_all(struct base *b, struct kept *k)
{
	const struct kept_sample *s;
	const char *path;
	uint64_t at = 0;
	int rc = 0;

	while (!rc && (s = kept_sample(k, &at, &path)))
		rc = keep_compare(b, s, path);
	return kept_damage_found(k) ? -EUCLEAN : rc;
}

static int keep_open(struct base *b, int dirfd, const struct kept_id *id, struct kept **out)
{
	vn_autoclose int fd = keep_open_file(dirfd, b->kept_name);
	struct kept *k;
	int rc = fd < 0 ? fd : kept_open(fd, id, (uint32_t)b->nlayers, &k);

	if (rc)
		return rc;
	rc = keep_compare_all(b, k);
	if (rc)
		kept_close(k);
	else
		*out = k;
	return rc;
}

int base_keep_use(struct base *b, int dirfd)
{
	struct kept_id id;
	struct kept *k = NULL;
	int rc = base_kept_id(b, &id);

	if (rc)
		return rc;
	base_kept_name(&id, b->kept_name);
	rc = keep_open(b, dirfd, &id, &k);
	if (rc == -EUCLEAN || rc == -ESTALE || rc == -EPROTONOSUPPORT)
		unlinkat(dirfd, b->kept_name, 0);
	if (rc)
		return rc;
	b->kept = k;
	b->kept_dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
	b->root->kept = kept_head(k)->root;
	return 0;
}

bool base_is_kept(const struct base *b)
{
	return b->kept && !kept_abandoned(b->kept);
}
