// SPDX-License-Identifier: Apache-2.0
/* Snapshots: sealing the head, going back to a sealed delta. See head.h for the steps. */
#include "store/head.h"

#include "store/fault.h"

#include "base/clock.h"
#include "base/scope.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* UPPER@NAME has to be told apart, and a list of names has to be readable. */
static bool seal_name_is_plain(const char *name)
{
	for (const char *p = name; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '/' || *p == '@')
			return false;
	}
	return true;
}

static int seal_check_name(struct store *s, const char *name, struct vn_err *err)
{
	if (!*name || strlen(name) > 255)
		return vn_err_set(err, -EINVAL, "a snapshot's name has 1 to 255 bytes");
	if (!seal_name_is_plain(name))
		return vn_err_set(err, -EINVAL, "a snapshot's name may not have '/', '@' or control characters");
	for (size_t i = 1; i < s->norder; i++) {
		if (!strcmp(s->order[i].name, name))
			return vn_err_set(err, -EEXIST, "%s has a snapshot named %s already", s->path, name);
	}
	return 0;
}

static int seal_check_store(const struct store *s, struct vn_err *err)
{
	if (!s->has_head || s->readonly)
		return vn_err_set(err, -EROFS, "%s is opened read-only", s->path ? s->path : "the tree");
	if (store_failed(s))
		return vn_err_set(err, -EROFS, "%s", s->reason);
	return 0;
}

/* The facts of the head that follows the present one. */
static int seal_facts(struct store *s, uint8_t uuid[16], char **parents, struct index_facts *f)
{
	int rc;

	/* The connection is the store thread's but for whoever holds the lock. */
	pthread_mutex_lock(&s->write_lock);
	rc = meta_get_text(s->writer.db, "parents", parents);
	pthread_mutex_unlock(&s->write_lock);
	if (rc == -ENOENT)
		rc = 0;
	if (!rc)
		rc = layout_uuid_new(uuid);
	*f = (struct index_facts){ .uuid = uuid, .parents = *parents, .epoch = s->epoch, .journal_epoch = 1 };
	return rc;
}

/* The ring belongs to the new head from here on. ring.lock is held. */
static void seal_take_over(struct store *s, const uint8_t uuid[16])
{
	memcpy(s->uuid, uuid, 16);
	s->journal_epoch = 1;
	s->order[0].id = layout_delta_id(uuid);
	__atomic_store_n(&s->applier.position, 0, __ATOMIC_RELEASE);
	ring_begin(&s->ring, ring_salt(uuid, 1), s->applier.visible);
}

/* Puts a fresh head in front of what was the head, which becomes delta `id`. */
static int seal_order(struct store *s, uint64_t id, const char *name, int64_t now)
{
	struct delta *order = realloc(s->order, (s->norder + 1) * sizeof(*order));
	struct delta *old;
	char *path = NULL;

	if (!order)
		return -ENOMEM;
	s->order = order;
	if (asprintf(&path, "%s/deltas/%016" PRIx64, s->path, id) < 0)
		return -ENOMEM;
	memmove(order + 1, order, s->norder * sizeof(*order));
	s->norder++;
	old = &order[1];
	order[0] = (struct delta){ .path = old->path, .lockfd = -1, .reader = old->reader };
	order[0].datafd = openat(s->dirfd, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	old->path = path;
	old->id = id;
	old->sealed_at = now;
	old->applied = s->applier.visible;
	old->next_ino = s->inos.limit;
	strlcpy(old->name, name, sizeof(old->name));
	old->reader = reader_new(path, SCHEMA_IMMUTABLE);
	return old->reader && order[0].datafd >= 0 ? 0 : -ENOMEM;
}

static int seal_switch(struct store *s, const char *name, uint64_t id, struct index_facts *f,
		       const struct head_keep *keep)
{
	int64_t now = vn_now_ns();
	struct chain c;
	int rc = head_prepare(s, f, keep);

	if (!rc)
		rc = chain_read(&c, s->dirfd);
	if (rc)
		return rc;
	rc = chain_insert(&c, 0, id, now, name, NULL);
	if (!rc)
		rc = store_flush_data(s); /* what is sealed stays as it is, also when the power goes */
	if (!rc)
		rc = head_commit(s, &c, HEAD_SEAL, id);
	chain_fini(&c);
	if (rc)
		return rc;
	rc = seal_order(s, id, name, now);
	if (rc)
		store_fail_at_rest(s, rc, "taking up the new head");
	else
		seal_take_over(s, f->uuid);
	return rc;
}

/* NULL: none. */
static int seal_in_use_text(const struct head_keep *keep, char **text)
{
	size_t len;
	FILE *out = keep->n ? open_memstream(text, &len) : NULL;

	if (!keep->n)
		return 0;
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < keep->n; i++)
		fprintf(out, "%" PRIu64 " ", keep->numbers[i]);
	return fclose(out) ? -ENOMEM : 0;
}

/* What goes along leaves the sealed delta, also when we die before that (head_strip). */
static int seal_in_use(struct store *s, const struct head_keep *keep)
{
	vn_autofree char *text = NULL, *old = NULL;
	vn_autounlock pthread_mutex_t *held = NULL;
	int rc = seal_in_use_text(keep, &text);

	if (rc)
		return rc;
	held = vn_lock(&s->write_lock);
	rc = meta_get_text(s->writer.db, HEAD_IN_USE, &old); /* of a seal that failed */
	if (rc && (rc != -ENOENT || !text))
		return rc == -ENOENT ? 0 : rc;
	return meta_set_text(s->writer.db, HEAD_IN_USE, text);
}

int store_seal(struct store *s, const char *name, uint64_t *id, struct vn_err *err)
{
	return store_seal_in_use(s, name, NULL, 0, id, err);
}

int store_seal_in_use(struct store *s, const char *name, const uint64_t *numbers, size_t n, uint64_t *id,
		      struct vn_err *err)
{
	const struct head_keep keep = { numbers, n };
	vn_autofree char *parents = NULL;
	struct index_facts f;
	uint8_t uuid[16];
	uint64_t old;
	int rc = seal_check_store(s, err), rc2;

	if (!rc)
		rc = seal_check_name(s, name, err);
	if (rc)
		return rc;
	rc = seal_facts(s, uuid, &parents, &f);
	if (rc)
		return vn_err_sys(err, rc, "cannot read the index of %s", s->path);
	rc = seal_in_use(s, &keep);
	if (rc)
		return vn_err_sys(err, rc, "cannot write the index of %s", s->path);
	rc = head_begin(s, err);
	if (rc)
		return rc;
	old = s->order[0].id;
	rc = seal_switch(s, name, old, &f, &keep);
	rc2 = head_end(s);
	if (!rc)
		rc = rc2;
	if (rc)
		return vn_err_sys(err, rc, "cannot make the snapshot %s of %s", name, s->path);
	*id = old;
	return 0;
}

/* ---- rollback ---- */

/* Deltas newer than the one at `place` leave the order; the head stays in front, empty. */
static int rollback_order(struct store *s, size_t place)
{
	int datafd = openat(s->dirfd, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (datafd < 0)
		return -errno;
	close(s->order[0].datafd);
	s->order[0].datafd = datafd;
	for (size_t i = 1; i < place; i++)
		delta_fini(&s->order[i]);
	memmove(s->order + 1, s->order + place, (s->norder - place) * sizeof(*s->order));
	s->norder -= place - 1;
	return 0;
}

/* Sealed deltas that nothing refers to any more go with the old head. */
static void rollback_sweep(struct store *s, const struct chain *gone)
{
	for (size_t i = 0; i < gone->n; i++) {
		if (!gone->entries[i].path)
			head_discard(s->dirfd, gone->entries[i].id);
	}
	stock_empty_trash(s);
}

static int rollback_switch(struct store *s, const char *name, size_t place, struct index_facts *f)
{
	struct chain c, gone;
	int rc = head_prepare(s, f, NULL);

	if (!rc)
		rc = chain_read(&c, s->dirfd);
	if (rc)
		return rc;
	chain_init(&gone);
	while (!rc && c.n && strcmp(c.entries[0].name, name)) {
		struct chain_entry *e = &c.entries[0];

		rc = chain_insert(&gone, gone.n, e->id, e->sealed_at, e->name, e->path);
		chain_remove(&c, 0);
	}
	if (!rc)
		rc = c.n ? head_commit(s, &c, HEAD_ROLLBACK, s->order[0].id) : -ENOENT;
	if (!rc) {
		rc = rollback_order(s, place);
		if (rc)
			store_fail_at_rest(s, rc, "taking up the new head");
	}
	if (!rc) {
		s->epoch = f->epoch;
		seal_take_over(s, f->uuid);
		rollback_sweep(s, &gone);
	}
	chain_fini(&c);
	chain_fini(&gone);
	return rc;
}

int store_rollback(struct store *s, const char *name, struct vn_err *err)
{
	vn_autofree char *parents = NULL;
	struct index_facts f;
	uint8_t uuid[16];
	size_t place = 1;
	int rc = seal_check_store(s, err), rc2;

	if (rc)
		return rc;
	while (place < s->norder && strcmp(s->order[place].name, name))
		place++;
	if (place == s->norder || !*name)
		return vn_err_set(err, -ENOENT, "%s has no snapshot named %s; `veneer log` lists them", s->path, name);
	rc = seal_facts(s, uuid, &parents, &f);
	if (rc)
		return vn_err_sys(err, rc, "cannot read the index of %s", s->path);
	f.epoch++;
	rc = head_begin(s, err);
	if (rc)
		return rc;
	rc = rollback_switch(s, name, place, &f);
	rc2 = head_end(s);
	if (!rc)
		rc = rc2;
	return rc ? vn_err_sys(err, rc, "cannot go back to the snapshot %s of %s", name, s->path) : 0;
}
