// SPDX-License-Identifier: Apache-2.0
#include "hostile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct server hostile_server;

static const char *suite_name;
static int ncases, nfailed;
static char dir[] = "/tmp/veneer-hostile.XXXXXX";

static void give_up(const char *why, int err)
{
	printf("Bail out! %s: %s\n", why, strerror(err < 0 ? -err : err));
	exit(99);
}

void hostile_open(struct fe *fe)
{
	int err = fe_init(fe);

	if (!err)
		err = fe_open(fe, hostile_server.path, 2, 256);
	if (!err)
		err = fe_fuse_init(fe, NULL);
	if (err)
		give_up("no session", err);
}

static const char *good_session(void)
{
	struct fuse_attr_out attr;
	const char *complaint = NULL;
	struct fe fe;
	int err = fe_init(&fe);

	if (!err)
		err = fe_open(&fe, hostile_server.path, 2, 64);
	if (!err)
		err = fe_fuse_init(&fe, NULL);
	if (err)
		complaint = "no new session can be had";
	else if (fe_getattr(&fe, &fe.rings[1], 1, &attr) || attr.attr.ino != 1)
		complaint = "the root cannot be looked at any more";
	fe_fini(&fe);
	return complaint;
}

void hostile_case(const char *name, const char *complaint)
{
	if (!complaint && !server_lives(&hostile_server))
		complaint = "the server has died";
	if (!complaint)
		complaint = good_session();
	if (!complaint && !server_is_idle(&hostile_server))
		complaint = "descriptors or threads are left over";
	nfailed += complaint != NULL;
	if (complaint)
		printf("# %s\n", complaint);
	printf("%s %d - %s %s\n", complaint ? "not ok" : "ok", ++ncases, suite_name, name);
	if (!server_lives(&hostile_server))
		give_up("the server has died", 0);
}

int hostile_main(const char *suite, void (*cases)(void))
{
	struct server_config config = {.queues = 2};
	int err, status;

	suite_name = suite;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!mkdtemp(dir))
		return 99;
	err = server_start(&hostile_server, dir, &config);
	if (err)
		give_up("no server", err);
	cases();
	status = server_stop(&hostile_server);
	printf("%s %d - %s the server ends in order\n", status ? "not ok" : "ok", ++ncases, suite);
	printf("1..%d\n", ncases);
	unlink(hostile_server.path);
	rmdir(dir);
	return nfailed || status ? 1 : 0;
}
