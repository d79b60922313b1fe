// SPDX-License-Identifier: Apache-2.0
/*
 * `veneer serve` is killed again and again under load. Sixteen requests are under
 * way at any time, each a step of a file's life: made, written, appended to,
 * renamed, changed, looked at, removed. A request that was carried out twice, or not at all, shows as
 * an error of its own or of a later step; a nodeid that a new server does not know
 * as ESTALE.
 *
 *	restart keeper	the worker is killed, the keeper starts another one
 *	restart alone	the server is killed, the front end reconnects with the in-flight region
 *	restart upgrade	SIGUSR1 to the keeper
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "frontend.h"

#define DEPTH 16
#define RING 256
#define STEP_MS 120
#define PATIENCE_MS 60000
#define SLOT_BYTES 65536
#define APPENDED 100

enum mode { KEEPER, ALONE, UPGRADE };

enum step { MAKE, WRITE, APPEND, RENAME, CHANGE, LINK, LOOK, READ, REMOVE, REMOVE_LINK, STEPS };

struct slot {
	unsigned id;
	unsigned long round;
	enum step step;
	uint64_t node, kept; /* kept: a file of the first round that stays, to be looked at */
	struct fuse_out_header *out;
	struct fe_call call;
	char a[64], b[64], c[64], data[512];
	union {
		struct fuse_mknod_in mknod;
		struct fuse_write_in write;
		struct fuse_rename2_in rename;
		struct fuse_setattr_in setattr;
		struct fuse_link_in link;
		struct fuse_getattr_in getattr;
		struct fuse_read_in read;
	} in;
};

static struct fe fe;
static struct slot slots[DEPTH];
static struct slot *by_head[RING];
static enum mode mode;
static pid_t server;
static char dir[] = "/tmp/veneer-restart.XXXXXX";
static char path[64];
static unsigned long done_steps;
static int tests, failures;

static void check(bool ok, const char *name)
{
	printf("%s %d - vhost/restart %s\n", ok ? "ok" : "not ok", ++tests, name);
	failures += !ok;
}

static void fail(const struct slot *s, const char *what, int error)
{
	static int told;

	if (told++ < 20)
		printf("# slot %u round %lu step %d: %s: %s\n", s->id, s->round, (int)s->step, what, strerror(error < 0 ? -error : error));
	failures++;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

/* ---- the life of a file ---- */

static void call(struct slot *s, uint32_t opcode, uint64_t node, size_t in_len, size_t out_len)
{
	s->call = (struct fe_call){.opcode = opcode, .node = node, .in = {&s->in}, .in_len = {in_len}, .out_len = out_len};
}

static void name(struct slot *s, int i, const char *text)
{
	s->call.in[i] = text;
	s->call.in_len[i] = strlen(text) + 1;
}

static void prepare(struct slot *s)
{
	snprintf(s->a, sizeof(s->a), "a-%u-%lu", s->id, s->round);
	snprintf(s->b, sizeof(s->b), "b-%u-%lu", s->id, s->round);
	snprintf(s->c, sizeof(s->c), "c-%u-%lu", s->id, s->round);
	memset(s->data, 'a' + (int)((s->id + s->round) % 26), sizeof(s->data));
	memset(&s->in, 0, sizeof(s->in));
	switch (s->step) {
	case MAKE:
		s->in.mknod.mode = S_IFREG | 0644;
		call(s, FUSE_MKNOD, 1, sizeof(s->in.mknod), sizeof(struct fuse_entry_out));
		name(s, 1, s->a);
		break;
	case WRITE:
		s->in.write = (struct fuse_write_in){.offset = s->round % 100, .size = sizeof(s->data)};
		call(s, FUSE_WRITE, s->node, sizeof(s->in.write), sizeof(struct fuse_write_out));
		s->call.in[1] = s->data;
		s->call.in_len[1] = sizeof(s->data);
		break;
	case APPEND: /* at the server's end of the file, whatever the offset says */
		s->in.write = (struct fuse_write_in){.size = APPENDED, .flags = O_APPEND};
		call(s, FUSE_WRITE, s->node, sizeof(s->in.write), sizeof(struct fuse_write_out));
		s->call.in[1] = s->data;
		s->call.in_len[1] = APPENDED;
		break;
	case RENAME:
		s->in.rename = (struct fuse_rename2_in){.newdir = 1, .flags = 1 /* NOREPLACE */};
		call(s, FUSE_RENAME2, 1, sizeof(s->in.rename), 0);
		name(s, 1, s->a);
		name(s, 2, s->b);
		break;
	case CHANGE:
		s->in.setattr = (struct fuse_setattr_in){.valid = FATTR_MODE, .mode = S_IFREG | (uint32_t)(s->round % 512)};
		call(s, FUSE_SETATTR, s->node, sizeof(s->in.setattr), sizeof(struct fuse_attr_out));
		break;
	case LINK:
		s->in.link = (struct fuse_link_in){.oldnodeid = s->node};
		call(s, FUSE_LINK, 1, sizeof(s->in.link), sizeof(struct fuse_entry_out));
		name(s, 1, s->c);
		break;
	case LOOK:
		call(s, FUSE_GETATTR, s->kept ? s->kept : s->node, sizeof(s->in.getattr), sizeof(struct fuse_attr_out));
		break;
	case READ:
		s->in.read = (struct fuse_read_in){.offset = s->round % 100, .size = sizeof(s->data)};
		call(s, FUSE_READ, s->node, sizeof(s->in.read), sizeof(s->data));
		break;
	default:
		call(s, FUSE_UNLINK, 1, 0, 0);
		name(s, 0, s->step == REMOVE ? s->b : s->c);
	}
}

static void start(struct slot *s)
{
	prepare(s);
	fe.rings[1].next_desc = (uint16_t)(s->id * 8);
	by_head[fe_start(&fe, &fe.rings[1], &s->call, FE_BUFFERS + s->id * SLOT_BYTES, &s->out)] = s;
	fe_kick(&fe.rings[1]);
}

static void finish(struct slot *s)
{
	const struct fuse_entry_out *e = (void *)(s->out + 1);
	const struct fuse_attr_out *attr = (void *)(s->out + 1);

	if (s->out->unique != s->call.unique)
		fail(s, "an answer that is not its own", EPROTO);
	else if (s->out->error)
		fail(s, "error", s->out->error);
	else if (s->step == MAKE)
		s->node = e->nodeid;
	else if (s->step == LINK && (e->nodeid != s->node || e->attr.nlink != 2))
		fail(s, "a link to another file, or one too many", EPROTO);
	else if (s->step == LOOK && !s->kept && (attr->attr.nlink != 2 || (attr->attr.mode & 07777) != s->round % 512))
		fail(s, "attributes", EPROTO);
	else if (s->step == CHANGE && attr->attr.size != s->round % 100 + sizeof(s->data) + APPENDED)
		fail(s, "bytes appended twice, or not at all", EPROTO);
	else if (s->step == READ && memcmp(s->out + 1, s->data, sizeof(s->data)))
		fail(s, "contents", EPROTO);
	done_steps++;
	if (s->step == READ && s->round == 0) { /* the first file stays */
		s->kept = s->node;
		s->round++;
		s->step = MAKE;
		return;
	}
	s->step = (s->step + 1) % STEPS;
	s->round += s->step == MAKE;
}

/* Takes what comes within the time; `more`: each answer is followed by the next step. */
static bool run(int64_t ms, bool more, unsigned *busy)
{
	int64_t end = now_ms() + ms, last = now_ms();

	while (*busy && (more ? now_ms() < end : now_ms() - last < PATIENCE_MS)) {
		struct vring_used_elem e;

		if (fe_reap(&fe.rings[1], &e, 20, false) != 1) {
			if (now_ms() - last > PATIENCE_MS)
				return false;
			continue;
		}
		last = now_ms();
		if (e.id >= RING || !by_head[e.id]) {
			printf("# a request came back twice\n");
			failures++;
			continue;
		}
		struct slot *s = by_head[e.id];

		by_head[e.id] = NULL;
		finish(s);
		if (more)
			start(s);
		else
			--*busy;
	}
	return more || !*busy;
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
	dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
	execl(veneer, "veneer", "serve", socket, "--log-level=error", "-o", layers, mode == ALONE ? "--no-keeper" : NULL, NULL);
	_exit(127);
}

/* The keeper's child, 0: none at the moment. */
static pid_t worker_of(pid_t keeper)
{
	char file[64], text[64];
	ssize_t n;
	int fd;

	snprintf(file, sizeof(file), "/proc/%d/task/%d/children", (int)keeper, (int)keeper);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return (pid_t)atoi(text);
}

static int connect_again(bool first)
{
	int err = fe_connect(&fe, path);

	if (!err)
		err = fe_negotiate(&fe, 0);
	if (!err && mode == ALONE)
		err = first ? fe_get_inflight(&fe, 2, RING) : fe_set_inflight(&fe);
	for (unsigned i = 0; i < 2 && !err; i++)
		err = fe_ring_start(&fe, i, RING, first);
	if (!err && !first)
		fe_kick_always(&fe.rings[1]);
	return err;
}

/* One accident; what is needed for the guest to go on is done at once. */
static int strike(void)
{
	pid_t worker;

	if (mode == UPGRADE)
		return kill(server, SIGUSR1) ? -errno : 0;
	if (mode == KEEPER) {
		worker = worker_of(server);
		return worker && kill(worker, SIGKILL) ? -errno : 0;
	}
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	fe_disconnect(&fe);
	server_run();
	return connect_again(false);
}

static int server_end(void)
{
	int status;

	fe_disconnect(&fe);
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

static void tell_stuck(unsigned accidents)
{
	const struct fe_ring *r = &fe.rings[1];
	uint16_t event;

	memcpy(&event, &r->used->ring[r->size], sizeof(event));
	printf("# no answers after %u accidents: available %u, used %u of which %u seen, event %u\n", accidents, r->next_avail,
	       r->used->idx, r->next_used, event);
}

static void load(unsigned strikes)
{
	unsigned busy = 0;
	unsigned long before;
	bool ok = true;
	int err = 0;

	for (unsigned i = 0; i < DEPTH; i++, busy++) {
		slots[i] = (struct slot){.id = i};
		start(&slots[i]);
	}
	for (unsigned i = 0; i < strikes && ok && !err; i++) {
		int64_t patience = now_ms() + PATIENCE_MS;

		before = done_steps;
		while (ok && done_steps < before + DEPTH) { /* as long as it takes the server to be back */
			run(STEP_MS, true, &busy);
			ok = now_ms() < patience || done_steps > before;
		}
		if (!ok)
			tell_stuck(i);
		err = ok ? strike() : 0;
		if (err)
			printf("# accident %u: %s\n", i, strerror(-err));
	}
	check(ok && !err, "the load goes on after each");
	check(run(0, false, &busy), "every request comes back");
	check(failures == 0, "once, and none was lost");
}

static void last_look(void)
{
	bool ok = true;

	for (unsigned i = 0; i < DEPTH; i++) {
		struct fuse_attr_out attr;
		struct fuse_entry_out e;
		char first[64];

		snprintf(first, sizeof(first), "c-%u-0", i);
		if (!slots[i].kept)
			continue;
		ok &= fe_getattr(&fe, &fe.rings[1], slots[i].kept, &attr) == 0 && attr.attr.nlink == 2;
		ok &= fe_lookup(&fe, &fe.rings[1], 1, first, &e) == 0 && e.nodeid == slots[i].kept;
	}
	check(ok, "the nodeids of the beginning are valid to the end");
}

static void clean_up(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf --one-file-system %s", dir);
	if (system(command))
		printf("# %s stays\n", dir);
}

int main(int argc, char **argv)
{
	unsigned strikes = argc > 2 ? (unsigned)atoi(argv[2]) : 15;
	char sub[64];
	int err;

	setvbuf(stdout, NULL, _IOLBF, 0);
	mode = argc > 1 && strcmp(argv[1], "alone") == 0 ? ALONE : argc > 1 && strcmp(argv[1], "upgrade") == 0 ? UPGRADE : KEEPER;
	if (!getenv("VENEER") || access(getenv("VENEER"), X_OK)) {
		puts("1..0 # SKIP needs VENEER, the program to test");
		return 0;
	}
	if (!mkdtemp(dir))
		return 99;
	snprintf(path, sizeof(path), "%s/sock", dir);
	snprintf(sub, sizeof(sub), "%s/lower", dir);
	mkdir(sub, 0755);
	server_run();
	err = fe_init(&fe);
	if (!err)
		err = connect_again(true);
	if (!err)
		err = fe_fuse_init(&fe, NULL);
	if (err)
		printf("Bail out! no session: %s\n", strerror(err < 0 ? -err : err));
	else
		load(strikes);
	if (!err)
		last_look();
	check(server_end() == 0, "the server ends in order");
	printf("# %lu steps, %u accidents\n1..%d\n", done_steps, strikes, tests);
	clean_up();
	return failures || err ? 1 : 0;
}
