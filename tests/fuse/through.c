// SPDX-License-Identifier: Apache-2.0
/* Opens of files that the client reads itself: modes, counts, twins. See fuse/through.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../check_main.h"
#include "fuse/dispatch.h"
#include "fuse/request.h"
#include "wire.h"

#define ALL (~UINT64_C(0) & ~FUSE_ATOMIC_O_TRUNC)

static struct wire *w;
static struct vn_fs_ops ops;
static int may;          /* what the file system says of its files */
static int turns;        /* not 0: after so many times that it is asked they have changed */
static int refuse;       /* registering fails with this */
static int next_id, registered;
static uint64_t told[8]; /* nodeids that the client was told of */
static int64_t told_off[8];
static int ntold;
static uint64_t node;

static int backing(struct vn_fs *fs, const struct vn_ctx *ctx, uint64_t of, int *fd)
{
	int says = may;

	(void)fs, (void)ctx, (void)of;
	if (!says && fd)
		*fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (turns && --turns == 0)
		may = -ENOTSUP;
	return says;
}

static int backing_register(void *arg, int fd)
{
	(void)arg;
	ck_assert_int_ge(fd, 0);
	if (refuse)
		return refuse;
	registered++;
	return ++next_id;
}

static void backing_close(void *arg, int id)
{
	(void)arg;
	ck_assert(id > 0 && id <= next_id);
	registered--;
}

static void inval(void *arg, uint64_t nodeid, int64_t off, int64_t len)
{
	(void)arg, (void)len;
	told[ntold] = nodeid;
	told_off[ntold++] = off;
}

static struct fuse_init_out init(void)
{
	struct fuse_init_out o;

	ck_assert_int_eq(wire_init(w, FUSE_MINOR_NEWEST, ALL, &o), 0);
	return o;
}

static void begin(bool passthrough, bool transport)
{
	struct vf_policy p;

	vf_policy_init(&p);
	p.passthrough = passthrough;
	w = wire_new_silent(&p);
	ops = *w->m->fs.ops;
	ops.backing = backing;
	w->m->fs.ops = &ops;
	if (transport)
		w->s->backing = (struct vf_backing){.open = backing_register, .close = backing_close};
	w->s->notify = (struct vn_notify){.inval_inode = inval};
}

static void setup(void)
{
	begin(true, true);
	ck_assert_uint_eq(init().max_stack_depth, 1);
	node = wire_create(w, WIRE_ROOT, "f");
	struct fuse_open_out made;

	memcpy(&made, w->reply + sizeof(struct fuse_entry_out), sizeof(made));
	struct fuse_release_in in = {.fh = made.fh};

	ck_assert_int_eq(wire_call(w, FUSE_RELEASE, node, &in, sizeof(in), NULL, NULL), 0);
	ck_assert_int_eq(wire_write(w, node, 0, "abcd", 4), 0);
}

static void teardown(void)
{
	ck_assert_int_eq(registered, 0);
	wire_free(w);
}

static int try_open(uint64_t nodeid, uint32_t flags, struct fuse_open_out *o)
{
	struct fuse_open_in in = {.flags = flags};
	int err = wire_call(w, FUSE_OPEN, nodeid, &in, sizeof(in), NULL, NULL);

	if (!err)
		memcpy(o, w->reply, sizeof(*o));
	return err;
}

static struct fuse_open_out open_ok(uint64_t nodeid, uint32_t flags)
{
	struct fuse_open_out o;

	ck_assert_int_eq(try_open(nodeid, flags, &o), 0);
	return o;
}

static void release(uint64_t nodeid, const struct fuse_open_out *o)
{
	struct fuse_release_in in = {.fh = o->fh};

	ck_assert_int_eq(wire_call(w, FUSE_RELEASE, nodeid, &in, sizeof(in), NULL, NULL), 0);
}

static bool is_through(const struct fuse_open_out *o)
{
	bool through = o->open_flags & FOPEN_PASSTHROUGH;

	/* The kernel takes nothing else beside it. */
	ck_assert_uint_eq(o->open_flags, FOPEN_NOFLUSH | (through ? FOPEN_PASSTHROUGH : FOPEN_KEEP_CACHE));
	ck_assert_int_eq(o->backing_id > 0, through);
	return through;
}

static bool agreed(bool passthrough, bool transport)
{
	struct fuse_init_out o;

	begin(passthrough, transport);
	o = init();
	ck_assert_uint_eq(o.max_stack_depth, o.flags2 >> 5 & 1);
	wire_free(w);
	return o.flags2 & (uint32_t)(FUSE_PASSTHROUGH >> 32);
}

START_TEST(it_is_agreed_upon_only_when_asked_for)
{
	struct vf_policy p;
	struct vf_session_config c = {0};
	struct vf_session *s;

	wire_free(w);
	ck_assert(agreed(true, true));
	ck_assert(!agreed(false, true));
	ck_assert(!agreed(true, false));
	vf_policy_init(&p);
	p.passthrough = p.writeback = true;
	c.policy = p;
	ck_assert_int_eq(vf_session_new(&c, &s), -EINVAL);
	w = NULL;
}
END_TEST

START_TEST(readers_share_a_backing_until_the_last_has_gone)
{
	struct fuse_open_out a = open_ok(node, O_RDONLY), b = open_ok(node, O_RDONLY);

	ck_assert(is_through(&a) && is_through(&b));
	ck_assert_int_eq(a.backing_id, b.backing_id);
	ck_assert_int_eq(registered, 1);
	release(node, &a);
	ck_assert_int_eq(registered, 1);
	release(node, &b);
	ck_assert_int_eq(registered, 0);
	a = open_ok(node, O_RDONLY);
	ck_assert(is_through(&a) && a.backing_id != b.backing_id);
	release(node, &a);
}
END_TEST

START_TEST(beside_a_writer_readers_are_plain)
{
	struct fuse_open_out a = open_ok(node, O_RDWR), b = open_ok(node, O_RDONLY);

	ck_assert(!is_through(&a) && !is_through(&b));
	release(node, &a);
	a = open_ok(node, O_RDONLY);
	ck_assert(!is_through(&a));
	release(node, &a);
	release(node, &b);
	a = open_ok(node, O_RDONLY);
	ck_assert(is_through(&a));
	release(node, &a);
}
END_TEST

START_TEST(what_cannot_be_read_through_is_plain)
{
	struct fuse_open_out o;

	may = -ENOTSUP;
	o = open_ok(node, O_RDONLY);
	ck_assert(!is_through(&o));
	release(node, &o);
	may = 0;
	o = open_ok(node, O_RDONLY | O_DIRECT);
	ck_assert(!is_through(&o));
	release(node, &o);
	refuse = -ELOOP;
	o = open_ok(node, O_RDONLY);
	ck_assert(!is_through(&o));
	release(node, &o);
	refuse = 0;
	may = -ESTALE;
	ck_assert_int_eq(try_open(node, O_RDONLY, &o), -ESTALE);
}
END_TEST

/* A reader, and then the file in one of three ways what it cannot be beside it. Returns the reader. */
static struct fuse_open_out part(uint32_t flags, bool changed)
{
	struct fuse_open_out reader = open_ok(node, O_RDONLY), o;

	ck_assert(is_through(&reader));
	may = changed ? -ENOTSUP : 0;
	ck_assert_int_eq(try_open(node, flags, &o), -ESTALE);
	ck_assert_int_eq(ntold, 1);
	ck_assert(told[0] == node && told_off[0] == -1);
	return reader;
}

static uint64_t twin(void)
{
	struct fuse_entry_out e;

	ck_assert_int_eq(wire_lookup(w, WIRE_ROOT, "f", &e), 0);
	ck_assert_uint_ne(e.nodeid, node);
	ck_assert_uint_eq(e.attr.ino, node);
	ck_assert_uint_eq(e.attr_valid + e.attr_valid_nsec, 0);
	return e.nodeid;
}

static void parts_and_goes_on(uint32_t flags, bool changed)
{
	struct fuse_open_out reader = part(flags, changed), a, b;
	uint64_t t = twin();

	ck_assert_int_eq(try_open(node, O_RDONLY, &a), -ESTALE);
	a = open_ok(t, O_RDWR);
	b = open_ok(t, O_RDONLY);
	ck_assert(!is_through(&a) && !is_through(&b));
	release(t, &a);
	release(t, &b);
	ck_assert_int_eq(registered, 1);
	release(node, &reader);
	ck_assert_int_eq(registered, 0);
	may = 0;
	ck_assert_int_eq(try_open(node, O_RDONLY, &a), -ESTALE);
	a = open_ok(t, O_RDONLY);
	ck_assert(!is_through(&a));
	release(t, &a);
	wire_forget(w, t, 1);
}

START_TEST(a_writer_beside_a_reader_gets_a_twin)
{
	parts_and_goes_on(O_WRONLY, false);
	wire_forget(w, node, 1);
	ck_assert_uint_eq(memfs_lookups(w->m), 0);
}
END_TEST

START_TEST(a_reader_of_what_has_changed_gets_a_twin)
{
	parts_and_goes_on(O_RDONLY, true);
}
END_TEST

START_TEST(what_changes_while_it_is_opened_is_not_read_through)
{
	struct fuse_open_out o, reader;

	/* Between the first question, the file, and the answer. */
	for (int after = 1; after <= 2; after++) {
		may = 0;
		turns = after;
		o = open_ok(node, O_RDONLY);
		ck_assert(!is_through(&o));
		ck_assert_int_eq(registered, 0);
		release(node, &o);
	}
	may = 0;
	reader = open_ok(node, O_RDONLY);
	ck_assert(is_through(&reader));
	turns = 1;
	ck_assert_int_eq(try_open(node, O_RDONLY, &o), -ESTALE);
	o = open_ok(twin(), O_RDONLY);
	ck_assert(!is_through(&o));
	release(node, &reader);
}
END_TEST

START_TEST(direct_io_beside_a_reader_gets_a_twin)
{
	parts_and_goes_on(O_RDONLY | O_DIRECT, false);
}
END_TEST

START_TEST(both_nodeids_are_the_same_file)
{
	struct fuse_open_out reader = part(O_RDWR, false);
	struct fuse_getattr_in get = {0};
	struct fuse_setattr_in set = {.valid = FATTR_SIZE, .size = 3};
	struct fuse_link_in link = {.oldnodeid = node};
	struct fuse_entry_out e;
	struct fuse_attr_out a;
	uint64_t t = twin();

	ck_assert_int_eq(wire_write(w, t, 4, "ef", 2), 0);
	ck_assert_int_eq(wire_call(w, FUSE_GETATTR, node, &get, sizeof(get), NULL, NULL), 0);
	memcpy(&a, w->reply, sizeof(a));
	ck_assert_uint_eq(a.attr.size, 6);
	ck_assert_uint_eq(a.attr_valid + a.attr_valid_nsec, 0);
	/* Pages of the twin are dropped when it is cut by way of the first nodeid, and only then. */
	ck_assert_int_eq(wire_call(w, FUSE_SETATTR, node, &set, sizeof(set), NULL, NULL), 0);
	ck_assert_int_eq(ntold, 2);
	ck_assert(told[1] == t && told_off[1] == 0);
	set.size = 2;
	ck_assert_int_eq(wire_call(w, FUSE_SETATTR, t, &set, sizeof(set), NULL, NULL), 0);
	ck_assert_int_eq(ntold, 2);
	ck_assert_int_eq(wire_call(w, FUSE_LINK, WIRE_ROOT, &link, sizeof(link), "g", NULL), 0);
	memcpy(&e, w->reply, sizeof(e));
	ck_assert_uint_eq(e.nodeid, t);
	wire_forget(w, t, 2);
	wire_forget(w, node, 1);
	ck_assert_uint_eq(memfs_lookups(w->m), 0);
	release(node, &reader);
}
END_TEST

START_TEST(a_listing_has_the_twin)
{
	struct fuse_open_out reader = part(O_RDWR, false);
	struct fuse_read_in in = {.size = 4096};
	struct fuse_direntplus d;
	bool found = false;
	uint64_t t = twin();

	ck_assert_int_eq(wire_call(w, FUSE_READDIRPLUS, WIRE_ROOT, &in, sizeof(in), NULL, NULL), 0);
	for (size_t at = 0; at + sizeof(d) <= w->reply_len; at += sizeof(d.entry) + FUSE_DIRENT_SIZE(d.dirent.namelen)) {
		memcpy(&d, w->reply + at, sizeof(d));
		found |= d.entry.nodeid == t;
		ck_assert_uint_ne(d.entry.nodeid, node);
	}
	ck_assert(found);
	release(node, &reader);
}
END_TEST

START_TEST(creating_a_name_that_is_read_through_opens_the_twin)
{
	struct fuse_open_out reader = open_ok(node, O_RDONLY), o;
	struct fuse_create_in in = {.flags = O_RDWR, .mode = 0100644};
	struct fuse_entry_out e;

	ck_assert_int_eq(wire_call(w, FUSE_CREATE, WIRE_ROOT, &in, sizeof(in), "f", NULL), 0);
	memcpy(&e, w->reply, sizeof(e));
	memcpy(&o, w->reply + sizeof(e), sizeof(o));
	ck_assert_uint_eq(e.attr.ino, node);
	ck_assert_uint_ne(e.nodeid, node);
	ck_assert(!is_through(&o));
	release(e.nodeid, &o);
	release(node, &reader);
}
END_TEST

START_TEST(an_open_whose_answer_is_lost_is_none)
{
	struct fuse_open_in in = {.flags = O_RDONLY};
	struct iovec q, a;

	ck_assert_int_eq(wire_call(w, FUSE_OPEN, node, &in, sizeof(in), NULL, NULL), 0);
	ck_assert_int_eq(registered, 1);
	q = (struct iovec){w->in, w->len};
	a = (struct iovec){w->out, (size_t)w->answered};
	vf_reply_lost(w->s, &q, 1, &a, 1);
	ck_assert_int_eq(registered, 0);
	ck_assert_int_eq(wire_call(w, FUSE_CREATE, WIRE_ROOT, &(struct fuse_create_in){.flags = O_RDWR, .mode = 0100644},
				   sizeof(struct fuse_create_in), "new", NULL), 0);
	a.iov_len = (size_t)w->answered;
	q.iov_len = w->len;
	vf_reply_lost(w->s, &q, 1, &a, 1);
	wire_forget(w, node, 1);
	ck_assert_uint_eq(memfs_lookups(w->m), 0);
}
END_TEST

START_TEST(releases_of_nothing_are_ignored)
{
	struct fuse_open_out o = open_ok(node, O_RDONLY), never = {.fh = 77};

	release(node, &never);
	release(node + 1, &o);
	release(WIRE_ROOT, &o);
	release(node, &o);
	release(node, &o);
	o = open_ok(node, O_RDWR);
	release(node, &o);
	release(node, &o);
}
END_TEST

START_TEST(a_client_that_begins_anew_has_nothing_open)
{
	struct fuse_open_out o = open_ok(node, O_RDONLY);

	ck_assert(is_through(&o));
	part(O_RDWR, false);
	init();
	ck_assert_int_eq(registered, 0);
	o = open_ok(node, O_RDWR);
	release(node, &o);
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){.suite = "fuse/through", .setup = setup, .teardown = teardown}),
		   it_is_agreed_upon_only_when_asked_for, readers_share_a_backing_until_the_last_has_gone,
		   beside_a_writer_readers_are_plain, what_cannot_be_read_through_is_plain,
		   a_writer_beside_a_reader_gets_a_twin, a_reader_of_what_has_changed_gets_a_twin,
		   what_changes_while_it_is_opened_is_not_read_through, direct_io_beside_a_reader_gets_a_twin, both_nodeids_are_the_same_file, a_listing_has_the_twin,
		   creating_a_name_that_is_read_through_opens_the_twin, an_open_whose_answer_is_lost_is_none,
		   releases_of_nothing_are_ignored, a_client_that_begins_anew_has_nothing_open)
