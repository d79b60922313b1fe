// SPDX-License-Identifier: Apache-2.0
#include "guest/words.h"

#include <errno.h>
#include <string.h>

#include "../check_main.h"

/* What the words look like, each in brackets. */
static const char *shown(const struct vg_words *words)
{
	static char text[1024];

	text[0] = '\0';
	for (size_t i = 0; i < words->count; i++) {
		strcat(text, "[");
		strcat(text, words->word[i]);
		strcat(text, "]");
	}
	ck_assert_ptr_null(words->word[words->count]);
	return text;
}

static void splits(const char *text, const char *expected)
{
	struct vg_words words;
	struct vg_why why;

	ck_assert_msg(vg_words_parse(text, &words, &why) == 0, "%s: %s", text, why.text);
	ck_assert_str_eq(shown(&words), expected);
	vg_words_free(&words);
}

static void refuses(const char *text, const char *sentence)
{
	struct vg_words words = {.count = 99};
	struct vg_why why;

	ck_assert_int_eq(vg_words_parse(text, &words, &why), -EINVAL);
	ck_assert_str_eq(why.text, sentence);
	ck_assert_uint_eq(words.count, 99);
}

static void kernel_splits(const char *line, const char *expected)
{
	struct vg_words words;

	ck_assert_int_eq(vg_words_parse_kernel(line, &words), 0);
	ck_assert_str_eq(shown(&words), expected);
	vg_words_free(&words);
}

START_TEST(blanks_divide)
{
	splits("ls -l /", "[ls][-l][/]");
	splits("  a\t\tb \n", "[a][b]");
	splits("a", "[a]");
}
END_TEST

START_TEST(quotes_keep_blanks_and_join)
{
	splits("sh -c 'echo \"a  b\"'", "[sh][-c][echo \"a  b\"]");
	splits("a'b c'\"d e\"f", "[ab cd ef]");
	splits("'' \"\"", "[][]");
	splits("a ''", "[a][]");
}
END_TEST

START_TEST(backslash_depends_on_its_place)
{
	splits("a\\ b \\'c \\\\", "[a b]['c][\\]");
	splits("\"a\\\"b\\\\c\\d\"", "[a\"b\\c\\d]");
	splits("'a\\'", "[a\\]");
}
END_TEST

START_TEST(a_command_must_be_there)
{
	refuses("", "VENEER_CMD: no command in it; name a program");
	refuses(" \t", "VENEER_CMD: no command in it; name a program");
}
END_TEST

START_TEST(open_quotes_are_refused)
{
	refuses("sh -c 'echo a", "VENEER_CMD: the quote ' is never closed in: 'echo a");
	refuses("a \"b\\\"", "VENEER_CMD: the quote \" is never closed in: \"b\\\"");
	refuses("a b'", "VENEER_CMD: the quote ' is never closed in: '");
}
END_TEST

START_TEST(a_backslash_at_the_end_is_refused)
{
	refuses("a \\", "VENEER_CMD: a backslash stands at the end, with nothing to quote");
	refuses("a\\", "VENEER_CMD: a backslash stands at the end, with nothing to quote");
}
END_TEST

START_TEST(kernel_white_space_divides)
{
	kernel_splits("console=ttyS0 ro  quiet\n", "[console=ttyS0][ro][quiet]");
	kernel_splits("", "");
	kernel_splits("  \n", "");
}
END_TEST

START_TEST(kernel_quotes_around_a_value_or_a_word_are_dropped)
{
	kernel_splits("A=\"b c\" d", "[A=b c][d]");
	kernel_splits("\"A=b c\" d", "[A=b c][d]");
	kernel_splits("-- \"b c\" \"\"", "[--][b c][]");
	kernel_splits("A=\"\" b", "[A=][b]");
}
END_TEST

START_TEST(kernel_quotes_elsewhere_stay)
{
	kernel_splits("A=b\"c d\"e f", "[A=b\"c d\"e][f]");
	kernel_splits("a\"b c\" d", "[a\"b c\"][d]");
	kernel_splits("A=\"b\"c d", "[A=b\"c][d]");
}
END_TEST

START_TEST(kernel_has_no_escape_and_single_quotes_are_plain)
{
	kernel_splits("A=\"sh -c 'x y'\" B='a b'", "[A=sh -c 'x y'][B='a][b']");
	kernel_splits("A=\\ b", "[A=\\][b]");
}
END_TEST

START_TEST(kernel_open_quote_ends_with_the_line)
{
	kernel_splits("A=\"b c", "[A=b c]");
	kernel_splits("\"", "[]");
	kernel_splits("A=\"", "[A=]");
	kernel_splits("a \"b c", "[a][b c]");
}
END_TEST

START_TEST(kernel_equals_at_the_start_is_no_assignment)
{
	kernel_splits("=\"a b\" c", "[=\"a b\"][c]");
	kernel_splits("A=b=\"c d\" e", "[A=b=\"c d\"][e]");
}
END_TEST

VN_CHECK_MAIN("guest/words", blanks_divide, quotes_keep_blanks_and_join, backslash_depends_on_its_place,
	      a_command_must_be_there, open_quotes_are_refused, a_backslash_at_the_end_is_refused,
	      kernel_white_space_divides, kernel_quotes_around_a_value_or_a_word_are_dropped,
	      kernel_quotes_elsewhere_stay, kernel_has_no_escape_and_single_quotes_are_plain,
	      kernel_open_quote_ends_with_the_line, kernel_equals_at_the_start_is_no_assignment)
