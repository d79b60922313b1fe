// SPDX-License-Identifier: Apache-2.0
/* Workloads on bytes. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "work.h"

#define MIB (1 << 20)

/* file FILE MIB: data in all of it; not timed. */
static void data_file(int argc, char **argv)
{
	uint64_t n = work_number(argv[1]);
	char *buf = work_buffer(MIB);
	int fd = work_open(argv[0], O_CREAT | O_EXCL | O_WRONLY);

	(void)argc;
	for (uint64_t i = 0; i < n; i++) {
		memcpy(buf, &i, sizeof(i));
		work_write(fd, buf, MIB);
	}
	if (close(fd) < 0)
		work_die(argv[0]);
}

/* write FILE MIB: a new file, from the first byte to the last. */
static void data_write(int argc, char **argv)
{
	work_start();
	data_file(argc, argv);
	work_stop();
}

/* seqread FILE: in pieces of 1 MiB. */
static void data_seqread(int argc, char **argv)
{
	char *buf = work_buffer(MIB);
	int fd = work_open(argv[0], O_RDONLY);
	ssize_t n;

	(void)argc;
	work_start();
	while ((n = read(fd, buf, MIB)) > 0)
		;
	work_stop();
	if (n < 0)
		work_die(argv[0]);
	close(fd);
}

/* mmap FILE: touches every page. */
static void data_mmap(int argc, char **argv)
{
	int fd = work_open(argv[0], O_RDONLY);
	volatile unsigned sum = 0;
	struct stat st;
	char *map;

	(void)argc;
	if (fstat(fd, &st) < 0)
		work_die(argv[0]);
	work_start();
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		work_die("mmap");
	for (off_t at = 0; at < st.st_size; at += 4096)
		sum += (unsigned char)map[at];
	munmap(map, (size_t)st.st_size);
	work_stop();
	close(fd);
}

static off_t data_random_page(const struct stat *st)
{
	return (off_t)(((uint64_t)random() << 16 ^ (uint64_t)random()) % (uint64_t)(st->st_size / 4096)) * 4096;
}

/* randwrite FILE N, randread FILE N: 4 KiB each, the same places every time. */
static void data_random(char **argv, int writing)
{
	uint64_t n = work_number(argv[1]);
	int fd = work_open(argv[0], writing ? O_WRONLY : O_RDONLY);
	char *buf = work_buffer(4096);
	struct stat st;

	if (fstat(fd, &st) < 0)
		work_die(argv[0]);
	srandom(1);
	work_start();
	for (uint64_t i = 0; i < n; i++) {
		off_t at = data_random_page(&st);

		if ((writing ? pwrite(fd, buf, 4096, at) : pread(fd, buf, 4096, at)) != 4096)
			work_die(argv[0]);
	}
	if (close(fd) < 0)
		work_die(argv[0]);
	work_stop();
}

static void data_randwrite(int argc, char **argv)
{
	(void)argc;
	data_random(argv, 1);
}

static void data_randread(int argc, char **argv)
{
	(void)argc;
	data_random(argv, 0);
}

/* append FILE BYTES, overwrite FILE OFFSET BYTES: one write to a file that is there. */
static void data_append(int argc, char **argv)
{
	uint64_t n = work_number(argv[1]);
	char *buf = work_buffer(n);
	int fd;

	(void)argc;
	work_start();
	fd = work_open(argv[0], O_WRONLY | O_APPEND);
	work_write(fd, buf, n);
	if (close(fd) < 0)
		work_die(argv[0]);
	work_stop();
}

static void data_overwrite(int argc, char **argv)
{
	uint64_t at = work_number(argv[1]), n = work_number(argv[2]);
	char *buf = work_buffer(n);
	int fd;

	(void)argc;
	work_start();
	fd = work_open(argv[0], O_WRONLY);
	if (pwrite(fd, buf, n, (off_t)at) != (ssize_t)n || close(fd) < 0)
		work_die(argv[0]);
	work_stop();
}

/* fsync FILE N: N times 4 KiB appended and flushed. */
static void data_fsync(int argc, char **argv)
{
	uint64_t n = work_number(argv[1]);
	char *buf = work_buffer(4096);
	int fd = work_open(argv[0], O_CREAT | O_WRONLY | O_APPEND);

	(void)argc;
	work_start();
	for (uint64_t i = 0; i < n; i++) {
		work_write(fd, buf, 4096);
		if (fsync(fd) < 0)
			work_die("fsync");
	}
	work_stop();
	close(fd);
}

const struct work work_data[] = {
	{"file", "FILE MIB", 2, data_file},
	{"write", "FILE MIB", 2, data_write},
	{"seqread", "FILE", 1, data_seqread},
	{"mmap", "FILE", 1, data_mmap},
	{"randwrite", "FILE N", 2, data_randwrite},
	{"randread", "FILE N", 2, data_randread},
	{"append", "FILE BYTES", 2, data_append},
	{"overwrite", "FILE OFFSET BYTES", 3, data_overwrite},
	{"fsync", "FILE N", 2, data_fsync},
	{0},
};
