// SPDX-License-Identifier: Apache-2.0
/*
 * A program that embeds libveneer, as a virtual machine monitor does: it opens a
 * tree and hands requests to veneer_dispatch(). A real one takes them from its
 * guest's virtio-fs queue; this one writes two itself, to print a file:
 *
 *	cc embed.c $(pkg-config --cflags --libs veneer) -o embed
 *	./embed LOWER FILE
 *
 * FILE is a name in LOWER. "greeting" is one that only the tree has.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <veneer.h>

#define REPLY_MAX 65536

struct reply {
	struct fuse_out_header head;
	char body[REPLY_MAX];
};

/* One request: header, arguments, payload. Returns 0 or the reply's -errno. */
static int request(struct veneer_session *s, uint32_t opcode, uint64_t node, const void *args, size_t size,
		   struct reply *reply)
{
	static uint64_t unique;
	struct fuse_in_header head = {
		.len = (uint32_t)(sizeof(head) + size), .opcode = opcode, .unique = ++unique, .nodeid = node };
	const struct iovec in[] = { { &head, sizeof(head) }, { (void *)(uintptr_t)args, size } };
	const struct iovec out = { reply, sizeof(*reply) };
	ssize_t n = veneer_dispatch(s, in, 2, &out, 1);
	return n < 0 ? (int)n : reply->head.error;
}

static int print_file(struct veneer_session *s, const char *name)
{
	static struct reply reply;
	const struct fuse_init_in init = { .major = FUSE_KERNEL_VERSION, .minor = 31, .max_readahead = 131072 };
	struct fuse_read_in read = { .size = REPLY_MAX };
	struct fuse_entry_out entry;
	int r = request(s, FUSE_INIT, 0, &init, sizeof(init), &reply);
	if (!r)
		r = request(s, FUSE_LOOKUP, FUSE_ROOT_ID, name, strlen(name) + 1, &reply);
	if (r)
		return r;
	memcpy(&entry, reply.body, sizeof(entry));
	if (!entry.nodeid) /* a negative entry: the client may remember that there is no such name */
		return -ENOENT;
	for (;;) {
		r = request(s, FUSE_READ, entry.nodeid, &read, sizeof(read), &reply);
		size_t n = reply.head.len - sizeof(reply.head);
		if (r || !n)
			return r;
		fwrite(reply.body, 1, n, stdout);
		read.offset += n;
	}
}

int main(int argc, char **argv)
{
	static const char hello[] = "hello from the monitor\n";
	const struct veneer_virtual greeting = { .path = "/greeting", .bytes = hello, .length = sizeof(hello) - 1 };
	struct veneer_config config = { .size = sizeof(config), .nlowers = 1, .virtuals = &greeting, .nvirtuals = 1 };
	struct veneer_error error;
	struct veneer_session *session;
	struct veneer *v;
	if (argc != 3) {
		fprintf(stderr, "usage: %s LOWER FILE\n", argv[0]);
		return 2;
	}
	config.lowers = (const char *const *)&argv[1];
	if (veneer_open(&config, &v, &error)) {
		fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	int r = veneer_session_new(v, NULL, NULL, &session);
	if (!r) {
		r = print_file(session, argv[2]);
		veneer_session_free(session, 0);
	}
	if (r)
		fprintf(stderr, "%s: %s\n", argv[2], strerror(-r));
	veneer_close(v);
	return r ? 1 : 0;
}
