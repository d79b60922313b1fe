// SPDX-License-Identifier: Apache-2.0
/* A store that is opened by a thread of its own, while its caller does something that takes as long. */
#ifndef OVERLAY_OPENING_H
#define OVERLAY_OPENING_H

#include <pthread.h>
#include <stdbool.h>

#include "base/err.h"
#include "store/store.h"

struct opening {
	const struct store_config *config;
	struct store *store;
	struct vn_err err;
	int result;
	pthread_t thread;
	bool begun;
};

/* Begins, if a thread can be had. config is borrowed until opening_end or opening_abandon. */
void opening_begin(struct opening *o, const struct store_config *config);
/*
 * Waits for the store and hands it over; of one that was never begun, opens it now.
 * Errors are store_open's, with its sentence in err.
 */
int opening_end(struct opening *o, const struct store_config *config, struct store **out, struct vn_err *err);
/* What was begun is not wanted: a new upper goes away again. Does nothing after opening_end. */
void opening_abandon(struct opening *o);

#endif
