// SPDX-License-Identifier: Apache-2.0
/*
 * Forks: uppers whose chain leads into the deltas of another upper. The origin
 * keeps refs/ID for each fork (ID is the fork's identity): the fork's path, then
 * one line per delta it needs. A delta that is needed is not removed.
 */
#include "store/chain.h"
#include "store/state.h"

#include "base/fd.h"
#include "base/scope.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FORK_REF_MAX (1u << 20)

static bool fork_ref_has(int refsfd, const char *name, uint64_t delta)
{
	vn_autofree char *text = NULL;
	char line[32];
	size_t len;

	if (vn_read_file_at(refsfd, name, FORK_REF_MAX, &text, &len))
		return true; /* what cannot be read is needed */
	snprintf(line, sizeof(line), "\n%016" PRIx64 "\n", delta);
	return strstr(text, line) != NULL;
}

bool fork_refers(int dirfd, uint64_t delta)
{
	int fd = openat(dirfd, "refs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	vn_autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return fd >= 0 || errno != ENOENT;
	}
	while ((e = readdir(d))) {
		if (*e->d_name != '.' && fork_ref_has(fd, e->d_name, delta))
			return true;
	}
	return false;
}
