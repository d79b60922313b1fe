// SPDX-License-Identifier: Apache-2.0
/* What `veneer stat UPPER`, `snapshot`, `diff` and the others ask of a tree that is served to a virtual machine. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/scope.h"
#include "cli/control.h"
#include "cli/serve.h"
#include "cli/stats.h"
#include "fuse/vhost_device.h"
#include "overlay/overlay.h"

struct serve_control {
	struct serve *serve;
	struct ovl_tree *tree;
	struct vhost_device *device;
	struct serve_mount *mount;
	struct control *control;
	time_t since; /* the counters of `before` were read then */
	struct vf_stats before;
};

static int verb_settle(void *arg, const char *rest, char **reply, struct vn_err *err)
{
	struct serve_control *c = arg;
	int rc = ovl_settle(c->tree);

	(void)rest;
	(void)reply;
	return rc < 0 ? vn_err_sys(err, rc, "the server cannot write all changes to the index") : 0;
}

struct stats_call {
	struct serve_control *c;
	bool reset;
	char *text;
	int rc;
};

/* Counters are a session's: those of an earlier front end are no start for the present one's. */
static void stats_of(void *arg, const struct vf_session *session)
{
	struct stats_call *call = arg;
	struct serve_control *c = call->c;
	struct stats_source source = {
		.session = session,
		.tree = c->tree,
		.mount = c->serve->also_mount,
		.upper = c->serve->layers.upper,
		.lowers = (const char *const *)c->serve->layers.lowers.v,
		.nlowers = c->serve->layers.lowers.n,
		.before = &c->before,
	};
	int status = atomic_load(&c->serve->guest_status);
	struct vf_stats now;

	stats_counted(session, &now);
	if (now.messages < c->before.messages)
		c->before = (struct vf_stats){0};
	source.since = c->since;
	source.guest_status = status < 0 ? NULL : &status;
	call->text = stats_json(&source);
	if (!call->text)
		call->rc = -ENOMEM;
	if (call->rc || !call->reset)
		return;
	c->before = now;
	c->since = time(NULL);
}

static int verb_stats(void *arg, const char *rest, char **reply, struct vn_err *err)
{
	struct serve_control *c = arg;
	struct stats_call call = {.c = c, .reset = strcmp(rest, "reset") == 0};

	vhost_device_with_session(c->device, stats_of, &call);
	if (call.rc)
		return vn_err_sys(err, call.rc, "the server cannot tell its counters");
	*reply = call.text;
	return 0;
}

static void verb_sent(void *arg)
{
	struct serve_control *c = arg;

	serve_mount_drain(c->mount);
}

/* A guest sends its writes at once, so only the mount has something to write back before. */
static int verb_snapshot(void *arg, const char *rest, char **reply, struct vn_err *err)
{
	struct serve_control *c = arg;
	int rc = ovl_ask_write_back(c->tree, verb_sent, c);

	(void)reply;
	if (rc)
		return vn_err_sys(err, rc, "snapshot '%s': what clients keep cannot be asked for", rest);
	return ovl_snapshot(c->tree, rest, err);
}

static int verb_rollback(void *arg, const char *rest, char **reply, struct vn_err *err)
{
	struct serve_control *c = arg;
	int rc = ovl_rollback(c->tree, rest, err);

	(void)reply;
	if (!rc)
		serve_mount_drain(c->mount);
	return rc;
}

static int verb_delete(void *arg, const char *rest, char **reply, struct vn_err *err)
{
	struct serve_control *c = arg;

	(void)reply;
	return ovl_snapshot_delete(c->tree, rest, err);
}

/* As SIGTERM from outside: to the keeper, if there is one. */
static int verb_stop(void *arg, const char *rest, char **reply, struct vn_err *err)
{
	struct serve_control *c = arg;

	(void)rest;
	(void)reply;
	(void)err;
	kill(c->serve->control >= 0 ? getppid() : getpid(), SIGTERM);
	return 0;
}

static const struct control_verb verbs[] = {
	{"settle", verb_settle},     {"stats", verb_stats},   {"stop", verb_stop}, {"snapshot", verb_snapshot},
	{"rollback", verb_rollback}, {"delete", verb_delete}, {NULL, NULL},
};

int serve_control_start(struct serve *s, struct ovl_tree *t, struct vhost_device *d, struct serve_mount *mount,
			struct serve_control **out, struct vn_err *err)
{
	struct control_config config = {.upper = s->layers.upper, .verbs = verbs};
	struct serve_control *c;
	int rc;

	*out = NULL;
	if (!s->layers.upper || s->mount.readonly)
		return 0;
	c = calloc(1, sizeof(*c));
	if (!c)
		return vn_err_sys(err, -ENOMEM, "the control socket cannot be made");
	*c = (struct serve_control){.serve = s, .tree = t, .device = d, .mount = mount, .since = time(NULL)};
	config.arg = c;
	rc = control_start(&config, &c->control, err);
	if (rc)
		free(c);
	else
		*out = c;
	return rc;
}

void serve_control_stop(struct serve_control *c)
{
	if (!c)
		return;
	control_stop(c->control);
	free(c);
}
