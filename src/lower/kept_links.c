// SPDX-License-Identifier: Apache-2.0
#include "lower/kept_links.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

/* One name of a file with several. */
struct link {
	uint64_t ino, record;
	uint32_t nlink; /* as written */
};

int kept_links_add(struct kept_links *links, uint64_t ino, uint64_t record, uint32_t nlink)
{
	struct link *l = vn_vec_add(&links->v, 1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	*l = (struct link){ino, record, nlink};
	return 0;
}

static int link_order(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

int kept_links_settle(struct kept_links *links, struct kept_write *out)
{
	struct link *l = links->v.v;
	int rc = 0;

	if (links->v.n)
		qsort(l, links->v.n, sizeof(*l), link_order);
	for (size_t i = 0, end; i < links->v.n && !rc; i = end) {
		uint32_t count;

		for (end = i; end < links->v.n && l[end].ino == l[i].ino; end++)
			;
		count = (uint32_t)(end - i);
		for (size_t j = i; j < end && !rc; j++) {
			if (l[j].nlink != count)
				rc = kept_write_patch(out, l[j].record + offsetof(struct kept_object, nlink), &count,
						      sizeof(count));
		}
	}
	return rc;
}

void kept_links_fini(struct kept_links *links)
{
	free(links->v.v);
}
