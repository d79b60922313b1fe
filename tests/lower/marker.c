// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "../check_main.h"
#include "lower/marker.h"

static enum marker_name name_of(const char *name, char hidden[256])
{
	const char *at = "";
	size_t len = 0;
	enum marker_name kind = marker_name(name, strlen(name), &at, &len);

	memcpy(hidden, at, len);
	hidden[len] = '\0';
	return kind;
}

START_TEST(names_say_what_they_hide)
{
	char hidden[256];

	ck_assert_int_eq(name_of("a", hidden), MARKER_NAME_PLAIN);
	ck_assert_int_eq(name_of(".wh", hidden), MARKER_NAME_PLAIN);
	ck_assert_int_eq(name_of(".whole", hidden), MARKER_NAME_PLAIN);
	ck_assert_int_eq(name_of(".wh.a", hidden), MARKER_NAME_WHITEOUT);
	ck_assert_str_eq(hidden, "a");
	ck_assert_int_eq(name_of(".wh..hidden", hidden), MARKER_NAME_WHITEOUT);
	ck_assert_str_eq(hidden, ".hidden");
	ck_assert_int_eq(name_of(".wh..wh", hidden), MARKER_NAME_WHITEOUT);
	ck_assert_str_eq(hidden, ".wh");
	ck_assert_int_eq(name_of(".wh..wh..opq", hidden), MARKER_NAME_OPAQUE);
	ck_assert_int_eq(name_of(".wh..wh..opqx", hidden), MARKER_NAME_RESERVED);
	ck_assert_int_eq(name_of(".wh..wh.plnk", hidden), MARKER_NAME_RESERVED);
	ck_assert_int_eq(name_of(".wh..wh.", hidden), MARKER_NAME_RESERVED);
	ck_assert_int_eq(name_of(".wh.", hidden), MARKER_NAME_RESERVED);
	ck_assert_int_eq(name_of("", hidden), MARKER_NAME_PLAIN);
}
END_TEST

START_TEST(attribute_names_have_their_meaning)
{
	ck_assert_int_eq(marker_xattr("user.mine"), MARKER_XATTR_PLAIN);
	ck_assert_int_eq(marker_xattr("trusted.overlay.opaque"), MARKER_XATTR_OPAQUE);
	ck_assert_int_eq(marker_xattr("user.overlay.opaque"), MARKER_XATTR_OPAQUE);
	ck_assert_int_eq(marker_xattr("user.fuseoverlayfs.opaque"), MARKER_XATTR_OPAQUE);
	ck_assert_int_eq(marker_xattr("trusted.overlay.whiteout"), MARKER_XATTR_WHITEOUT);
	ck_assert_int_eq(marker_xattr("user.overlay.redirect"), MARKER_XATTR_REDIRECT);
	ck_assert_int_eq(marker_xattr("trusted.overlay.metacopy"), MARKER_XATTR_METACOPY);
	ck_assert_int_eq(marker_xattr("trusted.overlay.origin"), MARKER_XATTR_HIDDEN);
	ck_assert_int_eq(marker_xattr("user.fuseoverlayfs.origin"), MARKER_XATTR_HIDDEN);
	ck_assert_int_eq(marker_xattr("user.overlay.overlay.opaque"), MARKER_XATTR_ESCAPED);
	ck_assert_int_eq(marker_xattr("user.containers.override_stat"), MARKER_XATTR_OVERRIDE);
	ck_assert_int_eq(marker_xattr("security.fuseoverlayfs.override_stat"), MARKER_XATTR_OVERRIDE);
	ck_assert_int_eq(marker_xattr("user.containers.other"), MARKER_XATTR_PLAIN);
	ck_assert_int_eq(marker_xattr("security.capability"), MARKER_XATTR_PLAIN);
	ck_assert_int_eq(marker_xattr("user.overlayx"), MARKER_XATTR_PLAIN);
}
END_TEST

START_TEST(escapes_go_both_ways)
{
	char out[VN_XATTR_NAME_MAX + 1], name[300];

	ck_assert_int_eq(marker_xattr_stored("user.overlay.opaque", out), 0);
	ck_assert_str_eq(out, "user.overlay.overlay.opaque");
	marker_xattr_show(out, name);
	ck_assert_str_eq(name, "user.overlay.opaque");
	ck_assert_int_eq(marker_xattr_stored("trusted.overlay.overlay.x", out), 0);
	ck_assert_str_eq(out, "trusted.overlay.overlay.overlay.x");
	ck_assert_int_eq(marker_xattr_stored("user.plain", out), 0);
	ck_assert_str_eq(out, "user.plain");
	ck_assert_int_eq(marker_xattr_stored("user.fuseoverlayfs.opaque", out), -ENODATA);
	ck_assert_int_eq(marker_xattr_stored("user.containers.override_stat", out), -ENODATA);
	memset(name, 'x', 255);
	memcpy(name, "user.overlay.", 13);
	name[255] = '\0';
	ck_assert_int_eq(marker_xattr_stored(name, out), -ENODATA);
	name[247] = '\0';
	ck_assert_int_eq(marker_xattr_stored(name, out), 0);
	ck_assert_uint_eq(strlen(out), 255);
}
END_TEST

static int parse(const char *text, struct marker_override *o)
{
	return marker_override_parse(text, strlen(text), o);
}

START_TEST(override_text_in_every_form)
{
	struct marker_override o;

	ck_assert_int_eq(parse("0:0:0755:dir", &o), 0);
	ck_assert_uint_eq(o.type, S_IFDIR);
	ck_assert_uint_eq(o.perm, 0755);
	ck_assert_int_eq(parse("1000:65534:100644", &o), 0);
	ck_assert_uint_eq(o.uid, 1000);
	ck_assert_uint_eq(o.gid, 65534);
	ck_assert_uint_eq(o.perm, 0644);
	ck_assert_uint_eq(o.type, 0);
	ck_assert_int_eq(parse("4294967294:0:7777:file", &o), 0);
	ck_assert_uint_eq(o.uid, 4294967294u);
	ck_assert_uint_eq(o.perm, 07777);
	ck_assert_int_eq(parse("0:0:600:block-8-17", &o), 0);
	ck_assert_uint_eq(o.type, S_IFBLK);
	ck_assert_uint_eq(o.major, 8);
	ck_assert_uint_eq(o.minor, 17);
	ck_assert_int_eq(parse("0:0:600:char:1:5", &o), 0);
	ck_assert_uint_eq(o.type, S_IFCHR);
	ck_assert_uint_eq(o.minor, 5);
	ck_assert_int_eq(parse("0:0:600:pipe", &o), 0);
	ck_assert_uint_eq(o.type, S_IFIFO);
	ck_assert_int_eq(parse("0:0:600:socket", &o), 0);
	ck_assert_uint_eq(o.type, S_IFSOCK);
	ck_assert_int_eq(parse("0:0:777:symlink", &o), 0);
	ck_assert_uint_eq(o.type, S_IFLNK);
	ck_assert_int_eq(marker_override_parse("1:2:3", 6, &o), 0); /* with its NUL */
	ck_assert_uint_eq(o.gid, 2);
}
END_TEST

START_TEST(malformed_overrides_change_nothing)
{
	static const char *const bad[] = {
		"",
		":",
		"0",
		"0:0",
		"0:0:",
		"a:0:755",
		"0:b:755",
		"0:0:789",
		"-1:0:755",
		"4294967296:0:755",
		"4294967295:0:755",
		"0:4294967295:755",
		"0:0:755:",
		"0:0:755:dirx",
		"0:0:755:door",
		"0:0:600:block",
		"0:0:600:block-8",
		"0:0:600:block-8-",
		"0:0:600:block-8:17",
		"0:0:600:char:1-5",
		"0:0:755 ",
		" 0:0:755",
		"0:0:200000755",
		"0:0:755:dir:",
		"99999999999999999999:0:755",
		"0:0:37777777777",
	};
	struct marker_override o = {.uid = 42};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(parse(bad[i], &o) == -EINVAL, "\"%s\" was taken", bad[i]);
	ck_assert_uint_eq(o.uid, 42);
}
END_TEST

START_TEST(override_binary)
{
	unsigned char v[20] = {1, 0, 0, 0, 0xe8, 3, 0, 0, 100, 0, 0, 0, 0xb0, 0x61, 0, 0, 0x11, 8, 0, 0};
	struct marker_override o;

	ck_assert_int_eq(marker_override_parse(v, sizeof(v), &o), 0);
	ck_assert_uint_eq(o.uid, 1000);
	ck_assert_uint_eq(o.gid, 100);
	ck_assert_uint_eq(o.type, S_IFBLK);
	ck_assert_uint_eq(o.perm, 0660);
	ck_assert_uint_eq(o.major, 8);
	ck_assert_uint_eq(o.minor, 17);
	ck_assert_int_eq(marker_override_parse(v, 19, &o), -EINVAL);
	v[13] = 0x30; /* no type at all */
	ck_assert_int_eq(marker_override_parse(v, sizeof(v), &o), -EINVAL);
	v[0] = 2;
	ck_assert_int_eq(marker_override_parse(v, sizeof(v), &o), -EINVAL);
}
END_TEST

START_TEST(opaque_values)
{
	ck_assert_int_eq(marker_opaque_value("y", 1), 'y');
	ck_assert_int_eq(marker_opaque_value("yes", 3), 'y');
	ck_assert_int_eq(marker_opaque_value("x", 1), 'x');
	ck_assert_int_eq(marker_opaque_value("n", 1), 0);
	ck_assert_int_eq(marker_opaque_value("", 0), 0);
}
END_TEST

START_TEST(redirect_values)
{
	char longest[PATH_MAX + 1];

	ck_assert_int_eq(marker_redirect_check("/a", 2), 0);
	ck_assert_int_eq(marker_redirect_check("/a/b", 4), 0);
	ck_assert_int_eq(marker_redirect_check("name", 4), 0);
	ck_assert_int_eq(marker_redirect_check("...", 3), 0);
	ck_assert_int_eq(marker_redirect_check("", 0), -EINVAL);
	ck_assert_int_eq(marker_redirect_check("/", 1), -EINVAL);
	ck_assert_int_eq(marker_redirect_check("a/b", 3), -EINVAL);
	ck_assert_int_eq(marker_redirect_check("..", 2), -EINVAL);
	ck_assert_int_eq(marker_redirect_check("/a/../b", 7), -EINVAL);
	ck_assert_int_eq(marker_redirect_check("/a//b", 5), -EINVAL);
	ck_assert_int_eq(marker_redirect_check("/a/", 3), -EINVAL);
	ck_assert_int_eq(marker_redirect_check("a\0b", 3), -EINVAL);
	memset(longest, 'n', sizeof(longest));
	ck_assert_int_eq(marker_redirect_check(longest, 255), 0);
	ck_assert_int_eq(marker_redirect_check(longest, 256), -EINVAL);
	ck_assert_int_eq(marker_redirect_check(longest, PATH_MAX), -EINVAL);
}
END_TEST

VN_CHECK_MAIN("lower/marker", names_say_what_they_hide, attribute_names_have_their_meaning, escapes_go_both_ways,
	      override_text_in_every_form, malformed_overrides_change_nothing, override_binary, opaque_values, redirect_values)
