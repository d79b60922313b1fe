// SPDX-License-Identifier: Apache-2.0
#include "fuse/device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/scope.h"
#include "fuse/dispatch.h"
#include "fuse/protocol.h"
#include "fuse/request.h"

#define PAGE 4096
#define BUFFER_SIZE ((size_t)VF_MAX_WRITE + 2 * PAGE)

/* ---- buffers ---- */

char *vf_buffer_map(void)
{
	void *p = mmap(NULL, BUFFER_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void vf_buffer_unmap(char *p)
{
	if (p)
		munmap(p, BUFFER_SIZE);
}

struct iovec vf_buffer_in(char *p)
{
	size_t head = sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in);

	return (struct iovec){p + PAGE - head, BUFFER_SIZE - PAGE + head};
}

struct iovec vf_buffer_out(char *p)
{
	size_t head = sizeof(struct fuse_out_header);

	return (struct iovec){p + PAGE - head, BUFFER_SIZE - PAGE + head};
}

/* ---- messages ---- */

int vf_device_clone(int fd)
{
	uint32_t source = (uint32_t)fd;
	vn_autoclose int clone = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (clone < 0 || ioctl(clone, FUSE_DEV_IOC_CLONE, &source) < 0)
		return -errno;
	return vn_steal_fd(&clone);
}

ssize_t vf_device_read(int fd, char *buffer)
{
	struct iovec in = vf_buffer_in(buffer);
	ssize_t n = read(fd, in.iov_base, in.iov_len);

	return n < 0 ? -errno : n;
}

bool vf_device_again(ssize_t n)
{
	return n == -EINTR || n == -EAGAIN || n == -ENOENT;
}

/* ENOENT: the request was abandoned meanwhile. */
void vf_device_reply(int fd, struct vf_session *s, const struct iovec *in, const struct iovec *out, size_t len)
{
	ssize_t n;

	do
		n = write(fd, out->iov_base, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		vf_reply_lost(s, in, 1, out, 1);
}
