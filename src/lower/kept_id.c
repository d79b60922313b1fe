// SPDX-License-Identifier: Apache-2.0
/*
 * Which stack a kept view was made of, and how it was seen.
 *
 * Of each layer: the inode number, mode and times of its root, and, of an image (whose roots may be alike to the
 * nanosecond where they were built to be reproducible), its size. Not its path nor
 * its device number: a layer that is mounted again is the same.
 *
 * Of who looks: what it may read (privileges, the user), which owners it sees (the
 * mapping of its user namespace), whether attributes are taken as markers.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/capability.h>
#include <linux/magic.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#endif

#include "base/fd.h"
#include "base/hash.h"
#include "base/scope.h"
#include "lower/base_kept.h"
#include "lower/kept.h"

static void id_add(struct kept_id *id, const void *data, size_t len)
{
	id->word[0] = vn_checksum(id->word[0], data, len);
	id->word[1] = vn_checksum(~id->word[1], data, len);
}

#ifdef __linux__
#ifndef EROFS_SUPER_MAGIC_V1
#define EROFS_SUPER_MAGIC_V1 0xE0F5E1E2
#endif

/* Elsewhere these figures change with what else is stored there. */
static bool is_image(const struct statfs *fs)
{
	return fs->f_type == SQUASHFS_MAGIC || fs->f_type == (__typeof__(fs->f_type))EROFS_SUPER_MAGIC_V1 ||
		fs->f_type == CRAMFS_MAGIC || fs->f_type == ISOFS_SUPER_MAGIC;
}

static int id_add_image(struct layer *l, struct kept_id *id)
{
	struct statfs fs;

	if (fstatfs(l->fd, &fs) < 0)
		return -errno;
	if (is_image(&fs))
		id_add(id, (const uint64_t[]){(uint64_t)fs.f_type, fs.f_blocks, fs.f_files}, 3 * sizeof(uint64_t));
	return 0;
}
#else
static int id_add_image(struct layer *l, struct kept_id *id)
{
	(void)l;
	(void)id;
	return 0;
}
#endif

static int id_add_layer(struct base *b, size_t layer, struct kept_id *id)
{
	struct layer *l = &b->layers[layer];
	struct layer_stat st;
	int rc = layer_stat(l->fd, "", &st);

	if (!rc)
		rc = id_add_image(l, id);
	if (rc)
		return rc;
	id_add(id,
	       (const uint64_t[]){st.ino, (uint64_t)st.attr.mtime, (uint64_t)st.attr.ctime, (uint64_t)st.attr.btime,
				  st.attr.mode, l->cloned, l->overrides},
	       7 * sizeof(uint64_t));
	return 0;
}

#ifdef __linux__
static void id_add_file(struct kept_id *id, const char *path)
{
	vn_autofree char *text = NULL;
	size_t len;

	if (vn_read_file_at(AT_FDCWD, path, 65536, &text, &len) == 0)
		id_add(id, text, len);
}

static void id_add_viewer(struct kept_id *id)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2] = {{0}};
	uint32_t may;

	syscall(SYS_capget, &head, caps);
	may = caps[0].effective & (1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH | 1u << CAP_SYS_ADMIN);
	id_add(id, &may, sizeof(may));
	id_add_file(id, "/proc/self/uid_map");
	id_add_file(id, "/proc/self/gid_map");
}
#else
static void id_add_viewer(struct kept_id *id)
{
	(void)id;
}
#endif

int base_kept_id(struct base *b, struct kept_id *out)
{
	struct kept_id id = {{VN_HASH_SEED, VN_HASH_SEED}};
	int rc = 0;

	id_add(&id, (const uint64_t[]){KEPT_VERSION, base_hash_bits, b->noxattr, b->nlayers, geteuid()}, 5 * sizeof(uint64_t));
	id_add_viewer(&id);
	for (size_t i = 0; i < b->nlayers && !rc; i++)
		rc = id_add_layer(b, i, &id);
	if (!rc)
		*out = id;
	return rc;
}

void base_kept_name(const struct kept_id *id, char out[KEPT_NAME_SIZE])
{
	snprintf(out, KEPT_NAME_SIZE, "%016llx%016llx.base", (unsigned long long)id->word[0],
		 (unsigned long long)id->word[1]);
}
