// SPDX-License-Identifier: Apache-2.0
/*
 * What a front end says: every message is decoded and checked here, by one short
 * function each, and carried out by the device.
 *
 * Answers. A message that asks something is answered by the same message with the
 * reply bit; another one is acknowledged (0 or an error number) if the front end
 * asked for that and REPLY_ACK was agreed. What is wrong in one message fails
 * that message; only a broken frame ends the connection.
 */
#ifndef VF_VHOST_MESSAGE_H
#define VF_VHOST_MESSAGE_H

#include "base/cfg.h"
#include "fuse/vhost_device.h"
#include "fuse/vhost_wire.h"

/*
 * Carries out one message and turns m into its answer. Descriptors left in the
 * request are closed; those of an answer belong to the message. Returns 1 when m is
 * to be sent, 0 when nothing is.
 */
int vhost_message_handle(struct vhost_device *d, struct vhost_msg *m);

/*
 * Serves one front end on a connected socket until it goes away or `stop` becomes
 * readable (-1: never). The socket stays the caller's, the device is not detached.
 * Returns 0 at an orderly end, -errno for a broken connection.
 */
int vhost_message_serve(struct vhost_device *d, int sock, int stop);

#endif
