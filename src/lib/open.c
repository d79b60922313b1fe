// SPDX-License-Identifier: Apache-2.0
/* Opening and closing trees, snapshots. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "lib/lib.h"
#include "store/store.h"

const char *veneer_version(void)
{
	return PACKAGE_VERSION;
}

int lib_error(struct veneer_error *error, int code, const struct vn_err *err)
{
	if (error && code < 0) {
		strncpy(error->text, vn_err_text(err), sizeof(error->text) - 1);
		error->text[sizeof(error->text) - 1] = '\0';
	}
	return code;
}

int lib_copy(void *to, size_t own, const void *from, size_t size)
{
	if (size < sizeof(size_t))
		return -EINVAL;
	memset(to, 0, own);
	memcpy(to, from, size < own ? size : own);
	return 0;
}

#define FLAGS_KNOWN (VENEER_READONLY | VENEER_CREATE | VENEER_VOLATILE | VENEER_NOACL | VENEER_ACCEPT_CHANGED)

static int open_virtual(struct ovl_virtual *to, const struct veneer_virtual *v, struct vn_err *err)
{
	if (!v->path)
		return vn_err_set(err, -EINVAL, "a virtual file has no path");
	if (!!v->host_file + !!v->bytes + !!v->read != 1)
		return vn_err_set(err, -EINVAL, "virtual file '%s': say with exactly one of host_file, bytes and read what is in it",
				  v->path);
	*to = (struct ovl_virtual){
		.path = v->path, .host_file = v->host_file, .bytes = v->bytes, .size = v->length, .read = v->read,
		.arg = v->arg, .mode = v->mode, .one_shot = v->one_shot, .live = v->live,
	};
	return 0;
}

/* The caller's array has elements of the caller's size. */
static int open_virtuals(struct ovl_virtual *to, const struct veneer_config *c, struct vn_err *err)
{
	size_t size = c->virtual_size ? c->virtual_size : sizeof(struct veneer_virtual);
	const char *from = (const char *)c->virtuals;
	int r = 0;

	for (size_t i = 0; i < c->nvirtuals && !r; i++, from += size) {
		struct veneer_virtual v;

		r = lib_copy(&v, sizeof(v), from, size);
		if (!r)
			r = open_virtual(&to[i], &v, err);
		else
			vn_err_set(err, r, "veneer_config.virtual_size is not the size of the struct");
	}
	return r;
}

static int open_tree(struct veneer *v, const struct veneer_config *c, struct vn_err *err)
{
	if (c->flags & ~FLAGS_KNOWN)
		return vn_err_set(err, -EINVAL, "veneer_config.flags has bits that this library (%s) does not know: 0x%x",
				  veneer_version(), c->flags & ~FLAGS_KNOWN);
	struct ovl_config config = {
		.lowers = c->lowers, .nlowers = c->nlowers, .upper = c->upper,
		.create_upper = c->flags & VENEER_CREATE, .readonly = c->flags & VENEER_READONLY,
		.accept_changed_lowers = c->flags & VENEER_ACCEPT_CHANGED, .commit_s = c->commit_seconds,
		.is_volatile = c->flags & VENEER_VOLATILE, .noacl = c->flags & VENEER_NOACL,
		.squash_uid = -1, .squash_gid = -1, .nvirtuals = c->nvirtuals,
		.base_cache = c->base_cache, .make_base_cache = c->base_cache != NULL,
	};
	vn_autofree struct ovl_virtual *virtuals = calloc(c->nvirtuals + 1, sizeof(*virtuals));
	if (!virtuals)
		return vn_err_set(err, -ENOMEM, "out of memory");
	config.virtuals = virtuals;
	int r = open_virtuals(virtuals, c, err);
	return r ? r : ovl_open(&config, &v->tree, err);
}

int veneer_open(const struct veneer_config *config, struct veneer **out, struct veneer_error *error)
{
	struct veneer_config c;
	struct vn_err err = { 0 };
	struct veneer *v = calloc(1, sizeof(*v));
	int r = v ? lib_copy(&c, sizeof(c), config, config->size) : -ENOMEM;
	if (r)
		vn_err_set(&err, r, "%s", v ? "veneer_config.size is not the size of the struct" : "out of memory");
	else
		r = open_tree(v, &c, &err);
	if (r) {
		free(v);
		return lib_error(error, r, &err);
	}
	pthread_mutex_init(&v->lock, NULL);
	*out = v;
	return 0;
}

int veneer_close(struct veneer *v)
{
	int r = ovl_close(v->tree);
	pthread_mutex_destroy(&v->lock);
	free(v);
	return r;
}

int veneer_sync(struct veneer *v)
{
	struct vn_fs *fs = ovl_fs(v->tree);
	const struct vn_session_config config = { .id = UINT64_MAX };
	struct vn_ctx ctx = { 0 };
	int r = fs->ops->session_new(fs, &config, &ctx.session);
	if (r)
		return r;
	r = fs->ops->syncfs(fs, &ctx);
	fs->ops->session_free(fs, ctx.session, false);
	return r;
}

/* ---- snapshots ---- */

int veneer_snapshot(struct veneer *v, const char *name, struct veneer_error *error)
{
	struct vn_err err = { 0 };
	return lib_error(error, ovl_snapshot(v->tree, name, &err), &err);
}

int veneer_rollback(struct veneer *v, const char *name, struct veneer_error *error)
{
	struct vn_err err = { 0 };
	return lib_error(error, ovl_rollback(v->tree, name, &err), &err);
}

struct log_call {
	int (*fn)(void *arg, const struct veneer_snapshot_info *info);
	void *arg;
};

static int log_one(void *arg, const struct store_delta_info *d)
{
	const struct log_call *call = arg;
	const struct veneer_snapshot_info info = {
		.name = d->name, .time_ns = d->sealed_at, .inodes = d->inodes, .bytes = d->bytes };
	return *d->name ? call->fn(call->arg, &info) : 0;
}

int veneer_log(struct veneer *v, int (*fn)(void *arg, const struct veneer_snapshot_info *info), void *arg)
{
	struct log_call call = { fn, arg };
	struct store *s = ovl_store(v->tree);
	return s ? store_chain(s, log_one, &call) : 0;
}
