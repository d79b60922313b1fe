// SPDX-License-Identifier: Apache-2.0
/*
 * Samples of what a view was made from, by which a mount sees that the layers are
 * still the same: of each layer the first object met, which as a rule lies in its
 * root, and of all those whose hashes are the lowest, so that they lie all over the
 * tree. Directories are among them: their times tell of names.
 */
#ifndef LOWER_KEPT_SAMPLES_H
#define LOWER_KEPT_SAMPLES_H

#include "lower/base_parts.h"
#include "lower/kept_write.h"

#define KEPT_SAMPLES 64 /* besides the first ones */

struct kept_sampled {
	uint64_t hash;
	uint16_t layer;
	char *path; /* in the layer; NULL: none */
};

struct kept_samples {
	struct base *b;
	struct kept_sampled lowest[KEPT_SAMPLES]; /* by hash */
	size_t n;
	struct kept_sampled *firsts;              /* of each layer */
};

/* None yet, of the layers of b, which is borrowed. -ENOMEM. */
int kept_samples_init(struct kept_samples *s, struct base *b);
/* An entry of dir has been met, in every layer that has part in it. -ENOMEM. */
int kept_samples_offer(struct kept_samples *s, struct base_dir *dir, const struct base_entry *e, uint64_t hash);
/* Appends the samples as the layers have them now. -ESTALE: one is not there any more. Errors of kept_write_add(). */
int kept_samples_write(const struct kept_samples *s, struct kept_write *out);
/* Also after a failed init, and of zeroes. */
void kept_samples_fini(struct kept_samples *s);

#endif
