// SPDX-License-Identifier: Apache-2.0
/*
 * Migration of the device's own state (SET_DEVICE_STATE_FD, CHECK_DEVICE_STATE).
 *
 * What moves is small: the session's identity and what its INIT agreed. Nodeids
 * are inode numbers of the tree, which has to be the same one on the other side:
 * on shared storage, or copied while it was not served. A state of another tree,
 * of an unknown version, or with a wrong checksum is refused.
 *
 * A server may die in between. What was loaded is in the in-flight region before the
 * front end hears that it is. A successor that was told of the transfer reads what is left of
 * the stream, which is a whole state or a damaged one; one that was not told
 * (a state was being saved) says that nothing was moved, and the front end tries again.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "fuse/vhost_device.h"

#define STATE_MAGIC UINT64_C(0x3165746174536e76) /* "vnState1" */
#define STATE_VERSION 1
#define STATE_WAIT_MS 5000

struct state_blob {
	uint64_t magic;
	uint64_t sum; /* of what follows */
	uint32_t version;
	uint32_t state_size;
	uint64_t id;
	unsigned char identity[VHOST_IDENTITY_SIZE];
	unsigned char state[VHOST_SESSION_STATE_MAX];
};

static uint64_t blob_sum(const struct state_blob *b)
{
	return vn_checksum(STATE_MAGIC, &b->version, sizeof(*b) - offsetof(struct state_blob, version));
}

static int state_save(struct vhost_device *d, int fd)
{
	struct state_blob b = {.magic = STATE_MAGIC, .version = STATE_VERSION};
	ssize_t put;
	int err = vhost_device_begin_session(d);

	if (err)
		return err;
	vhost_device_record_session(d);
	b.id = d->record.id;
	b.state_size = d->record.state_size;
	memcpy(b.state, d->record.state, b.state_size);
	memcpy(b.identity, d->config.identity, sizeof(b.identity));
	b.sum = blob_sum(&b);
	put = vn_write_full(fd, &b, sizeof(b));
	if (put != (ssize_t)sizeof(b))
		return put < 0 ? (int)put : -EIO;
	d->record.kept = true; /* it lives on over there */
	vhost_device_write_record(d);
	return 0;
}

int vhost_device_transfer(struct vhost_device *d, uint32_t direction, int fd)
{
	int err = 0;

	if (fd < 0)
		return -EINVAL;
	if (vhost_device_runs(d))
		err = -EBUSY;
	else if (direction == VHOST_STATE_SAVE)
		err = state_save(d, fd);
	else if (direction != VHOST_STATE_LOAD || d->session)
		err = -EINVAL;
	d->state_error = err;
	d->state_moved = true;
	if (err || direction == VHOST_STATE_SAVE) {
		close(fd);
		return err;
	}
	if (d->state_fd >= 0)
		close(d->state_fd);
	d->state_fd = fd; /* read when the front end says that it has written everything */
	return 0;
}

/* Reads to the end of the stream; a writer that neither writes nor closes is given up. */
static ssize_t state_read(int fd, void *buf, size_t size)
{
	size_t done = 0;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t got;

		if (poll(&p, 1, STATE_WAIT_MS) != 1)
			return -ETIMEDOUT;
		got = read(fd, (char *)buf + done, size - done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : (ssize_t)done;
		done += (size_t)got;
		if (done == size)
			return (ssize_t)done;
	}
}

static int state_check(const struct vhost_device *d, const struct state_blob *b, size_t size)
{
	if (size < offsetof(struct state_blob, state_size) || b->magic != STATE_MAGIC)
		return -EBADMSG;
	if (b->version != STATE_VERSION)
		return -EPROTONOSUPPORT;
	if (size != sizeof(*b) || b->sum != blob_sum(b) || !b->id || b->state_size > VHOST_SESSION_STATE_MAX)
		return -EBADMSG;
	return memcmp(b->identity, d->config.identity, sizeof(b->identity)) ? -ESTALE : 0;
}

static int state_load(struct vhost_device *d)
{
	struct {
		struct state_blob blob;
		char more; /* one byte further shows a state that is too long */
	} in = {0};
	ssize_t size = state_read(d->state_fd, &in, sizeof(in));
	int err = size < 0 ? (int)size : state_check(d, &in.blob, (size_t)size);

	if (err)
		return err;
	d->record.id = in.blob.id;
	d->record.state_size = in.blob.state_size;
	memcpy(d->record.state, in.blob.state, in.blob.state_size);
	vhost_device_write_record(d);
	return 0;
}

int vhost_device_check_transfer(struct vhost_device *d)
{
	int err = d->state_moved ? d->state_error : -EINVAL;

	if (!err && d->state_fd >= 0)
		err = state_load(d);
	if (d->state_fd >= 0)
		close(d->state_fd);
	d->state_fd = -1;
	d->state_error = 0;
	d->state_moved = false;
	return err;
}
