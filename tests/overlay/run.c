// SPDX-License-Identifier: Apache-2.0
/* Moving the bytes of an iovec to a file and back, whatever they are cut into. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../check_main.h"
#include "overlay/run.h"

#define BYTES 300000u
#define PARTS 1024u

static unsigned char in[BYTES], out[BYTES];

static int file_new(void)
{
	char path[] = "/tmp/veneer-run.XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	unlink(path);
	return fd;
}

static void fill(unsigned char *p)
{
	for (size_t i = 0; i < BYTES; i++)
		p[i] = (unsigned char)(i * 7 / 3 % 251);
}

/* Cuts a buffer into parts of `size` bytes, the last one into what is left. */
static struct ovl_io cut(unsigned char *buf, size_t size, struct iovec *parts)
{
	struct ovl_io io = {parts, 0, BYTES};

	for (size_t at = 0; at < BYTES; at += size) {
		ck_assert_uint_lt(io.count, PARTS);
		parts[io.count++] = (struct iovec){buf + at, size < BYTES - at ? size : BYTES - at};
	}
	return io;
}

/* From `skip` on to `off`, and back into the same places. */
static void there_and_back(size_t size, size_t skip, uint64_t off)
{
	struct iovec parts[PARTS];
	struct ovl_io io = cut(in, size, parts);
	size_t len = BYTES - skip;
	int fd = file_new();

	fill(in);
	ck_assert_int_eq(ovl_run_write(fd, &io, skip, len, off), (ssize_t)len);
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), (off_t)(off + len));
	memset(out, 0, sizeof(out));
	io = cut(out, size, parts);
	ck_assert_int_eq(ovl_run_read(fd, &io, skip, len, off), (ssize_t)len);
	ck_assert_int_eq(memcmp(in + skip, out + skip, len), 0);
	for (size_t i = 0; i < skip; i++)
		ck_assert_uint_eq(out[i], 0);
	close(fd);
}

START_TEST(bytes_arrive_whatever_they_are_cut_into)
{
	static const size_t sizes[] = {BYTES, 65536, 65537, 4096, 333};
	static const uint64_t offs[] = {0, 1, 65535, 65536, 100001};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (size_t j = 0; j < sizeof(offs) / sizeof(offs[0]); j++) {
			there_and_back(sizes[i], 0, offs[j]);
			there_and_back(sizes[i], 70001, offs[j]);
		}
	}
}
END_TEST

START_TEST(an_error_after_some_bytes_gives_their_count)
{
	struct rlimit old, small = {.rlim_cur = 100000};
	struct iovec parts[PARTS];
	struct ovl_io io = cut(in, BYTES, parts);
	int fd = file_new();

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	ck_assert_int_eq(ovl_run_write(fd, &io, 0, BYTES, 10), 100000 - 10);
	ck_assert_int_eq(ovl_run_write(fd, &io, 0, BYTES, 100000), -EFBIG);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), 100000);
	close(fd);
}
END_TEST

VN_CHECK_MAIN("overlay/run", bytes_arrive_whatever_they_are_cut_into, an_error_after_some_bytes_gives_their_count)
