// SPDX-License-Identifier: Apache-2.0
/* One sentence for a person: what is wrong, in whose words, and what would be right. */
#ifndef GUEST_WHY_H
#define GUEST_WHY_H

#define VG_WHY_MAX 512

struct vg_why {
	char text[VG_WHY_MAX]; /* no newline at its end */
};

/*
 * Writes the sentence (cut at VG_WHY_MAX - 1 bytes) and returns -EINVAL, so that a
 * parser ends with `return vg_why_set(why, ...)`.
 */
int vg_why_set(struct vg_why *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
