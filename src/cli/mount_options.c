// SPDX-License-Identifier: Apache-2.0
#include "cli/mount_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/err.h"
#include "base/scope.h"

void mount_options_init(struct mount_options *o)
{
	*o = (struct mount_options){.squash_uid = -1, .squash_gid = -1};
}

void mount_options_fini(struct mount_options *o)
{
	words_fini(&o->lowers);
	words_fini(&o->ignored);
	words_fini(&o->unknown);
	free(o->upper);
	free(o->snapshot);
	free(o->source);
	free(o->base_cache);
	for (size_t i = 0; i < o->nvirtuals; i++) {
		free((char *)o->virtuals[i].path);
		free((char *)o->virtuals[i].host_file);
	}
	free(o->virtuals);
}

/* One option, cut out of the text: value NULL when it has none. */
struct mount_option {
	const char *name;
	char *value;
	struct vn_err *err;
};

static int mount_options_bad(const struct mount_option *m, const char *wants)
{
	return vn_err_set(m->err, -EINVAL, "option %s=%s is not understood: it wants %s", m->name,
			  m->value ? m->value : "", wants);
}

static int mount_options_number(const struct mount_option *m, uint64_t max, uint64_t *out)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = m->value ? strtoull(m->value, &end, 10) : 0;
	if (!m->value || m->value[0] < '0' || m->value[0] > '9' || *end || errno || n > max)
		return mount_options_bad(m, "a number");
	*out = n;
	return 0;
}

static int mount_options_switch(const struct mount_option *m, bool *out)
{
	if (m->value && strcmp(m->value, "0") != 0 && strcmp(m->value, "1") != 0)
		return mount_options_bad(m, "0 or 1");
	*out = !m->value || m->value[0] == '1';
	return 0;
}

/* Takes `\c` for c, in place. */
static void mount_options_unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s == '\\' && s[1] && strchr(":,\\", s[1]))
			s++;
		*to++ = *s;
	}
	*to = 0;
}

static int mount_options_path(const struct mount_option *m, char **out)
{
	char *path;

	if (!m->value || !*m->value)
		return mount_options_bad(m, "a path");
	path = strdup(m->value);
	if (!path)
		return -ENOMEM;
	mount_options_unescape(path);
	free(*out);
	*out = path;
	return 0;
}

/* Up to the next separator that is not escaped. */
static size_t mount_options_span(const char *s, char separator)
{
	size_t n = 0;

	while (s[n] && s[n] != separator)
		n += s[n] == '\\' && s[n + 1] ? 2 : 1;
	return n;
}

static int opt_lowerdir(struct mount_options *o, const struct mount_option *m)
{
	const char *at = m->value;

	words_fini(&o->lowers);
	if (!at || !*at)
		return mount_options_bad(m, "directories with ':' between them");
	for (;;) {
		size_t n = mount_options_span(at, ':');
		int ret = n ? words_add(&o->lowers, at, n) : mount_options_bad(m, "no empty path");

		if (ret < 0)
			return ret;
		mount_options_unescape(o->lowers.v[o->lowers.n - 1]);
		if (!at[n])
			return 0;
		at += n + 1;
	}
}

static int opt_upperdir(struct mount_options *o, const struct mount_option *m)
{
	return mount_options_path(m, &o->upper);
}

static int opt_fsname(struct mount_options *o, const struct mount_option *m)
{
	return mount_options_path(m, &o->source);
}

static int opt_snapshot(struct mount_options *o, const struct mount_option *m)
{
	int ret = mount_options_path(m, &o->snapshot);

	return ret == -EINVAL ? mount_options_bad(m, "a snapshot's name") : ret;
}

/* Everything about a change is in the upper: there is nothing to do for a work directory. */
static int opt_workdir(struct mount_options *o, const struct mount_option *m)
{
	(void)o;
	(void)m;
	return 0;
}

/* Makes a path independent of the working directory, which a daemon leaves. */
static int mount_options_absolute(char **path)
{
	vn_autofree char *cwd = NULL, *whole = NULL;

	if (**path == '/')
		return 0;
	cwd = getcwd(NULL, 0);
	if (!cwd || asprintf(&whole, "%s/%s", cwd, *path) < 0)
		return -ENOMEM;
	free(*path);
	*path = vn_steal_ptr(&whole);
	return 0;
}

/* Without a value: in the upper. */
static int opt_basecache(struct mount_options *o, const struct mount_option *m)
{
	int ret = 0;

	if (m->value)
		ret = mount_options_path(m, &o->base_cache);
	if (m->value && ret == 0)
		ret = mount_options_absolute(&o->base_cache);
	o->make_base_cache = ret == 0;
	return ret;
}

static int opt_virtual(struct mount_options *o, const struct mount_option *m)
{
	if (!m->value)
		return mount_options_bad(m, "GUESTPATH=HOSTFILE[:MODE]");
	mount_options_unescape(m->value);
	return mount_options_virtual(o, m->value, m->err);
}

static int opt_commit(struct mount_options *o, const struct mount_option *m)
{
	uint64_t n;
	int ret = mount_options_number(m, 86400, &n);

	if (ret == 0)
		o->commit_s = (unsigned)n;
	return ret;
}

static int opt_squash_uid(struct mount_options *o, const struct mount_option *m)
{
	uint64_t n;
	int ret = mount_options_number(m, UINT32_MAX - 1, &n);

	if (ret == 0)
		o->squash_uid = (int64_t)n;
	return ret;
}

static int opt_squash_gid(struct mount_options *o, const struct mount_option *m)
{
	uint64_t n;
	int ret = mount_options_number(m, UINT32_MAX - 1, &n);

	if (ret == 0)
		o->squash_gid = (int64_t)n;
	return ret;
}

static int opt_squash_to_root(struct mount_options *o, const struct mount_option *m)
{
	bool on = false;
	int ret = mount_options_switch(m, &on);

	if (ret == 0)
		o->squash_uid = o->squash_gid = on ? 0 : -1;
	return ret;
}

#define MOUNT_OPTIONS_SWITCH(name)                                                   \
	static int opt_##name(struct mount_options *o, const struct mount_option *m) \
	{                                                                            \
		return mount_options_switch(m, &o->name);                            \
	}
MOUNT_OPTIONS_SWITCH(allow_other)
MOUNT_OPTIONS_SWITCH(writeback)
MOUNT_OPTIONS_SWITCH(is_volatile)
MOUNT_OPTIONS_SWITCH(noacl)
MOUNT_OPTIONS_SWITCH(static_nlink)
MOUNT_OPTIONS_SWITCH(stats)
MOUNT_OPTIONS_SWITCH(accept_changed_lowers)
MOUNT_OPTIONS_SWITCH(nobasecache)
MOUNT_OPTIONS_SWITCH(debug)

/* How files are opened: `cached` is what goes without saying. */
static int opt_open(struct mount_options *o, const struct mount_option *m)
{
	bool passthrough = m->value && strcmp(m->value, "passthrough") == 0;

	if (!passthrough && (!m->value || strcmp(m->value, "cached") != 0))
		return mount_options_bad(m, "passthrough or cached");
	o->passthrough = passthrough;
	return 0;
}

static int opt_acl(struct mount_options *o, const struct mount_option *m)
{
	(void)m;
	o->noacl = false;
	return 0;
}

static const struct {
	const char *name;
	int (*set)(struct mount_options *o, const struct mount_option *m);
} mount_options_table[] = {
	{"lowerdir", opt_lowerdir},
	{"upperdir", opt_upperdir},
	{"workdir", opt_workdir},
	{"snapshot", opt_snapshot},
	{"fsname", opt_fsname},
	{"virtual", opt_virtual},
	{"commit", opt_commit},
	{"writeback", opt_writeback},
	{"open", opt_open},
	{"volatile", opt_is_volatile},
	{"noacl", opt_noacl},
	{"acl", opt_acl},
	{"static_nlink", opt_static_nlink},
	{"stats", opt_stats},
	{"squash_to_root", opt_squash_to_root},
	{"squash_to_uid", opt_squash_uid},
	{"squash_to_gid", opt_squash_gid},
	{"allow_other", opt_allow_other},
	{"accept_changed_lowers", opt_accept_changed_lowers},
	{"basecache", opt_basecache},
	{"nobasecache", opt_nobasecache},
	{"debug", opt_debug},
};

/* Flags of mount(2): what each word sets and clears. */
static const struct {
	const char *name;
	unsigned long set, clear;
} mount_options_flags[] = {
	{"ro", MS_RDONLY, 0},         {"rw", 0, MS_RDONLY},           {"suid", 0, MS_NOSUID},
	{"nosuid", MS_NOSUID, 0},     {"dev", 0, MS_NODEV},           {"nodev", MS_NODEV, 0},
	{"exec", 0, MS_NOEXEC},       {"noexec", MS_NOEXEC, 0},       {"atime", 0, MS_NOATIME},
	{"noatime", MS_NOATIME, 0},   {"diratime", 0, MS_NODIRATIME}, {"nodiratime", MS_NODIRATIME, 0},
	{"relatime", MS_RELATIME, 0}, {"norelatime", 0, MS_RELATIME}, {"strictatime", MS_STRICTATIME, 0},
	{"dirsync", MS_DIRSYNC, 0},   {"sync", MS_SYNCHRONOUS, 0},    {"async", 0, MS_SYNCHRONOUS},
	{"remount", MS_REMOUNT, 0},
};

/* Words of fstab that speak to mount(8) and systemd, and what is always so here. Taken without a word. */
static const char *const mount_options_silent[] = {
	"defaults",     "auto",    "noauto", "user",    "nouser",  "users",
	"owner",        "group",   "nofail", "_netdev", "comment", "default_permissions",
	"kernel_cache", "subtype", "setuid", "user_id", "group_id",
};

static const char *const mount_options_ignored[] = {
	"redirect_dir",
	"context",
	"fscontext",
	"defcontext",
	"rootcontext",
	"uidmapping",
	"gidmapping",
	"timeout",
	"threaded",
	"fsync",
	"fast_ino",
	"noxattrs",
	"xattr_permissions",
	"ino32_t",
	"xino",
	"index",
	"metacopy",
	"allow_root",
	"userxattr",
	"nfs_export",
	"verity",
	"max_write",
	"max_read",
	"max_readahead",
	"max_background",
	"congestion_threshold",
	"auto_cache",
	"noauto_cache",
	"direct_io",
	"entry_timeout",
	"negative_timeout",
	"attr_timeout",
	"ac_attr_timeout",
	"blkdev",
	"blksize",
	"auto_unmount",
	"clone_fd",
	"max_threads",
	"max_idle_threads",
	"async_read",
	"sync_read",
	"atomic_o_trunc",
	"big_writes",
	"no_remote_lock",
	"intr",
	"nonempty",
	"large_read",
	"hard_remove",
	"use_ino",
	"readdir_ino",
	"umask",
	"uid",
	"gid",
	"splice_read",
	"splice_write",
	"splice_move",
	"nolocalcaches",
	"lazytime",
	"nolazytime",
	"iversion",
	"noiversion",
	"mand",
	"nomand",
	"silent",
	"loud",
};

static bool mount_options_in(const char *const *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i], name) == 0)
			return true;
	}
	return false;
}

static bool mount_options_flag(struct mount_options *o, const char *name)
{
	for (size_t i = 0; i < VN_ARRAY_LEN(mount_options_flags); i++) {
		if (strcmp(mount_options_flags[i].name, name) != 0)
			continue;
		o->flags = (o->flags & ~mount_options_flags[i].clear) | mount_options_flags[i].set;
		o->readonly = o->flags & MS_RDONLY;
		return true;
	}
	return false;
}

static int mount_options_set(struct mount_options *o, const struct mount_option *m)
{
	for (size_t i = 0; i < VN_ARRAY_LEN(mount_options_table); i++) {
		if (strcmp(mount_options_table[i].name, m->name) == 0)
			return mount_options_table[i].set(o, m);
	}
	if (mount_options_flag(o, m->name) || strncmp(m->name, "x-", 2) == 0 ||
	    mount_options_in(mount_options_silent, VN_ARRAY_LEN(mount_options_silent), m->name))
		return 0;
	if (mount_options_in(mount_options_ignored, VN_ARRAY_LEN(mount_options_ignored), m->name))
		return words_add(&o->ignored, m->name, strlen(m->name));
	return words_add(&o->unknown, m->name, strlen(m->name));
}

/* The length of the option at s: to the next comma that is neither escaped nor inside NAME="...". */
static size_t mount_options_length(const char *s)
{
	size_t n = strcspn(s, "=,");
	const char *quote;

	if (s[n] == '=' && s[n + 1] == '"' && (quote = strchr(s + n + 2, '"')))
		return (size_t)(quote - s) + 1 + mount_options_span(quote + 1, ',');
	return mount_options_span(s, ',');
}

int mount_options_parse(struct mount_options *o, const char *text, struct vn_err *err)
{
	for (const char *at = text; *at;) {
		size_t n = mount_options_length(at);
		vn_autofree char *name = strndup(at, n);
		struct mount_option m = {.name = name, .err = err};
		char *equals;
		int ret;

		if (!name)
			return vn_err_sys(err, -ENOMEM, "cannot read the options");
		equals = strchr(name, '=');
		if (equals) {
			*equals = 0;
			m.value = equals + 1;
		}
		ret = *name ? mount_options_set(o, &m) : 0;
		if (ret == -ENOMEM)
			return vn_err_sys(err, ret, "cannot read the options");
		if (ret < 0)
			return ret;
		at += n + (at[n] == ',');
	}
	return 0;
}

/* The permission bits behind the last ':', which is then cut off; 0: there are none. */
static uint32_t mount_options_mode(char *file)
{
	char *colon = strrchr(file, ':');
	size_t n = colon ? strlen(colon + 1) : 0;
	uint32_t mode;

	if (n < 3 || n > 4 || strspn(colon + 1, "01234567") != n)
		return 0;
	mode = (uint32_t)strtoul(colon + 1, NULL, 8);
	*colon = 0;
	return mode;
}

static bool mount_options_guest_path(const char *path)
{
	if (path[0] != '/' || !path[1])
		return false;
	while (*path) {
		size_t n;

		path += strspn(path, "/");
		n = strcspn(path, "/");
		if ((n == 1 && path[0] == '.') || (n == 2 && path[0] == '.' && path[1] == '.') || n > 255)
			return false;
		path += n;
	}
	return true;
}

int mount_options_virtual(struct mount_options *o, const char *text, struct vn_err *err)
{
	const char *equals = strchr(text, '=');
	vn_autofree char *path = equals ? strndup(text, (size_t)(equals - text)) : NULL;
	vn_autofree char *file = equals ? strdup(equals + 1) : NULL;
	struct ovl_virtual *v;
	uint32_t mode;

	if (!equals || !equals[1])
		return vn_err_set(err, -EINVAL, "virtual file '%s' is not understood: write GUESTPATH=HOSTFILE[:MODE]", text);
	v = reallocarray(o->virtuals, o->nvirtuals + 1, sizeof(*v));
	if (v)
		o->virtuals = v;
	if (!v || !path || !file)
		return vn_err_sys(err, -ENOMEM, "cannot read the options");
	if (!mount_options_guest_path(path))
		return vn_err_set(err, -EINVAL,
				  "'%s' cannot be the path of a virtual file: write it from the tree's root, as /init, without '.' and '..'",
				  path);
	mode = mount_options_mode(file);
	o->virtuals[o->nvirtuals++] = (struct ovl_virtual){
		.path = vn_steal_ptr(&path),
		.host_file = vn_steal_ptr(&file),
		.mode = mode,
	};
	return 0;
}
