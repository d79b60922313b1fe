// SPDX-License-Identifier: Apache-2.0
/*
 * The fence around a process that serves a virtual machine. What the guest sends is
 * checked everywhere; this is for the day on which a check is missing.
 *
 * Theory of operation. Two steps, each of which only takes away:
 *	files	before the tree is opened, while there is one thread: what may be reached by name
 *		(Landlock: layers for reading, the upper for writing, nothing else), and which
 *		privileges stay (capabilities)
 *	calls	when everything is open, for all threads: which system calls are left (seccomp);
 *		no program can be started, no address but a local one be connected to
 * Descriptors that are open at the first step stay as they are, and so does what is on them.
 * A kernel without one of the two gets the other; --sandbox=require makes that an error.
 *
 * A process that mounts (--also-mount) cannot have the first step: Landlock forbids every
 * change of mounts. Without root it cannot have the second one either, because the
 * set-user-ID helper that unmounts gains nothing behind it.
 */
#ifndef CLI_SANDBOX_H
#define CLI_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cfg.h"

struct vn_err;

enum sandbox_mode {
	SANDBOX_AUTO,    /* what this kernel has */
	SANDBOX_NONE,
	SANDBOX_REQUIRE, /* all of it, or an error */
};

/* What becomes of a call that is not on the list. */
enum sandbox_action {
	SANDBOX_REFUSE, /* ENOSYS, as from an older kernel: libraries then try another way */
	SANDBOX_KILL,
	SANDBOX_TRAP,   /* SIGSYS */
	SANDBOX_LOG,    /* carried out, and in the audit log */
	SANDBOX_ALLOW,  /* no filter */
};

struct sandbox {
	enum sandbox_mode mode;
	enum sandbox_action action;
	bool mounts; /* the process makes and takes away mounts */
};

/* What may be done below a directory, or with a file. */
enum sandbox_right {
	SANDBOX_READ,   /* open and list */
	SANDBOX_WRITE,  /* and make, change, rename, remove: files, directories, sockets */
	SANDBOX_SOCKET, /* make and remove sockets */
	SANDBOX_REMOVE, /* remove files */
	SANDBOX_EMPTY,  /* remove empty directories */
};

struct sandbox_place {
	const char *path; /* one that is not there is left out */
	enum sandbox_right right;
};

/* Is there a sandbox in this build? */
bool sandbox_is_built(void);

/*
 * The first step. Only the n places can be reached by name afterwards. -ENOSYS with
 * SANDBOX_REQUIRE: this kernel cannot; other errors: it could and failed. With a sentence.
 */
int sandbox_files(const struct sandbox *s, const struct sandbox_place *places, size_t n, struct vn_err *err) VN_MUST_CHECK;

/* The second step, for all threads of the process. Errors as above. */
int sandbox_calls(const struct sandbox *s, struct vn_err *err) VN_MUST_CHECK;

#endif
