// SPDX-License-Identifier: Apache-2.0
/*
 * Names on stdout. A name is any bytes, a line of text and a JSON string are not:
 * in text a name with control characters, quotes or backslashes is written in
 * double quotes with C's escapes, as git does; in JSON bytes that are not UTF-8
 * become U+FFFD and the exact bytes stand beside them in hexadecimal.
 */
#ifndef CLI_OUT_H
#define CLI_OUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Writes a name as described above, followed by `after`. */
void out_name(FILE *f, const char *name, const char *after);

/* Sets object[key] to a name, and object[key + "_hex"] where the name is not UTF-8. 0 or -ENOMEM. */
int out_json_name(json_t *object, const char *key, const char *name);

/* A text as a JSON string, what is not UTF-8 replaced. NULL: no memory. */
json_t *out_json_text(const char *text);

/* Prints a value with a newline and gives its reference back. False: no memory, or value was NULL. */
bool out_json(json_t *value);

/*
 * The elements of a long JSON array, one a line, as they come; begin and end
 * print the brackets. `first` starts as true. False: no memory.
 */
void out_array_begin(void);
bool out_array_add(json_t *value, bool *first);
void out_array_end(bool first);

/* The word for a DT_* type: "file", "dir", "symlink", "pipe", "socket", "block", "char". */
const char *out_type(uint32_t type);

#endif
