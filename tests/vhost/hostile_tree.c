// SPDX-License-Identifier: Apache-2.0
/*
 * Requests that are well formed, and absurd: to `veneer serve`, over a real tree. A sound
 * request of each kind is sent with one of its numbers replaced, for every number and a
 * list of values that programs get wrong, to objects of every kind: directories, files and
 * symlinks of the lower, of the writable layer, virtual ones, and such as do not exist.
 * Each has to be answered in time and in form; no worker may die; and the upper must be
 * whole in the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend.h"
#include "served.h"

#define WAIT_MS 60000
#define ROOM 8192
#define ANSWER (FE_BUFFERS + (UINT64_C(4) << 20))
#define ARGS_MAX 128

static struct served server;
static struct fe fe;
static int tests, failures;
static unsigned long sent;
static pid_t first_worker;

static void result(const char *name, const char *complaint)
{
	if (!complaint && served_worker(&server) != first_worker)
		complaint = "the worker died";
	if (complaint)
		printf("# %s\n", complaint);
	printf("%s %d - vhost/hostile_tree %s\n", complaint ? "not ok" : "ok", ++tests, name);
	failures += complaint != NULL;
	if (complaint)
		first_worker = served_worker_after(&server, 0);
}

/* ---- sound requests ---- */

struct sample {
	const char *name;
	uint32_t opcode;
	unsigned args;             /* bytes of its numbers */
	const char *first, *second; /* names behind them */
	unsigned data;             /* bytes behind those */
	bool large_space;          /* no length that a disk may really have */
	union {
		struct fuse_read_in read;
		struct fuse_write_in write;
		struct fuse_setattr_in setattr;
		struct fuse_fallocate_in fallocate;
		struct fuse_lseek_in lseek;
		struct fuse_copy_file_range_in copy;
		struct fuse_getxattr_in getxattr;
		struct fuse_setxattr_in setxattr;
		struct fuse_ioctl_in ioctl;
		struct fuse_mknod_in mknod;
		struct fuse_mkdir_in mkdir;
		struct fuse_create_in create;
		struct fuse_rename2_in rename;
		struct fuse_batch_forget_in batch;
		struct fuse_bmap_in bmap;
		unsigned char bytes[ARGS_MAX];
	} in;
};

#define NUMBERS(type) .args = sizeof(struct type)

static const struct sample samples[] = {
	{"LOOKUP", FUSE_LOOKUP, .first = "n"},
	{"GETATTR", FUSE_GETATTR, NUMBERS(fuse_getattr_in)},
	{"SETATTR of times", FUSE_SETATTR, NUMBERS(fuse_setattr_in), .in.setattr = {.valid = FATTR_ATIME | FATTR_MTIME}},
	{"SETATTR of a size", FUSE_SETATTR, NUMBERS(fuse_setattr_in), .in.setattr = {.valid = FATTR_SIZE, .size = 100}},
	{"SETATTR of owner and mode", FUSE_SETATTR, NUMBERS(fuse_setattr_in),
	 .in.setattr = {.valid = FATTR_UID | FATTR_GID | FATTR_MODE, .mode = 0644}},
	{"READLINK", FUSE_READLINK, .args = 0},
	{"SYMLINK", FUSE_SYMLINK, .first = "s", .second = "target"},
	{"MKNOD", FUSE_MKNOD, NUMBERS(fuse_mknod_in), .first = "m", .in.mknod = {.mode = S_IFREG | 0644}},
	{"MKNOD of a device", FUSE_MKNOD, NUMBERS(fuse_mknod_in), .first = "v", .in.mknod = {.mode = S_IFCHR | 0644, .rdev = 259}},
	{"MKDIR", FUSE_MKDIR, NUMBERS(fuse_mkdir_in), .first = "d", .in.mkdir = {.mode = 0755}},
	{"UNLINK", FUSE_UNLINK, .first = "m"},
	{"RMDIR", FUSE_RMDIR, .first = "d"},
	{"RENAME", FUSE_RENAME, NUMBERS(fuse_rename_in), .first = "m", .second = "g"},
	{"RENAME2", FUSE_RENAME2, NUMBERS(fuse_rename2_in), .first = "g", .second = "m"},
	{"LINK", FUSE_LINK, NUMBERS(fuse_link_in), .first = "l"},
	{"OPEN", FUSE_OPEN, NUMBERS(fuse_open_in)},
	{"READ", FUSE_READ, NUMBERS(fuse_read_in), .in.read = {.size = 4096}},
	{"WRITE", FUSE_WRITE, NUMBERS(fuse_write_in), .data = 512, .in.write = {.size = 512}},
	{"STATFS", FUSE_STATFS, .args = 0},
	{"RELEASE", FUSE_RELEASE, NUMBERS(fuse_release_in)},
	{"FSYNC", FUSE_FSYNC, NUMBERS(fuse_fsync_in)},
	{"SETXATTR", FUSE_SETXATTR, .args = FUSE_COMPAT_SETXATTR_IN_SIZE, .first = "user.a", .data = 16, .in.setxattr = {.size = 16}},
	{"SETXATTR of an ACL", FUSE_SETXATTR, .args = FUSE_COMPAT_SETXATTR_IN_SIZE, .first = "system.posix_acl_access", .data = 44,
	 .in.setxattr = {.size = 44}},
	{"SETXATTR of a capability", FUSE_SETXATTR, .args = FUSE_COMPAT_SETXATTR_IN_SIZE, .first = "security.capability",
	 .data = 20, .in.setxattr = {.size = 20}},
	{"SETXATTR of a marker", FUSE_SETXATTR, .args = FUSE_COMPAT_SETXATTR_IN_SIZE, .first = "trusted.overlay.opaque",
	 .data = 1, .in.setxattr = {.size = 1}},
	{"GETXATTR", FUSE_GETXATTR, NUMBERS(fuse_getxattr_in), .first = "user.a", .in.getxattr = {.size = 64}},
	{"LISTXATTR", FUSE_LISTXATTR, NUMBERS(fuse_getxattr_in), .in.getxattr = {.size = 1024}},
	{"REMOVEXATTR", FUSE_REMOVEXATTR, .first = "user.a"},
	{"FLUSH", FUSE_FLUSH, NUMBERS(fuse_flush_in)},
	{"OPENDIR", FUSE_OPENDIR, NUMBERS(fuse_open_in)},
	{"READDIR", FUSE_READDIR, NUMBERS(fuse_read_in), .in.read = {.size = 4096}},
	{"READDIRPLUS", FUSE_READDIRPLUS, NUMBERS(fuse_read_in), .in.read = {.size = 4096}},
	{"RELEASEDIR", FUSE_RELEASEDIR, NUMBERS(fuse_release_in)},
	{"FSYNCDIR", FUSE_FSYNCDIR, NUMBERS(fuse_fsync_in)},
	{"GETLK", FUSE_GETLK, NUMBERS(fuse_lk_in)},
	{"SETLKW", FUSE_SETLKW, NUMBERS(fuse_lk_in)},
	{"ACCESS", FUSE_ACCESS, NUMBERS(fuse_access_in)},
	{"CREATE", FUSE_CREATE, NUMBERS(fuse_create_in), .first = "c", .in.create = {.flags = O_RDWR, .mode = 0644}},
	{"INTERRUPT", FUSE_INTERRUPT, NUMBERS(fuse_interrupt_in)},
	{"BMAP", FUSE_BMAP, NUMBERS(fuse_bmap_in), .in.bmap = {.blocksize = 4096}},
	{"IOCTL GETFLAGS", FUSE_IOCTL, NUMBERS(fuse_ioctl_in), .data = 8, .in.ioctl = {.cmd = 0x80086601, .in_size = 8, .out_size = 8}},
	{"IOCTL SETFLAGS", FUSE_IOCTL, NUMBERS(fuse_ioctl_in), .data = 8, .in.ioctl = {.cmd = 0x40086602, .in_size = 8}},
	{"IOCTL of an exit status", FUSE_IOCTL, NUMBERS(fuse_ioctl_in), .in.ioctl = {.cmd = 0x7602, .arg = 7}},
	{"POLL", FUSE_POLL, NUMBERS(fuse_poll_in)},
	{"FALLOCATE", FUSE_FALLOCATE, NUMBERS(fuse_fallocate_in), .in.fallocate = {.length = 4096}, .large_space = true},
	{"FALLOCATE of a hole", FUSE_FALLOCATE, NUMBERS(fuse_fallocate_in), .in.fallocate = {.length = 4096, .mode = 3}},
	{"LSEEK", FUSE_LSEEK, NUMBERS(fuse_lseek_in), .in.lseek = {.whence = 3}},
	{"COPY_FILE_RANGE", FUSE_COPY_FILE_RANGE, NUMBERS(fuse_copy_file_range_in), .in.copy = {.len = 4096}},
	{"SETUPMAPPING", 48, .args = 40},
	{"REMOVEMAPPING", 49, .args = 4, .data = 16},
	{"SYNCFS", FUSE_SYNCFS, NUMBERS(fuse_syncfs_in)},
	{"TMPFILE", 51, NUMBERS(fuse_create_in), .first = "#1", .in.create = {.flags = O_RDWR, .mode = 0600}},
	{"STATX", 52, .args = 32},
	{"COPY_FILE_RANGE_64", 53, NUMBERS(fuse_copy_file_range_in), .in.copy = {.len = 4096}},
	/* At the end: the objects are forgotten. */
	{"FORGET", FUSE_FORGET, NUMBERS(fuse_forget_in)},
	{"BATCH_FORGET", FUSE_BATCH_FORGET, NUMBERS(fuse_batch_forget_in), .data = 32, .in.batch = {.count = 2}},
};

static bool has_answer(uint32_t opcode)
{
	return opcode != FUSE_FORGET && opcode != FUSE_BATCH_FORGET && opcode != FUSE_NOTIFY_REPLY;
}

/* ---- the objects ---- */

enum { ROOT, LOW_DIR, LOW_FILE, LOW_BIG, LOW_LINK, VIRTUAL, UP_DIR, UP_FILE, UP_FIFO, NONE_0, NONE_HIGH, NONE_EPOCH, NONE_ALL, OBJECTS };

static uint64_t nodes[OBJECTS] = {[ROOT] = 1, [NONE_HIGH] = UINT64_C(1) << 52 | 5, [NONE_EPOCH] = UINT64_C(3) << 53 | 1, [NONE_ALL] = UINT64_MAX};

static int lower_put(const char *name, size_t size)
{
	char path[128], byte = 'x';
	int fd, ok;

	snprintf(path, sizeof(path), "%s/lower/%s", server.dir, name);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	ok = fd >= 0 && pwrite(fd, &byte, 1, (off_t)size - 1) == 1;
	if (fd >= 0)
		close(fd);
	return ok ? 0 : -EIO;
}

static int lower_fill(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/lower/dir", server.dir);
	if (mkdir(path, 0755) || lower_put("file", 5000) || lower_put("big", 300000) || lower_put("dir/inside", 10))
		return -EIO;
	snprintf(path, sizeof(path), "%s/lower/link", server.dir);
	return symlink("file", path) ? -errno : 0;
}

static int find(int object, const char *name)
{
	struct fuse_entry_out e;
	int err = fe_lookup(&fe, &fe.rings[1], 1, name, &e);

	nodes[object] = e.nodeid;
	return err;
}

static int objects_find(void)
{
	struct fuse_mknod_in fifo = {.mode = S_IFIFO | 0644};
	struct fe_call c = {.opcode = FUSE_MKNOD, .node = 1, .in = {&fifo, "fifo"}, .in_len = {sizeof(fifo), 5}, .out_len = 256};
	struct fuse_entry_out e;
	int err = fe_mkdir(&fe, &fe.rings[1], 1, "updir", &e);

	if (!err)
		err = fe_mknod(&fe, &fe.rings[1], 1, "upfile", &e);
	if (!err)
		err = fe_do(&fe, &fe.rings[1], &c);
	if (!err)
		err = find(LOW_DIR, "dir") | find(LOW_FILE, "file") | find(LOW_BIG, "big") | find(LOW_LINK, "link") |
		      find(VIRTUAL, "virtual") | find(UP_DIR, "updir") | find(UP_FILE, "upfile") | find(UP_FIFO, "fifo");
	return err;
}

/* ---- sending ---- */

static uint32_t put(unsigned char *at, uint32_t n, const void *what, size_t len)
{
	memcpy(at + n, what, len);
	return n + (uint32_t)len;
}

/* Writes the request at FE_BUFFERS; its length. */
static uint32_t request_write(const struct sample *s, const unsigned char *args, uint64_t node)
{
	unsigned char *at = fe_at(&fe, FE_BUFFERS);
	struct fuse_in_header h = {.opcode = s->opcode, .nodeid = node, .unique = fe.unique += 2};
	uint32_t n = put(at, sizeof(h), args, s->args);

	if (s->first)
		n = put(at, n, s->first, strlen(s->first) + 1);
	if (s->second)
		n = put(at, n, s->second, strlen(s->second) + 1);
	memset(at + n, 'x', s->data);
	h.len = n += s->data;
	memcpy(at, &h, sizeof(h));
	return n;
}

static const char *answer_complaint(const struct sample *s, const struct vring_used_elem *e, uint32_t room)
{
	struct fuse_out_header out;

	memcpy(&out, fe_at(&fe, ANSWER), sizeof(out));
	if (!has_answer(s->opcode))
		return e->len ? "an answer to what has none" : NULL;
	if (e->len < sizeof(out) || out.len != e->len || e->len > room)
		return "the answer's length is wrong";
	if (out.error > 0 || out.error <= -4096)
		return "the answer's error is none";
	if (out.error && out.len != sizeof(out))
		return "an error with more behind it";
	return out.unique == fe.unique ? NULL : "the answer belongs to another request";
}

/* pieces: bytes per descriptor; 0: as Linux does. */
static const char *exchange(const struct sample *s, const unsigned char *args, uint64_t node, uint32_t pieces)
{
	struct fe_ring *r = &fe.rings[1];
	uint32_t n = request_write(s, args, node), room = has_answer(s->opcode) ? ROOM : 0, used = 0;
	struct fe_seg segs[256];
	struct vring_used_elem e;
	uint16_t head;

	for (uint32_t at = 0; at < n; at += pieces ? pieces : n)
		segs[used++] = (struct fe_seg){FE_BUFFERS + at, !pieces || n - at < pieces ? n - at : pieces, false};
	for (uint32_t at = 0; at < room; at += pieces ? 64 * pieces : room)
		segs[used++] = (struct fe_seg){ANSWER + at, pieces ? 64 * pieces : room, true};
	head = fe_post(&fe, r, segs, used);
	sent++;
	fe_kick(r);
	if (fe_reap(r, &e, WAIT_MS, false) != 1)
		return "no answer comes";
	return e.id != head ? "another request comes back" : answer_complaint(s, &e, room);
}

/* ---- every number, every value ---- */

static const uint32_t words32[] = {0, 1, 2, 3, 7, 255, 4096, 65536, 0x7fffffff, 0x80000000, 0xfffff000, 0xffffffff};
static const uint64_t words64[] = {0,
				   1,
				   4095,
				   UINT64_C(1) << 31,
				   UINT64_C(1) << 32,
				   UINT64_C(1) << 52,
				   UINT64_C(1) << 62,
				   (UINT64_C(1) << 63) - 4096,
				   (UINT64_C(1) << 63) - 1,
				   UINT64_C(1) << 63,
				   UINT64_MAX - 4095,
				   UINT64_MAX};
#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static const char *described(const char *complaint, unsigned at, uint64_t value, int object)
{
	static char text[200];

	snprintf(text, sizeof(text), "%#llx at %u, object %d: %s", (unsigned long long)value, at, object, complaint);
	return text;
}

static bool fills_disks(const struct sample *s, uint64_t value)
{
	return s->large_space && value > 1 << 20 && value < UINT64_C(1) << 62;
}

static const char *vary(const struct sample *s, int object)
{
	const char *complaint = exchange(s, s->in.bytes, nodes[object], 0);
	unsigned char args[ARGS_MAX];

	if (complaint)
		return described(complaint, 0, 0, object);
	for (unsigned at = 0; at + 4 <= s->args && !s->large_space; at += 4) {
		for (unsigned i = 0; i < LENGTH(words32); i++) {
			memcpy(args, s->in.bytes, sizeof(args));
			memcpy(args + at, &words32[i], 4);
			complaint = exchange(s, args, nodes[object], 0);
			if (complaint)
				return described(complaint, at, words32[i], object);
		}
	}
	for (unsigned at = 0; at + 8 <= s->args; at += 8) {
		for (unsigned i = 0; i < LENGTH(words64); i++) {
			if (fills_disks(s, words64[i]))
				continue;
			memcpy(args, s->in.bytes, sizeof(args));
			memcpy(args + at, &words64[i], 8);
			complaint = exchange(s, args, nodes[object], 0);
			if (complaint)
				return described(complaint, at, words64[i], object);
		}
	}
	return NULL;
}

static void number_cases(void)
{
	for (size_t i = 0; i < LENGTH(samples); i++) {
		const char *complaint = NULL;
		char name[96];

		for (int object = 0; object < OBJECTS && !complaint; object++)
			complaint = vary(&samples[i], object);
		snprintf(name, sizeof(name), "%s with absurd numbers", samples[i].name);
		result(name, complaint);
	}
}

/* ---- the same in pieces ---- */

static void piece_cases(void)
{
	static const uint32_t pieces[] = {1, 3, 7, 8, 16, 41};

	for (size_t p = 0; p < LENGTH(pieces); p++) {
		const char *complaint = NULL;
		char name[96];

		for (size_t i = 0; i < LENGTH(samples) && !complaint; i++) {
			if (samples[i].data / pieces[p] > 100 || samples[i].opcode == FUSE_FORGET)
				continue; /* longer than the ring; what is looked at later would be forgotten */
			complaint = exchange(&samples[i], samples[i].in.bytes, nodes[UP_DIR], pieces[p]);
			if (!complaint)
				complaint = exchange(&samples[i], samples[i].in.bytes, nodes[UP_FILE], pieces[p]);
			if (complaint)
				printf("# %s\n", samples[i].name);
		}
		snprintf(name, sizeof(name), "every request in descriptors of %u bytes", pieces[p]);
		result(name, complaint);
	}
}

/* ---- names ---- */

static void name_cases(void)
{
	static char long_name[5000];
	static const char *const names[] = {"",     ".",    "..",   "/",  "a/b", "\xff\xfe", ".wh.x", ".wh..wh..opq", "user.", "user",
					    "virtual", long_name, long_name + 4999 - 256, long_name + 4999 - 255};

	memset(long_name, 'n', sizeof(long_name) - 1);
	for (size_t i = 0; i < LENGTH(names); i++) {
		const char *complaint = NULL;
		char name[96];

		for (size_t k = 0; k < LENGTH(samples) && !complaint; k++) {
			struct sample s = samples[k];

			if (!s.first)
				continue;
			s.first = names[i];
			complaint = exchange(&s, s.in.bytes, 1, 0);
			s.first = samples[k].first;
			if (complaint || !s.second)
				continue;
			s.second = names[i];
			complaint = exchange(&s, s.in.bytes, 1, 0);
		}
		snprintf(name, sizeof(name), "every request with a name of %zu bytes (%.8s)", strlen(names[i]), names[i]);
		result(name, complaint);
	}
}

/* ---- INIT ---- */

static const char *init_once(const struct fuse_init_in *in, unsigned size)
{
	struct sample s = {"INIT", FUSE_INIT, .args = size};
	const char *complaint;

	memcpy(s.in.bytes, in, sizeof(*in));
	complaint = exchange(&s, s.in.bytes, 0, 0);
	if (!complaint && fe_fuse_init(&fe, NULL))
		complaint = "no sound INIT is answered any more";
	return complaint;
}

static void init_cases(void)
{
	const struct fuse_init_in sound = {.major = 7, .minor = 38, .max_readahead = 1 << 20, .flags = FUSE_INIT_EXT};
	const char *complaint = NULL;

	for (unsigned at = 0; at + 4 <= sizeof(sound) && !complaint; at += 4) {
		for (unsigned i = 0; i < LENGTH(words32) && !complaint; i++) {
			struct fuse_init_in in = sound;

			memcpy((char *)&in + at, &words32[i], 4);
			complaint = init_once(&in, sizeof(in));
			if (!complaint)
				complaint = init_once(&in, 16); /* as before 7.36 */
		}
	}
	result("INIT with absurd numbers", complaint);
}

/* DESTROY gives lookups back and no more: who goes on without INIT is answered, by ESTALE at worst. */
static void destroy_case(void)
{
	struct sample s = {"DESTROY", FUSE_DESTROY, .args = 0}, look = {"GETATTR", FUSE_GETATTR, NUMBERS(fuse_getattr_in)};
	const char *complaint = exchange(&s, s.in.bytes, 0, 0);
	struct fuse_attr_out attr;

	for (int object = 0; object < OBJECTS && !complaint; object++)
		complaint = exchange(&look, look.in.bytes, nodes[object], 0);
	if (!complaint && fe_fuse_init(&fe, NULL))
		complaint = "no INIT behind DESTROY";
	if (!complaint && fe_getattr(&fe, &fe.rings[1], 1, &attr))
		complaint = "the root cannot be looked at behind DESTROY and INIT";
	result("DESTROY in the middle", complaint);
}

/* ---- all ---- */

static const char *check_complaint(void)
{
	char command[256];

	snprintf(command, sizeof(command), "'%s' check '%s/upper' 2>&1 | sed 's/^/# /'; exit ${PIPESTATUS[0]}", getenv("VENEER"), server.dir);
	fflush(NULL);
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execl("/bin/bash", "bash", "-c", command, NULL);
		_exit(127);
	}
	return waitpid(pid, &status, 0) == pid && status == 0 ? NULL : "veneer check finds fault";
}

int main(void)
{
	char word[128];
	int err;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!served_can())
		return 0;
	if (served_prepare(&server) || lower_fill() || fe_init(&fe))
		return 99;
	snprintf(word, sizeof(word), "--virtual=/virtual=%s/lower/file", server.dir);
	served_start(&server, word, NULL);
	err = fe_open(&fe, server.path, 2, 256);
	if (!err)
		err = fe_fuse_init(&fe, NULL);
	if (!err)
		err = objects_find();
	if (err) {
		printf("Bail out! no session: %s\n", strerror(err < 0 ? -err : err));
		served_end(&server);
		return 1;
	}
	first_worker = served_worker(&server);
	piece_cases();
	number_cases();
	name_cases();
	init_cases();
	destroy_case();
	fe_fini(&fe);
	err = served_end(&server);
	printf("%s %d - vhost/hostile_tree the server ends in order\n", err ? "not ok" : "ok", ++tests);
	first_worker = 0;
	failures += err != 0;
	result("the upper is whole", check_complaint());
	printf("# %lu requests\n1..%d\n", sent, tests);
	served_clean(&server);
	return failures ? 1 : 0;
}
