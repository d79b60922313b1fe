// SPDX-License-Identifier: Apache-2.0
/* The client's end of the control socket. */
#include <stdio.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/scope.h"
#include "cli/control.h"
#include "cli/control_socket.h"

#define CONTROL_TRIES 250
#define CONTROL_PAUSE_US 20000

static int control_connect(const struct control_address *to)
{
	vn_autoclose int dirfd = -1;
	vn_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa;
	socklen_t len;

	if (fd < 0)
		return -errno;
	if (to->upper) {
		dirfd = vn_open_at(AT_FDCWD, to->upper, VN_O_PATH | O_DIRECTORY, 0);
		if (dirfd < 0)
			return dirfd;
		len = control_address_file(&sa, dirfd);
	} else {
		len = control_address_dev(&sa, to->dev);
	}
	if (connect(fd, (const struct sockaddr *)&sa, len) < 0)
		return -errno;
	return vn_steal_fd(&fd);
}

/* Everything up to the end of the connection. */
static int control_read_all(int fd, char **out)
{
	vn_autofree char *text = NULL;
	size_t n = 0, cap = 0;

	for (;;) {
		ssize_t got;

		if (cap - n < 4096) {
			char *more = realloc(text, cap = cap * 2 + 8192);

			if (!more)
				return -ENOMEM;
			text = more;
		}
		got = vn_read_full(fd, text + n, cap - n - 1);
		if (got < 0)
			return (int)got;
		n += (size_t)got;
		text[n] = 0;
		if (got == 0)
			break;
	}
	*out = vn_steal_ptr(&text);
	return 0;
}

static int control_ended(struct vn_err *err)
{
	return vn_err_set(err, -EPROTO, "the server ended before it answered");
}

static int control_parse(const char *answer, char **reply, struct vn_err *err)
{
	int code, at = 0;

	if (strncmp(answer, "ok\n", 3) == 0) {
		*reply = strdup(answer + 3);
		return *reply ? 0 : vn_err_sys(err, -ENOMEM, "cannot read the server's answer");
	}
	if (sscanf(answer, "error %d %n", &code, &at) == 1 && at > 0 && code > 0)
		return vn_err_set(err, -code, "%.*s", (int)strcspn(answer + at, "\n"), answer + at);
	return control_ended(err);
}

/* One connection. -ECONNRESET: a server that is ending closed it, the request unread. */
static int control_ask(const struct control_address *to, const char *line, char **answer, struct vn_err *err)
{
	vn_autoclose int fd = control_connect(to);
	int ret;

	if (fd == -ENOENT || fd == -ECONNREFUSED)
		return -ENOENT;
	if (fd < 0)
		return vn_err_sys(err, fd, "cannot reach the server of %s", to->upper ? to->upper : "this mount");
	if (!control_peer_trusted(fd))
		return vn_err_set(err, -EACCES, "the server belongs to another user: ask as that user or as root");
	if (send(fd, line, strlen(line), MSG_NOSIGNAL) < 0)
		return errno == EPIPE ? -ECONNRESET : vn_err_sys(err, -errno, "cannot reach the server");
	ret = control_read_all(fd, answer);
	return ret < 0 && ret != -ECONNRESET ? vn_err_sys(err, ret, "cannot read the server's answer") : ret;
}

int control_call(const struct control_address *to, const char *request, char **reply, struct vn_err *err)
{
	vn_autofree char *line = NULL;
	vn_autofree char *answer = NULL;
	int ret = -ECONNRESET;

	if (asprintf(&line, "%s\n", request) < 0) {
		line = NULL;
		return vn_err_sys(err, -ENOMEM, "cannot reach the server");
	}
	/* An ending server is gone in a moment, and with it the reason to ask. */
	for (int i = 0; i < CONTROL_TRIES && ret == -ECONNRESET; i++) {
		if (i)
			usleep(CONTROL_PAUSE_US);
		ret = control_ask(to, line, &answer, err);
	}
	if (ret == -ECONNRESET)
		return control_ended(err);
	return ret < 0 ? ret : control_parse(answer, reply, err);
}
