// SPDX-License-Identifier: Apache-2.0
/*
 * `veneer serve` with its keeper, under front ends and workers that fail at the worst
 * time: a worker that dies while a device state is loaded, workers that die
 * one after another, a front end that cuts its memory short.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "frontend.h"

#define PATIENCE_S 60
#define DEATHS 8 /* so many young workers a keeper buries */

static struct fe fe;
static pid_t server;
static char dir[] = "/tmp/veneer-keeper.XXXXXX";
static char path[64];
static int tests, failures;

static void check(bool ok, const char *name)
{
	printf("%s %d - vhost/keeper %s\n", ok ? "ok" : "not ok", ++tests, name);
	failures += !ok;
}

/* ---- the server ---- */

static void server_run(void)
{
	char socket[80], layers[160];
	const char *veneer = getenv("VENEER");

	snprintf(socket, sizeof(socket), "--socket=%s", path);
	snprintf(layers, sizeof(layers), "lowerdir=%s/lower,upperdir=%s/upper", dir, dir);
	fflush(NULL);
	server = fork();
	if (server)
		return;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	dup2(open("/dev/null", O_RDWR | O_CLOEXEC), 0);
	dup2(0, 2); /* it tells of each death */
	execl(veneer, "veneer", "serve", socket, "-o", layers, NULL);
	_exit(127);
}

/* The keeper's child, 0: none at the moment. */
static pid_t worker(void)
{
	char file[64], text[64];
	ssize_t n;
	int fd;

	snprintf(file, sizeof(file), "/proc/%d/task/%d/children", (int)server, (int)server);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return (pid_t)atoi(text);
}

/* Waits for a worker other than `old`, which has come as far as to open the tree or further. */
static pid_t worker_after(pid_t old)
{
	time_t end = time(NULL) + PATIENCE_S;
	pid_t now;

	while ((now = worker()) == 0 || now == old) {
		if (time(NULL) > end || kill(server, 0))
			return 0;
		usleep(2000);
	}
	return now;
}

static bool worker_dies(int signal)
{
	pid_t now = worker_after(0);

	return now && kill(now, signal) == 0 && worker_after(now);
}

static bool server_lives(void)
{
	return waitpid(server, NULL, WNOHANG) == 0;
}

/* ---- sessions ---- */

static int fresh(bool init)
{
	int err = fe_connect(&fe, path);

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
	ok = fe_connect(&fe, path) == 0 && fe_negotiate(&fe, 0) == 0 && transfer(VHOST_STATE_LOAD, p[0]);
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
	check(fe_connect(&fe, path) == 0 && fe_negotiate(&fe, 0) == 0 && verdict() == EINVAL, "a state that was never sent is none");
	fe_disconnect(&fe);
}

/* ---- workers that keep dying ---- */

static bool is_cut_off(void)
{
	struct pollfd p = {.fd = fe.sock, .events = POLLIN};
	char byte;

	return poll(&p, 1, PATIENCE_S * 1000) == 1 && recv(fe.sock, &byte, 1, 0) <= 0;
}

static void death_cases(void)
{
	bool ok = fresh(true) == 0;

	for (int i = 0; i < DEATHS && ok; i++)
		ok = worker_dies(SIGUSR1);
	check(ok && is_cut_off(), "workers that die one after another cost the front end its connection");
	fe_disconnect(&fe);
	check(server_lives() && serves(), "and the next front end is served");
}

/* ---- memory that goes away ---- */

static void memory_cases(void)
{
	pid_t before;
	bool ok = fresh(true) == 0;

	before = worker();
	ok = ok && ftruncate(fe.memfd, 0) == 0;
	for (int i = 0; i < 20 && ok; i++) { /* kicks make it look at rings that are gone */
		uint64_t one = 1;

		ok = write(fe.rings[1].kick, &one, sizeof(one)) == sizeof(one);
		usleep(1000);
	}
	fe_disconnect(&fe);
	check(ok && ftruncate(fe.memfd, FE_MEMORY) == 0 && serves() && worker() == before,
	      "a front end that cuts its memory short does not end the worker");
}

/* ---- all ---- */

static int server_end(void)
{
	int status;

	kill(server, SIGTERM);
	for (int i = 0; i < 6000; i++) {
		if (waitpid(server, &status, WNOHANG) == server)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
		usleep(10000);
	}
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return -1;
}

static void clean_up(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf --one-file-system %s", dir);
	if (system(command))
		printf("# %s stays\n", dir);
}

int main(void)
{
	char sub[64];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!getenv("VENEER") || access(getenv("VENEER"), X_OK)) {
		puts("1..0 # SKIP needs VENEER, the program to test");
		return 0;
	}
	if (!mkdtemp(dir) || fe_init(&fe))
		return 99;
	snprintf(path, sizeof(path), "%s/sock", dir);
	snprintf(sub, sizeof(sub), "%s/lower", dir);
	mkdir(sub, 0755);
	server_run();
	check(serves(), "a front end is served");
	state_cases();
	memory_cases();
	death_cases();
	check(server_end() == 0, "the server ends in order");
	printf("1..%d\n", tests);
	fe_fini(&fe);
	clean_up();
	return failures ? 1 : 0;
}
