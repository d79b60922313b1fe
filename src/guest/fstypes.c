// SPDX-License-Identifier: Apache-2.0
#include "guest/fstypes.h"

#include "guest/text.h"

#include <string.h>

/* A line is "nodev\tNAME" or "\tNAME". */
static void line_parse(struct vg_text line, struct vg_fstypes *out)
{
	struct vg_text name = line;
	struct vg_text kind = vg_text_cut(&name, '\t', NULL);

	if (kind.len != 0 || name.len == 0 || vg_text_is(name, "fuseblk"))
		return;
	if (out->count < VG_FSTYPES_MAX && vg_text_copy(name, out->name[out->count], VG_FSTYPE_MAX) == 0)
		out->count++;
}

static void move_to_front(struct vg_fstypes *out, const char *name)
{
	for (size_t i = 0; i < out->count; i++) {
		if (strcmp(out->name[i], name) != 0)
			continue;
		memmove(out->name[1], out->name[0], i * VG_FSTYPE_MAX);
		strcpy(out->name[0], name);
		return;
	}
}

void vg_fstypes_parse(const char *text, struct vg_fstypes *out)
{
	struct vg_text rest = vg_text_of(text);

	out->count = 0;
	while (rest.len)
		line_parse(vg_text_cut(&rest, '\n', NULL), out);
	move_to_front(out, "ext4");
}
