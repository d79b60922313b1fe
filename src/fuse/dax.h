// SPDX-License-Identifier: Apache-2.0
/*
 * What stands where in a client's DAX window: ranges sorted by place, none
 * overlapping. A client may put a range over others or take away a part of one.
 */
#ifndef VF_DAX_H
#define VF_DAX_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#define VF_DAX_SHIFT 12 /* what is mapped begins and ends at multiples of 1 << this, in window and file */
#define VF_DAX_PAGE (UINT64_C(1) << VF_DAX_SHIFT)

struct vf_session;

struct vf_dax_place {
	uint64_t moffset, len; /* in the window */
	uint64_t node, foffset;
};

struct vf_dax_table {
	pthread_mutex_t lock; /* protects the rest; no verb is called under it */
	struct vf_dax_place *places;
	size_t n, cap;
};

void vf_dax_init(struct vf_dax_table *t);
void vf_dax_fini(struct vf_dax_table *t);

/* Takes away everything that the session has mapped. */
void vf_dax_clear(struct vf_session *s);

#endif
