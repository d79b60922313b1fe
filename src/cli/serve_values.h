// SPDX-License-Identifier: Apache-2.0
/*
 * What the values of the options of `veneer serve` mean. Each returns CMD_OK, or
 * CMD_USAGE or CMD_FAILED after it has said why; s is changed on success only.
 */
#ifndef CLI_SERVE_VALUES_H
#define CLI_SERVE_VALUES_H

#include "cli/serve.h"

/* A decimal number from min to max; `name` is the option's, for the complaint. */
int serve_number(struct serve *s, const char *name, const char *text, unsigned long min, unsigned long max,
		 unsigned long *out);
int serve_number_unsigned(struct serve *s, const char *name, const char *text, unsigned min, unsigned max, unsigned *out);
int serve_number_fd(struct serve *s, const char *name, const char *text, int *out);

/* Words: also those that virtiofsd has for the same. */
int serve_set_cache(struct serve *s, const char *mode);
int serve_set_sandbox(struct serve *s, const char *word);
int serve_set_seccomp(struct serve *s, const char *word);
int serve_set_level(struct serve *s, const char *text);

int serve_set_group(struct serve *s, const char *name); /* has to exist */
int serve_set_tag(struct serve *s, const char *tag);    /* borrowed; 1 to 36 bytes */
/* The words of -o, ours and those of virtiofsd. */
int serve_set_options(struct serve *s, const char *text);
/* n bytes of an option that has no meaning here: it is named in the log when the server starts. */
int serve_ignore(struct serve *s, const char *what, size_t n);
/* virtiofsd's way to share a directory as it is: says what to do instead. Always CMD_USAGE. */
int serve_refuse_share(struct serve *s, const char *dir);

#endif
