// SPDX-License-Identifier: Apache-2.0
/* D: data. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

#define BIG (1 << 20)

static const char *some_below(void)
{
	static char block[65536];
	SO(put("f", "content"));
	int fd = open("big", O_CREAT | O_WRONLY, 0644);
	SO(fd >= 0);
	for (int i = 0; i < BIG / 65536; i++) {
		memset(block, 'a' + i, sizeof(block));
		if (i != 5) /* a hole */
			SO(pwrite(fd, block, sizeof(block), (off_t)i * 65536) == (ssize_t)sizeof(block));
	}
	SO(!close(fd));
	return NULL;
}

/* The big file with `at` bytes of '!' from `off` on. */
static bool big_is(const char *path, off_t off, size_t len)
{
	char *all = malloc(BIG + 1);
	int fd = open(path, O_RDONLY);
	bool ok = fd >= 0 && read(fd, all, BIG + 1) == BIG;
	for (off_t i = 0; ok && i < BIG; i++) {
		char want = i >= off && i < off + (off_t)len ? '!' : i / 65536 == 5 ? 0 : (char)('a' + i / 65536);
		ok = all[i] == want;
		if (!ok)
			printf("# byte %ld of %s is %d, not %d\n", (long)i, path, all[i], want);
	}
	if (fd >= 0)
		close(fd);
	free(all);
	return ok;
}

static const char *d1(void)
{
	int fd = open("big", O_RDWR);
	SO(big_is("big", 0, 0) && fd >= 0);
	SO(pwrite(fd, "!!!!!!!!!!", 10, 200000) == 10 && big_is("big", 200000, 10));
	SO(lseek(fd, 0, SEEK_HOLE) == 5 * 65536 && lseek(fd, 5 * 65536, SEEK_DATA) == 6 * 65536);
	close(fd);
	fd = open("huge", O_CREAT | O_RDWR, 0644);
	SO(fd >= 0 && pwrite(fd, "end", 3, (off_t)5 << 30) == 3 && lseek(fd, 0, SEEK_DATA) >= (off_t)4 << 30);
	close(fd);
	return NULL;
}

static const char *d1_again(void)
{
	char buf[4] = "";
	SO(big_is("big", 200000, 10));
	int fd = open("huge", O_RDONLY);
	SO(fd >= 0 && pread(fd, buf, 4, (off_t)5 << 30) == 3 && !strcmp(buf, "end"));
	close(fd);
	return NULL;
}

static const char *d2(void)
{
	int status, bad = 0;
	for (int i = 0; i < 4; i++) {
		if (fork())
			continue;
		int fd = open("big", O_WRONLY);
		char mark[] = "!!!!!!!!!!!!!!!!!!!!!!!!!";
		_exit(fd < 0 || pwrite(fd, mark, 25, 300000 + i * 25) != 25);
	}
	for (int i = 0; i < 4; i++)
		bad |= wait(&status) < 0 || status;
	SO(!bad && big_is("big", 300000, 100));
	return NULL;
}

static const char *d2_again(void)
{
	SO(big_is("big", 300000, 100));
	return NULL;
}

static const char *d3(void)
{
	char buf[16] = "";
	int fd = open("f", O_RDONLY);
	char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	SO(fd >= 0 && map != MAP_FAILED && !memcmp(map, "content", 7));
	int w = open("f", O_WRONLY);
	SO(w >= 0 && write(w, "CON", 3) == 3);
	SO(pread(fd, buf, 16, 0) == 7 && !memcmp(buf, "CONtent", 7) && !memcmp(map, "CONtent", 7));
	char *both = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, (close(w), open("f", O_RDWR)), 0);
	SO(both != MAP_FAILED);
	both[3] = 'T';
	SO(map[3] == 'T' && !msync(both, 4096, MS_SYNC) && has("f", "CONTent"));
	munmap(both, 4096);
	munmap(map, 4096);
	close(fd);
	return NULL;
}

static const char *d3_again(void)
{
	SO(has("f", "CONTent"));
	return NULL;
}

static const char *d4(void)
{
	int a = open("f", O_WRONLY | O_APPEND), b = open("f", O_WRONLY | O_APPEND);
	SO(a >= 0 && b >= 0 && write(a, "1", 1) == 1 && write(b, "2", 1) == 1 && write(a, "3", 1) == 1);
	SO(has("f", "content123"));
	close(a);
	close(b);
	void *block;
	SO(!posix_memalign(&block, 4096, 4096));
	memset(block, 'D', 4096);
	int fd = open("direct", O_CREAT | O_RDWR | O_DIRECT, 0644);
	if (fd >= 0) {
		SO(write(fd, block, 4096) == 4096);
		close(fd);
		fd = open("direct", O_RDONLY);
		char c;
		SO(pread(fd, &c, 1, 4095) == 1 && c == 'D');
		close(fd);
	}
	free(block);
	SO(put("big", "short") && has("big", "short"));
	fd = open("sync", O_CREAT | O_WRONLY | O_DSYNC, 0644);
	SO(fd >= 0 && write(fd, "s", 1) == 1);
	close(fd);
	return NULL;
}

static const char *d5(void)
{
	char buf[16];
	SO(!truncate("f", 3) && has("f", "con") && !truncate("f", 6));
	int fd = open("f", O_RDONLY);
	SO(pread(fd, buf, 16, 0) == 6 && !memcmp(buf, "con\0\0\0", 6));
	FAILS(ENXIO, (int)lseek(fd, 6, SEEK_DATA));
	FAILS(ENXIO, (int)lseek(fd, 100, SEEK_HOLE));
	close(fd);
	SO(!truncate("big", 70000) && !truncate("big", BIG));
	fd = open("big", O_RDONLY);
	SO(pread(fd, buf, 4, 69998) == 4 && !memcmp(buf, "bb\0\0", 4) && pread(fd, buf, 4, 700000) == 4 && !buf[0]);
	close(fd);
	return NULL;
}

static const char *d5_again(void)
{
	char buf[16];
	int fd = open("big", O_RDONLY);
	SO(pread(fd, buf, 4, 69998) == 4 && !memcmp(buf, "bb\0\0", 4) && pread(fd, buf, 4, 700000) == 4 && !buf[0]);
	close(fd);
	SO(st_of("big").st_size == BIG);
	return NULL;
}

static const char *d6(void)
{
	char buf[16];
	int fd = open("big", O_RDWR);
	SO(fd >= 0 && !fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 65536, 65536));
	SO(pread(fd, buf, 4, 65534) == 4 && !memcmp(buf, "aa\0\0", 4) && pread(fd, buf, 4, 131070) == 4 && buf[2] == 'c');
	SO(!fallocate(fd, FALLOC_FL_ZERO_RANGE, 200000, 10) && pread(fd, buf, 4, 200008) == 4 && !buf[1] && buf[2] == 'd');
	SO(!fallocate(fd, FALLOC_FL_KEEP_SIZE, BIG, 4096) && st_of("big").st_size == BIG);
	SO(!fallocate(fd, 0, BIG, 4096) && st_of("big").st_size == BIG + 4096);
	int r = fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 65536);
	SO((r == -1 && errno == EOPNOTSUPP) || (!r && st_of("big").st_size == BIG + 4096 - 65536));
	loff_t from = 0, to = 1;
	int in = open("f", O_RDONLY), out = open("copy", O_CREAT | O_RDWR, 0644);
	SO(in >= 0 && out >= 0 && copy_file_range(in, &from, out, &to, 7, 0) == 7);
	SO(pread(out, buf, 16, 0) == 8 && !memcmp(buf, "\0content", 8));
	from = 0, to = 1;
	FAILS(EINVAL, (int)copy_file_range(out, &from, out, &to, 4, 0));
	close(in);
	close(out);
	close(fd);
	return NULL;
}

static const char *d7(void)
{
	char buf[16];
	int fd = open("f", O_RDWR);
	SO(fd >= 0 && !unlink("f") && pread(fd, buf, 16, 0) == 7 && pwrite(fd, "X", 1, 0) == 1);
	SO(pread(fd, buf, 16, 0) == 7 && buf[0] == 'X');
	close(fd);
	fd = open("big", O_RDWR);
	SO(put("new", "new") && !rename("new", "big") && has("big", "new") && pread(fd, buf, 1, 0) == 1 && buf[0] == 'a');
	SO(pwrite(fd, "!", 1, 0) == 1 && has("big", "new"));
	close(fd);
	SO(!mkdir("gone", 0755));
	fd = open("gone", O_RDONLY | O_DIRECTORY);
	SO(fd >= 0 && !rmdir("gone"));
	FAILS(ENOENT, openat(fd, "x", O_CREAT | O_WRONLY, 0644));
	close(fd);
	return NULL;
}

static const char *d7_again(void)
{
	SO(missing("f") && has("big", "new") && lists(".", "big"));
	return NULL;
}

static const char *d8(void)
{
	struct stat st;
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);
	SO(fd >= 0 && write(fd, "x", 1) == 1 && !fstat(fd, &st) && st.st_nlink == 0 && lists(".", "big f"));
	close(fd);
	return NULL;
}

static const char *d9(void)
{
	int fd = open("tmp", O_CREAT | O_WRONLY, 0644), dir = open(".", O_RDONLY | O_DIRECTORY);
	SO(fd >= 0 && dir >= 0 && write(fd, "safe", 4) == 4 && !fsync(fd) && !fdatasync(fd) && !close(fd));
	SO(!rename("tmp", "f") && !fsync(dir) && !syncfs(dir));
	close(dir);
	return NULL;
}

static const char *d9_again(void)
{
	SO(has("f", "safe") && missing("tmp"));
	return NULL;
}

const struct promise data_promises[] = {
	{ "D1_what_is_copied_up_is_equal", some_below, d1, d1_again },
	{ "D2_writers_at_once_get_one_copy", some_below, d2, d2_again },
	{ "D3_readers_and_mappings_see_later_writes", some_below, d3, d3_again },
	{ "D4_truncate_append_direct_and_sync", some_below, d4, NULL },
	{ "D5_truncation_and_holes", some_below, d5, d5_again },
	{ "D6_fallocate_and_copy_file_range", some_below, d6, NULL },
	{ "D7_what_is_open_lives_on", some_below, d7, d7_again },
	{ "D8_files_without_a_name", some_below, d8, NULL },
	{ "D9_fsync_and_rename", some_below, d9, d9_again },
	{ NULL, NULL, NULL, NULL },
};
