// SPDX-License-Identifier: Apache-2.0
/*
 * One request to a virtio-fs server, for scripts:
 *
 *	client SOCKET make NAME		a file in the root
 *	client SOCKET look NAME		prints nodeid, and how long the name may be trusted in seconds
 *	client SOCKET read NAME		prints its contents
 *	client SOCKET hold SECONDS	stays connected
 *	client SOCKET listen COMMAND...	runs a command whose descriptor 3 listens on SOCKET
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "frontend.h"

static struct fe fe;

static int fail(const char *what, int err)
{
	fprintf(stderr, "client: %s: %s\n", what, strerror(err < 0 ? -err : err));
	return 1;
}

static int run_with_socket(const char *path, char **command)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 1) || dup2(fd, 3) < 0)
		return 1;
	if (fd != 3)
		close(fd);
	execvp(command[0], command);
	return 127;
}

static int look(const char *name)
{
	struct fuse_entry_out e;
	int err = fe_lookup(&fe, &fe.rings[1], 1, name, &e);

	if (err || !e.nodeid)
		return fail(name, err ? err : -2);
	printf("%llu %llu\n", (unsigned long long)e.nodeid, (unsigned long long)e.entry_valid);
	return 0;
}

static int cat(const char *name)
{
	struct fuse_entry_out e;
	char data[4096];
	int n = fe_lookup(&fe, &fe.rings[1], 1, name, &e);

	if (n == 0)
		n = fe_read(&fe, &fe.rings[1], e.nodeid, 0, data, sizeof(data));
	if (n < 0)
		return fail(name, n);
	fwrite(data, 1, (size_t)n, stdout);
	return 0;
}

int main(int argc, char **argv)
{
	struct fuse_entry_out e;
	int err;

	if (argc < 4)
		return 2;
	if (strcmp(argv[2], "listen") == 0)
		return run_with_socket(argv[1], argv + 3);
	err = fe_init(&fe);
	if (!err)
		err = fe_open(&fe, argv[1], 2, 64);
	if (!err)
		err = fe_fuse_init(&fe, NULL);
	if (err)
		return fail(argv[1], err);
	if (strcmp(argv[2], "look") == 0)
		return look(argv[3]);
	if (strcmp(argv[2], "read") == 0)
		return cat(argv[3]);
	if (strcmp(argv[2], "hold") == 0)
		return (int)sleep((unsigned)atoi(argv[3]));
	err = fe_mknod(&fe, &fe.rings[1], 1, argv[3], &e);
	return err ? fail(argv[3], err) : 0;
}
