// SPDX-License-Identifier: Apache-2.0
#include "guest/device.h"

#include "guest/text.h"

#include <ctype.h>
#include <string.h>

/* One option's name and value; the same rules for both specifications. */
struct option {
	struct vg_text whole, name, value;
	bool has_value;
};

static int option_cut(struct vg_text *rest, bool *more, const char *where, struct option *o, struct vg_why *why)
{
	o->whole = vg_text_cut(rest, ',', more);
	o->value = o->whole;
	o->name = vg_text_cut(&o->value, '=', &o->has_value);
	if (o->whole.len == 0)
		return vg_why_set(why, "%s: an option is empty; there is a comma too many", where);
	return 0;
}

static int option_twice(const char *where, const struct option *o, struct vg_why *why)
{
	return vg_why_set(why, "%s: %.*s is given twice", where, VG_TEXT_ARG(o->name));
}

static int option_readonly(const char *where, const struct option *o, bool *readonly, struct vg_why *why)
{
	if (*readonly)
		return option_twice(where, o, why);
	*readonly = true;
	return 0;
}

static int root_fstype(struct vg_block_root *root, const struct option *o, struct vg_why *why)
{
	static const char where[] = "VENEER_BLOCK_ROOT";

	if (root->fstype[0])
		return option_twice(where, o, why);
	if (o->value.len == 0)
		return vg_why_set(why, "%s: fstype= is empty; leave it out to have every file system tried", where);
	for (size_t i = 0; i < o->value.len; i++)
		if (!isalnum((unsigned char)o->value.p[i]) && !strchr("_-.", o->value.p[i]))
			return vg_why_set(why, "%s: fstype=%.*s is not a file system's name", where, VG_TEXT_ARG(o->value));
	if (vg_text_copy(o->value, root->fstype, sizeof(root->fstype)) < 0)
		return vg_why_set(why, "%s: fstype=%.*s is longer than %d bytes", where, VG_TEXT_ARG(o->value),
				  VG_FSTYPE_MAX - 1);
	return 0;
}

static int root_option(struct vg_block_root *root, const struct option *o, struct vg_why *why)
{
	if (vg_text_is(o->name, "fstype") && o->has_value)
		return root_fstype(root, o, why);
	if (vg_text_is(o->whole, "ro"))
		return option_readonly("VENEER_BLOCK_ROOT", o, &root->readonly, why);
	return vg_why_set(why, "VENEER_BLOCK_ROOT: unknown option \"%.*s\"; known are fstype=NAME and ro",
			  VG_TEXT_ARG(o->whole));
}

int vg_block_root_parse(const char *spec, struct vg_block_root *root, struct vg_why *why)
{
	struct vg_block_root made = {.readonly = false};
	struct vg_text rest = vg_text_of(spec);
	bool more;
	int rc = vg_path_parse(vg_text_cut(&rest, ',', &more), "VENEER_BLOCK_ROOT", made.device, why);

	if (rc < 0)
		return rc;
	if (strncmp(made.device, "/dev/", 5) != 0)
		return vg_why_set(why, "VENEER_BLOCK_ROOT: %s is not below /dev; name a block device, as in /dev/vda",
				  made.device);
	while (more) {
		struct option o;

		rc = option_cut(&rest, &more, "VENEER_BLOCK_ROOT", &o, why);
		if (rc == 0)
			rc = root_option(&made, &o, why);
		if (rc < 0)
			return rc;
	}
	*root = made;
	return 0;
}

static int runtime_dir(struct vg_runtime *runtime, const struct option *o, struct vg_why *why)
{
	int rc;

	if (runtime->dir[0])
		return option_twice("VENEER_RUNTIME", o, why);
	rc = vg_path_parse(o->value, "VENEER_RUNTIME", runtime->dir, why);
	if (rc == 0 && strcmp(runtime->dir, "/") == 0)
		return vg_why_set(why, "VENEER_RUNTIME: dir=/ would hide the root; name a directory below it");
	return rc;
}

static int runtime_option(struct vg_runtime *runtime, const struct option *o, struct vg_why *why)
{
	if (vg_text_is(o->name, "dir") && o->has_value)
		return runtime_dir(runtime, o, why);
	if (vg_text_is(o->whole, "ro"))
		return option_readonly("VENEER_RUNTIME", o, &runtime->readonly, why);
	return vg_why_set(why, "VENEER_RUNTIME: unknown option \"%.*s\"; known are dir=PATH and ro", VG_TEXT_ARG(o->whole));
}

int vg_runtime_parse(const char *spec, struct vg_runtime *runtime, struct vg_why *why)
{
	struct vg_runtime made = {.readonly = false};
	struct vg_text rest = vg_text_of(spec);
	bool more;
	struct vg_text tag = vg_text_cut(&rest, ',', &more);

	if (tag.len == 0)
		return vg_why_set(why, "VENEER_RUNTIME: the tag is empty; give the one the host serves the share under");
	if (vg_text_copy(tag, made.tag, sizeof(made.tag)) < 0)
		return vg_why_set(why, "VENEER_RUNTIME: the tag \"%.*s\" is longer than %d bytes", VG_TEXT_ARG(tag),
				  VG_TAG_MAX - 1);
	while (more) {
		struct option o;
		int rc = option_cut(&rest, &more, "VENEER_RUNTIME", &o, why);

		if (rc == 0)
			rc = runtime_option(&made, &o, why);
		if (rc < 0)
			return rc;
	}
	if (!made.dir[0])
		strcpy(made.dir, VG_RUNTIME_DIR);
	*runtime = made;
	return 0;
}
