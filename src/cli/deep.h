// SPDX-License-Identifier: Apache-2.0
/* `veneer check --deep` and `--record`: the walk, its progress, and what is said of it. */
#ifndef CLI_DEEP_H
#define CLI_DEEP_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/rest.h"
#include "overlay/overlay.h"

struct deep_config {
	const char *upper; /* as the user calls it */
	bool record;       /* make a record instead of comparing with it */
	bool json, quiet;
	ovl_problem_fn problem; /* each difference as a sentence, too */
	void *arg;
};

struct deep_result {
	struct ovl_deep deep;
	bool lowers, own;  /* differences were found in lowers; in the layer's own files */
	json_t *json;      /* {record, since, objects, bytes, unread, differences}; NULL without `json` */
};

/* 0, or -errno with a sentence. deep_result_fini() afterwards in any case. */
int deep_run(struct rest *r, const struct deep_config *config, struct deep_result *out, struct vn_err *err);
void deep_result_fini(struct deep_result *r);
/* What is to be known of the result besides the differences, on standard error. */
void deep_notes(const struct deep_config *config, const struct deep_result *r);
/* The last line when nothing was found. */
void deep_praise(const struct deep_config *config, const struct deep_result *r);
/* What to do about the differences, to stand behind a colon; NULL: nothing special. malloc()ed. */
char *deep_advice(const struct deep_config *config, const struct deep_result *r);

#endif
