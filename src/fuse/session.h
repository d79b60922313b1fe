// SPDX-License-Identifier: Apache-2.0
/*
 * A session: one client of one file system, from its INIT to its end. It knows
 * what was agreed at INIT, holds the file system's own session, and counts
 * messages. It has no threads and no descriptors: transports bring requests to
 * vf_dispatch() (dispatch.h).
 */
#ifndef VF_SESSION_H
#define VF_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fs.h"

struct vf_session;

/* A timeout that never ends. */
#define VF_FOREVER INT64_MAX

/* How the client may cache and what it may use. Fill with vf_policy_init(), then change. */
struct vf_policy {
	int64_t entry_timeout;    /* ns that a name may be trusted; VF_FOREVER: until told otherwise */
	int64_t attr_timeout;     /* the same for attributes */
	int64_t negative_timeout; /* the same for names that do not exist; 0: not remembered */
	bool writeback;           /* the client may collect writes */
	bool noacl;               /* POSIX ACLs are not used */
	bool noxattr;             /* every call on extended attributes is answered ENOSYS */
	bool auto_inval; /* the client drops cached pages when times or size differ: for trees that others change too */
	bool no_readdirplus;    /* listings without attributes */
	bool passthrough;       /* the client reads host files itself (through.h); excludes writeback */
	bool idmap;             /* idmapped mounts are allowed: the client checks permissions itself */
	uint32_t max_write;     /* bytes of one READ or WRITE, 4 KiB to 1 MiB in whole pages; 0: 1 MiB */
	uint32_t max_readahead; /* bytes that the client may read ahead; 0: as much as it offers */
};

/* Everything is cached for ever, write-through, with ACLs and attributes. */
void vf_policy_init(struct vf_policy *p);

/*
 * Puts and removes ranges of host files in the client's DAX window. Functions may be
 * called from any thread; map NULL: there is no window.
 */
struct vf_dax {
	void *arg;
	uint64_t size; /* of the window, bytes */
	/* Shows range at moffset, whatever was there before. 0 or -errno. */
	int (*map)(void *arg, uint64_t moffset, const struct vn_range *range, bool writable);
	/* Takes away what is in [moffset, moffset + len). 0 or -errno. */
	int (*unmap)(void *arg, uint64_t moffset, uint64_t len);
};

/*
 * Tells the client of host files that it may read itself. Functions may be called from
 * any thread; open NULL: it cannot be told, and policy.passthrough has no effect.
 */
struct vf_backing {
	void *arg;
	int (*open)(void *arg, int fd); /* fd is borrowed. An id above 0, or -errno; -ELOOP: it lies on a stacked file system. */
	void (*close)(void *arg, int id);
};

struct vf_session_config {
	struct vn_fs *fs; /* borrowed until vf_session_free() */
	struct vf_policy policy;
	uint64_t id;             /* stable over a server restart where outlives; 0: a random one */
	bool outlives;           /* the client may outlive the server */
	struct vn_notify notify; /* handed to the file system; callbacks may be NULL */
	struct vf_dax dax;
	struct vf_backing backing;
	uint64_t carrier_flags; /* INIT flags that the transport offers besides: FUSE_OVER_IO_URING */
	/*
	 * The guest's first process tells the status of its command, by the ioctl 0x7602 on
	 * the root directory. Any thread. NULL: the request is unknown (ENOTTY).
	 */
	void (*exit_status)(void *arg, int status);
	void *exit_arg;
};

/*
 * Begins a session. On success *out is the caller's, to be freed. Errors: -EINVAL for
 * a policy out of range, -ENOMEM, and what the file system's session_new says.
 */
int vf_session_new(const struct vf_session_config *config, struct vf_session **out);

/*
 * Ends it; no dispatch may be running. keep: the client lives on and comes back
 * with the nodeids it holds to a session with the same id. NULL is allowed.
 */
void vf_session_free(struct vf_session *s, bool keep);

/*
 * What a client that lives on agreed to at INIT, so that a new server can go on
 * without another INIT. save writes at most size bytes and returns how many
 * (-ENOSPC when they do not fit; 64 are enough); restore takes them on a session that has
 * seen no request: -EINVAL when they are damaged, -ENOTSUP for an unknown version.
 */
ssize_t vf_session_save(const struct vf_session *s, void *state, size_t size);
int vf_session_restore(struct vf_session *s, const void *state, size_t size);

/* A number that changes whenever what vf_session_save() would write changes. Any thread. */
unsigned vf_session_changes(const struct vf_session *s);

/* The file system's own session behind it; lives as long. */
struct vn_fs_session *vf_session_fs(const struct vf_session *s);

/* True once INIT has been answered (or restored). Any thread. */
bool vf_session_is_live(const struct vf_session *s);

/* The minor version agreed upon, 0 before INIT; and the flags (FUSE_* of protocol.h). Any thread. */
unsigned vf_session_minor(const struct vf_session *s);
uint64_t vf_session_flags(const struct vf_session *s);

/* Adds INIT flags that a transport offers, as vf_session_config.carrier_flags. Before any request. */
void vf_session_offer(struct vf_session *s, uint64_t carrier_flags);

/* ---- messages ---- */

#define VF_STATS_OPS 64

struct vf_op_stats {
	const char *name; /* "LOOKUP"; static */
	uint32_t opcode;  /* 0 stands for all unknown ones */
	uint64_t count;
	uint64_t errors;              /* answered with an errno; a negative entry is none */
	uint64_t bytes_in, bytes_out; /* whole messages, headers included */
};

struct vf_stats {
	uint64_t messages;  /* sum of the counts */
	uint64_t malformed; /* requests without a usable header, or refused for their form */
	uint64_t notices;   /* sent to the client */
	size_t nops;
	struct vf_op_stats ops[VF_STATS_OPS]; /* only those with a count, by opcode */
};

/* Counters since the session began. Any thread, at any time; not one instant's picture. */
void vf_session_stats(const struct vf_session *s, struct vf_stats *out);

/* Counts n notices as sent; for transports. Any thread. */
void vf_session_count_notices(struct vf_session *s, uint64_t n);

#endif
