// SPDX-License-Identifier: Apache-2.0
/*
 * What the base asks ahead.c for. A directory is looked for where its base path
 * is in each layer: where a redirect leads elsewhere that reads a wrong one or
 * none, and costs a little time.
 */
#include <string.h>

#include "base/hash.h"
#include "lower/ahead.h"
#include "lower/base_parts.h"

bool base_ahead_is_useful(const struct base *b)
{
	return ahead_is_useful(b->ahead) && !base_is_kept(b);
}

/* Adds a name to a path of this length. */
static bool ahead_path_add(char path[PATH_MAX], size_t len, const struct base_entry *e)
{
	if (len + e->len + 2 > PATH_MAX)
		return false;
	if (len)
		path[len++] = '/';
	memcpy(path + len, e->name, e->len);
	path[len + e->len] = '\0';
	return true;
}

bool base_ahead(struct base *b, const struct base_dir *d, const struct base_entry *e, unsigned credit, bool soon)
{
	char path[PATH_MAX];
	ssize_t len = base_dir_path(d, path, sizeof(path));
	struct ahead_wish w = {
		.path = path, .hash = d->hash, .layers = d->layers, .nlayers = d->nlayers, .credit = credit, .soon = soon};

	if (len < 0 || (e && !ahead_path_add(path, (size_t)len, e)))
		return true;
	if (e) {
		w.hash = vn_hash_name(d->hash, e->name, e->len);
		w.layers = e->layers;
		w.nlayers = e->nlayers;
	}
	return ahead_ask(b->ahead, &w);
}

void base_ahead_data(struct base *b, const struct base_dir *d, unsigned from)
{
	char path[PATH_MAX];
	struct ahead_wish w = {
		.path = path, .hash = vn_hash_name(d->hash, (const char *)&from, sizeof(from)), .layers = d->layers,
		.nlayers = d->nlayers, .data = true, .from = from};

	if (base_dir_path(d, path, sizeof(path)) >= 0)
		ahead_ask(b->ahead, &w);
}

long base_ahead_sleeps(void)
{
	return ahead_sleeps();
}

void base_ahead_felt(struct base *b, long sleeps)
{
	ahead_felt(b->ahead, 1, sleeps);
}
