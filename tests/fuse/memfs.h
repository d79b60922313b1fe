// SPDX-License-Identifier: Apache-2.0
/*
 * A small file system in memory behind the verb table, for tests of the dispatcher
 * and its transports. One lock; lookups are counted, so that tests can see that
 * they are given back.
 */
#ifndef TESTS_FUSE_MEMFS_H
#define TESTS_FUSE_MEMFS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/fs.h"

#define MEMFS_FILE_MAX (UINT64_C(64) << 20)

struct memfs_entry {
	TAILQ_ENTRY(memfs_entry) link;
	struct memfs_node *node;
	uint64_t cookie;
	char name[VN_NAME_MAX + 1];
};

struct memfs_xattr {
	LIST_ENTRY(memfs_xattr) link;
	size_t size;
	char name[VN_XATTR_NAME_MAX + 1];
	char value[];
};

struct memfs_node {
	LIST_ENTRY(memfs_node) link; /* of all nodes */
	uint64_t id, lookups;
	struct vn_attr attr;
	struct memfs_node *parent; /* directories */
	TAILQ_HEAD(, memfs_entry) entries;
	LIST_HEAD(, memfs_xattr) xattrs;
	char *data; /* content, or a symlink's target */
};

struct memfs {
	struct vn_fs fs;      /* first: the file system is this object */
	pthread_mutex_t lock; /* of everything below */
	LIST_HEAD(, memfs_node) nodes;
	uint64_t next_id, next_cookie;
	unsigned sessions, resets;
	uint64_t opened;         /* open files */
	struct vn_ctx last;      /* who asked for the last change; pointers are gone */
	uint32_t last_group;     /* its first supplementary group, 0: none */
	uint32_t last_flags;     /* of the last write, create, rename or setxattr */
	struct vn_notify notify; /* of the last session */
	struct vn_session_config config;
	bool fleeting;             /* attributes must not be cached */
	_Atomic bool hold_fsync;   /* fsync waits while this is set */
	_Atomic unsigned in_fsync; /* how many wait */
	_Atomic unsigned calls;    /* verbs that change something or look something up */
};

/* For a memfs that answers OPEN: put it into fs.ops before the session begins. */
extern const struct vn_fs_ops memfs_ops_open;

/* NULL when memory is short. To be freed after its sessions. */
struct memfs *memfs_new(void);
void memfs_free(struct memfs *m);

/* Sum of all lookups not given back. */
uint64_t memfs_lookups(struct memfs *m);

/* A number that changes when anything does: nodes, names, bytes, attributes, lookups. */
uint64_t memfs_digest(struct memfs *m);

/* Inside: memfs.c and memfs_file.c. */
struct memfs_node *memfs_find_locked(struct memfs *m, uint64_t id);
bool memfs_has_children_locked(const struct memfs_node *n);
int memfs_getattr(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, struct vn_attr *out);
int memfs_setattr(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, const struct vn_setattr *set,
		  struct vn_attr *out);
ssize_t memfs_readlink(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, char *buf, size_t size);
ssize_t memfs_read(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off, const struct iovec *iov, int n);
ssize_t memfs_write(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off, const struct iovec *iov,
		    int n, uint32_t flags);
int memfs_fsync(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, bool datasync);
int memfs_syncfs(struct vn_fs *fs, const struct vn_ctx *ctx);
int memfs_fallocate(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint32_t mode, uint64_t off, uint64_t len);
int64_t memfs_lseek(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, int64_t off, int whence);
ssize_t memfs_copy(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t in, uint64_t off_in, uint64_t out,
		   uint64_t off_out, size_t len, uint32_t flags);
int memfs_setxattr(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, const char *name, const void *value,
		   size_t size, uint32_t flags);
ssize_t memfs_getxattr(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, const char *name, void *buf, size_t size);
ssize_t memfs_listxattr(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, char *buf, size_t size);
int memfs_removexattr(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, const char *name);
int memfs_statfs(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, struct vn_statfs *out);
ssize_t memfs_ioctl(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint32_t cmd, const void *in,
		    size_t insize, void *out, size_t outsize, int *result);
int memfs_map(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t node, uint64_t off, uint64_t len, bool writable,
	      struct vn_range *out);

#endif
