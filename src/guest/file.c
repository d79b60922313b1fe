// SPDX-License-Identifier: Apache-2.0
#include "guest/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

ssize_t vg_file_read(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = fd < 0 ? -errno : 1;

	/* /proc gives a file in pieces. */
	while (n > 0 && len < size - 1) {
		n = read(fd, out + len, size - 1 - len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			n = -errno;
		else
			len += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	out[n < 0 ? 0 : len] = '\0';
	return n < 0 ? n : (ssize_t)len;
}

int vg_file_write(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Asks first: on a read-only root mkdir of what is there may say EROFS. */
static int make_one(const char *path, mode_t mode)
{
	struct stat st;

	if (stat(path, &st) == 0)
		return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
	if (mkdir(path, mode) == 0 || errno == EEXIST)
		return 0;
	return -errno;
}

int vg_file_mkdirs(const char *path, mode_t mode)
{
	char copy[512];
	int rc = 0;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", path) >= sizeof(copy))
		return -ENAMETOOLONG;
	for (char *p = strchr(copy + 1, '/'); p && rc == 0; p = strchr(p + 1, '/')) {
		*p = '\0';
		rc = make_one(copy, 0755);
		*p = '/';
	}
	return rc < 0 ? rc : make_one(copy, mode);
}
