// SPDX-License-Identifier: Apache-2.0
/* I and A: identity, attributes, extended attributes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

#define GETFLAGS 0x80086601ul
#define SETFLAGS 0x40086602ul
#define FL_IMMUTABLE 0x10
#define FL_APPEND 0x20

static const char *some_below(void)
{
	SO(!mkdir("d", 0755) && put("d/in", "in") && put("f", "f") && put("g", "g") && !symlink("f", "s"));
	return NULL;
}

/* Numbers are noted in a file of the tree, to be compared after the remount. */
static bool note(const char *name, uint64_t number)
{
	char text[32];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	return put(name, text);
}

static bool noted(const char *name, uint64_t number)
{
	char text[32];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	return has(name, text);
}

static const char *i1(void)
{
	uint64_t f = st_of("f").st_ino, d = st_of("d").st_ino, in = st_of("d/in").st_ino;
	SO(f && d && in && f < UINT64_C(1) << 53 && st_of("f").st_dev == st_of("d").st_dev);
	SO(note("ino.f", f) && note("ino.d", d) && note("ino.in", in));
	SO(!chmod("f", 0600) && put("f", "changed") && st_of("f").st_ino == f);
	SO(!rename("f", "d/f") && !rename("d", "dd") && st_of("dd/f").st_ino == f && st_of("dd").st_ino == d);
	SO(st_of("dd/in").st_ino == in);
	DIR *dir = opendir("dd");
	SO(dir);
	for (struct dirent *e; (e = readdir(dir));)
		if (!strcmp(e->d_name, "in"))
			SO(e->d_ino == in && e->d_type == DT_REG);
	closedir(dir);
	return NULL;
}

static const char *i1_again(void)
{
	SO(noted("ino.f", st_of("dd/f").st_ino) && noted("ino.d", st_of("dd").st_ino));
	SO(noted("ino.in", st_of("dd/in").st_ino));
	return NULL;
}

static const char *i2(void)
{
	int fd = open("f", O_RDONLY);
	struct stat st;
	SO(fd >= 0 && !unlink("f") && !fstat(fd, &st) && st.st_nlink == 0);
	close(fd);
	SO(!mkdir("n", 0755) && !mkdir("n/x", 0755) && st_of("n").st_nlink == 3 && st_of("d").st_nlink == 1);
	return NULL;
}

static const char *i3_below(void)
{
	SO(put("h1", "one") && !link("h1", "h2") && !mkdir("d", 0755) && !link("h1", "d/h3"));
	return NULL;
}

static const char *i3(void)
{
	SO(st_of("h1").st_ino == st_of("d/h3").st_ino && st_of("h1").st_nlink == 3);
	SO(put("h2", "two") && has("h1", "two") && has("d/h3", "two"));
	SO(st_of("h1").st_ino == st_of("h2").st_ino);
	return NULL;
}

static const char *i3_again(void)
{
	SO(has("h1", "two") && has("h2", "two") && has("d/h3", "two") && st_of("h1").st_ino == st_of("d/h3").st_ino);
	SO(!unlink("h1") && st_of("h2").st_nlink == 2 && has("d/h3", "two"));
	return NULL;
}

static bool later(struct timespec a, struct timespec b)
{
	return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

static bool same(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static const char *i4(void)
{
	struct stat f = st_of("f"), d = st_of("d"), now;
	usleep(20000);
	SO(!chmod("f", 0640));
	now = st_of("f");
	SO(same(now.st_mtim, f.st_mtim) && later(now.st_ctim, f.st_ctim));
	SO(!chmod("d/in", 0600) && same(st_of("d").st_mtim, d.st_mtim) && same(st_of("d").st_ctim, d.st_ctim));
	SO(put("d/new", "") && later(st_of("d").st_mtim, d.st_mtim));
	f = st_of("f");
	usleep(20000);
	SO(!link("f", "f2") && later(st_of("f").st_ctim, f.st_ctim));
	f = st_of("f");
	usleep(20000);
	SO(!rename("f2", "f3") && later(st_of("f").st_ctim, f.st_ctim) && same(st_of("f").st_mtim, f.st_mtim));
	return NULL;
}

static const char *i5(void)
{
	const struct timespec times[2] = { { .tv_sec = 4102444800, .tv_nsec = 123456789 },
					   { .tv_sec = 7258118400, .tv_nsec = 1 } };
	const struct timespec omit[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_NOW } };
	SO(!utimensat(AT_FDCWD, "f", times, 0) && !utimensat(AT_FDCWD, "g", times, 0));
	SO(same(st_of("f").st_atim, times[0]) && same(st_of("f").st_mtim, times[1]));
	SO(!utimensat(AT_FDCWD, "g", omit, 0) && same(st_of("g").st_atim, times[0]));
	SO(labs(st_of("g").st_mtim.tv_sec - time(NULL)) < 60);
	return NULL;
}

static const char *i5_again(void)
{
	struct stat st = st_of("f");
	SO(st.st_atim.tv_sec == 4102444800 && st.st_atim.tv_nsec == 123456789);
	SO(st.st_mtim.tv_sec == 7258118400 && st.st_mtim.tv_nsec == 1);
	return NULL;
}

static const char *i6(void)
{
	SO(put("data", "some") && st_of("data").st_blocks > 0 && st_of("f").st_blocks > 0);
	SO(put("none", "") && st_of("none").st_blocks == 0);
	int fd = open("hole", O_CREAT | O_WRONLY, 0644);
	SO(fd >= 0 && !ftruncate(fd, 1 << 20) && st_of("hole").st_size == 1 << 20 && st_of("hole").st_blocks == 0);
	close(fd);
	return NULL;
}

static int flags_of(const char *path, long set)
{
	long flags = 0;
	int fd = open(path, O_RDONLY);
	if (fd < 0)
		return -1;
	int r = set >= 0 ? ioctl(fd, SETFLAGS, &set) : ioctl(fd, GETFLAGS, &flags);
	int e = errno;
	close(fd);
	errno = e;
	return r ? -1 : (int)flags;
}

/* A client that has the attributes is told of a ctime that its own ioctl changed; a moment later. */
static bool ctime_moves_by_flags(const char *path)
{
	struct timespec was = st_of(path).st_ctim, is = was;
	usleep(20000);
	if (flags_of(path, FL_APPEND))
		return false;
	for (int i = 0; i < 3000 && is.tv_sec == was.tv_sec && is.tv_nsec == was.tv_nsec; i++) {
		usleep(10000);
		is = st_of(path).st_ctim;
	}
	return flags_of(path, 0) == 0 && (is.tv_sec != was.tv_sec || is.tv_nsec != was.tv_nsec);
}

static const char *i7(void)
{
	struct statx x;
	SO(ctime_moves_by_flags("d"));
	SO(!statx(AT_FDCWD, "f", 0, STATX_BTIME, &x) && x.stx_mask & STATX_BTIME);
	SO(flags_of("f", FL_IMMUTABLE) == 0 && flags_of("f", -1) == FL_IMMUTABLE);
	/* no OPEN is sent that could be refused: the write is */
	int fd = open("f", O_WRONLY);
	FAILS(EPERM, (int)write(fd, "x", 1));
	close(fd);
	FAILS(EPERM, unlink("f"));
	FAILS(EPERM, rename("f", "x"));
	FAILS(EPERM, chmod("f", 0600));
	SO(flags_of("g", FL_APPEND) == 0);
	FAILS(EPERM, truncate("g", 0));
	fd = open("g", O_WRONLY | O_APPEND);
	SO(fd >= 0 && write(fd, "more", 4) == 4 && has("g", "gmore"));
	close(fd);
	return NULL;
}

static const char *i7_again(void)
{
	SO(flags_of("f", -1) == FL_IMMUTABLE && flags_of("g", -1) == FL_APPEND);
	FAILS(EPERM, unlink("f"));
	SO(flags_of("f", 0) == 0 && flags_of("g", 0) == 0 && !unlink("f") && !unlink("g"));
	return NULL;
}

/* Runs fn as another user in a child; its exit status says whether it was so. */
static bool as_nobody(bool (*fn)(void))
{
	int status;
	pid_t pid = fork();
	if (!pid) {
		if (setgid(65534) || setuid(65534))
			_exit(2);
		_exit(!fn());
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

static bool write_suid(void)
{
	int fd = open("suid", O_WRONLY);
	return fd >= 0 && write(fd, "x", 1) == 1 && !close(fd);
}

static bool cannot_remove(void)
{
	return unlink("sticky/f") == -1 && (errno == EPERM || errno == EACCES);
}

static const char *i8(void)
{
	SO(put("suid", "s") && !chmod("suid", 06777) && as_nobody(write_suid));
	SO((st_of("suid").st_mode & 07777) == 0777);
	SO(put("own", "s") && !chmod("own", 06755) && !chown("own", 1, 1));
	SO((st_of("own").st_mode & 07777) == 0755);
	SO(!setxattr("f", "security.capability", "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, 0));
	SO(put("f", "written") && getxattr("f", "security.capability", NULL, 0) == -1 && errno == ENODATA);
	SO(!mkdir("sg", 0777) && !chown("sg", 0, 7) && !chmod("sg", 02777) && put("sg/f", "") && !mkdir("sg/d", 0755));
	SO(st_of("sg/f").st_gid == 7 && st_of("sg/d").st_gid == 7 && st_of("sg/d").st_mode & S_ISGID);
	SO(!mkdir("sticky", 01777) && put("sticky/f", "") && as_nobody(cannot_remove));
	return NULL;
}

/* user:: rw-, group:: r--, mask, other, and user 1000 rw-: version 2 of the xattr. */
static const unsigned char acl[] = {
	2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 6, 0, 232, 3, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255,
	16, 0, 6, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255,
};

static const char *i9(void)
{
	unsigned char got[64];
	SO(!setxattr("f", "system.posix_acl_access", acl, sizeof(acl), 0));
	SO((st_of("f").st_mode & 0777) == 0660); /* the mask shows as the group's bits */
	SO(!chmod("f", 0640));
	SO(getxattr("f", "system.posix_acl_access", got, sizeof(got)) == (ssize_t)sizeof(acl) && got[4 + 3 * 8 + 2] == 4);
	SO(!setxattr("d", "system.posix_acl_default", acl, sizeof(acl), 0));
	umask(077);
	bool made = put("d/new", "") && !mkdir("d/sub", 0777);
	umask(0);
	SO(made && (st_of("d/new").st_mode & 0777) == 0640);
	SO(getxattr("d/sub", "system.posix_acl_default", got, sizeof(got)) == (ssize_t)sizeof(acl));
	return NULL;
}

static const char *i9_again(void)
{
	unsigned char got[64];
	SO(getxattr("f", "system.posix_acl_access", got, sizeof(got)) == (ssize_t)sizeof(acl));
	SO(getxattr("d/new", "system.posix_acl_access", got, sizeof(got)) == (ssize_t)sizeof(acl));
	return NULL;
}

static const char *a1_below(void)
{
	PASS(some_below());
	SO(!setxattr("g", "user.color", "blue", 4, 0));
	return NULL;
}

static const char *a1(void)
{
	char buf[256], *big = calloc(1, 65537);
	SO(!setxattr("f", "user.one", "1", 1, XATTR_CREATE) && !setxattr("f", "trusted.two", "", 0, 0));
	FAILS(EEXIST, setxattr("f", "user.one", "2", 1, XATTR_CREATE));
	FAILS(ENODATA, setxattr("f", "user.three", "3", 1, XATTR_REPLACE));
	FAILS(ENODATA, removexattr("f", "user.three"));
	FAILS(E2BIG, setxattr("f", "user.big", big, 65537, 0));
	FAILS(ERANGE, getxattr("g", "user.color", buf, 3));
	free(big);
	SO(getxattr("g", "user.color", NULL, 0) == 4 && getxattr("g", "user.color", buf, 256) == 4);
	SO(listxattr("f", NULL, 0) == 9 + 12);
	SO(!setxattr("g", "user.size", "l", 1, 0) && !removexattr("g", "user.color"));
	return NULL;
}

static const char *a1_again(void)
{
	char buf[256];
	SO(getxattr("f", "user.one", buf, 256) == 1 && buf[0] == '1' && getxattr("f", "trusted.two", buf, 256) == 0);
	SO(getxattr("g", "user.size", buf, 256) == 1);
	FAILS(ENODATA, getxattr("g", "user.color", buf, 256));
	return NULL;
}

static const char *a2(void)
{
	char buf[16];
	FAILS(ENODATA, getxattr("opaque", "trusted.overlay.opaque", buf, 16));
	SO(!setxattr("d", "trusted.overlay.opaque", "y", 1, 0) && lists("d", "in"));
	SO(getxattr("d", "trusted.overlay.opaque", buf, 16) == 1);
	return NULL;
}

static const char *a2_below(void)
{
	SO(!mkdir("opaque", 0755) && !setxattr("opaque", "trusted.overlay.opaque", "y", 1, 0));
	return some_below();
}

static const char *a2_again(void)
{
	char buf[16];
	SO(lists("d", "in") && getxattr("d", "trusted.overlay.opaque", buf, 16) == 1);
	FAILS(ENODATA, getxattr("opaque", "trusted.overlay.opaque", buf, 16));
	return NULL;
}

const struct promise identity_promises[] = {
	{ "I1_numbers_never_change", some_below, i1, i1_again },
	{ "I2_link_counts", some_below, i2, NULL },
	{ "I3_lower_hard_links_are_one_file", i3_below, i3, i3_again },
	{ "I4_times_change_where_they_should", some_below, i4, NULL },
	{ "I5_times_beyond_2038", some_below, i5, i5_again },
	{ "I6_blocks_say_whether_there_is_data", some_below, i6, NULL },
	{ "I7_birth_times_and_inode_flags", some_below, i7, i7_again },
	{ "I8_setuid_capabilities_setgid_and_sticky", some_below, i8, NULL },
	{ "I9_access_lists", some_below, i9, i9_again },
	{ "A1_attributes_are_kept_exactly", a1_below, a1, a1_again },
	{ "A2_markers_are_hidden_below_and_data_above", a2_below, a2, a2_again },
	{ NULL, NULL, NULL, NULL },
};
