// SPDX-License-Identifier: Apache-2.0
/*
 * What is done to an upper's chain of snapshots: by its server when it has one,
 * else at rest, for which the lower directories are not needed.
 */
#ifndef CLI_CHAIN_H
#define CLI_CHAIN_H

struct store;
struct vn_err;

/* One request: its word in the control protocol, and the same on an opened upper. */
struct chain_request {
	const char *word;
	int (*at_rest)(struct store *s, const char *name, struct vn_err *err);
};
extern const struct chain_request chain_snapshot, chain_rollback, chain_delete;

/* Carries it out. 0, or -errno with a sentence. */
int chain_do(const struct chain_request *request, const char *upper, const char *name, struct vn_err *err);

#endif
