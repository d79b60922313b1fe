// SPDX-License-Identifier: Apache-2.0
#include "fuse/vhost_server.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/scope.h"
#include "fuse/vhost_message.h"

#define SEND_LIMIT_S 10 /* a front end that reads no answers does not hold us up for ever */

/* ---- listening ---- */

/* Is a server listening there? A socket that refuses is a dead one's. */
static bool socket_answers(const struct sockaddr_un *a)
{
	vn_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0;
}

static int socket_bind(int fd, const struct sockaddr_un *a, struct vn_err *err)
{
	struct stat st;

	if (lstat(a->sun_path, &st) == 0 && S_ISSOCK(st.st_mode)) {
		if (socket_answers(a))
			return vn_err_set(err, -EADDRINUSE,
					  "%s: a server is listening there already; choose another socket", a->sun_path);
		unlink(a->sun_path);
	}
	if (bind(fd, (const struct sockaddr *)a, sizeof(*a)))
		return vn_err_sys(err, -errno, "%s: the socket cannot be made there", a->sun_path);
	return 0;
}

static int socket_share(const char *path, gid_t gid, struct vn_err *err)
{
	if (gid == (gid_t)-1)
		return chmod(path, 0600) ? vn_err_sys(err, -errno, "%s: chmod", path) : 0;
	if (chown(path, (uid_t)-1, gid) || chmod(path, 0660))
		return vn_err_sys(err, -errno, "%s: the socket cannot be given to group %u", path, (unsigned)gid);
	return 0;
}

int vhost_listen(const char *path, gid_t gid, struct vn_err *err)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	vn_autoclose int fd = -1;
	int rc;

	if (strlcpy(a.sun_path, path, sizeof(a.sun_path)) >= sizeof(a.sun_path))
		return vn_err_set(err, -ENAMETOOLONG, "%s: a socket's path has at most %zu bytes", path,
				  sizeof(a.sun_path) - 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return vn_err_sys(err, -errno, "socket");
	rc = socket_bind(fd, &a, err);
	if (rc)
		return rc;
	rc = socket_share(path, gid, err);
	if (!rc && listen(fd, 8))
		rc = vn_err_sys(err, -errno, "%s: listen", path);
	if (rc) {
		unlink(path);
		return rc;
	}
	return vn_steal_fd(&fd);
}

int vhost_source_probe(int fd, enum vhost_source_kind *kind)
{
	int type, listening;
	socklen_t len = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len))
		return -errno;
	if (type != SOCK_STREAM)
		return -EPROTOTYPE;
	len = sizeof(listening);
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len))
		return -errno;
	*kind = listening ? VHOST_LISTENING : VHOST_CONNECTED;
	return 0;
}

/* ---- the control channel ---- */

static int control_send(int control, const struct vhost_msg *m)
{
	return vhost_msg_send(control, m);
}

int vhost_control_ready(int control)
{
	return control_send(control, &(struct vhost_msg){.flags = VHOST_MSG_VERSION});
}

int vhost_control_pass(int control, int sock)
{
	return control_send(control, &(struct vhost_msg){.flags = VHOST_MSG_VERSION, .nfds = 1, .fds = {sock}});
}

int vhost_control_receive(int control, int *fd)
{
	struct vhost_msg m;
	int got = vhost_msg_receive(control, -1, &m);

	if (got != 1)
		return got;
	*fd = vhost_msg_take_fd(&m, 0);
	vhost_msg_fini(&m);
	return 1;
}

/* ---- serving ---- */

/* Waits for the source or for stop: 1, or 0 when it is time to stop. */
static int source_wait(int source, int stop)
{
	struct pollfd p[2] = {{.fd = source, .events = POLLIN}, {.fd = stop, .events = POLLIN}};
	int n;

	do
		n = poll(p, 2, -1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return p[1].revents ? 0 : 1;
}

/* The next front end's socket, -ENOENT when there will be none. */
static int source_next(int source, enum vhost_source_kind kind)
{
	int fd = -1, got;

	if (kind == VHOST_CONNECTED)
		return dup(source);
	if (kind == VHOST_LISTENING) {
		fd = accept4(source, NULL, NULL, SOCK_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	got = vhost_control_receive(source, &fd);
	if (got < 0)
		return got;
	return got == 1 && fd >= 0 ? fd : -ENOENT;
}

static bool stop_fired(int stop)
{
	struct pollfd p = {.fd = stop, .events = POLLIN};

	return stop >= 0 && poll(&p, 1, 0) == 1;
}

static void serve_one(struct vhost_device *d, int sock, enum vhost_source_kind kind, int stop)
{
	struct timeval limit = {.tv_sec = SEND_LIMIT_S};
	int err;

	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	vn_debug("a front end has connected");
	err = vhost_message_serve(d, sock, stop);
	if (err)
		vn_warn("the front end's connection is given up: %s", strerror(-err));
	vhost_device_detach(d, kind == VHOST_KEEPER && stop_fired(stop));
	vn_debug("the front end has gone");
}

int vhost_server_run(struct vhost_device *d, int source, enum vhost_source_kind kind, int stop)
{
	for (;;) {
		vn_autoclose int sock = -1;
		int ready = source_wait(source, stop);

		if (ready != 1)
			return ready;
		sock = source_next(source, kind);
		if (sock == -ENOENT)
			return 0;
		if (sock == -EINTR || sock == -ECONNABORTED)
			continue;
		if (sock < 0)
			return sock;
		serve_one(d, sock, kind, stop);
		if (kind == VHOST_CONNECTED)
			return 0;
	}
}
