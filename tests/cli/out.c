// SPDX-License-Identifier: Apache-2.0
#include "cli/out.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "../check_main.h"

static void shown(const char *name, const char *wanted)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	out_name(f, name, "|");
	fclose(f);
	ck_assert_str_eq(text, wanted);
	free(text);
}

START_TEST(plain_names_are_written_as_they_are)
{
	shown("a b", "a b|");
	shown("\xc3\xa9\xff", "\xc3\xa9\xff|");
	shown("", "|");
}
END_TEST

START_TEST(names_that_break_lines_are_quoted)
{
	shown("a\nb", "\"a\\nb\"|");
	shown("a\"b\\c", "\"a\\\"b\\\\c\"|");
	shown("\t\r\x01\x7f", "\"\\t\\r\\001\\177\"|");
}
END_TEST

static void json(const char *name, const char *wanted)
{
	json_t *o = json_object();
	char *text;

	ck_assert_int_eq(out_json_name(o, "name", name), 0);
	text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
	ck_assert_str_eq(text, wanted);
	free(text);
	json_decref(o);
}

START_TEST(json_has_the_bytes_of_names_that_are_not_utf8)
{
	json("a\"b", "{\"name\":\"a\\\"b\"}");
	json("\xc3\xa9", "{\"name\":\"\\u00E9\"}");
	json("a\xff\xc3\xa9z", "{\"name\":\"a\\uFFFD\\u00E9z\",\"name_hex\":\"61ffc3a97a\"}");
	json("\xc3", "{\"name\":\"\\uFFFD\",\"name_hex\":\"c3\"}");
}
END_TEST

START_TEST(types_have_words)
{
	ck_assert_str_eq(out_type(DT_REG), "file");
	ck_assert_str_eq(out_type(DT_CHR), "char");
	ck_assert_str_eq(out_type(99), "unknown");
}
END_TEST

VN_CHECK_MAIN("cli/out", plain_names_are_written_as_they_are, names_that_break_lines_are_quoted,
	      json_has_the_bytes_of_names_that_are_not_utf8, types_have_words)
