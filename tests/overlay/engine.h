// SPDX-License-Identifier: Apache-2.0
/*
 * A tree without a mount: lowers and an upper in the test's own directory, and
 * the verbs called as a dispatcher would. Paths are relative to the tree's root.
 */
#ifndef TESTS_OVERLAY_ENGINE_H
#define TESTS_OVERLAY_ENGINE_H

#include "base/fs.h"
#include "overlay/overlay.h"

#define ENGINE_LOWERS 8

struct engine {
	struct ovl_tree *tree;
	struct vn_fs *fs;
	struct vn_fs_session *session;
	struct vn_ctx ctx;
	char lowers[ENGINE_LOWERS][256];
	size_t nlowers;
	char upper[256];
	struct ovl_config config; /* change before engine_open */
};

/* Makes n empty lower directories and names an upper; opens nothing yet. */
void engine_init(struct engine *e, size_t nlowers);
void engine_open(struct engine *e);   /* aborts the test on failure */
void engine_close(struct engine *e);  /* ends the session, closes the tree; it must succeed */
void engine_reopen(struct engine *e); /* close and open: a remount */

/* What the lowers hold, before engine_open. Parents must exist. */
void lower_dir(struct engine *e, size_t lower, const char *path);
void lower_file(struct engine *e, size_t lower, const char *path, const char *content);
void lower_link(struct engine *e, size_t lower, const char *path, const char *target_path); /* hard link */
void lower_symlink(struct engine *e, size_t lower, const char *path, const char *target);
void lower_whiteout(struct engine *e, size_t lower, const char *path); /* `.wh.` convention */
void lower_opaque(struct engine *e, size_t lower, const char *path);

/* Verbs by path. All return 0 or -errno; the entry's lookup is given back at once. */
int e_lookup(struct engine *e, const char *path, struct vn_entry *out);
int e_node(struct engine *e, const char *path, uint64_t *node); /* keeps its lookup */
int e_create(struct engine *e, const char *path, uint32_t mode);
int e_mkdir(struct engine *e, const char *path, uint32_t mode);
int e_mknod(struct engine *e, const char *path, uint32_t mode, uint32_t major, uint32_t minor);
int e_symlink(struct engine *e, const char *target, const char *path);
int e_link(struct engine *e, const char *from, const char *path);
int e_unlink(struct engine *e, const char *path);
int e_rmdir(struct engine *e, const char *path);
int e_rename(struct engine *e, const char *from, const char *to, uint32_t flags);
int e_chmod(struct engine *e, const char *path, uint32_t mode);
int e_chown(struct engine *e, const char *path, uint32_t uid, uint32_t gid);
int e_truncate(struct engine *e, const char *path, uint64_t size);
int e_write(struct engine *e, const char *path, uint64_t off, const char *text); /* -errno or 0: all of it */
int e_setxattr(struct engine *e, const char *path, const char *name, const char *value);

/* Checks that abort the test with the path in their message. */
void e_is(struct engine *e, const char *path, const char *content); /* a regular file with this content */
void e_missing(struct engine *e, const char *path);
void e_names(struct engine *e, const char *dir, const char *sorted); /* "a b c": the listing, plain and plus, each name once */
void e_stat(struct engine *e, const char *path, struct vn_attr *out);
void e_xattr_is(struct engine *e, const char *path, const char *name, const char *value); /* NULL: there is none */

#endif
