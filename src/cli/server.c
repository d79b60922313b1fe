// SPDX-License-Identifier: Apache-2.0
#include "cli/server.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/scope.h"
#include "cli/control.h"
#include "cli/idmap.h"
#include "cli/stats.h"
#include "fuse/fuse_server.h"
#include "overlay/overlay.h"
#include "store/store.h"

/* More than the text of /.veneer/stats ever has. */
#define STATS_SIZE 65536
#define STATS_STEP 4096

struct server {
	const struct layers *layers;
	const struct mount_options *options;
	struct words lowers; /* what the tree stands on */
	struct ovl_tree *tree;
	struct vf_devfuse *mount; /* NULL: not served yet */
	struct control *control;
	char *target;
	dev_t dev;    /* of the mount, 0: not known */
	int stop_fd;  /* an event: unmount and end */
	time_t since; /* the counters of `before` were read then */
	struct vf_stats before;
};

/* ---- requests of the control socket ---- */

static int server_verb_settle(void *arg, const char *rest, char **reply, struct vn_err *err)
{
	struct server *s = arg;
	int ret = ovl_settle(s->tree);

	(void)rest;
	(void)reply;
	return ret < 0 ? vn_err_sys(err, ret, "the server cannot write all changes to the index") : 0;
}

static char *server_stats(struct server *s)
{
	const struct stats_source source = {
		.session = vf_devfuse_session(s->mount),
		.tree = s->tree,
		.mount = s->target,
		.upper = s->layers->upper,
		.lowers = (const char *const *)s->lowers.v,
		.nlowers = s->lowers.n,
		.since = s->since,
		.before = &s->before,
	};

	return stats_json(&source);
}

/*
 * The content of /.veneer/stats. Blanks at the end keep its length the same from
 * one look to the next: a reader whose cache is a moment behind then sees an older
 * state, and never the end of one behind the start of another.
 */
static ssize_t server_read_stats(void *arg, uint64_t off, void *buf, size_t size)
{
	struct server *s = arg;
	vn_autofree char *json = s->mount ? server_stats(s) : NULL;
	vn_autofree char *text = NULL;
	int len = json ? asprintf(&text, "%-*s", (int)((strlen(json) + 512) / STATS_STEP + 1) * STATS_STEP, json) : -1;

	if (len < 0)
		return -EAGAIN;
	if (off >= (uint64_t)len)
		return 0;
	if (size > (uint64_t)len - off)
		size = (size_t)((uint64_t)len - off);
	memcpy(buf, text + off, size);
	return (ssize_t)size;
}

static int server_verb_stats(void *arg, const char *rest, char **reply, struct vn_err *err)
{
	struct server *s = arg;

	*reply = server_stats(s);
	if (!*reply)
		return vn_err_sys(err, -ENOMEM, "the server cannot tell its counters");
	if (strcmp(rest, "reset") == 0) {
		vf_session_stats(vf_devfuse_session(s->mount), &s->before);
		s->since = time(NULL);
	}
	return 0;
}

static void server_sent(void *arg)
{
	struct server *s = arg;

	vf_devfuse_drain(s->mount);
}

/* A client that writes back keeps times, too, and gives them up when its file system is synced. */
static void server_sync(const struct server *s)
{
	vn_autoclose int fd = -1;
	struct stat st;

	if (!s->options->writeback || !s->target)
		return;
	fd = open(s->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == s->dev)
		syncfs(fd);
}

/* Pages that are dirty or mapped in the client come first: they belong to the state that is sealed. */
static int server_verb_snapshot(void *arg, const char *rest, char **reply, struct vn_err *err)
{
	struct server *s = arg;
	int ret = ovl_ask_write_back(s->tree, server_sent, s);

	(void)reply;
	if (ret < 0)
		return vn_err_sys(err, ret, "snapshot '%s': what clients keep cannot be asked for", rest);
	server_sync(s);
	return ovl_snapshot(s->tree, rest, err);
}

static int server_verb_rollback(void *arg, const char *rest, char **reply, struct vn_err *err)
{
	struct server *s = arg;
	int ret = ovl_rollback(s->tree, rest, err);

	(void)reply;
	if (ret == 0)
		vf_devfuse_drain(s->mount); /* when it is answered the client has let go of the old state */
	return ret;
}

static int server_verb_delete(void *arg, const char *rest, char **reply, struct vn_err *err)
{
	struct server *s = arg;

	(void)reply;
	return ovl_snapshot_delete(s->tree, rest, err);
}

static int server_verb_stop(void *arg, const char *rest, char **reply, struct vn_err *err)
{
	struct server *s = arg;

	(void)rest;
	(void)reply;
	(void)err;
	eventfd_write(s->stop_fd, 1);
	return 0;
}

static const struct control_verb server_verbs[] = {
	{"settle", server_verb_settle},
	{"stats", server_verb_stats},
	{"stop", server_verb_stop},
	{"snapshot", server_verb_snapshot},
	{"rollback", server_verb_rollback},
	{"delete", server_verb_delete},
	{NULL, NULL},
};

/* ---- opening ---- */

/* The directories named, or those that the upper has recorded. */
static int server_find_lowers(struct server *s)
{
	struct store *st = ovl_store(s->tree);
	vn_autofree char *count = NULL;
	int ret = 0;

	for (size_t i = 0; i < s->layers->lowers.n && ret == 0; i++)
		ret = words_add(&s->lowers, s->layers->lowers.v[i], strlen(s->layers->lowers.v[i]));
	if (s->lowers.n || ret < 0 || !st)
		return ret;
	count = store_meta_get(st, "lowers");
	for (unsigned i = 0; count && i < strtoul(count, NULL, 10) && ret == 0; i++) {
		char key[32];
		vn_autofree char *path = NULL;

		snprintf(key, sizeof(key), "lower.%u.path", i);
		path = store_meta_get(st, key);
		ret = path ? words_add(&s->lowers, path, strlen(path)) : 0;
	}
	return ret;
}

static int server_open_tree(struct server *s, struct vn_err *err)
{
	const struct mount_options *o = s->options;
	struct ovl_config config = {
		.lowers = (const char *const *)s->layers->lowers.v,
		.nlowers = s->layers->lowers.n,
		.upper = s->layers->upper,
		.create_upper = s->layers->upper_was != UPPER_USED,
		.readonly = o->readonly,
		.snapshot = o->snapshot,
		.shared = o->snapshot,
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
	};
	vn_autofree struct ovl_virtual *virtuals = calloc(o->nvirtuals + 1, sizeof(*virtuals));
	int ret = virtuals ? 0 : vn_err_sys(err, -ENOMEM, "cannot open the tree");

	if (ret == 0 && o->passthrough && o->writeback)
		ret = vn_err_set(err, -EINVAL, "open=passthrough and writeback do not go together: leave one of them out");
	if (ret < 0)
		return ret;
	if (o->nvirtuals)
		memcpy(virtuals, o->virtuals, o->nvirtuals * sizeof(*virtuals));
	virtuals[o->nvirtuals] = (struct ovl_virtual){
		.path = "/.veneer/stats", .read = server_read_stats, .arg = s, .size = STATS_SIZE, .live = true};
	config.virtuals = virtuals;
	config.nvirtuals = o->nvirtuals + o->stats;

	/* Made here and not by the store: the lowers have to be told where it is, to leave it out. */
	if (s->layers->upper_was == UPPER_MISSING && mkdir(s->layers->upper, 0700) < 0)
		ret = vn_err_sys(err, -errno, "cannot make upper directory '%s'", s->layers->upper);
	if (ret == 0)
		ret = ovl_open(&config, &s->tree, err);

	if (ret == 0 && server_find_lowers(s) < 0)
		ret = vn_err_sys(err, -ENOMEM, "cannot open the tree");
	return ret;
}

static void server_free(struct server *s)
{
	if (s->stop_fd >= 0)
		close(s->stop_fd);
	words_fini(&s->lowers);
	free(s->target);
	free(s);
}

int server_open(const struct layers *layers, const struct mount_options *options, struct server **out, struct vn_err *err)
{
	struct server *s = calloc(1, sizeof(*s));
	int ret;

	if (!s)
		return vn_err_sys(err, -ENOMEM, "cannot open the tree");
	*s = (struct server){.layers = layers, .options = options, .stop_fd = eventfd(0, EFD_CLOEXEC)};
	ret = s->stop_fd < 0 ? vn_err_sys(err, -errno, "cannot open the tree") : server_open_tree(s, err);
	if (ret < 0) {
		if (s->tree)
			ovl_close(s->tree);
		server_free(s);
		return ret;
	}
	*out = s;
	return 0;
}

size_t server_lowers(const struct server *s)
{
	return s->lowers.n;
}

const char *server_lower(const struct server *s, size_t i)
{
	return s->lowers.v[i];
}

/* ---- serving ---- */

static void server_config(const struct server *s, struct vf_devfuse_config *c)
{
	unsigned long flags = s->options->flags;

	*c = (struct vf_devfuse_config){
		.session.fs = ovl_fs(s->tree),
		.fd = -1,
		.mount =
			{
				.fsname = s->options->source,
				.readonly = flags & MS_RDONLY,
				.nosuid = flags & MS_NOSUID,
				.nodev = flags & MS_NODEV,
				.noexec = flags & MS_NOEXEC,
				.noatime = flags & MS_NOATIME,
				.nodiratime = flags & MS_NODIRATIME,
				.relatime = flags & MS_RELATIME,
				.strictatime = flags & MS_STRICTATIME,
				.sync = flags & MS_SYNCHRONOUS,
				.dirsync = flags & MS_DIRSYNC,
				/* What root mounts is for everybody, as with any file system. */
				.allow_other = s->options->allow_other || idmap_may_mount(),
			},
	};
	vf_policy_init(&c->session.policy);
	c->session.policy.writeback = s->options->writeback;
	c->session.policy.passthrough = s->options->passthrough;
	c->session.policy.noacl = s->options->noacl;
}

static int server_control(struct server *s, dev_t dev, struct vn_err *err)
{
	struct control_config config = {
		.upper = s->options->readonly ? NULL : s->layers->upper,
		.dev = dev,
		.verbs = server_verbs,
		.arg = s,
	};

	s->since = time(NULL);
	s->dev = dev;
	return control_start(&config, &s->control, err);
}

static int server_start(struct server *s, const struct vf_devfuse_config *config, struct vn_err *err)
{
	int ret = vf_devfuse_open(config, &s->mount, err);

	return ret < 0 ? ret : vf_devfuse_start(s->mount, err);
}

int server_mount(struct server *s, const char *target, struct vn_err *err)
{
	struct vf_devfuse_config config;
	struct stat st;
	int ret;

	s->target = strdup(target);
	if (!s->target)
		return vn_err_sys(err, -ENOMEM, "cannot mount on '%s'", target);
	server_config(s, &config);
	config.target = target;
	ret = server_start(s, &config, err);
	if (ret < 0)
		return ret;
	if (stat(target, &st) < 0)
		return vn_err_sys(err, -errno, "the mount on '%s' does not answer", target);
	return server_control(s, st.st_dev, err);
}

int server_attach(struct server *s, int fuse_fd, struct vn_err *err)
{
	struct vf_devfuse_config config;
	int ret;

	server_config(s, &config);
	config.fd = fuse_fd;
	ret = server_start(s, &config, err);
	if (ret < 0 && !s->mount)
		close(fuse_fd);
	return ret < 0 ? ret : server_control(s, 0, err);
}

/* ---- the end ---- */

static void server_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
}

void server_block_signals(void)
{
	sigset_t set;

	server_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

void server_wait(struct server *s)
{
	sigset_t set;
	vn_autoclose int signals = -1;

	server_signals(&set);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	for (;;) {
		struct pollfd fds[3] = {
			{.fd = vf_devfuse_done_fd(s->mount), .events = POLLIN},
			{.fd = s->stop_fd, .events = POLLIN},
			{.fd = signals, .events = POLLIN},
		};

		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			return;
		if (fds[0].revents)
			return;
		if (fds[1].revents || fds[2].revents) {
			vf_devfuse_stop(s->mount);
			return;
		}
	}
}

static int server_count(void *arg, const struct ovl_change *c)
{
	(void)c;
	++*(size_t *)arg;
	return 0;
}

size_t server_changes(struct server *s)
{
	size_t n = 0;

	return ovl_settle(s->tree) == 0 && ovl_diff(s->tree, server_count, &n, NULL) == 0 ? n : 0;
}

int server_close(struct server *s, struct vn_err *err)
{
	int ret;

	/* First, so that nobody asks a tree that is going away. */
	control_stop(s->control);
	vf_devfuse_close(s->mount);
	ret = ovl_close(s->tree);
	if (ret < 0)
		vn_err_sys(err, ret, "the last changes could not be made durable in '%s'",
			   s->layers->upper ? s->layers->upper : "the tree");
	server_free(s);
	return ret;
}

void server_discard(struct server *s)
{
	ovl_unmake(s->tree);
	server_close(s, NULL);
}
