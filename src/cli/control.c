// SPDX-License-Identifier: Apache-2.0
#include "cli/control.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/scope.h"
#include "cli/control_socket.h"

/* How long a new mount waits for its name: five seconds. */
#define CONTROL_DEV_TRIES 250
#define CONTROL_DEV_PAUSE_US 20000

struct control {
	struct control_config config;
	int dirfd;     /* of the upper, or -1 */
	int listen[2]; /* socket file, abstract socket; -1: none */
	int stop_fd;
	pthread_t thread;
};

static int control_listen(const struct sockaddr_un *sa, socklen_t len)
{
	vn_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* The mode of the socket file; the umask belongs to all threads. */
	if (fchmod(fd, 0600) < 0 || bind(fd, (const struct sockaddr *)sa, len) < 0 || listen(fd, 8) < 0)
		return -errno;
	return vn_steal_fd(&fd);
}

static int control_open_file(struct control *c, struct vn_err *err)
{
	struct sockaddr_un sa;
	socklen_t len;

	if (!c->config.upper)
		return 0;
	c->dirfd = vn_open_at(AT_FDCWD, c->config.upper, O_RDONLY | O_DIRECTORY, 0);
	if (c->dirfd < 0)
		return vn_err_sys(err, c->dirfd, "cannot open upper directory '%s'", c->config.upper);
	if (unlinkat(c->dirfd, CONTROL_NAME, 0) < 0 && errno != ENOENT)
		return vn_err_sys(err, -errno, "cannot replace '%s/" CONTROL_NAME "'", c->config.upper);
	len = control_address_file(&sa, c->dirfd);
	c->listen[0] = control_listen(&sa, len);
	if (c->listen[0] < 0)
		return vn_err_sys(err, c->listen[0], "cannot make the socket '%s/" CONTROL_NAME "'", c->config.upper);
	return 0;
}

/*
 * The kernel gives the number of a mount that is gone to the next one at once. The server of the one before, which is
 * about to end, may still have the name. Its absence only means that `veneer stat MNT` cannot find the server.
 */
static void control_open_dev(struct control *c)
{
	struct sockaddr_un sa;
	socklen_t len = control_address_dev(&sa, c->config.dev);

	if (!c->config.dev)
		return;
	c->listen[1] = control_listen(&sa, len);
	for (int i = 0; i < CONTROL_DEV_TRIES && c->listen[1] == -EADDRINUSE; i++) {
		usleep(CONTROL_DEV_PAUSE_US);
		c->listen[1] = control_listen(&sa, len);
	}
}

/* Reads the request up to its newline, which becomes the end. */
static int control_read_line(int fd, char *line, size_t size)
{
	size_t n = 0;

	while (n < size) {
		ssize_t got = read(fd, line + n, size - n);
		char *end;

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EPROTO;
		end = memchr(line + n, '\n', (size_t)got);
		n += (size_t)got;
		if (end) {
			*end = 0;
			return 0;
		}
	}
	return -E2BIG;
}

static int control_run(struct control *c, char *line, char **reply, struct vn_err *err)
{
	char *rest = line + strcspn(line, " ");

	if (*rest)
		*rest++ = 0;
	for (const struct control_verb *v = c->config.verbs; v->name; v++) {
		if (strcmp(v->name, line) == 0)
			return v->run(c->config.arg, rest, reply, err);
	}
	return vn_err_set(err, -EOPNOTSUPP, "the server does not know the request '%s'", line);
}

static void control_reply(int fd, const char *text)
{
	/* MSG_NOSIGNAL: a client that has gone away is no reason to die. */
	for (size_t left = strlen(text); left > 0;) {
		ssize_t n = send(fd, text, left, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		text += n;
		left -= (size_t)n;
	}
}

static void control_serve(struct control *c, int listen_fd)
{
	vn_autoclose int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	struct timeval patience = {.tv_sec = 5};
	char line[CONTROL_LINE_MAX];
	struct vn_err err = {0};
	vn_autofree char *reply = NULL;
	vn_autofree char *failed = NULL;

	if (fd < 0 || !control_peer_trusted(fd))
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (control_read_line(fd, line, sizeof(line)) < 0)
		return;
	err.code = control_run(c, line, &reply, &err);
	if (err.code == 0) {
		control_reply(fd, "ok\n");
		control_reply(fd, reply ? reply : "");
	} else if (asprintf(&failed, "error %d %s\n", -err.code, vn_err_text(&err)) >= 0) {
		control_reply(fd, failed);
	} else {
		failed = NULL;
	}
}

static void *control_main(void *arg)
{
	struct control *c = arg;
	struct pollfd fds[3] = {
		{.fd = c->stop_fd, .events = POLLIN},
		{.fd = c->listen[0], .events = POLLIN},
		{.fd = c->listen[1], .events = POLLIN},
	};

	for (;;) {
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			return NULL;
		if (fds[0].revents)
			return NULL;
		for (int i = 1; i < 3; i++) {
			if (fds[i].revents & POLLIN)
				control_serve(c, fds[i].fd);
		}
	}
}

static void control_free(struct control *c)
{
	/* First: the next mount waits for this name. */
	if (c->listen[1] >= 0)
		close(c->listen[1]);
	if (c->listen[0] >= 0) {
		unlinkat(c->dirfd, CONTROL_NAME, 0);
		close(c->listen[0]);
	}
	if (c->dirfd >= 0)
		close(c->dirfd);
	if (c->stop_fd >= 0)
		close(c->stop_fd);
	free(c);
}

int control_start(const struct control_config *config, struct control **out, struct vn_err *err)
{
	struct control *c = calloc(1, sizeof(*c));
	int ret;

	if (!c)
		return vn_err_sys(err, -ENOMEM, "cannot start the control socket");
	*c = (struct control){.config = *config, .dirfd = -1, .listen = {-1, -1}};
	c->stop_fd = eventfd(0, EFD_CLOEXEC);
	ret = c->stop_fd < 0 ? vn_err_sys(err, -errno, "cannot start the control socket") : control_open_file(c, err);
	if (ret == 0) {
		control_open_dev(c);
		ret = -pthread_create(&c->thread, NULL, control_main, c);
		if (ret < 0)
			vn_err_sys(err, ret, "cannot start the control socket");
	}
	if (ret < 0) {
		control_free(c);
		return ret;
	}
	*out = c;
	return 0;
}

void control_stop(struct control *c)
{
	if (!c)
		return;
	eventfd_write(c->stop_fd, 1);
	pthread_join(c->thread, NULL);
	control_free(c);
}
