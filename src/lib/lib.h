// SPDX-License-Identifier: Apache-2.0
/* What the files of src/lib share: the structs behind veneer.h. */
#ifndef LIB_LIB_H
#define LIB_LIB_H

#include <pthread.h>

#include "base/err.h"
#include "fuse/fuse_server.h"
#include "overlay/overlay.h"
#include "veneer.h"

struct veneer {
	struct ovl_tree *tree;
	pthread_mutex_t lock;            /* guards sessions */
	struct veneer_session *sessions; /* all that live */
};

struct veneer_session {
	struct veneer *v;
	struct vf_session *vf;
	struct veneer_session *next; /* of the tree */
	uint64_t id;
	bool writeback;
	struct veneer_callbacks callbacks; /* ours: members that the caller's version lacks are NULL */
};

/* Hands the sentence of err, or the system's words for code, to the caller. Returns code. */
int lib_error(struct veneer_error *error, int code, const struct vn_err *err);

/* A caller's struct of `size` bytes into ours of `own`: what it lacks is 0. -EINVAL: it does not know its size. */
int lib_copy(void *to, size_t own, const void *from, size_t size);

#endif
