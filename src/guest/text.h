// SPDX-License-Identifier: Apache-2.0
/*
 * A piece of a string that someone else owns: no copy, no NUL at its end. The parsers
 * cut their input into such pieces; print one with "%.*s", VG_TEXT_ARG(t).
 */
#ifndef GUEST_TEXT_H
#define GUEST_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vg_text {
	const char *p;
	size_t len;
};

/* For "%.*s"; what is longer than a message can hold is cut. */
#define VG_TEXT_ARG(t) (int)((t).len > 200 ? 200 : (t).len), (t).p

/* The whole of a C string; the string must outlive the piece. */
struct vg_text vg_text_of(const char *string);

/*
 * Takes what stands before the first sep off the front of rest, the separator with it.
 * Without a separator it takes everything. *found, when not NULL, says whether a
 * separator was there: "a," gives "a" with true, then "" with false.
 */
struct vg_text vg_text_cut(struct vg_text *rest, char sep, bool *found);

bool vg_text_is(struct vg_text text, const char *string);

/*
 * text as a number in base 8 or 10, digits only (no sign, space or prefix).
 * Returns 0 and sets *value; -EINVAL when it is empty or has another character;
 * -ERANGE when it is above max.
 */
int vg_text_number(struct vg_text text, unsigned int base, uint64_t max, uint64_t *value);

/*
 * Copies text into out[size] with a NUL. Returns 0; -ENAMETOOLONG when it does not fit
 * (out is then untouched).
 */
int vg_text_copy(struct vg_text text, char *out, size_t size);

#endif
