// SPDX-License-Identifier: Apache-2.0
/* N: names. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "promise.h"

#define NOREPLACE 1u
#define EXCHANGE 2u
#define WHITEOUT 4u

static int ren(const char *from, const char *to, unsigned flags)
{
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

/* Two directories with files, one of them nested, and a file: what most of these need. */
static const char *some_below(void)
{
	SO(!mkdir("d", 0755) && put("d/a", "a") && put("d/b", "b"));
	SO(!mkdir("d/sub", 0755) && put("d/sub/deep", "deep"));
	SO(!mkdir("e", 0755) && put("f", "f"));
	return NULL;
}

static const char *n1(void)
{
	SO(has("f", "f") && has("d/sub/deep", "deep"));
	SO(missing("hidden") && lists("opaque", "over"));
	return NULL;
}

static const char *n1_below(void)
{
	SO(!mkdir("opaque", 0755) && put("opaque/over", "over"));
	return some_below();
}

static const char *n3(void)
{
	SO(!unlink("f") && missing("f"));
	SO(put("f", "new") && has("f", "new"));
	SO(!unlink("d/a") && !unlink("d/b") && !unlink("d/sub/deep") && !rmdir("d/sub") && !rmdir("d"));
	SO(!mkdir("d", 0700) && lists("d", ""));
	return NULL;
}

static const char *n3_again(void)
{
	SO(has("f", "new") && lists("d", "") && lists(".", "d e f"));
	return NULL;
}

static const char *n4(void)
{
	SO(!unlink("d/a") && !rmdir("e") && !rename("d/b", "moved"));
	SO(missing("d/a") && missing("e") && missing("d/b") && has("moved", "b"));
	return NULL;
}

static const char *n4_again(void)
{
	SO(lists("d", "sub") && lists(".", "d f moved") && has("moved", "b"));
	return NULL;
}

static const char *n5(void)
{
	FAILS(ENOTEMPTY, rmdir("d"));
	SO(!unlink("d/a") && !unlink("d/b") && !unlink("d/sub/deep") && !rmdir("d/sub"));
	SO(put("d/new", ""));
	FAILS(ENOTEMPTY, rmdir("d"));
	SO(!unlink("d/new") && !rmdir("d") && missing("d"));
	return NULL;
}

static const char *n5_again(void)
{
	SO(missing("d") && lists(".", "e f"));
	return NULL;
}

static const char *n6(void)
{
	FAILS(ENOTEMPTY, rename("e", "d"));
	FAILS(ENOTDIR, rename("e", "f"));
	FAILS(EISDIR, rename("f", "e"));
	FAILS(EINVAL, rename("d", "d/sub/x"));
	SO(!link("f", "g") && !rename("f", "g") && has("f", "f"));
	SO(!rename("d", "e") && missing("d") && has("e/sub/deep", "deep"));
	return NULL;
}

static const char *n6_again(void)
{
	SO(lists("e", "a b sub") && lists(".", "e f g"));
	return NULL;
}

static const char *n7(void)
{
	FAILS(EEXIST, ren("f", "d/a", NOREPLACE));
	SO(!unlink("d/a") && !ren("f", "d/a", NOREPLACE) && missing("f") && has("d/a", "f"));
	FAILS(ENOENT, ren("d", "none", EXCHANGE));
	SO(!ren("d", "e", EXCHANGE) && has("e/sub/deep", "deep") && lists("d", ""));
	SO(!ren("e/b", "d", EXCHANGE) && has("d", "b") && lists("e/b", ""));
	SO(!ren("d", "kept", WHITEOUT) && has("kept", "b"));
	struct stat st = st_of("d");
	SO(S_ISCHR(st.st_mode) && st.st_rdev == 0);
	return NULL;
}

static const char *n7_again(void)
{
	struct stat st = st_of("d");
	SO(S_ISCHR(st.st_mode) && st.st_rdev == 0);
	SO(has("e/sub/deep", "deep") && has("e/a", "f") && has("kept", "b") && lists("e/b", ""));
	return NULL;
}

static const char *n8(void)
{
	SO(!rename("d", "one") && has("one/sub/deep", "deep"));
	SO(!mkdir("d", 0755) && lists("d", ""));
	SO(!rename("one", "e/two") && !rename("e", "ee") && lists("ee/two", "a b sub"));
	SO(!rename("ee/two/sub", "d/sub") && has("d/sub/deep", "deep"));
	SO(put("ee/two/a", "changed"));
	return NULL;
}

static const char *n8_again(void)
{
	SO(lists("ee/two", "a b") && has("ee/two/a", "changed") && has("ee/two/b", "b"));
	SO(lists("d", "sub") && has("d/sub/deep", "deep") && missing("e"));
	SO(!rename("ee/two", "back") && !rename("back", "ee/two"));
	SO(has("ee/two/b", "b"));
	return NULL;
}

static const char *n9(void)
{
	char longest[256], longer[257];
	memset(longest, 'x', 255);
	longest[255] = '\0';
	memset(longer, 'x', 256);
	longer[256] = '\0';
	SO(put(longest, "long"));
	FAILS(ENAMETOOLONG, open(longer, O_CREAT, 0644));
	SO(put("\xff\xfe\n", "bytes") && put(".wh.f", "plain") && put(".wh..wh..opq", ""));
	SO(has("f", "f"));
	return NULL;
}

static const char *n9_again(void)
{
	char longest[256];
	memset(longest, 'x', 255);
	longest[255] = '\0';
	SO(has(longest, "long") && has("\xff\xfe\n", "bytes") && has(".wh.f", "plain") && has("f", "f"));
	SO(has("d/a", "a"));
	return NULL;
}

static const char *n10(void)
{
	SO(!mkdir("x", 0755) && !mkdir("y", 0755) && !mkdir("x/in", 0755));
	SO(st_of("x").st_nlink == 3 && st_of("y").st_nlink == 2);
	SO(!rename("x/in", "y/in") && st_of("x").st_nlink == 2 && st_of("y").st_nlink == 3);
	return NULL;
}

static const char *n10_again(void)
{
	SO(st_of("x").st_nlink == 2 && st_of("y").st_nlink == 3);
	return NULL;
}

static const char *n11_below(void)
{
	PASS(some_below());
	SO(!symlink("f", "s"));
	return NULL;
}

static const char *n11(void)
{
	char proc[64];
	SO(!link("f", "hard") && !link("s", "softer"));
	FAILS(EPERM, link("d", "dd"));
	SO(st_of("f").st_ino == st_of("hard").st_ino && st_of("hard").st_nlink == 2);
	SO(put("hard", "both") && has("f", "both"));
	SO(S_ISLNK(st_of("softer").st_mode));
	int fd = open(".", O_TMPFILE | O_RDWR, 0644);
	SO(fd >= 0 && write(fd, "tmp", 3) == 3);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	SO(!linkat(AT_FDCWD, proc, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) && has("named", "tmp"));
	close(fd);
	fd = open("d/a", O_RDONLY);
	SO(fd >= 0 && !unlink("d/a"));
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	FAILS(ENOENT, linkat(AT_FDCWD, proc, AT_FDCWD, "again", AT_SYMLINK_FOLLOW));
	close(fd);
	return NULL;
}

static const char *n11_again(void)
{
	SO(has("f", "both") && has("hard", "both") && st_of("f").st_ino == st_of("hard").st_ino);
	SO(has("named", "tmp") && st_of("hard").st_nlink == 2 && missing("d/a"));
	return NULL;
}

const struct promise name_promises[] = {
	{ "N1_layers_alone_decide_what_is_untouched", n1_below, n1, n1 },
	{ "N3_creating_over_a_whiteout_is_fresh", some_below, n3, n3_again },
	{ "N4_removed_names_stay_away", some_below, n4, n4_again },
	{ "N5_rmdir_counts_what_shows", some_below, n5, n5_again },
	{ "N6_renaming_directories", some_below, n6, n6_again },
	{ "N7_rename_flags", some_below, n7, n7_again },
	{ "N8_a_moved_directory_keeps_its_children", some_below, n8, n8_again },
	{ "N9_any_name", some_below, n9, n9_again },
	{ "N10_links_of_parents", NULL, n10, n10_again },
	{ "N11_hard_links", n11_below, n11, n11_again },
	{ NULL, NULL, NULL, NULL },
};
