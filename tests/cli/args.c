// SPDX-License-Identifier: Apache-2.0
#include "cli/args.h"

#include "../check_main.h"
#include "cli/cmd.h"

static const struct arg_opt opts[] = {
	{'a', 'a', "all", NULL, "x"},
	{'b', 'b', NULL, NULL, "x"},
	{'o', 'o', "output", "FILE", "x"},
	{0},
};
static const struct cmd cmd = {.name = "test", .synopsis = "", .text = "", .example = "", .opts = opts};

#define START(...)                                        \
	const char *argv[] = {"test", __VA_ARGS__, NULL}; \
	struct args a;                                    \
	args_init(&a, &cmd, (int)(sizeof(argv) / sizeof(argv[0])) - 1, (char **)argv)

#define NEXT(id, text)                                   \
	do {                                             \
		ck_assert_int_eq(args_next(&a), id);     \
		if (text)                                \
			ck_assert_str_eq(a.value, text); \
	} while (0)

static const char *const none;

START_TEST(letters_names_and_values)
{
	START("-ab", "-oX", "-o", "Y", "--output=Z", "--output", "W", "--all", "-aoV");

	NEXT('a', none);
	NEXT('b', none);
	NEXT('o', "X");
	NEXT('o', "Y");
	NEXT('o', "Z");
	NEXT('o', "W");
	NEXT('a', none);
	NEXT('a', none);
	NEXT('o', "V");
	NEXT(ARGS_END, none);
}
END_TEST

START_TEST(options_after_words)
{
	START("x", "-a", "-", "--", "-b", "--all");

	NEXT(ARGS_WORD, "x");
	NEXT('a', none);
	NEXT(ARGS_WORD, "-");
	NEXT(ARGS_WORD, "-b");
	NEXT(ARGS_WORD, "--all");
	NEXT(ARGS_END, none);
}
END_TEST

START_TEST(the_first_word_can_end_the_options)
{
	START("-a", "ls", "-b");

	a.options_first = true;
	NEXT('a', none);
	NEXT(ARGS_WORD, "ls");
	ck_assert_int_eq(a.next, 3);
	NEXT(ARGS_WORD, "-b");
}
END_TEST

static void bad(const char *word)
{
	START(word);

	ck_assert_int_eq(args_next(&a), ARGS_EXIT);
	ck_assert_int_eq(a.code, CMD_USAGE);
}

START_TEST(wrong_usage_is_code_2)
{
	bad("--nothing");
	bad("-x");
	bad("--all=yes");
	bad("-o");
	bad("--output");
	bad("--al");
}
END_TEST

START_TEST(an_empty_value_is_a_value)
{
	START("--output=");

	NEXT('o', "");
}
END_TEST

VN_CHECK_MAIN("cli/args", letters_names_and_values, options_after_words, the_first_word_can_end_the_options,
	      wrong_usage_is_code_2, an_empty_value_is_a_value)
