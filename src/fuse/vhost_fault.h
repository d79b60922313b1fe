// SPDX-License-Identifier: Apache-2.0
/*
 * Mappings of files that another process may cut short: guest memory, the in-flight
 * region, the dirty log. Touching a page that is gone raises SIGBUS, and checking the
 * file's size beforehand cannot prevent it.
 *
 * Theory of operation. Every such mapping is entered in a table. The handler of SIGBUS
 * looks the address up and puts anonymous zero pages in the place of the whole mapping
 * (a part of it could not be replaced if its pages are huge). The thread then goes on
 * with zeros, which are one more thing that a hostile guest might have written. The
 * client has lost its memory; the server has lost nothing. A fault elsewhere, or one that
 * tells of broken hardware, takes its usual course.
 *
 * An entry is written by one thread at a time and read by handlers without a lock:
 * `start` is 0 while the entry changes, and is looked at again after `length`.
 */
#ifndef VF_VHOST_FAULT_H
#define VF_VHOST_FAULT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cfg.h"

/*
 * Watches the mapping of length bytes at `at`, as mmap(2) made it, until it is forgotten; the first call installs the handler for the process. -ENOSPC: too many.
 */
int vhost_fault_watch(void *at, size_t length) VN_MUST_CHECK;

/* Before munmap(2). Nobody touches the mapping any more. */
void vhost_fault_forget(void *at);

/* Has a mapping been lost since the last call? For any thread. */
bool vhost_fault_seen(void);

#endif
