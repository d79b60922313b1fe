// SPDX-License-Identifier: Apache-2.0
/* Reading a host's directory, with few system calls. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cfg.h"
#include "base/scope.h"
#include "lower/layer.h"

static bool dents_is_dot(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

#ifdef __linux__
#define DENTS_BUFFER (64 << 10)

static int dents_give(const char *buf, ssize_t n, layer_dent_fn fn, void *arg)
{
	for (ssize_t at = 0; at < n;) {
		const struct dirent64 *e = (const struct dirent64 *)(const void *)(buf + at);
		struct layer_dent d = {.name = e->d_name, .ino = e->d_ino, .type = e->d_type};
		int rc;

		at += e->d_reclen;
		if (dents_is_dot(e->d_name))
			continue;
		d.len = strlen(e->d_name);
		rc = fn(arg, &d);
		if (rc)
			return rc;
	}
	return 0;
}

int layer_read_dir(int dirfd, layer_dent_fn fn, void *arg)
{
	vn_autofree char *buf = malloc(DENTS_BUFFER);

	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t n = getdents64(dirfd, buf, DENTS_BUFFER);
		int rc;

		if (n < 0)
			return errno == EBADF ? -EACCES : -errno; /* EBADF: it may be named but not read */
		if (n == 0)
			return 0;
		rc = dents_give(buf, n, fn, arg);
		if (rc)
			return rc;
	}
}
#else
int layer_read_dir(int dirfd, layer_dent_fn fn, void *arg)
{
	int fd = dup(dirfd);
	vn_autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return -errno;
	for (;;) {
		struct dirent *e = (errno = 0, readdir(dir));
		struct layer_dent d;
		int rc;

		if (!e)
			return -errno;
		if (dents_is_dot(e->d_name))
			continue;
		d = (struct layer_dent){e->d_name, strlen(e->d_name), e->d_ino, e->d_type};
		rc = fn(arg, &d);
		if (rc)
			return rc;
	}
}
#endif
