// SPDX-License-Identifier: Apache-2.0
/*
 * Files that the kernel reads without us (FUSE_PASSTHROUGH, the mount option open=passthrough).
 *
 * An OPEN may be answered with a host file, its backing: read(2), mmap(2) and exec of that
 * descriptor then use the host file's page cache, with its large folios, and all mounts over one
 * lower share it. No READ is sent. Each OPEN and RELEASE is a message then, where there is none
 * otherwise.
 *
 * What the kernel wants (Linux 6.9 and newer)
 *
 *	- all opens of an inode at one time are of one mode, through or plain (cached), else EIO;
 *	- all that are through have the same backing, by the same id, else EIO;
 *	- the backing is opened anew for each open, with the flags of the file, as the user who
 *	  registered it and on the mount on which it was registered;
 *	- registering takes CAP_SYS_ADMIN in the first user namespace, and WRITEBACK_CACHE excludes it all.
 *
 * What is read through. Opens that only read, of files all of whose bytes are in one lower file,
 * which does not change (vn_fs_ops.backing decides). Never what is written: we would not learn of
 * sizes and times, and a writable descriptor of the backing would let mmap(MAP_SHARED) change the
 * lower, also one that reads and writes by way of us (FOPEN_DIRECT_IO). Lowers are read from a mount
 * that is read-only and updates no access times, so that the kernel, which does not keep our
 * O_NOATIME, leaves the lower as it is.
 *
 * A file that is open through is opened for writing. It has to be plain, and its inode cannot be. So
 * the file gets a second nodeid, its twin, which the kernel takes for another inode, with modes and
 * pages of its own: OPEN of the first nodeid is answered ESTALE, upon which the kernel looks the name
 * up again, is given the twin, and opens that. From then on
 *
 *	T1	every entry that we answer with has the twin, every OPEN of the first nodeid is ESTALE,
 *		and the twin is always plain: whoever opens the file sees all changes;
 *	T2	descriptors that were open through go on showing the lower's bytes, as they were (one of
 *		O_RDONLY | O_TRUNC among them, since OPEN does not tell us of the truncation);
 *	T3	in all requests both nodeids stand for the same file (vf_through_in() is applied when
 *		they are read), so fchmod(2) on an old descriptor, or another name of the file that
 *		still leads to the first nodeid, mean the file as it is now;
 *	T4	attributes of both are not cached, since each inode in the kernel only learns of what is
 *		done through itself; and a truncation by the first nodeid drops the twin's pages.
 *
 * The same happens when the file has changed without having been opened (truncate(2)) and is opened
 * again, and for O_DIRECT, which a backing may not be able to do. Only what has no name to look up again, the
 * path of a descriptor in /proc and a bind mount of the file alone, cannot be opened then: ESTALE.
 *
 * Counts. We count an open before we answer it and forget it at RELEASE, which the kernel sends when
 * it has already let go. So what we count includes all that the kernel has, and a mode that
 * agrees with the counts agrees with the kernel.
 */
#ifndef VF_THROUGH_H
#define VF_THROUGH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fuse_open_out;
struct vf_request;
struct vf_session;

/* The files that are open now or have a twin, by their first nodeid. */
struct vf_through {
	pthread_mutex_t lock; /* of files and what is in it. Not held while a backing is registered */
	void *files;          /* a tree of tsearch(3) */
	atomic_uint twins;    /* files that have one */
	atomic_bool told;     /* that a backing was refused for lying on a stacked file system */
};

void vf_through_init(struct vf_through *t);
void vf_through_fini(struct vf_through *t);

/* Nothing is open any more, and no twin is known: the client begins anew or ends. */
void vf_through_clear(struct vf_session *s);

/* Has the client agreed to it? Then OPEN and RELEASE are answered here. */
bool vf_through_is_on(const struct vf_request *r);

/*
 * Answers an open of the nodeid that the client named (not translated), with the client's open
 * flags. 0; -ESTALE: the name is to be looked up again, or the file is gone; -ENOMEM.
 */
int vf_through_open(struct vf_request *r, uint64_t nodeid, uint32_t flags, struct fuse_open_out *out);

/* Ends an open: what open answered with. Unknown ones are ignored. */
void vf_through_release(struct vf_session *s, uint64_t nodeid, uint64_t fh);

/* The file system's node for a nodeid that the client sent. */
uint64_t vf_through_in(struct vf_session *s, uint64_t nodeid);

/* The nodeid for the client to use for a node: its twin (and *twin is true) or itself. */
uint64_t vf_through_out(struct vf_session *s, uint64_t node, bool *twin);

/* A SETATTR of the size has been carried out for this request. */
void vf_through_resized(const struct vf_request *r);

#endif
