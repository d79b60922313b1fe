// SPDX-License-Identifier: Apache-2.0
/* Small files and directories. */
#ifndef GUEST_FILE_H
#define GUEST_FILE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Reads the file into out as a string, cut at size - 1 bytes. Returns its length;
 * -errno, with out "" then.
 */
ssize_t vg_file_read(const char *path, char *out, size_t size);

/* Writes all of it, going on after interruptions. Returns 0; -errno. */
int vg_file_write(int fd, const void *data, size_t len);

/* Makes the directory with mode, and missing parents with 0755. Returns 0, also when it is there; -errno. */
int vg_file_mkdirs(const char *path, mode_t mode);

#endif
