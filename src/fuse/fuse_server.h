// SPDX-License-Identifier: Apache-2.0
/*
 * The folder's public face: a file system (struct vn_fs, base/fs.h) served as FUSE.
 *
 *	session.h	a client: policy, what INIT agreed, message counters
 *	dispatch.h	one request in, one reply out, for any transport
 *	devfuse.h	the transport for a mount point of this kernel
 *
 * To serve a tree at a directory:
 *
 *	struct vf_devfuse_config c = {.target = "/mnt", .fd = -1};
 *	c.session.fs = fs;
 *	vf_policy_init(&c.session.policy);
 *	vf_devfuse_open(&c, &d, &err), vf_devfuse_start(d, &err);
 *	vf_devfuse_wait(d);
 *	vf_devfuse_close(d);
 */
#ifndef VF_FUSE_SERVER_H
#define VF_FUSE_SERVER_H

#include "fuse/devfuse.h"
#include "fuse/dispatch.h"
#include "fuse/session.h"

#endif
