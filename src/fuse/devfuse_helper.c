// SPDX-License-Identifier: Apache-2.0
/*
 * Mounting by way of fusermount3, the set-user-ID helper of libfuse: it opens the
 * device, mounts, and sends the descriptor through the socket that _FUSE_COMMFD names.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/scope.h"
#include "fuse/devfuse_mount.h"

#define HELPER "fusermount3"
#define OPTIONS_MAX 1024
#define SAID_MAX 512

extern char **environ;

struct helper {
	pid_t pid;
	int said;                /* its standard error, read end; -1: not wanted */
	char text[SAID_MAX + 1]; /* what it said, first line */
};

/* ---- options ---- */

/* fusermount3 splits at commas; a backslash keeps one. */
static void option_escape(char *to, size_t size, const char *from)
{
	size_t n = 0;

	for (; *from && n + 2 < size; from++) {
		if (*from == ',' || *from == '\\')
			to[n++] = '\\';
		to[n++] = *from;
	}
	to[n] = '\0';
}

static void option_add(char *text, bool on, const char *word)
{
	if (!on)
		return;
	strlcat(text, ",", OPTIONS_MAX);
	strlcat(text, word, OPTIONS_MAX);
}

static void options_write(char *text, const struct vf_mount_options *o)
{
	char name[256], word[320];

	option_escape(name, sizeof(name), o->fsname ? o->fsname : "veneer");
	snprintf(word, sizeof(word), "fsname=%s", name);
	strlcpy(text, o->readonly ? "ro" : "rw", OPTIONS_MAX);
	option_add(text, true, "default_permissions");
	option_add(text, true, "subtype=veneer");
	option_add(text, true, word);
	option_add(text, o->nosuid, "nosuid");
	option_add(text, o->nodev, "nodev");
	option_add(text, o->noexec, "noexec");
	option_add(text, o->noatime, "noatime");
	option_add(text, o->sync, "sync");
	option_add(text, o->dirsync, "dirsync");
	option_add(text, o->allow_other, "allow_other");
	snprintf(word, sizeof(word), "max_read=%u", o->max_read);
	option_add(text, o->max_read != 0, word);
}

/* ---- running it ---- */

static int helper_spawn(struct helper *h, char *const argv[], int said_write)
{
	posix_spawn_file_actions_t fa;
	int err;

	posix_spawn_file_actions_init(&fa);
	if (said_write >= 0)
		posix_spawn_file_actions_adddup2(&fa, said_write, STDERR_FILENO);
	err = posix_spawnp(&h->pid, HELPER, &fa, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	return -err;
}

static int helper_start(struct helper *h, char *const argv[])
{
	int said[2], err;

	if (pipe2(said, O_CLOEXEC) < 0)
		return -errno;
	h->said = said[0];
	err = helper_spawn(h, argv, said[1]);
	close(said[1]);
	if (err)
		close(h->said);
	return err;
}

/* Reads what it says, waits for its end. Its exit status, or -errno. */
static int helper_finish(struct helper *h)
{
	size_t n = 0;
	ssize_t got;
	int status;

	while (n < SAID_MAX && (got = read(h->said, h->text + n, SAID_MAX - n)) > 0)
		n += (size_t)got;
	h->text[n] = '\0';
	h->text[strcspn(h->text, "\n")] = '\0';
	close(h->said);
	while (waitpid(h->pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

/* ---- the descriptor ---- */

static int helper_receive(int sock)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *c;
	ssize_t n;
	int fd;

	do
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
		return -EPERM;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/* ---- errors ---- */

static int helper_error(const struct helper *h, const char *target, struct vn_err *err)
{
	const char *said = strncmp(h->text, HELPER ": ", strlen(HELPER) + 2) == 0 ? h->text + strlen(HELPER) + 2 : h->text;

	if (strstr(said, "user_allow_other"))
		return vn_err_set(err, -EPERM,
				  "allow_other needs the line user_allow_other in /etc/fuse.conf when mounting without root: "
				  "add it, or leave allow_other out");
	if (strstr(said, "/dev/fuse"))
		return vn_err_set(err, -EACCES,
				  "/dev/fuse may not be opened by this user (%s): run as root, or open it for users (chmod "
				  "666 /dev/fuse)",
				  said);
	return vn_err_set(err, -EPERM, "mounting on %s was refused: %s", target, *said ? said : "fusermount3 failed");
}

static int helper_missing(int code, struct vn_err *err)
{
	if (code == -ENOENT)
		return vn_err_set(err, code,
				  "without root a mount needs the program fusermount3: install the package fuse3, or run as "
				  "root");
	return vn_err_sys(err, code, "fusermount3 cannot be started");
}

/* ---- the two calls ---- */

/* The socket's number goes through the environment: the helper's own convention. */
static int helper_run_mount(struct helper *h, char *const argv[], int child_sock)
{
	char number[16];
	int err;

	snprintf(number, sizeof(number), "%d", child_sock);
	if (setenv("_FUSE_COMMFD", number, 1) < 0)
		return -errno;
	err = helper_start(h, argv);
	unsetenv("_FUSE_COMMFD");
	return err;
}

int vf_helper_mount(const char *target, const struct vf_mount_options *o, int *fd, struct vn_err *err)
{
	char options[OPTIONS_MAX];
	char *argv[] = {(char *)HELPER, (char *)"-o", options, (char *)"--", (char *)target, NULL};
	struct helper h = {.said = -1};
	int pair[2], code, got;

	options_write(options, o);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return vn_err_sys(err, -errno, "socketpair");
	vn_autoclose int mine = pair[0];
	vn_autoclose int theirs = pair[1];

	fcntl(theirs, F_SETFD, 0);
	code = helper_run_mount(&h, argv, theirs);
	if (code)
		return helper_missing(code, err);
	close(vn_steal_fd(&theirs)); /* or we would wait for ourselves */
	got = helper_receive(mine);
	code = helper_finish(&h);
	if (got < 0)
		return helper_error(&h, target, err);
	*fd = got;
	return 0;
}

int vf_helper_unmount(const char *target)
{
	char *argv[] = {(char *)HELPER, (char *)"-u", (char *)"-q", (char *)"-z", (char *)"--", (char *)target, NULL};
	struct helper h = {.said = -1};
	int code = helper_start(&h, argv);

	return code ? code : helper_finish(&h);
}
