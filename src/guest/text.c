// SPDX-License-Identifier: Apache-2.0
#include "guest/text.h"

#include <errno.h>
#include <string.h>

struct vg_text vg_text_of(const char *string)
{
	return (struct vg_text){string, strlen(string)};
}

struct vg_text vg_text_cut(struct vg_text *rest, char sep, bool *found)
{
	const char *end = rest->len ? memchr(rest->p, sep, rest->len) : NULL;
	struct vg_text piece = {rest->p, end ? (size_t)(end - rest->p) : rest->len};
	size_t taken = piece.len + (end ? 1 : 0);

	rest->p += taken;
	rest->len -= taken;
	if (found)
		*found = end != NULL;
	return piece;
}

bool vg_text_is(struct vg_text text, const char *string)
{
	return text.len == strlen(string) && memcmp(text.p, string, text.len) == 0;
}

int vg_text_number(struct vg_text text, unsigned int base, uint64_t max, uint64_t *value)
{
	uint64_t n = 0;

	if (text.len == 0)
		return -EINVAL;
	/* First that every character is a digit: "99999999999999999999x" is no number, not a large one. */
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] < '0' || text.p[i] >= (char)('0' + base))
			return -EINVAL;
	for (size_t i = 0; i < text.len; i++) {
		unsigned int digit = (unsigned int)(text.p[i] - '0');

		if (digit > max || n > (max - digit) / base)
			return -ERANGE;
		n = n * base + digit;
	}
	*value = n;
	return 0;
}

int vg_text_copy(struct vg_text text, char *out, size_t size)
{
	if (text.len >= size)
		return -ENAMETOOLONG;
	memcpy(out, text.p, text.len);
	out[text.len] = '\0';
	return 0;
}
