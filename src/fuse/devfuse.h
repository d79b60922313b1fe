// SPDX-License-Identifier: Apache-2.0
/*
 * The transport for /dev/fuse: a session shown at a mount point of this kernel.
 *
 *	vf_devfuse_open		session made, target mounted; nothing answers yet
 *	vf_devfuse_start	INIT answered, threads serve: the mount is live
 *	vf_devfuse_wait		until it is unmounted from outside or stopped
 *	vf_devfuse_close	threads ended, unmounted if it still was, session ended
 *
 * A process that turns itself into a daemon forks before vf_devfuse_start(), which
 * makes threads. Signal SIGRTMAX is used to wake threads that sleep in read(2).
 */
#ifndef VF_DEVFUSE_H
#define VF_DEVFUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "fuse/session.h"

struct vf_devfuse;
struct vn_err;

struct vf_mount_options {
	const char *fsname; /* first column of /proc/mounts; NULL: "veneer" */
	bool readonly, nosuid, nodev, noexec;
	bool noatime, nodiratime, relatime, strictatime;
	bool sync, dirsync;
	bool allow_other;  /* other users may use the mount; without it only who mounted it */
	uint32_t max_read; /* bytes of one READ; 0: as large as the session allows */
};

struct vf_devfuse_config {
	struct vf_session_config session; /* notify, backing, carrier_flags and policy.idmap are set by the transport */
	const char *target;               /* directory to mount on; borrowed for the call */
	int fd; /* instead of target: the device of a mount made elsewhere; -1 else. Taken over when open succeeds. */
	struct vf_mount_options mount;
	unsigned max_threads; /* 0: 16. One that waits for a disk is replaced by another, up to this number. */
	bool no_uring;        /* read and write only */
};

/* Can /dev/fuse be opened by this process? 0, or -errno and the sentence. */
int vf_devfuse_check(struct vn_err *err);

/*
 * Mounts. On success *out is the caller's, to be closed; on failure nothing is mounted
 * (or made), and *err has a sentence that says what to do.
 */
int vf_devfuse_open(const struct vf_devfuse_config *config, struct vf_devfuse **out, struct vn_err *err);

/* Answers INIT and starts to serve. When it returns 0 the mount is live. */
int vf_devfuse_start(struct vf_devfuse *d, struct vn_err *err);

/* Waits until the mount is gone or vf_devfuse_stop() is called. Any thread. */
void vf_devfuse_wait(struct vf_devfuse *d);

/* A descriptor that becomes readable when vf_devfuse_wait() would return; owned by d. */
int vf_devfuse_done_fd(const struct vf_devfuse *d);

/* True when somebody else unmounted it. */
bool vf_devfuse_unmounted(const struct vf_devfuse *d);

/*
 * Takes the mount away: from the tree of files at once, even when it is in use (then
 * what is still open fails after vf_devfuse_close()). Any thread, once or more.
 */
void vf_devfuse_stop(struct vf_devfuse *d);

/* Waits until every invalidation that the file system asked for has been sent: a client's dirty pages are then written back. */
void vf_devfuse_drain(struct vf_devfuse *d);

/* Ends threads, mount and session. NULL is allowed. */
void vf_devfuse_close(struct vf_devfuse *d);

/* The session, for its counters; owned by d. */
struct vf_session *vf_devfuse_session(struct vf_devfuse *d);

/* "io_uring" or "read/write": how requests come. Static text, valid after start. */
const char *vf_devfuse_carrier(const struct vf_devfuse *d);

#endif
