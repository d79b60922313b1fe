// SPDX-License-Identifier: Apache-2.0
/* The process that opens the tree and serves it, alone or under a keeper. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/scope.h"
#include "cli/serve.h"
#include "fuse/vhost_server.h"
#include "overlay/overlay.h"
#include "store/store.h"

#define INIT_GUEST "/init.krun"
#define SHARED_TIMEOUT_NS VN_NS_PER_SEC

/*
 * Alone we end on SIGTERM and SIGINT. Under a keeper these are the keeper's to
 * answer, as a service manager or a terminal sends them to both; it tells us by
 * SIGUSR2 that another worker is to take over, and by closing the channel that it is
 * all over.
 */
static int stop_open(bool under_keeper)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	signal(SIGPIPE, SIG_IGN); /* a front end may close what it has asked us to write to */
	if (under_keeper) {
		signal(SIGTERM, SIG_IGN);
		signal(SIGINT, SIG_IGN);
		sigaddset(&set, SIGUSR2);
	} else {
		sigaddset(&set, SIGTERM);
		sigaddset(&set, SIGINT);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int raise_nofile(const struct serve *s, struct vn_err *err)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r))
		return vn_err_sys(err, -errno, "getrlimit");
	if (s->nofile > r.rlim_max)
		r.rlim_max = s->nofile;
	r.rlim_cur = s->nofile ? s->nofile : r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) && s->nofile)
		return vn_err_sys(err, -errno, "--rlimit-nofile=%lu cannot be had", s->nofile);
	return 0;
}

/* ---- the guest's first process ---- */

/* Beside our own program (a build tree), or where it is installed. */
static int init_find(char *path, size_t size, struct vn_err *err)
{
	static const char *const places[] = {"veneer-init", "../libexec/veneer/veneer-init", "../lib/veneer/veneer-init"};
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return vn_err_sys(err, -errno, "/proc/self/exe");
	self[n] = '\0';
	dirname(self);
	for (size_t i = 0; i < VN_ARRAY_LEN(places); i++) {
		if (snprintf(path, size, "%s/%s", self, places[i]) < (int)size && access(path, R_OK) == 0)
			return 0;
	}
	return vn_err_set(err, -ENOENT,
			  "the guest's first process, veneer-init, is not beside %s nor in ../libexec/veneer: install it, "
			  "or offer another program with --virtual " INIT_GUEST "=FILE:0555",
			  self);
}

static int init_offer(struct serve *s, struct vn_err *err)
{
	char path[PATH_MAX], words[2 * PATH_MAX];
	int rc = init_find(path, sizeof(path), err);

	if (rc)
		return rc;
	snprintf(words, sizeof(words), INIT_GUEST "=%s:0555", path);
	return mount_options_virtual(&s->mount, words, err);
}

/* ---- the tree ---- */

static int tree_open(struct serve *s, struct ovl_tree **out, struct vn_err *err)
{
	const struct mount_options *o = &s->mount;
	struct ovl_config config = {
		.lowers = (const char *const *)s->layers.lowers.v,
		.nlowers = s->layers.lowers.n,
		.upper = s->layers.upper,
		.create_upper = s->layers.upper_was != UPPER_USED,
		.readonly = o->readonly,
		.accept_changed_lowers = o->accept_changed_lowers,
		.commit_s = o->commit_s,
		.is_volatile = o->is_volatile,
		.base_cache = o->base_cache,
		.make_base_cache = o->make_base_cache,
		.no_base_cache = o->nobasecache,
		.noacl = o->noacl,
		.static_nlink = o->static_nlink,
		.squash_uid = o->squash_uid,
		.squash_gid = o->squash_gid,
		.virtuals = o->virtuals,
		.nvirtuals = o->nvirtuals,
	};

	return ovl_open(&config, out, err);
}

/* Before the tree is opened: the lowers have to be told where it is, to leave it out, and so has the sandbox. */
static int upper_make(const struct serve *s, struct vn_err *err)
{
	if (s->layers.upper_was == UPPER_MISSING && mkdir(s->layers.upper, 0700) < 0)
		return vn_err_sys(err, -errno, "cannot make upper directory '%s'", s->layers.upper);
	return 0;
}

/* What tells this tree from others: the upper's identity, or the names of the lowers. */
static void tree_identity(const struct serve *s, struct ovl_tree *t, unsigned char *out)
{
	struct store *st = ovl_store(t);
	vn_autofree char *uuid = st ? store_meta_get(st, "uuid") : NULL;
	uint64_t id[2] = {VN_HASH_SEED, VN_HASH_SEED};

	for (size_t i = 0; !uuid && i < s->layers.lowers.n; i++)
		id[0] = vn_hash_name(id[0], s->layers.lowers.v[i], strlen(s->layers.lowers.v[i]));
	if (uuid)
		id[1] = vn_hash_name(id[1], uuid, strlen(uuid));
	memcpy(out, id, sizeof(id));
}

static void session_policy(const struct serve *s, struct vf_policy *p)
{
	vf_policy_init(p);
	p->writeback = s->mount.writeback;
	p->noacl = s->mount.noacl;
	p->no_readdirplus = s->no_readdirplus;
	if (s->cache != SERVE_CACHE_ALWAYS || s->also_mount)
		p->auto_inval = true;
	if (s->also_mount) /* a guest cannot be told what the mount changes: it has to ask again */
		p->entry_timeout = p->attr_timeout = p->negative_timeout = SHARED_TIMEOUT_NS;
	if (s->cache == SERVE_CACHE_NEVER)
		p->entry_timeout = p->attr_timeout = p->negative_timeout = 0;
}

/* ---- serving ---- */

/* Until the end: front ends of a socket, or those that the keeper passes on. */
static int run_source(struct serve *s, struct vhost_device *d, int stop, struct vn_err *err)
{
	vn_autoclose int own = -1;
	int kind = VHOST_KEEPER, source = s->control, rc;

	if (s->control < 0) {
		source = own = serve_open_source(s, &kind, err);
		if (source < 0)
			return source;
	} else {
		rc = vhost_control_ready(s->control);
		if (rc)
			return vn_err_sys(err, rc, "the keeper has gone");
	}
	rc = serve_sandbox_calls(s, err);
	if (!rc) {
		rc = vhost_server_run(d, source, (enum vhost_source_kind)kind, stop);
		rc = rc ? vn_err_sys(err, rc, "the socket failed") : 0;
	}
	if (s->made_socket)
		unlink(s->socket);
	return rc;
}

/* A guest may tell it as often as it likes; the last one counts. */
static void guest_ended(void *arg, int status)
{
	struct serve *s = arg;

	if (atomic_exchange(&s->guest_status, status & 0xff) < 0)
		vn_info("the guest's command ended with status %d", status & 0xff);
}

static int serve_device(struct serve *s, struct ovl_tree *t, struct serve_mount *mount, int stop, struct vn_err *err)
{
	struct vf_session_config session = {.fs = ovl_fs(t), .exit_status = guest_ended, .exit_arg = s};
	struct vhost_device_config config = {
		.fs = ovl_fs(t),
		.session = &session,
		.tag = s->tag,
		.request_queues = s->queues,
		.workers = s->workers,
		.poll_us = s->poll_us,
	};
	struct serve_control *control;
	struct vhost_device *d;
	int rc;

	session_policy(s, &session.policy);
	tree_identity(s, t, config.identity);
	rc = vhost_device_new(&config, &d);
	if (rc)
		return vn_err_sys(err, rc, "the device cannot be made");
	rc = serve_control_start(s, t, d, mount, &control, err);
	if (!rc) {
		rc = run_source(s, d, stop, err);
		serve_control_stop(control);
	}
	vhost_device_free(d);
	return rc;
}

static int serve_tree(struct serve *s, struct ovl_tree *t, int stop, struct vn_err *err)
{
	struct serve_mount *mount;
	int rc = serve_mount_start(s, t, &mount, err);

	if (rc)
		return rc;
	rc = serve_device(s, t, mount, stop, err);
	serve_mount_stop(mount);
	return rc;
}

static int worker_run(struct serve *s, struct vn_err *err)
{
	vn_autoclose int stop = stop_open(s->control >= 0);
	struct ovl_tree *t;
	int rc, close_rc;

	if (stop < 0)
		return vn_err_sys(err, stop, "signalfd");
	rc = raise_nofile(s, err);
	if (!rc && s->init)
		rc = init_offer(s, err);
	if (!rc)
		rc = upper_make(s, err);
	if (!rc)
		rc = serve_sandbox_files(s, err);
	if (!rc)
		rc = tree_open(s, &t, err);
	if (rc) {
		layers_undo(&s->layers);
		return rc;
	}
	rc = serve_tree(s, t, stop, err);
	close_rc = ovl_close(t);
	if (!rc && close_rc)
		rc = vn_err_sys(err, close_rc, "the last changes cannot be made durable");
	return rc;
}

int serve_worker(struct serve *s)
{
	struct vn_err err = {0};

	return worker_run(s, &err) ? cmd_fail("%s", vn_err_text(&err)) : CMD_OK;
}
