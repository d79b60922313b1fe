// SPDX-License-Identifier: Apache-2.0
#include "fuse/through.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/scope.h"
#include "fuse/request.h"

/* A twin differs from its file in this bit. What makes a nodeid one is that its file has a twin, not the bit. */
#define TWIN (UINT64_C(1) << 63)

#ifndef O_DIRECT
#define O_DIRECT 0
#endif

/* What RELEASE gives back; 0 is an open that is not counted: of a twin. */
enum through_mode {
	THROUGH_PLAIN = 1,
	THROUGH_BACKED = 2,
};

struct through_file {
	uint64_t node;  /* first, and all that is compared */
	unsigned plain; /* opens of the first nodeid in each mode; one of both is 0 */
	unsigned backed;
	int backing; /* while backed */
	bool twin;
};

/* ---- the files ---- */

static int through_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void vf_through_init(struct vf_through *t)
{
	*t = (struct vf_through){.files = NULL};
	pthread_mutex_init(&t->lock, NULL);
}

void vf_through_fini(struct vf_through *t)
{
	while (t->files) {
		struct through_file *f = *(struct through_file **)t->files;

		tdelete(f, &t->files, through_compare);
		free(f);
	}
	pthread_mutex_destroy(&t->lock);
}

bool vf_through_is_on(const struct vf_request *r)
{
	return r->flags & FUSE_PASSTHROUGH;
}

static struct through_file *through_find_locked(struct vf_through *t, uint64_t node)
{
	struct through_file **at = tfind(&node, &t->files, through_compare);

	return at ? *at : NULL;
}

/* NULL: no memory. */
static struct through_file *through_get_locked(struct vf_through *t, uint64_t node)
{
	struct through_file *f = through_find_locked(t, node);

	if (f)
		return f;
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	f->node = node;
	if (tsearch(f, &t->files, through_compare))
		return f;
	free(f);
	return NULL;
}

static void through_put_locked(struct vf_through *t, struct through_file *f)
{
	if (f->plain || f->backed || f->twin)
		return;
	tdelete(f, &t->files, through_compare);
	free(f);
}

void vf_through_clear(struct vf_session *s)
{
	struct vf_through *t = &s->through;
	vn_autounlock pthread_mutex_t *held = vn_lock(&t->lock);

	while (t->files) {
		struct through_file *f = *(struct through_file **)t->files;

		if (f->backed)
			s->backing.close(s->backing.arg, f->backing);
		tdelete(f, &t->files, through_compare);
		free(f);
	}
	atomic_store(&t->twins, 0);
}

/* ---- twins ---- */

static bool through_is_twin_locked(struct vf_through *t, uint64_t nodeid)
{
	const struct through_file *f = through_find_locked(t, nodeid ^ TWIN);

	return f && f->twin;
}

uint64_t vf_through_in(struct vf_session *s, uint64_t nodeid)
{
	struct vf_through *t = &s->through;

	if (!atomic_load_explicit(&t->twins, memory_order_acquire))
		return nodeid;
	vn_autounlock pthread_mutex_t *held = vn_lock(&t->lock);
	return through_is_twin_locked(t, nodeid) ? nodeid ^ TWIN : nodeid;
}

uint64_t vf_through_out(struct vf_session *s, uint64_t node, bool *twin)
{
	struct vf_through *t = &s->through;

	*twin = false;
	if (!atomic_load_explicit(&t->twins, memory_order_acquire))
		return node;
	vn_autounlock pthread_mutex_t *held = vn_lock(&t->lock);
	*twin = through_is_twin_locked(t, node ^ TWIN);
	return *twin ? node ^ TWIN : node;
}

/* Rules T1 and T4. */
static void through_part_locked(struct vf_session *s, struct through_file *f)
{
	f->twin = true;
	atomic_fetch_add(&s->through.twins, 1);
	vf_attr_fleeting(s, f->node);
	if (s->notify.inval_inode)
		s->notify.inval_inode(s->notify.arg, f->node, -1, 0);
}

void vf_through_resized(const struct vf_request *r)
{
	bool twin;
	uint64_t nodeid = vf_through_out(r->s, r->node, &twin);

	if (twin && r->h.nodeid != nodeid && r->s->notify.inval_inode)
		r->s->notify.inval_inode(r->s->notify.arg, nodeid, 0, 0);
}

/* ---- open ---- */

static void through_answer(struct fuse_open_out *out, enum through_mode mode, int backing)
{
	out->fh = mode;
	out->open_flags = FOPEN_NOFLUSH | (mode == THROUGH_BACKED ? FOPEN_PASSTHROUGH : FOPEN_KEEP_CACHE);
	out->backing_id = backing;
}

/* May this open be read through? 0, -ESTALE, or another errno for no. */
static int through_may(struct vf_request *r, uint64_t node, uint32_t flags)
{
	if ((flags & O_ACCMODE) != O_RDONLY || flags & O_DIRECT)
		return -ENOTSUP;
	return vf_verb(r, backing, node, NULL);
}

/*
 * One that cannot be read through is plain, unless others are through. 0: answered. 1: it may be read
 * through, and the first such open has to bring a backing.
 */
static int through_join_locked(struct vf_session *s, struct through_file *f, bool may, struct fuse_open_out *out)
{
	if (!f->twin && f->backed && !may)
		through_part_locked(s, f);
	if (f->twin)
		return -ESTALE;
	if (f->backed) {
		f->backed++;
		through_answer(out, THROUGH_BACKED, f->backing);
		return 0;
	}
	if (may && !f->plain)
		return 1;
	f->plain++;
	through_answer(out, THROUGH_PLAIN, 0);
	return 0;
}

static int through_join(struct vf_session *s, uint64_t node, bool may, struct fuse_open_out *out)
{
	struct vf_through *t = &s->through;
	vn_autounlock pthread_mutex_t *held = vn_lock(&t->lock);
	struct through_file *f;
	int r;

	if (through_is_twin_locked(t, node)) {
		through_answer(out, 0, 0);
		return 0;
	}
	f = through_get_locked(t, node);
	if (!f)
		return -ENOMEM;
	r = through_join_locked(s, f, may, out);
	through_put_locked(t, f);
	return r;
}

/* Registers the host file. The id, or -errno; nothing else is said of it, but for what the user can do about. */
static int through_register(struct vf_request *r, uint64_t node)
{
	vn_autoclose int fd = -1;
	int id = vf_verb(r, backing, node, &fd);

	if (id)
		return id;
	id = r->s->backing.open(r->s->backing.arg, fd);
	if (id == -ELOOP && !atomic_exchange(&r->s->through.told, true))
		vn_warn("open=passthrough: a lower directory lies on a file system that itself stands on another one "
			"(overlayfs, a FUSE mount); its files are opened as without the option");
	return id;
}

/* Nobody waits for a registration: another open may have come first, and then decides. 0: the id is in use. */
static int through_settle(struct vf_session *s, uint64_t node, int id, struct fuse_open_out *out)
{
	struct vf_through *t = &s->through;
	vn_autounlock pthread_mutex_t *held = vn_lock(&t->lock);
	struct through_file *f = through_get_locked(t, node);
	int r = f ? through_join_locked(s, f, true, out) : -ENOMEM;

	if (r != 1)
		return r < 0 ? r : 1;
	if (id > 0) {
		f->backed = 1;
		f->backing = id;
		through_answer(out, THROUGH_BACKED, id);
		return 0;
	}
	f->plain++;
	through_answer(out, THROUGH_PLAIN, 0);
	return 1;
}

static int through_open(struct vf_request *r, uint64_t nodeid, bool may, struct fuse_open_out *out)
{
	struct vf_session *s = r->s;
	int err = through_join(s, nodeid, may, out);
	int id;

	if (err != 1)
		return err;
	id = through_register(r, nodeid);
	err = through_settle(s, nodeid, id, out);
	if (err && id > 0)
		s->backing.close(s->backing.arg, id);
	return err < 0 ? err : 0;
}

/*
 * Somebody may have opened the file, changed it and closed it again since we asked: who opens later
 * than that sees it. From here on we are counted, and another change is one of a file that is open.
 */
int vf_through_open(struct vf_request *r, uint64_t nodeid, uint32_t flags, struct fuse_open_out *out)
{
	uint64_t node = vf_through_in(r->s, nodeid);
	int may = through_may(r, node, flags);
	int err;

	if (may == -ESTALE)
		return may;
	err = through_open(r, nodeid, !may, out);
	if (err || out->fh != THROUGH_BACKED)
		return err;
	may = through_may(r, node, flags);
	if (!may)
		return 0;
	vf_through_release(r->s, nodeid, THROUGH_BACKED);
	return may == -ESTALE ? may : through_join(r->s, nodeid, false, out);
}

/* ---- release ---- */

/* The backing that nobody uses any more, or 0. */
static int through_leave_locked(struct through_file *f, uint64_t fh)
{
	if (fh == THROUGH_PLAIN && f->plain)
		f->plain--;
	if (fh != THROUGH_BACKED || !f->backed)
		return 0;
	return --f->backed ? 0 : f->backing;
}

static int through_leave(struct vf_through *t, uint64_t node, uint64_t fh)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&t->lock);
	struct through_file *f = through_find_locked(t, node);
	int id;

	if (!f)
		return 0;
	id = through_leave_locked(f, fh);
	through_put_locked(t, f);
	return id;
}

void vf_through_release(struct vf_session *s, uint64_t nodeid, uint64_t fh)
{
	int id = through_leave(&s->through, nodeid, fh);

	if (id)
		s->backing.close(s->backing.arg, id);
}
