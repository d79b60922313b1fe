// SPDX-License-Identifier: Apache-2.0
#include "guest/tmpfs.h"

#include "guest/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* In bytes it still is a positive loff_t. */
#define SIZE_MIB_MAX (INT64_MAX >> 20)

/* What one entry's parsing carries: where it stands, for the sentences, and what it has seen. */
struct entry {
	char where[48];
	struct vg_tmpfs *out;
	struct vg_why *why;
	bool has_size, has_mode;
};

static int entry_twice(struct entry *e, const char *option)
{
	return vg_why_set(e->why, "%s: %s is given twice for %s", e->where, option, e->out->path);
}

static int entry_size(struct entry *e, struct vg_text value)
{
	uint64_t size = 0;
	int rc;

	if (e->has_size)
		return entry_twice(e, "size");
	e->has_size = true;
	rc = vg_text_number(value, 10, SIZE_MIB_MAX, &size);
	if (rc == -ERANGE)
		return vg_why_set(e->why, "%s: size=%.*s is too large; the most is %llu MiB", e->where,
				  VG_TEXT_ARG(value), (unsigned long long)SIZE_MIB_MAX);
	if (rc < 0)
		return vg_why_set(e->why, "%s: size=%.*s is not a number; give whole MiB, as in size=256", e->where,
				  VG_TEXT_ARG(value));
	if (size == 0)
		return vg_why_set(e->why, "%s: size=0 leaves no room; leave size out for the kernel's default", e->where);
	e->out->size_mib = size;
	return 0;
}

static int entry_mode(struct entry *e, struct vg_text value)
{
	uint64_t mode;
	int rc;

	if (e->has_mode)
		return entry_twice(e, "mode");
	e->has_mode = true;
	rc = vg_text_number(value, 8, 07777, &mode);
	if (rc == -ERANGE)
		return vg_why_set(e->why, "%s: mode=%.*s is above 7777", e->where, VG_TEXT_ARG(value));
	if (rc < 0)
		return vg_why_set(e->why, "%s: mode=%.*s is not octal; give permission bits, as in mode=1777", e->where,
				  VG_TEXT_ARG(value));
	e->out->mode = (unsigned int)mode;
	return 0;
}

static int entry_option(struct entry *e, struct vg_text option)
{
	struct vg_text value = option;
	bool has_value;
	struct vg_text name = vg_text_cut(&value, '=', &has_value);

	if (option.len == 0)
		return vg_why_set(e->why, "%s: an option of %s is empty; there is a comma too many", e->where, e->out->path);
	if (vg_text_is(name, "size") && has_value)
		return entry_size(e, value);
	if (vg_text_is(name, "mode") && has_value)
		return entry_mode(e, value);
	if (vg_text_is(option, "noexec")) {
		if (e->out->noexec)
			return entry_twice(e, "noexec");
		e->out->noexec = true;
		return 0;
	}
	return vg_why_set(e->why, "%s: unknown option \"%.*s\"; known are size=MIB, mode=OCTAL and noexec", e->where,
			  VG_TEXT_ARG(option));
}

static unsigned int default_mode(const char *path)
{
	return strcmp(path, "/tmp") == 0 || strcmp(path, "/var/tmp") == 0 ? 01777 : 0755;
}

static int entry_parse(struct entry *e, struct vg_text text)
{
	struct vg_text rest = text;
	bool more;
	int rc = vg_path_parse(vg_text_cut(&rest, ',', &more), e->where, e->out->path, e->why);

	if (rc < 0)
		return rc;
	if (strcmp(e->out->path, "/") == 0)
		return vg_why_set(e->why, "%s: a tmpfs on / would hide the whole root", e->where);
	while (more) {
		rc = entry_option(e, vg_text_cut(&rest, ',', &more));
		if (rc < 0)
			return rc;
	}
	if (!e->has_mode)
		e->out->mode = default_mode(e->out->path);
	return 0;
}

/* An entry must neither repeat nor hide one that is mounted before it. */
static int list_check_last(const struct vg_tmpfs_list *list, const char *where, struct vg_why *why)
{
	const char *last = list->entry[list->count - 1].path;

	for (size_t i = 0; i + 1 < list->count; i++) {
		if (strcmp(list->entry[i].path, last) == 0)
			return vg_why_set(why, "%s: %s is listed twice", where, last);
		if (vg_path_covers(last, list->entry[i].path))
			return vg_why_set(why, "%s: %s would hide %s, which is listed before it; list %s first", where,
					  last, list->entry[i].path, last);
	}
	return 0;
}

static int list_add(struct vg_tmpfs_list *list, struct vg_text text, struct vg_why *why)
{
	struct entry e = {.why = why};
	int rc;

	snprintf(e.where, sizeof(e.where), "VENEER_TMPFS, entry %zu", list->count + 1);
	if (list->count == VG_TMPFS_MAX)
		return vg_why_set(why, "%s: more than %d entries", e.where, VG_TMPFS_MAX);
	e.out = &list->entry[list->count];
	memset(e.out, 0, sizeof(*e.out));
	rc = entry_parse(&e, text);
	if (rc < 0)
		return rc;
	list->count++;
	return list_check_last(list, e.where, why);
}

int vg_tmpfs_parse(const char *spec, struct vg_tmpfs_list *list, struct vg_why *why)
{
	struct vg_text rest = vg_text_of(spec);
	struct vg_tmpfs_list made = {.count = 0};

	while (rest.len) {
		int rc = list_add(&made, vg_text_cut(&rest, ';', NULL), why);

		if (rc < 0)
			return rc;
	}
	*list = made;
	return 0;
}
