// SPDX-License-Identifier: Apache-2.0
/* R and C: listings, containment. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "promise.h"

#define MANY 3000

static const char *many_below(void)
{
	char name[32];
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "stay%d", i);
		SO(put(name, ""));
		snprintf(name, sizeof(name), "go%d", i);
		SO(put(name, ""));
	}
	return NULL;
}

/* Those that stay are seen once each while the others are removed and new ones made. */
static const char *r1(void)
{
	static unsigned char seen[MANY];
	char name[32];
	int step = 0;
	DIR *dir = opendir(".");
	memset(seen, 0, sizeof(seen));
	SO(dir);
	for (struct dirent *e; (e = readdir(dir)); step++) {
		if (!strncmp(e->d_name, "stay", 4))
			seen[atoi(e->d_name + 4)]++;
		if (step < MANY) {
			snprintf(name, sizeof(name), "go%d", step);
			SO(!unlink(name));
			snprintf(name, sizeof(name), "come%d", step);
			SO(put(name, ""));
		}
	}
	closedir(dir);
	for (int i = 0; i < MANY; i++)
		SO(seen[i] == 1);
	return NULL;
}

static const char *r1_again(void)
{
	int n = 0;
	long half = 0;
	char at[256] = "";
	DIR *dir = opendir(".");
	SO(dir);
	for (struct dirent *e; (e = readdir(dir)); n++) {
		if (n == MANY) {
			half = telldir(dir);
			e = readdir(dir);
			SO(e);
			strcpy(at, e->d_name);
			n++;
		}
	}
	SO(n == 2 * MANY + 2);
	seekdir(dir, half);
	struct dirent *e = readdir(dir);
	SO(e && !strcmp(e->d_name, at));
	closedir(dir);
	return NULL;
}

static const char *r2_below(void)
{
	SO(put("f", "") && !mkdir("d", 0755) && !symlink("f", "s") && !mkfifo("p", 0644));
	SO(!mknod("c", S_IFCHR | 0644, makedev(1, 3)) && !mknod("b", S_IFBLK | 0644, makedev(7, 99)));
	return NULL;
}

static const char *r2(void)
{
	DIR *dir = opendir(".");
	SO(dir);
	for (struct dirent *e; (e = readdir(dir));) {
		struct stat st = st_of(e->d_name);
		SO(e->d_type == IFTODT(st.st_mode));
		SO(!strcmp(e->d_name, "..") || e->d_ino == st.st_ino);
	}
	closedir(dir);
	SO(st_of("c").st_rdev == makedev(1, 3) && st_of("b").st_rdev == makedev(7, 99));
	return NULL;
}

static const char *r2_fresh(void)
{
	PASS(r2());
	SO(!mknod("c2", S_IFCHR | 0600, makedev(0, 0)) && !mkfifo("p2", 0644) && !chmod("c", 0600) && !chown("s", 1, 1));
	return r2();
}

static const char *c1_below(void)
{
	SO(!symlink("/etc/passwd", "outside") && !symlink("../../../../../../etc", "up") && !symlink("loop", "loop"));
	SO(!mkdir("d", 0755) && put("d/f", "f"));
	return NULL;
}

static const char *c1(void)
{
	char buf[256];
	ssize_t n = readlink("outside", buf, sizeof(buf));
	SO(n == 11 && !memcmp(buf, "/etc/passwd", 11) && S_ISLNK(st_of("up").st_mode));
	FAILS(ELOOP, open("loop", O_RDONLY));
	return NULL;
}

const struct promise directory_promises[] = {
	{ "R1_listings_are_complete_whatever_changes", many_below, r1, r1_again },
	{ "R2_types_and_numbers_of_entries", r2_below, r2_fresh, r2 },
	{ "C1_links_of_lowers_are_read_not_followed", c1_below, c1, c1 },
	{ NULL, NULL, NULL, NULL },
};
