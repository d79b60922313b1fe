// SPDX-License-Identifier: Apache-2.0
#include "fuse/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cfg.h"
#include "base/hash.h"
#include "base/clock.h"
#include "base/scope.h"
#include "fuse/dispatch.h"
#include "fuse/request.h"

#define MAX_WRITE_LEAST 4096

void vf_policy_init(struct vf_policy *p)
{
	*p = (struct vf_policy){
		.entry_timeout = VF_FOREVER,
		.attr_timeout = VF_FOREVER,
		.negative_timeout = VF_FOREVER,
		.max_write = VF_MAX_WRITE,
	};
}

/* ---- begin and end ---- */

static int session_check_policy(struct vf_policy *p)
{
	if (!p->max_write)
		p->max_write = VF_MAX_WRITE;
	if (p->max_write < MAX_WRITE_LEAST || p->max_write > VF_MAX_WRITE || p->max_write % MAX_WRITE_LEAST)
		return -EINVAL;
	if (p->passthrough && p->writeback)
		return -EINVAL;
	if (p->entry_timeout < 0 || p->attr_timeout < 0 || p->negative_timeout < 0)
		return -EINVAL;
	return 0;
}

static uint64_t session_id(uint64_t given)
{
	while (!given)
		arc4random_buf(&given, sizeof(given));
	return given;
}

/* Everything that the client remembers ends within a minute, so it need not be told. */
static bool session_expires(const struct vf_policy *p)
{
	const int64_t soon = 60 * VN_NS_PER_SEC;

	return p->entry_timeout <= soon && p->attr_timeout <= soon && p->negative_timeout <= soon;
}

static int session_begin(struct vf_session *s, const struct vf_session_config *c)
{
	struct vn_session_config fc = {.outlives = c->outlives,
				       .writeback = c->policy.writeback,
				       .expires = session_expires(&c->policy),
				       .notify = c->notify};

	fc.id = session_id(c->id);
	return s->fs->ops->session_new(s->fs, &fc, &s->fs_session);
}

int vf_session_new(const struct vf_session_config *config, struct vf_session **out)
{
	vn_autofree struct vf_session *s = aligned_alloc(_Alignof(struct vf_session), sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	memset(s, 0, sizeof(*s));
	s->fs = config->fs;
	s->policy = config->policy;
	s->dax = config->dax;
	s->notify = config->notify;
	s->backing = config->backing;
	s->carrier_flags = config->carrier_flags;
	s->exit_status = config->exit_status;
	s->exit_arg = config->exit_arg;
	err = session_check_policy(&s->policy);
	if (!err)
		err = session_begin(s, config);
	if (err)
		return err;
	vf_dax_init(&s->mappings);
	vf_through_init(&s->through);
	*out = vn_steal_ptr(&s);
	return 0;
}

void vf_session_free(struct vf_session *s, bool keep)
{
	if (!s)
		return;
	vf_dax_clear(s);
	s->fs->ops->session_free(s->fs, s->fs_session, keep);
	vf_dax_fini(&s->mappings);
	vf_through_fini(&s->through);
	free(s);
}

/* ---- the agreement, at rest ---- */

#define STATE_MAGIC UINT32_C(0x53466576) /* "veFS" */
#define STATE_VERSION 1

struct session_state {
	uint32_t magic, version;
	uint32_t minor, unused;
	uint64_t flags;
	uint64_t checksum; /* of all before it */
};

static uint64_t state_checksum(const struct session_state *st)
{
	return vn_checksum(STATE_MAGIC, st, offsetof(struct session_state, checksum));
}

ssize_t vf_session_save(const struct vf_session *s, void *state, size_t size)
{
	struct session_state st = {
		.magic = STATE_MAGIC,
		.version = STATE_VERSION,
		.minor = vf_session_minor(s),
		.flags = vf_session_flags(s),
	};

	if (size < sizeof(st))
		return -ENOSPC;
	st.checksum = state_checksum(&st);
	memcpy(state, &st, sizeof(st));
	return sizeof(st);
}

static int state_check(const struct session_state *st)
{
	if (st->magic != STATE_MAGIC || st->checksum != state_checksum(st))
		return -EINVAL;
	if (st->minor && (st->minor < FUSE_MINOR_OLDEST || st->minor > FUSE_MINOR_NEWEST))
		return -EINVAL;
	return 0;
}

int vf_session_restore(struct vf_session *s, const void *state, size_t size)
{
	struct session_state st;
	int err;

	if (size < sizeof(st.magic) + sizeof(st.version))
		return -EINVAL;
	memset(&st, 0, sizeof(st));
	memcpy(&st, state, size < sizeof(st) ? size : sizeof(st));
	if (st.magic == STATE_MAGIC && st.version != STATE_VERSION)
		return -ENOTSUP;
	err = size == sizeof(st) ? state_check(&st) : -EINVAL;
	if (err)
		return err;
	atomic_store_explicit(&s->flags, st.flags, memory_order_relaxed);
	atomic_store_explicit(&s->minor, st.minor, memory_order_release);
	atomic_fetch_add_explicit(&s->changes, 1, memory_order_release);
	return 0;
}

unsigned vf_session_changes(const struct vf_session *s)
{
	return atomic_load_explicit(&s->changes, memory_order_acquire);
}

struct vn_fs_session *vf_session_fs(const struct vf_session *s)
{
	return s->fs_session;
}

bool vf_session_is_live(const struct vf_session *s)
{
	return vf_session_minor(s) != 0;
}

unsigned vf_session_minor(const struct vf_session *s)
{
	return atomic_load_explicit(&s->minor, memory_order_acquire);
}

uint64_t vf_session_flags(const struct vf_session *s)
{
	return atomic_load_explicit(&s->flags, memory_order_relaxed);
}

void vf_session_offer(struct vf_session *s, uint64_t carrier_flags)
{
	s->carrier_flags |= carrier_flags;
}

/* ---- messages ---- */

void vf_session_stats(const struct vf_session *s, struct vf_stats *out)
{
	vf_counters_read(&s->counters, vf_opcode_name, out);
}

void vf_session_count_notices(struct vf_session *s, uint64_t n)
{
	atomic_fetch_add_explicit(&s->counters.notices, n, memory_order_relaxed);
}
