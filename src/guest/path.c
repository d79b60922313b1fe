// SPDX-License-Identifier: Apache-2.0
#include "guest/path.h"

#include <string.h>

static int path_append(char out[VG_PATH_MAX], size_t *len, struct vg_text name)
{
	if (*len + 1 + name.len >= VG_PATH_MAX)
		return -1;
	out[(*len)++] = '/';
	memcpy(out + *len, name.p, name.len);
	*len += name.len;
	return 0;
}

int vg_path_parse(struct vg_text text, const char *where, char out[VG_PATH_MAX], struct vg_why *why)
{
	struct vg_text rest = text;
	char path[VG_PATH_MAX];
	size_t len = 0;

	if (text.len == 0)
		return vg_why_set(why, "%s: the path is empty", where);
	if (text.p[0] != '/')
		return vg_why_set(why, "%s: the path \"%.*s\" is relative; begin it with /", where, VG_TEXT_ARG(text));
	while (rest.len) {
		struct vg_text name = vg_text_cut(&rest, '/', NULL);

		if (name.len == 0)
			continue;
		if (vg_text_is(name, ".") || vg_text_is(name, ".."))
			return vg_why_set(why, "%s: the path \"%.*s\" has a \"%.*s\" component; write it out", where,
					  VG_TEXT_ARG(text), VG_TEXT_ARG(name));
		if (path_append(path, &len, name) < 0)
			return vg_why_set(why, "%s: the path \"%.*s...\" is longer than %d bytes", where,
					  VG_TEXT_ARG(text), VG_PATH_MAX - 1);
	}
	if (len == 0)
		path[len++] = '/';
	memcpy(out, path, len);
	out[len] = '\0';
	return 0;
}

bool vg_path_covers(const char *path, const char *other)
{
	size_t len = strlen(path);

	if (len == 1)
		return true;
	return strncmp(path, other, len) == 0 && (other[len] == '\0' || other[len] == '/');
}
