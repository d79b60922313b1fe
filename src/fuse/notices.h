// SPDX-License-Identifier: Apache-2.0
/*
 * Notices to a kernel: a queue that anybody fills (also with locks of a tree held) and a
 * thread of its own that sends. The thread holds no lock while it writes: a kernel
 * that is told to drop an inode first writes its dirty pages back, through the very
 * server that would wait.
 */
#ifndef VF_NOTICES_H
#define VF_NOTICES_H

#include "base/fs.h"

struct vf_notices;
struct vf_session;

/* An empty queue that keeps nothing until started. 0 or -ENOMEM; the caller's, to be freed. */
int vf_notices_new(struct vf_notices **out);

/* The callbacks to hand to a file system; valid until vf_notices_free(). */
struct vn_notify vf_notices_table(struct vf_notices *q);

/* Starts to send to fd (borrowed until stopped), counting in s. */
int vf_notices_start(struct vf_notices *q, int fd, struct vf_session *s);

/* Waits until what was queued before has been sent, or the queue has stopped. */
void vf_notices_drain(struct vf_notices *q);

/* Sends no more and joins the thread; what is queued is dropped. */
void vf_notices_stop(struct vf_notices *q);

void vf_notices_free(struct vf_notices *q);

#endif
