// SPDX-License-Identifier: Apache-2.0
/* Extended attributes and access control lists. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "world.h"

#define EACH(s) for (int s = 0; s < SIDES; s++)
#define VALUE_MAX 120 /* a few of them fit where the reference keeps them */

static const char *pick_name(struct world *w)
{
	static const char *const names[] = {
		"user.a",         "user.b",        "user.overlay.opaque",           "user.fuseoverlayfs.origin",
		"trusted.t",      "security.test", "user.containers.override_stat", "bad",
		"system.unknown", "user.",         "trusted.overlay.opaque"};
	size_t n = sizeof(names) / sizeof(names[0]);

	return names[rnd_below(&w->rnd, w->options.kernel ? n - 1 : n)];
}

static void op_setxattr(struct world *w)
{
	static const int all_flags[] = {0, 0, 0, XATTR_CREATE, XATTR_REPLACE};
	const char *name = pick_name(w);
	int flags = RND_PICK(&w->rnd, all_flags);
	size_t size = rnd_below(&w->rnd, VALUE_MAX);
	struct outcome o[SIDES];
	char value[VALUE_MAX];
	struct place p;

	world_pick(w, &p);
	rnd_fill(&w->rnd, value, size);
	world_op(w, "setxattr(%s, %s, %zu, %d)", p.rel, name, size, flags);
	EACH(s) outcome_set(&o[s], lsetxattr(p.host[s], name, value, size, flags));
	world_settle(w, o);
}

static void op_getxattr(struct world *w)
{
	static const size_t sizes[] = {0, 1, 20, 1000};
	const char *name = pick_name(w);
	size_t size = RND_PICK(&w->rnd, sizes);
	struct outcome o[SIDES];
	struct place p;

	world_pick(w, &p);
	world_op(w, "getxattr(%s, %s, %zu)", p.rel, name, size);
	EACH(s)
	{
		char value[1000];

		outcome_set(&o[s], lgetxattr(p.host[s], name, value, size));
		if (o[s].rc > 0 && size)
			outcome_bytes(&o[s], value, (size_t)o[s].rc);
	}
	world_settle(w, o);
}

/* A list has no order. */
static void names_hash(struct outcome *o, const char *names, size_t len)
{
	uint64_t sum = 0;

	for (size_t at = 0; at < len; at += strlen(names + at) + 1) {
		struct outcome one = {0};

		outcome_bytes(&one, names + at, strlen(names + at));
		sum += one.data;
		outcome_note(o, "%s ", names + at);
	}
	o->data = sum;
}

static void op_listxattr(struct world *w)
{
	size_t size = w->options.kernel || rnd_chance(&w->rnd, 70) ? 4096 : rnd_below(&w->rnd, 40);
	struct outcome o[SIDES];
	struct place p;

	world_pick(w, &p);
	world_op(w, "listxattr(%s, %zu)", p.rel, size);
	EACH(s)
	{
		char names[4096];

		outcome_set(&o[s], llistxattr(p.host[s], names, size));
		if (o[s].rc > 0 && size)
			names_hash(&o[s], names, (size_t)o[s].rc);
	}
	world_settle(w, o);
}

static void op_removexattr(struct world *w)
{
	const char *name = pick_name(w);
	struct outcome o[SIDES];
	struct place p;

	world_pick(w, &p);
	world_op(w, "removexattr(%s, %s)", p.rel, name);
	EACH(s) outcome_set(&o[s], lremovexattr(p.host[s], name));
	world_settle(w, o);
}

/* ---- lists ---- */

struct acl_entry {
	uint16_t tag, perm;
	uint32_t id;
};
struct acl {
	uint32_t version;
	struct acl_entry e[5];
};

static struct acl pick_acl(struct world *w, size_t *size)
{
	struct acl a = {2,
			{{1, (uint16_t)rnd_below(&w->rnd, 8), UINT32_MAX},
			 {2, (uint16_t)rnd_below(&w->rnd, 8), 1000},
			 {4, (uint16_t)rnd_below(&w->rnd, 8), UINT32_MAX},
			 {16, (uint16_t)rnd_below(&w->rnd, 8), UINT32_MAX},
			 {32, (uint16_t)rnd_below(&w->rnd, 8), UINT32_MAX}}};

	*size = sizeof(a);
	if (rnd_chance(&w->rnd, 20)) { /* one that a mode can say */
		a.e[1] = a.e[2];
		a.e[2] = a.e[4];
		*size = 4 + 3 * sizeof(struct acl_entry);
	} else if (rnd_chance(&w->rnd, 5)) { /* malformed */
		*size -= 1 + rnd_below(&w->rnd, 20);
	}
	return a;
}

/*
 * A file with S_ISGID that its group cannot execute: whether it still has that bit is
 * not compared (tree.h), so a list must not make it count.
 */
static bool acl_would_show(const struct place *p)
{
	struct stat st;

	EACH(s)
	if (lstat(p->host[s], &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & S_ISGID && !(st.st_mode & S_IXGRP))
		return true;
	return false;
}

static void op_acl(struct world *w)
{
	const char *name = rnd_chance(&w->rnd, 50) ? "system.posix_acl_access" : "system.posix_acl_default";
	struct outcome o[SIDES];
	struct place p;
	size_t size;
	struct acl a = pick_acl(w, &size);
	bool removing = rnd_chance(&w->rnd, 20), asking = rnd_chance(&w->rnd, 30);

	if (!w->options.acls)
		return;
	if (rnd_chance(&w->rnd, 50))
		world_pick(w, &p);
	else
		world_pick_dir(w, &p);
	if (!*p.rel || acl_would_show(&p))
		return;
	world_op(w, "%s(%s, %s, %zu)", removing ? "removexattr" : asking ? "getxattr" : "setxattr", p.rel, name, size);
	EACH(s)
	{
		char value[1000];

		if (removing)
			outcome_set(&o[s], lremovexattr(p.host[s], name));
		else if (asking)
			outcome_set(&o[s], lgetxattr(p.host[s], name, value, sizeof(value)));
		else
			outcome_set(&o[s], lsetxattr(p.host[s], name, &a, size, 0));
		if (removing && o[s].rc < 0 && o[s].err == ENODATA)
			outcome_set(&o[s], 0); /* file systems differ in this */
		if (asking && o[s].rc > 0)
			outcome_bytes(&o[s], value, (size_t)o[s].rc);
	}
	world_settle(w, o);
}

const struct op xattr_ops[] = {
	{"setxattr", 20, op_setxattr},       {"getxattr", 15, op_getxattr}, {"listxattr", 10, op_listxattr},
	{"removexattr", 10, op_removexattr}, {"acl", 15, op_acl},           {NULL, 0, NULL},
};
