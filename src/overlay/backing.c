// SPDX-License-Identifier: Apache-2.0
/*
 * Which files a client may read without us (FUSE passthrough).
 *
 * All bytes have to be in one file that stays as it is: the object in the base, of a node of which
 * at most attributes have changed. Not the upper's data files, which writes change; nor files
 * smaller than one read-ahead, whose bytes the client asks for once and then has: registering a
 * host file costs more.
 *
 * The client opens the file again, with flags of its own, on the mount on which ours lies. So that
 * reading leaves the lower as it is to the last access time, that has to be a mount that is
 * read-only and updates none: the clone that layer.h speaks of, or one that the operator made so.
 */
#include <errno.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/scope.h"
#include "overlay/tree.h"

#define BACKING_LEAST (128u << 10)

#if defined(ST_RDONLY) && defined(ST_NOATIME)
#define MOUNT_STILL (ST_RDONLY | ST_NOATIME)
#else
#define MOUNT_STILL 0
#endif

/* node->lock held. */
static bool backing_is_base(const struct ovl_node *n, const struct ovl_own *own)
{
	if (!n->odir || n->size != n->base_size || n->size < BACKING_LEAST)
		return false;
	return !own || (own->state == STORE_BELOW && !own->source && own->below >= n->size);
}

/* As long as when its node was made, and on a mount as it has to be. */
static int backing_check(int fd, uint64_t size)
{
	struct statvfs vfs;
	struct stat st;

	if (fstat(fd, &st) || fstatvfs(fd, &vfs))
		return -errno;
	if ((uint64_t)st.st_size != size || !MOUNT_STILL || (vfs.f_flag & MOUNT_STILL) != MOUNT_STILL)
		return -ENOTSUP;
	return 0;
}

int ovl_data_backing(struct ovl_tree *t, struct ovl_node *n, int *fd)
{
	vn_autounlock_rw pthread_rwlock_t *held = vn_lock_rd(&n->lock);
	vn_autoclose int file = -1;
	int r = backing_is_base(n, ovl_own(n)) ? 0 : -ENOTSUP;

	if (r || !fd)
		return r;
	file = base_open_file(t->base, n->odir, n->oname, n->oname_len, n->layer);
	if (file < 0)
		return file;
	r = backing_check(file, n->size);
	if (!r)
		*fd = vn_steal_fd(&file);
	return r;
}
