// SPDX-License-Identifier: Apache-2.0
/*
 * Data files: data/NN/N, where N is the number and NN is N / 1000. 0600 in 0700.
 */
#ifndef STORE_DATA_H
#define STORE_DATA_H

#include <stdbool.h>
#include <stdint.h>

#define DATA_PER_DIR 1000

/* Makes a data file in the directory `data`; its subdirectory too when it is missing. Returns the fd. */
int data_create(int datafd, uint64_t number);
/* flags of open(2). Returns the fd. */
int data_open(int datafd, uint64_t number, int flags);
/* A second name for a data file in another data directory of the same file system. -EEXIST: it is taken. */
int data_link(int fromfd, uint64_t number, int tofd, uint64_t as);
bool data_exists(int datafd, uint64_t number);
/* 0 also when it is not there. */
int data_unlink(int datafd, uint64_t number);
/* Flushes one data file by number; 0 also when it is not there. */
int data_flush(int datafd, uint64_t number);
/* Flushes the names in one subdirectory (numbers / DATA_PER_DIR), and its own. 0 also when it is not there. */
int data_flush_dir(int datafd, uint64_t dir);
/* Calls fn for every data file; anything else in the directory is passed over. fn returns non-zero to stop. */
typedef int (*data_fn)(void *arg, uint64_t number);
int data_walk(int datafd, data_fn fn, void *arg);
/*
 * Calls fn for each range of [start, start+length) of fd where the host has
 * bytes. Without SEEK_DATA on the host: the range as far as the file reaches.
 */
typedef int (*data_range_fn)(void *arg, uint64_t start, uint64_t length);
int data_present(int fd, uint64_t start, uint64_t length, data_range_fn fn, void *arg);

#endif
