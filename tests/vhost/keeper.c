// SPDX-License-Identifier: Apache-2.0
/*
 * `veneer serve` with its keeper, under front ends and workers that fail at the worst
 * time: a worker that dies while a device state is loaded, workers that die
 * one after another, a front end that cuts its memory short.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend.h"
#include "served.h"

#define DEATHS 200 /* eight young ones in a row are too many; on a busy machine some are not young any more */

static struct fe fe;
static struct served server;
static int tests, failures;

static void check(bool ok, const char *name)
{
	printf("%s %d - vhost/keeper %s\n", ok ? "ok" : "not ok", ++tests, name);
	failures += !ok;
}

/* ---- the server ---- */

static bool worker_dies(int signal)
{
	pid_t now = served_worker_after(&server, 0);

	return now && kill(now, signal) == 0 && served_worker_after(&server, now);
}

/* ---- sessions ---- */

static int fresh(bool init)
{
	int err = fe_connect(&fe, server.path);

	if (!err)
		err = fe_negotiate(&fe, 0);
	for (unsigned i = 0; i < 2 && !err; i++)
		err = fe_ring_start(&fe, i, 64, true);
	return err || !init ? err : fe_fuse_init(&fe, NULL);
}

static bool serves(void)
{
	struct fuse_attr_out attr;
	int err = fresh(true);

	if (!err)
		err = fe_getattr(&fe, &fe.rings[1], 1, &attr);
	if (err)
		printf("# %s\n", strerror(err < 0 ? -err : err));
	fe_disconnect(&fe);
	return !err;
}

/* ---- a device state, and workers that die around it ---- */

static bool transfer(uint32_t direction, int fd)
{
	struct vhost_msg m = {
		.request = VHOST_SET_DEVICE_STATE_FD, .size = sizeof(struct vhost_state_wire), .nfds = 1, .fds = {fd}};

	m.p.device_state.direction = direction;
	return fe_message(&fe, &m, true) == 0 && !(m.p.u64 & VHOST_STATE_ERROR_MASK);
}

static uint64_t verdict(void)
{
	uint64_t error = ETIMEDOUT;

	return fe_get(&fe, VHOST_CHECK_DEVICE_STATE, &error) ? ETIMEDOUT : error;
}

/* Saves the present session's state. The blob's length, 0: no. */
static size_t save(char *blob, size_t room)
{
	ssize_t n = -1;
	int p[2];

	if (pipe2(p, O_CLOEXEC))
		return 0;
	if (fe_ring_stop(&fe, 0) >= 0 && fe_ring_stop(&fe, 1) >= 0 && transfer(VHOST_STATE_SAVE, p[1]) && !verdict())
		n = read(p[0], blob, room);
	close(p[0]);
	close(p[1]);
	return n > 0 ? (size_t)n : 0;
}

/* When a worker dies while a state is loaded. */
enum moment { BEFORE_THE_BYTES, AFTER_THE_BYTES, AFTER_THE_VERDICT };

static bool load(const char *blob, size_t n, enum moment when)
{
	bool ok = true;
	int p[2];

	if (pipe2(p, O_CLOEXEC))
		return false;
	ok = fe_connect(&fe, server.path) == 0 && fe_negotiate(&fe, 0) == 0 && transfer(VHOST_STATE_LOAD, p[0]);
	close(p[0]);
	if (ok && when == BEFORE_THE_BYTES)
		ok = worker_dies(SIGKILL);
	ok = ok && write(p[1], blob, n) == (ssize_t)n;
	close(p[1]);
	if (ok && when == AFTER_THE_BYTES)
		ok = worker_dies(SIGKILL);
	ok = ok && verdict() == 0;
	if (ok && when == AFTER_THE_VERDICT)
		ok = worker_dies(SIGKILL);
	return ok;
}

/* The guest goes on: its nodeid is valid, without an INIT. */
static bool goes_on(uint64_t node)
{
	struct fuse_attr_out attr;

	return fe_ring_start(&fe, 0, 64, true) == 0 && fe_ring_start(&fe, 1, 64, true) == 0 &&
	       fe_getattr(&fe, &fe.rings[1], node, &attr) == 0 && attr.attr.ino == node;
}

static void state_cases(void)
{
	static const char *const names[] = {"before the bytes of a state", "after the bytes of a state", "after the state was found good"};
	struct fuse_entry_out e;
	char blob[4096], name[96];
	size_t n = 0;

	if (fresh(true) == 0 && fe_mknod(&fe, &fe.rings[1], 1, "kept", &e) == 0)
		n = save(blob, sizeof(blob));
	fe_disconnect(&fe);
	check(n > 0, "a state is saved");
	for (enum moment when = BEFORE_THE_BYTES; n && when <= AFTER_THE_VERDICT; when++) {
		bool ok = load(blob, n, when) && goes_on(e.nodeid);

		if (ok) /* saved again: what was loaded is left otherwise, and its lookups given back */
			ok = save(blob, sizeof(blob)) == n;
		fe_disconnect(&fe);
		snprintf(name, sizeof(name), "the worker dies %s: the guest goes on", names[when]);
		check(ok, name);
	}
	check(fe_connect(&fe, server.path) == 0 && fe_negotiate(&fe, 0) == 0 && verdict() == EINVAL, "a state that was never sent is none");
	fe_disconnect(&fe);
}

/* ---- workers that keep dying ---- */

static bool is_cut_off(void)
{
	char byte;
	ssize_t n = recv(fe.sock, &byte, 1, MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

static void death_cases(void)
{
	bool ok = fresh(true) == 0, cut = false;

	for (int i = 0; i < DEATHS && ok && !cut; i++) {
		ok = worker_dies(SIGUSR1);
		cut = is_cut_off();
	}
	check(ok && cut, "workers that die one after another cost the front end its connection");
	fe_disconnect(&fe);
	check(served_lives(&server) && serves(), "and the next front end is served");
}

/* ---- memory that goes away ---- */

static void memory_cases(void)
{
	pid_t before;
	bool ok = fresh(true) == 0;

	before = served_worker(&server);
	ok = ok && ftruncate(fe.memfd, 0) == 0;
	for (int i = 0; i < 20 && ok; i++) { /* kicks make it look at rings that are gone */
		uint64_t one = 1;

		ok = write(fe.rings[1].kick, &one, sizeof(one)) == sizeof(one);
		usleep(1000);
	}
	fe_disconnect(&fe);
	check(ok && ftruncate(fe.memfd, FE_MEMORY) == 0 && serves() && served_worker(&server) == before,
	      "a front end that cuts its memory short does not end the worker");
}

/* ---- the end ---- */

#define LAST 15 /* requests under way at the end */

/* How many of the last requests' files are in the upper; -1: it cannot be told. */
static int files_made(void)
{
	char command[256], line[64];
	int n = 0;
	FILE *f;

	snprintf(command, sizeof(command), "'%s' diff '%s/upper'", getenv("VENEER"), server.dir);
	f = popen(command, "r");
	while (f && fgets(line, sizeof(line), f))
		n += strncmp(line, "A last", 6) == 0;
	return f && pclose(f) == 0 ? n : -1;
}

/* What the server answered is done, what it did it has answered, however it is cut off. */
static void end_case(void)
{
	struct fuse_mknod_in in = {.mode = S_IFREG | 0644};
	struct fuse_out_header *out;
	struct vring_used_elem e;
	int answered = 0, made;
	bool ok = fresh(true) == 0;

	for (int i = 0; i < LAST && ok; i++) {
		char name[16];
		int len = snprintf(name, sizeof(name), "last%d", i) + 1;
		struct fe_call c = {.opcode = FUSE_MKNOD, .node = 1, .in = {&in, name}, .in_len = {sizeof(in), (size_t)len}, .out_len = 256};

		fe_start(&fe, &fe.rings[1], &c, FE_BUFFERS + (uint64_t)i * 4096, &out);
	}
	fe_kick(&fe.rings[1]);
	check(ok && served_end(&server) == 0, "the server ends in order while requests come");
	while (fe_reap(&fe.rings[1], &e, 0, false) == 1)
		answered++;
	made = files_made();
	if (made != answered)
		printf("# %d answers, %d files\n", answered, made);
	check(made == answered, "and what it has begun is finished and answered");
	fe_disconnect(&fe);
}

/* ---- all ---- */

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!served_can())
		return 0;
	if (served_prepare(&server) || fe_init(&fe))
		return 99;
	served_start(&server, NULL, NULL);
	check(serves(), "a front end is served");
	state_cases();
	memory_cases();
	death_cases();
	end_case();
	printf("1..%d\n", tests);
	fe_fini(&fe);
	served_clean(&server);
	return failures ? 1 : 0;
}
