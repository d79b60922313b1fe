// SPDX-License-Identifier: Apache-2.0
#include "hostile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "served.h"

struct server hostile_server;

/* With HOSTILE_SERVED set it is `veneer serve`, with its keeper, that is attacked. */
static struct served served;
static pid_t worker; /* 0: it is not */
static int keeper_fds;

static const char *suite_name;
static int ncases, nfailed;
static char dir[] = "/tmp/veneer-hostile.XXXXXX";

static void give_up(const char *why, int err)
{
	printf("Bail out! %s: %s\n", why, strerror(err < 0 ? -err : err));
	exit(99);
}

static bool lives(void)
{
	return worker ? served_lives(&served) && served_worker(&served) == worker : server_lives(&hostile_server);
}

/* The worker keeps files open as it likes; the keeper has nothing but what it needs. */
static bool is_idle(void)
{
	if (!worker)
		return server_is_idle(&hostile_server);
	for (int i = 0; i < 12000 && server_count(served.pid, "fd") != keeper_fds; i++)
		usleep(i < 100 ? 200 : 5000);
	return server_count(served.pid, "fd") == keeper_fds;
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
	if (!complaint && !lives())
		complaint = "the server has died";
	if (!complaint)
		complaint = good_session();
	if (!complaint && !is_idle())
		complaint = "descriptors or threads are left over";
	nfailed += complaint != NULL;
	if (complaint)
		printf("# %s\n", complaint);
	printf("%s %d - %s %s\n", complaint ? "not ok" : "ok", ++ncases, suite_name, name);
	if (!lives())
		give_up("the server has died", 0);
}

/* What the keeper has while nobody is connected: a front end that has said nothing adds its connection and the worker's. */
static int keeper_measure(void)
{
	struct fe fe;
	int err = fe_init(&fe);

	if (err)
		return err;
	err = fe_connect(&fe, hostile_server.path);
	if (!err)
		err = fe_get(&fe, VHOST_GET_FEATURES, &fe.features);
	keeper_fds = server_count(served.pid, "fd") - 2;
	fe_fini(&fe);
	return err;
}

static int served_begin(void)
{
	int err = served_prepare(&served);

	if (err)
		return err;
	strcpy(hostile_server.path, served.path);
	served_start(&served, "--num-request-queues=2", "--log-level=error");
	err = keeper_measure(); /* waits for the socket */
	if (err)
		return err;
	worker = served_worker(&served);
	if (!worker)
		return -ECHILD;
	return is_idle() ? 0 : -ETIMEDOUT;
}

static int begin(void)
{
	struct server_config config = {.queues = 2};

	if (getenv("HOSTILE_SERVED"))
		return served_begin();
	return mkdtemp(dir) ? server_start(&hostile_server, dir, &config) : -errno;
}

static int end(void)
{
	int status = worker ? served_end(&served) : server_stop(&hostile_server);

	unlink(hostile_server.path);
	if (worker)
		served_clean(&served);
	else
		rmdir(dir);
	return status;
}

int hostile_main(const char *suite, void (*cases)(void))
{
	int err, status;

	suite_name = suite;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (getenv("HOSTILE_SERVED") && !served_can())
		return 0;
	err = begin();
	if (err)
		give_up("no server", err);
	cases();
	status = end();
	printf("%s %d - %s the server ends in order\n", status ? "not ok" : "ok", ++ncases, suite);
	printf("1..%d\n", ncases);
	return nfailed || status ? 1 : 0;
}
