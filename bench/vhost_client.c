// SPDX-License-Identifier: Apache-2.0
/*
 * Drives a virtio-fs device without a virtual machine and prints operations per
 * second: vhost_client SOCKET WORK DEPTH MILLISECONDS [sleep]. DEPTH requests are
 * under way at a time, each the next message of one operation. The client looks at
 * the ring (or, with "sleep", waits for interrupts).
 *
 * It behaves as a guest's kernel would: where the server answers OPEN with ENOSYS,
 * I/O goes by nodeid and no RELEASE is sent.
 *
 * The tree it expects (bench/vhost makes it): files/N for N below FILES, dirs/D/N
 * for DIRS directories of PER_DIR files, big of BIG_SIZE bytes, and out/, empty.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "../tests/vhost/frontend.h"

#define FILES 20000
#define LOOKED_UP 1000    /* files that the client knows */
#define CHMOD_FILES 15000 /* also looked up; virtiofsd holds a descriptor for each, and may have 20000 */
#define DIRS 100
#define PER_DIR 100
#define BIG_SIZE (UINT64_C(256) << 20)
#define SLOTS 16
#define SLOT_BYTES (UINT64_C(2) << 20)
#define RING 1024

struct slot {
	uint64_t at; /* guest memory of this slot */
	struct fuse_out_header *out;
	unsigned step;        /* message of the operation */
	unsigned long number; /* of the operation */
	uint64_t node, fh, offset;
	char name[64], name2[64];
	struct fe_call call;
	union {
		struct fuse_getattr_in getattr;
		struct fuse_setattr_in setattr;
		struct fuse_read_in read;
		struct fuse_write_in write;
		struct fuse_create_in create;
		struct fuse_mkdir_in mkdir;
		struct fuse_rename2_in rename;
		struct fuse_open_in open;
		struct fuse_release_in release;
	} in;
};

struct work {
	const char *name;
	/* Fills in the call for the slot's step. */
	void (*next)(struct slot *s);
	/* Looks at the answer: true when the operation is done, else another step follows. */
	bool (*done)(struct slot *s);
	unsigned long limit; /* operations there are; 0: as many as wanted */
	size_t bytes;        /* moved per operation */
};

static struct fe fe;
static uint64_t files_node, dirs_node, out_node, big_node, big_fh, write_node, write_fh;
static uint64_t file_nodes[FILES], dir_nodes[DIRS];
static uint32_t run_id;

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void die(const char *what, int err)
{
	fprintf(stderr, "vhost_client: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static void call(struct slot *s, uint32_t opcode, uint64_t node, size_t in_len, size_t out_len)
{
	s->call = (struct fe_call){
		.opcode = opcode, .node = node, .in = {&s->in}, .in_len = {in_len}, .out_len = out_len};
}

static void call_name(struct slot *s, int i, const char *name)
{
	s->call.in[i] = name;
	s->call.in_len[i] = strlen(name) + 1;
}

static bool one_step(struct slot *s)
{
	if (s->out->error)
		die(s->name, s->out->error);
	return true;
}

/* ---- metadata that is there ---- */

static void next_getattr(struct slot *s)
{
	memset(&s->in.getattr, 0, sizeof(s->in.getattr));
	call(s, FUSE_GETATTR, file_nodes[s->number % 1000], sizeof(s->in.getattr), sizeof(struct fuse_attr_out));
}

static void next_lookup(struct slot *s)
{
	snprintf(s->name, sizeof(s->name), "%lu", s->number % CHMOD_FILES);
	call(s, FUSE_LOOKUP, files_node, 0, sizeof(struct fuse_entry_out));
	call_name(s, 0, s->name);
}

/* One READDIRPLUS of 32 KiB from the start of a directory, as the first of a listing. */
static void next_walk(struct slot *s)
{
	uint64_t node = dir_nodes[s->number % DIRS];

	if (s->step == 0) {
		memset(&s->in.open, 0, sizeof(s->in.open));
		call(s, FUSE_OPENDIR, node, sizeof(s->in.open), sizeof(struct fuse_open_out));
	} else if (s->step == 1) {
		s->in.read = (struct fuse_read_in){.fh = s->fh, .size = 32768};
		call(s, FUSE_READDIRPLUS, node, sizeof(s->in.read), 32768);
	} else {
		s->in.release = (struct fuse_release_in){.fh = s->fh};
		call(s, FUSE_RELEASEDIR, node, sizeof(s->in.release), 0);
	}
}

static bool no_opendir;

static bool done_walk(struct slot *s)
{
	if (s->step == 0 && s->out->error == -ENOSYS)
		no_opendir = true;
	else if (s->out->error)
		die("walk", s->out->error);
	if (s->step == 0) {
		s->fh = s->out->error ? 0 : ((struct fuse_open_out *)(s->out + 1))->fh;
		s->step = 1;
		return false;
	}
	if (s->step == 1 && !no_opendir) {
		s->step = 2;
		return false;
	}
	s->step = no_opendir;
	return true;
}

/* ---- new things ---- */

static void new_name(struct slot *s)
{
	snprintf(s->name, sizeof(s->name), "%u-%lu", run_id, s->number);
}

static void next_create(struct slot *s)
{
	if (s->step == 1) {
		s->in.release = (struct fuse_release_in){.fh = s->fh};
		call(s, FUSE_RELEASE, s->node, sizeof(s->in.release), 0);
		return;
	}
	new_name(s);
	s->in.create = (struct fuse_create_in){.flags = 0101, .mode = S_IFREG | 0644};
	call(s, FUSE_CREATE, out_node, sizeof(s->in.create), sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out));
	call_name(s, 1, s->name);
}

static bool no_open; /* a guest's kernel knows it after its first OPEN, and sends no RELEASE then */

static bool done_create(struct slot *s)
{
	struct fuse_entry_out *e = (void *)(s->out + 1);

	one_step(s);
	if (s->step == 1 || no_open) {
		s->step = 0;
		return true;
	}
	s->node = e->nodeid;
	s->fh = ((struct fuse_open_out *)(e + 1))->fh;
	s->step = 1;
	return false;
}

static void next_mkdir(struct slot *s)
{
	new_name(s);
	s->in.mkdir = (struct fuse_mkdir_in){.mode = 0755};
	call(s, FUSE_MKDIR, out_node, sizeof(s->in.mkdir), sizeof(struct fuse_entry_out));
	call_name(s, 1, s->name);
}

static void next_symlink(struct slot *s)
{
	new_name(s);
	call(s, FUSE_SYMLINK, out_node, 0, sizeof(struct fuse_entry_out));
	call_name(s, 0, s->name);
	call_name(s, 1, "a/target/somewhere");
}

/* Each slot has a file and moves it to and fro. */
static void next_rename(struct slot *s)
{
	unsigned long mine = s->number % SLOTS;

	snprintf(s->name, sizeof(s->name), "mv-%u-%lu-%u", run_id, mine, s->step % 2);
	snprintf(s->name2, sizeof(s->name2), "mv-%u-%lu-%u", run_id, mine, (s->step + 1) % 2);
	s->in.rename = (struct fuse_rename2_in){.newdir = out_node};
	call(s, FUSE_RENAME2, out_node, sizeof(s->in.rename), 0);
	call_name(s, 1, s->name);
	call_name(s, 2, s->name2);
}

static bool done_rename(struct slot *s)
{
	s->step++;
	return one_step(s);
}

static void next_chmod(struct slot *s)
{
	s->in.setattr = (struct fuse_setattr_in){.valid = FATTR_MODE, .mode = S_IFREG | 0600};
	call(s, FUSE_SETATTR, file_nodes[s->number % CHMOD_FILES], sizeof(s->in.setattr), sizeof(struct fuse_attr_out));
}

/* Lower files, each looked up before, as a guest does. */
static void next_unlink(struct slot *s)
{
	snprintf(s->name, sizeof(s->name), "%lu", s->number + LOOKED_UP);
	call(s, s->step ? FUSE_UNLINK : FUSE_LOOKUP, files_node, 0, s->step ? 0 : sizeof(struct fuse_entry_out));
	call_name(s, 0, s->name);
}

static bool done_unlink(struct slot *s)
{
	one_step(s);
	s->step = !s->step;
	return !s->step;
}

/* As tar does: look the name up, create, write 4 KiB, set mode and times, close. */
static void next_untar(struct slot *s)
{
	static const char data[4096];

	new_name(s);
	switch (s->step) {
	case 0:
		call(s, FUSE_LOOKUP, out_node, 0, sizeof(struct fuse_entry_out));
		call_name(s, 0, s->name);
		return;
	case 1:
		s->in.create = (struct fuse_create_in){.flags = 0101, .mode = S_IFREG | 0644};
		call(s, FUSE_CREATE, out_node, sizeof(s->in.create),
		     sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out));
		call_name(s, 1, s->name);
		return;
	case 2:
		s->in.write = (struct fuse_write_in){.fh = s->fh, .size = sizeof(data)};
		call(s, FUSE_WRITE, s->node, sizeof(s->in.write), sizeof(struct fuse_write_out));
		s->call.in[1] = data;
		s->call.in_len[1] = sizeof(data);
		return;
	case 3:
		s->in.setattr = (struct fuse_setattr_in){.valid = FATTR_MODE | FATTR_MTIME | FATTR_ATIME, .mode = S_IFREG | 0640};
		call(s, FUSE_SETATTR, s->node, sizeof(s->in.setattr), sizeof(struct fuse_attr_out));
		return;
	default:
		s->in.release = (struct fuse_release_in){.fh = s->fh};
		call(s, FUSE_RELEASE, s->node, sizeof(s->in.release), 0);
	}
}

static bool done_untar(struct slot *s)
{
	struct fuse_entry_out *e = (void *)(s->out + 1);

	if (s->out->error && !(s->step == 0 && s->out->error == -ENOENT))
		die("untar", s->out->error);
	if (s->step == 1) {
		s->node = e->nodeid;
		s->fh = ((struct fuse_open_out *)(e + 1))->fh;
	}
	s->step++;
	if (s->step <= (no_open ? 3u : 4u))
		return false;
	s->step = 0;
	return true;
}

/* ---- data ---- */

static size_t io_size;

static uint64_t io_offset(const struct slot *s, bool random)
{
	uint64_t blocks = BIG_SIZE / io_size;

	return (random ? s->number * UINT64_C(2654435761) % blocks : s->number % blocks) * io_size;
}

static void next_read(struct slot *s)
{
	s->in.read = (struct fuse_read_in){.fh = big_fh, .offset = io_offset(s, io_size == 4096), .size = (uint32_t)io_size};
	call(s, FUSE_READ, big_node, sizeof(s->in.read), io_size);
}

static void next_write(struct slot *s)
{
	static char data[1 << 20];

	s->in.write = (struct fuse_write_in){.fh = write_fh, .offset = io_offset(s, io_size == 4096), .size = (uint32_t)io_size};
	call(s, FUSE_WRITE, write_node, sizeof(s->in.write), sizeof(struct fuse_write_out));
	s->call.in[1] = data;
	s->call.in_len[1] = io_size;
}

static const struct work works[] = {
	{"getattr", next_getattr, one_step, 0, 0},
	{"lookup", next_lookup, one_step, 0, 0},
	{"readdirplus", next_walk, done_walk, 0, 0},
	{"create", next_create, done_create, 0, 0},
	{"mkdir", next_mkdir, one_step, 0, 0},
	{"symlink", next_symlink, one_step, 0, 0},
	{"rename", next_rename, done_rename, 0, 0},
	{"chmod", next_chmod, one_step, CHMOD_FILES, 0},
	{"unlink", next_unlink, done_unlink, CHMOD_FILES, 0},
	{"untar", next_untar, done_untar, 0, 0},
	{"read4k", next_read, one_step, 0, 4096},
	{"read128k", next_read, one_step, 0, 128 << 10},
	{"read1m", next_read, one_step, 0, 1 << 20},
	{"write4k", next_write, one_step, 0, 4096},
	{"write128k", next_write, one_step, 0, 128 << 10},
	{"write1m", next_write, one_step, 0, 1 << 20},
};

/* ---- set-up ---- */

static uint64_t find(uint64_t parent, const char *name)
{
	struct fuse_entry_out e;
	int err = fe_lookup(&fe, &fe.rings[1], parent, name, &e);

	if (err)
		die(name, err);
	return e.nodeid;
}

static uint64_t open_file(uint64_t node, uint32_t flags)
{
	struct fuse_open_in in = {.flags = flags};
	struct fuse_open_out out = {0};
	struct fe_call c = {.opcode = FUSE_OPEN, .node = node, .in = {&in}, .in_len = {sizeof(in)}, .out = &out, .out_len = sizeof(out)};
	int err = fe_do(&fe, &fe.rings[1], &c);

	no_open = err == -ENOSYS;
	if (err && !no_open)
		die("open", err);
	return out.fh;
}

static uint64_t make_file(const char *name)
{
	struct fuse_entry_out e;
	int err = fe_mknod(&fe, &fe.rings[1], out_node, name, &e);

	if (err)
		die(name, err);
	return e.nodeid;
}

static void prepare_files(unsigned n)
{
	char name[32];

	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%u", i);
		file_nodes[i] = find(files_node, name);
	}
}

static void prepare(const struct work *w)
{
	char name[64];

	files_node = find(1, "files");
	dirs_node = find(1, "dirs");
	out_node = find(1, "out");
	big_node = find(1, "big");
	big_fh = open_file(big_node, 0); /* not for writing: kernel overlayfs would copy it up, into larger folios */
	io_size = w->bytes;
	prepare_files(w->next == next_chmod ? CHMOD_FILES : LOOKED_UP);
	for (unsigned i = 0; w->next == next_walk && i < DIRS; i++) {
		snprintf(name, sizeof(name), "%u", i);
		dir_nodes[i] = find(dirs_node, name);
	}
	for (unsigned i = 0; w->next == next_rename && i < SLOTS; i++) {
		snprintf(name, sizeof(name), "mv-%u-%u-0", run_id, i);
		make_file(name);
	}
	if (w->next == next_write) {
		snprintf(name, sizeof(name), "written-%u", run_id);
		write_node = make_file(name);
		write_fh = open_file(write_node, 02);
	}
}

/* ---- the loop ---- */

static struct slot slots[SLOTS];
static struct slot *by_head[RING];

static void start(const struct work *w, struct slot *s)
{
	w->next(s);
	fe.rings[1].next_desc = (uint16_t)((s - slots) * 8); /* each slot has descriptors of its own */
	by_head[fe_start(&fe, &fe.rings[1], &s->call, s->at, &s->out)] = s;
}

/* Warm: everything once for a tenth of the time, then counted. */
static double run(const struct work *w, unsigned depth, int64_t ns, bool spin)
{
	unsigned long started = 0, finished = 0, counted_from = 0;
	int64_t begin = now_ns(), count_begin = 0;
	unsigned busy = 0;
	int64_t now = begin;

	for (unsigned i = 0; i < depth; i++, busy++) {
		slots[i] = (struct slot){.at = FE_BUFFERS + i * SLOT_BYTES, .number = started++};
		start(w, &slots[i]);
	}
	fe_kick(&fe.rings[1]);
	while (busy) {
		struct vring_used_elem e;
		struct slot *s;

		if (fe_reap(&fe.rings[1], &e, FE_TIMEOUT_MS, spin) != 1)
			die("no answer", ETIMEDOUT);
		s = by_head[e.id];
		if (w->done(s)) {
			finished++;
			if (finished % 16 == 0 || w->bytes)
				now = now_ns();
			if (!count_begin && (now - begin > ns / 10 || w->limit)) {
				count_begin = now;
				counted_from = finished;
			}
			if (now - begin > ns || (w->limit && started >= w->limit)) {
				busy--;
				continue;
			}
			s->number = w->next == next_rename ? s->number : started;
			started++;
		}
		start(w, s);
		fe_kick(&fe.rings[1]);
	}
	return (double)(finished - counted_from) * 1e9 / (double)(now_ns() - count_begin);
}

int main(int argc, char **argv)
{
	const struct work *w = NULL;
	unsigned depth;
	int err;

	if (argc < 5) {
		fputs("usage: vhost_client SOCKET WORK DEPTH MILLISECONDS [sleep]\n", stderr);
		return 2;
	}
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
		if (strcmp(works[i].name, argv[2]) == 0)
			w = &works[i];
	}
	depth = (unsigned)atoi(argv[3]);
	if (!w || !depth || depth > SLOTS)
		die("no such work or depth", EINVAL);
	run_id = (uint32_t)(now_ns() & 0xfffffff);
	err = fe_init(&fe);
	if (!err)
		err = fe_open(&fe, argv[1], 2, RING);
	if (!err)
		err = fe_fuse_init(&fe, NULL);
	if (err)
		die(argv[1], err);
	prepare(w);
	printf("%.0f\n", run(w, depth, atol(argv[4]) * INT64_C(1000000), argc < 6));
	fe_fini(&fe);
	return 0;
}
