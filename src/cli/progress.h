// SPDX-License-Identifier: Apache-2.0
/* A line on the terminal that tells how far long work has come; nothing where standard error is no terminal. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool on;      /* it is shown at all */
	bool shown;   /* the line is there now */
	int64_t next; /* when it is written again, ns */
};

void progress_init(struct progress *p, bool wanted);
/* True from time to time: the caller has a text ready and calls progress_show(). Cheap. */
bool progress_due(struct progress *p);
void progress_show(struct progress *p, const char *text);
/* Takes the line away; before anything else is printed, and at the end. */
void progress_clear(struct progress *p);

/* "12.3 MiB", in a buffer of the caller's. */
const char *progress_bytes(uint64_t n, char buf[32]);

#endif
