// SPDX-License-Identifier: Apache-2.0
/* Operations on names. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "world.h"

#define EACH(s) for (int s = 0; s < SIDES; s++)

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#define RENAME_WHITEOUT 4
#endif

static mode_t pick_mode(struct world *w)
{
	static const mode_t modes[] = {0755, 0700, 0777, 02775, 01777, 0711, 0644};

	return RND_PICK(&w->rnd, modes);
}

static void op_stat(struct world *w)
{
	bool follow = rnd_chance(&w->rnd, 30);
	struct outcome o[SIDES];
	struct place p;

	world_pick(w, &p);
	world_op(w, "%s(%s)", follow ? "stat" : "lstat", p.rel);
	EACH(s)
	{
		struct stat st;

		outcome_set(&o[s], fstatat(AT_FDCWD, p.host[s], &st, follow ? 0 : AT_SYMLINK_NOFOLLOW));
		if (o[s].rc == 0)
			outcome_stat(&o[s], &st);
	}
	world_settle(w, o);
}

static void op_readlink(struct world *w)
{
	struct outcome o[SIDES];
	struct place p;

	world_pick(w, &p);
	world_op(w, "readlink(%s)", p.rel);
	EACH(s)
	{
		char buf[PATH_MAX];

		outcome_set(&o[s], readlink(p.host[s], buf, sizeof(buf)));
		if (o[s].rc > 0)
			outcome_bytes(&o[s], buf, (size_t)o[s].rc);
	}
	world_settle(w, o);
}

static void op_mkdir(struct world *w)
{
	mode_t mode = pick_mode(w);
	struct outcome o[SIDES];
	struct place p;

	world_pick_new(w, &p);
	world_op(w, "mkdir(%s, %o)", p.rel, mode);
	EACH(s) outcome_set(&o[s], mkdir(p.host[s], mode));
	world_settle(w, o);
}

static void op_rmdir(struct world *w)
{
	struct outcome o[SIDES];
	struct place p;

	if (rnd_chance(&w->rnd, 70))
		world_pick_dir(w, &p);
	else
		world_pick(w, &p);
	if (!*p.rel)
		return;
	world_op(w, "rmdir(%s)", p.rel);
	EACH(s) outcome_set(&o[s], rmdir(p.host[s]));
	world_settle(w, o);
}

static void op_unlink(struct world *w)
{
	struct outcome o[SIDES];
	struct place p;

	world_pick(w, &p);
	world_op(w, "unlink(%s)", p.rel);
	EACH(s) outcome_set(&o[s], unlink(p.host[s]));
	world_settle(w, o);
}

static unsigned pick_rename_flags(struct world *w)
{
	static const unsigned flags[] = {0,
					 0,
					 0,
					 RENAME_NOREPLACE,
					 RENAME_EXCHANGE,
					 RENAME_WHITEOUT,
					 RENAME_EXCHANGE | RENAME_NOREPLACE,
					 RENAME_WHITEOUT | RENAME_EXCHANGE,
					 RENAME_WHITEOUT | RENAME_NOREPLACE,
					 64};
	size_t n = rnd_chance(&w->rnd, 90) ? 6 : sizeof(flags) / sizeof(flags[0]);
	unsigned chosen = flags[rnd_below(&w->rnd, n)];

	return w->options.kernel ? chosen & ~(unsigned)RENAME_WHITEOUT : chosen;
}

/*
 * With RENAME_WHITEOUT ext4 has two ways of its own: the device inherits group and
 * access list of its directory, and a rename that fails has changed the
 * directory's time.
 */
static int rename_whiteout(const char *from, const char *to, unsigned flags)
{
	char dir[PATH_MAX * 2 + 2];
	struct stat st;
	int rc, err, known;
	uid_t user;

	snprintf(dir, sizeof(dir), "%s", from);
	*strrchr(dir, '/') = '\0';
	known = stat(dir, &st);
	rc = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
	err = errno;
	user = (uid_t)setfsuid(0);
	if (rc == 0) {
		lremovexattr(from, "system.posix_acl_access");
		lchown(from, 0, 0);
	} else if (known == 0) {
		utimensat(AT_FDCWD, dir, (struct timespec[2]){st.st_atim, st.st_mtim}, 0);
	}
	setfsuid(user);
	errno = err;
	return rc;
}

static void op_rename(struct world *w)
{
	unsigned flags = pick_rename_flags(w);
	struct outcome o[SIDES];
	struct place from, to;

	world_pick(w, &from);
	if (rnd_chance(&w->rnd, 50))
		world_pick(w, &to);
	else
		world_pick_new(w, &to);
	if (rnd_chance(&w->rnd, 25)) { /* of a directory */
		world_pick_dir(w, &from);
		if (!*from.rel)
			return;
	}
	world_op(w, "rename(%s, %s, %u)", from.rel, to.rel, flags);
	EACH(s)
	{
		if (flags & RENAME_WHITEOUT)
			outcome_set(&o[s], rename_whiteout(from.host[s], to.host[s], flags));
		else
			outcome_set(&o[s], syscall(SYS_renameat2, AT_FDCWD, from.host[s], AT_FDCWD, to.host[s], flags));
	}
	world_settle(w, o);
}

static void op_link(struct world *w)
{
	struct outcome o[SIDES];
	struct place from, to;

	world_pick(w, &from);
	world_pick_new(w, &to);
	world_op(w, "link(%s, %s)", from.rel, to.rel);
	EACH(s) outcome_set(&o[s], linkat(AT_FDCWD, from.host[s], AT_FDCWD, to.host[s], 0));
	world_settle(w, o);
}

static void op_symlink(struct world *w)
{
	static const char *const targets[] = {"n1", "../n2", "nowhere", ".", "n3/n4", "loop"};
	char longest[4096];
	const char *target = RND_PICK(&w->rnd, targets);
	struct outcome o[SIDES];
	struct place p;

	if (rnd_chance(&w->rnd, 5)) {
		memset(longest, 't', sizeof(longest));
		longest[rnd_chance(&w->rnd, 50) ? 4094 : 300] = '\0';
		longest[4095] = '\0';
		target = longest;
	}
	world_pick_new(w, &p);
	world_op(w, "symlink(%.40s, %s)", target, p.rel);
	EACH(s) outcome_set(&o[s], symlink(target, p.host[s]));
	world_settle(w, o);
}

static void op_mknod(struct world *w)
{
	static const struct {
		mode_t type;
		unsigned major, minor;
	} kinds[] = {{S_IFREG, 0, 0}, {S_IFIFO, 0, 0}, {S_IFSOCK, 0, 0},      {S_IFCHR, 1, 3},
		     {S_IFBLK, 7, 0}, {S_IFREG, 0, 0}, {S_IFCHR, 511, 70000}, {S_IFCHR, 0, 0}};
	size_t kind = rnd_below(&w->rnd, sizeof(kinds) / sizeof(kinds[0]) - (w->options.kernel ? 1 : 0));
	mode_t mode = pick_mode(w);
	struct outcome o[SIDES];
	struct place p;

	world_pick_new(w, &p);
	world_op(w, "mknod(%s, %o, %u:%u)", p.rel, kinds[kind].type | mode, kinds[kind].major, kinds[kind].minor);
	EACH(s)
	outcome_set(&o[s], mknod(p.host[s], kinds[kind].type | mode, makedev(kinds[kind].major, kinds[kind].minor)));
	world_settle(w, o);
}

static void op_chmod(struct world *w)
{
	static const mode_t modes[] = {0644, 0600, 0755, 04755, 06711, 02777, 0000, 01777};
	mode_t mode = RND_PICK(&w->rnd, modes);
	struct outcome o[SIDES];
	struct place p;

	world_pick(w, &p);
	world_op(w, "chmod(%s, %o)", p.rel, mode);
	EACH(s) outcome_set(&o[s], chmod(p.host[s], mode));
	world_settle(w, o);
}

static void op_chown(struct world *w)
{
	uid_t uid = rnd_chance(&w->rnd, 20) ? (uid_t)-1 : (uid_t)rnd_below(&w->rnd, 3) * 1000;
	gid_t gid = rnd_chance(&w->rnd, 20) ? (gid_t)-1 : (gid_t)rnd_below(&w->rnd, 3) * 100;
	struct outcome o[SIDES];
	struct place p;

	world_pick(w, &p);
	world_op(w, "lchown(%s, %d, %d)", p.rel, (int)uid, (int)gid);
	EACH(s) outcome_set(&o[s], lchown(p.host[s], uid, gid));
	world_settle(w, o);
}

static void op_utimens(struct world *w)
{
	struct timespec t[2];
	struct outcome o[SIDES];
	struct place p;

	for (int i = 0; i < 2; i++) {
		t[i] = (struct timespec){(time_t)(1000000000 + rnd_below(&w->rnd, 500000000)),
					 (long)rnd_below(&w->rnd, 1000000000)};
		if (rnd_chance(&w->rnd, 10))
			t[i].tv_nsec = UTIME_NOW;
		else if (rnd_chance(&w->rnd, 10))
			t[i].tv_nsec = UTIME_OMIT;
	}
	world_pick(w, &p);
	world_op(w, "utimensat(%s, %lld.%09ld)", p.rel, (long long)t[1].tv_sec, t[1].tv_nsec);
	EACH(s) outcome_set(&o[s], utimensat(AT_FDCWD, p.host[s], t, AT_SYMLINK_NOFOLLOW));
	world_settle(w, o);
}

static void op_truncate(struct world *w)
{
	static const off_t sizes[] = {0, 0, 1, 100, 4096, 5000, 65536, 300000};
	off_t size = RND_PICK(&w->rnd, sizes);
	struct stat st;
	struct outcome o[SIDES];
	struct place p;

	world_pick(w, &p);
	if (w->options.writeback && stat(p.host[1], &st) == 0 && st.st_size == size)
		return; /* such a kernel keeps the time then */
	world_op(w, "truncate(%s, %lld)", p.rel, (long long)size);
	EACH(s) outcome_set(&o[s], truncate(p.host[s], size));
	world_settle(w, o);
}

static void op_access(struct world *w)
{
	int how = (int)rnd_below(&w->rnd, 8);
	struct outcome o[SIDES];
	struct place p;

	world_pick(w, &p);
	world_op(w, "faccessat(%s, %d)", p.rel, how);
	EACH(s) outcome_set(&o[s], faccessat(AT_FDCWD, p.host[s], how, AT_EACCESS));
	world_settle(w, o);
}

/* A whole file is what programs mostly make: written beside, flushed, renamed over. */
static void op_replace(struct world *w)
{
	size_t size = rnd_below(&w->rnd, 20000);
	char *bytes = malloc(size + 1);
	struct outcome o[SIDES];
	struct place p, temp;

	world_pick_new(w, &p);
	world_pick_new(w, &temp);
	rnd_fill(&w->rnd, bytes, size);
	world_op(w, "replace(%s, by %s, %zu bytes)", p.rel, temp.rel, size);
	EACH(s)
	{
		int fd = open(temp.host[s], O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);

		outcome_set(&o[s], fd);
		if (fd < 0)
			continue;
		outcome_set(&o[s], write(fd, bytes, size) == (ssize_t)size ? 0 : -1);
		close(fd);
		if (o[s].rc == 0)
			outcome_set(&o[s], rename(temp.host[s], p.host[s]));
	}
	free(bytes);
	world_settle(w, o);
}

static void op_umask(struct world *w)
{
	static const mode_t masks[] = {022, 022, 0, 077, 027};
	mode_t mask = RND_PICK(&w->rnd, masks);

	world_op(w, "umask(%o)", mask);
	umask(mask);
}

const struct op path_ops[] = {
	{"stat", 50, op_stat},
	{"readlink", 10, op_readlink},
	{"mkdir", 40, op_mkdir},
	{"rmdir", 25, op_rmdir},
	{"unlink", 35, op_unlink},
	{"rename", 60, op_rename},
	{"link", 30, op_link},
	{"symlink", 20, op_symlink},
	{"mknod", 20, op_mknod},
	{"chmod", 20, op_chmod},
	{"chown", 20, op_chown},
	{"utimens", 20, op_utimens},
	{"truncate", 15, op_truncate},
	{"access", 8, op_access},
	{"replace", 15, op_replace},
	{"umask", 2, op_umask},
	{NULL, 0, NULL},
};
