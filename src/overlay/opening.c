// SPDX-License-Identifier: Apache-2.0
#include "overlay/opening.h"

static void *opening_main(void *arg)
{
	struct opening *o = arg;

	o->result = store_open(o->config, &o->store, &o->err);
	return NULL;
}

void opening_begin(struct opening *o, const struct store_config *config)
{
	o->config = config;
	o->begun = pthread_create(&o->thread, NULL, opening_main, o) == 0;
}

int opening_end(struct opening *o, const struct store_config *config, struct store **out, struct vn_err *err)
{
	if (!o->begun)
		return store_open(config, out, err);
	o->begun = false;
	pthread_join(o->thread, NULL);
	if (o->result && err)
		*err = o->err;
	else if (!o->result)
		*out = o->store;
	return o->result;
}

void opening_abandon(struct opening *o)
{
	struct store *s = NULL;

	if (!o->begun || opening_end(o, o->config, &s, NULL))
		return;
	store_unmake(s);
	store_close(s);
}
