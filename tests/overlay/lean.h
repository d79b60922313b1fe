// SPDX-License-Identifier: Apache-2.0
/* Nothing lies in an upper that nobody needs. */
#ifndef TESTS_OVERLAY_LEAN_H
#define TESTS_OVERLAY_LEAN_H

#include <stddef.h>
#include <stdint.h>

/* Every data file of the head and of each delta has a row there. known: the n inodes whose rows may be there; NULL: any. */
void lean_upper(const char *upper, const uint64_t *known, size_t n);

#endif
