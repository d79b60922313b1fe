// SPDX-License-Identifier: Apache-2.0
/* What a server has done since a moment, as the JSON object that `veneer stat` gets. */
#ifndef CLI_STATS_H
#define CLI_STATS_H

#include <stddef.h>
#include <time.h>

#include "fuse/fuse_server.h"
#include "overlay/overlay.h"

struct stats_source {
	const struct vf_session *session; /* NULL: no client is there, and nothing has been counted */
	struct ovl_tree *tree;
	const char *mount; /* NULL: the mount has no path outside of its namespace */
	const char *upper; /* NULL: none */
	const char *const *lowers;
	size_t nlowers;
	time_t since;                  /* when counting began */
	const struct vf_stats *before; /* what had been counted by then */
	const int *guest_status;       /* what a guest's command ended with; NULL: nothing was told */
};

/* The session's counters; all 0 without one. */
void stats_counted(const struct vf_session *session, struct vf_stats *out);

/* malloc()ed text with a newline at the end; NULL without memory. */
char *stats_json(const struct stats_source *s);

#endif
