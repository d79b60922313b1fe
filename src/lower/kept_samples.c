// SPDX-License-Identifier: Apache-2.0
#include "lower/kept_samples.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/scope.h"

int kept_samples_init(struct kept_samples *s, struct base *b)
{
	s->b = b;
	s->firsts = calloc(b->nlayers, sizeof(*s->firsts));
	return s->firsts ? 0 : -ENOMEM;
}

/* An object whose path is too long is no sample. */
static int sample_set(struct kept_samples *s, struct kept_sampled *to, struct base_dir *dir, const struct base_entry *e,
		      uint16_t layer, uint64_t hash)
{
	char path[PATH_MAX];
	size_t used;
	int rc = base_part_path(s->b, dir, layer, path, sizeof(path));

	if (rc)
		return rc == -ENOMEM ? rc : 0;
	used = strlen(path);
	if (used + e->len + 2 > sizeof(path))
		return 0;
	snprintf(path + used, sizeof(path) - used, "%s%.*s", used ? "/" : "", (int)e->len, e->name);
	free(to->path);
	*to = (struct kept_sampled){hash, layer, strdup(path)};
	return to->path ? 0 : -ENOMEM;
}

static int sample_offer(struct kept_samples *s, struct base_dir *dir, const struct base_entry *e, uint16_t layer,
			uint64_t hash)
{
	struct kept_sampled *lowest = s->lowest;
	size_t i = s->n;
	int rc = s->firsts[layer].path ? 0 : sample_set(s, &s->firsts[layer], dir, e, layer, hash);

	if (rc || (i == KEPT_SAMPLES && lowest[i - 1].hash <= hash))
		return rc;
	if (i == KEPT_SAMPLES)
		free(lowest[--i].path);
	for (; i && lowest[i - 1].hash > hash; i--)
		lowest[i] = lowest[i - 1];
	lowest[i] = (struct kept_sampled){0};
	s->n += s->n < KEPT_SAMPLES;
	return sample_set(s, &lowest[i], dir, e, layer, hash);
}

int kept_samples_offer(struct kept_samples *s, struct base_dir *dir, const struct base_entry *e, uint64_t hash)
{
	int rc = 0;

	if (e->type != DT_DIR)
		return sample_offer(s, dir, e, e->layer, hash);
	for (size_t i = 0; i < e->nlayers && !rc; i++)
		rc = sample_offer(s, dir, e, e->layers[i], hash);
	return rc;
}

static int sample_write(const struct kept_samples *s, const struct kept_sampled *from, struct kept_write *w)
{
	vn_autoclose int fd = -1;
	struct layer_stat st;
	struct kept_sample out;
	uint64_t at;

	if (!from->path)
		return 0;
	fd = vn_open_beneath(s->b->layers[from->layer].fd, from->path, VN_O_PATH | O_NOFOLLOW);
	if (fd < 0 || layer_stat(fd, "", &st))
		return -ESTALE;
	out = (struct kept_sample){
		.ino = st.ino,
		.size = st.attr.size,
		.mtime = st.attr.mtime,
		.ctime = st.attr.ctime,
		.mode = st.attr.mode,
		.layer = from->layer,
		.path_len = (uint16_t)(strlen(from->path) + 1),
	};
	return kept_write_add(w, &out, sizeof(out), from->path, out.path_len, &at);
}

int kept_samples_write(const struct kept_samples *s, struct kept_write *out)
{
	int rc = 0;

	for (size_t i = 0; i < s->b->nlayers && !rc; i++)
		rc = sample_write(s, &s->firsts[i], out);
	for (size_t i = 0; i < s->n && !rc; i++)
		rc = sample_write(s, &s->lowest[i], out);
	return rc;
}

void kept_samples_fini(struct kept_samples *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->lowest[i].path);
	for (size_t i = 0; s->firsts && i < s->b->nlayers; i++)
		free(s->firsts[i].path);
	free(s->firsts);
}
