// SPDX-License-Identifier: Apache-2.0
/* Lists of words: a command as a person writes it, and the kernel's command line. */
#ifndef GUEST_WORDS_H
#define GUEST_WORDS_H

#include "guest/why.h"

#include <stddef.h>

struct vg_words {
	char *buffer; /* what the words point into */
	char **word;  /* count of them, then NULL: ready for execv */
	size_t count;
};

/*
 * Splits VENEER_CMD's value as a shell would, without its expansions: blanks divide; '...' is
 * literal; in "..." a backslash takes away the meaning of " and \; outside quotes of any
 * character. Returns 0, the caller frees with vg_words_free; -ENOMEM; -EINVAL with *why
 * set (no word, open quote, backslash at the end).
 */
int vg_words_parse(const char *text, struct vg_words *out, struct vg_why *why);

/*
 * Splits a kernel command line by the kernel's own rules: white space divides unless inside
 * "..."; the quotes around a whole word or around the value after the first '=' are
 * dropped, others stay; there is no escape, and an open quote ends with the line. A word
 * NAME="VALUE" becomes NAME=VALUE. Returns 0, to be freed with vg_words_free; -ENOMEM.
 */
int vg_words_parse_kernel(const char *line, struct vg_words *out);

/* Frees what a parser filled; a zeroed or freed struct is fine. */
void vg_words_free(struct vg_words *words);

#endif
