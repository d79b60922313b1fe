// SPDX-License-Identifier: Apache-2.0
/*
 * The probe: a file that exists for one thread of the server alone. OPEN, FLUSH and
 * RELEASE are over once a client has been told ENOSYS, but a client that only creates
 * files never asks to OPEN one, and sends a RELEASE for each. So the server opens the
 * probe once through its own mount.
 */
#ifndef VF_PROBE_H
#define VF_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fs.h"

struct vf_request;
struct vf_session;

/* A nodeid that no file system hands out. */
#define VF_PROBE_NODE UINT64_MAX

/* Opens and closes the probe in the mount at target, whose requests s serves from other threads. */
void vf_probe_run(struct vf_session *s, const char *target);

/* Is this LOOKUP the probe's own? Then *e is what it finds. */
bool vf_probe_lookup(const struct vf_request *r, struct vn_entry *e);

#endif
