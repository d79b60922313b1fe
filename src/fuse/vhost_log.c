// SPDX-License-Identifier: Apache-2.0
#include "fuse/vhost_log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse/vhost_fault.h"

struct vhost_log {
	atomic_int refs;
	unsigned char *bits;
	uint64_t size; /* bytes */
	void *map;
	size_t map_length;
};

static int log_check(int fd, uint64_t size, uint64_t offset)
{
	struct stat st;

	if (!size || offset + size < size || offset + size > INT64_MAX)
		return -EINVAL;
	if (fstat(fd, &st))
		return -errno;
	return S_ISREG(st.st_mode) && offset + size > (uint64_t)st.st_size ? -EINVAL : 0;
}

int vhost_log_new(int fd, uint64_t size, uint64_t offset, struct vhost_log **out)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), start = offset & ~(page - 1);
	struct vhost_log *log;
	int err = log_check(fd, size, offset);

	if (err)
		return err;
	log = calloc(1, sizeof(*log));
	if (!log)
		return -ENOMEM;
	log->map_length = size + (offset - start);
	log->map = mmap(NULL, log->map_length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)start);
	err = log->map == MAP_FAILED ? -errno : vhost_fault_watch(log->map, log->map_length);
	if (err) {
		if (log->map != MAP_FAILED)
			munmap(log->map, log->map_length);
		free(log);
		return err;
	}
	atomic_init(&log->refs, 1);
	log->size = size;
	log->bits = (unsigned char *)log->map + (offset - start);
	*out = log;
	return 0;
}

struct vhost_log *vhost_log_get(struct vhost_log *log)
{
	if (log)
		atomic_fetch_add(&log->refs, 1);
	return log;
}

void vhost_log_put(struct vhost_log *log)
{
	if (!log || atomic_fetch_sub(&log->refs, 1) != 1)
		return;
	vhost_fault_forget(log->map);
	munmap(log->map, log->map_length);
	free(log);
}

void vhost_log_mark(struct vhost_log *log, uint64_t guest, uint64_t len)
{
	if (!log || !len)
		return;
	for (uint64_t page = guest / VHOST_LOG_PAGE; page <= (guest + len - 1) / VHOST_LOG_PAGE; page++) {
		if (page / 8 >= log->size)
			return;
		__atomic_fetch_or(&log->bits[page / 8], (unsigned char)(1u << page % 8), __ATOMIC_RELAXED);
	}
}
