// SPDX-License-Identifier: Apache-2.0
/*
 * One descriptor of /dev/fuse: where a request and a reply lie, and the two system
 * calls that move them (Documentation/filesystems/fuse.rst of the kernel).
 */
#ifndef VF_DEVICE_H
#define VF_DEVICE_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

struct vf_session;

/* Room for the largest message; memory that was never touched costs nothing. NULL without memory. */
char *vf_buffer_map(void);

/* NULL is allowed. */
void vf_buffer_unmap(char *p);

/* The part of a buffer for a request, or for a reply: a WRITE's and a READ's bytes start on a page. */
struct iovec vf_buffer_in(char *p);
struct iovec vf_buffer_out(char *p);

/* A descriptor of its own for the connection of fd, the caller's to close; or -errno. */
int vf_device_clone(int fd);

/* Waits for a request and puts it at vf_buffer_in(). Its length or -errno: -ENODEV when the mount is gone. */
ssize_t vf_device_read(int fd, char *buffer);

/* True for errors of vf_device_read() that only say "look again": a signal, a request that was taken back. */
bool vf_device_again(ssize_t n);

/*
 * Sends the first `len` bytes of out through the descriptor that the request came from. A reply that
 * nobody wants any more gives back what it handed out, for which `in` begins with the request's header.
 */
void vf_device_reply(int fd, struct vf_session *s, const struct iovec *in, const struct iovec *out, size_t len);

#endif
