// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cfg.h"
#include "cli/mount_options.h"

int words_add(struct words *w, const char *s, size_t len)
{
	char **v = reallocarray(w->v, w->n + 2, sizeof(*v));

	if (!v)
		return -ENOMEM;
	w->v = v;
	v[w->n] = strndup(s, len);
	if (!v[w->n])
		return -ENOMEM;
	v[++w->n] = NULL;
	return 0;
}

void words_fini(struct words *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->v[i]);
	free(w->v);
	*w = (struct words){0};
}

char *words_join(const struct words *w)
{
	size_t size = 1;
	char *s;

	for (size_t i = 0; i < w->n; i++)
		size += strlen(w->v[i]) + 2;
	s = calloc(1, size);
	for (size_t i = 0; s && i < w->n; i++) {
		if (i)
			strlcat(s, ", ", size);
		strlcat(s, w->v[i], size);
	}
	return s;
}
